//! When to claim a shard of an owner that seems to be gone (U6).
//!
//! A suspicion decides only when to try: the epoch decides who owns (T5). So a wrong one costs
//! clients a redirect, and never data.

use core::time::Duration;

use ubf_proto::Time;

/// The times of U6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuspicionTimes {
    /// How long the owner's heartbeat in the store must have stood still, by our own clock.
    pub silence: Duration,
    /// The wait after a first claim, before the next one of the same shard; it doubles.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// An owner that has served for so long ends the doubling.
    pub served: Duration,
}

impl Default for SuspicionTimes {
    /// 1 s of silence; 1 s doubling to 30 s; 60 s served. Chosen (U6).
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(1),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
            served: Duration::from_secs(60),
        }
    }
}

/// What one node thinks of the owner of one shard.
#[derive(Clone, Debug)]
pub struct Suspicion {
    times: SuspicionTimes,
    /// The last heartbeat that was read, and when it was first seen.
    beat: Option<(u64, Time)>,
    is_reachable: bool,
    /// No claim is tried before.
    not_before: Time,
    wait: Duration,
    /// When the present owner claimed.
    owned_since: Time,
}

impl Suspicion {
    /// An owner of whom nothing is known: it is taken to be well.
    #[must_use]
    pub const fn new(times: SuspicionTimes, now: Time) -> Self {
        let (wait, beat) = (times.first_wait, None);
        Self { times, beat, is_reachable: true, not_before: now, wait, owned_since: now }
    }

    /// A heartbeat was read from the store.
    pub fn beat(&mut self, count: u64, now: Time) {
        if self.beat.is_none_or(|(last, _)| last != count) {
            self.beat = Some((count, now));
        }
    }

    /// Whether this node itself reaches the owner.
    pub const fn reached(&mut self, is_reachable: bool) {
        self.is_reachable = is_reachable;
    }

    /// Whether it is time to claim.
    #[must_use]
    pub fn is_due(&self, now: Time) -> bool {
        let is_silent = self.beat.is_some_and(|(_, since)| now.since(since) >= self.times.silence);
        !self.is_reachable && is_silent && now >= self.not_before
    }

    /// The shard was claimed, by whomever.
    pub fn claimed(&mut self, now: Time) {
        if now.since(self.owned_since) >= self.times.served {
            self.wait = self.times.first_wait;
        }
        self.not_before = now + self.wait;
        self.wait = (self.wait * 2).min(self.times.longest_wait);
        self.owned_since = now;
        self.beat = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn u6_an_owner_is_suspected_when_it_is_silent_and_cannot_be_reached() {
        let mut suspicion = Suspicion::new(SuspicionTimes::default(), at(0));
        assert!(!suspicion.is_due(at(99_999)), "nothing is known of it");
        suspicion.beat(7, at(100));
        suspicion.beat(7, at(900));
        assert!(!suspicion.is_due(at(1_100)), "it can be reached");
        suspicion.reached(false);
        assert!(!suspicion.is_due(at(1_099)));
        assert!(suspicion.is_due(at(1_100)));
        suspicion.beat(8, at(1_100));
        assert!(!suspicion.is_due(at(1_100)), "it lives");
    }

    #[test]
    fn u6_claims_wait_longer_and_longer_until_an_owner_has_served() {
        let mut suspicion = Suspicion::new(SuspicionTimes::default(), at(0));
        suspicion.reached(false);
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 30, 30] {
            suspicion.claimed(at(now));
            suspicion.beat(0, at(now));
            assert!(!suspicion.is_due(at(now + wait * 1_000 - 1)), "{wait}");
            assert!(suspicion.is_due(at(now + wait * 1_000)), "{wait}");
            now += wait * 1_000;
        }
        now += 60_000;
        suspicion.claimed(at(now));
        suspicion.beat(0, at(now));
        assert!(suspicion.is_due(at(now + 1_000)));
    }
}
