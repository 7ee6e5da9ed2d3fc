//! At most so many events in any minute (N10).

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use crate::time::Time;

/// N10: the minute in which negotiations are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// The times of the last events, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) enum RateWindow {
    #[default]
    None,
    /// Most connections negotiate once: that takes no memory of its own.
    One(Time),
    /// At least one.
    #[expect(clippy::box_collection, reason = "an idle connection has a word for them, not four")]
    Many(Box<VecDeque<Time>>),
}

impl RateWindow {
    /// When the next event is allowed, if `max` may come in a minute: now or later.
    pub(crate) fn allowed_at(&mut self, max: u32, now: Time) -> Time {
        while self.oldest().is_some_and(|oldest| now >= oldest + WINDOW) {
            self.forget_oldest();
        }
        self.peek(max).max(now)
    }

    /// When the next event is allowed, at the earliest.
    pub(crate) fn peek(&self, max: u32) -> Time {
        match self.oldest() {
            Some(oldest) if self.len() >= max as usize => oldest + WINDOW,
            Some(_) | None => Time::ZERO,
        }
    }

    /// Counts an event, which was allowed.
    pub(crate) fn record(&mut self, now: Time) {
        match self {
            Self::None => *self = Self::One(now),
            Self::One(first) => *self = Self::Many(Box::new([*first, now].into())),
            Self::Many(times) => times.push_back(now),
        }
    }

    fn oldest(&self) -> Option<Time> {
        match self {
            Self::None => None,
            Self::One(time) => Some(*time),
            Self::Many(times) => times.front().copied(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(times) => times.len(),
        }
    }

    fn forget_oldest(&mut self) {
        match self {
            Self::Many(times) if times.len() > 1 => drop(times.pop_front()),
            Self::None | Self::One(_) | Self::Many(_) => *self = Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n10_the_ninth_in_a_minute_waits() {
        let mut window = RateWindow::default();
        for millis in 0..8 {
            let now = Time::from_millis(millis);
            assert_eq!(window.allowed_at(8, now), now);
            window.record(now);
        }
        assert_eq!(window.allowed_at(8, Time::from_millis(8)), Time::from_millis(60_000));
        assert_eq!(window.allowed_at(8, Time::from_millis(60_000)), Time::from_millis(60_000));
    }

    #[test]
    fn n10_nothing_is_waited_for_while_there_is_room() {
        let mut window = RateWindow::default();
        assert_eq!(window.peek(2), Time::ZERO);
        window.record(Time::from_millis(5));
        assert_eq!(window.peek(2), Time::ZERO);
        window.record(Time::from_millis(6));
        assert_eq!(window.peek(2), Time::from_millis(60_005));
    }
}
