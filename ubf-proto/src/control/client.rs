//! What a client says in version 0.

use alloc::boxed::Box;

use ubf_codec::{ClientHeader, Mode, Term, TermRef, ubf};

use super::context::Context;
use super::options::Options;
use super::read::{self, Fields};
use super::{ControlError, UBF_VERSION};
use crate::packet::{self, Packet};
use crate::service::Service;
use crate::versions::Versions;

/// A version-0 packet from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientControl {
    /// The versions the client is willing to use.
    Negotiate(Box<Negotiate>),
    /// Are you there?
    Ping,
    /// S3: what the client has of the session so far. It has no answer.
    Seen {
        /// All messages up to this number are answered or, if they are events, proven to be taken.
        done: u64,
        /// So many of the server's events have come.
        events: u64,
        /// Whether the session ends with this.
        is_end: bool,
    },
    /// N15: what the caller tells of the message that comes next. It has no answer.
    Context(Context),
    /// The server broke the syntax; the connection closes.
    Error {
        /// What was wrong.
        why: Term,
        /// At which byte of the server's stream.
        offset: u64,
    },
}

/// `{'negotiate',UbfVersion,Service,Versions,Options}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiate {
    /// Whom the client wants to talk to.
    pub service: Service,
    /// The versions it is willing to use now.
    pub versions: Versions,
    /// More about the client.
    pub options: Options,
}

impl ClientControl {
    /// The body as a term.
    #[must_use]
    pub fn to_term(&self) -> Term {
        match self {
            Self::Negotiate(negotiate) => Term::tuple([
                Term::atom("negotiate"),
                Term::from(UBF_VERSION),
                negotiate.service.to_term(),
                versions_term(&negotiate.versions),
                negotiate.options.to_term(),
            ]),
            Self::Ping => ubf!(ping),
            Self::Seen { done, events, is_end } => {
                let counts = [Term::atom("seen"), Term::from(*done), Term::from(*events)];
                let end = is_end.then(|| Term::atom("end"));
                Term::Tuple(counts.into_iter().chain(end).collect())
            }
            Self::Context(context) => context.to_term(),
            Self::Error { why, offset } => {
                Term::tuple([Term::atom("error"), why.clone(), Term::from(*offset)])
            }
        }
    }

    /// Reads the body of a client's packet of version 0.
    ///
    /// # Errors
    /// If it is not one of those that are known, or is malformed.
    pub fn from_term(term: TermRef<'_>) -> Result<Self, ControlError> {
        if term.is_atom("ping") {
            return Ok(Self::Ping);
        }
        let Some((name, tuple)) = read::name_of(term) else { return Err(ControlError::Unknown) };
        if name == "negotiate" {
            let fields = Fields { packet: "negotiate", tuple };
            fields.read(1, "UbfVersion", read::ubf_version)?;
            Ok(Self::Negotiate(Box::new(Negotiate {
                service: fields.read(2, "Service", read::service)?,
                versions: fields.read(3, "Versions", read::versions)?,
                options: Options::from_term("negotiate", fields.read(4, "Options", Some)?)?,
            })))
        } else if name == "seen" {
            let fields = Fields { packet: "seen", tuple };
            Ok(Self::Seen {
                done: fields.read(1, "Done", read::unsigned)?,
                events: fields.read(2, "Events", read::unsigned)?,
                is_end: tuple.get(3).is_some_and(|end| end.is_atom("end")),
            })
        } else if name == "context" {
            let malformed = |field| ControlError::Malformed { packet: "context", field };
            let trace = tuple.get(1).ok_or_else(|| malformed("TraceParent"))?;
            let deadline = tuple.get(2).ok_or_else(|| malformed("DeadlineMs"))?;
            Context::from_fields(trace, deadline).map(Self::Context).map_err(malformed)
        } else if name == "error" {
            let fields = Fields { packet: "error", tuple };
            Ok(Self::Error {
                why: fields.read(1, "Why", |why| Some(why.to_term()))?,
                offset: fields.read(2, "Offset", read::unsigned)?,
            })
        } else {
            Err(ControlError::Unknown)
        }
    }

    pub(crate) fn packet(&self) -> Packet {
        packet::whole(&ClientHeader { mode: Mode::Negotiation }, &self.to_term())
    }
}

/// Highest first, as people list what they prefer.
pub(super) fn versions_term(versions: &Versions) -> Term {
    Term::list(versions.iter().rev().map(|version| Term::from(version.get())))
}
