//! A client session under any script of calls, servers, faults and time, against what plain sets
//! predict.
//!
//! The servers are those of the script: [`Peer`] answers by the rules, as late as the script wants,
//! and executes a call when its packet is handed out. A server to which the script lends other
//! words is wild: what it says about calls is not held against the client.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use ubf_codec::{Term, Version};
use ubf_proto::client::{
    Call, CallId, Config, ConnectionId, Done, Input, Notice, Output, SessionPlan,
};
use ubf_proto::{ClientSession, Time, Versions};

use super::peer::Peer;
use super::script::{Script, WAITS};

const MAX_PENDING: usize = 12;
const MAX_IN_FLIGHT: usize = 5;
const MAX_HOPS: u32 = 5;
/// Longer scripts show nothing that shorter ones do not.
const MAX_STEPS: usize = 300;
/// More outputs than this for one input would be a loop.
const MAX_OUTPUTS: usize = 2_000;
/// Ticks after the script: more than all waits of a call take.
const MAX_TICKS: usize = 5_000;

const VERSIONS: [u32; 4] = [1, 3, 8, 10];
const NEXT_IPS: [&str; 6] = [
    "?",
    "\"192.0.2.1:4000\"",
    "\"192.0.2.2:4000\"",
    "\"192.0.2.3:4000,192.0.2.4:4000\"",
    "\"b.example:4000,192.0.2.2:4000,127.0.0.1:80\"",
    "\"192.0.2.1:4000,192.0.2.2:4000,192.0.2.3:4000\"",
];

/// Runs a script.
pub fn client_session(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut world = World::new(&mut script);
    for _ in 0..MAX_STEPS {
        let Some(step) = script.next() else { break };
        world.step(step, &mut script);
        world.check();
    }
    world.finish();
}

/// A call, as its caller sees it, and as the servers do.
#[derive(Debug, Default)]
struct Fate {
    is_event: bool,
    is_idempotent: bool,
    has_ended: bool,
    was_said_not_to_have_run: bool,
    executions: u32,
    /// Whether a wild server had it.
    is_exempt: bool,
}

