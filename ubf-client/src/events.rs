//! Events from the server, on their way to whoever reads them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;
use tokio::task::coop;

use crate::reply::{Connection, Event};

/// What a client hears beside its replies: a [`Stream`], or [`recv`](Self::recv) in a loop.
///
/// Events come in the order in which the server sent them. They wait here until they are read, up
/// to [`max_events`](crate::Builder::max_events) of them and
/// [`max_event_bytes`](crate::Builder::max_event_bytes) bytes of memory. **What comes beyond that
/// is dropped**, the latest event first, and [`Incoming::Missed`] says so in its place: a reader
/// who is late must not hold up the replies, which come on the same connection.
///
/// Events are kept for whoever has asked for them ([`Client::events`](crate::Client::events)), or
/// is going to ([`keep_events`](crate::Builder::keep_events)): those that come before are missing,
/// and those that come after this is dropped are dropped with it.
#[derive(Debug)]
pub struct Events(Arc<Queue>);

/// What comes to whoever reads [`Events`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Incoming<E = Event> {
    /// An event from the server.
    Event(E),
    /// So many events are missing here: they were dropped, because those before them were not read;
    /// or the server has let go of them while the session had no connection.
    Missed(u64),
    /// Events of the session may be missing here, and nobody knows how many: the server has started
    /// again.
    MissedSome,
    /// From here on, events come in a new [session](crate::Builder::session), on this connection.
    /// What the server kept in the session before it, a subscription say, it has to be told again;
    /// [`on_session`](crate::Builder::on_session) does so before any other call.
    NewSession {
        /// The sessions of this client are counted from 1.
        session: u64,
        /// The connection on which it begins.
        connection: Arc<Connection>,
    },
    /// The session goes on on another connection. The server has kept what it knew, and no event is
    /// missing but those that [`Missed`](Self::Missed) tells of.
    Resumed {
        /// Which session.
        session: u64,
        /// The connection on which it goes on.
        connection: Arc<Connection>,
    },
    /// From here on, events come on another connection, which has no session: the first one, one to
    /// another server, or one to the same server after a loss. What the server kept for the
    /// connection before it, a subscription say, it has to be told again;
    /// [`on_session`](crate::Builder::on_session) does so before any other call.
    ///
    /// Of several connections without an event between them, only the last one is told.
    NewConnection(Arc<Connection>),
}

impl<E> Incoming<E> {
    /// The event, if it is one.
    pub fn event(self) -> Option<E> {
        match self {
            Self::Event(event) => Some(event),
            Self::Missed(_)
            | Self::MissedSome
            | Self::NewSession { .. }
            | Self::Resumed { .. }
            | Self::NewConnection(_) => None,
        }
    }
}

/// Takes no memory before the first event: few servers send any.
#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    missed: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    events: VecDeque<(Markers, Event)>,
    /// Of these.
    bytes: usize,
    /// What comes behind the last event.
    behind: Markers,
    reader: Option<Waker>,
    /// Somebody has asked for events, or will.
    is_wanted: bool,
    has_writer: bool,
}

/// What is told between two events: at most one of each, so that they need no limit of their own.
#[derive(Debug, Default)]
struct Markers {
    missed: u64,
    has_missed_some: bool,
    start: Option<(Start, Arc<Connection>)>,
}

/// What begins on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The connection alone.
    Connection,
    /// A session of this number.
    NewSession(u64),
    /// The rest of such a session.
    Resumed(u64),
}

impl Start {
    /// What both together are, for somebody who hears only of the second one's connection.
    const fn after(self, earlier: Option<Self>) -> Self {
        match (earlier, self) {
            (Some(Self::NewSession(one)), Self::Resumed(other)) if one == other => {
                Self::NewSession(one)
            }
            (Some(_) | None, _) => self,
        }
    }

