//! How calls of a classic session fail.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use ubf_codec::{Term, Text};
use ubf_contract::Broken;

use super::output::EndReason;

/// Why a call has no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// Q7: the server says that the contract does not allow the request in this state. It did not
    /// run.
    ClientBroke {
        /// The request; from Armstrong's server `{'state', State}`.
        request: Term,
        /// The rules of the state, as contracts tell them (Q12).
        rules: Term,
        /// The state, which stays. `None` where it is not named.
        state: Option<Term>,
    },
    /// Q7: the server says that its service broke the contract. The request ran.
    ServerBroke {
        /// The request.
        request: Term,
        /// The reply that was not allowed.
        reply: Term,
        /// The types that were, as contracts tell them (Q12).
        types: Term,
        /// The state. `None` where it is not named.
        state: Option<Term>,
    },
    /// Q13: the contract that this session holds does not allow the request or event. It was not
    /// sent.
    NotAllowed(Box<Broken>),
    /// Q13: the contract that this session holds does not allow the reply.
    ReplyNotAllowed {
        /// What does not fit.
        broken: Box<Broken>,
        /// The reply.
        reply: Term,
        /// The state that came with it, in which the session is.
        state: Option<Term>,
    },
    /// Q6: the service does not take the session.
    Rejected {
        /// The reason: any term.
        why: Term,
    },
    /// Q6: the server has no such service.
    NoSuchService {
        /// Those that it has, if it told.
        services: Vec<Text>,
    },
    /// Q9: Armstrong's server takes no events.
    NoEvents,
    /// `max_calls` calls are not answered. It was not sent.
    TooManyCalls,
    /// The session ended before the request was sent.
    NotSent(EndReason),
    /// Q14: the session ended before the answer came: the request may have run, or run in part.
    Indeterminate(EndReason),
}

impl CallError {
    /// Whether the request may have run.
    #[must_use]
    pub const fn may_have_run(&self) -> bool {
        match self {
            Self::ServerBroke { .. } | Self::ReplyNotAllowed { .. } | Self::Indeterminate(_) => {
                true
            }
            Self::ClientBroke { .. }
            | Self::NotAllowed(_)
            | Self::Rejected { .. }
            | Self::NoSuchService { .. }
            | Self::NoEvents
            | Self::TooManyCalls
            | Self::NotSent(_) => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientBroke { request, state: Some(state), .. } => {
                write!(f, "the server's contract does not allow {request} in state {state}")
            }
            Self::ClientBroke { request, state: None, .. } => {
                write!(f, "the server's contract does not allow the request ({request})")
            }
            Self::ServerBroke { reply, .. } => {
                write!(f, "the server's contract does not allow its own reply {reply}")
            }
            Self::NotAllowed(_) => f.write_str("the contract does not allow the message"),
            Self::ReplyNotAllowed { .. } => f.write_str("the contract does not allow the reply"),
            Self::Rejected { why } => write!(f, "the service does not take the session: {why}"),
            Self::NoSuchService { services } if services.is_empty() => {
                f.write_str("the server has no such service")
            }
            Self::NoSuchService { services } => {
                f.write_str("the server has no such service; it has ")?;
                let mut separator = "";
                for service in services {
                    write!(f, "{separator}{}", service.to_latin1())?;
                    separator = ", ";
                }
                Ok(())
            }
            Self::NoEvents => f.write_str("a server of this flavour takes no events"),
            Self::TooManyCalls => f.write_str("too many calls are not answered (max_calls)"),
            Self::NotSent(reason) => write!(f, "not sent: {reason}"),
            Self::Indeterminate(reason) => write!(f, "it may have run: {reason}"),
        }
    }
}

impl core::error::Error for CallError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::NotAllowed(broken) | Self::ReplyNotAllowed { broken, .. } => Some(&**broken),
            Self::ClientBroke { .. }
            | Self::ServerBroke { .. }
            | Self::Rejected { .. }
            | Self::NoSuchService { .. }
            | Self::NoEvents
            | Self::TooManyCalls
            | Self::NotSent(_)
            | Self::Indeterminate(_) => None,
        }
    }
}
