//! A call's transaction (T2): what it reads and writes, and the time that it sees.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::{Bound, RangeBounds};

use bytes::Bytes;
use ubf_proto::{Random, Time};

use crate::base::{Base, Order, Page, Scan, successor};
use crate::form::{Lost, Row};
use crate::key::{Key, MAX_KEY_BYTES};
use crate::record::ShardRecord;
use crate::session::SessionKey;
use crate::stop::{Do, Reason, Stop};
use crate::stored::{self, MAX_ROW_BYTES, MAX_STORED_BYTES, Space, Stored};
use crate::table::{AnyIndex, Index, Table};
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

/// The writes on which a transaction stands, oldest first, over what is committed.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) base: &'a dyn Base,
    pub(crate) flying: &'a Writes,
    pub(crate) open: &'a Writes,
}

impl Ground<'_> {
    /// The value at a stored key.
    pub(crate) fn get(&self, key: &[u8]) -> Do<Option<Bytes>> {
        if let Some(value) = self.open.get(key).or_else(|| self.flying.get(key)) {
            return Ok(value.clone());
        }
        Ok(self.base.get(key)?)
    }

    /// The rows of a range, with `own` writes over the rest.
    pub(crate) fn scan(&self, scan: &Scan, own: &Writes) -> Do<Page> {
        let Scan { mut from, mut to, limit, order } = scan.clone();
        let mut rows = Page::new();
        while from < to && rows.len() < limit {
            let page =
                self.base.scan(&Scan { from: from.clone(), to: to.clone(), limit, order })?;
            // A full page says nothing of what is behind its last row.
            let (start, end) = match (page.len() < limit, order, page.last()) {
                (false, Order::Upwards, Some((last, _))) => (from.clone(), successor(last)),
                (false, Order::Downwards, Some((last, _))) => (last.clone(), to.clone()),
                _ => (from.clone(), to.clone()),
            };
            let mut window: BTreeMap<Bytes, Option<Bytes>> =
                page.into_iter().map(|(key, value)| (key, Some(value))).collect();
            for writes in [self.flying, self.open, own] {
                for (key, value) in writes.range(&start, &end) {
                    window.insert(key.clone(), value.clone());
                }
            }
            let there = |(key, value): (Bytes, Option<Bytes>)| Some((key, value?));
            let room = limit - rows.len();
            match order {
                Order::Upwards => {
                    rows.extend(window.into_iter().filter_map(there).take(room));
                    from = end;
                }
                Order::Downwards => {
                    rows.extend(window.into_iter().rev().filter_map(there).take(room));
                    to = start;
                }
            }
        }
        Ok(rows)
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
        let (rows_read, made, stepping) = (0, Made::default(), None);
        Self { ground, record, limits, session, now, random, rows_read, made, stepping }
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
        let before = self.read_at::<R>(table.name(), &stored)?;
        self.reindex(table, key, before.as_ref(), Some(row))?;
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
        let session = self.session.ok_or_else(|| Stop::refused("the call has no session"))?;
        self.write_at(MINE, &session.key(Space::Mine), row)
    }

    /// Sends an event to a session, after the answer of this call.
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

