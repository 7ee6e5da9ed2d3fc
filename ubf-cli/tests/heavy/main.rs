//! What keeps the whole machine busy: it has a program of its own, so that other tests, which run
//! beside each other, are not slowed down.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by a panic"
)]

#[allow(dead_code, reason = "the other program uses more of it")]
#[path = "../it/common/mod.rs"]
mod common;

mod attack_our_server;
#[cfg(unix)]
mod demo;
