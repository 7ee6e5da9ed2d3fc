//! A server session under any script of packets, handlers, drains and time, against what a plain
//! list predicts.
//!
//! ```text
//! each packet:  taken in once ─> Request ─> answered in its place, once, by its reply or `failed`
//!                            └─> Event, or an answer of the engine
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Document, Mode, ServerHeader, Term, Version, VersionedDecoder};
use ubf_proto::control::{Agreed, ServerControl};
use ubf_proto::server::{Config, Input, Output, ServerSession};
use ubf_proto::{Offer, Packet, Phase, Service, Time, Versions};

use super::script::{Script, WAITS};

const MAX_PENDING: usize = 4;
const MAX_UNREAD_BYTES: usize = 600;
const MAX_PACKET: u64 = 400;
/// Longer scripts show nothing that shorter ones do not.
const MAX_STEPS: usize = 300;
/// More outputs than this for one input would be a loop.
const MAX_OUTPUTS: usize = 2_000;

/// The versions in scripts: the server knows the first three.
const VERSIONS: [u32; 4] = [3, 8, 10, 77];

/// Runs a script.
pub fn server_session(bytes: &[u8]) {
    let mut world = World::new();
    let mut script = Script::new(bytes);
    for _ in 0..MAX_STEPS {
        let Some(step) = script.next() else { break };
        world.step(step, &mut script);
        world.check();
    }
    world.finish();
}

/// What the client has sent, by the number of the packet.
#[derive(Debug)]
enum Sent {
    Negotiate,
    Ping,
    Request(u32),
    Event(u32),
}

struct World {
    session: ServerSession,
    offer: Offer,
    now: u64,
    /// Packets that the client has sent, in order, until bytes come that are none.
    sent: Vec<Sent>,
    /// Whether bytes came whose packets nobody here has counted.
    is_wild: bool,
    /// Requests that were handed out and have no answer yet.
    running: BTreeSet<u64>,
    /// What handlers have answered: `true` for a reply.
    answered: BTreeMap<u64, bool>,
    /// R8: requests that were answered `failed 'cut'`.
    cut: usize,
    executed: BTreeSet<u64>,
    last_executed: u64,
    /// N4: the packet by which each version was refused last.
    refused: BTreeMap<u32, u64>,
    /// The next packet whose answer is looked for.
    next_answer: u64,
    decoder: VersionedDecoder<ServerHeader>,
    unsent: VecDeque<usize>,
    is_writing: bool,
    is_closed: bool,
}

impl World {
    fn new() -> Self {
        let mut config = Config::default();
        config.max_pending = MAX_PENDING;
        config.max_unread_bytes = MAX_UNREAD_BYTES;
        config.limits = config.limits.with_max_packet_bytes(u32::try_from(MAX_PACKET).unwrap());
        let offer = Offer::from(Versions::of([3, 8, 10]));
        Self {
            session: ServerSession::new(Arc::new(config), Arc::new(offer.clone()), Time::ZERO),
            offer,
            now: 0,
            sent: Vec::new(),
            is_wild: false,
            running: BTreeSet::new(),
            answered: BTreeMap::new(),
            cut: 0,
            executed: BTreeSet::new(),
            last_executed: 0,
            refused: BTreeMap::new(),
            next_answer: 1,
            decoder: VersionedDecoder::new(),
            unsent: VecDeque::new(),
            is_writing: true,
            is_closed: false,
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0..=2 => {
                let version = script.choose(&VERSIONS);
                self.send(Sent::Request(version), &format!("{version} {{'get'1}}$"), script);
            }
            3 => {
                let version = script.choose(&VERSIONS);
                self.send(Sent::Event(version), &format!("{version} {{'event_in'1}}$"), script);
            }
            4 => {
                let list = script.choose(&["#3&8&10&", "#3&", "#77&", "#10&"]);
                let options = script.choose(&["#", "#{'max_packet'60}&", "#{'colour'1}&"]);
                self.send(Sent::Negotiate, &format!("0 {{'negotiate'1?{list}{options}}}$"), script);
            }
            5 => self.send(Sent::Ping, "0 'ping'$", script),
            6 => {
                self.is_wild = true;
                self.tell(Input::Received(BytesMut::from(script.bytes())));
            }
            7 | 8 => {
                let index = script.below(self.running.len());
                let Some(packet) = self.running.iter().copied().nth(index) else { return };
                let is_reply = script.below(4) > 0;
                self.running.remove(&packet);
                self.answered.insert(packet, is_reply);
                let body = format!("{{{packet}\"{}\"}}$", "x".repeat(script.below(120)));
                if is_reply {
                    self.reply(packet, body.into(), step % 16 == 8);
                } else {
                    self.tell(Input::Failed { packet, why: Term::atom("crash") });
                }
            }
            9 => {
                self.now += script.choose(&WAITS);
                self.tell(Input::Tick);
            }
            10 => {
                let version = Version::new(script.choose(&VERSIONS)).unwrap();
                if script.below(2) == 0 {
                    self.offer.withdraw(&Service::DEFAULT, version);
                } else {
                    self.offer.restore(&Service::DEFAULT, version);
                }
                self.tell(Input::Offer(Arc::new(self.offer.clone())));
            }
            11 => {
                let size = script.below(256);
                let body = Bytes::from(format!("{{'event_out'\"{}\"}}$", "y".repeat(size)));
                self.tell(Input::EventOut { version: Version::new(3).unwrap(), body });
            }
            12 => {
                self.is_writing = !self.is_writing;
                self.write();
            }
            13 => {
                let next_ip = script.choose(&["b.example:4000", "?"]).parse().ok();
                self.tell(Input::NextIp(next_ip));
            }
            14 => match script.below(3) {
                0 => self.tell(Input::Undrain),
                _ => {
                    let until = Time::from_millis(self.now + 10_000);
                    let notice_at = Time::from_millis(self.now + script.choose(&WAITS));
                    self.tell(Input::Drain {
                        next_ip: "b.example:4000".parse().ok(),
                        until,
                        notice_at,
                    });
                }
            },
            _ => match script.below(4) {
                0 => self.tell(Input::EndOfStream),
                1 => self.tell(Input::Lost),
                _ => {
                    let within = Duration::from_millis(script.choose(&WAITS));
                    self.tell(Input::Close { why: Term::atom("bye"), within });
                }
            },
        }
    }

