//! For how long a client could not reach a server, as the run knows it and not as the client does.

use std::time::{Duration, Instant};

/// The times in which a client had no connection that carries bytes.
#[derive(Debug)]
pub(crate) struct Outages {
    /// Of the one that goes on.
    since: Option<Instant>,
    /// All that are over.
    over: Duration,
}

impl Outages {
    /// A client that has not connected.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { since: Some(now), over: Duration::ZERO }
    }

    /// A connection is cut, or is left. Whoever sees it, it is one outage.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// There is a connection.
    pub(crate) fn end(&mut self, now: Instant) {
        self.over += self.present(now);
        self.since = None;
    }

    /// How long the one that goes on has lasted.
    pub(crate) fn present(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// How long all have lasted.
    pub(crate) fn total(&self, now: Instant) -> Duration {
        self.over + self.present(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_counted_once_whoever_sees_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut outages = Outages::new(at(0));
        outages.end(at(1));
        outages.begin(at(5));
        outages.begin(at(7));
        assert_eq!(outages.present(at(8)), Duration::from_secs(3));
        outages.end(at(9));
        assert_eq!(outages.present(at(10)), Duration::ZERO);
        outages.end(at(10));
        assert_eq!(outages.total(at(20)), Duration::from_secs(5));
    }
}
