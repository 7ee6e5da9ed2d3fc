//! What the two ends tell each other about a session.

use core::fmt;
use core::time::Duration;

use super::SessionId;

/// The one option about sessions of a `negotiate`, an `agreed` or a `no_common_version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionOption {
    /// From a client: open a session (S1).
    Open(Wish),
    /// From a server: it is open (S1).
    Granted(Grant),
    /// From a client: go on with a session (S4).
    Resume(Resume),
    /// From a server: it goes on (S4).
    Resumed(Resumed),
    /// From a server: it does not (S4).
    NoSession(NoSession),
}

/// `{'session',Id,Window,Bytes,KeepMs}` of a `negotiate`: the session that a client wishes for
/// (S1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its name.
    pub id: SessionId,
    /// The most messages without an answer, events that are not known to be taken included.
    pub window: u64,
    /// The most bytes of these messages. A larger one goes alone.
    pub bytes: u64,
    /// How long the server keeps the session while it has no connection.
    pub keep: Duration,
}

/// `{'session',Window,Bytes,Kept,KeepMs,Level}` of an `agreed`: the session that a server grants.
/// No value is above the one that was wished for (S1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The most messages without an answer, events that are not known to be taken included.
    pub window: u64,
    /// The most bytes of these messages. A larger one goes alone.
    pub bytes: u64,
    /// Bytes of answers that are kept and not acknowledged, from which on no handler begins.
    pub kept: u64,
    /// How long the session is kept while it has no connection.
    pub keep: Duration,
    /// What the session survives.
    pub level: Level,
}

/// What a session survives (S1). A higher level survives what a lower one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// `'memory'`: the loss of connections.
    #[default]
    Memory,
    /// `'durable'`: the loss of the server's process, too.
    Durable,
}

impl Level {
    /// The atom for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Durable => "durable",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `{'resume',Id,Done,Events,Turn}` of a `negotiate`: a client wants to go on (S4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The session's name.
    pub id: SessionId,
    /// S3: all messages up to this number are answered or, if they are events, proven to be taken.
    pub done: u64,
    /// So many of the server's events have come.
    pub events: u64,
    /// S5: the number of this attempt. The opening has 1, and each later attempt a higher one.
    pub turn: u64,
}

/// `{'resumed',Received,EventsLost}`: the session goes on (S4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The number of the last message that the server has taken. What the client has sent after it
    /// counts as never sent.
    pub received: u64,
    /// So many events are gone before the first one that is sent again. `None`: the server does not
    /// know.
    pub events_lost: Option<u64>,
}

/// `{'no_session',Why}`: the session does not go on here (S4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoSession {
    /// `'unknown'`: nobody of this name is here. From the owner, that is final.
    Unknown,
    /// `'not_now'`: try again.
    NotNow,
    /// `'elsewhere'`: the NextIP of the answer says where.
    Elsewhere,
}

impl NoSession {
    /// The atom for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotNow => "not_now",
            Self::Elsewhere => "elsewhere",
        }
    }
}
