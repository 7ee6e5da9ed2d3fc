//! A shard and its owner: calls run in memory, batches go to the store, and nothing leaves before
//! it is durable (T2 to T5).
//!
//! ```text
//!              claim                claimed
//!   Apart ──────────────▶ Claiming ─────────▶ Serving ◀────────┐ go on
//!     ▲                     ▲   │                │ suspend     │
//!     │ fenced, cannot own  │   │ not claimed    ▼             │
//!     └─────────────────────┼───┴──────────── Suspending ──▶ Suspended
//!                           └── a batch was lost, or may have been
//! ```

mod config;
mod gate;
mod output;

mod batches;
mod calls;
mod claims;
mod sessions;
mod timers;
mod unseen;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use ubf_proto::Random;

pub use self::config::Config;
use self::gate::Gate;
pub use self::output::{End, Input, Leaving, LetGo, NotRun, Output, Ran, To};
use self::sessions::Sessions;
pub use self::unseen::UnseenEvents;
use crate::batch::{Batch, Epoch, ShardId};
use crate::record::ShardRecord;
use crate::tx::Loss;
use crate::writes::Writes;

/// Where an owner is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// The shard is not owned here.
    Apart,
    /// The store has been asked for it.
    Claiming {
        /// The epoch that was seen.
        seen: Epoch,
    },
    /// Calls run.
    Serving {
        /// The epoch of the claim.
        epoch: Epoch,
    },
    /// No call runs, and what was taken is being committed.
    Suspending {
        /// The epoch of the claim.
        epoch: Epoch,
    },
    /// Nothing is on its way.
    Suspended {
        /// The epoch of the claim.
        epoch: Epoch,
    },
}

/// What has happened to a shard since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Calls that have run and were not taken back.
    pub calls: u64,
    /// Calls that were taken back, whatever the reason.
    pub taken_back: u64,
    /// Batches that were committed.
    pub commits: u64,
    /// Batches that were lost, or may have been.
    pub lost: u64,
    /// Fields that steps back have lost, as declared (T7).
    pub losses: u64,
}

/// Writes on which later calls stand, and which are not on their way.
#[derive(Clone, Debug, Default)]
struct Open {
    writes: Writes,
    calls: usize,
    /// Something waits for this batch. Without that it goes along with the next one that is due.
    is_due: bool,
}

/// One shard, as its owner keeps it. See the [module](self) for its way.
///
/// The shell passes committed rows as a [`Base`](crate::Base), to be read while a call runs. A base
/// shows all that was told to be [committed](Input::Committed). It may show the batch that is on
/// its way, whole or not at all; and nothing else.
#[derive(Clone, Debug)]
pub struct Shard {
    id: ShardId,
    config: Arc<Config>,
    life: Life,
    record: ShardRecord,
    flying: Option<Arc<Batch>>,
    open: Open,
    gate: Gate,
    sessions: Sessions,
    /// The number of the last batch that was sent to the store, and of the last committed one.
    sealed: u64,
    committed: u64,
    /// The number of the last look that was asked for, and of the last that has succeeded.
    looks: (u64, u64),
    is_looking: bool,
    random: Random,
    losses: VecDeque<Loss>,
    statistics: Statistics,
    outputs: VecDeque<Output>,
}

/// The most losses that wait to be taken out by [`Shard::take_loss`]. More are only counted.
const MAX_LOSSES: usize = 64;

impl Shard {
    /// A shard that is not owned yet. The seed is that of [`Tx::random`](crate::Tx::random).
    #[must_use]
    pub fn new(id: ShardId, config: Arc<Config>, seed: u64) -> Self {
        let record = ShardRecord::first(config.first_version);
        Self {
            id,
            config,
            life: Life::Apart,
            record,
            flying: None,
            open: Open::default(),
            gate: Gate::default(),
            sessions: Sessions::default(),
            sealed: 0,
            committed: 0,
            looks: (0, 0),
            is_looking: false,
            random: Random::new(seed),
            losses: VecDeque::new(),
            statistics: Statistics::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Where it is on its way.
    #[must_use]
    pub const fn life(&self) -> Life {
        self.life
    }

    /// Its versions and clock.
    #[must_use]
    pub const fn record(&self) -> &ShardRecord {
        &self.record
    }

    /// What has happened to it.
    #[must_use]
    pub const fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Something that a step back has lost (T7), for the log. The last 64 are kept.
    pub fn take_loss(&mut self) -> Option<Loss> {
        self.losses.pop_front()
    }

    /// Tells the shard what has happened.
    pub fn handle(&mut self, input: Input) {
        match input {
            Input::Claim { seen, record } => self.claim(seen, record),
            Input::Claimed { epoch, record } => self.claimed(epoch, record),
            Input::NotClaimed => {
                if matches!(self.life, Life::Claiming { .. }) {
                    self.end(End::NotClaimed);
                }
            }
            Input::Committed { number } => self.on_committed(number),
            Input::NotCommitted { number, why } => self.on_not_committed(number, why),
            Input::Looked { number, epoch } => self.on_looked(number, epoch),
            Input::LookFailed => self.is_looking = false,
            Input::Suspend => {
                if let Life::Serving { epoch } = self.life {
                    self.life = Life::Suspending { epoch };
                }
            }
            Input::GoOn => {
                if let Life::Suspending { epoch } | Life::Suspended { epoch } = self.life {
                    self.life = Life::Serving { epoch };
                }
            }
            Input::Finalize { nodes } => match self.record.versions.finalize(&nodes) {
                Ok(versions) => self.set_versions(versions),
                Err(why) => self.outputs.push_back(Output::NotFinalized(why)),
            },
            Input::Lower { format, needed } => {
                match self.record.versions.lower(&self.config.known, format, needed) {
                    Ok(versions) => self.set_versions(versions),
                    Err(why) => self.outputs.push_back(Output::NotLowered(why)),
                }
            }
            Input::Swept => self.set_versions(self.record.versions.swept()),
        }
    }

    /// How it works.
    #[must_use]
    pub const fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// What the shard wants done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        let epoch = match self.life {
            Life::Serving { epoch } | Life::Suspending { epoch } => epoch,
            Life::Apart | Life::Claiming { .. } | Life::Suspended { .. } => return None,
        };
        if let Some((to, what)) = self.gate.pop(self.had()) {
            return Some(Output::Leave { to, what });
        }
        if let Some(batch) = self.seal(epoch) {
            return Some(Output::Commit(batch));
        }
        if !self.is_looking && self.gate.wants_look(self.looks.1) {
            self.is_looking = true;
            self.looks.0 += 1;
            return Some(Output::Look { number: self.looks.0 });
        }
        if matches!(self.life, Life::Suspending { .. }) && self.is_at_rest() {
            self.life = Life::Suspended { epoch };
            return Some(Output::Suspended);
        }
        None
    }
}

#[cfg(test)]
impl Shard {
    /// What the searches compare: all that decides what comes next.
    pub(crate) fn form(&self) -> impl core::hash::Hash + use<> {
        let flying = self.flying.as_ref().map(|batch| (batch.epoch, batch.writes.clone()));
        let open = (self.open.writes.clone(), self.open.is_due, self.open.calls);
        let looks = (self.looks.0 - self.looks.1, self.is_looking);
        let gate = self.gate.form(self.had());
        (self.life, self.record, flying, open, gate, self.sessions.clone(), looks)
    }
}
