//! Clocks: every process has its own, which begins anywhere and goes a little too fast or too slow.

use ubf_proto::{Random, Time};

/// How far a clock is off at most, in thousandths.
const MAX_SKEW: u64 = 20;

/// The clock of a process. The world's own time is what all others are told from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// What it showed when the world began, in milliseconds.
    offset: u64,
    /// Its milliseconds in a second of the world.
    rate: u64,
}

impl Clock {
    /// One that shows the world's time.
    pub(super) const RIGHT: Self = Self { offset: 0, rate: 1_000 };

    pub(super) fn any(random: &mut Random) -> Self {
        let offset = if random.below(2) == 0 { 0 } else { random.below(1 << 40) };
        Self { offset, rate: 1_000 - MAX_SKEW + random.below(2 * MAX_SKEW + 1) }
    }

    /// What it shows at this time of the world.
    pub(super) const fn read(self, now: u64) -> Time {
        Time::from_millis(self.offset + now * self.rate / 1_000)
    }

    /// When in the world it shows this time, or more.
    pub(super) const fn world_time(self, time: Time) -> u64 {
        (time.as_millis().saturating_sub(self.offset) * 1_000).div_ceil(self.rate)
    }
}

#[test]
fn a_clock_rings_when_it_shows_the_time_and_not_before() {
    let mut random = Random::new(1);
    for _ in 0..1_000 {
        let clock = Clock::any(&mut random);
        let time = Time::from_millis(clock.offset + random.below(300_000));
        let rings = clock.world_time(time);
        assert!(clock.read(rings) >= time && (rings == 0 || clock.read(rings - 1) < time));
    }
    assert_eq!(Clock::RIGHT.read(7), Time::from_millis(7));
}
