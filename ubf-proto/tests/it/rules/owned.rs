//! Sessions whose owner keeps them in a store (T3), at the server.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{Term, Version};
use ubf_proto::server::{
    CloseReason, Config, Input, Message, Output, Restored, RestoredItem, ServerSession,
    SessionAnswer, SessionRequest, StoredAnswer,
};
use ubf_proto::session::{Grant, Level};
use ubf_proto::{Offer, Service, Time, Versions};

const ID: &str = "16~0123456789abcdef~";

/// A connection to a service that has an owner; the test is the owner.
struct Owned {
    session: ServerSession,
    /// Messages that the owner was given, and which of them are events.
    given: Vec<(Box<Message>, bool)>,
    seen: Vec<(u64, u64)>,
    closed: Option<(CloseReason, usize)>,
}

impl Owned {
    fn new() -> Self {
        let offer = Offer::from(Versions::of([1])).with_owner(&Service::DEFAULT);
        let config = Arc::new(Config::default());
        let session = ServerSession::new(config, Arc::new(offer), Time::ZERO);
        Self { session, given: Vec::new(), seen: Vec::new(), closed: None }
    }

    /// With a session that was opened.
    fn open(kept: u64) -> Self {
        let mut owned = Self::new();
        let negotiate = format!("0 {{'negotiate'1?#1&#{{'session'{ID}8 1000 60000}}&}}$");
        assert_eq!(owned.says(&negotiate), "");
        let answer = owned.tell(Input::Session(SessionAnswer::Granted(grant(kept))));
        assert!(answer.contains("'durable'"), "{answer}");
        owned
    }

    /// The client says something. What leaves.
    fn says(&mut self, text: &str) -> String {
        self.tell(Input::Received(BytesMut::from(text)))
    }

    fn tell(&mut self, input: Input) -> String {
        self.session.handle(input, Time::ZERO);
        let mut left = Vec::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit { packet, .. } => {
                    self.session.handle(Input::Written(packet.len()), Time::ZERO);
                    left.extend_from_slice(&packet.head);
                    left.extend_from_slice(&packet.body);
                }
                Output::Request(message) => self.given.push((message, false)),
                Output::Event(message) => self.given.push((message, true)),
                Output::Seen { done, events } => self.seen.push((done, events)),
                Output::Close { reason, calls_cut } => self.closed = Some((reason, calls_cut)),
                Output::Session(SessionRequest::Open { .. } | SessionRequest::Resume { .. })
                | Output::SessionOver { .. }
                | Output::Notice(_) => {}
                other => panic!("{other:?}"),
            }
        }
        String::from_utf8(left).unwrap()
    }

    fn reply(&mut self, packet: u64, body: &'static str) -> String {
        self.tell(Input::Reply { packet, body: Bytes::from_static(body.as_bytes()) })
    }

    /// The numbers of the messages that the owner was given.
    fn numbers(&self) -> Vec<Option<u64>> {
        self.given.iter().map(|(message, _)| message.number).collect()
    }
}

fn grant(kept: u64) -> Grant {
    let keep = Duration::from_secs(60);
    Grant { window: 8, bytes: 1_000, kept, keep, level: Level::Durable }
}

#[test]
fn t3_what_comes_behind_an_event_waits_until_its_owner_has_it() {
    let mut owned = Owned::open(1_000);
    assert_eq!(owned.says("1 {'event_in'7}$0 'ping'$1 'a'$0 'ping'$"), "");
    assert_eq!(owned.numbers(), [Some(1), Some(2)]);
    assert_eq!(owned.reply(4, "{1's'}$"), "", "the event comes first");
    assert_eq!(owned.tell(Input::Taken { packet: 2 }), "0 ? 'pong'$1 ? {1's'}$0 ? 'pong'$");
    assert_eq!(owned.tell(Input::Taken { packet: 2 }), "", "once is enough");
    // Without a session, too.
    let mut owned = Owned::new();
    assert_eq!(owned.says("1 {'event_in'7}$0 'ping'$"), "");
    assert_eq!(owned.numbers(), [None]);
    assert_eq!(owned.tell(Input::Taken { packet: 1 }), "0 ? 'pong'$");
}

