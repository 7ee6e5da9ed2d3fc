//! The gate: nothing leaves before what it tells of is durable (T3).

use alloc::collections::VecDeque;

use super::output::{Leaving, To};
use crate::session::SessionKey;

/// What must be before an output may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Needs {
    /// This batch is committed; 0 is none.
    pub(super) batch: u64,
    /// This look at the epoch has shown that the shard is still owned; 0 is none.
    pub(super) look: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    to: To,
    what: Leaving,
    needs: Needs,
}

/// Outputs in the order in which they were made. The first one that may not leave yet holds up all
/// behind it, so order is kept whatever each of them waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Gate {
    held: VecDeque<Held>,
}

impl Gate {
    pub(super) fn hold(&mut self, to: To, what: Leaving, needs: Needs) {
        self.held.push_back(Held { to, what, needs });
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether something waits for a look that has not been had.
    pub(super) fn wants_look(&self, had: u64) -> bool {
        self.held.iter().any(|held| held.needs.look > had)
    }

    /// The next output that may leave.
    pub(super) fn pop(&mut self, had: Needs) -> Option<(To, Leaving)> {
        let is_due = |held: &Held| held.needs.batch <= had.batch && held.needs.look <= had.look;
        self.held
            .front()
            .is_some_and(is_due)
            .then(|| self.held.pop_front())?
            .map(|held| (held.to, held.what))
    }

    /// A session is on another connection: what was for the old one does not leave, since kept
    /// answers come again behind `resumed` (S4).
    pub(super) fn forget(&mut self, session: SessionKey) {
        self.held.retain(|held| held.to != To::Session(session));
    }

    pub(super) fn clear(&mut self) {
        self.held.clear();
    }

    /// What is held, with needs as far as they are not met: for the searches, to which the numbers
    /// of batches mean nothing.
    #[cfg(test)]
    pub(super) fn form(&self, had: Needs) -> impl core::hash::Hash + use<> {
        let form = |held: &Held| {
            let batch = held.needs.batch.saturating_sub(had.batch);
            (held.to, held.what.clone(), batch, held.needs.look.saturating_sub(had.look))
        };
        self.held.iter().map(form).collect::<alloc::vec::Vec<_>>()
    }
}
