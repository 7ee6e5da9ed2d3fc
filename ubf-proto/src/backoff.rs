//! Waiting longer and longer between attempts (R4, R6).

use core::time::Duration;

use crate::random::Random;

/// Exponential back-off with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffTimes {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait ever.
    pub longest: Duration,
}

impl Default for BackoffTimes {
    /// 100 ms, doubling to 10 s.
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(10) }
    }
}

/// How often it went wrong in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait before the next attempt: a random time from half of the nominal one to all
    /// of it.
    pub(crate) fn next(&mut self, times: &BackoffTimes, random: &mut Random) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let nominal = times.first.saturating_mul(factor).min(times.longest);
        // 2^20 times any sensible first wait is beyond any sensible longest one.
        self.failures = (self.failures + 1).min(20);
        nominal / 2 + random.up_to(nominal / 2)
    }

    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts so many failures, if it were fewer.
    pub(crate) fn at_least(&mut self, failures: u32) {
        self.failures = self.failures.max(failures.min(20));
    }

    /// Whether nothing has gone wrong since the last success.
    pub(crate) const fn is_fresh(self) -> bool {
        self.failures == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r4_doubles_with_jitter_and_is_bounded() {
        let times = BackoffTimes::default();
        let mut backoff = Backoff::default();
        let mut random = Random::new(7);
        let mut nominal = 100;
        for _ in 0..100 {
            let wait = backoff.next(&times, &mut random).as_millis();
            assert!((nominal / 2..=nominal).contains(&wait), "{wait} of {nominal}");
            nominal = (nominal * 2).min(10_000);
        }
        backoff.reset();
        assert!(backoff.next(&times, &mut random).as_millis() <= 100);
    }
}
