//! A server's way from serving to stopped (R8), and when its clients are told (R3).

use core::time::Duration;

use crate::drain::{DrainPlan, Phase};
use crate::time::Time;

/// Where a server is on its way.
#[derive(Clone, Debug, Default)]
pub(super) enum Lifecycle {
    #[default]
    Serving,
    Draining(Course),
    Closing(Course),
    Stopped,
}

/// A drain, and since when it is under way.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) plan: DrainPlan,
    started: Time,
    end: End,
}

/// How a drain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself: when no connection is left, or the grace is over.
    ByItself,
    /// When the operator says so.
    WhenTold,
}

impl Course {
    pub(super) fn grace_end(&self) -> Time {
        self.started + self.plan.grace
    }

    /// R3: when the connection of this index (counted from 0) is told, of so many. The notices take
    /// the first quarter of the grace, and clients move within half of what is left.
    pub(super) fn notice_at(&self, index: usize, connections: usize) -> Time {
        let span = self.plan.grace / 4;
        let connections = u32::try_from(connections.max(1)).unwrap_or(u32::MAX);
        let index = u32::try_from(index).unwrap_or(u32::MAX).min(connections);
        self.started + (span / connections).saturating_mul(index)
    }
}

impl Lifecycle {
    pub(super) const fn phase(&self) -> Phase {
        match self {
            Self::Serving => Phase::Serving,
            Self::Draining(_) => Phase::Draining,
            Self::Closing(_) => Phase::Closing,
            Self::Stopped => Phase::Stopped,
        }
    }

    pub(super) const fn plan(&self) -> Option<&DrainPlan> {
        match self {
            Self::Draining(course) | Self::Closing(course) => Some(&course.plan),
            Self::Serving | Self::Stopped => None,
        }
    }

    /// Starts a drain, or gives one that is under way another plan. `false` if it is too late.
    pub(super) fn drain(&mut self, plan: DrainPlan, end: End, now: Time) -> bool {
        let is_early = matches!(self, Self::Serving | Self::Draining(_));
        if is_early {
            *self = Self::Draining(Course { plan, started: now, end });
        }
        is_early
    }

    /// Goes back to serving. `false` if the server does not drain, or is beyond that.
    pub(super) fn undrain(&mut self) -> bool {
        let is_draining = matches!(self, Self::Draining(_));
        if is_draining {
            *self = Self::Serving;
        }
        is_draining
    }

    /// Ends the grace at once. `false` if it is over.
    pub(super) fn close(&mut self, hard_stop: Duration, now: Time) -> bool {
        let next_ip = match self {
            Self::Serving => None,
            Self::Draining(course) => course.plan.next_ip.take(),
            Self::Closing(_) | Self::Stopped => return false,
        };
        let plan = DrainPlan { next_ip, grace: Duration::ZERO, hard_stop };
        *self = Self::Closing(Course { plan, started: now, end: End::ByItself });
        true
    }

    /// One step, if it is time for it or no connection is left. No phase is skipped, so that all
    /// that belongs to each is done.
    pub(super) fn advance(&mut self, now: Time, connections: usize, last_words: Duration) -> bool {
        let is_due = connections == 0 || self.deadline(last_words).is_some_and(|at| now >= at);
        match self {
            Self::Draining(course) if is_due && course.end == End::ByItself => {
                *self = Self::Closing(course.clone());
                true
            }
            Self::Closing(_) if is_due => {
                *self = Self::Stopped;
                true
            }
            Self::Serving | Self::Draining(_) | Self::Closing(_) | Self::Stopped => false,
        }
    }

