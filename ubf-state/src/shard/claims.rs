//! The owner's way: claims, what becomes of batches, looks at the epoch (T4, T5).

use super::output::{End, LetGo, Output};
use super::{Life, Open, Shard};
use crate::batch::{Epoch, NotCommitted};
use crate::mutant::{self, Mutant};
use crate::record::ShardRecord;
use crate::versions::ShardVersions;

impl Shard {
    pub(super) fn claim(&mut self, seen: Epoch, record: Option<ShardRecord>) {
        debug_assert!(self.is_at_rest(), "whoever claims has nothing on its way");
        let record = record.unwrap_or_else(|| ShardRecord::first(self.config.first_version));
        if let Err(why) = record.versions.may_be_owned_by(&self.config.known) {
            return self.end(End::CannotOwn(why));
        }
        self.ask(seen);
    }

    pub(super) fn ask(&mut self, seen: Epoch) {
        self.life = Life::Claiming { seen };
        self.outputs.push_back(Output::Claim { shard: self.id, seen });
    }

    pub(super) fn claimed(&mut self, epoch: Epoch, record: Option<ShardRecord>) {
        let Life::Claiming { .. } = self.life else {
            return debug_assert!(false, "a claim is answered once");
        };
        self.forget_all();
        self.record = record.unwrap_or_else(|| ShardRecord::first(self.config.first_version));
        // The owner before may have finalized between the look and the claim.
        if let Err(why) = self.record.versions.may_be_owned_by(&self.config.known) {
            return self.end(End::CannotOwn(why));
        }
        self.life = Life::Serving { epoch };
    }

    pub(super) fn on_committed(&mut self, number: u64) {
        let is_ours = self.flying.as_ref().is_some_and(|batch| batch.number == number);
        if !is_ours {
            // It was let go, and its outcome comes late: the rows have been loaded again.
            return;
        }
        self.flying = None;
        self.committed = number;
        self.statistics.commits += 1;
    }

    pub(super) fn on_not_committed(&mut self, number: u64, why: NotCommitted) {
        let Some(batch) = self.flying.take_if(|batch| batch.number == number) else { return };
        self.statistics.lost += 1;
        let epoch = batch.epoch;
        match why {
            NotCommitted::Fenced { epoch } => self.fenced(epoch),
            NotCommitted::Broken => {
                self.let_go(LetGo::NotCommitted(why));
                self.end(End::Broken);
            }
            NotCommitted::Unknown if mutant::is_on(Mutant::UnknownIsLost) => {
                // Wrong: the batch may be in the store, and its calls run again on top of it.
                self.gate.clear();
                self.sessions.clear();
                self.outputs.push_back(Output::LetGo(LetGo::NotCommitted(why)));
            }
            NotCommitted::Unknown | NotCommitted::Refused => {
                self.let_go(LetGo::NotCommitted(why));
                // T4: the claim waits for the doubtful transaction, and the rows are read again.
                self.ask(epoch);
            }
        }
    }

    pub(super) fn on_looked(&mut self, number: u64, epoch: Epoch) {
        let owned = match self.life {
            Life::Serving { epoch } | Life::Suspending { epoch } => epoch,
            Life::Apart | Life::Claiming { .. } | Life::Suspended { .. } => return,
        };
        if number != self.looks.0 || !self.is_looking {
            return;
        }
        self.is_looking = false;
        if epoch == owned { self.looks.1 = number } else { self.fenced(epoch) }
    }

    pub(super) fn fenced(&mut self, epoch: Epoch) {
        self.let_go(LetGo::Fenced(epoch));
        self.end(End::Fenced(epoch));
    }

    pub(super) fn let_go(&mut self, why: LetGo) {
        if mutant::is_on(Mutant::TopStays) && !matches!(why, LetGo::Fenced(_)) {
            // Wrong: what ran on top of the lost batch saw rows that never were.
            self.flying = None;
            self.gate.clear();
            self.outputs.push_back(Output::LetGo(why));
            return;
        }
        self.forget_all();
        self.outputs.push_back(Output::LetGo(why));
    }

    pub(super) fn forget_all(&mut self) {
        let is_kept = mutant::is_on(Mutant::TopStays);
        if !is_kept {
            self.open = Open::default();
            self.sessions.clear();
        }
        self.flying = None;
        self.gate.clear();
        self.committed = self.sealed;
        self.is_looking = false;
        self.looks.1 = self.looks.0;
    }

    pub(super) fn end(&mut self, why: End) {
        self.life = Life::Apart;
        self.sessions.forget_events();
        self.outputs.push_back(Output::Ended(why));
    }

    pub(super) fn set_versions(&mut self, versions: ShardVersions) {
        if matches!(self.life, Life::Serving { .. }) {
            self.record.versions = versions;
            self.open.is_due = true;
            self.outputs.push_back(Output::Versions(self.record));
        }
    }
}
