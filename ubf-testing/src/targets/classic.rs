//! A client and a server of a classic session under any script of calls, handlers, cuts, faults and
//! time, against what plain sets predict.
//!
//! ```text
//! call ─> sent once, in its turn ─> executed once, in order ─> its reply, or an error that says
//!     └─> not sent                                             whether it may have run
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ubf_codec::{Term, ubf};
use ubf_contract::{Checker, Reader, SessionChecker};
use ubf_proto::Time;
use ubf_proto::classic::client::{
    self, Call, CallError, CallId, CallKind, ClientSession, Done, HelloMode,
};
use ubf_proto::classic::server::{
    self, AfterStop, BrokenReply, EventTiming, House, HouseService, ServerSession,
};
use ubf_proto::classic::{Flavour, Hello};

use super::script::{Script, WAITS};

/// Longer scripts show nothing that shorter ones do not.
const MAX_STEPS: usize = 300;
/// More outputs than this for one input would be a loop.
const MAX_OUTPUTS: usize = 5_000;
const MAX_CALLS: usize = 8;
const MAX_WAITING_BYTES: usize = 200;
const MAX_HELD_EVENTS: usize = 3;

const CONTRACT: &str = "+NAME(\"door\"). +VSN(\"1\").
    +TYPES get() :: {get, integer()}; got() :: {got, integer()}; tick() :: {tick, integer()};
           tock() :: {tock, integer()}.
    +STATE start get() => got() & start | got() & open | got() & stop;
           EVENT => tick(); EVENT <= tock().
    +STATE open get() => got() & start | got() & open; EVENT => tick().";

/// Runs a script.
pub fn classic(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut world = World::new(&mut script);
    for _ in 0..MAX_STEPS {
        let Some(step) = script.next() else { break };
        world.step(step, &mut script);
        if step >= 64 {
            world.deliver(usize::MAX);
        }
        world.check();
    }
    world.finish();
}

