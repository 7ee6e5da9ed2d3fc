//! A service with state behind a server: sessions at level `'durable'` (feature `server`).
//!
//! ```text
//! connections ── OwnerInput ──▶ queue ──▶ Host (the shard) ──▶ batch ──▶ the store's thread
//!      ▲                                     │ gate                        │
//!      └────────── OwnerLink ◀───────────────┴──────── committed ◀─────────┘
//! ```
//!
//! A [`Keeper`] is given to a server with
//! [`owned_service`](ubf_server::ServerBuilder::owned_service). It has one thread for the shard and
//! one for its store: all that has come is run, then one batch leaves for the store, and while it
//! is on its way the next one is run.

mod key;
mod links;
mod parked;
mod rows;

mod prepare;
mod trouble;
mod work;

mod lanes;
mod orders;

mod beating;
mod checks;
mod failure;
mod inputs;
mod leave;
mod operator;
mod parting;
mod worker;

mod keeper;

pub use self::failure::KeeperError;
pub use self::keeper::{CallWatch, Keeper, KeeperConfig};
pub use self::orders::{Migration, OrderError, OwnedSession, RowCount};
pub use self::parting::{Suspended, turn_away};
