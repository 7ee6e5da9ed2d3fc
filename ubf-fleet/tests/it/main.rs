//! The machine of rollouts, in a world of nodes and controllers that die.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

mod simulation;
mod steps;
