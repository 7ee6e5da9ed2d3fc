//! Whom an endpoint admits, with what it begins, and which session its client has.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use ubf_codec::NextIp;

use super::addresses::{can_be_told, shuffled};
use super::sessions::Room;
use super::{
    Admission, Adopted, ConnectionKey, Cordon, Endpoint, Notice, Opening, Origin, Resumption,
    SessionKey, SessionPlace, Start,
};
use crate::drain::Phase;
use crate::mutant::{Mutant, is_on};
use crate::offer::Offer;
use crate::server::{self, ServerSession};
use crate::service::Service;
use crate::session::{NoSession, Resume, SessionId, Wish};
use crate::time::Time;

impl Endpoint {
    /// Decides about a connection that was just made.
    pub fn admit(&mut self, origin: Origin, now: Time) -> Admission {
        self.now = self.now.max(now);
        let why = if self.connections.len() >= self.limits.max_connections {
            "too_many_connections"
        } else if self.connections.from(origin) >= self.limits.max_connections_per_address {
            "too_many_connections_from_address"
        } else if self.phase() >= Phase::Closing {
            "shutdown"
        } else if self.cordon.is_some() && !self.may_resume(origin) {
            "cordoned"
        } else {
            let words = self.first_words();
            let mut start = self.start(origin, words);
            let connection = self.connections.add(origin);
            if self.cordon.is_some() && !is_on(Mutant::CordonLetsAnybodyIn) {
                let next_ip = self.cordon_next_ip();
                let next_ip = self.for_one_client(next_ip);
                start.cordon = Some(server::Input::Cordon { next_ip });
                self.connections.cordon(connection);
            }
            // If that passes a mark, the new session is told like all others.
            self.observe_connections();
            return Admission::Serve { connection, start };
        };
        Admission::TurnAway { why, start: self.turn_away(origin, now) }
    }

    /// What a connection begins with that is turned away, for a reason of the shell's for example.
    pub fn turn_away(&mut self, origin: Origin, now: Time) -> Start {
        self.now = self.now.max(now);
        let next_ip = self.next_ip().cloned().or_else(|| self.cordon_next_ip());
        let next_ip = self.for_one_client(next_ip);
        self.start(origin, server::Input::NextIp(next_ip))
    }

    fn start(&mut self, origin: Origin, input: server::Input) -> Start {
        let (config, offer) = (Arc::clone(&self.session), Arc::clone(self.offer_to(origin)));
        Start {
            config,
            offer,
            seed: self.random.next_u64(),
            input,
            cordon: None,
            barred: BTreeSet::new(),
        }
    }

    /// S10.4: whether a client from there may have a session to go on with. Of those of owned
    /// services only their owners know, and of those that the predecessor still has (U2) only it.
    fn may_resume(&self, origin: Origin) -> bool {
        if is_on(Mutant::CordonShutsOutHalfOpen) {
            return self.sessions.has_parked(origin);
        }
        self.sessions.has_any(origin) || self.sessions.awaits_any() || self.offer.has_owners()
    }

    /// R4: each client has an order of its own, so that not all go to the same server.
    pub(super) fn for_one_client(&mut self, next_ip: Option<NextIp>) -> Option<NextIp> {
        next_ip.map(|next_ip| shuffled(&next_ip, &mut self.random))
    }

    pub(super) fn offer_to(&self, origin: Origin) -> &Arc<Offer> {
        self.own_offers.get(&origin).unwrap_or(&self.shared_offer)
    }

    /// Where a session that begins sends its client.
    fn first_words(&mut self) -> server::Input {
        let now = self.now;
        match self.told_drain().cloned() {
            Some(course) => self.drain_input(course, now),
            None => {
                let next_ip = self.load_next_ip().cloned();
                server::Input::NextIp(self.for_one_client(next_ip))
            }
        }
    }

