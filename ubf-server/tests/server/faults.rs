//! What panics beside the handlers costs as little as it can: loggers, and values that are dropped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use ubf_server::{Call, Handlers, Phase, Reply, Server, ServerLimits, Service, Versions};

use crate::support::{Peer, start};

/// Panics at each line: as one whose output is gone.
struct BrokenLogger(Arc<Notify>);

impl Subscriber for BrokenLogger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        if event.metadata().target().starts_with("ubf_server") {
            if message.0 == "turned away" {
                self.0.notify_one();
            }
            panic!("no line can be written: {}", message.0);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[tokio::test]
async fn a_logger_that_panics_at_each_line_costs_lines_and_nothing_else() {
    let turned_away = Arc::new(Notify::new());
    let _guard = tracing::subscriber::set_default(BrokenLogger(Arc::clone(&turned_away)));
    let mut limits = ServerLimits::default();
    limits.max_connections = 1;
    let server = start(Server::builder().limits(limits)).await;
    let mut client = server.connect().await;
    client.exchange("1 'here'$1 'crash'$", "1 ? {'here''start'}$0 ? {'failed''crash'").await;
    // The acceptor itself logs that this one is turned away, and accepts the next one all the same.
    // A line may pass this logger by while the logger of another test goes: then there is one more.
    let (mut lines, mut refused) = (0, 0);
    while lines < 2 {
        assert!(refused < 50, "{lines} lines");
        server.connect().await.expect_end("0 ? {'closing''too_many_connections'0}$").await;
        refused += 1;
        let heard = timeout(Duration::from_millis(500), turned_away.notified()).await;
        lines += usize::from(heard.is_ok());
    }
    drop(client);
    while server.handle.status().connections > 0 {
        tokio::task::yield_now().await;
    }
    let mut client = server.connect().await;
    client.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    // The phases log, too.
    server.handle.shut_down(Duration::from_secs(5));
    client.expect_end("0 ? {'closing''shutdown'1}$").await;
    let report = server.report().await;
    assert!(report.is_clean());
    assert_eq!((report.counts.requests, report.counts.connections_refused), (3, refused));
}

/// Panics when it is dropped.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("a fragile value is dropped");
    }
}

#[tokio::test]
async fn values_that_panic_when_they_are_dropped_cost_no_other_call() {
    let versions = Versions::of([1]);
    let handlers =
        Handlers::with_state(|_| Fragile).on(&versions, |call: Call<Fragile>| async move {
            if call.term().is_atom("never") {
                let fragile = Fragile;
                std::future::pending::<()>().await;
                drop(fragile);
            }
            // The state of the connection outlives its calls.
            Reply::new(call.term().to_term(), "start")
        });
    let mut limits = ServerLimits::default();
    limits.max_call_time = Duration::from_millis(50);
    let server = Server::builder().listen("127.0.0.1:0").limits(limits);
    let server = server.service(Service::DEFAULT, handlers).bind().await.unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    let running = tokio::spawn(server.run());
    let mut client = Peer { stream: TcpStream::connect(address).await.unwrap() };
    // A handler's local variable, when its time is over: the reply behind it comes.
    let replies = "0 ? {'failed''call_time'#1&1}$1 ? {'here''start'}$";
    client.exchange("1 'never'$1 'here'$", replies).await;
    client.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    // The state, with the connection.
    drop(client);
    while handle.status().connections > 0 {
        tokio::task::yield_now().await;
    }
    // Both, when the server stops.
    let mut client = Peer { stream: TcpStream::connect(address).await.unwrap() };
    client.exchange("1 'here'$1 'never'$", "1 ? {'here''start'}$").await;
    handle.shut_down(Duration::from_secs(5));
    let report = timeout(Duration::from_secs(20), running).await.unwrap().unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.counts.timed_out, report.counts.failed), (2, 0));
    assert_eq!(handle.status().phase, Phase::Stopped);
}
