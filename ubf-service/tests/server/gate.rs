//! T3: nothing leaves before it is durable.

use ubf_store::Memory;

use crate::support::{Fate, Held, Running};

const ID: &str = "0123456789abcdef";

#[tokio::test]
async fn t3_a_session_is_granted_and_a_call_answered_when_its_commit_is_durable() {
    let (store, holder) = Held::over(Memory::new());
    let server = Running::start(store).await;
    let mut peer = server.connect().await;
    peer.send(&format!("0 {{'negotiate'1?#1&#{{'session'16~{ID}~8 1000 60000}}&}}$")).await;
    let (holder, _) = holder.asked().await;
    assert!(peer.has_heard_all(), "nothing was granted");
    holder.say(Fate::Commit);
    assert!(peer.packet().await.contains("'durable'"));

    peer.send("1 {'add'\"a\"7}$0 'ping'$").await;
    let (holder, rows) = holder.asked().await;
    assert!(rows >= 3, "the count, the session and its answer: {rows}");
    assert!(peer.has_heard_all(), "neither the answer nor the pong behind it left");
    holder.say(Fate::Commit);
    for answer in ["1 ? {7'start'}$", "0 ? 'pong'$"] {
        peer.expect(answer).await;
    }
    // A call that writes nothing costs no commit.
    peer.exchange("1 {'read'\"a\"}$", "1 ? {7'start'}$").await;
    // One without a session waits, too.
    let mut other = server.connect().await;
    other.send("1 {'add'\"a\"1}$0 'ping'$").await;
    let (holder, _) = holder.asked().await;
    assert!(other.has_heard_all());
    holder.say(Fate::Commit);
    other.expect("1 ? {8'start'}$0 ? 'pong'$").await;
    drop((peer, other, holder));
    server.stop().await;
}

#[tokio::test]
async fn t3_a_pong_behind_an_event_waits_until_the_event_is_stored() {
    let (store, holder) = Held::over(Memory::new());
    let server = Running::start(store).await;
    holder.say(Fate::Commit);
    let mut peer = server.open(ID).await;
    let (holder, _) = holder.asked().await;
    peer.send("1 {'event_in'7}$0 'ping'$").await;
    let (holder, _) = holder.asked().await;
    assert!(peer.has_heard_all());
    holder.say(Fate::Commit);
    peer.expect("0 ? 'pong'$").await;
    // Without a session, too.
    let mut other = server.connect().await;
    other.send("1 {'event_in'7}$0 'ping'$").await;
    let (holder, _) = holder.asked().await;
    assert!(other.has_heard_all());
    holder.say(Fate::Commit);
    other.expect("0 ? 'pong'$").await;
    drop((peer, other, holder));
    server.stop().await;
}

#[tokio::test]
async fn t3_one_batch_is_on_its_way_while_the_next_one_runs() {
    let (store, holder) = Held::over(Memory::new());
    let server = Running::start(store).await;
    holder.say(Fate::Commit);
    let mut peer = server.open(ID).await;
    let (holder, _) = holder.asked().await;
    peer.send("1 {'add'\"a\"1}$").await;
    let (holder, _) = holder.asked().await;
    // All of these wait for the first commit, and share the second one.
    for name in ["b", "c", "d", "e"] {
        peer.send(&format!("1 {{'add'\"{name}\"1}}$")).await;
    }
    // The server has taken them when it has taken what comes behind them.
    let mut other = server.connect().await;
    other.exchange("1 {'add'\"x\"0}$", "").await;
    holder.say(Fate::Commit);
    peer.expect("1 ? {1'start'}$").await;
    let (holder, rows) = holder.asked().await;
    assert!(rows >= 3, "{rows}");
    for _ in 0..4 {
        holder.say(Fate::Commit);
    }
    for _ in 0..4 {
        peer.expect("1 ? {1'start'}$").await;
    }
    other.expect("1 ? {{'error'\"nothing to add\"}'start'}$").await;
    drop((peer, other, holder));
    server.stop().await;
}
