//! Whether a client wishes for a session, and for which one (S1).

use core::time::Duration;

use crate::session::{Level, SessionId, Wish};

/// Whether a client wishes for a session, which survives the connections that it uses (S1).
///
/// By default it does, and goes on without one at a server that grants none.
///
/// ```
/// use std::time::Duration;
/// use ubf_proto::client::SessionPlan;
/// use ubf_proto::session::Level;
///
/// let plan = SessionPlan::demanded(Level::Durable).with_keep(Duration::from_secs(600));
/// assert_eq!(plan.demanded_level(), Some(Level::Durable));
/// assert_eq!(SessionPlan::default(), SessionPlan::wanted());
/// assert_eq!((plan.window(), plan.bytes()), (1024, 4 << 20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPlan {
    need: Need,
    window: u64,
    bytes: u64,
    keep: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Off,
    Wanted,
    Demanded(Level),
}

impl Default for SessionPlan {
    fn default() -> Self {
        Self::wanted()
    }
}

impl SessionPlan {
    /// No session: a call that is in flight when its connection is lost is indeterminate.
    #[must_use]
    pub const fn off() -> Self {
        Self::new(Need::Off)
    }

    /// A session where the server grants one.
    #[must_use]
    pub const fn wanted() -> Self {
        Self::new(Need::Wanted)
    }

    /// A session of this level or a higher one. A server that does not grant it is not used, and if
    /// no server does, calls end as
    /// [`SessionNotGranted`](super::CallError::SessionNotGranted).
    #[must_use]
    pub const fn demanded(level: Level) -> Self {
        Self::new(Need::Demanded(level))
    }

    const fn new(need: Need) -> Self {
        Self { need, window: 1024, bytes: 4 << 20, keep: Duration::from_secs(60) }
    }

    /// Sets how many messages may be without an answer, events that are not known to be taken
    /// included. Default 1,024; at least 1.
    #[must_use]
    pub const fn with_window(mut self, messages: u64) -> Self {
        self.window = if messages == 0 { 1 } else { messages };
        self
    }

    /// Sets how many bytes of such messages there may be; a larger message goes alone. Default 4
    /// MiB; at least 1.
    #[must_use]
    pub const fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Sets how long the server keeps the session while it has no connection, and how long this
    /// client tries to go on with it. Default 60 s.
    #[must_use]
    pub const fn with_keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// Whether there is to be no session.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        matches!(self.need, Need::Off)
    }

    /// The lowest level that is accepted, if a session is demanded.
    #[must_use]
    pub const fn demanded_level(&self) -> Option<Level> {
        match self.need {
            Need::Demanded(level) => Some(level),
            Need::Off | Need::Wanted => None,
        }
    }

    /// The most messages without an answer.
    #[must_use]
    pub const fn window(&self) -> u64 {
        self.window
    }

    /// The most bytes of these messages.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How long a session is kept without a connection.
    #[must_use]
    pub const fn keep(&self) -> Duration {
        self.keep
    }

    pub(super) const fn wish(&self, id: SessionId) -> Wish {
        Wish { id, window: self.window, bytes: self.bytes, keep: self.keep }
    }
}
