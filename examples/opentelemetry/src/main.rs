//! Orders three pens, and shows which span was below which.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::error::Error;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // In a service: an exporter that sends spans to a collector.
    let spans = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("shop"));
    // The server's own spans are of the level debug.
    tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO)).try_init()?;

    let address = example_opentelemetry::serve().await?;
    example_opentelemetry::order(address, 3).await?;

    for span in spans.get_finished_spans()? {
        let own = span.span_context;
        println!(
            "{} {} below {}: {}",
            own.trace_id(),
            own.span_id(),
            span.parent_span_id,
            span.name
        );
    }
    Ok(())
}
