//! Tests of a service without sockets, clock or disk.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use ubf_codec::{Version, Versioned as _};
use ubf_proto::session::{Grant, Level};
use ubf_state::shard::{End, Input, Leaving, NotRun, Output, Ran, To};
use ubf_state::{
    AnyTable, CannotFinalize, CannotLower, CannotOwn, Do, Epoch, Known, Reason, SessionKey,
    ShardId, ShardRecord, ShardVersions, Time, Tx,
};
use ubf_store::{Memory, Store as _};

use crate::host::{Host, known, shard_config};
use crate::service::{Caller, StatefulService};

const SHARD: ShardId = ShardId(1);
/// What sessions of a bench are granted: as much as a client wishes for by default.
const GRANT: Grant = Grant {
    window: 1_024,
    bytes: 4 << 20,
    kept: 16 << 20,
    keep: Duration::from_secs(60),
    level: Level::Durable,
};

/// A service with rows in memory, whose time stands still until it is moved.
///
/// Each call is committed before it returns. The same rows can be given to a process that starts
/// again ([`restart`](Self::restart)) and to another release ([`release`](Self::release)).
pub struct Bench<S: StatefulService> {
    host: Host<S>,
    store: Memory,
    now: Time,
    left: VecDeque<(To, Leaving)>,
}

impl<S: StatefulService> fmt::Debug for Bench<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Something went wrong that is not part of the test: its text says what.
#[track_caller]
fn expect<T, E: fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        #[allow(clippy::panic, reason = "a bench is for tests, and says so")]
        Err(error) => panic!("{error}"),
    }
}

impl<S: StatefulService> Bench<S> {
    /// The service without rows, at the time 0.
    ///
    /// # Panics
    /// As all functions here that cannot go on: the program that is tested has a fault.
    #[must_use]
    pub fn new(service: S) -> Self {
        expect(Self::over(service, Memory::new(), Time::ZERO))
    }

    fn over(service: S, store: Memory, now: Time) -> Result<Self, CannotOwn> {
        let host = Host::with_config(Arc::new(service), SHARD, shard_config::<S>(known::<S>()), 42);
        let mut bench = Self { host, store, now, left: VecDeque::new() };
        let (seen, record) = (expect(bench.store.epoch(SHARD)), bench.record());
        bench.host.handle(Input::Claim { seen, record });
        bench.drain()?;
        Ok(bench)
    }

    fn record(&mut self) -> Option<ShardRecord> {
        let value = expect(self.store.get(SHARD, &ShardRecord::key()));
        value.map(|value| expect(ShardRecord::from_value(&value)))
    }

    /// Does what the shard says.
    fn drain(&mut self) -> Result<(), CannotOwn> {
        while let Some(output) = self.host.poll_output() {
            match output {
                Output::Claim { seen, .. } => {
                    let epoch: Epoch = expect(self.store.claim(SHARD, seen));
                    let record = self.record();
                    self.host.handle(Input::Claimed { epoch, record });
                }
                Output::Commit(batch) => {
                    expect(self.store.commit(&batch));
                    self.host.handle(Input::Committed { number: batch.number });
                }
                Output::Leave { to, what } => self.left.push_back((to, what)),
                Output::Ended(End::CannotOwn(why)) => return Err(why),
                // A store in memory is not shared and does not fail; wishes of operators are
                // answered where they are made.
                Output::Look { .. }
                | Output::LetGo(_)
                | Output::Suspended
                | Output::Versions(_)
                | Output::NotFinalized(_)
                | Output::NotLowered(_)
                | Output::Ended(_)
                | _ => {}
            }
        }
        Ok(())
    }

    /// Something is done with the rows, and committed.
    fn with<T>(&mut self, run: impl FnOnce(&mut Host<S>, &dyn ubf_state::Base, Time) -> T) -> T {
        let now = self.now;
        let base = expect(self.store.base(SHARD).ok_or("a store in memory can be read at once"));
        let result = run(&mut self.host, &*base, now);
        expect(self.drain());
        result
    }

    /// A call of somebody without a session, in the newest version of the contract.
    ///
    /// # Errors
    /// Why it was taken back.
    pub fn call(&mut self, request: S::Request) -> Result<S::Reply, Reason> {
        let newest = S::Request::VERSIONS.last().copied();
        let version = expect(newest.ok_or("a contract has a version"));
        self.call_as(&Caller::new(version), request)
    }

    /// A call in a session, which is opened by its first one.
    ///
    /// # Errors
    /// Why it was taken back.
    pub fn call_in(&mut self, session: u8, request: S::Request) -> Result<S::Reply, Reason> {
        let newest = S::Request::VERSIONS.last().copied();
        let version = expect(newest.ok_or("a contract has a version"));
        self.call_as(&Caller::new(version).in_session(Self::session(session)), request)
    }

    /// The key of a session of the bench.
    #[must_use]
    pub const fn session(number: u8) -> SessionKey {
        SessionKey::from_bytes([number; 16])
    }

