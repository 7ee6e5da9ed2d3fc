//! S6: events of a service to sessions, and those of clients, which are transactions.

use ubf_contract::{Enforcement, Reader};
use ubf_server::ContractRules;
use ubf_service::server::KeeperConfig;
use ubf_store::Memory;

use crate::support::{Fate, Held, Peer, Running};

const ID: &str = "0123456789abcdef";
const OTHER: &str = "fedcba9876543210";
const SHOUTED: &str = "1 ? {'event_out''shouted'}$";

/// Two sessions, of which the first one is told what the second one shouts.
async fn watched(server: &Running) -> (Peer, Peer) {
    let mut watcher = server.open(ID).await;
    watcher.exchange("1 'watch'$", "1 ? {0'start'}$").await;
    (watcher, server.open(OTHER).await)
}

async fn shout(peer: &mut Peer) {
    peer.exchange("1 'shout'$", "1 ? {1'start'}$").await;
}

#[tokio::test]
async fn s6_events_that_a_client_has_not_seen_come_again() {
    let server = Running::start(Memory::new()).await;
    let (mut watcher, mut other) = watched(&server).await;
    for _ in 0..3 {
        shout(&mut other).await;
        watcher.expect(SHOUTED).await;
    }
    // S3: it has two of them.
    watcher.exchange("0 {'seen'1 2}$0 'ping'$", "0 ? 'pong'$").await;
    drop(watcher);
    // One is made while nobody is there, or before that was seen.
    shout(&mut other).await;
    let (mut watcher, resumed) = server.resume_with(ID, 1, 2, 2).await;
    assert!(resumed.contains("{'resumed'1 0}"), "nothing is lost: {resumed}");
    watcher.expect(SHOUTED).await;
    watcher.expect(SHOUTED).await;
    shout(&mut other).await;
    watcher.expect(SHOUTED).await;
    // Both ends have counted five.
    watcher.exchange("0 {'seen'1 5}$0 'ping'$", "0 ? 'pong'$").await;
    drop(watcher);
    let (mut watcher, resumed) = server.resume_with(ID, 1, 5, 3).await;
    assert!(resumed.contains("{'resumed'1 0}"), "{resumed}");
    watcher.exchange("0 'ping'$", "0 ? 'pong'$").await;
    drop((watcher, other));
    server.stop().await;
}

/// What a keeper with these events of the owner before begins with.
fn with_unseen(unseen: Vec<ubf_state::UnseenEvents>) -> KeeperConfig {
    let mut config = KeeperConfig::default();
    config.unseen = unseen;
    config
}

#[tokio::test]
async fn u5_events_that_a_client_has_not_seen_go_to_the_next_owner() {
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let (mut watcher, mut other) = watched(&server).await;
    shout(&mut other).await;
    watcher.expect(SHOUTED).await;
    watcher.exchange("0 {'seen'1 1}$0 'ping'$", "0 ? 'pong'$").await;
    drop(watcher);
    shout(&mut other).await;
    shout(&mut other).await;
    // U5: with rows that are shown to be copied; U2: with a keeper that is closed.
    let shown = server.keeper.suspend().await.unwrap().unseen;
    server.keeper.go_on();
    shout(&mut other).await;
    let keeper = std::sync::Arc::clone(&server.keeper);
    drop(other);
    server.stop().await;
    let closed = keeper.unseen();
    drop(keeper);
    let count =
        |unseen: &[ubf_state::UnseenEvents]| unseen.iter().map(|of| of.events.len()).sum::<usize>();
    assert_eq!([count(&shown), count(&closed)], [2, 3]);
    let server = Running::start_with("127.0.0.1:0", store, with_unseen(closed)).await;
    let (mut watcher, resumed) = server.resume_with(ID, 1, 1, 2).await;
    assert!(resumed.contains("{'resumed'1 0}"), "nothing is lost: {resumed}");
    for _ in 0..3 {
        watcher.expect(SHOUTED).await;
    }
    watcher.exchange("0 {'seen'1 4}$0 'ping'$", "0 ? 'pong'$").await;
    drop(watcher);
    server.stop().await;
}

#[tokio::test]
async fn u5_events_of_an_attempt_that_came_to_nothing_are_not_taken_for_those_that_were_made_since()
{
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let (watcher, mut other) = watched(&server).await;
    drop(watcher);
    shout(&mut other).await;
    let shown = server.keeper.suspend().await.unwrap().unseen;
    server.keeper.go_on();
    shout(&mut other).await;
    drop(other);
    server.stop().await;
    let server = Running::start_with("127.0.0.1:0", store, with_unseen(shown)).await;
    let (mut watcher, resumed) = server.resume_with(ID, 1, 0, 2).await;
    assert!(resumed.contains("{'resumed'1 2}"), "two are lost, and it is told: {resumed}");
    watcher.exchange("0 'ping'$", "0 ? 'pong'$").await;
    drop(watcher);
    server.stop().await;
}

