//! What a switch allows, and for how long it waits (L1, L2).

use std::time::Duration;

/// The limits of a switch. Those of nodes hold besides: whatever passes is judged there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SwitchLimits {
    /// Connections of clients at a time. Default 10,000.
    pub max_connections: usize,
    /// Of these, from one address; of IPv6 from one /64. Default 1,000.
    pub max_connections_per_address: usize,
    /// Sessions whose nodes are remembered. One that is not is found by asking all nodes. Default
    /// 100,000.
    pub max_sessions: usize,
    /// From the start of a connection to the end of its first packet, or of the part of it that
    /// says where it is led; TLS has as much before it. Default 5 s (N10.7).
    pub max_negotiation_time: Duration,
    /// For a packet of version 0 that a client has begun. The node keeps the time of others.
    /// Default 30 s.
    pub max_packet_time: Duration,
    /// Without a byte in either direction. It should be more than that of the nodes, and than their
    /// slowest call takes. Default 10 minutes.
    pub max_idle_time: Duration,
    /// Without a byte written to a client, while there are some to write. Default 30 s.
    pub max_write_time: Duration,
    /// For a connection to a node, its TLS included. Default 1 s.
    pub max_connect_time: Duration,
    /// For a node's answer to a `negotiate`; all nodes that are asked for a session have no more
    /// than that together. Default 4 s: a client waits 5 (N10.6).
    pub max_answer_time: Duration,
    /// How often each node is asked what it offers. One that was not reached is asked less often,
    /// down to every 5 s. Default 1 s.
    pub probe_every: Duration,
}

impl Default for SwitchLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            max_sessions: 100_000,
            max_negotiation_time: Duration::from_secs(5),
            max_packet_time: Duration::from_secs(30),
            max_idle_time: Duration::from_secs(600),
            max_write_time: Duration::from_secs(30),
            max_connect_time: Duration::from_secs(1),
            max_answer_time: Duration::from_secs(4),
            probe_every: Duration::from_secs(1),
        }
    }
}
