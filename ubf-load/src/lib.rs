//! Loads and attacks on servers that speak versioned UBF: plans in, plain data out. Nothing here
//! prints.
//!
//! - [`load`] makes calls, many or at a rate, and measures how long they take and how they end.
//!   Latencies count from the moment when a call was due, so that a server that stands still is
//!   seen.
//! - [`attack`] tries to crash, hang or bloat a server, and says what others noticed of it.
//! - [`process`] tells what a process holds.
//!
//! `ubf load`, `ubf attack` and `ubf demo` show what these engines find.
//!
//! ```no_run
//! use ubf_load::load::{Load, Outcome, Plan};
//! use std::time::Duration;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut plan = Plan::new(["127.0.0.1:4000".parse::<ubf_client::Target>()?]);
//! plan.connections = 8;
//! plan.calls = Some(10_000);
//! let mut load = Load::start(plan).await?;
//! load.ended().await;
//! let summary = load.finish(Duration::ZERO).await;
//! assert_eq!(summary.results.counts.of(Outcome::Answered), 10_000);
//! println!("{:?} at the median", summary.results.latency().p50);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod attack;
pub mod load;
pub mod process;
