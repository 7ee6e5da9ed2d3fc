//! Connections that go from one process to the next (U2): whatever they are cut into, what leaves
//! and what runs is the same as if nothing had been.

use std::time::Duration;

use bytes::BytesMut;
use ubf_codec::{Encoder, Term, decode, ubf};
use ubf_proto::endpoint::{self, Admission, Endpoint, Start};
use ubf_proto::export::LiveExport;
use ubf_proto::server::{CloseReason, Input, Output, ServerSession, SessionAnswer};
use ubf_proto::session::{Grant, Level, SessionId};
use ubf_proto::{Offer, Origin, Random, Time, Versions, body};

const NAME: &[u8; 16] = b"0123456789abcdef";

fn start() -> Start {
    let mut endpoint = Endpoint::new(endpoint::Config::default(), offer(), 7);
    match endpoint.admit(Origin::Local, Time::ZERO) {
        Admission::Serve { start, .. } => start,
        Admission::TurnAway { why, .. } => panic!("{why}"),
    }
}

fn offer() -> Offer {
    Offer::from(Versions::of([1, 2, 3]))
}

/// A server's end in one process after the other.
struct Ends {
    session: ServerSession,
    /// Requests that run: they are answered when all that came was taken in.
    running: Vec<(u64, Term)>,
    left: Vec<u8>,
    ran: Vec<String>,
    closed: Option<CloseReason>,
    passed: u64,
}

impl Ends {
    fn new() -> Self {
        Self {
            session: start().session(Time::ZERO),
            running: Vec::new(),
            left: Vec::new(),
            ran: Vec::new(),
            closed: None,
            passed: 0,
        }
    }

    fn tell(&mut self, input: Input) {
        self.session.handle(input, Time::ZERO);
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit { packet, .. } => {
                    self.left.extend_from_slice(&packet.to_bytes());
                    self.session.handle(Input::Written(packet.len()), Time::ZERO);
                }
                Output::Request(message) => {
                    let context = &message.context;
                    self.ran.push(format!(
                        "{:?} {} {} {context:?}",
                        message.number, message.version, message.body
                    ));
                    self.running.push((message.packet, message.body.root().to_term()));
                }
                Output::Event(message) => self.ran.push(format!("event {}", message.body)),
                Output::Session(_) => {
                    let grant = Grant {
                        window: 8,
                        bytes: 1_000,
                        kept: 1_000,
                        keep: Duration::from_secs(60),
                        level: Level::Memory,
                    };
                    let granted = SessionAnswer::Granted(grant);
                    self.session.handle(Input::Session(granted), Time::ZERO);
                }
                Output::Close { reason, .. } => self.closed = Some(reason),
                _ => {}
            }
        }
    }

    fn says(&mut self, bytes: &[u8]) {
        self.tell(Input::Received(BytesMut::from(bytes)));
        self.answer();
    }

    /// What runs ends, and what waited for that begins.
    fn answer(&mut self) {
        while let Some((packet, request)) = self.running.pop() {
            let body = body(&ubf!({(request), start}));
            self.tell(Input::Reply { packet, body });
        }
    }

    /// U2: another process goes on, if it can.
    fn pass(&mut self) {
        self.tell(Input::Freeze);
        self.answer();
        assert!(self.session.is_settled(), "nothing runs");
        let Some(connection) = self.session.export_live() else {
            self.tell(Input::Thaw);
            return self.answer();
        };
        let has_session = connection.session.is_some();
        let export = LiveExport {
            peer: None,
            identity: Vec::new(),
            agent: None,
            spoken: connection.agreed,
            connection,
            session: has_session.then(|| (SessionId::from_bytes(*NAME), 1)),
            unsent: bytes::Bytes::new(),
            services: Vec::new(),
        };
        let written = Encoder::new().encode(&export.to_term());
        let read = LiveExport::read(decode(&written).unwrap().root());
        assert_eq!(read.as_ref(), Some(&export));
        self.session = start().live(read.unwrap().connection, 0, Time::ZERO);
        self.passed += 1;
        self.tell(Input::Tick);
        self.answer();
    }
}

