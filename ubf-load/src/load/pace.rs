//! When calls are made: each as soon as the one before has ended, or on a schedule that waits for
//! nobody.
//!
//! On a schedule the latency of a call counts from the moment when it was *due*. A server that
//! stands still for a second makes all calls late that were due in that second, though they are
//! sent after it. To count from the moment of sending would leave that second out (coordinated
//! omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// The longest that the pacer sleeps before it looks whether the load has ended.
const MAX_PACER_SLEEP: Duration = Duration::from_millis(20);

/// When calls are made, for all clients together.
pub(crate) struct Pace {
    start: Instant,
    measured_from: Instant,
    end: Option<Instant>,
    max_calls: Option<u64>,
    /// Measured calls that were begun.
    begun: AtomicU64,
    is_stopped: AtomicBool,
    schedule: Option<Schedule>,
}

struct Schedule {
    calls_per_second: f64,
    /// Calls that are due and were not taken. Closed when the load ends.
    due: Semaphore,
    taken: AtomicU64,
    /// Those that have been due so far.
    released: AtomicU64,
}

/// A call that is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// When it should be made.
    pub(crate) due: Instant,
    /// Whether it counts, or is part of the warm-up.
    pub(crate) is_measured: bool,
}

impl Pace {
    /// The load begins now. A rate of calls a second wants a thread, which ends with the load.
    pub(crate) fn begin(
        calls_per_second: Option<f64>,
        warm_up: Duration,
        duration: Option<Duration>,
        max_calls: Option<u64>,
    ) -> Arc<Self> {
        let start = Instant::now();
        let measured_from = start + warm_up;
        let schedule = calls_per_second.map(|calls_per_second| Schedule {
            calls_per_second,
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
            released: AtomicU64::new(0),
        });
        let is_scheduled = schedule.is_some();
        let pace = Arc::new(Self {
            start,
            measured_from,
            end: duration.and_then(|duration| measured_from.checked_add(duration)),
            max_calls,
            begun: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
            schedule,
        });
        if is_scheduled {
            let pace = Arc::clone(&pace);
            // A sleep of tokio's ends up to a millisecond late: many calls would be late by our own
            // fault.
            drop(thread::spawn(move || pace.run_schedule()));
        }
        pace
    }

    /// Waits until a call is to be made; `None` when there will be no more.
    pub(crate) async fn next(&self) -> Option<Turn> {
        let due = match &self.schedule {
            None => Instant::now(),
            Some(schedule) => {
                schedule.due.acquire().await.ok()?.forget();
                let place = schedule.taken.fetch_add(1, Ordering::Relaxed);
                self.start + Duration::from_secs_f64(place as f64 / schedule.calls_per_second)
            }
        };
        if self.has_ended() {
            return None;
        }
        let is_measured = due >= self.measured_from;
        if is_measured {
            let begun = self.begun.fetch_add(1, Ordering::Relaxed);
            if self.max_calls.is_some_and(|max_calls| begun >= max_calls) {
                self.begun.fetch_sub(1, Ordering::Relaxed);
                self.stop();
                return None;
            }
        }
        Some(Turn { due, is_measured })
    }

    /// No more calls.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        if let Some(schedule) = &self.schedule {
            schedule.due.close();
        }
    }

    /// Whether there are no more calls.
    pub(crate) fn has_ended(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed) || self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// Measured calls that were begun.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Calls that were due and that nobody was free to make.
    pub(crate) fn behind(&self) -> u64 {
        self.schedule.as_ref().map_or(0, |schedule| {
            let released = schedule.released.load(Ordering::Relaxed);
            released.saturating_sub(schedule.taken.load(Ordering::Relaxed))
        })
    }

    /// Whether calls wait for nobody.
    pub(crate) const fn is_scheduled(&self) -> bool {
        self.schedule.is_some()
    }

    /// For how long had been measured at a moment.
    pub(crate) fn measured_until(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.measured_from)
    }

    /// Lets calls go when they are due, until the load ends.
    fn run_schedule(&self) {
        let Some(schedule) = &self.schedule else { return };
        let mut released = 0_u64;
        while !self.has_ended() {
            let elapsed = self.start.elapsed().as_secs_f64();
            let due = whole(elapsed * schedule.calls_per_second) + 1;
            // The semaphore has a limit that no load comes near. What is not let go now is let go
            // later.
            let room = Semaphore::MAX_PERMITS - schedule.due.available_permits();
            let more =
                usize::try_from(due.saturating_sub(released)).unwrap_or(usize::MAX).min(room);
            schedule.due.add_permits(more);
            released += more as u64;
            schedule.released.store(released, Ordering::Relaxed);
            let next = Duration::from_secs_f64(released as f64 / schedule.calls_per_second);
            thread::sleep(next.saturating_sub(self.start.elapsed()).min(MAX_PACER_SLEEP));
        }
        schedule.due.close();
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is not negative"
)]
const fn whole(number: f64) -> u64 {
    number as u64
}
