//! Calls, events and the shard's own work: each runs on what the ones before it left (T2).

use alloc::vec::Vec;

use bytes::Bytes;
use ubf_proto::Time;

use super::gate::Needs;
use super::output::{Leaving, NotRun, Ran, To};
use super::{MAX_LOSSES, Shard};
use crate::base::Base;
use crate::mutant::Mutant;
use crate::session::SessionKey;
use crate::stop::{Do, Reason};
use crate::tx::{Event, Ground, Loss, Made, Tx};
use crate::writes::Writes;

impl Shard {
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
        self.load_listeners(base, &made.events)?;
        self.count(&ran);
        // That an event was made is stored before it leaves: its client is told if it is lost (S6).
        let has_written = self.add(made.writes, now) || !made.events.is_empty();
        let number = match to.session() {
            Some(session) => self.sessions.took(session, Some(body.clone())),
            None => 0,
        };
        let needs = self.needs(has_written);
        let early = if has_written { Mutant::AnswersNotHeld } else { Mutant::ReadsNotHeld };
        self.leave(to, Leaving::Answer { number, body }, needs, early);
        self.hold_events(made.events, needs);
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
        self.load_listeners(base, &made.events)?;
        self.count(&ran);
        self.add(made.writes, now);
        if let Some(session) = to.session() {
            self.sessions.took(session, None);
        }
        // What says that the event was taken must not leave before its number is stored.
        self.open.is_due = true;
        let needs = self.needs(true);
        self.hold_events(made.events, needs);
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
                self.load_listeners(base, &made.events)?;
                if self.add(made.writes, now) || !made.events.is_empty() {
                    self.open.is_due = true;
                }
                let needs = self.needs(true);
                self.hold_events(made.events, needs);
                self.keep_losses(made.losses);
                Ok(Ok(value))
            }
        }
    }
}

/// What all of them do.
impl Shard {
    pub(super) fn ground<'a>(&'a self, base: &'a dyn Base, none: &'a Writes) -> Ground<'a> {
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

    /// Sessions that events are for must be known before anything changes: their events are
    /// counted.
    fn load_listeners(&mut self, base: &dyn Base, events: &[Event]) -> Result<(), NotRun> {
        for event in events {
            match self.load_session(base, event.session) {
                // It is over, and nobody listens.
                Ok(()) | Err(NotRun::UnknownSession) => {}
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    fn hold_events(&mut self, events: Vec<Event>, needs: Needs) {
        let max_bytes = self.config.max_kept_event_bytes;
        for Event { session, body } in events {
            if self.sessions.made_event(session, body.clone(), max_bytes) {
                self.gate.hold(To::Session(session), Leaving::Event(body), needs);
            }
        }
    }

    const fn count(&mut self, ran: &Ran) {
        match ran {
            Ran::Wrote | Ran::Read => self.statistics.calls += 1,
            Ran::TakenBack(_) => self.statistics.taken_back += 1,
        }
    }

    fn keep_losses(&mut self, losses: Vec<Loss>) {
        for loss in losses {
            self.statistics.losses += 1;
            if self.losses.len() == MAX_LOSSES {
                self.losses.pop_front();
            }
            self.losses.push_back(loss);
        }
    }
}
