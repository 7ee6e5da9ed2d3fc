//! A session, as others see it, and its place in the server.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Wake, Waker};

use ubf_net::Peer;
use ubf_proto::endpoint::{ConnectionKey, SessionKey};
use ubf_proto::session::SessionId;
use ubf_proto::{Service, Time};

use crate::bed::Bed;
use crate::connection::{Resting, go_on};
use crate::endpoint::SharedEndpoint;
use crate::entry::ConnectionEntry;
use crate::mailbox::Mailbox;

/// The endpoint is told of what is kept when it has changed by so much. Chosen: a small part of
/// what a session may keep, and seldom reached by small answers.
const TOLD_KEPT: usize = 16 << 10;

/// What is known of a session, and a way to reach it.
#[derive(Debug)]
pub(crate) struct SessionEntry {
    pub(crate) key: SessionKey,
    pub(crate) id: SessionId,
    /// When it was opened.
    pub(crate) since: Time,
    /// Bytes that are kept, as they were told last.
    pub(crate) kept: AtomicUsize,
    /// How often it went on with another connection.
    pub(crate) resumes: AtomicU32,
    pub(crate) is_parked: AtomicBool,
    /// S10: the client was told that the server stops, and has what it was sent.
    pub(crate) was_told: AtomicBool,
    /// S6: whether the session was told last that the server is crowded.
    is_crowded: AtomicBool,
    /// Who has the connection, or had the last one.
    owner: Mutex<(ConnectionKey, Peer)>,
    pub(crate) mailbox: Arc<Mailbox>,
    /// S6: where it is while it rests.
    bed: Bed<Resting>,
    endpoint: Weak<SharedEndpoint>,
}

impl SessionEntry {
    pub(crate) fn new(
        endpoint: &Arc<SharedEndpoint>,
        key: SessionKey,
        id: SessionId,
        connection: &ConnectionEntry,
        mailbox: Arc<Mailbox>,
        since: Time,
    ) -> Self {
        Self {
            key,
            id,
            since,
            kept: AtomicUsize::new(0),
            resumes: AtomicU32::new(0),
            is_parked: AtomicBool::new(false),
            was_told: AtomicBool::new(false),
            is_crowded: AtomicBool::new(false),
            owner: Mutex::new((connection.key, connection.peer.clone())),
            mailbox,
            bed: Bed::new(),
            endpoint: Arc::downgrade(endpoint),
        }
    }

    /// S6: the session rests from here on, until its mail, its time or a connection wakes it. It
    /// comes back if it has mail.
    pub(crate) fn lie_down(self: &Arc<Self>, resting: Box<Resting>) -> Option<Box<Resting>> {
        self.bed.lie_down(resting, &self.mailbox, &Waker::from(Arc::clone(self)))
    }

    /// The session, if it rests: whoever takes it goes on with it.
    pub(crate) fn take_resting(&self) -> Option<Box<Resting>> {
        self.bed.take(&self.mailbox)
    }

    /// The connection that it has, or had last.
    pub(crate) fn owner(&self) -> (ConnectionKey, Peer) {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A session in a set of those of a server, in which its key finds it: a table would have all keys
/// twice.
#[derive(Debug)]
pub(crate) struct ByKey(pub(crate) Arc<SessionEntry>);

impl Deref for ByKey {
    type Target = Arc<SessionEntry>;

    fn deref(&self) -> &Arc<SessionEntry> {
        &self.0
    }
}

impl Borrow<SessionKey> for ByKey {
    fn borrow(&self) -> &SessionKey {
        &self.0.key
    }
}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for ByKey {}

/// The bell of a session that rests: it goes on in a task.
impl Wake for SessionEntry {
    fn wake(self: Arc<Self>) {
        // Without its endpoint there is nothing to go on with.
        if let Some(endpoint) = self.endpoint.upgrade()
            && let Some(resting) = self.take_resting()
        {
            endpoint.spawn(go_on(Arc::clone(&endpoint), self, resting));
        }
    }
}

/// A session's place: given back when it is dropped, however the session ends.
#[derive(Debug)]
pub(crate) struct SessionGuard {
    pub(crate) endpoint: Arc<SharedEndpoint>,
    pub(crate) entry: Arc<SessionEntry>,
    /// The session rests: there is no task to hold its place.
    is_let_go: bool,
}

impl SessionGuard {
    pub(crate) const fn new(endpoint: Arc<SharedEndpoint>, entry: Arc<SessionEntry>) -> Self {
        Self { endpoint, entry, is_let_go: false }
    }

    /// Leaves the place to a session that rests.
    pub(crate) fn let_go(mut self) {
        self.is_let_go = true;
    }

    /// Whether the session is one of this service, and not over.
    pub(crate) fn is_for(&self, service: &Service) -> bool {
        let place = self.endpoint.session_place(self.entry.key);
        place.is_some_and(|place| place.service == *service)
    }

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
            (connection.key, connection.peer.clone());
    }

    /// S6: tells the endpoint what is kept: always at the end, else when it has changed much.
    /// Whether the server is crowded, if that has changed.
    pub(crate) fn tell_kept(&self, kept: usize, is_last: bool) -> Option<bool> {
        // The session's task alone writes these: others only look at them.
        let told = self.entry.kept.load(Ordering::Relaxed);
        if told.abs_diff(kept) >= TOLD_KEPT || (is_last && told != kept) {
            self.entry.kept.store(kept, Ordering::Relaxed);
            self.endpoint.kept_changed(told, kept);
        }
        let is_crowded = self.endpoint.is_crowded();
        let has_changed = self.entry.is_crowded.load(Ordering::Relaxed) != is_crowded;
        has_changed.then(|| {
            self.entry.is_crowded.store(is_crowded, Ordering::Relaxed);
            is_crowded
        })
    }

    /// S6: nobody can go on with it from here on. `false` if somebody is about to.
    pub(crate) fn expire(&self) -> bool {
        self.endpoint.expire_session(&self.entry)
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        if self.is_let_go {
            return;
        }
        let kept = self.entry.kept.swap(0, Ordering::Relaxed);
        self.endpoint.kept_changed(kept, 0);
        self.endpoint.forget_session(self.entry.key);
    }
}
