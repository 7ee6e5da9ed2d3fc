//! Events from the server, on their way to whoever reads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use crate::reply::Event;

/// The events of a server, in the order in which it sent them.
///
/// They wait here until they are read, up to [`max_events`](crate::Builder::max_events) of them and
/// [`max_event_bytes`](crate::Builder::max_event_bytes) bytes. **What comes beyond that is dropped**, the latest event first, and
/// [`missed`](Self::missed) counts it: a reader who is late must not hold up the replies, which come on the same connection. When this is
/// dropped, all events are.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Event>,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    waiting_bytes: AtomicUsize,
    missed: AtomicU64,
}

impl Events {
    /// The next event; `None` when the client has ended.
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        let event = self.receiver.recv().await;
        self.count_out(event)
    }

    /// As [`recv`](Self::recv), for those who write futures.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.receiver.poll_recv(cx).map(|event| self.count_out(event))
    }

    /// How many events came and were dropped because those before them were not read.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.tally.missed.load(Ordering::Relaxed)
    }

    fn count_out(&self, event: Option<Event>) -> Option<Event> {
        let bytes = event.as_ref().map_or(0, size);
        self.tally.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        event
    }
}

/// Where events are put.
#[derive(Debug)]
pub(crate) struct EventSink {
    sender: mpsc::Sender<Event>,
    tally: Arc<Tally>,
    max_bytes: usize,
}

impl EventSink {
    /// Puts an event where it waits to be read. `false` if there is no room, or nobody who could read it.
    pub(crate) fn push(&self, event: Event) -> bool {
        let bytes = size(&event);
        // Counted before the reader can count it out. Nobody else adds.
        let before = self.tally.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let has_room = before == 0 || before.saturating_add(bytes) <= self.max_bytes;
        let is_kept = has_room && self.sender.try_send(event).is_ok();
        if !is_kept {
            self.tally.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.tally.missed.fetch_add(1, Ordering::Relaxed);
        }
        is_kept
    }
}

fn size(event: &Event) -> usize {
    event.body.source().len()
}

pub(crate) fn channel(max_events: usize, max_bytes: usize) -> (EventSink, Events) {
    let (sender, receiver) = mpsc::channel(max_events.clamp(1, tokio::sync::Semaphore::MAX_PERMITS));
    let tally = Arc::new(Tally::default());
    (EventSink { sender, tally: Arc::clone(&tally), max_bytes }, Events { receiver, tally })
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ubf_codec::{StreamDecoder, Version};

    use super::*;

    fn event(bytes: &'static [u8]) -> Event {
        let body = StreamDecoder::new().decode(&mut BytesMut::from(bytes)).unwrap().unwrap();
        Event { version: Version::MIN, body }
    }

    #[tokio::test]
    async fn l1_events_beyond_the_count_are_dropped_and_counted() {
        let (sink, mut events) = channel(2, 1000);
        assert!(sink.push(event(b"1$")) && sink.push(event(b"2$")));
        assert!(!sink.push(event(b"3$")));
        assert_eq!(events.missed(), 1);
        assert_eq!(events.recv().await.unwrap().body().to_string(), "1");
        assert!(sink.push(event(b"4$")));
        assert_eq!(events.recv().await.unwrap().body().to_string(), "2");
        assert_eq!(events.recv().await.unwrap().body().to_string(), "4");
    }

    #[tokio::test]
    async fn l1_events_beyond_the_bytes_are_dropped_but_one_is_always_kept() {
        let (sink, mut events) = channel(9, 4);
        assert!(sink.push(event(b"12$")));
        assert!(!sink.push(event(b"3$")));
        assert!(events.recv().await.is_some());
        assert!(sink.push(event(b"12345$")));
        assert!(events.recv().await.is_some());
        assert!(sink.push(event(b"1$")) && sink.push(event(b"2$")) && !sink.push(event(b"3$")));
    }
}
