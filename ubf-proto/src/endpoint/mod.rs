//! What concerns all connections of a server: one [`Endpoint`] for each server.
//!
//! ```text
//! connection ─> admit ──────────> a session's start, or `closing`
//! operator, crashes, load, time ─> handle ─> poll_output ─> Tell each session, stop to listen, cut
//! ```

mod addresses;
mod admission;
mod config;
mod connections;
mod cordon;
mod course;
mod input;
mod lifecycle;
mod load;
mod moves;
mod news;
mod offering;
mod output;
mod sessions;
mod words;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ubf_codec::{Address, NextIp};

pub use self::addresses::is_unspecified;
pub use self::config::Config;
pub use self::connections::ConnectionKey;
pub use self::cordon::Cordon;
pub use self::input::Input;
pub use self::load::{LoadPlan, LoadUnit};
pub use self::output::{Admission, Notice, Output, Start};
pub use self::sessions::{Adopted, Opening, Resumption, SessionKey, SessionLimits, SessionPlace};

use self::addresses::can_be_told;
use self::connections::Connections;
use self::lifecycle::{End, Lifecycle};
use self::load::Load;
use self::moves::{Move, Moves};
use self::news::{Bulletin, News};
use self::sessions::Sessions;
use crate::drain::Phase;
use crate::offer::{Offer, Quarantined};
pub use crate::origin::Origin;
use crate::random::Random;
use crate::server;
use crate::service::Service;
use crate::time::Time;
use crate::versions::Versions;

/// Notices that wait to be taken. Chosen: one input makes two at most.
const MAX_NOTICES: usize = 64;

/// What a server decides for all of its connections together: whom it admits, what it offers, how
/// it drains and stops, when its load sends clients elsewhere.
///
/// Ask [`admit`](Self::admit) for each connection that was made. Tell of all else with
/// [`handle`](Self::handle), do what [`poll_output`](Self::poll_output) says until that is nothing,
/// and wake it at [`poll_timeout`](Self::poll_timeout) with [`Input::Tick`].
///
/// # Limits
/// It keeps some words for each connection, of which there are at most
/// [`Config::max_connections`]. Outputs are made when they are asked for: what all sessions are to
/// be told is kept once, and [notices](Output::Notice) that nobody takes are dropped beyond 64.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use ubf_proto::endpoint::{Admission, Config, Endpoint, Input, Origin, Output};
/// use ubf_proto::{DrainPlan, Offer, Phase, Time, Versions, server};
///
/// let offer = Offer::from(Versions::of([3, 10]));
/// let mut endpoint = Endpoint::new(Config::default(), offer, 42);
/// let origin = Origin::of("192.0.2.7".parse()?);
/// let Admission::Serve { connection, start } = endpoint.admit(origin, Time::ZERO) else {
///     panic!("there is room");
/// };
/// let mut session = start.session(Time::ZERO);
///
/// let (grace, hard_stop) = (Duration::from_secs(10), Duration::from_secs(5));
/// let plan = DrainPlan::new("b.example:4000".parse().ok(), grace, hard_stop);
/// assert!(endpoint.handle(Input::Drain(plan), Time::ZERO));
/// while let Some(output) = endpoint.poll_output() {
///     if let Output::Tell(to, input) = output {
///         assert_eq!(to, connection);
///         session.handle(input, Time::ZERO);
///     }
/// }
/// assert_eq!((endpoint.phase(), session.phase()), (Phase::Draining, Phase::Draining));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Endpoint {
    limits: Limits,
    own: Vec<Address>,
    /// What sessions are given.
    session: Arc<server::Config>,
    /// It counts crashes; sessions have a copy of what it says.
    offer: Offer,
    shared_offer: Arc<Offer>,
    /// Those of peers to whom less is offered (N6).
    own_offers: BTreeMap<Origin, Arc<Offer>>,
    random: Random,
    life: Lifecycle,
    listening: Listening,
    cordon: Option<Cordon>,
    moves: Moves,
    load: Option<Load>,
    /// The load is to be counted.
    is_count_due: bool,
    connections: Connections,
    sessions: Sessions,
    /// S6: the sessions keep as many bytes as they may.
    is_crowded: bool,
    /// S6: sessions that the shell is to be told to end. Each was there, and is so once.
    ending: VecDeque<SessionKey>,
    /// S6: the last session that was told so because the server stops.
    ended_until: Option<SessionKey>,
    bulletin: Bulletin,
    notices: VecDeque<Notice>,
    now: Time,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    max_connections: usize,
    max_connections_per_address: usize,
    max_last_words_time: Duration,
}

