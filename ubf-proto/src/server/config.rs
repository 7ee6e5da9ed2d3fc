//! What is set for all sessions of a server.

use alloc::vec::Vec;
use core::time::Duration;

use ubf_codec::{Address, Limits, Text};

use crate::control::DEFAULT_MAX_IDLE;

/// Settings of a server session, limits included (L1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Limits of one packet.
    pub limits: Limits,
    /// Packets that are being worked on or wait for their turn to be answered. Beyond it nothing
    /// is read. Default 1024.
    pub max_pending: usize,
    /// Bytes of these packets: of a request while its handler runs, then of its answer while that
    /// waits for its turn. Beyond it nothing is read, so a packet that is larger is still
    /// served, alone. Default 32 MiB.
    pub max_pending_bytes: usize,
    /// Bytes of replies that were handed out and not written. Beyond it nothing is read; events
    /// beyond it close the connection. Default 1 MiB.
    pub max_unread_bytes: usize,
    /// S6: bytes of a session's events that its client has not acknowledged. Beyond it the oldest
    /// are gone, and a resume tells how many. Default 1 MiB.
    pub max_kept_event_bytes: usize,
    /// From the start of a connection to the end of its first packet. Default 5 s (N10).
    pub max_negotiation_time: Duration,
    /// From the first byte of a packet to its `$`. Default 30 s.
    pub max_packet_time: Duration,
    /// Without any traffic. Clients ping more often. Default 2 min.
    pub max_idle_time: Duration,
    /// Without a byte written, while there are some to write. Default 30 s.
    pub max_write_time: Duration,
    /// For calls in progress when the connection is to be closed because of its peer. Default 10
    /// s.
    pub max_close_time: Duration,
    /// In a minute (N10). Default 8.
    pub max_negotiations: u32,
    /// Name and version of the software (N12).
    pub agent: Option<Text>,
    /// Where clients go when this server is lost (R4).
    pub peers: Vec<Address>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_pending: 1024,
            max_pending_bytes: 32 << 20,
            max_unread_bytes: 1 << 20,
            max_kept_event_bytes: 1 << 20,
            max_negotiation_time: Duration::from_secs(5),
            max_packet_time: Duration::from_secs(30),
            max_idle_time: DEFAULT_MAX_IDLE,
            max_write_time: Duration::from_secs(30),
            max_close_time: Duration::from_secs(10),
            max_negotiations: 8,
            agent: None,
            peers: Vec::new(),
        }
    }
}
