//! What is set for a classic client session.

use alloc::sync::Arc;
use core::time::Duration;

use ubf_codec::Limits;
use ubf_contract::SessionChecker;

use crate::classic::{Flavour, Writing};

/// Settings of a classic client session, limits included (L1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Limits of one packet.
    pub limits: Limits,
    /// Which implementation the server is (Q3).
    pub flavour: Flavour,
    /// Q2: whether the server speaks first.
    pub hello: HelloMode,
    /// Q6: where sessions begin.
    pub level: Level,
    /// Q5: replies do not name the next state.
    pub simple_rpc: bool,
    /// Q4: whether requests may be sent before the reply to the last one is there. The server's
    /// flavour has to take them: [`Flavour::pipelines`].
    pub is_pipelining: bool,
    /// How packets are written.
    pub writing: Writing,
    /// Q13: the contract of the service: requests are checked before they are sent, replies and
    /// events after they came. `None` trusts the server.
    pub contract: Option<Arc<SessionChecker>>,
    /// Q6: a start of a service that the server does not have ends with the list of those that it
    /// has, for which the session asks. Default true.
    pub asks_for_services: bool,
    /// Calls that are not answered. Further ones are refused. Default 1024.
    pub max_calls: usize,
    /// Calls on their way, if the session is pipelining. Default 64.
    pub max_in_flight: usize,
    /// From the first byte of a packet to its `$`. Default 30 s.
    pub max_packet_time: Duration,
    /// Without a byte written, while there are some to write. Default 30 s.
    pub max_write_time: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            flavour: Flavour::default(),
            hello: HelloMode::default(),
            level: Level::default(),
            simple_rpc: false,
            is_pipelining: false,
            writing: Writing::default(),
            contract: None,
            asks_for_services: true,
            max_calls: 1024,
            max_in_flight: 64,
            max_packet_time: Duration::from_secs(30),
            max_write_time: Duration::from_secs(30),
        }
    }
}

/// Whether a server is expected to speak first (Q2). Servers of ubf 2.x do so only where they are
/// told to, all others always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HelloMode {
    /// It does, within this time. Nothing is said before. Default, with 5 s.
    Expected {
        /// How long to wait.
        within: Duration,
    },
    /// It does not.
    None,
    /// It may: this long is waited for it.
    Either {
        /// How long to wait. 300 ms is usual.
        within: Duration,
    },
}

impl Default for HelloMode {
    fn default() -> Self {
        Self::Expected { within: Duration::from_secs(5) }
    }
}

/// Where the sessions of a server begin (Q6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// On the meta level: a service has to be started.
    #[default]
    Meta,
    /// In its only service (`startplugin`).
    Service,
}
