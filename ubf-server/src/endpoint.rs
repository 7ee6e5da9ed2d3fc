//! What the connections of a server share. Nothing here is touched for a call: only when
//! connections come and go, when versions are agreed on, when handlers crash, and by operators.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use ubf_codec::{Address, NextIp, Term, Version};
use ubf_net::Peer;
use ubf_proto::server::{Config, Input};
use ubf_proto::{Drain, DrainPlan, LoadMarks, Offer, Phase, Random, Service, Time, Versions};

use crate::clock::Clock;
use crate::counters::{Counters, Counts, Messages};
use crate::erased::AnyService;
use crate::handle::Status;
use crate::log::{error, info, warn};
use crate::mailbox::{Command, Mailbox};
use crate::settings::{LoadPlan, LoadUnit, ServerLimits};

/// Bytes of what a client says of itself that are kept. Chosen: a name and a version.
const MAX_AGENT_BYTES: usize = 64;
/// Agents that a status names. Chosen: more than a fleet has, and a page to read.
const MAX_AGENTS: usize = 64;

pub(crate) struct SharedEndpoint {
    pub(crate) clock: Clock,
    /// As it was at the start: peers may have changed.
    pub(crate) config: Arc<Config>,
    pub(crate) limits: ServerLimits,
    pub(crate) services: BTreeMap<Service, Arc<dyn AnyService>>,
    /// All versions of the services, spoken or not.
    versions: BTreeMap<Service, Versions>,
    own: Own,
    /// Connections that are being turned away, while they read why: a few at a time.
    pub(crate) farewells: Arc<Semaphore>,
    /// Wakes the one that runs the server.
    pub(crate) wake: Notify,
    pub(crate) totals: Counters,
    state: Mutex<State>,
}

/// Where this server is.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) advertised: Vec<Address>,
}

impl Own {
    /// Whether that is this server.
    fn has(&self, address: &Address) -> bool {
        let listens = || {
            self.addresses
                .iter()
                .any(|own| own.to_string().parse::<Address>().as_ref() == Ok(address))
        };
        self.advertised.contains(address) || listens()
    }
}

struct State {
    config: Arc<Config>,
    /// Counts crashes; sessions have a copy of what it says.
    offer: Offer,
    shared_offer: Arc<Offer>,
    random: Random,
    drain: Drain,
    load: Option<Load>,
    next_id: u64,
    entries: HashMap<u64, Arc<ConnectionEntry>>,
    /// Never 0.
    per_address: HashMap<IpAddr, usize>,
    listening: Listening,
    is_aborted: bool,
}

/// R5: a server that drains to its own address leaves it to its successor. Clients are told when
/// they cannot reach this one any longer: a connection that waits to be accepted when a listener is
/// closed is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listening {
    Yes,
    /// The one that runs the server is to stop it.
    Ending,
    No,
}

struct Load {
    plan: LoadPlan,
    marks: LoadMarks,
}

impl State {
    fn tell_all(&self, input: &Input) {
        for entry in self.entries.values() {
            entry.mailbox.command(Command::Tell(Box::new(input.clone())));
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
            LoadUnit::Sessions => self.entries.len(),
            LoadUnit::Calls => {
                self.entries.values().map(|entry| entry.running.load(Ordering::Relaxed)).sum()
            }
        };
        let was_over = load.marks.is_over();
        let is_over = load.marks.observe(amount as u64);
        if is_over != was_over {
            info!(
                load = amount,
                low = load.plan.low,
                high = load.plan.high,
                is_over,
                "load mark passed"
            );
            let next_ip = self.load_next_ip();
            self.tell_all(&Input::NextIp(next_ip));
        }
    }

    /// What a drain says to new sessions, and whether it has been said to the others.
    fn drain_in_force(&self) -> Option<(&DrainPlan, Time)> {
        let is_said = self.drain.phase() == Phase::Draining && self.listening != Listening::Ending;
        if is_said { self.drain.plan().zip(self.drain.deadline()) } else { None }
    }

