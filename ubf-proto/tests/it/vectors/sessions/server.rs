//! The server's end of a vector: an endpoint, its connections, its sessions.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::Term;
use ubf_proto::endpoint::{
    self, Admission, ConnectionKey, Endpoint, Opening, Resumption, SessionKey,
};
use ubf_proto::server::{self, CloseReason, ServerSession, SessionAnswer, SessionRequest};
use ubf_proto::{DrainPlan, Offer, Origin, Service, Time, Versions};

use crate::vectors::script::{Dialogue, ServerSettings, Side, Step};
use crate::vectors::seen::Seen;
use crate::vectors::{text, version};

pub(crate) fn run(name: &str, dialogue: &Dialogue) {
    if dialogue.side == Some(Side::Client) {
        return;
    }
    let mut end = Server::new(dialogue);
    for (index, step) in dialogue.step.iter().enumerate() {
        end.step(step, name, index);
    }
    end.seen.expect_nothing(name, dialogue.step.len());
}

/// Where a client is, if the vector does not say.
const HERE: &str = "192.0.2.1";

struct Server {
    endpoint: Endpoint,
    service: Service,
    max_kept_in_all: u64,
    now: u64,
    /// The machine of each connection: one that was granted a session outlives its connections.
    connections: BTreeMap<u64, usize>,
    machines: Vec<Option<Machine>>,
    /// Nobody reads.
    is_stalled: bool,
    seen: Seen,
}

struct Machine {
    session: ServerSession,
    /// The connection that it has, or had last.
    connection: u64,
    connection_key: ConnectionKey,
    key: Option<SessionKey>,
    /// The packets of the messages that were handed out, by their numbers in the session.
    packets: BTreeMap<u64, u64>,
    /// Bytes that its client does not read.
    unwritten: usize,
}

fn config(settings: &ServerSettings) -> endpoint::Config {
    let mut config = endpoint::Config::default();
    let of = &mut config.session;
    of.agent = settings.agent.as_deref().map(Into::into);
    of.max_pending = settings.max_pending.unwrap_or(of.max_pending);
    of.max_pending_bytes = settings.max_pending_bytes.unwrap_or(of.max_pending_bytes);
    of.max_unread_bytes = settings.max_unread_bytes.unwrap_or(of.max_unread_bytes);
    of.max_kept_event_bytes = settings.max_kept_event_bytes.unwrap_or(of.max_kept_event_bytes);
    let of = &mut config.sessions;
    of.max_sessions = settings.max_sessions.unwrap_or(of.max_sessions);
    of.max_sessions_per_address =
        settings.max_sessions_per_address.unwrap_or(of.max_sessions_per_address);
    of.max_window = settings.max_window.unwrap_or(of.max_window);
    of.max_bytes = settings.max_bytes.unwrap_or(of.max_bytes);
    of.max_kept = settings.max_kept.unwrap_or(of.max_kept);
    of.max_kept_in_all = settings.max_kept_in_all.unwrap_or(of.max_kept_in_all);
    of.max_keep = settings.max_keep_ms.map_or(of.max_keep, Duration::from_millis);
    config
}

impl Server {
    fn new(dialogue: &Dialogue) -> Self {
        let config = config(&dialogue.server);
        let max_kept_in_all = config.sessions.max_kept_in_all;
        let service = dialogue.service.as_deref().map_or(Service::DEFAULT, Service::from);
        let versions = Versions::of(dialogue.server_versions.iter().copied());
        let offer = Offer::new().with_service(service.clone(), versions);
        let mut end = Self {
            endpoint: Endpoint::new(config, offer, 1),
            service,
            max_kept_in_all,
            now: 0,
            connections: BTreeMap::new(),
            machines: Vec::new(),
            is_stalled: false,
            seen: Seen::default(),
        };
        end.connect(0, None);
        end
    }

