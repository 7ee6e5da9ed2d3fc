//! The server: answers in order, refusals, limits, drain.

use std::sync::Arc;
use std::time::Duration;

use ubf_codec::Term;
use ubf_proto::server::{Input, Notice};
use ubf_proto::{Offer, Phase, Service, Time, Versions};

use super::client_end::version;
use super::server_end::{Server, config};

const NONE: [&str; 0] = [];

#[test]
fn n1_the_highest_version_in_both_lists_is_chosen() {
    let mut server = Server::new(&[3, 10, 14]);
    let lines = server.receive("0 {'negotiate',1,?,#3&10&11&,#}$");
    assert_eq!(lines, ["send 10 ? {'agreed'1?#3&10&14&#{'max_packet'999}&}$"]);
}

#[test]
fn n1_no_common_version_is_an_answer() {
    let mut server = Server::new(&[3, 10]);
    assert_eq!(
        server.receive("0 {'negotiate',1,?,#4&,#}$"),
        ["send 0 ? {'no_common_version'1?#3&10&}$"]
    );
    assert_eq!(
        server.receive("0 {'negotiate',1,\"x\",#3&,#}$"),
        ["send 0 ? {'no_common_version'1\"x\"#}$"]
    );
    assert_eq!(server.session.phase(), Phase::Serving);
}

#[test]
fn n4_an_unknown_version_is_refused_in_its_place_and_events_too() {
    let mut server = Server::new(&[3, 10]);
    let lines = server.receive("10 'a'$8 'b'$8 {'event_in'1}$10 'c'$0 'ping'$");
    assert_eq!(lines, ["request 1 10 a", "request 4 10 c"]);
    // P5: handlers finish in any order, answers are in that of the requests.
    assert_eq!(server.reply(4, "{4's'}$"), NONE);
    assert_eq!(
        server.reply(1, "{1's'}$"),
        [
            "send 10 ? {1's'}$",
            "send 0 ? {'refused'{'version'8}#3&10&2}$",
            "send 0 ? {'refused'{'version'8}#3&10&3}$",
            "send 10 ? {4's'}$",
            "send 0 ? 'pong'$",
        ]
    );
}

#[test]
fn n4_a_refused_version_stays_refused_until_the_client_negotiates() {
    let mut server = Server::new(&[3, 10]);
    let mut without = Offer::from(Versions::of([3, 10]));
    let with = without.clone();
    without.withdraw(&Service::DEFAULT, version(10));
    server.tell(Input::Offer(Arc::new(without)));
    assert_eq!(server.receive("10 'a'$"), ["send 0 ? {'refused'{'version'10}#3&1}$"]);
    server.tell(Input::Offer(Arc::new(with)));
    // Packet 2 came after packet 1 and must not be executed before it.
    assert_eq!(server.receive("10 'b'$"), ["send 0 ? {'refused'{'version'10}#3&10&2}$"]);
    server.receive("0 {'negotiate',1,?,#10&,#}$");
    assert_eq!(server.receive("10 'a'$"), ["request 4 10 a"]);
}

#[test]
fn n6_a_crashed_handler_is_answered_and_the_others_live() {
    let mut server = Server::new(&[3]);
    server.receive("3 'a'$3 'b'$");
    assert_eq!(server.fail(1), ["send 0 ? {'failed''crash'#3&1}$"]);
    assert_eq!(server.reply(2, "{2's'}$"), ["send 3 ? {2's'}$"]);
}

#[test]
fn n14_a_service_that_the_client_may_not_use_refuses_its_negotiate_and_what_follows() {
    let mut offer = Offer::from(Versions::of([3]));
    offer = offer.with_service(Service::named("till"), Versions::of([3]));
    let mut server = Server::with(config(), offer);
    server.session = server.session.with_barred([Service::named("till")]);
    // What was sent with it is for that service, and does not run in the default one.
    assert_eq!(
        server.receive("0 {'negotiate',1,\"till\",#3&,#}$3 'a'$3 {'event_in',1}$0 'ping'$"),
        [
            "send 0 ? {'refused''not_allowed'#1}$",
            "send 0 ? {'refused''not_allowed'#2}$",
            "send 0 ? {'refused''not_allowed'#3}$",
            "send 0 ? 'pong'$",
        ]
    );
    // S1: nor is a session opened by it, and none later.
    let lines = server
        .receive("0 {'negotiate',1,?,#3&,#{'session',16~0123456789abcdef~,8,1000,60000}&}$3 'a'$");
    assert_eq!(
        lines,
        ["send 3 ? {'agreed'1?#3&#{'max_packet'999}&}$", "request 6 3 a"],
        "the other service can be used"
    );
    let mut server = Server::new(&[3]);
    server.session = server.session.with_barred([Service::DEFAULT]);
    assert_eq!(server.receive("3 'a'$"), ["send 0 ? {'refused''not_allowed'#1}$"]);
}

