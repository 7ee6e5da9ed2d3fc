//! The client against servers on loopback: scripted ones that speak literal bytes, and small ones
//! built on the server session.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

mod echo;
mod script;

mod calls;
#[cfg(feature = "classic")]
mod classic;
mod connecting;
#[cfg(feature = "contract")]
mod contract;
mod events;
mod failures;
mod life;
mod limits;
mod load;
mod malformed;
mod opening;
mod remembered;
mod sessions;
mod settings;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tower")]
mod tower;
mod travel;
#[cfg(feature = "serde")]
mod versioned;
mod wire;
mod worked_example;
