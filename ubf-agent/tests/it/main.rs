//! The agent as a process, with nodes that are processes.
#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

mod agent;
mod failing;
mod node;
mod releases;
mod size;
mod tls;
