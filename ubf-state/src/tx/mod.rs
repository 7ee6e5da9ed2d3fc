//! A call's transaction (T2): what it reads and writes, and the time that it sees.

mod ground;
mod seen;
mod stored_rows;

use alloc::vec::Vec;
use core::ops::RangeBounds;

use bytes::Bytes;
use ubf_proto::{Random, Time};

pub(crate) use self::ground::Ground;
use self::seen::Seen;
use self::stored_rows::{bounded, bounds, stored_key};
use crate::base::{Order, Scan};
use crate::form::Row;
use crate::key::Key;
use crate::record::ShardRecord;
use crate::session::SessionKey;
use crate::stop::{Do, Reason, Stop};
use crate::stored::{self, Space};
use crate::table::{AnyIndex as _, Index, Table};
use crate::timer;
use crate::writes::Writes;

/// What one call may take (L1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxLimits {
    /// The most rows that a call reads; those of scans are counted too.
    pub max_rows_read: usize,
    /// The most rows, chunks, entries of indexes and timers that a call writes.
    pub max_rows_written: usize,
    /// The most bytes that a call writes, keys included.
    pub max_bytes_written: usize,
    /// The most events that a call sends.
    pub max_events: usize,
}

impl Default for TxLimits {
    /// 10,000 rows read, 1,000 written, 32 MiB, 1,000 events. Chosen: a call that reaches them
    /// holds the shard up for some tens of milliseconds.
    fn default() -> Self {
        Self {
            max_rows_read: 10_000,
            max_rows_written: 1_000,
            max_bytes_written: 32 << 20,
            max_events: 1_000,
        }
    }
}

/// What a transaction has made, to be added to its batch when the call has ended well.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) writes: Writes,
    pub(crate) events: Vec<Event>,
    pub(crate) losses: Vec<Loss>,
}

/// An event of the service for a session. It leaves after the answer of the call that made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// Whom it is for.
    pub session: SessionKey,
    /// The UBF(A) packet.
    pub body: Bytes,
}

/// A row lost something on its way to an older form (T7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The table's name.
    pub table: &'static str,
    /// The field that the step back has declared.
    pub field: &'static str,
}

/// The transaction of one call: all of it is committed, or nothing.
///
/// A call sees the rows that the calls before it left, and its own writes. It sees one time, which
/// never goes back in a shard. It is in no hurry to read all that it may need: a call that meets a
/// row that is not in memory is run again, from its beginning, when the row is there.
pub struct Tx<'a> {
    ground: Ground<'a>,
    record: &'a ShardRecord,
    limits: TxLimits,
    session: Option<SessionKey>,
    now: Time,
    random: &'a mut Random,
    rows_read: usize,
    seen: Seen,
    made: Made,
    stepping: Option<&'static str>,
}

impl core::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tx")
            .field("now", &self.now)
            .field("made", &self.made)
            .finish_non_exhaustive()
    }
}

impl<'a> Tx<'a> {
    pub(crate) fn new(
        ground: Ground<'a>,
        record: &'a ShardRecord,
        limits: TxLimits,
        session: Option<SessionKey>,
        now: Time,
        random: &'a mut Random,
    ) -> Self {
        let (rows_read, seen, made, stepping) = (0, Seen::default(), Made::default(), None);
        Self { ground, record, limits, session, now, random, rows_read, seen, made, stepping }
    }

    pub(crate) fn into_made(self) -> Made {
        self.made
    }

    /// A crash while a step between two forms ran is a fault of the row (T7).
    pub(crate) fn blame(&self, stop: Stop) -> Stop {
        match (stop.reason(), self.stepping) {
            (Reason::Crashed(_), Some(table)) => Reason::StepCrashed(table).into(),
            _ => stop,
        }
    }

