//! The sessions of a shard that are in memory.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;
use ubf_proto::session::Grant;

use super::Shard;
use super::output::{Leaving, NotRun, To};
use crate::base::{Base, Order, Scan};
use crate::form::RowError;
use crate::mutant::Mutant;
use crate::session::{KeptEvent, Session, SessionKey, answers_key};
use crate::stop::{Reason, Stop};
use crate::stored::{Space, after_prefix};
use crate::tx::Ground;
use crate::writes::Writes;

/// Sessions by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sessions {
    by_key: BTreeMap<SessionKey, Session>,
    /// Those that have changed since the last batch.
    changed: Vec<SessionKey>,
    /// Of the answers and events that are kept for them.
    kept_bytes: usize,
    /// The events of sessions that are not in memory, since a batch was lost, or another owner has
    /// told them.
    let_go: BTreeMap<SessionKey, VecDeque<KeptEvent>>,
}

impl Sessions {
    pub(super) fn took(&mut self, key: SessionKey, answer: Option<Bytes>) -> u64 {
        self.change(key, |session| session.took(answer)).unwrap_or(0)
    }

    /// Counts and keeps an event. `false` if the session is not known.
    pub(super) fn made_event(&mut self, key: SessionKey, body: Bytes, max_bytes: usize) -> bool {
        self.change(key, |session| session.made_event(body, max_bytes)).is_some()
    }

    fn insert(&mut self, key: SessionKey, mut session: Session) {
        if let Some(events) = self.let_go.remove(&key) {
            session.keep_events(events);
        }
        self.kept_bytes += session.kept_bytes();
        self.by_key.insert(key, session);
    }

    fn remove(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.by_key.remove(&key)?;
        self.kept_bytes -= session.kept_bytes();
        Some(session)
    }

    fn change<T>(&mut self, key: SessionKey, change: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let session = self.by_key.get_mut(&key)?;
        let was_changed = session.is_changed();
        let kept_before = session.kept_bytes();
        let result = change(session);
        self.kept_bytes = self.kept_bytes - kept_before + session.kept_bytes();
        if session.is_changed() && !was_changed {
            self.changed.push(key);
        }
        Some(result)
    }

    pub(super) fn are_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    pub(super) fn save(&mut self, format: u32, writes: &mut Writes) {
        for key in core::mem::take(&mut self.changed) {
            if let Some(session) = self.by_key.get_mut(&key) {
                session.save(key, format, writes);
            }
        }
    }

    /// T4: what is in memory of sessions is not true any more. Events that the store has counted
    /// are kept for those who come back.
    pub(super) fn clear(&mut self) {
        let Self { by_key, let_go, .. } = core::mem::take(self);
        let events = by_key.into_iter().map(|(key, session)| (key, session.into_events()));
        self.let_go = let_go;
        self.let_go.extend(events.filter(|(_, events)| !events.is_empty()));
    }

    /// The events that are kept, by session.
    pub(super) fn events(
        &self,
    ) -> impl Iterator<Item = (SessionKey, impl DoubleEndedIterator<Item = &KeptEvent>)> {
        let in_memory = self.by_key.iter().map(|(key, session)| (*key, session.event_queue()));
        let let_go = self.let_go.iter().map(|(key, events)| (*key, events));
        in_memory.chain(let_go).map(|(key, events)| (key, events.iter()))
    }

    /// The owner before has kept these events. They are looked at when the session is read.
    pub(super) fn expect_events(
        &mut self,
        key: SessionKey,
        events: Vec<KeptEvent>,
        max_bytes: usize,
    ) {
        let mut events = VecDeque::from(events);
        let mut bytes: usize = events.iter().map(KeptEvent::cost).sum();
        while bytes > max_bytes
            && let Some(oldest) = events.pop_front()
        {
            bytes -= oldest.cost();
        }
        self.let_go.insert(key, events);
    }

    /// Somebody else may own the sessions from here on, and count other events.
    pub(super) fn forget_events(&mut self) {
        self.let_go.clear();
    }
}

/// What concerns sessions and not calls.
impl Shard {
    /// A session in memory.
    #[must_use]
    pub fn session(&self, key: SessionKey) -> Option<&Session> {
        self.sessions.by_key.get(&key)
    }

    /// The bytes of the answers and events that are kept in memory for all sessions.
    #[must_use]
    pub const fn kept_bytes(&self) -> usize {
        self.sessions.kept_bytes
    }

    /// Opens a session with what is granted (S1). [`Leaving::Opened`] leaves when it
    /// is stored.
    ///
    /// # Errors
    /// It was not opened, and nothing has changed.
    pub fn open_session(
        &mut self,
        base: &dyn Base,
        key: SessionKey,
        grant: Grant,
    ) -> Result<(), NotRun> {
        self.may_take()?;
        match self.load_session(base, key) {
            Err(NotRun::UnknownSession) => {}
            Ok(()) => return Err(NotRun::SessionExists),
            Err(why) => return Err(why),
        }
        self.sessions.insert(key, Session::opened(grant));
        self.sessions.changed.push(key);
        self.open.is_due = true;
        let needs = self.needs(true);
        self.gate.hold(To::Session(key), Leaving::Opened, needs);
        Ok(())
    }

