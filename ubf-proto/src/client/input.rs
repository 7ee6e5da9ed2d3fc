//! What a client session is told.

use alloc::boxed::Box;
use core::net::IpAddr;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Term, Version};

use super::{Cause, ConnectionId};
use crate::control::TraceParent;
use crate::session::SessionId;
use crate::time::Time;

/// A call, by a number of the caller's choice that no other open call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// A connection that was asked for is made.
    Connected {
        /// Which.
        connection: ConnectionId,
        /// R7: the IP address at its other end.
        peer: Option<IpAddr>,
        /// R7: whether it is TLS, with a certificate for the name that was asked for.
        tls: bool,
    },
    /// A connection that was asked for cannot be made.
    ConnectFailed {
        /// Which.
        connection: ConnectionId,
        /// What was in the way, for people and for the errors of calls.
        cause: Option<Cause>,
    },
    /// Bytes came in. They are not copied if they continue the last ones in memory.
    Received {
        /// Where.
        connection: ConnectionId,
        /// The bytes.
        bytes: BytesMut,
    },
    /// L1: the shell reads from no connection until it says otherwise, since the program has not
    /// taken what came; or it reads again. Meanwhile no silence is a server's.
    Reading {
        /// Whether it does. At the start it does.
        is_reading: bool,
    },
    /// So many bytes of what was handed out were written.
    Written {
        /// Where.
        connection: ConnectionId,
        /// How many.
        count: usize,
    },
    /// The server closed the connection, or it is gone.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// The program has opened a connection
    /// ([`Config::opens_connections`](super::Config::opens_connections)): other calls may follow.
    Opened {
        /// Which.
        connection: ConnectionId,
    },
    /// The program could not open a connection, which is given up.
    NotOpened {
        /// Which.
        connection: ConnectionId,
    },
    /// The caller wants a request or an event to be sent.
    Call(Call),
    /// The caller does not wait any longer. The call ends; if it was sent, its reply is read and
    /// dropped.
    Cancel {
        /// Which.
        call: CallId,
    },
    /// N8: the answer to [`Output::Render`](super::Output::Render).
    Rendered {
        /// Which call.
        call: CallId,
        /// For which version.
        version: Version,
        /// The body, encoded up to and with its `$`. Of an event, `{'event_in',Event}`.
        body: Bytes,
    },
    /// N8: the call cannot be expressed in this version.
    Inexpressible {
        /// Which call.
        call: CallId,
        /// Which version.
        version: Version,
    },
    /// N6: the caller's code for a version crashed, or declares itself unfit.
    Crashed {
        /// Which version.
        version: Version,
        /// The call that was being rendered, if any. A reply that was being read has ended its
        /// call already (N11).
        call: Option<CallId>,
        /// The reason, for the server's operator (N12).
        why: Term,
    },
    /// N7: another session of the same service put a version into quarantine.
    Quarantined {
        /// Which version.
        version: Version,
        /// Until when.
        until: Time,
    },
    /// The answer to [`Output::NeedSessionId`](super::Output::NeedSessionId): bytes that nobody can
    /// guess. What was not asked for is ignored.
    SessionId(SessionId),
    /// No further calls; close when those that are open have ended.
    Close,
    /// Time has passed.
    Tick,
}

/// A request, or an event for the server.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its number.
    pub id: CallId,
    /// Whether it is an event, which has no reply.
    pub is_event: bool,
    /// Whether it may be executed more than once. Then it is sent again when a connection is lost.
    pub is_idempotent: bool,
    /// How long it may take. The default is [`Config::call_time`](super::Config::call_time).
    pub time: Option<Duration>,
    /// The body for one version, if the caller has it at hand: then it need not be asked for.
    pub rendered: Option<(Version, Bytes)>,
    /// Whether that body is the one for all versions: then it is never asked for.
    pub is_constant: bool,
    /// The connection that it opens
    /// ([`Config::opens_connections`](super::Config::opens_connections)). It precedes all calls
    /// that open none, is not held back by [`Config::max_pending`](super::Config::max_pending), and
    /// goes nowhere else: if the connection is gone before it is sent, it ends as cancelled.
    pub opens: Option<ConnectionId>,
    /// N15: the caller's span, for servers that read it ([`Config::context`](super::Config::context)).
    pub trace: Option<Box<TraceParent>>,
}

impl Call {
    /// A request that will be asked for when its version is known.
    #[must_use]
    pub const fn request(id: CallId) -> Self {
        Self {
            id,
            is_event: false,
            is_idempotent: false,
            time: None,
            rendered: None,
            is_constant: false,
            opens: None,
            trace: None,
        }
    }

    /// An event that will be asked for when its version is known.
    #[must_use]
    pub const fn event(id: CallId) -> Self {
        Self {
            id,
            is_event: true,
            is_idempotent: false,
            time: None,
            rendered: None,
            is_constant: false,
            opens: None,
            trace: None,
        }
    }
}
