//! What is set for a whole server.

use alloc::vec::Vec;
use core::time::Duration;

use ubf_codec::Address;

use super::SessionLimits;
use crate::server;

/// Settings of an [`Endpoint`](super::Endpoint), limits included (L1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What the sessions are given.
    pub session: server::Config,
    /// Connections at a time. Further ones are told `closing` and closed. Default 10,000.
    pub max_connections: usize,
    /// Connections at a time from one IPv4 address, or from one /64 of IPv6. Default 1,000.
    pub max_connections_per_address: usize,
    /// How long clients may take to read their last words after the hard stop. Then what is left is
    /// cut. Default 1 s.
    pub max_last_words_time: Duration,
    /// Sessions that outlive their connections (S1, S6).
    pub sessions: SessionLimits,
    /// The addresses by which clients know this server: it is no peer of its own, and a drain that
    /// names it leaves it to a successor (R5).
    pub own: Vec<Address>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            session: server::Config::default(),
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            max_last_words_time: Duration::from_secs(1),
            sessions: SessionLimits::default(),
            own: Vec::new(),
        }
    }
}
