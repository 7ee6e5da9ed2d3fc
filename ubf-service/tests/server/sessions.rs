//! What a session of level durable does that one of level memory does, too.

use std::time::Duration;

use ubf_proto::endpoint::SessionLimits;
use ubf_server::Cordon;
use ubf_state::{ShardId, Space};
use ubf_store::{Memory, Store as _};

use crate::support::Running;

const ID: &str = "0123456789abcdef";

/// The rows of sessions and their answers that are stored.
fn session_rows(store: &Memory) -> usize {
    let scan = ubf_state::Scan {
        from: Space::Sessions.key().into(),
        to: Space::Timers.key().into(),
        limit: 1_000,
        order: ubf_state::Order::Upwards,
    };
    store.clone().scan(ShardId(1), &scan).unwrap().len()
}

#[tokio::test]
async fn s1_an_id_is_opened_once() {
    let server = Running::start(Memory::new()).await;
    let mut first = server.open(ID).await;
    let mut second = server.connect().await;
    second.send(&format!("0 {{'negotiate'1?#1&#{{'session'16~{ID}~8 1000 60000}}&}}$")).await;
    second.expect_end("0 ? {'closing''session_exists'1}$").await;
    first.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
    drop(first);
    server.stop().await;
}

#[tokio::test]
async fn s4_after_a_cut_what_is_kept_comes_again_and_nothing_runs_twice() {
    let server = Running::start(Memory::new()).await;
    let mut peer = server.open(ID).await;
    peer.send("1 {'add'\"a\"1}$1 {'add'\"a\"1}$1 {'read'\"a\"}$").await;
    peer.expect("1 ? {1'start'}$1 ? {2'start'}$1 ? {2'start'}$").await;
    drop(peer);
    let (mut peer, resumed) = server.resume(ID, 1, 2).await;
    assert!(resumed.contains("{'resumed'3 0}"), "{resumed}");
    peer.expect("1 ? {2'start'}$1 ? {2'start'}$").await;
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {3'start'}$").await;
    // S3: what was seen is forgotten.
    peer.send("0 {'seen'4 0}$0 'ping'$").await;
    peer.expect("0 ? 'pong'$").await;
    drop(peer);
    let (mut peer, resumed) = server.resume(ID, 3, 3).await;
    assert!(resumed.contains("{'resumed'4 0}"), "{resumed}");
    peer.exchange("0 'ping'$", "0 ? 'pong'$").await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn s10_a_cordon_lets_clients_go_on_with_sessions_that_are_stored() {
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let mut peer = server.open(ID).await;
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
    server.kill().await;
    drop(peer);
    // The process that goes on knows nothing of the session but what is stored.
    let server = Running::start(store).await;
    assert!(server.handle.cordon(Cordon::default()));
    let (mut peer, resumed) = server.resume(ID, 0, 2).await;
    assert!(resumed.contains("{'resumed'1 0}"), "{resumed}");
    peer.expect("1 ? {1'start'}$").await;
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {2'start'}$").await;
    let (mut late, unknown) = server.resume("fedcba9876543210", 0, 2).await;
    assert!(unknown.contains("{'no_session''unknown'}"), "{unknown}");
    late.send("1 {'read'\"a\"}$").await;
    late.expect_end("0 ? {'closing''cordoned'1}$").await;
    let mut stranger = server.connect().await;
    stranger.send(&format!("0 {{'negotiate'1?#1&#{{'session'16~{ID}~8 1000 60000}}&}}$")).await;
    stranger.expect_end("0 ? {'closing''cordoned'0}$").await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn s5_the_higher_turn_wins_and_nothing_of_the_other_connection_runs() {
    let server = Running::start(Memory::new()).await;
    let mut first = server.open(ID).await;
    first.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
    let (mut second, resumed) = server.resume(ID, 1, 3).await;
    assert!(resumed.contains("{'resumed'1 0}"), "{resumed}");
    assert!(first.packet().await.starts_with("0 ? {'closing''overtaken'"));
    let (late, closing) = server.resume(ID, 1, 2).await;
    assert_eq!(closing, "0 ? {'closing''overtaken'1}$");
    late.expect_end("").await;
    second.exchange("1 {'add'\"a\"1}$", "1 ? {2'start'}$").await;
    drop((first, second));
    server.stop().await;
}

#[tokio::test]
async fn n4_a_refusal_takes_its_number_and_is_kept() {
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let mut peer = server.open(ID).await;
    peer.send("1 {'add'\"a\"1}$7 'what'$7 {'event_in'1}$1 {'add'\"a\"1}$").await;
    peer.expect("1 ? {1'start'}$").await;
    peer.expect("0 ? {'refused'{'version'7}#1&2&3 2}$").await;
    peer.expect("0 ? {'refused'{'version'7}#1&2&4 3}$").await;
    peer.expect("1 ? {2'start'}$").await;
    server.kill().await;
    drop(peer);
    let server = Running::start(store).await;
    let (mut peer, resumed) = server.resume(ID, 1, 2).await;
    assert!(resumed.contains("{'resumed'4 0}"), "{resumed}");
    peer.expect("0 ? {'refused'{'version'7}#1&2&0 2}$").await;
    peer.expect("0 ? {'refused'{'version'7}#1&2&0 3}$").await;
    peer.expect("1 ? {2'start'}$").await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn t9_a_crash_is_refused_and_has_not_run() {
    let server = Running::start(Memory::new()).await;
    let mut peer = server.open(ID).await;
    peer.send("1 {'add'\"a\"1}$1 'crash'$1 {'add'\"a\"1}$1 {'add'\"a\"0}$1 'who'$").await;
    peer.expect("1 ? {1'start'}$").await;
    peer.expect("0 ? {'refused''crash'#1&2&3 2}$").await;
    peer.expect("1 ? {2'start'}$").await;
    peer.expect("1 ? {{'error'\"nothing to add\"}'start'}$").await;
    assert!(peer.packet().await.starts_with("1 ? {{'clientBrokeContract''who'"));
    peer.exchange("1 {'read'\"a\"}$", "1 ? {2'start'}$").await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn s2_events_are_counted_also_over_a_restart_and_what_is_missed_is_told() {
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let mut peer = server.open(ID).await;
    peer.send("1 'tell'$1 'tell'$1 {'add'\"a\"1}$").await;
    let mut packets = Vec::new();
    for _ in 0..5 {
        packets.push(peer.packet().await);
    }
    assert_eq!(packets.iter().filter(|packet| *packet == "1 ? {'event_out'7}$").count(), 2);
    server.kill().await;
    drop(peer);
    let server = Running::start(store).await;
    // The client says that it has none of them.
    let (mut peer, resumed) = server.resume(ID, 3, 2).await;
    assert!(resumed.contains("{'resumed'3 2}"), "{resumed}");
    peer.send("1 'tell'$").await;
    let mut packets = [peer.packet().await, peer.packet().await];
    packets.sort();
    assert_eq!(packets, ["1 ? {'event_out'7}$", "1 ? {0'start'}$"]);
    // Both ends have counted three.
    peer.exchange("0 {'seen'4 3}$0 'ping'$", "0 ? 'pong'$").await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn s3_a_session_that_its_client_ends_leaves_nothing() {
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let mut peer = server.open(ID).await;
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
    assert!(session_rows(&store) > 0);
    peer.send("0 {'seen'1 0'end'}$1 {'add'\"a\"1}$").await;
    peer.expect("1 ? {2'start'}$").await;
    let (_, answer) = server.resume(ID, 1, 2).await;
    assert!(answer.contains("{'no_session''unknown'}"), "{answer}");
    drop(peer);
    server.stop().await;
    assert_eq!(session_rows(&store), 0);
}

#[tokio::test]
async fn s6_a_session_that_nobody_goes_on_with_is_over_also_after_a_restart() {
    let store = Memory::new();
    let mut limits = SessionLimits::default();
    limits.max_keep = Duration::from_millis(1);
    let short = |store: &Memory| Running::start_at("127.0.0.1:0", store.clone(), limits.clone());
    let server = short(&store).await;
    let mut peer = server.connect().await;
    peer.send(&format!("0 {{'negotiate'1?#1&#{{'session'16~{ID}~8 1000 60000}}&}}$")).await;
    assert!(peer.packet().await.contains(" 1'durable'"));
    server.kill().await;
    drop(peer);
    // Its time runs anew from the beginning of the next process.
    let server = short(&store).await;
    loop {
        let (_, answer) = server.resume(ID, 0, 2).await;
        if answer.contains("{'no_session''unknown'}") {
            break;
        }
        // Whoever was fast enough has gone on, and let go.
        assert!(answer.contains("'resumed'") || answer.contains("'overtaken'"), "{answer}");
    }
    server.stop().await;
    assert_eq!(session_rows(&store), 0);
}

#[tokio::test]
async fn s6_while_as_much_is_kept_as_may_be_no_session_is_granted() {
    let mut limits = SessionLimits::default();
    limits.max_kept_in_all = 10;
    let server = Running::start_at("127.0.0.1:0", Memory::new(), limits).await;
    let mut keeps = server.open(ID).await;
    keeps.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
    let open = "0 {'negotiate'1?#1&#{'session'16~cccccccccccccccc~8 1000 60000}&}$";
    let mut other = server.connect().await;
    other.send(open).await;
    assert!(!other.packet().await.contains("'session'"), "13 bytes are kept");
    // The one that keeps them goes on, and what it has seen makes room.
    keeps.exchange("1 {'add'\"a\"1}$", "1 ? {2'start'}$").await;
    keeps.send("0 {'seen'2 0}$0 'ping'$").await;
    keeps.expect("0 ? 'pong'$").await;
    loop {
        let mut other = server.connect().await;
        other.send(open).await;
        if other.packet().await.contains("'session'") {
            break;
        }
    }
    drop((keeps, other));
    server.stop().await;
}

#[tokio::test]
async fn s6_beyond_the_limit_of_an_address_the_oldest_that_keeps_nothing_makes_room() {
    let mut limits = SessionLimits::default();
    limits.max_sessions_per_address = 2;
    let server = Running::start_at("127.0.0.1:0", Memory::new(), limits).await;
    let mut keeps = server.open("aaaaaaaaaaaaaaaa").await;
    keeps.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
    let empty = server.open("bbbbbbbbbbbbbbbb").await;
    let mut third = server.connect().await;
    let open = "0 {'negotiate'1?#1&#{'session'16~cccccccccccccccc~8 1000 60000}&}$";
    third.send(open).await;
    assert!(!third.packet().await.contains("'session'"), "both have connections");
    drop((keeps, empty, third));
    // They are parked when the server has seen that they are gone.
    loop {
        let mut third = server.connect().await;
        third.send(open).await;
        if third.packet().await.contains("'session'") {
            break;
        }
    }
    let (_, answer) = server.resume("aaaaaaaaaaaaaaaa", 0, 2).await;
    assert!(answer.contains("{'resumed'1 0}"), "an answer that nobody has read is kept: {answer}");
    let (_, answer) = server.resume("bbbbbbbbbbbbbbbb", 0, 2).await;
    assert!(answer.contains("{'no_session''unknown'}"), "{answer}");
    server.stop().await;
}
