//! Thread CPU time in interleaved rounds: neighbours' load hits all alike, and the tenth percentile
//! leaves most of it out.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::work::{Key, Operation};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each operation has its turn.
    pub rounds: usize,
    /// How long a turn should be at least; an operation is repeated until then.
    pub turn: Duration,
}

impl Plan {
    /// For figures that are kept.
    pub const FULL: Self = Self { rounds: 60, turn: Duration::from_millis(2) };
    /// To see that all works.
    pub const QUICK: Self = Self { rounds: 5, turn: Duration::from_micros(200) };
}

/// The CPU time of this thread.
#[must_use]
pub fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Nanoseconds for one time of each operation: the tenth percentile of the rounds.
pub fn nanoseconds(operations: &mut [Operation], plan: Plan) -> Vec<f64> {
    let repeats: Vec<u32> =
        operations.iter_mut().map(|operation| repeats(operation, plan.turn)).collect();
    let mut times = vec![Vec::with_capacity(plan.rounds); operations.len()];
    for _ in 0..plan.rounds {
        for ((operation, &repeats), times) in operations.iter_mut().zip(&repeats).zip(&mut times) {
            times.push(turn(operation, repeats).as_secs_f64() * 1e9 / f64::from(repeats));
        }
    }
    times.iter_mut().map(|times| percentile(times, 10)).collect()
}

/// The value below which so many percent of them lie.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() * percent / 100).copied().unwrap_or(f64::NAN)
}

/// How often the operation fits a turn. It runs a few times for this, so that its memory is warm.
fn repeats(operation: &mut Operation, least: Duration) -> u32 {
    let mut repeats = 1;
    while turn(operation, repeats) < least && repeats < 1 << 20 {
        repeats *= 2;
    }
    repeats
}

fn turn(operation: &mut Operation, repeats: u32) -> Duration {
    let start = cpu_time();
    for _ in 0..repeats {
        operation.run();
    }
    cpu_time().saturating_sub(start)
}

/// The memory that one time of an operation takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Allocations {
    /// Which operation.
    pub key: Key,
    /// How many allocations.
    pub count: u64,
    /// How many bytes at most at a time.
    pub peak_bytes: u64,
}
