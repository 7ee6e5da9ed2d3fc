//! What an endpoint asks for, and what it says to a connection that was just made.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ubf_codec::{Address, Term, Version};

use super::{ConnectionKey, Cordon, Origin, SessionKey};
use crate::drain::DrainPlan;
use crate::offer::Offer;
use crate::server::{self, ServerSession};
use crate::service::Service;
use crate::time::Time;

/// What is to be done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Tell the session of this connection.
    Tell(ConnectionKey, server::Input),
    /// R8: end this connection at once, whatever it is about. Its session is told
    /// [`Lost`](server::Input::Lost).
    Cut(ConnectionKey),
    /// S6: end this session, which has to make room or whose server stops: its machine is told
    /// [`EndSession`](server::Input::EndSession).
    EndSession(SessionKey),
    /// S6: the time of this session, which [rests](super::Input::Rests), is over: wake it, and tell
    /// its machine that time has passed. It is not over before its machine says so.
    WakeSession(SessionKey),
    /// Close the listeners, admit who has connected already, then say
    /// [`StoppedListening`](super::Input::StoppedListening).
    StopListening,
    /// Say in [`Calls`](super::Input::Calls) how many handlers run.
    CountCalls,
    /// Something that people want to see.
    Notice(Notice),
}

/// What people want to see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// R8: the server drains.
    Draining(DrainPlan),
    /// R8: it does so no longer.
    Serving,
    /// R5: nobody can connect any longer, and clients are told to move.
    Left,
    /// The server admits no further connection.
    Cordoned(Cordon),
    /// It does again.
    Uncordoned,
    /// R8: no further call is executed.
    Closing {
        /// Connections that are left.
        connections: usize,
        /// How long calls in progress may take.
        within: Duration,
    },
    /// R8: what is left is cut.
    Stopped {
        /// Connections that are left.
        connections: usize,
    },
    /// R9: the load has passed a mark.
    Load {
        /// The load.
        load: u64,
        /// The low-water mark.
        low: u64,
        /// The high-water mark.
        high: u64,
        /// Whether clients are sent elsewhere from here on.
        is_over: bool,
    },
    /// N6: crashes have withdrawn a version.
    Withdrawn {
        /// Its service.
        service: Service,
        /// The version.
        version: Version,
        /// For this peer; `None`: for all.
        peer: Option<Origin>,
        /// Until when.
        until: Time,
    },
    /// The operator has withdrawn a version.
    WithdrawnByOperator(Service, Version),
    /// The operator has restored a version.
    Restored(Service, Version),
    /// R4: the operator has named other peers.
    Peers(Vec<Address>),
}

/// What becomes of a connection that was just made.
#[derive(Clone, Debug)]
pub enum Admission {
    /// It is served. When it ends, say [`Closed`](super::Input::Closed).
    Serve {
        /// Its name from here on.
        connection: ConnectionKey,
        /// What its session begins with.
        start: Start,
    },
    /// It is told `closing` and closed (L3). Nothing of it is read before.
    TurnAway {
        /// The reason that it is told.
        why: &'static str,
        /// What its session begins with.
        start: Start,
    },
}

/// What the session of a connection begins with.
#[derive(Clone, Debug)]
pub struct Start {
    pub(super) config: Arc<server::Config>,
    pub(super) offer: Arc<Offer>,
    pub(super) seed: u64,
    pub(super) input: server::Input,
    /// S10.4: that its client may only go on with a session.
    pub(super) cordon: Option<server::Input>,
    /// N14: what its client may not use.
    pub(super) barred: BTreeSet<Service>,
}

impl Start {
    /// N14: its client may not use these services.
    #[must_use]
    pub fn barring(mut self, services: BTreeSet<Service>) -> Self {
        self.barred = services;
        self
    }

    /// The session of a connection that is served.
    #[must_use]
    pub fn session(self, now: Time) -> ServerSession {
        let mut session = ServerSession::new(self.config, self.offer, now)
            .with_seed(self.seed)
            .with_barred(self.barred);
        session.handle(self.input, now);
        if let Some(cordon) = self.cordon {
            session.handle(cordon, now);
        }
        session
    }

    /// U2: a session of the predecessor, without a connection.
    #[must_use]
    pub fn parked(self, service: &Service, session: server::Restored, now: Time) -> ServerSession {
        ServerSession::parked(self.config, self.offer, service, session, now)
    }

    /// U2: a connection of the predecessor, where so many bytes were handed out and not written.
    #[must_use]
    pub fn live(self, live: server::LiveConnection, unwritten: usize, now: Time) -> ServerSession {
        // S10.4: those that are there stay, so that a cordon is nothing to them.
        let Self { config, offer, seed, input, barred, cordon: _ } = self;
        let mut session = ServerSession::live(config, offer, live, unwritten, now)
            .with_seed(seed)
            .with_barred(barred);
        session.handle(input, now);
        session
    }

    /// The session of a connection that is turned away: all its outputs are there.
    #[must_use]
    pub fn farewell(self, why: &str, now: Time) -> ServerSession {
        let mut session = self.session(now);
        let (why, within) = (Term::atom(why), Duration::ZERO);
        session.handle(server::Input::Close { why, within }, now);
        session
    }
}
