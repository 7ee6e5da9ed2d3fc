//! What a call waits for before it is run: the others go on.

use std::time::Duration;

use ubf_service::server::KeeperConfig;
use ubf_store::Memory;

use crate::support::Running;

const ID: &str = "0123456789abcdef";
const OTHER: &str = "fedcba9876543210";

#[tokio::test]
async fn t2_a_call_that_is_prepared_holds_up_its_own_connection_alone() {
    let server = Running::start(Memory::new()).await;
    let mut peer = server.open(ID).await;
    let mut other = server.open(OTHER).await;
    peer.send("1 {'add'\"a\"1}$1 {'slow'\"a\"}$1 {'add'\"a\"5}$0 'ping'$").await;
    peer.expect("1 ? {1'start'}$").await;
    other.exchange("1 {'add'\"a\"10}$", "1 ? {11'start'}$").await;
    other.exchange("1 {'add'\"a\"10}$", "1 ? {21'start'}$").await;
    assert!(peer.has_heard_all());
    server.keeper.service().gate.notify_one();
    peer.expect("1 ? {22'start'}$").await;
    peer.expect("1 ? {27'start'}$").await;
    peer.expect("0 ? 'pong'$").await;
    drop((peer, other));
    server.stop().await;
}

#[tokio::test]
async fn t9_a_panic_while_a_call_is_prepared_is_a_crash_of_that_call() {
    let server = Running::start(Memory::new()).await;
    let mut peer = server.open(ID).await;
    peer.send("1 {'slow'\"crash\"}$1 {'add'\"a\"1}$").await;
    server.keeper.service().gate.notify_one();
    peer.expect("0 ? {'refused''crash'#1&2&2 1}$").await;
    peer.expect("1 ? {1'start'}$").await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn s5_what_waits_when_its_connection_is_gone_does_not_run_and_is_sent_again() {
    let server = Running::start(Memory::new()).await;
    let mut peer = server.open(ID).await;
    peer.send("1 {'add'\"a\"1}$1 {'slow'\"a\"}$1 {'add'\"a\"5}$").await;
    peer.expect("1 ? {1'start'}$").await;
    drop(peer);
    let (mut peer, resumed) = server.resume(ID, 1, 2).await;
    assert!(resumed.contains("{'resumed'1 0}"), "{resumed}");
    peer.send("1 {'slow'\"a\"}$1 {'add'\"a\"5}$").await;
    // Whoever waits takes it; one that is gone does not.
    server.keeper.service().gate.notify_waiters();
    server.keeper.service().gate.notify_one();
    peer.expect("1 ? {2'start'}$").await;
    peer.expect("1 ? {7'start'}$").await;
    peer.exchange("1 {'read'\"a\"}$", "1 ? {7'start'}$").await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn l2_a_call_that_is_never_prepared_ends() {
    let mut config = KeeperConfig::default();
    config.max_prepare_time = Duration::from_millis(1);
    let server = Running::start_with("127.0.0.1:0", Memory::new(), config).await;
    let mut peer = server.open(ID).await;
    peer.send("1 {'slow'\"a\"}$1 {'add'\"a\"5}$").await;
    peer.expect("0 ? {'failed''call_time'#1&2&2 1}$").await;
    peer.expect("1 ? {5'start'}$").await;
    drop(peer);
    server.stop().await;
}