    fn tell_drain(&self) {
        let Some((plan, until)) = self.drain_in_force() else { return };
        let sessions = self.entries.len();
        for (index, entry) in self.entries.values().enumerate() {
            // R3: paced, so that not all move at once.
            let notice_at = self.drain.notice_at(index, sessions).unwrap_or(until);
            let input = Input::Drain { next_ip: plan.next_ip.clone(), until, notice_at };
            entry.mailbox.command(Command::Tell(Box::new(input)));
        }
    }

    fn abort(&mut self) {
        self.is_aborted = true;
        for entry in self.entries.values() {
            entry.mailbox.command(Command::Cut);
        }
    }
}

/// A connection, as the server sees it.
#[derive(Debug)]
pub(crate) struct ConnectionEntry {
    pub(crate) id: u64,
    pub(crate) peer: Peer,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) running: AtomicUsize,
    pub(crate) messages: Messages,
    agreed: Mutex<Option<Agreed>>,
}

/// What was agreed on last, and with whom.
#[derive(Debug)]
struct Agreed {
    service: Service,
    version: Version,
    agent: Option<Box<str>>,
}

impl ConnectionEntry {
    pub(crate) fn agree(&self, service: Service, version: Version, agent: Option<&str>) {
        let agreed = Agreed { service, version, agent: agent.map(shortened) };
        *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = Some(agreed);
    }
}

/// A copy of what a client says of itself: no more than that is kept, and nothing that could forge
/// a line on a terminal.
fn shortened(agent: &str) -> Box<str> {
    let mut text = String::new();
    for letter in agent
        .chars()
        .map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter })
    {
        if text.len() + letter.len_utf8() > MAX_AGENT_BYTES {
            break;
        }
        text.push(letter);
    }
    text.into()
}

/// The agents that most sessions have; the others are counted together, last.
fn most_common(sessions_by_agent: BTreeMap<Box<str>, usize>) -> Vec<(String, usize)> {
    let mut agents: Vec<_> =
        sessions_by_agent.into_iter().map(|(agent, count)| (String::from(agent), count)).collect();
    agents.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let others: usize = agents.iter().skip(MAX_AGENTS).map(|&(_, count)| count).sum();
    agents.truncate(MAX_AGENTS);
    agents.extend((others > 0).then(|| ("other".into(), others)));
    agents
}

/// A connection's place: given back when it is dropped, however the connection ends.
pub(crate) struct ConnectionGuard {
    pub(crate) endpoint: Arc<SharedEndpoint>,
    pub(crate) entry: Arc<ConnectionEntry>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.entry.mailbox.close();
        if std::thread::panicking() {
            // Code of services does not come so far: this is a fault of our own, or of the stream.
            self.endpoint.totals.connections_crashed.add(1);
            error!(peer = %self.entry.peer, "a connection's task panicked");
        }
        let mut state = self.endpoint.state();
        // Counted under the lock: a status counts this connection once.
        self.endpoint.totals.add(&self.entry.messages);
        state.entries.remove(&self.entry.id);
        if let Some(ip) = self.entry.peer.address().map(|address| address.ip())
            && let Some(count) = state.per_address.get_mut(&ip)
        {
            *count -= 1;
            if *count == 0 {
                state.per_address.remove(&ip);
            }
        }
        if state.load.as_ref().is_some_and(|load| load.plan.unit == LoadUnit::Sessions) {
            state.observe_load();
        }
        if state.drain.phase() != Phase::Serving || state.is_aborted {
            self.endpoint.wake.notify_one();
        }
    }
}

