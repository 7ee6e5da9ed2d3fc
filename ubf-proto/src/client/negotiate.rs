//! Negotiation (N1 to N3, N9, N10, N12, N13).

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use ubf_codec::{NextIp, Term, Version};

use super::attach::Attached;
use super::connection::{Awaited, Connection};
use super::loss::LossReason;
use super::notice::Notice;
use super::output::{NamedBy, Output};
use super::route::Candidate;
use super::violation::Violation;
use super::{ClientSession, Slot};
use crate::control::{
    Agreed, ClientControl, DEFAULT_MAX_IDLE, Negotiate, Options, TOO_MANY_NEGOTIATIONS,
};
use crate::mutant::{Mutant, is_on};
use crate::redirect::lower_case;
use crate::session::SessionOption;
use crate::time::Time;
use crate::versions::Versions;

/// N9: a random number of so many at the top.
const GREASE_NUMBERS: u32 = 1024;

/// N10: how long a server that was asked too often is left alone. Chosen: so that no more come in a
/// minute than the client's own count allows.
pub(super) const WAIT_AFTER_REFUSAL: Duration = Duration::from_secs(10);

/// N13: servers whose highest version is remembered.
const MAX_REMEMBERED_SERVERS: usize = 64;

impl ClientSession {
    /// Negotiates where that is wanted and allowed.
    pub(super) fn negotiate(&mut self) -> bool {
        self.negotiate_on(Slot::Next) || self.negotiate_on(Slot::Current)
    }

    fn negotiate_on(&mut self, slot: Slot) -> bool {
        let is_wanted = |link: &Option<Box<Connection>>| {
            link.as_ref().is_some_and(|link| link.negotiation.is_wanted())
        };
        if !is_wanted(self.slot(slot)) || !self.may_negotiate(slot) {
            return false;
        }
        let (now, max) = (self.now, self.config.max_negotiations);
        let may_optimistic = self.config.optimistic_start
            && !self.is_asking(slot)
            && !self.config.opens_connections
            && (self.current.is_none() || self.config.optimistic_moves);
        let address = self.slot(slot).as_ref().map(|link| &link.address).cloned();
        // R4: whoever was silent is not trusted with calls before it has spoken.
        let may_optimistic =
            may_optimistic && address.is_none_or(|address| !self.route.is_silent(&address));
        let Some(link) = self.slot(slot) else { return false };
        // N10: more often in a minute is not allowed.
        let is_allowed = link.negotiation.allowed_at(max).is_some_and(|at| at <= now);
        if !link.is_open() || link.doomed.is_some() || !is_allowed {
            return false;
        }
        let (connection, tried_anyway, spoken) = (link.id, link.tried_anyway, link.spoken.clone());
        let willing = self.willing();
        let mut versions = willing.clone();
        // N7: if all are in quarantine, the one whose time ends first is tried: of those that the
        // server speaks, if that is known.
        let tried_anyway = tried_anyway.or_else(|| {
            let acceptable = self.acceptable();
            let known: Versions =
                acceptable.iter().filter(|&version| spoken.contains(version)).collect();
            let choice = if known.is_empty() { acceptable } else { known };
            willing.is_empty().then(|| self.quarantine.first_to_end(&choice, now)).flatten()
        });
        if let Some(version) = tried_anyway {
            versions.insert(version);
            self.notice(Notice::QuarantineForced { version });
        }
        if versions.is_empty() {
            // The program has no version that it accepts: nothing can be asked for.
            self.lost(connection, LossReason::NoCommonVersion { spoken });
            return true;
        }
        let remembered = self.remembered.filter(|&version| versions.contains(version));
        let grease = self.grease();
        let mut sent = versions.clone();
        if let Some(grease) = grease {
            sent.insert(grease);
        }
        let quarantined =
            self.quarantine.iter(now).filter(|&(version, _)| !versions.contains(version));
        let why = |version: Version| self.reasons.get(&version).cloned().unwrap_or_default();
        let mut options = Options {
            agent: self.config.agent.clone(),
            quarantined: quarantined.map(|(version, _)| (version, why(version))).collect(),
            context: self.config.context,
            ..Options::default().with_limits(&self.config.limits)
        };
        options.session = self.session_option(slot);
        // S4: nothing is sent along with a resume.
        let is_resume = matches!(options.session, Some(SessionOption::Resume(_)))
            && !is_on(Mutant::OptimisticResume);
        let accepted = self.remembered_limits.clone();
        let service = self.config.service.clone();
        let negotiate = Negotiate { service, versions: sent, options };
        let packet = ClientControl::Negotiate(Box::new(negotiate)).packet();
        let Some(link) = self.slot(slot) else { return false };
        link.tried_anyway = tried_anyway;
        link.push(Awaited::Agreement { versions, grease }, packet.len(), now);
        link.negotiation.sent(link.packets, max, now);
        // N3: calls may follow in the version that was agreed on before.
        if link.packets == 1 && may_optimistic && !is_resume {
            link.in_force = remembered;
            link.accepted = accepted;
        }
        self.transmit(connection, packet);
        true
    }

