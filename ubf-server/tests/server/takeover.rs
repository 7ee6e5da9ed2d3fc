//! Sessions that go from one server to its successor (U2), without what is between two processes.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use ubf_codec::{Encoder, decode};
use ubf_net::testing::within;
use ubf_server::{
    Call, Departing, Handlers, LiveExport, NotAdopted, PassedLive, Reply, Server, SessionExport,
    Versions,
};

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

/// A connection without a socket that could be given away, as one with TLS is (U3).
async fn connect_own(server: &Running) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (peer, accepted) = tokio::join!(Peer::connect(address), listener.accept());
    let connection = server.handle.serve_stream(accepted.unwrap().0, ubf_server::Peer::Own);
    tokio::spawn(connection);
    peer
}

/// With a session, on a connection that cannot go along.
async fn open(server: &Running) -> Peer {
    open_on(connect_own(server).await).await
}

async fn open_on(mut peer: Peer) -> Peer {
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

/// The same for a connection, with a copy of its socket.
fn passed(passed: &PassedLive) -> PassedLive {
    let bytes = Encoder::new().encode(&passed.export.to_term());
    let export = LiveExport::read(decode(&bytes[..]).unwrap().root()).unwrap();
    PassedLive { export, descriptor: passed.descriptor.try_clone().unwrap() }
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

#[tokio::test]
async fn u2_a_connection_goes_on_in_the_next_process_and_its_client_notices_nothing() {
    let gate = Arc::new(Semaphore::new(0));
    let old = start_with(Server::builder(), waiting(&gate)).await;
    let new = start_with(Server::builder(), waiting(&gate)).await;
    let mut with_session = open_on(old.connect().await).await;
    let mut without = old.connect().await;
    for peer in [&mut with_session, &mut without] {
        peer.send("10 'one'$10 'tw").await;
        assert_eq!(peer.packet().await, "10 ? {'one''start'}$");
    }
    let suspension = within(old.handle.suspend(LONG)).await;
    assert!(suspension.exports().is_empty() && suspension.staying().is_empty());
    let adopted: Vec<_> =
        suspension.live().iter().map(|live| new.handle.adopt_live(passed(live)).unwrap()).collect();
    assert_eq!(adopted.len(), 2);
    // It waits in the socket.
    with_session.send("o'$0 'ping'$").await;
    without.send("o'$0 'ping'$").await;
    let mut departure = suspension.commit(LONG);
    adopted.into_iter().for_each(ubf_server::AdoptedLive::serve);
    for peer in [&mut with_session, &mut without] {
        assert_eq!(peer.packet().await, "10 ? {'two''start'}$");
        assert_eq!(peer.packet().await, "0 ? 'pong'$");
    }
    assert!(within(departure.next()).await.is_none());
    // S2, S3: the numbers go on.
    with_session.send("0 {'seen'2 0}$10 'three'$0 {'seen'3 0'end'}$0 'ping'$").await;
    assert_eq!(with_session.packet().await, "10 ? {'three''start'}$");
    assert_eq!(with_session.packet().await, "0 ? 'pong'$");
    let counts = [old.handle.status().counts, new.handle.status().counts];
    assert_eq!((counts[0].connections_given, counts[1].connections_taken), (2, 2));
    assert_eq!((counts[0].sessions_given, counts[1].sessions_taken), (1, 1));
    drop((with_session, without));
    ended(old).await;
    ended(new).await;
}

#[tokio::test]
async fn u2_a_connection_whose_handler_runs_is_given_when_that_has_ended() {
    let gate = Arc::new(Semaphore::new(0));
    let old = start_with(Server::builder(), waiting(&gate)).await;
    let new = start_with(Server::builder(), waiting(&gate)).await;
    let mut peer = old.connect().await;
    peer.send("10 'one'$10 'wait'$").await;
    assert_eq!(peer.packet().await, "10 ? {'one''start'}$");
    let suspension = within(old.handle.suspend(Duration::ZERO)).await;
    assert!(suspension.live().is_empty());
    peer.send("10 'two'$").await;
    let mut departure = suspension.commit(LONG);
    gate.add_permits(1);
    let Some(Departing::Live(live)) = within(departure.next()).await else { panic!() };
    new.handle.adopt_live(passed(&live)).unwrap().serve();
    drop(live);
    assert_eq!(peer.packet().await, "10 ? {'wait''start'}$");
    assert_eq!(peer.packet().await, "10 ? {'two''start'}$");
    assert!(within(departure.next()).await.is_none());
    drop(peer);
    ended(old).await;
    ended(new).await;
}

#[tokio::test]
async fn u2_what_a_client_has_not_read_is_written_by_the_next_process() {
    let gate = Arc::new(Semaphore::new(0));
    let old = start_with(Server::builder(), waiting(&gate)).await;
    let new = start_with(Server::builder(), waiting(&gate)).await;
    let mut peer = old.connect().await;
    // More than the sockets hold.
    let long = format!("\"{}\"", "a".repeat(8 << 20));
    peer.send(&format!("10 {long}$")).await;
    while old.handle.status().counts.requests < 1 {
        tokio::task::yield_now().await;
    }
    let suspension = within(old.handle.suspend(LONG)).await;
    let [live] = suspension.live() else { panic!("{:?}", suspension.live().len()) };
    assert!(!live.export.unsent.is_empty());
    let adopted = new.handle.adopt_live(passed(live)).unwrap();
    let departure = suspension.commit(LONG);
    adopted.serve();
    let expected = format!("10 ? {{{long}'start'}}$").into_bytes();
    let mut heard = vec![0; expected.len()];
    within(peer.stream.read_exact(&mut heard)).await.unwrap();
    assert!(heard == expected, "no byte is missing, and none comes twice");
    drop((peer, departure));
    ended(old).await;
    ended(new).await;
}

#[tokio::test]
async fn u2_a_connection_that_was_given_and_not_taken_goes_on_as_if_nothing_had_been() {
    let gate = Arc::new(Semaphore::new(0));
    let server = start_with(Server::builder(), waiting(&gate)).await;
    let next = start_with(Server::builder(), waiting(&gate)).await;
    let mut peer = open_on(server.connect().await).await;
    let suspension = within(server.handle.suspend(LONG)).await;
    let [live] = suspension.live() else { panic!() };
    let adopted = next.handle.adopt_live(passed(live)).unwrap();
    let number = live.export.peer.map(|_| server.handle.connections(0, 1)[0].number).unwrap();
    // What is told to it meanwhile waits, since the socket may be another process's.
    assert!(server.handle.close_connection(number, LONG));
    peer.send("10 'one'$").await;
    drop(adopted);
    suspension.undo();
    assert_eq!(peer.packet().await, "0 ? {'closing''operator'1}$");
    peer.expect_end("").await;
    let (mut peer, resumed) = resume(&server, 0, 2).await;
    assert!(resumed.contains("{'resumed'0 0}"), "{resumed}");
    peer.send("10 'one'$0 {'seen'1 0'end'}$").await;
    assert_eq!(peer.packet().await, "10 ? {'one''start'}$");
    drop(peer);
    ended(server).await;
    ended(next).await;
}