#[test]
fn n10_the_ninth_negotiation_in_a_minute_is_refused() {
    let mut server = Server::new(&[3]);
    for _ in 0..8 {
        assert!(server.receive("0 {'negotiate',1,?,#3&,#}$")[0].starts_with("send 3 ? {'agreed'"));
    }
    assert_eq!(
        server.receive("0 {'negotiate',1,?,#3&,#}$"),
        ["send 0 ? {'refused''too_many_negotiations'#3&9}$"]
    );
    server.wait(60_000);
    assert!(server.receive("0 {'negotiate',1,?,#3&,#}$")[0].starts_with("send 3 ? {'agreed'"));
}

#[test]
fn p5_an_answer_that_nobody_waits_for_is_dropped() {
    let mut server = Server::new(&[3]);
    server.receive("3 'a'$");
    assert_eq!(server.reply(2, "{2's'}$"), NONE);
    assert_eq!(server.reply(1, "{1's'}$"), ["send 3 ? {1's'}$"]);
    assert_eq!(server.reply(1, "{1's'}$"), NONE);
}

#[test]
fn p5_events_out_do_not_wait_for_replies() {
    let mut server = Server::new(&[3]);
    server.receive("3 'a'$");
    assert_eq!(server.event_out(3, "{'event_out'1}$"), ["send 3 ? {'event_out'1}$"]);
}

#[test]
fn r1_a_next_ip_is_named_from_the_next_reply_on() {
    let mut server = Server::new(&[3]);
    server.receive("3 'a'$3 'b'$");
    server.reply(1, "{1's'}$");
    server.tell(Input::NextIp("192.0.2.2:4000".parse().ok()));
    assert_eq!(server.reply(2, "{2's'}$"), ["send 3 \"192.0.2.2:4000\" {2's'}$"]);
    server.tell(Input::NextIp(None));
    assert_eq!(server.receive("0 'ping'$"), ["send 0 ? 'pong'$"]);
}

fn drain(at: u64) -> Input {
    let next_ip = "192.0.2.2:4000".parse().ok();
    Input::Drain { next_ip, until: Time::from_millis(10_000), notice_at: Time::from_millis(at) }
}

#[test]
fn r3_a_silent_client_is_told_at_its_moment() {
    let mut server = Server::new(&[3]);
    server.receive("0 'ping'$");
    assert_eq!(server.tell(drain(500)), NONE);
    assert_eq!(server.session.phase(), Phase::Draining);
    assert_eq!(server.wait(499), NONE);
    assert_eq!(server.wait(1), ["send 0 \"192.0.2.2:4000\" {'moved'9500}$"]);
    assert_eq!(server.wait(1), NONE);
}

#[test]
fn r3_a_client_that_was_told_by_a_reply_gets_no_notice() {
    let mut server = Server::new(&[3]);
    server.receive("3 'a'$");
    server.tell(drain(500));
    assert_eq!(server.reply(1, "{1's'}$"), ["send 3 \"192.0.2.2:4000\" {1's'}$"]);
    assert_eq!(server.wait(500), NONE);
}

#[test]
fn r8_closing_answers_what_was_begun_and_says_what_was_not() {
    let mut server = Server::new(&[3]);
    server.receive("3 'a'$3 'b'$");
    let close = Input::Close { why: Term::atom("bye"), within: Duration::from_secs(5) };
    assert_eq!(server.tell(close), NONE);
    assert_eq!(server.session.phase(), Phase::Closing);
    // Packet 3 comes too late.
    assert_eq!(server.receive("3 'c'$"), NONE);
    server.reply(2, "{2's'}$");
    assert_eq!(
        server.reply(1, "{1's'}$"),
        [
            "send 3 ? {1's'}$",
            "send 3 ? {2's'}$",
            "send 0 ? {'closing''bye'2}$",
            "close, 0 cut: the server closes"
        ]
    );
    assert_eq!(server.session.phase(), Phase::Stopped);
}

