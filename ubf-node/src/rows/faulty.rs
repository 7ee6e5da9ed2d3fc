//! A store whose process may end before a commit, and between a commit and its answers.

use bytes::Bytes;
use ubf_state::{Base, Batch, Epoch, Known, Page, Scan, ShardId};
use ubf_store::{Announced, ClaimError, CommitError, Snapshot, Store, StoreError};

use crate::fault;

pub(super) struct Faulty<S>(S);

impl<S: Store> Faulty<S> {
    pub(super) const fn new(store: S) -> Self {
        Self(store)
    }
}

impl<S: Store> Store for Faulty<S> {
    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        self.0.epoch(shard)
    }

    fn claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Epoch, ClaimError> {
        let claimed = self.0.claim(shard, seen);
        fault::at("c-claimed");
        claimed
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        fault::at("c-committing");
        if batch.number.is_multiple_of(50) {
            fault::at("c-committing-50th");
        }
        let committed = self.0.commit(batch);
        fault::at("c-committed");
        committed
    }

    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.0.get(shard, key)
    }

    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError> {
        self.0.scan(shard, scan)
    }

    fn base(&self, shard: ShardId) -> Option<Box<dyn Base + Send>> {
        self.0.base(shard)
    }

    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn Snapshot>, StoreError> {
        self.0.snapshot(shard)
    }

    fn announce(&mut self, shard: ShardId, node: &str, known: Known) -> Result<(), StoreError> {
        self.0.announce(shard, node, known)
    }

    fn announced(&mut self, shard: ShardId) -> Result<Vec<Announced>, StoreError> {
        self.0.announced(shard)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        fault::at("c-closing");
        Box::new(self.0).close()
    }
}
