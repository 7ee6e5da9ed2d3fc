//! A store that does not answer, or says that it cannot: what it is asked again, and for how long.

use std::mem::discriminant;
use std::time::{Duration, Instant};

use ubf_state::Missing;

/// The pause before the store is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a store may not answer. Chosen: a database is restarted in less, and clients wait no
/// longer for a server that has lost its rows.
const MAX_TIME: Duration = Duration::from_secs(30);

/// From the first failure to the last thing that was asked again.
#[derive(Debug)]
pub(super) struct Trouble {
    since: Instant,
    /// At most one of each kind. A failure of one kind says nothing of the others: whoever waits for
    /// one of them would wait without end if it were forgotten.
    again: Vec<Again>,
    /// When it is asked.
    at: Instant,
}

/// What the store is asked again.
#[derive(Debug)]
pub(super) enum Again {
    Claim,
    Look,
    /// A look after rows that could not be read.
    Doubt,
    Load(Missing),
}

impl Trouble {
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self { since: now, again: Vec::new(), at: now }
    }

    /// Whether nothing is left to be asked again.
    pub(super) const fn is_over(&self) -> bool {
        self.again.is_empty()
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.since.elapsed() > MAX_TIME
    }

    pub(super) fn again(&mut self, again: Again, now: Instant) {
        self.again.retain(|other| discriminant(other) != discriminant(&again));
        self.again.push(again);
        self.at = now + PAUSE;
    }

    /// When something is asked again.
    pub(super) fn next(&self) -> Option<Instant> {
        (!self.again.is_empty()).then_some(self.at)
    }

    /// What is asked again now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Again> {
        if self.at > now { Vec::new() } else { std::mem::take(&mut self.again) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that is never asked for again is waited for without end: so it was when a claim failed
    /// while a database was restarted.
    #[test]
    fn t4_a_claim_that_failed_does_not_take_the_place_of_a_row_that_was_not_read() {
        let mut trouble = Trouble::begin();
        assert!(trouble.is_over());
        let now = trouble.since;
        let row = |key: &'static [u8]| Again::Load(Missing::Key(key.into()));
        trouble.again(row(b"a"), now);
        trouble.again(Again::Claim, now);
        assert!(!trouble.is_over() && trouble.due(now).is_empty());
        assert_eq!(trouble.next(), Some(now + PAUSE));
        let due = trouble.due(now + PAUSE);
        assert!(matches!(&due[..], [Again::Load(_), Again::Claim]), "{due:?}");
        assert!(trouble.is_over() && trouble.next().is_none());
        // Of one kind there is one.
        trouble.again(row(b"a"), now);
        trouble.again(row(b"b"), now);
        let due = trouble.due(now + PAUSE);
        assert!(
            matches!(&due[..], [Again::Load(Missing::Key(key))] if key[..] == *b"b"),
            "{due:?}"
        );
    }
}
