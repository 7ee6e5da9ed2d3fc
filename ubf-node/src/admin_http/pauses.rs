//! How long nothing went on in this process: the worst of the last minute.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Between two looks at the clock. Chosen: a pause that anybody notices is longer, and fifty looks
/// a second cost nothing.
const TICK: Duration = Duration::from_millis(20);
/// Seconds that are remembered.
const SECONDS: usize = 60;

/// The longest pause of each second. It knows no clock.
#[derive(Clone, Debug)]
struct Seconds([(u64, Duration); SECONDS]);

impl Default for Seconds {
    fn default() -> Self {
        Self([(0, Duration::ZERO); SECONDS])
    }
}

impl Seconds {
    /// In this second after the beginning something came so late.
    fn note(&mut self, second: u64, late: Duration) {
        let place = usize::try_from(second % SECONDS as u64).unwrap_or_default();
        let Some((of, worst)) = self.0.get_mut(place) else { return };
        if *of == second {
            *worst = late.max(*worst);
        } else {
            (*of, *worst) = (second, late);
        }
    }

    /// The worst of the minute that ends with this second.
    fn worst(&self, second: u64) -> Duration {
        let is_recent = |&&(of, _): &&(u64, Duration)| of + SECONDS as u64 > second;
        self.0.iter().filter(is_recent).map(|&(_, late)| late).max().unwrap_or_default()
    }
}

/// Where the pauses of this process are noted. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pauses {
    began: Instant,
    seconds: Arc<Mutex<Seconds>>,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), seconds: Arc::default() }
    }

    /// Watches until it is dropped: whatever holds up this task holds up others.
    pub(crate) async fn watch(self) {
        loop {
            let due = Instant::now() + TICK;
            sleep_until(due).await;
            let now = Instant::now();
            self.seconds().note(self.second(now), now.saturating_duration_since(due));
        }
    }

    pub(crate) fn worst(&self) -> Duration {
        self.seconds().worst(self.second(Instant::now()))
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs()
    }

    fn seconds(&self) -> std::sync::MutexGuard<'_, Seconds> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_forgotten_after_a_minute_and_hides_no_later_one() {
        let mut seconds = Seconds::default();
        let millis = Duration::from_millis;
        assert_eq!(seconds.worst(0), Duration::ZERO);
        seconds.note(3, millis(40));
        seconds.note(3, millis(20));
        seconds.note(5, millis(10));
        assert_eq!(seconds.worst(5), millis(40));
        assert_eq!(seconds.worst(62), millis(40));
        assert_eq!(seconds.worst(63), millis(10));
        // The place of second 3 is taken by another one.
        seconds.note(63, millis(1));
        assert_eq!((seconds.worst(64), seconds.worst(65)), (millis(10), millis(1)));
        assert_eq!(seconds.worst(1000), Duration::ZERO);
    }

    #[test]
    fn what_blocks_the_threads_is_a_pause() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let pauses = Pauses::new();
        let worst = runtime.block_on(async {
            let watching = tokio::spawn(pauses.clone().watch());
            tokio::task::yield_now().await;
            // The one thread of this runtime does nothing else meanwhile.
            std::thread::sleep(Duration::from_millis(120));
            while pauses.worst() < Duration::from_millis(90) {
                tokio::task::yield_now().await;
            }
            watching.abort();
            pauses.worst()
        });
        assert!(worst >= Duration::from_millis(90), "{worst:?}");
    }
}
