//! The thread of a store: one thing at a time, in the order in which it was asked.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use ubf_state::{Batch, Epoch, Missing, NotCommitted, Page, ShardId, ShardRecord};

use crate::store::{Cause, ClaimError, Snapshot, Store, StoreError};

/// The most things that wait for a store. A shard has one commit and one look on its way, and few
/// loads.
const MAX_ASKED: usize = 1024;

/// What a store is asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ask {
    /// The epoch and the record of a shard.
    Look {
        /// The shard.
        shard: ShardId,
        /// The number of the look.
        number: u64,
    },
    /// Claim a shard, and read its record.
    Claim {
        /// The shard.
        shard: ShardId,
        /// The epoch that was seen.
        seen: Epoch,
    },
    /// Commit a batch.
    Commit(Arc<Batch>),
    /// Show the rows of a shard as they are.
    Snapshot {
        /// The shard.
        shard: ShardId,
    },
    /// Read what a transaction has missed.
    Load {
        /// The shard.
        shard: ShardId,
        /// What was missed.
        missing: Missing,
    },
}

/// What a store has done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Told {
    /// The epoch of a shard, and its record.
    Looked {
        /// The shard.
        shard: ShardId,
        /// The number of the look.
        number: u64,
        /// What was found.
        found: Result<(Epoch, Option<ShardRecord>), StoreError>,
    },
    /// A claim was made, or not. The record was read after it.
    Claimed {
        /// The shard.
        shard: ShardId,
        /// What came of it.
        claimed: Result<(Epoch, Option<ShardRecord>), ClaimError>,
    },
    /// A batch has ended.
    Committed {
        /// The batch.
        batch: Arc<Batch>,
        /// Why it is not committed, if it is not.
        why: Option<(NotCommitted, Option<Cause>)>,
    },
    /// The rows of a shard.
    Snapshot {
        /// The shard.
        shard: ShardId,
        /// The rows.
        snapshot: Result<Box<dyn Snapshot>, StoreError>,
    },
    /// What was missed: one row, or the rows of a range.
    Loaded {
        /// The shard.
        shard: ShardId,
        /// What was missed.
        missing: Missing,
        /// What was found.
        page: Result<Page, StoreError>,
    },
    /// The store's own code has panicked. The thread has ended, and the process should.
    Broken,
}

/// A store cannot be asked: too much waits for it, or its thread has ended.
#[derive(Debug)]
pub struct Full(
    /// What was asked.
    pub Ask,
);

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too much waits for the store, or it has ended")
    }
}

impl std::error::Error for Full {}

/// A thread that owns a store.
///
/// While a commit is on its way the shard runs the next batch: that is what makes one fsync serve
/// the calls of many sessions.
#[derive(Debug)]
pub struct StoreThread {
    asks: SyncSender<Ask>,
    thread: JoinHandle<Result<(), StoreError>>,
}

impl StoreThread {
    /// Starts the thread of a store. `tell` is called there with everything that the store has
    /// done; it must not wait.
    ///
    /// # Errors
    /// The system has no room for another thread.
    pub fn start(
        store: Box<dyn Store>,
        tell: impl FnMut(Told) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (asks, asked) = sync_channel(MAX_ASKED);
        let thread = std::thread::Builder::new()
            .name("ubf-store".into())
            .spawn(move || serve(store, &asked, tell))
            .map_err(|error| StoreError::new("the store's thread cannot be started", error))?;
        Ok(Self { asks, thread })
    }

    /// Asks the store for something. What comes of it is told later.
    ///
    /// # Errors
    /// Too much waits already, or the thread has ended.
    pub fn ask(&self, ask: Ask) -> Result<(), Full> {
        self.asks.try_send(ask).map_err(|error| match error {
            TrySendError::Full(ask) | TrySendError::Disconnected(ask) => Full(ask),
        })
    }

    /// Does what was asked, closes the store, and ends the thread.
    ///
    /// # Errors
    /// The store cannot be closed, or its code has panicked.
    pub fn close(self) -> Result<(), StoreError> {
        let Self { asks, thread } = self;
        drop(asks);
        thread.join().unwrap_or_else(|_| Err(StoreError::plain("the store's code has panicked")))
    }
}

fn serve(
    mut store: Box<dyn Store>,
    asked: &Receiver<Ask>,
    mut tell: impl FnMut(Told),
) -> Result<(), StoreError> {
    while let Ok(ask) = asked.recv() {
        match catch_unwind(AssertUnwindSafe(|| answer(&mut *store, ask))) {
            Ok(told) => tell(told),
            Err(_) => {
                tell(Told::Broken);
                return Err(StoreError::plain("the store's code has panicked"));
            }
        }
    }
    store.close()
}

fn answer(store: &mut dyn Store, ask: Ask) -> Told {
    match ask {
        Ask::Look { shard, number } => {
            let found = store.epoch(shard);
            let found = found.and_then(|epoch| Ok((epoch, record(store, shard)?)));
            Told::Looked { shard, number, found }
        }
        Ask::Claim { shard, seen } => {
            let claimed = store
                .claim(shard, seen)
                .and_then(|epoch| Ok((epoch, record(store, shard).map_err(ClaimError::Failed)?)));
            Told::Claimed { shard, claimed }
        }
        Ask::Commit(batch) => {
            let why = store.commit(&batch).err();
            let why = why.map(|error| (error.outcome(), error.into_cause()));
            Told::Committed { batch, why }
        }
        Ask::Snapshot { shard } => Told::Snapshot { shard, snapshot: store.snapshot(shard) },
        Ask::Load { shard, missing } => {
            let page = match &missing {
                Missing::Key(key) => store
                    .get(shard, key)
                    .map(|value| value.map(|value| (key.clone(), value)).into_iter().collect()),
                Missing::Range(scan) => store.scan(shard, scan),
            };
            Told::Loaded { shard, missing, page }
        }
    }
}

fn record(store: &mut dyn Store, shard: ShardId) -> Result<Option<ShardRecord>, StoreError> {
    let value = store.get(shard, &ShardRecord::key())?;
    let read = |value: bytes::Bytes| {
        ShardRecord::from_value(&value)
            .map_err(|error| StoreError::new("the record of the shard cannot be read", error))
    };
    value.map(read).transpose()
}