/// What becomes of a connection that was accepted.
pub(crate) enum Admission {
    /// It is served; its session is told these things first.
    Served { guard: ConnectionGuard, start: Start },
    /// It is told this and closed.
    Refused { why: &'static str, start: Start },
}

/// What a session begins with.
pub(crate) struct Start {
    pub(crate) config: Arc<Config>,
    pub(crate) offer: Arc<Offer>,
    pub(crate) input: Input,
}

impl SharedEndpoint {
    pub(crate) fn new(
        config: Config,
        limits: ServerLimits,
        services: BTreeMap<Service, Arc<dyn AnyService>>,
        own: Own,
        offer: Offer,
        seed: u64,
    ) -> Self {
        let config = Arc::new(config);
        let state = State {
            config: Arc::clone(&config),
            shared_offer: Arc::new(offer.clone()),
            offer,
            random: Random::new(seed),
            drain: Drain::default(),
            load: None,
            next_id: 0,
            entries: HashMap::new(),
            per_address: HashMap::new(),
            listening: Listening::Yes,
            is_aborted: false,
        };
        let all = |service: &Service| (service.clone(), state.offer.spoken(service, Time::ZERO));
        Self {
            clock: Clock::start(),
            config,
            limits,
            versions: services.keys().map(all).collect(),
            services,
            own,
            farewells: Arc::new(Semaphore::new(64)),
            wake: Notify::new(),
            totals: Counters::default(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn admit(self: &Arc<Self>, peer: Peer) -> Admission {
        let now = self.clock.now();
        let mut state = self.state();
        let (config, offer) = (Arc::clone(&state.config), Arc::clone(&state.shared_offer));
        let ip = peer.address().map(|address| address.ip());
        let from_there = ip.and_then(|ip| state.per_address.get(&ip).copied()).unwrap_or(0);
        let why = if state.entries.len() >= self.limits.max_connections {
            "too_many_connections"
        } else if from_there >= self.limits.max_connections_per_address {
            "too_many_connections_from_address"
        } else if state.drain.phase() >= Phase::Closing || state.is_aborted {
            "shutdown"
        } else {
            let input = match state.drain_in_force() {
                Some((plan, until)) => {
                    Input::Drain { next_ip: plan.next_ip.clone(), until, notice_at: now }
                }
                None => Input::NextIp(state.load_next_ip()),
            };
            let id = state.next_id;
            state.next_id += 1;
            let entry = Arc::new(ConnectionEntry {
                id,
                peer,
                mailbox: Arc::new(Mailbox::new(self.limits.max_events)),
                running: AtomicUsize::new(0),
                messages: Messages::default(),
                agreed: Mutex::new(None),
            });
            self.totals.connections.add(1);
            state.entries.insert(id, Arc::clone(&entry));
            if let Some(ip) = ip {
                *state.per_address.entry(ip).or_default() += 1;
            }
            if state.load.as_ref().is_some_and(|load| load.plan.unit == LoadUnit::Sessions) {
                // The new session is told by mail, as all are.
                state.observe_load();
            }
            return Admission::Served {
                guard: ConnectionGuard { endpoint: Arc::clone(self), entry },
                start: Start { config, offer, input },
            };
        };
        self.totals.connections_refused.add(1);
        let next_ip = state
            .drain
            .plan()
            .and_then(|plan| plan.next_ip.clone())
            .or_else(|| state.load_next_ip());
        Admission::Refused { why, start: Start { config, offer, input: Input::NextIp(next_ip) } }
    }

    /// N6: counts the crash of a handler; the sessions learn of it if the version is withdrawn for
    /// that.
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
        let is_own = next_ip
            .is_some_and(|next_ip| next_ip.addresses().iter().any(|next| self.own.has(next)));
        if is_own && state.listening == Listening::Yes {
            state.listening = Listening::Ending;
        }
        state.tell_drain();
        self.wake.notify_one();
        true
    }

    pub(crate) fn undrain(&self) -> bool {
        let mut state = self.state();
        if state.listening != Listening::Yes || !state.drain.undo() {
            return false;
        }
        info!(phase = "serving", "undrain");
        state.tell_all(&Input::Undrain);
        let next_ip = state.load_next_ip();
        state.tell_all(&Input::NextIp(next_ip));
        true
    }

    /// Whether the listeners are to be closed though the server goes on. It is asked again after
    /// that was done.
    pub(crate) fn must_leave(&self) -> bool {
        self.state().listening == Listening::Ending
    }

    /// Nobody reaches this server any longer.
    pub(crate) fn has_left(&self) {
        let mut state = self.state();
        state.listening = Listening::No;
        info!("no longer listening");
        state.tell_drain();
    }

    pub(crate) fn set_peers(&self, peers: Vec<Address>) {
        let mut state = self.state();
        let mut config = Config::clone(&state.config);
        config.peers = peers;
        config.peers.retain(|peer| !self.own.has(peer));
        info!(peers = %join(&config.peers), "peers");
        state.config = Arc::new(config);
        state.tell_all(&Input::Config(Arc::clone(&state.config)));
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
        info!(phase = "closing", sessions = state.entries.len(), ?within, "closing");
        state.tell_all(&Input::Close { why: Term::atom("shutdown"), within });
    }

    /// Takes the phases as they come, and tells where the server is and how many connections are
    /// left.
    pub(crate) fn advance(&self) -> (Phase, usize) {
        let now = self.clock.now();
        let mut state = self.state();
        loop {
            let sessions = state.entries.len();
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
        let calls = |entry: &Arc<ConnectionEntry>| entry.running.load(Ordering::Relaxed) as u64;
        self.state().entries.values().map(calls).sum()
    }

    pub(crate) fn status(&self) -> Status {
        let now = self.clock.now();
        let state = self.state();
        let mut sessions_by_version: BTreeMap<(Service, Version), usize> = BTreeMap::new();
        let mut sessions_by_agent: BTreeMap<Box<str>, usize> = BTreeMap::new();
        let mut counts = self.totals.counts();
        for entry in state.entries.values() {
            counts = counts.plus(&entry.messages);
            let agreed = entry.agreed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Agreed { service, version, agent }) = &*agreed {
                *sessions_by_version.entry((service.clone(), *version)).or_default() += 1;
                if let Some(agent) = agent {
                    *sessions_by_agent.entry(agent.clone()).or_default() += 1;
                }
            }
        }
        let spoken = |service: &Service| (service.clone(), state.offer.spoken(service, now));
        let spoken: BTreeMap<Service, Versions> = self.services.keys().map(spoken).collect();
        let withdrawn = self.versions.iter().map(|(service, versions)| {
            let is_spoken =
                |version| spoken.get(service).is_some_and(|spoken| spoken.contains(version));
            (service.clone(), versions.iter().filter(|&version| !is_spoken(version)).collect())
        });
        Status {
            phase: if state.is_aborted { Phase::Stopped } else { state.drain.phase() },
            time_left: state.drain.deadline().map(|deadline| deadline.since(now)),
            next_ip: state
                .drain
                .plan()
                .and_then(|plan| plan.next_ip.clone())
                .or_else(|| state.load_next_ip()),
            is_overloaded: state.load_next_ip().is_some(),
            sessions: state.entries.len(),
            sessions_by_version,
            sessions_by_agent: most_common(sessions_by_agent),
            calls: state.entries.values().map(|entry| entry.running.load(Ordering::Relaxed)).sum(),
            withdrawn: withdrawn.collect(),
            spoken,
            load: state.load.as_ref().map(|load| load.plan.clone()),
            peers: state.config.peers.clone(),
            addresses: self.own.addresses.clone(),
            advertised: self.own.advertised.clone(),
            is_listening: state.listening == Listening::Yes
                && state.drain.phase() < Phase::Closing
                && !state.is_aborted,
            agent: state.config.agent.clone(),
            uptime: now.since(Time::ZERO),
            counts,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.status().counts
    }
}

/// Addresses with commas.
pub(crate) fn join(addresses: &[Address]) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(",")
}

impl std::fmt::Debug for SharedEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedEndpoint")
            .field("services", &self.services.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_kept_in_64_bytes_on_one_line() {
        assert_eq!(&*shortened("ubf/1\nforged"), "ubf/1\u{fffd}forged");
        assert_eq!(shortened(&"a".repeat(64)).len(), 64);
        assert_eq!(shortened(&"a".repeat(65)).len(), 64);
        assert_eq!(shortened(&"é".repeat(40)).len(), 64);
    }

    #[test]
    fn agents_beyond_the_64_most_common_are_counted_together() {
        let agents = |number: usize| {
            (0..number).map(|agent| (format!("a{agent:03}").into(), 1 + agent)).collect()
        };
        assert_eq!(most_common(agents(64)).last(), Some(&("a000".into(), 1)));
        let agents = most_common(agents(66));
        assert_eq!(agents.first(), Some(&("a065".into(), 66)));
        assert_eq!((agents.len(), agents.last()), (65, Some(&("other".into(), 1 + 2))));
    }
}
