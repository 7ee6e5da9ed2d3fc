//! How a server goes away (R8), and how notices are spread over time (R3).

use core::time::Duration;

use ubf_codec::NextIp;

use crate::time::Time;

/// The phases of a server, and of each of its sessions.
///
/// ```text
/// serving ──drain──> draining ──grace over, or no session left──> closing ──hard stop, or no session left──> stopped
///    ^──────undrain──────┘
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Calls are executed and answered.
    #[default]
    Serving,
    /// Calls are executed and answered with a NextIP.
    Draining,
    /// No further call is executed. Those in progress are answered, then clients are told what was
    /// not executed.
    Closing,
    /// Nothing is left.
    Stopped,
}

impl Phase {
    /// The word for it in logs and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Closing => "closing",
            Self::Stopped => "stopped",
        }
    }
}

/// How a drain goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainPlan {
    /// Where the clients shall go; `None`, if nobody takes over.
    pub next_ip: Option<NextIp>,
    /// How long sessions may go on.
    pub grace: Duration,
    /// How long calls in progress may then take.
    pub hard_stop: Duration,
}

/// The drain of a server: the shell asks it for the phase and for the moments of the notices.
///
/// ```
/// use core::time::Duration;
/// use ubf_proto::{Drain, DrainPlan, Phase, Time};
///
/// let mut drain = Drain::default();
/// let plan = DrainPlan { next_ip: "b:4000".parse().ok(), grace: Duration::from_secs(10), hard_stop: Duration::from_secs(5) };
/// drain.start(plan, Time::ZERO);
/// assert_eq!(drain.advance(Time::from_millis(9_999), 3), Phase::Draining);
/// assert_eq!(drain.advance(Time::from_millis(10_000), 3), Phase::Closing);
/// assert_eq!(drain.advance(Time::from_millis(15_000), 1), Phase::Stopped);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Drain {
    phase: Phase,
    plan: Option<(DrainPlan, Time)>,
    calls_cut: u64,
}

impl Drain {
    /// The phase that was reached.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The plan that is followed.
    #[must_use]
    pub fn plan(&self) -> Option<&DrainPlan> {
        self.plan.as_ref().map(|(plan, _)| plan)
    }

    /// Starts a drain. `false` if the server is beyond that.
    pub fn start(&mut self, plan: DrainPlan, now: Time) -> bool {
        if self.phase >= Phase::Closing {
            return false;
        }
        self.phase = Phase::Draining;
        self.plan = Some((plan, now));
        true
    }

    /// Goes back to serving. `false` if the server does not drain, or is beyond that.
    pub fn undo(&mut self) -> bool {
        let is_draining = self.phase == Phase::Draining;
        if is_draining {
            self.phase = Phase::Serving;
            self.plan = None;
        }
        is_draining
    }

    /// Ends the grace at once.
    pub fn close_now(&mut self, hard_stop: Duration, now: Time) {
        if self.phase < Phase::Closing {
            self.phase = Phase::Closing;
            self.plan = Some((DrainPlan { next_ip: None, grace: Duration::ZERO, hard_stop }, now));
        }
    }

    /// The phase at this moment, with so many sessions left. Phases are passed one at a time: none
    /// is skipped, so that the shell can act on each.
    pub fn advance(&mut self, now: Time, sessions: usize) -> Phase {
        let Some((plan, start)) = &self.plan else { return self.phase };
        let grace_end = *start + plan.grace;
        self.phase = match self.phase {
            Phase::Draining if sessions == 0 || now >= grace_end => Phase::Closing,
            Phase::Closing if sessions == 0 || now >= grace_end + plan.hard_stop => Phase::Stopped,
            phase @ (Phase::Serving | Phase::Draining | Phase::Closing | Phase::Stopped) => phase,
        };
        self.phase
    }

