//! The rules one by one: literal bytes in, literal bytes out.

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

mod client;
mod client_end;
mod edges;
mod limits;
mod opening;
mod owned;
mod server;
mod server_end;
mod session_client;
mod sessions;
mod travel;
mod words;
