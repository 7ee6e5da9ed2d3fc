//! Rows in memory: they survive connections, planned moves and changes in place, and no process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ubf_state::{Base, Batch, Epoch, Missing, Order, Page, Scan, ShardId};

use crate::store::{ClaimError, CommitError, Snapshot, Store, StoreError};

/// A store in memory. Its clones are the same store.
///
/// ```
/// use ubf_state::{Epoch, ShardId};
/// use ubf_store::{Memory, Store as _};
///
/// let mut store = Memory::new();
/// assert_eq!(store.claim(ShardId(1), Epoch(0))?, Epoch(1));
/// assert!(store.clone().claim(ShardId(1), Epoch(0)).is_err(), "another owner was faster");
/// # Ok::<(), ubf_store::ClaimError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory {
    shards: Arc<Mutex<BTreeMap<ShardId, Shard>>>,
    #[cfg(test)]
    pub(crate) has_no_fence: bool,
}

#[derive(Debug, Default)]
struct Shard {
    epoch: Epoch,
    rows: BTreeMap<Bytes, Bytes>,
}

impl Memory {
    /// A store without rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ShardId, Shard>> {
        // Nothing panics while it holds the lock; a map of rows is whole in any case.
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(not(test))]
    const fn is_fenced(&self) -> bool {
        true
    }

    #[cfg(test)]
    const fn is_fenced(&self) -> bool {
        !self.has_no_fence
    }
}

/// The rows of a range of a map.
fn page(rows: &BTreeMap<Bytes, Bytes>, scan: &Scan) -> Page {
    if scan.from >= scan.to {
        return Page::new();
    }
    let rows = rows.range(scan.from.clone()..scan.to.clone());
    let own = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
    match scan.order {
        Order::Upwards => rows.map(own).take(scan.limit).collect(),
        Order::Downwards => rows.rev().map(own).take(scan.limit).collect(),
    }
}

impl Store for Memory {
    fn is_shared(&self) -> bool {
        false
    }

    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        Ok(self.lock().get(&shard).map_or(Epoch(0), |shard| shard.epoch))
    }

    fn claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Epoch, ClaimError> {
        let mut shards = self.lock();
        let shard = shards.entry(shard).or_default();
        if shard.epoch != seen {
            return Err(ClaimError::Taken { epoch: shard.epoch });
        }
        shard.epoch = seen.next();
        Ok(shard.epoch)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let mut shards = self.lock();
        let shard = shards.entry(batch.shard).or_default();
        if shard.epoch != batch.epoch && self.is_fenced() || batch.epoch == Epoch(0) {
            return Err(CommitError::fenced(shard.epoch));
        }
        for (key, value) in &batch.writes {
            match value {
                Some(value) => shard.rows.insert(key.clone(), value.clone()),
                None => shard.rows.remove(key),
            };
        }
        Ok(())
    }

    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.lock().get(&shard).and_then(|shard| shard.rows.get(key).cloned()))
    }

    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError> {
        Ok(self.lock().get(&shard).map(|shard| page(&shard.rows, scan)).unwrap_or_default())
    }

    fn base(&self, shard: ShardId) -> Option<Box<dyn Base + Send>> {
        Some(Box::new(MemoryBase { store: self.clone(), shard }))
    }

    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn Snapshot>, StoreError> {
        let rows = self.lock().get(&shard).map(|shard| shard.rows.clone());
        Ok(Box::new(MemorySnapshot(rows.unwrap_or_default())))
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemorySnapshot(BTreeMap<Bytes, Bytes>);

impl Snapshot for MemorySnapshot {
    fn scan(&mut self, scan: &Scan) -> Result<Page, StoreError> {
        Ok(page(&self.0, scan))
    }
}

struct MemoryBase {
    store: Memory,
    shard: ShardId,
}

impl Base for MemoryBase {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Missing> {
        let shards = self.store.lock();
        Ok(shards.get(&self.shard).and_then(|shard| shard.rows.get(key).cloned()))
    }

    fn scan(&self, scan: &Scan) -> Result<Page, Missing> {
        let shards = self.store.lock();
        Ok(shards.get(&self.shard).map(|shard| page(&shard.rows, scan)).unwrap_or_default())
    }
}
