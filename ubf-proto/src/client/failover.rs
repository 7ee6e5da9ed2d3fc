//! Connections are made, and those that are lost are replaced: rounds over all addresses (R4, R7).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ubf_codec::{Address, DecodeError, Host, NextIp};

use super::connection::{Connection, Purpose, Stage};
use super::error::CallError;
use super::loss::{Loss, LossReason};
use super::notice::Notice;
use super::output::{ConnectionId, NamedBy, Output};
use super::route::{Candidate, Hold, Owner, STABLE, Way};
use super::settle::Ending;
use super::{ClientSession, Slot};
use crate::mutant::{Mutant, is_on};
use crate::redirect::{RedirectRefusal, lower_case};
use crate::time::Time;

impl ClientSession {
    /// Connects where a connection is needed.
    pub(super) fn step_travel(&mut self) -> bool {
        if self.is_asking(Slot::Next) && self.is_move_due() {
            self.stop_asking();
            return true;
        }
        if self.next.is_some() || (self.is_closing && self.open_calls == 0) {
            return false;
        }
        if self.current.is_some() {
            self.step_move() || self.ask_server()
        } else {
            self.step_failover()
        }
    }

    /// When there will be something to do here.
    pub(super) fn travel_at(&self) -> Option<Time> {
        match (&self.current, &self.next) {
            (None, Some(_)) => None,
            (Some(_), Some(_)) if self.is_asking(Slot::Next) => self.move_at(),
            // R6: then the old connection is used again.
            (Some(_), Some(_)) => match self.route.hold {
                Hold::Until(at) if self.now < at => Some(at),
                Hold::Until(_) | Hold::Over { .. } => None,
            },
            (Some(_), None) => self.move_at().into_iter().chain(self.ask_at()).min(),
            (None, None) => self.route.way.retry_at(),
        }
    }

    /// R4: connects to any address that is known.
    fn step_failover(&mut self) -> bool {
        if let Some(candidate) = self.route.next_candidate() {
            self.dial(candidate, self.config.max_connect_time);
            return true;
        }
        match self.route.way.retry_at() {
            None => {
                self.end_round();
                true
            }
            Some(at) if self.now >= at => {
                self.begin_round();
                true
            }
            Some(_) => false,
        }
    }

    /// No address of this round works.
    fn end_round(&mut self) {
        let wait = self.route.backoff.next(&self.config.backoff, &mut self.random);
        self.route.way = Way::Waiting { until: self.now + wait };
        // N1: to wait would help only if a server were replaced; who calls must be told what is the
        // matter.
        if self.route.round.is_in_vain() {
            while let Some(call) = self.waiting.pop() {
                let error = self.why_in_vain();
                self.end(&call, Err(error));
            }
        }
    }

    fn why_in_vain(&self) -> CallError {
        match self.config.session.demanded_level() {
            Some(demanded) if self.route.round.without_session > 0 => {
                CallError::SessionNotGranted { demanded, granted: self.route.granted }
            }
            Some(_) | None => CallError::NoCommonVersion { spoken: self.route.spoken.clone() },
        }
    }

    fn begin_round(&mut self) {
        let is_forgotten = is_on(Mutant::OwnerThatLeftIsForgotten);
        let held = self.held.as_ref().filter(|held| !(is_forgotten && held.has_owner_left));
        let owner =
            held.map(|held| Owner { candidate: &held.owner, has_left: held.has_owner_left });
        self.route.begin_round(&self.config.addresses, owner);
    }

    /// R4: the first round begins at once, later ones wait.
    fn begin_failover(&mut self) {
        self.route.candidates.clear();
        let wait = if self.route.backoff.is_fresh() {
            // It counts as one: a server that agrees and then closes, again and again, is waited
            // for.
            let _counted = self.route.backoff.next(&self.config.backoff, &mut self.random);
            self.random.up_to(self.config.failover_spread)
        } else {
            self.route.backoff.next(&self.config.backoff, &mut self.random)
        };
        self.route.way = Way::Waiting { until: self.now + wait };
    }

    pub(super) fn dial(&mut self, candidate: Candidate, within: Duration) {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let Candidate { address, named_by } = candidate;
        // R7: whoever names an address does not name what its certificate must be for.
        let tls = self.config.tls.then(|| match (named_by.server(), &self.original) {
            (Some(_), Some(original)) => original.clone(),
            (Some(_) | None, _) => address.host.clone(),
        });
        self.outputs.push_back(Output::Connect {
            connection,
            address: address.clone(),
            named_by,
            within,
            tls,
        });
        self.next = Some(Box::new(Connection::new(
            connection,
            address,
            named_by,
            self.now + within,
            &self.config,
            self.now,
        )));
    }