struct World {
    client: ClientSession,
    server: ServerSession,
    now: u64,
    /// Bytes on their way.
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// Whether bytes came that nobody here has written.
    is_wild: bool,
    is_client_closed: bool,
    is_server_closed: bool,
    next_call: u64,
    asked: BTreeSet<u64>,
    ended: BTreeSet<u64>,
    executed: BTreeSet<u64>,
    /// The number of the request that runs, and of its call; `None` while a start runs.
    running: Option<(u64, u64)>,
    is_starting: bool,
    /// Calls to which the service gave a reply that its contract does not allow.
    broken: BTreeSet<u64>,
    next_event: u64,
    last_event_seen: u64,
    unwritten: [usize; 2],
    is_writing: bool,
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let flavour = script.choose(&Flavour::ALL);
        let simple_rpc = script.below(4) == 0;
        let mut config = server::Config::default();
        config.flavour = flavour;
        config.simple_rpc = simple_rpc;
        config.hello = (script.below(2) == 0).then(|| Hello::new("house", "help"));
        config.events = script.choose(&[
            EventTiming::AtOnce,
            EventTiming::WhenQuiet(Duration::from_millis(20)),
            EventTiming::Never,
        ]);
        config.after_stop = script.choose(&[AfterStop::Close, AfterStop::Wait]);
        config.broken_reply = script.choose(&[BrokenReply::Stay, BrokenReply::Advance]);
        config.max_waiting_bytes = MAX_WAITING_BYTES;
        config.max_unread_bytes = 500;
        config.max_held_events = MAX_HELD_EVENTS;
        let contract = Reader::new().read(CONTRACT).unwrap();
        let contract = Arc::new(SessionChecker::new(Checker::new(contract)));
        let service = HouseService::new("door").with_contract(contract);
        let is_meta = script.below(2) == 0;
        let house = if is_meta {
            House::new(flavour).with_service(service)
        } else {
            House::of_one(service)
        };
        let mut wishes = client::Config::default();
        wishes.flavour = flavour;
        wishes.simple_rpc = simple_rpc;
        wishes.is_pipelining = script.below(2) == 0;
        wishes.max_in_flight = 3;
        wishes.max_calls = MAX_CALLS;
        wishes.level = if is_meta { client::Level::Meta } else { client::Level::Service };
        wishes.hello = script.choose(&[
            HelloMode::default(),
            HelloMode::None,
            HelloMode::Either { within: Duration::from_millis(300) },
        ]);
        let mut world = Self {
            client: ClientSession::new(Arc::new(wishes), Time::ZERO),
            server: ServerSession::new(Arc::new(config), Arc::new(house), Time::ZERO),
            now: 0,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            is_wild: false,
            is_client_closed: false,
            is_server_closed: false,
            next_call: 0,
            asked: BTreeSet::new(),
            ended: BTreeSet::new(),
            executed: BTreeSet::new(),
            running: None,
            is_starting: false,
            broken: BTreeSet::new(),
            next_event: 0,
            last_event_seen: 0,
            unwritten: [0; 2],
            is_writing: true,
        };
        world.drive_server();
        world.drive_client();
        world
    }

    fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0..=2 => self.call(script, |number| CallKind::Request(ubf!({get, (number)}))),
            3 => self.call(script, |number| CallKind::Request(ubf!({bad, (number)}))),
            4 => {
                let service = script.choose(&["door", "door", "absent"]).into();
                self.call(script, |_| CallKind::Start { service, argument: ubf!([]) });
            }
            5 => self.call(script, |number| CallKind::Event(ubf!({tock, (number)}))),
            6 | 7 => self.answer(script),
            8 => {
                self.next_event += 1;
                let event = ubf!({tick, (self.next_event)});
                self.tell_server(server::Input::EventOut(event));
            }
            9 => {
                self.now += script.choose(&WAITS);
                self.tell_server(server::Input::Tick);
                self.tell_client(client::Input::Tick);
            }
            10 | 11 => {
                let count = script.below(32);
                self.deliver(count);
            }
            12 => {
                let bytes = BytesMut::from(script.bytes());
                self.is_wild |= !bytes.is_empty();
                if script.below(2) == 0 {
                    self.tell_server(server::Input::Received(bytes));
                } else {
                    self.tell_client(client::Input::Received(bytes));
                }
            }
            13 => {
                self.is_writing = !self.is_writing;
                self.write();
            }
            14 => match script.below(4) {
                0 => self.tell_server(server::Input::Failed),
                1 => {
                    let within = Duration::from_millis(script.choose(&WAITS));
                    self.tell_server(server::Input::Close { within });
                }
                2 => self.tell_client(client::Input::Close),
                _ => {}
            },
            _ => match script.below(8) {
                0 => self.tell_server(server::Input::EndOfStream),
                1 => self.tell_server(server::Input::Lost),
                2 => self.tell_client(client::Input::EndOfStream),
                3 => self.tell_client(client::Input::Lost),
                _ => {}
            },
        }
    }

    fn call(&mut self, script: &mut Script<'_>, kind: impl FnOnce(u64) -> CallKind) {
        self.next_call += 1;
        let number = self.next_call;
        self.asked.insert(number);
        let deadline =
            (script.below(8) == 0).then(|| Time::from_millis(self.now + script.choose(&WAITS)));
        let call = Call { id: CallId(number), kind: kind(number), deadline };
        self.tell_client(client::Input::Call(call));
    }

    /// The service answers what runs.
    fn answer(&mut self, script: &mut Script<'_>) {
        let state = script.choose(&["start", "start", "open", "open", "stop", "attic"]).into();
        if std::mem::take(&mut self.is_starting) {
            return self.tell_server(if script.below(4) > 0 {
                server::Input::Started { reply: ubf!(welcome), state }
            } else {
                server::Input::Rejected { why: ubf!(busy) }
            });
        }
        let Some((number, call)) = self.running.take() else { return };
        let is_good = script.below(4) > 0;
        let reply = if is_good { ubf!({got, (call)}) } else { ubf!(wrong) };
        // The contract may not allow the state either.
        self.broken.insert(call);
        self.tell_server(server::Input::Reply { number, reply, state });
    }

    fn tell_server(&mut self, input: server::Input) {
        self.server.handle(input, self.time());
        self.drive_server();
    }

    fn tell_client(&mut self, input: client::Input) {
        self.client.handle(input, self.time());
        self.drive_client();
    }

    /// Some of the bytes that are on their way arrive; those for the server only while it reads.
    fn deliver(&mut self, count: usize) {
        for _ in 0..8 {
            let mut moved = 0;
            if self.server.is_reading() {
                let bytes: Vec<u8> =
                    self.to_server.drain(..count.min(self.to_server.len())).collect();
                moved += bytes.len();
                if !bytes.is_empty() {
                    self.tell_server(server::Input::Received((&bytes[..]).into()));
                }
            }
            let bytes: Vec<u8> = self.to_client.drain(..count.min(self.to_client.len())).collect();
            moved += bytes.len();
            if !bytes.is_empty() {
                self.tell_client(client::Input::Received((&bytes[..]).into()));
            }
            if moved == 0 || count != usize::MAX {
                break;
            }
        }
    }

    fn drive_server(&mut self) {
        for _ in 0..MAX_OUTPUTS {
            let Some(output) = self.server.poll_output() else { return self.write() };
            assert!(!self.is_server_closed, "after the last output came {output:?}");
            match output {
                server::Output::Transmit { bytes, is_apart } => {
                    assert!(
                        !is_apart || !self.server.is_running(),
                        "an event leaves while a call is in progress"
                    );
                    self.unwritten[0] += bytes.len();
                    self.to_client.extend(&bytes[..]);
                }
                server::Output::Start { .. } | server::Output::Restart { .. } => {
                    self.is_starting = true;
                }
                server::Output::Request(request) => {
                    assert!(self.running.is_none() && !self.is_starting, "two calls at a time");
                    let call = request.body.root().get(1).and_then(|call| call.as_u64());
                    let call = call.unwrap_or_default();
                    if !self.is_wild {
                        assert!(self.asked.contains(&call), "nobody asked {call}");
                        assert!(
                            self.executed.last().is_none_or(|last| *last < call),
                            "{call} comes after a later one"
                        );
                    }
                    self.executed.insert(call);
                    self.running = Some((request.number, call));
                }
                server::Output::Close { .. } => {
                    self.is_server_closed = true;
                    self.running = None;
                    self.is_starting = false;
                }
                server::Output::Event { .. } | server::Output::Notice(_) => {}
                _ => panic!("an output that this model does not know"),
            }
        }
        panic!("the server's outputs do not end");
    }

    fn drive_client(&mut self) {
        for _ in 0..MAX_OUTPUTS {
            let Some(output) = self.client.poll_output() else { return self.write() };
            match output {
                client::Output::Transmit(bytes) => {
                    assert!(!self.is_client_closed, "bytes after the end");
                    self.unwritten[1] += bytes.len();
                    self.to_server.extend(&bytes[..]);
                }
                client::Output::Ended { id, outcome } => self.end(id.0, &outcome),
                client::Output::Event(body) => self.event(&body.to_term()),
                client::Output::Close(_) => {
                    assert!(!self.is_client_closed, "it closes once");
                    self.is_client_closed = true;
                }
                client::Output::Ready(_) | client::Output::Notice(_) => {}
                _ => panic!("an output that this model does not know"),
            }
        }
        panic!("the client's outputs do not end");
    }

    /// Each call ends once, and with what happened to it.
    fn end(&mut self, call: u64, outcome: &Result<Done, CallError>) {
        assert!(self.asked.contains(&call), "a call that nobody made has ended");
        assert!(self.ended.insert(call), "call {call} ends twice");
        if self.is_wild {
            return;
        }
        match outcome {
            Ok(Done::Reply { reply, .. }) => {
                assert_eq!(*reply, ubf!({got, (call)}), "the reply of another call");
                assert!(self.executed.contains(&call), "a reply to what did not run");
            }
            Err(CallError::ServerBroke { .. }) => {
                assert!(self.broken.contains(&call), "nobody broke the contract");
            }
            Err(error) if !error.may_have_run() => {
                assert!(!self.executed.contains(&call), "call {call} has run: {error}");
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Events keep their order, and none comes twice.
    fn event(&mut self, event: &Term) {
        if self.is_wild {
            return;
        }
        let number = event.get(1).and_then(|event| event.get(1)?.as_u64()).unwrap_or_default();
        assert!(
            self.last_event_seen < number && number <= self.next_event,
            "event {number} after {}",
            self.last_event_seen
        );
        self.last_event_seen = number;
    }

    fn write(&mut self) {
        if !self.is_writing {
            return;
        }
        let [server, client] = std::mem::take(&mut self.unwritten);
        if server > 0 {
            self.tell_server(server::Input::Written(server));
        }
        if client > 0 {
            self.tell_client(client::Input::Written(client));
        }
    }

    fn check(&mut self) {
        for timeout in [self.server.poll_timeout(), self.client.poll_timeout()] {
            assert!(
                timeout.is_none_or(|timeout| timeout > self.time()),
                "a wait that is over is waited for"
            );
        }
        let open = self.asked.len() - self.ended.len();
        assert_eq!(open, self.client.calls(), "calls are forgotten");
        assert!(open <= MAX_CALLS, "too many calls wait");
    }

    fn finish(&mut self) {
        self.tell_client(client::Input::Lost);
        self.tell_server(server::Input::Lost);
        assert_eq!(self.asked, self.ended, "calls that never end");
        assert!(self.is_client_closed && self.is_server_closed);
        assert_eq!(self.server.poll_timeout(), None);
        assert_eq!(self.client.poll_timeout(), None);
    }
}
