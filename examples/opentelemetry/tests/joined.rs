//! The spans of both sides are one trace.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use opentelemetry::trace::{SpanId, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

#[tokio::test]
async fn n15_a_handlers_span_is_below_that_of_its_caller() {
    let spans = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO)).try_init().unwrap();
    let address = example_opentelemetry::serve().await.unwrap();
    example_opentelemetry::order(address, 3).await.unwrap();
    example_opentelemetry::order(address, 4).await.unwrap();
    let all = spans.get_finished_spans().unwrap();
    let named = |name: &str| all.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let (callers, calls, looks) = (named("order"), named("call"), named("look in the store"));
    assert_eq!([callers.len(), calls.len(), looks.len()], [2, 2, 2], "{all:?}");
    let of = |span: &SpanData| (span.span_context.trace_id(), span.span_context.span_id());
    for ((caller, call), look) in callers.iter().zip(&calls).zip(&looks) {
        let ((trace, above), (here, handler), (below, _)) = (of(caller), of(call), of(look));
        assert_eq!([here, below], [trace, trace]);
        assert_eq!((caller.parent_span_id, call.parent_span_id), (SpanId::INVALID, above));
        assert!(call.parent_span_is_remote);
        assert_eq!(look.parent_span_id, handler);
    }
    assert_ne!(of(callers[0]).0, of(callers[1]).0, "two orders are one trace");
}
