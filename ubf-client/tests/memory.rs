//! L1: what a server can make a client hold. A program of its own with one test, because it counts
//! the memory of the whole process.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::future::Future as _;
use std::task::{Context, Waker};

use peak_alloc::PeakAlloc;
use tokio::net::TcpListener;
use ubf_client::{Builder, Call, Client, SessionPlan, Stream};
use ubf_codec::ubf;
use ubf_net::testing::{ScriptedPeer, within};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const KIB: usize = 1 << 10;
/// What the client is allowed to hold of events or of replies.
const LIMIT: usize = 512 * KIB;
/// For all else: buffers, a packet that is being read, what else runs in this process. Chosen: far
/// below what each of the servers here sends, and above what a client needs.
const SLACK: usize = 512 * KIB;
/// Packets that each server sends. Together, they take 8 MiB or more.
const COUNT: usize = 64;

struct Server(ScriptedPeer<Stream>);

impl Server {
    /// A client with these settings, and the server that it has agreed with.
    async fn with(set: impl FnOnce(Builder) -> Builder) -> (Client, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let builder = Client::builder()
            .address(listener.local_addr().unwrap().to_string())
            .versions([3])
            .session(SessionPlan::off())
            .configure(|config| config.grease = false)
            .max_event_bytes(LIMIT)
            .max_reply_bytes(LIMIT);
        let accept = async {
            let (stream, _address) = listener.accept().await.unwrap();
            let mut server = Self(ScriptedPeer { stream: stream.into() });
            server.0.packet().await;
            server.0.send("3 ? {'agreed'1?#3&#}$").await;
            server
        };
        let (client, server) = within(async { tokio::join!(set(builder).connect(), accept) }).await;
        (client.unwrap(), server)
    }

    /// Answers one call, with all this before the answer. The client has taken it in then.
    async fn says(&mut self, client: &Client, bytes: &str, times: usize) {
        let answer = async {
            self.0.packet().await;
            for _ in 0..times {
                self.0.send(bytes).await;
            }
            self.0.send("3 ? {'ok''start'}$").await;
        };
        let (reply, ()) = within(async { tokio::join!(client.call(ubf!(x)), answer) }).await;
        reply.unwrap();
    }
}

/// So many small integers: 2 bytes on the wire, and 16 in memory.
fn integers(count: usize) -> String {
    ["{", &"1 ".repeat(count), "}"].concat()
}

/// What is held beyond what was held before.
fn held(before: usize) -> usize {
    MEMORY.current_usage().saturating_sub(before)
}

async fn events_that_nobody_asked_for() {
    let events = ["3 ? {'event_out'", &integers(8 << 10), "}$"].concat();
    let (client, mut server) = Server::with(|builder| builder).await;
    server.says(&client, "", 0).await;
    let before = MEMORY.current_usage();
    server.says(&client, &events, COUNT).await;
    assert!(held(before) < SLACK, "{} bytes of events that nobody asked for", held(before));
    assert_eq!(client.status().borrow().events_missed, COUNT as u64);
}

async fn events_that_nobody_reads() {
    let events = ["3 ? {'event_out'", &integers(8 << 10), "}$"].concat();
    let (client, mut server) = Server::with(|builder| builder).await;
    let reader = client.events().unwrap();
    server.says(&client, "", 0).await;
    let before = MEMORY.current_usage();
    server.says(&client, &events, COUNT).await;
    assert!(held(before) < LIMIT + SLACK, "{} bytes of events that nobody reads", held(before));
    let status = client.status().borrow().clone();
    assert!(status.events > 0 && status.events + status.events_missed == COUNT as u64);
    drop(reader);
}

/// Each of the small ones comes right behind a large one that is dropped, and must not keep what it
/// was read into.
async fn small_events_beside_large_ones() {
    let large = integers(40 << 10);
    let events = ["3 ? {'event_out'1}$3 ? {'event_out'", &large, "}$"].concat();
    let (client, mut server) = Server::with(|builder| builder).await;
    let reader = client.events().unwrap();
    server.says(&client, "3 ? {'event_out'0}$", 1).await;
    let before = MEMORY.current_usage();
    server.says(&client, &events, COUNT).await;
    assert!(held(before) < SLACK, "{} bytes with {COUNT} small events", held(before));
    assert_eq!(client.status().borrow().events, COUNT as u64 + 1);
    drop(reader);
}

/// The callers have begun their calls, and are busy with something else.
async fn replies_that_nobody_takes() {
    let reply = ["3 ? {", &integers(8 << 10), "'start'}$"].concat();
    let (client, mut server) = Server::with(|builder| builder).await;
    server.says(&client, "", 0).await;
    let before = MEMORY.current_usage();
    let mut calls: Vec<_> = (0..COUNT).map(|_| Box::pin(client.call(ubf!(x)))).collect();
    for call in &mut calls {
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(Call::poll(call.as_mut(), cx).is_pending());
    }
    let sends = async {
        for _ in 0..COUNT {
            server.0.packet().await;
            server.0.send(&reply).await;
        }
    };
    let measures = async {
        let mut status = client.status();
        status.wait_for(|status| status.is_paused).await.unwrap();
        // Whatever is on its way to the client stays there.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert!(held(before) < LIMIT + SLACK, "{} bytes of replies", held(before));
        // Nothing is lost, and no call waits for ever.
        for call in calls {
            assert_eq!(call.await.unwrap().state().unwrap().to_string(), "start");
        }
        status.wait_for(|status| !status.is_paused).await.unwrap();
        assert!(status.borrow().statistics.pauses > 0);
    };
    within(async { tokio::join!(sends, measures) }).await;
    assert!(held(before) < SLACK, "{} bytes when all is taken", held(before));
}

#[tokio::test]
async fn l1_a_hostile_server_makes_a_client_hold_no_more_than_its_limits() {
    events_that_nobody_asked_for().await;
    events_that_nobody_reads().await;
    small_events_beside_large_ones().await;
    replies_that_nobody_takes().await;
}