    fn step(&mut self, step: &Step, name: &str, index: usize) {
        match step {
            Step::Server { .. }
            | Step::Request { .. }
            | Step::EventIn { .. }
            | Step::Closed { .. } => return self.seen.expect(step, name, index),
            Step::Notice { notice } => return self.seen.expect_notice(notice, name, index),
            _ => self.seen.expect_nothing(name, index),
        }
        match step {
            Step::At { at_ms } => self.sleep(*at_ms),
            Step::Connected { connected, peer, .. } => self.connect(*connected, peer.as_deref()),
            Step::Client { client, connection } => {
                let bytes = BytesMut::from(client.as_bytes());
                self.tell_connection(*connection, server::Input::Received(bytes));
            }
            Step::Stalled { stalled } => {
                self.is_stalled = *stalled;
                if !stalled {
                    (0..self.machines.len()).for_each(|place| self.write(place));
                }
            }
            Step::Lost { lost } => self.tell_connection(*lost, server::Input::Lost),
            Step::Reply { reply, body } => {
                let body = Bytes::from(body.clone());
                self.answer(*reply, |packet| server::Input::Reply { packet, body });
            }
            Step::Fail { fail } => {
                let why = Term::atom("crash");
                self.answer(*fail, |packet| server::Input::Failed { packet, why });
            }
            Step::Refuse { refuse, why } => {
                let why = Term::atom(why.as_str());
                self.answer(*refuse, |packet| server::Input::Refused { packet, why });
            }
            Step::Notify { notify, body } => {
                let (version, body) = (version(*notify), Bytes::from(body.clone()));
                let place = self.only_session();
                self.tell(place, server::Input::EventOut { version, body });
            }
            Step::Withdraw { withdraw } => {
                let (service, version) = (self.service.clone(), version(*withdraw));
                self.tell_endpoint(endpoint::Input::Withdraw(service, version));
            }
            Step::Restore { restore } => {
                let (service, version) = (self.service.clone(), version(*restore));
                self.tell_endpoint(endpoint::Input::Restore(service, version));
            }
            Step::Drain { drain, until_ms, .. } => {
                let grace = Duration::from_millis(until_ms - self.now);
                let plan = DrainPlan::new(drain.parse().ok(), grace, Duration::from_secs(10));
                self.tell_endpoint(endpoint::Input::Drain(plan));
            }
            // What happens at the client.
            Step::Dial { .. }
            | Step::Unreachable { .. }
            | Step::Hangup { .. }
            | Step::Call { .. }
            | Step::Event { .. }
            | Step::Cancel { .. }
            | Step::Paused { .. }
            | Step::Close { .. }
            | Step::Crash { .. }
            | Step::Quarantine { .. }
            | Step::Render { .. }
            | Step::Done { .. }
            | Step::Failed { .. }
            | Step::EventOut { .. } => {}
            other => panic!("{name}: step {index}: no vector of sessions has {other:?}"),
        }
    }

    fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn connect(&mut self, number: u64, peer: Option<&str>) {
        let peer: IpAddr = peer.unwrap_or(HERE).parse().unwrap();
        let Admission::Serve { connection, start } =
            self.endpoint.admit(Origin::of(peer), self.time())
        else {
            panic!("connection {number} is turned away");
        };
        self.connections.insert(number, self.machines.len());
        self.machines.push(Some(Machine {
            session: start.session(self.time()),
            connection: number,
            connection_key: connection,
            key: None,
            packets: BTreeMap::new(),
            unwritten: 0,
        }));
        self.drive(self.machines.len() - 1);
    }

    /// The one machine that has a session; before there is any, that of the first connection.
    fn only_session(&self) -> usize {
        let has_session =
            |machine: &Option<Machine>| machine.as_ref().is_some_and(|it| it.key.is_some());
        self.machines.iter().position(has_session).unwrap_or_default()
    }

    fn answer(&mut self, number: u64, input: impl FnOnce(u64) -> server::Input) {
        let knows = |machine: &Option<Machine>| {
            machine.as_ref().is_some_and(|it| it.packets.contains_key(&number))
        };
        let place = self.machines.iter().position(knows).expect("a message that was handed out");
        let packet = self.machines[place].as_ref().unwrap().packets[&number];
        self.tell(place, input(packet));
    }

