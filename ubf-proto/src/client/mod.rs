//! The client's side: one [`ClientSession`] outlives its connections.
//!
//! ```text
//!                       ┌───────────── lost: NextIP, peers, start (R4) ─────────────┐
//!                       v                                                           │
//! BackingOff ──> Connecting ──> Negotiating ──agreed──> Ready ──NextIP──> Moving ───┤
//!      ^               │              │                   ^                 │       │
//!      └───all tried───┴──────────────┘                   └─agreed there,───┘       │
//!                                                           or it does not work     │
//!                                        Ready, Moving ─────────────────────────────┘
//! ```

mod accepted;
mod asking;
mod at_once;
mod attach;
mod calls;
mod config;
mod connection;
mod error;
mod failover;
mod fallback;
mod held;
mod input;
mod leave;
mod loss;
mod moves;
mod negotiate;
mod negotiation;
mod notice;
mod output;
mod plan;
mod receive;
mod remembered;
mod route;
mod scratch;
mod send;
mod settle;
mod statistics;
mod violation;
mod withdrawn;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BytesMut;
use ubf_codec::{Address, Host, Limits, Term, Version};

pub use self::at_once::Leaving;
pub use self::config::Config;
pub use self::error::CallError;
pub use self::input::{Call, CallId, Input};
pub use self::loss::{Cause, Loss, LossReason};
pub use self::notice::Notice;
pub use self::output::{ConnectionId, Done, InSession, NamedBy, Output};
pub use self::plan::SessionPlan;
pub use self::scratch::Scratch;
pub use self::statistics::Statistics;
pub use self::violation::Violation;

use self::calls::{OpenCall, Rendering, Waiting};
use self::connection::{Awaited, Connection};
use self::held::{Held, Place};
use self::route::Route;
use self::withdrawn::Withdrawn;
use crate::mutant::{Mutant, is_on};
use crate::quarantine::Quarantine;
use crate::random::Random;
use crate::redirect::{is_lower_case, lower_case};
use crate::session::{Level, SessionId};
use crate::time::Time;

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// For the moment to try all addresses again.
    BackingOff,
    /// For a connection.
    Connecting,
    /// For the server's choice of a version.
    Negotiating,
    /// For calls.
    Ready,
    /// For another server to agree, while the old connection lives.
    Moving,
    /// For nothing: the session is closed.
    Closed,
}

impl State {
    /// The word for it in logs and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackingOff => "backing off",
            Self::Connecting => "connecting",
            Self::Negotiating => "negotiating",
            Self::Ready => "ready",
            Self::Moving => "moving",
            Self::Closed => "closed",
        }
    }
}

/// A client's session with a service, over one connection after the other.
///
/// Tell it what happens with [`handle`](Self::handle), do what [`poll_output`](Self::poll_output)
/// says until that is nothing, and wake it at [`poll_timeout`](Self::poll_timeout) with
/// [`Input::Tick`]. It begins to connect when it is first polled.
///
/// # Limits
/// Outputs are made one at a time, when they are asked for. [`Config`] names all limits.
#[derive(Debug)]
pub struct ClientSession {
    /// Clients of one process may have the same ones.
    config: Arc<Config>,
    random: Random,
    now: Time,
    outputs: VecDeque<Output>,
    quarantine: Quarantine,
    withdrawn: Withdrawn,
    /// N12: why versions are in quarantine.
    reasons: BTreeMap<Version, Term>,
    /// N3: the version agreed on last.
    remembered: Option<Version>,
    /// N3: what that server accepted (N12), if it is known.
    remembered_limits: Option<Arc<Limits>>,
    /// N13: the highest version that each server offered.
    offered: Vec<(Address, Version)>,
    waiting: Waiting,
    /// Calls that have not ended: those that wait, and those in flight that were not abandoned.
    open_calls: usize,
    next_sequence: u64,
    /// No open call's time is over before.
    calls_due: Option<Time>,
    /// No quarantine ends before, and no withdrawn version is asked for again.
    quarantine_due: Option<Time>,
    /// The connection that messages go to.
    current: Option<Box<Connection>>,
    /// The one that they will go to when it has agreed.
    next: Option<Box<Connection>>,
    /// The session, if a server has granted one that is not given up.
    held: Option<Box<Held>>,
    /// S1: the name of the next session.
    stock: Option<SessionId>,
    /// The shell was asked for one.
    is_stock_ordered: bool,
    next_connection: u64,
    /// R7: the name of the last server that nobody else named.
    original: Option<Host>,
    route: Route,
    /// What ended last, unless a server has agreed since.
    last_loss: Option<Arc<Loss>>,
    /// Time is judged when all that came in has been taken out.
    is_time_checked: bool,
    /// Nothing came in since the last call was sent.
    is_sending: bool,
    /// There is nothing to do before something comes in.
    is_settled: bool,
    is_closing: bool,
    is_closed: bool,
    /// L1: the shell reads what servers say.
    is_reading: bool,
    statistics: Statistics,
}

