//! What a client session asks for.

use core::net::IpAddr;
use core::time::Duration;

use bytes::Bytes;
use ubf_codec::{Address, Document, Host, Version};

use super::error::CallError;
use super::input::CallId;
use super::notice::Notice;
use crate::packet::Packet;

/// A connection of a session, by a number that is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What is to be done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Make a connection, and answer with [`Input::Connected`](super::Input::Connected) or
    /// [`Input::ConnectFailed`](super::Input::ConnectFailed).
    Connect {
        /// Its number.
        connection: ConnectionId,
        /// Where to.
        address: Address,
        /// Whoever named the address: what a name stands for is judged with
        /// [`RedirectPolicy::judge_ip`](crate::RedirectPolicy::judge_ip) before the connection is
        /// made (R7).
        named_by: NamedBy,
        /// L2: how long it may take, over all IP addresses that a name stands for. After that the
        /// session gives it up.
        within: Duration,
        /// The name that a certificate must be for, if the connection must be TLS: one of those
        /// the session was started with, whoever named the address (R7).
        tls: Option<Host>,
    },
    /// Write this. All that is there can be written at once.
    Transmit {
        /// Where.
        connection: ConnectionId,
        /// What.
        packet: Packet,
    },
    /// Write what was handed out, then close. Nothing more is said about this connection.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// S1: make the name of a session to come, out of the operating system's source of randomness,
    /// and answer with [`Input::SessionId`](super::Input::SessionId). Without an answer no session
    /// is wished for. It is asked for once for each session, and not if
    /// [`Config::session`](super::Config::session) is off.
    NeedSessionId,
    /// N8: write call `call` for this version: answer with
    /// [`Input::Rendered`](super::Input::Rendered),
    /// [`Input::Inexpressible`](super::Input::Inexpressible) or
    /// [`Input::Crashed`](super::Input::Crashed).
    Render {
        /// Which call.
        call: CallId,
        /// For which version.
        version: Version,
    },
    /// A call has ended. This comes exactly once for each.
    Ended {
        /// Which call.
        call: CallId,
        /// How.
        outcome: Result<Done, CallError>,
    },
    /// An event from the server.
    EventOut {
        /// The connection that it came on.
        connection: ConnectionId,
        /// The version that it is written in.
        version: Version,
        /// `{'event_out',Event}`.
        body: Document<Bytes>,
    },
    /// Something that people want to see.
    Notice(Notice),
    /// The session has ended. It is the last output.
    Finished,
}

/// Who named an address (R7). A server is known by the IP address at which it was connected to, if
/// the shell has told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NamedBy {
    /// The program: it is one of [`Config::addresses`](super::Config::addresses), and nobody judges
    /// it.
    Program,
    /// A server, with the option `peers` (R4).
    Peers {
        /// Which one.
        server: Option<IpAddr>,
    },
    /// A server, with a NextIP.
    NextIp {
        /// Which one.
        server: Option<IpAddr>,
    },
}

impl NamedBy {
    /// The IP address of the server that named it, as far as it is known; `None` if the program
    /// did.
    #[must_use]
    pub const fn server(self) -> Option<Option<IpAddr>> {
        match self {
            Self::Program => None,
            Self::Peers { server } | Self::NextIp { server } => Some(server),
        }
    }
}

/// The session that something came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct InSession {
    /// The sessions of this client are counted from 1.
    pub ordinal: u64,
    /// Whether it came by resuming (S4). Of a connection: whether the session goes on there. Of a
    /// reply: whether the request was sent on an earlier connection.
    pub is_resumed: bool,
}

/// How a call ended well.
#[derive(Clone, Debug)]
pub enum Done {
    /// The reply to a request.
    Reply {
        /// The connection that it came on.
        connection: ConnectionId,
        /// The version that request and reply are written in.
        version: Version,
        /// The session that it came in, if it came in one.
        session: Option<InSession>,
        /// `{Response,State}`.
        body: Document<Bytes>,
    },
    /// The server has taken an event.
    Taken {
        /// The version that it was written in.
        version: Version,
    },
}
