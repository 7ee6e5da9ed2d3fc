//! The rows of a service as a copy that comes from another node, or goes there (feature `server`).
//!
//! ```text
//!  Empty ── begin ──▶ Unfinished ── finish ──▶ Prepared ── own ──▶ Own
//!                         ▲                       │
//!                         └─────── forget ────────┘
//! ```
//! Who may do which of these when, the machines of [`ubf_state::handoff`] say (U5). A copy is owned
//! by nobody: a [`Keeper`](crate::server::Keeper) of it does not begin.

use bytes::Bytes;
use ubf_state::handoff::{CopyHash, HandoffRecord, Standing};
use ubf_state::{Batch, Epoch, Order, Page, Scan, ShardId, ShardRecord, Space, Writes};
use ubf_store::{Snapshot, Store, StoreError};

/// Rows that are read at once. Chosen: those of a hand-off are few enough to be in memory.
const ROWS_AT_ONCE: usize = 512;
/// The bytes after which a batch is committed. Chosen: as the largest batch of calls.
const BATCH_BYTES: usize = 8 << 20;

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopySize {
    /// Rows, entries of indexes, timers, sessions and their answers, and the record.
    pub rows: u64,
    /// Of their keys and values.
    pub bytes: u64,
    /// Sessions among them.
    pub sessions: u64,
}

impl CopySize {
    /// Counts a row.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows += 1;
        self.bytes += (key.len() + value.len()) as u64;
        self.sessions += u64::from(key.first() == Some(&(Space::Sessions as u8)));
    }
}

/// Whose the rows of a store are.
///
/// # Errors
/// The store cannot be read.
pub fn standing(store: &mut dyn Store, shard: ShardId) -> Result<Standing, StoreError> {
    let mut value = |key: Bytes| store.get(shard, &key);
    let record = value(ShardRecord::key())?;
    let moved = value(HandoffRecord::moved_key())?;
    let prepared = value(HandoffRecord::prepared_key())?;
    Standing::read(record.as_deref(), moved.as_deref(), prepared.as_deref())
        .map_err(|error| StoreError::new("what a hand-off has written cannot be read", error))
}

/// Shows all rows that go along, in the order of their keys, until `show` says that it is enough.
///
/// # Errors
/// They cannot be read.
pub fn read(
    snapshot: &mut dyn Snapshot,
    mut show: impl FnMut(Page) -> bool,
) -> Result<(), StoreError> {
    let (mut from, to) = (Bytes::from(Space::Shard.key()), Bytes::from_static(&[0xFF]));
    loop {
        let (limit, order) = (ROWS_AT_ONCE, Order::Upwards);
        let mut page = snapshot.scan(&Scan { from, to: to.clone(), limit, order })?;
        let is_last = page.len() < limit;
        let last = page.last().map(|(key, _)| [key, &[0][..]].concat().into());
        page.retain(|(key, _)| goes_along(key));
        if !show(page) {
            return Ok(());
        }
        match last {
            Some(last) if !is_last => from = last,
            Some(_) | None => return Ok(()),
        }
    }
}

/// What else the shard itself keeps is about where its rows are, and stays there.
fn goes_along(key: &Bytes) -> bool {
    key.first() != Some(&(Space::Shard as u8)) || *key == ShardRecord::key()
}

/// A copy that is being written.
#[derive(Debug)]
pub struct CopyWriter {
    shard: ShardId,
    epoch: Epoch,
    batches: u64,
    writes: Writes,
    /// The record comes last.
    record: Option<Bytes>,
    size: CopySize,
}

impl CopyWriter {
    /// Begins a copy: what a store has of an earlier one is taken away.
    ///
    /// # Errors
    /// The store has rows of its own, or of a whole copy; or it cannot be written.
    pub fn begin(store: &mut dyn Store, shard: ShardId) -> Result<Self, StoreError> {
        match standing(store, shard)? {
            Standing::Empty | Standing::Unfinished | Standing::Moved(_) => {}
            Standing::Own => return Err(StoreError::plain("the store has rows of its own")),
            Standing::Prepared(_) => {
                return Err(StoreError::plain("the store has a whole copy already"));
            }
        }
        let seen = store.epoch(shard)?;
        let epoch = store
            .claim(shard, seen)
            .map_err(|error| StoreError::new("the store cannot be written", error))?;
        let (batches, size) = (0, CopySize::default());
        let mut writer =
            Self { shard, epoch, batches, writes: Writes::default(), record: None, size };
        writer.writes.set(ShardRecord::key(), Some(ShardRecord::copied()));
        writer.writes.set(HandoffRecord::shelved_key(), None);
        writer.commit(store)?;
        writer.clear(store)?;
        Ok(writer)
    }

