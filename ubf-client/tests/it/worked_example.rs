//! The example of 2003, over a socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ubf_client::Unsupported;
use ubf_codec::{Term, Version, ubf};

use crate::script::{Script, within};

#[tokio::test]
async fn agree_on_10_fall_to_8_refused_agree_on_3_carry_on() {
    let script = Script::new().await;
    let client = crate::script::without_session()
        .address(script.address())
        .versions([1, 2, 3, 6, 8, 10, 11])
        .configure(|config| config.grease = false)
        .start()
        .unwrap();

    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1?#1&2&3&6&8&10&11&#{'max_packet'16777216}&}$").await;
        peer.says("10 ? {'agreed'1?#1&2&3&4&5&9&10&14&#{'max_packet'16777216}&}$").await;
        peer.hears("10 {'get'\"a.txt\"}$").await;
        peer.says("10 ? {{'ok'5~hello~}'start'}$").await;
        peer.hears("8 {'get'\"b.txt\"}$").await;
        peer.says("0 ? {'refused'{'version'8}#1&2&3&4&5&9&10&14&3}$").await;
        peer.hears(
            "0 {'negotiate'1?#1&2&3&6&8&11&#{'quarantined'#{10'crash'}&}&{'max_packet'16777216}&}$",
        )
        .await;
        peer.says("3 ? {'agreed'1?#1&2&3&4&5&9&10&14&#{'max_packet'16777216}&}$").await;
        peer.hears("3 {'fetch'\"b.txt\"}$").await;
        peer.says("3 ? {{'ok'0~~}'start'}$").await;
        peer.hears("3 'list'$").await;
        peer.says("3 ? {#\"a.txt\"&\"b.txt\"&'start'}$").await;
        peer
    };
    let crashes = Arc::new(AtomicU32::new(0));
    let calls = async {
        let one = client.call(ubf!({get, "a.txt"})).await.unwrap();
        assert_eq!(
            (one.version().get(), one.response().to_string().as_str()),
            (10, "{ok,<<\"hello\">>}")
        );
        assert_eq!(one.state().unwrap().to_string(), "start");

        let counter = Arc::clone(&crashes);
        let two = move |version: Version| -> Result<Term, Unsupported> {
            match version.get() {
                10 => {
                    counter.fetch_add(1, Ordering::Relaxed);
                    panic!("version 10 has a bug")
                }
                4.. => Ok(ubf!({get, "b.txt"})),
                _ => Ok(ubf!({fetch, "b.txt"})),
            }
        };
        let two = client.call(two).await.unwrap();
        assert_eq!(two.version().get(), 3);

        let three = client.call(ubf!(list)).await.unwrap();
        // UBF builds lists from their ends.
        assert_eq!(three.body().to_string(), "{[\"b.txt\",\"a.txt\"],start}");
    };
    let (mut peer, ()) = within(async { tokio::join!(server, calls) }).await;

    assert_eq!(crashes.load(Ordering::Relaxed), 1);
    let status = client.status().borrow().clone();
    assert_eq!(status.version, Version::new(3));
    assert_eq!(status.address.unwrap().to_string(), script.address());
    assert_eq!(
        status.quarantine.iter().map(|(version, _)| version.get()).collect::<Vec<_>>(),
        [10]
    );
    let statistics = status.statistics;
    assert_eq!((statistics.calls, statistics.done, statistics.errors), (3, 3, 0));
    assert_eq!((statistics.fallbacks, statistics.refused, statistics.negotiations), (1, 1, 2));

    drop(client);
    peer.hears_the_end().await;
}
