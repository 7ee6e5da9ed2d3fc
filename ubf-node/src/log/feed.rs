//! The log for those who look at a server at this moment: each has the lines since then.

use std::sync::Arc;

use tokio::sync::broadcast;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::json;

/// Lines that wait for a reader; who is slower loses the oldest, and is told how many. Chosen:
/// those of a second in which much happens.
const MAX_LINES: usize = 256;

/// Lines for a reader, each a JSON object.
pub(crate) type FeedLines = broadcast::Receiver<Arc<str>>;

/// Where readers get lines. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Feed(broadcast::Sender<Arc<str>>);

impl Feed {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(MAX_LINES))
    }

    /// The lines from here on.
    pub(crate) fn subscribe(&self) -> FeedLines {
        self.0.subscribe()
    }
}

/// Hands lines to readers, and makes none if there is nobody.
#[derive(Debug)]
pub(super) struct FeedLayer {
    pub(super) feed: Feed,
    pub(super) node: String,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for FeedLayer {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.feed.0.receiver_count() > 0 && *event.metadata().level() <= Level::INFO {
            let line = json::line(&self.node, event, &context);
            // The last reader may have gone meanwhile.
            self.feed.0.send(line.trim_end().into()).ok();
        }
    }
}
