//! Sessions, as a server keeps them (S1 to S6): an endpoint and its connections, in lines of text.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{NextIp, Term};
use ubf_proto::endpoint::{
    self, Admission, ConnectionKey, Cordon, Endpoint, Opening, Origin, Resumption, SessionKey,
};
use ubf_proto::server::{self, Input, Output, ServerSession, SessionAnswer, SessionRequest};
use ubf_proto::{Offer, Time, Versions};

/// A machine, the connection that it has or had last, and the session that it is.
struct Machine {
    session: ServerSession,
    connection: ConnectionKey,
    key: Option<SessionKey>,
}

/// A server: connections have names, and lines say on which one something came.
struct World {
    endpoint: Endpoint,
    machines: Vec<Option<Machine>>,
    /// The machine that each connection belongs to.
    connections: BTreeMap<&'static str, (usize, ConnectionKey)>,
    now: u64,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut endpoint::Config)) -> Self {
        let mut config = endpoint::Config::default();
        config.session.limits = config.session.limits.with_max_packet_bytes(999);
        config.sessions.max_kept = 999;
        change(&mut config);
        let offer = Offer::from(Versions::of([3, 10]));
        let endpoint = Endpoint::new(config, offer, 1);
        Self { endpoint, machines: Vec::new(), connections: BTreeMap::new(), now: 0 }
    }

    fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn connect(&mut self, name: &'static str) {
        let origin = Origin::of("192.0.2.7".parse().unwrap());
        let Admission::Serve { connection, start } = self.endpoint.admit(origin, self.time())
        else {
            panic!("there is room");
        };
        let session = start.session(self.time());
        self.connections.insert(name, (self.machines.len(), connection));
        self.machines.push(Some(Machine { session, connection, key: None }));
    }

    fn receive(&mut self, name: &'static str, bytes: &str) -> Vec<String> {
        let (place, connection) = self.connections[name];
        // What comes on a connection that its session has left is not read.
        if self.machines[place].as_ref().is_none_or(|machine| machine.connection != connection) {
            return Vec::new();
        }
        self.tell(place, Input::Received(BytesMut::from(bytes.as_bytes())))
    }

    fn lose(&mut self, name: &'static str) -> Vec<String> {
        let place = self.connections[name].0;
        self.tell(place, Input::Lost)
    }

    fn reply(&mut self, name: &'static str, packet: u64, body: &str) -> Vec<String> {
        let place = self.connections[name].0;
        self.tell(place, Input::Reply { packet, body: Bytes::from(body.to_owned()) })
    }

    /// The header of an answer that leaves at once.
    fn at_once(&mut self, name: &'static str, packet: u64, body: &str) -> Option<Bytes> {
        let place = self.connections[name].0;
        let machine = self.machines[place].as_mut().unwrap();
        let head = machine.session.answer_at_once(packet, body.as_bytes())?;
        let written = Input::Written(head.len() + body.len());
        assert_eq!(self.tell(place, written), [""; 0]);
        Some(head)
    }

    fn event(&mut self, name: &'static str, body: &str) -> Vec<String> {
        let place = self.connections[name].0;
        let (version, body) = (10.try_into().unwrap(), Bytes::from(body.to_owned()));
        self.tell(place, Input::EventOut { version, body })
    }

    fn at(&mut self, millis: u64) -> Vec<String> {
        self.now = millis;
        let all: Vec<_> = (0..self.machines.len()).collect();
        all.into_iter().flat_map(|place| self.tell(place, Input::Tick)).collect()
    }

    fn tell(&mut self, place: usize, input: Input) -> Vec<String> {
        let now = self.time();
        let mut lines = Vec::new();
        let Some(mut machine) = self.machines[place].take() else { return lines };
        machine.session.handle(input, now);
        while let Some(output) = machine.session.poll_output() {
            lines.push(match output {
                Output::Transmit { packet, .. } => {
                    machine.session.handle(Input::Written(packet.len()), now);
                    String::from_utf8_lossy(&packet.to_bytes()).into_owned()
                }
                Output::Request(message) => format!("request {} {}", message.packet, message.body),
                Output::Event(message) => format!("event {} {}", message.packet, message.body),
                Output::Close { reason, .. } => {
                    self.endpoint.handle(endpoint::Input::Closed(machine.connection), now);
                    if let Some(session) = machine.key {
                        let connection = machine.connection;
                        let parked = endpoint::Input::Parked { session, connection };
                        self.endpoint.handle(parked, now);
                    }
                    format!("close: {reason}")
                }
                Output::SessionOver { end, unread } => {
                    let key = machine.key.take().expect("it was granted");
                    self.endpoint.handle(endpoint::Input::SessionOver(key), now);
                    format!("over: {end:?}, {unread} unread")
                }
                Output::Session(request) => {
                    match self.answer(&mut machine, request) {
                        Ok(answer) => machine.session.handle(Input::Session(answer), now),
                        Err(owner) => {
                            lines.extend(self.hand_over(place, machine, owner));
                            return lines;
                        }
                    }
                    continue;
                }
                Output::Notice(_) => continue,
                other => panic!("not known here: {other:?}"),
            });
        }
        self.rest(&mut machine);
        self.machines[place] = Some(machine);
        lines
    }

    /// S6: a session in which nothing goes on is data, and goes on as if it had not been.
    fn rest(&mut self, machine: &mut Machine) {
        if let Some(key) = machine.key
            && let Some(resting) = machine.session.rest()
        {
            machine.session = self.endpoint.wake_session(key, resting);
        }
    }

    fn answer(
        &mut self,
        machine: &mut Machine,
        request: SessionRequest,
    ) -> Result<SessionAnswer, SessionKey> {
        let (connection, now) = (machine.connection, self.time());
        Ok(match request {
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
                    Resumption::HandOver(key) => return Err(key),
                    Resumption::Overtaken => SessionAnswer::Overtaken,
                    Resumption::NoSession(why) => SessionAnswer::NoSession(why),
                }
            }
        })
    }

    fn hand_over(&mut self, from: usize, machine: Machine, to: SessionKey) -> Vec<String> {
        let is_it = |machine: &&Option<Machine>| {
            machine.as_ref().is_some_and(|machine| machine.key == Some(to))
        };
        let owner = self.machines.iter().position(|machine| is_it(&machine)).unwrap();
        let mut lines = Vec::new();
        if self.machines[owner].as_ref().is_some_and(|owner| !owner.session.is_parked()) {
            lines = self.tell(owner, Input::Overtaken);
        }
        let now = self.time();
        let connection = machine.connection;
        let resuming = machine.session.into_resuming().expect("it waits for that");
        let owned = self.machines[owner].as_mut().unwrap();
        owned.session.resume(resuming, now);
        owned.connection = connection;
        for (place, _) in self.connections.values_mut().filter(|(place, _)| *place == from) {
            *place = owner;
        }
        lines.extend(self.tell(owner, Input::Tick));
        lines
    }
}

