//! Events from the server, on their way to whoever reads them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::task::coop;

use crate::reply::Event;

/// The events of a server, in the order in which it sent them.
///
/// They wait here until they are read, up to [`max_events`](crate::Builder::max_events) of them and
/// [`max_event_bytes`](crate::Builder::max_event_bytes) bytes. **What comes beyond that is
/// dropped**, the latest event first, and [`missed`](Self::missed) counts it: a reader who is late
/// must not hold up the replies, which come on the same connection. When this is dropped, all
/// events are.
#[derive(Debug)]
pub struct Events(Arc<Queue>);

/// Takes no memory before the first event: few servers send any.
#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    missed: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    events: VecDeque<Event>,
    /// Of these.
    bytes: usize,
    reader: Option<Waker>,
    has_reader: bool,
    has_writer: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    /// The next event; `None` when the client has ended.
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for those who write futures.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        // A server that talks without a pause does not keep the reader's task from letting others
        // run.
        let turn = ready!(coop::poll_proceed(cx));
        let mut waiting = self.0.waiting();
        if let Some(event) = waiting.events.pop_front() {
            waiting.bytes -= size(&event);
            turn.made_progress();
            return Poll::Ready(Some(event));
        }
        if !waiting.has_writer {
            return Poll::Ready(None);
        }
        let before = waiting.reader.replace(cx.waker().clone());
        drop(waiting);
        drop(before);
        Poll::Pending
    }

    /// How many events came and were dropped because those before them were not read.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.0.missed.load(Ordering::Relaxed)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.has_reader = false;
        waiting.events = VecDeque::new();
    }
}

/// Where events are put.
#[derive(Debug)]
pub(crate) struct EventSink {
    queue: Arc<Queue>,
    max_events: usize,
    max_bytes: usize,
}

impl EventSink {
    /// Puts an event where it waits to be read. `false` if there is no room, or nobody who could
    /// read it.
    pub(crate) fn push(&self, event: Event) -> bool {
        let bytes = size(&event);
        let mut waiting = self.queue.waiting();
        let count = waiting.events.len();
        let has_room = count == 0
            || (count < self.max_events && waiting.bytes.saturating_add(bytes) <= self.max_bytes);
        let is_kept = has_room && waiting.has_reader;
        if is_kept {
            waiting.bytes += bytes;
            waiting.events.push_back(event);
            let reader = waiting.reader.take();
            drop(waiting);
            reader.into_iter().for_each(Waker::wake);
        } else {
            self.queue.missed.fetch_add(1, Ordering::Relaxed);
        }
        is_kept
    }
}

impl Drop for EventSink {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting();
        waiting.has_writer = false;
        let reader = waiting.reader.take();
        drop(waiting);
        reader.into_iter().for_each(Waker::wake);
    }
}

fn size(event: &Event) -> usize {
    event.body.source().len()
}

pub(crate) fn channel(max_events: usize, max_bytes: usize) -> (EventSink, Events) {
    let waiting = Waiting {
        events: VecDeque::new(),
        bytes: 0,
        reader: None,
        has_reader: true,
        has_writer: true,
    };
    let queue = Arc::new(Queue { waiting: Mutex::new(waiting), missed: AtomicU64::new(0) });
    (EventSink { queue: Arc::clone(&queue), max_events, max_bytes }, Events(queue))
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

    #[tokio::test]
    async fn a_reader_hears_of_the_end_behind_the_last_event() {
        let (sink, mut events) = channel(9, 100);
        let (read, ()) = tokio::join!(events.recv(), async { assert!(sink.push(event(b"1$"))) });
        assert_eq!(read.unwrap().body().to_string(), "1");
        assert!(sink.push(event(b"2$")));
        drop(sink);
        assert_eq!(events.recv().await.unwrap().body().to_string(), "2");
        assert!(events.recv().await.is_none());
    }

    #[tokio::test]
    async fn events_that_nobody_can_read_are_dropped_and_counted() {
        let (sink, events) = channel(9, 100);
        drop(events);
        assert!(!sink.push(event(b"1$")));
        assert_eq!(sink.queue.missed.load(Ordering::Relaxed), 1);
    }
}
