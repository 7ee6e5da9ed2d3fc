//! What a server says in version 0, and `agreed`.

use alloc::boxed::Box;
use core::time::Duration;

use ubf_codec::{Term, TermRef, Version, View, ubf};

use super::client::versions_term;
use super::options::Options;
use super::read::{self, Fields};
use super::{ControlError, UBF_VERSION};
use crate::mutant::{Mutant, is_on};
use crate::service::Service;
use crate::time::millis;
use crate::versions::Versions;

/// A version-0 packet from a server. Its NextIP is in the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerControl {
    /// Answer to `negotiate`: there is no version that both have.
    NoCommonVersion {
        /// Whom the client wanted to talk to.
        service: Service,
        /// What the server speaks; none, if it does not know the service.
        versions: Versions,
        /// More about the server. There is nothing to say but in answer to a `resume` (S4).
        options: Box<Options>,
    },
    /// Answer to client packet `packet`: it was not executed, and may be sent again.
    Refused {
        /// The reason: `{'version',V}`, or another that is not known here.
        why: Term,
        /// What the server speaks.
        versions: Versions,
        /// The number of the client's packet (P6). In a session, 0 if that came on an earlier
        /// connection (S2).
        packet: u64,
        /// S2: the number of the message in its session. `None` outside of one.
        number: Option<u64>,
    },
    /// Answer to client packet `packet`: its handler crashed, and it may have been executed.
    Failed {
        /// The reason.
        why: Term,
        /// What the server speaks.
        versions: Versions,
        /// The number of the client's packet (P6). In a session, 0 if that came on an earlier
        /// connection (S2).
        packet: u64,
        /// S2: the number of the message in its session. `None` outside of one.
        number: Option<u64>,
    },
    /// A notice: send the next message to the address in the header.
    Moved {
        /// How long this server goes on.
        grace: Duration,
    },
    /// A notice, the last packet: client packets after `packet` were not executed.
    Closing {
        /// The reason.
        why: Term,
        /// The number of the client's packet (P6).
        packet: u64,
    },
    /// Answer to `ping`.
    Pong,
    /// The client broke the syntax; the connection closes.
    Error {
        /// What was wrong.
        why: Term,
        /// At which byte of the client's stream.
        offset: u64,
    },
}

/// `{'agreed',UbfVersion,Service,Versions,Options}`, in a packet of the version agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Whom the client talks to.
    pub service: Service,
    /// All that the server speaks.
    pub versions: Versions,
    /// More about the server.
    pub options: Options,
}

impl Agreed {
    /// The body as a term.
    #[must_use]
    pub fn to_term(&self) -> Term {
        Term::tuple([
            Term::atom("agreed"),
            Term::from(UBF_VERSION),
            self.service.to_term(),
            versions_term(&self.versions),
            self.options.to_term(),
        ])
    }

    /// Reads the body of an `agreed`.
    ///
    /// # Errors
    /// If it is something else, or malformed.
    pub fn from_term(term: TermRef<'_>) -> Result<Self, ControlError> {
        match read::name_of(term) {
            Some((name, tuple)) if name == "agreed" => {
                let fields = Fields { packet: "agreed", tuple };
                // The server answers in the rules that the client announced, or in older ones:
                // there are none but 1.
                fields.read(1, "UbfVersion", |term| {
                    read::unsigned(term).filter(|&number| number == 1)
                })?;
                Ok(Self {
                    service: fields.read(2, "Service", read::service)?,
                    versions: fields.read(3, "Versions", read::versions)?,
                    options: Options::from_term("agreed", fields.read(4, "Options", Some)?)?,
                })
            }
            Some(_) | None => Err(ControlError::Unknown),
        }
    }
}

impl ServerControl {
    /// The reason of a refusal because of a version (N4).
    #[must_use]
    pub fn version_refusal(version: Version) -> Term {
        Term::tuple([Term::atom("version"), Term::from(version.get())])
    }

    /// The version that a refusal is about, if its reason is one (N4).
    #[must_use]
    pub fn refused_version(why: &Term) -> Option<Version> {
        match read::name_of(why.as_ref()) {
            Some((name, tuple)) if name == "version" => tuple.get(1).and_then(read::version),
            Some(_) | None => None,
        }
    }

