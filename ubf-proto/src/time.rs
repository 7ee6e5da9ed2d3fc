//! The time that callers pass in. The core has no clock.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// A moment: milliseconds since a moment of the caller's choice. It must never go back.
///
/// ```
/// use core::time::Duration;
/// use ubf_proto::Time;
///
/// let start = Time::from_millis(1_000);
/// assert_eq!((start + Duration::from_secs(2)).since(start), Duration::from_secs(2));
/// assert_eq!(start.since(start + Duration::from_secs(2)), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment the caller counts from.
    pub const ZERO: Self = Self(0);

    /// A moment that never comes.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// This moment, unless it never comes.
    pub(crate) fn if_ever(self) -> Option<Self> {
        (self != Self::NEVER).then_some(self)
    }

    /// The moment so many milliseconds after [`Time::ZERO`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since [`Time::ZERO`].
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment; zero if that lies later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates: a moment that cannot be expressed never comes.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0 / 1000, self.0 % 1000)
    }
}

/// A limit, as people set it: `5 s`, `1.5 s`, `30 ms`.
pub(crate) struct InWords(pub(crate) Duration);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        if *time < Duration::from_secs(1) {
            write!(f, "{} ms", time.as_millis())
        } else {
            write!(f, "{} s", time.as_secs_f64())
        }
    }
}

/// Whole milliseconds of a duration, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn limits_are_shown_in_the_units_in_which_they_are_set() {
        let shown = |millis| InWords(Duration::from_millis(millis)).to_string();
        assert_eq!(
            [0, 30, 999, 1000, 1500, 5000, 60_000].map(shown),
            ["0 ms", "30 ms", "999 ms", "1 s", "1.5 s", "5 s", "60 s"]
        );
    }

    #[test]
    fn a_moment_is_shown_in_seconds() {
        assert_eq!(
            [0, 7, 61_020].map(|millis| Time::from_millis(millis).to_string()),
            ["0.000 s", "0.007 s", "61.020 s"]
        );
    }
}
