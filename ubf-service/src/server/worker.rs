//! The thread of a keeper: it has the shard, and asks the store's thread.

use std::collections::VecDeque;
use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Instant, SystemTime};

use tracing::{error, info, warn};
use ubf_server::{OwnerInput, OwnerLink};
use ubf_state::shard::{End, Input, LetGo, Life, NotRun, Output};
use ubf_state::{Epoch, SessionKey, ShardRecord, Time};
use ubf_store::{Ask, ClaimError, StoreThread, Told};

use super::beating::Heart;
use super::failure::{KeeperError, causes};
use super::keeper::{KeeperConfig, Shared};
use super::lanes::Lanes;
use super::links::Links;
use super::orders::Desk;
use super::parked::Sessions;
use super::parting::Parting;
use super::rows::Rows;
use super::trouble::{Again, Trouble};
use super::work::{Event, Work};
use crate::host::Host;
use crate::service::StatefulService;

/// The most that is taken before a batch may leave. Chosen: as much as a batch has calls.
const MAX_AT_ONCE: usize = 4_096;
/// How many sessions are looked at in one go when an owner begins.
const SESSIONS_AT_ONCE: usize = 1_000;
/// The connection of orders, whose answers wait at the gate, too.
pub(super) const ORDERS: u64 = u64::MAX;
/// The number of the look before a claim; those of the shard begin at 1.
const CLAIMING: u64 = 0;
/// The number of the look after rows that could not be read.
const DOUBTING: u64 = u64::MAX;

pub(super) struct Worker<S: StatefulService> {
    pub(super) host: Host<S>,
    pub(super) rows: Rows,
    pub(super) config: KeeperConfig,
    pub(super) links: Links,
    pub(super) sessions: Sessions,
    store: StoreThread,
    pub(super) shared: Arc<Shared>,
    /// For tasks that prepare messages.
    pub(super) events: Sender<Event<S::Request>>,
    /// What is not done yet, in the order in which it came. What a connection has in it, it counts
    /// as pending.
    pub(super) queue: VecDeque<(Arc<OwnerLink>, Work<S::Request>)>,
    /// What waits for a message of its connection that is being prepared.
    pub(super) lanes: Lanes<S::Request>,
    pub(super) desk: Desk,
    pub(super) next_ticket: u64,
    /// Who waits for the beginning.
    starting: Option<Sender<Result<(), KeeperError>>>,
    /// The stored sessions are looked at, from this one on.
    scanning: Option<Option<SessionKey>>,
    is_loading: bool,
    /// S6.9: as many bytes are kept as may be.
    pub(super) is_crowded: bool,
    /// Something is due that waits for the store.
    is_blocked: bool,
    next_timer: Option<Time>,
    trouble: Option<Trouble>,
    /// Rows could not be read. Perhaps another process owns them by now, and has written some of
    /// them while they were read: the epoch is to say.
    doubt: Option<NotRun>,
    /// Why the last batch, or claim, has failed.
    cause: Option<Box<dyn Error + Send + Sync>>,
    pub(super) is_closing: bool,
    pub(super) is_closed: bool,
    /// U5: whether the shard is about to go to another node.
    pub(super) parting: Parting,
    /// U6: `None`: nobody else can own the shard.
    pub(super) heart: Option<Heart>,
}

