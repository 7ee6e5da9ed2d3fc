//! What is measured, where many callers can put it down at a time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use ubf_codec::Version;

use super::outcome::{Counts, Outcome};

/// Places to put results down. Chosen: more than there are cores in most machines.
const SHARDS: usize = 16;
/// The longest latency that is told apart from longer ones.
const MAX_LATENCY: Duration = Duration::from_secs(3600);

/// Results that nobody has looked at.
pub(super) struct Tally {
    shards: Vec<Mutex<Results>>,
}

/// Results of calls.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Results {
    /// How the calls ended.
    pub counts: Counts,
    /// How many were answered in each version.
    pub versions: BTreeMap<Version, u64>,
    /// Nanoseconds from the moment when a call was due to its reply.
    latency: Histogram<u64>,
    /// The longest time that a client waited for a reply. For a call that is answered that is its
    /// latency; the time of one that is not is added to that of the client's next reply.
    pub longest_pause: Duration,
}

/// Latencies of the calls that were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// The mean of all.
    pub mean: Duration,
    /// Half of the calls took no longer than this.
    pub p50: Duration,
    /// Nine of ten calls took no longer than this.
    pub p90: Duration,
    /// 99 of 100 calls took no longer than this.
    pub p99: Duration,
    /// 999 of 1,000 calls took no longer than this.
    pub p999: Duration,
    /// The slowest call.
    pub max: Duration,
}

impl Results {
    /// Of no call.
    #[must_use]
    pub fn new() -> Self {
        let longest = u64::try_from(MAX_LATENCY.as_nanos()).unwrap_or(u64::MAX);
        let latency = Histogram::new_with_max(longest, 3)
            .expect("3 digits up to an hour are within the histogram's bounds");
        Self {
            counts: Counts::default(),
            versions: BTreeMap::new(),
            latency,
            longest_pause: Duration::ZERO,
        }
    }

    fn add(&mut self, outcome: Outcome, version: Option<Version>, took: Duration) {
        self.counts.add(outcome);
        if let Some(version) = version {
            *self.versions.entry(version).or_default() += 1;
        }
        if outcome.has_reply() {
            self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            self.longest_pause = self.longest_pause.max(took);
        }
    }

    /// Adds other results.
    pub fn add_all(&mut self, other: &Self) {
        self.counts.add_all(&other.counts);
        for (&version, count) in &other.versions {
            *self.versions.entry(version).or_default() += count;
        }
        self.longest_pause = self.longest_pause.max(other.longest_pause);
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
    }

    fn clear(&mut self) {
        self.counts = Counts::default();
        self.versions.clear();
        self.latency.reset();
        self.longest_pause = Duration::ZERO;
    }

    /// What the latencies come to.
    #[must_use]
    pub fn latency(&self) -> Latency {
        let at = |quantile| Duration::from_nanos(self.latency.value_at_quantile(quantile));
        Latency {
            mean: Duration::from_secs_f64(self.latency.mean() / 1e9),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: Duration::from_nanos(self.latency.max()),
        }
    }
}

impl Default for Results {
    fn default() -> Self {
        Self::new()
    }
}

impl Tally {
    pub(super) fn new(clients: usize) -> Self {
        let count = clients.clamp(1, SHARDS);
        Self { shards: (0..count).map(|_| Mutex::new(Results::new())).collect() }
    }

    /// Puts down how a call of a client ended, and, if it was answered, in which version.
    pub(super) fn add(
        &self,
        client: usize,
        outcome: Outcome,
        version: Option<Version>,
        took: Duration,
    ) {
        if let Some(shard) = self.shards.get(client % self.shards.len().max(1)) {
            lock(shard).add(outcome, version, took);
        }
    }

    /// Puts down how long a client waited for a reply.
    pub(super) fn add_pause(&self, client: usize, pause: Duration) {
        if let Some(shard) = self.shards.get(client % self.shards.len().max(1)) {
            let mut shard = lock(shard);
            shard.longest_pause = shard.longest_pause.max(pause);
        }
    }

    /// Takes out all that is there.
    pub(super) fn take(&self) -> Results {
        let mut all = Results::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            all.add_all(&shard);
            shard.clear();
        }
        all
    }
}

/// What a panic leaves behind is counters: they are as good as before.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_down_is_taken_out_once() {
        let tally = Tally::new(100);
        for client in 0..100 {
            tally.add(
                client,
                Outcome::Answered,
                Version::new(3),
                Duration::from_micros(10 * (client as u64 + 1)),
            );
        }
        tally.add(7, Outcome::Indeterminate, None, Duration::from_secs(9));
        let results = tally.take();
        assert_eq!((results.counts.of(Outcome::Answered), results.counts.bad()), (100, 1));
        assert_eq!(results.versions, BTreeMap::from([(Version::new(3).unwrap(), 100)]));
        // What was not answered has no latency. The histogram is exact to three digits.
        let latency = results.latency();
        let is_near = |left: Duration, right: u64| {
            left.abs_diff(Duration::from_micros(right)) < Duration::from_micros(1)
        };
        assert!(
            is_near(latency.p50, 500) && is_near(latency.p99, 990) && is_near(latency.max, 1000),
            "{latency:?}"
        );
        assert_eq!(tally.take().counts, Counts::default());
    }

    #[test]
    fn the_longest_pause_may_be_longer_than_any_latency() {
        let tally = Tally::new(100);
        let millis = Duration::from_millis;
        tally.add(1, Outcome::Answered, Version::new(3), millis(5));
        // Its end came soon, and the next reply did not.
        tally.add(2, Outcome::Indeterminate, None, millis(1));
        assert_eq!(tally.take().longest_pause, millis(5));
        tally.add(2, Outcome::Answered, Version::new(3), millis(2));
        tally.add_pause(2, millis(70));
        let results = tally.take();
        assert_eq!(results.longest_pause, millis(70));
        assert!(results.latency().max < millis(3));
        assert_eq!(tally.take().longest_pause, Duration::ZERO);
    }

    #[test]
    fn an_endless_latency_is_counted_as_the_longest() {
        let mut results = Results::new();
        results.add(Outcome::Answered, Version::new(1), Duration::MAX);
        assert!(results.latency().max >= MAX_LATENCY);
    }

    #[test]
    fn no_results_have_no_latency() {
        assert_eq!(Results::new().latency(), Latency::default());
    }
}
