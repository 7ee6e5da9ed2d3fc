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

use alloc::borrow::Cow;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use ubf_codec::{Term, TermRef, View};

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
        let name = service.name().cloned().map_or(Term::Undefined, Term::String);
        let granted = [grant.window, grant.bytes, grant.kept, millis(grant.keep)].map(Term::from);
        Term::tuple([
            Term::atom("session"),
            Term::binary(id.to_bytes().to_vec()),
            self.peer_term(),
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

    /// The address, or `{'identity',Names,Address}`.
    fn peer_term(&self) -> Term {
        let address = self.peer.map_or(Term::Undefined, |peer| Term::string(peer.to_string()));
        if self.identity.is_empty() {
            return address;
        }
        let names = self.identity.iter().map(|name| Term::string(name.clone()));
        Term::tuple([Term::atom("identity"), Term::list(names), address])
    }

    /// About the bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let kept = self.session.kept.iter().map(|item| match item {
            RestoredItem::Answer(_, StoredAnswer::Reply { body, .. })
            | RestoredItem::Event { body, .. } => body.len(),
            RestoredItem::Answer(..) => 64,
        });
        kept.sum::<usize>() + self.state.as_ref().map_or(0, Bytes::len)
    }
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
