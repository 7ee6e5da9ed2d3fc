//! Listeners and sessions that go to another process, and come from one.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use ubf_net::{Identity, Listener, Peer};
use ubf_proto::Service;
use ubf_proto::endpoint::{self, SessionKey, SessionPlace};
use ubf_proto::export::SessionExport;
#[cfg(unix)]
use ubf_proto::session::Level;
use ubf_proto::session::SessionId;

use super::SharedEndpoint;
#[cfg(unix)]
use crate::connection::PassedLive;
use crate::connection::{self, Adopted, Giving};
use crate::entry::ConnectionEntry;
use crate::mailbox::Command;
use crate::origin::origin;
use crate::session::{ByKey, SessionEntry, SessionGuard};
use crate::takeover::{Doors, NotAdopted};

impl SharedEndpoint {
    /// U1: a listener begins to accept.
    pub(crate) fn keep_listener(&self, name: String, listener: Listener) -> Arc<Listener> {
        let listener = Arc::new(listener);
        self.listeners().push((name, Arc::clone(&listener)));
        listener
    }

    /// U1: it does not any longer, and is to be closed.
    pub(crate) fn forget_listener(&self, listener: Arc<Listener>) -> Option<Listener> {
        self.listeners().retain(|(_, known)| !Arc::ptr_eq(known, &listener));
        Arc::into_inner(listener)
    }

    /// U1: descriptors of the listeners for another process.
    #[cfg(unix)]
    pub(crate) fn listener_descriptors(
        &self,
    ) -> std::io::Result<Vec<(String, std::os::fd::OwnedFd)>> {
        let copy =
            |(name, listener): &(String, Arc<Listener>)| Ok((name.clone(), listener.descriptor()?));
        self.listeners().iter().map(copy).collect()
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<(String, Arc<Listener>)>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// U2: listeners take no connection any more. Waits until each knows it.
    pub(crate) async fn leave_doors(&self, until: tokio::time::Instant) {
        let mut open = self.open_doors.subscribe();
        self.doors.send_replace(Doors::Left);
        // They only look up: if one does not, the server is about to end.
        let _are_left =
            tokio::time::timeout_at(until, open.wait_for(|&count| count == 0)).await.is_ok();
    }

    /// U2: asks all sessions to go to another process. Those that are connected share the mailbox
    /// of their connection, and are asked once.
    pub(crate) fn freeze(&self, giving: &Giving) {
        self.command_all(|| Command::Freeze(giving.clone()));
    }

    /// U2: all stay.
    pub(crate) fn thaw(&self) {
        self.command_all(|| Command::Thaw);
    }

    /// U2: the other process serves. What stays may take so long.
    pub(crate) fn leave(&self, within: Duration) {
        self.command_all(|| Command::Leave(within));
    }

    fn command_all(&self, command: impl Fn() -> Command) {
        let mailboxes: Vec<_> = self.with_state(|state, _| {
            let connections = state.entries.values().map(|entry| entry.mailbox());
            let sessions = state.sessions.iter().map(|session| Arc::clone(&session.mailbox));
            connections.chain(sessions).collect()
        });
        // Without the lock: a session that rests is woken.
        for mailbox in mailboxes {
            mailbox.command(command());
        }
    }

    /// U2: the names of all sessions of level `'memory'`.
    pub(crate) fn session_ids(&self) -> Vec<SessionId> {
        self.with_state(|state, _| state.sessions.iter().map(|session| session.id).collect())
    }

    pub(crate) fn session_place(&self, session: SessionKey) -> Option<SessionPlace> {
        self.with_state(|state, _| state.endpoint.session_place(session))
    }

    pub(crate) fn count_given(&self, sessions: usize) {
        self.totals.sessions_given.add(sessions as u64);
    }

    /// U2: a connection has gone to another process.
    #[cfg(unix)]
    pub(crate) fn count_passed(&self, passed: &PassedLive) {
        self.totals.connections_given.add(1);
        let session = passed.export.connection.session.as_ref();
        // T3: one that its owner keeps was not here.
        let is_given = session.is_some_and(|session| session.grant.level < Level::Durable);
        self.count_given(usize::from(is_given));
    }

    pub(crate) fn expect_sessions<'i>(&self, ids: impl IntoIterator<Item = &'i SessionId>) {
        self.with_state(|state, _| {
            for id in ids {
                state.endpoint.expect_session(id);
            }
        });
    }

    pub(crate) fn expect_no_sessions(&self) {
        self.with_state(|state, _| state.endpoint.expect_no_sessions());
    }

    /// U2: a session of another process that goes on with its connection: its name, its service and
    /// the highest attempt. `None`: there is no room.
    #[cfg(unix)]
    pub(crate) fn adopt_connected(
        self: &Arc<Self>,
        connection: &ConnectionEntry,
        (id, service, turn): (SessionId, Service, u64),
    ) -> Option<SessionGuard> {
        let mut place = SessionPlace::new(id, connection.peer.address(), service, turn);
        place.origin = origin(&connection.peer);
        self.with_state(|state, now| {
            let key = connection.key;
            let session = state.endpoint.adopt_connected_session(place, key, now)?;
            let mailbox = connection.mailbox();
            let entry = SessionEntry::new(self, session, id, connection, mailbox, now);
            let entry = Arc::new(entry);
            state.sessions.insert(ByKey(Arc::clone(&entry)));
            Some(SessionGuard::new(Arc::clone(self), entry))
        })
    }

    /// U2: goes on with a session of another process.
    pub(crate) fn adopt(self: &Arc<Self>, export: SessionExport) -> Result<(), NotAdopted> {
        let SessionExport { mut place, peer, identity, session, state } = export;
        let peer = peer.map_or(Peer::Unix, Peer::Tcp);
        let identity = Identity::of_names(identity.iter().map(String::as_str));
        let peer = identity.map_or_else(|| peer.clone(), |identity| peer.with_identity(identity));
        place.origin = origin(&peer);
        let (id, name) = (place.id, place.service.clone());
        let service = self.handler(&name).ok_or_else(|| NotAdopted::NoService(name.clone()))?;
        let adopted = self.with_state(|shared, now| {
            let endpoint::Adopted { session: key, connection, start } =
                shared.endpoint.adopt_session(place, now)?;
            let entry = ConnectionEntry::new(connection, peer, now, self.limits.max_events);
            let entry = Arc::new(entry);
            let mailbox = entry.mailbox();
            entry.set_mailbox(Arc::clone(&self.nobody));
            let known = SessionEntry::new(self, key, id, &entry, mailbox, now);
            let known = Arc::new(known);
            shared.sessions.insert(ByKey(Arc::clone(&known)));
            let own = SessionGuard::new(Arc::clone(self), known);
            let session = start.parked(&name, session, now);
            Some(Adopted { own, entry, session, service: Some(service), state })
        });
        let adopted = adopted.ok_or(NotAdopted::NoRoom)?;
        if !connection::adopt(Arc::clone(self), adopted) {
            return Err(NotAdopted::State(name));
        }
        self.totals.sessions_taken.add(1);
        Ok(())
    }
}
