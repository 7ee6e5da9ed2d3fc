//! The tool as its users have it: the program is run, and what it says is read.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by a panic"
)]

mod common;

mod check;
mod classic;
mod contract;
mod contract_rust;
#[cfg(unix)]
mod dashboard;
mod decode;
mod encode;
mod fmt;
mod from_json;
#[allow(
    dead_code,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::use_self,
    clippy::wildcard_enum_match_arm,
    reason = "programs use a part of what `ubf contract rust` writes, with lints of their own"
)]
mod generated;
mod tls;
mod to_json;
mod trace;

mod call;
mod load;
mod release;
mod repl;

#[cfg(target_os = "linux")]
mod attack_weak_servers;

mod attack;

#[cfg(unix)]
mod examples;
#[cfg(unix)]
mod help;
#[cfg(unix)]
mod operator;
#[cfg(unix)]
mod pipes;
#[cfg(unix)]
mod repl_at_a_terminal;
#[cfg(unix)]
mod switch;
