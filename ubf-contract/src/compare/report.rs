//! What comparing two contracts came to.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ubf_codec::{Term, Text};

use crate::shown::Shown;
use crate::span::Span;

/// Who meets whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Old clients, new servers.
    Backward,
    /// New clients, old servers.
    Forward,
}

/// Whether a server serves the clients of the other contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No message can surprise its receiver.
    Serves,
    /// Some message surprises its receiver; a finding has it.
    Breaks,
    /// Nothing was found that breaks, but some question took too long. Count it as a break.
    NotShown,
}

/// How bad a break is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// No break: something to know.
    Warning,
    /// The client is told so, and nothing has happened.
    Refused,
    /// A message is dropped, and nobody is told.
    Lost,
    /// A peer is sent what it cannot take.
    Misread,
}

/// What has changed for the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Change {
    /// The service has another name.
    ServiceRenamed,
    /// A request is not accepted.
    RequestRefused,
    /// A reply is not among those that the client knows.
    ReplyUnknown,
    /// A reply is known, but not with that next state.
    NextStateUnknown,
    /// A result that requests had is gone. Reported where the same results are wanted.
    ResultMissing,
    /// An event that clients had is gone. Reported where the same results are wanted.
    EventMissing,
    /// An event is not among those that the client knows.
    EventUnknown,
    /// An event of the client is not accepted.
    EventLost,
    /// An event of the client may come while a call is in progress, after which it is not accepted.
    EventMayBeLost,
    /// Which requests the rules tell apart could not be found out.
    TooManyCases,
}

impl Change {
    /// Its name, for scripts and for lists of what is allowed.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::ServiceRenamed => "service-renamed",
            Self::RequestRefused => "request-refused",
            Self::ReplyUnknown => "reply-unknown",
            Self::NextStateUnknown => "next-state-unknown",
            Self::ResultMissing => "result-missing",
            Self::EventMissing => "event-missing",
            Self::EventUnknown => "event-unknown",
            Self::EventLost => "event-lost",
            Self::EventMayBeLost => "event-may-be-lost",
            Self::TooManyCases => "too-many-cases",
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::EventMayBeLost => Severity::Warning,
            Self::ServiceRenamed | Self::RequestRefused => Severity::Refused,
            Self::EventLost | Self::EventMissing => Severity::Lost,
            Self::ReplyUnknown
            | Self::NextStateUnknown
            | Self::ResultMissing
            | Self::EventUnknown
            | Self::TooManyCases => Severity::Misread,
        }
    }

    /// What to do instead.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::ServiceRenamed => "keep the name, and give the contract another version number",
            Self::RequestRefused => {
                "keep accepting the old form beside the new one, or serve this contract under a \
                 new version number"
            }
            Self::ReplyUnknown | Self::ResultMissing => {
                "answer old requests as before, and give the new answers to a new request, or to a \
                 new version number"
            }
            Self::NextStateUnknown => {
                "lead old requests to the states that they led to, and let a new request lead to \
                 the new state"
            }
            Self::EventMissing => "go on sending the event to clients of this version",
            Self::EventUnknown => {
                "send the event only in states that a new request leads to, or under a new version \
                 number"
            }
            Self::EventLost | Self::EventMayBeLost => {
                "keep accepting the event, in all states in which it may arrive"
            }
            Self::TooManyCases => "let fewer rules of a state accept the same request",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// Who meets whom.
    pub direction: Direction,
    /// What has changed.
    pub change: Change,
    /// False where a question took too long: it may be no break.
    pub is_shown: bool,
    /// The state in which both are, if it depends on one.
    pub state: Option<Text>,
    /// Of replies: the state that the server names.
    pub next: Option<Text>,
    /// The client's request.
    pub request: Option<Term>,
    /// The reply or the event.
    pub message: Option<Term>,
    /// The rule of the old contract.
    pub old: Option<Span>,
    /// The rule of the new contract.
    pub new: Option<Span>,
}

/// What there is to know of two contracts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Whether new servers serve old clients.
    pub backward: Verdict,
    /// Whether old servers serve new clients.
    pub forward: Verdict,
    /// All breaks and warnings, each change once for the rules that are to blame.
    pub findings: Vec<Finding>,
}

/// In which order a fleet may be upgraded without another version number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Upgrade {
    /// In any order.
    AnyOrder,
    /// All servers before any client; servers are not to go back under new clients.
    ServersFirst,
    /// All clients before any server.
    ClientsFirst,
    /// In no order: the new contract needs a version number of its own, which clients negotiate.
    NewVersion,
}

impl fmt::Display for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnyOrder => "any order",
            Self::ServersFirst => "servers first",
            Self::ClientsFirst => "clients first",
            Self::NewVersion => "a new version, negotiated",
        })
    }
}

impl Report {
    /// In which order a fleet may be upgraded. What is not shown counts as a break.
    #[must_use]
    pub const fn upgrade(&self) -> Upgrade {
        match (self.backward, self.forward) {
            (Verdict::Serves, Verdict::Serves) => Upgrade::AnyOrder,
            (Verdict::Serves, _) => Upgrade::ServersFirst,
            (_, Verdict::Serves) => Upgrade::ClientsFirst,
            _ => Upgrade::NewVersion,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Misread => "misread",
        })
    }
}

/// One sentence: what happens to whom, in which state.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, server) = match self.direction {
            Direction::Backward => ("old", "new"),
            Direction::Forward => ("new", "old"),
        };
        write!(f, "{}: ", self.change.id())?;
        if let Some(state) = &self.state {
            write!(f, "in state {}, ", Shown::of(state))?;
        }
        let shown = |term: &Option<Term>| match term {
            Some(term) => alloc::format!(" {term}"),
            None => String::new(),
        };
        let (request, message) = (shown(&self.request), shown(&self.message));
        match self.change {
            Change::ServiceRenamed => {
                write!(f, "the {server} server does not know the {client} client's service")?;
            }
            Change::RequestRefused => {
                write!(f, "the {server} server refuses the {client} client's request{request}")?;
            }
            Change::ReplyUnknown | Change::NextStateUnknown => {
                write!(
                    f,
                    "the {server} server may answer the {client} client's request{request} with{message}"
                )?;
                if let Some(next) = &self.next {
                    write!(f, " and state {}", Shown::of(next))?;
                }
                f.write_str(", which that client does not expect")?;
            }
            Change::ResultMissing => {
                write!(
                    f,
                    "the {server} server never answers the {client} client's request{request} with{message}"
                )?;
            }
            Change::EventMissing => {
                write!(f, "the {server} server never sends the {client} client's event{message}")?;
            }
            Change::EventUnknown => {
                write!(
                    f,
                    "the {server} server may send the event{message}, which the {client} client does not expect"
                )?;
            }
            Change::EventLost => {
                write!(f, "the {server} server drops the {client} client's event{message}")?;
            }
            Change::EventMayBeLost => {
                write!(
                    f,
                    "the {server} server drops the {client} client's event{message} if it comes after"
                )?;
                write!(f, " a call that leads to state")?;
                if let Some(next) = &self.next {
                    write!(f, " {}", Shown::of(next))?;
                }
            }
            Change::TooManyCases => {
                f.write_str("too many requests are told apart by the rules")?;
            }
        }
        if self.is_shown {
            Ok(())
        } else {
            f.write_str(" (not shown: it took too long to find out)")
        }
    }
}
