//! What one process gives to its successor, as terms (U2, U7).
//!
//! An export is written in a version of the contract `takeover`, which both processes have agreed
//! on. Version 1:
//!
//! ```text
//! {'session',Id,Peer,Service,Turn,{Window,Bytes,Kept,KeepMs},Received,Events,#Item…,State}
//! Item = {'answer',Number,Packet} | {'event',Packet}
//! ```
//! `Packet` is a binary: a versioned packet as a store has it ([`StoredAnswer`]).
//!
//! Version 2 has connections of stock peers, too:
//!
//! ```text
//! {'connection',Peer,Place,Unread,Unsent,#Event…,Kept}
//! Place = 'meta' | {'service',Name,State}
//! Kept = ? | {Argument,FirstState,State}
//! ```
//! `Unread` and `Unsent` are binaries: bytes from the client that no packet was made of, and bytes
//! for it. Version 3 has connections of versioned clients, too ([`LiveExport`]).

mod live;

use alloc::borrow::Cow;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use ubf_codec::{Term, TermRef, View};

#[cfg(feature = "classic")]
pub use self::classic::{ClassicExport, ClassicKept};
pub use self::live::LiveExport;
use crate::endpoint::SessionPlace;
use crate::server::{Restored, RestoredItem, StoredAnswer};
use crate::service::Service;
use crate::session::{Grant, Level, SessionId};
use crate::time::millis;

/// A session that goes from one process to the next, as one without a connection.
///
/// ```
/// use ubf_codec::decode;
/// use ubf_proto::export::SessionExport;
///
/// let written = b"{'session'16~0123456789abcdef~\"192.0.2.7:5000\"\"kv\"2{4 1000 2000 60000}3 0\
///     #{'answer'3 17~3 {'ok''start'} $~}&?}$";
/// let written = decode(written)?;
/// let export = SessionExport::read(written.root()).expect("it is one");
/// assert_eq!((export.place.turn, export.session.received), (2, 3));
/// assert_eq!(SessionExport::read(export.to_term().as_ref()), Some(export));
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionExport {
    /// What the endpoint knows of it.
    pub place: SessionPlace,
    /// Where its last connection came from; `None`: not from the network.
    pub peer: Option<SocketAddr>,
    /// S9.4: the names by which its client is known, if it has shown who it is. Whoever takes the
    /// export sets the place's origin by them.
    pub identity: Vec<String>,
    /// What was granted, the numbers, and what is kept.
    pub session: Restored,
    /// What its service keeps for the client, in the service's own form. `None`: the client has not
    /// used it.
    pub state: Option<Bytes>,
}

impl SessionExport {
    /// The export, in version 1.
    #[must_use]
    pub fn to_term(&self) -> Term {
        let SessionPlace { id, service, turn, .. } = &self.place;
        let Restored { grant, received, events_made, kept } = &self.session;
        let peer = peer_term(self.peer, &self.identity);
        let name = service.name().cloned().map_or(Term::Undefined, Term::String);
        let granted = [grant.window, grant.bytes, grant.kept, millis(grant.keep)].map(Term::from);
        Term::tuple([
            Term::atom("session"),
            Term::binary(id.to_bytes().to_vec()),
            peer,
            name,
            Term::from(*turn),
            Term::tuple(granted),
            Term::from(*received),
            Term::from(events_made.unwrap_or_default()),
            Term::list(kept.iter().map(item_term)),
            self.state.clone().map_or(Term::Undefined, Term::binary),
        ])
    }

    /// Reads what [`to_term`](Self::to_term) writes. `None`: it is no such export.
    #[must_use]
    pub fn read(term: TermRef<'_>) -> Option<Self> {
        let View::Tuple(parts) = term.view() else { return None };
        let [name, id, peer, service, turn, grant, received, events, kept, state] =
            parts.to_array()?;
        if !name.is_atom("session") {
            return None;
        }
        let id = SessionId::from_bytes(id.as_bytes()?.try_into().ok()?);
        let (peer, identity) = read_peer(peer)?;
        let service = optional(service, |name| Some(name.as_string()?.to_text()))?;
        let service = service.map_or(Service::DEFAULT, Service::named);
        let View::List(items) = kept.view() else { return None };
        let kept = items.iter().map(read_item).collect::<Option<Vec<_>>>()?;
        Some(Self {
            place: SessionPlace::new(id, peer, service, turn.as_u64()?),
            peer,
            identity,
            session: Restored {
                grant: read_grant(grant)?,
                received: received.as_u64()?,
                events_made: Some(events.as_u64()?),
                kept,
            },
            state: optional(state, |state| Some(Bytes::copy_from_slice(state.as_bytes()?)))?,
        })
    }

