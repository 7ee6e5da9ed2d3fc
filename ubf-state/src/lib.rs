#![forbid(unsafe_code)]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! Services whose state survives processes, releases and nodes, as data in and data out.
//!
//! The state of a service is rows. Calls run on them in memory, one after another; batches of calls
//! go to a store; and nothing leaves before what it tells of is durable. The same rows are read by
//! the release before and by the release after, and a shard of them moves from process to process
//! and from node to node. The rules have numbers (T for state, U for changes in use) and are those
//! of the specification in `spec/`.
//!
//! # What it promises
//! - **Nothing runs twice, and nothing that was answered is lost,** whatever moment a process dies
//!   at: the session's numbers and its answers are in the transaction of its calls (T3).
//! - **One owner commits:** each commit checks the epoch of a claim (T5). Suspicions, timers and
//!   leases decide only when to try.
//! - **Code sees rows in its newest form alone,** and writes what every possible owner can read,
//!   until an operator finalizes (T6). A step back that loses something says so (T7).
//! - **A change that fails before its commit point equals none** (U2, U5).
//!
//! These are searched for at small sizes through every interleaving, with faults at every step, on
//! the machines of this crate; and each rule is taken away once, to see that the searches miss it
//! (`src/search`).
//!
//! It does no I/O: no sockets, clocks, files, threads or randomness, and no `unsafe`. Stores are in
//! the crate `ubf-store`.
//!
//! # Example
//! A shell keeps committed rows, here a map; it runs calls, commits batches, and sends what leaves.
//!
//! ```
//! use std::{collections::BTreeMap, sync::Arc};
//! use serde::{Deserialize, Serialize};
//! use ubf_state::shard::{Config, Input, Leaving, Output, To};
//! use ubf_state::{Cache, Epoch, Known, Row, Shard, ShardId, Table};
//!
//! #[derive(Clone, PartialEq, Serialize, Deserialize)]
//! struct Account { cents: i64 }
//! impl Row for Account { const VERSION: u32 = 1; type Before = (); }
//! static ACCOUNTS: Table<String, Account> = Table::new("accounts");
//!
//! let known = Known { oldest: 1, newest: 1, format: 1 };
//! let mut shard = Shard::new(ShardId(1), Arc::new(Config::new(known)), 42);
//! shard.handle(Input::Claim { seen: Epoch(0), record: None });
//! assert!(matches!(shard.poll_output(), Some(Output::Claim { .. }))); // the store agrees:
//! shard.handle(Input::Claimed { epoch: Epoch(1), record: None });
//!
//! let mut rows = Cache::empty_shard();
//! let now = ubf_state::Time::from_millis(1_700_000_000_000);
//! let deposit = |tx: &mut ubf_state::Tx<'_>| {
//!     let before = tx.get(&ACCOUNTS, &"Joe".to_owned())?.map_or(0, |account| account.cents);
//!     tx.put(&ACCOUNTS, &"Joe".to_owned(), &Account { cents: before + 5 })?;
//!     Ok("'ok'$".into())
//! };
//! shard.run(&rows, To::Connection(1), now, deposit, |why| panic!("{why:?}"))?;
//!
//! let mut answer = None;
//! while let Some(output) = shard.poll_output() {
//!     match output {
//!         Output::Commit(batch) => {
//!             assert!(answer.is_none(), "nothing leaves before its commit");
//!             rows.committed(&batch.writes); // and so does the store
//!             shard.handle(Input::Committed { number: batch.number });
//!         }
//!         Output::Leave { what: Leaving::Answer { body, .. }, .. } => answer = Some(body),
//!         other => panic!("{other:?}"),
//!     }
//! }
//! assert_eq!(answer.as_deref(), Some(&b"'ok'$"[..]));
//! # Ok::<(), ubf_state::shard::NotRun>(())
//! ```
//!
//! # Concepts
//! - A **row** has a table, a key ([`Key`]), a state version and a value, which is an UBF(A) packet
//!   ([`Row`]). In the store it is a versioned packet: `34 {'account'5}$`.
//! - A **form** of a row came in some state version; a [`Step`] leads up to the next form and down
//!   again. Steps are composed.
//! - A **transaction** ([`Tx`]) is one call's view of the rows. What it meets that is not in memory
//!   stops it, and it is run again.
//! - A **shard** ([`Shard`]) is the unit of ownership: rows, sessions and timers with one owner. It
//!   makes batches of calls, and holds at its **gate** what may not leave yet.
//! - An **epoch** numbers the claims of a shard. Its **record** says in which versions its rows are
//!   ([`ShardVersions`]).
//! - A **sweeper** rewrites rows of the version before ([`Sweeper`]).
//! - [`handoff`] moves a shard between nodes with stores of their own, [`takeover`] a whole process
//!   to its successor, and a [`Suspicion`] says when to claim what seems to have lost its owner.
//!
//! # Limits
//! Keys have at most [`MAX_KEY_BYTES`], rows [`MAX_ROW_BYTES`], calls what [`TxLimits`] says, and
//! batches what [`shard::Config`] says.
//!
//! # What it does not do
//! - It catches no panics: it is `no_std`. A shell that does tells a transaction's closure to yield
//!   [`Stop::crashed`], and the call is taken back.
//! - It does not negotiate and knows no packets of sessions: that is `ubf-proto`'s. It keeps of a
//!   session what must survive.
//! - Shards are not split, and rows are not copied while they change: a hand-off suspends the
//!   shard and sends all of it.
//! - Events are kept in memory and not stored: after a crash a session says that they were lost.

extern crate alloc;
#[cfg(test)]
extern crate std;

mod key;

mod form;
mod record;
mod stored;
mod versions;

mod base;
mod stop;
mod table;
mod timer;
mod tx;
mod writes;

mod batch;
mod session;
pub mod shard;
mod sweep;

pub mod handoff;
mod heartbeat;
mod suspicion;
pub mod takeover;

#[cfg(feature = "mutants")]
pub mod mutant;
#[cfg(not(feature = "mutants"))]
mod mutant;
#[cfg(test)]
#[allow(clippy::wildcard_enum_match_arm, reason = "a world says what has no place in it")]
mod search;

pub use self::base::{Base, Cache, Missing, Order, Page, Scan};
pub use self::batch::{Batch, Epoch, NotCommitted, ShardId};
pub use self::form::{Lost, Older, Row, RowError, Step, Written};
pub use self::heartbeat::Heartbeat;
pub use self::key::{Key, KeyError, MAX_KEY_BYTES};
pub use self::record::{FORMAT, ShardRecord};
pub use self::session::{Kept, KeptEvent, Session, SessionKey};
pub use self::shard::{Shard, UnseenEvents};
pub use self::stop::{Do, Reason, Stop};
pub use self::stored::{
    MAX_NAME_BYTES, MAX_ROW_BYTES, MAX_STORED_BYTES, Space, owner_of, table_of, version_of,
};
pub use self::suspicion::{Suspicion, SuspicionTimes};
pub use self::sweep::{AnyTable, MineTable, Progress, Sweeper, Swept};
pub use self::table::{AnyIndex, Index, Table};
pub use self::tx::{Event, Loss, Tx, TxLimits};
pub use self::versions::{
    CannotFinalize, CannotLower, CannotOwn, Known, ShardVersions, WriteVersion,
};
pub use self::writes::Writes;
pub use ubf_proto::Time;
