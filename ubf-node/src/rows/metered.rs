//! A store whose commits are timed, and of which is known whether it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use ubf_state::{Base, Batch, Epoch, Known, NotCommitted, Page, Scan, ShardId};
use ubf_store::{Announced, ClaimError, CommitError, Snapshot, Store, StoreError};

/// The upper bounds of commit times, shortest first. Chosen: from what memory takes to what a
/// server waits for its store.
const BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// How a store does, counted from the start of the program on. Whoever looks holds up nobody.
#[derive(Debug, Default)]
pub(super) struct StoreHealth {
    /// Batches that were committed, by the time that this took; the last place is for those that
    /// took longer than all bounds.
    commits: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
    not_committed: AtomicU64,
    is_failing: AtomicBool,
}

/// The same at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct StoreSight {
    /// Whether the last thing that was asked of the store has failed.
    pub(crate) failing: bool,
    /// Batches that were committed, by the time that this took, as
    /// [`bounds`](Self::bounds) has it; the last ones took longer.
    pub(crate) commit_counts: Vec<u64>,
    /// The time of all of them.
    pub(crate) commit_sum_us: u64,
    /// Batches that the store has refused, or of which nobody knows (T4).
    pub(crate) not_committed: u64,
}

impl StoreSight {
    /// The upper bounds of commit times, shortest first.
    pub(crate) fn bounds() -> impl Iterator<Item = Duration> {
        BOUNDS_US.into_iter().map(Duration::from_micros)
    }
}

impl StoreHealth {
    pub(super) fn look(&self) -> StoreSight {
        StoreSight {
            failing: self.is_failing.load(Ordering::Relaxed),
            commit_counts: self.commits.iter().map(|it| it.load(Ordering::Relaxed)).collect(),
            commit_sum_us: self.sum_us.load(Ordering::Relaxed),
            not_committed: self.not_committed.load(Ordering::Relaxed),
        }
    }

    fn committed(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS_US.partition_point(|bound| *bound < micros);
        if let Some(count) = self.commits.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// Notes whether the store has answered.
    fn noted<T, E>(&self, result: Result<T, E>, is_answer: fn(&E) -> bool) -> Result<T, E> {
        let is_failing = result.as_ref().is_err_and(|error| !is_answer(error));
        self.is_failing.store(is_failing, Ordering::Relaxed);
        result
    }
}

/// A store that is looked at.
pub(super) struct Metered {
    store: Box<dyn Store>,
    health: Arc<StoreHealth>,
}

impl Metered {
    pub(super) const fn new(store: Box<dyn Store>, health: Arc<StoreHealth>) -> Self {
        Self { store, health }
    }
}

/// A store that says no has answered: another owner was faster.
const fn is_fenced(error: &CommitError) -> bool {
    matches!(error.outcome(), NotCommitted::Fenced { .. })
}

const fn is_taken(error: &ClaimError) -> bool {
    matches!(error, ClaimError::Taken { .. })
}

impl Store for Metered {
    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        self.health.noted(self.store.epoch(shard), |_| false)
    }

    fn claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Epoch, ClaimError> {
        self.health.noted(self.store.claim(shard, seen), is_taken)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let begun = Instant::now();
        let committed = self.store.commit(batch);
        match &committed {
            Ok(()) => self.health.committed(begun.elapsed()),
            Err(_) => {
                self.health.not_committed.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.health.noted(committed, is_fenced)
    }

    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.health.noted(self.store.get(shard, key), |_| false)
    }

    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError> {
        self.health.noted(self.store.scan(shard, scan), |_| false)
    }

    fn base(&self, shard: ShardId) -> Option<Box<dyn Base + Send>> {
        self.store.base(shard)
    }

    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn Snapshot>, StoreError> {
        self.health.noted(self.store.snapshot(shard), |_| false)
    }

    fn announce(&mut self, shard: ShardId, node: &str, known: Known) -> Result<(), StoreError> {
        self.health.noted(self.store.announce(shard, node, known), |_| false)
    }

    fn announced(&mut self, shard: ShardId) -> Result<Vec<Announced>, StoreError> {
        self.health.noted(self.store.announced(shard), |_| false)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.store.close()
    }
}

#[cfg(test)]
mod tests {
    use ubf_state::Writes;
    use ubf_store::Memory;

    use super::*;

    const SHARD: ShardId = ShardId(1);

    fn batch(epoch: Epoch, number: u64) -> Batch {
        Batch { shard: SHARD, epoch, number, writes: Writes::default() }
    }

    #[test]
    fn commits_are_counted_by_their_time() {
        let health = StoreHealth::default();
        for micros in [1, 100, 101, 1_000, 40_000_000] {
            health.committed(Duration::from_micros(micros));
        }
        let sight = health.look();
        assert_eq!(sight.commit_counts, [2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(sight.commit_sum_us, 40_001_202);
        assert_eq!(StoreSight::bounds().count() + 1, sight.commit_counts.len());
    }

    #[test]
    fn a_store_that_names_another_owner_does_not_fail() {
        let health = Arc::<StoreHealth>::default();
        let mut store = Metered::new(Box::new(Memory::new()), Arc::clone(&health));
        let seen = store.epoch(SHARD).unwrap();
        let first = store.claim(SHARD, seen).unwrap();
        store.commit(&batch(first, 1)).unwrap();
        assert_eq!(health.look().commit_counts.iter().sum::<u64>(), 1);
        let second = store.claim(SHARD, first).unwrap();
        assert!(store.commit(&batch(first, 2)).is_err() && store.claim(SHARD, seen).is_err());
        let sight = health.look();
        assert_eq!((sight.failing, sight.not_committed), (false, 1));
        store.commit(&batch(second, 2)).unwrap();
        let failed = health.noted(Err::<(), _>(StoreError::plain("the disk is gone")), |_| false);
        assert!(failed.is_err() && health.look().failing);
        store.epoch(SHARD).unwrap();
        assert!(!health.look().failing, "it answers again");
    }
}
