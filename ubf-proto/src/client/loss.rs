//! Why a connection ended.

use alloc::string::ToString as _;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use ubf_codec::{Address, DecodeError, Term};

use super::violation::Violation;
use crate::control::ControlError;
use crate::redirect::RedirectRefusal;
use crate::session::{Level, NoSession};
use crate::time::InWords;
use crate::versions::Versions;

/// A connection, or an attempt at one, that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// Where it was made to.
    pub address: Address,
    /// Why it ended.
    pub reason: LossReason,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.reason)?;
        let LossReason::ConnectFailed { cause: Some(cause) } = &self.reason else { return Ok(()) };
        write!(f, ": {cause}")
    }
}

impl Error for Loss {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}

/// What was in the way of a connection, as the shell that tried to make it found it: an error of
/// the operating system, of a name's look-up, of TLS.
///
/// ```
/// use std::error::Error;
/// use ubf_proto::client::{Cause, LossReason};
///
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let reason = LossReason::ConnectFailed { cause: Some(Cause::new(refused)) };
/// assert_eq!(reason.to_string(), "cannot connect");
/// let source = reason.source().and_then(|source| source.downcast_ref::<std::io::Error>());
/// assert_eq!(source.map(|error| error.kind()), Some(std::io::ErrorKind::ConnectionRefused));
/// ```
#[derive(Clone, Debug)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    /// Keeps an error.
    #[must_use]
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// The error.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + 'static) {
        &*self.0
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Two causes are equal if they say the same.
impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Cause {}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// It could not be made.
    ConnectFailed {
        /// What was in the way, if the shell has told it.
        cause: Option<Cause>,
    },
    /// It was not made in time: [`Config::max_connect_time`](super::Config::max_connect_time).
    ConnectTime {
        /// The limit.
        max: Duration,
    },
    /// R6: in a move, it was not made in its share of
    /// [`Config::max_move_time`](super::Config::max_move_time).
    MoveTime {
        /// The share.
        max: Duration,
    },
    /// The server closed it, or it is gone.
    Closed,
    /// The server said that it closes: after client packet `last`, nothing was executed.
    Closing {
        /// What the server says.
        why: Term,
        /// The last packet that may have been executed.
        last: u64,
    },
    /// The server did not agree in time (N10):
    /// [`Config::max_negotiation_time`](super::Config::max_negotiation_time).
    NegotiationTime {
        /// The limit.
        max: Duration,
    },
    /// The server did not answer `ping` in time (L2):
    /// [`Config::max_pong_time`](super::Config::max_pong_time).
    PongTime {
        /// The limit.
        max: Duration,
    },
    /// Nothing came while an answer was due (L2):
    /// [`Config::max_silence`](super::Config::max_silence).
    Silence {
        /// The limit.
        max: Duration,
    },
    /// No answer came, and when the server was asked on a second connection it said nothing there
    /// (L2): [`Config::ask_after`](super::Config::ask_after).
    Unanswered {
        /// The time without an answer after which it was asked.
        after: Duration,
    },
    /// A packet took too long (L1): [`Config::max_packet_time`](super::Config::max_packet_time).
    PacketTime {
        /// The limit.
        max: Duration,
    },
    /// Nothing could be written (L2): [`Config::max_write_time`](super::Config::max_write_time).
    WriteTime {
        /// The limit.
        max: Duration,
    },
    /// The server's bytes are no packets (L3).
    BadSyntax(DecodeError),
    /// The server's packet of version 0 is not one of those that are known.
    BadControl(ControlError),
    /// The server broke a rule.
    Violation(Violation),
    /// The server reports that our bytes are no packets.
    ReportedError {
        /// What it says.
        why: Term,
        /// At which byte.
        offset: u64,
    },
    /// There is no version that both have.
    NoCommonVersion {
        /// What the server speaks.
        spoken: Versions,
    },
    /// The server does not want to negotiate (N10).
    NegotiationRefused {
        /// What it says.
        why: Term,
    },
    /// S1: the server does not grant the session that is demanded.
    SessionNotGranted {
        /// The lowest level that is accepted.
        demanded: Level,
        /// What it grants, if it grants a session.
        granted: Option<Level>,
    },
    /// S4, S7: the session does not go on there, and that is not final.
    NoSession {
        /// What the server says; `None` if it says nothing about it.
        why: Option<NoSession>,
    },
    /// N13: the server offers only less than before, and that was to be refused.
    Downgrade,
    /// The program could not open it:
    /// [`Config::opens_connections`](super::Config::opens_connections).
    NotOpened,
    /// R7: the connection was not made where it may be made to.
    Policy(RedirectRefusal),
}

