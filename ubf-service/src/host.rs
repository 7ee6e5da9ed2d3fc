//! A service on its shard: requests in, batches and answers out.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use ubf_codec::{Encoder, Term, Versioned as _};
use ubf_state::shard::{Config, Input, NotRun, Output, Ran, To};
use ubf_state::{
    Base, Do, FORMAT, Key as _, Known, Progress, Reason, SessionKey, Shard, ShardId, Stop, Sweeper,
    Swept, Time, Tx,
};

use crate::service::{Caller, StatefulService};

/// How many rows a step of the sweeper looks at. Chosen: it takes as long as some calls.
const SWEEP_ROWS: usize = 256;

/// A service and the shard of its state. It does no I/O: the shell tells the shard what has
/// happened, and does what it says.
#[derive(Debug)]
pub struct Host<S> {
    service: Arc<S>,
    shard: Shard,
    sweeper: Option<Sweeper>,
    /// Rows of a step of the sweeper.
    sweep_rows: usize,
    /// How far the last sweep has come.
    progress: Progress,
    /// What is done with whatever a transaction of the service has made, at its end.
    after: After<S>,
}

/// What is done at the end of each transaction of a service, if anything.
pub(crate) struct After<S>(Option<Arc<AfterFn<S>>>);

type AfterFn<S> = dyn Fn(&S, &mut Tx<'_>) -> Do<()> + Send + Sync;

impl<S> After<S> {
    pub(crate) fn run(&self, service: &S, tx: &mut Tx<'_>) -> Do<()> {
        self.0.as_ref().map_or(Ok(()), |after| after(service, tx))
    }
}

impl<S> Clone for After<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for After<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("After").field(&self.0.is_some()).finish()
    }
}

/// How the shard of a service works.
#[must_use]
pub(crate) fn shard_config<S: StatefulService>(known: Known) -> Config {
    let mut config = Config::new(known);
    config.tx = S::limits();
    config
}

/// What this program can read and write of a service.
#[must_use]
pub const fn known<S: StatefulService>() -> Known {
    let (oldest, newest) = S::STATE;
    Known { oldest, newest, format: FORMAT }
}

impl<S: StatefulService> Host<S> {
    /// A service whose shard is not owned yet. The seed is that of [`Tx::random`].
    #[must_use]
    pub fn new(service: Arc<S>, shard: ShardId, seed: u64) -> Self {
        Self::with_config(service, shard, shard_config::<S>(known::<S>()), seed)
    }

    /// A service with a shard that works otherwise.
    #[must_use]
    pub fn with_config(service: Arc<S>, shard: ShardId, config: Config, seed: u64) -> Self {
        Self {
            service,
            shard: Shard::new(shard, Arc::new(config), seed),
            sweeper: None,
            sweep_rows: SWEEP_ROWS,
            progress: Progress::default(),
            after: After(None),
        }
    }

    /// The same, with something that is done at the end of each transaction of the service.
    #[cfg(feature = "server")]
    pub(crate) fn and_then(self, after: Arc<AfterFn<S>>) -> Self {
        Self { after: After(Some(after)), ..self }
    }

    #[cfg(feature = "server")]
    pub(crate) fn after(&self) -> After<S> {
        self.after.clone()
    }

    /// The shard.
    #[must_use]
    pub const fn shard(&self) -> &Shard {
        &self.shard
    }

    /// The shard, to open, resume and end sessions.
    pub const fn shard_mut(&mut self) -> &mut Shard {
        &mut self.shard
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &S {
        &self.service
    }

    pub(crate) const fn service_arc(&self) -> &Arc<S> {
        &self.service
    }

    /// Tells the shard what has happened.
    pub fn handle(&mut self, input: Input) {
        if matches!(input, Input::Claimed { .. }) {
            // Steps of a sweep may be among what was lost (T4).
            self.sweeper = None;
        }
        self.shard.handle(input);
    }

    /// What the shard wants done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.shard.poll_output()
    }

    /// Runs a call that has been prepared. The body of its answer is the reply, in the caller's
    /// version; of one that the service refuses it is `{'error',Why}`, and of one that cannot run
    /// `{'refused',Why}` with `'state'`, `'limit'` or `'crash'`, which the connection turns into
    /// its own packet (T7, T9).
    ///
    /// # Errors
    /// It was not run, and nothing has changed.
    pub fn call(
        &mut self,
        base: &dyn Base,
        to: To,
        caller: &Caller<'_>,
        now: Time,
        request: S::Request,
    ) -> Result<Ran, NotRun> {
        self.call_with(base, to, caller, now, request, |_| {})
    }