    /// When the phase changes by itself.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let (plan, start) = self.plan.as_ref()?;
        match self.phase {
            Phase::Draining => Some(*start + plan.grace),
            Phase::Closing => Some(*start + plan.grace + plan.hard_stop),
            Phase::Serving | Phase::Stopped => None,
        }
    }

    /// R3: when the session of this index (counted from 0) is told, of so many. The notices take
    /// the first quarter of the grace, and clients move within half of what is left.
    #[must_use]
    pub fn notice_at(&self, index: usize, sessions: usize) -> Option<Time> {
        let (plan, start) = self.plan.as_ref()?;
        let span = plan.grace / 4;
        let sessions = u32::try_from(sessions.max(1)).unwrap_or(u32::MAX);
        let index = u32::try_from(index).unwrap_or(u32::MAX).min(sessions);
        Some(*start + (span / sessions).saturating_mul(index))
    }

    /// R8: counts calls that were cut by the hard stop, for the exit status.
    pub const fn record_cut(&mut self, calls: u64) {
        self.calls_cut += calls;
    }

    /// How many calls were cut.
    #[must_use]
    pub const fn calls_cut(&self) -> u64 {
        self.calls_cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draining(grace_s: u64) -> Drain {
        let mut drain = Drain::default();
        let grace = Duration::from_secs(grace_s);
        assert!(drain.start(
            DrainPlan { next_ip: None, grace, hard_stop: Duration::from_secs(1) },
            Time::ZERO
        ));
        drain
    }

    #[test]
    fn r8_no_phase_is_skipped_and_none_comes_back() {
        let mut drain = draining(10);
        let late = Time::from_millis(1_000_000);
        assert_eq!(drain.advance(late, 5), Phase::Closing);
        assert!(!drain.undo());
        assert!(!drain.start(
            DrainPlan { next_ip: None, grace: Duration::ZERO, hard_stop: Duration::ZERO },
            late
        ));
        assert_eq!(drain.advance(late, 5), Phase::Stopped);
        assert_eq!(drain.advance(late, 5), Phase::Stopped);
    }

    #[test]
    fn r8_a_drain_ends_early_when_nobody_is_left() {
        let mut drain = draining(10);
        assert_eq!(drain.advance(Time::from_millis(1), 0), Phase::Closing);
        assert_eq!(drain.advance(Time::from_millis(1), 0), Phase::Stopped);
    }

    #[test]
    fn r8_a_drain_can_be_undone() {
        let mut drain = draining(10);
        assert!(drain.undo());
        assert_eq!(drain.advance(Time::from_millis(20_000), 1), Phase::Serving);
    }

    #[test]
    fn r3_notices_take_the_first_quarter_of_the_grace() {
        let drain = draining(100);
        let moments: alloc::vec::Vec<_> =
            (0..5).map(|index| drain.notice_at(index, 5).unwrap().as_millis()).collect();
        assert_eq!(moments, [0, 5_000, 10_000, 15_000, 20_000]);
    }

    #[test]
    fn r8_each_phase_lasts_until_its_time_is_over() {
        let mut drain = draining(10);
        assert_eq!(drain.deadline(), Some(Time::from_millis(10_000)));
        assert_eq!(drain.advance(Time::from_millis(9_999), 1), Phase::Draining);
        assert_eq!(drain.advance(Time::from_millis(10_000), 1), Phase::Closing);
        assert_eq!(drain.deadline(), Some(Time::from_millis(11_000)));
        assert_eq!(drain.advance(Time::from_millis(10_999), 1), Phase::Closing);
        assert_eq!(drain.advance(Time::from_millis(11_000), 1), Phase::Stopped);
        assert_eq!(drain.deadline(), None);
    }

    #[test]
    fn r8_the_grace_can_be_ended_and_the_hard_stop_cannot_be_put_off() {
        let mut drain = draining(10);
        assert!(drain.plan().is_some_and(|plan| plan.grace == Duration::from_secs(10)));
        drain.close_now(Duration::from_secs(2), Time::from_millis(500));
        assert_eq!(
            (drain.phase(), drain.deadline()),
            (Phase::Closing, Some(Time::from_millis(2_500)))
        );
        drain.close_now(Duration::from_secs(9), Time::from_millis(1_000));
        assert_eq!(drain.deadline(), Some(Time::from_millis(2_500)));
        drain.advance(Time::from_millis(2_500), 1);
        drain.close_now(Duration::from_secs(9), Time::from_millis(2_500));
        assert_eq!(drain.phase(), Phase::Stopped);
    }

    #[test]
    fn r8_cut_calls_are_counted_and_phases_have_names() {
        let mut drain = draining(10);
        assert_eq!(drain.calls_cut(), 0);
        drain.record_cut(2);
        drain.record_cut(3);
        assert_eq!(drain.calls_cut(), 5);
        let names =
            [Phase::Serving, Phase::Draining, Phase::Closing, Phase::Stopped].map(Phase::as_str);
        assert_eq!(names, ["serving", "draining", "closing", "stopped"]);
    }
}
