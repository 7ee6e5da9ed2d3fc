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
    /// TLS handshakes under way at a time. Further connections are closed. Default 1,024.
    pub max_handshakes: usize,
    /// TLS handshakes under way at a time from one IPv4 address, or one /64 of IPv6. Default 128.
    pub max_handshakes_per_address: usize,
    /// For a TLS handshake: beyond it, the connection is closed. Default 5 s.
    pub max_handshake_time: Duration,
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
            max_handshakes: 1_024,
            max_handshakes_per_address: 128,
            max_handshake_time: Duration::from_secs(5),
            max_events: 64,
            max_event_handlers: 64,
            max_call_time: Duration::from_secs(60),
            max_linger_time: Duration::from_secs(1),
        }
    }
}

#[cfg(feature = "serde")]
ubf_proto::settings! {
    ServerLimits, "ServerLimits", ServerLimits::default();
    max_connections, max_connections_per_address, max_handshakes, max_handshakes_per_address,
    max_handshake_time(units), max_events, max_event_handlers,
    max_call_time(units), max_linger_time(units),
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_with_units_and_read_again() {
        let max_call_time = Duration::from_millis(1500);
        let limits = ServerLimits { max_call_time, ..ServerLimits::default() };
        let text = toml::to_string(&limits).unwrap();
        assert!(text.contains("max_call_time = \"1500ms\""), "{text}");
        assert_eq!(toml::from_str::<ServerLimits>(&text).unwrap(), limits);
        assert!(toml::from_str::<ServerLimits>("max_conections = 1").is_err());
    }
}
