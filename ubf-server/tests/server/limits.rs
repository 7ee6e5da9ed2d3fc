//! L1 and L2: what a client cannot do.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use ubf_server::{Config, Server, ServerLimits};

use crate::support::start;

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

#[tokio::test]
async fn connections_are_bounded_in_all_and_by_address() {
    for (in_all, by_address, why) in
        [(1, 9, "too_many_connections"), (9, 1, "too_many_connections_from_address")]
    {
        let mut limits = ServerLimits::default();
        (limits.max_connections, limits.max_connections_per_address) = (in_all, by_address);
        let server = start(Server::builder().limits(limits)).await;
        let mut first = server.connect().await;
        first.exchange("1 'here'$", "1 ? {'here''start'}$").await;
        let second = server.connect().await;
        second.expect_end(&format!("0 ? {{'closing''{why}'0}}$")).await;
        assert_eq!(server.handle.status().counts.connections_refused, 1);
        first.exchange("1 'here'$", "1 ? {'here''start'}$").await;
        drop(first);
        // The place is free once the server has seen that the first client is gone.
        while server.handle.status().connections > 0 {
            tokio::task::yield_now().await;
        }
        server.connect().await.exchange("1 'here'$", "1 ? {'here''start'}$").await;
        server.stop().await;
    }
}

#[tokio::test]
async fn who_sends_nothing_is_cut_off() {
    let server = start(
        Server::builder().config(config(|it| it.max_negotiation_time = Duration::from_millis(30))),
    )
    .await;
    server.connect().await.expect_end("0 ? {'closing''negotiation_time'0}$").await;
    assert_eq!(server.handle.status().counts.too_slow, 1);
    server.stop().await;
}

#[tokio::test]
async fn l2_a_handler_that_never_ends_is_dropped_and_says_nothing_about_its_version() {
    let mut limits = ServerLimits::default();
    limits.max_call_time = Duration::from_millis(30);
    let server = start(Server::builder().limits(limits)).await;
    let mut client = server.connect().await;
    client.send(&"1 'never'$".repeat(4)).await;
    let failed = |packet| format!("0 ? {{'failed''call_time'#1&2&3&4&5&9&10&14&{packet}}}$");
    client.expect(&(1..=4).map(failed).collect::<String>()).await;
    client.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    let counts = server.handle.status().counts;
    assert_eq!((counts.timed_out, counts.failed, counts.withdrawn), (4, 0, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_packet_that_never_ends_is_cut_off() {
    let server = start(
        Server::builder().config(config(|it| it.max_packet_time = Duration::from_millis(30))),
    )
    .await;
    let mut slow = server.connect().await;
    slow.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    slow.send("1 {").await;
    slow.expect_end("0 ? {'closing''packet_time'1}$").await;
    server.stop().await;
}

#[tokio::test]
async fn who_is_silent_for_too_long_is_cut_off() {
    let server =
        start(Server::builder().config(config(|it| it.max_idle_time = Duration::from_millis(30))))
            .await;
    let mut silent = server.connect().await;
    silent.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    silent.expect_end("0 ? {'closing''idle_time'1}$").await;
    server.stop().await;
}

#[tokio::test]
async fn who_never_reads_is_not_read_from_and_cut_off() {
    let server = start(Server::builder().config(config(|it| {
        it.max_unread_bytes = 1 << 16;
        it.max_write_time = Duration::from_millis(100);
    })))
    .await;
    let mut deaf = server.connect().await;
    let request = format!("1 \"{}\"$", "x".repeat(1 << 16));
    // The sockets fill up, then the server gives up, and so does this end.
    while deaf.stream.write_all(request.as_bytes()).await.is_ok() {}
    assert_eq!(server.handle.status().counts.too_slow, 1);
    server.connect().await.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    server.stop().await;
}

#[tokio::test]
async fn a_slow_reader_holds_back_its_requests_and_loses_nothing() {
    let server = start(Server::builder().config(config(|it| {
        it.max_unread_bytes = 1 << 12;
        it.max_pending = 4;
    })))
    .await;
    let mut client = server.connect().await;
    let body = "x".repeat(1000);
    let requests = format!("1 \"{body}\"$").repeat(5000);
    let (mut reader, mut writer) = client.stream.split();
    let mut seen = vec![0; format!("1 ? {{\"{body}\"'start'}}$").len() * 5000];
    // Reading begins when all is written or the sockets are full: `join` looks at the writer first.
    let (written, read) = tokio::join!(
        writer.write_all(requests.as_bytes()),
        tokio::io::AsyncReadExt::read_exact(&mut reader, &mut seen)
    );
    written.unwrap();
    read.unwrap();
    assert!(seen == format!("1 ? {{\"{body}\"'start'}}$").repeat(5000).into_bytes());
    server.stop().await;
}

#[tokio::test]
async fn a_flood_of_events_is_held_back_and_loses_nothing() {
    let mut limits = ServerLimits::default();
    (limits.max_events, limits.max_event_handlers) = (2, 2);
    let server = start(Server::builder().limits(limits)).await;
    let mut client = server.connect().await;
    client.send(&"1 {'event_in'7}$".repeat(1000)).await;
    client.expect(&"1 ? {'event_out'7}$".repeat(1000)).await;
    server.stop().await;
}
