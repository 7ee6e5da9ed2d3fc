//! What the connections of a server share: the machine that decides for all of them, under a lock,
//! and a way to reach each. Nothing here is touched for a call: only when connections come and go,
//! when handlers crash, and by operators.

mod moving;
mod showing;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Wake as _;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, watch};
use ubf_codec::Address;
use ubf_net::{Listener, Peer};
use ubf_proto::endpoint::{
    Admission, ConnectionKey, Endpoint, Input, Notice, Opening, Output, Resumption, SessionKey,
    SessionLimits, Start,
};
use ubf_proto::server::{self, Config, SessionAnswer};
use ubf_proto::session::{Grant, NoSession, Resume, Wish};
use ubf_proto::{Phase, ServerSession, Service, Time, Versions, endpoint};

use crate::admission::{NOT_ALLOWED, Rule};
use crate::call_times::AllTimes;
use crate::clock::Clock;
use crate::connection::{Attach, Resting};
use crate::counters::Counters;
use crate::entry::ConnectionEntry;
use crate::erased::AnyService;
use crate::handle::SessionCounts;
use crate::log::{error, info, millis, warn};
use crate::mailbox::{Command, Mailbox};
use crate::origin::origin;
use crate::owner::SessionOwner;
use crate::session::{ByKey, SessionEntry, SessionGuard};
use crate::settings::ServerLimits;
use crate::takeover::Doors;

/// Connections that are being turned away, while they read why. Chosen: a herd of clients is told,
/// and a flood takes no more descriptors than that. Of the others nothing is read.
const MAX_FAREWELLS: usize = 1_024;

pub(crate) struct SharedEndpoint {
    pub(crate) clock: Clock,
    /// As it was at the start: peers may have changed.
    pub(crate) config: Arc<Config>,
    pub(crate) limits: ServerLimits,
    /// S6: bytes that all sessions may keep.
    max_kept_in_all: usize,
    pub(crate) services: BTreeMap<Service, Code>,
    /// Who may use it.
    pub(crate) rule: Rule,
    /// Whether a service has an owner: most servers have none, and need not look.
    has_owners: bool,
    /// All versions of the services, spoken or not.
    versions: BTreeMap<Service, Versions>,
    own: Own,
    /// A permit for each connection that is being turned away.
    pub(crate) farewells: Arc<Semaphore>,
    /// Wakes the one that runs the server.
    pub(crate) wake: Notify,
    /// U2: whether listeners take connections.
    pub(crate) doors: watch::Sender<Doors>,
    /// Listeners that do.
    pub(crate) open_doors: watch::Sender<usize>,
    /// U1: the listeners, by their names. A copy of one is made under the lock alone, so that one
    /// that is closed is closed.
    listeners: Mutex<Vec<(String, Arc<Listener>)>>,
    /// U2: what stock peers are served, for connections of theirs that come from another process.
    #[cfg(feature = "classic")]
    pub(crate) classic: OnceLock<Arc<crate::classic::Settled>>,
    /// The mailbox of connections that are gone: it is closed.
    nobody: Arc<Mailbox>,
    pub(crate) totals: Counters,
    /// How long calls take. `None`: nobody wants to know.
    pub(crate) call_times: Option<AllTimes>,
    /// S6: bytes that are kept in all sessions, about.
    kept: AtomicUsize,
    /// Where sessions that rested go on.
    runtime: OnceLock<Handle>,
    is_crowded: AtomicBool,
    state: Mutex<State>,
}

/// What does the work of a service.
pub(crate) enum Code {
    /// It runs in the tasks of connections.
    Handler(Arc<dyn AnyService>),
    /// T3: it keeps its sessions, and runs where it wants to.
    Owner(Arc<dyn SessionOwner>),
}

/// Where this server is.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) advertised: Vec<Address>,
}

impl Own {
    /// All names of this server.
    fn names(&self) -> Vec<Address> {
        let listens = self.addresses.iter().filter_map(|own| own.to_string().parse().ok());
        listens.chain(self.advertised.iter().cloned()).collect()
    }
}

