#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! Services with state: the author writes rows, steps between their forms, and one function for
//! calls; the library keeps them through crashes, releases and moves.
//!
//! - [`StatefulService`] is what the author writes. Tables and rows are those of `ubf-state`:
//!   [`Table`], [`Row`], [`Step`].
//! - [`Bench`] tests it without sockets, clock or disk: calls, timers, sessions, restarts, other
//!   releases over the same rows.
//! - [`Host`] runs it on its shard for a shell, and contains panics.
//!
//! With the feature `server`, a [`Keeper`](server::Keeper) runs it behind a server of `ubf-server`,
//! over any store. `examples/ledger` is an account ledger in
//! three state versions.

mod service;

mod host;

mod bench;

#[cfg(feature = "server")]
pub mod backup;
#[cfg(feature = "server")]
pub mod copy;
#[cfg(feature = "server")]
pub mod server;

pub use self::bench::Bench;
pub use self::host::{Host, known};
pub use self::service::{Caller, StatefulService, event};
pub use ubf_state::{
    AnyTable, Do, Index, Key, KeyError, Known, Lost, MineTable, Reason, Row, SessionKey, Step,
    Stop, Table, Time, Tx, TxLimits,
};