#[tokio::test]
async fn s6_events_and_answers_come_again_in_the_order_in_which_they_were_made() {
    let server = Running::start(Memory::new()).await;
    let mut peer = server.open(ID).await;
    let made = [
        "1 ? {1'start'}$",
        "1 ? {0'start'}$",
        "1 ? {'event_out'7}$",
        "1 ? {2'start'}$",
        "1 ? {0'start'}$",
        "1 ? {'event_out'7}$",
    ];
    peer.send("1 {'add'\"a\"1}$1 'tell'$1 {'add'\"a\"1}$1 'tell'$").await;
    for packet in made {
        peer.expect(packet).await;
    }
    drop(peer);
    let (mut peer, resumed) = server.resume(ID, 0, 2).await;
    assert!(resumed.contains("{'resumed'4 0}"), "{resumed}");
    for packet in made {
        peer.expect(packet).await;
    }
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn s6_after_a_restart_a_client_is_told_which_events_are_gone() {
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let (mut watcher, mut other) = watched(&server).await;
    shout(&mut other).await;
    watcher.expect(SHOUTED).await;
    watcher.exchange("0 {'seen'1 1}$0 'ping'$", "0 ? 'pong'$").await;
    drop(watcher);
    shout(&mut other).await;
    server.kill().await;
    let server = Running::start(store).await;
    let (mut other, resumed) = server.resume(OTHER, 2, 2).await;
    assert!(resumed.contains("{'resumed'2 0}"), "{resumed}");
    // It is kept, behind the one that is gone.
    shout(&mut other).await;
    let (mut watcher, resumed) = server.resume_with(ID, 1, 1, 2).await;
    assert!(resumed.contains("{'resumed'1 1}"), "one is lost: {resumed}");
    watcher.expect(SHOUTED).await;
    watcher.exchange("0 {'seen'1 3}$0 'ping'$", "0 ? 'pong'$").await;
    drop((watcher, other));
    server.stop().await;
}

#[tokio::test]
async fn t4_events_that_were_made_outlive_a_batch_whose_fate_is_not_known() {
    let (held, holder) = Held::over(Memory::new());
    let server = Running::start(held).await;
    // Two sessions, the watcher's row, the count of the event.
    for _ in 0..4 {
        holder.say(Fate::Commit);
    }
    let (mut watcher, mut other) = watched(&server).await;
    shout(&mut other).await;
    watcher.expect(SHOUTED).await;
    other.send("1 {'add'\"a\"1}$").await;
    holder.say(Fate::LoseUntold);
    watcher.expect_end("").await;
    for _ in 0..9 {
        holder.say(Fate::Commit);
    }
    let (mut watcher, resumed) = server.resume_with(ID, 1, 0, 2).await;
    assert!(resumed.contains("{'resumed'1 0}"), "{resumed}");
    watcher.expect(SHOUTED).await;
    drop((watcher, other, holder));
    server.stop().await;
}

#[tokio::test]
async fn t2_events_of_clients_are_transactions_that_run_once() {
    let store = Memory::new();
    let server = Running::start(store.clone()).await;
    let mut peer = server.open(ID).await;
    // One of them is none of the contract, and one is taken back.
    peer.send("1 {'event_in'{'add'\"a\"5}}$1 {'event_in''what'}$1 {'event_in''crash'}$").await;
    peer.exchange("0 'ping'$", "0 ? 'pong'$").await;
    server.kill().await;
    drop(peer);
    let server = Running::start(store).await;
    let (mut peer, resumed) = server.resume(ID, 0, 2).await;
    assert!(resumed.contains("{'resumed'3 0}"), "they were taken: {resumed}");
    peer.exchange("1 {'read'\"a\"}$", "1 ? {5'start'}$").await;
    // Without a session, too.
    let mut other = server.connect().await;
    other.exchange("1 {'event_in'{'add'\"a\"2}}$0 'ping'$", "0 ? 'pong'$").await;
    peer.exchange("1 {'read'\"a\"}$", "1 ? {7'start'}$").await;
    drop((peer, other));
    server.stop().await;
}

const CONTRACT: &str = "
+NAME(\"counter\"). +VSN(\"1\").
+TYPES
  tell() :: tell; watch() :: watch; shout() :: shout; n() :: integer(); shouted() :: shouted.
+STATE start
  tell() => n() & start; watch() => n() & start; shout() => n() & start;
  EVENT => shouted().
";

#[tokio::test]
async fn c4_an_event_that_its_contract_does_not_allow_is_let_go_and_not_counted() {
    let one = ubf_codec::Version::MIN;
    let contract = Reader::new().read(CONTRACT).unwrap();
    for (enforcement, breaks) in
        [(Enforcement::Enforce, 1), (Enforcement::Log, 1), (Enforcement::Off, 0)]
    {
        let rules = ContractRules::new(enforcement).version(one, contract.clone());
        let counts = rules.counts();
        let mut config = KeeperConfig::default();
        config.contracts = Some(rules);
        let server = Running::start_with("127.0.0.1:0", Memory::new(), config).await;
        let mut peer = server.open(ID).await;
        peer.exchange("1 'watch'$1 'tell'$", "1 ? {0'start'}$1 ? {0'start'}$").await;
        if enforcement != Enforcement::Enforce {
            peer.expect("1 ? {'event_out'7}$").await;
        }
        peer.exchange("1 'shout'$", &format!("1 ? {{1'start'}}${SHOUTED}")).await;
        assert_eq!(counts().events_out, breaks, "{enforcement:?}");
        let events = if enforcement == Enforcement::Enforce { 1 } else { 2 };
        peer.exchange(&format!("0 {{'seen'3 {events}}}$0 'ping'$"), "0 ? 'pong'$").await;
        drop(peer);
        let (peer, resumed) = server.resume_with(ID, 3, events, 2).await;
        assert!(resumed.contains("{'resumed'3 0}"), "{resumed}");
        drop(peer);
        server.stop().await;
    }
}