    /// A call of somebody.
    ///
    /// # Errors
    /// Why it was taken back.
    pub fn call_as(
        &mut self,
        caller: &Caller<'_>,
        request: S::Request,
    ) -> Result<S::Reply, Reason> {
        let request = at_once(self.host.service().prepare(request));
        let to = caller.session.map_or(To::Connection(0), To::Session);
        let mut reply = None;
        let ran = self.with(|host, base, now| {
            if let Some(session) = caller.session {
                match host.shard_mut().open_session(base, session, GRANT) {
                    Ok(()) | Err(NotRun::SessionExists) => {}
                    Err(why) => return Err(why),
                }
            }
            host.call_with(base, to, caller, now, request, |seen| reply = Some(seen))
        });
        match (expect(ran), reply) {
            (Ran::TakenBack(reason), _) => Err(reason),
            (Ran::Read | Ran::Wrote, reply) => Ok(expect(reply.ok_or("a call has a reply"))),
        }
    }

    /// Reads, or writes, rows as a call would.
    ///
    /// # Errors
    /// Why it was taken back.
    pub fn rows<T>(&mut self, run: impl FnOnce(&mut Tx<'_>) -> Do<T>) -> Result<T, Reason> {
        expect(self.with(|host, base, now| host.shard_mut().run_own(base, now, run)))
    }

    /// What the service has sent to sessions: the bodies of events, in order, since last asked.
    pub fn events(&mut self) -> Vec<(SessionKey, Bytes)> {
        let event = |(to, what)| match (to, what) {
            (To::Session(session), Leaving::Event(body)) => Some((session, body)),
            _ => None,
        };
        self.left.drain(..).filter_map(event).collect()
    }

    /// Moves the time on, and lets timers ring that are due.
    pub fn advance(&mut self, millis: u64) {
        let until = Time::from_millis(self.now.as_millis().saturating_add(millis));
        loop {
            let next = expect(self.with(|host, base, now| host.ring(base, now)));
            match next {
                Some(when) if when <= until => self.now = self.now.max(when),
                _ => break,
            }
        }
        self.now = until;
    }

    /// Ends a session.
    pub fn end(&mut self, session: u8) {
        let session = Self::session(session);
        expect(self.with(|host, base, now| host.end(base, session, now)));
    }

    /// Starts the program again over the rows that are committed.
    pub fn restart(&mut self) {
        let service = Arc::clone(self.host.service_arc());
        self.host = Host::with_config(service, SHARD, shard_config::<S>(known::<S>()), 42);
        let (seen, record) = (expect(self.store.epoch(SHARD)), self.record());
        self.host.handle(Input::Claim { seen, record });
        expect(self.drain());
    }

    /// Another release, newer or older, over the same rows.
    ///
    /// # Errors
    /// It does not know what is in them (T6).
    pub fn release<T: StatefulService>(self, service: T) -> Result<Bench<T>, CannotOwn> {
        Bench::over(service, self.store, self.now)
    }

    /// Raises the write version by one. `others` are releases on other nodes.
    ///
    /// # Errors
    /// Why not (T6).
    pub fn finalize(&mut self, others: &[Known]) -> Result<(), CannotFinalize> {
        let nodes: Vec<Known> = others.iter().copied().chain([known::<S>()]).collect();
        self.versions().finalize(&nodes)?;
        self.with(|host, _, _| host.handle(Input::Finalize { nodes }));
        Ok(())
    }

    /// Lowers the write version by one. No contract that needs it may be offered.
    ///
    /// # Errors
    /// Why not (T6).
    pub fn lower(&mut self, needed: Option<u32>) -> Result<(), CannotLower> {
        let format = self.versions().format.write;
        self.versions().lower(&known::<S>(), format, needed)?;
        self.with(|host, _, _| host.handle(Input::Lower { format, needed }));
        Ok(())
    }

    /// Rewrites every row in the write version.
    ///
    /// # Errors
    /// A row that cannot be rewritten.
    pub fn sweep(&mut self) -> Result<(), Reason> {
        while expect(self.with(|host, base, now| host.sweep(base, now)))? {}
        Ok(())
    }

    /// The versions of the rows.
    #[must_use]
    pub const fn versions(&self) -> ShardVersions {
        self.host.shard().record().versions
    }

    /// The versions of the contract that can be offered by now (T6).
    #[must_use]
    pub fn offered(&self) -> Vec<Version> {
        let versions = self.versions();
        let is_held = |version: &Version| versions.may_offer(S::needs(*version));
        S::Request::VERSIONS.iter().copied().filter(is_held).collect()
    }

    /// Fields that steps back have lost so far (T7).
    #[must_use]
    pub const fn losses(&self) -> u64 {
        self.host.shard().statistics().losses
    }

    /// The tables of the service.
    #[must_use]
    pub fn tables(&self) -> &'static [&'static dyn AnyTable] {
        S::tables()
    }
}

/// What a future yields that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => expect(Err("`prepare` waits: give the bench a request that is prepared")),
    }
}
