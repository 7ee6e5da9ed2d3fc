//! Rollouts of releases over fleets of nodes (F3, F4), as data in and data out.
//!
//! ```text
//! planned ─▶ preflight ─▶ changing ─▶ soaking ─▶ … each wave … ─▶ code complete
//!                            │           │                             │ finalize
//!                            └─────┬─────┴──────────────┐              ▼
//!                                  ▼                    │         finalizing ─▶ done
//!                             rolling back ◀── abort ───┘
//!                                  ▼
//!                             rolled back
//! ```
//!
//! - A [`Plan`] says which nodes are changed, in which order, and for how long is waited between
//!   waves; the first wave is the canary. [`Gates`] say what stops it.
//! - A [`Record`] is how far it has come. It is stored under an epoch before each step, so that a
//!   controller may die anywhere, and another one goes on; whoever was overtaken stores nothing.
//! - A [`Rollout`] is the machine. Each step that it wants of a node may be done again.
//!
//! Before it is finalized, rows are written as the release before reads them: going back is only
//! code, and a rollout that was aborted equals none.

#![forbid(unsafe_code)]

mod gates;
#[cfg(feature = "mutants")]
pub mod mutant;
mod plan;
mod record;
mod rollout;

pub use self::gates::{Gates, Sample};
pub use self::plan::{Plan, PlanError, Way};
pub use self::record::{Record, RecordError, Stage};
pub use self::rollout::{Input, Output, Rollout, Steering};
