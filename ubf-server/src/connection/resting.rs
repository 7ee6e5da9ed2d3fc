//! How a session rests that nobody is connected to and in which nothing goes on (S6): it has no
//! task, no timer and nothing of its connections.

use std::fmt;
use std::sync::Arc;

use ubf_proto::{ServerSession, Service, server};

use super::{Connection, Opened, WORK_BYTES};
use crate::call_times::ServiceTimes;
use crate::contain::Contained;
use crate::endpoint::SharedEndpoint;
use crate::entry::ConnectionEntry;
use crate::erased::AnyConnection;
use crate::mailbox::OpenMailbox;
use crate::session::{SessionEntry, SessionGuard};

/// All that is kept of it, beside its [entry](SessionEntry).
pub(crate) struct Resting {
    session: server::Resting,
    /// `None`: that of no service.
    services: Option<Box<Services>>,
}

/// The code of the services that its client has used.
enum Services {
    /// That of the session, whose name is known.
    Own {
        code: Code,
        times: Option<Arc<ServiceTimes>>,
    },
    All(Box<[Opened]>),
}

type Code = Contained<Box<dyn AnyConnection>>;

/// Who holds the mailbox of a session that lies down, if nobody sends events: its task, its entry,
/// and the code of its service.
const MAILBOXES: usize = 3;

impl Services {
    fn pack(mut opened: Vec<Opened>, own: &SessionGuard) -> Option<Box<Self>> {
        let last = opened.pop()?;
        let is_only = opened.is_empty();
        if is_only && !Self::is_missed(&last.code, &own.entry) {
            return None;
        }
        let services = if is_only && own.is_for(&last.name) {
            Self::Own { code: last.code, times: last.times }
        } else {
            opened.push(last);
            Self::All(opened.into())
        };
        Some(Box::new(services))
    }

    /// Its events name its place among the services, so that there may be no code only where nobody
    /// holds a sender.
    fn is_missed(code: &Code, own: &SessionEntry) -> bool {
        code.get().is_none_or(|code| code.is_missed())
            || Arc::strong_count(&own.mailbox) > MAILBOXES
    }

    fn unpack(self, own: &Service) -> Vec<Opened> {
        match self {
            Self::Own { code, times } => vec![Opened { name: own.clone(), code, times }],
            Self::All(opened) => opened.into_vec(),
        }
    }
}

/// Goes on with a session that rests: it has mail, or its time is over.
pub(crate) async fn go_on(
    endpoint: Arc<SharedEndpoint>,
    entry: Arc<SessionEntry>,
    resting: Box<Resting>,
) {
    // Nothing is done before this runs: whoever wakes a session may hold locks.
    Connection::woken(endpoint, entry, *resting).run_session().await;
}

impl fmt::Debug for Resting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resting").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Connection {
    /// Whether the session needs no task, as far as this task knows.
    pub(super) fn is_resting(&self) -> bool {
        self.link.is_none()
            && self.next.is_none()
            && self.owned.is_empty()
            && self.waiting.is_none()
            && self.own.is_some()
            && self.frozen.is_none()
            && self.session.is_resting()
    }

    /// Lays the session down, if nothing goes on in it. Otherwise it goes on here.
    pub(super) fn rest(mut self: Box<Self>) -> Option<Box<Self>> {
        if !self.is_resting() || self.mailbox.has_mail() {
            return Some(self);
        }
        let (Some(own), Some(session)) = (self.own.take(), self.session.rest()) else {
            debug_assert!(false, "it was looked at");
            return Some(self);
        };
        let Self { endpoint, mailbox, services, .. } = *self;
        let (entry, until) = (Arc::clone(&own.entry), session.expires_at());
        endpoint.runs_here();
        let services = Services::pack(services, &own);
        own.let_go();
        mailbox.leave_open();
        let resting = Box::new(Resting { session, services });
        match entry.lie_down(resting) {
            None => {
                endpoint.session_rests(entry.key, until);
                None
            }
            Some(resting) => Some(Self::woken(endpoint, entry, *resting)),
        }
    }

    /// The session as it was before it rested.
    pub(super) fn woken(
        endpoint: Arc<SharedEndpoint>,
        entry: Arc<SessionEntry>,
        resting: Resting,
    ) -> Box<Self> {
        let Resting { session, services } = resting;
        let now = endpoint.clock.now();
        let session = endpoint.wake_session(entry.key, session);
        let services =
            services.map_or_else(Vec::new, |services| services.unpack(session.service()));
        let (key, peer) = entry.owner();
        let connection = ConnectionEntry::gone(key, peer, now, endpoint.nobody());
        let mailbox = OpenMailbox::new(Arc::clone(&entry.mailbox));
        let own = SessionGuard::new(Arc::clone(&endpoint), entry);
        Self::without_link(endpoint, Arc::new(connection), mailbox, own, session, services)
    }

    /// What goes on for a session that has no connection at the moment; `entry` is that of the
    /// connection that it had.
    pub(super) fn without_link(
        endpoint: Arc<SharedEndpoint>,
        entry: Arc<ConnectionEntry>,
        mailbox: OpenMailbox,
        own: SessionGuard,
        session: ServerSession,
        services: Vec<Opened>,
    ) -> Box<Self> {
        let now = endpoint.clock.now();
        Box::new(Self {
            mailbox,
            own: Some(own),
            endpoint,
            entry,
            link: None,
            next: None,
            session,
            budget: WORK_BYTES,
            services,
            owned: Vec::new(),
            waiting: None,
            timer: None,
            last_tick: None,
            now,
            end: None,
            frozen: None,
        })
    }
}
