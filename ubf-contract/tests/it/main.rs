//! What this crate reads, checks, compares and prints, in one program. `described` is another one,
//! since it needs features.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

mod answer;
mod check;
mod compare;
mod fake;
mod print;
mod session;
mod vectors;
