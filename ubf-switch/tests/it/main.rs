//! A switch, nodes and clients, over sockets.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

mod bytes;
mod clients;
mod world;