    /// The row with this key.
    ///
    /// # Errors
    /// [`Stop`], to be passed on.
    pub fn get<K: Key, R: Row>(&mut self, table: &Table<K, R>, key: &K) -> Do<Option<R>> {
        let stored = stored_key(table.name(), key)?;
        Ok(self.read_at(table.name(), &stored)?.map(|(row, _)| row))
    }

    /// Writes a row; one with this key is replaced.
    ///
    /// # Errors
    /// [`Stop`], to be passed on.
    pub fn put<K: Key, R: Row>(&mut self, table: &Table<K, R>, key: &K, row: &R) -> Do<()> {
        let stored = stored_key(table.name(), key)?;
        // What is replaced is of interest to indexes alone.
        if !table.indexes().is_empty() {
            let before = self.read_at::<R>(table.name(), &stored)?;
            self.reindex(table, key, before.as_ref(), Some(row))?;
        }
        self.write_at(table.name(), &stored, row)
    }

    /// Takes a row away, and returns it.
    ///
    /// # Errors
    /// [`Stop`], to be passed on.
    pub fn delete<K: Key, R: Row>(&mut self, table: &Table<K, R>, key: &K) -> Do<Option<R>> {
        let stored = stored_key(table.name(), key)?;
        let before = self.read_at::<R>(table.name(), &stored)?;
        if before.is_some() {
            self.reindex(table, key, before.as_ref(), None)?;
            self.remove_at(&stored)?;
        }
        Ok(before.map(|(row, _)| row))
    }

    /// The first rows of a range of keys, in their order; at most `limit`.
    ///
    /// # Errors
    /// [`Stop`], to be passed on.
    pub fn range<K: Key, R: Row>(
        &mut self,
        table: &Table<K, R>,
        keys: impl RangeBounds<K>,
        limit: usize,
    ) -> Do<Vec<(K, R)>> {
        self.rows(table, &keys, limit, Order::Upwards)
    }

    /// The last rows of a range of keys, the last one first; at most `limit`.
    ///
    /// # Errors
    /// [`Stop`], to be passed on.
    pub fn range_back<K: Key, R: Row>(
        &mut self,
        table: &Table<K, R>,
        keys: impl RangeBounds<K>,
        limit: usize,
    ) -> Do<Vec<(K, R)>> {
        self.rows(table, &keys, limit, Order::Downwards)
    }

    /// The last row of a range of keys.
    ///
    /// # Errors
    /// [`Stop`], to be passed on.
    pub fn last<K: Key, R: Row>(
        &mut self,
        table: &Table<K, R>,
        keys: impl RangeBounds<K>,
    ) -> Do<Option<(K, R)>> {
        Ok(self.range_back(table, keys, 1)?.pop())
    }

    /// The first rows of a range of an index's keys, in the order of the index; at most `limit`.
    ///
    /// # Errors
    /// [`Stop`], to be passed on. Among its reasons: the index came in a state version of which not
    /// all rows are yet.
    pub fn by<K: Key, R: Row, I: Key>(
        &mut self,
        table: &Table<K, R>,
        index: &Index<K, R, I>,
        keys: impl RangeBounds<I>,
        limit: usize,
    ) -> Do<Vec<(K, R)>> {
        if self.record.versions.state.lowest < index.since() {
            return Err(Reason::IndexNotReady(index.name()).into());
        }
        let prefix = stored::index_prefix(table.name(), index.name());
        let (from, to) = bounds(&prefix, &keys);
        let page = self.page(Scan { from, to, limit, order: Order::Upwards })?;
        let mut rows = Vec::with_capacity(page.len());
        for (entry, _) in page {
            let mut rest = entry.get(prefix.len()..).unwrap_or_default();
            let key = I::take(&mut rest).and_then(|_| K::from_bytes(rest));
            let key = key.map_err(|error| Reason::Key { table: table.name(), error })?;
            if let Some(row) = self.get(table, &key)? {
                rows.push((key, row));
            }
        }
        Ok(rows)
    }

