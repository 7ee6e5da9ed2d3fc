//! The reference server's parts on loopback, and the program itself.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]

mod admin_http;
#[cfg(unix)]
mod browser;
#[cfg(unix)]
mod classic;
mod contracts;
#[cfg(unix)]
mod control;
#[cfg(unix)]
mod dashboard;
mod durable;
#[cfg(unix)]
mod elsewhere;
mod folder;
#[cfg(unix)]
mod handoff;
mod irc;
#[cfg(unix)]
mod irc_rows;
mod journal;
mod kv;
mod ledger;
#[cfg(target_os = "linux")]
mod mixed;
mod process;
#[cfg(all(unix, feature = "postgres"))]
mod shared;
#[cfg(unix)]
mod side_channels;
mod support;
#[cfg(target_os = "linux")]
mod takeover;
#[cfg(target_os = "linux")]
mod takeover_classic;
mod takeover_live;
mod tls;
#[cfg(unix)]
mod trust;
mod words;
