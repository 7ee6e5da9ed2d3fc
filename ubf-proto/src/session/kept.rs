//! What a server has said in a session and its client may not have read (S3, S4).

use alloc::boxed::Box;
use alloc::collections::VecDeque;

/// What each kept thing takes beside its bytes, so that many small ones are counted, too. Chosen:
/// as much as an entry has.
const ENTRY_BYTES: usize = 64;

/// Answers and events of a session, in the order in which they were made, until the client has
/// them.
///
/// Everything that leaves goes through here. What is new may leave at once, unless something that
/// was made before it is still to be sent: after a resume, all that is kept is sent again.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    answers: VecDeque<Entry<T>>,
    events: VecDeque<Entry<T>>,
    /// Bytes of the answers, and of the events, with what their entries take.
    answer_bytes: usize,
    event_bytes: usize,
    /// The place of the next thing that is made: answers and events have one order.
    next_place: u64,
    /// What has this place or a later one is still to be sent.
    unsent_from: u64,
    /// S3: answers up to this number need not be kept.
    done: u64,
    /// Events that were made.
    events_made: u64,
}

#[derive(Debug)]
struct Entry<T> {
    place: u64,
    /// Of an answer, the number of its message; of an event, its own.
    number: u64,
    bytes: usize,
    item: T,
}

/// What is sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Again<'a, T> {
    /// The answer to the message of this number.
    Answer(u64, &'a T),
    /// An event.
    Event(&'a T),
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            answers: VecDeque::new(),
            events: VecDeque::new(),
            answer_bytes: 0,
            event_bytes: 0,
            next_place: 0,
            unsent_from: 0,
            done: 0,
            events_made: 0,
        }
    }
}

impl<T> Kept<T> {
    /// So many events were made before the first one that is kept.
    pub(crate) const fn begin_events_at(&mut self, made: u64) {
        self.events_made = made;
    }

    /// Keeps the answer to the message of this number. Numbers come in ascending order.
    pub(crate) fn keep_answer(&mut self, number: u64, bytes: usize, item: T) {
        let place = self.take_place();
        if number > self.done {
            let bytes = bytes.saturating_add(ENTRY_BYTES);
            self.answer_bytes = self.answer_bytes.saturating_add(bytes);
            self.answers.push_back(Entry { place, number, bytes, item });
        }
    }

    /// Keeps an event, which is sent at once if all before it was and `is_leaving`. Beyond so many
    /// bytes of events the oldest ones are gone, this one included if it is too large itself:
    /// `false` if one of them was still to be sent.
    pub(crate) fn keep_event(
        &mut self,
        bytes: usize,
        max_bytes: usize,
        is_leaving: bool,
        item: T,
    ) -> bool {
        let leaves_at_once = is_leaving && self.is_sent();
        let place = self.take_place();
        if leaves_at_once {
            self.sent();
        }
        self.events_made += 1;
        let bytes = bytes.saturating_add(ENTRY_BYTES);
        self.event_bytes = self.event_bytes.saturating_add(bytes);
        self.events.push_back(Entry { place, number: self.events_made, bytes, item });
        let mut is_sent = true;
        while self.event_bytes > max_bytes
            && let Some(oldest) = self.events.pop_front()
        {
            self.event_bytes -= oldest.bytes;
            is_sent &= oldest.place < self.unsent_from;
        }
        is_sent
    }

    fn take_place(&mut self) -> u64 {
        let place = self.next_place;
        self.next_place += 1;
        place
    }

    /// Whether all that was made has been sent, so that what is made now may leave at once.
    pub(crate) const fn is_sent(&self) -> bool {
        self.unsent_from == self.next_place
    }

    /// All that was made has been sent.
    pub(crate) const fn sent(&mut self) {
        self.unsent_from = self.next_place;
    }

    /// S3: the client has the answers up to this number.
    pub(crate) fn acknowledge_answers(&mut self, done: u64) {
        self.done = self.done.max(done);
        while let Some(first) = self.answers.front().filter(|first| first.number <= done) {
            self.answer_bytes -= first.bytes;
            self.answers.pop_front();
        }
    }