#[test]
fn s2_the_owner_counts_what_is_refused() {
    let mut owned = Owned::open(1_000);
    assert_eq!(owned.says("1 'a'$7 'b'$7 {'event_in'1}$"), "");
    assert_eq!(owned.numbers(), [Some(1), Some(2), Some(3)]);
    let (refused, is_event) = &owned.given[2];
    assert!(!is_event, "it has an answer");
    let why = refused.refused.as_deref().cloned().unwrap();
    assert!(owned.given[0].0.refused.is_none());
    for packet in [3, 4] {
        assert_eq!(owned.tell(Input::Refused { packet, why: why.clone() }), "");
    }
    assert_eq!(
        owned.reply(2, "{1's'}$"),
        "1 ? {1's'}$0 ? {'refused'{'version'7}#1&3 2}$0 ? {'refused'{'version'7}#1&4 3}$"
    );
    // Outside of a session nobody counts.
    let mut owned = Owned::new();
    assert_eq!(owned.says("7 'b'$"), "0 ? {'refused'{'version'7}#1&1}$");
}

#[test]
fn s3_messages_and_events_wait_in_their_order_while_no_more_can_be_kept() {
    let mut owned = Owned::open(70);
    owned.says("1 'a'$1 'b'$");
    // An entry counts 64 bytes more.
    assert_eq!(owned.reply(2, "{1's'}$"), "1 ? {1's'}$");
    assert_eq!(owned.reply(3, "{2's'}$"), "1 ? {2's'}$");
    assert_eq!(owned.says("1 {'event_in'1}$7 'x'$1 'c'$0 'ping'$"), "");
    assert_eq!(owned.numbers(), [Some(1), Some(2)], "none of these is begun");
    owned.says("0 {'seen'2 0}$");
    assert_eq!(owned.seen, [(2, 0)]);
    assert_eq!(owned.numbers()[2..], [Some(3), Some(4), Some(5)]);
    assert_eq!(owned.tell(Input::Taken { packet: 4 }), "");
    let why = Term::atom("no");
    assert_eq!(owned.tell(Input::Refused { packet: 5, why }), "0 ? {'refused''no'#1&5 4}$");
    assert_eq!(owned.reply(6, "{3's'}$"), "1 ? {3's'}$0 ? 'pong'$");
}

#[test]
fn t3_nothing_stays_with_a_connection_that_is_gone() {
    let mut owned = Owned::open(1_000);
    owned.says("1 'a'$1 {'event_in'1}$");
    owned.tell(Input::Lost);
    assert_eq!(owned.closed, Some((CloseReason::Lost, 0)), "its owner goes on");
    assert!(!owned.session.is_parked() && !owned.session.has_session());
    assert_eq!(owned.reply(2, "{1's'}$"), "");
    assert_eq!(owned.session.poll_timeout(), None);
}

#[test]
fn r8_at_the_hard_stop_calls_of_an_owner_are_not_cut() {
    let mut owned = Owned::open(1_000);
    owned.says("1 'a'$1 {'event_in'1}$");
    let why = Term::atom("shutdown");
    let left = owned.tell(Input::Close { why, within: Duration::ZERO });
    assert_eq!(left, "0 ? {'closing''shutdown'3}$");
    assert_eq!(owned.closed, Some((CloseReason::Shutdown, 0)));
    // Without a session nobody could hear of them later.
    let mut owned = Owned::new();
    owned.says("1 'a'$1 {'event_in'1}$");
    let why = Term::atom("shutdown");
    let left = owned.tell(Input::Close { why, within: Duration::ZERO });
    assert_eq!(left, "0 ? {'failed''cut'#1&1}$0 ? {'closing''shutdown'2}$");
    assert_eq!(owned.closed, Some((CloseReason::Shutdown, 1)));
}

