//! A session and its service survive the server.

use std::sync::Arc;
use std::time::Duration;

use ubf_client::{Client, Level, SessionPlan};
use ubf_codec::ubf;
use ubf_net::testing::within;
use ubf_proto::endpoint::SessionLimits;
use ubf_store::Memory;

use crate::support::{Fate, Held, Running};

const ID: &str = "0123456789abcdef";

#[tokio::test]
async fn t3_after_a_restart_kept_answers_come_again_and_numbers_go_on() {
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let mut peer = server.open(ID).await;
    peer.send("1 {'add'\"a\"1}$1 {'add'\"a\"1}$").await;
    peer.expect("1 ? {1'start'}$1 ? {2'start'}$").await;
    server.kill().await;
    drop(peer);
    let server = Running::start(store.clone()).await;
    let (mut peer, resumed) = server.resume(ID, 1, 5).await;
    assert!(resumed.contains("{'resumed'2 0}"), "{resumed}");
    peer.expect("1 ? {2'start'}$").await;
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {3'start'}$").await;
    server.kill().await;
    drop(peer);
    // S5: the turn was stored.
    let server = Running::start(store).await;
    let (late, closing) = server.resume(ID, 1, 5).await;
    assert_eq!(closing, "0 ? {'closing''overtaken'1}$");
    late.expect_end("").await;
    let (mut peer, resumed) = server.resume(ID, 3, 6).await;
    assert!(resumed.contains("{'resumed'3 0}"), "{resumed}");
    peer.exchange("1 {'read'\"a\"}$", "1 ? {3'start'}$").await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn s4_a_read_whose_number_was_lost_counts_when_the_client_has_its_answer() {
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let mut peer = server.open(ID).await;
    peer.exchange("1 {'read'\"a\"}$", "1 ? {0'start'}$").await;
    server.kill().await;
    drop(peer);
    let server = Running::start(store).await;
    let (mut peer, resumed) = server.resume(ID, 1, 2).await;
    assert!(resumed.contains("{'resumed'1 0}"), "{resumed}");
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
    drop(peer);
    server.stop().await;
}

/// Killed before the commit, and after it and before the reply.
#[tokio::test]
async fn t3_a_call_in_flight_when_the_server_dies_runs_once() {
    for (fate, received) in [(Fate::LoseUntold, 0), (Fate::CommitUntold, 1)] {
        let store = Memory::new();
        let (held, holder) = Held::over(store.clone());
        let server = Running::start(held).await;
        holder.say(Fate::Commit);
        let mut peer = server.open(ID).await;
        let (holder, _) = holder.asked().await;
        peer.send("1 {'add'\"a\"1}$").await;
        let (holder, _) = holder.asked().await;
        assert!(peer.has_heard_all());
        let dead = Arc::clone(&server.keeper);
        server.kill().await;
        drop(peer);
        holder.say(fate);
        // A process that is dead claims nothing: what this one still does comes before the next one.
        tokio::task::spawn_blocking(move || dead.close()).await.unwrap().ok();
        let server = Running::start(store).await;
        let (mut peer, resumed) = server.resume(ID, 0, 2).await;
        let now = if resumed.contains("{'resumed'1 0}") { 1 } else { 0 };
        assert!(now <= received && resumed.contains(&format!("{{'resumed'{now} 0}}")));
        if now == 0 {
            peer.send("1 {'add'\"a\"1}$").await;
        }
        peer.expect("1 ? {1'start'}$").await;
        peer.exchange("1 {'read'\"a\"}$", "1 ? {1'start'}$").await;
        drop(peer);
        server.stop().await;
    }
}

/// A client of ours notices nothing but a pause.
#[tokio::test]
async fn t3_a_client_calls_through_restarts_and_each_call_runs_once() {
    const CALLS: u64 = 300;
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let address = server.address.to_string();
    let client = Client::builder()
        .address(&address)
        .versions([1, 2])
        .session(SessionPlan::demanded(Level::Durable))
        .call_time(Duration::from_secs(60))
        .connect()
        .await
        .unwrap();
    let call = |client: Client, number: u64| {
        tokio::spawn(async move { client.call(ubf!({add, "a", 1})).await.map(|_| number) })
    };
    let mut server = Some(server);
    let mut calls = Vec::new();
    for number in 0..CALLS {
        calls.push(call(client.clone(), number));
        if number % 100 == 50 {
            // Some are on their way, some are not yet.
            tokio::task::yield_now().await;
            server.take().unwrap().kill().await;
            let again = Running::start_at(&address, store.clone(), SessionLimits::default());
            server = Some(again.await);
        }
    }
    for call in calls {
        within(call).await.unwrap().unwrap();
    }
    let total = client.call(ubf!({read, "a"})).await.unwrap();
    assert_eq!(total.response().to_string(), CALLS.to_string());
    drop(client);
    server.unwrap().stop().await;
}
