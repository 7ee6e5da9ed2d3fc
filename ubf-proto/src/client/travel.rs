//! From one connection to the next: moves, losses, rounds (R1 to R7).

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ubf_codec::{Address, Host, NextIp, Term};

use super::calls::OpenCall;
use super::error::CallError;
use super::link::{Awaited, Link, Purpose, Sent, Stage};
use super::loss::{Loss, LossReason};
use super::notice::Notice;
use super::output::{ConnectionId, Done, NamedBy, Output};
use super::route::{Candidate, Hold, Round, Wanted};
use super::{ClientSession, Slot};
use crate::redirect::{RedirectRefusal, lower_case};
use crate::time::Time;

/// A connection that held so long was a good one: the next loss is the first of a series, and the
/// next redirection of a chase (R5). Chosen: longer than the longest back-off.
const STABLE: Duration = Duration::from_secs(60);

/// What the end of a connection says about the packets that have no answer.
enum Ending {
    /// Nothing.
    Broken,
    /// `closing`: those up to this number may have run.
    Planned { last: u64 },
    /// `error`: the packet at this offset could not be read, and what is behind it was not.
    Unread { why: Term, offset: u64 },
}

impl Ending {
    fn of(reason: &LossReason, in_flight: &VecDeque<Sent>) -> Self {
        let is_due =
            |offset: &u64| in_flight.iter().any(|sent| (sent.start..sent.end).contains(offset));
        if let LossReason::Closing { last, .. } = reason {
            return Self::Planned { last: *last };
        }
        // An offset in what was answered, or in what was not sent, says nothing.
        if let LossReason::ReportedError { why, offset } = reason
            && is_due(offset)
        {
            return Self::Unread { why: why.clone(), offset: *offset };
        }
        Self::Broken
    }

    /// Whether a packet of this number, which ends at this offset, may have been executed.
    const fn may_have_run(&self, packet: u64, end: u64) -> bool {
        match self {
            Self::Broken => true,
            Self::Planned { last } => packet <= *last,
            Self::Unread { offset, .. } => end <= *offset,
        }
    }
}

impl ClientSession {
    /// Connects where a connection is needed.
    pub(super) fn travel(&mut self) -> bool {
        if self.is_asking(Slot::Next) && self.is_move_due() {
            self.stop_asking();
            return true;
        }
        if self.next.is_some() || (self.is_closing && self.open_calls == 0) {
            return false;
        }
        if self.current.is_some() {
            self.travel_on() || self.ask_server()
        } else {
            self.travel_anywhere()
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
            (None, None) => self.route.retry_at,
        }
    }

    fn move_at(&self) -> Option<Time> {
        let wanted = self.route.wanted.as_ref().filter(|_| self.can_move());
        wanted.map(|wanted| wanted.at)
    }

    /// R6: how long a move may hold calls back.
    fn max_hold_time(&self) -> Duration {
        self.config.max_move_time + self.config.max_negotiation_time
    }

    /// R6: a move begins to hold calls back.
    pub(super) fn hold_back(&mut self) {
        self.route.hold = Hold::Until(self.now + self.max_hold_time());
    }

    /// R6: whether calls wait for the old connection to owe nothing, although the new server has
    /// agreed. If a slow answer takes longer than a move may, the old connection is used until that
    /// answer has come.
    pub(super) fn is_holding(&mut self) -> bool {
        let (now, max) = (self.now, self.max_hold_time());
        let Some(current) = &self.current else { return false };
        match self.route.hold {
            Hold::Until(at) if now < at => true,
            Hold::Until(_) => {
                self.route.hold = Hold::Over { behind: current.packets };
                false
            }
            Hold::Over { behind } => {
                let is_slow_one_due = current.first_due().is_some_and(|sent| sent.packet <= behind);
                if !is_slow_one_due {
                    self.route.hold = Hold::Until(now + max);
                }
                !is_slow_one_due
            }
        }
    }

    fn can_move(&self) -> bool {
        self.current.as_ref().is_some_and(|link| link.doomed.is_none()) && !self.is_closing
    }

