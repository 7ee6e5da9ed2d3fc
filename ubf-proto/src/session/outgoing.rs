//! The numbers of a client's messages, and the room that is left for more of them (S2, S3).

/// Messages of a session on their way to the server: how they are counted, and how many may be
/// without an answer.
///
/// ```text
///  1 … done | done+1 … last | last+1 …
///  answered |  without one  | not sent
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    window: u64,
    max_bytes: u64,
    /// The last number that was given. Never below `done`.
    last: u64,
    /// All up to this number are answered or, if they are events, proven to be taken.
    done: u64,
    /// Bytes of the messages without an answer.
    pending_bytes: u64,
}

impl Outgoing {
    /// Of a session of which no message was sent.
    pub(crate) const fn new(window: u64, max_bytes: u64) -> Self {
        Self { window, max_bytes, last: 0, done: 0, pending_bytes: 0 }
    }

    /// S1: what is granted, which is not more than what was wished for.
    pub(crate) const fn limit(&mut self, window: u64, max_bytes: u64) {
        self.window = window;
        self.max_bytes = max_bytes;
    }

    /// The number up to which all messages are answered.
    pub(crate) const fn done(&self) -> u64 {
        self.done
    }

    /// S3: whether one more message of so many bytes may be sent. A large one goes alone.
    pub(crate) const fn has_room(&self, len: u64) -> bool {
        let pending = self.last - self.done;
        let fits = self.pending_bytes.saturating_add(len) <= self.max_bytes;
        pending == 0 || (pending < self.window && fits)
    }

    /// A message is sent, and gets this number.
    pub(crate) const fn send(&mut self, len: u64) -> u64 {
        self.last += 1;
        self.pending_bytes = self.pending_bytes.saturating_add(len);
        self.last
    }

    /// A message is answered, or proven to be taken, and with it all before it (P5).
    pub(crate) fn answered(&mut self, number: u64, len: u64) {
        debug_assert!(self.done < number && number <= self.last, "answers come in order");
        self.done = number;
        self.pending_bytes = self.pending_bytes.saturating_sub(len);
    }

    /// A message has not reached the server: it counts as never sent.
    pub(crate) const fn unsend(&mut self, len: u64) {
        self.pending_bytes = self.pending_bytes.saturating_sub(len);
    }

    /// S4: whether a server may have taken messages up to this number, and no others.
    pub(crate) const fn may_have_received(&self, received: u64) -> bool {
        self.done <= received && received <= self.last
    }

    /// S4: the server has taken messages up to this number. Later ones are numbered from the next.
    pub(crate) fn resumed(&mut self, received: u64) {
        debug_assert!(self.may_have_received(received), "it was looked at before");
        self.last = received;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_a_window_and_bytes_are_met_exactly_and_then_passed() {
        let mut outgoing = Outgoing::new(2, 10);
        assert_eq!(outgoing.send(4), 1);
        assert!(outgoing.has_room(6) && !outgoing.has_room(7));
        assert_eq!(outgoing.send(1), 2);
        assert!(!outgoing.has_room(0), "the window is full");
        outgoing.answered(1, 4);
        assert!(outgoing.has_room(9) && !outgoing.has_room(10));
        outgoing.answered(2, 1);
        assert!(outgoing.has_room(1000), "a large one goes alone");
        assert_eq!(outgoing.send(1000), 3);
        assert!(!outgoing.has_room(0) && !outgoing.has_room(u64::MAX));
    }

    #[test]
    fn s4_what_was_not_received_is_numbered_again() {
        let mut outgoing = Outgoing::new(9, 100);
        for _ in 0..4 {
            outgoing.send(1);
        }
        outgoing.answered(1, 1);
        for (received, is_possible) in [(0, false), (1, true), (4, true), (5, false)] {
            assert_eq!(outgoing.may_have_received(received), is_possible, "{received}");
        }
        outgoing.unsend(1);
        outgoing.unsend(1);
        outgoing.resumed(2);
        assert_eq!((outgoing.done(), outgoing.send(1)), (1, 3));
    }
}