const ID: &str = "16~0123456789abcdef~";

fn open(window: u64) -> String {
    format!("0 {{'negotiate'1?#3&10&#{{'max_packet'999}}&{{'session'{ID}{window} 999 60000}}&}}$")
}

fn resume(done: u64, events: u64, turn: u64) -> String {
    format!(
        "0 {{'negotiate'1?#3&10&#{{'max_packet'999}}&{{'resume'{ID}{done} {events} {turn}}}&}}$"
    )
}

fn agreed(option: &str) -> String {
    format!("10 ? {{'agreed'1?#3&10&#{{{option}}}&{{'max_packet'999}}&}}$")
}

fn opened(window: u64) -> World {
    let mut world = World::new();
    world.connect("a");
    let grant = format!("'session'{window} 999 999 60000'memory'");
    assert_eq!(world.receive("a", &open(window)), [agreed(&grant)]);
    world
}

fn again(world: &mut World, name: &'static str, done: u64, events: u64, turn: u64) -> Vec<String> {
    world.connect(name);
    world.receive(name, &resume(done, events, turn))
}

#[test]
fn s3_an_answer_that_leaves_at_once_is_kept_as_any_other() {
    let mut world = opened(8);
    world.receive("a", "10 'one'$");
    assert_eq!(world.at_once("a", 2, "{1's'}$").as_deref(), Some(&b"10 ? "[..]));
    world.receive("a", "10 'two'$");
    assert_eq!(world.reply("a", 3, "{2's'}$"), ["10 ? {2's'}$"]);
    world.receive("a", "10 'three'$");
    // S3: one that is too large to be kept is not sent.
    let large = format!("{{~{}~'s'}}$", "a".repeat(996));
    assert_eq!(world.at_once("a", 4, &large), None);
    assert_eq!(world.at_once("a", 4, "{3's'}$").as_deref(), Some(&b"10 ? "[..]));
    world.lose("a");
    let lines = again(&mut world, "b", 1, 0, 2);
    assert_eq!(lines, [agreed("'resumed'3 0").as_str(), "10 ? {2's'}$", "10 ? {3's'}$"]);
    world.receive("b", "10 'four'$");
    assert!(world.at_once("b", 6, "{4's'}$").is_some());
}