/// Stored bytes below the types.
impl Tx<'_> {
    fn get_stored(&mut self, key: &[u8]) -> Do<Option<Bytes>> {
        self.charge_reads(1)?;
        match self.made.writes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.ground.get(key),
        }
    }

    pub(crate) fn page(&mut self, mut scan: Scan) -> Do<Page> {
        // One more than may be read, so that a longer scan is told from one that just fits.
        let room = self.limits.max_rows_read.saturating_sub(self.rows_read) + 1;
        scan.limit = scan.limit.min(room);
        let page = self.ground.scan(&scan, &self.made.writes)?;
        self.charge_reads(page.len())?;
        Ok(page)
    }

    const fn charge_reads(&mut self, count: usize) -> Do<()> {
        self.rows_read += count;
        if self.rows_read > self.limits.max_rows_read {
            return Err(Stop::limit("max_rows_read"));
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, key: impl Into<Bytes>, value: Option<Bytes>) -> Do<()> {
        let writes = &mut self.made.writes;
        writes.set(key.into(), value);
        if writes.len() > self.limits.max_rows_written {
            return Err(Stop::limit("max_rows_written"));
        }
        if writes.bytes() > self.limits.max_bytes_written {
            return Err(Stop::limit("max_bytes_written"));
        }
        Ok(())
    }

    fn rows<K: Key, R: Row>(
        &mut self,
        table: &Table<K, R>,
        keys: &impl RangeBounds<K>,
        limit: usize,
        order: Order,
    ) -> Do<Vec<(K, R)>> {
        let prefix = stored::row_key(table.name(), &[]);
        let (from, to) = bounds(&prefix, keys);
        let page = self.page(Scan { from, to, limit, order })?;
        let mut rows = Vec::with_capacity(page.len());
        for (stored, value) in page {
            let key = K::from_bytes(stored.get(prefix.len()..).unwrap_or_default())
                .map_err(|error| Reason::Key { table: table.name(), error })?;
            rows.push((key, self.decode(table.name(), &stored, &value)?.0));
        }
        Ok(rows)
    }

    /// The row at a stored key, and the state version in which it was written.
    pub(crate) fn read_at<R: Row>(
        &mut self,
        table: &'static str,
        stored: &[u8],
    ) -> Do<Option<(R, u32)>> {
        let Some(value) = self.get_stored(stored)? else { return Ok(None) };
        self.decode(table, stored, &value).map(Some)
    }

    fn decode<R: Row>(&mut self, table: &'static str, key: &[u8], value: &[u8]) -> Do<(R, u32)> {
        let blame = |error| Stop::from(Reason::Row { table, error });
        let joined;
        let (version, packet) = match stored::read(value).map_err(blame)? {
            Stored::Whole { version, packet } => (version, packet),
            Stored::Chunks { version, count, bytes } => {
                joined = self.join(table, key, count, bytes)?;
                (version, &joined[..])
            }
        };
        self.stepping = Some(table);
        let row = R::read(version, packet).map_err(blame);
        self.stepping = None;
        Ok((row?, version))
    }

    fn join(&mut self, table: &'static str, key: &[u8], count: u16, bytes: usize) -> Do<Vec<u8>> {
        let mut joined = Vec::new();
        for number in 0..count {
            if let Some(chunk) = self.get_stored(&stored::chunk_key(key, number))? {
                joined.extend_from_slice(&chunk);
            }
        }
        if joined.len() == bytes {
            return Ok(joined);
        }
        let error = crate::form::RowError::Malformed { what: "its chunks are not all there" };
        Err(Reason::Row { table, error }.into())
    }

    pub(crate) fn write_at<R: Row>(
        &mut self,
        table: &'static str,
        stored: &[u8],
        row: &R,
    ) -> Do<()> {
        self.remove_chunks(stored)?;
        let mut lost = Lost::default();
        self.stepping = Some(table);
        let written = row.write_at(self.write_version(), &mut lost);
        self.stepping = None;
        let written = written.map_err(|error| Reason::Row { table, error })?;
        let losses = lost.fields().iter().map(|&field| Loss { table, field });
        self.made.losses.extend(losses);
        let stored = Bytes::copy_from_slice(stored);
        let bytes = written.packet.len();
        if bytes > MAX_ROW_BYTES {
            return Err(Stop::limit("MAX_ROW_BYTES"));
        }
        if bytes + 11 <= MAX_STORED_BYTES {
            return self.write(stored, Some(stored::whole(written.version, &written.packet)));
        }
        let packet = Bytes::from(written.packet);
        let count = bytes.div_ceil(MAX_STORED_BYTES);
        for number in 0..count {
            let from = number * MAX_STORED_BYTES;
            let chunk = packet.slice(from..bytes.min(from + MAX_STORED_BYTES));
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            self.write(stored::chunk_key(&stored, number), Some(chunk))?;
        }
        self.write(stored, Some(stored::head(written.version, count, bytes)))
    }

    fn remove_at(&mut self, stored: &[u8]) -> Do<()> {
        self.remove_chunks(stored)?;
        self.write(Bytes::copy_from_slice(stored), None)
    }

    /// Takes away the chunks of the row that is there, if it has any.
    fn remove_chunks(&mut self, stored: &[u8]) -> Do<()> {
        let Some(value) = self.get_stored(stored)? else { return Ok(()) };
        if let Ok(Stored::Chunks { count, .. }) = stored::read(&value) {
            for number in 0..count {
                self.write(stored::chunk_key(stored, number), None)?;
            }
        }
        Ok(())
    }

    /// Moves a row from its old place in each index to the new one.
    pub(crate) fn reindex<K: Key, R: Row>(
        &mut self,
        table: &Table<K, R>,
        key: &K,
        before: Option<&(R, u32)>,
        after: Option<&R>,
    ) -> Do<()> {
        for &index in table.indexes() {
            // A row of an older version has no entry in this index, and gets none: who knows that
            // version alone would not keep it.
            let before = before.filter(|(_, version)| *version >= index.since());
            let before =
                before.map(|(row, _)| entry(table, index, key, row)).transpose()?.flatten();
            let after = after.filter(|_| self.write_version() >= index.since());
            let after = after.map(|row| entry(table, index, key, row)).transpose()?.flatten();
            if before != after {
                if let Some(entry) = before {
                    self.write(entry, None)?;
                }
                if let Some(entry) = after {
                    self.write(entry, Some(Bytes::new()))?;
                }
            }
        }
        Ok(())
    }
}

/// The stored key of a row's entry in an index, if the row has one.
fn entry<K: Key, R: Row>(
    table: &Table<K, R>,
    index: &dyn AnyIndex<K, R>,
    key: &K,
    row: &R,
) -> Do<Option<Vec<u8>>> {
    let Some(of_index) = index.key_of(key, row) else { return Ok(None) };
    let mut entry = stored::index_prefix(table.name(), index.name());
    entry.extend_from_slice(&bounded(of_index)?);
    key.put(&mut entry);
    Ok(Some(entry))
}

fn stored_key<K: Key>(table: &'static str, key: &K) -> Do<Vec<u8>> {
    Ok(stored::row_key(table, &bounded(key.to_bytes())?))
}

/// A written key that is no longer than a key may be.
fn bounded(key: Vec<u8>) -> Do<Vec<u8>> {
    if key.len() > MAX_KEY_BYTES { Err(Stop::limit("MAX_KEY_BYTES")) } else { Ok(key) }
}

/// The stored keys of a range, behind a prefix.
fn bounds<K: Key>(prefix: &[u8], keys: &impl RangeBounds<K>) -> (Bytes, Bytes) {
    let behind = |key: &K| {
        let mut stored = prefix.to_vec();
        key.put(&mut stored);
        stored
    };
    let from = match keys.start_bound() {
        Bound::Included(key) => behind(key),
        Bound::Excluded(key) => stored::after_prefix(&behind(key)),
        Bound::Unbounded => prefix.to_vec(),
    };
    let to = match keys.end_bound() {
        Bound::Included(key) => stored::after_prefix(&behind(key)),
        Bound::Excluded(key) => behind(key),
        Bound::Unbounded => stored::after_prefix(prefix),
    };
    (from.into(), to.into())
}
