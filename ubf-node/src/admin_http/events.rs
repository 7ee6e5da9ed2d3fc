//! A server as it goes on: server-sent events (`text/event-stream`).

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::answer::Answers;
use super::serving::Door;
use crate::log::FeedLines;

/// Between two statuses.
const PERIOD: Duration = Duration::from_secs(1);
/// What a browser waits before it comes again, in milliseconds: a server that is upgraded in place
/// lets its readers go, and another process is there.
const RETRY: &str = "retry: 1000\n\n";

/// What a reader of events has.
struct Reader {
    answers: Arc<Answers>,
    lines: Option<FeedLines>,
    ticks: Interval,
    door: Door,
    is_told_to_retry: bool,
    _permit: OwnedSemaphorePermit,
}

/// `status` every second, `log` for each line of the log, and `missed` with a number, if the reader
/// was too slow for so many lines. They end when the door is closed.
pub(super) fn events(
    answers: Arc<Answers>,
    lines: Option<FeedLines>,
    door: Door,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Bytes> + Send {
    let mut ticks = interval(PERIOD);
    // Who reads slowly gets the status of then, and not those between.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reader = Reader { answers, lines, ticks, door, is_told_to_retry: false, _permit: permit };
    stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((event, reader))
    })
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.is_told_to_retry, true) {
            return Some(Bytes::from_static(RETRY.as_bytes()));
        }
        loop {
            let line = async {
                match &mut self.lines {
                    Some(lines) => lines.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = closed(&mut self.door) => return None,
                _ = self.ticks.tick() => break,
                line = line => match line {
                    Ok(line) => return Some(event("log", &line)),
                    Err(RecvError::Lagged(count)) => return Some(event("missed", &count)),
                    // The log is as old as the program: it ends with it.
                    Err(RecvError::Closed) => self.lines = None,
                },
            }
        }
        Some(event("status", &self.answers.recent_status().await))
    }
}

async fn closed(door: &mut Door) {
    // The error is that the server is gone.
    let _is_closed = door.wait_for(|is_open| !is_open).await.is_ok();
}

/// An event; `data` is one line.
pub(crate) fn event(name: &str, data: &(impl Display + ?Sized)) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}
