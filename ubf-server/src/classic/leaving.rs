//! How connections of stock peers leave for the successor of this process, and how they come from
//! the predecessor (U2). A stock client cannot be told to connect anew, so it is its socket that
//! goes.
//!
//! ```text
//!            Freeze               nothing runs: socket and state are given      Leave
//!  in use ──────────> Settling ────────────────────────────────────> Given ──────────> gone
//!     │                  │ Leave                                                         ^
//!     │                  └──────> Leaving ── socket and state are given ─────────────────┘
//!     │ what cannot go along                          Leave
//!     └────────────────> Stays ──────────────────────────────> answered, and closed
//! ```
//! From `Given` on nothing is read, nothing is written, and no time counts: two processes have the
//! socket. `Thaw` brings all back that is not gone, as if nothing had been.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ubf_net::{Identity, Peer, Stream};
use ubf_proto::classic::server::{Input, ServerSession};
use ubf_proto::export::ClassicExport;

use super::Settled;
use super::connection::{Connection, Packet};
use crate::connection::{Gift, Giving};
use crate::endpoint::{SharedEndpoint, Welcome};
use crate::log::{debug, warn};
use crate::takeover::NotAdopted;

/// U2: a stock client's connection on its way to another process.
#[derive(Debug)]
pub struct PassedConnection {
    /// What the other process needs to go on with it.
    pub export: ClassicExport,
    /// Its socket. As long as nobody says otherwise, it is the predecessor's to read and to write.
    pub descriptor: OwnedFd,
}

/// How far a connection is on its way to another process.
#[derive(Debug)]
pub(super) enum Freeze {
    /// What runs is awaited.
    Settling(Giving),
    /// The same, and the other process serves already.
    Leaving(Giving),
    /// The other process has the socket, and may begin to use it.
    Given,
    /// It cannot go along.
    Stays,
    /// The other process uses the socket.
    Gone,
}

impl Connection {
    /// U2: nothing more is begun.
    pub(super) fn freeze(&mut self, giving: Giving) -> Option<Input> {
        if self.frozen.is_some() {
            return None;
        }
        self.frozen = Some(Freeze::Settling(giving));
        Some(Input::Freeze)
    }

    /// U2: nobody goes.
    pub(super) fn thaw(&mut self) -> Option<Input> {
        self.frozen.take().map(|_| Input::Thaw)
    }

    /// U2: the other process serves from here on. What does not go there has so long for the call
    /// in progress.
    pub(super) fn leave(&mut self, within: Duration) -> Option<Input> {
        match self.frozen.take() {
            Some(Freeze::Given | Freeze::Gone) => {
                self.frozen = Some(Freeze::Gone);
                None
            }
            Some(Freeze::Settling(giving) | Freeze::Leaving(giving)) => {
                self.frozen = Some(Freeze::Leaving(giving));
                None
            }
            Some(Freeze::Stays) | None => Some(Input::Close { within }),
        }
    }

    /// U2: whether the socket may be another process's.
    pub(super) const fn is_given(&self) -> bool {
        matches!(self.frozen, Some(Freeze::Given | Freeze::Gone))
    }