/// R5: a server that drains to its own address leaves it to its successor. Clients are told when
/// they cannot reach this one any longer: a connection that waits to be accepted when a listener is
/// closed is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listening {
    Yes,
    /// The shell is to be told that it must not any longer.
    ToEnd,
    /// The shell closes the listeners.
    Ending,
    No,
}

impl Endpoint {
    /// An endpoint that serves these services. The same seed gives the same random choices.
    #[must_use]
    pub fn new(config: Config, offer: Offer, seed: u64) -> Self {
        let Config {
            session,
            max_connections,
            max_connections_per_address,
            max_last_words_time,
            sessions,
            own,
        } = config;
        let mut random = Random::new(seed);
        Self {
            limits: Limits { max_connections, max_connections_per_address, max_last_words_time },
            own,
            session: Arc::new(session),
            shared_offer: Arc::new(offer.for_all(Time::ZERO)),
            own_offers: BTreeMap::new(),
            offer,
            sessions: Sessions::new(sessions, random.next_u64()),
            is_crowded: false,
            ending: VecDeque::new(),
            ended_until: None,
            random,
            life: Lifecycle::Serving,
            listening: Listening::Yes,
            cordon: None,
            moves: Moves::default(),
            load: None,
            is_count_due: false,
            connections: Connections::default(),
            bulletin: Bulletin::default(),
            notices: VecDeque::new(),
            now: Time::ZERO,
        }
    }