/// What a client says, as the seed wants it.
fn script(random: &mut Random) -> Vec<u8> {
    let mut said = Vec::new();
    let opening = match random.below(4) {
        0 => "",
        1 => "0 {'negotiate'1?#3&#}$",
        2 => "0 {'negotiate'1?#3&2&#{'context'1}&{'max_packet'300}&}$",
        _ => "0 {'negotiate'1?#3&#{'session'16~0123456789abcdef~8 1000 60000}&}$",
    };
    said.extend_from_slice(opening.as_bytes());
    let mut number = 0;
    for _ in 0..random.below(14) {
        number += 1;
        let piece = match random.below(16) {
            0 => "0 'ping'$".to_owned(),
            1 => format!(" \r\n2  {{'two'{number}}}$"),
            2 => format!("9 'unspoken {number}'$"),
            3 => "3 {'event_in'7}$".to_owned(),
            4 => "0 {'seen'1 0}$".to_owned(),
            5 => "0 {'context'? 900}$".to_owned(),
            6 => format!("3 \"{}\"$", "long ".repeat(80)),
            7 => "0 'nobody knows'$".to_owned(),
            8 if random.below(4) == 0 => "3 }$".to_owned(),
            9 if random.below(4) == 0 => "0 {'negotiate'1?#1&#}$".to_owned(),
            _ => format!("3 {{'a~$'3~$$$~{number}}}$"),
        };
        said.extend_from_slice(piece.as_bytes());
    }
    said
}

#[test]
fn u2_a_connection_that_goes_on_elsewhere_does_what_it_would_have_done_here() {
    let mut passed = 0;
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let script = script(&mut random);
        for _ in 0..4 {
            let (mut cut, mut whole) = (Ends::new(), Ends::new());
            let mut rest = &script[..];
            while !rest.is_empty() {
                let most = if random.below(2) == 0 { 6 } else { 60 };
                let (piece, behind) = rest.split_at(rest.len().min(random.below(most) as usize));
                rest = behind;
                cut.says(piece);
                whole.says(piece);
                if cut.closed.is_none() && random.below(2) == 0 {
                    cut.pass();
                }
            }
            let texts = [&cut.left, &whole.left].map(|left| String::from_utf8_lossy(left));
            assert_eq!(texts[0], texts[1], "seed {seed}");
            assert_eq!(cut.ran, whole.ran, "seed {seed}");
            assert_eq!(cut.closed, whole.closed, "seed {seed}");
            passed += cut.passed;
        }
    }
    assert!(passed > 4_000, "{passed} were passed");
}

#[test]
fn u2_what_was_taken_is_answered_and_nothing_more_is_taken() {
    let mut ends = Ends::new();
    ends.tell(Input::Received(BytesMut::from("3 1$3 2$")));
    ends.tell(Input::Freeze);
    assert!(!ends.session.is_reading());
    assert!(!ends.session.is_settled() && ends.session.export_live().is_none());
    ends.tell(Input::Received(BytesMut::from("3 3$")));
    ends.answer();
    assert_eq!(ends.left, b"3 ? {1'start'}$3 ? {2'start'}$");
    let live = ends.session.export_live().unwrap();
    assert_eq!((&live.unread[..], live.packets, live.offset), (&b"3 3$"[..], 2, 8));
    // It stays after all.
    ends.tell(Input::Thaw);
    ends.answer();
    assert!(ends.left.ends_with(b"3 ? {3'start'}$"));
}

#[test]
fn u2_what_waits_for_the_client_keeps_nobody_and_is_not_passed() {
    let mut ends = Ends::new();
    ends.says(b"0 {'negotiate'1?#3&#{'session'16~0123456789abcdef~8 1000 60000}&}$");
    let long = format!("3 \"{}\"$", "a".repeat(950));
    ends.says(long.as_bytes());
    // S3: so much is kept that it waits for the client's word.
    ends.says(b"3 'waits'$");
    assert_eq!(ends.ran.len(), 1);
    ends.tell(Input::Freeze);
    assert!(ends.session.is_settled() && ends.session.export_live().is_none());
    // The session can still go, and counts the message as never sent.
    assert_eq!(ends.session.export().map(|session| session.received), Some(1));
    ends.tell(Input::Thaw);
    ends.says(b"0 {'seen'1 0}$");
    assert_eq!(ends.ran.len(), 2);
}

#[test]
fn u2_a_connection_that_is_about_to_end_is_not_passed() {
    for input in [
        Input::EndOfStream,
        Input::Close { why: ubf!(operator), within: Duration::from_secs(1) },
        Input::Lost,
    ] {
        let mut ends = Ends::new();
        ends.tell(Input::Received(BytesMut::from("3 1$")));
        ends.tell(input);
        ends.tell(Input::Freeze);
        ends.answer();
        assert_eq!(ends.session.export_live(), None);
    }
}