/// The time that a service sees: it must not begin anew with each process.
pub(super) fn wall_clock() -> Time {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

impl<S: StatefulService> Worker<S> {
    pub(super) fn new(
        host: Host<S>,
        rows: Rows,
        store: StoreThread,
        config: KeeperConfig,
        (shared, events): (Arc<Shared>, Sender<Event<S::Request>>),
        starting: Sender<Result<(), KeeperError>>,
    ) -> Self {
        let heart = config.beats.clone().map(|next_ip| {
            let owner = RandomState::new().hash_one((std::process::id(), SystemTime::now()));
            Heart::new(owner, next_ip)
        });
        Self {
            heart,
            host,
            rows,
            config,
            links: Links::default(),
            sessions: Sessions::default(),
            store,
            shared,
            events,
            queue: VecDeque::new(),
            lanes: Lanes::default(),
            desk: Desk::default(),
            next_ticket: 0,
            starting: Some(starting),
            scanning: Some(None),
            is_loading: false,
            is_crowded: false,
            is_blocked: false,
            next_timer: None,
            trouble: None,
            doubt: None,
            cause: None,
            is_closing: false,
            is_closed: false,
            parting: Parting::Staying,
        }
    }

    /// Serves until it is told to close, or cannot go on. Then nobody is answered any more.
    pub(super) fn run(mut self, events: &Receiver<Event<S::Request>>) -> Result<(), KeeperError> {
        let served = self.serve(events);
        self.cut_all();
        let Self { store, rows, shared, starting, desk, .. } = self;
        desk.end();
        // The store cannot be closed while its rows can be read.
        drop(rows);
        let ended = match (served, store.close()) {
            (Ok(()), Err(error)) => Err(KeeperError::store("the store cannot be closed", error)),
            // Why it cannot go on is of more interest than that it cannot be closed either.
            (served, _) => served,
        };
        if let Err(error) = &ended {
            shared.end(error.clone());
            if let Some(starting) = starting {
                // Whoever has stopped to wait has its reasons.
                starting.send(Err(error.clone())).ok();
            }
        }
        ended
    }

    fn serve(&mut self, events: &Receiver<Event<S::Request>>) -> Result<(), KeeperError> {
        self.ask(Ask::Look { shard: self.config.shard, number: CLAIMING })?;
        loop {
            match self.wait(events) {
                Ok(event) => self.note(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody can say anything more: as good as being told to.
                Err(RecvTimeoutError::Disconnected) => self.note(Event::Close)?,
            }
            for event in events.try_iter().take(MAX_AT_ONCE) {
                self.note(event)?;
            }
            self.work()?;
            if self.is_closed {
                return Ok(());
            }
        }
    }

    fn wait(
        &self,
        events: &Receiver<Event<S::Request>>,
    ) -> Result<Event<S::Request>, RecvTimeoutError> {
        match self.deadline() {
            Some(at) => events.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// When something is due if nothing is said.
    fn deadline(&self) -> Option<Instant> {
        let again = self.trouble.as_ref().and_then(Trouble::next);
        let beat = self.heart.as_ref().and_then(Heart::next);
        let again = [again, beat].into_iter().flatten().min();
        if self.is_blocked {
            return again;
        }
        if self.desk.is_migrating {
            return Some(Instant::now());
        }
        let end = self.sessions.first_end().map(|(end, _)| end);
        let timer = self.next_timer.map(|at| Instant::now() + at.since(wall_clock()));
        [again, end, timer].into_iter().flatten().min()
    }

    fn note(&mut self, event: Event<S::Request>) -> Result<(), KeeperError> {
        match event {
            Event::Input(link, work) => {
                self.arrived(link, work);
                Ok(())
            }
            Event::Prepared { at, ticket, asked } => {
                self.queue.extend(self.lanes.prepared(at, ticket, asked));
                Ok(())
            }
            Event::Order(order) => self.order(order),
            Event::Told(told) => self.told(told),
            Event::Close => {
                self.is_closing = true;
                match self.host.shard().life() {
                    Life::Serving { .. } => self.host.handle(Input::Suspend),
                    // It is on its way there already, to another node.
                    Life::Suspending { .. } => self.not_suspended(),
                    Life::Apart | Life::Claiming { .. } | Life::Suspended { .. } => {
                        self.is_closed = true;
                    }
                }
                Ok(())
            }
        }
    }

    /// Does all that can be done, until something is to be waited for.
    fn work(&mut self) -> Result<(), KeeperError> {
        self.try_again()?;
        self.beat()?;
        if !matches!(self.host.shard().life(), Life::Serving { .. }) {
            // T4: what was let go is let go before anything else is run. Until its connections are
            // cut, what they have said would be held against sessions that have gone back.
            self.do_outputs()?;
        }
        loop {
            self.is_blocked = false;
            // In this order: what is over is so before its client comes back.
            let is_free = self.scan_sessions()? && self.end_sessions()? && self.run_queue()?;
            if is_free {
                self.ring()?;
                self.sweep()?;
            }
            self.count_kept();
            self.shared.set_sessions(self.sessions.len(), self.sessions.parked());
            self.shared.set_losses(self.host.shard().statistics().losses);
            if !self.do_outputs()? || self.queue.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) fn ask(&self, ask: Ask) -> Result<(), KeeperError> {
        self.store.ask(ask).map_err(|error| KeeperError::store("the store does not answer", error))
    }

    /// Whether what was to be done is done. If the store has to do something before, it waits for
    /// that.
    pub(super) fn done<T>(&mut self, result: Result<T, NotRun>) -> Result<Option<T>, KeeperError> {
        match result {
            Ok(done) => return Ok(Some(done)),
            Err(NotRun::Missing(missing)) => {
                if !self.is_loading {
                    self.is_loading = true;
                    self.ask(Ask::Load { shard: self.config.shard, missing })?;
                }
            }
            Err(NotRun::Full | NotRun::NotNow | NotRun::NotOwner) => {}
            Err(why @ NotRun::Broken(_)) => {
                if self.doubt.replace(why).is_none() {
                    self.ask(Ask::Look { shard: self.config.shard, number: DOUBTING })?;
                }
            }
            Err(NotRun::UnknownSession | NotRun::SessionExists | NotRun::Overtaken { .. } | _) => {
                return Err(KeeperError::fault("something was not run that could have been"));
            }
        }
        self.is_blocked = true;
        Ok(None)
    }

    /// S6: the time that stored sessions are kept runs anew. Whether all are known.
    fn scan_sessions(&mut self) -> Result<bool, KeeperError> {
        if !matches!(self.host.shard().life(), Life::Serving { .. }) {
            return Ok(self.scanning.is_none());
        }
        while let Some(after) = self.scanning {
            let page = self.host.shard().stored_sessions(&self.rows, after, SESSIONS_AT_ONCE);
            let Some(page) = self.done(page)? else { return Ok(false) };
            let now = Instant::now();
            for (key, grant) in &page {
                self.sessions.found(*key, grant.keep, now);
            }
            let is_last = page.len() < SESSIONS_AT_ONCE;
            self.scanning = if is_last { None } else { page.last().map(|(key, _)| Some(*key)) };
            if self.scanning.is_none() {
                self.begin();
            }
        }
        Ok(true)
    }

    fn begin(&mut self) {
        let (sessions, versions) = (self.sessions.len(), self.host.shard().record().versions);
        self.shared.set_versions(versions);
        info!(sessions, state_version = versions.state.write, "the rows are owned here");
        if let Some(starting) = self.starting.take() {
            // Whoever has stopped to wait has its reasons.
            starting.send(Ok(())).ok();
        }
    }

    /// Runs what has come, as far as the store lets it. Whether all is done.
    fn run_queue(&mut self) -> Result<bool, KeeperError> {
        while let Some((link, mut work)) = self.queue.pop_front() {
            if self.prepare_again(&link, &mut work) {
                self.set_aside(&link, work);
                continue;
            }
            let ran = self.run_work(&link, &mut work);
            if self.done(ran)?.is_none() {
                self.queue.push_front((link, work));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// S6: ends the sessions whose time is over. Whether none is left.
    fn end_sessions(&mut self) -> Result<bool, KeeperError> {
        while let Some((end, key)) = self.sessions.first_end()
            && end <= Instant::now()
        {
            let ended = match self.host.end(&self.rows, key, wall_clock()) {
                // It was opened by a batch that was lost.
                Err(NotRun::UnknownSession) => Ok(()),
                ended => ended,
            };
            if self.done(ended)?.is_none() {
                return Ok(false);
            }
            self.sessions.remove(key);
        }
        Ok(true)
    }

    /// S6.9: tells connections when the server keeps as much as it may, and when it does not.
    fn count_kept(&mut self) {
        let kept = self.host.shard().kept_bytes() as u64;
        let max_kept_in_all = self.config.sessions.max_kept_in_all;
        let is_crowded = kept >= max_kept_in_all;
        if self.is_crowded != is_crowded {
            self.is_crowded = is_crowded;
            if is_crowded {
                warn!(kept, max_kept_in_all, "sessions keep as much as they may");
            }
            for link in self.links.with_sessions() {
                link.crowded(is_crowded);
            }
        }
    }

    fn ring(&mut self) -> Result<(), KeeperError> {
        loop {
            let now = wall_clock();
            let rung = self.host.ring(&self.rows, now);
            let Some(next) = self.done(rung)? else { return Ok(()) };
            self.next_timer = next;
            if next.is_none_or(|next| next > now) {
                return Ok(());
            }
        }
    }

    /// Does what the shard says. Whether it said anything.
    fn do_outputs(&mut self) -> Result<bool, KeeperError> {
        let mut is_any = false;
        while let Some(output) = self.host.poll_output() {
            is_any = true;
            match output {
                // Nobody is left to be served, and the store says what was done.
                Output::Claim { .. } if self.is_closing => self.is_closed = true,
                Output::Claim { shard, seen } => self.ask(Ask::Claim { shard, seen })?,
                Output::Commit(batch) => self.ask(Ask::Commit(batch))?,
                Output::Look { number } => {
                    self.ask(Ask::Look { shard: self.config.shard, number })?;
                }
                Output::Leave { to, what } => self.leave(to, what),
                Output::LetGo(why) => self.let_go(why),
                Output::Suspended => self.suspended()?,
                Output::Versions(record) => self.shared.set_versions(record.versions),
                Output::NotFinalized(why) => warn!(%why, "not finalized"),
                Output::NotLowered(why) => warn!(%why, "not lowered"),
                Output::Ended(End::NotClaimed) if self.trouble.is_some() => {
                    self.again_later(Again::Claim)?;
                }
                Output::Ended(end) => return Err(KeeperError::ended(end, self.cause.take())),
                other => {
                    error!(?other, "an output that this keeper does not know");
                    return Err(KeeperError::fault("the shard wants what is not known here"));
                }
            }
        }
        Ok(is_any)
    }

    /// T4: what has not left never will. Clients go on with what is stored.
    fn let_go(&mut self, why: LetGo) {
        let cause = self.cause.as_deref().map(causes);
        warn!(?why, cause, "a batch was let go: connections are cut, and clients go on");
        self.rows.forget();
        self.desk.let_go();
        self.not_suspended();
        self.cut_all();
        self.sessions.park_all(Instant::now());
    }

    /// Cuts all connections of which something was taken, or is to be.
    fn cut_all(&mut self) {
        for link in self.links.take_all().into_iter().chain(self.lanes.take_all()) {
            link.cut();
        }
        self.queue.retain(|(link, work)| {
            // A connection that asks for a session has not been told anything yet.
            let stays =
                matches!(work, Work::Other(OwnerInput::Open { .. } | OwnerInput::Resume(_)));
            if !stays {
                link.cut();
            }
            stays
        });
    }

    fn told(&mut self, told: Told) -> Result<(), KeeperError> {
        match told {
            Told::Looked { number: CLAIMING, found, .. } => match found {
                Ok((seen, record)) => self.host.handle(Input::Claim { seen, record }),
                Err(error) => self.failed(error.into(), Again::Claim)?,
            },
            Told::Looked { number: DOUBTING, found, .. } => match found {
                Ok((epoch, _)) => self.judge_doubt(epoch)?,
                Err(error) => self.failed(error.into(), Again::Doubt)?,
            },
            Told::Looked { number, found, .. } => match found {
                Ok((epoch, _)) => {
                    self.store_answers();
                    self.host.handle(Input::Looked { number, epoch });
                }
                Err(error) => self.failed(error.into(), Again::Look)?,
            },
            Told::Claimed { claimed, .. } => self.claimed(claimed)?,
            Told::Committed { batch, why }
                if self.has_beaten(&batch, why.as_ref().map(|(why, _)| *why))? => {}
            Told::Committed { batch, why }
                if self.is_given(&batch, why.as_ref().map(|(why, _)| *why))? => {}
            Told::Committed { batch, why } => match why {
                None => {
                    self.store_answers();
                    self.rows.committed(&batch.writes);
                    self.host.handle(Input::Committed { number: batch.number });
                }
                Some((why, cause)) => {
                    self.cause = cause;
                    self.begin_trouble();
                    self.host.handle(Input::NotCommitted { number: batch.number, why });
                }
            },
            Told::Loaded { missing, page, .. } => match page {
                Ok(page) => {
                    self.store_answers();
                    self.is_loading = false;
                    self.rows.loaded(missing, page);
                }
                Err(error) => self.failed(error.into(), Again::Load(missing))?,
            },
            Told::Snapshot { snapshot, .. } => self.shown(snapshot),
            Told::Broken => return Err(KeeperError::fault("the store's code has panicked")),
            other => {
                error!(?other, "the store tells what this keeper does not know");
                return Err(KeeperError::fault("the store tells what is not known here"));
            }
        }
        Ok(())
    }

    /// T5: rows of two moments are no fault of the store. Whoever is fenced learns it here before its
    /// next commit would tell.
    fn judge_doubt(&mut self, epoch: Epoch) -> Result<(), KeeperError> {
        self.store_answers();
        let Some(why) = self.doubt.take() else { return Ok(()) };
        match self.host.shard().life() {
            Life::Serving { epoch: own }
            | Life::Suspending { epoch: own }
            | Life::Suspended { epoch: own }
                if own == epoch =>
            {
                Err(KeeperError::store("rows cannot be read", why))
            }
            Life::Serving { .. } | Life::Suspending { .. } | Life::Suspended { .. } => {
                Err(KeeperError::ended(End::Fenced(epoch), None))
            }
            // What was read is forgotten with the claim.
            Life::Apart | Life::Claiming { .. } => Ok(()),
        }
    }

    fn claimed(
        &mut self,
        claimed: Result<(Epoch, Option<ShardRecord>), ClaimError>,
    ) -> Result<(), KeeperError> {
        match claimed {
            Ok((epoch, record)) => {
                self.store_answers();
                self.rows.forget();
                self.shared.set_epoch(epoch);
                self.host.handle(Input::Claimed { epoch, record });
            }
            Err(ClaimError::Failed(error)) => {
                self.cause = Some(error.into());
                self.begin_trouble();
                self.host.handle(Input::NotClaimed);
            }
            Err(error) => {
                // Somebody else was faster, and owns it.
                (self.cause, self.trouble) = (Some(error.into()), None);
                self.host.handle(Input::NotClaimed);
            }
        }
        Ok(())
    }

    fn begin_trouble(&mut self) {
        self.trouble.get_or_insert_with(Trouble::begin);
    }

    /// The trouble is over, unless something is still to be asked again.
    fn store_answers(&mut self) {
        self.trouble.take_if(|trouble| trouble.is_over());
    }

    /// The store could not do something. It is asked again, for a while.
    fn failed(
        &mut self,
        error: Box<dyn Error + Send + Sync>,
        again: Again,
    ) -> Result<(), KeeperError> {
        self.cause = Some(error);
        self.begin_trouble();
        self.again_later(again)
    }

    fn again_later(&mut self, again: Again) -> Result<(), KeeperError> {
        let Some(trouble) = &mut self.trouble else { return Ok(()) };
        // One that begins does not wait: who starts it wants to know.
        if self.starting.is_some() || trouble.is_too_long() {
            let cause = self.cause.take();
            return Err(match cause {
                Some(cause) => KeeperError::store("the store cannot be used", cause),
                None => KeeperError::plain("the store cannot be used"),
            });
        }
        trouble.again(again, Instant::now());
        Ok(())
    }

    fn try_again(&mut self) -> Result<(), KeeperError> {
        let due = self.trouble.as_mut().map(|trouble| trouble.due(Instant::now()));
        let shard = self.config.shard;
        for again in due.unwrap_or_default() {
            match again {
                Again::Claim => self.ask(Ask::Look { shard, number: CLAIMING })?,
                Again::Load(missing) => self.ask(Ask::Load { shard, missing })?,
                Again::Look => self.host.handle(Input::LookFailed),
                Again::Doubt => self.ask(Ask::Look { shard, number: DOUBTING })?,
            }
        }
        Ok(())
    }
}
