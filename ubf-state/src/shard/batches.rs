//! Batches: what is taken, what waits for what, and when a batch leaves for the store (T3).

use alloc::sync::Arc;

use ubf_proto::Time;

use super::gate::Needs;
use super::output::{Leaving, NotRun, Output, To};
use super::{Life, Shard};
use crate::batch::{Batch, Epoch};
use crate::mutant::{self, Mutant};
use crate::record::{FORMAT, ShardRecord};
use crate::writes::Writes;

impl Shard {
    /// What outputs that may leave have waited for.
    pub(super) fn had(&self) -> Needs {
        let is_awaited = !mutant::is_on_for(Mutant::FlightsNotAwaited, self.sealed);
        let batch = if is_awaited { self.committed } else { self.sealed };
        Needs { batch, look: self.looks.1 }
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.gate.is_empty() && self.flying.is_none() && !self.open.is_due
    }

    /// Whether anything may change here.
    pub(super) const fn may_change(&self) -> Result<(), NotRun> {
        match self.life {
            Life::Serving { .. } => Ok(()),
            Life::Apart => Err(NotRun::NotOwner),
            Life::Claiming { .. } | Life::Suspending { .. } | Life::Suspended { .. } => {
                Err(NotRun::NotNow)
            }
        }
    }

    pub(super) fn may_take(&self) -> Result<(), NotRun> {
        self.may_change()?;
        let is_full = self.open.calls >= self.config.max_batch_calls
            || self.open.writes.bytes() >= self.config.max_batch_bytes
            || self.gate.len() >= self.config.max_held;
        if is_full { Err(NotRun::Full) } else { Ok(()) }
    }

    /// Adds a call's writes to the open batch. Tells whether there were any.
    pub(super) fn add(&mut self, writes: Writes, now: Time) -> bool {
        self.open.calls += 1;
        self.record.clock = self.record.clock.max(now);
        let has_written = !writes.is_empty();
        self.open.writes.extend(writes);
        has_written
    }

    /// Holds an output at the gate, unless the rule is taken away that wants it held.
    pub(super) fn leave(&mut self, to: To, what: Leaving, needs: Needs, early: Mutant) {
        if mutant::is_on(early) {
            self.outputs.push_back(Output::Leave { to, what });
        } else {
            self.gate.hold(to, what, needs);
        }
    }

    /// What an output needs that is made now: the batches before it, or a look at the epoch.
    pub(super) fn needs(&mut self, has_written: bool) -> Needs {
        if has_written {
            self.open.is_due = true;
        }
        let flying = self.flying.as_ref().map(|batch| batch.number);
        if self.open.is_due {
            // Its commit comes after this moment, and checks the epoch: it is a look, too.
            return Needs { batch: self.next_number(), look: 0 };
        }
        let is_looked_at = self.config.is_shared && !mutant::is_on(Mutant::NoLook);
        let look = if is_looked_at { self.looks.0 + 1 } else { 0 };
        Needs { batch: flying.unwrap_or(0), look }
    }

    pub(super) const fn next_number(&self) -> u64 {
        self.sealed + 1
    }

    /// Closes the open batch, if it may and must leave.
    pub(super) fn seal(&mut self, epoch: Epoch) -> Option<Arc<Batch>> {
        let is_full = self.open.calls >= self.config.max_batch_calls;
        let is_last = matches!(self.life, Life::Suspending { .. }) && self.sessions.are_changed();
        if self.flying.is_some() || !(self.open.is_due || is_full || is_last) {
            return None;
        }
        let number = self.next_number();
        let mut writes = core::mem::take(&mut self.open).writes;
        let mut outside = Writes::default();
        let is_outside = mutant::is_on(Mutant::SessionOutside);
        let with_sessions = if is_outside { &mut outside } else { &mut writes };
        self.sessions.save(self.format(), with_sessions);
        writes.set(ShardRecord::key(), Some(self.record.to_value()));
        let batch = Arc::new(Batch { shard: self.id, epoch, number, writes });
        self.flying = Some(Arc::clone(&batch));
        self.sealed = number;
        Some(batch)
    }

    /// The format in which the library writes its own rows.
    pub(super) fn format(&self) -> u32 {
        debug_assert!(self.record.versions.format.write <= FORMAT, "it was claimed as known");
        self.record.versions.library_format(FORMAT)
    }
}