#[test]
fn r8_the_hard_stop_tells_how_many_calls_were_cut() {
    let mut server = Server::new(&[3]);
    server.receive("3 'a'$3 'b'$");
    server.tell(Input::Close { why: Term::atom("bye"), within: Duration::from_secs(5) });
    assert_eq!(server.wait(4_999), NONE);
    assert_eq!(
        server.wait(1),
        [
            "send 0 ? {'failed''cut'#3&1}$",
            "send 0 ? {'failed''cut'#3&2}$",
            "send 0 ? {'closing''bye'2}$",
            "close, 2 cut: the server closes"
        ]
    );
    // A handler that is late changes nothing.
    assert_eq!(server.reply(1, "{1's'}$"), NONE);
}

#[test]
fn r8_a_drain_that_is_undone_names_nobody() {
    let mut server = Server::new(&[3]);
    server.tell(drain(500));
    server.tell(Input::Undrain);
    assert_eq!(server.session.phase(), Phase::Serving);
    assert_eq!(server.receive("0 'ping'$"), ["send 0 ? 'pong'$"]);
    assert_eq!(server.wait(500), NONE);
}

#[test]
fn l1_no_more_than_max_pending_are_begun() {
    let mut config = config();
    config.max_pending = 2;
    let mut server = Server::with(config, Offer::from(Versions::of([3])));
    assert_eq!(server.receive("3 1$3 2$3 3$"), ["request 1 3 1", "request 2 3 2"]);
    assert!(!server.session.is_reading());
    assert_eq!(server.reply(2, "{2's'}$"), NONE);
    assert_eq!(
        server.reply(1, "{1's'}$"),
        ["send 3 ? {1's'}$", "send 3 ? {2's'}$", "request 3 3 3"]
    );
    assert!(server.session.is_reading());
}

#[test]
fn l1_no_more_bytes_than_max_pending_bytes_are_begun() {
    let mut config = config();
    config.max_pending_bytes = 6;
    let mut server = Server::with(config, Offer::from(Versions::of([3])));
    // 123$ has 4 bytes: a second one begins below the limit, a third one would begin above it.
    assert_eq!(server.receive("3 123$3 456$3 789$"), ["request 1 3 123", "request 2 3 456"]);
    assert!(!server.session.is_reading());
    // An answer that waits for its turn counts in the place of its request.
    assert_eq!(server.reply(2, "{2's'}$"), NONE);
    assert!(!server.session.is_reading());
    assert_eq!(
        server.reply(1, "{1's'}$"),
        ["send 3 ? {1's'}$", "send 3 ? {2's'}$", "request 3 3 789"]
    );
    assert!(server.session.is_reading());
    // What is larger than the limit passes, alone.
    assert_eq!(server.reply(3, "{3's'}$"), ["send 3 ? {3's'}$"]);
    assert_eq!(server.receive("3 1234567$3 8$"), ["request 4 3 1234567"]);
    assert!(!server.session.is_reading());
}

#[test]
fn l1_bytes_are_wanted_below_max_pending_bytes_and_max_unread_bytes_and_not_at_them() {
    // The request has 4 bytes, the reply 11 with its header.
    for (pending, unread, is_reading, is_reading_then) in
        [(5, 12, true, true), (4, 12, false, true), (5, 11, true, false), (4, 11, false, false)]
    {
        let mut config = config();
        (config.max_pending_bytes, config.max_unread_bytes) = (pending, unread);
        let mut server = Server::with(config, Offer::from(Versions::of([3])));
        server.is_written = false;
        server.receive("3 123$");
        assert_eq!(server.session.is_reading(), is_reading, "{pending}");
        assert_eq!(server.reply(1, "{1's'}$"), ["send 3 ? {1's'}$"]);
        assert_eq!(server.session.is_reading(), is_reading_then, "{unread}");
    }
}

#[test]
fn l2_the_time_to_write_counts_while_there_is_something_to_write() {
    let mut server = Server::new(&[3]);
    server.is_written = false;
    server.receive("3 1$");
    server.now = 1_000;
    server.reply(1, "{1's'}$");
    assert_eq!(server.session.poll_timeout(), Some(Time::from_millis(31_000)));
    server.now = 2_000;
    server.tell(Input::Written(10));
    assert_eq!(server.session.poll_timeout(), Some(Time::from_millis(32_000)));
    // All is written: what comes next is the end of the silence.
    server.tell(Input::Written(1));
    assert_eq!(server.session.poll_timeout(), Some(Time::from_millis(122_000)));
}

