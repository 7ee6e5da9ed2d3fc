//! Sessions over real sockets: they outlive their connections (S1 to S6).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ubf_codec::ubf;
use ubf_net::testing::within;
use ubf_server::{
    Call, Client, Cordon, EventSender, Failure, Handler, Handlers, Reply, Server, ServerLimits,
    SessionLimits, Versions,
};

use super::support::{Peer, Running, start, start_with};

const ID: &str = "16~0123456789abcdef~";

async fn open(server: &Running) -> Peer {
    let mut peer = server.connect().await;
    peer.send(&format!("0 {{'negotiate'1?#10&#{{'session'{ID}8 1000 60000}}&}}$")).await;
    let agreed = peer.packet().await;
    assert!(agreed.contains("{'session'8 1000 16777216 60000'memory'}"), "{agreed}");
    peer
}

async fn resume(server: &Running, done: u64, events: u64, turn: u64) -> (Peer, String) {
    let mut peer = server.connect().await;
    let option = format!("{{'resume'{ID}{done} {events} {turn}}}");
    peer.send(&format!("0 {{'negotiate'1?#10&#{option}&}}$")).await;
    let answer = peer.packet().await;
    (peer, answer)
}

async fn parked(server: &Running) {
    let mut counts = server.handle.session_counts();
    within(counts.wait_for(|counts| counts.present > 0 && counts.parked == counts.present))
        .await
        .unwrap();
}

