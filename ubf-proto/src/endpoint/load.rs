//! R9: when the load sends clients elsewhere.

use core::time::Duration;

use ubf_codec::NextIp;

use crate::load::LoadMarks;
use crate::time::Time;

/// How often calls are counted. Chosen: a load that matters lasts longer.
const PERIOD: Duration = Duration::from_millis(100);

/// What a load is counted in (R9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadUnit {
    /// Connections.
    Sessions,
    /// Calls in progress, looked at ten times a second.
    Calls,
}

impl LoadUnit {
    /// The word for it in logs and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Calls => "calls",
        }
    }
}

/// R9: above `high`, replies name `next_ip`, until the load is below `low`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadPlan {
    /// What is counted.
    pub unit: LoadUnit,
    /// The low-water mark.
    pub low: u64,
    /// The high-water mark.
    pub high: u64,
    /// Where clients are sent.
    pub next_ip: NextIp,
}

impl LoadPlan {
    /// A plan that sends clients there above `high`, until the load is below `low`.
    #[must_use]
    pub const fn new(unit: LoadUnit, low: u64, high: u64, next_ip: NextIp) -> Self {
        Self { unit, low, high, next_ip }
    }
}

/// A plan, and on which side of its marks the load is.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) plan: LoadPlan,
    marks: LoadMarks,
    /// When calls are counted next.
    sample_at: Time,
}

impl Load {
    pub(super) const fn new(plan: LoadPlan, now: Time) -> Self {
        Self { marks: LoadMarks::new(plan.low, plan.high), plan, sample_at: now }
    }

    /// Where clients are sent, while they are.
    pub(super) fn next_ip(&self) -> Option<&NextIp> {
        self.marks.is_over().then_some(&self.plan.next_ip)
    }

    /// Takes a load in. `true` if that passes a mark.
    pub(super) const fn observe(&mut self, load: u64) -> bool {
        self.marks.is_over() != self.marks.observe(load)
    }

    pub(super) const fn is_over(&self) -> bool {
        self.marks.is_over()
    }

    /// When calls are to be counted.
    pub(super) const fn sample_at(&self) -> Option<Time> {
        match self.plan.unit {
            LoadUnit::Calls => Some(self.sample_at),
            LoadUnit::Sessions => None,
        }
    }

    /// Whether it is time to count calls. If so, it is so again a while later.
    pub(super) fn take_sample(&mut self, now: Time) -> bool {
        let is_due = self.sample_at().is_some_and(|at| now >= at);
        if is_due {
            self.sample_at = now + PERIOD;
        }
        is_due
    }
}
