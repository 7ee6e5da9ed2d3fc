//! What came from the server and is not acknowledged (S3).

use core::time::Duration;

use crate::time::Time;

/// A server that keeps so many bytes is told earlier than after [`REST`]. Chosen: rarely in the way
/// of anything, and little to be kept.
const MAX_UNSEEN_BYTES: u64 = 64 * 1024;

/// S3: after the last answer, the server is told that it can let go of what it keeps.
const REST: Duration = Duration::from_secs(1);

/// S3: what an answer or event counts more than its bytes.
const KEPT_OVERHEAD: u64 = 64;

/// Answers and events that have come and that the server still keeps, as far as the client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unseen {
    /// All events that have come, acknowledged or not.
    events: u64,
    /// Bytes of what is not acknowledged.
    bytes: u64,
    /// When the last of it came. `None` if there is none.
    last: Option<Time>,
}

impl Unseen {
    /// Of a session in which nothing has come.
    pub(crate) const fn new() -> Self {
        Self { events: 0, bytes: 0, last: None }
    }

    /// So many of the server's events have come.
    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    /// An answer has come.
    pub(crate) const fn answer(&mut self, len: u64, now: Time) {
        self.bytes = self.bytes.saturating_add(len).saturating_add(KEPT_OVERHEAD);
        self.last = Some(now);
    }

    /// An event has come.
    pub(crate) const fn event(&mut self, len: u64, now: Time) {
        self.events = self.events.saturating_add(1);
        self.answer(len, now);
    }

    /// S4: so many events are gone and will not come.
    pub(crate) const fn missed(&mut self, events: u64) {
        self.events = self.events.saturating_add(events);
    }

    /// When the server is to be told. `kept` is what it keeps at most.
    pub(crate) fn due_at(&self, kept: u64) -> Option<Time> {
        let last = self.last?;
        let is_much = self.bytes >= MAX_UNSEEN_BYTES.min(kept / 4);
        Some(if is_much { last } else { last + REST })
    }

    /// The server is told.
    pub(crate) const fn told(&mut self) {
        self.bytes = 0;
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_the_server_is_told_after_a_quarter_of_what_it_keeps_and_after_a_second() {
        let (at, later) = (Time::from_millis(500), Time::from_millis(1500));
        let mut unseen = Unseen::new();
        assert_eq!(unseen.due_at(800), None);
        unseen.answer(71, at);
        assert_eq!(unseen.due_at(800), Some(later));
        unseen.event(1, at);
        assert_eq!((unseen.due_at(800), unseen.due_at(804)), (Some(at), Some(later)));
        unseen.told();
        assert_eq!((unseen.due_at(800), unseen.events()), (None, 1));
        unseen.answer(MAX_UNSEEN_BYTES - KEPT_OVERHEAD, at);
        assert_eq!(unseen.due_at(u64::MAX), Some(at));
    }
}
