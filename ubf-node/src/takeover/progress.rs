//! How far the last take-over is, for the operator to see.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::control::{TakeoverPhase, TakeoverReport};

/// The last take-over of this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<Mutex<Option<State>>>);

#[derive(Debug)]
struct State {
    report: TakeoverReport,
    since: Instant,
}

impl Progress {
    /// This process, in this role, has begun one with another process.
    pub(super) fn begin(&self, role: &str, other: u32) {
        let report = TakeoverReport {
            role: role.into(),
            other: other.into(),
            stage: "begun".into(),
            ..TakeoverReport::default()
        };
        *self.state() = Some(State { report, since: Instant::now() });
    }

    /// A phase begins.
    pub(super) fn reach(&self, stage: &str) {
        self.change(|state| {
            let after_us = u64::try_from(state.since.elapsed().as_micros()).unwrap_or(u64::MAX);
            state.report.stage = stage.into();
            state.report.phases.push(TakeoverPhase { stage: stage.into(), after_us });
        });
    }

    /// So many sessions go, and so many stay for now.
    pub(super) fn count(&self, sessions: usize, staying: usize) {
        self.change(|state| {
            state.report.sessions = sessions as u64;
            state.report.staying = staying as u64;
        });
    }

    /// It did not come to its end, and why. What was said first counts.
    pub(super) fn fail(&self, why: &str) {
        self.change(|state| {
            state.report.why.get_or_insert_with(|| why.into());
        });
    }

    /// `None`: there was none.
    pub(crate) fn report(&self) -> Option<TakeoverReport> {
        self.state().as_ref().map(|state| state.report.clone())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        if let Some(state) = &mut *self.state() {
            change(state);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Option<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