#[test]
fn s4_answers_that_were_not_seen_are_sent_again_and_what_runs_goes_on() {
    let mut world = opened(8);
    world.receive("a", "10 'one'$10 'two'$10 'three'$");
    assert_eq!(world.reply("a", 2, "{1's'}$"), ["10 ? {1's'}$"]);
    assert_eq!(world.reply("a", 4, "{3's'}$"), [""; 0]);
    assert_eq!(world.lose("a"), ["close: the connection is gone"]);
    // The answer to the second is made while nobody is connected.
    assert_eq!(world.reply("a", 3, "{2's'}$"), [""; 0]);
    let lines = again(&mut world, "b", 1, 0, 2);
    assert_eq!(lines, [&*agreed("'resumed'3 0"), "10 ? {2's'}$", "10 ? {3's'}$"]);
    // What was not received is sent again, and counted on: the packets of two connections.
    assert_eq!(world.receive("b", "10 'four'$"), ["request 6 four"]);
    assert_eq!(world.reply("b", 6, "{4's'}$"), ["10 ? {4's'}$"]);
    assert_eq!(world.lose("b").len(), 1);
    assert_eq!(again(&mut world, "c", 4, 0, 3), [agreed("'resumed'4 0")]);
}

#[test]
fn s2_refusals_tell_the_number_of_the_message_and_no_packet_after_a_resume() {
    let mut world = opened(8);
    assert_eq!(
        world.receive("a", "0 'ping'$7 'x'$"),
        ["0 ? 'pong'$", "0 ? {'refused'{'version'7}#3&10&3 1}$"]
    );
    world.receive("a", "10 'y'$");
    let failed = Input::Failed { packet: 4, why: Term::atom("crash") };
    assert_eq!(world.tell(0, failed), ["0 ? {'failed''crash'#3&10&4 2}$"]);
    world.lose("a");
    assert_eq!(
        again(&mut world, "b", 0, 0, 2),
        [
            &*agreed("'resumed'2 0"),
            "0 ? {'refused'{'version'7}#3&10&0 1}$",
            "0 ? {'failed''crash'#3&10&0 2}$"
        ]
    );
    // N4: the resume has negotiated, so nothing is barred.
    assert_eq!(world.receive("b", "10 'z'$"), ["request 6 z"]);
}

#[test]
fn s5_the_higher_turn_wins_and_the_lower_one_changes_nothing() {
    let mut world = opened(8);
    world.receive("a", "10 'one'$");
    // The first connection is still there.
    let lines = again(&mut world, "c", 0, 0, 3);
    assert_eq!(
        lines,
        [
            "0 ? {'closing''overtaken'2}$",
            "close: another connection goes on with the session",
            &*agreed("'resumed'1 0")
        ]
    );
    for turn in [1, 2, 3] {
        assert_eq!(
            again(&mut world, "b", 0, 0, turn),
            ["0 ? {'closing''overtaken'1}$", "close: another connection goes on with the session"]
        );
    }
    // What comes late on the connection that was left is not read.
    assert_eq!(world.receive("a", "10 'late'$"), [""; 0]);
    assert_eq!(world.reply("c", 2, "{1's'}$"), ["10 ? {1's'}$"]);
}