    /// U2: whether it is another process's.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.frozen, Some(Freeze::Gone))
    }

    /// U2: gives socket and state as soon as nothing runs. What the session is to be told then, if
    /// anything.
    pub(super) fn settle(&mut self) -> Option<Input> {
        let (giving, leaves) = match &self.frozen {
            Some(Freeze::Settling(giving)) if self.is_at_rest() => (giving.clone(), false),
            Some(Freeze::Leaving(giving)) if self.is_at_rest() => (giving.clone(), true),
            Some(
                Freeze::Settling(_)
                | Freeze::Leaving(_)
                | Freeze::Given
                | Freeze::Stays
                | Freeze::Gone,
            )
            | None => return None,
        };
        let given = self.passed().is_some_and(|passed| {
            // Whoever does not listen any more has taken its decision.
            giving.send(Gift::Connection(Box::new(passed))).is_ok()
        });
        self.frozen = Some(match (given, leaves) {
            (true, true) => Freeze::Gone,
            (true, false) => Freeze::Given,
            (false, _) => Freeze::Stays,
        });
        if given {
            return None;
        }
        debug!(peer = %self.guard.entry.peer, "the connection cannot go to another process");
        // Until the other one serves, it is served as before.
        Some(if leaves { Input::Close { within: Duration::ZERO } } else { Input::Thaw })
    }

    fn is_at_rest(&self) -> bool {
        !self.session.is_running() && !self.has_work() && !self.mailbox.has_mail()
    }

    /// Socket and state, if they can go.
    fn passed(&self) -> Option<PassedConnection> {
        // Somebody else's stream has no socket, and TLS has a state (U3).
        let descriptor = self.stream().descriptor()?.ok()?;
        let kept = self.kept()?;
        let session = self.session.export()?;
        let peer = &self.guard.entry.peer;
        let identity = peer.identity().into_iter().flat_map(Identity::names).map(Into::into);
        let (peer, identity) = (peer.address(), identity.collect());
        let unsent = self.unsent();
        Some(PassedConnection {
            export: ClassicExport { peer, identity, session, unsent, kept },
            descriptor,
        })
    }
}

/// U2: a connection of the predecessor of this process, which is not touched before it is served.
pub struct AdoptedConnection(Box<Connection>);

impl AdoptedConnection {
    /// The predecessor reads and writes no more: goes on with the connection. It must be called
    /// within the runtime of the server.
    pub fn serve(self) {
        let endpoint = Arc::clone(&self.0.guard.endpoint);
        endpoint.totals.connections_taken.add(1);
        tokio::spawn(self.0.run());
    }
}

impl fmt::Debug for AdoptedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdoptedConnection").finish_non_exhaustive()
    }
}

/// U2: makes a connection of what the predecessor has given.
pub(crate) fn adopt(
    endpoint: &Arc<SharedEndpoint>,
    settled: &Arc<Settled>,
    passed: PassedConnection,
) -> Result<AdoptedConnection, NotAdopted> {
    let PassedConnection { export, descriptor } = passed;
    let ClassicExport { peer, identity, session, unsent, kept } = export;
    let peer = peer.map_or(Peer::Unix, Peer::Tcp);
    let identity = Identity::of_names(identity.iter().map(String::as_str));
    let peer = identity.map_or_else(|| peer.clone(), |identity| peer.with_identity(identity));
    let name = session.place.as_ref().map(|(name, _)| name.clone());
    let no_service = || NotAdopted::NoStockService(name.clone().unwrap_or_default());
    let now = endpoint.clock.now();
    let (config, house) = (Arc::clone(&settled.config), Arc::clone(&settled.house));
    let session = ServerSession::carried(config, house, session, unsent.len(), now);
    let session = session.ok_or_else(no_service)?;
    let stream = Stream::from_descriptor(descriptor).map_err(|error| {
        warn!(%peer, %error, "the socket of a connection cannot be used");
        NotAdopted::Socket
    })?;
    let Welcome::Served { guard, start: _ } = endpoint.admit(&peer) else {
        return Err(NotAdopted::NoRoom);
    };
    let mut connection = Connection::with_session(stream, guard, Arc::clone(settled), session);
    connection.put_unsent(unsent);
    if let Some(kept) = kept {
        let name = name.unwrap_or_default();
        connection.import(&name, kept)?;
    }
    Ok(AdoptedConnection(connection))
}

/// Bytes of packets of which some may be written.
pub(super) fn joined(packets: &VecDeque<Packet>) -> BytesMut {
    let mut all = BytesMut::new();
    for packet in packets {
        all.extend_from_slice(packet.bytes());
    }
    all
}
