//! The owner of a shard in a store that other nodes have, too, says that it lives (U6).

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;
use ubf_state::shard::{End, Life};
use ubf_state::{Batch, Heartbeat, NotCommitted};
use ubf_store::Ask;

use super::failure::KeeperError;
use super::worker::Worker;
use crate::service::StatefulService;

/// Between two heartbeats. Chosen: four of them in the second after which an owner is suspected.
const PERIOD: Duration = Duration::from_millis(250);
/// The number of the batch with a heartbeat. Those of the shard are counted from 1.
const BEAT: u64 = u64::MAX - 1;

/// The heart of an owner.
#[derive(Debug)]
pub(super) struct Heart {
    beat: Heartbeat,
    next: Instant,
    /// The last beat is on its way to the store.
    is_beating: bool,
}

impl Heart {
    pub(super) fn new(owner: u64, next_ip: String) -> Self {
        let beat = Heartbeat { owner, count: 0, next_ip };
        Self { beat, next: Instant::now(), is_beating: false }
    }

    /// When it beats next.
    pub(super) fn next(&self) -> Option<Instant> {
        (!self.is_beating).then_some(self.next)
    }
}

impl<S: StatefulService> Worker<S> {
    /// Says that the owner lives, if it is time to.
    pub(super) fn beat(&mut self) -> Result<(), KeeperError> {
        let epoch = match self.host.shard().life() {
            Life::Serving { epoch } | Life::Suspending { epoch } => epoch,
            // One that is suspended may be claimed by the node that it is given to.
            Life::Suspended { .. } | Life::Apart | Life::Claiming { .. } => {
                if let Some(heart) = &mut self.heart {
                    heart.next = Instant::now() + PERIOD;
                }
                return Ok(());
            }
        };
        let Some(heart) = &mut self.heart else { return Ok(()) };
        if heart.is_beating || heart.next > Instant::now() {
            return Ok(());
        }
        heart.beat.count += 1;
        heart.is_beating = true;
        let writes = heart.beat.writes();
        let batch = Batch { shard: self.config.shard, epoch, number: BEAT, writes };
        self.ask(Ask::Commit(Arc::new(batch)))
    }

    /// Whether a batch is a heartbeat; then what has become of it is noted.
    pub(super) fn has_beaten(
        &mut self,
        batch: &Batch,
        why: Option<NotCommitted>,
    ) -> Result<bool, KeeperError> {
        if batch.number != BEAT {
            return Ok(false);
        }
        if let Some(heart) = &mut self.heart {
            heart.is_beating = false;
            heart.next = Instant::now() + PERIOD;
        }
        match why {
            // T4: one that was sent under an epoch before says nothing about this one.
            Some(NotCommitted::Fenced { epoch })
                if self.host.shard().life() == (Life::Serving { epoch: batch.epoch }) =>
            {
                return Err(KeeperError::ended(End::Fenced(epoch), None));
            }
            Some(why) => debug!(?why, "a heartbeat is not in the store"),
            None => {}
        }
        Ok(true)
    }
}
