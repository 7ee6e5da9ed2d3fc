//! A client whose sessions outlive its connections, under any script of calls, cuts, resumes, lies
//! and time.
//!
//! The servers are [`Keepers`], until the script lends one of them other words: then it is wild,
//! and what becomes of calls is not held against the client any longer. Whoever the servers are,
//! each call ends once, names and numbers of sessions are used once, what the client keeps is
//! bounded, and all waiting ends.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use ubf_codec::{Address, Limits, Version, decode, peek_version};
use ubf_proto::client::{
    Call, CallError, CallId, Config, ConnectionId, Done, Input, Output, SessionPlan,
};
use ubf_proto::control::ClientControl;
use ubf_proto::session::{SessionId, SessionOption};
use ubf_proto::{ClientSession, Time, Versions};

use super::keepers::{KEEP_MS, Keepers, Name, WINDOW};
use super::script::{Script, WAITS};

const MAX_PENDING: usize = 12;
const MAX_IN_FLIGHT: usize = 6;
const MAX_PACKET_BYTES: u32 = 400;
/// Longer scripts show nothing that shorter ones do not.
const MAX_STEPS: usize = 300;
/// More outputs than this for one input would be a loop.
const MAX_OUTPUTS: usize = 2_000;
/// Ticks after the script: more than all waits of a call take.
const MAX_TICKS: usize = 5_000;
/// Steps between two looks at all that the client keeps.
const LOOK_EVERY: usize = 64;
/// All that the client keeps, in words. Measured: 8 KiB at rest, 16 with all its calls.
const MAX_WORDS: usize = 48 << 10;

const SERVERS: [&str; 2] = ["192.0.2.1:4000", "192.0.2.2:4000"];
const NEXT_IPS: [&str; 3] = ["?", "\"192.0.2.1:4000\"", "\"192.0.2.2:4000\""];
const NUMBERS: [u64; 10] = [0, 1, 2, 3, 4, 9, 1 << 20, 1 << 31, i64::MAX as u64, u64::MAX];

/// Runs a script.
pub fn resumes(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut world = World::new(&mut script);
    for number in 1..=MAX_STEPS {
        let Some(step) = script.next() else { break };
        world.step(step, &mut script);
        world.check();
        if number % LOOK_EVERY == 0 {
            world.look();
        }
    }
    world.look();
    world.finish();
}

#[derive(Debug, Default)]
struct Fate {
    is_event: bool,
    has_ended: bool,
    was_said_not_to_have_run: bool,
    executions: u32,
}

/// What the client has told about one session.
#[derive(Debug, Default)]
struct Told {
    turn: u64,
    done: u64,
    events: u64,
}

