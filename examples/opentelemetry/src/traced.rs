//! What stands between UBF and OpenTelemetry.

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::{Instrument as _, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use ubf_client::TraceParent;
use ubf_server::{Call, Client, Failure, Handler, HandlerError, Reply, Versions};

/// The span of the moment, as UBF tells it: for [`Builder::trace`](ubf_client::Builder::trace).
#[must_use]
pub fn span_of_the_moment() -> Option<TraceParent> {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    let trace = u128::from_be_bytes(span.trace_id().to_bytes());
    TraceParent::new(trace, u64::from_be_bytes(span.span_id().to_bytes()), span.is_sampled())
}

/// The caller's span, as OpenTelemetry knows it.
fn remote(trace: TraceParent) -> Context {
    let flags = if trace.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace_id, span_id) = (trace.trace_id().to_be_bytes(), trace.span_id().to_be_bytes());
    let (trace_id, span_id) = (TraceId::from_bytes(trace_id), SpanId::from_bytes(span_id));
    let span = SpanContext::new(trace_id, span_id, flags, true, TraceState::default());
    Context::new().with_remote_span_context(span)
}

/// A handler whose calls run in spans of their own, below those of their callers.
#[derive(Debug)]
pub struct Traced<H>(pub H);

/// The span of a call. The one that the server has for its own lines has begun already, and no
/// parent can be given to it any more.
fn span_of<S>(call: &Call<S>) -> Span {
    let (service, version) = (call.service(), call.version());
    let span = info_span!(parent: None, "call", otel.kind = "server", %service, %version);
    if let Some(trace) = call.context().and_then(|context| context.trace) {
        // Where nobody listens to spans there is nothing to join.
        let _is_joined = span.set_parent(remote(trace)).is_ok();
    }
    span
}

impl<H: Handler> Handler for Traced<H> {
    type State = H::State;

    fn versions(&self) -> Versions {
        self.0.versions()
    }

    fn check(&self) -> Result<(), HandlerError> {
        self.0.check()
    }

    fn connect(&self, client: &Client) -> H::State {
        self.0.connect(client)
    }

    async fn request(&self, call: Call<H::State>) -> Result<Reply, Failure> {
        let span = span_of(&call);
        self.0.request(call).instrument(span).await
    }

    async fn event(&self, event: Call<H::State>) {
        let span = span_of(&event);
        self.0.event(event).instrument(span).await;
    }
}
