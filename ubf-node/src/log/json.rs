//! A line of the log as a JSON object, with numbers as numbers.

use std::fmt::Debug;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::journal::Journal;
use super::writer::LineWriter;

/// Writes each event as one line: `timestamp`, `level`, `target`, `pid`, `node`, `message`, the
/// event's own fields beside them, and the `spans` that it is in.
#[derive(Debug)]
pub(crate) struct JsonLines {
    pub(crate) writer: LineWriter,
    pub(crate) node: String,
    pub(crate) journal: Journal,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let line = line(&self.node, event, &context);
        let level = event.metadata().level();
        self.writer.push(&self.journal.prefixed(level, line.into_bytes()));
    }
}

/// An event as a line.
pub(super) fn line<S: Subscriber + for<'a> LookupSpan<'a>>(
    node: &str,
    event: &Event<'_>,
    context: &Context<'_, S>,
) -> String {
    let metadata = event.metadata();
    let mut line = head(node, metadata.level().as_str(), metadata.target());
    event.record(&mut Fields(&mut line));
    let spans = context.event_scope(event).into_iter().flatten();
    let spans: Vec<Value> = spans.map(|span| span.name().into()).collect();
    if !spans.is_empty() {
        line.insert("spans".into(), spans.into());
    }
    text(line)
}

/// The line that says how many lines are missing.
pub(crate) fn missing(node: &str, count: u64) -> String {
    let mut line = head(node, "WARN", module_path!());
    line.insert("message".into(), "lines of the log are missing".into());
    line.insert("lines".into(), count.into());
    text(line)
}

fn head(node: &str, level: &str, target: &str) -> Map<String, Value> {
    let mut time = String::new();
    // A clock that cannot be shown leaves an empty text.
    let _is_written = SystemTime.format_time(&mut Writer::new(&mut time)).is_ok();
    let pairs = [
        ("timestamp", time.into()),
        ("level", level.into()),
        ("target", target.into()),
        ("pid", std::process::id().into()),
        ("node", node.into()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn text(line: Map<String, Value>) -> String {
    let mut text = Value::Object(line).to_string();
    text.push('\n');
    text
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().into(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}").into());
    }
}
