//! L1 and L2: what a server cannot do to a client.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use ubf_client::{Client, LossReason, Notice};
use ubf_codec::{Limits, ubf};
use ubf_proto::client::Config;

use crate::script::{Peer, Script, builder, within};

/// A client with these settings, its connection, and what it notices.
async fn connect(
    script: &Script,
    set: impl FnOnce(&mut Config),
) -> (Client, Peer, UnboundedReceiver<Notice>) {
    let (seen, notices) = tokio::sync::mpsc::unbounded_channel();
    let build = builder(&script.address())
        .configure(set)
        .on_notice(move |notice| drop(seen.send(notice.clone())));
    let (client, peer) = within(async { tokio::join!(build.connect(), script.agree()) }).await;
    (client.unwrap(), peer, notices)
}

async fn loss(notices: &mut UnboundedReceiver<Notice>) -> LossReason {
    loop {
        if let Notice::Lost { reason, .. } = within(notices.recv()).await.unwrap() {
            return reason;
        }
    }
}

/// A limit by name, set to a small value; a reply at it and one that is one past it.
type Case = (&'static str, u64, Limits, &'static str, &'static str, &'static str);

fn cases() -> [Case; 7] {
    let limits = Limits::default();
    [
        ("max_depth", 3, limits.with_max_depth(2), "? {{{}}'s'}", "? {{{{}}}'s'}", "limit-depth"),
        (
            "max_expanded_nodes",
            8,
            limits.with_max_expanded_nodes(8),
            "? {{1 2 3 4 5}'s'}",
            "? {{1 2 3 4 5 6}'s'}",
            "limit-expanded-nodes",
        ),
        (
            "max_expanded_bytes",
            12,
            limits.with_max_expanded_bytes(12),
            "? {\"hello world\"'s'}",
            "? {\"hello world!\"'s'}",
            "limit-expanded-bytes",
        ),
        (
            "max_integer_digits",
            5,
            limits.with_max_integer_digits(5),
            "? {12345's'}",
            "? {123456's'}",
            "limit-integer-digits",
        ),
        (
            "max_tag_bytes",
            3,
            limits.with_max_tag_bytes(3),
            "? {1`abc`'s'}",
            "? {1`abcd`'s'}",
            "limit-tag-bytes",
        ),
        // Port 22 is not moved to (R7), so that the client stays.
        (
            "max_next_ip_bytes",
            12,
            limits.with_max_next_ip_bytes(12),
            "\"127.0.0.1:22\" {1's'}",
            "\"127.0.0.10:22\" {1's'}",
            "limit-next-ip-bytes",
        ),
        (
            "max_next_ip_addresses",
            1,
            limits.with_max_next_ip_addresses(1),
            "\"127.0.0.1:22\" {1's'}",
            "\"127.0.0.1:22,127.0.0.1:23\" {1's'}",
            "limit-next-ip-addresses",
        ),
    ]
}

#[tokio::test]
async fn l1_each_limit_of_a_packet_is_met_exactly_and_then_passed() {
    for (name, value, limits, at, past, code) in cases() {
        let script = Script::new().await;
        let (client, mut peer, mut notices) =
            connect(&script, |config| config.limits = limits).await;
        let server = async {
            peer.hears("3 'a'$").await;
            peer.says(&format!("3 {at}$")).await;
        };
        let (reply, ()) =
            within(async { tokio::join!(client.call(ubf!(a)).into_future(), server) }).await;
        assert!(reply.is_ok(), "{name}");
        let server = async {
            peer.hears("3 'b'$").await;
            peer.says(&format!("3 {past}$")).await;
            peer.hears(&format!("0 {{'error''{code}'")).await;
            script.agree().await
        };
        let (reply, mut peer) =
            within(async { tokio::join!(client.call(ubf!(b)).into_future(), server) }).await;
        assert!(reply.unwrap_err().may_have_run(), "{name}");
        let LossReason::BadSyntax(error) = loss(&mut notices).await else {
            panic!("{name}: expected bad syntax")
        };
        let text = error.to_string();
        assert!(text.contains(&format!("({name})")) && text.contains(&value.to_string()), "{text}");
        // It goes on at the connection after that.
        let server = async {
            peer.hears("3 'c'$").await;
            peer.says("3 ? {1's'}$").await;
        };
        let (reply, ()) =
            within(async { tokio::join!(client.call(ubf!(c)).into_future(), server) }).await;
        assert!(reply.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn l1_a_reply_of_max_packet_bytes_is_taken_and_one_byte_more_is_not() {
    for (length, is_taken) in [(40, true), (41, false)] {
        let script = Script::new().await;
        let build =
            builder(&script.address()).configure(|config| config.limits.max_packet_bytes = 40);
        let server = async {
            let mut peer = script.accept().await;
            peer.hears("0 {'negotiate'1?#3&#{'max_packet'40}&}$").await;
            peer.says("3 ? {'agreed'1?#3&#}$").await;
            peer
        };
        let (client, mut peer) = within(async { tokio::join!(build.connect(), server) }).await;
        let client = client.unwrap();
        let server = async {
            peer.hears("3 'a'$").await;
            peer.says(&format!("3 ? {{\"{}\"'s'}}$", "x".repeat(length - 12))).await;
            if !is_taken {
                peer.hears("0 {'error''limit-packet-bytes'61}$").await;
            }
        };
        let (reply, ()) =
            within(async { tokio::join!(client.call(ubf!(a)).into_future(), server) }).await;
        assert_eq!(reply.is_ok(), is_taken);
    }
}

#[tokio::test]
async fn l1_a_reply_that_never_ends_is_not_waited_for() {
    let script = Script::new().await;
    let short = |config: &mut Config| config.max_packet_time = Duration::from_millis(30);
    let (client, mut peer, mut notices) = connect(&script, short).await;
    let server = async {
        peer.hears("3 'a'$").await;
        peer.says("3 ? {").await;
        peer.hears_the_end().await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(a)).into_future(), server) }).await;
    assert!(reply.unwrap_err().may_have_run());
    assert_eq!(loss(&mut notices).await, LossReason::PacketTime { max: Duration::from_millis(30) });
}

