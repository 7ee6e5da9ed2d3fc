//! What an idle client holds. A program of its own with one test, because it counts the memory of
//! the whole process.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use peak_alloc::PeakAlloc;
use tokio::net::TcpListener;
use ubf_client::{Client, SessionPlan, Stream};
use ubf_codec::ubf;
use ubf_net::testing::{ScriptedPeer, within};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Chosen: below 1,024 descriptors, and enough that what threads have does not matter.
const COUNT: usize = 200;
/// Wanted: 3 KiB. Measured: 4,684 bytes, of which some 300 are those of the server's socket.
const MAX_IDLE: usize = 4_900;

/// A client that has called once and has nothing more to say, and its server.
async fn idle(listener: &TcpListener) -> (Client, ScriptedPeer<Stream>) {
    let builder = Client::builder()
        .address(listener.local_addr().unwrap().to_string())
        .versions([3])
        .session(SessionPlan::off())
        .configure(|config| config.grease = false);
    let accept = async {
        let (stream, _address) = listener.accept().await.unwrap();
        let mut server = ScriptedPeer { stream: Stream::from(stream) };
        server.packet().await;
        server.send("3 ? {'agreed'1?#3&#}$").await;
        server
    };
    let (client, mut server) = tokio::join!(builder.connect(), accept);
    let client = client.unwrap();
    let answer = async {
        server.packet().await;
        server.send("3 ? {'ok''start'}$").await;
    };
    let (reply, ()) = tokio::join!(client.call(ubf!(x)), answer);
    reply.unwrap();
    (client, server)
}

#[tokio::test]
async fn an_idle_client_holds_no_buffer_and_no_decoder() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut made = Vec::with_capacity(2 * COUNT);
    for _ in 0..COUNT {
        made.push(within(idle(&listener)).await);
    }
    // The client lets go of what it has worked in when it waits.
    tokio::task::yield_now().await;
    let before = MEMORY.current_usage();
    for _ in 0..COUNT {
        made.push(within(idle(&listener)).await);
    }
    tokio::task::yield_now().await;
    let bytes = MEMORY.current_usage().saturating_sub(before) / COUNT;
    println!("{bytes} bytes an idle client, its server's socket included");
    assert!(bytes <= MAX_IDLE, "{bytes}");
}