/// What is to be known about a session that a client has (S1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStatus {
    /// The sessions of this client are counted from 1.
    pub ordinal: u64,
    /// Its name, which is shown as a short hash.
    pub id: SessionId,
    /// What it survives.
    pub level: Level,
    /// Since when it has no connection. `None` if it has one.
    pub parked_since: Option<Time>,
}

/// Which of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Current,
    Next,
}

impl ClientSession {
    /// A session. `seed` decides all that is random: grease and jitter. Sessions that are set alike
    /// may share their settings.
    #[must_use]
    pub fn new(config: impl Into<Arc<Config>>, seed: u64, now: Time) -> Self {
        let mut config = config.into();
        if !config.addresses.iter().all(is_lower_case) {
            let config = Arc::make_mut(&mut config);
            config.addresses = config.addresses.iter().map(lower_case).collect();
        }
        let mut route = Route::default();
        route.begin_round(&config.addresses, None);
        Self {
            random: Random::new(seed),
            now,
            outputs: VecDeque::new(),
            quarantine: Quarantine::new(config.quarantine),
            withdrawn: Withdrawn::new(config.quarantine, config.remembered),
            reasons: BTreeMap::new(),
            remembered: config.remembered,
            remembered_limits: None,
            offered: Vec::new(),
            waiting: Waiting::default(),
            open_calls: 0,
            next_sequence: 0,
            calls_due: None,
            quarantine_due: None,
            current: None,
            next: None,
            held: None,
            stock: None,
            is_stock_ordered: false,
            next_connection: 0,
            original: None,
            route,
            last_loss: None,
            is_time_checked: false,
            is_sending: false,
            is_settled: false,
            is_closing: false,
            is_closed: false,
            is_reading: true,
            statistics: Statistics::default(),
            config,
        }
    }

