//! A connection of a versioned client that goes from one process to the next, as a term
//! (version 3).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;
use ubf_codec::{Limits, Term, TermRef, TupleRef, Version, View};

use super::{item_term, optional, peer_term, read_item, read_peer};
use crate::control::ClientControl;
use crate::server::{LiveConnection, LiveContext, Restored};
use crate::service::Service;
use crate::session::{Grant, Level, SessionId};
use crate::time::millis;

/// A connection of a versioned client that goes from one process to the next, together with its
/// socket (version 3).
///
/// ```
/// use ubf_codec::decode;
/// use ubf_proto::export::LiveExport;
///
/// let written = b"{'live'\"192.0.2.7:5000\"?{\"kv\"3 3}{2 71}'over'#{16777216 513 1048576 67108864 \
///     10000}'none'4~3 'g~0~~#?}$";
/// let export = LiveExport::read(decode(written)?.root()).expect("it is one");
/// assert_eq!(&export.connection.unread[..], b"3 'g");
/// assert_eq!(LiveExport::read(export.to_term().as_ref()), Some(export));
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveExport {
    /// Where its client is; `None`: not on the network.
    pub peer: Option<SocketAddr>,
    /// The names by which its client is known, if it has shown who it is.
    pub identity: Vec<String>,
    /// What the client says that it is.
    pub agent: Option<String>,
    /// The version in which the client spoke to its service last, if it has.
    pub spoken: Option<Version>,
    /// What goes on of the connection.
    pub connection: LiveConnection,
    /// S1, S5: the name of its session, and the highest attempt. It is there if the connection has
    /// a session.
    pub session: Option<(SessionId, u64)>,
    /// Bytes for the client that were not written.
    pub unsent: Bytes,
    /// The services that the client has used, in this order, and what each keeps for it in its own
    /// form.
    pub services: Vec<(Service, Bytes)>,
}

impl LiveExport {
    /// The export, in version 3.
    #[must_use]
    pub fn to_term(&self) -> Term {
        let LiveConnection {
            service,
            agreed,
            packets,
            offset,
            may_open,
            refused,
            accepted,
            context,
            unread,
            session,
        } = &self.connection;
        let version =
            |version: &Option<Version>| version.map_or(Term::Undefined, |it| it.get().into());
        let context = match context {
            LiveContext::None => Term::atom("none"),
            LiveContext::Agreed => Term::atom("agreed"),
            LiveContext::Told(context) => ClientControl::Context(context.clone()).to_term(),
        };
        let services = self.services.iter().map(|(service, state)| {
            Term::tuple([service_term(service), Term::binary(state.clone())])
        });
        let session = self.session.as_ref().zip(session.as_ref());
        Term::tuple([
            Term::atom("live"),
            peer_term(self.peer, &self.identity),
            self.agent.as_ref().map_or(Term::Undefined, |agent| Term::string(agent.clone())),
            Term::tuple([service_term(service), version(agreed), version(&self.spoken)]),
            Term::tuple([Term::from(*packets), Term::from(*offset)]),
            Term::atom(if *may_open { "possible" } else { "over" }),
            Term::list(refused.iter().map(|version| Term::from(version.get()))),
            accepted.as_ref().map_or(Term::Undefined, limits_term),
            context,
            Term::binary(unread.clone()),
            Term::binary(self.unsent.clone()),
            Term::list(services),
            session.map_or(Term::Undefined, |(name, session)| session_term(name, session)),
        ])
    }

    /// Reads what [`to_term`](Self::to_term) writes. `None`: it is no such export.
    #[must_use]
    pub fn read(term: TermRef<'_>) -> Option<Self> {
        let View::Tuple(parts) = term.view() else { return None };
        let [
            tag,
            peer,
            agent,
            spoken,
            counts,
            opening,
            refused,
            accepted,
            context,
            unread,
            unsent,
            services,
            session,
        ] = parts.to_array()?;
        if !tag.is_atom("live") {
            return None;
        }
        let (peer, identity) = read_peer(peer)?;
        let [service, agreed, spoken] = tuple(spoken)?.to_array()?;
        let [packets, offset] = tuple(counts)?.to_array()?;
        let (View::List(refused), View::List(services)) = (refused.view(), services.view()) else {
            return None;
        };
        let session = optional(session, read_session)?;
        let (session, restored) = session.unzip();
        Some(Self {
            peer,
            identity,
            agent: optional(agent, |agent| Some(agent.as_str()?.into_owned()))?,
            spoken: optional(spoken, read_version)?,
            connection: LiveConnection {
                service: read_service(service)?,
                agreed: optional(agreed, read_version)?,
                packets: packets.as_u64()?,
                offset: offset.as_u64()?,
                may_open: match () {
                    () if opening.is_atom("possible") => true,
                    () if opening.is_atom("over") => false,
                    () => return None,
                },
                refused: refused.iter().map(read_version).collect::<Option<_>>()?,
                accepted: optional(accepted, read_limits)?,
                context: read_context(context)?,
                unread: bytes(unread)?,
                session: restored,
            },
            session,
            unsent: bytes(unsent)?,
            services: services.iter().map(read_used).collect::<Option<_>>()?,
        })
    }