    /// S1: decides about a session that the client of a connection wishes to open.
    pub fn open_session(
        &mut self,
        connection: ConnectionKey,
        service: Service,
        wish: &Wish,
        max_packet: u64,
        now: Time,
    ) -> Opening {
        self.now = self.now.max(now);
        if self.sessions.is_known(&wish.id) && !is_on(Mutant::IdOpenedTwice) {
            return Opening::Exists;
        }
        let Some(origin) = self.connections.origin(connection) else { return Opening::NotGranted };
        let grant = self.sessions.grant(wish, max_packet);
        let Some(grant) = grant.filter(|_| !self.is_crowded && self.phase() < Phase::Closing)
        else {
            return Opening::NotGranted;
        };
        match self.sessions.makes_room(origin) {
            Room::There => {}
            Room::Instead(oldest) => {
                self.sessions.remove(oldest);
                self.ending.push_back(oldest);
            }
            Room::None => return Opening::NotGranted,
        }
        let session = self.sessions.add(wish.id, origin, service, connection);
        Opening::Granted { session, grant }
    }

    /// S4, S5: decides about the client of a connection that wants to go on with a session. The
    /// shell hands the connections over in the order in which this is asked.
    pub fn resume_session(
        &mut self,
        connection: ConnectionKey,
        service: &Service,
        resume: &Resume,
        now: Time,
    ) -> Resumption {
        self.now = self.now.max(now);
        let Some(origin) = self.connections.origin(connection) else {
            return Resumption::NoSession(NoSession::Unknown);
        };
        let resumption = self.sessions.resume(service, resume, connection, origin);
        if matches!(resumption, Resumption::HandOver(_)) {
            self.connections.uncordon(connection);
        }
        resumption
    }

    /// U2: what another process needs to know of a session to go on with it. `None`: it is over.
    #[must_use]
    pub fn session_place(&self, session: SessionKey) -> Option<SessionPlace> {
        self.sessions.place(session)
    }

    /// U2: a session of the predecessor goes on here, without a connection. What was granted stays
    /// granted, also above this server's limits of one session. `None`: there is one of this name
    /// already, or there are
    /// [`max_sessions`](super::SessionLimits::max_sessions).
    pub fn adopt_session(&mut self, place: SessionPlace, now: Time) -> Option<Adopted> {
        self.now = self.now.max(now);
        let (origin, connection) = (place.origin, self.connections.skip());
        let session = self.sessions.adopt(place, connection)?;
        let is_parked = self.sessions.park(session, connection);
        debug_assert!(is_parked, "it has just come");
        let start = self.start(origin, server::Input::Tick);
        Some(Adopted { session, connection, start })
    }

    /// U2: a session of the predecessor goes on here on a connection that was admitted. `None` as
    /// for [`adopt_session`](Self::adopt_session).
    pub fn adopt_connected_session(
        &mut self,
        place: SessionPlace,
        connection: ConnectionKey,
        now: Time,
    ) -> Option<SessionKey> {
        self.now = self.now.max(now);
        self.sessions.adopt(place, connection)
    }

    /// U2: the predecessor still has this session: who wants to go on with it is told
    /// `'not_now'` until it [comes](Self::adopt_session), or [will not](Self::expect_no_sessions).
    pub fn expect_session(&mut self, id: &SessionId) {
        self.sessions.expect(id);
    }

    /// U2: the predecessor has ended.
    pub fn expect_no_sessions(&mut self) {
        self.sessions.expect_no_more();
    }

    /// S6: the machine of a session that [rests](server::Resting), parked as it was. One that the
    /// endpoint has given up is only good for being told so.
    #[must_use]
    pub fn wake_session(&self, session: SessionKey, resting: server::Resting) -> ServerSession {
        let (service, offer) = match self.sessions.who(session) {
            Some((service, origin)) => (service.clone(), self.offer_to(origin)),
            None => (Service::DEFAULT, &self.shared_offer),
        };
        resting.wake(Arc::clone(&self.session), Arc::clone(offer), service, self.now)
    }

    pub(super) fn set_cordon(&mut self, cordon: Cordon) -> bool {
        let goals = cordon.next_ip.as_ref().map_or(&[][..], NextIp::addresses);
        let is_accepted = can_be_told(goals);
        if is_accepted {
            self.note(Notice::Cordoned(cordon.clone()));
            self.cordon = Some(cordon);
        }
        is_accepted
    }

    pub(super) fn uncordon(&mut self) -> bool {
        let was_cordoned = self.cordon.take().is_some();
        if was_cordoned {
            self.note(Notice::Uncordoned);
        }
        was_cordoned
    }

    /// Where a cordon sends clients.
    fn cordon_next_ip(&self) -> Option<NextIp> {
        let cordon = self.cordon.as_ref()?;
        cordon.next_ip.clone().or_else(|| NextIp::new(self.session.peers.clone()))
    }
}