struct State {
    endpoint: Endpoint,
    /// Those that the endpoint has admitted.
    entries: HashMap<ConnectionKey, Arc<ConnectionEntry>>,
    /// Those that the endpoint has granted.
    sessions: HashSet<ByKey>,
    /// The one that runs the server is to close the listeners.
    must_stop_listening: bool,
    /// As they were told last to those who watch them.
    session_counts: watch::Sender<SessionCounts>,
}

impl State {
    /// Does what the endpoint says. What is left is to be done without the lock.
    fn deliver(&mut self, now: Time) -> Later {
        let mut later = Later::default();
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Tell(connection, input) => {
                    if let Some(entry) = self.entries.get(&connection) {
                        let command = Command::Tell(connection, Box::new(input));
                        entry.mailbox().command(command);
                    }
                }
                Output::Cut(connection) => {
                    if let Some(entry) = self.entries.get(&connection) {
                        entry.mailbox().command(Command::Cut(connection));
                    }
                }
                Output::EndSession(session) => {
                    later.ended.extend(self.session(session));
                }
                Output::WakeSession(session) => {
                    later.woken.extend(self.session(session));
                }
                Output::StopListening => self.must_stop_listening = true,
                Output::CountCalls => {
                    let calls = self.calls() as u64;
                    self.endpoint.handle(Input::Calls(calls), now);
                }
                Output::Notice(notice) => later.notices.push(notice),
                _ => debug_assert!(false, "an output that this shell does not know"),
            }
        }
        later
    }

    fn session(&self, key: SessionKey) -> Option<Arc<SessionEntry>> {
        self.sessions.get(&key).map(|known| Arc::clone(known))
    }

    /// S6: how many sessions there are now.
    fn count_sessions(&self) -> SessionCounts {
        let (present, parked) = self.endpoint.sessions();
        SessionCounts { present, parked }
    }

    /// Tells those who watch how many sessions there are.
    fn show_sessions(&self) {
        if self.session_counts.receiver_count() > 0 {
            let counts = self.count_sessions();
            self.session_counts
                .send_if_modified(|shown| std::mem::replace(shown, counts) != counts);
        }
    }

    /// Requests whose handlers run.
    fn calls(&self) -> usize {
        self.entries.values().map(|entry| entry.running.load(Ordering::Relaxed)).sum()
    }
}

/// What is done when the lock is free again.
#[derive(Default)]
struct Later {
    /// To write a line may take a while.
    notices: Vec<Notice>,
    /// Sessions that are to end, and those whose time is over: their tasks may end at once, and
    /// need the lock for that.
    ended: Vec<Arc<SessionEntry>>,
    woken: Vec<Arc<SessionEntry>>,
}

/// Sessions that rest do so until the end. They are in their own mailboxes' bells.
impl Drop for State {
    fn drop(&mut self) {
        for session in &self.sessions {
            session.mailbox.close();
        }
    }
}

/// A connection's place: given back when it is dropped, however the connection ends.
pub(crate) struct ConnectionGuard {
    pub(crate) endpoint: Arc<SharedEndpoint>,
    pub(crate) entry: Arc<ConnectionEntry>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.entry.mailbox().close();
        if std::thread::panicking() {
            // Code of services does not come so far: this is a fault of our own, or of the stream.
            self.endpoint.totals.connections_crashed.add(1);
            error!(peer = %self.entry.peer, "a connection's task panicked");
        }
        let key = self.entry.key;
        let phase = self.endpoint.with_state(|state, now| {
            // Counted under the lock: a status counts this connection once.
            self.endpoint.totals.add(&self.entry.messages);
            state.entries.remove(&key);
            state.endpoint.handle(Input::Closed(key), now);
            state.endpoint.phase()
        });
        // Nobody can reach it any more, and a session that goes on knows it for long.
        self.entry.set_mailbox(Arc::clone(&self.endpoint.nobody));
        if phase != Phase::Serving {
            self.endpoint.wake.notify_one();
        }
    }
}

