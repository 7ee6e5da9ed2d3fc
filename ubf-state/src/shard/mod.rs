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

mod gate;
mod output;
mod sessions;
mod timers;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use bytes::Bytes;
use ubf_proto::{Random, Time};

use self::gate::{Gate, Needs};
pub use self::output::{End, Input, Leaving, LetGo, NotRun, Output, Ran, To};
use self::sessions::Sessions;
use crate::base::Base;
use crate::batch::{Batch, Epoch, NotCommitted, ShardId};
use crate::mutant::{self, Mutant};
use crate::record::{FORMAT, ShardRecord};
use crate::session::SessionKey;
use crate::stop::{Do, Reason};
use crate::tx::{Ground, Loss, Made, Tx, TxLimits};
use crate::versions::Known;
use crate::writes::Writes;

/// How a shard works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What this program can read and write.
    pub known: Known,
    /// The write version of a shard that has no record yet.
    pub first_version: u32,
    /// Whether other processes can claim the shard while this one runs. Then the answer of a call
    /// that wrote nothing waits for a look at the epoch (T3).
    pub is_shared: bool,
    /// The most calls of a batch. The next one is taken when the batch is on its way.
    pub max_batch_calls: usize,
    /// The most bytes of a batch, but for those of its last call.
    pub max_batch_bytes: usize,
    /// The most outputs that wait for the store.
    pub max_held: usize,
    /// What one call may take.
    pub tx: TxLimits,
}

