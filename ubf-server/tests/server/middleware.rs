//! What stands around handlers: spans, layers of tower; and servers that run until a signal.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
#[cfg(feature = "tower")]
use ubf_codec::{Term, ubf};
use ubf_server::testing::{Answer, TestServer};
use ubf_server::{Call, Handlers, Reply, Server, Service};

use crate::support::Peer;

/// Keeps the spans of handlers, and which of them a handler's own line was written in.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    spans: Vec<String>,
    current: Vec<u64>,
    lines_in: Vec<u64>,
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() || metadata.target() == "handler"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = span.metadata().name().to_owned();
        span.record(&mut Fields(&mut text));
        let mut seen = self.0.lock().unwrap();
        seen.spans.push(text);
        Id::from_u64(seen.spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        let mut seen = self.0.lock().unwrap();
        let current = seen.current.last().copied();
        seen.lines_in.extend(current);
    }

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().current.push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().current.pop();
    }
}

#[tokio::test]
async fn a_handler_runs_in_a_span_that_says_whose_call_it_is() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let handlers = Handlers::new()
        .on([1, 2], |_: Call<()>| async {
            tokio::task::yield_now().await;
            tracing::info!(target: "handler", "at work");
            Reply::ok(1)
        })
        .on_event(1, |_: Call<()>| async {})
        .on_now(3, |_: &Call<()>| {
            tracing::info!(target: "handler", "at work");
            Reply::ok(1)
        });
    let server = TestServer::start(Server::builder().service("kv", handlers)).await.unwrap();
    let mut client = server.client(1);
    client.negotiate("kv", [1, 2]).await.unwrap();
    assert_eq!(client.call(1).await.unwrap(), Answer::reply(1, "start"));
    client.speak(1);
    client.send_event(1).await.unwrap();
    client.call(1).await.unwrap();
    client.speak(3);
    client.call(1).await.unwrap();
    let expected = [
        "request peer=own service=kv version=2 packet=2",
        "event peer=own service=kv version=1 packet=3",
        "request peer=own service=kv version=1 packet=4",
        "request peer=own service=kv version=3 packet=5",
    ];
    let seen = spans.0.lock().unwrap();
    assert_eq!(seen.spans, expected);
    assert_eq!(seen.lines_in, [1, 3, 4]);
}

#[tokio::test]
async fn a_server_runs_until_its_signal_and_answers_what_was_begun() {
    let handlers = Handlers::new().on(1, |_: Call<()>| async {
        tokio::task::yield_now().await;
        Reply::ok(1)
    });
    let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, handlers);
    let server = server.bind().await.unwrap();
    let stream = tokio::net::TcpStream::connect(server.addresses()[0]).await.unwrap();
    let (send, signal) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(signal, Duration::from_secs(5)));
    let mut client = Peer { stream };
    client.exchange("1 1$", "1 ? {1'start'}$").await;
    send.send(()).unwrap();
    client.expect_end("0 ? {'closing''shutdown'1}$").await;
    assert!(running.await.unwrap().is_clean());
}

#[cfg(feature = "tower")]
mod tower {
    use std::io;
    use std::task::{Context, Poll};

    use tower_layer::layer_fn;
    use ubf_server::middleware::{HandlerService, layered};
    use ubf_server::{Failure, Handler};

    use super::*;

    /// Fails for `early` before it takes the request, and for `late` when it has it.
    #[derive(Clone)]
    struct Moody<S> {
        inner: S,
        is_ready: bool,
    }

    type Inner = HandlerService<Handlers<()>>;
    type BoxError = Box<dyn std::error::Error + Send + Sync>;

    impl tower_service::Service<Call<()>> for Moody<Inner> {
        type Response = Reply;
        type Error = BoxError;
        type Future = std::pin::Pin<Box<dyn Future<Output = Result<Reply, BoxError>> + Send>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            if self.is_ready {
                return self.inner.poll_ready(cx);
            }
            Poll::Ready(Err(io::Error::other("not ready").into()))
        }

        fn call(&mut self, call: Call<()>) -> Self::Future {
            if call.term().is_atom("late") {
                return Box::pin(async { Err(io::Error::other("too late").into()) });
            }
            self.inner.call(call)
        }
    }

    fn service(is_ready: bool) -> impl Handler {
        let handlers = Handlers::new().on(1, |call: Call<()>| async move {
            if call.term().is_atom("refuse") {
                return Err(Failure::refused(Term::atom("full")));
            }
            Ok(Reply::ok(ubf!(ok)))
        });
        layered(handlers, layer_fn(move |inner| Moody { inner, is_ready }))
    }

    #[tokio::test]
    async fn a_layer_passes_on_what_handlers_say_and_fails_by_itself() {
        let server = TestServer::of(service(true)).await.unwrap();
        let mut client = server.client(1);
        assert_eq!(client.call(1).await.unwrap(), Answer::reply(ubf!(ok), "start"));
        let refused = |why| Answer::Refused { why: Term::atom(why) };
        let failed = |why| Answer::Failed { why: Term::atom(why) };
        assert_eq!(client.call(ubf!(refuse)).await.unwrap(), refused("full"));
        assert_eq!(client.call(ubf!(late)).await.unwrap(), failed("error"));
        let server = TestServer::of(service(false)).await.unwrap();
        assert_eq!(server.client(1).call(1).await.unwrap(), refused("error"));
    }
}