#[test]
fn s5_a_session_that_is_kept_for_no_time_goes_from_one_connection_to_the_next() {
    let mut world = World::with(|config| config.sessions.max_keep = Duration::ZERO);
    world.connect("a");
    world.receive("a", &open(8));
    world.receive("a", "10 'one'$");
    assert_eq!(world.reply("a", 2, "{1's'}$"), ["10 ? {1's'}$"]);
    for (name, turn, packets) in [("b", 2, 2), ("c", 3, 1)] {
        let lines = again(&mut world, name, 1, 0, turn);
        assert_eq!(
            lines,
            [
                &*format!("0 ? {{'closing''overtaken'{packets}}}$"),
                "close: another connection goes on with the session",
                &*agreed("'resumed'1 0")
            ]
        );
        assert_eq!(world.endpoint.sessions(), (1, 0));
    }
    // Without a connection it is over at once.
    assert_eq!(world.lose("c"), ["close: the connection is gone", "over: Expired, 0 unread"]);
    assert_eq!(again(&mut world, "d", 1, 0, 4), [agreed("'no_session''unknown'")]);
}

/// The words of a cordon.
const CORDONED: &str = "close: the operator admits no other client (cordon)";

#[test]
fn s10_a_cordon_lets_a_client_in_whose_loss_the_server_has_not_noticed() {
    let mut world = opened(8);
    world.receive("a", "10 'one'$");
    let cordon = Cordon::new("192.0.2.9:1".parse::<NextIp>().ok());
    assert!(world.endpoint.handle(endpoint::Input::Cordon(cordon), world.time()));
    let lines = again(&mut world, "b", 0, 0, 2);
    assert_eq!(lines.last(), Some(&agreed("'resumed'1 0")), "{lines:?}");
    assert_eq!(world.reply("b", 2, "{1's'}$"), ["10 ? {1's'}$"], "it is told of no NextIP");
    assert_eq!(world.receive("b", "10 'two'$"), ["request 4 two"]);
    // Nobody else, though it comes from the same address.
    let closing = |packet| format!("0 \"192.0.2.9:1\" {{'closing''cordoned'{packet}}}$");
    for (name, asks, first, packet) in [
        ("c", "10 'x'$10 'y'$", None, 0),
        ("d", &*open(8), None, 0),
        ("e", &*format!("0 'ping'${}", open(8)), Some("0 ? 'pong'$"), 1),
    ] {
        world.connect(name);
        let first = first.map(str::to_owned).into_iter();
        let expected: Vec<_> = first.chain([closing(packet), CORDONED.to_owned()]).collect();
        assert_eq!(world.receive(name, asks), expected, "{name}");
    }
    // Whose session is gone hears it, and no more.
    world.connect("f");
    let unknown = resume(0, 0, 2).replace("0123456789abcdef", "fedcba9876543210");
    assert_eq!(world.receive("f", &unknown), [agreed("'no_session''unknown'")]);
    assert_eq!(world.receive("f", "10 'x'$"), [closing(1), CORDONED.to_owned()]);
}

#[test]
fn s10_the_end_of_a_cordon_is_told_to_those_who_have_asked_for_nothing() {
    let mut world = opened(8);
    let now = world.time();
    assert!(world.endpoint.handle(endpoint::Input::Cordon(Cordon::default()), now));
    world.connect("b");
    world.connect("c");
    world.lose("c");
    assert!(world.endpoint.handle(endpoint::Input::Uncordon, now));
    let mut told = Vec::new();
    while let Some(output) = world.endpoint.poll_output() {
        if let endpoint::Output::Tell(connection, input) = output {
            assert!(matches!(input, Input::Uncordon), "{input:?}");
            told.push(connection);
            world.tell(1, input);
        }
    }
    assert_eq!(told, [world.connections["b"].1]);
    assert_eq!(world.receive("b", "10 'x'$"), ["request 1 x"]);
}

#[test]
fn s1_an_id_is_opened_once_and_is_unknown_when_it_is_over() {
    let mut world = opened(8);
    world.connect("b");
    assert_eq!(
        world.receive("b", &open(8)),
        ["0 ? {'closing''session_exists'1}$", "close: the session that it opens exists"]
    );
    assert_eq!(world.receive("a", "0 {'seen'0 0'end'}$"), ["over: ByClient, 0 unread"]);
    // The connection goes on without a session.
    assert_eq!(world.receive("a", "7 1$"), ["0 ? {'refused'{'version'7}#3&10&3}$"]);
    assert_eq!(again(&mut world, "c", 0, 0, 2), [agreed("'no_session''unknown'")]);
    // The negotiate that directly follows may open another one.
    assert_eq!(world.receive("c", &open(2)), [agreed("'session'2 999 999 60000'memory'")]);
}

