//! What a classic server session asks for.

use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;
use ubf_codec::{DecodeError, Document, Term, Text};
use ubf_contract::Broken;

/// What is to be done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Write this.
    Transmit {
        /// One packet.
        bytes: Bytes,
        /// Whether it wants a write of its own, so that it mostly goes in a segment of its own
        /// (Q8).
        is_apart: bool,
    },
    /// Q6: a client wants to begin a session of a service. Answer with
    /// [`Input::Started`](super::Input::Started), [`Input::Rejected`](super::Input::Rejected) or
    /// [`Input::Failed`](super::Input::Failed).
    Start {
        /// The service, one of the [`House`](super::House).
        service: Text,
        /// The argument: any term.
        argument: Term,
    },
    /// Q6: a client wants a service to be restarted. Answer with
    /// [`Input::Restarted`](super::Input::Restarted), [`Input::Rejected`](super::Input::Rejected)
    /// or [`Input::Failed`](super::Input::Failed).
    Restart {
        /// The service, one of the [`House`](super::House).
        service: Text,
        /// The argument: any term.
        argument: Term,
    },
    /// Run the handler of a request, and answer with [`Input::Reply`](super::Input::Reply) or
    /// [`Input::Failed`](super::Input::Failed). No other one comes before that.
    Request(Request),
    /// Run the handler of an event. There is no answer.
    Event {
        /// The service.
        service: Text,
        /// The state in which it came.
        state: Text,
        /// `{'event_in', Event}`.
        body: Document<Bytes>,
    },
    /// Write what was handed out, then close the connection. It is the last output.
    Close {
        /// Why.
        reason: CloseReason,
        /// Whether a handler was begun whose answer is lost.
        is_call_cut: bool,
    },
    /// Something that people want to see.
    Notice(Notice),
}

/// A request of the client.
#[derive(Clone, Debug)]
pub struct Request {
    /// Counted from 1 in a session.
    pub number: u64,
    /// The service.
    pub service: Text,
    /// The state in which it came.
    pub state: Text,
    /// The request.
    pub body: Document<Bytes>,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client closed it.
    ByClient,
    /// It is gone.
    Lost,
    /// Q10: the session is in the state `stop`.
    Stopped,
    /// [`Input::Close`](super::Input::Close).
    Shutdown,
    /// Q11: the client's bytes are no packets. It is told nothing: it would take it for a reply.
    BadSyntax(DecodeError),
    /// A handler or a start crashed.
    Crashed,
    /// Q8: the service's reply has the form of an event, and no client could tell them apart.
    ReplyIsAnEvent,
    /// Q7: the service went to a state that its contract does not have.
    UnknownState,
    /// Q7: a contract was broken, which ends sessions of Armstrong's flavour.
    ContractBroken,
    /// L1: a packet took too long.
    PacketTime,
    /// L1: no traffic.
    IdleTime,
    /// L2: the client does not read.
    SlowReader,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByClient => f.write_str("closed by the client"),
            Self::Lost => f.write_str("the connection is gone"),
            Self::Stopped => f.write_str("the session is in the state stop"),
            Self::Shutdown => f.write_str("the server closes"),
            Self::BadSyntax(error) => write!(f, "the client broke the syntax: {error}"),
            Self::Crashed => f.write_str("the service crashed"),
            Self::ReplyIsAnEvent => f.write_str("the service's reply has the form of an event"),
            Self::UnknownState => {
                f.write_str("the service is in a state that its contract does not have")
            }
            Self::ContractBroken => f.write_str("the contract was broken"),
            Self::PacketTime => f.write_str("a packet took too long (max_packet_time)"),
            Self::IdleTime => f.write_str("no traffic (max_idle_time)"),
            Self::SlowReader => f.write_str("the client does not read (max_write_time)"),
        }
    }
}

/// What people want to see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A session of a service began.
    Started {
        /// The service.
        service: Text,
        /// Its first state.
        state: Text,
    },
    /// Q7: the client broke the contract; its request did not run.
    ClientBroke(Box<Broken>),
    /// Q7: the service broke the contract; the client was told.
    ServerBroke(Box<Broken>),
    /// Q8: an event of the service was not sent.
    EventDropped(EventFault),
    /// Q9: an event of the client was not taken.
    EventIgnored(EventFault),
    /// Q7: the service went to a state that its contract does not have. The next packet ends the
    /// session.
    UnknownState {
        /// The state.
        state: Text,
    },
}

/// Why an event was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventFault {
    /// The contract does not allow it in this state.
    Contract(Box<Broken>),
    /// No service has begun, or the session is over.
    NoService,
    /// [`EventTiming::Never`](super::EventTiming::Never).
    Never,
    /// `max_held_events` or `max_held_event_bytes` events wait.
    Full,
}

impl fmt::Display for EventFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract(broken) => write!(f, "the contract does not allow the event: {broken}"),
            Self::NoService => f.write_str("no service has begun, or the session is over"),
            Self::Never => f.write_str("no events are sent"),
            Self::Full => {
                f.write_str("too many events wait (max_held_events, max_held_event_bytes)")
            }
        }
    }
}
