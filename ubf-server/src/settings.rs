//! What is set for a server, beside what its sessions need.

use std::time::Duration;

pub use ubf_proto::endpoint::{Cordon, LoadPlan, LoadUnit, SessionLimits};

/// Limits of a server that concern no single session (L1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Connections at a time. Further ones are told `closing` and closed. Default 10,000.
    pub max_connections: usize,
    /// Connections at a time from one IPv4 address, or one /64 of IPv6. Default 1,000.
    pub max_connections_per_address: usize,
    /// Events that wait for their turn on one connection; beyond it, senders wait. Default 64.
    pub max_events: usize,
    /// Event handlers at work on one connection; beyond it, nothing more of it is looked at.
    /// Default 64.
    pub max_event_handlers: usize,
    /// For the handler of a request or an event (L2). Beyond it, its future is dropped, and a
    /// request is answered `{'failed','call_time',…}`: it may have done some of its work.
    /// Default 60 s.
    pub max_call_time: Duration,
    /// How long a connection that the server closes may take to read its last words. Default 1 s.
    pub max_linger_time: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            max_events: 64,
            max_event_handlers: 64,
            max_call_time: Duration::from_secs(60),
            max_linger_time: Duration::from_secs(1),
        }
    }
}