/// What becomes of a connection whose client wants to go on with a session (S4).
pub(crate) enum HandOver {
    /// The session has it.
    Done,
    /// S6: the session has rested, and the connection's task goes on with it.
    Rested(Arc<SessionEntry>, Box<Resting>),
    /// There is none to go on with.
    Answer(SessionAnswer),
}

/// What becomes of a connection that was accepted.
pub(crate) enum Welcome {
    /// It is served.
    Served { guard: ConnectionGuard, start: Start },
    /// It is told why not, and closed.
    TurnedAway { why: &'static str, start: Start },
}

impl SharedEndpoint {
    pub(crate) fn new(
        config: Config,
        limits: ServerLimits,
        sessions: &SessionLimits,
        services: BTreeMap<Service, Code>,
        own: Own,
        offer: ubf_proto::Offer,
        seed: u64,
    ) -> Self {
        let all = |service: &Service| (service.clone(), offer.spoken(service, Time::ZERO));
        let versions = services.keys().map(all).collect();
        let mut settings = endpoint::Config::default();
        settings.session = config.clone();
        settings.max_connections = limits.max_connections;
        settings.max_connections_per_address = limits.max_connections_per_address;
        settings.max_last_words_time = limits.max_linger_time;
        settings.own = own.names();
        settings.sessions = sessions.clone();
        let state = State {
            endpoint: Endpoint::new(settings, offer, seed),
            entries: HashMap::new(),
            sessions: HashSet::new(),
            must_stop_listening: false,
            session_counts: watch::Sender::default(),
        };
        Self {
            clock: Clock::start(),
            config: Arc::new(config),
            limits,
            max_kept_in_all: usize::try_from(sessions.max_kept_in_all).unwrap_or(usize::MAX),
            versions,
            has_owners: services.values().any(|code| matches!(code, Code::Owner(_))),
            services,
            rule: Rule::default(),
            own,
            farewells: Arc::new(Semaphore::new(MAX_FAREWELLS)),
            wake: Notify::new(),
            doors: watch::Sender::new(Doors::Open),
            open_doors: watch::Sender::new(0),
            listeners: Mutex::new(Vec::new()),
            #[cfg(feature = "classic")]
            classic: OnceLock::new(),
            nobody: closed_mailbox(),
            totals: Counters::default(),
            call_times: None,
            kept: AtomicUsize::new(0),
            runtime: OnceLock::new(),
            is_crowded: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Asks this rule who may use the server.
    pub(crate) fn with_rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// Counts from here on how long calls take.
    pub(crate) fn time_calls(mut self) -> Self {
        self.call_times = Some(AllTimes::new(&self.versions));
        self
    }

    /// Does something with the endpoint, then what the endpoint says.
    fn with_state<T>(&self, work: impl FnOnce(&mut State, Time) -> T) -> T {
        let now = self.clock.now();
        let (result, later) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let result = work(&mut state, now);
            let later = state.deliver(now);
            state.show_sessions();
            (result, later)
        };
        let Later { notices, ended, woken } = later;
        for notice in notices {
            self.note(&notice, now);
        }
        for session in ended {
            session.mailbox.command(Command::EndSession);
        }
        for session in woken {
            session.wake();
        }
        result
    }

    /// Tells the endpoint what happened. `false` if it does not accept that.
    pub(crate) fn handle(&self, input: Input) -> bool {
        let is_accepted = self.with_state(|state, now| state.endpoint.handle(input, now));
        self.wake.notify_one();
        is_accepted
    }

    /// The code of a service that runs here.
    pub(crate) fn handler(&self, name: &Service) -> Option<Arc<dyn AnyService>> {
        match self.services.get(name)? {
            Code::Handler(service) => Some(Arc::clone(service)),
            Code::Owner(_) => None,
        }
    }

    /// T3: the owner of a service.
    pub(crate) fn owner(&self, name: &Service) -> Option<Arc<dyn SessionOwner>> {
        if !self.has_owners {
            return None;
        }
        match self.services.get(name)? {
            Code::Owner(owner) => Some(Arc::clone(owner)),
            Code::Handler(_) => None,
        }
    }

    /// Whether a service speaks this version now.
    #[cfg(feature = "classic")]
    pub(crate) fn speaks(&self, service: &Service, version: ubf_codec::Version) -> bool {
        self.with_state(|state, now| state.endpoint.spoken(service, now).contains(version))
    }

    pub(crate) fn admit(self: &Arc<Self>, peer: &Peer) -> Welcome {
        let origin = origin(peer);
        // A rule is code of the program: it is asked without the lock.
        if !self.rule.admits(peer) {
            self.totals.connections_not_allowed.add(1);
            info!(%peer, "not allowed to connect");
            let start = self.with_state(|state, now| state.endpoint.turn_away(origin, now));
            return Welcome::TurnedAway { why: NOT_ALLOWED, start };
        }
        let barred = self.rule.barred(peer, self.services.keys());
        let welcome = self.with_state(|state, now| match state.endpoint.admit(origin, now) {
            Admission::Serve { connection, start } => {
                let entry =
                    ConnectionEntry::new(connection, peer.clone(), now, self.limits.max_events);
                let entry = Arc::new(entry.barring(&barred));
                let start = start.barring(barred);
                state.entries.insert(connection, Arc::clone(&entry));
                let guard = ConnectionGuard { endpoint: Arc::clone(self), entry };
                Welcome::Served { guard, start }
            }
            Admission::TurnAway { why, start } => Welcome::TurnedAway { why, start },
        });
        match welcome {
            Welcome::Served { .. } => self.totals.connections.add(1),
            Welcome::TurnedAway { .. } => self.totals.connections_refused.add(1),
        }
        welcome
    }

    /// S1: a session for the client of a connection.
    pub(crate) fn open_session(
        self: &Arc<Self>,
        connection: &ConnectionEntry,
        mailbox: &Arc<Mailbox>,
        service: Service,
        wish: &Wish,
        max_packet: u64,
    ) -> Result<(SessionGuard, Grant), SessionAnswer> {
        self.with_state(|state, now| {
            let endpoint = &mut state.endpoint;
            match endpoint.open_session(connection.key, service, wish, max_packet, now) {
                Opening::Granted { session, grant } => {
                    let mailbox = Arc::clone(mailbox);
                    let entry = SessionEntry::new(self, session, wish.id, connection, mailbox, now);
                    let entry = Arc::new(entry);
                    state.sessions.insert(ByKey(Arc::clone(&entry)));
                    Ok((SessionGuard::new(Arc::clone(self), entry), grant))
                }
                Opening::NotGranted => Err(SessionAnswer::NotGranted),
                Opening::Exists => Err(SessionAnswer::Exists),
            }
        })
    }

    /// S4: hands a connection over to the session that its client goes on with.
    pub(crate) fn resume_session(
        &self,
        connection: ConnectionKey,
        service: &Service,
        resume: &Resume,
        attach: impl FnOnce() -> Option<Box<Attach>>,
    ) -> HandOver {
        self.with_state(|state, now| {
            match state.endpoint.resume_session(connection, service, resume, now) {
                Resumption::HandOver(session) => {
                    let Some(owner) = state.sessions.get(&session) else {
                        return HandOver::Answer(SessionAnswer::NoSession(NoSession::Unknown));
                    };
                    // What is said to the connection from here on, its session hears.
                    if let Some(entry) = state.entries.get(&connection) {
                        entry.set_mailbox(Arc::clone(&owner.mailbox));
                    }
                    if let Some(resting) = owner.take_resting() {
                        return HandOver::Rested(Arc::clone(owner), resting);
                    }
                    if let Some(attach) = attach() {
                        owner.mailbox.command(Command::Attach(attach));
                    }
                    HandOver::Done
                }
                Resumption::Overtaken => HandOver::Answer(SessionAnswer::Overtaken),
                Resumption::NoSession(why) => HandOver::Answer(SessionAnswer::NoSession(why)),
            }
        })
    }

    /// S6: a session has no connection from here on.
    pub(crate) fn park_session(&self, session: SessionKey, connection: ConnectionKey) {
        // It may have another one by now.
        self.with_state(|state, now| {
            state.endpoint.handle(Input::Parked { session, connection }, now)
        });
    }

    /// S6: a session rests, and is to be woken then.
    pub(crate) fn session_rests(&self, session: SessionKey, until: Time) {
        let is_next = self.with_state(|state, now| {
            let before = state.endpoint.poll_timeout();
            state.endpoint.handle(Input::Rests { session, until }, now);
            state.endpoint.poll_timeout() != before
        });
        if is_next {
            // Who runs the server sleeps until something is due.
            self.wake.notify_one();
        }
    }

    /// S6: the machine of a session that has rested.
    pub(crate) fn wake_session(
        &self,
        session: SessionKey,
        resting: server::Resting,
    ) -> ServerSession {
        self.with_state(|state, _| state.endpoint.wake_session(session, resting))
    }

    /// The mailbox of connections that are gone.
    pub(crate) fn nobody(&self) -> Arc<Mailbox> {
        Arc::clone(&self.nobody)
    }

    /// Sessions that rest from here on go on in the runtime of this task.
    pub(crate) fn runs_here(&self) {
        self.runtime.get_or_init(Handle::current);
    }

    /// Runs a session that has rested.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = self.runtime.get() {
            runtime.spawn(task);
        }
    }

