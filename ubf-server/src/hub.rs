//! What the connections of a server share. Nothing here is touched for a call: only when connections come and go, when versions are
//! agreed on, when handlers crash, and by operators.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tracing::{info, warn};
use ubf_codec::{NextIp, Term, Version};
use ubf_proto::server::{Config, Input};
use ubf_proto::{Drain, DrainPlan, LoadMarks, Offer, Phase, Random, Service, Time, Versions};

use crate::clock::Clock;
use crate::counters::{Counters, Counts};
use crate::erased::AnyService;
use crate::handle::Status;
use crate::mailbox::{Mailbox, Order};
use crate::settings::{LoadPlan, LoadUnit, ServerLimits};

pub(crate) struct Hub {
    pub(crate) clock: Clock,
    pub(crate) config: Arc<Config>,
    pub(crate) limits: ServerLimits,
    pub(crate) services: BTreeMap<Service, Arc<dyn AnyService>>,
    /// Connections that are being turned away, while they read why: a few at a time.
    pub(crate) farewells: Arc<Semaphore>,
    /// Wakes the one that runs the server.
    pub(crate) wake: Notify,
    totals: Counters,
    state: Mutex<State>,
}

struct State {
    /// Counts crashes; sessions have a copy of what it says.
    offer: Offer,
    shared_offer: Arc<Offer>,
    random: Random,
    drain: Drain,
    load: Option<Load>,
    next_id: u64,
    links: HashMap<u64, Arc<Link>>,
    /// Never 0.
    per_address: HashMap<IpAddr, usize>,
    is_aborted: bool,
}

struct Load {
    plan: LoadPlan,
    marks: LoadMarks,
}

impl State {
    fn tell_all(&self, input: &Input) {
        for link in self.links.values() {
            link.mailbox.order(Order::Tell(Box::new(input.clone())));
        }
    }

    /// Where replies send clients because of the load.
    fn load_next_ip(&self) -> Option<NextIp> {
        self.load.as_ref().filter(|load| load.marks.is_over()).map(|load| load.plan.next_ip.clone())
    }

    fn share_offer(&mut self) {
        self.shared_offer = Arc::new(self.offer.clone());
        self.tell_all(&Input::Offer(Arc::clone(&self.shared_offer)));
    }

    fn observe_load(&mut self) {
        let Some(load) = &mut self.load else { return };
        let amount = match load.plan.unit {
            LoadUnit::Sessions => self.links.len(),
            LoadUnit::Calls => self.links.values().map(|link| link.running.load(Ordering::Relaxed)).sum(),
        };
        let was_over = load.marks.is_over();
        let is_over = load.marks.observe(amount as u64);
        if is_over != was_over {
            info!(load = amount, low = load.plan.low, high = load.plan.high, is_over, "load mark passed");
            let next_ip = self.load_next_ip();
            self.tell_all(&Input::NextIp(next_ip));
        }
    }

    fn abort(&mut self) {
        self.is_aborted = true;
        for link in self.links.values() {
            link.mailbox.order(Order::Abort);
        }
    }
}

/// A connection, as the server sees it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) peer: SocketAddr,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) running: AtomicUsize,
    pub(crate) counters: Counters,
    agreed: Mutex<Option<(Service, Version)>>,
}

impl Link {
    pub(crate) fn agree(&self, service: Service, version: Version) {
        *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = Some((service, version));
    }
}

/// A connection's place: given back when it is dropped, however the connection ends.
pub(crate) struct Seat {
    pub(crate) hub: Arc<Hub>,
    pub(crate) link: Arc<Link>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.link.mailbox.close();
        let mut state = self.hub.state();
        // Counted under the lock: a status counts this connection once.
        self.hub.totals.add(&self.link.counters.counts());
        state.links.remove(&self.link.id);
        let ip = self.link.peer.ip();
        if let Some(count) = state.per_address.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                state.per_address.remove(&ip);
            }
        }
        if state.load.as_ref().is_some_and(|load| load.plan.unit == LoadUnit::Sessions) {
            state.observe_load();
        }
        if state.drain.phase() != Phase::Serving || state.is_aborted {
            self.hub.wake.notify_one();
        }
    }
}

