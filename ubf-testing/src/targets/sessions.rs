//! A server's sessions: an endpoint and its connections, under any script of losses and resumes.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use ubf_proto::endpoint::{
    self, Admission, ConnectionKey, Endpoint, Opening, Origin, Resumption, SessionKey,
};
use ubf_proto::server::{self, Input, Output, ServerSession, SessionAnswer, SessionRequest};
use ubf_proto::{Offer, Time, Versions};

use super::script::{Script, WAITS};

const MAX_CONNECTIONS: usize = 8;
const MAX_KEPT: usize = 600;
const MAX_EVENT_BYTES: usize = 300;
const WINDOW: u64 = 3;
/// What a handler answers, and an event.
const REPLIES: [&[u8]; 3] = [b"{1's'}$", b"{\"a longer one, to fill what is kept\"'s'}$", b"{_"];
const EVENT: &[u8] = b"{'event_out'1}$";
/// Parts of what clients say. A digit stands for itself.
const WORDS: [&[u8]; 10] = [
    b"0 {'negotiate'1?#2&3&#{'session'16~0123456789abcdef~3 400 5000}&{'max_packet'500}&}$",
    b"0 {'negotiate'1?#2&3&#{'session'16~fedcba9876543210~9 900 9000}&{'max_packet'500}&}$",
    b"0 {'negotiate'1?#2&3&#}$",
    b"3 'a'$",
    b"2 {'event_in''e'}$",
    b"9 'a'$",
    b"0 'ping'$",
    b"3 'half",
    b"'$",
    b"0 {'seen'0 0'end'}$",
];

/// A machine: it has a connection, or is parked.
struct Machine {
    session: ServerSession,
    connection: ConnectionKey,
    key: Option<SessionKey>,
    running: BTreeSet<u64>,
    /// S2: the number of the last message that was begun.
    begun: u64,
}

struct World {
    endpoint: Endpoint,
    machines: Vec<Option<Machine>>,
    /// The machine that each connection belongs to, until it is over.
    connections: Vec<(ConnectionKey, Option<usize>)>,
    now: u64,
}

/// No script makes a server execute a message twice or out of order, keep more than it may, or
/// stop.
pub fn sessions(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut config = endpoint::Config::default();
    config.session.max_kept_event_bytes = MAX_EVENT_BYTES;
    config.sessions.max_kept = MAX_KEPT as u64;
    config.sessions.max_window = WINDOW;
    config.sessions.max_sessions = 2;
    config.max_connections = MAX_CONNECTIONS;
    let endpoint = Endpoint::new(config, Offer::from(Versions::of([2, 3])), 1);
    let mut world = World { endpoint, machines: Vec::new(), connections: Vec::new(), now: 0 };
    while let Some(step) = script.next() {
        world.take(step % 12, &mut script);
    }
}

impl World {
    fn take(&mut self, step: u8, script: &mut Script<'_>) {
        let place = script.below(self.connections.len());
        match step {
            0 => self.connect(),
            1..=4 => {
                let word = Bytes::from_static(script.choose(&WORDS));
                self.tell_connection(place, Input::Received(BytesMut::from(&word[..])));
            }
            5 | 6 => {
                let [done, events, turn] = [5, 5, 9].map(|bound| script.below(bound));
                let id = script.choose(&["0123456789abcdef", "fedcba9876543210"]);
                let resume = format!("{{'resume'16~{id}~{done} {events} {turn}}}");
                let text = format!("0 {{'negotiate'1?#2&3&#{resume}&{{'max_packet'500}}&}}$");
                self.tell_connection(place, Input::Received(BytesMut::from(text.as_str())));
            }
            7 => {
                let [done, events] = [5, 5].map(|bound| script.below(bound));
                let text = format!("0 {{'seen'{done} {events}}}$");
                self.tell_connection(place, Input::Received(BytesMut::from(text.as_str())));
            }
            8 => self.tell_connection(place, Input::Lost),
            9 => {
                let body = Bytes::from_static(script.choose(&REPLIES));
                let index = script.below(self.machines.len());
                let machine = self.machines.get_mut(index).and_then(Option::as_mut);
                if let Some(packet) = machine.and_then(|machine| machine.running.pop_last()) {
                    self.tell(index, Input::Reply { packet, body });
                }
            }
            10 => {
                let index = script.below(self.machines.len());
                let body = Bytes::from_static(EVENT);
                let version = ubf_codec::Version::new(2).unwrap();
                self.tell(index, Input::EventOut { version, body });
            }
            _ => {
                self.now += script.choose(&WAITS);
                for index in 0..self.machines.len() {
                    self.tell(index, Input::Tick);
                }
            }
        }
    }

    const fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn connect(&mut self) {
        let origin = Origin::of("192.0.2.7".parse().unwrap());
        let now = self.time();
        if let Admission::Serve { connection, start } = self.endpoint.admit(origin, now) {
            self.connections.push((connection, Some(self.machines.len())));
            let (session, running) = (start.session(now), BTreeSet::new());
            let machine = Machine { session, connection, key: None, running, begun: 0 };
            self.machines.push(Some(machine));
        }
        self.obey();
    }

    fn tell_connection(&mut self, place: usize, input: Input) {
        if let Some(&(_, Some(machine))) = self.connections.get(place) {
            self.tell(machine, input);
        }
    }