    /// A client goes on with a session on another connection (S4). [`Leaving::Resumed`] leaves when
    /// the turn is stored; what was held for the connection before does not leave any more.
    ///
    /// # Errors
    /// It does not go on, and nothing has changed.
    pub fn resume(
        &mut self,
        base: &dyn Base,
        key: SessionKey,
        done: u64,
        events: u64,
        turn: u64,
    ) -> Result<(), NotRun> {
        self.may_take()?;
        self.load_session(base, key)?;
        let resumed = self.sessions.change(key, |session| session.resume(done, events, turn));
        if let Some(Err(turn)) = resumed {
            return Err(NotRun::Overtaken { turn });
        }
        let Some(session) = self.sessions.by_key.get(&key) else {
            return Err(NotRun::UnknownSession);
        };
        let what = Leaving::Resumed {
            received: session.received(),
            kept: session.kept().cloned().collect(),
            events_made: session.events(),
            events: session.kept_events().cloned().collect(),
        };
        self.gate.forget(key);
        self.open.is_due = true;
        let needs = self.needs(true);
        self.leave(To::Session(key), what, needs, Mutant::ResumedNotHeld);
        Ok(())
    }

    /// The client has seen all answers up to this one, and so many events (S3). The first is stored
    /// with the next batch.
    pub fn seen(&mut self, key: SessionKey, done: u64, events: u64) {
        self.sessions.change(key, |session| session.seen(done, events));
    }

    /// Whether a session is there; it is in memory then.
    ///
    /// # Errors
    /// It is not, or that is not known yet.
    pub fn find_session(&mut self, base: &dyn Base, key: SessionKey) -> Result<(), NotRun> {
        self.may_change()?;
        self.load_session(base, key)
    }

    /// Ends a session: its rows are taken away. It makes room, so a full batch takes it, too.
    ///
    /// # Errors
    /// It was not ended, and nothing has changed.
    pub fn end_session(&mut self, base: &dyn Base, key: SessionKey) -> Result<(), NotRun> {
        self.find_session(base, key)?;
        if let Some(session) = self.sessions.remove(key) {
            let mut writes = Writes::default();
            session.remove(key, &mut writes);
            self.open.writes.extend(writes);
            self.open.is_due = true;
            self.gate.forget(key);
        }
        Ok(())
    }

    /// Lets go of a session in memory; it is loaded again when it is needed. Nothing happens if
    /// something of it is not stored yet.
    pub fn forget_session(&mut self, key: SessionKey) {
        // Events are nowhere else.
        let is_stored = self
            .session(key)
            .is_some_and(|session| !session.is_changed() && session.kept_events().len() == 0);
        if is_stored && self.flying.is_none() {
            self.sessions.remove(key);
        }
    }

    /// The sessions that are stored after this one, in the order of their keys; at most `limit`. An
    /// owner that begins asks for all of them: the time that each is kept runs anew (S6).
    ///
    /// # Errors
    /// They are not in memory, or cannot be read.
    pub fn stored_sessions(
        &self,
        base: &dyn Base,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Vec<(SessionKey, Grant)>, NotRun> {
        let none = Writes::default();
        let ground = self.ground(base, &none);
        let from = after
            .map_or_else(|| Space::Sessions.key(), |key| after_prefix(&key.key(Space::Sessions)));
        let (from, to) = (from.into(), Space::Sessions.end().into());
        let page = ground.scan(&Scan { from, to, limit, order: Order::Upwards }, &none);
        let page = match page.map_err(Stop::into_reason) {
            Ok(page) => page,
            Err(Reason::Missing(missing)) => return Err(NotRun::Missing(missing)),
            Err(reason) => return Err(NotRun::Broken(reason)),
        };
        let read = |(stored, row): &(Bytes, Bytes)| {
            let key = SessionKey::from_stored(stored)?;
            Some((key, *Session::read(row, []).ok()?.grant()))
        };
        page.iter()
            .map(|row| {
                let error = RowError::Malformed { what: "it is no row of a session" };
                read(row).ok_or(NotRun::Broken(Reason::Row { table: "sessions", error }))
            })
            .collect()
    }

    /// Reads a session's rows, if it is not in memory.
    pub(super) fn load_session(&mut self, base: &dyn Base, key: SessionKey) -> Result<(), NotRun> {
        if self.sessions.by_key.contains_key(&key) {
            return Ok(());
        }
        let none = Writes::default();
        let ground = self.ground(base, &none);
        match read_session(&ground, key).map_err(Stop::into_reason) {
            Ok(Some(session)) => {
                self.sessions.insert(key, session);
                Ok(())
            }
            Ok(None) => {
                // It was opened by a batch that was lost.
                self.sessions.let_go.remove(&key);
                Err(NotRun::UnknownSession)
            }
            Err(Reason::Missing(missing)) => Err(NotRun::Missing(missing)),
            Err(reason) => Err(NotRun::Broken(reason)),
        }
    }
}

/// The most rows of answers that are read of one session: each has at least one answer, and a
/// window has no more.
const MAX_ANSWER_ROWS: usize = 65_536;

fn read_session(ground: &Ground<'_>, key: SessionKey) -> Result<Option<Session>, Stop> {
    let Some(row) = ground.get(&key.key(Space::Sessions))? else { return Ok(None) };
    let to = after_prefix(&key.key(Space::Answers)).into();
    let from = answers_key(key, 0);
    let scan = Scan { from, to, limit: MAX_ANSWER_ROWS, order: Order::Upwards };
    let answers = ground.scan(&scan, &Writes::default())?;
    let answers = answers.iter().map(|(_, value)| &value[..]);
    Session::read(&row, answers)
        .map(Some)
        .map_err(|error| Reason::Row { table: "sessions", error }.into())
}
