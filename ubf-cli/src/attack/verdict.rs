//! What became of an attack, as plain data.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// What one attack did, what the server did, and what others noticed of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    /// The attack.
    pub(crate) name: &'static str,
    /// The rule of the specification that the server is held to.
    pub(crate) rule: &'static str,
    /// Whether nothing was wrong.
    pub(crate) held: bool,
    /// What was done.
    pub(crate) did: &'static str,
    /// What the server did.
    pub(crate) saw: String,
    /// Each thing that was wrong.
    pub(crate) faults: Vec<String>,
    /// How long it went on.
    #[serde(rename = "took_ms", serialize_with = "millis")]
    pub(crate) took: Duration,
    /// A well-behaved client before any attack.
    pub(crate) before: Latency,
    /// The same client meanwhile.
    pub(crate) meanwhile: Latency,
    /// The server's process, if it was watched.
    pub(crate) process: Option<Usage>,
}

/// How long calls took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) calls: usize,
    #[serde(rename = "p50_ms", serialize_with = "millis")]
    pub(crate) p50: Duration,
    #[serde(rename = "p99_ms", serialize_with = "millis")]
    pub(crate) p99: Duration,
    #[serde(rename = "max_ms", serialize_with = "millis")]
    pub(crate) max: Duration,
}

impl Latency {
    pub(crate) fn of(mut samples: Vec<Duration>) -> Self {
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

/// What a process held.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Usage {
    pub(crate) rss_bytes_before: u64,
    pub(crate) rss_bytes_peak: u64,
    pub(crate) rss_bytes_after: u64,
    pub(crate) descriptors_before: usize,
    pub(crate) descriptors_peak: usize,
    pub(crate) descriptors_after: usize,
}

impl Usage {
    pub(crate) const fn growth(&self) -> u64 {
        self.rss_bytes_peak.saturating_sub(self.rss_bytes_before)
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