    fn tell(&mut self, index: usize, input: Input) {
        let now = self.time();
        let Some(mut machine) = self.machines.get_mut(index).and_then(Option::take) else { return };
        machine.session.handle(input, now);
        let mut outputs = 0;
        while let Some(output) = machine.session.poll_output() {
            outputs += 1;
            assert!(outputs < 1_000, "there is no end of things to do");
            match output {
                Output::Transmit { packet, .. } => {
                    let has_connection = self.owner(machine.connection) == Some(index);
                    assert!(has_connection, "S5: nobody is there to read {packet:?}");
                    machine.session.handle(Input::Written(packet.len()), now);
                }
                Output::Request(message) => {
                    begins(&mut machine, &message);
                    machine.running.insert(message.packet);
                }
                Output::Event(message) => begins(&mut machine, &message),
                Output::Close { .. } => self.closed(&machine),
                Output::Session(request) => match self.ask(&mut machine, request) {
                    Ok(answer) => machine.session.handle(Input::Session(answer), now),
                    Err(owner) => return self.hand_over(machine, owner),
                },
                Output::SessionOver { .. } => {
                    if let Some(key) = machine.key.take() {
                        self.endpoint.handle(endpoint::Input::SessionOver(key), now);
                    }
                }
                Output::Notice(_) | _ => {}
            }
        }
        self.check(&machine);
        let is_alive = self.owner(machine.connection) == Some(index) || machine.session.is_parked();
        if is_alive && let Some(place) = self.machines.get_mut(index) {
            *place = Some(machine);
        }
        self.obey();
    }

    fn check(&self, machine: &Machine) {
        if machine.session.has_session() {
            // What runs when the room is full may still be answered.
            let window = usize::try_from(WINDOW).unwrap_or(usize::MAX);
            let answers = MAX_KEPT + (window + 1) * (64 + 50);
            let kept = machine.session.kept_bytes();
            assert!(kept <= answers + MAX_EVENT_BYTES, "S6: {kept} bytes are kept");
            let running = machine.session.running() as u64;
            assert!(running <= WINDOW + 1, "S3: {running} handlers run");
        }
        assert!(self.endpoint.sessions().0 <= 2, "S6");
    }

    fn owner(&self, connection: ConnectionKey) -> Option<usize> {
        self.connections.iter().find(|(key, _)| *key == connection)?.1
    }

    fn set_owner(&mut self, connection: ConnectionKey, owner: Option<usize>) {
        let mut connections = self.connections.iter_mut();
        if let Some(known) = connections.find(|(key, _)| *key == connection) {
            known.1 = owner;
        }
    }

    fn closed(&mut self, machine: &Machine) {
        let (now, connection) = (self.time(), machine.connection);
        self.set_owner(connection, None);
        self.endpoint.handle(endpoint::Input::Closed(connection), now);
        if let Some(session) = machine.key {
            self.endpoint.handle(endpoint::Input::Parked { session, connection }, now);
        }
    }

    /// S1, S4: an error is the machine that takes the connection over.
    fn ask(
        &mut self,
        machine: &mut Machine,
        request: SessionRequest,
    ) -> Result<SessionAnswer, usize> {
        let (now, connection) = (self.time(), machine.connection);
        match request {
            SessionRequest::Open { service, wish, max_packet } => {
                Ok(match self.endpoint.open_session(connection, service, &wish, max_packet, now) {
                    Opening::Granted { session, grant } => {
                        machine.key = Some(session);
                        SessionAnswer::Granted(grant)
                    }
                    Opening::NotGranted => SessionAnswer::NotGranted,
                    Opening::Exists => SessionAnswer::Exists,
                })
            }
            SessionRequest::Resume { service, resume } => {
                match self.endpoint.resume_session(connection, &service, &resume, now) {
                    Resumption::HandOver(session) => Err(self.machine(session).unwrap()),
                    Resumption::Overtaken => Ok(SessionAnswer::Overtaken),
                    Resumption::NoSession(why) => Ok(SessionAnswer::NoSession(why)),
                }
            }
        }
    }

    fn machine(&self, key: SessionKey) -> Option<usize> {
        let is_it = |machine: &Option<Machine>| {
            machine.as_ref().is_some_and(|machine| machine.key == Some(key))
        };
        self.machines.iter().position(is_it)
    }

    fn is_parked(&self, index: usize) -> bool {
        let machine = self.machines.get(index).and_then(Option::as_ref);
        machine.is_some_and(|machine| machine.session.is_parked())
    }

    fn hand_over(&mut self, from: Machine, owner: usize) {
        if !self.is_parked(owner) {
            self.tell(owner, Input::Overtaken);
        }
        assert!(self.is_parked(owner), "S5: a session has one connection at a time");
        let now = self.time();
        let resuming = from.session.into_resuming().unwrap();
        if let Some(machine) = self.machines.get_mut(owner).and_then(Option::as_mut) {
            machine.connection = from.connection;
            machine.session.resume(resuming, now);
        }
        self.set_owner(from.connection, Some(owner));
        self.tell(owner, Input::Tick);
    }

    fn obey(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            if let endpoint::Output::EndSession(key) = output
                && let Some(index) = self.machine(key)
            {
                self.tell(index, Input::EndSession);
            }
        }
    }
}

/// S2: messages of a session are begun in their order, each once.
fn begins(machine: &mut Machine, message: &server::Message) {
    if let Some(number) = message.number {
        assert!(number > machine.begun, "S2: {number} begins after {}", machine.begun);
        machine.begun = number;
    }
}
