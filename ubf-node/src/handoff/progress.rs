//! How far the last hand-off is, for the operator to see.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ubf_service::copy::CopySize;

use crate::control::{HandoffPhase, HandoffReport};

/// The last hand-off of a service. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<Mutex<Option<State>>>);

#[derive(Debug)]
struct State {
    report: HandoffReport,
    since: Instant,
}

impl Progress {
    /// This node, in this role, has begun one with another node.
    pub(super) fn begin(&self, service: &str, role: &str, other: &str) {
        let report = HandoffReport {
            service: service.into(),
            role: role.into(),
            other: other.into(),
            stage: "begun".into(),
            ..HandoffReport::default()
        };
        *self.state() = Some(State { report, since: Instant::now() });
    }

    /// A phase begins.
    pub(super) fn reach(&self, stage: &str) {
        self.change(|state| {
            let after_us = u64::try_from(state.since.elapsed().as_micros()).unwrap_or(u64::MAX);
            state.report.stage = stage.into();
            state.report.phases.push(HandoffPhase { stage: stage.into(), after_us });
        });
    }

    /// So much goes.
    pub(super) fn count(&self, size: CopySize) {
        self.change(|state| {
            (state.report.rows, state.report.bytes) = (size.rows, size.bytes);
            state.report.sessions = size.sessions;
        });
    }

    /// It came to nothing, and why. What was said first counts.
    pub(super) fn fail(&self, why: &str) {
        self.change(|state| {
            state.report.why.get_or_insert_with(|| why.into());
        });
    }

    /// `None`: there was none.
    pub(crate) fn report(&self) -> Option<HandoffReport> {
        self.state().as_ref().map(|state| state.report.clone())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        if let Some(state) = &mut *self.state() {
            change(state);
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
