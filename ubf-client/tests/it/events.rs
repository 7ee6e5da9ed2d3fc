//! Events in both directions.

use std::pin::Pin;

use futures_core::Stream as _;
use ubf_client::{Connection, Incoming};
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
        let event = within(events.next_event()).await.unwrap();
        assert_eq!((event.version().get(), event.event().to_string().as_str()), (3, expected));
    }
    drop(client);
    assert!(within(events.next_event()).await.is_none());
}

#[tokio::test]
async fn l1_events_that_nobody_reads_are_dropped_and_do_not_hold_up_replies() {
    let script = Script::new().await;
    let build = builder(&script.address()).max_events(2).keep_events().connect();
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

/// What a reader hears, in words.
fn in_words(incoming: Option<Incoming>, servers: &[String]) -> String {
    let server = |connection: &Connection| {
        servers.iter().position(|server| *server == connection.address.to_string()).unwrap()
    };
    match incoming {
        Some(Incoming::Event(event)) => {
            format!("{} from {}", event.event(), server(event.connection()))
        }
        Some(Incoming::Missed(count)) => format!("missed {count}"),
        Some(Incoming::NewConnection(connection)) => {
            format!("connection to {}", server(&connection))
        }
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_reader_hears_what_is_missing_and_of_each_new_connection_in_its_place() {
    let (one, two) = (Script::new().await, Script::new().await);
    let addresses = [one.address(), two.address()];
    let build = builder(&addresses[0]).address(&addresses[1]).max_events(1).connect();
    let (client, mut peer) = tokio::join!(build, one.agree());
    let client = client.unwrap();
    let mut events = client.events().unwrap();
    assert_eq!(in_words(within(events.recv()).await, &addresses), "connection to 0");
    peer.says("3 ? {'event_out'1}$3 ? {'event_out'2}$3 ? {'event_out'3}$").await;
    drop((peer, one));
    let mut peer = two.agree().await;
    for expected in ["1 from 0", "missed 2", "connection to 1"] {
        assert_eq!(in_words(within(events.recv()).await, &addresses), expected);
    }
    peer.says("3 ? {'event_out'4}$").await;
    let next = within(std::future::poll_fn(|cx| Pin::new(&mut events).poll_next(cx))).await;
    assert_eq!(in_words(next, &addresses), "4 from 1");
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
