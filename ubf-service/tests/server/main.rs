//! Sessions of level durable over real sockets: a service with state behind a server, whose rows
//! and sessions survive the server.
//!
//! A store in memory that is handed from one server to the next stands for a restart of the
//! process: nothing else goes along.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod support;

mod events;
mod failures;
mod gate;
mod lowered;
mod operator;
mod prepare;
mod restart;
mod sessions;
