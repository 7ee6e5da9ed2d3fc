//! What goes to the store as one: a batch of writes under an epoch (T3, T5).

use core::fmt;

use crate::writes::Writes;

/// Which shard of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}", self.0)
    }
}

/// The number of a claim (T5). Each claim of a shard has the next one; 0 is no claim yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// That of the claim after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.0)
    }
}

/// Writes that are committed together, if the shard still has this epoch, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// The shard.
    pub shard: ShardId,
    /// The epoch of the claim under which they were made.
    pub epoch: Epoch,
    /// The number of the batch in this claim, from 1.
    pub number: u64,
    /// The writes.
    pub writes: Writes,
}

/// Why a batch was not committed, or is not known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotCommitted {
    /// The shard has been claimed by another owner. Nothing was written.
    Fenced {
        /// The epoch of that claim.
        epoch: Epoch,
    },
    /// Nothing was written. The next batch may fare better.
    Refused,
    /// Nobody knows whether it was written (T4).
    Unknown,
    /// The store cannot be trusted any more: a failed fsync (T4). The process ends.
    Broken,
}

impl fmt::Display for NotCommitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced { epoch } => write!(f, "the shard has another owner since {epoch}"),
            Self::Refused => {
                f.write_str("the store has refused the batch, and nothing was written")
            }
            Self::Unknown => f.write_str("the store did not say whether the batch was written"),
            Self::Broken => f.write_str("the store has failed to make a batch durable"),
        }
    }
}

impl core::error::Error for NotCommitted {}
