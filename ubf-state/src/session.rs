//! A session in its shard: how far it has come, and the answers that are kept for it (S2 to S5).
//!
//! Its rows are written once a batch and not once a call: one row of numbers, and one for all
//! answers that the batch has made (T3).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use ubf_codec::{Encoder, Term, TermRef, View};
use ubf_proto::session::{Grant, Level};

use crate::form::RowError;
use crate::key::Key as _;
use crate::mutant::{self, Mutant};
use crate::stored::{self, Space};
use crate::writes::Writes;

/// The key of a session's rows: its Id, or better a hash of it, since whoever reads a backup must
/// not be able to go on with a session (S9). It is shown as a short number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    /// The key of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Reads a stored key of such a space.
    pub(crate) fn from_stored(stored: &[u8]) -> Option<Self> {
        stored.get(1..)?.try_into().ok().map(Self)
    }

    /// The stored key in a space that has one row for each session.
    pub(crate) fn key(self, space: Space) -> Vec<u8> {
        let mut key = space.key();
        key.extend_from_slice(&self.0);
        key
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // FNV-1a: enough to tell sessions apart in a log.
        let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        write!(f, "SessionKey({:08x})", self.0.iter().fold(0x811c_9dc5, mix))
    }
}

/// An answer that is kept until the client has seen it. Nobody looks into its body (S8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    /// The number of the message that it answers.
    pub number: u64,
    /// What was answered.
    pub body: Bytes,
}

/// An event that is kept until the client has it. It is counted in the store, and kept in memory
/// alone: one owner tells it to the next (U5), and after a crash the client is told that it was lost
/// (S6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeptEvent {
    /// Its number among the events of the session.
    pub number: u64,
    /// It was made after the answer to the message of this number, and before that to the next one.
    pub after: u64,
    /// What is sent.
    pub body: Bytes,
}

/// What each kept event takes beside its bytes, so that many small ones are counted, too. Chosen:
/// as much as an entry has.
const ENTRY_BYTES: usize = 64;

impl KeptEvent {
    pub(crate) const fn cost(&self) -> usize {
        self.body.len() + ENTRY_BYTES
    }
}

/// A session as its shard knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    received: u64,
    done: u64,
    turn: u64,
    grant: Grant,
    events: u64,
    kept: VecDeque<Kept>,
    /// Of their bodies.
    kept_bytes: usize,
    /// The last ones of those that were made, without a gap.
    kept_events: VecDeque<KeptEvent>,
    /// Of them, with what their entries take.
    event_bytes: usize,
    /// The first and the last number of each row of answers in the store.
    rows: VecDeque<(u64, u64)>,
    /// Answers up to this number are in the store, or no longer needed.
    saved: u64,
    changed: bool,
}

impl Session {
    pub(crate) const fn opened(grant: Grant) -> Self {
        Self {
            received: 0,
            done: 0,
            turn: 1,
            grant,
            events: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            kept_events: VecDeque::new(),
            event_bytes: 0,
            rows: VecDeque::new(),
            saved: 0,
            changed: true,
        }
    }

    /// The number of the last message that was taken.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// The turn of the last resume that won (S5).
    #[must_use]
    pub const fn turn(&self) -> u64 {
        self.turn
    }

    /// What was granted (S1): it holds for as long as the session lives.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// How many events were made for it (S2.8). That is stored, and the events are not.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The events that the client may still need, in the order of their numbers.
    pub fn kept_events(&self) -> impl ExactSizeIterator<Item = &KeptEvent> {
        self.kept_events.iter()
    }

