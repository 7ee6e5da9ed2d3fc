//! What every store is to its owner: claims, commits, reads.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use ubf_state::{Base, Batch, Epoch, Known, NotCommitted, Page, Scan, ShardId};

/// Where shards keep their rows: an ordered map of bytes for each shard, and its epoch.
///
/// All functions may wait for a disk or a network, so a store belongs to a thread of its own
/// ([`StoreThread`](crate::StoreThread)). Each waits for a bounded time.
///
/// What is promised, and tested for every engine by one suite:
/// - A batch is committed as a whole or not at all, and is durable when
///   [`commit`](Self::commit) says so.
/// - A batch is committed only while its epoch is the shard's, and from the moment at which a claim
///   succeeds nothing of an older epoch is.
/// - An outcome that is not known is never told as one that is (T4).
pub trait Store: Send {
    /// Whether other processes can claim shards of this store while it is open here.
    fn is_shared(&self) -> bool;

    /// The present epoch of a shard; 0 if it was never claimed.
    ///
    /// # Errors
    /// The store cannot be read.
    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, StoreError>;

    /// Claims a shard: sets its epoch to the next one, if it is `seen` (T5). It waits for a commit
    /// that is on its way in another process.
    ///
    /// # Errors
    /// The epoch is another one, or the store cannot be written. After an error of the second kind
    /// the claim may have been made; the next one is told by the epoch.
    fn claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Epoch, ClaimError>;

    /// Commits a batch.
    ///
    /// # Errors
    /// It is not committed, or not known to be.
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError>;

    /// The value at a key.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// The rows of a range; fewer than the limit only if there are no more.
    ///
    /// # Errors
    /// The store cannot be read.
    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError>;

    /// Committed rows that can be read at once, beside commits, if the store is near enough for
    /// that. Without it a [`Cache`](ubf_state::Cache) stands between the shard and the store.
    fn base(&self, shard: ShardId) -> Option<Box<dyn Base + Send>>;

    /// The rows of a shard as they are now, to be read beside commits, from another thread.
    ///
    /// # Errors
    /// The store cannot be read.
    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn Snapshot>, StoreError>;

    /// T6: says what a node knows of a shard that it may claim one day, where other nodes of the
    /// store find it. It belongs to no epoch and is no row. A store that is not
    /// [shared](Self::is_shared) has no other nodes, and keeps nothing.
    ///
    /// # Errors
    /// The store cannot be written.
    fn announce(&mut self, _: ShardId, _node: &str, _: Known) -> Result<(), StoreError> {
        Ok(())
    }

    /// What nodes have [announced](Self::announce) within a day, by their names.
    ///
    /// # Errors
    /// The store cannot be read.
    fn announced(&mut self, _: ShardId) -> Result<Vec<Announced>, StoreError> {
        Ok(Vec::new())
    }

    /// Closes the store. Another process can open it when this has returned. Bases must have been
    /// dropped before.
    ///
    /// # Errors
    /// Something is left to be done when it is opened next. Nothing that was committed is lost.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// What a node has said of itself in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announced {
    /// Its name: where clients find it.
    pub node: String,
    /// What it knows of the shard's rows.
    pub known: Known,
    /// How long ago it has said so last, by the clock of the store.
    pub age: Duration,
}

/// The rows of a shard at one moment. What is committed later is not in it.
///
/// It takes room in the store for as long as it is there.
pub trait Snapshot: fmt::Debug + Send {
    /// The rows of a range; fewer than the limit only if there are no more.
    ///
    /// # Errors
    /// The store cannot be read, or cannot show that moment any more.
    fn scan(&mut self, scan: &Scan) -> Result<Page, StoreError>;
}

/// A cause of an error, of whatever engine.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// A store cannot be opened, read or closed.
#[derive(Debug)]
pub struct StoreError {
    what: &'static str,
    cause: Option<Cause>,
}

impl StoreError {
    /// What cannot be done, in words, and why.
    pub fn new(what: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what, cause: Some(cause.into()) }
    }

    /// What cannot be done, in words that say enough.
    #[must_use]
    pub const fn plain(what: &'static str) -> Self {
        Self { what, cause: None }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// A shard was not claimed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClaimError {
    /// Its epoch is another one: somebody else has claimed it.
    Taken {
        /// The present epoch.
        epoch: Epoch,
    },
    /// The store cannot be written. The claim may have been made.
    Failed(StoreError),
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { epoch } => write!(f, "the shard was claimed by another owner ({epoch})"),
            Self::Failed(_) => f.write_str("the shard could not be claimed"),
        }
    }
}

impl Error for ClaimError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Taken { .. } => None,
            Self::Failed(error) => Some(error),
        }
    }
}

/// A batch was not committed, or is not known to be.
#[derive(Debug)]
pub struct CommitError {
    outcome: NotCommitted,
    cause: Option<Cause>,
}

impl CommitError {
    /// What has become of the batch, and why.
    pub fn new(outcome: NotCommitted, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { outcome, cause: Some(cause.into()) }
    }

    /// The shard has another owner since this epoch.
    #[must_use]
    pub const fn fenced(epoch: Epoch) -> Self {
        Self { outcome: NotCommitted::Fenced { epoch }, cause: None }
    }

    pub(crate) fn into_cause(self) -> Option<Cause> {
        self.cause
    }

    /// What has become of the batch.
    #[must_use]
    pub const fn outcome(&self) -> NotCommitted {
        self.outcome
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcome.fmt(f)
    }
}

impl Error for CommitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
