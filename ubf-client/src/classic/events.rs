//! Events of a stock server: kept in their order up to a limit (L1), and told to be missing beyond.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use ubf_codec::{Document, TermRef, View};

/// An event of a stock server.
#[derive(Clone, Debug)]
pub struct ClassicEvent(Document<Bytes>);

impl ClassicEvent {
    /// All that the server sent: `{'event_out',Event}`, or `{'event',Event}` from Armstrong's.
    #[must_use]
    pub const fn body(&self) -> &Document<Bytes> {
        &self.0
    }

    /// The event itself.
    #[must_use]
    pub fn event(&self) -> TermRef<'_> {
        let root = self.0.root();
        let View::Tuple(pair) = root.view() else { return root };
        pair.get(1).unwrap_or(root)
    }

    /// The event as a value.
    ///
    /// # Errors
    /// If it is not what the type expects, and where.
    #[cfg(feature = "serde")]
    #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
    pub fn event_as<T: serde_core::de::DeserializeOwned>(
        &self,
    ) -> Result<T, ubf_codec::serde::Error> {
        ubf_codec::serde::from_term(self.event())
    }
}

/// What comes next.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClassicIncoming {
    /// An event.
    Event(ClassicEvent),
    /// So many are missing here: they did not fit.
    Missed(u64),
}

/// The events of a stock server, in their order. It ends with the connection.
///
/// # Limits
/// [`max_events`](crate::Builder::max_events) and
/// [`max_event_bytes`](crate::Builder::max_event_bytes), of which one event is always kept. What
/// does not fit is dropped and told as [`Missed`](ClassicIncoming::Missed) in its place.
#[derive(Debug)]
pub struct ClassicEvents(Arc<Queue>);

#[derive(Debug)]
struct Queue(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    /// Each with the number of those that are missing before it.
    events: VecDeque<(u64, Document<Bytes>)>,
    bytes: usize,
    missed: u64,
    reader: Option<Waker>,
    /// Somebody reads them, or will.
    is_wanted: bool,
    is_open: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClassicEvents {
    pub(super) fn begin(&mut self) {
        self.0.waiting().is_wanted = true;
    }

    /// The next one. `None`: there will be none.
    pub async fn recv(&mut self) -> Option<ClassicIncoming> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next event, whatever is missing before it.
    pub async fn next_event(&mut self) -> Option<ClassicEvent> {
        loop {
            if let ClassicIncoming::Event(event) = self.recv().await? {
                return Some(event);
            }
        }
    }

    /// As [`recv`](Self::recv), for those who poll.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<ClassicIncoming>> {
        let mut waiting = self.0.waiting();
        let missed = match waiting.events.front_mut() {
            Some((missed, _)) => std::mem::take(missed),
            None => std::mem::take(&mut waiting.missed),
        };
        if missed > 0 {
            return Poll::Ready(Some(ClassicIncoming::Missed(missed)));
        }
        if let Some((_, event)) = waiting.events.pop_front() {
            waiting.bytes = waiting.bytes.saturating_sub(event.memory_bytes());
            return Poll::Ready(Some(ClassicIncoming::Event(ClassicEvent(event))));
        }
        if !waiting.is_open {
            return Poll::Ready(None);
        }
        waiting.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl futures_core::Stream for ClassicEvents {
    type Item = ClassicIncoming;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClassicIncoming>> {
        self.poll_recv(cx)
    }
}

impl Drop for ClassicEvents {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.is_wanted = false;
        waiting.events = VecDeque::new();
        waiting.bytes = 0;
    }
}

/// Where the task puts them.
#[derive(Debug)]
pub(super) struct EventSink {
    queue: Arc<Queue>,
    max_events: usize,
    max_bytes: usize,
}

impl EventSink {
    /// `false`: it was dropped.
    pub(super) fn push(&self, mut event: Document<Bytes>) -> bool {
        // It may share the memory of much that came with it.
        event.compact();
        let bytes = event.memory_bytes();
        let mut waiting = self.queue.waiting();
        let has_room = waiting.events.is_empty()
            || (waiting.events.len() < self.max_events
                && waiting.bytes.saturating_add(bytes) <= self.max_bytes);
        let is_kept = waiting.is_wanted && has_room;
        if is_kept {
            let missed = std::mem::take(&mut waiting.missed);
            waiting.bytes += bytes;
            waiting.events.push_back((missed, event));
        } else {
            waiting.missed += 1;
        }
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
        is_kept
    }
}

impl Drop for EventSink {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting();
        waiting.is_open = false;
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// `is_wanted`: events are kept before somebody has asked for them.
pub(super) fn channel(
    max_events: usize,
    max_bytes: usize,
    is_wanted: bool,
) -> (EventSink, ClassicEvents) {
    let waiting = Waiting {
        events: VecDeque::new(),
        bytes: 0,
        missed: 0,
        reader: None,
        is_wanted,
        is_open: true,
    };
    let queue = Arc::new(Queue(Mutex::new(waiting)));
    (EventSink { queue: Arc::clone(&queue), max_events, max_bytes }, ClassicEvents(queue))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ubf_codec::StreamDecoder;

    use super::*;

    fn event(bytes: &str) -> Document<Bytes> {
        StreamDecoder::new().decode(&mut BytesMut::from(bytes)).unwrap().unwrap()
    }

    fn read(events: &mut ClassicEvents) -> Vec<String> {
        let mut read = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(next)) = events.poll_recv(&mut cx) {
            read.push(match next {
                ClassicIncoming::Event(event) => event.event().to_string(),
                ClassicIncoming::Missed(count) => format!("missed {count}"),
            });
        }
        read
    }

    #[test]
    fn l1_events_beyond_the_count_are_dropped_and_told_in_their_place() {
        let (sink, mut events) = channel(2, 100_000, true);
        assert!(sink.push(event("{'event_out'1}$")) && sink.push(event("{'event_out'2}$")));
        assert!(!sink.push(event("{'event_out'3}$")) && !sink.push(event("{'event_out'4}$")));
        assert_eq!(read(&mut events), ["1", "2", "missed 2"]);
        assert!(sink.push(event("{'event'5}$")));
        drop(sink);
        assert_eq!(read(&mut events), ["5"]);
        assert!(events.poll_recv(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    #[test]
    fn l1_one_event_is_always_kept_however_large() {
        let (sink, mut events) = channel(9, 1, true);
        assert!(sink.push(event("{'event_out'\"long\"}$")));
        assert!(!sink.push(event("{'event_out'1}$")));
        assert_eq!(read(&mut events), ["\"long\"", "missed 1"]);
    }

    #[test]
    fn events_that_nobody_has_asked_for_are_not_kept() {
        let (sink, mut events) = channel(9, 1000, false);
        assert!(!sink.push(event("{'event_out'1}$")));
        events.begin();
        assert!(sink.push(event("{'event_out'2}$")));
        assert_eq!(read(&mut events), ["missed 1", "2"]);
        drop(events);
        assert!(!sink.push(event("{'event_out'3}$")));
    }
}