    /// Takes in what happened. `now` never goes back. `false` if the input is not accepted, as the
    /// [`Input`] says; then nothing has changed.
    pub fn handle(&mut self, input: Input, now: Time) -> bool {
        self.now = self.now.max(now);
        let is_accepted = match input {
            Input::Closed(connection) => self.closed(connection),
            Input::Crashed { connection, service, version } => {
                self.crashed(connection, service, version)
            }
            Input::Calls(load) => {
                self.observe(load);
                true
            }
            Input::StoppedListening => self.stopped_listening(),
            Input::Drain(plan) => self.drain(plan, End::ByItself),
            Input::DrainAndStay(plan) => self.drain(plan, End::WhenTold),
            Input::Undrain => self.undrain(),
            Input::Move { connection, next_ip, grace, hard_stop } => {
                let until = self.now + grace;
                self.begin_move(connection, Move { next_ip, until, hard_stop })
            }
            Input::Cordon(cordon) => self.set_cordon(cordon),
            Input::Uncordon => self.uncordon(),
            Input::ShutDown { hard_stop } => self.shut_down(hard_stop),
            Input::Stop => self.stop(),
            Input::Withdraw(service, version) => self.withdraw(service, version),
            Input::Restore(service, version) => self.restore(service, version),
            Input::Peers(peers) => self.set_peers(peers),
            Input::Load(plan) => self.set_load(plan),
            Input::Parked { session, connection } => self.sessions.park(session, connection),
            Input::Rests { session, until } => self.sessions.rest(session, until),
            Input::SessionOver(session) => self.sessions.remove(session),
            Input::Crowded(is_crowded) => {
                self.is_crowded = is_crowded;
                true
            }
            Input::Tick => true,
        };
        self.advance();
        if let Some(load) = &mut self.load {
            self.is_count_due |= load.take_sample(self.now);
        }
        is_accepted
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(Output::Notice(notice));
        }
        if self.listening == Listening::ToEnd {
            self.listening = Listening::Ending;
            return Some(Output::StopListening);
        }
        if let Some((connection, step)) = self.moves.next(self.now) {
            return Some(Output::Tell(connection, self.move_input(step)));
        }
        if self.cordon.is_none()
            && let Some(connection) = self.connections.next_uncordoned()
        {
            return Some(Output::Tell(connection, server::Input::Uncordon));
        }
        while let Some((news, told, count)) = self.bulletin.current() {
            let Some((connection, origin)) = self.connections.after(told) else {
                self.bulletin.finish();
                continue;
            };
            self.bulletin.tell(connection);
            if news == News::Cut {
                return Some(Output::Cut(connection));
            }
            if let Some(input) = self.say(news, origin, count) {
                return Some(Output::Tell(connection, input));
            }
        }
        if let Some(session) = self.ending.pop_front().or_else(|| self.next_to_stop()) {
            return Some(Output::EndSession(session));
        }
        if let Some(session) = self.sessions.take_over(self.now) {
            return Some(Output::WakeSession(session));
        }
        core::mem::take(&mut self.is_count_due).then_some(Output::CountCalls)
    }

    /// When to give [`Input::Tick`] if nothing else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let sample = self.load.as_ref().and_then(Load::sample_at);
        let phase = self.life.deadline(self.limits.max_last_words_time);
        let others = self.moves.deadline().into_iter().chain(self.sessions.next_over());
        phase.into_iter().chain(sample).chain(others).min()
    }

    /// S10: sessions do not outlive their server.
    fn next_to_stop(&mut self) -> Option<SessionKey> {
        if self.phase() != Phase::Stopped {
            return None;
        }
        let next = self.sessions.after(self.ended_until)?;
        self.ended_until = Some(next);
        Some(next)
    }

    fn load_next_ip(&self) -> Option<&NextIp> {
        self.load.as_ref().and_then(Load::next_ip)
    }

    fn note(&mut self, notice: Notice) {
        if self.notices.len() < MAX_NOTICES {
            self.notices.push_back(notice);
        }
    }

    fn closed(&mut self, connection: ConnectionKey) -> bool {
        let is_known = self.connections.remove(connection);
        self.moves.forget(connection);
        self.observe_connections();
        is_known
    }

    fn set_load(&mut self, plan: Option<LoadPlan>) -> bool {
        if plan.as_ref().is_some_and(|plan| !can_be_told(plan.next_ip.addresses())) {
            return false;
        }
        self.load = plan.map(|plan| Load::new(plan, self.now));
        self.bulletin.add(News::NextIp);
        self.observe_connections();
        true
    }

    fn observe_connections(&mut self) {
        if self.load.as_ref().is_some_and(|load| load.plan.unit == LoadUnit::Sessions) {
            self.observe(self.connections.len() as u64);
        }
    }

    fn observe(&mut self, amount: u64) {
        let Some(load) = &mut self.load else { return };
        if load.observe(amount) {
            let LoadPlan { low, high, .. } = load.plan;
            let is_over = load.is_over();
            self.note(Notice::Load { load: amount, low, high, is_over });
            self.bulletin.add(News::NextIp);
        }
    }

    fn begin_move(&mut self, connection: ConnectionKey, moved: Move) -> bool {
        let is_accepted =
            self.connections.origin(connection).is_some() && can_be_told(moved.next_ip.addresses());
        if is_accepted {
            self.moves.begin(connection, moved);
        }
        is_accepted
    }

    /// Where the server is on its way from serving to stopped.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.life.phase()
    }

    /// How long until the phase changes by itself.
    #[must_use]
    pub fn time_left(&self, now: Time) -> Option<Duration> {
        let deadline = self.life.deadline(self.limits.max_last_words_time);
        deadline.map(|deadline| deadline.since(now))
    }

    /// Where replies send the clients: because of a drain, or of the load.
    #[must_use]
    pub fn next_ip(&self) -> Option<&NextIp> {
        self.life.plan().and_then(|plan| plan.next_ip.as_ref()).or_else(|| self.load_next_ip())
    }

    /// R9: whether the load sends clients elsewhere.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.load.as_ref().is_some_and(Load::is_over)
    }

    /// R9: the plan in force.
    #[must_use]
    pub fn load_plan(&self) -> Option<&LoadPlan> {
        self.load.as_ref().map(|load| &load.plan)
    }

    /// The cordon in force: new connections are turned away.
    #[must_use]
    pub const fn cordon(&self) -> Option<&Cordon> {
        self.cordon.as_ref()
    }

    /// Whether clients can connect. A [cordon](Self::cordon) turns them away then.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.listening == Listening::Yes
    }

    /// Connections that are not gone.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Sessions that are not over, and how many of them have no connection.
    #[must_use]
    pub fn sessions(&self) -> (usize, usize) {
        (self.sessions.len(), self.sessions.parked())
    }

    /// The versions of a service that clients may use now.
    #[must_use]
    pub fn spoken(&self, service: &Service, now: Time) -> Versions {
        self.offer.spoken(service, now)
    }

    /// The versions that crashes have withdrawn (N6).
    pub fn quarantines(&self, now: Time) -> impl Iterator<Item = Quarantined<'_>> {
        self.offer.quarantines(now)
    }

    /// What sessions are given, the peers of now included.
    #[must_use]
    pub fn session_config(&self) -> &server::Config {
        &self.session
    }
}

#[cfg(test)]
mod tests;
