//! The options about sessions (S1, S4), as terms.

use core::time::Duration;

use ubf_codec::{Term, TermRef, View};

use super::ControlError;
use super::read::{self, Fields};
use crate::session::{Grant, Level, NoSession, Resume, Resumed, SessionId, SessionOption, Wish};
use crate::time::millis;

impl SessionOption {
    pub(super) fn to_term(self) -> Term {
        let option = |name: &str, fields: &[Term]| {
            let name = core::iter::once(Term::atom(name));
            Term::Tuple(name.chain(fields.iter().cloned()).collect())
        };
        match self {
            Self::Open(Wish { id, window, bytes, keep }) => {
                let [window, bytes, keep] = [window, bytes, millis(keep)].map(Term::from);
                option("session", &[id_term(id), window, bytes, keep])
            }
            Self::Granted(Grant { window, bytes, kept, keep, level }) => {
                let numbers = [window, bytes, kept, millis(keep)].map(Term::from);
                let [window, bytes, kept, keep] = numbers;
                option("session", &[window, bytes, kept, keep, Term::atom(level.as_str())])
            }
            Self::Resume(Resume { id, done, events, turn }) => {
                let [done, events, turn] = [done, events, turn].map(Term::from);
                option("resume", &[id_term(id), done, events, turn])
            }
            Self::Resumed(Resumed { received, events_lost }) => {
                let lost = events_lost.map_or_else(|| Term::atom("unknown"), Term::from);
                option("resumed", &[Term::from(received), lost])
            }
            Self::NoSession(why) => option("no_session", &[Term::atom(why.as_str())]),
        }
    }

    /// Reads an option of this name. `None`: it says nothing in this packet.
    pub(super) fn from_fields(
        name: ubf_codec::TextRef<'_>,
        fields: &Fields<'_>,
    ) -> Result<Option<Self>, ControlError> {
        let is_wish = fields.packet == "negotiate";
        Ok(Some(if name == "session" && is_wish {
            Self::Open(Wish {
                id: fields.read(1, "session", id)?,
                window: fields.read(2, "session", positive)?,
                bytes: fields.read(3, "session", positive)?,
                keep: fields.read(4, "session", time)?,
            })
        } else if name == "session" {
            Self::Granted(Grant {
                window: fields.read(1, "session", positive)?,
                bytes: fields.read(2, "session", positive)?,
                kept: fields.read(3, "session", positive)?,
                keep: fields.read(4, "session", time)?,
                level: fields.read(5, "session", level)?,
            })
        } else if name == "resume" && is_wish {
            Self::Resume(Resume {
                id: fields.read(1, "resume", id)?,
                done: fields.read(2, "resume", read::unsigned)?,
                events: fields.read(3, "resume", read::unsigned)?,
                turn: fields.read(4, "resume", positive)?,
            })
        } else if name == "resumed" && !is_wish {
            Self::Resumed(Resumed {
                received: fields.read(1, "resumed", read::unsigned)?,
                events_lost: fields.read(2, "resumed", events_lost)?,
            })
        } else if name == "no_session" && !is_wish {
            Self::NoSession(fields.read(1, "no_session", no_session)?)
        } else {
            return Ok(None);
        }))
    }
}

fn id_term(id: SessionId) -> Term {
    Term::Binary(id.to_bytes().to_vec().into())
}

fn id(term: TermRef<'_>) -> Option<SessionId> {
    let View::Binary(bytes) = term.view() else { return None };
    bytes.try_into().ok().map(SessionId::from_bytes)
}

fn positive(term: TermRef<'_>) -> Option<u64> {
    read::unsigned(term).filter(|&number| number > 0)
}

fn time(term: TermRef<'_>) -> Option<Duration> {
    read::unsigned(term).map(Duration::from_millis)
}

/// P4: a level that is not known promises at least as much as the lowest.
fn level(term: TermRef<'_>) -> Option<Level> {
    let View::Atom(name) = term.view() else { return None };
    Some(if name == "durable" { Level::Durable } else { Level::Memory })
}

fn events_lost(term: TermRef<'_>) -> Option<Option<u64>> {
    if term.is_atom("unknown") { Some(None) } else { read::unsigned(term).map(Some) }
}

/// P4: a reason that is not known is not final.
fn no_session(term: TermRef<'_>) -> Option<NoSession> {
    let View::Atom(name) = term.view() else { return None };
    Some(if name == "unknown" {
        NoSession::Unknown
    } else if name == "elsewhere" {
        NoSession::Elsewhere
    } else {
        NoSession::NotNow
    })
}