#[test]
fn a_session_says_what_it_has_agreed_on_and_what_it_does() {
    let mut server = Server::new(&[3, 10]);
    let said = |server: &Server| {
        let session = &server.session;
        (session.version().map(ubf_codec::Version::get), session.packets(), session.running())
    };
    assert_eq!(said(&server), (None, 0, 0));
    server.receive("0 {'negotiate'1?#3&#}$");
    assert_eq!(said(&server), (Some(3), 1, 0));
    server.receive("3 1$3 2$3 {'event_in'1}$");
    assert_eq!(said(&server), (Some(3), 4, 2));
    server.reply(3, "{2's'}$");
    assert_eq!(said(&server), (Some(3), 4, 1));
}

#[test]
fn r8_a_drain_that_is_called_off_does_not_reopen_a_session_that_closes() {
    let mut server = Server::new(&[3]);
    server.receive("3 1$");
    let until = Time::from_millis(60_000);
    server.tell(Input::Drain {
        next_ip: "b.example:4000".parse().ok(),
        until,
        notice_at: Time::from_millis(9_000),
    });
    server.tell(Input::Close { why: Term::atom("shutdown"), within: Duration::from_secs(5) });
    assert_eq!(server.session.phase(), Phase::Closing);
    server.tell(Input::Undrain);
    assert_eq!(server.session.phase(), Phase::Closing);
    assert!(!server.session.is_reading());
}

#[test]
fn r8_the_last_drain_holds_and_none_reopens_a_session_that_closes() {
    let mut server = Server::new(&[3]);
    server.receive("3 1$3 2$");
    server.tell(drain(9_000));
    assert_eq!(server.reply(1, "{1's'}$"), ["send 3 \"192.0.2.2:4000\" {1's'}$"]);
    let until = Time::from_millis(60_000);
    let elsewhere =
        |notice_at| Input::Drain { next_ip: "192.0.2.9:4000".parse().ok(), until, notice_at };
    server.tell(elsewhere(Time::from_millis(9_000)));
    assert_eq!(server.reply(2, "{2's'}$"), ["send 3 \"192.0.2.9:4000\" {2's'}$"]);
    server.receive("3 3$");
    server.tell(Input::Close { why: Term::atom("shutdown"), within: Duration::from_secs(5) });
    server.tell(elsewhere(Time::ZERO));
    assert_eq!(server.session.phase(), Phase::Closing);
}

#[test]
fn l1_a_client_that_does_not_read_is_not_read_and_then_cut_off() {
    let mut config = config();
    config.max_unread_bytes = 10;
    let mut server = Server::with(config, Offer::from(Versions::of([3])));
    server.is_written = false;
    server.receive("3 1$");
    server.reply(1, "{1's'}$");
    assert!(!server.session.is_reading());
    assert_eq!(server.receive("3 2$"), NONE);
    server.tell(Input::Written(11));
    assert!(!server.session.is_reading() || server.session.running() == 1);
    // What is asked for is held back; what is not asked for ends it.
    server.reply(2, "{2's'}$");
    assert_eq!(
        server.event_out(3, "{'event_out'1}$"),
        ["close, 0 cut: the client does not read (max_write_time, max_unread_bytes)"]
    );
}

#[test]
fn l2_a_client_that_reads_nothing_for_30_seconds_is_cut_off() {
    let mut server = Server::new(&[3]);
    server.is_written = false;
    server.receive("3 1$");
    server.reply(1, "{1's'}$");
    assert_eq!(server.wait(29_999), NONE);
    assert_eq!(
        server.wait(1),
        ["close, 0 cut: the client does not read (max_write_time, max_unread_bytes)"]
    );
}

#[test]
fn l1_the_first_packet_must_come_in_5_seconds() {
    let mut server = Server::new(&[3]);
    server.receive(" 3 ");
    assert_eq!(server.session.poll_timeout(), Some(Time::from_millis(5_000)));
    let lines = server.wait(5_000);
    let closing = "send 0 ? {'closing''negotiation_time'0}$";
    assert_eq!(lines, [closing, "close, 0 cut: no packet in time (max_negotiation_time)"]);
}