/// What becomes of a connection that was accepted.
pub(crate) enum Admission {
    /// It is served; its session is told these things first.
    Seated { seat: Seat, offer: Arc<Offer>, inputs: Vec<Input> },
    /// It is told this and closed.
    Refused { why: &'static str, offer: Arc<Offer>, next_ip: Option<NextIp> },
}

impl Hub {
    pub(crate) fn new(
        config: Config,
        limits: ServerLimits,
        services: BTreeMap<Service, Arc<dyn AnyService>>,
        offer: Offer,
        seed: u64,
    ) -> Self {
        let state = State {
            shared_offer: Arc::new(offer.clone()),
            offer,
            random: Random::new(seed),
            drain: Drain::default(),
            load: None,
            next_id: 0,
            links: HashMap::new(),
            per_address: HashMap::new(),
            is_aborted: false,
        };
        Self {
            clock: Clock::start(),
            config: Arc::new(config),
            limits,
            services,
            farewells: Arc::new(Semaphore::new(64)),
            wake: Notify::new(),
            totals: Counters::default(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Admission {
        let now = self.clock.now();
        let mut state = self.state();
        let offer = Arc::clone(&state.shared_offer);
        let from_there = state.per_address.get(&peer.ip()).copied().unwrap_or(0);
        let why = if state.links.len() >= self.limits.max_connections {
            "too_many_connections"
        } else if from_there >= self.limits.max_connections_per_address {
            "too_many_connections_from_address"
        } else if state.drain.phase() >= Phase::Closing || state.is_aborted {
            "shutdown"
        } else {
            let inputs = match (state.drain.phase(), state.drain.plan(), state.drain.deadline()) {
                (Phase::Draining, Some(plan), Some(until)) => {
                    vec![Input::Drain { next_ip: plan.next_ip.clone(), until, notice_at: now }]
                }
                _ => vec![Input::NextIp(state.load_next_ip())],
            };
            let id = state.next_id;
            state.next_id += 1;
            let link = Arc::new(Link {
                id,
                peer,
                mailbox: Arc::new(Mailbox::new(self.limits.max_events)),
                running: AtomicUsize::new(0),
                counters: Counters::default(),
                agreed: Mutex::new(None),
            });
            link.counters.connections.add(1);
            state.links.insert(id, Arc::clone(&link));
            *state.per_address.entry(peer.ip()).or_default() += 1;
            if state.load.as_ref().is_some_and(|load| load.plan.unit == LoadUnit::Sessions) {
                // The new session is told by mail, as all are.
                state.observe_load();
            }
            return Admission::Seated { seat: Seat { hub: Arc::clone(self), link }, offer, inputs };
        };
        self.totals.connections_refused.add(1);
        let plan = state.drain.plan().and_then(|plan| plan.next_ip.clone());
        Admission::Refused { why, offer, next_ip: plan.or_else(|| state.load_next_ip()) }
    }

    /// N6: counts the crash of a handler; the sessions learn of it if the version is withdrawn for that.
    pub(crate) fn handler_crashed(&self, service: &Service, version: Version) {
        let now = self.clock.now();
        let mut state = self.state();
        let State { offer, random, .. } = &mut *state;
        let Some(until) = offer.handler_crashed(service, version, now, random) else { return };
        self.totals.withdrawn.add(1);
        let for_ms = u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX);
        warn!(%service, %version, for_ms, "version withdrawn");
        state.share_offer();
    }

    pub(crate) fn withdraw(&self, service: &Service, version: Version) -> bool {
        let mut state = self.state();
        let is_done = state.offer.withdraw(service, version);
        if is_done {
            info!(%service, %version, "version withdrawn by the operator");
            state.share_offer();
        }
        is_done
    }

    pub(crate) fn restore(&self, service: &Service, version: Version) -> bool {
        let mut state = self.state();
        let is_done = state.offer.restore(service, version);
        if is_done {
            info!(%service, %version, "version restored");
            state.share_offer();
        }
        is_done
    }

    pub(crate) fn set_load(&self, plan: Option<LoadPlan>) {
        let mut state = self.state();
        let was_over = state.load_next_ip().is_some();
        state.load = plan.map(|plan| Load { marks: LoadMarks::new(plan.low, plan.high), plan });
        if was_over {
            state.tell_all(&Input::NextIp(None));
        }
        state.observe_load();
        self.wake.notify_one();
    }

    /// How long the one that runs the server may wait before it looks at the load.
    pub(crate) fn load_period(&self) -> Option<Duration> {
        let state = self.state();
        let is_sampled = state.load.as_ref().is_some_and(|load| load.plan.unit == LoadUnit::Calls);
        is_sampled.then(|| Duration::from_millis(100))
    }

    pub(crate) fn observe_load(&self) {
        self.state().observe_load();
    }

    pub(crate) fn drain(&self, plan: DrainPlan) -> bool {
        let now = self.clock.now();
        let mut state = self.state();
        let DrainPlan { next_ip, grace, hard_stop } = plan.clone();
        if state.is_aborted || !state.drain.start(plan, now) {
            return false;
        }
        let goal = next_ip.as_ref().map_or_else(|| "?".into(), ToString::to_string);
        info!(phase = "draining", next_ip = goal, ?grace, ?hard_stop, "drain");
        let until = now + grace;
        let sessions = state.links.len();
        for (index, link) in state.links.values().enumerate() {
            // R3: paced, so that not all move at once.
            let notice_at = state.drain.notice_at(index, sessions).unwrap_or(now);
            let input = Input::Drain { next_ip: next_ip.clone(), until, notice_at };
            link.mailbox.order(Order::Tell(Box::new(input)));
        }
        self.wake.notify_one();
        true
    }

    pub(crate) fn undrain(&self) -> bool {
        let mut state = self.state();
        if !state.drain.undo() {
            return false;
        }
        info!(phase = "serving", "undrain");
        state.tell_all(&Input::Undrain);
        let next_ip = state.load_next_ip();
        state.tell_all(&Input::NextIp(next_ip));
        true
    }

    pub(crate) fn shut_down(&self, hard_stop: Duration) {
        let mut state = self.state();
        if state.drain.phase() >= Phase::Closing {
            return;
        }
        // The grace of a drain that has begun is over.
        state.drain.close_now(hard_stop, self.clock.now());
        self.begin_closing(&state, hard_stop);
        self.wake.notify_one();
    }

    pub(crate) fn abort(&self) {
        let mut state = self.state();
        if !state.is_aborted {
            info!("stopped now");
            state.abort();
        }
        self.wake.notify_one();
    }

    fn begin_closing(&self, state: &State, within: Duration) {
        info!(phase = "closing", sessions = state.links.len(), ?within, "closing");
        state.tell_all(&Input::Close { why: Term::atom("shutdown"), within });
    }

    /// Takes the phases as they come, and tells where the server is and how many connections are left.
    pub(crate) fn advance(&self) -> (Phase, usize) {
        let now = self.clock.now();
        let mut state = self.state();
        loop {
            let sessions = state.links.len();
            if state.is_aborted {
                return (Phase::Stopped, sessions);
            }
            let before = state.drain.phase();
            let phase = state.drain.advance(now, sessions);
            if phase == before {
                return (phase, sessions);
            }
            match phase {
                Phase::Closing => {
                    let within = state.drain.plan().map_or(Duration::ZERO, |plan| plan.hard_stop);
                    self.begin_closing(&state, within);
                }
                Phase::Stopped => {
                    info!(phase = "stopped", sessions, "stopped");
                    state.abort();
                }
                Phase::Serving | Phase::Draining => {}
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.state().drain.deadline()
    }

    /// Calls that run on connections that did not end when they were told to.
    pub(crate) fn calls_left(&self) -> u64 {
        let calls = |link: &Arc<Link>| link.running.load(Ordering::Relaxed) as u64;
        self.state().links.values().map(calls).sum()
    }

    pub(crate) fn status(&self) -> Status {
        let now = self.clock.now();
        let state = self.state();
        let mut sessions_by_version: BTreeMap<(Service, Version), usize> = BTreeMap::new();
        let mut counts = self.totals.counts();
        for link in state.links.values() {
            counts = counts.plus(&link.counters.counts());
            let agreed = link.agreed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(agreed) = agreed.clone() {
                *sessions_by_version.entry(agreed).or_default() += 1;
            }
        }
        let spoken = |service: &Service| (service.clone(), state.offer.spoken(service, now));
        let spoken: BTreeMap<Service, Versions> = self.services.keys().map(spoken).collect();
        Status {
            phase: if state.is_aborted { Phase::Stopped } else { state.drain.phase() },
            time_left: state.drain.deadline().map(|deadline| deadline.since(now)),
            next_ip: state.drain.plan().and_then(|plan| plan.next_ip.clone()).or_else(|| state.load_next_ip()),
            is_overloaded: state.load_next_ip().is_some(),
            sessions: state.links.len(),
            sessions_by_version,
            calls: state.links.values().map(|link| link.running.load(Ordering::Relaxed)).sum(),
            spoken,
            counts,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.status().counts
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("services", &self.services.keys()).finish_non_exhaustive()
    }
}
