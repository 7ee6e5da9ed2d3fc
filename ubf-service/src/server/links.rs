//! Which connection has which session, and what each of them waits for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ubf_server::OwnerLink;
use ubf_state::SessionKey;

/// The connections that have sessions, and the calls of those that have none.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_key: HashMap<SessionKey, Attached>,
    /// By the address of the link, which each [`Attached`] keeps from being used again.
    by_link: HashMap<usize, SessionKey>,
    /// Calls without a session, by numbers of their own.
    calls: HashMap<u64, (Arc<OwnerLink>, u64)>,
    next_call: u64,
}

/// A session and the connection that it is on.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) link: Arc<OwnerLink>,
    /// Requests that are not answered: their numbers, and the packets in which they came.
    pub(super) running: VecDeque<(u64, u64)>,
    /// S3: the client has ended it, and it ends when all is answered.
    pub(super) is_ending: bool,
}

/// The address of a link, which nobody else has while the link is kept.
pub(super) fn place(link: &Arc<OwnerLink>) -> usize {
    Arc::as_ptr(link).addr()
}

impl Links {
    /// A session is on this connection. The one that it was on before, if it was on another.
    pub(super) fn attach(
        &mut self,
        key: SessionKey,
        link: &Arc<OwnerLink>,
    ) -> Option<Arc<OwnerLink>> {
        let attached =
            Attached { link: Arc::clone(link), running: VecDeque::new(), is_ending: false };
        let before = self.by_key.insert(key, attached);
        if let Some(before) = &before {
            self.by_link.remove(&place(&before.link));
        }
        self.by_link.insert(place(link), key);
        before.map(|before| before.link)
    }

    /// The session of a connection. `None`: it never had one, or another one has it.
    pub(super) fn session_of(&self, link: &Arc<OwnerLink>) -> Option<SessionKey> {
        self.by_link.get(&place(link)).copied()
    }

    pub(super) fn attached(&mut self, key: SessionKey) -> Option<&mut Attached> {
        self.by_key.get_mut(&key)
    }

    /// A session has no connection from here on.
    pub(super) fn detach(&mut self, key: SessionKey) -> Option<Attached> {
        let attached = self.by_key.remove(&key)?;
        self.by_link.remove(&place(&attached.link));
        Some(attached)
    }

    /// The number of the next call without a session, by which its answer finds the connection.
    pub(super) const fn next_call(&self) -> u64 {
        self.next_call
    }

    /// A call without a session was run under the next number.
    pub(super) fn call(&mut self, link: &Arc<OwnerLink>, packet: u64) {
        self.calls.insert(self.next_call, (Arc::clone(link), packet));
        self.next_call += 1;
    }

    /// The connection and the packet of a call without a session, which is answered.
    pub(super) fn answered(&mut self, call: u64) -> Option<(Arc<OwnerLink>, u64)> {
        self.calls.remove(&call)
    }

    /// The connections that have sessions.
    pub(super) fn with_sessions(&self) -> impl Iterator<Item = &Arc<OwnerLink>> {
        self.by_key.values().map(|attached| &attached.link)
    }

    /// Everybody, and nobody is left.
    pub(super) fn take_all(&mut self) -> Vec<Arc<OwnerLink>> {
        self.by_link.clear();
        let attached = self.by_key.drain().map(|(_, attached)| attached.link);
        let callers = self.calls.drain().map(|(_, (link, _))| link);
        attached.chain(callers).collect()
    }
}