    /// The client sends a packet, in one piece or in two.
    fn send(&mut self, sent: Sent, bytes: &str, script: &mut Script<'_>) {
        self.sent.push(sent);
        let (first, second) = bytes.split_at(script.below(bytes.len()));
        self.tell(Input::Received(BytesMut::from(first)));
        self.tell(Input::Received(BytesMut::from(second)));
    }

    /// A handler answers, and its answer leaves at once, if it can and `is_at_once`.
    fn reply(&mut self, packet: u64, body: Bytes, is_at_once: bool) {
        self.session.handle(Input::Tick, Time::from_millis(self.now));
        if is_at_once && let Some(head) = self.session.answer_at_once(packet, &body) {
            self.sent_out(&Packet { head, body });
            self.drive();
            return self.write();
        }
        self.tell(Input::Reply { packet, body });
    }

    fn tell(&mut self, input: Input) {
        self.session.handle(input, Time::from_millis(self.now));
        self.drive();
        self.write();
    }

    /// The transport takes what there is, if it does.
    fn write(&mut self) {
        while self.is_writing
            && let Some(count) = self.unsent.pop_front()
        {
            self.session.handle(Input::Written(count), Time::from_millis(self.now));
            self.drive();
        }
    }

    fn drive(&mut self) {
        let mut count = 0;
        while let Some(output) = self.session.poll_output() {
            count += 1;
            assert!(count < MAX_OUTPUTS, "outputs without end");
            assert!(!self.is_closed, "L2: {output:?} after the end");
            match output {
                Output::Transmit { packet, .. } => self.sent_out(&packet),
                Output::Request(message) => {
                    let has_room = self.unsent.iter().sum::<usize>() < MAX_UNREAD_BYTES;
                    assert!(
                        has_room,
                        "L1: packet {} is begun, and the client does not read",
                        message.packet
                    );
                    self.execute(message.packet, message.version.get(), false);
                    self.running.insert(message.packet);
                }
                Output::Event(message) => self.execute(message.packet, message.version.get(), true),
                Output::Close { calls_cut, .. } => {
                    let lost = self.running.len() + self.answered.len();
                    if !self.is_wild {
                        assert_eq!(calls_cut, self.cut + lost, "R8: the calls that are cut");
                    }
                    self.running.clear();
                    self.is_closed = true;
                }
                Output::Notice(_) => {}
                other @ (Output::Session(_) | Output::SessionOver { .. } | _) => {
                    panic!("not asked for: {other:?}")
                }
            }
        }
    }

    fn sent_out(&mut self, packet: &Packet) {
        self.unsent.push_back(packet.len());
        let mut bytes = BytesMut::from(&packet.to_bytes()[..]);
        let packet = self.decoder.decode(&mut bytes).unwrap().expect("it is whole");
        assert!(bytes.is_empty(), "one packet and no more");
        self.transmitted(packet.header.mode, &packet.body);
    }

    fn execute(&mut self, packet: u64, version: u32, is_event: bool) {
        assert!(self.executed.insert(packet), "packet {packet} is executed twice");
        assert!(
            packet > self.last_executed,
            "P5: packet {packet} is begun after {}",
            self.last_executed
        );
        self.last_executed = packet;
        assert!(
            self.session.phase() < Phase::Closing,
            "R8: packet {packet} is begun while the session closes"
        );
        if self.is_wild {
            return;
        }
        let index = usize::try_from(packet).unwrap() - 1;
        match self.sent.get(index) {
            Some(Sent::Request(sent)) => assert!(*sent == version && !is_event, "packet {packet}"),
            Some(Sent::Event(sent)) => assert!(*sent == version && is_event, "packet {packet}"),
            Some(Sent::Negotiate | Sent::Ping) | None => {
                panic!("packet {packet} is none of the application")
            }
        }
        // N4: since it was refused, the client must have negotiated.
        if let Some(refused) = self.refused.get(&version) {
            let from = usize::try_from(*refused).unwrap();
            let has_negotiated = self
                .sent
                .get(from..index)
                .unwrap()
                .iter()
                .any(|sent| matches!(sent, Sent::Negotiate));
            assert!(has_negotiated, "N4: packet {packet} after packet {refused}");
        }
    }