    /// About the bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        kept_bytes(&self.session) + self.state.as_ref().map_or(0, Bytes::len)
    }
}

/// About the bytes of what a session keeps.
fn kept_bytes(session: &Restored) -> usize {
    let kept = session.kept.iter().map(|item| match item {
        RestoredItem::Answer(_, StoredAnswer::Reply { body, .. })
        | RestoredItem::Event { body, .. } => body.len(),
        RestoredItem::Answer(..) => 64,
    });
    kept.sum()
}

/// The address, or `{'identity',Names,Address}`.
fn peer_term(peer: Option<SocketAddr>, identity: &[String]) -> Term {
    let address = peer.map_or(Term::Undefined, |peer| Term::string(peer.to_string()));
    if identity.is_empty() {
        return address;
    }
    let names = identity.iter().map(|name| Term::string(name.clone()));
    Term::tuple([Term::atom("identity"), Term::list(names), address])
}

fn read_peer(term: TermRef<'_>) -> Option<(Option<SocketAddr>, Vec<String>)> {
    let address = |term| optional(term, |peer| peer.as_str()?.parse::<SocketAddr>().ok());
    let View::Tuple(parts) = term.view() else { return Some((address(term)?, Vec::new())) };
    let [tag, names, peer] = parts.to_array()?;
    let View::List(names) = names.view() else { return None };
    let names = names.iter().map(|name| name.as_str().map(Cow::into_owned));
    let names = names.collect::<Option<Vec<_>>>()?;
    if !tag.is_atom("identity") || names.is_empty() {
        return None;
    }
    Some((address(peer)?, names))
}

fn item_term(item: &RestoredItem) -> Term {
    match item {
        RestoredItem::Answer(number, answer) => Term::tuple([
            Term::atom("answer"),
            Term::from(*number),
            Term::binary(answer.to_bytes()),
        ]),
        RestoredItem::Event { version, body } => {
            let event = StoredAnswer::Reply { version: *version, body: body.clone() };
            Term::tuple([Term::atom("event"), Term::binary(event.to_bytes())])
        }
    }
}

fn read_item(term: TermRef<'_>) -> Option<RestoredItem> {
    let View::Tuple(parts) = term.view() else { return None };
    let packet =
        |part: TermRef<'_>| StoredAnswer::from_bytes(&Bytes::copy_from_slice(part.as_bytes()?));
    let name = parts.get(0)?;
    match parts.len() {
        3 if name.is_atom("answer") => {
            Some(RestoredItem::Answer(parts.get(1)?.as_u64()?, packet(parts.get(2)?)?))
        }
        2 if name.is_atom("event") => match packet(parts.get(1)?)? {
            StoredAnswer::Reply { version, body } => Some(RestoredItem::Event { version, body }),
            StoredAnswer::Refused(_) | StoredAnswer::Failed(_) => None,
        },
        _ => None,
    }
}

fn read_grant(term: TermRef<'_>) -> Option<Grant> {
    let View::Tuple(parts) = term.view() else { return None };
    let [window, bytes, kept, keep] = parts.to_array()?;
    let positive = |term: TermRef<'_>| term.as_u64().filter(|&number| number > 0);
    Some(Grant {
        window: positive(window)?,
        bytes: positive(bytes)?,
        kept: positive(kept)?,
        keep: Duration::from_millis(keep.as_u64()?),
        level: Level::Memory,
    })
}

/// `?`, or what is read.
fn optional<'a, T>(
    term: TermRef<'a>,
    read: impl FnOnce(TermRef<'a>) -> Option<T>,
) -> Option<Option<T>> {
    if matches!(term.view(), View::Undefined) { Some(None) } else { read(term).map(Some) }
}

#[cfg(feature = "classic")]
mod classic {
    use alloc::string::String;
    use core::net::SocketAddr;

    use bytes::Bytes;
    use ubf_codec::{Term, TermRef, Text, View};