    /// R2: moves, while the old connection lives.
    fn travel_on(&mut self) -> bool {
        if let Some(until) = self.route.move_until {
            // R6: what is left of the time is shared by the addresses that are left, so that each
            // has its turn.
            let left = u32::try_from(self.route.candidates.len()).unwrap_or(u32::MAX);
            if self.now < until
                && let Some(candidate) = self.route.next_candidate()
            {
                let share = until.since(self.now) / left.max(1);
                self.dial(candidate, share.min(self.config.max_connect_time));
            } else {
                self.move_failed();
            }
            return true;
        }
        let is_due = self.is_move_due();
        if is_due {
            self.begin_move();
        }
        is_due
    }

    fn is_move_due(&self) -> bool {
        let wanted = self.route.wanted.as_ref();
        self.can_move() && wanted.is_some_and(|wanted| self.now >= wanted.at)
    }

    fn begin_move(&mut self) {
        let Some(Wanted { next_ip, .. }) = self.route.wanted.clone() else { return };
        let peer = self.current.as_ref().and_then(|link| link.peer);
        self.route.candidates.clear();
        self.route.round = Round::default();
        for address in next_ip.addresses() {
            let judgement = self.route.judge(&lower_case(address), self.config.max_hops);
            match judgement.and_then(|()| self.judge(peer, address)) {
                Ok(named_by) => self
                    .route
                    .candidates
                    .push_back(Candidate { address: lower_case(address), named_by }),
                Err(refusal) => {
                    self.outputs.push_back(Output::Notice(Notice::RedirectRefused {
                        address: address.clone(),
                        refusal,
                    }));
                }
            }
        }
        if self.route.candidates.is_empty() {
            // R7: the client stays. The same list is not looked at again in this chase.
            self.route.futile = Some(next_ip);
            self.route.wanted = None;
        } else {
            self.route.move_until = Some(self.now + self.config.max_move_time);
            self.hold_back();
        }
    }

    /// R6: stay on the old connection, report, back off.
    fn move_failed(&mut self) {
        let retry_at =
            self.now + self.route.move_backoff.next(&self.config.move_backoff, &mut self.random);
        self.route.move_until = None;
        self.route.candidates.clear();
        self.route.move_again_at = retry_at;
        if let Some(wanted) = &mut self.route.wanted {
            wanted.at = retry_at;
        }
        self.notice(Notice::RedirectFailed { retry_at });
    }

    /// R4: connects to any address that is known.
    fn travel_anywhere(&mut self) -> bool {
        self.route.move_until = None;
        if let Some(candidate) = self.route.next_candidate() {
            self.dial(candidate, self.config.max_connect_time);
            return true;
        }
        match self.route.retry_at {
            None => {
                self.end_round();
                true
            }
            Some(at) if self.now >= at => {
                self.route.begin_round(&self.config.addresses);
                true
            }
            Some(_) => false,
        }
    }

    /// No address of this round works.
    fn end_round(&mut self) {
        self.route.retry_at =
            Some(self.now + self.route.backoff.next(&self.config.backoff, &mut self.random));
        // N1: to wait would help only if a server were replaced; who calls must be told what is the
        // matter.
        if self.route.round.is_without_version() {
            while let Some(call) = self.waiting.pop() {
                let spoken = self.route.spoken.clone();
                self.end(&call, Err(CallError::NoCommonVersion { spoken }));
            }
        }
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
        self.next = Some(Link::new(
            connection,
            address,
            named_by,
            self.now + within,
            &self.config,
            self.now,
        ));
    }