    /// Takes in what happened. `now` never goes back.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.now = self.now.max(now);
        if self.is_closed {
            if let Input::Call(call) = input {
                self.outputs
                    .push_back(Output::Ended { call: call.id, outcome: Err(CallError::Closed) });
            }
            return;
        }
        match input {
            Input::Connected { connection, peer, tls } => self.connected(connection, peer, tls),
            Input::ConnectFailed { connection, cause } => {
                self.lost(connection, LossReason::ConnectFailed { cause });
            }
            Input::Received { connection, bytes } => {
                let now = self.now;
                if let Some(link) = self.connection_mut(connection) {
                    link.last_received = now;
                    link.inbound.push(bytes, now);
                }
            }
            Input::Reading { is_reading } => self.reading(is_reading),
            Input::Written { connection, count } => {
                let (now, max_unsent) = (self.now, self.config.max_unsent_bytes);
                let mut was_full = false;
                if let Some(link) = self.connection_mut(connection) {
                    was_full = link.unsent >= max_unsent;
                    link.unsent = link.unsent.saturating_sub(count);
                    link.last_written = now;
                }
                if !was_full {
                    // Nobody waits for room: there is nothing to do that there was not before, but
                    // for what has its time.
                    return;
                }
            }
            Input::Closed { connection } => {
                // What came before the end is still read.
                while self.connection_mut(connection).is_some_and(|link| link.inbound.is_fresh())
                    && self.receive()
                {}
                self.lost(connection, LossReason::Closed);
            }
            Input::Opened { connection } => {
                // One that is gone has nothing to be opened.
                if let Some(link) = self.connection_mut(connection) {
                    link.is_held = false;
                }
            }
            Input::NotOpened { connection } => self.lost(connection, LossReason::NotOpened),
            Input::Call(call) => self.call(call),
            Input::Cancel { call } => self.cancel(call),
            Input::Rendered { call, version, body } => {
                if let Some(call) = self.waiting.find(call)
                    && call.rendering == Rendering::Asked(version)
                {
                    call.rendering = Rendering::Ready(version, body);
                }
            }
            Input::Inexpressible { call, version } => {
                let is_asked = |call: &mut OpenCall| call.rendering == Rendering::Asked(version);
                if self.waiting.find(call).is_some_and(is_asked)
                    && let Some(call) = self.waiting.remove(call)
                {
                    self.end(&call, Err(CallError::Inexpressible { version }));
                }
            }
            Input::Crashed { version, call, why } => self.crashed(version, call, &why),
            Input::Quarantined { version, until } => self.quarantined(version, until),
            Input::SessionId(id) => self.stock(id),
            Input::Close => self.is_closing = true,
            Input::Tick => {}
        }
        self.is_time_checked = false;
        self.is_sending = false;
        self.is_settled = false;
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if let Some(output) = self.receive_at_once() {
                return Some(output);
            }
            // What came was another packet, which may have made outputs.
            if !self.outputs.is_empty() {
                continue;
            }
            self.is_settled = self.is_settled || self.is_closed || !self.step();
            if self.is_settled && self.outputs.is_empty() {
                return None;
            }
        }
    }

    /// A place for the bytes that come next on a connection, if a large packet is on its way: what
    /// is read there, and given as [`Input::Received`], is not copied. As
    /// [`ServerSession::room`](crate::ServerSession::room).
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use ubf_proto::client::{ClientSession, Config, Input, Output};
    /// use ubf_proto::{Time, Versions};
    ///
    /// let now = Time::ZERO;
    /// let mut config = Config::new(vec!["192.0.2.1:4000".parse()?], Versions::of([1]));
    /// config.session = ubf_proto::client::SessionPlan::off();
    /// let mut session = ClientSession::new(config, 42, now);
    /// let Some(Output::Connect { connection, .. }) = session.poll_output() else { panic!() };
    /// session.handle(Input::Connected { connection, peer: None, tls: false }, now);
    /// while session.poll_output().is_some() {}
    /// let mut bytes = BytesMut::from(&b"1 ? {100000~"[..]);
    /// bytes.resize(16_384, b'a');
    /// session.handle(Input::Received { connection, bytes }, now);
    /// while session.poll_output().is_some() {}
    /// let mut bytes = session.room(connection).unwrap();
    /// assert!(bytes.capacity() > 80_000);
    /// bytes.extend_from_slice(b"read from a socket");
    /// session.handle(Input::Received { connection, bytes }, now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn room(&mut self, connection: ConnectionId) -> Option<BytesMut> {
        self.connection_mut(connection)?.inbound.room()
    }

    /// When to give [`Input::Tick`] if nothing else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.is_closed {
            return None;
        }
        let of_connection = |link: &Option<Box<Connection>>| {
            link.as_ref().map_or(Time::NEVER, |link| link.timeout(&self.config, self.is_reading))
        };
        let others = [
            self.calls_due,
            self.quarantine_due,
            self.travel_at(),
            self.negotiation_at(),
            self.session_at(),
        ];
        // S11: a connection that is not listened to has no time.
        let of_current = if self.is_frozen() { Time::NEVER } else { of_connection(&self.current) };
        let first = of_current.min(of_connection(&self.next));
        others.into_iter().flatten().fold(first, Time::min).if_ever()
    }

    /// What the session waits for.
    #[must_use]
    pub fn state(&self) -> State {
        match (&self.current, &self.next) {
            _ if self.is_closed => State::Closed,
            (Some(_), Some(_)) if !self.is_asking(Slot::Next) => State::Moving,
            (Some(link), _) if link.in_force.is_none() => State::Negotiating,
            (Some(_), _) => State::Ready,
            (None, Some(link)) if link.is_open() => State::Negotiating,
            (None, Some(_)) => State::Connecting,
            (None, None) if self.route.way.retry_at().is_some() => State::BackingOff,
            (None, None) => State::Connecting,
        }
    }

    /// The version of the next message, if one is agreed on.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.current.as_ref().and_then(|link| link.in_force)
    }

    /// The address that messages go to.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.current.as_ref().map(|link| &link.address)
    }

    /// R5: moves since the last executed call.
    #[must_use]
    pub const fn hops(&self) -> u32 {
        self.route.hops
    }

    /// The versions in quarantine, and until when.
    pub fn quarantine(&self) -> impl Iterator<Item = (Version, Time)> + '_ {
        self.quarantine.iter(self.now)
    }

    /// Calls that have not ended.
    #[must_use]
    pub const fn open_calls(&self) -> usize {
        self.open_calls
    }

    /// The session that a server has granted, if it is not given up.
    #[must_use]
    pub fn session(&self) -> Option<SessionStatus> {
        let held = self.held.as_ref()?;
        Some(SessionStatus {
            ordinal: held.ordinal,
            id: held.id(),
            level: held.grant.level,
            parked_since: match &held.place {
                Place::Attached(_) => None,
                Place::Parked { since, .. } => Some(*since),
            },
        })
    }

    /// L1: whether the shell reads what servers say, as it has told with
    /// [`Input::Reading`].
    #[must_use]
    pub const fn is_reading(&self) -> bool {
        self.is_reading
    }

    /// What is set for it.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Counters.
    #[must_use]
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// L1: time that the shell does not read is nobody's silence.
    fn reading(&mut self, is_reading: bool) {
        if is_reading && !self.is_reading {
            for link in [&mut self.current, &mut self.next].into_iter().flatten() {
                link.is_read_again(self.now);
            }
        }
        self.statistics.pauses += u64::from(!is_reading && self.is_reading);
        self.is_reading = is_reading;
    }

    fn overdue(&self, link: &Connection) -> Option<LossReason> {
        link.overdue(&self.config, self.is_reading, self.now)
    }

    /// One piece of work. `false` if there is none.
    fn step(&mut self) -> bool {
        // A call that is sent leaves all as it was, but for what is sent and what there is to
        // close: a batch of them does not look at all again and again.
        if self.is_sending {
            self.is_sending = self.send_call();
            return self.is_sending || self.ask() || self.finish();
        }
        if self.need_session_id()
            || self.receive()
            || self.check_time()
            || self.end_doomed()
            || self.promote()
            || self.step_travel()
            || self.negotiate()
        {
            return true;
        }
        self.is_sending = self.send();
        self.is_sending || self.finish()
    }

    fn call(&mut self, call: Call) {
        let refusal = if self.is_closing {
            Some(CallError::Closed)
        } else if self.open_calls >= self.config.max_pending && call.opens.is_none() {
            Some(CallError::Overloaded { max_pending: self.config.max_pending })
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.statistics.calls += 1;
            self.statistics.errors += 1;
            self.outputs.push_back(Output::Ended { call: call.id, outcome: Err(refusal) });
            return;
        }
        let call = self.open(call);
        self.waiting.insert(call);
    }

    fn cancel(&mut self, id: CallId) {
        if let Some(call) = self.waiting.remove(id) {
            let may_have_run = call.may_have_run();
            return self.end(&call, Err(CallError::Cancelled { may_have_run }));
        }
        let is_it = |call: &OpenCall| call.id == id;
        if let Some((call, may_have_run)) = self.abandon(is_it) {
            self.end(&call, Err(CallError::Cancelled { may_have_run }));
        }
    }

    /// Waits for an answer no longer, but keeps its place in the order. Tells whether the call may
    /// have run.
    fn abandon(&mut self, is_it: impl Fn(&OpenCall) -> bool) -> Option<(OpenCall, bool)> {
        let links = [&mut self.current, &mut self.next].into_iter().flatten();
        let mut in_flight = links.flat_map(|link| &mut link.in_flight);
        if let Some(call) = in_flight.find_map(|sent| sent.abandon(&is_it)) {
            return Some((call, true));
        }
        match self.held.as_deref_mut() {
            // S7.15: what a closing owner has not taken is sent again after a resume, or not at
            // all.
            Some(Held { place: Place::Parked { messages, ending, .. }, .. }) => {
                messages.iter_mut().find_map(|sent| {
                    let may_have_run =
                        ending.may_have_run(sent) || is_on(Mutant::NotTakenMayHaveRun);
                    Some((sent.abandon(&is_it)?, may_have_run))
                })
            }
            Some(Held { place: Place::Attached(_), .. }) | None => None,
        }
    }

    /// Ends a call. Whoever calls this has taken it out of where it was.
    fn end(&mut self, call: &OpenCall, outcome: Result<Done, CallError>) {
        self.open_calls -= 1;
        // A call that was repeated may have run on the connection that was lost, whatever became of
        // it after that.
        let outcome = match outcome {
            Err(error) if call.may_have_run() && !error.may_have_run() => {
                Err(CallError::Indeterminate { loss: self.last_loss.clone() })
            }
            outcome @ (Ok(_) | Err(_)) => outcome,
        };
        match &outcome {
            Ok(_) => self.statistics.done += 1,
            Err(error) => {
                self.statistics.errors += 1;
                self.statistics.indeterminate += u64::from(error.may_have_run());
            }
        }
        self.outputs.push_back(Output::Ended { call: call.id, outcome });
    }

    /// L2: ends a call whose time is over.
    fn end_late(&mut self, call: &OpenCall, may_have_run: bool) {
        let last_loss = self.last_loss.clone();
        self.end(call, Err(CallError::Deadline { may_have_run, last_loss }));
    }

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }

    fn connection_mut(&mut self, connection: ConnectionId) -> Option<&mut Connection> {
        let links = [self.current.as_deref_mut(), self.next.as_deref_mut()];
        links.into_iter().flatten().find(|link| link.id == connection)
    }

    fn peek(&self, slot: Slot) -> Option<&Connection> {
        match slot {
            Slot::Current => self.current.as_deref(),
            Slot::Next => self.next.as_deref(),
        }
    }

    fn slot(&mut self, slot: Slot) -> &mut Option<Box<Connection>> {
        match slot {
            Slot::Current => &mut self.current,
            Slot::Next => &mut self.next,
        }
    }

    /// Ends what has taken too long (L1, L2), once for each input. `false` if that is nothing.
    fn check_time(&mut self) -> bool {
        if self.is_time_checked {
            return false;
        }
        self.is_time_checked = true;
        let mut is_something_over = false;
        for slot in [Slot::Current, Slot::Next] {
            if slot == Slot::Current && self.is_frozen() {
                continue;
            }
            let link = match slot {
                Slot::Current => &self.current,
                Slot::Next => &self.next,
            };
            let overdue = link.as_ref().and_then(|link| Some((link.id, self.overdue(link)?)));
            if let Some((connection, reason)) = overdue {
                self.lost(connection, reason);
                is_something_over = true;
            }
        }
        if self.calls_due.is_some_and(|due| self.now >= due) {
            self.end_due_calls();
            is_something_over = true;
        }
        is_something_over |= self.end_parked();
        if self.quarantine_due.is_some_and(|due| self.now >= due) {
            self.end_quarantines();
            is_something_over = true;
        }
        is_something_over
    }

    fn end_due_calls(&mut self) {
        let now = self.now;
        while let Some(call) = self.waiting.pop_due(now) {
            let may_have_run = call.may_have_run();
            self.end_late(&call, may_have_run);
        }
        while let Some((call, may_have_run)) = self.abandon(|call| call.deadline <= now) {
            self.end_late(&call, may_have_run);
        }
        let parked = match self.held.as_deref() {
            Some(Held { place: Place::Parked { messages, .. }, .. }) => Some(messages),
            Some(Held { place: Place::Attached(_), .. }) | None => None,
        };
        let links = [&self.current, &self.next].into_iter().flatten();
        let sent = links.flat_map(|link| &link.in_flight).chain(parked.into_iter().flatten());
        let deadlines = sent.filter_map(|sent| match &sent.awaited {
            Awaited::Reply { call, .. } => Some(call.deadline),
            Awaited::Abandoned { .. } | Awaited::Agreement { .. } | Awaited::Pong => None,
        });
        self.calls_due = deadlines.chain(self.waiting.earliest_deadline()).min();
    }

    /// Closes the session when it shall and can.
    fn finish(&mut self) -> bool {
        if !self.is_closing || self.open_calls > 0 {
            return false;
        }
        self.end_session();
        for slot in [Slot::Current, Slot::Next] {
            if let Some(link) = self.slot(slot).take() {
                self.outputs.push_back(Output::Close { connection: link.id });
            }
        }
        self.is_closed = true;
        self.outputs.push_back(Output::Finished);
        true
    }
}
