//! The calls half of a session: what is asked and not answered, and whose service it is.

use alloc::boxed::Box;

use ubf_codec::{Limits, Mode, Text, Version};

use super::answer::Content;
use super::config::Config;
use super::granted::Granted;
use super::pending::PendingPlace;
use super::reply;
use crate::mutant::{Mutant, is_on};
use crate::offer::Offer;
use crate::packet::Packet;
use crate::service::Service;
use crate::session::Grant;
use crate::time::Time;
use crate::within;

/// What a client has asked for.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) service: Service,
    /// A version that the offer speaks for this service: what it speaks it goes on to speak, until
    /// there is another offer.
    spoken: Option<Version>,
    /// N12: what the client accepts of a body, and of a packet. None is known before it has
    /// negotiated.
    pub(super) accepted: Option<Box<Limits>>,
    pub(super) pending: PendingPlace,
    /// Packets on the earlier connections of the session.
    pub(super) base: u64,
    /// S1: the session that was granted.
    pub(super) session: Option<Box<Granted>>,
    /// T11: of a service that is pinned.
    pinned: Option<Box<Pinned>>,
    /// T3: the service has an owner, which says when a message is taken.
    is_owned: bool,
}

/// T11: a service whose state here would be lost by a move.
#[derive(Debug)]
struct Pinned {
    /// The state of UBF(C) in which there is nothing to lose.
    first: Text,
    /// The last reply told of another state.
    is_away: bool,
}

fn pinned(offer: &Offer, service: &Service) -> Option<Box<Pinned>> {
    let first = offer.first_state(service)?.clone();
    Some(Box::new(Pinned { first, is_away: false }))
}

impl Calls {
    pub(super) fn new(offer: &Offer) -> Self {
        Self::of(Service::DEFAULT, offer)
    }

    /// Those of a client that has turned to a service.
    pub(super) fn of(service: Service, offer: &Offer) -> Self {
        Self {
            pinned: pinned(offer, &service),
            is_owned: offer.is_owned(&service),
            service,
            spoken: None,
            accepted: None,
            pending: PendingPlace::default(),
            base: 0,
            session: None,
        }
    }

    /// The client has turned to a service, and tells what it accepts.
    pub(super) fn turn_to(&mut self, service: Service, limits: Limits, offer: &Offer) {
        if self.service != service {
            self.pinned = pinned(offer, &service);
            self.is_owned = offer.is_owned(&service);
        }
        self.service = service;
        self.spoken = None;
        // Of a depth that is told, the pair around the response is one more.
        let max_depth = limits.max_depth.saturating_add(1);
        self.accepted = Some(Box::new(limits.with_max_depth(max_depth)));
    }

    pub(super) const fn offer_changed(&mut self) {
        self.spoken = None;
    }

    pub(super) fn speaks(&mut self, version: Version, offer: &Offer, now: Time) -> bool {
        // Mostly, all messages are of one version.
        if self.spoken != Some(version) && offer.speaks(&self.service, version, now) {
            self.spoken = Some(version);
        }
        self.spoken == Some(version)
    }

    /// T11: an answer leaves, and may tell of another state.
    pub(super) fn follow_state(&mut self, mode: Mode, content: &Content) {
        if let Some(pinned) = &mut self.pinned
            && mode != Mode::Negotiation
            && let Content::Body(body) = content
            && let Some(is_first) = reply::is_state(body, &pinned.first)
        {
            pinned.is_away = !is_first;
        }
    }

    pub(super) const fn is_owned(&self) -> bool {
        self.is_owned
    }

    pub(super) const fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// T11: whether what the client has here would be lost elsewhere.
    pub(super) fn is_away(&self) -> bool {
        self.pinned.as_ref().is_some_and(|pinned| pinned.is_away)
    }

    pub(super) fn set_away(&mut self, is_away: bool) {
        if let Some(pinned) = &mut self.pinned {
            pinned.is_away = is_away;
        }
    }

    /// T11: whether the client is held here: it has a state to lose, or may have one after what is
    /// still to be answered.
    pub(super) fn is_held(&self) -> bool {
        self.pinned.as_ref().is_some_and(|pinned| pinned.is_away || self.pending.len() > 0)
    }

    /// S1: a session is granted.
    pub(super) fn open_session(&mut self, grant: Grant, now: Time) {
        self.session = Some(Box::new(Granted::new(grant, now)));
    }

    /// The session is over. `false` if there was none.
    pub(super) fn close_session(&mut self) -> bool {
        self.session.take().is_some()
    }

    /// S2: the number of a packet on this connection. 0: it came on an earlier one.
    pub(super) const fn number_here(&self, packet: u64) -> u64 {
        packet.saturating_sub(self.base)
    }

    /// L1, S3: whether another packet may be taken in.
    pub(super) fn have_room(&self, config: &Config) -> bool {
        let Self { pending, session, .. } = self;
        let Some(session) = session.as_ref().filter(|_| !is_on(Mutant::PendingStopsReading)) else {
            return pending.len() < config.max_pending
                && pending.bytes() < config.max_pending_bytes;
        };
        // A client that keeps to what it was granted is always read, or it could not say what it
        // has seen.
        let messages = pending.messages();
        let bytes = pending.request_bytes() as u64;
        pending.len() - pending.messages() < config.max_pending
            && messages as u64 <= session.grant.window
            && (messages <= 1 || bytes <= session.grant.bytes)
    }

    /// N12: whether a packet of the application is within the client's limits. What is no packet at
    /// all, its client finds out.
    pub(super) fn is_accepted(&self, packet: &Packet) -> bool {
        let Some(limits) = &self.accepted else { return true };
        packet.len() as u64 <= u64::from(limits.max_packet_bytes)
            && !within::check(&packet.body, limits).is_err_and(|error| error.is_limit())
    }

    /// N12: the most bytes of a packet that the client accepts.
    pub(super) fn max_packet(&self) -> u64 {
        self.accepted.as_ref().map_or(u64::MAX, |limits| limits.max_packet_bytes.into())
    }
}
