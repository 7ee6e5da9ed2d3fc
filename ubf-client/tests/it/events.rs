//! Events in both directions.

use ubf_codec::ubf;

use crate::script::{Script, builder, within};

#[tokio::test]
async fn p5_events_come_between_replies_in_order() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let mut events = client.events().unwrap();
    assert!(client.events().is_none());
    let server = async {
        peer.says("3 ? {'event_out'1}$").await;
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'event_out'2}$3 ? {'ok''start'}$3 ? {'event_out'3}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "ok");
    for expected in ["1", "2", "3"] {
        let event = within(events.recv()).await.unwrap();
        assert_eq!((event.version().get(), event.event().to_string().as_str()), (3, expected));
    }
    drop(client);
    assert!(within(events.recv()).await.is_none());
}

#[tokio::test]
async fn l1_events_that_nobody_reads_are_dropped_and_do_not_hold_up_replies() {
    let script = Script::new().await;
    let build = builder(&script.address()).max_events(2).connect();
    let (client, mut peer) = tokio::join!(build, script.agree());
    let client = client.unwrap();
    let server = async {
        peer.hears("3 'x'$").await;
        peer.says(&"3 ? {'event_out'7}$".repeat(10)).await;
        peer.says("3 ? {'ok''start'}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    reply.unwrap();
    let status = client.status().borrow().clone();
    assert_eq!((status.events, status.events_missed), (2, 8));
    assert_eq!(client.events().unwrap().missed(), 8);
}

#[tokio::test]
async fn a_cast_goes_out_and_is_taken_when_a_later_packet_is_answered() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    within(client.cast(ubf!({joined, "Joe"})).into_future()).await.unwrap();
    let server = async {
        peer.hears("3 {'event_in'{'joined'\"Joe\"}}$3 {'event_in''second'}$3 'x'$").await;
        peer.says("3 ? {'ok''start'}$").await;
    };
    let calls = async {
        tokio::join!(client.cast(ubf!(second)).taken(), client.call(ubf!(x)).into_future())
    };
    let ((taken, reply), ()) = within(async { tokio::join!(calls, server) }).await;
    assert_eq!(taken.unwrap().get(), 3);
    reply.unwrap();
}

#[tokio::test]
async fn events_that_were_cast_are_sent_though_the_last_handle_is_gone() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    within(client.cast(ubf!(last)).into_future()).await.unwrap();
    drop(client);
    peer.hears("3 {'event_in''last'}$0 'ping'$").await;
    peer.says("0 ? 'pong'$").await;
    peer.hears_the_end().await;
}