    /// About the bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let kept = self.connection.session.as_ref().map_or(0, super::kept_bytes);
        let services = self.services.iter().map(|(_, state)| state.len()).sum::<usize>();
        kept + services + self.connection.unread.len() + self.unsent.len()
    }
}

fn tuple(term: TermRef<'_>) -> Option<TupleRef<'_>> {
    if let View::Tuple(parts) = term.view() { Some(parts) } else { None }
}

fn bytes(term: TermRef<'_>) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(term.as_bytes()?))
}

fn service_term(service: &Service) -> Term {
    service.name().cloned().map_or(Term::Undefined, Term::String)
}

fn read_service(term: TermRef<'_>) -> Option<Service> {
    let name = optional(term, |name| Some(name.as_string()?.to_text()))?;
    Some(name.map_or(Service::DEFAULT, Service::named))
}

fn read_version(term: TermRef<'_>) -> Option<Version> {
    Version::new(u32::try_from(term.as_u64()?).ok()?)
}

fn read_used(term: TermRef<'_>) -> Option<(Service, Bytes)> {
    let [name, state] = tuple(term)?.to_array()?;
    Some((read_service(name)?, bytes(state)?))
}

fn read_context(term: TermRef<'_>) -> Option<LiveContext> {
    if term.is_atom("none") {
        return Some(LiveContext::None);
    }
    if term.is_atom("agreed") {
        return Some(LiveContext::Agreed);
    }
    match ClientControl::from_term(term) {
        Ok(ClientControl::Context(context)) => Some(LiveContext::Told(context)),
        Ok(
            ClientControl::Negotiate(_)
            | ClientControl::Ping
            | ClientControl::Seen { .. }
            | ClientControl::Error { .. },
        )
        | Err(_) => None,
    }
}

/// `{MaxPacket,MaxDepth,MaxNodes,MaxBytes,MaxDigits}`
fn limits_term(limits: &Limits) -> Term {
    Term::tuple([
        Term::from(limits.max_packet_bytes),
        Term::from(limits.max_depth),
        Term::from(limits.max_expanded_nodes),
        Term::from(limits.max_expanded_bytes),
        Term::from(limits.max_integer_digits),
    ])
}

fn read_limits(term: TermRef<'_>) -> Option<Limits> {
    let [packet, depth, nodes, bytes, digits] = tuple(term)?.to_array()?;
    let small = |term: TermRef<'_>| u32::try_from(term.as_u64()?).ok();
    let limits = Limits::new()
        .with_max_packet_bytes(small(packet)?)
        .with_max_depth(small(depth)?)
        .with_max_expanded_nodes(nodes.as_u64()?)
        .with_max_expanded_bytes(bytes.as_u64()?)
        .with_max_integer_digits(small(digits)?);
    Some(limits)
}

/// `{Id,Turn,Level,{Window,Bytes,Kept,KeepMs},Received,Events,#Item…}`
fn session_term((id, turn): &(SessionId, u64), session: &Restored) -> Term {
    let Restored { grant, received, events_made, kept } = session;
    let granted = [grant.window, grant.bytes, grant.kept, millis(grant.keep)].map(Term::from);
    Term::tuple([
        Term::binary(id.to_bytes().to_vec()),
        Term::from(*turn),
        Term::atom(grant.level.as_str()),
        Term::tuple(granted),
        Term::from(*received),
        Term::from(events_made.unwrap_or_default()),
        Term::list(kept.iter().map(item_term)),
    ])
}

fn read_session(term: TermRef<'_>) -> Option<((SessionId, u64), Restored)> {
    let [id, turn, level, grant, received, events, kept] = tuple(term)?.to_array()?;
    let id = SessionId::from_bytes(id.as_bytes()?.try_into().ok()?);
    let level =
        [Level::Memory, Level::Durable].into_iter().find(|known| level.is_atom(known.as_str()))?;
    let View::List(items) = kept.view() else { return None };
    let session = Restored {
        grant: Grant { level, ..super::read_grant(grant)? },
        received: received.as_u64()?,
        events_made: Some(events.as_u64()?),
        kept: items.iter().map(read_item).collect::<Option<Vec<_>>>()?,
    };
    Some(((id, turn.as_u64()?), session))
}
