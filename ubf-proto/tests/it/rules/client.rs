//! The client: negotiation, fallback, calls.

use bytes::Bytes;
use ubf_proto::Time;
use ubf_proto::client::{Call, CallId, Input, LossReason, Notice, State, Violation};

use super::client_end::{Client, config, version};

const ADDRESS: &str = "192.0.2.1:4000";
const NONE: [&str; 0] = [];

#[test]
fn n1_a_choice_that_is_not_the_highest_in_both_ends_the_connection() {
    let mut client = Client::new(config(ADDRESS, &[3, 10]));
    client.poll();
    assert_eq!(client.connected(0), ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"]);
    let lines = client.receive(0, "3 ? {'agreed'1?#3&10&#}$");
    assert_eq!(lines[..2], ["send 0 0 {'error''wrong-choice'24}$", "close 0"]);
    let violation = Violation::WrongChoice { expected: Some(version(10)), found: version(3) };
    assert!(client.has_notice(|notice| {
        matches!(notice, Notice::Lost { reason: LossReason::Violation(found), .. } if *found == violation)
    }));
}

#[test]
fn q15_a_server_that_says_hello_is_asked_once_more() {
    const HELLO: &str = "{'ubf1.0'\"meta_server\"\"help\"}$\n";
    let flight = ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"];
    let mut client = Client::new(config(ADDRESS, &[3, 10]));
    client.poll();
    assert_eq!(client.connected(0), flight);
    // The bytes came late, and the server took the client for a stock peer: it is not complained
    // to.
    let again = format!("connect 1 {ADDRESS}");
    assert_eq!(client.receive(0, HELLO), ["close 0", again.as_str()]);
    assert_eq!(client.connected(1), [flight[0].replace("send 0", "send 1")]);
    client.receive(1, "10 ? {'agreed'1?#3&10&#}$");
    client.send(1, 10, "'a'$");
    assert_eq!(client.receive(1, "10 ? {1'start'}$").len(), 1);
    // A server that does so again is a stock server.
    let mut client = Client::new(config(ADDRESS, &[3, 10]));
    client.poll();
    client.connected(0);
    client.receive(0, "{'u");
    client.connected(1);
    assert_eq!(client.receive(1, HELLO), ["close 1"]);
    // What is no hello is broken syntax, as before.
    let mut client = Client::new(config(ADDRESS, &[3, 10]));
    client.poll();
    client.connected(0);
    let lines = client.receive(0, "{'ubf2.0'");
    assert_eq!(lines, ["send 0 0 {'error''bad-version'0}$", "close 0"]);
}

#[test]
fn n9_a_server_that_chooses_grease_is_left() {
    let mut settings = config(ADDRESS, &[3, 10]);
    settings.grease = true;
    let mut client = Client::new(settings);
    client.poll();
    let line = client.connected(0).remove(0);
    let grease = line.split('&').find(|item| item.starts_with("2147")).unwrap().to_owned();
    client.receive(0, &format!("{grease} ? {{'agreed'1?#{grease}&#}}$"));
    assert!(client.has_notice(|notice| {
        matches!(
            notice,
            Notice::Lost { reason: LossReason::Violation(Violation::ChoseGrease { .. }), .. }
        )
    }));
}

#[test]
fn n9_versions_below_the_floor_are_not_asked_for() {
    let mut settings = config(ADDRESS, &[1, 2, 3, 10]);
    settings.floor = Some(version(3));
    let mut client = Client::new(settings);
    client.poll();
    assert_eq!(client.connected(0), ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"]);
}

#[test]
fn n3_calls_at_a_remembered_version_follow_at_once_and_are_sent_again_if_refused() {
    let mut settings = config(ADDRESS, &[3, 10]);
    settings.remembered = Some(version(10));
    let mut client = Client::new(settings);
    client.send(1, 10, "'a'$");
    client.send(2, 10, "'b'$");
    let flight =
        ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$", "send 0 10 'a'$", "send 0 10 'b'$"];
    assert_eq!(client.connected(0), flight);
    // Nothing overtakes what may yet be refused.
    assert_eq!(client.receive(0, "3 ? {'agreed'1?#3&#}$"), NONE);
    assert_eq!(client.receive(0, "0 ? {'refused'{'version'10}#3&2}$"), NONE);
    assert_eq!(client.receive(0, "0 ? {'refused'{'version'10}#3&3}$"), ["render 1 3"]);
    assert_eq!(client.rendered(1, 3, "'a3'$"), ["send 0 3 'a3'$", "render 2 3"]);
    assert_eq!(client.rendered(2, 3, "'b3'$"), ["send 0 3 'b3'$"]);
    assert_eq!(client.receive(0, "3 ? {1's'}$3 ? {2's'}$"), ["end 1 3 {1,s}", "end 2 3 {2,s}"]);
}

#[test]
fn n8_a_body_for_all_versions_is_sent_in_any_and_never_asked_for() {
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&");
    let rendered = Some((version(1), Bytes::from_static(b"'a'$")));
    let call = Call { rendered, is_constant: true, ..Call::request(CallId(1)) };
    assert_eq!(client.tell(Input::Call(call)), ["send 0 10 'a'$"]);
    assert_eq!(
        client.receive(0, "0 ? {'refused'{'version'10}#3&2}$"),
        ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"]
    );
    assert_eq!(client.receive(0, "3 ? {'agreed'1?#3&#}$"), ["send 0 3 'a'$"]);
}

#[test]
fn n6_after_a_crash_the_next_lower_version_is_used_without_a_word() {
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&");
    assert_eq!(client.send(1, 10, "'a'$"), ["send 0 10 'a'$"]);
    assert_eq!(client.receive(0, "10 ? {1's'}$"), ["end 1 10 {1,s}"]);
    assert_eq!(client.call(2), ["render 2 10"]);
    assert_eq!(client.crash(10, Some(2)), ["render 2 3"]);
    assert_eq!(client.rendered(2, 3, "'b'$"), ["send 0 3 'b'$"]);
    let fell = Notice::FellBack {
        from: version(10),
        to: Some(version(3)),
        why: ubf_codec::Term::atom("crash"),
    };
    assert!(client.notices.contains(&fell));
}

#[test]
fn n7_a_version_is_tried_again_when_its_quarantine_ends() {
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&");
    client.crash(10, None);
    assert_eq!(client.session.version(), Some(version(3)));
    client.wait(14_999);
    client.receive(0, "3 ? {'event_out' 1}$");
    client.wait(14_999);
    client.receive(0, "3 ? {'event_out' 1}$");
    assert_eq!(client.wait(1), NONE);
    assert_eq!(client.wait(1), ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"]);
    client.receive(0, "10 ? {'agreed'1?#3&10&#}$");
    assert_eq!(client.session.version(), Some(version(10)));
}

#[test]
fn n7_when_all_are_in_quarantine_the_first_to_end_is_tried_and_the_caller_told() {
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&");
    client.crash(10, None);
    client.now += 5;
    let lines = client.crash(3, None);
    assert_eq!(
        lines,
        ["send 0 0 {'negotiate'1?#10&#{'quarantined'#{3'crash'}&}&{'max_packet'999}&}$"]
    );
    assert!(client.notices.contains(&Notice::QuarantineForced { version: version(10) }));
    client.receive(0, "10 ? {'agreed'1?#3&10&#}$");
    assert_eq!(client.call(1), ["render 1 10"]);
    let lines = client.crash(10, Some(1));
    assert_eq!(lines[0], "end 1 error: the code for version 10 crashed, and no other is left");
}

#[test]
fn n7_a_quarantine_heard_of_before_the_crash_ends_no_call_while_a_lower_version_is_left() {
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&");
    assert_eq!(client.call(1), ["render 1 10"]);
    let until = Time::from_millis(30_000);
    // Both come before the session is asked what to do.
    client.session.handle(Input::Quarantined { version: version(10), until }, Time::ZERO);
    assert_eq!(client.crash(10, Some(1)), ["render 1 3"]);
}

#[test]
fn n7_a_fault_of_the_network_never_causes_a_fallback() {
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&");
    client.lose(0);
    client.wait(1);
    assert_eq!(client.connected(1), ["send 1 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"]);
    assert_eq!(client.session.quarantine().count(), 0);
}

#[test]
fn n8_what_cannot_be_expressed_fails_alone() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    client.call(1);
    client.call(2);
    let lines = client.tell(Input::Inexpressible { call: CallId(1), version: version(3) });
    assert_eq!(lines, ["end 1 error: cannot be expressed in version 3", "render 2 3"]);
}

#[test]
fn n10_the_seventh_negotiation_in_a_minute_waits() {
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&");
    // Again and again the server refuses 10, and then agrees on it.
    for round in 1..=6_u64 {
        client.send(round, 10, "'a'$");
        let refused = client.session.statistics().refused;
        let packet = 3 * round - 1;
        let lines = client.receive(0, &format!("0 ? {{'refused'{{'version'10}}#3&10&{packet}}}$"));
        assert_eq!(client.session.statistics().refused, refused + 1);
        if round == 6 {
            assert_eq!(lines, NONE);
            break;
        }
        assert_eq!(lines, ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"]);
        assert_eq!(client.receive(0, "10 ? {'agreed'1?#3&10&#}$"), ["send 0 10 'a'$"]);
        client.receive(0, "10 ? {1's'}$");
    }
    client.now = 59_999;
    client.receive(0, "10 ? {'event_out'1}$");
    assert_eq!(client.wait(1), ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"]);
}

#[test]
fn n10_an_agreement_is_waited_for_5_seconds() {
    let mut client = Client::new(config(ADDRESS, &[3]));
    client.poll();
    client.connected(0);
    assert_eq!(client.wait(4_999), NONE);
    assert_eq!(client.wait(1)[0], "close 0");
    assert!(client.has_notice(|notice| matches!(
        notice,
        Notice::Lost { reason: LossReason::NegotiationTime { .. }, .. }
    )));
}

#[test]
fn n11_a_crash_on_a_reply_repeats_nothing() {
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&");
    client.send(1, 10, "'a'$");
    assert_eq!(client.receive(0, "10 ? {1's'}$"), ["end 1 10 {1,s}"]);
    assert_eq!(client.crash(10, None), NONE);
    assert_eq!(client.wait(1_000), NONE);
    assert_eq!(client.session.version(), Some(version(3)));
}

#[test]
fn n12_a_call_that_the_server_does_not_accept_fails_alone() {
    let mut client = Client::new(config(ADDRESS, &[3]));
    client.poll();
    client.connected(0);
    client.receive(0, "3 ? {'agreed'1?#3&#{'max_packet'20}&}$");
    assert_eq!(client.send(1, 3, "12345678$"), ["send 0 3 12345678$"]);
    assert_eq!(
        client.send(2, 3, "123456789$"),
        ["end 2 error: the server accepts packets of 20 bytes at most"]
    );
}

#[test]
fn n13_a_server_that_offers_less_than_before_is_seen_and_can_be_left() {
    for refuse in [false, true] {
        let mut settings = config(ADDRESS, &[3, 10]);
        settings.refuse_downgrade = refuse;
        let mut client = Client::agreed(settings, 10, "#3&10&");
        client.lose(0);
        client.wait(1);
        client.connected(1);
        client.receive(1, "3 ? {'agreed'1?#3&#}$");
        assert!(client.has_notice(|notice| matches!(notice, Notice::Downgraded { .. })));
        assert_eq!(client.session.state() == State::Ready, !refuse);
    }
}

#[test]
fn n13_the_highest_version_of_64_servers_is_remembered() {
    let address = |server: u64| format!("192.0.2.{server}:4000");
    // The last of so many servers offers less than before.
    for (count, is_seen) in [(64, true), (65, false)] {
        let mut client = Client::agreed(config(&address(0), &[3, 10]), 10, "#3&10&");
        for server in 1..count {
            client.send(server, 10, "'a'$");
            client.receive(server - 1, &format!("10 \"{}\" {{1's'}}$", address(server)));
            client.wait(1_000);
            client.connected(server);
            client.receive(server, "10 ? {'agreed'1?#3&10&#}$");
        }
        let last = count - 1;
        // It says that it is to be connected to again.
        client.send(count, 10, "'a'$");
        client.receive(last, &format!("10 \"{}\" {{1's'}}$", address(last)));
        let lines = client.wait(1_000);
        assert!(lines.contains(&format!("connect {count} {}", address(last))), "{lines:?}");
        client.connected(count);
        client.receive(count, "3 ? {'agreed'1?#3&#}$");
        assert_eq!(client.session.state(), State::Ready);
        let is_told = client.has_notice(|notice| matches!(notice, Notice::Downgraded { .. }));
        assert_eq!(is_told, is_seen, "{count}");
    }
}

#[test]
fn n1_without_a_common_version_calls_end_with_what_the_server_speaks() {
    let mut client = Client::new(config(ADDRESS, &[3]));
    client.call(1);
    client.connected(0);
    let lines = client.receive(0, "0 ? {'no_common_version'1?#10&}$");
    assert_eq!(lines, ["close 0", "end 1 error: no common version: the server speaks 10"]);
}

#[test]
fn p5_events_stand_between_replies_and_are_none() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    client.send(1, 3, "'a'$");
    client.send(2, 3, "'b'$");
    let lines = client.receive(0, "3 ? {1's'}$\n3 ? {'event_out''x'}$\n3 ? {2's'}$");
    assert_eq!(lines, ["end 1 3 {1,s}", "event 3 {event_out,x}", "end 2 3 {2,s}"]);
}

#[test]
fn p5_an_event_is_taken_when_a_later_packet_is_answered() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    assert_eq!(client.event(1), ["render 1 3"]);
    assert_eq!(client.rendered(1, 3, "{'event_in'1}$"), ["send 0 3 {'event_in'1}$"]);
    assert_eq!(client.wait(1_000), ["send 0 0 'ping'$"]);
    assert_eq!(client.receive(0, "0 ? 'pong'$"), ["end 1 3 taken"]);
}

#[test]
fn p6_a_refused_event_is_not_taken_for_a_refused_request() {
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&");
    client.event(1);
    client.rendered(1, 10, "{'event_in'1}$");
    client.send(2, 10, "'b'$");
    // Packet 2 is the event, packet 3 the request.
    let lines =
        client.receive(0, "0 ? {'refused'{'version'10}#3&2}$0 ? {'refused'{'version'10}#3&3}$");
    assert_eq!(lines, ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"]);
    assert_eq!(client.receive(0, "3 ? {'agreed'1?#3&#}$"), ["render 1 3"]);
}

#[test]
fn p6_a_number_that_cannot_be_meant_ends_the_connection() {
    for packet in [1, 3, 9] {
        let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
        client.send(1, 3, "'a'$");
        let lines = client.receive(0, &format!("0 ? {{'refused'{{'version'3}}#3&{packet}}}$"));
        assert!(
            lines[0].starts_with("send 0 0 {'error''wrong-packet-number'"),
            "{packet}: {lines:?}"
        );
        assert_eq!(lines[2], "end 1 error: the connection was lost; the call may have run");
    }
}

#[test]
fn p5_a_reply_that_nobody_asked_for_ends_the_connection() {
    for reply in ["3 ? {1's'}$", "0 ? 'pong'$", "0 ? {'no_common_version'1?#3&}$"] {
        let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
        let lines = client.receive(0, reply);
        assert!(lines[0].starts_with("send 0 0 {'error''unexpected-answer'"), "{reply}: {lines:?}");
    }
}

#[test]
fn l1_open_calls_are_limited() {
    let mut settings = config(ADDRESS, &[3]);
    settings.max_pending = 2;
    let mut client = Client::new(settings);
    client.call(1);
    client.call(2);
    assert_eq!(client.call(3), ["end 3 error: more than 2 calls are open (max_pending)"]);
}

#[test]
fn l1_packets_in_flight_are_limited() {
    let mut settings = config(ADDRESS, &[3]);
    settings.max_in_flight = 2;
    let mut client = Client::agreed(settings, 3, "#3&");
    client.send(1, 3, "1$");
    assert_eq!(client.send(2, 3, "2$"), ["send 0 3 2$"]);
    assert_eq!(client.send(3, 3, "3$"), NONE);
    assert_eq!(client.receive(0, "3 ? {1's'}$"), ["end 1 3 {1,s}", "send 0 3 3$"]);
}

#[test]
fn l2_a_call_has_a_deadline_and_its_late_reply_harms_nobody() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    client.send(1, 3, "1$");
    assert_eq!(client.wait(10_000), ["connect 1 192.0.2.1:4000"]);
    client.connected(1);
    assert_eq!(client.receive(1, "3 ? {'agreed'1?#3&#}$"), ["close 1"]);
    client.now += 10_000;
    client.send(2, 3, "2$");
    let lines = client.wait(10_000);
    assert_eq!(lines[0], "end 1 error: no reply in time; the call may have run");
    assert_eq!(client.receive(0, "3 ? {1's'}$3 ? {2's'}$"), ["end 2 3 {2,s}"]);
}

#[test]
fn l2_a_call_that_was_not_sent_did_not_run() {
    let mut client = Client::new(config(ADDRESS, &[3]));
    client.call(1);
    client.now = 29_999;
    let lines = client.wait(1);
    // The error says what was in the way.
    let text = "end 1 error: not sent in time; lost last: 192.0.2.1:4000: \
                not connected in 5 s (max_connect_time)";
    assert!(lines.contains(&text.to_owned()), "{lines:?}");
}

#[test]
fn l2_a_vanished_server_is_found_by_ping() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    assert_eq!(client.wait(14_999), NONE);
    assert_eq!(client.wait(1), ["send 0 0 'ping'$"]);
    assert_eq!(client.wait(4_999), NONE);
    assert_eq!(client.wait(1), ["close 0", "connect 1 192.0.2.1:4000"]);
    assert!(client.has_notice(|notice| matches!(
        notice,
        Notice::Lost { reason: LossReason::PongTime { .. }, .. }
    )));
}

#[test]
fn l2_a_pong_keeps_the_connection() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    client.wait(15_000);
    assert_eq!(client.receive(0, "0 ? 'pong'$"), NONE);
    assert_eq!(client.wait(14_999), NONE);
    assert_eq!(client.wait(1), ["send 0 0 'ping'$"]);
}

