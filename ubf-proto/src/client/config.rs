//! What is set for a client session.

use alloc::vec::Vec;
use core::time::Duration;

use ubf_codec::{Address, Limits, Text, Version};

use super::plan::SessionPlan;
use crate::backoff::BackoffTimes;
use crate::quarantine::QuarantineTimes;
use crate::redirect::RedirectPolicy;
use crate::service::Service;
use crate::versions::Versions;

/// Settings of a client session, limits included (L1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where to start: one or more, tried in this order.
    pub addresses: Vec<Address>,
    /// Whom to talk to.
    pub service: Service,
    /// The versions that the program has.
    pub versions: Versions,
    /// N9: the lowest version that is accepted.
    pub floor: Option<Version>,
    /// N3: the version agreed on before, if it is remembered from an earlier session. A shell may
    /// tell more, and later, with [`ClientSession::remember`](crate::ClientSession::remember).
    pub remembered: Option<Version>,
    /// N3: whether calls may follow `negotiate` at once where no other connection is left. Default
    /// yes.
    pub optimistic_start: bool,
    /// N3, R2: whether they may do so in a move, while the old connection still lives. It saves a
    /// round trip; a server that vanishes before it has agreed then makes these calls
    /// indeterminate. Default no.
    pub optimistic_moves: bool,
    /// Whether the program makes calls of its own on each new connection before all others, to log
    /// in or to subscribe: then other calls wait, from [`Notice::Agreed`](super::Notice::Agreed)
    /// until [`Input::Opened`](super::Input::Opened), and none precedes the server's agreement
    /// (N3). Default no.
    pub opens_connections: bool,
    /// N9: whether a random number of the top 1024 is added to the list. Default yes.
    pub grease: bool,
    /// N13: whether a server is left that offers only less than before. Default no: it is a
    /// notice.
    pub refuse_downgrade: bool,
    /// S1: whether there is to be a session, which survives connections. Default
    /// [`SessionPlan::wanted`]; it takes a shell that answers
    /// [`Output::NeedSessionId`](super::Output::NeedSessionId).
    pub session: SessionPlan,
    /// N12: name and version of the software.
    pub agent: Option<Text>,
    /// N15: whether servers that read it are told of each message in which span it was sent, and how
    /// long its caller still waits. By default not: it is 40 to 100 bytes each.
    pub context: bool,
    /// Whether connections must be TLS. No redirection changes it (R7).
    pub tls: bool,
    /// R7: which redirections are followed.
    pub policy: RedirectPolicy,
    /// N7: how long versions stay in quarantine.
    pub quarantine: QuarantineTimes,
    /// R4: the first round after a loss begins at a random moment within this time, so that all
    /// clients of a server that is lost do not call at the same one together. Default 100 ms.
    pub failover_spread: Duration,
    /// R4: waits between rounds over all addresses.
    pub backoff: BackoffTimes,
    /// R6: waits before a redirection that did not work is tried again.
    pub move_backoff: BackoffTimes,
    /// Limits of one packet.
    pub limits: Limits,
    /// Calls that have not ended. Default 4096.
    pub max_pending: usize,
    /// Packets without an answer on a connection. Default 1024.
    pub max_in_flight: usize,
    /// Bytes that were handed out and not written: beyond it nothing is sent. Default 1 MiB.
    pub max_unsent_bytes: usize,
    /// How often one call is sent again after a refusal. Default 8.
    pub max_refusals: u32,
    /// R4: how often one idempotent call is sent again because the connection was lost while it was
    /// in flight. Default 2: it may be the call that ends them.
    pub max_losses: u32,
    /// R5: moves without an executed call. Default 5.
    pub max_hops: u32,
    /// N10: negotiations in a minute on a connection, by this program's clock. Default 6: a server
    /// counts 8 by its own clock, and what the two count need not agree at the edges of a minute.
    pub max_negotiations: u32,
    /// L2: for a call that names no other. Default 30 s.
    pub call_time: Duration,
    /// L2: to make a connection. Default 5 s.
    pub max_connect_time: Duration,
    /// R6: to make a connection that a redirection asks for, over all its addresses. Default 5 s.
    pub max_move_time: Duration,
    /// N10: for a server that owes no other answer to agree. Default 5 s.
    pub max_negotiation_time: Duration,
    /// From the first byte of a packet to its `$`. Default 30 s.
    pub max_packet_time: Duration,
    /// L2: without a byte received, after which the server is asked for a sign of life. Default 15
    /// s.
    pub ping_after: Duration,
    /// L2: for a server that owes no other answer to answer a `ping`. Default 5 s.
    pub max_pong_time: Duration,
    /// L2: without a byte of an answer while the answer to a call is due, after which the server is
    /// asked for a sign of life on a second connection. Default 10 s.
    pub ask_after: Duration,
    /// L2: without a byte of an answer while the answer to a call is due. Default 90 s, since a
    /// server gives a call 60 s, and its answer is to come first.
    pub max_silence: Duration,
    /// L2: without a byte written, while there are some to write and the first answer that is due
    /// is not that of a call. Default 30 s.
    pub max_write_time: Duration,
    /// R5: between two voluntary moves. Default 1 s.
    pub move_interval: Duration,
}

impl Config {
    /// Settings with the defaults.
    #[must_use]
    pub fn new(addresses: Vec<Address>, versions: Versions) -> Self {
        Self {
            addresses,
            service: Service::DEFAULT,
            versions,
            floor: None,
            remembered: None,
            optimistic_start: true,
            optimistic_moves: false,
            opens_connections: false,
            grease: true,
            refuse_downgrade: false,
            session: SessionPlan::wanted(),
            agent: None,
            context: false,
            tls: false,
            policy: RedirectPolicy::default(),
            quarantine: QuarantineTimes::default(),
            failover_spread: Duration::from_millis(100),
            backoff: BackoffTimes::default(),
            move_backoff: BackoffTimes {
                first: Duration::from_secs(1),
                longest: Duration::from_secs(30),
            },
            limits: Limits::default(),
            max_pending: 4096,
            max_in_flight: 1024,
            max_unsent_bytes: 1 << 20,
            max_refusals: 8,
            max_losses: 2,
            max_hops: 5,
            max_negotiations: 6,
            call_time: Duration::from_secs(30),
            max_connect_time: Duration::from_secs(5),
            max_move_time: Duration::from_secs(5),
            max_negotiation_time: Duration::from_secs(5),
            max_packet_time: Duration::from_secs(30),
            ping_after: Duration::from_secs(15),
            max_pong_time: Duration::from_secs(5),
            ask_after: Duration::from_secs(10),
            max_silence: Duration::from_secs(90),
            max_write_time: Duration::from_secs(30),
            move_interval: Duration::from_secs(1),
        }
    }
}