    /// S6: nobody can go on with a session from here on. `false` if somebody is about to.
    pub(crate) fn expire_session(&self, session: &SessionEntry) -> bool {
        self.with_state(|state, now| {
            if session.mailbox.has_attach() {
                return false;
            }
            state.sessions.remove(&session.key);
            state.endpoint.handle(Input::SessionOver(session.key), now);
            true
        })
    }

    pub(crate) fn forget_session(&self, session: SessionKey) {
        let phase = self.with_state(|state, now| {
            state.sessions.remove(&session);
            // It may be over already.
            state.endpoint.handle(Input::SessionOver(session), now);
            state.endpoint.phase()
        });
        if phase != Phase::Serving {
            self.wake.notify_one();
        }
    }

    /// S6: a session keeps another number of bytes.
    pub(crate) fn kept_changed(&self, before: usize, after: usize) {
        let kept = if after >= before {
            self.kept.fetch_add(after - before, Ordering::Relaxed) + (after - before)
        } else {
            self.kept.fetch_sub(before - after, Ordering::Relaxed) - (before - after)
        };
        let is_crowded = kept >= self.max_kept_in_all;
        if self.is_crowded.swap(is_crowded, Ordering::Relaxed) != is_crowded {
            self.handle(Input::Crowded(is_crowded));
            if is_crowded {
                warn!(
                    kept,
                    max_kept_in_all = self.max_kept_in_all,
                    "sessions keep as much as they may"
                );
            }
        }
    }