    /// S3: the client has so many events.
    pub(crate) fn acknowledge_events(&mut self, count: u64) {
        while let Some(first) = self.events.front().filter(|first| first.number <= count) {
            self.event_bytes -= first.bytes;
            self.events.pop_front();
        }
    }

    /// S4: all that is kept is to be sent again. How many events are gone of those after this
    /// count.
    pub(crate) fn send_again(&mut self, events: u64) -> u64 {
        self.unsent_from = 0;
        // The client's number counts, if it is the greater one.
        self.events_made = self.events_made.max(events);
        let before_first =
            self.events.front().map_or(self.events_made, |first| first.number.saturating_sub(1));
        before_first.saturating_sub(events)
    }

    /// The next thing that is to be sent again.
    pub(crate) fn next_again(&mut self) -> Option<Again<'_, T>> {
        if self.is_sent() {
            return None;
        }
        let from = self.unsent_from;
        let after = |entries: &VecDeque<Entry<T>>| {
            let index = entries.partition_point(|entry| entry.place < from);
            entries.get(index).map(|entry| (entry.place, index))
        };
        let (answer, event) = (after(&self.answers), after(&self.events));
        let is_answer = match (answer, event) {
            (None, None) => {
                self.sent();
                return None;
            }
            (Some((answer, _)), Some((event, _))) => answer < event,
            (answer, None) => answer.is_some(),
            (None, Some(_)) => false,
        };
        let (place, index) = if is_answer { answer? } else { event? };
        self.unsent_from = place + 1;
        if is_answer {
            self.answers.get(index).map(|entry| Again::Answer(entry.number, &entry.item))
        } else {
            self.events.get(index).map(|entry| Again::Event(&entry.item))
        }
    }

    /// U2: all that is kept, in the order in which it was made.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = Again<'_, T>> {
        let (mut answers, mut events) =
            (self.answers.iter().peekable(), self.events.iter().peekable());
        core::iter::from_fn(move || {
            let is_answer = match (answers.peek(), events.peek()) {
                (Some(answer), Some(event)) => answer.place < event.place,
                (answer, None) => answer.is_some(),
                (None, Some(_)) => false,
            };
            if is_answer {
                answers.next().map(|entry| Again::Answer(entry.number, &entry.item))
            } else {
                events.next().map(|entry| Again::Event(&entry.item))
            }
        })
    }

    /// S2: events that were made.
    pub(crate) const fn events_made(&self) -> u64 {
        self.events_made
    }

    /// Bytes of the answers that are kept.
    pub(crate) const fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    /// Bytes of all that is kept.
    pub(crate) const fn bytes(&self) -> usize {
        self.answer_bytes.saturating_add(self.event_bytes)
    }

    /// Answers that are kept.
    pub(crate) fn answers(&self) -> usize {
        self.answers.len()
    }

    /// The same as data of a session that rests: it has no connection, so that all of it is sent
    /// again by the next one.
    pub(crate) fn at_rest(mut self) -> KeptAtRest<T> {
        let (done, events_made) = (self.done, self.events_made);
        self.answers.shrink_to_fit();
        self.events.shrink_to_fit();
        let is_empty = self.answers.is_empty() && self.events.is_empty();
        KeptAtRest { done, events_made, entries: (!is_empty).then(|| Box::new(self)) }
    }

    /// Lets go of memory that nothing is in.
    pub(crate) fn release(&mut self) {
        if self.answers.is_empty() {
            self.answers = VecDeque::new();
        }
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
    }
}

/// What is kept while nothing happens. It takes little while that is nothing.
#[derive(Debug)]
pub(crate) struct KeptAtRest<T> {
    /// S3: answers up to this number need not be kept.
    pub(crate) done: u64,
    /// Events that were made.
    pub(crate) events_made: u64,
    /// `None`: nothing is kept.
    pub(crate) entries: Option<Box<Kept<T>>>,
}