    fn incoming(self, connection: Arc<Connection>) -> Incoming {
        match self {
            Self::Connection => Incoming::NewConnection(connection),
            Self::NewSession(session) => Incoming::NewSession { session, connection },
            Self::Resumed(session) => Incoming::Resumed { session, connection },
        }
    }
}

impl Markers {
    fn take(&mut self) -> Option<Incoming> {
        if self.missed > 0 {
            return Some(Incoming::Missed(std::mem::take(&mut self.missed)));
        }
        if std::mem::take(&mut self.has_missed_some) {
            return Some(Incoming::MissedSome);
        }
        self.start.take().map(|(start, connection)| start.incoming(connection))
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn next(&mut self) -> Option<Incoming> {
        let Some((before, _)) = self.events.front_mut() else { return self.behind.take() };
        if let Some(marker) = before.take() {
            return Some(marker);
        }
        let (_, event) = self.events.pop_front()?;
        self.bytes -= size(&event);
        Some(Incoming::Event(event))
    }
}

impl Events {
    /// From here on events are kept, since somebody reads them.
    pub(crate) fn begin(&self) {
        self.0.waiting().is_wanted = true;
    }

    /// What comes next; `None` when the client has ended.
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Incoming> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next event; `None` when the client has ended. It passes over all else: whoever must know
    /// that events are missing, or that they come on another connection, uses
    /// [`recv`](Self::recv).
    pub async fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.recv().await?.event() {
                return Some(event);
            }
        }
    }

    /// As [`recv`](Self::recv), for those who write futures.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        // A server that talks without a pause does not keep the reader's task from letting others
        // run.
        let turn = ready!(coop::poll_proceed(cx));
        let mut waiting = self.0.waiting();
        if let Some(next) = waiting.next() {
            turn.made_progress();
            return Poll::Ready(Some(next));
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

impl Stream for Events {
    type Item = Incoming;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.get_mut().poll_recv(cx)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.is_wanted = false;
        let events = std::mem::take(&mut waiting.events);
        drop(waiting);
        drop(events);
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
    /// Puts an event where it waits to be read. `false` if there is no room, or nobody who wants
    /// it.
    pub(crate) fn push(&self, mut event: Event) -> bool {
        let bytes = size(&event);
        let mut waiting = self.queue.waiting();
        let count = waiting.events.len();
        let has_room = count == 0
            || (count < self.max_events && waiting.bytes.saturating_add(bytes) <= self.max_bytes);
        let is_kept = has_room && waiting.is_wanted;
        if is_kept {
            // The first one is about to be read; those behind it may wait for long, each with the
            // block of memory that it came in.
            if count > 0 {
                event.compact();
            }
            waiting.bytes += size(&event);
            let before = std::mem::take(&mut waiting.behind);
            waiting.events.push_back((before, event));
        } else {
            waiting.behind.missed += 1;
            self.queue.missed.fetch_add(1, Ordering::Relaxed);
        }
        wake(waiting);
        is_kept
    }

    /// Events come on another connection from here on.
    pub(crate) fn connected(&self, start: Start, connection: Arc<Connection>) {
        let mut waiting = self.queue.waiting();
        let earlier = waiting.behind.start.take().map(|(start, _)| start);
        waiting.behind.start = Some((start.after(earlier), connection));
        wake(waiting);
    }

    /// S4: so many events of the session are gone; `None` if nobody knows how many.
    pub(crate) fn gone(&self, count: Option<u64>) {
        let mut waiting = self.queue.waiting();
        match count {
            Some(count) => waiting.behind.missed = waiting.behind.missed.saturating_add(count),
            None => waiting.behind.has_missed_some = true,
        }
        wake(waiting);
    }
}

impl Drop for EventSink {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting();
        waiting.has_writer = false;
        wake(waiting);
    }
}

/// Wakes the reader, the lock being given back before.
fn wake(mut waiting: MutexGuard<'_, Waiting>) {
    let reader = waiting.reader.take();
    drop(waiting);
    reader.into_iter().for_each(Waker::wake);
}

