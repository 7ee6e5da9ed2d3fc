//! A session, as others see it, and its place in the server.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ubf_net::Peer;
use ubf_proto::endpoint::{ConnectionKey, SessionKey};
use ubf_proto::session::SessionId;
use ubf_proto::{Service, Time};

use crate::endpoint::SharedEndpoint;
use crate::entry::ConnectionEntry;
use crate::mailbox::Mailbox;

/// The endpoint is told of what is kept when it has changed by so much. Chosen: a small part of what
/// a session may keep, and seldom reached by small answers.
const TOLD_KEPT: usize = 16 << 10;

/// What is known of a session, and a way to reach it.
#[derive(Debug)]
pub(crate) struct SessionEntry {
    pub(crate) key: SessionKey,
    pub(crate) id: SessionId,
    pub(crate) service: Service,
    /// When it was opened.
    pub(crate) since: Time,
    /// Bytes that are kept, as they were told last.
    pub(crate) kept: AtomicUsize,
    /// How often it went on with another connection.
    pub(crate) resumes: AtomicU64,
    pub(crate) is_parked: AtomicBool,
    /// Who has the connection, or had the last one.
    owner: Mutex<(ConnectionKey, Peer)>,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl SessionEntry {
    pub(crate) fn new(
        key: SessionKey,
        id: SessionId,
        service: Service,
        connection: &ConnectionEntry,
        mailbox: Arc<Mailbox>,
        since: Time,
    ) -> Self {
        Self {
            key,
            id,
            service,
            since,
            kept: AtomicUsize::new(0),
            resumes: AtomicU64::new(0),
            is_parked: AtomicBool::new(false),
            owner: Mutex::new((connection.key, connection.peer)),
            mailbox,
        }
    }

    /// The connection that it has, or had last.
    pub(crate) fn owner(&self) -> (ConnectionKey, Peer) {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place: given back when it is dropped, however the session ends.
#[derive(Debug)]
pub(crate) struct SessionGuard {
    pub(crate) endpoint: Arc<SharedEndpoint>,
    pub(crate) entry: Arc<SessionEntry>,
}

impl SessionGuard {
    /// S6: it has no connection from here on.
    pub(crate) fn park(&self, connection: ConnectionKey) {
        self.entry.is_parked.store(true, Ordering::Relaxed);
        self.endpoint.park_session(self.entry.key, connection);
    }

    /// S4: it goes on with a connection.
    pub(crate) fn attached(&self, connection: &ConnectionEntry) {
        self.entry.resumes.fetch_add(1, Ordering::Relaxed);
        self.entry.is_parked.store(false, Ordering::Relaxed);
        *self.entry.owner.lock().unwrap_or_else(PoisonError::into_inner) =
            (connection.key, connection.peer);
    }

    /// S6: nobody can go on with it from here on. `false` if somebody is about to.
    pub(crate) fn expire(&self) -> bool {
        self.endpoint.expire_session(&self.entry)
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let kept = self.entry.kept.swap(0, Ordering::Relaxed);
        self.endpoint.kept_changed(kept, 0);
        self.endpoint.forget_session(self.entry.key);
    }
}

/// What a session's task and the endpoint have told each other of what is kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    is_crowded: bool,
}

impl Kept {
    /// Tells the endpoint what is kept. Whether the server is crowded, if that has changed.
    pub(crate) fn tell(&mut self, own: &SessionGuard, kept: usize, is_last: bool) -> Option<bool> {
        let told = own.entry.kept.load(Ordering::Relaxed);
        if told.abs_diff(kept) >= TOLD_KEPT || (is_last && told != kept) {
            own.entry.kept.store(kept, Ordering::Relaxed);
            own.endpoint.kept_changed(told, kept);
        }
        let is_crowded = own.endpoint.is_crowded();
        (std::mem::replace(&mut self.is_crowded, is_crowded) != is_crowded).then_some(is_crowded)
    }
}