#[test]
fn l1_a_packet_must_be_whole_in_30_seconds_however_slowly_its_bytes_drip() {
    let mut server = Server::new(&[3]);
    server.receive("3 1$ 3");
    server.reply(1, "{1's'}$");
    for _ in 0..29 {
        server.now += 1_000;
        assert_eq!(server.receive(" "), NONE);
    }
    server.now += 1_000;
    let lines = server.receive(" ");
    assert_eq!(lines[1], "close, 0 cut: a packet took too long (max_packet_time)");
}

#[test]
fn l1_the_name_of_a_service_has_255_bytes_at_most() {
    let mut server = Server::new(&[3]);
    let negotiate = |name: &str| format!("0 {{'negotiate'1\"{name}\"#3&#}}$");
    let longest = "x".repeat(255);
    let lines = server.receive(&negotiate(&longest));
    assert_eq!(lines, [format!("send 0 ? {{'no_common_version'1\"{longest}\"#}}$")]);
    let lines = server.receive(&negotiate(&format!("{longest}x")));
    assert_eq!(lines[0], "send 0 ? {'error'{'malformed''negotiate''Service'}280}$");
}

#[test]
fn l1_white_space_between_packets_begins_none() {
    let mut server = Server::new(&[3]);
    server.receive("0 'ping'$\n");
    assert_eq!(server.wait(60_000), NONE);
}

#[test]
fn l1_a_connection_without_traffic_ends_and_a_ping_keeps_it() {
    let mut server = Server::new(&[3]);
    server.receive("0 'ping'$");
    server.now += 119_999;
    assert_eq!(server.receive("0 'ping'$"), ["send 0 ? 'pong'$"]);
    assert_eq!(server.wait(119_999), NONE);
    assert_eq!(server.wait(1)[1], "close, 0 cut: no traffic (max_idle_time)");
}

#[test]
fn l1_a_handler_may_take_longer_than_the_idle_time() {
    let mut server = Server::new(&[3]);
    server.receive("3 1$");
    assert_eq!(server.wait(500_000), NONE);
    assert_eq!(server.reply(1, "{1's'}$"), ["send 3 ? {1's'}$"]);
}

#[test]
fn l3_broken_syntax_is_told_with_its_offset_after_what_was_begun() {
    let mut server = Server::new(&[3]);
    assert_eq!(server.receive("3 1$3 {}}$3 2$"), ["request 1 3 1"]);
    assert_eq!(
        server.reply(1, "{1's'}$"),
        [
            "send 3 ? {1's'}$",
            "send 0 ? {'error''close-without-open'8}$",
            "close, 0 cut: the client broke the syntax: '}' with no tuple open, at byte 8",
        ]
    );
}

#[test]
fn l2_time_in_which_nothing_is_read_does_not_count() {
    let mut config = config();
    config.max_pending = 1;
    let mut server = Server::with(config, Offer::from(Versions::of([3])));
    server.receive("3 1$3 ");
    server.now += 29_000;
    assert_eq!(server.reply(1, "{1's'}$"), ["send 3 ? {1's'}$"]);
    // The packet that has begun could not be read on: its 30 seconds begin here.
    assert_eq!(server.wait(29_999), NONE);
    assert_eq!(server.wait(1)[1], "close, 0 cut: a packet took too long (max_packet_time)");
}

#[test]
fn what_waits_for_its_turn_before_the_end_is_executed() {
    let mut config = config();
    config.max_pending = 1;
    let mut server = Server::with(config, Offer::from(Versions::of([3])));
    assert_eq!(server.receive("3 1$3 2$"), ["request 1 3 1"]);
    assert_eq!(server.tell(Input::EndOfStream), NONE);
    assert_eq!(server.reply(1, "{1's'}$"), ["send 3 ? {1's'}$", "request 2 3 2"]);
    assert_eq!(
        server.reply(2, "{2's'}$"),
        ["send 3 ? {2's'}$", "close, 0 cut: closed by the client"]
    );
}

#[test]
fn what_came_before_the_end_is_executed() {
    let mut server = Server::new(&[3]);
    server.session.handle(Input::Received("3 1$3 2$".as_bytes().into()), Time::ZERO);
    assert_eq!(server.tell(Input::EndOfStream), ["request 1 3 1", "request 2 3 2"]);
    server.reply(1, "{1's'}$");
    assert_eq!(
        server.reply(2, "{2's'}$"),
        ["send 3 ? {2's'}$", "close, 0 cut: closed by the client"]
    );
}