#[test]
fn s1_no_session_is_granted_after_a_message_or_to_who_accepts_more_than_is_kept() {
    let mut world = World::new();
    world.connect("a");
    world.receive("a", "10 'first'$");
    world.reply("a", 1, "{1's'}$");
    assert_eq!(world.receive("a", &open(8)), ["10 ? {'agreed'1?#3&10&#{'max_packet'999}&}$"]);
    world.connect("b");
    let wish = format!("0 {{'negotiate'1?#10&#{{'max_packet'1000}}&{{'session'{ID}1 1 1}}&}}$");
    assert_eq!(world.receive("b", &wish), ["10 ? {'agreed'1?#3&10&#{'max_packet'999}&}$"]);
}

#[test]
fn s3_answers_before_the_window_and_those_that_were_seen_are_not_kept() {
    let mut world = opened(2);
    for (packet, number) in [(2, 1), (3, 2), (4, 3), (5, 4)] {
        assert_eq!(world.receive("a", "10 'x'$").len(), 1);
        let body = format!("{{{number}'s'}}$");
        assert_eq!(world.reply("a", packet, &body).len(), 1);
    }
    assert_eq!(world.receive("a", "0 {'seen'3 0}$"), [""; 0]);
    world.lose("a");
    assert_eq!(again(&mut world, "b", 0, 0, 2), [&*agreed("'resumed'4 0"), "10 ? {4's'}$"]);
    world.lose("b");
    // S4: Received is the greater of what was taken and Done.
    assert_eq!(again(&mut world, "c", 9, 0, 3), [agreed("'resumed'9 0")]);
}

#[test]
fn s3_a_server_reads_on_within_the_window_and_begins_nothing_while_it_keeps_too_much() {
    let mut world = opened(4);
    assert_eq!(world.receive("a", "10 'one'$").len(), 1);
    let long = format!("{{\"{}\"'s'}}$", "x".repeat(940));
    assert_eq!(world.reply("a", 2, &long).len(), 1);
    // Kept is reached: messages are taken, and wait.
    assert_eq!(world.receive("a", "10 'two'$10 {'event_in''e'}$10 'three'$"), [""; 0]);
    // What was seen makes room, and the order holds.
    assert_eq!(
        world.receive("a", "0 {'seen'1 0}$"),
        ["request 3 two", "event 4 {event_in,e}", "request 5 three"]
    );
    let too_long = format!("{{\"{}\"'s'}}$", "x".repeat(995));
    assert_eq!(world.reply("a", 3, &too_long), ["0 ? {'failed''reply_too_large'#3&10&3 2}$"]);
}

#[test]
fn s4_events_are_sent_again_and_those_that_are_gone_are_counted() {
    let mut world = World::with(|config| config.session.max_kept_event_bytes = 300);
    world.connect("a");
    world.receive("a", &open(8));
    world.receive("a", "10 'x'$");
    let event = |number| format!("{{'event_out'{number}}}$");
    assert_eq!(world.event("a", &event(1)), ["10 ? {'event_out'1}$"]);
    assert_eq!(world.reply("a", 2, "{1's'}$"), ["10 ? {1's'}$"]);
    assert_eq!(world.event("a", &event(2)), ["10 ? {'event_out'2}$"]);
    world.lose("a");
    assert_eq!(world.event("a", &event(3)), [""; 0]);
    let lines = again(&mut world, "b", 0, 1, 2);
    assert_eq!(
        lines,
        [&*agreed("'resumed'1 0"), "10 ? {1's'}$", "10 ? {'event_out'2}$", "10 ? {'event_out'3}$"]
    );
    world.lose("b");
    for number in 4..=6 {
        world.event("a", &event(number));
    }
    let lines = again(&mut world, "c", 1, 2, 3);
    assert_eq!(lines[0], agreed("'resumed'1 1"));
    assert_eq!(lines[1], "10 ? {'event_out'4}$");
}