impl Config {
    /// 4,096 calls and 8 MiB a batch, 65,536 outputs that wait; not shared. Chosen: a batch of that
    /// size takes a disk or a database some tens of milliseconds.
    #[must_use]
    pub fn new(known: Known) -> Self {
        Self {
            known,
            first_version: known.oldest,
            is_shared: false,
            max_batch_calls: 4_096,
            max_batch_bytes: 8 << 20,
            max_held: 65_536,
            tx: TxLimits::default(),
        }
    }
}

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
/// The shell passes committed rows as a [`Base`], to be read while a call runs. A base shows all
/// that was told to be [committed](Input::Committed). It may show the batch that is on its way, whole
/// or not at all; and nothing else.
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
    /// A shard that is not owned yet. The seed is that of [`Tx::random`].
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

    /// Runs a call. Its answer is what `run` makes, or what `refuse` makes of the reason to stop;
    /// it is kept for the session, and leaves through the gate.
    ///
    /// # Errors
    /// It was not run, and nothing has changed.
    pub fn run(
        &mut self,
        base: &dyn Base,
        to: To,
        now: Time,
        run: impl FnOnce(&mut Tx<'_>) -> Do<Bytes>,
        refuse: impl FnOnce(&Reason) -> Bytes,
    ) -> Result<Ran, NotRun> {
        self.may_take()?;
        if let Some(session) = to.session() {
            self.load_session(base, session)?;
        }
        let (result, made) = self.transact(base, to.session(), now, run);
        let (ran, body, made) = match result {
            Ok(body) if made.writes.is_empty() => (Ran::Read, body, made),
            Ok(body) => (Ran::Wrote, body, made),
            Err(Reason::Missing(missing)) => return Err(NotRun::Missing(missing)),
            Err(reason) => {
                let body = refuse(&reason);
                (Ran::TakenBack(reason), body, Made::default())
            }
        };
        self.count(&ran);
        let has_written = self.add(made.writes, now);
        let number = match to.session() {
            Some(session) => self.sessions.took(session, Some(body.clone())),
            None => 0,
        };
        let needs = self.needs(has_written);
        let early = if has_written { Mutant::AnswersNotHeld } else { Mutant::ReadsNotHeld };
        self.leave(to, Leaving::Answer { number, body }, needs, early);
        for event in made.events {
            self.gate.hold(To::Session(event.session), Leaving::Event(event.body), needs);
        }
        self.keep_losses(made.losses);
        Ok(ran)
    }

    /// Runs an event: like a call, without an answer. That it was taken is told by what leaves
    /// later (P5).
    ///
    /// # Errors
    /// It was not run, and nothing has changed.
    pub fn run_event(
        &mut self,
        base: &dyn Base,
        to: To,
        now: Time,
        run: impl FnOnce(&mut Tx<'_>) -> Do<()>,
    ) -> Result<Ran, NotRun> {
        self.may_take()?;
        if let Some(session) = to.session() {
            self.load_session(base, session)?;
        }
        let (result, made) = self.transact(base, to.session(), now, run);
        let (ran, made) = match result {
            Ok(()) if made.writes.is_empty() => (Ran::Read, made),
            Ok(()) => (Ran::Wrote, made),
            Err(Reason::Missing(missing)) => return Err(NotRun::Missing(missing)),
            Err(reason) => (Ran::TakenBack(reason), Made::default()),
        };
        self.count(&ran);
        self.add(made.writes, now);
        if let Some(session) = to.session() {
            self.sessions.took(session, None);
        }
        // What says that the event was taken must not leave before its number is stored.
        self.open.is_due = true;
        let needs = self.needs(true);
        for event in made.events {
            self.gate.hold(To::Session(event.session), Leaving::Event(event.body), needs);
        }
        self.keep_losses(made.losses);
        Ok(ran)
    }

    /// Holds something back until all that was taken before is durable: a `pong`, an `agreed`. It
    /// comes out as [`Leaving::Mark`].
    pub fn hold(&mut self, to: To, mark: u64) {
        let needs = self.needs(false);
        self.leave(to, Leaving::Mark(mark), needs, Mutant::MarksNotHeld);
    }

    /// Runs what is not a call: a timer, the end of a session, a step of the sweeper.
    ///
    /// # Errors
    /// It was not run, or was taken back; nothing has changed.
    pub fn run_own<T>(
        &mut self,
        base: &dyn Base,
        now: Time,
        run: impl FnOnce(&mut Tx<'_>) -> Do<T>,
    ) -> Result<Result<T, Reason>, NotRun> {
        self.may_take()?;
        let (result, made) = self.transact(base, None, now, run);
        match result {
            Err(Reason::Missing(missing)) => Err(NotRun::Missing(missing)),
            Err(reason) => {
                self.statistics.taken_back += 1;
                Ok(Err(reason))
            }
            Ok(value) => {
                if self.add(made.writes, now) || !made.events.is_empty() {
                    self.open.is_due = true;
                }
                let needs = self.needs(true);
                for event in made.events {
                    self.gate.hold(To::Session(event.session), Leaving::Event(event.body), needs);
                }
                self.keep_losses(made.losses);
                Ok(Ok(value))
            }
        }
    }
}

/// Claims, commits and looks.
impl Shard {
    fn claim(&mut self, seen: Epoch, record: Option<ShardRecord>) {
        debug_assert!(self.is_at_rest(), "whoever claims has nothing on its way");
        let record = record.unwrap_or_else(|| ShardRecord::first(self.config.first_version));
        if let Err(why) = record.versions.may_be_owned_by(&self.config.known) {
            return self.end(End::CannotOwn(why));
        }
        self.ask(seen);
    }

    fn ask(&mut self, seen: Epoch) {
        self.life = Life::Claiming { seen };
        self.outputs.push_back(Output::Claim { shard: self.id, seen });
    }

    fn claimed(&mut self, epoch: Epoch, record: Option<ShardRecord>) {
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

    fn on_committed(&mut self, number: u64) {
        let is_ours = self.flying.as_ref().is_some_and(|batch| batch.number == number);
        if !is_ours {
            // It was let go, and its outcome comes late: the rows have been loaded again.
            return;
        }
        self.flying = None;
        self.committed = number;
        self.statistics.commits += 1;
    }

    fn on_not_committed(&mut self, number: u64, why: NotCommitted) {
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

    fn on_looked(&mut self, number: u64, epoch: Epoch) {
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

    fn fenced(&mut self, epoch: Epoch) {
        self.let_go(LetGo::Fenced(epoch));
        self.end(End::Fenced(epoch));
    }

    fn let_go(&mut self, why: LetGo) {
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

    fn forget_all(&mut self) {
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

    fn end(&mut self, why: End) {
        self.life = Life::Apart;
        self.outputs.push_back(Output::Ended(why));
    }

    fn set_versions(&mut self, versions: crate::versions::ShardVersions) {
        if matches!(self.life, Life::Serving { .. }) {
            self.record.versions = versions;
            self.open.is_due = true;
            self.outputs.push_back(Output::Versions(self.record));
        }
    }
}

/// Batches.
impl Shard {
    /// What outputs that may leave have waited for.
    const fn had(&self) -> Needs {
        Needs { batch: self.committed, look: self.looks.1 }
    }

    fn is_at_rest(&self) -> bool {
        self.gate.is_empty() && self.flying.is_none() && !self.open.is_due
    }

    fn may_take(&self) -> Result<(), NotRun> {
        match self.life {
            Life::Serving { .. } => {}
            Life::Apart => return Err(NotRun::NotOwner),
            Life::Claiming { .. } | Life::Suspending { .. } | Life::Suspended { .. } => {
                return Err(NotRun::NotNow);
            }
        }
        let is_full = self.open.calls >= self.config.max_batch_calls
            || self.open.writes.bytes() >= self.config.max_batch_bytes
            || self.gate.len() >= self.config.max_held;
        if is_full { Err(NotRun::Full) } else { Ok(()) }
    }

    fn ground<'a>(&'a self, base: &'a dyn Base, none: &'a Writes) -> Ground<'a> {
        let flying = self.flying.as_ref().map_or(none, |batch| &batch.writes);
        Ground { base, flying, open: &self.open.writes }
    }

    fn transact<T>(
        &mut self,
        base: &dyn Base,
        session: Option<SessionKey>,
        now: Time,
        run: impl FnOnce(&mut Tx<'_>) -> Do<T>,
    ) -> (Result<T, Reason>, Made) {
        let now = now.max(self.record.clock);
        let mut random = self.random.clone();
        let none = Writes::default();
        let ground = self.ground(base, &none);
        let mut tx = Tx::new(ground, &self.record, self.config.tx, session, now, &mut random);
        let result = run(&mut tx).map_err(|stop| tx.blame(stop).into_reason());
        let made = tx.into_made();
        self.random = random;
        (result, made)
    }

    /// Adds a call's writes to the open batch. Tells whether there were any.
    fn add(&mut self, writes: Writes, now: Time) -> bool {
        self.open.calls += 1;
        self.record.clock = self.record.clock.max(now);
        let has_written = !writes.is_empty();
        self.open.writes.extend(writes);
        has_written
    }

    /// Holds an output at the gate, unless the rule is taken away that wants it held.
    fn leave(&mut self, to: To, what: Leaving, needs: Needs, early: Mutant) {
        if mutant::is_on(early) {
            self.outputs.push_back(Output::Leave { to, what });
        } else {
            self.gate.hold(to, what, needs);
        }
    }

    /// What an output needs that is made now: the batches before it, or a look at the epoch.
    fn needs(&mut self, has_written: bool) -> Needs {
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

    const fn next_number(&self) -> u64 {
        self.sealed + 1
    }

    /// Closes the open batch, if it may and must leave.
    fn seal(&mut self, epoch: Epoch) -> Option<Arc<Batch>> {
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
    fn format(&self) -> u32 {
        debug_assert!(self.record.versions.format.write <= FORMAT, "it was claimed as known");
        self.record.versions.library_format(FORMAT)
    }

    const fn count(&mut self, ran: &Ran) {
        match ran {
            Ran::Wrote | Ran::Read => self.statistics.calls += 1,
            Ran::TakenBack(_) => self.statistics.taken_back += 1,
        }
    }

    fn keep_losses(&mut self, losses: alloc::vec::Vec<Loss>) {
        for loss in losses {
            self.statistics.losses += 1;
            if self.losses.len() == MAX_LOSSES {
                self.losses.pop_front();
            }
            self.losses.push_back(loss);
        }
    }

    #[cfg(test)]
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    /// What the searches compare: all that decides what comes next.
    #[cfg(test)]
    pub(crate) fn form(&self) -> impl core::hash::Hash + use<> {
        let flying = self.flying.as_ref().map(|batch| (batch.epoch, batch.writes.clone()));
        let open = (self.open.writes.clone(), self.open.is_due, self.open.calls);
        let looks = (self.looks.0 - self.looks.1, self.is_looking);
        let gate = self.gate.form(self.had());
        (self.life, self.record, flying, open, gate, self.sessions.clone(), looks)
    }
}
