//! How a call ended badly.

use alloc::sync::Arc;
use core::fmt;

use ubf_codec::{DecodeError, Term, Version};

use super::loss::{Loss, no_common_version, not_granted};
use crate::session::Level;
use crate::versions::Versions;

/// How a call ended badly. [`may_have_run`](Self::may_have_run) tells what the caller must know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// L1: too many calls are open.
    Overloaded {
        /// The limit.
        max_pending: usize,
    },
    /// Its time is over.
    Deadline {
        /// Whether it was sent. S7.15: what a closing server has not taken counts as not sent.
        may_have_run: bool,
        /// The connection, or the attempt at one, that was lost last, if none has agreed since.
        last_loss: Option<Arc<Loss>>,
    },
    /// The caller did not wait for it.
    Cancelled {
        /// Whether it was sent. S7.15: what a closing server has not taken counts as not sent.
        may_have_run: bool,
    },
    /// The connection was lost before the reply came.
    Indeterminate {
        /// Which connection, if it is known.
        loss: Option<Arc<Loss>>,
    },
    /// N8: it cannot be expressed in the version in force.
    Inexpressible {
        /// That version.
        version: Version,
    },
    /// N6: the caller's code crashed on it in the last version that was left.
    Crashed {
        /// That version.
        version: Version,
    },
    /// N6: the server's handler crashed on it.
    Failed {
        /// The version it was sent in.
        version: Version,
        /// What the server says.
        why: Term,
    },
    /// N4: the server refused it, and to negotiate would not help; or it refused it as often as
    /// [`Config::max_refusals`](super::Config::max_refusals) allows. It has not run.
    Refused {
        /// What the server says.
        why: Term,
    },
    /// S8: it has run, and its reply is in a version that is in quarantine. It came after the
    /// connection was lost that the call was sent on.
    Unreadable {
        /// That version.
        version: Version,
    },
    /// S1: no server that can be reached grants the session that is demanded
    /// ([`SessionPlan::demanded`](super::SessionPlan::demanded)).
    SessionNotGranted {
        /// The lowest level that is accepted.
        demanded: Level,
        /// What the last server grants, if it grants a session.
        granted: Option<Level>,
    },
    /// The server does not accept packets so large (N12).
    TooLarge {
        /// The most bytes that it accepts.
        max_packet: u64,
    },
    /// N12: it is beyond another limit that the server has told, or is no packet. It was not sent.
    Unacceptable {
        /// Which limit, and where.
        error: DecodeError,
    },
    /// L3: the server could not read it, and has closed the connection. It has not run.
    Rejected {
        /// What the server says: the [code](ubf_codec::ErrorKind::code) of an error.
        why: Term,
    },
    /// N1: no server that can be reached has a version in common with this program.
    NoCommonVersion {
        /// What the last one speaks.
        spoken: Versions,
    },
    /// The session is closed.
    Closed,
}

impl CallError {
    /// Whether the server may have executed the call. If not, it is safe to call again.
    #[must_use]
    pub const fn may_have_run(&self) -> bool {
        match self {
            Self::Indeterminate { .. } | Self::Failed { .. } | Self::Unreadable { .. } => true,
            Self::Deadline { may_have_run, .. } | Self::Cancelled { may_have_run } => *may_have_run,
            Self::Overloaded { .. }
            | Self::Inexpressible { .. }
            | Self::Crashed { .. }
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::Unacceptable { .. }
            | Self::Rejected { .. }
            | Self::NoCommonVersion { .. }
            | Self::SessionNotGranted { .. }
            | Self::Closed => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overloaded { max_pending } => {
                write!(f, "more than {max_pending} calls are open (max_pending)")
            }
            Self::Deadline { may_have_run, last_loss } => {
                f.write_str(match may_have_run {
                    true => "no reply in time; the call may have run",
                    false => "not sent in time",
                })?;
                last_loss.as_ref().map_or(Ok(()), |loss| write!(f, "; lost last: {loss}"))
            }
            Self::Cancelled { may_have_run: true } => {
                f.write_str("cancelled; the call may have run")
            }
            Self::Cancelled { may_have_run: false } => f.write_str("cancelled before it was sent"),
            Self::Indeterminate { .. } => {
                f.write_str("the connection was lost; the call may have run")
            }
            Self::Inexpressible { version } => {
                write!(f, "cannot be expressed in version {version}")
            }
            Self::Crashed { version } => {
                write!(f, "the code for version {version} crashed, and no other is left")
            }
            Self::Failed { version, why } => {
                write!(f, "the server's handler for version {version} crashed: {}", why.as_ref())
            }
            Self::Refused { why } => write!(f, "refused by the server: {}", why.as_ref()),
            Self::TooLarge { max_packet } => {
                write!(f, "the server accepts packets of {max_packet} bytes at most")
            }
            Self::Unacceptable { error } => write!(f, "the server does not accept it: {error}"),
            Self::Rejected { why } => write!(f, "the server cannot read it: {}", why.as_ref()),
            Self::NoCommonVersion { spoken } => no_common_version(f, spoken),
            Self::Unreadable { version } => {
                write!(f, "it ran, and its reply is in version {version}, which is in quarantine")
            }
            Self::SessionNotGranted { demanded, granted } => not_granted(f, *demanded, *granted),
            Self::Closed => f.write_str("the session is closed"),
        }
    }
}

impl core::error::Error for CallError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Unacceptable { error } => Some(error),
            Self::Deadline { last_loss: loss, .. } | Self::Indeterminate { loss } => {
                loss.as_deref().map(|loss| loss as _)
            }
            Self::Overloaded { .. }
            | Self::Cancelled { .. }
            | Self::Inexpressible { .. }
            | Self::Crashed { .. }
            | Self::Failed { .. }
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::Rejected { .. }
            | Self::NoCommonVersion { .. }
            | Self::Unreadable { .. }
            | Self::SessionNotGranted { .. }
            | Self::Closed => None,
        }
    }
}
