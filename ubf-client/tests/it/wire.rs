//! All bytes are shown to those who want to see them.

use std::sync::{Arc, Mutex};

use ubf_client::Direction::{FromServer, ToServer};
use ubf_codec::ubf;

use crate::script::{Script, builder, within};

#[tokio::test]
async fn on_wire_shows_each_packet_that_goes_out_and_each_byte_that_comes_in() {
    let script = Script::new().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&seen);
    let connecting = builder(&script.address()).on_wire(move |traffic| {
        let text = String::from_utf8(traffic.bytes.to_vec()).unwrap();
        shown.lock().unwrap().push((traffic.connection, traffic.direction, text));
    });
    let (client, mut peer) = tokio::join!(connecting.connect(), script.agree());
    let client = client.unwrap();
    let server = async {
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'ok''start'}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "ok");

    let seen = seen.lock().unwrap();
    let text = |direction| {
        let of = seen.iter().filter(|(_, way, _)| *way == direction);
        of.map(|(_, _, text)| text.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(text(ToServer), ["0 {'negotiate'1?#3&#{'max_packet'16777216}&}$", "3 'x'$"]);
    assert_eq!(text(FromServer).concat(), "3 ? {'agreed'1?#3&#}$3 ? {'ok''start'}$");
    assert!(seen.iter().all(|(connection, ..)| *connection == seen[0].0));
}

#[tokio::test]
async fn a_crash_of_the_function_that_is_shown_the_wire_changes_nothing() {
    let script = Script::new().await;
    let connecting =
        builder(&script.address()).on_wire(|_| std::panic::resume_unwind(Box::new("asked to")));
    let (client, _peer) = tokio::join!(connecting.connect(), script.agree());
    assert!(client.is_ok());
}