impl LossReason {
    /// R4: whether the address said nothing, so that it is the last one to be tried.
    pub(super) const fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::ConnectTime { .. }
                | Self::NegotiationTime { .. }
                | Self::PongTime { .. }
                | Self::Silence { .. }
                | Self::Unanswered { .. }
                | Self::WriteTime { .. }
        )
    }

    /// S2: whether the server does not own the session any longer.
    pub(super) fn is_moved(&self) -> bool {
        matches!(self, Self::Closing { why, .. } if why.as_ref().is_atom("moved"))
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectFailed { .. } => f.write_str("cannot connect"),
            Self::ConnectTime { max } => {
                write!(f, "not connected in {} (max_connect_time)", InWords(*max))
            }
            Self::MoveTime { max } => {
                write!(f, "not connected in {}, a share of max_move_time", InWords(*max))
            }
            Self::Closed => f.write_str("closed by the server, or lost"),
            Self::Closing { why, last } => {
                write!(f, "the server closes after packet {last}: {}", why.as_ref())
            }
            Self::NegotiationTime { max } => {
                write!(f, "no agreement in {} (max_negotiation_time)", InWords(*max))
            }
            Self::PongTime { max } => {
                write!(f, "no answer to ping in {} (max_pong_time)", InWords(*max))
            }
            Self::Silence { max } => {
                write!(
                    f,
                    "no answer received for {} while a reply is due (max_silence)",
                    InWords(*max)
                )
            }
            Self::PacketTime { max } => {
                write!(f, "a packet took more than {} (max_packet_time)", InWords(*max))
            }
            Self::WriteTime { max } => {
                write!(f, "nothing could be written for {} (max_write_time)", InWords(*max))
            }
            Self::Unanswered { after } => {
                let after = InWords(*after);
                write!(f, "no answer for {after} (ask_after), and none on a second connection")
            }
            Self::BadSyntax(error) => write!(f, "the server broke the syntax: {error}"),
            Self::BadControl(error) => error.fmt(f),
            Self::Violation(violation) => violation.fmt(f),
            Self::ReportedError { why, offset } => {
                write!(f, "the server reports broken syntax: {}, at byte {offset}", why.as_ref())
            }
            Self::NoCommonVersion { spoken } => no_common_version(f, spoken),
            Self::NegotiationRefused { why } => {
                write!(f, "the server refuses to negotiate: {}", why.as_ref())
            }
            Self::SessionNotGranted { demanded, granted } => not_granted(f, *demanded, *granted),
            Self::NoSession { why: Some(NoSession::Unknown) } => {
                f.write_str("it does not know the session, and does not own it")
            }
            Self::NoSession { why: Some(NoSession::NotNow) } => {
                f.write_str("the session cannot go on there for now")
            }
            Self::NoSession { why: Some(NoSession::Elsewhere) } => {
                f.write_str("the session is elsewhere")
            }
            Self::NoSession { why: None } => f.write_str("it says nothing about the session"),
            Self::NotOpened => f.write_str("the program could not open it"),
            Self::Downgrade => f.write_str("the server offers only lower versions than before"),
            Self::Policy(refusal) => write!(f, "redirected {}", refusal.as_str()),
        }
    }
}

impl Error for LossReason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ConnectFailed { cause } => cause.as_ref().map(Cause::error),
            Self::BadSyntax(error) => Some(error),
            Self::BadControl(error) => Some(error),
            Self::Violation(violation) => Some(violation),
            Self::Policy(refusal) => Some(refusal),
            Self::ConnectTime { .. }
            | Self::MoveTime { .. }
            | Self::Closed
            | Self::Closing { .. }
            | Self::NegotiationTime { .. }
            | Self::PongTime { .. }
            | Self::Silence { .. }
            | Self::Unanswered { .. }
            | Self::PacketTime { .. }
            | Self::WriteTime { .. }
            | Self::ReportedError { .. }
            | Self::NoCommonVersion { .. }
            | Self::NegotiationRefused { .. }
            | Self::NotOpened
            | Self::SessionNotGranted { .. }
            | Self::NoSession { .. }
            | Self::Downgrade => None,
        }
    }
}

/// N1: that there is no version that both have, and what the server speaks.
pub(super) fn no_common_version(f: &mut fmt::Formatter<'_>, spoken: &Versions) -> fmt::Result {
    // N2: the service is unknown there, or all of it is withdrawn.
    if spoken.is_empty() {
        return f.write_str("no common version: the server speaks no version of this service");
    }
    write!(f, "no common version: the server speaks {spoken}")
}

/// S1: that a server does not grant what is demanded.
pub(super) fn not_granted(
    f: &mut fmt::Formatter<'_>,
    demanded: Level,
    granted: Option<Level>,
) -> fmt::Result {
    match granted {
        None => write!(f, "no session: one of level {demanded} is demanded, and none is granted"),
        Some(level) => {
            write!(f, "no session: one of level {demanded} is demanded, and {level} is granted")
        }
    }
}