    /// When a negotiation that is wanted will be allowed.
    pub(super) fn negotiation_at(&self) -> Option<Time> {
        let slots = [Slot::Current, Slot::Next].into_iter();
        let links =
            slots.filter(|&slot| self.may_negotiate(slot)).filter_map(|slot| self.peek(slot));
        links
            .filter(|link| link.is_open() && link.doomed.is_none())
            .filter_map(|link| link.negotiation.allowed_at(self.config.max_negotiations))
            .min()
    }

    /// N10: the server does not want to negotiate. A connection that is in use is not given up for
    /// it, since others wait for their answers there.
    pub(super) fn negotiation_refused(&mut self, slot: Slot, why: Term) {
        let now = self.now;
        let Some(link) = self.slot(slot) else { return };
        if link.agreed_at.is_some() && why.as_ref().is_atom(TOO_MANY_NEGOTIATIONS) {
            link.negotiation.want_after(now + WAIT_AFTER_REFUSAL);
        } else {
            // Messages that followed at once are answered one by one: the link ends when they are.
            link.in_force = None;
            link.doomed = Some(Box::new(LossReason::NegotiationRefused { why }));
        }
    }

    fn grease(&mut self) -> Option<Version> {
        let offset = u32::try_from(self.random.below(GREASE_NUMBERS.into())).unwrap_or(0);
        let grease = Version::new(Version::MAX.get() - offset);
        grease.filter(|&version| self.config.grease && !self.config.versions.contains(version))
    }

    /// The server has chosen.
    pub(super) fn agreed(
        &mut self,
        slot: Slot,
        version: Version,
        agreed: Agreed,
        asked: (Versions, Option<Version>),
    ) {
        let (asked, grease) = asked;
        let Some(link) = self.slot(slot) else { return };
        let (connection, address, peer) = (link.id, link.address.clone(), link.peer);
        let expected = asked.choose(&agreed.versions);
        let violation = if Some(version) == grease {
            Some(Violation::ChoseGrease { grease: version })
        } else if expected != Some(version) {
            // N1: both sides compute the choice.
            Some(Violation::WrongChoice { expected, found: version })
        } else if agreed.service != self.config.service {
            Some(Violation::WrongService)
        } else {
            None
        };
        if let Some(violation) = violation {
            return self.violated(connection, violation);
        }
        if self.is_downgrade(&address, &agreed.versions) && self.config.refuse_downgrade {
            return self.lost(connection, LossReason::Downgrade);
        }
        let session = match self.attach(slot, &agreed.options) {
            Attached::Settled(session) => session,
            Attached::AskAgain => {
                if let Some(link) = self.slot(slot) {
                    link.spoken = agreed.versions;
                    link.negotiation.want();
                }
                return;
            }
            Attached::Lost => return,
        };
        let in_force = if self.quarantine.holds(version, self.now) {
            // It crashed while the server was choosing: unless it is tried nevertheless, the next
            // lower one is used.
            let is_tried_anyway =
                self.slot(slot).as_ref().is_some_and(|link| link.tried_anyway == Some(version));
            if is_tried_anyway { Some(version) } else { self.willing().below(version) }
        } else {
            Some(version)
        };
        let now = self.now;
        self.route.has_spoken(&address);
        if slot == Slot::Next && self.route.is_move_doubtful {
            // R6: until now, the old connection was used.
            self.hold_back();
        }
        let accepted = self.accepts(agreed.options.limits());
        let Some(link) = self.slot(slot) else { return };
        let is_first = link.agreed_at.is_none();
        link.agreed_at.get_or_insert(now);
        link.in_force = in_force;
        if in_force.is_none() {
            link.negotiation.want();
        }
        link.spoken = agreed.versions.clone();
        link.accepted = Some(Arc::clone(&accepted));
        link.reads_context = agreed.options.context;
        link.max_idle = agreed.options.max_idle.unwrap_or(DEFAULT_MAX_IDLE);
        self.remembered = in_force;
        let (own, random) = (&self.config.versions, &mut self.random);
        if let Some(at) = self.withdrawn.agreed(&agreed.versions, own, now, random) {
            self.look_at_versions_at(at);
        }
        self.statistics.negotiations += 1;
        self.last_loss = None;
        // R4: peers are judged like redirections (R7).
        let (policy, given) = (self.config.policy, &self.config.addresses);
        let judged = agreed.options.peers.iter().filter_map(|named| {
            let is_given = policy.judge_among(peer, named, given).ok()?;
            let named_by =
                if is_given { NamedBy::Program } else { NamedBy::Peers { server: peer } };
            Some(Candidate { address: lower_case(named), named_by })
        });
        self.route.peers = judged.collect();
        let agent = agreed.options.agent;
        let spoken = agreed.versions;
        let notice =
            Notice::Agreed { connection, is_first, session, address, version, spoken, agent };
        self.notice(notice);
        // S11: from now on the session is here, and nothing of the old connection counts.
        if session.is_some() {
            self.promote();
        }
    }

