//! An operator at work: servers are processes, and what is said is said through `ubf admin`.

#![cfg(unix)]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod admin;
mod program;
mod restart;