    /// What comes on a connection that is closed, nobody reads.
    fn tell_connection(&mut self, number: u64, input: server::Input) {
        if let Some(&place) = self.connections.get(&number) {
            self.tell(place, input);
        }
    }

    fn tell(&mut self, place: usize, input: server::Input) {
        let now = self.time();
        if let Some(machine) = &mut self.machines[place] {
            machine.session.handle(input, now);
            self.drive(place);
        }
    }

    fn tell_endpoint(&mut self, input: endpoint::Input) {
        assert!(self.endpoint.handle(input, self.time()), "it is not accepted");
        self.drive_endpoint();
    }

    fn drive_endpoint(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                endpoint::Output::Tell(key, input) => {
                    let is_it = |machine: &Option<Machine>| {
                        machine.as_ref().is_some_and(|it| it.connection_key == key)
                    };
                    if let Some(place) = self.machines.iter().position(is_it) {
                        self.tell(place, input);
                    }
                }
                endpoint::Output::EndSession(key) => {
                    let place = self.place_of(key);
                    self.tell(place, server::Input::EndSession);
                }
                endpoint::Output::Notice(_) | endpoint::Output::CountCalls => {}
                other => panic!("no vector of sessions has {other:?}"),
            }
        }
    }

    fn place_of(&self, key: SessionKey) -> usize {
        let is_it =
            |machine: &Option<Machine>| machine.as_ref().is_some_and(|it| it.key == Some(key));
        self.machines.iter().position(is_it).expect("a session that the endpoint knows")
    }

    /// Time passes: whoever wants to be woken is, one after the other.
    fn sleep(&mut self, until: u64) {
        while let Some(at) = self.next_timeout().filter(|at| *at <= until) {
            let (before, steps) = (self.now, self.seen.len());
            self.now = self.now.max(at);
            self.tick();
            if before == self.now && self.seen.len() == steps {
                break;
            }
        }
        self.now = until;
        self.tick();
    }

    fn next_timeout(&self) -> Option<u64> {
        let machines = self.machines.iter().flatten();
        let timeouts = machines.filter_map(|machine| machine.session.poll_timeout());
        timeouts.chain(self.endpoint.poll_timeout()).map(Time::as_millis).min()
    }

    fn tick(&mut self) {
        for place in 0..self.machines.len() {
            self.tell(place, server::Input::Tick);
        }
        self.tell_endpoint(endpoint::Input::Tick);
    }

    /// What is out and was not read is read.
    fn write(&mut self, place: usize) {
        let Some(machine) = &mut self.machines[place] else { return };
        let written = std::mem::take(&mut machine.unwritten);
        if written > 0 {
            self.tell(place, server::Input::Written(written));
        }
    }

    fn drive(&mut self, place: usize) {
        while let Some(machine) = &mut self.machines[place] {
            let Some(output) = machine.session.poll_output() else { break };
            let connection = machine.connection;
            match output {
                server::Output::Transmit { packet, .. } => {
                    if self.is_stalled {
                        machine.unwritten += packet.len();
                    } else {
                        let written = server::Input::Written(packet.len());
                        machine.session.handle(written, Time::from_millis(self.now));
                    }
                    let server = text(&packet.to_bytes());
                    self.seen.push(Step::Server { server, connection });
                }
                server::Output::Request(message) => {
                    let number = message.number.expect("a message of a session");
                    machine.packets.insert(number, message.packet);
                    let version = message.version.get();
                    self.seen.push(Step::Request { request: number, version });
                }
                server::Output::Event(message) => {
                    let event_in = message.number.expect("a message of a session");
                    let version = message.version.get();
                    self.seen.push(Step::EventIn { event_in, version });
                }
                server::Output::Session(request) => self.answer_about_session(place, request),
                server::Output::SessionOver { .. } => {
                    if let Some(key) = machine.key.take() {
                        self.endpoint.handle(endpoint::Input::SessionOver(key), self.time());
                    }
                }
                server::Output::Close { reason, calls_cut } => {
                    self.closed(place, reason, calls_cut);
                }
                server::Output::Notice(_) => {}
                other => panic!("no vector of sessions has {other:?}"),
            }
        }
        self.rest(place);
        self.count_kept();
        self.drive_endpoint();
    }

    /// S6: a session in which nothing goes on is data, and goes on as if it had not been.
    fn rest(&mut self, place: usize) {
        if let Some(machine) = &mut self.machines[place]
            && let Some(key) = machine.key
            && let Some(resting) = machine.session.rest()
        {
            machine.session = self.endpoint.wake_session(key, resting);
        }
    }

    fn closed(&mut self, place: usize, reason: CloseReason, cut: usize) {
        let now = self.time();
        let Some(machine) = &mut self.machines[place] else { return };
        let (connection, key) = (machine.connection, machine.connection_key);
        let closed = reason_word(reason).to_owned();
        self.seen.push(Step::Closed { closed, cut, connection });
        self.connections.remove(&connection);
        machine.unwritten = 0;
        if let Some(session) = machine.key.filter(|_| machine.session.is_parked()) {
            self.endpoint.handle(endpoint::Input::Parked { session, connection: key }, now);
        }
        self.endpoint.handle(endpoint::Input::Closed(key), now);
    }

    /// S1, S4: what the endpoint says to a connection that wants a session.
    fn answer_about_session(&mut self, place: usize, request: SessionRequest) {
        let now = self.time();
        let machine = self.machines[place].as_mut().unwrap();
        let connection = machine.connection_key;
        let answer = match request {
            SessionRequest::Open { service, wish, max_packet } => {
                match self.endpoint.open_session(connection, service, &wish, max_packet, now) {
                    Opening::Granted { session, grant } => {
                        machine.key = Some(session);
                        SessionAnswer::Granted(grant)
                    }
                    Opening::NotGranted => SessionAnswer::NotGranted,
                    Opening::Exists => SessionAnswer::Exists,
                }
            }
            SessionRequest::Resume { service, resume } => {
                match self.endpoint.resume_session(connection, &service, &resume, now) {
                    Resumption::HandOver(key) => return self.hand_over(place, key),
                    Resumption::Overtaken => SessionAnswer::Overtaken,
                    Resumption::NoSession(why) => SessionAnswer::NoSession(why),
                }
            }
        };
        self.tell(place, server::Input::Session(answer));
    }

    fn hand_over(&mut self, place: usize, key: SessionKey) {
        let to = self.place_of(key);
        if !self.machines[to].as_ref().unwrap().session.is_parked() {
            self.tell(to, server::Input::Overtaken);
        }
        let now = self.time();
        let machine = self.machines[place].take().unwrap();
        let resuming = machine.session.into_resuming().expect("it has asked for it");
        let session = self.machines[to].as_mut().unwrap();
        session.session.resume(resuming, now);
        session.connection = machine.connection;
        session.connection_key = machine.connection_key;
        self.connections.insert(machine.connection, to);
        self.drive(to);
    }

    /// S6: whether the sessions keep as much as they may.
    fn count_kept(&mut self) {
        let kept: usize = self.machines.iter().flatten().map(|it| it.session.kept_bytes()).sum();
        let is_crowded = kept as u64 >= self.max_kept_in_all;
        let now = self.time();
        self.endpoint.handle(endpoint::Input::Crowded(is_crowded), now);
        for machine in self.machines.iter_mut().flatten() {
            machine.session.handle(server::Input::Crowded(is_crowded), now);
        }
    }
}

fn reason_word(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::ByClient => "by-client",
        CloseReason::Lost => "lost",
        CloseReason::Shutdown => "shutdown",
        CloseReason::BadSyntax(_) => "bad-syntax",
        CloseReason::BadControl => "bad-control",
        CloseReason::ReportedError => "reported-error",
        CloseReason::NegotiationTime => "negotiation-time",
        CloseReason::PacketTime => "packet-time",
        CloseReason::IdleTime => "idle-time",
        CloseReason::SlowReader => "slow-reader",
        CloseReason::SessionExists => "session-exists",
        CloseReason::Overtaken => "overtaken",
        other => panic!("no vector of sessions has {other:?}"),
    }
}
