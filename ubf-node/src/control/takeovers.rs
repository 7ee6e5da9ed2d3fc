//! What a server says about the last take-over that it had to do with (U2).

use serde::Serialize;
use ubf_codec::{Term, TermRef, ubf};

use super::reports::{list, number, optional, read_list, text, text_or_undefined, tuple};

/// A take-over, as one of the two processes saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TakeoverReport {
    /// `predecessor` or `successor`: what this process was in it.
    pub role: String,
    /// The number of the other process.
    pub other: u64,
    /// The phase that was reached last. Of a predecessor: `begun`, `suspending`, `suspended`,
    /// `given`, `go`, `served`; or `back` (it goes on with all connections), `listening` (the
    /// successor has failed later). Of a successor: `begun`, `warm`, `given`, `opened`, `ready`,
    /// `serving`, `served`; or `alone` (the predecessor has ended before).
    pub stage: String,
    /// When each phase was reached.
    pub phases: Vec<TakeoverPhase>,
    /// Sessions that went along.
    pub sessions: u64,
    /// Those for which something ran still.
    pub staying: u64,
    /// Why it came to nothing.
    pub why: Option<String>,
}

/// A phase of a take-over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TakeoverPhase {
    /// Its name.
    pub stage: String,
    /// Microseconds after the beginning.
    pub after_us: u64,
}

impl TakeoverReport {
    /// How long no connection was taken and nothing begun for sessions, in microseconds, as a
    /// predecessor sees it: from the first suspension to the word to serve. `None`: it did not come
    /// so far.
    #[must_use]
    pub fn pause_us(&self) -> Option<u64> {
        let reached = |stage: &str| {
            self.phases.iter().find(|phase| phase.stage == stage).map(|phase| phase.after_us)
        };
        reached("go")?.checked_sub(reached("suspending")?)
    }

    pub(super) fn to_term(&self) -> Term {
        let phases = list(&self.phases, |phase| ubf!({(phase.stage.as_str()), (phase.after_us)}));
        let (role, stage) = (self.role.as_str(), self.stage.as_str());
        let why = text_or_undefined(self.why.as_deref());
        ubf!({takeover, (role), (self.other), (stage), (phases), (self.sessions), (self.staying), (why)})
    }

    /// Reads a response. `Some(None)`: there was none.
    pub(super) fn read(term: TermRef<'_>) -> Option<Option<Self>> {
        if let Some([_, none]) = tuple(term) {
            return matches!(none.view(), ubf_codec::View::Undefined).then_some(None);
        }
        let [_, role, other, stage, phases, sessions, staying, why] = tuple(term)?;
        let phase = |term: TermRef<'_>| {
            let [stage, after] = tuple(term)?;
            Some(TakeoverPhase { stage: text(stage)?, after_us: number(after)? })
        };
        Some(Some(Self {
            role: text(role)?,
            other: number(other)?,
            stage: text(stage)?,
            phases: read_list(phases, phase)?,
            sessions: number(sessions)?,
            staying: number(staying)?,
            why: optional(why, text)?,
        }))
    }
}
