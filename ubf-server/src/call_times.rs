//! How long calls take, by service and version.
//!
//! The replies of all calls that came together leave together, and so they are timed together: the
//! clock is looked at once when a connection has its turn and once when the turn ends, and not for
//! each call.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use ubf_codec::Version;
use ubf_proto::{Service, Versions};

/// The upper bounds of the times that are told apart, in microseconds. Chosen: from what a handler
/// takes that only looks something up, to what a client does not wait for any more.
const BOUNDS_US: [u64; 18] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// How long the requests of a service took in one of its versions, from the moment at which they
/// were read to the moment at which their replies were ready to leave.
///
/// Requests that came together, and whose handlers did not wait, have one time: that of all of
/// them, since their replies leave together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallTimes {
    /// Which service.
    pub service: Service,
    /// The version that the requests were written in.
    pub version: Version,
    /// How many took no longer than each of the [bounds](Self::bounds) and longer than the one
    /// before; the last one counts those that took longer than all.
    pub counts: Vec<u64>,
    /// All times together.
    pub sum: Duration,
}

impl CallTimes {
    /// The upper bounds of [`counts`](Self::counts), shortest first.
    pub fn bounds() -> impl Iterator<Item = Duration> {
        BOUNDS_US.into_iter().map(Duration::from_micros)
    }
}

/// The times of all services of a server.
#[derive(Debug)]
pub(crate) struct AllTimes(BTreeMap<Service, Arc<ServiceTimes>>);

/// The times of one service.
#[derive(Debug)]
pub(crate) struct ServiceTimes(BTreeMap<Version, Histogram>);

#[derive(Debug, Default)]
struct Histogram {
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

impl AllTimes {
    pub(crate) fn new(services: &BTreeMap<Service, Versions>) -> Self {
        let of_versions = |versions: &Versions| {
            let times = versions.iter().map(|version| (version, Histogram::default()));
            Arc::new(ServiceTimes(times.collect()))
        };
        let times = services.iter().map(|(name, versions)| (name.clone(), of_versions(versions)));
        Self(times.collect())
    }

    pub(crate) fn of(&self, service: &Service) -> Option<Arc<ServiceTimes>> {
        self.0.get(service).cloned()
    }

    /// Those of all services and versions that were called.
    pub(crate) fn snapshot(&self) -> Vec<CallTimes> {
        let histograms = self.0.iter().flat_map(|(service, times)| {
            times.0.iter().map(move |(version, histogram)| (service, *version, histogram))
        });
        let times = histograms.map(|(service, version, histogram)| CallTimes {
            service: service.clone(),
            version,
            counts: histogram.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_nanos(histogram.sum_ns.load(Ordering::Relaxed)),
        });
        times.filter(|times| times.counts.iter().any(|&count| count > 0)).collect()
    }
}

impl ServiceTimes {
    pub(crate) fn add(&self, version: Version, calls: u64, time: Duration) {
        // Only versions that the service has are handed to it.
        let Some(histogram) = self.0.get(&version) else { return };
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let place = BOUNDS_US.partition_point(|&bound| bound < micros);
        if let Some(count) = histogram.counts.get(place) {
            count.fetch_add(calls, Ordering::Relaxed);
        }
        histogram.sum_ns.fetch_add(nanos.saturating_mul(calls), Ordering::Relaxed);
    }
}

thread_local! {
    /// Of the connection that has its turn on this thread.
    static TURN: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// What was called since a connection has its turn.
struct Turn {
    began: Instant,
    batch: Option<Batch>,
}

/// Calls of one service and version whose handlers did not wait.
struct Batch {
    times: Arc<ServiceTimes>,
    version: Version,
    calls: u64,
}

impl Turn {
    fn end_batch(&mut self) {
        if let Some(Batch { times, version, calls }) = self.batch.take() {
            times.add(version, calls, self.began.elapsed());
        }
    }
}

/// A connection has its turn on this thread.
pub(crate) fn begin_turn(began: Instant) {
    // A thread that is about to end times nothing.
    TURN.try_with(|turn| *turn.borrow_mut() = Some(Turn { began, batch: None })).ok();
}

/// A call has ended in the turn in which it began.
pub(crate) fn ended_at_once(times: &Arc<ServiceTimes>, version: Version) {
    let count = |turn: &RefCell<Option<Turn>>| {
        let mut turn = turn.borrow_mut();
        let Some(turn) = &mut *turn else { return };
        match &mut turn.batch {
            Some(batch) if batch.version == version && Arc::ptr_eq(&batch.times, times) => {
                batch.calls += 1;
            }
            Some(_) | None => {
                turn.end_batch();
                turn.batch = Some(Batch { times: Arc::clone(times), version, calls: 1 });
            }
        }
    };
    TURN.try_with(count).ok();
}

/// When the turn began that this thread is in.
pub(crate) fn turn_began() -> Option<Instant> {
    TURN.try_with(|turn| turn.borrow().as_ref().map(|turn| turn.began)).ok().flatten()
}

/// The turn is over.
pub(crate) fn end_turn() {
    let end = |turn: &RefCell<Option<Turn>>| {
        if let Some(mut turn) = turn.borrow_mut().take() {
            turn.end_batch();
        }
    };
    TURN.try_with(end).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> (AllTimes, Arc<ServiceTimes>) {
        let services = [(Service::named("kv"), Versions::of([1, 2]))].into();
        let all = AllTimes::new(&services);
        let times = all.of(&Service::named("kv")).unwrap();
        (all, times)
    }

    fn version(number: u32) -> Version {
        Version::new(number).unwrap()
    }

    #[test]
    fn a_time_is_counted_at_the_first_bound_that_it_does_not_pass() {
        let (all, times) = times();
        let bounds: Vec<Duration> = CallTimes::bounds().collect();
        for time in [Duration::ZERO, bounds[0], bounds[0] + Duration::from_micros(1), bounds[17]] {
            times.add(version(1), 1, time);
        }
        times.add(version(2), 3, Duration::from_secs(11));
        let [one, two] = all.snapshot().try_into().unwrap();
        assert_eq!((one.version, two.version), (version(1), version(2)));
        assert_eq!((one.counts[0], one.counts[1], one.counts[17]), (2, 1, 1));
        assert_eq!((two.counts[18], two.sum), (3, Duration::from_secs(33)));
        assert_eq!(one.counts.len(), bounds.len() + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_of_one_turn_have_the_time_of_the_turn() {
        let (all, times) = times();
        begin_turn(Instant::now());
        for _ in 0..64 {
            ended_at_once(&times, version(1));
        }
        tokio::time::advance(Duration::from_millis(3)).await;
        ended_at_once(&times, version(2));
        tokio::time::advance(Duration::from_millis(1)).await;
        end_turn();
        // No turn: nothing to count by.
        ended_at_once(&times, version(2));
        let [one, two] = all.snapshot().try_into().unwrap();
        assert_eq!(one.sum, Duration::from_millis(3) * 64);
        assert_eq!((two.sum, two.counts.iter().sum::<u64>()), (Duration::from_millis(4), 1));
    }
}
