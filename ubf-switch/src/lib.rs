#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! One fixed address in front of many servers that speak versioned UBF: the first of the "two
//! common methods" in Armstrong's letter of 2003, for clients that cannot, or shall not, know where
//! servers are.
//!
//! A client talks to a [`Switch`] as to a server. The switch reads the headers of packets and those
//! of version 0, and no other body: it leads each client to a *node* that speaks the highest version
//! that the two have in common, and then lets bytes pass.
//!
//! # What it promises
//! - **It says what all nodes offer together.** A client that falls back to a version that only
//!   other nodes speak is led to one of them, and no call is lost on the way.
//! - **Drains are followed.** A node that names another server (R1) is left: its client is told the
//!   switch's own address in its place, comes again when nothing is due, and is led to another node.
//! - **Sessions go on.** A session that is resumed is found at the node that has it, also by a
//!   switch that has never seen it. Nobody but its owner is believed that it is gone.
//! - **Bodies pass as they are,** not copied, in 64 KiB at a time, however long they are; who does
//!   not read is not read for.
//! - **All waiting ends, and all that a peer can grow is limited** ([`SwitchLimits`]).
//!
//! The rules are those of the chapter "The switch" of the specification in `spec/`.
//!
//! # Example
//! ```no_run
//! use ubf_switch::{Switch, SwitchDrain};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let builder = Switch::builder().listen("0.0.0.0:4000");
//! let switch = builder.node("10.0.0.1:4000".parse()?).node("10.0.0.2:4000".parse()?).bind().await?;
//! let handle = switch.handle();
//! let running = tokio::spawn(switch.run());
//! tokio::signal::ctrl_c().await?;
//! handle.drain(SwitchDrain::default()).await;
//! println!("{} clients were joined to nodes", running.await?.counts.joined);
//! # Ok(())
//! # }
//! ```
//!
//! # What it does not do
//! - It does not share one node's connection among clients, and keeps no answer: what is due when
//!   the switch dies is what is due when a connection is lost, and a session goes on through
//!   another switch.
//! - It ends TLS or passes it through; who a client has shown to be, it does not tell its node.

mod cut;
mod skim;

mod fleet;
mod homes;
mod opening;
mod passage;

mod admission;
mod config;
mod counters;
mod shared;

pub mod metrics;

mod ask;
mod connection;
mod probe;
mod pump;
mod raw;
mod route;
mod switch;

pub use self::config::SwitchLimits;
pub use self::counters::Counts;
pub use self::fleet::Health;
pub use self::opening::MAX_CONTROL_BYTES;
pub use self::switch::{
    BindError, NodeStatus, Switch, SwitchBuilder, SwitchDrain, SwitchHandle, SwitchReport,
};
