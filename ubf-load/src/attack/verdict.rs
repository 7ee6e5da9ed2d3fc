//! What became of an attack, as plain data.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::process::Usage;

/// What one attack did, what the server did, and what others noticed of it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// The attack.
    pub name: &'static str,
    /// The rule of the specification that the server is held to.
    pub rule: &'static str,
    /// Whether nothing was wrong.
    pub held: bool,
    /// What was done.
    pub did: &'static str,
    /// What the server did.
    pub saw: String,
    /// Each thing that was wrong.
    pub faults: Vec<String>,
    /// How long it went on.
    #[serde(rename = "took_ms", serialize_with = "millis")]
    pub took: Duration,
    /// A well-behaved client before any attack.
    pub before: Latency,
    /// The same client meanwhile.
    pub meanwhile: Latency,
    /// The server's process, if it was watched.
    pub process: Option<Usage>,
}

/// How long calls took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// How many calls were answered.
    pub calls: usize,
    /// Half of the calls took no longer than this.
    #[serde(rename = "p50_ms", serialize_with = "millis")]
    pub p50: Duration,
    /// 99 of 100 calls took no longer than this.
    #[serde(rename = "p99_ms", serialize_with = "millis")]
    pub p99: Duration,
    /// The slowest call, one that still waits included.
    #[serde(rename = "max_ms", serialize_with = "millis")]
    pub max: Duration,
}

impl Latency {
    pub(super) fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let at = |percent: usize| {
            samples.get((samples.len().saturating_sub(1)) * percent / 100).copied()
        };
        Self {
            calls: samples.len(),
            p50: at(50).unwrap_or_default(),
            p99: at(99).unwrap_or_default(),
            max: at(100).unwrap_or_default(),
        }
    }
}

fn millis<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Whole microseconds: what is finer is noise.
    serializer.serialize_f64((time.as_secs_f64() * 1e6).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let latency = Latency::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(
            (latency.calls, latency.p50.as_millis(), latency.p99.as_millis()),
            (200, 100, 198)
        );
        assert_eq!(latency.max.as_millis(), 200);
        assert_eq!(Latency::of(Vec::new()).max, Duration::ZERO);
    }
}
