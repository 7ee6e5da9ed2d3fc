#![forbid(unsafe_code)]
//! A node to build upon, and the reference server of versioned UBF, which is the first one built.
//!
//! A [`Node`] is a program around services of one's own: each is a [`NodeService`], made from a
//! [`Handler`](ubf_server::Handler) or from a
//! [`StatefulService`](ubf_service::StatefulService). The node brings options, a store, sessions,
//! upgrades in place, hand-offs, the operator's contract, metrics, a page and signals.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use ubf_node::services::KvRows;
//! use ubf_node::{Node, NodeService};
//!
//! fn main() -> ExitCode {
//!     Node::new("notes", env!("CARGO_PKG_VERSION"))
//!         .about("Keeps notes.")
//!         .service(NodeService::stateful("notes", |()| KvRows::default()))
//!         .main()
//! }
//! ```
//!
//! The program `ubf-server`, and `ubf serve`, are such a node: `ubf-server --help` tells what it
//! does. Its parts are here, too:
//!
//! - [`run`] is all of it as a function of its [`Options`];
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
mod assembly;
mod audit;
mod breaks;
mod catalogue;
mod certificates;
mod classic;
mod contracts;
mod descriptors;
mod doors;
mod fault;
mod gateway;
mod handoff;
mod journal;
mod log;
mod logging;
mod node;
mod node_service;
mod operator;
mod options;
mod others;
mod policy;
mod reference;
mod rows;
mod run;
mod script;
mod serve;
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
pub use self::journal::{Journal, JournalHealth, Journaled};
pub use self::logging::{LogError, ProgramLog};
pub use self::node::Node;
pub use self::node_service::NodeService;
pub use self::options::{Options, examples};
pub use self::reference::{contract_text, restore, run};
pub use self::rows::RestoreError;