#[test]
fn s6_an_event_that_is_too_large_to_be_kept_is_sent_and_ends_no_connection() {
    let mut world = World::with(|config| config.session.max_kept_event_bytes = 79);
    world.connect("a");
    world.receive("a", &open(8));
    let event = |number| format!("{{'event_out'{number}}}$");
    assert_eq!(world.event("a", &event(1)), ["10 ? {'event_out'1}$"]);
    // It has 16 bytes, and takes 64 more to be kept.
    assert_eq!(world.event("a", &event(22)), ["10 ? {'event_out'22}$"]);
    assert_eq!(world.event("a", &event(3)), ["10 ? {'event_out'3}$"]);
    world.lose("a");
    // The client has read the first one only.
    let lines = again(&mut world, "b", 0, 1, 2);
    assert_eq!(lines, [&*agreed("'resumed'0 1"), "10 ? {'event_out'3}$"]);
    assert_eq!(world.event("b", &event(44)), ["10 ? {'event_out'44}$"]);
    // Where nobody reads, it is gone before it was sent, and a resume tells so.
    world.lose("b");
    assert_eq!(world.event("b", &event(55)), [""; 0]);
    assert_eq!(again(&mut world, "c", 0, 4, 3), [agreed("'resumed'0 1")]);
}

#[test]
fn s6_a_session_is_over_when_nobody_comes_back_and_nothing_runs() {
    let mut world = opened(8);
    world.receive("a", "10 'x'$");
    world.now = 1_000;
    world.lose("a");
    // Its handler runs.
    assert_eq!(world.at(100_000), [""; 0]);
    assert_eq!(world.reply("a", 2, "{1's'}$"), [""; 0]);
    assert_eq!(world.at(159_999), [""; 0]);
    assert_eq!(world.at(160_000), ["over: Expired, 1 unread"]);
    assert_eq!(world.endpoint.sessions(), (0, 0));
    assert_eq!(again(&mut world, "b", 0, 0, 2), [agreed("'no_session''unknown'")]);
}

#[test]
fn s6_a_full_server_grants_nothing_and_makes_room_only_of_its_own_address() {
    let mut world = World::with(|config| config.sessions.max_sessions = 1);
    world.connect("a");
    assert!(world.receive("a", &open(8))[0].contains("'session'"));
    world.connect("b");
    let other = open(8).replace("0123456789abcdef", "fedcba9876543210");
    assert!(!world.receive("b", &other)[0].contains("'session'"));
    world.lose("a");
    world.connect("c");
    assert!(world.receive("c", &other)[0].contains("'session'"));
    assert!(matches!(
        world.endpoint.poll_output(),
        Some(endpoint::Output::EndSession(key)) if key.number() == 1
    ));
    assert_eq!(world.tell(0, Input::EndSession), ["over: GivenUp, 0 unread"]);
}

#[test]
fn s1_a_session_has_one_service_and_another_service_does_not_know_it() {
    let mut world = opened(8);
    let other = "0 {'negotiate'1\"other\"#10&#}$";
    assert_eq!(world.receive("a", other), ["0 ? {'refused''one_service'#3&10&2}$"]);
    world.lose("a");
    world.connect("b");
    let lines = world.receive("b", &resume(0, 0, 2).replace("1?#", "1\"other\"#"));
    assert!(lines[0].contains("{'no_session''unknown'}"), "{lines:?}");
}

#[test]
fn r8_a_hard_stop_answers_what_runs_and_says_what_was_not_begun() {
    let mut world = opened(4);
    world.receive("a", "10 'one'$");
    world.reply("a", 2, &format!("{{\"{}\"'s'}}$", "x".repeat(940)));
    world.receive("a", "10 'two'$");
    let why = Term::atom("shutdown");
    assert_eq!(
        world.tell(0, Input::Close { why, within: Duration::ZERO }),
        [
            "0 ? {'refused''shutdown'#3&10&3 2}$",
            "0 ? {'closing''shutdown'3}$",
            "close: the server closes",
        ]
    );
    let config = server::Config::default();
    assert_eq!(config.max_kept_event_bytes, 1 << 20);
}
