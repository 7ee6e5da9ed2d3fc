//! A server that gives its place to another process, and one that takes it (U2).
//!
//! Sockets and messages between the two are their programs'; here is what happens to connections
//! and sessions.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};
use ubf_codec::Text;
use ubf_proto::Service;
use ubf_proto::export::SessionExport;
use ubf_proto::session::SessionId;

use crate::connection::Gift;
#[cfg(unix)]
use crate::connection::{self, AdoptedLive, PassedLive};
use crate::endpoint::SharedEndpoint;
use crate::handle::ServerHandle;

/// Whether listeners take connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doors {
    /// They do.
    Open,
    /// They are another process's, or may be: their queues are left alone, and so are the files of
    /// Unix sockets.
    Left,
}

/// A server that takes no connection and begins nothing for sessions that may go to another
/// process. When this is dropped, the server [goes on](Self::undo).
#[derive(Debug)]
#[must_use = "the server goes on when it is dropped"]
pub struct Suspension {
    endpoint: Arc<SharedEndpoint>,
    exports: Vec<SessionExport>,
    #[cfg(unix)]
    live: Vec<PassedLive>,
    #[cfg(all(unix, feature = "classic"))]
    connections: Vec<crate::classic::PassedConnection>,
    staying: Vec<SessionId>,
    /// What comes later. At most one thing for each session.
    late: UnboundedReceiver<Gift>,
    is_over: bool,
}

impl ServerHandle {
    /// U2: stops to take connections, whose queues stay, and waits at most so long until nothing
    /// runs on connections that can go to another process, and for sessions. Others are served as
    /// before.
    pub async fn suspend(&self, within: Duration) -> Suspension {
        let until = Instant::now() + within;
        let endpoint = Arc::clone(&self.0);
        let (giving, mut given) = unbounded_channel();
        endpoint.leave_doors(until).await;
        endpoint.freeze(&giving);
        drop(giving);
        let mut exports = Vec::new();
        #[cfg(unix)]
        let mut live = Vec::new();
        #[cfg(all(unix, feature = "classic"))]
        let mut connections = Vec::new();
        let mut settled = HashSet::new();
        // The error is that the time is over.
        while let Ok(Some(gift)) = timeout_at(until, given.recv()).await {
            match gift {
                Gift::Session(export) => {
                    settled.insert(export.place.id);
                    exports.push(*export);
                }
                Gift::Unmovable(id) => {
                    settled.insert(id);
                }
                #[cfg(unix)]
                Gift::Live(passed) => {
                    settled.extend(passed.export.session.map(|(id, _)| id));
                    live.push(*passed);
                }
                #[cfg(all(unix, feature = "classic"))]
                Gift::Connection(passed) => connections.push(*passed),
            }
        }
        let mut staying = endpoint.session_ids();
        staying.retain(|id| !settled.contains(id));
        Suspension {
            endpoint,
            exports,
            #[cfg(unix)]
            live,
            #[cfg(all(unix, feature = "classic"))]
            connections,
            staying,
            late: given,
            is_over: false,
        }
    }

    /// U1: descriptors of the listeners for another process, each with the name that it was given:
    /// its address as it was written, or `unix:PATH`. See
    /// [`inherit`](crate::ServerBuilder::inherit).
    ///
    /// # Errors
    /// If there are no descriptors left.
    #[cfg(unix)]
    pub fn listener_descriptors(&self) -> std::io::Result<Vec<(String, std::os::fd::OwnedFd)>> {
        self.0.listener_descriptors()
    }

    /// Stops to take connections, and leaves those that wait to whoever takes them next.
    pub fn leave_listeners(&self) {
        self.0.doors.send_replace(Doors::Left);
    }

    /// Takes connections again.
    pub fn return_to_listeners(&self) {
        self.0.doors.send_replace(Doors::Open);
    }

    /// U2: goes on with a session of another process, whose client is not connected. It must be
    /// called within the runtime of the server.
    ///
    /// # Errors
    /// See [`NotAdopted`].
    pub fn adopt(&self, export: SessionExport) -> Result<(), NotAdopted> {
        self.0.adopt(export)
    }

    /// U2: makes ready to go on with a stock client's connection of another process, which still
    /// has it: nothing is read or written before it is [served](crate::classic::AdoptedConnection::serve).
    /// It must be called within the runtime of the server.
    ///
    /// # Errors
    /// See [`NotAdopted`].
    #[cfg(all(unix, feature = "classic"))]
    pub fn adopt_connection(
        &self,
        passed: crate::classic::PassedConnection,
    ) -> Result<crate::classic::AdoptedConnection, NotAdopted> {
        let settled = self.0.classic.get().ok_or_else(|| {
            let place = passed.export.session.place.as_ref();
            NotAdopted::NoStockService(place.map(|(name, _)| name.clone()).unwrap_or_default())
        })?;
        crate::classic::adopt(&self.0, settled, passed)
    }

    /// U2: makes ready to go on with a versioned client's connection of another process, which still
    /// has it: nothing is read or written before it is [served](AdoptedLive::serve). It must be
    /// called within the runtime of the server.
    ///
    /// # Errors
    /// See [`NotAdopted`].
    #[cfg(unix)]
    pub fn adopt_live(&self, passed: PassedLive) -> Result<AdoptedLive, NotAdopted> {
        connection::adopt_live(&self.0, passed)
    }

