//! Sessions and messages of an owned service: its owner keeps them in a store, and says when they
//! are there (T3).
//!
//! ```text
//! connection ── Request, Event, Seen ──> the owner ── commit ──> Reply, Refused, Failed, Taken
//!            ── resume ────────────────> the owner ── commit ──> Restored: all that is stored
//! ```
//!
//! Nothing of such a session stays with a connection that ends. So a session that goes on after a
//! cut, and one that goes on in another process, are restored in the same way.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use ubf_codec::{Encoder, Mode, Term, Version, View};

use super::ServerSession;
use super::answer::Content;
use super::granted::{Granted, Leaving};
use crate::control::Negotiate;
use crate::session::{Grant, Resumed, SessionOption};
use crate::time::Time;
use crate::versions::Versions;

/// An answer as the owner of a session stores it, until the client has it.
///
/// It is stored as a versioned packet, which people can read. S8: nobody looks into its body.
///
/// ```
/// use ubf_codec::{Term, Version};
/// use ubf_proto::server::StoredAnswer;
///
/// let body = bytes::Bytes::from_static(b"{7'start'}$");
/// let reply = StoredAnswer::Reply { version: Version::new(3).unwrap(), body };
/// assert_eq!(&reply.to_bytes()[..], b"3 {7'start'}$");
/// assert_eq!(StoredAnswer::from_bytes(&reply.to_bytes()), Some(reply));
///
/// let refused = StoredAnswer::Refused(Term::atom("crash"));
/// assert_eq!(&refused.to_bytes()[..], b"0 {'refused''crash'}$");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredAnswer {
    /// The message was executed.
    Reply {
        /// S8: the version in which it was answered.
        version: Version,
        /// `{Response,State}`, encoded up to and with its `$`.
        body: Bytes,
    },
    /// It was not executed, for this reason.
    Refused(Term),
    /// It may have been executed; why there is no reply.
    Failed(Term),
}

impl StoredAnswer {
    /// What is stored.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let not_done = |name, why: &Term| {
            let term = Term::tuple([Term::atom(name), why.clone()]);
            [&b"0 "[..], &Encoder::new().encode(&term)].concat().into()
        };
        match self {
            Self::Reply { version, body } => {
                // Ten digits at most, and a space.
                let mut stored = Vec::with_capacity(body.len() + 11);
                let mut number = version.get();
                while number > 0 {
                    // The remainder of a division by ten is a digit.
                    stored.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
                    number /= 10;
                }
                stored.reverse();
                stored.push(b' ');
                stored.extend_from_slice(body);
                stored.into()
            }
            Self::Refused(why) => not_done("refused", why),
            Self::Failed(why) => not_done("failed", why),
        }
    }

    /// Reads what is stored. `None`: it is no such answer.
    #[must_use]
    pub fn from_bytes(stored: &Bytes) -> Option<Self> {
        let head = stored.iter().position(|&byte| byte == b' ')?;
        let number = core::str::from_utf8(stored.get(..head)?).ok()?.parse().ok()?;
        let body = stored.slice(head + 1..);
        if let Some(version) = Version::new(number) {
            return body.ends_with(b"$").then_some(Self::Reply { version, body });
        }
        let document = ubf_codec::decode(&body[..]).ok().filter(|_| number == 0)?;
        let View::Tuple(tuple) = document.root().view() else { return None };
        let [name, why] = tuple.to_array()?;
        if name.is_atom("refused") {
            Some(Self::Refused(why.to_term()))
        } else {
            name.is_atom("failed").then(|| Self::Failed(why.to_term()))
        }
    }

    fn into_leaving(self, spoken: &Versions) -> Leaving {
        let (mode, content) = match self {
            Self::Reply { version, body } => (version.into(), Content::Body(body)),
            Self::Refused(why) => (Mode::Negotiation, Content::refused(why, spoken.clone())),
            Self::Failed(why) => (Mode::Negotiation, Content::failed(why, spoken.clone())),
        };
        Leaving { mode, content }
    }
}