    /// The answers that the client may still need.
    pub fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter()
    }

    /// The bytes of all kept answers and events.
    #[must_use]
    pub const fn kept_bytes(&self) -> usize {
        self.kept_bytes + self.event_bytes
    }

    fn keep(&mut self, number: u64, body: Bytes) {
        self.kept_bytes += body.len();
        self.kept.push_back(Kept { number, body });
    }

    pub(crate) const fn is_changed(&self) -> bool {
        self.changed
    }

    /// A message was taken; its answer is kept, if it has one.
    pub(crate) fn took(&mut self, answer: Option<Bytes>) -> u64 {
        self.received = self.received.saturating_add(1);
        self.changed = true;
        if let Some(body) = answer {
            self.keep(self.received, body);
        }
        // S3: message k + Window says that answer k was seen.
        self.seen_answers(self.received.saturating_sub(self.grant.window));
        self.received
    }

    /// An event is on its way to the client. Beyond so many bytes of events the oldest ones are let
    /// go (S6).
    pub(crate) fn made_event(&mut self, body: Bytes, max_bytes: usize) {
        self.events = self.events.saturating_add(1);
        self.changed = true;
        let event = KeptEvent { number: self.events, after: self.received, body };
        self.event_bytes += event.cost();
        self.kept_events.push_back(event);
        while self.event_bytes > max_bytes
            && let Some(oldest) = self.kept_events.pop_front()
        {
            self.event_bytes -= oldest.cost();
        }
    }

    pub(crate) const fn event_queue(&self) -> &VecDeque<KeptEvent> {
        &self.kept_events
    }

    /// Events of this session that were in memory when it was let go, or that the owner before has
    /// told. Those that the store has not counted were never made.
    pub(crate) fn keep_events(&mut self, events: VecDeque<KeptEvent>) {
        debug_assert!(self.kept_events.is_empty(), "it has just been read");
        let count = self.events;
        let mut next = count;
        // What is kept has no gap, and none before the next one that is made.
        for event in events.into_iter().rev().skip_while(|event| event.number > count) {
            if next == 0 || event.number != next {
                break;
            }
            next -= 1;
            self.kept_events.push_front(event);
        }
        self.event_bytes = self.kept_events.iter().map(KeptEvent::cost).sum();
    }

    /// Lets go of the events, for [`keep_events`](Self::keep_events).
    pub(crate) fn into_events(self) -> VecDeque<KeptEvent> {
        self.kept_events
    }

    /// The client has seen all answers up to this one, and so many events.
    pub(crate) fn seen(&mut self, done: u64, events: u64) {
        self.seen_answers(done);
        while let Some(seen) = self.kept_events.front().filter(|event| event.number <= events) {
            self.event_bytes -= seen.cost();
            self.kept_events.pop_front();
        }
    }

    fn seen_answers(&mut self, done: u64) {
        let done = done.min(self.received);
        if done > self.done {
            self.done = done;
            self.changed = true;
            while let Some(kept) = self.kept.front().filter(|kept| kept.number <= done) {
                self.kept_bytes -= kept.body.len();
                self.kept.pop_front();
            }
        }
    }

    /// The client goes on, on another connection. `Err` is the turn that was not above the last
    /// one.
    pub(crate) fn resume(&mut self, done: u64, events: u64, turn: u64) -> Result<(), u64> {
        if turn <= self.turn && !mutant::is_on(Mutant::NoTurn) {
            return Err(self.turn);
        }
        self.turn = turn;
        self.changed = true;
        // S4: what was answered was received, even if the number was lost with a read's.
        if !mutant::is_on(Mutant::ReceivedIgnoresDone) {
            self.received = self.received.max(done);
        }
        // It has an event only after that was counted, so this is a client's mistake at most.
        self.events = self.events.max(events);
        self.seen(done, events);
        Ok(())
    }

    /// Adds what has changed since the last batch to `writes`.
    pub(crate) fn save(&mut self, key: SessionKey, format: u32, writes: &mut Writes) {
        self.changed = false;
        writes.set(key.key(Space::Sessions).into(), Some(self.row(format)));
        let fresh = self.kept.iter().filter(|kept| kept.number > self.saved);
        let fresh: Vec<&Kept> = fresh.collect();
        if let [first, ..] = fresh[..]
            && let [.., last] = fresh[..]
        {
            let (first, last) = (first.number, last.number);
            writes.set(answers_key(key, first), Some(answers_row(format, &fresh)));
            self.rows.push_back((first, last));
        }
        self.saved = self.received;
        while let Some((first, _)) = self.rows.front().filter(|(_, last)| *last <= self.done) {
            writes.set(answers_key(key, *first), None);
            self.rows.pop_front();
        }
    }

    /// Takes all of the session's rows away; that of the service's state, too.
    pub(crate) fn remove(&self, key: SessionKey, writes: &mut Writes) {
        writes.set(key.key(Space::Sessions).into(), None);
        writes.set(key.key(Space::Mine).into(), None);
        for (first, _) in &self.rows {
            writes.set(answers_key(key, *first), None);
        }
    }

    /// `F {'session',Received,Done,Turn,Window,Bytes,Kept,KeepMs,Events}$`
    fn row(&self, format: u32) -> Bytes {
        let Grant { window, bytes, kept, keep, level: _ } = self.grant;
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let Self { received, done, turn, events, .. } = *self;
        let numbers = [received, done, turn, window, bytes, kept, keep_ms, events];
        let name = core::iter::once(Term::atom("session"));
        let term = Term::tuple(name.chain(numbers.map(Term::from)));
        stored::whole(format, &Encoder::new().encode(&term))
    }

    /// Reads a session's rows: that of its numbers, and those of its answers in their order.
    ///
    /// # Errors
    /// They are no such rows, or are in a format that is not known.
    pub fn read<'a>(
        row: &[u8],
        answers: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, RowError> {
        let malformed = RowError::Malformed { what: "it is no row of a session" };
        let document = library_row(row)?;
        let View::Tuple(tuple) = document.root().view() else { return Err(malformed) };
        let Some([name, numbers @ ..]) = tuple.to_array::<9>() else { return Err(malformed) };
        let [
            Some(received),
            Some(done),
            Some(turn),
            Some(window),
            Some(bytes),
            Some(kept),
            Some(keep_ms),
            Some(events),
        ] = numbers.map(|term: TermRef<'_>| term.as_u64())
        else {
            return Err(malformed);
        };
        let keep = Duration::from_millis(keep_ms);
        let grant = Grant { window, bytes, kept, keep, level: Level::Durable };
        if !name.is_atom("session") || received < done {
            return Err(malformed);
        }
        let saved = received;
        let mut session = Self {
            received,
            done,
            turn,
            grant,
            events,
            kept: VecDeque::new(),
            kept_bytes: 0,
            kept_events: VecDeque::new(),
            event_bytes: 0,
            rows: VecDeque::new(),
            saved,
            changed: false,
        };
        for row in answers {
            session.read_answers(row)?;
        }
        Ok(session)
    }

    fn read_answers(&mut self, row: &[u8]) -> Result<(), RowError> {
        let malformed = RowError::Malformed { what: "it is no row of kept answers" };
        let document = library_row(row)?;
        let View::List(answers) = document.root().view() else { return Err(malformed) };
        let mut span = None;
        for answer in answers {
            let View::Tuple(tuple) = answer.view() else { return Err(malformed) };
            let Some([number, body]) = tuple.to_array() else { return Err(malformed) };
            let (Some(number), Some(body)) = (number.as_u64(), body.as_bytes()) else {
                return Err(malformed);
            };
            let (first, last) = span.unwrap_or((number, 0));
            if number <= last || number > self.received {
                return Err(malformed);
            }
            span = Some((first, number));
            if number > self.done {
                self.keep(number, Bytes::copy_from_slice(body));
            }
        }
        self.rows.extend(span);
        Ok(())
    }
}