/// The memory that an event takes while it waits.
fn size(event: &Event) -> usize {
    size_of::<(Markers, Event)>() + event.body.memory_bytes() - size_of_val(&event.body)
}

/// `is_wanted`: events are kept before somebody has asked for them.
pub(crate) fn channel(max_events: usize, max_bytes: usize, is_wanted: bool) -> (EventSink, Events) {
    let waiting = Waiting {
        events: VecDeque::new(),
        bytes: 0,
        behind: Markers::default(),
        reader: None,
        is_wanted,
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

    fn connection(number: u64) -> Arc<Connection> {
        Arc::new(Connection { number, address: "[::1]:4000".parse().unwrap() })
    }

    fn event(bytes: &[u8]) -> Event {
        let body = StreamDecoder::new().decode(&mut BytesMut::from(bytes)).unwrap().unwrap();
        Event { version: Version::MIN, body, connection: connection(1) }
    }

    /// All that is there, in words.
    async fn read(events: &mut Events) -> Vec<String> {
        let mut read = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(next)) = events.poll_recv(&mut cx) {
            read.push(match next {
                Incoming::Event(event) => event.body().to_string(),
                Incoming::Missed(count) => format!("missed {count}"),
                Incoming::MissedSome => "missed some".to_owned(),
                Incoming::NewSession { session, connection } => {
                    format!("session {session} on {}", connection.number)
                }
                Incoming::Resumed { session, connection } => {
                    format!("resumed {session} on {}", connection.number)
                }
                Incoming::NewConnection(connection) => format!("connection {}", connection.number),
            });
        }
        read
    }

    #[tokio::test]
    async fn l1_events_beyond_the_count_are_dropped_and_told_in_their_place() {
        let (sink, mut events) = channel(2, 100_000, true);
        assert!(sink.push(event(b"1$")) && sink.push(event(b"2$")));
        assert!(!sink.push(event(b"3$")) && !sink.push(event(b"4$")));
        assert_eq!(events.missed(), 2);
        assert_eq!(events.recv().await.unwrap().event().unwrap().body().to_string(), "1");
        assert!(sink.push(event(b"5$")));
        assert_eq!(read(&mut events).await, ["2", "missed 2", "5"]);
    }

    #[tokio::test]
    async fn l1_events_beyond_the_bytes_are_dropped_but_one_is_always_kept() {
        // An event of one byte more than two small ones take.
        let (sink, mut events) = channel(9, 2 * size(&event(b"1$")), true);
        assert!(sink.push(event(b"1$")) && sink.push(event(b"2$")) && !sink.push(event(b"3$")));
        assert_eq!(read(&mut events).await, ["1", "2", "missed 1"]);
        assert!(sink.push(event(b"12$")));
        assert!(!sink.push(event(b"3$")));
        assert_eq!(read(&mut events).await, ["12", "missed 1"]);
        assert!(sink.push(event(&[b"{1 2 3 4 5}$", &[b' '; 1000][..]].concat())));
        assert_eq!(read(&mut events).await, ["{1,2,3,4,5}"]);
    }

    #[tokio::test]
    async fn l1_what_counts_is_the_memory_of_an_event_and_not_its_bytes_on_the_wire() {
        // 2 bytes on the wire are a term of 16 bytes.
        let wide = ["{", &"1 ".repeat(1000), "}$"].concat();
        let (sink, _events) = channel(99, 40_000, true);
        assert!(sink.push(event(wide.as_bytes())) && sink.push(event(wide.as_bytes())));
        assert!(!sink.push(event(wide.as_bytes())));
        // A register is held once, however often it is read: its event takes no more.
        let (sink, _events) = channel(99, 40_000, true);
        let shared = ["{", &"1 ".repeat(100), "}>a{", &"a".repeat(100), "}$"].concat();
        assert!((0..9).all(|_| sink.push(event(shared.as_bytes()))));
    }

    #[tokio::test]
    async fn l1_an_event_that_waits_behind_another_keeps_no_block_that_it_came_in() {
        let (sink, _events) = channel(9, 100_000, true);
        let mut block = BytesMut::with_capacity(1 << 20);
        block.extend_from_slice(b"1$2$3$");
        for is_first in [true, false, false] {
            let body = StreamDecoder::new().decode(&mut block).unwrap().unwrap();
            let event = Event { version: Version::MIN, body, connection: connection(1) };
            if is_first {
                assert!(sink.push(Event { body: tests::event(b"1$").body, ..event }));
            } else {
                assert!(sink.push(event));
            }
        }
        assert!(block.try_reclaim(1 << 20));
    }

    #[tokio::test]
    async fn l1_events_are_kept_for_whoever_has_asked_for_them() {
        let (sink, mut events) = channel(9, 100_000, false);
        assert!(!sink.push(event(b"1$")));
        events.begin();
        assert!(sink.push(event(b"2$")));
        assert_eq!(read(&mut events).await, ["missed 1", "2"]);
    }

    #[tokio::test]
    async fn a_connection_stands_before_its_events_and_a_later_one_takes_its_place() {
        let (sink, mut events) = channel(9, 100_000, true);
        sink.connected(Start::Connection, connection(1));
        assert!(sink.push(event(b"1$")));
        sink.connected(Start::Connection, connection(2));
        sink.connected(Start::Connection, connection(3));
        assert!(sink.push(event(b"2$")));
        sink.connected(Start::Connection, connection(4));
        assert_eq!(
            read(&mut events).await,
            ["connection 1", "1", "connection 3", "2", "connection 4"]
        );
    }

    #[tokio::test]
    async fn a_session_that_is_new_stays_new_for_whoever_did_not_hear_of_it() {
        let (sink, mut events) = channel(9, 100_000, true);
        sink.connected(Start::NewSession(1), connection(1));
        sink.connected(Start::Resumed(1), connection(2));
        assert!(sink.push(event(b"1$")));
        sink.gone(Some(3));
        sink.connected(Start::Resumed(1), connection(3));
        assert!(sink.push(event(b"2$")));
        sink.connected(Start::Resumed(1), connection(4));
        sink.connected(Start::NewSession(2), connection(4));
        sink.gone(None);
        let told = [
            "session 1 on 2",
            "1",
            "missed 3",
            "resumed 1 on 3",
            "2",
            "missed some",
            "session 2 on 4",
        ];
        assert_eq!(read(&mut events).await, told);
    }

    #[tokio::test]
    async fn l1_what_is_told_between_events_takes_no_room_however_often_it_changes() {
        let (sink, mut events) = channel(1, 100_000, true);
        assert!(sink.push(event(b"1$")));
        for number in 0..1000 {
            sink.connected(Start::Connection, connection(number));
            assert!(!sink.push(event(b"2$")));
        }
        assert_eq!(read(&mut events).await, ["1", "missed 1000", "connection 999"]);
    }

    #[tokio::test]
    async fn a_reader_hears_of_the_end_behind_the_last_event() {
        let (sink, mut events) = channel(9, 100_000, true);
        let (first, ()) = tokio::join!(events.recv(), async { assert!(sink.push(event(b"1$"))) });
        assert_eq!(first.unwrap().event().unwrap().body().to_string(), "1");
        assert!(sink.push(event(b"2$")));
        drop(sink);
        assert_eq!(read(&mut events).await, ["2"]);
        assert!(events.recv().await.is_none());
    }

    #[tokio::test]
    async fn events_that_nobody_can_read_are_dropped_and_counted() {
        let (sink, events) = channel(9, 100_000, true);
        drop(events);
        assert!(!sink.push(event(b"1$")));
        assert_eq!(sink.queue.missed.load(Ordering::Relaxed), 1);
    }
}
