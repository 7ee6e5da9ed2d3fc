//! How a shard works.

use crate::tx::TxLimits;
use crate::versions::Known;

/// How a shard works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What this program can read and write.
    pub known: Known,
    /// The write version of a shard that has no record yet.
    pub first_version: u32,
    /// Whether other processes can claim the shard while this one runs. Then the answer of a call
    /// that wrote nothing waits for a look at the epoch (T3).
    pub is_shared: bool,
    /// The most calls of a batch. The next one is taken when the batch is on its way.
    pub max_batch_calls: usize,
    /// The most bytes of a batch, but for those of its last call.
    pub max_batch_bytes: usize,
    /// The most outputs that wait for the store.
    pub max_held: usize,
    /// The most bytes of events that are kept for a session. Beyond it the oldest ones are let go
    /// (S6).
    pub max_kept_event_bytes: usize,
    /// What one call may take.
    pub tx: TxLimits,
}

impl Config {
    /// 4,096 calls and 8 MiB a batch, 65,536 outputs that wait, 1 MiB of events for a session; not
    /// shared. Chosen: a batch of that size takes a disk or a database some tens of milliseconds.
    #[must_use]
    pub fn new(known: Known) -> Self {
        Self {
            known,
            first_version: known.oldest,
            is_shared: false,
            max_batch_calls: 4_096,
            max_batch_bytes: 8 << 20,
            max_held: 65_536,
            max_kept_event_bytes: 1 << 20,
            tx: TxLimits::default(),
        }
    }
}
