//! What stops a rollout: the changed nodes are held against the others at the same time.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What was counted of some nodes in one soaking time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// Nodes that were looked at.
    pub nodes: u64,
    /// Calls that were answered.
    pub calls: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Processes and handlers that crashed.
    pub crashes: u64,
    /// Rows that lost something on the way down, and round trips that failed (T7).
    pub losses: u64,
    /// Of a call, in microseconds: 99 of 100 took no longer. 0: it is not known.
    pub p99_us: u64,
}

impl Sample {
    /// What was counted since an earlier one of the same nodes. Of times the later one is kept.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            nodes: self.nodes,
            calls: self.calls.saturating_sub(before.calls),
            failed: self.failed.saturating_sub(before.failed),
            crashes: self.crashes.saturating_sub(before.crashes),
            losses: self.losses.saturating_sub(before.losses),
            p99_us: self.p99_us,
        }
    }

    /// Of more nodes: counts are added, and of times the longer one is kept.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            nodes: self.nodes + other.nodes,
            calls: self.calls + other.calls,
            failed: self.failed + other.failed,
            crashes: self.crashes + other.crashes,
            losses: self.losses + other.losses,
            p99_us: self.p99_us.max(other.p99_us),
        }
    }
}

/// How much worse changed nodes may be than the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gates {
    /// Calls of a million that may fail beyond what fails elsewhere.
    pub max_failed_ppm: u64,
    /// Crashes beyond what a node has elsewhere.
    pub max_crashes: u64,
    /// Losses of rows.
    pub max_losses: u64,
    /// The 99th percentile in percent of what it is elsewhere; 0: it is not looked at.
    pub max_p99_percent: u64,
    /// A 99th percentile below this is good, whatever it is elsewhere.
    pub min_p99_us: u64,
    /// The calls that a node has to answer, in percent of what one does elsewhere: one that hangs
    /// fails none. It is not looked at where others answer fewer than twenty each; 0: nowhere.
    pub min_calls_percent: u64,
}

/// Fewer calls of each of the other nodes say nothing of the changed ones.
const SOME_CALLS: u64 = 20;

impl Default for Gates {
    fn default() -> Self {
        Self {
            max_failed_ppm: 0,
            max_crashes: 0,
            max_losses: 0,
            max_p99_percent: 300,
            min_p99_us: 100_000,
            min_calls_percent: 10,
        }
    }
}

impl Gates {
    /// Holds changed nodes against the others. Where no other is left, `others` is what was
    /// counted before the first change.
    ///
    /// # Errors
    /// What is worse than it may be, for people.
    pub fn judge(&self, changed: &Sample, others: &Sample) -> Result<(), String> {
        let ppm = |sample: &Sample| {
            let rate = u128::from(sample.failed) * 1_000_000;
            rate.div_ceil(u128::from(sample.calls.max(1)))
        };
        let mut why = String::new();
        let mut tell = |is_bad: bool, text: String| {
            if is_bad {
                let gap = if why.is_empty() { "" } else { "; " };
                // A string takes all that is written.
                let _is_written = write!(why, "{gap}{text}").is_ok();
            }
        };
        let (failed, elsewhere) = (ppm(changed), ppm(others));
        tell(
            failed > elsewhere + u128::from(self.max_failed_ppm),
            format!("{} of {} calls failed", changed.failed, changed.calls),
        );
        let crashes = others.crashes.div_ceil(others.nodes.max(1)) * changed.nodes;
        tell(
            changed.crashes > crashes + self.max_crashes,
            format!("it crashed {} times", changed.crashes),
        );
        tell(
            changed.losses > self.max_losses,
            format!("{} rows lose something on the way back", changed.losses),
        );
        let bound = others.p99_us.saturating_mul(self.max_p99_percent) / 100;
        let is_slow =
            self.max_p99_percent > 0 && changed.p99_us > self.min_p99_us && changed.p99_us > bound;
        let (here, there) = (changed.p99_us, others.p99_us);
        tell(is_slow, format!("p99 is {here} us, and {there} us elsewhere"));
        let each = |sample: &Sample| sample.calls / sample.nodes.max(1);
        let (here, there) = (each(changed), each(others));
        let bound = there.saturating_mul(self.min_calls_percent) / 100;
        tell(
            there >= SOME_CALLS && here < bound,
            format!("a node answers {here} calls, and {there} elsewhere"),
        );
        if why.is_empty() { Ok(()) } else { Err(why) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gate_is_met_exactly_and_then_passed() {
        let gates =
            Gates { max_failed_ppm: 1_000, max_crashes: 1, max_losses: 2, ..Gates::default() };
        let others =
            Sample { nodes: 4, calls: 4_000, failed: 4, p99_us: 50_000, ..Sample::default() };
        let good =
            Sample { nodes: 1, calls: 1_000, failed: 2, crashes: 1, losses: 2, p99_us: 150_000 };
        assert_eq!(gates.judge(&good, &others), Ok(()));
        for (bad, why) in [
            (Sample { failed: 3, ..good }, "3 of 1000 calls failed"),
            (Sample { crashes: 2, ..good }, "it crashed 2 times"),
            (Sample { losses: 3, ..good }, "3 rows lose something on the way back"),
            (Sample { p99_us: 150_001, ..good }, "p99 is 150001 us, and 50000 us elsewhere"),
        ] {
            assert_eq!(gates.judge(&bad, &others), Err(why.to_owned()));
        }
        let both = Sample { crashes: 2, losses: 3, ..good };
        assert!(gates.judge(&both, &others).unwrap_err().contains("times; 3 rows"));
        let fast = Sample { p99_us: 100_000, ..good };
        assert_eq!(gates.judge(&fast, &Sample { p99_us: 1, ..others }), Ok(()));
    }

    #[test]
    fn a_node_that_answers_nothing_fails_nothing_and_is_found() {
        let gates = Gates { min_calls_percent: 10, ..Gates::default() };
        let others = Sample { nodes: 4, calls: 4_000, ..Sample::default() };
        let good = Sample { nodes: 2, calls: 200, ..Sample::default() };
        assert_eq!(gates.judge(&good, &others), Ok(()));
        let hangs = Sample { calls: 199, ..good };
        let why = "a node answers 99 calls, and 1000 elsewhere";
        assert_eq!(gates.judge(&hangs, &others), Err(why.to_owned()));
        // Where there is no load, nothing is known.
        let idle = Sample { calls: 79, ..others };
        assert_eq!(gates.judge(&Sample { calls: 0, ..good }, &idle), Ok(()));
        let any = Gates { min_calls_percent: 0, ..gates };
        assert_eq!(any.judge(&Sample { calls: 0, ..good }, &others), Ok(()));
    }

    #[test]
    fn a_fleet_that_crashes_everywhere_says_nothing_about_the_release() {
        let others = Sample { nodes: 2, crashes: 6, ..Sample::default() };
        let changed = Sample { nodes: 1, crashes: 3, ..Sample::default() };
        assert_eq!(Gates::default().judge(&changed, &others), Ok(()));
    }
}
