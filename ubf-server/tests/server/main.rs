//! Servers on loopback, seen from the other end of a socket.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]

mod admission;
#[cfg(feature = "contract")]
mod contracts;
#[cfg(unix)]
mod crowd;
mod elsewhere;
mod events;
mod failures;
mod faults;
mod in_memory;
mod lifecycle;
mod limits;
mod limits_of_connections;
mod limits_of_packets;
mod malformed;
mod middleware;
mod sessions;
mod support;
mod takeover;
#[cfg(feature = "tls")]
mod tls;
mod versioned;
mod wire;