    /// The server has nothing to choose from.
    pub(super) fn no_common_version(&mut self, slot: Slot, spoken: Versions, options: &Options) {
        let now = self.now;
        if !self.attach_without_version(slot, options) {
            return;
        }
        let acceptable = self.acceptable();
        let common: Versions =
            acceptable.iter().filter(|&version| spoken.contains(version)).collect();
        // N7: what the two have in common may all be in quarantine.
        let tried_anyway = self.quarantine.first_to_end(&common, now);
        let (own, random) = (&self.config.versions, &mut self.random);
        if let Some(at) = self.withdrawn.agreed(&spoken, own, now, random) {
            self.look_at_versions_at(at);
        }
        let Some(link) = self.slot(slot) else { return };
        link.spoken = spoken.clone();
        link.in_force = None;
        match tried_anyway {
            Some(version) if link.tried_anyway != Some(version) => {
                link.tried_anyway = Some(version);
                link.negotiation.want();
            }
            // Calls that followed at once are refused one by one: the link ends when they are.
            Some(_) | None => {
                link.doomed = Some(Box::new(LossReason::NoCommonVersion { spoken }));
            }
        }
    }

    /// N13: whether this server offered more before.
    fn is_downgrade(&mut self, address: &ubf_codec::Address, versions: &Versions) -> bool {
        let Some(after) = versions.highest() else { return false };
        let keep = self.config.refuse_downgrade;
        let Some((_, highest)) = self.offered.iter_mut().find(|(known, _)| known == address) else {
            if self.offered.len() < MAX_REMEMBERED_SERVERS {
                // Mostly, there is one.
                self.offered.reserve_exact(1);
                self.offered.push((address.clone(), after));
            }
            return false;
        };
        let before = *highest;
        let is_downgrade = after < before;
        // It is told once; what is to be refused is refused again and again.
        if !is_downgrade || !keep {
            *highest = after;
        }
        if is_downgrade {
            self.notice(Notice::Downgraded { address: address.clone(), before, after });
        }
        is_downgrade
    }

    /// R1: where the next message goes, according to the last packet.
    pub(super) fn note_next_ip(&mut self, slot: Slot, next_ip: Option<NextIp>) {
        let Some(link) = self.slot(slot) else { return };
        // What has been said before may be followed only since a call was executed (R5).
        let is_worth_a_look = next_ip.is_some() || link.next_ip.is_some();
        link.next_ip = next_ip;
        if slot == Slot::Current && is_worth_a_look {
            self.consider_next_ip(None);
        }
    }

    pub(super) fn transmit(
        &mut self,
        connection: super::ConnectionId,
        packet: crate::packet::Packet,
    ) {
        let now = self.now;
        if let Some(link) = self.connection_mut(connection) {
            link.will_write(packet.len(), now);
            self.outputs.push_back(Output::Transmit { connection, packet });
        }
    }
}