    pub(super) fn connected(&mut self, connection: ConnectionId, peer: Option<IpAddr>, tls: bool) {
        let (now, must_tls, policy) = (self.now, self.config.tls, self.config.policy);
        let Some(link) = self.connection_mut(connection) else { return };
        let named_by = link.named_by;
        let judgement = match (named_by.server(), peer) {
            _ if must_tls && !tls => Err(RedirectRefusal::TlsToPlain),
            (Some(server), Some(peer)) => policy.judge_ip(server, peer),
            (Some(_) | None, _) => Ok(()),
        };
        if let Err(refusal) = judgement {
            let address = link.address.clone();
            if named_by != NamedBy::Program {
                self.notice(Notice::RedirectRefused { address, refusal });
            }
            return self.lost(connection, LossReason::Policy(refusal));
        }
        link.stage = Stage::Open;
        link.opened_at = now;
        link.peer = peer;
        link.last_received = now;
    }

    /// Ends connections to servers that have no version in common with us, once they owe nothing.
    pub(super) fn end_doomed(&mut self) -> bool {
        let is_over = |link: &&Connection| link.doomed.is_some() && link.in_flight.is_empty();
        let links = [self.current.as_deref(), self.next.as_deref()];
        let over = links.into_iter().flatten().find(is_over);
        let Some((connection, Some(reason))) =
            over.map(|link| (link.id, link.doomed.as_deref().cloned()))
        else {
            return false;
        };
        self.lost(connection, reason);
        true
    }

    /// A connection is gone, or is given up.
    pub(super) fn lost(&mut self, connection: ConnectionId, reason: LossReason) {
        let is_it = |link: &Option<Box<Connection>>| {
            link.as_ref().is_some_and(|link| link.id == connection)
        };
        let slot = if is_it(&self.current) {
            Slot::Current
        } else if is_it(&self.next) {
            Slot::Next
        } else {
            return;
        };
        let is_asking = self.is_asking(slot);
        let Some(link) = self.slot(slot).take() else { return };
        if is_asking {
            return self.asked_in_vain(&link, &reason);
        }
        if !matches!(reason, LossReason::Closed | LossReason::ConnectFailed { .. }) {
            self.last_words(&link, &reason);
            self.outputs.push_back(Output::Close { connection });
        }
        let ending = Ending::of(&reason, &link.in_flight);
        // What the program could not open ends with its connection.
        let is_resumable = reason != LossReason::NotOpened;
        self.look_at_owner(&link, &reason);
        self.follow_session(&link, &reason);
        self.record_loss(slot, &link, reason);
        let (was_agreed, is_open, peer) = (link.agreed_at, link.is_open(), link.peer);
        let opened_at = link.opened_at;
        let named = if was_agreed.is_some() { None } else { link.next_ip.clone() };
        let losses_before = self.leave(link, slot, ending, is_resumable);
        if slot == Slot::Current {
            if was_agreed.is_some_and(|at| self.now >= at + STABLE) {
                self.route.backoff.reset();
            }
            self.replace_current(losses_before);
        } else if self.current.is_some() {
            self.route.is_move_doubtful = true;
            self.follow_last_words(peer, named);
            if is_open && let Way::Moving { until } = &mut self.route.way {
                // R6: the time of a move is for making connections; to agree has its own.
                *until = *until + self.now.since(opened_at);
            }
        } else if was_agreed.is_some() {
            self.begin_failover();
        } else {
            self.follow_last_words(peer, named);
        }
    }

    /// Q15: the server said hello: it takes both kinds of clients on one address, and our first
    /// bytes came late; or it is a stock server. Once, it is asked again, whose first bytes go out
    /// at once.
    pub(super) fn greeted_as_stock(&mut self, connection: ConnectionId, error: DecodeError) {
        let link = [&self.current, &self.next].into_iter().flatten();
        let again = link
            .filter(|link| link.id == connection && link.agreed_at.is_none())
            .map(|link| Candidate { address: link.address.clone(), named_by: link.named_by })
            .find(|candidate| self.route.greeted_by.as_ref() != Some(&candidate.address));
        self.lost(connection, LossReason::BadSyntax(error));
        if let Some(candidate) = again.filter(|_| self.next.is_none()) {
            self.route.greeted_by = Some(candidate.address.clone());
            self.dial(candidate, self.config.max_connect_time);
        }
    }

    /// S7: remembers whether anybody takes connections where the owner of the session was.
    fn look_at_owner(&mut self, link: &Connection, reason: &LossReason) {
        let now = self.now;
        let Some(held) = self.held.as_mut().filter(|held| held.owner.address == link.address)
        else {
            return;
        };
        if matches!(reason, LossReason::ConnectFailed { .. }) {
            held.shut_since.get_or_insert(now);
        } else {
            held.shut_since = None;
        }
    }