    /// S6: whether the sessions keep as much as they may.
    pub(crate) fn is_crowded(&self) -> bool {
        self.is_crowded.load(Ordering::Relaxed)
    }

    /// Whether the listeners are to be closed. It is asked again after that was done.
    pub(crate) fn must_stop_listening(&self) -> bool {
        self.with_state(|state, _| std::mem::take(&mut state.must_stop_listening))
    }

    /// Takes the phases as they come, and tells which one was reached and how many connections and
    /// parked sessions are left.
    pub(crate) fn advance(&self) -> (Phase, usize) {
        self.with_state(|state, now| {
            state.endpoint.handle(Input::Tick, now);
            let tasks = state.endpoint.connections() + state.endpoint.sessions().1;
            (state.endpoint.phase(), tasks)
        })
    }

    /// When to call [`advance`](Self::advance) if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.with_state(|state, _| state.endpoint.poll_timeout())
    }

    /// Calls that run on connections that did not end when they were told to.
    pub(crate) fn calls_left(&self) -> u64 {
        self.with_state(|state, _| state.calls() as u64)
    }

    fn note(&self, notice: &Notice, now: Time) {
        match notice {
            Notice::Draining(plan) => {
                let goal = plan.next_ip.as_ref().map_or_else(|| "?".into(), ToString::to_string);
                let (grace_ms, hard_stop_ms) = (millis(plan.grace), millis(plan.hard_stop));
                info!(phase = "draining", next_ip = goal, grace_ms, hard_stop_ms, "drain");
            }
            Notice::Serving => info!(phase = "serving", "undrain"),
            Notice::Left => info!("no longer listening"),
            Notice::Closing { connections, within } => {
                let within_ms = millis(*within);
                info!(phase = "closing", connections = *connections, within_ms, "closing");
            }
            Notice::Stopped { connections } => {
                info!(phase = "stopped", connections = *connections, "stopped");
            }
            Notice::Cordoned(cordon) => {
                let goal = cordon.next_ip.as_ref();
                let goal = goal.map_or_else(|| "peers".into(), ToString::to_string);
                info!(next_ip = goal, "cordoned: new connections are turned away");
            }
            Notice::Uncordoned => info!("uncordoned"),
            Notice::Load { load, low, high, is_over } => {
                info!(load = *load, low = *low, high = *high, is_over, "load mark passed");
            }
            Notice::Withdrawn { service, version, peer, until } => {
                self.totals.withdrawn.add(1);
                let for_ms = millis(until.since(now));
                match peer {
                    Some(peer) => {
                        warn!(%service, %version, for_ms, %peer, "version withdrawn for one peer");
                    }
                    None => warn!(%service, %version, for_ms, "version withdrawn"),
                }
            }
            Notice::WithdrawnByOperator(service, version) => {
                info!(%service, %version, "version withdrawn by the operator");
            }
            Notice::Restored(service, version) => info!(%service, %version, "version restored"),
            Notice::Peers(peers) => info!(peers = %join(peers), "peers"),
            other => info!(?other, "a notice"),
        }
    }

    /// N14: the numbers of connections for which the rule says other things than it did.
    pub(crate) fn changed_by_rule(&self) -> Vec<u64> {
        let entries: Vec<_> = self.with_state(|state, _| state.entries.values().cloned().collect());
        // A rule is code of the program: it is asked without the lock.
        let is_changed = |entry: &&Arc<ConnectionEntry>| {
            let barred = self.rule.barred(&entry.peer, self.services.keys());
            !self.rule.admits(&entry.peer) || !barred.iter().eq(entry.barred())
        };
        entries.iter().filter(is_changed).map(|entry| entry.key.number()).collect()
    }

    /// Tells the endpoint something about one connection. `false` if there is none of this number,
    /// or the endpoint does not accept that.
    pub(crate) fn handle_for(
        &self,
        number: u64,
        input: impl FnOnce(ConnectionKey) -> Input,
    ) -> bool {
        let is_accepted = self.with_state(|state, now| {
            let key = state.entries.keys().find(|key| key.number() == number).copied();
            key.is_some_and(|key| state.endpoint.handle(input(key), now))
        });
        self.wake.notify_one();
        is_accepted
    }

    /// Gives one connection a command. `false` if there is none of this number.
    pub(crate) fn command(
        &self,
        number: u64,
        command: impl FnOnce(ConnectionKey, Time) -> Command,
    ) -> bool {
        self.with_state(|state, now| {
            let entry = state.entries.values().find(|entry| entry.key.number() == number);
            let Some(entry) = entry else { return false };
            entry.mailbox().command(command(entry.key, now));
            true
        })
    }

    pub(crate) fn shut_down(&self, hard_stop: Duration) {
        // A server that closes already goes on to do so.
        self.handle(Input::ShutDown { hard_stop });
    }

    pub(crate) fn stop(&self) {
        self.handle(Input::Stop);
    }
}

fn closed_mailbox() -> Arc<Mailbox> {
    let mailbox = Mailbox::new(0);
    mailbox.close();
    Arc::new(mailbox)
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