#[test]
fn l2_a_cancelled_call_does_no_harm() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    client.send(1, 3, "1$");
    client.send(2, 3, "2$");
    let lines = client.tell(Input::Cancel { call: CallId(1) });
    assert_eq!(lines, ["end 1 error: cancelled; the call may have run"]);
    assert_eq!(client.receive(0, "3 ? {1's'}$3 ? {2's'}$"), ["end 2 3 {2,s}"]);
}

#[test]
fn l3_broken_syntax_is_told_with_its_offset() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    let lines = client.receive(0, "3 ? {}}$");
    // `3 ? {'agreed'1?#3&#}$` is 21 bytes.
    assert_eq!(lines[..2], ["send 0 0 {'error''close-without-open'27}$", "close 0"]);
}

#[test]
fn every_cut_of_a_flight_gives_the_same() {
    let flight =
        "3 ? {1's'}$\n0 ? {'failed''crash'#3&3}$3 \"192.0.2.2:4000\" {'event_out'1}$3 ? {2's'}$";
    let run = |cuts: &[usize]| {
        let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
        for id in 1..=3 {
            client.send(id, 3, "1$");
        }
        let mut lines = Vec::new();
        let mut start = 0;
        for &cut in cuts.iter().chain([&flight.len()]) {
            lines.extend(client.receive(0, &flight[start..cut]));
            start = cut;
        }
        lines.retain(|line| line.starts_with("end"));
        lines
    };
    let whole = run(&[]);
    assert_eq!(whole.len(), 3);
    for cut in 0..flight.len() {
        assert_eq!(run(&[cut]), whole, "{cut}");
    }
    let all: Vec<usize> = (0..flight.len()).collect();
    assert_eq!(run(&all), whole);
}

