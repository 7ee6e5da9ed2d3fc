//! Moves that a server asked for, while the old connection lives (R1 to R3, R5, R6).

use core::time::Duration;

use super::ClientSession;
use super::notice::Notice;
use super::output::{NamedBy, Output};
use super::route::{Candidate, Hold, Round, STABLE, Wanted, Way};
use crate::redirect::lower_case;
use crate::time::Time;

impl ClientSession {
    /// R2: moves, while the old connection lives.
    pub(super) fn step_move(&mut self) -> bool {
        if let Way::Moving { until } = self.route.way {
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

    pub(super) fn move_at(&self) -> Option<Time> {
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

    pub(super) fn is_move_due(&self) -> bool {
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
            self.route.way = Way::Moving { until: self.now + self.config.max_move_time };
            self.hold_back();
        }
    }

    /// R6: stay on the old connection, report, back off.
    fn move_failed(&mut self) {
        let retry_at =
            self.now + self.route.move_backoff.next(&self.config.move_backoff, &mut self.random);
        self.route.way = Way::Arrived;
        self.route.candidates.clear();
        self.route.move_again_at = retry_at;
        if let Some(wanted) = &mut self.route.wanted {
            wanted.at = retry_at;
        }
        self.notice(Notice::RedirectFailed { retry_at });
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
        self.route.way = Way::Arrived;
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
}