    /// U2: the predecessor still has these sessions: who wants to go on with one is told
    /// `'not_now'`.
    pub fn expect_sessions<'i>(&self, ids: impl IntoIterator<Item = &'i SessionId>) {
        self.0.expect_sessions(ids);
    }

    /// U2: the predecessor has ended: what has not come will not.
    pub fn expect_no_sessions(&self) {
        self.0.expect_no_sessions();
    }
}

impl Suspension {
    /// The sessions that can go on in another process, apart from those whose connections can.
    #[must_use]
    pub fn exports(&self) -> &[SessionExport] {
        &self.exports
    }

    /// Connections of versioned clients that can go on in another process, with the sessions that
    /// they have.
    #[cfg(unix)]
    #[must_use]
    pub fn live(&self) -> &[PassedLive] {
        &self.live
    }

    /// Connections of stock clients that can go on in another process.
    #[cfg(all(unix, feature = "classic"))]
    #[must_use]
    pub fn connections(&self) -> &[crate::classic::PassedConnection] {
        &self.connections
    }

    /// Sessions for which something runs still: their exports may [come later](Departure::next).
    #[must_use]
    pub fn staying(&self) -> &[SessionId] {
        &self.staying
    }

    /// Nobody goes: the server goes on as if nothing had been.
    pub fn undo(self) {
        drop(self);
    }

    /// The other process serves from here on. Clients of sessions that were given are told
    /// `closing`, and go on there. Other connections have so long to get the answers that are due.
    pub fn commit(mut self, within: Duration) -> Departure {
        self.is_over = true;
        self.endpoint.count_given(self.exports.len());
        #[cfg(unix)]
        self.live.iter().for_each(|passed| self.endpoint.count_passed(passed));
        #[cfg(all(unix, feature = "classic"))]
        self.endpoint.totals.connections_given.add(self.connections.len() as u64);
        self.endpoint.leave(within);
        let (_, none) = unbounded_channel();
        let late = std::mem::replace(&mut self.late, none);
        Departure { endpoint: Arc::clone(&self.endpoint), late }
    }
}

impl Drop for Suspension {
    fn drop(&mut self) {
        if !self.is_over {
            self.endpoint.doors.send_replace(Doors::Open);
            self.endpoint.thaw();
        }
    }
}

/// A server whose sessions are another process's, but for those that are still busy.
#[derive(Debug)]
pub struct Departure {
    endpoint: Arc<SharedEndpoint>,
    late: UnboundedReceiver<Gift>,
}

impl Departure {
    /// The other process has failed: what has not gone stays, and connections are taken again.
    pub fn undo(self) {
        self.endpoint.doors.send_replace(Doors::Open);
        self.endpoint.thaw();
    }

    /// What is the next for which nothing runs any more. `None`: there is no more.
    pub async fn next(&mut self) -> Option<Departing> {
        loop {
            match self.late.recv().await? {
                Gift::Session(export) => {
                    self.endpoint.count_given(1);
                    return Some(Departing::Session(export));
                }
                Gift::Unmovable(_) => {}
                #[cfg(unix)]
                Gift::Live(passed) => {
                    self.endpoint.count_passed(&passed);
                    return Some(Departing::Live(passed));
                }
                #[cfg(all(unix, feature = "classic"))]
                Gift::Connection(passed) => {
                    self.endpoint.totals.connections_given.add(1);
                    return Some(Departing::Connection(passed));
                }
            }
        }
    }
}

/// What goes to another process after it serves already.
#[derive(Debug)]
#[non_exhaustive]
pub enum Departing {
    /// A session.
    Session(Box<SessionExport>),
    /// A versioned client's connection, which this process has let go of.
    #[cfg(unix)]
    Live(Box<PassedLive>),
    /// A stock client's connection, which this process has let go of.
    #[cfg(all(unix, feature = "classic"))]
    Connection(Box<crate::classic::PassedConnection>),
}

/// Why a session of another process cannot go on here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAdopted {
    /// There is no such service.
    NoService(Service),
    /// What its service has kept for the client cannot be read.
    State(Service),
    /// There is one of its name, or no room: see
    /// [`max_sessions`](crate::SessionLimits::max_sessions) and
    /// [`max_connections`](crate::ServerLimits::max_connections).
    NoRoom,
    /// Stock peers have no such service here.
    NoStockService(Text),
    /// The socket of a connection is none, or cannot be used.
    Socket,
}

impl fmt::Display for NotAdopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoService(service) => write!(f, "the service {service} is not served"),
            Self::State(service) => {
                write!(f, "what the service {service} keeps for a client cannot be read")
            }
            Self::NoRoom => f.write_str("there is no room (max_sessions, max_connections)"),
            Self::NoStockService(service) => {
                write!(f, "stock peers are not served {}", service.to_latin1())
            }
            Self::Socket => f.write_str("the socket of a connection cannot be used"),
        }
    }
}

impl std::error::Error for NotAdopted {}