/// Decodes a row of the library's in a format that this program knows.
fn library_row(row: &[u8]) -> Result<ubf_codec::Document<&[u8]>, RowError> {
    let (version, packet) = stored::read_version(row)?;
    if version != crate::record::FORMAT {
        return Err(RowError::UnknownVersion { version });
    }
    ubf_codec::decode(packet)
        .map_err(|_| RowError::Malformed { what: "no packet follows the version" })
}

/// The stored key of a row of answers, by the number of its first one.
pub(crate) fn answers_key(key: SessionKey, first: u64) -> Bytes {
    let mut stored = key.key(Space::Answers);
    first.put(&mut stored);
    stored.into()
}

/// `F #{Number,Body}&…$`, in the order of the numbers: the last one is written first, as in each
/// list. It is written by hand since it is a good part of what a batch of small calls writes.
fn answers_row(format: u32, answers: &[&Kept]) -> Bytes {
    const ROOM: usize = 32;
    let bytes = answers.iter().map(|kept| kept.body.len() + ROOM).sum::<usize>();
    let mut row = Vec::with_capacity(bytes + ROOM);
    stored::put_digits(format.into(), &mut row);
    row.extend_from_slice(b" #");
    for kept in answers.iter().rev() {
        row.push(b'{');
        stored::put_digits(kept.number, &mut row);
        row.push(b' ');
        stored::put_digits(kept.body.len() as u64, &mut row);
        row.push(b'~');
        row.extend_from_slice(&kept.body);
        row.extend_from_slice(b"~}&");
    }
    row.push(b'$');
    row.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SessionKey = SessionKey::from_bytes([7; 16]);

    fn grant(window: u64) -> Grant {
        let keep = Duration::from_secs(60);
        Grant { window, bytes: 1_000, kept: 500, keep, level: Level::Durable }
    }

    fn body(text: &'static str) -> Option<Bytes> {
        Some(Bytes::from_static(text.as_bytes()))
    }

    fn rows(writes: &Writes) -> Vec<(&[u8], Option<&str>)> {
        let text = |value: &'_ Bytes| -> &'static str {
            std::string::String::from_utf8(value.to_vec()).unwrap().leak()
        };
        writes.iter().map(|(key, value)| (&key[..], value.as_ref().map(text))).collect()
    }

    #[test]
    fn t3_a_session_and_its_answers_are_written_once_a_batch() {
        let mut session = Session::opened(grant(9));
        session.took(body("'a'$"));
        session.took(None);
        session.took(body("'b'$"));
        let mut writes = Writes::default();
        session.save(KEY, 1, &mut writes);
        let (row, answers) = (KEY.key(Space::Sessions), answers_key(KEY, 1));
        assert_eq!(
            rows(&writes),
            [
                (&row[..], Some("1 {'session'3 0 1 9 1000 500 60000 0}$")),
                (&answers[..], Some("1 #{3 4~'b'$~}&{1 4~'a'$~}&$")),
            ]
        );
        let stored = writes.get(&answers).unwrap().clone().unwrap();
        let read = Session::read(b"1 {'session'3 0 1 9 1000 500 60000 0}$", [&stored[..]]).unwrap();
        assert_eq!(read, session);
        assert_eq!(read.kept_bytes(), 8);

        session.seen(3, 0);
        let mut writes = Writes::default();
        session.save(KEY, 1, &mut writes);
        let seen =
            [(&row[..], Some("1 {'session'3 3 1 9 1000 500 60000 0}$")), (&answers[..], None)];
        assert_eq!(rows(&writes), seen);
    }

    #[test]
    fn rows_of_answers_are_as_the_encoder_writes_them() {
        let kept = [(1, "'a'$"), (20, ""), (u64::MAX, "~$~")];
        let kept =
            kept.map(|(number, body)| Kept { number, body: Bytes::from_static(body.as_bytes()) });
        for count in 0..=kept.len() {
            let some: Vec<&Kept> = kept.iter().take(count).collect();
            let terms = some.iter().map(|kept| {
                Term::tuple([Term::from(kept.number), Term::binary(kept.body.clone())])
            });
            let encoded = Encoder::new().encode(&Term::list(terms));
            assert_eq!(answers_row(1, &some), stored::whole(1, &encoded));
        }
    }

    #[test]
    fn s3_the_window_acknowledges_what_lies_behind_it() {
        let mut session = Session::opened(grant(2));
        for text in ["1$", "2$", "3$"] {
            session.took(body(text));
        }
        assert_eq!(session.kept().map(|kept| kept.number).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn s5_the_higher_turn_wins() {
        let mut session = Session::opened(grant(2));
        assert_eq!(session.resume(0, 0, 1), Err(1));
        assert_eq!(session.resume(4, 0, 2), Ok(()));
        assert_eq!((session.received(), session.turn()), (4, 2), "S4: 4 answers were seen");
    }

    #[test]
    fn s6_events_are_kept_until_they_are_seen_or_too_many() {
        let numbers = |session: &Session| {
            session.kept_events().map(|event| (event.number, event.after)).collect::<Vec<_>>()
        };
        let mut session = Session::opened(grant(9));
        let max_bytes = 3 * (ENTRY_BYTES + 2);
        session.made_event(Bytes::from_static(b"1$"), max_bytes);
        session.took(body("'a'$"));
        for text in [&b"2$"[..], b"3$"] {
            session.made_event(Bytes::from_static(text), max_bytes);
        }
        assert_eq!(numbers(&session), [(1, 0), (2, 1), (3, 1)]);
        assert_eq!(session.kept_bytes(), max_bytes + 4);
        session.made_event(Bytes::from_static(b"4$"), max_bytes);
        assert_eq!(numbers(&session), [(2, 1), (3, 1), (4, 1)]);
        session.seen(0, 2);
        assert_eq!(numbers(&session), [(3, 1), (4, 1)]);
        session.made_event(Bytes::from_static(&[b'x'; 300]), max_bytes);
        assert_eq!((numbers(&session), session.events()), (Vec::new(), 5));
        assert_eq!(session.kept_bytes(), 4);
    }

    #[test]
    fn t4_of_the_events_of_a_session_that_was_let_go_those_are_kept_that_were_counted() {
        let mut session = Session::opened(grant(9));
        for text in [&b"1$"[..], b"2$", b"3$"] {
            session.made_event(Bytes::from_static(text), 1_000);
        }
        let events = session.into_events();
        let read = |events: u64| {
            let row = std::format!("1 {{'session'0 0 1 9 1000 500 60000 {events}}}$");
            Session::read(row.as_bytes(), []).unwrap()
        };
        for (counted, kept) in [(2, 2), (3, 3), (0, 0), (4, 0)] {
            let mut again = read(counted);
            again.keep_events(events.clone());
            assert_eq!(again.kept_events().len(), kept, "{counted} are counted");
        }
    }

    #[test]
    fn what_are_no_rows_of_a_session_is_told() {
        for row in [
            "1 {'session'3 4 1 9 1000 500 60000 0}$",
            "1 {'session'3 0 1 9}$",
            "1 'a'$",
            "2 {'session'3 0 1 9 1000 500 60000 0}$",
            "1 {",
        ] {
            assert!(Session::read(row.as_bytes(), []).is_err(), "{row}");
        }
        for answers in ["1 #{4 1~a~}&$", "1 #{1 1~a~}&{2 1~b~}&$", "1 #1&$", "1 {}$"] {
            let read =
                Session::read(b"1 {'session'3 0 1 9 1000 500 60000 0}$", [answers.as_bytes()]);
            assert!(read.is_err(), "{answers}");
        }
    }

    #[test]
    fn s9_a_key_is_not_shown() {
        let shown = std::format!("{:?}", SessionKey::from_bytes(*b"0123456789abcdef"));
        assert!(shown.len() == 20 && !shown.contains("0123") && !shown.contains("3031"), "{shown}");
    }
}
