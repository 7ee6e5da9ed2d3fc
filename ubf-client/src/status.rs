//! What people can see of a client.

use std::fmt;
use std::time::Instant;

use ubf_codec::{Address, Version};
use ubf_net::DialError;
use ubf_proto::client::{LossReason, State, Statistics};
use ubf_proto::session::{Level, SessionId};

/// The state of a client, to be watched with [`Client::status`](crate::Client::status).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// What the session waits for.
    pub state: State,
    /// The version of the next message, if one is agreed on.
    pub version: Option<Version>,
    /// The address that messages go to, if there is a connection.
    pub address: Option<Address>,
    /// R5: moves since the last executed call.
    pub hops: u32,
    /// S1: the session that the server has granted, if it has granted one that is not given up.
    pub session: Option<SessionStatus>,
    /// L1: nothing is read for now, since callers have not taken their replies: see
    /// [`max_reply_bytes`](crate::Builder::max_reply_bytes).
    pub is_paused: bool,
    /// N7: the versions in quarantine, lowest first, and until when.
    pub quarantine: Vec<(Version, Instant)>,
    /// The last connection, or attempt at one, that ended otherwise than by a move.
    pub last_loss: Option<Box<Loss>>,
    /// Calls, fallbacks, moves and the like. A change of these alone wakes nobody who waits for a
    /// change.
    pub statistics: Statistics,
    /// Events from the server that were kept for the reader.
    pub events: u64,
    /// Events from the server that were dropped: see [`Events`](crate::Events).
    pub events_missed: u64,
}

impl Status {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Connecting,
            version: None,
            address: None,
            hops: 0,
            session: None,
            is_paused: false,
            quarantine: Vec::new(),
            last_loss: None,
            statistics: Statistics::default(),
            events: 0,
            events_missed: 0,
        }
    }
}

/// S1: the session that a client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStatus {
    /// The sessions of this client are counted from 1.
    pub ordinal: u64,
    /// Its name, which is a secret and is shown as a short hash (S9).
    pub id: SessionId,
    /// What it survives.
    pub level: Level,
    /// Since when it has no connection. `None` if it has one. [`Statistics::parked`] has the time
    /// of all that went on, or were given up.
    pub parked_since: Option<Instant>,
}

/// A connection, or an attempt at one, that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// Where it was made to.
    pub address: Address,
    /// Why it ended.
    pub reason: LossReason,
    /// If it could not be made: what was in the way. If TLS has ended it: what TLS says, for example
    /// that the server wants a certificate of its client.
    pub cause: Option<DialError>,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.reason)
    }
}

impl std::error::Error for Loss {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}