/// A session of an owned service, as its owner has it: what a client goes on with (S4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// S1: what was granted.
    pub grant: Grant,
    /// S2: the number of the last message that was taken.
    pub received: u64,
    /// Events that were made. `None`: the owner does not know.
    pub events_made: Option<u64>,
    /// Answers and events that the client may not have, in the order in which they were made.
    pub kept: Vec<RestoredItem>,
}

/// An answer or an event that is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoredItem {
    /// The answer to the message of this number.
    Answer(u64, StoredAnswer),
    /// An event.
    Event {
        /// The version of the contract that it belongs to.
        version: Version,
        /// `{'event_out',Event}`, encoded up to and with its `$`.
        body: Bytes,
    },
}

impl Granted {
    /// S4: a session that goes on with what its owner has kept.
    pub(super) fn restored(
        restored: Restored,
        max_event_bytes: usize,
        spoken: &Versions,
        now: Time,
    ) -> Self {
        let Restored { grant, received, events_made, kept } = restored;
        let mut session = Self::new(grant, now);
        session.received = received;
        let is_event = |item: &&RestoredItem| matches!(item, RestoredItem::Event { .. });
        let events = kept.iter().filter(is_event).count() as u64;
        session.kept.begin_events_at(events_made.unwrap_or(events).saturating_sub(events));
        for item in kept {
            match item {
                RestoredItem::Answer(number, answer) => {
                    let leaving = answer.into_leaving(spoken);
                    session.kept.keep_answer(number, leaving.content.bytes(), leaving);
                }
                RestoredItem::Event { version, body } => {
                    let (bytes, content) = (body.len(), Content::Body(body));
                    let leaving = Leaving { mode: version.into(), content };
                    session.kept.keep_event(bytes, max_event_bytes, false, leaving);
                }
            }
        }
        session
    }
}

impl ServerSession {
    /// S4: the connection goes on with a session of an owned service.
    pub(super) fn restore(&mut self, negotiate: Negotiate, restored: Restored) {
        let Some(SessionOption::Resume(resume)) = negotiate.options.session else {
            return debug_assert!(false, "the client has asked to go on");
        };
        let spoken = self.offer.spoken(&negotiate.service, self.now);
        let are_events_known = restored.events_made.is_some();
        let max_event_bytes = self.config.max_kept_event_bytes;
        let mut session = Granted::restored(restored, max_event_bytes, &spoken, self.now);
        session.received = session.received.max(resume.done);
        session.kept.acknowledge_answers(resume.done);
        session.kept.acknowledge_events(resume.events);
        let events_lost = session.kept.send_again(resume.events);
        let resumed = Resumed {
            received: session.received,
            events_lost: are_events_known.then_some(events_lost),
        };
        self.calls.session = Some(Box::new(session));
        self.say_resumed(negotiate, &resume, resumed);
    }

    /// T3: the owner has an event, and what comes behind it may leave.
    pub(super) fn event_taken(&mut self, packet: u64) {
        self.calls.pending.take_event(packet);
    }

    /// S2: whether an owner counts the messages.
    pub(super) fn is_in_owned_session(&self) -> bool {
        self.calls.session.as_ref().is_some_and(|session| session.is_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_stored_as_packets_and_read_again() {
        let version = |number| Version::new(number).unwrap();
        let body = Bytes::from_static(b"{1'a b'}$");
        for (answer, stored) in [
            (StoredAnswer::Reply { version: version(10), body }, &b"10 {1'a b'}$"[..]),
            (StoredAnswer::Failed(Term::from(7)), b"0 {'failed'7}$"),
        ] {
            assert_eq!(&answer.to_bytes()[..], stored);
            assert_eq!(StoredAnswer::from_bytes(&answer.to_bytes()), Some(answer));
        }
        for stored in [
            &b""[..],
            b" 'a'$",
            b"3",
            b"3 'a'",
            b"x 'a'$",
            b"0 'a'$",
            b"0 {'done'1}$",
            b"0 {'failed'}$",
            b"0 {'failed'1",
            b"4294967295 'a'$",
            b"-1 'a'$",
        ] {
            let read = StoredAnswer::from_bytes(&Bytes::from_static(stored));
            assert_eq!(read, None, "{}", stored.escape_ascii());
        }
    }
}