#[tokio::test]
async fn l2_a_server_that_owes_an_answer_and_says_nothing_is_left() {
    let script = Script::new().await;
    let short = |config: &mut Config| config.max_silence = Duration::from_millis(30);
    let (client, mut peer, mut notices) = connect(&script, short).await;
    let server = async {
        peer.hears("3 'a'$").await;
        peer.hears_the_end().await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(a)).into_future(), server) }).await;
    assert!(reply.unwrap_err().may_have_run());
    assert_eq!(loss(&mut notices).await, LossReason::Silence { max: Duration::from_millis(30) });
}

#[tokio::test]
async fn l2_a_ping_asks_an_idle_server_and_one_that_does_not_answer_is_left() {
    let script = Script::new().await;
    let short = |config: &mut Config| {
        config.ping_after = Duration::from_millis(20);
        config.max_pong_time = Duration::from_millis(30);
    };
    let (_client, mut peer, mut notices) = connect(&script, short).await;
    peer.hears("0 'ping'$").await;
    peer.says("0 ? 'pong'$").await;
    peer.hears("0 'ping'$").await;
    peer.hears_the_end().await;
    assert_eq!(loss(&mut notices).await, LossReason::PongTime { max: Duration::from_millis(30) });
}

#[tokio::test]
async fn l1_a_call_is_sent_again_after_so_many_refusals_and_no_more() {
    let script = Script::new().await;
    let (client, mut peer, _notices) = connect(&script, |config| config.max_refusals = 2).await;
    let server = async {
        // P6: a negotiation precedes the call, each time.
        for packet in [2, 4, 6] {
            peer.hears("3 'a'$").await;
            peer.says(&format!("0 ? {{'refused'{{'version'3}}#3&{packet}}}$")).await;
            peer.agree().await;
        }
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(a)).into_future(), server) }).await;
    let error = reply.unwrap_err();
    assert!(!error.may_have_run(), "{error}");
    assert!(peer.has_heard_all());
}

#[tokio::test]
async fn l1_events_beyond_max_event_bytes_are_dropped_and_one_is_always_kept() {
    // An event with 2,000 terms takes 32 KB, and some words more.
    let event = ["3 ? {'event_out'{", &"1 ".repeat(2000), "}}$"].concat();
    for (max, kept) in [(1, 1), (35_000, 1), (75_000, 2)] {
        let script = Script::new().await;
        let build = builder(&script.address()).max_event_bytes(max).connect();
        let (client, mut peer) = within(async { tokio::join!(build, script.agree()) }).await;
        let client = client.unwrap();
        let events = client.events().unwrap();
        let server = async {
            peer.hears("3 'a'$").await;
            peer.says(&event.repeat(3)).await;
            peer.says("3 ? {1's'}$").await;
        };
        let (reply, ()) =
            within(async { tokio::join!(client.call(ubf!(a)).into_future(), server) }).await;
        reply.unwrap();
        let status = client.status().borrow().clone();
        assert_eq!((status.events, status.events_missed), (kept, 3 - kept), "{max}");
        drop(events);
    }
}

#[tokio::test]
async fn l1_events_are_kept_for_whoever_asks_and_for_whoever_says_so_before() {
    for is_said in [false, true] {
        let script = Script::new().await;
        let build = builder(&script.address());
        let build = if is_said { build.keep_events() } else { build };
        let (client, mut peer) =
            within(async { tokio::join!(build.connect(), script.agree()) }).await;
        let client = client.unwrap();
        let server = async {
            peer.hears("3 'a'$").await;
            peer.says("3 ? {'event_out'1}$3 ? {1's'}$").await;
        };
        let (reply, ()) =
            within(async { tokio::join!(client.call(ubf!(a)).into_future(), server) }).await;
        reply.unwrap();
        let mut events = client.events().unwrap();
        peer.says("3 ? {'event_out'2}$").await;
        let first = within(events.next_event()).await.unwrap().event().to_string();
        assert_eq!(first, if is_said { "1" } else { "2" });
        assert_eq!(events.missed(), u64::from(!is_said));
    }
}
