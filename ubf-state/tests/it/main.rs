//! Rows, transactions, sessions and state versions through the public interface, without a store:
//! the world here keeps rows in a map and commits when a test says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "clippy's settings for tests reach `#[test]` functions alone, not what they call"
)]

mod batches;
mod rows;
mod sessions;
mod takeover;
mod timers;
mod unseen;
mod vectors;
mod versions;
mod world;