    /// The time, in milliseconds since 1970. It never goes back in a shard, and stands still
    /// during a call.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The state version in which rows are written.
    #[must_use]
    pub const fn write_version(&self) -> u32 {
        self.record.write_version()
    }

    /// A random number. It is no secret.
    pub const fn random(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// The state of the service in the session of this call: what UBF(C) calls the state. It is
    /// taken away with the session. `None` also where the call has no session.
    ///
    /// # Errors
    /// [`Stop`], to be passed on.
    pub fn mine<R: Row>(&mut self) -> Do<Option<R>> {
        let Some(session) = self.session else { return Ok(None) };
        Ok(self.read_at(MINE, &session.key(Space::Mine))?.map(|(row, _)| row))
    }

    /// Writes the state of the service in the session of this call.
    ///
    /// # Errors
    /// [`Stop`], to be passed on. A call without a session is refused.
    pub fn set_mine<R: Row>(&mut self, row: &R) -> Do<()> {
        let session = self.session.ok_or(Reason::NoSession)?;
        self.write_at(MINE, &session.key(Space::Mine), row)
    }

    /// Sends an event to a session, after the answer of this call. Behind a server, `body` is a
    /// versioned packet: `3 {'event_out',Event}$`. It is counted for the session, and not stored: a
    /// client that is not connected is told how many it has missed.
    ///
    /// # Errors
    /// [`Stop`], to be passed on: the call sends too many.
    pub fn emit(&mut self, session: SessionKey, body: Bytes) -> Do<()> {
        if self.made.events.len() >= self.limits.max_events {
            return Err(Stop::limit("max_events"));
        }
        self.made.events.push(Event { session, body });
        Ok(())
    }

    /// Takes back those of the events so far that `stays` does not want: they are not counted. For
    /// whoever holds them against contracts, when the call has run.
    ///
    /// # Errors
    /// That of `stays`, to be passed on.
    pub fn retain_events(
        &mut self,
        mut stays: impl FnMut(&mut Self, &Event) -> Do<bool>,
    ) -> Do<()> {
        let mut kept = Vec::with_capacity(self.made.events.len());
        for event in core::mem::take(&mut self.made.events) {
            if stays(self, &event)? {
                kept.push(event);
            }
        }
        self.made.events = kept;
        Ok(())
    }

    /// Looks at the rows as a call in this session would: [`mine`](Self::mine) is that session's.
    pub fn in_session<T>(&mut self, session: SessionKey, look: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.session.replace(session);
        let seen = look(self);
        self.session = before;
        seen
    }

    /// Sets a timer. It rings once, at that time or after a restart; one with the same key is
    /// replaced.
    ///
    /// # Errors
    /// [`Stop`], to be passed on.
    pub fn at<K: Key>(&mut self, when: Time, key: &K) -> Do<()> {
        let key = bounded(key.to_bytes())?;
        self.cancel_written(&key)?;
        self.write(timer::by_key(&key), Some(timer::value(when)))?;
        self.write(timer::by_time(when, &key), Some(Bytes::new()))
    }

    /// Takes a timer away, if it is set.
    ///
    /// # Errors
    /// [`Stop`], to be passed on.
    pub fn cancel<K: Key>(&mut self, key: &K) -> Do<()> {
        self.cancel_written(&key.to_bytes())
    }

    pub(crate) fn cancel_written(&mut self, key: &[u8]) -> Do<()> {
        let by_key = timer::by_key(key);
        if let Some(when) = self.get_stored(&by_key)?.as_deref().and_then(timer::read) {
            self.write(timer::by_time(when, key), None)?;
            self.write(by_key, None)?;
        }
        Ok(())
    }

    /// Refuses the call: `return tx.refuse("no cover")`. What it wrote is taken back.
    ///
    /// # Errors
    /// Always.
    pub fn refuse<T>(&self, why: impl Into<alloc::string::String>) -> Do<T> {
        Err(Stop::refused(why))
    }
}

/// The name under which losses and errors of [`Tx::mine`] are told.
const MINE: &str = "mine";