    /// The body as a term.
    #[must_use]
    pub fn to_term(&self) -> Term {
        let about_packet =
            |name: &str, why: &Term, versions: &Versions, packet: u64, number: Option<u64>| {
                let known =
                    [Term::atom(name), why.clone(), versions_term(versions), Term::from(packet)];
                Term::Tuple(known.into_iter().chain(number.map(Term::from)).collect())
            };
        match self {
            Self::NoCommonVersion { service, versions, options } => {
                let known = [
                    Term::atom("no_common_version"),
                    Term::from(UBF_VERSION),
                    service.to_term(),
                    versions_term(versions),
                ];
                let options = (**options != Options::default()).then(|| options.to_term());
                Term::Tuple(known.into_iter().chain(options).collect())
            }
            Self::Refused { why, versions, packet, number } => {
                about_packet("refused", why, versions, *packet, *number)
            }
            Self::Failed { why, versions, packet, number } => {
                about_packet("failed", why, versions, *packet, *number)
            }
            Self::Moved { grace } => ubf!({moved, (millis(*grace))}),
            Self::Closing { why, packet } => {
                Term::tuple([Term::atom("closing"), why.clone(), Term::from(*packet)])
            }
            Self::Pong => ubf!(pong),
            Self::Error { why, offset } => {
                Term::tuple([Term::atom("error"), why.clone(), Term::from(*offset)])
            }
        }
    }

    /// Reads the body of a server's packet of version 0.
    ///
    /// # Errors
    /// If it is not one of those that are known, or is malformed.
    pub fn from_term(term: TermRef<'_>) -> Result<Self, ControlError> {
        if term.is_atom("pong") {
            return Ok(Self::Pong);
        }
        let Some((name, tuple)) = read::name_of(term) else { return Err(ControlError::Unknown) };
        let why = |fields: &Fields<'_>| fields.read(1, "Why", |why| Some(why.to_term()));
        if name == "no_common_version" {
            let fields = Fields { packet: "no_common_version", tuple };
            fields.read(1, "UbfVersion", read::ubf_version)?;
            Ok(Self::NoCommonVersion {
                service: fields.read(2, "Service", read::service)?,
                versions: fields.read(3, "Versions", read::versions_or_none)?,
                options: match tuple.get(4) {
                    Some(options) => Box::new(Options::from_term("no_common_version", options)?),
                    None => Box::default(),
                },
            })
        } else if name == "refused" {
            let fields = Fields { packet: "refused", tuple };
            let number = message_number(&fields)?;
            Ok(Self::Refused {
                why: why(&fields)?,
                versions: fields.read(2, "Versions", read::versions_or_none)?,
                packet: fields.read(3, "N", |term| packet_number(term, number))?,
                number,
            })
        } else if name == "failed" {
            let fields = Fields { packet: "failed", tuple };
            let number = message_number(&fields)?;
            Ok(Self::Failed {
                why: why(&fields)?,
                versions: fields.read(2, "Versions", read::versions_or_none)?,
                packet: fields.read(3, "N", |term| packet_number(term, number))?,
                number,
            })
        } else if name == "moved" {
            let fields = Fields { packet: "moved", tuple };
            Ok(Self::Moved {
                grace: Duration::from_millis(fields.read(1, "GraceMs", read::unsigned)?),
            })
        } else if name == "closing" {
            let fields = Fields { packet: "closing", tuple };
            Ok(Self::Closing { why: why(&fields)?, packet: fields.read(2, "N", read::unsigned)? })
        } else if name == "error" {
            let fields = Fields { packet: "error", tuple };
            Ok(Self::Error {
                why: why(&fields)?,
                offset: fields.read(2, "Offset", read::unsigned)?,
            })
        } else {
            Err(ControlError::Unknown)
        }
    }
}

/// P6: packets are counted from 1. S2: a message of an earlier connection has no packet on this
/// one.
fn packet_number(term: TermRef<'_>, message: Option<u64>) -> Option<u64> {
    read::unsigned(term).filter(|&number| {
        number > 0 || message.is_some() || is_on(Mutant::KeptRefusalsForTheFirstDue)
    })
}

/// S2: the number of a message in its session, if the packet tells one.
fn message_number(fields: &Fields<'_>) -> Result<Option<u64>, ControlError> {
    if fields.tuple.get(4).is_none() {
        return Ok(None);
    }
    fields.read(4, "K", |term| read::unsigned(term).filter(|&number| number > 0)).map(Some)
}

/// What a body of the application is, as far as the engines need to know (P3).
pub(crate) fn is_event(term: TermRef<'_>, name: &str) -> bool {
    let View::Tuple(tuple) = term.view() else { return false };
    tuple.to_array().is_some_and(|[tag, _]| tag.is_atom(name))
}