    fn clear(&mut self, store: &mut dyn Store) -> Result<(), StoreError> {
        let (mut from, to) = (Bytes::from(Space::Rows.key()), Bytes::from_static(&[0xFF]));
        loop {
            let (limit, order) = (ROWS_AT_ONCE, Order::Upwards);
            let page = store.scan(self.shard, &Scan { from, to: to.clone(), limit, order })?;
            let is_last = page.len() < limit;
            let Some((last, _)) = page.last() else { break };
            from = [last, &[0][..]].concat().into();
            for (key, _) in page {
                self.writes.set(key, None);
            }
            if is_last || self.writes.bytes() >= BATCH_BYTES {
                self.commit(store)?;
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Takes a row. What was taken may be in memory until the end.
    ///
    /// # Errors
    /// It is no row that goes along, or the store cannot be written.
    pub fn row(
        &mut self,
        store: &mut dyn Store,
        key: Bytes,
        value: Bytes,
    ) -> Result<(), StoreError> {
        if !goes_along(&key) {
            return Err(StoreError::plain("a copy has a row that is of one store alone"));
        }
        self.size.add(&key, &value);
        if key == ShardRecord::key() {
            self.record = Some(value);
            return Ok(());
        }
        self.writes.set(key, Some(value));
        if self.writes.bytes() >= BATCH_BYTES { self.commit(store) } else { Ok(()) }
    }

    /// What was taken so far.
    #[must_use]
    pub const fn size(&self) -> CopySize {
        self.size
    }

    /// The hash of what is stored by now, read from the store.
    ///
    /// # Errors
    /// The store cannot be written or read, or the record is missing.
    pub fn hash(&mut self, store: &mut dyn Store) -> Result<CopyHash, StoreError> {
        self.commit(store)?;
        let record = self.record.as_ref();
        let record = record.ok_or(StoreError::plain("the copy has no record of the shard"))?;
        let mut hash = CopyHash::EMPTY.with(&ShardRecord::key(), record);
        let mut snapshot = store.snapshot(self.shard)?;
        read(&mut *snapshot, |page| {
            for (key, value) in page.iter().filter(|(key, _)| *key != ShardRecord::key()) {
                hash = hash.with(key, value);
            }
            true
        })?;
        Ok(hash)
    }

    /// Makes the copy whole, durably: it is [prepared](Standing::Prepared).
    ///
    /// # Errors
    /// The store cannot be written, or the record is missing.
    pub fn finish(
        mut self,
        store: &mut dyn Store,
        prepared: &HandoffRecord,
    ) -> Result<CopySize, StoreError> {
        let record = self.record.take();
        let record = record.ok_or(StoreError::plain("the copy has no record of the shard"))?;
        for (key, value) in &prepared.prepared(record) {
            self.writes.set(key.clone(), value.clone());
        }
        self.commit(store)?;
        Ok(self.size)
    }

    fn commit(&mut self, store: &mut dyn Store) -> Result<(), StoreError> {
        let writes = std::mem::take(&mut self.writes);
        if writes.is_empty() {
            return Ok(());
        }
        self.batches += 1;
        let (shard, epoch, number) = (self.shard, self.epoch, self.batches);
        commit(store, &Batch { shard, epoch, number, writes })
    }
}

/// Makes the rows this node's own, durably: those of a whole copy, or those that were handed off,
/// which an operator adopts. A keeper can begin then. Nothing happens if they are.
///
/// # Errors
/// There are no rows to be owned, or the store cannot be written.
pub fn own(store: &mut dyn Store, shard: ShardId) -> Result<(), StoreError> {
    if standing(store, shard)? == Standing::Own {
        return Ok(());
    }
    let record = store
        .get(shard, &HandoffRecord::shelved_key())?
        .ok_or(StoreError::plain("the store has no whole copy"))?;
    put(store, shard, HandoffRecord::own(record))
}

/// Gives a whole copy up, durably.
///
/// # Errors
/// The store cannot be written.
pub fn forget(store: &mut dyn Store, shard: ShardId) -> Result<(), StoreError> {
    if !matches!(standing(store, shard)?, Standing::Prepared(_)) {
        return Ok(());
    }
    let mut writes = Writes::default();
    writes.set(HandoffRecord::prepared_key(), None);
    writes.set(HandoffRecord::shelved_key(), None);
    put(store, shard, writes)
}

/// Commits beside all owners: there is none.
fn put(store: &mut dyn Store, shard: ShardId, writes: Writes) -> Result<(), StoreError> {
    let epoch = store.epoch(shard)?;
    commit(store, &Batch { shard, epoch, number: 1, writes })
}

fn commit(store: &mut dyn Store, batch: &Batch) -> Result<(), StoreError> {
    store.commit(batch).map_err(|error| StoreError::new("the store cannot be written", error))
}

#[cfg(test)]
mod tests {
    use ubf_state::Time;
    use ubf_state::handoff::{Attempt, HandoffRow};
    use ubf_store::Memory;

    use super::*;

    const SHARD: ShardId = ShardId(1);

    fn record(hash: CopyHash) -> HandoffRecord {
        let row = HandoffRow { attempt: Attempt { epoch: Epoch(1), number: 1, name: 7 }, hash };
        let (node, next_ip) = ("unix:/a".into(), "127.0.0.1:1".into());
        HandoffRecord { row, node, next_ip, since: Time::from_millis(5) }
    }

    fn rows(snapshot: &mut dyn Snapshot) -> (Page, CopyHash) {
        let (mut all, mut hash) = (Page::new(), CopyHash::EMPTY);
        read(snapshot, |page| {
            for (key, value) in page {
                hash = hash.with(&key, &value);
                all.push((key, value));
            }
            true
        })
        .unwrap();
        (all, hash)
    }

    /// A store with 1,500 rows and an owner.
    fn owned() -> Memory {
        let mut store = Memory::new();
        let epoch = store.claim(SHARD, Epoch(0)).unwrap();
        let mut writes = Writes::default();
        writes.set(ShardRecord::key(), Some(ShardRecord::first(1).to_value()));
        for number in 0..1_500_u32 {
            let key = [&Space::Rows.key()[..], &number.to_be_bytes()].concat();
            writes.set(key.into(), Some(number.to_string().into()));
        }
        store.commit(&Batch { shard: SHARD, epoch, number: 1, writes }).unwrap();
        store
    }

    #[test]
    fn u5_a_copy_has_every_row_and_is_owned_when_that_is_said() {
        let mut from = owned();
        let (all, hash) = rows(&mut *from.snapshot(SHARD).unwrap());
        let mut to = Memory::new();
        let mut writer = CopyWriter::begin(&mut to, SHARD).unwrap();
        for (key, value) in all.clone().into_iter().rev() {
            writer.row(&mut to, key, value).unwrap();
        }
        assert_eq!(standing(&mut to, SHARD).unwrap(), Standing::Unfinished);
        assert_eq!(writer.hash(&mut to).unwrap(), hash);
        let size = writer.finish(&mut to, &record(hash)).unwrap();
        assert_eq!((size.rows, size.sessions), (1_501, 0));
        assert_eq!(standing(&mut to, SHARD).unwrap(), Standing::Prepared(record(hash)));
        assert!(CopyWriter::begin(&mut to, SHARD).is_err(), "a whole copy is not written over");
        own(&mut to, SHARD).unwrap();
        assert_eq!(standing(&mut to, SHARD).unwrap(), Standing::Own);
        assert_eq!(rows(&mut *to.snapshot(SHARD).unwrap()), (all, hash));
        own(&mut to, SHARD).unwrap();
        assert!(CopyWriter::begin(&mut to, SHARD).is_err(), "own rows are not written over");
    }

    #[test]
    fn u5_a_copy_that_is_given_up_leaves_nothing_that_can_be_owned() {
        let (mut from, mut to) = (owned(), Memory::new());
        let (all, hash) = rows(&mut *from.snapshot(SHARD).unwrap());
        for _ in 0..2 {
            let mut writer = CopyWriter::begin(&mut to, SHARD).unwrap();
            for (key, value) in all.clone() {
                writer.row(&mut to, key, value).unwrap();
            }
            writer.finish(&mut to, &record(hash)).unwrap();
            forget(&mut to, SHARD).unwrap();
            assert_eq!(standing(&mut to, SHARD).unwrap(), Standing::Unfinished);
            assert!(own(&mut to, SHARD).is_err());
        }
        // Another copy has nothing of it.
        let mut writer = CopyWriter::begin(&mut to, SHARD).unwrap();
        writer.row(&mut to, ShardRecord::key(), ShardRecord::first(1).to_value()).unwrap();
        writer.finish(&mut to, &record(CopyHash::EMPTY)).unwrap();
        own(&mut to, SHARD).unwrap();
        assert_eq!(rows(&mut *to.snapshot(SHARD).unwrap()).0.len(), 1);
    }

    #[test]
    fn u5_what_was_handed_off_stays_until_a_copy_comes_back_or_it_is_adopted() {
        let mut store = owned();
        let epoch = store.epoch(SHARD).unwrap();
        let writes = record(CopyHash::EMPTY).moved(&ShardRecord::first(1));
        store.commit(&Batch { shard: SHARD, epoch, number: 2, writes }).unwrap();
        assert_eq!(standing(&mut store, SHARD).unwrap(), Standing::Moved(record(CopyHash::EMPTY)));
        let mut adopted = owned();
        let writes = record(CopyHash::EMPTY).moved(&ShardRecord::first(1));
        let epoch = adopted.epoch(SHARD).unwrap();
        adopted.commit(&Batch { shard: SHARD, epoch, number: 2, writes }).unwrap();
        own(&mut adopted, SHARD).unwrap();
        assert_eq!(rows(&mut *adopted.snapshot(SHARD).unwrap()).0.len(), 1_501);
        // While a copy comes back, it is still known where the rows are.
        let writer = CopyWriter::begin(&mut store, SHARD).unwrap();
        drop(writer);
        assert_eq!(standing(&mut store, SHARD).unwrap(), Standing::Moved(record(CopyHash::EMPTY)));
    }

    #[test]
    fn a_row_that_is_of_one_store_alone_is_not_taken() {
        let mut store = Memory::new();
        let mut writer = CopyWriter::begin(&mut store, SHARD).unwrap();
        let moved = writer.row(&mut store, HandoffRecord::moved_key(), "1 {}$".into());
        assert!(moved.is_err());
    }
}