#[test]
fn s4_a_session_goes_on_with_what_its_owner_has_stored() {
    let version = Version::new(9).unwrap();
    let reply = StoredAnswer::Reply { version, body: Bytes::from_static(b"{2's'}$") };
    let event = Bytes::from_static(b"{'event_out'5}$");
    let restored = |events_made| Restored {
        grant: grant(1_000),
        received: 4,
        events_made,
        kept: vec![
            RestoredItem::Answer(2, reply.clone()),
            RestoredItem::Event { version, body: event.clone() },
            RestoredItem::Answer(3, StoredAnswer::Refused(Term::atom("no"))),
        ],
    };
    for (events_made, done, events, resumed, again) in [
        // S8: in the version that they have, which this server does not speak.
        (
            Some(5),
            1,
            2,
            "{'resumed'4 2}",
            "9 ? {2's'}$9 ? {'event_out'5}$0 ? {'refused''no'#1&0 3}$",
        ),
        (None, 2, 0, "{'resumed'4'unknown'}", "9 ? {'event_out'5}$0 ? {'refused''no'#1&0 3}$"),
        // S4.10, S4.19: what the client has counts.
        (Some(5), 6, 7, "{'resumed'6 0}", ""),
    ] {
        let mut owned = Owned::new();
        let option = format!("{{'resume'{ID}{done} {events} 2}}");
        assert_eq!(owned.says(&format!("0 {{'negotiate'1?#1&#{option}&}}$")), "");
        let restored = Box::new(restored(events_made));
        let left = owned.tell(Input::Session(SessionAnswer::Restored(restored)));
        let (agreed, rest) = left.split_once("}$").unwrap();
        assert!(agreed.contains(resumed), "{agreed}");
        assert_eq!(rest, again);
        owned.says("1 'a'$");
        let next = if done == 6 { 7 } else { 5 };
        assert_eq!(owned.numbers(), [Some(next)], "numbers go on");
        assert_eq!(owned.reply(2, "{1's'}$"), "1 ? {1's'}$");
    }
}

#[test]
fn s2_whoever_is_not_the_owner_any_more_names_the_one_that_is() {
    let moved = || Input::Moved { next_ip: "192.0.2.7:4000".parse().ok() };
    // In a session: a word, and the end. What was taken is answered by the owner.
    let mut owned = Owned::open(1_000);
    assert_eq!(owned.says("1 'a'$"), "");
    assert_eq!(owned.tell(moved()), "0 \"192.0.2.7:4000\" {'closing''moved'2}$");
    assert_eq!(owned.closed, Some((CloseReason::Shutdown, 0)));
    assert_eq!(owned.tell(moved()), "", "once is enough");
    // While it is being opened: likewise.
    let mut owned = Owned::new();
    owned.says(&format!("0 {{'negotiate'1?#1&#{{'session'{ID}8 1000 60000}}&}}$"));
    assert_eq!(owned.tell(moved()), "0 \"192.0.2.7:4000\" {'closing''moved'1}$");
    // S4: a resume is answered.
    let resume = format!("0 {{'negotiate'1?#1&#{{'resume'{ID}0 0 2}}&}}$");
    let unknown = Input::Moved { next_ip: None };
    for (told, head, why) in
        [(moved(), "1 \"192.0.2.7:4000\" ", "elsewhere"), (unknown, "1 ? ", "not_now")]
    {
        let mut owned = Owned::new();
        assert_eq!(owned.says(&resume), "");
        let said = owned.tell(told);
        assert!(said.starts_with(head), "{said}");
        assert!(said.contains(&format!("{{'no_session''{why}'}}")), "{said}");
        assert_eq!(owned.closed, None);
    }
    // Without a session the next answer says it.
    let mut owned = Owned::new();
    assert_eq!(owned.says("1 'a'$"), "");
    assert_eq!(owned.tell(moved()), "");
    assert_eq!(owned.reply(1, "{1's'}$"), "1 \"192.0.2.7:4000\" {1's'}$");
}