impl<T> KeptAtRest<T> {
    /// As it was, but that places are counted anew if nothing is kept.
    pub(crate) fn wake(self) -> Kept<T> {
        let Self { done, events_made, entries } = self;
        let empty = || Kept { done, events_made, ..Kept::default() };
        entries.map_or_else(empty, |entries| *entries)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn all(kept: &mut Kept<&'static str>) -> Vec<(u64, &'static str)> {
        let mut found = Vec::new();
        while let Some(again) = kept.next_again() {
            found.push(match again {
                Again::Answer(number, &item) => (number, item),
                Again::Event(&item) => (0, item),
            });
        }
        found
    }

    #[test]
    fn s4_what_is_kept_is_sent_again_in_the_order_in_which_it_was_made() {
        let mut kept = Kept::default();
        kept.keep_answer(1, 1, "a1");
        assert!(kept.keep_event(1, 1_000, true, "e1"));
        kept.keep_answer(3, 1, "a3");
        assert!(kept.keep_event(1, 1_000, false, "e2"));
        kept.sent();
        assert_eq!(all(&mut kept), []);
        assert_eq!(kept.send_again(0), 0);
        assert_eq!(all(&mut kept), [(1, "a1"), (0, "e1"), (3, "a3"), (0, "e2")]);
        kept.acknowledge_answers(2);
        kept.acknowledge_events(1);
        assert_eq!(kept.send_again(1), 0);
        kept.keep_answer(4, 1, "a4");
        assert_eq!(all(&mut kept), [(3, "a3"), (0, "e2"), (4, "a4")]);
        kept.acknowledge_answers(4);
        kept.acknowledge_events(2);
        assert_eq!((kept.bytes(), kept.answers()), (0, 0));
    }

    #[test]
    fn s6_what_is_kept_is_the_same_after_a_rest() {
        let mut kept = Kept::default();
        kept.keep_answer(1, 1, "a1");
        kept.sent();
        assert!(kept.keep_event(1, 1_000, false, "e1"));
        let bytes = kept.bytes();
        let mut kept = kept.at_rest().wake();
        assert_eq!((kept.bytes(), kept.send_again(0)), (bytes, 0));
        assert_eq!(all(&mut kept), [(1, "a1"), (0, "e1")]);
        kept.acknowledge_answers(1);
        kept.acknowledge_events(1);
        let mut kept = kept.at_rest().wake();
        assert_eq!((kept.bytes(), kept.answers(), kept.events_made()), (0, 0, 1));
        // The client has one more event than was counted here, and two answers that were not.
        kept.acknowledge_answers(3);
        assert_eq!((kept.send_again(2), all(&mut kept)), (0, Vec::new()));
        kept.keep_answer(3, 1, "a3");
        kept.keep_answer(4, 1, "a4");
        assert!(kept.keep_event(1, 1_000, true, "e3"));
        assert_eq!(kept.events_made(), 3);
        assert_eq!(all(&mut kept), [(4, "a4"), (0, "e3")]);
    }

    #[test]
    fn s3_an_answer_that_was_acknowledged_before_it_was_made_is_not_kept() {
        let mut kept = Kept::default();
        kept.acknowledge_answers(7);
        kept.keep_answer(7, 1, "a7");
        kept.keep_answer(8, 1, "a8");
        assert_eq!((kept.answers(), kept.answer_bytes()), (1, 1 + ENTRY_BYTES));
    }

    #[test]
    fn s4_events_beyond_the_limit_are_gone_and_counted() {
        let mut kept = Kept::default();
        for event in ["e1", "e2", "e3"] {
            assert!(kept.is_sent());
            assert!(kept.keep_event(10, 2 * (10 + ENTRY_BYTES), true, event));
        }
        assert_eq!(kept.send_again(0), 1);
        assert_eq!(all(&mut kept), [(0, "e2"), (0, "e3")]);
        // Of those that are gone the client had one.
        assert_eq!(kept.send_again(1), 0);
        // One that is gone before it was sent is a gap that nobody could tell of.
        assert!(!kept.keep_event(10, 2 * (10 + ENTRY_BYTES), true, "e4"));
        kept.acknowledge_events(4);
        assert_eq!(kept.send_again(9), 0);
    }
}
