//! The engines alone: literal bytes in, literal bytes out.
//!
//! `simulation` and `small_world` are programs of their own, since they are run optimised, by name,
//! with seeds and bounds of their own.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

mod control;
mod edits;
mod garbage;
mod rules;
mod vectors;
