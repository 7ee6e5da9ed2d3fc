//! What a server session asks for.

use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;
use ubf_codec::{DecodeError, Document, Term, Text, Version};

use super::resuming::{SessionEnd, SessionRequest};
use crate::control::Context;
use crate::packet::Packet;
use crate::service::Service;
use crate::session::{Grant, SessionId};
use crate::versions::Versions;

/// What is to be done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Write this. All that is there can be written at once.
    Transmit {
        /// What the packet is, so that a shell needs no look at its bytes.
        kind: PacketKind,
        /// The bytes.
        packet: Packet,
    },
    /// Run the handler of a request, and answer with [`Input::Reply`](super::Input::Reply) or
    /// [`Input::Failed`](super::Input::Failed), in any order.
    Request(Box<Message>),
    /// Run the handler of an event. There is no answer. The owner of an owned service says
    /// [`Input::Taken`](super::Input::Taken) when it is stored that it was taken.
    Event(Box<Message>),
    /// S3: the client has these answers and events of a session of an owned service. Its owner
    /// forgets them.
    Seen {
        /// Answers up to this number.
        done: u64,
        /// So many events.
        events: u64,
    },
    /// S1, S4: the client wants to open a session or to go on with one. Ask the
    /// [`Endpoint`](crate::Endpoint), and answer with [`Input::Session`](super::Input::Session); or
    /// hand the connection over to the session that was found:
    /// [`ServerSession::into_resuming`](super::ServerSession::into_resuming). Nothing else happens
    /// until then.
    Session(SessionRequest),
    /// S6: the session is over. If it has no connection, this is the last output. The owner of an
    /// owned service ends it when all that was taken is answered.
    SessionOver {
        /// Why.
        end: SessionEnd,
        /// Answers that the client may not have read, and handlers that run.
        unread: usize,
    },
    /// Write what was handed out, then close the connection. It is the last output, unless the
    /// session goes on: see [`ServerSession::is_parked`](super::ServerSession::is_parked).
    Close {
        /// Why.
        reason: CloseReason,
        /// Requests whose handlers were begun and given up (R8), and those whose answers are lost
        /// with the connection.
        calls_cut: usize,
    },
    /// Something that people want to see.
    Notice(Notice),
}

/// What a packet on its way to a client is (P5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// The answer to a request whose handler was begun: its reply, or `failed`.
    Reply,
    /// The answer `failed 'cut'` to a request whose handler was begun and given up (R8).
    Cut,
    /// The answer to another packet: `agreed`, `no_common_version`, `refused`, `pong`.
    Control,
    /// An event of the application. No packet of the client asked for it.
    Event,
    /// `moved`, `closing` or `error`. No packet of the client asked for it.
    Notice,
}

/// A message of the application from the client. Outputs have it in a box: it is large, and is moved
/// from hand to hand.
#[derive(Clone, Debug)]
pub struct Message {
    /// The number of the client's packet (P6). In a session it is counted on from one connection to
    /// the next.
    pub packet: u64,
    /// S2: the number of the message in its session; `None` outside of one.
    pub number: Option<u64>,
    /// The service that was negotiated; the default one if none was.
    pub service: Service,
    /// The version that it is written in.
    pub version: Version,
    /// The body. Of an event, `{'event_in',Event}`.
    pub body: Document<Bytes>,
    /// N4: it must not be executed, for this reason, and is to be answered
    /// [`Input::Refused`](super::Input::Refused): only its number matters. There are such messages
    /// in sessions of an owned service alone, whose owner counts them.
    pub refused: Option<Box<Term>>,
    /// N15: what the caller has told of it.
    pub context: Option<Box<Context>>,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client closed it.
    ByClient,
    /// It is gone.
    Lost,
    /// [`Input::Close`](super::Input::Close).
    Shutdown,
    /// L3: the client's bytes are no packets.
    BadSyntax(DecodeError),
    /// The client's packet of version 0 is malformed.
    BadControl,
    /// The client reports that our bytes are no packets.
    ReportedError,
    /// L1: nothing came in time after the connection was made.
    NegotiationTime,
    /// L1: a packet took too long.
    PacketTime,
    /// L1: no traffic.
    IdleTime,
    /// L2: the client does not read.
    SlowReader,
    /// S1: the session that the client wanted to open exists.
    SessionExists,
    /// S5: another connection goes on with the session.
    Overtaken,
    /// S10.6: the client has no session to go on with, and the operator admits nobody else.
    Cordoned,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByClient => f.write_str("closed by the client"),
            Self::Lost => f.write_str("the connection is gone"),
            Self::Shutdown => f.write_str("the server closes"),
            Self::BadSyntax(error) => write!(f, "the client broke the syntax: {error}"),
            Self::BadControl => f.write_str("the client sent a malformed packet of version 0"),
            Self::ReportedError => f.write_str("the client reports broken syntax"),
            Self::NegotiationTime => f.write_str("no packet in time (max_negotiation_time)"),
            Self::PacketTime => f.write_str("a packet took too long (max_packet_time)"),
            Self::IdleTime => f.write_str("no traffic (max_idle_time)"),
            Self::SessionExists => f.write_str("the session that it opens exists"),
            Self::Overtaken => f.write_str("another connection goes on with the session"),
            Self::Cordoned => f.write_str("the operator admits no other client (cordon)"),
            Self::SlowReader => {
                f.write_str("the client does not read (max_write_time, max_unread_bytes)")
            }
        }
    }
}

/// What people want to see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A version was agreed on.
    Agreed {
        /// The service.
        service: Service,
        /// The version.
        version: Version,
        /// The client's software.
        agent: Option<Text>,
        /// N12: what the client has and does not use, with the reasons.
        quarantined: alloc::vec::Vec<(Version, Term)>,
    },
    /// There was no version to agree on.
    NoCommonVersion {
        /// The service.
        service: Service,
        /// What the client was willing to use.
        asked: Versions,
    },
    /// N14: the client may not use this service, and was refused to negotiate about it.
    NotAllowed {
        /// The service.
        service: Service,
    },
    /// N4: a packet was not executed.
    Refused {
        /// Its version.
        version: Version,
        /// Its number.
        packet: u64,
    },
    /// P3: a handler's reply was not sent, since it has the form of an event: the client would take
    /// the next reply for the answer to this request. The call is answered
    /// `failed 'reply_is_an_event'`.
    ReplyIsAnEvent {
        /// The version of the request.
        version: Version,
        /// The number of the client's packet (P6).
        packet: u64,
    },
    /// N12: an event was not sent, since the client does not accept packets so large.
    EventTooLarge {
        /// Its version.
        version: Version,
        /// Its bytes, header included.
        bytes: u64,
        /// The most bytes that the client accepts.
        max_packet: u64,
    },
    /// S1: a session was granted.
    SessionOpened {
        /// Its name.
        id: SessionId,
        /// What was granted.
        grant: Grant,
    },
    /// S4: a session goes on.
    SessionResumed {
        /// Its name.
        id: SessionId,
        /// S5: the attempt.
        turn: u64,
        /// Answers that are sent again.
        again: usize,
        /// Events that are gone.
        events_lost: u64,
    },
    /// R3: a silent client was told to move.
    MovedSent,
    /// The client reports that our bytes are no packets.
    ReportedError {
        /// What the client says.
        why: Term,
        /// At which byte of our stream.
        offset: u64,
    },
}
