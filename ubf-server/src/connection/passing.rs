//! Connections that go to the successor of this process with their sockets, and those that come
//! from its predecessor (U2): their clients notice nothing.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ubf_net::{Identity, Peer, Stream};
use ubf_proto::export::LiveExport;
use ubf_proto::server::PacketKind;
use ubf_proto::session::Level;

use super::link::Link;
use super::{Connection, Opened};
use crate::contain::{Contained, contained};
use crate::endpoint::{SharedEndpoint, Welcome};
use crate::handler::Client;
use crate::log::warn;
use crate::takeover::NotAdopted;

/// The most bytes that go along with a connection. Chosen: with room for what they are written in
/// they are below what the processes say to each other at once (64 MiB).
const MAX_PASSED_BYTES: usize = 48 << 20;

/// U2: a versioned client's connection on its way to another process.
#[derive(Debug)]
pub struct PassedLive {
    /// What the other process needs to go on with it.
    pub export: LiveExport,
    /// Its socket. As long as nobody says otherwise, it is the predecessor's to read and to write.
    pub descriptor: OwnedFd,
}

/// U2: a connection of the predecessor of this process, which is not touched before it is served.
pub struct AdoptedLive(Box<Connection>);

impl AdoptedLive {
    /// The predecessor reads and writes no more: goes on with the connection. It must be called
    /// within the runtime of the server.
    pub fn serve(mut self) {
        let connection = &mut self.0;
        connection.endpoint.totals.connections_taken.add(1);
        if connection.own.is_some() {
            connection.endpoint.totals.sessions_taken.add(1);
        }
        connection.adopt_by_owners();
        tokio::spawn(self.0.run_session());
    }
}

impl fmt::Debug for AdoptedLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdoptedLive").finish_non_exhaustive()
    }
}

impl Connection {
    /// U2: whether there is a socket that can be given away. TLS has none (U3).
    pub(super) fn has_socket(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.stream.has_descriptor())
    }

    /// U2: whether all that was taken is answered, as far as that does not wait for the client.
    pub(super) fn is_settled(&self) -> bool {
        self.session.is_settled() && (!self.mailbox.has_mail() || !self.has_room_for_events())
    }

    /// Socket and state, if they can go.
    pub(super) fn passed(&self) -> Option<PassedLive> {
        let link = self.link.as_ref().filter(|link| !link.is_aborted)?;
        // Events that its client does not read have no form outside of this process.
        if self.next.is_some() || self.mailbox.has_mail() {
            return None;
        }
        let connection = self.session.export_live()?;
        let state = |opened: &Opened| {
            let code = opened.code.get()?;
            Some((opened.name.clone(), contained(|| code.export()).flatten()?))
        };
        let services = self.services.iter().map(state).collect::<Option<Vec<_>>>()?;
        let session = match (&connection.session, &self.own) {
            (None, _) => None,
            (Some(_), Some(own)) => {
                let place = self.endpoint.session_place(own.entry.key)?;
                Some((place.id, place.turn))
            }
            (Some(_), None) => Some(self.owned_session()?),
        };
        let place = self.services.iter().position(|opened| opened.name == connection.service);
        let spoken = place.and_then(|place| self.mailbox.spoken(place)).or(connection.agreed);
        let (peer, identity) = (self.entry.peer.address(), self.entry.peer.identity());
        let agent = self.entry.agreed().and_then(|agreed| agreed.agent);
        let export = LiveExport {
            peer,
            identity: identity.into_iter().flat_map(Identity::names).map(Into::into).collect(),
            agent: agent.map(|agent| agent.as_ref().to_owned()),
            spoken,
            connection,
            session,
            unsent: link.outbox.unsent(),
            services,
        };
        if export.bytes() > MAX_PASSED_BYTES {
            return None;
        }
        let descriptor = link.stream.descriptor()?.ok()?;
        Some(PassedLive { export, descriptor })
    }
}

/// U2: makes a connection of what the predecessor has given.
pub(crate) fn adopt_live(
    endpoint: &Arc<SharedEndpoint>,
    passed: PassedLive,
) -> Result<AdoptedLive, NotAdopted> {
    let PassedLive { export, descriptor } = passed;
    let LiveExport { peer, identity, agent, spoken, connection, session, unsent, services } =
        export;
    let peer = peer.map_or(Peer::Unix, Peer::Tcp);
    let identity = Identity::of_names(identity.iter().map(String::as_str));
    let peer = identity.map_or_else(|| peer.clone(), |identity| peer.with_identity(identity));
    let stream = Stream::from_descriptor(descriptor).map_err(|error| {
        warn!(%peer, %error, "the socket of a connection cannot be used");
        NotAdopted::Socket
    })?;
    let Welcome::Served { guard, start } = endpoint.admit(&peer) else {
        return Err(NotAdopted::NoRoom);
    };
    let service = connection.service.clone();
    let is_owned =
        connection.session.as_ref().is_some_and(|session| session.grant.level >= Level::Durable);
    if let Some(version) = connection.agreed {
        guard.entry.agree(service.clone(), version, agent.as_deref());
    }
    let own = match session {
        Some((id, turn)) if !is_owned => {
            let place = (id, service.clone(), turn);
            Some(endpoint.adopt_connected(&guard.entry, place).ok_or(NotAdopted::NoRoom)?)
        }
        Some(_) | None => None,
    };
    let now = endpoint.clock.now();
    let machine = start.live(connection, unsent.len(), now);
    let mut connection = Connection::on(Link::new(stream, guard), machine, now);
    connection.own = own;
    if let Some(link) = &mut connection.link
        && !unsent.is_empty()
    {
        link.outbox.push_copy(PacketKind::Control, &unsent, &[]);
    }
    for (name, state) in services {
        let code = endpoint.handler(&name).ok_or_else(|| NotAdopted::NoService(name.clone()))?;
        let client = Client {
            peer: connection.entry.peer.clone(),
            mailbox: Arc::clone(connection.mailbox.shared()),
            place: connection.services.len(),
            gate: None,
            #[cfg(feature = "classic")]
            started: None,
        };
        let imported = contained(|| code.import(client, state)).flatten();
        let imported = imported.ok_or_else(|| NotAdopted::State(name.clone()))?;
        let times = endpoint.call_times.as_ref().and_then(|times| times.of(&name));
        connection.services.push(Opened { name, code: Contained::new(imported), times });
    }
    if let Some(version) = spoken {
        let place = connection.services.iter().position(|opened| opened.name == service);
        connection.mailbox.set_spoken(place, version);
    }
    match session.filter(|_| is_owned) {
        None => {}
        Some((id, turn)) if connection.attach_owned(&service, id, turn) => {}
        Some(_) => return Err(NotAdopted::NoService(service)),
    }
    Ok(AdoptedLive(connection))
}