    use super::{optional, peer_term, read_peer};
    use crate::classic::server::Carried;

    /// A connection of a stock client that goes from one process to the next, together with its
    /// socket (version 2).
    ///
    /// ```
    /// use ubf_codec::decode;
    /// use ubf_proto::export::ClassicExport;
    ///
    /// let written = b"{'connection'\"192.0.2.7:5000\"{'service'\"door\"'opened'}5~{'cre~0~~#\
    ///     {#'start'?}}$";
    /// let export = ClassicExport::read(decode(written)?.root()).expect("it is one");
    /// assert_eq!(&export.session.unread[..], b"{'cre");
    /// assert_eq!(ClassicExport::read(export.to_term().as_ref()), Some(export));
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ClassicExport {
        /// Where its client is; `None`: not on the network.
        pub peer: Option<SocketAddr>,
        /// The names by which its client is known, if it has shown who it is.
        pub identity: alloc::vec::Vec<String>,
        /// What goes on of the session.
        pub session: Carried,
        /// Bytes for the client that were not written.
        pub unsent: Bytes,
        /// What its service has. `None`: the client has not used it.
        pub kept: Option<ClassicKept>,
    }

    /// What the service of a stock client's session has.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ClassicKept {
        /// Q6: the argument of the start.
        pub argument: Term,
        /// The state in which the session began.
        pub first_state: Text,
        /// What the service keeps for the client, in the service's own form. `None`: nothing that
        /// would be missed.
        pub state: Option<Bytes>,
    }

    impl ClassicExport {
        /// The export, in version 2.
        #[must_use]
        pub fn to_term(&self) -> Term {
            let Carried { place, unread, events } = &self.session;
            let place = place.as_ref().map_or(Term::atom("meta"), |(name, state)| {
                let (name, state) = (Term::String(name.clone()), Term::Atom(state.clone()));
                Term::tuple([Term::atom("service"), name, state])
            });
            let kept = self.kept.as_ref().map_or(Term::Undefined, |kept| {
                let state = kept.state.clone().map_or(Term::Undefined, Term::binary);
                Term::tuple([kept.argument.clone(), Term::Atom(kept.first_state.clone()), state])
            });
            Term::tuple([
                Term::atom("connection"),
                peer_term(self.peer, &self.identity),
                place,
                Term::binary(unread.clone()),
                Term::binary(self.unsent.clone()),
                Term::list(events.iter().cloned()),
                kept,
            ])
        }

        /// Reads what [`to_term`](Self::to_term) writes. `None`: it is no such export.
        #[must_use]
        pub fn read(term: TermRef<'_>) -> Option<Self> {
            let View::Tuple(parts) = term.view() else { return None };
            let [name, peer, place, unread, unsent, events, kept] = parts.to_array()?;
            if !name.is_atom("connection") {
                return None;
            }
            let (peer, identity) = read_peer(peer)?;
            let View::List(events) = events.view() else { return None };
            let bytes = |term: TermRef<'_>| Some(Bytes::copy_from_slice(term.as_bytes()?));
            let session = Carried {
                place: read_place(place)?,
                unread: bytes(unread)?,
                events: events.iter().map(|event| event.to_term()).collect(),
            };
            let (unsent, kept) = (bytes(unsent)?, optional(kept, read_kept)?);
            Some(Self { peer, identity, session, unsent, kept })
        }

        /// About the bytes that it takes.
        #[must_use]
        pub fn bytes(&self) -> usize {
            self.session.unread.len() + self.unsent.len()
        }
    }

    fn read_place(term: TermRef<'_>) -> Option<Option<(Text, Text)>> {
        let View::Tuple(parts) = term.view() else { return term.is_atom("meta").then_some(None) };
        let [tag, name, state] = parts.to_array()?;
        let place = (name.as_string()?.to_text(), state.as_atom()?.to_text());
        tag.is_atom("service").then_some(Some(place))
    }

    fn read_kept(term: TermRef<'_>) -> Option<ClassicKept> {
        let View::Tuple(parts) = term.view() else { return None };
        let [argument, first_state, state] = parts.to_array()?;
        Some(ClassicKept {
            argument: argument.to_term(),
            first_state: first_state.as_atom()?.to_text(),
            state: optional(state, |state| Some(Bytes::copy_from_slice(state.as_bytes()?)))?,
        })
    }
}
