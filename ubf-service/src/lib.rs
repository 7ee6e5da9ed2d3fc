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
//! The reference server does not run such services yet. `examples/ledger.rs` is an account ledger in
//! three state versions.

mod service;

mod host;

mod bench;

pub use self::bench::Bench;
pub use self::host::{Host, known};
pub use self::service::{Caller, StatefulService};
pub use ubf_state::{
    AnyTable, Do, Index, Key, Known, Lost, MineTable, Reason, Row, SessionKey, Step, Stop, Table,
    Time, Tx,
};
