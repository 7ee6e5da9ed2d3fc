//! How long calls take, by service and version.
//!
//! The replies of all calls that came together leave together, and so they are timed together: the
//! clock is looked at once when a connection has its turn and once when the turn ends, and not for
//! each call.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use ubf_codec::Version;
use ubf_proto::{Service, Time, Versions};

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
    /// For each of `counts` a call that took so long, the latest of some seconds.
    pub exemplars: Vec<Option<CallExemplar>>,
}

/// One call of many, for whoever wants to know whose it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallExemplar {
    /// The number of the connection that it came by.
    pub connection: u64,
    /// The name of the session that this connection has, as
    /// [`SessionStatus::name`](crate::SessionStatus::name). `None`: it has none, or is gone.
    pub session: Option<String>,
    /// How long the call took.
    pub time: Duration,
    /// How long ago that was.
    pub age: Duration,
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
    exemplars: [LastCall; BOUNDS_US.len() + 1],
}

/// The last call of a bucket, at most one a second: whoever looks has a recent one, and most calls
/// cost no more than to see that there is one.
#[derive(Debug, Default)]
struct LastCall {
    /// The second after the server's beginning in which it was noted, and one more.
    second: AtomicU64,
    /// Connection, time, and when.
    call: Mutex<Option<(u64, Duration, Time)>>,
}

/// Whose turn it is, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) connection: u64,
    pub(crate) now: Time,
}

impl LastCall {
    fn note(&self, origin: Origin, time: Duration) {
        let second = origin.now.as_millis() / 1_000 + 1;
        if self.second.load(Ordering::Relaxed) == second {
            return;
        }
        // Whoever holds it notes another one, or reads: this call is not missed.
        if let Ok(mut call) = self.call.try_lock() {
            self.second.store(second, Ordering::Relaxed);
            *call = Some((origin.connection, time, origin.now));
        }
    }

    fn exemplar(&self, now: Time) -> Option<CallExemplar> {
        let (connection, time, at) = (*self.call.lock().ok()?)?;
        Some(CallExemplar { connection, session: None, time, age: now.since(at) })
    }
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
    pub(crate) fn snapshot(&self, now: Time) -> Vec<CallTimes> {
        let histograms = self.0.iter().flat_map(|(service, times)| {
            times.0.iter().map(move |(version, histogram)| (service, *version, histogram))
        });
        let times = histograms.map(|(service, version, histogram)| CallTimes {
            service: service.clone(),
            version,
            counts: histogram.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_nanos(histogram.sum_ns.load(Ordering::Relaxed)),
            exemplars: histogram.exemplars.iter().map(|last| last.exemplar(now)).collect(),
        });
        times.filter(|times| times.counts.iter().any(|&count| count > 0)).collect()
    }
}

impl ServiceTimes {
    /// A call has ended whose handler has waited.
    pub(crate) fn add_one(&self, version: Version, time: Duration) {
        self.add(version, 1, time, turn_origin());
    }

    fn add(&self, version: Version, calls: u64, time: Duration, origin: Option<Origin>) {
        // Only versions that the service has are handed to it.
        let Some(histogram) = self.0.get(&version) else { return };
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let place = BOUNDS_US.partition_point(|&bound| bound < micros);
        if let Some(count) = histogram.counts.get(place) {
            count.fetch_add(calls, Ordering::Relaxed);
        }
        if let (Some(origin), Some(last)) = (origin, histogram.exemplars.get(place)) {
            last.note(origin, time);
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
    origin: Origin,
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
            times.add(version, calls, self.began.elapsed(), Some(self.origin));
        }
    }
}

/// A connection has its turn on this thread.
pub(crate) fn begin_turn(began: Instant, origin: Origin) {
    // A thread that is about to end times nothing.
    TURN.try_with(|turn| *turn.borrow_mut() = Some(Turn { began, origin, batch: None })).ok();
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

fn turn_origin() -> Option<Origin> {
    TURN.try_with(|turn| turn.borrow().as_ref().map(|turn| turn.origin)).ok().flatten()
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

    fn origin(connection: u64, millis: u64) -> Origin {
        Origin { connection, now: Time::from_millis(millis) }
    }

    #[test]
    fn a_bucket_has_one_call_of_each_second_as_its_exemplar() {
        let (all, times) = times();
        let millis = Duration::from_millis;
        for (connection, at, time) in
            [(1, 900, 3), (2, 950, 4), (3, 1_000, 5), (4, 2_500, 40), (5, 2_600, 2)]
        {
            times.add(version(1), 1, millis(time), Some(origin(connection, at)));
        }
        times.add(version(1), 1, millis(700), None);
        let [one] = all.snapshot(Time::from_millis(3_000)).try_into().unwrap();
        let told: Vec<_> = one.exemplars.iter().flatten().collect();
        let told = told.iter().map(|it| (it.connection, it.time, it.age));
        // The second call of a second is not noted; that of the next one is.
        let wanted = [
            (5, millis(2), millis(400)),
            (3, millis(5), millis(2_000)),
            (4, millis(40), millis(500)),
        ];
        assert_eq!(told.collect::<Vec<_>>(), wanted);
        assert_eq!(one.exemplars.len(), one.counts.len());
    }

    #[test]
    fn a_time_is_counted_at_the_first_bound_that_it_does_not_pass() {
        let (all, times) = times();
        let bounds: Vec<Duration> = CallTimes::bounds().collect();
        for time in [Duration::ZERO, bounds[0], bounds[0] + Duration::from_micros(1), bounds[17]] {
            times.add(version(1), 1, time, None);
        }
        times.add(version(2), 3, Duration::from_secs(11), None);
        let [one, two] = all.snapshot(Time::ZERO).try_into().unwrap();
        assert_eq!((one.version, two.version), (version(1), version(2)));
        assert_eq!((one.counts[0], one.counts[1], one.counts[17]), (2, 1, 1));
        assert_eq!((two.counts[18], two.sum), (3, Duration::from_secs(33)));
        assert_eq!(one.counts.len(), bounds.len() + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_of_one_turn_have_the_time_of_the_turn() {
        let (all, times) = times();
        begin_turn(Instant::now(), origin(7, 0));
        for _ in 0..64 {
            ended_at_once(&times, version(1));
        }
        tokio::time::advance(Duration::from_millis(3)).await;
        ended_at_once(&times, version(2));
        tokio::time::advance(Duration::from_millis(1)).await;
        end_turn();
        // No turn: nothing to count by.
        ended_at_once(&times, version(2));
        let [one, two] = all.snapshot(Time::ZERO).try_into().unwrap();
        assert_eq!(one.sum, Duration::from_millis(3) * 64);
        assert_eq!((two.sum, two.counts.iter().sum::<u64>()), (Duration::from_millis(4), 1));
    }
}
