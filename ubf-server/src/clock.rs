//! The server's time: milliseconds since it was built, as sessions want it.

use std::time::Duration;

use tokio::time::Instant;
use ubf_proto::Time;

/// A clock that all connections of a server share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Time {
        Time::ZERO + self.0.elapsed()
    }

    /// The time of a moment.
    pub(crate) fn time(self, moment: Instant) -> Time {
        Time::ZERO + moment.saturating_duration_since(self.0)
    }

    /// The moment at which `time` has come; a day ahead, if that cannot be expressed.
    pub(crate) fn instant(self, time: Time) -> Instant {
        let ahead = Duration::from_millis(time.as_millis());
        self.0.checked_add(ahead).unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400))
    }
}
