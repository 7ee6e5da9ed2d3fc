//! What a server says about hand-offs of rows that it had to do with (U5).

use serde::Serialize;
use ubf_codec::{Term, TermRef, ubf};

use super::reports::{list, number, optional, read_list, text, text_or_undefined, tuple};

/// A hand-off of a service's rows, as one of the two nodes saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HandoffReport {
    /// The service.
    pub service: String,
    /// `giver` or `taker`: what this node was in it.
    pub role: String,
    /// Where nodes speak to the other one.
    pub other: String,
    /// The phase that was reached last. Of a giver: `begun`, `suspending`, `suspended`, `sent`,
    /// `prepared`, `moved`, `given`; or `back` (it goes on). Of a taker: `begun`, `prepared`,
    /// `active`.
    pub stage: String,
    /// When each phase was reached.
    pub phases: Vec<HandoffPhase>,
    /// Rows, entries of indexes, timers, sessions and their answers that went along.
    pub rows: u64,
    /// Of their keys and values.
    pub bytes: u64,
    /// Sessions among them.
    pub sessions: u64,
    /// Why it came to nothing, or takes so long.
    pub why: Option<String>,
}

/// A phase of a hand-off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HandoffPhase {
    /// Its name.
    pub stage: String,
    /// Microseconds after the beginning.
    pub after_us: u64,
}

impl HandoffReport {
    /// How long clients waited, in microseconds, as a giver sees it: from the suspension until they
    /// were told of the other node. `None`: it did not come so far.
    #[must_use]
    pub fn pause_us(&self) -> Option<u64> {
        let reached = |stage: &str| {
            self.phases.iter().find(|phase| phase.stage == stage).map(|phase| phase.after_us)
        };
        reached("given")?.checked_sub(reached("suspending")?)
    }

    /// `{Service,Role,Other,Stage,[{Stage,AfterUs}],Rows,Bytes,Sessions,Why}`.
    pub(super) fn to_term(&self) -> Term {
        let phases = list(&self.phases, |phase| ubf!({(phase.stage.as_str()), (phase.after_us)}));
        let (service, role) = (self.service.as_str(), self.role.as_str());
        let (other, stage) = (self.other.as_str(), self.stage.as_str());
        let why = text_or_undefined(self.why.as_deref());
        ubf!({
            (service), (role), (other), (stage), (phases), (self.rows), (self.bytes),
            (self.sessions), (why)
        })
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let [service, role, other, stage, phases, rows, bytes, sessions, why] = tuple(term)?;
        let phase = |term: TermRef<'_>| {
            let [stage, after] = tuple(term)?;
            Some(HandoffPhase { stage: text(stage)?, after_us: number(after)? })
        };
        Some(Self {
            service: text(service)?,
            role: text(role)?,
            other: text(other)?,
            stage: text(stage)?,
            phases: read_list(phases, phase)?,
            rows: number(rows)?,
            bytes: number(bytes)?,
            sessions: number(sessions)?,
            why: optional(why, text)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_from_the_suspension_until_clients_are_told() {
        let phase = |stage: &str, after_us| HandoffPhase { stage: stage.into(), after_us };
        let phases = vec![phase("suspending", 100), phase("moved", 900)];
        let mut report = HandoffReport { phases, ..HandoffReport::default() };
        assert_eq!(report.pause_us(), None);
        report.phases.push(phase("given", 1_300));
        assert_eq!(report.pause_us(), Some(1_200));
    }
}