    /// The client's packet of this number (P6).
    fn sent(&self, packet: u64) -> Option<&Sent> {
        self.sent.get(usize::try_from(packet).unwrap().checked_sub(1)?)
    }

    fn transmitted(&mut self, mode: Mode, body: &Document<Bytes>) {
        if self.is_wild || body.to_string().starts_with("{event_out,") {
            return;
        }
        let control = match mode {
            Mode::Negotiation => Some(ServerControl::from_term(body.root()).expect("it is known")),
            Mode::Version(_) => None,
        };
        match &control {
            Some(
                ServerControl::Moved { .. }
                | ServerControl::Closing { .. }
                | ServerControl::Error { .. },
            ) => return,
            Some(ServerControl::Refused { packet, .. }) => {
                if let Some(&(Sent::Request(version) | Sent::Event(version))) = self.sent(*packet) {
                    assert!(
                        !self.executed.contains(packet),
                        "N4: packet {packet} is executed and refused"
                    );
                    self.refused.insert(version, *packet);
                }
            }
            Some(_) | None => {}
        }
        // Events that were taken have no answer.
        while matches!(self.sent(self.next_answer), Some(Sent::Event(_)))
            && self.executed.contains(&self.next_answer)
        {
            self.next_answer += 1;
        }
        let number = self.next_answer;
        self.next_answer += 1;
        let sent = self.sent(number).expect("an answer to nothing");
        match (sent, control) {
            (_, Some(ServerControl::Refused { packet, .. })) => assert_eq!(packet, number, "P5"),
            (Sent::Ping, Some(ServerControl::Pong))
            | (Sent::Negotiate, Some(ServerControl::NoCommonVersion { .. })) => {}
            (Sent::Negotiate, None) => {
                let agreed = Agreed::from_term(body.root()).expect("an agreement");
                let Mode::Version(version) = mode else { panic!("N1: {mode:?}") };
                assert!(agreed.versions.contains(version), "N1: {version} of {}", agreed.versions);
            }
            (Sent::Request(_), Some(ServerControl::Failed { packet, .. })) => {
                assert_eq!(packet, number, "P5");
                let is_cut = self.running.remove(&packet);
                self.cut += usize::from(is_cut);
                let is_answered = self.answered.remove(&packet).is_some();
                assert!(is_cut || is_answered, "packet {packet} is not answered");
            }
            (Sent::Request(version), None) => {
                assert_eq!(
                    mode,
                    Mode::from_number(*version).unwrap(),
                    "P5: the version of its request"
                );
                assert_eq!(
                    self.answered.remove(&number),
                    Some(true),
                    "packet {number} is not answered"
                );
                let start = format!("{{{number},");
                assert!(body.to_string().starts_with(&start), "P5: {body} answers packet {number}");
            }
            (sent, control) => panic!("{control:?} answers packet {number}, {sent:?}"),
        }
    }

    fn check(&self) {
        assert_eq!(
            self.session.running(),
            if self.is_closed { 0 } else { self.running.len() },
            "calls in progress"
        );
        assert!(self.session.running() <= MAX_PENDING, "L1: {} are begun", self.session.running());
        assert_eq!(self.session.phase() == Phase::Stopped, self.is_closed);
        assert!(
            !self.is_closed || self.session.poll_timeout().is_none(),
            "it wants to be woken for nothing"
        );
        let is_over = self.session.poll_timeout().is_some_and(|at| at.as_millis() + 1 < self.now);
        assert!(!is_over, "it wants to be woken in the past");
    }

    /// Handlers answer, the transport writes, the client leaves: the session ends.
    fn finish(&mut self) {
        self.is_writing = true;
        self.write();
        while let Some(packet) = self.running.pop_first() {
            self.answered.insert(packet, true);
            self.tell(Input::Reply { packet, body: Bytes::from(format!("{{{packet}'s'}}$")) });
        }
        self.tell(Input::EndOfStream);
        for _ in 0..MAX_STEPS {
            // Whatever was held back is begun.
            while let Some(packet) = self.running.pop_first() {
                self.answered.insert(packet, true);
                self.tell(Input::Reply { packet, body: Bytes::from(format!("{{{packet}'s'}}$")) });
            }
            let Some(at) = self.session.poll_timeout() else { break };
            self.now = self.now.max(at.as_millis());
            self.tell(Input::Tick);
        }
        assert!(self.is_closed, "L2: the session does not end");
    }
}
