#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! Where the state of UBF services is kept: in memory, in a file, in a database of several nodes.
//!
//! A [`Store`] is an ordered map of bytes for each shard, and an epoch that says who owns it. What
//! the bytes mean is `ubf-state`'s affair; a store knows batches, claims and ranges.
//!
//! | engine | feature | survives | owners |
//! |---|---|---|---|
//! | [`Memory`] | | connections, planned moves, changes in place | of one process |
#![cfg_attr(feature = "redb", doc = "| [`Redb`] | `redb` | the process | one process at a time |")]
#![cfg_attr(
    feature = "postgres",
    doc = "| [`Postgres`] | `postgres` | the node | any of several nodes |"
)]
//!
//! # What it promises
//! - **A batch is whole:** all of it is durable when the commit is told, or none of it is there.
//! - **One owner commits:** the epoch is checked in the transaction of the batch, and from the
//!   moment at which a claim succeeds nothing of an older epoch is committed.
//! - **What is not known is told so:** a connection that breaks in a commit is
//!   [`NotCommitted::Unknown`](ubf_state::NotCommitted::Unknown). The next claim waits for the
//!   doubtful transaction, and the rows tell.
//!
//! One suite of tests says this of every engine (`src/contract`). The file is torn at every step of
//! a commit, its disk is full, a synchronisation fails, the process is killed; the connection to
//! the database is cut before a commit and before its answer, and a claim comes while a commit
//! waits. A store without a fence, one without a row's lock and one that does not synchronise are
//! found by these tests.
//!
//! # Example
//! ```
//! use ubf_state::{Batch, Epoch, ShardId, Writes};
//! use ubf_store::{Memory, Store as _};
//!
//! let mut store = Memory::new();
//! let shard = ShardId(1);
//! let epoch = store.claim(shard, Epoch(0))?;
//! let mut writes = Writes::default();
//! writes.set("key".into(), Some("value".into()));
//! store.commit(&Batch { shard, epoch, number: 1, writes: writes.clone() })?;
//! assert_eq!(store.get(shard, b"key")?.as_deref(), Some(&b"value"[..]));
//!
//! store.claim(shard, epoch)?; // another owner
//! let late = store.commit(&Batch { shard, epoch, number: 2, writes }).unwrap_err();
//! assert_eq!(late.to_string(), "the shard has another owner since epoch 2");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads
//! A store waits for disks and networks. [`StoreThread`] gives it a thread: while that commits, the
//! shard runs the next batch, so that one synchronisation of the disk serves the calls of many
//! sessions.
//!
//! # Limits
//! Keys have at most 2,200 bytes as they are stored and values 1 MiB, which `ubf-state` keeps to.
//! 1,024 requests wait for the thread of a store. Times are those of `PostgresTimes`.
//!
//! # What it does not do
//! - It does not know a backup: a restored copy of a file is a second owner. A [`Snapshot`] is what
//!   backups are made from.
//! - The connection to PostgreSQL is not encrypted.
//! - Many shards share one thread and one connection; their commits are not joined.

mod store;

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redb")]
mod redb;

mod thread;

#[cfg(all(unix, feature = "postgres", any(test, feature = "testing")))]
pub mod testing;

#[cfg(test)]
mod contract;

pub use self::memory::Memory;
#[cfg(feature = "postgres")]
pub use self::postgres::{Postgres, PostgresTimes};
#[cfg(feature = "redb")]
pub use self::redb::Redb;
pub use self::store::{Announced, ClaimError, CommitError, Snapshot, Store, StoreError};
pub use self::thread::{Ask, Full, StoreThread, Told};