    /// S2, S7: a server that does not own the session any longer names the one that does, which is
    /// the first to be asked. An owner that closes and names another server is not.
    fn follow_session(&mut self, link: &Connection, reason: &LossReason) {
        let Some(held) = &mut self.held else { return };
        if !reason.is_moved() {
            let is_closing = matches!(reason, LossReason::Closing { .. });
            held.has_owner_left |=
                is_closing && link.next_ip.is_some() && held.is_attached_to(link.id);
            return;
        }
        let named = link.next_ip.iter().flat_map(NextIp::addresses);
        let owner = named.map(lower_case).find_map(|address| {
            let named_by = self.judge(link.peer, &address).ok()?;
            Some(Candidate { address, named_by })
        });
        if let (Some(held), Some(owner)) = (&mut self.held, owner) {
            held.owner = owner;
        }
    }

    /// Counts and tells that a connection has ended, and remembers what that says about its
    /// address.
    fn record_loss(&mut self, slot: Slot, link: &Connection, reason: LossReason) {
        if let LossReason::NoCommonVersion { spoken } = &reason {
            self.route.round.without_version += 1;
            self.route.spoken = spoken.clone();
        }
        if let LossReason::SessionNotGranted { granted, .. } = &reason {
            self.route.round.without_session += 1;
            self.route.granted = *granted;
        }
        if matches!(reason, LossReason::Closing { .. }) {
            self.statistics.closings += 1;
        } else {
            self.statistics.losses += u64::from(link.agreed_at.is_some());
        }
        if reason.is_silence() {
            self.route.fell_silent(&link.address);
        }
        let loss = Loss { address: link.address.clone(), reason: reason.clone() };
        self.last_loss = Some(Arc::new(loss));
        self.notice(Notice::Lost {
            address: link.address.clone(),
            reason,
            was_in_use: slot == Slot::Current,
        });
    }

    /// R4: looks for a connection in place of the one that was in use.
    fn replace_current(&mut self, losses_before: u32) {
        self.route.wanted = None;
        // R4: a call that was in flight at the last loss too may be the cause of both.
        self.route.backoff.at_least(losses_before);
        // R5: what leads nowhere from one server may lead somewhere from another.
        self.route.futile = None;
        // L2: a connection that only asked cannot go on with a session.
        if self.held.is_some()
            && let Some(asking) = self.next.take_if(|next| next.is_plain())
        {
            self.outputs.push_back(Output::Close { connection: asking.id });
        }
        match &mut self.next {
            None => self.begin_failover(),
            // A move in progress is the first attempt of the failover.
            Some(next) => {
                next.purpose = Purpose::Use;
                let address = next.address.clone();
                self.begin_round();
                self.route.candidates.retain(|candidate| candidate.address != address);
                self.route.round.tried.push(address);
            }
        }
    }

    /// R7: judges an address that a server at `peer` names in a NextIP, as far as it is known.
    pub(super) fn judge(
        &self,
        peer: Option<IpAddr>,
        address: &Address,
    ) -> Result<NamedBy, RedirectRefusal> {
        let is_given = self.config.policy.judge_among(peer, address, &self.config.addresses)?;
        Ok(if is_given { NamedBy::Program } else { NamedBy::NextIp { server: peer } })
    }

    /// R4: whoever turns us away may say where to go. That is followed like any other NextIP.
    fn follow_last_words(&mut self, peer: Option<IpAddr>, named: Option<NextIp>) {
        let Some(next_ip) = named else { return };
        let mut candidates = Vec::new();
        for address in next_ip.addresses() {
            let address = lower_case(address);
            let judgement = if self.current.is_some() {
                let max_hops = self.config.max_hops;
                self.route.judge(&address, max_hops).and_then(|()| self.judge(peer, &address))
            } else if self.config.addresses.contains(&address) {
                // R5 counts moves only, and what the program named is not judged in a failover.
                Ok(NamedBy::Program)
            } else {
                self.judge(peer, &address)
            };
            match judgement {
                Ok(named_by) => candidates.push(Candidate { address, named_by }),
                Err(refusal) => {
                    self.notice(Notice::RedirectRefused { address, refusal });
                }
            }
        }
        self.notice(Notice::RedirectAnnounced { next_ip });
        self.route.prefer(&candidates);
        if self.current.is_none() {
            self.route.next_ips = candidates;
        }
    }

    /// The name that certificates must be for (R7).
    #[must_use]
    pub const fn original_host(&self) -> Option<&Host> {
        self.original.as_ref()
    }
}
