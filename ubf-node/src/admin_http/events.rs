//! A server as it goes on: server-sent events (`text/event-stream`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::answer::Answers;
use crate::log::FeedLines;

/// Between two statuses.
const PERIOD: Duration = Duration::from_secs(1);

/// What a reader of events has.
struct Reader {
    answers: Arc<Answers>,
    lines: Option<FeedLines>,
    ticks: Interval,
    _permit: OwnedSemaphorePermit,
}

/// `status` every second, `log` for each line of the log, and `missed` with a number, if the reader
/// was too slow for so many lines.
pub(super) fn events(
    answers: Arc<Answers>,
    lines: Option<FeedLines>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Bytes> + Send {
    let mut ticks = interval(PERIOD);
    // Who reads slowly gets the status of then, and not those between.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reader = Reader { answers, lines, ticks, _permit: permit };
    stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await;
        Some((event, reader))
    })
}

impl Reader {
    async fn next(&mut self) -> Bytes {
        loop {
            let line = async {
                match &mut self.lines {
                    Some(lines) => lines.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.ticks.tick() => return event("status", &self.answers.status().await),
                line = line => match line {
                    Ok(line) => return event("log", &line),
                    Err(RecvError::Lagged(count)) => return event("missed", &count.to_string()),
                    // The log is as old as the program: it ends with it.
                    Err(RecvError::Closed) => self.lines = None,
                },
            }
        }
    }
}

/// An event; `text` is one line.
fn event(name: &str, text: &str) -> Bytes {
    format!("event: {name}\ndata: {text}\n\n").into()
}