#[test]
fn a_session_closes_when_its_calls_have_ended() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    client.send(1, 3, "1$");
    assert_eq!(client.tell(Input::Close), NONE);
    assert_eq!(client.call(2), ["end 2 error: the session is closed"]);
    assert_eq!(client.receive(0, "3 ? {1's'}$"), ["end 1 3 {1,s}", "close 0", "finished"]);
    assert_eq!(client.call(3), ["end 3 error: the session is closed"]);
    assert_eq!(client.session.state(), State::Closed);
    assert_eq!(client.session.poll_timeout(), None);
}

#[test]
fn r4_what_may_have_run_is_indeterminate_and_what_is_idempotent_is_sent_again() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    client.send(1, 3, "1$");
    let rendered = Some((version(3), Bytes::from_static(b"2$")));
    client.tell(Input::Call(Call { is_idempotent: true, rendered, ..Call::request(CallId(2)) }));
    let lines = client.lose(0);
    assert_eq!(lines[0], "end 1 error: the connection was lost; the call may have run");
    assert_eq!(lines[1], "connect 1 192.0.2.1:4000");
    // N3: the version is remembered.
    assert_eq!(client.connected(1)[1], "send 1 3 2$");
}

#[test]
fn n7_what_another_session_found_out_counts_here_too() {
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&");
    client.tell(Input::Quarantined { version: version(10), until: Time::from_millis(9_000) });
    assert_eq!(client.session.version(), Some(version(3)));
    assert!(client.send(1, 10, "'a'$").iter().any(|line| line == "render 1 3"));
    client.now = 9_000;
    assert_eq!(client.wait(0), ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"]);
}

#[test]
fn l1_a_call_that_is_refused_nine_times_ends_and_has_not_run() {
    let mut settings = config(ADDRESS, &[3]);
    settings.call_time = std::time::Duration::from_secs(600);
    let mut client = Client::agreed(settings, 3, "#3&");
    assert_eq!(client.send(1, 3, "1$"), ["send 0 3 1$"]);
    // P6: each time a negotiation and the call.
    for packet in (2..=16).step_by(2) {
        let refusal = format!("0 ? {{'refused''too_many_negotiations'#3&{packet}}}$");
        assert_eq!(client.receive(0, &refusal), NONE);
        // N10: so long it waits.
        assert_eq!(client.wait(9_999), NONE);
        assert_eq!(client.wait(1), ["send 0 0 {'negotiate'1?#3&#{'max_packet'999}&}$"]);
        assert_eq!(client.receive(0, "3 ? {'agreed'1?#3&#}$"), ["send 0 3 1$"]);
    }
    let lines = client.receive(0, "0 ? {'refused''too_many_negotiations'#3&18}$");
    assert_eq!(lines, ["end 1 error: refused by the server: too_many_negotiations"]);
}

#[test]
fn l1_no_more_is_sent_than_the_network_takes() {
    let mut settings = config(ADDRESS, &[3]);
    settings.max_unsent_bytes = 5;
    let mut client = Client::agreed(settings, 3, "#3&");
    client.is_written = false;
    assert_eq!(client.send(1, 3, "1$"), ["send 0 3 1$"]);
    assert_eq!(client.send(2, 3, "2$"), ["send 0 3 2$"]);
    assert_eq!(client.send(3, 3, "3$"), NONE);
    let connection = ubf_proto::client::ConnectionId(0);
    assert_eq!(client.tell(Input::Written { connection, count: 4 }), ["send 0 3 3$"]);
}

#[test]
fn l2_a_server_that_takes_nothing_for_30_seconds_is_left() {
    let mut settings = config(ADDRESS, &[3]);
    settings.max_pong_time = std::time::Duration::from_secs(60);
    let mut client = Client::agreed(settings, 3, "#3&");
    client.is_written = false;
    client.event(1);
    client.rendered(1, 3, "{'event_in'1}$");
    client.now += 29_999;
    client.receive(0, "3 ? {'event_out'1}$");
    assert_eq!(client.session.state(), State::Ready);
    client.wait(1);
    assert!(client.has_notice(|notice| matches!(
        notice,
        Notice::Lost { reason: LossReason::WriteTime { .. }, .. }
    )));
}

#[test]
fn l1_a_servers_packet_must_be_whole_in_30_seconds_however_slowly_its_bytes_drip() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    client.receive(0, "3 ? {'event_out'");
    for _ in 0..29 {
        client.now += 1_000;
        assert_eq!(client.receive(0, " "), NONE);
    }
    client.now += 1_000;
    client.receive(0, " ");
    assert!(client.has_notice(|notice| matches!(
        notice,
        Notice::Lost { reason: LossReason::PacketTime { .. }, .. }
    )));
}
