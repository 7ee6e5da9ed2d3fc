#![forbid(unsafe_code)]
//! The reference server of versioned UBF, as a library and as the program `ubf-server`.
//!
//! `ubf-server --help` tells what it does; `ubf serve` is the same. The library has its parts:
//!
//! - [`run`] is the whole program as a function of its [`Options`];
//! - [`services`] are what it serves: `echo`, `kv` and `irc`;
//! - [`control`] is the operator's contract, to be served where nobody else is;
//! - [`contract_text`] has the contracts of these services in UBF(B), which `--contract-mode` makes
//!   them keep;
//! - a [`dashboard`] shows several servers on one page;
//! - a [`Journal`] is a file with a record of all that was executed.
//!
//! What serves them is [`ubf_server`].

mod about;
mod activation;
mod adding;
mod admin_http;
mod audit;
mod breaks;
mod certificates;
mod classic;
mod contracts;
mod descriptors;
mod fault;
mod gateway;
mod handoff;
mod journal;
mod log;
mod logging;
mod operator;
mod options;
mod policy;
mod rows;
mod run;
mod script;
mod signals;
#[cfg(unix)]
mod supervisor;
#[cfg(target_os = "linux")]
mod takeover;
#[cfg(not(target_os = "linux"))]
#[path = "takeover/none.rs"]
mod takeover;

pub mod control;
pub mod dashboard;
pub mod services;

pub use self::about::{COMMIT, VERSION};
pub use self::contracts::contract_text;
pub use self::journal::{Journal, JournalHealth, Journaled};
pub use self::logging::{LogError, ProgramLog};
pub use self::options::{Options, examples};
pub use self::rows::{RestoreError, restore};
pub use self::run::run;