    pub(super) fn connected(&mut self, connection: ConnectionId, peer: Option<IpAddr>, tls: bool) {
        let (now, must_tls, policy) = (self.now, self.config.tls, self.config.policy);
        let Some(link) = self.link_mut(connection) else { return };
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

    /// R2: goes on where the server has agreed, once the old connection owes nothing.
    pub(super) fn promote(&mut self) -> bool {
        let has_agreed = self
            .next
            .as_ref()
            .is_some_and(|next| next.agreed_at.is_some() && next.doomed.is_none());
        let owes_nothing = self.current.as_ref().is_none_or(|current| current.in_flight.is_empty());
        if !has_agreed || !owes_nothing {
            return false;
        }
        let Some(next) = self.next.take() else { return false };
        if let Some(old) = self.current.take() {
            self.outputs.push_back(Output::Close { connection: old.id });
            self.route.record_move(&old.address, &next.address, self.now);
            self.statistics.moves += 1;
            let hops = self.route.hops;
            self.notice(Notice::Moved { from: old.address, to: next.address.clone(), hops });
        }
        if next.named_by == NamedBy::Program {
            self.original = Some(next.address.host.clone());
        }
        self.route.candidates.clear();
        self.route.move_until = None;
        self.route.retry_at = None;
        self.current = Some(next);
        self.consider_next_ip(None);
        true
    }

    /// R1, R3: decides when to follow the NextIP of the last packet. A notice leaves time.
    pub(super) fn consider_next_ip(&mut self, grace: Option<Duration>) {
        if self.route.last_move.is_some_and(|at| self.now >= at + STABLE) {
            self.route.end_chase();
        }
        let Some(current) = &self.current else { return };
        let (peer, next_ip) = (current.peer, current.next_ip.clone());
        let Some(next_ip) = next_ip else {
            self.route.wanted = None;
            return;
        };
        if self.route.futile.as_ref() == Some(&next_ip) {
            return;
        }
        // R5: a second voluntary move waits.
        let rested = self.route.last_move.map_or(self.now, |at| at + self.config.move_interval);
        let earliest = self.now.max(rested).max(self.route.move_again_at);
        // R3: at random in the first half of the grace, so that not all move at once.
        let at =
            grace.map_or(earliest, |grace| earliest.max(self.now + self.random.up_to(grace / 2)));
        if let Some(wanted) = self.route.wanted.as_mut().filter(|wanted| wanted.next_ip == next_ip)
        {
            wanted.at = wanted.at.min(at);
            return;
        }
        let judged = next_ip.addresses().iter().filter_map(|address| {
            let named_by = self.judge(peer, address).ok()?;
            Some(Candidate { address: lower_case(address), named_by })
        });
        self.route.next_ips = judged.collect();
        self.route.wanted = Some(Wanted { next_ip: next_ip.clone(), at });
        self.notice(Notice::RedirectAnnounced { next_ip });
    }

    /// Ends connections to servers that have no version in common with us, once they owe nothing.
    pub(super) fn end_doomed(&mut self) -> bool {
        let is_over = |link: &&Link| link.doomed.is_some() && link.in_flight.is_empty();
        let over = [&self.current, &self.next].into_iter().flatten().find(is_over);
        let Some((connection, Some(reason))) = over.map(|link| (link.id, link.doomed.clone()))
        else {
            return false;
        };
        self.lost(connection, reason);
        true
    }

    /// A connection is gone, or is given up.
    pub(super) fn lost(&mut self, connection: ConnectionId, reason: LossReason) {
        let is_it = |link: &Option<Link>| link.as_ref().is_some_and(|link| link.id == connection);
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
            self.outputs.push_back(Output::Close { connection });
        }
        if let LossReason::NoCommonVersion { spoken } = &reason {
            self.route.round.without_version += 1;
            self.route.spoken = spoken.clone();
        }
        let (was_agreed, is_open, peer) = (link.agreed_at.is_some(), link.is_open(), link.peer);
        let ending = Ending::of(&reason, &link.in_flight);
        match ending {
            Ending::Planned { .. } => self.statistics.closings += 1,
            Ending::Broken | Ending::Unread { .. } => {
                self.statistics.losses += u64::from(was_agreed);
            }
        }
        if reason.is_silence() {
            self.route.fell_silent(&link.address);
        }
        let named = if was_agreed { None } else { link.next_ip.clone() };
        let loss = Loss { address: link.address.clone(), reason: reason.clone() };
        self.last_loss = Some(Arc::new(loss));
        self.notice(Notice::Lost {
            address: link.address,
            reason,
            was_in_use: slot == Slot::Current,
        });
        let losses_before = self.settle(link.in_flight, &ending);
        if slot == Slot::Current {
            self.route.wanted = None;
            self.route.move_until = None;
            if link.agreed_at.is_some_and(|at| self.now >= at + STABLE) {
                self.route.backoff.reset();
            }
            // R4: a call that was in flight at the last loss too may be the cause of both.
            self.route.backoff.at_least(losses_before);
            // R5: what leads nowhere from one server may lead somewhere from another.
            self.route.futile = None;
            match &mut self.next {
                None => self.begin_failover(),
                // A move in progress is the first attempt of the failover.
                Some(next) => {
                    next.purpose = Purpose::Use;
                    let address = next.address.clone();
                    self.route.begin_round(&self.config.addresses);
                    self.route.candidates.retain(|candidate| candidate.address != address);
                    self.route.round.tried.push(address);
                }
            }
        } else if self.current.is_some() {
            self.route.is_move_doubtful = true;
            self.follow_last_words(peer, named);
            if is_open {
                // R6: the time of a move is for making connections; to agree has its own.
                let (opened_at, now) = (link.opened_at, self.now);
                self.route.move_until =
                    self.route.move_until.map(|until| until + now.since(opened_at));
            }
        } else if was_agreed {
            self.begin_failover();
        } else {
            self.follow_last_words(peer, named);
        }
    }

