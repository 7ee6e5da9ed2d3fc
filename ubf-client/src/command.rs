//! What handles want of the driver.

use std::time::Duration;

use ubf_codec::{Term, Version};
use ubf_proto::client::{Call, CallId, ConnectionId};

use crate::request::Request;

/// What a handle wants.
pub(crate) enum Command {
    Call(Submission),
    Cancel(CallId),
    Crashed {
        version: Version,
        why: Term,
    },
    Quarantined {
        version: Version,
        time: Duration,
    },
    /// The program has opened a connection, or could not.
    Opened {
        connection: ConnectionId,
        is_good: bool,
    },
    Close {
        within: Duration,
    },
}

/// A call on its way to the session.
pub(crate) struct Submission {
    pub(crate) call: Call,
    /// `None` if the session has a body for all versions.
    pub(crate) request: Option<Box<dyn Request>>,
    /// `false` for an event that nobody waits for.
    pub(crate) is_awaited: bool,
}

/// N12: what the server's operator is told. What the panic says stays here: it may hold what is
/// nobody else's business.
pub(crate) fn crash() -> Term {
    Term::atom("crash")
}