    /// When the phase changes by itself: at the hard stop sessions answer what runs, and then their
    /// clients have a while to read that.
    pub(super) fn deadline(&self, last_words: Duration) -> Option<Time> {
        match self {
            Self::Draining(course) if course.end == End::WhenTold => None,
            Self::Draining(course) => Some(course.grace_end()),
            Self::Closing(course) => Some(course.grace_end() + course.plan.hard_stop + last_words),
            Self::Serving | Self::Stopped => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST_WORDS: Duration = Duration::from_millis(500);

    fn plan(grace_s: u64) -> DrainPlan {
        DrainPlan {
            next_ip: None,
            grace: Duration::from_secs(grace_s),
            hard_stop: Duration::from_secs(1),
        }
    }

    fn draining(grace_s: u64) -> Lifecycle {
        let mut life = Lifecycle::default();
        assert!(life.drain(plan(grace_s), End::ByItself, Time::ZERO));
        life
    }

    #[test]
    fn r8_a_drain_that_stays_ends_when_it_is_told_to() {
        let mut life = Lifecycle::default();
        let at = Time::from_millis;
        assert!(life.drain(plan(10), End::WhenTold, Time::ZERO));
        assert_eq!(life.deadline(LAST_WORDS), None);
        assert!(!life.advance(at(20_000), 0, LAST_WORDS));
        assert_eq!(life.phase(), Phase::Draining);
        assert!(life.undrain());
        assert!(life.drain(plan(10), End::WhenTold, at(20_000)));
        assert!(life.close(Duration::from_secs(1), at(20_000)));
        assert!(life.advance(at(20_000), 0, LAST_WORDS));
        assert_eq!(life.phase(), Phase::Stopped);
    }

    #[test]
    fn r8_no_phase_is_skipped_and_none_comes_back() {
        let mut life = draining(10);
        let late = Time::from_millis(1_000_000);
        assert!(life.advance(late, 5, LAST_WORDS));
        assert_eq!(life.phase(), Phase::Closing);
        assert!(!life.undrain());
        assert!(!life.drain(plan(0), End::ByItself, late));
        assert!(!life.close(Duration::ZERO, late));
        assert!(life.advance(late, 5, LAST_WORDS));
        assert_eq!(life.phase(), Phase::Stopped);
        assert!(!life.advance(late, 5, LAST_WORDS));
        assert!(!life.drain(plan(0), End::ByItself, late));
    }

    #[test]
    fn r8_a_drain_ends_early_when_nobody_is_left() {
        let mut life = draining(10);
        assert!(life.advance(Time::from_millis(1), 0, LAST_WORDS));
        assert!(life.advance(Time::from_millis(1), 0, LAST_WORDS));
        assert_eq!(life.phase(), Phase::Stopped);
    }

    #[test]
    fn r8_a_drain_can_be_undone() {
        let mut life = draining(10);
        assert!(life.undrain());
        assert!(!life.advance(Time::from_millis(20_000), 0, LAST_WORDS));
        assert_eq!((life.phase(), life.deadline(LAST_WORDS)), (Phase::Serving, None));
    }

    #[test]
    fn r8_each_phase_lasts_until_its_time_is_over() {
        let mut life = draining(10);
        let at = Time::from_millis;
        assert_eq!(life.deadline(LAST_WORDS), Some(at(10_000)));
        assert!(!life.advance(at(9_999), 1, LAST_WORDS));
        assert!(life.advance(at(10_000), 1, LAST_WORDS));
        assert_eq!(life.deadline(LAST_WORDS), Some(at(11_500)));
        assert!(!life.advance(at(11_499), 1, LAST_WORDS));
        assert!(life.advance(at(11_500), 1, LAST_WORDS));
        assert_eq!(life.deadline(LAST_WORDS), None);
    }

    #[test]
    fn r8_who_shuts_down_a_drain_still_says_where_to_go() {
        let mut life = Lifecycle::default();
        let next_ip: Option<ubf_codec::NextIp> = "b.example:4000".parse().ok();
        let goal = DrainPlan { next_ip: next_ip.clone(), ..plan(10) };
        assert!(life.drain(goal, End::ByItself, Time::ZERO));
        assert!(life.close(Duration::from_secs(2), Time::from_millis(1_000)));
        assert_eq!(life.plan().unwrap().next_ip, next_ip);
        assert_eq!(life.deadline(Duration::ZERO), Some(Time::from_millis(3_000)));
    }

    #[test]
    fn r3_notices_take_the_first_quarter_of_the_grace() {
        let Lifecycle::Draining(course) = draining(100) else { panic!("it drains") };
        let moments = [0, 1, 2, 3, 4].map(|index| course.notice_at(index, 5).as_millis());
        assert_eq!(moments, [0, 5_000, 10_000, 15_000, 20_000]);
    }
}