#[test]
fn r4_agreed_names_the_peers() {
    let mut config = config();
    config.peers = vec!["192.0.2.2:4000".parse().unwrap(), "b.example:4000".parse().unwrap()];
    config.agent = Some("test 1".into());
    let mut server = Server::with(config, Offer::from(Versions::of([3])));
    assert_eq!(
        server.receive("0 {'negotiate',1,?,#3&,#}$"),
        [concat!(
            "send 3 ? {'agreed'1?#3&#{'max_packet'999}&{'peers'\"192.0.2.2:4000,b.example:4000\"}&",
            "{'agent'\"test 1\"}&}$"
        )]
    );
}

#[test]
fn n12_a_reply_that_the_client_does_not_accept_is_not_sent() {
    let mut server = Server::new(&[3]);
    server.receive("0 {'negotiate',1,?,#3&,#{'max_packet',13}&}$3 1$3 2$");
    // `3 ? ` and the body are 13 bytes, then 14.
    assert_eq!(server.reply(2, "{123's'}$"), ["send 3 ? {123's'}$"]);
    assert_eq!(server.reply(3, "{1234's'}$"), ["send 0 ? {'failed''reply_too_large'#3&3}$"]);
}

#[test]
fn n12_a_crash_whose_reason_the_client_does_not_accept_is_told_without_it() {
    let mut server = Server::new(&[3]);
    server.receive("0 {'negotiate',1,?,#3&,#{'max_packet',60}&}$3 1$");
    let why = Term::string("x".repeat(60));
    let lines = server.tell(Input::Failed { packet: 2, why });
    assert_eq!(lines, ["send 0 ? {'failed''reply_too_large'#3&2}$"]);
}

#[test]
fn a_handler_refuses_in_the_place_of_its_request_and_bars_no_version() {
    let mut server = Server::new(&[3]);
    server.receive("0 {'negotiate',1,?,#3&,#}$3 1$3 2$3 3$");
    assert_eq!(server.tell(Input::Refused { packet: 3, why: Term::atom("full") }), NONE);
    let lines = server.reply(2, "{1's'}$");
    assert_eq!(lines, ["send 3 ? {1's'}$", "send 0 ? {'refused''full'#3&3}$"]);
    assert_eq!(server.reply(4, "{3's'}$"), ["send 3 ? {3's'}$"]);
    // Nobody waits for it any longer.
    assert_eq!(server.tell(Input::Refused { packet: 3, why: Term::atom("full") }), NONE);
}

#[test]
fn n12_an_event_that_the_client_does_not_accept_is_not_sent() {
    let mut server = Server::new(&[3]);
    server.receive("0 {'negotiate',1,?,#3&,#{'max_packet',21}&}$");
    // `3 ? ` and the body are 21 bytes, then 22.
    assert_eq!(server.event_out(3, "{'event_out'123}$"), ["send 3 ? {'event_out'123}$"]);
    assert_eq!(server.event_out(3, "{'event_out'1234}$"), NONE);
    let dropped = Notice::EventTooLarge { version: version(3), bytes: 22, max_packet: 21 };
    assert_eq!(server.notices.last(), Some(&dropped));
    // The connection goes on.
    assert_eq!(server.receive("0 'ping'$"), ["send 0 ? 'pong'$"]);
}

#[test]
fn l2_a_session_that_closes_wants_to_be_woken_for_nothing_but_its_end() {
    let mut server = Server::new(&[3]);
    server.receive("3 1$");
    server.tell(drain(500));
    server.tell(Input::Close { why: Term::atom("bye"), within: Duration::from_secs(5) });
    assert_eq!(server.wait(600), NONE);
    assert_eq!(server.session.poll_timeout(), Some(Time::from_millis(5_000)));
}

#[test]
fn l1_a_handler_has_10_seconds_when_its_client_broke_the_syntax() {
    let mut server = Server::new(&[3]);
    server.receive("3 1$3 }$");
    assert_eq!(server.wait(9_999), NONE);
    let lines = server.wait(1);
    assert_eq!(lines[0], "send 0 ? {'failed''cut'#3&1}$");
    assert_eq!(lines[1], "send 0 ? {'error''close-without-open'6}$");
    assert!(lines[2].starts_with("close, 1 cut: the client broke the syntax"), "{lines:?}");
}