    /// R7: judges an address that a server at `peer` names in a NextIP, as far as it is known.
    fn judge(&self, peer: Option<IpAddr>, address: &Address) -> Result<NamedBy, RedirectRefusal> {
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

    /// Decides about what was in flight on a connection that is gone. Tells how many connections
    /// one of these calls had lost before.
    fn settle(&mut self, in_flight: VecDeque<Sent>, ending: &Ending) -> u32 {
        let mut is_answer_missing = false;
        let mut is_culprit_found = false;
        let mut losses_before = 0;
        for Sent { packet, start: _, end, awaited } in in_flight {
            let may_have_run = ending.may_have_run(packet, end);
            // After the last words no refusal can come any more (P5): unless an earlier answer is
            // missing too, an event was taken.
            let was_taken = matches!(ending, Ending::Planned { .. })
                && may_have_run
                && awaited.is_event()
                && !is_answer_missing;
            is_answer_missing |= !awaited.is_event();
            let is_culprit = !may_have_run && !is_culprit_found;
            is_culprit_found |= is_culprit;
            match (awaited, ending) {
                (Awaited::Reply { call, version }, _) if was_taken => {
                    self.end(&call, Ok(Done::Taken { version }));
                }
                (Awaited::Reply { call, .. }, Ending::Unread { why, .. }) if is_culprit => {
                    self.end(&call, Err(CallError::Rejected { why: why.clone() }));
                }
                (Awaited::Reply { call, .. }, _) if may_have_run => {
                    losses_before = losses_before.max(call.losses);
                    self.after_loss(call);
                }
                // The server said that it did not run: nothing is lost.
                (Awaited::Reply { call, .. }, _) => self.waiting.insert(call),
                (Awaited::Abandoned { .. } | Awaited::Agreement { .. } | Awaited::Pong, _) => {}
            }
        }
        losses_before
    }

    /// R4: decides about a call that may have run on a connection that is gone.
    fn after_loss(&mut self, mut call: OpenCall) {
        call.losses += 1;
        if call.is_idempotent && call.losses <= self.config.max_losses {
            self.waiting.insert(call);
        } else {
            let loss = self.last_loss.clone();
            self.end(&call, Err(CallError::Indeterminate { loss }));
        }
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
        self.route.retry_at = Some(self.now + wait);
    }

    /// The name that certificates must be for (R7).
    #[must_use]
    pub const fn original_host(&self) -> Option<&Host> {
        self.original.as_ref()
    }
}