#[tokio::test]
async fn s4_a_call_in_flight_is_answered_on_the_next_connection() {
    let server = start(Server::builder()).await;
    let mut peer = open(&server).await;
    peer.send("10 'one'$10 'wait'$10 'three'$").await;
    assert_eq!(peer.packet().await, "10 ? {'one''start'}$");
    // In the midst of a packet.
    peer.send("10 'fo").await;
    drop(peer);
    parked(&server).await;
    let (mut peer, resumed) = resume(&server, 1, 0, 2).await;
    assert!(resumed.contains("{'resumed'3 0}"), "{resumed}");
    // The handler has run on all the time, and its state is that of the session.
    peer.send("0 'ping'$10 'open'$").await;
    assert_eq!(peer.packet().await, "10 ? {'wait''start'}$");
    assert_eq!(peer.packet().await, "10 ? {'three''start'}$");
    assert_eq!(peer.packet().await, "0 ? 'pong'$");
    assert_eq!(peer.packet().await, "10 ? {'open''start'}$");
    let sessions = server.handle.sessions(0, 9);
    assert_eq!((sessions.len(), sessions[0].resumes, sessions[0].is_parked), (1, 1, false));
    let counts = server.handle.status().sessions;
    assert_eq!((counts.present, counts.parked), (1, 0));
    peer.send("0 {'seen'4 0'end'}$0 'ping'$").await;
    assert_eq!(peer.packet().await, "0 ? 'pong'$");
    assert!(server.handle.sessions(0, 9).is_empty());
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn s5_a_later_connection_takes_over_from_one_that_lives() {
    let server = start(Server::builder()).await;
    let mut first = open(&server).await;
    first.send("10 'wait'$").await;
    let (mut second, resumed) = resume(&server, 0, 0, 3).await;
    // The request may have come after the resume.
    let received = if resumed.contains("{'resumed'1 0}") { 1 } else { 0 };
    assert!(resumed.contains(&format!("{{'resumed'{received} 0}}")), "{resumed}");
    assert!(first.packet().await.starts_with("0 ? {'closing''overtaken'"));
    first.expect_end("").await;
    let (late, closing) = resume(&server, 0, 0, 2).await;
    assert_eq!(closing, "0 ? {'closing''overtaken'1}$");
    late.expect_end("").await;
    second.send("10 'open'$").await;
    if received == 1 {
        assert_eq!(second.packet().await, "10 ? {'wait''start'}$");
    }
    assert_eq!(second.packet().await, "10 ? {'open''start'}$");
    second.send("0 {'seen'0 0'end'}$").await;
    drop(second);
    server.stop().await;
}

#[tokio::test]
async fn s4_events_that_were_sent_while_nobody_listened_come_later() {
    let server = start(Server::builder()).await;
    let mut peer = open(&server).await;
    peer.send("10 {'event_in''back'}$10 'one'$").await;
    let mut packets = [peer.packet().await, peer.packet().await];
    packets.sort();
    assert_eq!(packets[0], "10 ? {'event_out''back'}$");
    drop(peer);
    parked(&server).await;
    // Neither was acknowledged.
    let (mut peer, resumed) = resume(&server, 0, 0, 2).await;
    assert!(resumed.contains("{'resumed'2 0}"), "{resumed}");
    let mut again = [peer.packet().await, peer.packet().await];
    again.sort();
    assert_eq!(again, packets);
    peer.send("0 {'seen'2 1}$0 'ping'$").await;
    assert_eq!(peer.packet().await, "0 ? 'pong'$");
    drop(peer);
    parked(&server).await;
    let (mut peer, resumed) = resume(&server, 2, 1, 3).await;
    assert!(resumed.contains("{'resumed'2 0}"), "{resumed}");
    peer.send("0 {'seen'2 1'end'}$0 'ping'$").await;
    assert_eq!(peer.packet().await, "0 ? 'pong'$");
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn s6_a_session_that_rests_takes_events_and_goes_on_resting() {
    let senders = Arc::new(Mutex::new(Vec::new()));
    let of_service = Arc::clone(&senders);
    let counter =
        Handlers::with_state(|_| AtomicU64::new(0)).on(10, move |call: Call<AtomicU64>| {
            of_service.lock().unwrap().push(call.events());
            async move { Reply::new(call.state().fetch_add(1, Ordering::Relaxed), "start") }
        });
    let server = start_with(Server::builder(), counter).await;
    let mut peer = open(&server).await;
    peer.send("10 'count'$").await;
    assert_eq!(peer.packet().await, "10 ? {0'start'}$");
    peer.send("0 {'seen'1 0}$").await;
    drop(peer);
    parked(&server).await;
    let sender = senders.lock().unwrap()[0].clone();
    // More than it has room for at a time: it is woken for them, and again.
    for number in 0..2_000 {
        within(sender.send_with(|_| ubf!((number)))).await.unwrap();
    }
    let (mut peer, resumed) = resume(&server, 1, 0, 2).await;
    assert!(resumed.contains("{'resumed'1 0}"), "{resumed}");
    for number in 0..2_000 {
        assert_eq!(peer.packet().await, format!("10 ? {{'event_out'{number}}}$"));
    }
    // Its service has what it had, and reaches the client.
    within(sender.send_with(|_| ubf!(awake))).await.unwrap();
    assert_eq!(peer.packet().await, "10 ? {'event_out''awake'}$");
    peer.send("10 'count'$").await;
    assert_eq!(peer.packet().await, "10 ? {1'start'}$");
    drop(peer);
    parked(&server).await;
    // An answer and an event were not acknowledged.
    let (mut peer, resumed) = resume(&server, 1, 2_000, 3).await;
    assert!(resumed.contains("{'resumed'2 0}"), "{resumed}");
    assert_eq!(peer.packet().await, "10 ? {'event_out''awake'}$");
    assert_eq!(peer.packet().await, "10 ? {1'start'}$");
    peer.send("0 {'seen'2 2001'end'}$").await;
    drop(peer);
    within(sender.closed()).await;
    server.stop().await;
}

/// Counts how often it is told of a client, of which it keeps nothing, and shows its senders.
struct Forgetful {
    connects: Arc<AtomicU64>,
    senders: Arc<Mutex<Vec<EventSender>>>,
}

impl Handler for Forgetful {
    type State = ();

    fn versions(&self) -> Versions {
        Versions::of([10])
    }

    fn is_stateless(&self) -> bool {
        true
    }

    fn connect(&self, _: &Client) {
        self.connects.fetch_add(1, Ordering::Relaxed);
    }

    async fn request(&self, call: Call<()>) -> Result<Reply, Failure> {
        if call.term().is_atom("subscribe") {
            self.senders.lock().unwrap().push(call.events());
        }
        Ok(Reply::ok(1))
    }
}

#[tokio::test]
async fn s6_what_is_not_missed_is_not_kept_for_a_session_that_rests() {
    let (connects, senders) = (Arc::<AtomicU64>::default(), Arc::default());
    let forgetful = Forgetful { connects: Arc::clone(&connects), senders: Arc::clone(&senders) };
    let server = start_with(Server::builder(), forgetful).await;
    let mut peer = open(&server).await;
    peer.send("10 'one'$").await;
    assert_eq!(peer.packet().await, "10 ? {1'start'}$");
    drop(peer);
    parked(&server).await;
    let (mut peer, _) = resume(&server, 1, 0, 2).await;
    assert_eq!(connects.load(Ordering::Relaxed), 1);
    peer.send("10 'subscribe'$").await;
    assert_eq!(peer.packet().await, "10 ? {1'start'}$");
    assert_eq!(connects.load(Ordering::Relaxed), 2);
    drop(peer);
    parked(&server).await;
    // Somebody may send events now, so that the client's place is kept.
    let (mut peer, _) = resume(&server, 2, 0, 3).await;
    let sender: EventSender = senders.lock().unwrap().pop().unwrap();
    within(sender.send_with(|_| ubf!(news))).await.unwrap();
    assert_eq!(peer.packet().await, "10 ? {'event_out''news'}$");
    peer.send("10 'two'$").await;
    assert_eq!(peer.packet().await, "10 ? {1'start'}$");
    assert_eq!(connects.load(Ordering::Relaxed), 2);
    peer.send("0 {'seen'3 1'end'}$").await;
    drop(peer);
    server.stop().await;
}

/// Its bell is in its own mailbox: that must not keep it for ever.
#[test]
fn s6_a_session_that_rests_ends_with_its_server_however_that_ends() {
    let state = Arc::new(());
    let of_service = Arc::clone(&state);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.block_on(async {
        let handler = Handlers::with_state(move |_| Arc::clone(&of_service))
            .on(10, |_: Call<Arc<()>>| async { Reply::new(1, "start") });
        let server = start_with(Server::builder(), handler).await;
        let mut peer = open(&server).await;
        peer.send("10 'one'$").await;
        assert_eq!(peer.packet().await, "10 ? {1'start'}$");
        drop(peer);
        parked(&server).await;
        // It rests as soon as its task has nothing to do.
        tokio::task::yield_now().await;
        server.handle
    });
    drop(runtime);
    drop(handle);
    assert_eq!(Arc::strong_count(&state), 1);
}

#[tokio::test]
async fn s6_a_session_that_nobody_goes_on_with_is_over_and_its_state_is_gone() {
    let mut limits = SessionLimits::default();
    limits.max_keep = Duration::from_millis(20);
    let server = start(Server::builder().sessions(limits)).await;
    let mut peer = server.connect().await;
    peer.send(&format!("0 {{'negotiate'1?#10&#{{'session'{ID}8 1000 60000}}&}}$")).await;
    assert!(peer.packet().await.contains("16777216 20'memory'"));
    drop(peer);
    let mut counts = server.handle.session_counts();
    within(counts.wait_for(|counts| counts.present == 0)).await.unwrap();
    let (mut peer, answer) = resume(&server, 0, 0, 2).await;
    assert!(answer.contains("{'no_session''unknown'}"), "{answer}");
    // The connection goes on, and may open another one.
    peer.send("10 'one'$").await;
    assert_eq!(peer.packet().await, "10 ? {'one''start'}$");
    drop(peer);
    assert_eq!(server.handle.status().counts.sessions_expired, 1);
    server.stop().await;
}

#[tokio::test]
async fn s6_a_handler_that_takes_too_long_is_dropped_without_a_connection_too() {
    let mut limits = ServerLimits::default();
    limits.max_call_time = Duration::from_millis(50);
    let server = start(Server::builder().limits(limits)).await;
    let mut peer = open(&server).await;
    peer.send("10 'never'$10 'here'$").await;
    while server.handle.status().counts.requests < 2 {
        tokio::task::yield_now().await;
    }
    drop(peer);
    // What is due comes on the next connection, whether it ended before that or after.
    let (mut peer, resumed) = resume(&server, 0, 0, 2).await;
    assert!(resumed.contains("{'resumed'2 0}"), "{resumed}");
    assert_eq!(peer.packet().await, "0 ? {'failed''call_time'#1&2&3&4&5&9&10&14&0 1}$");
    assert_eq!(peer.packet().await, "10 ? {'here''start'}$");
    assert_eq!(server.handle.status().counts.timed_out, 1);
    drop(peer);
    parked(&server).await;
    // And without any.
    let (mut peer, _resumed) = resume(&server, 2, 0, 3).await;
    peer.send("10 'never'$").await;
    while server.handle.status().counts.requests < 3 {
        tokio::task::yield_now().await;
    }
    drop(peer);
    while server.handle.status().counts.timed_out < 2 {
        tokio::task::yield_now().await;
    }
    let (mut peer, resumed) = resume(&server, 2, 0, 4).await;
    assert!(resumed.contains("{'resumed'3 0}"), "{resumed}");
    assert_eq!(peer.packet().await, "0 ? {'failed''call_time'#1&2&3&4&5&9&10&14&0 3}$");
    peer.send("0 {'seen'3 0'end'}$").await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn s10_a_parked_session_holds_up_no_stop_and_is_counted() {
    let server = start(Server::builder()).await;
    let mut peer = open(&server).await;
    peer.send("10 'one'$10 'never'$").await;
    assert_eq!(peer.packet().await, "10 ? {'one''start'}$");
    drop(peer);
    parked(&server).await;
    server.handle.shut_down(Duration::from_secs(5));
    let report = server.report().await;
    assert_eq!((report.counts.sessions_given_up, report.counts.answers_lost), (1, 2));
    assert!(!report.is_clean());
}

#[tokio::test]
async fn s10_a_client_that_was_told_that_the_server_stops_loses_nothing() {
    let server = start(Server::builder()).await;
    let mut peer = open(&server).await;
    peer.send("10 'one'$").await;
    assert_eq!(peer.packet().await, "10 ? {'one''start'}$");
    server.handle.shut_down(Duration::from_secs(5));
    assert_eq!(peer.packet().await, "0 ? {'closing''shutdown'2}$");
    drop(peer);
    assert!(server.report().await.is_clean());
}

#[tokio::test]
async fn s6_many_cuts_under_way_lose_nothing_and_run_nothing_twice() {
    let server = start(Server::builder()).await;
    let mut peer = open(&server).await;
    let (mut sent, mut done) = (0_u64, 0_u64);
    for turn in 2..60 {
        // Some calls, of which some answers are read; then the connection is cut.
        for _ in 0..(turn % 5) {
            sent += 1;
            peer.send(&format!("10 {sent}$")).await;
        }
        if turn % 3 == 0 {
            while done < sent {
                done += 1;
                assert_eq!(peer.packet().await, format!("10 ? {{{done}'start'}}$"));
            }
        }
        peer.send("10 'cut in the mid").await;
        drop(peer);
        let (next, resumed) = resume(&server, done, 0, turn).await;
        let received = (done..=sent).find(|at| resumed.contains(&format!("{{'resumed'{at} 0}}")));
        peer = next;
        // What came is answered, and what did not is sent again.
        let received = received.unwrap_or_else(|| panic!("{resumed} after {done} of {sent}"));
        for number in done + 1..=received {
            assert_eq!(peer.packet().await, format!("10 ? {{{number}'start'}}$"));
        }
        for number in received + 1..=sent {
            peer.send(&format!("10 {number}$")).await;
            assert_eq!(peer.packet().await, format!("10 ? {{{number}'start'}}$"));
        }
        done = sent;
    }
    peer.send(&format!("0 {{'seen'{done} 0'end'}}$0 'ping'$")).await;
    assert_eq!(peer.packet().await, "0 ? 'pong'$");
    drop(peer);
    let counts = server.handle.status().counts;
    assert_eq!((counts.requests, counts.sessions_resumed), (sent, 58));
    server.stop().await;
}

#[tokio::test]
async fn s4_a_cordon_lets_clients_go_on_with_their_sessions_and_nobody_else_in() {
    let server = start(Server::builder()).await;
    let mut peer = open(&server).await;
    peer.exchange("10 'one'$", "10 ? {'one''start'}$").await;
    drop(peer);
    parked(&server).await;
    assert!(server.handle.cordon(Cordon::default()));
    let (mut peer, resumed) = resume(&server, 1, 0, 2).await;
    assert!(resumed.contains("{'resumed'1 0}"), "{resumed}");
    peer.exchange("10 'two'$", "10 ? {'two''start'}$").await;
    // S10.4: the server has not noticed that this connection is lost.
    let (mut next, resumed) = resume(&server, 2, 0, 3).await;
    assert!(resumed.contains("{'resumed'2 0}"), "{resumed}");
    peer.expect_end("0 ? {'closing''overtaken'2}$").await;
    next.exchange("10 'three'$", "10 ? {'three''start'}$").await;
    // S10.6: nobody else, though it comes from the same address.
    let mut stranger = server.connect().await;
    stranger.send("10 'x'$").await;
    stranger.expect_end("0 ? {'closing''cordoned'0}$").await;
    // S10.7
    let mut waits = server.connect().await;
    waits.exchange("0 'ping'$", "0 ? 'pong'$").await;
    assert!(server.handle.uncordon());
    waits.exchange("10 'x'$", "10 ? {'x''start'}$").await;
    assert!(server.handle.cordon(Cordon::default()));
    waits.exchange("10 'y'$", "10 ? {'y''start'}$").await;
    // Whoever has no session there is turned away before a word.
    next.send("0 {'seen'3 0'end'}$0 'ping'$").await;
    assert_eq!(next.packet().await, "0 ? 'pong'$");
    server.connect().await.expect_end("0 ? {'closing''cordoned'0}$").await;
    assert_eq!(server.handle.status().counts.connections_refused, 2);
    drop((next, waits));
    server.stop().await;
}