struct World {
    session: ClientSession,
    now: u64,
    calls: BTreeMap<u64, Fate>,
    dialing: Vec<(ConnectionId, usize)>,
    /// Connections that the client has.
    open: BTreeSet<ConnectionId>,
    keepers: Keepers,
    told: BTreeMap<Name, Told>,
    /// The names that the client was given.
    names: u8,
    /// S4: connections on which a resume was asked for, and answers up to that are due.
    resuming: BTreeSet<ConnectionId>,
    /// Whether servers lie in this script; and whether they fail, and forget.
    has_liars: bool,
    has_failures: bool,
    is_wild: bool,
    /// A session may be gone for good.
    may_lose: bool,
    /// The last time that the client wanted to be woken, and how often in a row.
    woken: (u64, usize),
    is_finished: bool,
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let addresses: Vec<Address> = SERVERS.map(|server| server.parse().unwrap()).to_vec();
        let mut config = Config::new(addresses, Versions::of([3, 8]));
        let flags = script.next().unwrap_or_default();
        config.session = SessionPlan::wanted()
            .with_window(if flags & 1 == 0 { WINDOW } else { 1 })
            .with_keep(std::time::Duration::from_millis(KEEP_MS));
        config.max_pending = MAX_PENDING;
        config.max_in_flight = MAX_IN_FLIGHT;
        config.limits = Limits::new().with_max_packet_bytes(MAX_PACKET_BYTES);
        config.optimistic_start = flags & 2 == 0;
        config.remembered = Version::new(8).filter(|_| flags & 4 != 0);
        config.grease = flags & 8 != 0;
        let mut world = Self {
            session: ClientSession::new(config, flags.into(), Time::ZERO),
            now: 0,
            calls: BTreeMap::new(),
            dialing: Vec::new(),
            open: BTreeSet::new(),
            keepers: Keepers::new(SERVERS.len()),
            told: BTreeMap::new(),
            names: 0,
            resuming: BTreeSet::new(),
            has_liars: flags & 16 != 0,
            has_failures: flags & 32 != 0,
            is_wild: false,
            may_lose: false,
            woken: (0, 0),
            is_finished: false,
        };
        world.drive();
        world
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 24 {
            0..=3 => self.call(script.below(4) == 0),
            4 => self.tell(Input::Cancel { call: CallId(script.below(16) as u64 + 1) }),
            5 => self.wait(script.choose(&WAITS)),
            6 => {
                self.sleep();
            }
            7 | 8 => self.connected(),
            9 if self.has_failures => self.fail(script),
            9 => self.connected(),
            10..=12 => self.read(script),
            13..=15 => self.speak(script),
            16 | 17 => self.cut(script),
            18 => {
                if let Some(connection) = self.some_line(script) {
                    match script.below(3) {
                        0 => self.keepers.close(connection, "bye"),
                        _ => self.keepers.event_out(connection),
                    }
                }
            }
            19 => {
                if !self.keepers.spoken.remove(&8) {
                    self.keepers.spoken.insert(8);
                }
            }
            20 => self.keepers.next_ip = script.choose(&NEXT_IPS),
            21 | 22 if self.has_liars => self.lie(script),
            21 => self.read(script),
            22 => self.speak(script),
            _ => {
                if script.below(8) == 0 {
                    self.tell(Input::Close);
                }
            }
        }
    }

    fn call(&mut self, is_event: bool) {
        let id = self.calls.len() as u64 + 1;
        self.calls.insert(id, Fate { is_event, ..Fate::default() });
        let call = if is_event { Call::event(CallId(id)) } else { Call::request(CallId(id)) };
        self.tell(Input::Call(call));
    }

    fn wait(&mut self, time: u64) {
        self.now += time;
        if time >= KEEP_MS {
            self.may_lose = true;
        }
        self.tell(Input::Tick);
    }

    fn connected(&mut self) {
        let Some((connection, server)) = self.dialing.pop() else { return };
        self.keepers.connect(connection, server);
        self.open.insert(connection);
        let peer = "192.0.2.1".parse().ok();
        self.tell(Input::Connected { connection, peer, tls: false });
    }

    /// A connection that is there, at one end at least.
    fn some_line(&self, script: &mut Script<'_>) -> Option<ConnectionId> {
        let lines = &self.keepers.lines;
        lines.keys().copied().nth(script.below(lines.len()))
    }

    fn some_open(&self, script: &mut Script<'_>) -> Option<ConnectionId> {
        self.open.iter().copied().nth(script.below(self.open.len()))
    }

    /// A server takes in some packets: also of a connection that its client has left.
    fn read(&mut self, script: &mut Script<'_>) {
        let Some(connection) = self.some_line(script) else { return };
        for _ in 0..=script.below(6) {
            if let Some(executed) = self.keepers.read(connection) {
                self.execute(executed.call, executed.version);
            }
        }
    }

    /// The client hears some packets, the last one cut in two perhaps.
    fn speak(&mut self, script: &mut Script<'_>) {
        let Some(connection) = self.some_open(script) else { return };
        let (count, cut) = (script.below(8), script.below(40));
        for _ in 0..=count {
            let line = self.keepers.lines.get_mut(&connection);
            let Some(bytes) = line.and_then(|line| line.outbox.pop_front()) else { break };
            let is_resumed = bytes.windows(9).any(|part| part == b"'resumed'");
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            if is_resumed {
                self.resuming.remove(&connection);
            }
            self.tell(Input::Received { connection, bytes: BytesMut::from(first) });
            self.tell(Input::Received { connection, bytes: BytesMut::from(second) });
        }
    }

    /// A connection breaks: both ends see it, or one, or none.
    fn cut(&mut self, script: &mut Script<'_>) {
        let Some(connection) = self.some_open(script) else { return };
        let (witness, bytes) = (script.below(4), script.below(60));
        if let Some(line) = self.keepers.lines.get_mut(&connection)
            && let Some(first) = line.outbox.pop_front()
        {
            // The last packet comes in part.
            let part = first.get(..bytes.min(first.len() - 1)).unwrap_or_default();
            self.tell(Input::Received { connection, bytes: BytesMut::from(part) });
        }
        if matches!(witness, 0 | 2) {
            self.keepers.lines.remove(&connection);
        }
        if matches!(witness, 0 | 1) {
            self.gone(connection);
            self.tell(Input::Closed { connection });
        }
        if witness == 3
            && let Some(line) = self.keepers.lines.get_mut(&connection)
        {
            line.outbox.clear();
        }
    }

    /// A server is away, or starts anew, or grants no sessions from here on.
    fn fail(&mut self, script: &mut Script<'_>) {
        // S7: then a session may be gone for good.
        self.may_lose = true;
        match script.below(6) {
            0 => self.keepers.forget(script.below(SERVERS.len())),
            1 => self.keepers.grants = !self.keepers.grants,
            _ => {
                if let Some((connection, _)) = self.dialing.pop() {
                    self.tell(Input::ConnectFailed { connection, cause: None });
                }
            }
        }
    }

    /// A server says what no server should.
    fn lie(&mut self, script: &mut Script<'_>) {
        let Some(connection) = self.some_open(script) else { return };
        self.is_wild = true;
        self.keepers.is_wild = true;
        let [n, m, k] = [(); 3].map(|()| script.choose(&NUMBERS));
        let words = match script.below(16) {
            0 => format!("3 ? {{'agreed'1?#3&#{{'session'{n} {m} {k} 20000'memory'}}&}}$"),
            1 | 2 => format!("3 ? {{'agreed'1?#3&#{{'resumed'{n} {m}}}&}}$"),
            3 => "3 ? {'agreed'1?#3&#{'no_session''unknown'}&}$".to_owned(),
            4 => "3 ? {'agreed'1?#3&#{'no_session''not_now'}&}$".to_owned(),
            5 => "3 \"192.0.2.2:4000\" {'agreed'1?#3&#{'no_session''elsewhere'}&}$".to_owned(),
            6 => format!("0 ? {{'refused'{{'version'3}}#3&{n} {m}}}$"),
            7 => format!("0 ? {{'failed''crash'#3&{n} {m}}}$"),
            8 => format!("0 \"192.0.2.2:4000\" {{'closing''moved'{n}}}$"),
            9 => format!("0 ? {{'closing''overtaken'{n}}}$"),
            10 => format!("0 ? {{'closing''session_exists'{n}}}$"),
            11 => format!("0 ? {{'no_common_version'1?#7&#{{'resumed'{n} {m}}}&}}$"),
            12 => format!("3 ? {{'event_out'{n}}}$"),
            13 => format!("3 ? {{{n}'s'}}$"),
            14 => "0 ? 'pong'$".to_owned(),
            _ => String::from_utf8_lossy(script.bytes()).into_owned(),
        };
        self.tell(Input::Received { connection, bytes: BytesMut::from(words.as_str()) });
    }

    fn gone(&mut self, connection: ConnectionId) {
        self.open.remove(&connection);
        self.resuming.remove(&connection);
    }

    /// Until the client wants to be woken.
    fn sleep(&mut self) -> bool {
        let Some(at) = self.session.poll_timeout() else { return false };
        let time = at.as_millis().saturating_sub(self.now);
        self.now += time;
        let again = if self.woken.0 == self.now { self.woken.1 + 1 } else { 0 };
        assert!(again < 50, "it wants to be woken at once, again and again");
        self.woken = (self.now, again);
        self.wait(0);
        true
    }

    fn tell(&mut self, input: Input) {
        if let Some(status) = self.session.session()
            && let Some(since) = status.parked_since
            && self.now >= since.as_millis() + KEEP_MS
        {
            self.may_lose = true;
        }
        self.session.handle(input, Time::from_millis(self.now));
        self.drive();
    }

    fn drive(&mut self) {
        let mut count = 0;
        while let Some(output) = self.session.poll_output() {
            count += 1;
            assert!(count < MAX_OUTPUTS, "outputs without end");
            assert!(
                !self.is_finished || matches!(output, Output::Ended { .. }),
                "{output:?} after the end"
            );
            match output {
                Output::NeedSessionId => {
                    self.names = self.names.wrapping_add(1);
                    let id = SessionId::from_bytes([self.names; 16]);
                    self.session.handle(Input::SessionId(id), Time::from_millis(self.now));
                }
                Output::Connect { connection, address, .. } => {
                    let address = address.to_string();
                    let server = SERVERS.iter().position(|&server| server == address);
                    let server = server.unwrap_or(1);
                    self.dialing.push((connection, server));
                    assert!(self.dialing.len() + self.open.len() <= 2, "more than two connections");
                }
                Output::Transmit { connection, packet } => {
                    let (count, bytes) = (packet.len(), packet.to_bytes());
                    self.transmit(connection, &bytes);
                    self.session
                        .handle(Input::Written { connection, count }, Time::from_millis(self.now));
                }
                Output::Close { connection } => {
                    self.dialing.retain(|&(dialing, _)| dialing != connection);
                    // What is under way may still arrive.
                    self.gone(connection);
                }
                Output::Render { call, version } => {
                    let fate = self.calls.get(&call.0).expect("somebody made it");
                    let name = if fate.is_event { "'event_in'" } else { "" };
                    let body = Bytes::from(format!("{{{name}{}}}$", call.0));
                    let input = Input::Rendered { call, version, body };
                    self.session.handle(input, Time::from_millis(self.now));
                }
                Output::Ended { call, outcome } => self.ended(call.0, outcome),
                Output::Finished => self.is_finished = true,
                Output::EventOut { .. } | Output::Notice(_) => {}
                other => panic!("an unknown {other:?}"),
            }
        }
    }

    /// The client says something.
    fn transmit(&mut self, connection: ConnectionId, packet: &[u8]) {
        if let Some(line) = self.keepers.lines.get_mut(&connection) {
            line.inbox.push_back(packet.to_vec());
        }
        if peek_version(packet).unwrap().expect("a whole header").number() != 0 {
            // S4: behind a resume comes nothing before its answer.
            assert!(!self.resuming.contains(&connection) || self.is_wild, "S4: a message");
            return;
        }
        let start = packet.iter().position(|&byte| byte == b' ').unwrap() + 1;
        let body = decode(packet.get(start..).unwrap()).unwrap();
        if let ClientControl::Negotiate(negotiate) = ClientControl::from_term(body.root()).unwrap()
        {
            self.resuming.remove(&connection);
            match negotiate.options.session {
                Some(SessionOption::Open(wish)) => {
                    let before =
                        self.told.insert(wish.id.to_bytes(), Told { turn: 1, ..Told::default() });
                    assert!(before.is_none(), "S1: a name is used again");
                }
                Some(SessionOption::Resume(resume)) => {
                    self.resuming.insert(connection);
                    let told = self.told.get_mut(&resume.id.to_bytes()).expect("S4: it was opened");
                    assert!(resume.turn > told.turn, "S5: Turn {} again", resume.turn);
                    let (done, events) = (resume.done, resume.events);
                    assert!(done >= told.done && events >= told.events, "S3: {told:?}, {resume:?}");
                    *told = Told { turn: resume.turn, done, events };
                }
                _ => {}
            }
        }
    }

    fn ended(&mut self, call: u64, outcome: Result<Done, CallError>) {
        let fate = self.calls.get_mut(&call).expect("somebody made it");
        assert!(!fate.has_ended, "call {call} ends twice");
        fate.has_ended = true;
        if self.is_wild {
            return;
        }
        match outcome {
            Ok(Done::Reply { body, .. }) => {
                assert!(fate.executions == 1 && !fate.is_event, "call {call} has a reply");
                let start = format!("{{{call},");
                assert!(body.to_string().starts_with(&start), "{body} answers call {call}");
            }
            // S3: what was taken is executed, or will be.
            Ok(Done::Taken { .. }) => assert!(fate.is_event, "call {call} was taken"),
            Err(error) => {
                fate.was_said_not_to_have_run = !error.may_have_run();
                assert!(error.may_have_run() || fate.executions == 0, "call {call}: {error}");
                let is_lost = matches!(error, CallError::Indeterminate { .. });
                assert!(self.may_lose || !is_lost, "S7: call {call}: {error}");
            }
        }
    }

    fn execute(&mut self, call: u64, version: u32) {
        assert!([3, 8].contains(&version), "N4: version {version} is not the client's");
        let fate = self.calls.get_mut(&call).expect("somebody made it");
        fate.executions += 1;
        if !self.is_wild {
            assert!(fate.executions == 1, "call {call} is executed twice");
            assert!(!fate.was_said_not_to_have_run, "call {call} was said not to have run");
        }
    }

    fn check(&self) {
        let open = self.calls.values().filter(|call| !call.has_ended).count();
        assert_eq!(self.session.open_calls(), open, "open calls");
        assert!(open <= MAX_PENDING, "L1: {open} calls are open");
    }

    /// All that the client keeps is told by its `Debug`.
    fn look(&self) {
        let words = format!("{:?}", self.session).len();
        assert!(words <= MAX_WORDS, "L1: the client keeps {words} bytes of words");
    }

    /// Nobody answers any more: every call ends, and the client when it shall.
    fn finish(&mut self) {
        self.may_lose = true;
        for _ in 0..MAX_TICKS {
            if self.calls.values().all(|call| call.has_ended) {
                break;
            }
            assert!(self.sleep(), "calls are open, and it waits for nothing");
            self.check();
        }
        assert!(self.calls.values().all(|call| call.has_ended), "L2: {:?}", self.calls);
        self.tell(Input::Close);
        assert!(self.is_finished, "nothing is open, and the client does not end");
    }
}
