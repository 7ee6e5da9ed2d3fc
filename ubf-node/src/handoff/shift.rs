//! The hand-offs of one service: those from here, and those to here.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;
use ubf_proto::Time;
use ubf_state::handoff::{Giver, GiverStage, HandoffRecord, Standing};

use super::progress::Progress;
use super::taking::Taking;
use crate::rows::KeptService;

/// A service whose rows may come and go.
pub(super) struct Shift {
    kept: Arc<dyn KeptService>,
    began: Instant,
    /// One attempt at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
    giver: Mutex<Giver>,
    /// Where the rows went, if they did.
    moved: Mutex<Option<HandoffRecord>>,
    pub(super) taking: tokio::sync::Mutex<Taking>,
    /// Something has come, or is in doubt.
    pub(super) changed: Notify,
    progress: Progress,
}

impl std::fmt::Debug for Shift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shift").field("service", &self.service()).finish_non_exhaustive()
    }
}

impl Shift {
    /// As the service's store says.
    pub(super) fn new(kept: Arc<dyn KeptService>) -> Self {
        let (moved, prepared) = match kept.standing() {
            Standing::Moved(record) => (Some(record), None),
            Standing::Prepared(record) => (None, Some(record)),
            Standing::Empty | Standing::Own | Standing::Unfinished => (None, None),
        };
        let giver = Giver::started(moved.as_ref().map(|record| record.row), Time::ZERO);
        let taking = Taking::started(prepared, kept.is_here());
        Self {
            kept,
            began: Instant::now(),
            turn: tokio::sync::Mutex::default(),
            giver: Mutex::new(giver),
            moved: Mutex::new(moved),
            taking: tokio::sync::Mutex::new(taking),
            changed: Notify::new(),
            progress: Progress::default(),
        }
    }

    pub(super) fn kept(&self) -> &Arc<dyn KeptService> {
        &self.kept
    }

    pub(super) fn service(&self) -> &'static str {
        self.kept.service()
    }

    pub(super) const fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) fn giver(&self) -> MutexGuard<'_, Giver> {
        self.giver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn moved(&self) -> MutexGuard<'_, Option<HandoffRecord>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the rows were given away, and the other node is to be told.
    pub(super) fn has_moved(&self) -> bool {
        matches!(self.giver().stage(), GiverStage::Moved { .. })
    }

    /// The time of the machines.
    pub(super) fn now(&self) -> Time {
        Time::from_millis(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// When that is.
    pub(super) fn instant(&self, at: Time) -> tokio::time::Instant {
        // A millisecond that has begun has not passed.
        (self.began + Duration::from_millis(at.as_millis().saturating_add(1))).into()
    }
}

/// The time of day, for what people read.
pub(super) fn wall_clock() -> Time {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

/// A number that no other process has: the hasher's keys are of the system's randomness.
pub(super) fn unique() -> u64 {
    RandomState::new().hash_one((std::process::id(), SystemTime::now()))
}
