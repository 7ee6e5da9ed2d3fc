//! L1 and L2, connection by connection: calls in progress, negotiations, and the time to say
//! goodbye.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use ubf_server::{Call, Config, Handlers, Reply, Server, ServerLimits, Versions};

use crate::support::start;

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

#[tokio::test]
async fn as_many_calls_as_max_pending_are_begun_and_the_next_waits_in_the_socket() {
    for (max_pending, is_read) in [(2, true), (1, false)] {
        let server =
            start(Server::builder().config(config(|it| it.max_pending = max_pending))).await;
        let mut client = server.connect().await;
        let mut beside = server.connect().await;
        client.send("1 'wait'$1 'open'$").await;
        if is_read {
            client.expect("1 ? {'wait''start'}$1 ? {'open''start'}$").await;
        } else {
            while server.handle.status().calls < 1 {
                tokio::task::yield_now().await;
            }
        }
        for _ in 0..10 {
            beside.exchange("1 'here'$", "1 ? {'here''start'}$").await;
        }
        let begun = if is_read { 12 } else { 11 };
        assert_eq!(server.handle.status().counts.requests, begun);
        // The call that waits for ever ends with its connection.
        drop((client, beside));
        server.handle.shut_down(Duration::ZERO);
        assert_eq!(server.report().await.counts.calls_cut, u64::from(!is_read));
    }
}

#[tokio::test]
async fn as_many_bytes_of_calls_as_max_pending_bytes_are_begun_and_the_next_call_waits_in_the_socket()
 {
    // 'wait'$ has 7 bytes. What is below the limit lets one more packet pass, however large it is.
    for (max_pending_bytes, is_read) in [(8, true), (7, false), (1, false)] {
        let config = config(|it| it.max_pending_bytes = max_pending_bytes);
        let server = start(Server::builder().config(config)).await;
        let mut client = server.connect().await;
        let mut beside = server.connect().await;
        client.send("1 'wait'$1 'open'$").await;
        if is_read {
            client.expect("1 ? {'wait''start'}$1 ? {'open''start'}$").await;
        } else {
            while server.handle.status().calls < 1 {
                tokio::task::yield_now().await;
            }
        }
        for _ in 0..10 {
            beside.exchange("1 'here'$", "1 ? {'here''start'}$").await;
        }
        let begun = if is_read { 12 } else { 11 };
        assert_eq!(server.handle.status().counts.requests, begun);
        drop((client, beside));
        server.handle.shut_down(Duration::ZERO);
        assert_eq!(server.report().await.counts.calls_cut, u64::from(!is_read));
    }
}

#[tokio::test]
async fn as_many_negotiations_as_max_negotiations_are_answered_in_a_minute() {
    let server = start(Server::builder().config(config(|it| it.max_negotiations = 2))).await;
    let mut client = server.connect().await;
    let mut beside = server.connect().await;
    let agreed = "1 ? {'agreed'1?#1&2&3&4&5&9&10&14&#{'max_packet'16777216}&}$";
    client.exchange("0 {'negotiate'1?#1&#}$", agreed).await;
    client.exchange("0 {'negotiate'1?#1&#}$", agreed).await;
    let refused = "0 ? {'refused''too_many_negotiations'#1&2&3&4&5&9&10&14&3}$";
    client.exchange("0 {'negotiate'1?#1&#}$", refused).await;
    client.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    beside.exchange("0 {'negotiate'1?#1&#}$", agreed).await;
    drop((client, beside));
    server.stop().await;
}

#[tokio::test]
async fn a_call_in_progress_has_max_close_time_when_its_client_breaks_the_syntax() {
    let server =
        start(Server::builder().config(config(|it| it.max_close_time = Duration::from_millis(30))))
            .await;
    let mut client = server.connect().await;
    client.send("1 'never'$1 }$").await;
    let cut = "0 ? {'failed''cut'#1&2&3&4&5&9&10&14&1}$";
    client.expect_end(&format!("{cut}0 ? {{'error''close-without-open'12}}$")).await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_close_has_max_linger_time() {
    let mut limits = ServerLimits::default();
    limits.max_linger_time = Duration::from_millis(30);
    let server = start(Server::builder().limits(limits)).await;
    let mut client = server.connect().await;
    client.exchange("1 }$", "0 ? {'error''close-without-open'2}$").await;
    while server.handle.status().connections > 0 {
        tokio::task::yield_now().await;
    }
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn l1_a_client_that_sends_without_end_does_not_keep_others_waiting() {
    let count = Arc::new(AtomicU64::new(0));
    let counter = Handlers::new().on(Versions::of([1]), move |call: Call<()>| {
        let is_look = call.term().is_atom("look");
        let seen = if is_look { count.swap(0, SeqCst) } else { count.fetch_add(1, SeqCst) };
        async move { Reply::new(seen, "start") }
    });
    let server = start(Server::builder().service("counter", counter)).await;
    let negotiate = "0 {'negotiate'1\"counter\"#1&#}$";
    let agreed = "1 ? {'agreed'1\"counter\"#1&#{'max_packet'16777216}&}$";
    let (mut flood, mut other) = (server.connect().await, server.connect().await);
    flood.exchange(negotiate, agreed).await;
    other.exchange(negotiate, agreed).await;
    // All is on one thread: both have sent before the server runs again.
    let mut seen = Vec::new();
    for _ in 0..8 {
        flood.send(&"1 0$".repeat(4_000)).await;
        other.send("1 'look'$").await;
        let reply = other.packet().await;
        let number = reply.strip_prefix("1 ? {").and_then(|rest| rest.strip_suffix("'start'}$"));
        seen.push(number.unwrap().parse::<u64>().unwrap());
        for _ in 0..4_000 {
            flood.packet().await;
        }
        other.send("1 'look'$").await;
        other.packet().await;
    }
    assert!(seen.iter().all(|&count| count <= 1_024), "{seen:?}");
    drop((flood, other));
    server.stop().await;
}
