//! Crashes of the caller's code, and quarantines (N6, N7).

use ubf_codec::{Term, Version};

use super::calls::Rendering;
use super::error::CallError;
use super::input::CallId;
use super::notice::Notice;
use super::{ClientSession, Slot};
use crate::time::Time;
use crate::versions::Versions;

impl ClientSession {
    /// N6: the caller's code for a version crashed.
    pub(super) fn crashed(&mut self, version: Version, call: Option<CallId>, why: &Term) {
        // N7: it is used although it is in quarantine. What else comes during one is a late report
        // of the same crash.
        let is_tried_anyway = self.quarantine.holds(version, self.now)
            && [&self.current, &self.next]
                .into_iter()
                .flatten()
                .any(|link| link.tried_anyway == Some(version));
        let until = if is_tried_anyway {
            self.quarantine.extend(version, self.now, &mut self.random)
        } else {
            self.quarantine.close(version, self.now, &mut self.random)
        };
        if self.config.versions.contains(version) {
            self.reasons.insert(version, why.clone());
        }
        self.notice(Notice::QuarantineOpened { version, until });
        self.look_at_versions_at(until);
        let asked = call.and_then(|id| self.waiting.find(id));
        if let Some(asked) = asked
            && asked.rendering == Rendering::Asked(version)
        {
            asked.rendering = Rendering::Needed;
            // The version was the last one left, and it crashed on this call: to ask again would
            // never end.
            if is_tried_anyway && let Some(call) = call.and_then(|id| self.waiting.remove(id)) {
                self.end(&call, Err(CallError::Crashed { version }));
            }
        }
        self.leave_version(version, why);
    }

    /// N7: another session of this service found out.
    pub(super) fn quarantined(&mut self, version: Version, until: Time) {
        if self.config.versions.contains(version) && self.now < until {
            self.quarantine.close_until(version, until);
            self.reasons.entry(version).or_insert_with(|| Term::atom("elsewhere"));
            self.notice(Notice::QuarantineOpened { version, until });
            self.look_at_versions_at(until);
            self.leave_version(version, &Term::atom("elsewhere"));
        }
    }

    /// N6: the next message goes out in the next lower version that this program has.
    fn leave_version(&mut self, version: Version, why: &Term) {
        let lower = self.willing().below(version);
        if self.remembered == Some(version) {
            self.remembered = lower;
        }
        for slot in [Slot::Current, Slot::Next] {
            let Some(link) = self.slot(slot) else { continue };
            if link.tried_anyway == Some(version) {
                link.tried_anyway = None;
            }
            if link.in_force != Some(version) {
                continue;
            }
            link.in_force = lower;
            // With no lower version left, the two must see what else they have.
            if lower.is_none() {
                link.negotiation.want_if_settled();
            }
            self.statistics.fallbacks += 1;
            self.notice(Notice::FellBack { from: version, to: lower, why: why.clone() });
        }
    }

    /// N2, N9: what this program is willing to use now. May be empty.
    pub(super) fn willing(&self) -> Versions {
        self.quarantine.allowed(&self.acceptable(), self.now)
    }

    /// N9: what is not below the floor.
    pub(super) fn acceptable(&self) -> Versions {
        self.config.versions.iter().filter(|&version| Some(version) >= self.config.floor).collect()
    }

    /// N7: at this moment a quarantine ends, or a withdrawn version is asked for again.
    pub(super) fn look_at_versions_at(&mut self, at: Time) {
        self.quarantine_due = Some(self.quarantine_due.map_or(at, |due| due.min(at)));
    }

    /// N7: versions whose quarantine has ended are tried again, by a negotiation if the server
    /// speaks them; and those that the server has withdrawn are asked for again.
    pub(super) fn end_quarantines(&mut self) {
        let ended: Versions = self
            .reasons
            .keys()
            .copied()
            .filter(|&version| !self.quarantine.holds(version, self.now))
            .collect();
        for version in ended.iter() {
            self.reasons.remove(&version);
            self.notice(Notice::QuarantineClosed { version });
        }
        let willing = self.willing();
        let withdrawn = self.withdrawn.due(self.now).filter(|&version| willing.contains(version));
        if let Some(link) = &mut self.current
            && link.agreed_at.is_some()
            && willing.choose(&link.spoken).max(withdrawn.max()) > link.in_force
        {
            link.negotiation.want();
        }
        let ends = self.quarantine.iter(self.now).map(|(_, until)| until);
        self.quarantine_due = ends.chain(self.withdrawn.next(self.now)).min();
    }
}
