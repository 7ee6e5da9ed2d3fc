//! Sessions that go from one server to its successor (U2), without what is between two processes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use ubf_codec::{Encoder, decode};
use ubf_net::testing::within;
use ubf_server::{Call, Departing, Handlers, NotAdopted, Reply, Server, SessionExport, Versions};

use super::support::{Peer, Running, start, start_with};

const ID: &str = "16~0123456789abcdef~";
const LONG: Duration = Duration::from_secs(10);

/// Echo; but `'wait'` waits for a permit.
fn waiting(gate: &Arc<Semaphore>) -> Handlers<()> {
    let gate = Arc::clone(gate);
    Handlers::new().on(Versions::of([3, 10]), move |call: Call<()>| {
        let gate = Arc::clone(&gate);
        async move {
            if call.term().is_atom("wait") {
                gate.acquire().await.unwrap().forget();
            }
            Reply::encoded([b"{", call.source(), b"'start'}$"].concat())
        }
    })
}

async fn open(server: &Running) -> Peer {
    let mut peer = server.connect().await;
    peer.send(&format!("0 {{'negotiate'1?#10&#{{'session'{ID}8 1000 60000}}&}}$")).await;
    assert!(peer.packet().await.contains("'memory'"));
    peer
}

async fn resume(server: &Running, done: u64, turn: u64) -> (Peer, String) {
    let mut peer = server.connect().await;
    let option = format!("{{'resume'{ID}{done} 0 {turn}}}");
    peer.send(&format!("0 {{'negotiate'1?#10&#{option}&}}$")).await;
    let answer = peer.packet().await;
    (peer, answer)
}

/// Through the form in which it goes to the other process.
fn sent(export: &SessionExport) -> SessionExport {
    let bytes = Encoder::new().encode(&export.to_term());
    SessionExport::read(decode(&bytes[..]).unwrap().root()).unwrap()
}

async fn ended(server: Running) {
    within(server.stop()).await;
}

#[tokio::test]
async fn u2_a_session_goes_on_in_the_next_process_with_what_is_kept() {
    let gate = Arc::new(Semaphore::new(0));
    let old = start_with(Server::builder(), waiting(&gate)).await;
    let new = start_with(Server::builder(), waiting(&gate)).await;
    let mut peer = open(&old).await;
    peer.send("10 'one'$10 'two'$").await;
    for word in ["one", "two"] {
        assert_eq!(peer.packet().await, format!("10 ? {{'{word}''start'}}$"));
    }
    let suspension = within(old.handle.suspend(LONG)).await;
    let [export] = suspension.exports() else { panic!("{suspension:?}") };
    assert!(suspension.staying().is_empty());
    new.handle.adopt(sent(export)).unwrap();
    assert_eq!(new.handle.adopt(sent(export)), Err(NotAdopted::NoRoom), "once");
    let departure = suspension.commit(LONG);
    assert_eq!(peer.packet().await, "0 ? {'closing''takeover'3}$");
    peer.expect_end("").await;
    // It has not seen the second answer.
    let (mut peer, resumed) = resume(&new, 1, 2).await;
    assert!(resumed.contains("{'resumed'2 0}"), "{resumed}");
    assert_eq!(peer.packet().await, "10 ? {'two''start'}$");
    peer.send("10 'three'$0 {'seen'3 0'end'}$").await;
    assert_eq!(peer.packet().await, "10 ? {'three''start'}$");
    drop((peer, departure));
    let counts = [old.handle.status().counts, new.handle.status().counts];
    assert_eq!((counts[0].sessions_given, counts[1].sessions_taken), (1, 1));
    ended(old).await;
    ended(new).await;
}

#[tokio::test]
async fn u2_a_server_that_is_not_replaced_goes_on_as_if_nothing_had_been() {
    let gate = Arc::new(Semaphore::new(0));
    let server = start_with(Server::builder(), waiting(&gate)).await;
    let mut peer = open(&server).await;
    let suspension = within(server.handle.suspend(LONG)).await;
    assert_eq!(suspension.exports().len(), 1);
    // It waits in the socket, and a new client in the queue.
    peer.send("10 'one'$").await;
    let mut other = server.connect().await;
    other.send("10 'other'$").await;
    suspension.undo();
    assert_eq!(peer.packet().await, "10 ? {'one''start'}$");
    assert_eq!(other.packet().await, "10 ? {'other''start'}$");
    peer.send("0 {'seen'1 0'end'}$").await;
    drop((peer, other));
    ended(server).await;
}

#[tokio::test]
async fn u2_a_session_whose_handler_runs_is_given_when_that_has_ended() {
    let gate = Arc::new(Semaphore::new(0));
    let old = start_with(Server::builder(), waiting(&gate)).await;
    let new = start_with(Server::builder(), waiting(&gate)).await;
    let mut peer = open(&old).await;
    peer.send("10 'one'$10 'wait'$").await;
    assert_eq!(peer.packet().await, "10 ? {'one''start'}$");
    let suspension = within(old.handle.suspend(Duration::ZERO)).await;
    assert_eq!((suspension.exports().len(), suspension.staying().len()), (0, 1));
    new.handle.expect_sessions(suspension.staying());
    let mut departure = suspension.commit(LONG);
    let (other, not_now) = resume(&new, 1, 2).await;
    assert!(not_now.contains("{'no_session''not_now'}"), "{not_now}");
    drop(other);
    gate.add_permits(1);
    let Some(Departing::Session(export)) = within(departure.next()).await else { panic!() };
    new.handle.adopt(sent(&export)).unwrap();
    assert!(within(departure.next()).await.is_none());
    assert_eq!(peer.packet().await, "10 ? {'wait''start'}$");
    assert_eq!(peer.packet().await, "0 ? {'closing''takeover'3}$");
    peer.expect_end("").await;
    let (mut peer, resumed) = resume(&new, 1, 3).await;
    assert!(resumed.contains("{'resumed'2 0}"), "{resumed}");
    assert_eq!(peer.packet().await, "10 ? {'wait''start'}$");
    peer.send("0 {'seen'2 0'end'}$").await;
    drop(peer);
    ended(old).await;
    ended(new).await;
}

#[tokio::test]
async fn u2_what_cannot_go_along_is_answered_and_closed_with_a_word() {
    // What this service keeps for a client has no form outside of the process.
    let old = start(Server::builder()).await;
    let mut with_session = open(&old).await;
    let mut without = old.connect().await;
    for peer in [&mut with_session, &mut without] {
        peer.send("10 'one'$").await;
        assert_eq!(peer.packet().await, "10 ? {'one''start'}$");
    }
    let suspension = within(old.handle.suspend(LONG)).await;
    assert!(suspension.exports().is_empty() && suspension.staying().is_empty());
    // They are served all the time.
    with_session.send("10 'two'$").await;
    assert_eq!(with_session.packet().await, "10 ? {'two''start'}$");
    without.send("10 'two'$").await;
    assert_eq!(without.packet().await, "10 ? {'two''start'}$");
    let departure = suspension.commit(LONG);
    assert_eq!(with_session.packet().await, "0 ? {'closing''takeover'3}$");
    assert_eq!(without.packet().await, "0 ? {'closing''takeover'2}$");
    with_session.expect_end("").await;
    without.expect_end("").await;
    drop(departure);
    ended(old).await;
}