struct World {
    session: ClientSession,
    now: u64,
    calls: BTreeMap<u64, Fate>,
    last_executed: u64,
    last_reply: u64,
    dialing: Vec<ConnectionId>,
    peers: BTreeMap<ConnectionId, Peer>,
    /// What servers speak from here on.
    spoken: BTreeSet<u32>,
    next_ip: &'static str,
    is_crashing: bool,
    /// What becomes of the next bodies that are asked for.
    rendering: usize,
    is_wild: bool,
    /// The last time that the session wanted to be woken, and how often in a row.
    woken: (u64, usize),
    is_finished: bool,
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let addresses = vec!["192.0.2.1:4000".parse().unwrap(), "192.0.2.9:4000".parse().unwrap()];
        let mut config = Config::new(addresses, Versions::of([3, 8, 10]));
        let flags = script.next().unwrap_or_default();
        config.session = SessionPlan::off();
        config.max_pending = MAX_PENDING;
        config.max_in_flight = MAX_IN_FLIGHT;
        config.max_hops = MAX_HOPS;
        config.grease = flags & 1 == 0;
        config.optimistic_start = flags & 2 == 0;
        config.optimistic_moves = flags & 4 != 0;
        config.refuse_downgrade = flags & 8 != 0;
        config.remembered = Version::new(10).filter(|_| flags & 16 != 0);
        let mut world = Self {
            session: ClientSession::new(config, flags.into(), Time::ZERO),
            now: 0,
            calls: BTreeMap::new(),
            last_executed: 0,
            last_reply: 0,
            dialing: Vec::new(),
            peers: BTreeMap::new(),
            spoken: BTreeSet::from([3, 8, 10]),
            next_ip: "?",
            is_crashing: false,
            rendering: 0,
            is_wild: false,
            woken: (0, 0),
            is_finished: false,
        };
        world.drive();
        world
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 24 {
            0..=3 => self.call(false, script.below(3) == 0),
            4 => self.call(true, false),
            5 => self.tell(Input::Cancel { call: CallId(script.below(16) as u64 + 1) }),
            6 | 7 => {
                self.now += script.choose(&WAITS);
                self.tell(Input::Tick);
            }
            8 => {
                self.sleep();
            }
            9 | 10 => {
                if let Some(connection) = self.dialing.pop() {
                    self.peers.insert(connection, Peer::new(self.spoken.clone(), self.next_ip));
                    let peer = script.choose(&["192.0.2.1", "127.0.0.1", "10.0.0.1"]).parse().ok();
                    self.tell(Input::Connected { connection, peer, tls: false });
                }
            }
            11 => {
                if let Some(connection) = self.dialing.pop() {
                    self.tell(Input::ConnectFailed { connection, cause: None });
                }
            }
            12..=14 => {
                let Some(connection) = self.some_peer(script) else { return };
                let count = script.below(8) + 1;
                self.answer(connection, count, script.below(40));
            }
            15 => {
                let Some(connection) = self.some_peer(script) else { return };
                self.peers.remove(&connection);
                self.tell(Input::Closed { connection });
            }
            16 => {
                let version = script.choose(&VERSIONS);
                if !self.spoken.remove(&version) {
                    self.spoken.insert(version);
                }
                for peer in self.peers.values_mut() {
                    peer.spoken.clone_from(&self.spoken);
                }
            }
            17 => {
                let version = Version::new(script.choose(&VERSIONS)).unwrap();
                if script.below(2) == 0 {
                    self.tell(Input::Crashed { version, call: None, why: Term::atom("crash") });
                } else {
                    let until = Time::from_millis(self.now + script.choose(&WAITS));
                    // Not asked in between what to do.
                    self.session
                        .handle(Input::Quarantined { version, until }, Time::from_millis(self.now));
                }
            }
            18 => {
                self.next_ip = script.choose(&NEXT_IPS);
                for peer in self.peers.values_mut() {
                    peer.next_ip = self.next_ip;
                }
            }
            19 => {
                let Some(connection) = self.some_peer(script) else { return };
                let words = match script.below(3) {
                    0 => Peer::event_out,
                    1 => Peer::moved,
                    _ => Peer::closing,
                };
                if let Some(peer) = self.peers.get_mut(&connection) {
                    words(peer);
                }
            }
            20 => {
                let Some(connection) = self.some_peer(script) else { return };
                self.is_wild = true;
                for call in self.calls.values_mut().filter(|call| !call.has_ended) {
                    call.is_exempt = true;
                }
                let lent = script.bytes();
                self.tell(Input::Received { connection, bytes: BytesMut::from(lent) });
            }
            21 => self.rendering = script.below(4),
            22 => {
                self.is_crashing = !self.is_crashing;
                for peer in self.peers.values_mut() {
                    peer.is_crashing = self.is_crashing;
                }
            }
            _ => {
                if script.below(8) == 0 {
                    self.tell(Input::Close);
                }
            }
        }
    }

    fn call(&mut self, is_event: bool, is_idempotent: bool) {
        let id = self.calls.len() as u64 + 1;
        let fate = Fate { is_event, is_idempotent, is_exempt: self.is_wild, ..Fate::default() };
        self.calls.insert(id, fate);
        let call = if is_event { Call::event(CallId(id)) } else { Call::request(CallId(id)) };
        self.tell(Input::Call(Call { is_idempotent, ..call }));
    }

    fn some_peer(&self, script: &mut Script<'_>) -> Option<ConnectionId> {
        self.peers.keys().copied().nth(script.below(self.peers.len()))
    }

    /// So many answers come, the last one cut in two perhaps.
    fn answer(&mut self, connection: ConnectionId, count: usize, cut: usize) {
        for _ in 0..count {
            let Some(bytes) =
                self.peers.get_mut(&connection).and_then(|peer| peer.answers.pop_front())
            else {
                break;
            };
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            self.tell(Input::Received { connection, bytes: BytesMut::from(first) });
            self.tell(Input::Received { connection, bytes: BytesMut::from(second) });
        }
    }

    /// Until the session wants to be woken.
    fn sleep(&mut self) -> bool {
        let Some(at) = self.session.poll_timeout() else { return false };
        self.now = self.now.max(at.as_millis());
        let again = if self.woken.0 == self.now { self.woken.1 + 1 } else { 0 };
        assert!(again < 50, "it wants to be woken at once, again and again");
        self.woken = (self.now, again);
        self.tell(Input::Tick);
        true
    }

    fn tell(&mut self, input: Input) {
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
                Output::Connect { connection, within, .. } => {
                    assert!(!within.is_zero(), "L2: a dial without time");
                    self.dialing.push(connection);
                    assert!(
                        self.dialing.len() + self.peers.len() <= 2,
                        "more than two connections"
                    );
                }
                Output::Transmit { connection, packet } => {
                    let count = packet.len();
                    let bytes = packet.to_bytes();
                    let executed = self
                        .peers
                        .get_mut(&connection)
                        .and_then(|peer| peer.take_in(&bytes, self.now));
                    if let Some((call, version)) = executed {
                        self.execute(call, version);
                    }
                    self.session
                        .handle(Input::Written { connection, count }, Time::from_millis(self.now));
                }
                Output::Close { connection } => {
                    self.dialing.retain(|&dialing| dialing != connection);
                    self.peers.remove(&connection);
                }
                Output::Render { call, version } => self.render(call, version),
                Output::Ended { call, outcome } => {
                    let fate = self.calls.get_mut(&call.0).expect("somebody made it");
                    assert!(!fate.has_ended, "call {} ends twice", call.0);
                    fate.has_ended = true;
                    if fate.is_exempt {
                        continue;
                    }
                    match outcome {
                        Ok(Done::Reply { body, .. }) => {
                            assert!(
                                fate.executions > 0 && !fate.is_event,
                                "call {} has a reply",
                                call.0
                            );
                            let start = format!("{{{},", call.0);
                            assert!(
                                body.to_string().starts_with(&start),
                                "{body} answers call {}",
                                call.0
                            );
                            assert!(
                                call.0 > self.last_reply,
                                "P5: call {} after {}",
                                call.0,
                                self.last_reply
                            );
                            self.last_reply = call.0;
                        }
                        Ok(Done::Taken { .. }) => {
                            assert!(
                                fate.executions > 0 && fate.is_event,
                                "call {} was taken",
                                call.0
                            );
                        }
                        Err(error) => {
                            fate.was_said_not_to_have_run = !error.may_have_run();
                            assert!(
                                error.may_have_run() || fate.executions == 0,
                                "call {}: {error}",
                                call.0
                            );
                        }
                    }
                }
                Output::Notice(Notice::QuarantineOpened { until, .. }) => {
                    assert!(until.as_millis() <= self.now + 3_600_000 * 6 / 5, "N7: until {until}");
                }
                Output::EventOut { .. } | Output::Notice(_) => {}
                Output::Finished => self.is_finished = true,
                other @ (Output::NeedSessionId | _) => panic!("an unknown {other:?}"),
            }
        }
    }

    fn render(&mut self, call: CallId, version: Version) {
        let is_event = self.calls.get(&call.0).expect("somebody made it").is_event;
        let input = match self.rendering {
            1 => Input::Inexpressible { call, version },
            2 => Input::Crashed { version, call: Some(call), why: Term::atom("crash") },
            // The caller takes its time.
            3 => return,
            _ => {
                let body = if is_event {
                    format!("{{'event_in'{}}}$", call.0)
                } else {
                    format!("{{{}}}$", call.0)
                };
                Input::Rendered { call, version, body: Bytes::from(body) }
            }
        };
        self.rendering = 0;
        self.session.handle(input, Time::from_millis(self.now));
    }

    fn execute(&mut self, call: u64, version: u32) {
        assert!([3, 8, 10].contains(&version), "N4: version {version} is not the client's");
        let fate = self.calls.get_mut(&call).expect("somebody made it");
        fate.executions += 1;
        if fate.is_exempt || self.is_wild {
            return;
        }
        assert!(fate.executions == 1 || fate.is_idempotent, "call {call} is executed twice");
        assert!(!fate.was_said_not_to_have_run, "call {call} was said not to have run");
        assert!(!fate.has_ended, "call {call} has ended");
        if !fate.is_idempotent {
            assert!(call > self.last_executed, "call {call} overtook {}", self.last_executed);
            self.last_executed = call;
        }
    }

    fn check(&self) {
        let open = self.calls.values().filter(|call| !call.has_ended).count();
        assert_eq!(self.session.open_calls(), open, "open calls");
        assert!(open <= MAX_PENDING, "L1: {open} calls are open");
        assert!(self.session.hops() <= MAX_HOPS, "R5: {} hops", self.session.hops());
        let is_wild = self.is_wild;
        for peer in self.peers.values() {
            // Beside the calls there may be a negotiation and pings.
            assert!(
                is_wild || peer.unanswered() <= MAX_IN_FLIGHT + 3,
                "L1: {} in flight",
                peer.unanswered()
            );
        }
    }

    /// Nobody answers any more: every call ends, and the session when it shall.
    fn finish(&mut self) {
        for _ in 0..MAX_TICKS {
            if self.calls.values().all(|call| call.has_ended) {
                break;
            }
            assert!(self.sleep(), "calls are open, and it waits for nothing");
            self.check();
        }
        assert!(self.calls.values().all(|call| call.has_ended), "L2: {:?}", self.calls);
        self.tell(Input::Close);
        assert!(self.is_finished, "nothing is open, and the session does not end");
    }
}