    /// Runs a call, and shows its result to `see` if it has one.
    pub(crate) fn call_with(
        &mut self,
        base: &dyn Base,
        to: To,
        caller: &Caller<'_>,
        now: Time,
        request: S::Request,
        see: impl FnOnce(S::Reply),
    ) -> Result<Ran, NotRun> {
        let service = Arc::clone(&self.service);
        let run = |tx: &mut Tx<'_>| {
            let reply = contained(|| service.apply(caller, request, tx))?;
            // A reply that has no form in the caller's version is a fault of the service.
            let body =
                reply.to_vec(caller.version).map_err(|error| Stop::crashed(error.to_string()))?;
            see(reply);
            Ok(body.into())
        };
        self.shard.run(base, to, now, run, refusal)
    }

    /// Lets the first timer ring if its time has come. Tells when the next one rings.
    ///
    /// # Errors
    /// It was not run, and nothing has changed.
    pub fn ring(&mut self, base: &dyn Base, now: Time) -> Result<Option<Time>, NotRun> {
        let Some((when, key)) = self.shard.next_timer(base)? else { return Ok(None) };
        if when > now {
            return Ok(Some(when));
        }
        let (service, after) = (Arc::clone(&self.service), self.after.clone());
        let run = |tx: &mut Tx<'_>| {
            // A key of another release's timers, of which this one knows nothing.
            let Ok(timer) = S::Timer::from_bytes(&key) else { return Ok(()) };
            contained(|| {
                service.timer(timer, tx)?;
                after.run(&service, tx)
            })
        };
        // Why a timer was taken back is in the shard's statistics.
        let _taken_back = self.shard.run_timer(base, now, &key, run)?;
        Ok(self.shard.next_timer(base)?.map(|(when, _)| when))
    }

    /// Ends a session, and tells the service.
    ///
    /// # Errors
    /// It was not ended, and nothing has changed.
    pub fn end(&mut self, base: &dyn Base, session: SessionKey, now: Time) -> Result<(), NotRun> {
        // First, so that nothing can be missing when the service has been told.
        self.shard.find_session(base, session)?;
        let (service, after) = (Arc::clone(&self.service), self.after.clone());
        let gone = |tx: &mut Tx<'_>| {
            contained(|| {
                service.gone(session, tx)?;
                after.run(&service, tx)
            })
        };
        let _taken_back = self.shard.run_own(base, now, gone)?;
        self.shard.end_session(base, session)
    }

    /// How far the sweep has come, or the last one had.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// One step of the sweeper (T8). Tells whether more are left. Large rows are rewritten fewer at
    /// a time.
    ///
    /// # Errors
    /// It was not run, and nothing has changed.
    pub fn sweep(&mut self, base: &dyn Base, now: Time) -> Result<Result<bool, Reason>, NotRun> {
        let state = self.shard.record().versions.state;
        if state.is_swept() {
            return Ok(Ok(false));
        }
        let rows = self.sweep_rows;
        let sweeper = self.sweeper.take().unwrap_or_else(|| Sweeper::new(state.write));
        let step = |tx: &mut Tx<'_>| contained(|| sweeper.step(tx, S::tables(), rows));
        let swept = match self.shard.run_own(base, now, step) {
            Ok(Ok(swept)) => swept,
            // What the rows of a step have together is more than a call may write.
            Ok(Err(Reason::Limit(_))) if rows > 1 => {
                (self.sweeper, self.sweep_rows) = (Some(sweeper), rows / 2);
                return Ok(Ok(true));
            }
            Ok(Err(reason)) => return Ok(Err(reason)),
            Err(why) => {
                self.sweeper = Some(sweeper);
                return Err(why);
            }
        };
        match swept {
            Swept::More(next) => {
                self.progress = next.progress();
                self.sweeper = Some(next);
            }
            Swept::All(progress) => {
                self.progress = progress;
                self.shard.handle(Input::Swept);
            }
            Swept::Outdated => {}
        }
        Ok(Ok(!self.shard.record().versions.state.is_swept()))
    }
}

/// Runs code of the service. If it panics, the call is taken back and nothing else.
pub(crate) fn contained<T>(run: impl FnOnce() -> Do<T>) -> Do<T> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(Stop::crashed(panic_text(&*panic))))
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a text").to_owned()
}

/// The body of the answer to a call that was taken back.
fn refusal(reason: &Reason) -> Bytes {
    let refused = |why| Term::tuple([Term::atom("refused"), Term::atom(why)]);
    let term = match reason {
        Reason::Refused(why) => Term::tuple([Term::atom("error"), Term::string(why.as_str())]),
        Reason::Limit(_) => refused("limit"),
        Reason::Crashed(_) => refused("crash"),
        Reason::NoSession => refused("no_session"),
        // It is of the library and grows; what is not named here is a fault of the state.
        Reason::Missing(_)
        | Reason::Row { .. }
        | Reason::Key { .. }
        | Reason::IndexNotReady(_)
        | Reason::StepCrashed(_)
        | _ => refused("state"),
    };
    Encoder::new().encode(&term).into()
}
