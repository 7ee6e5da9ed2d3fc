//! Streams of the program's own, and servers that a test has in memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::Instant;
use ubf_codec::{Term, ubf};
use ubf_server::testing::{Answer, TestError, TestServer};
use ubf_server::{Call, DrainPlan, Handlers, Peer, Reply, Server, ServerLimits, Service, Versions};

/// A service of versions 1 and 2: `slow` takes a minute, `crash` panics, `tell` sends an event, all
/// else is sent back.
fn service() -> Handlers<()> {
    Handlers::new()
        .on(1..=2, |call: Call<()>| async move {
            let request = call.term().to_term();
            if call.term().is_atom("slow") {
                tokio::time::sleep(Duration::from_secs(50)).await;
            } else if call.term().is_atom("slower") {
                tokio::time::sleep(Duration::from_secs(70)).await;
            } else if call.term().is_atom("crash") {
                std::panic::resume_unwind(Box::new("asked to"));
            } else if call.term().is_atom("tell") {
                call.events().send(call.version(), ubf!(told)).await.unwrap();
            }
            Reply::ok(request)
        })
        .on_event(1, |event: Call<()>| async move {
            event.events().send(event.version(), event.term().to_term()).await.unwrap();
        })
}

#[tokio::test(start_paused = true)]
async fn a_test_sees_replies_events_and_failures_and_waits_for_no_clock() {
    let server = TestServer::of(service()).await.unwrap();
    let mut client = server.client(1);
    let began = Instant::now();
    client.send(ubf!(slow)).await.unwrap();
    client.send(ubf!(tell)).await.unwrap();
    // P5: the answers come in their order, though the second is ready long before.
    assert_eq!(client.answer().await.unwrap(), Answer::reply(ubf!(slow), "start"));
    assert_eq!(client.answer().await.unwrap(), Answer::reply(ubf!(tell), "start"));
    assert!(began.elapsed() >= Duration::from_secs(50));
    let event = client.event().await.unwrap();
    assert_eq!((event.version.get(), event.event), (1, ubf!(told)));
    client.send_event(ubf!({typing, 7})).await.unwrap();
    assert_eq!(client.event().await.unwrap().event, ubf!({typing, 7}));
    let failed = |why| Answer::Failed { why: Term::atom(why) };
    assert_eq!(client.call(ubf!(crash)).await.unwrap(), failed("crash"));
    assert_eq!(client.call(ubf!(slower)).await.unwrap(), failed("call_time"));
    client.speak(3);
    let refused = Answer::Refused { why: ubf!({version, 3}) };
    assert_eq!(client.call(1).await.unwrap(), refused);
    assert_eq!(server.handle().status().counts.failed, 1);
    assert!(server.stop().await.is_clean());
    assert_eq!(client.end().await.unwrap(), Some(Term::atom("shutdown")));
}

#[tokio::test(start_paused = true)]
async fn a_test_negotiates_withdraws_and_drains() {
    let builder = Server::builder().service("kv", service());
    let server = TestServer::start(builder).await.unwrap();
    let mut client = server.client(1);
    let error = client.negotiate("irc", [1]).await.unwrap_err();
    assert!(matches!(error, TestError::NoCommonVersion { spoken } if spoken == Versions::new()));
    let agreed = client.negotiate("kv", [1, 2, 3]).await.unwrap();
    assert_eq!(agreed.get(), 2);
    assert!(server.handle().withdraw(&"kv".into(), agreed));
    assert!(matches!(client.call(1).await.unwrap(), Answer::Refused { .. }));
    assert_eq!(client.negotiate("kv", [1, 2, 3]).await.unwrap().get(), 1);
    assert_eq!(client.call(1).await.unwrap(), Answer::reply(1, "start"));
    assert_eq!(client.next_ip(), None);
    let next_ip = "b.example:4000".parse().ok();
    let (grace, hard_stop) = (Duration::from_secs(600), Duration::from_secs(60));
    assert!(server.handle().drain(DrainPlan::new(next_ip, grace, hard_stop)));
    while client.next_ip().is_none() {
        assert_eq!(client.call(1).await.unwrap(), Answer::reply(1, "start"));
    }
    // Nobody waits ten minutes: the last client ends the grace.
    drop(client);
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn limits_count_streams_of_the_programs_own() {
    let mut limits = ServerLimits::default();
    limits.max_connections = 1;
    let builder = Server::builder().limits(limits).service(Service::DEFAULT, service());
    let server = TestServer::start(builder).await.unwrap();
    let mut client = server.client(1);
    assert_eq!(client.call(1).await.unwrap(), Answer::reply(1, "start"));
    let second = server.client(1);
    assert_eq!(second.end().await.unwrap(), Some(Term::atom("too_many_connections")));
    assert!(server.stop().await.is_clean());
}

/// Gives the bytes that it has, then panics.
struct Faulty(&'static [u8]);

impl AsyncRead for Faulty {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(!self.0.is_empty(), "a faulty stream is read");
        buffer.put_slice(std::mem::take(&mut self.0));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_stream_that_panics_costs_its_own_connection_and_is_counted() {
    let server = TestServer::of(service()).await.unwrap();
    let mut client = server.client(1);
    let faulty = server.handle().serve_stream(Faulty(b"1 'slow'$"), Peer::Own);
    assert!(tokio::spawn(faulty).await.unwrap_err().is_panic());
    assert_eq!(client.call(1).await.unwrap(), Answer::reply(1, "start"));
    let status = server.handle().status();
    assert_eq!((status.connections, status.counts.connections_crashed), (1, 1));
    let report = server.stop().await;
    assert!(!report.is_clean());
    assert_eq!(report.fault, None);
}

#[tokio::test]
async fn any_bytes_can_be_sent_to_a_server_in_memory() {
    let server = TestServer::of(service()).await.unwrap();
    let mut stream = server.connect();
    stream.write_all(b"1 }$").await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes.escape_ascii().to_string(), r"0 ? {\'error\'\'close-without-open\'2}$");
}

#[tokio::test]
async fn a_server_in_memory_that_is_dropped_takes_its_connections_with_it() {
    let server = TestServer::of(service()).await.unwrap();
    let mut client = server.client(1);
    assert_eq!(client.call(1).await.unwrap(), Answer::reply(1, "start"));
    drop(server);
    assert_eq!(client.end().await.unwrap(), None);
}
