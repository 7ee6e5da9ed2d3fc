//! What a classic client session asks for.

use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;
use ubf_codec::{DecodeError, Document, Term};
use ubf_contract::Broken;

use super::error::CallError;
use super::input::CallId;
use crate::classic::Hello;

/// What is to be done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Write this: one packet, in a write of its own.
    Transmit(Bytes),
    /// Q2: the session may speak. What the server said first, if it did.
    Ready(Option<Hello>),
    /// A call has ended.
    Ended {
        /// Its name.
        id: CallId,
        /// How.
        outcome: Result<Done, CallError>,
    },
    /// Q8: an event of the server: `{'event_out', Event}`, and from Armstrong's
    /// `{'event', Event}`.
    Event(Document<Bytes>),
    /// Write what was handed out, then close the connection. It is the last output.
    Close(EndReason),
    /// Something that people want to see.
    Notice(Notice),
}

/// How a call ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Done {
    /// With a reply.
    Reply {
        /// The reply.
        reply: Term,
        /// The next state, mostly an atom. `None` from servers that do not name it (Q5).
        state: Option<Term>,
    },
    /// Q6: the service has begun a session.
    Started {
        /// What it says in `{'ok', Reply}`.
        reply: Term,
        /// The state in which it begins.
        state: Option<Term>,
    },
    /// Q12: the answer to `'contract'`, whole: what
    /// [`Contract::from_term`](ubf_contract::Contract::from_term) reads.
    Contract(Term),
    /// An event was handed out.
    EventSent,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The program closed it.
    Closed,
    /// The server closed it.
    ByServer,
    /// The connection is gone.
    Lost,
    /// Q10: the state is `stop`.
    Stopped,
    /// Q7: a contract was broken, which ends sessions of Armstrong's flavour.
    ContractBroken,
    /// Q2: there was no hello in time.
    NoHello,
    /// Q2: the server's first packet was no hello.
    NotHello(Term),
    /// Q5: an answer that is no reply.
    NoReply(Term),
    /// Q5: a packet that nobody had asked for, and no event.
    Unasked(Term),
    /// The server's bytes are no packets.
    BadSyntax(DecodeError),
    /// Q14: a call was not answered by its deadline.
    Deadline,
    /// L1: a packet took too long.
    PacketTime,
    /// L2: the server does not read.
    SlowReader,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by this program"),
            Self::ByServer => f.write_str("the server closed the connection"),
            Self::Lost => f.write_str("the connection is gone"),
            Self::Stopped => f.write_str("the session is in the state stop"),
            Self::ContractBroken => f.write_str("a contract was broken, which ends the session"),
            Self::NoHello => f.write_str("the server did not say hello in time"),
            Self::NotHello(term) => {
                write!(f, "expected {{'ubf1.0',Name,Help}} from the server, found {term}")
            }
            Self::NoReply(term) => write!(f, "expected {{Reply,State}}, found {term}"),
            Self::Unasked(term) => write!(f, "nothing was asked, and the server sent {term}"),
            Self::BadSyntax(error) => write!(f, "the server broke the syntax: {error}"),
            Self::Deadline => f.write_str("a call was not answered by its deadline"),
            Self::PacketTime => f.write_str("a packet took too long (max_packet_time)"),
            Self::SlowReader => f.write_str("the server does not read (max_write_time)"),
        }
    }
}

/// What people want to see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Q2: a hello came that was not expected any more. It was passed over.
    LateHello(Hello),
    /// Q13: an event came that the contract does not allow. It was passed on.
    EventBroke(Box<Broken>),
}
