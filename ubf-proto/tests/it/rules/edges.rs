//! What lies just beside the rules: each of these was wrong in a mutant of a client that no other
//! test noticed.

use std::time::Duration;

use ubf_codec::{Term, ubf};
use ubf_proto::client::{CallId, ConnectionId, Input, Notice, State};
use ubf_proto::control::{Agreed, ControlError, ServerControl};
use ubf_proto::{Service, Time};

use super::client_end::{Client, config, version};

const ADDRESS: &str = "192.0.2.1:4000";
const NONE: [&str; 0] = [];

fn ready() -> Client {
    Client::agreed(config(ADDRESS, &[3, 10]), 10, "#3&10&")
}

fn count(client: &Client, is_it: impl Fn(&Notice) -> bool) -> usize {
    client.notices.iter().filter(|notice| is_it(notice)).count()
}

#[test]
fn the_state_says_what_the_session_waits_for() {
    let mut client = Client::new(config(ADDRESS, &[3, 10]));
    assert_eq!(client.session.state(), State::Connecting);
    client.poll();
    assert_eq!(client.session.state(), State::Connecting);
    client.connected(0);
    assert_eq!(client.session.state(), State::Negotiating);
    client.receive(0, "10 ? {'agreed'1?#3&10&#}$");
    assert_eq!(client.session.state(), State::Ready);
    client.receive(0, "0 \"192.0.2.2:4000\" {'moved'0}$");
    assert_eq!(client.session.state(), State::Moving);
    client.tell(Input::ConnectFailed { connection: ConnectionId(1), cause: None });
    assert_eq!(client.session.state(), State::Ready);
    // Both versions crash: with none in force, the two negotiate.
    client.crash(10, None);
    assert_eq!(client.session.state(), State::Ready);
    client.crash(3, None);
    assert_eq!(client.session.state(), State::Negotiating);
    client.lose(0);
    client.tell(Input::ConnectFailed { connection: ConnectionId(2), cause: None });
    client.tell(Input::ConnectFailed { connection: ConnectionId(3), cause: None });
    assert_eq!(client.session.state(), State::BackingOff);
    client.tell(Input::Close);
    assert_eq!(client.session.state(), State::Closed);
    let all = [
        State::BackingOff,
        State::Connecting,
        State::Negotiating,
        State::Ready,
        State::Moving,
        State::Closed,
    ];
    let words = ["backing off", "connecting", "negotiating", "ready", "moving", "closed"];
    assert_eq!(all.map(State::as_str), words);
}

#[test]
fn the_statistics_count_each_thing_once() {
    let mut settings = config(ADDRESS, &[3, 10]);
    settings.max_pending = 2;
    let mut client = Client::agreed(settings, 10, "#3&10&");
    client.send(1, 10, "1$");
    client.send(2, 10, "2$");
    client.send(3, 10, "3$");
    client.receive(0, "10 ? {1's'}$10 ? {2's'}$");
    client.send(4, 10, "4$");
    client.send(5, 10, "5$");
    client.lose(0);
    let found = client.session.statistics();
    assert_eq!((found.calls, found.done, found.errors, found.indeterminate), (5, 2, 3, 2));
    assert_eq!((found.negotiations, found.losses, found.closings), (1, 1, 0));
    client.wait(1);
    client.connected(1);
    client.receive(1, "10 ? {'agreed'1?#3&10&#}$0 ? {'closing''drained'1}$");
    let found = client.session.statistics();
    assert_eq!(
        (found.calls, found.errors, found.negotiations, found.losses, found.closings),
        (5, 3, 2, 1, 1)
    );
}

#[test]
fn a_client_asks_to_be_woken_when_something_is_due() {
    let mut client = Client::new(config(ADDRESS, &[3]));
    client.poll();
    assert_eq!(client.wait_until_woken(), (Duration::from_secs(5), vec!["close 0".to_owned()]));
    let mut client = ready();
    assert_eq!(
        client.wait_until_woken(),
        (Duration::from_secs(15), vec!["send 0 0 'ping'$".to_owned()])
    );
    let (waited, lines) = client.wait_until_woken();
    assert_eq!((waited, lines[0].as_str()), (Duration::from_secs(5), "close 0"));
    // L1: a packet that has begun.
    let mut client = ready();
    client.receive(0, "10 ? {");
    client.now += 15_000;
    client.receive(0, " ");
    client.now += 14_999;
    client.receive(0, " ");
    assert_eq!(client.wait_until_woken().0, Duration::from_millis(1));
}

#[test]
fn n10_a_client_asks_to_be_woken_when_it_may_negotiate_again() {
    let mut settings = config(ADDRESS, &[3, 10]);
    settings.max_negotiations = 1;
    let mut client = Client::agreed(settings, 10, "#3&10&");
    client.now = 50_000;
    client.receive(0, "10 ? {'event_out'1}$");
    client.send(1, 10, "'a'$");
    assert_eq!(client.receive(0, "0 ? {'refused'{'version'10}#3&10&2}$"), NONE);
    let (waited, lines) = client.wait_until_woken();
    assert_eq!(waited, Duration::from_secs(10));
    assert_eq!(lines, ["send 0 0 {'negotiate'1?#3&10&#{'max_packet'999}&}$"]);
}

#[test]
fn l2_the_time_to_write_begins_when_there_is_something_to_write() {
    let mut settings = config(ADDRESS, &[3, 10]);
    settings.max_pong_time = Duration::from_secs(60);
    let mut client = Client::agreed(settings, 10, "#3&10&");
    client.now += 10_000;
    client.is_written = false;
    client.event(1);
    client.rendered(1, 10, "{'event_in'1}$");
    client.now += 29_999;
    client.receive(0, "10 ? {'event_out'1}$");
    assert_eq!(client.session.state(), State::Ready);
    assert_eq!(client.wait(1)[0], "close 0");
}

#[test]
fn l2_while_a_reply_is_due_a_server_that_takes_nothing_is_silent_and_no_more() {
    let mut settings = config(ADDRESS, &[3, 10]);
    settings.call_time = Duration::from_secs(300);
    let mut client = Client::agreed(settings, 10, "#3&10&");
    client.is_written = false;
    client.send(1, 10, "1$");
    assert_eq!(client.wait(10_000), ["connect 1 192.0.2.1:4000"]);
    client.connected(1);
    assert_eq!(client.receive(1, "10 ? {'agreed'1?#3&10&#}$"), ["close 1"]);
    client.now = 30_000;
    assert_eq!(client.wait(0), ["connect 2 192.0.2.1:4000"]);
    client.connected(2);
    client.receive(2, "10 ? {'agreed'1?#3&10&#}$");
    client.now = 70_000;
    assert_eq!(client.wait(0), ["connect 3 192.0.2.1:4000"]);
    client.connected(3);
    client.receive(3, "10 ? {'agreed'1?#3&10&#}$");
    client.now = 89_999;
    assert_eq!(client.wait(0), NONE);
    assert_eq!(client.session.state(), State::Ready);
    assert_eq!(client.wait(1)[0], "close 0");
}

#[test]
fn n7_only_quarantines_of_ones_own_versions_that_last_are_heard_of() {
    let mut client = ready();
    client.now += 1_000;
    let until = |millis| Time::from_millis(millis);
    client.tell(Input::Quarantined { version: version(4), until: until(9_000) });
    client.tell(Input::Quarantined { version: version(10), until: until(1_000) });
    client.tell(Input::Quarantined { version: version(10), until: until(999) });
    assert_eq!(count(&client, |notice| matches!(notice, Notice::QuarantineOpened { .. })), 0);
    assert_eq!(client.session.version(), Some(version(10)));
    client.tell(Input::Quarantined { version: version(10), until: until(1_001) });
    assert_eq!(count(&client, |notice| matches!(notice, Notice::QuarantineOpened { .. })), 1);
    assert_eq!(client.session.version(), Some(version(3)));
}

#[test]
fn n7_the_end_of_a_quarantine_is_told_once_and_is_no_reason_to_negotiate_if_nothing_better_is_there()
 {
    // The server speaks 3 only.
    let mut client = Client::agreed(config(ADDRESS, &[3, 10]), 3, "#3&");
    client.crash(10, None);
    let closed =
        |client: &Client| count(client, |notice| matches!(notice, Notice::QuarantineClosed { .. }));
    client.now += 14_000;
    client.receive(0, "3 ? {'event_out'1}$");
    client.now += 14_000;
    client.receive(0, "3 ? {'event_out'1}$");
    assert_eq!(closed(&client), 0);
    client.now += 2_000;
    assert_eq!(client.wait(0), NONE);
    assert_eq!(closed(&client), 1);
    client.now += 1_000;
    assert_eq!(client.wait(0), NONE);
    assert_eq!(closed(&client), 1);
}

#[test]
fn n3_after_a_fallback_the_next_connection_begins_with_the_lower_version() {
    let mut client = ready();
    client.crash(10, None);
    client.lose(0);
    client.wait(1);
    let lines = client.send(1, 3, "1$");
    assert_eq!(lines, NONE);
    let lines = client.connected(1);
    assert!(lines[0].starts_with("send 1 0 {'negotiate'1?#3&#{'quarantined'"), "{}", lines[0]);
    assert_eq!(lines[1..], ["send 1 3 1$"]);
}

#[test]
fn n7_a_server_that_has_nothing_after_all_is_left_and_not_asked_for_ever() {
    let mut client = Client::agreed(config(ADDRESS, &[3]), 3, "#3&");
    let lines = client.crash(3, None);
    assert_eq!(lines, ["send 0 0 {'negotiate'1?#3&#{'max_packet'999}&}$"]);
    let lines = client.receive(0, "0 ? {'no_common_version'1?#3&}$");
    assert_eq!(lines[0], "close 0");
    assert!(client.session.version().is_none());
}

fn come_back(client: &mut Client, connection: u64, agreed: &str) {
    client.lose(connection - 1);
    if client.session.state() == State::BackingOff {
        client.wait_until_woken();
    }
    client.wait(1);
    client.connected(connection);
    client.receive(connection, agreed);
}

#[test]
fn n13_a_downgrade_is_told_once_and_refused_every_time() {
    let downgrades =
        |client: &Client| count(client, |notice| matches!(notice, Notice::Downgraded { .. }));
    let (same, less) = ("10 ? {'agreed'1?#3&10&#}$", "3 ? {'agreed'1?#3&#}$");
    let mut client = ready();
    come_back(&mut client, 1, same);
    assert_eq!(downgrades(&client), 0);
    client.now += 60_000;
    client.receive(1, "10 ? {'event_out'1}$");
    come_back(&mut client, 2, less);
    assert_eq!((downgrades(&client), client.session.state()), (1, State::Ready));
    client.now += 60_000;
    client.receive(2, "3 ? {'event_out'1}$");
    come_back(&mut client, 3, less);
    assert_eq!((downgrades(&client), client.session.state()), (1, State::Ready));

    let mut settings = config(ADDRESS, &[3, 10]);
    settings.refuse_downgrade = true;
    let mut client = Client::agreed(settings, 10, "#3&10&");
    for connection in 1..=2 {
        come_back(&mut client, connection, less);
        assert_eq!(downgrades(&client) as u64, connection);
        assert_ne!(client.session.state(), State::Ready);
    }
}

#[test]
fn the_offset_of_a_complaint_is_that_of_the_packet_whatever_follows_it() {
    let mut client = Client::new(config(ADDRESS, &[3, 10]));
    client.poll();
    client.connected(0);
    let lines = client.receive(0, "3 ? {'agreed'1?#3&10&#}$3 ? {'more");
    assert_eq!(lines[0], "send 0 0 {'error''wrong-choice'24}$");
    let mut client = Client::new(config(ADDRESS, &[3, 10]));
    client.poll();
    client.connected(0);
    let lines = client.receive(0, "3 ? {'agreed'1}$");
    assert_eq!(lines[..2], ["send 0 0 {'error''malformed'4}$", "close 0"]);
}

#[test]
fn a_call_whose_answer_makes_no_sense_ends_too() {
    for answer in [
        "0 ? {'refused''rate'#3&10&9}$",
        "0 ? {'failed''crash'#3&10&9}$",
        "0 ? 'pong'$",
        "3 ? {1's'}$",
    ] {
        let mut client = ready();
        client.send(1, 10, "1$");
        let lines = client.receive(0, answer);
        assert!(
            lines.contains(
                &"end 1 error: the connection was lost; the call may have run".to_owned()
            ),
            "{lines:?}"
        );
        assert!(lines.contains(&"close 0".to_owned()), "{lines:?}");
    }
}

#[test]
fn p5_an_event_cannot_have_failed() {
    let mut client = ready();
    client.event(1);
    client.rendered(1, 10, "'e'$");
    let lines = client.receive(0, "0 ? {'failed''crash'#3&10&2}$");
    assert!(lines.contains(&"close 0".to_owned()), "{lines:?}");
}

#[test]
fn a_session_that_closes_moves_no_more() {
    let mut client = ready();
    client.send(1, 10, "1$");
    client.tell(Input::Close);
    assert_eq!(client.receive(0, "0 \"192.0.2.2:4000\" {'moved'0}$"), NONE);
    let lines = client.receive(0, "10 ? {1's'}$");
    assert_eq!(lines, ["end 1 10 {1,s}", "close 0", "finished"]);
}

#[test]
fn n1_calls_wait_while_a_server_that_cannot_be_reached_may_have_a_common_version() {
    let mut client = Client::new(config("192.0.2.1:4000,192.0.2.2:4000", &[3]));
    client.poll();
    client.connected(0);
    client.send(1, 3, "1$");
    let lines = client.receive(0, "0 ? {'no_common_version'1?#4&}$");
    assert_eq!(lines, ["close 0", "connect 1 192.0.2.2:4000"]);
    assert_eq!(
        client.tell(Input::ConnectFailed { connection: ConnectionId(1), cause: None }),
        NONE
    );
    // And end when all that were reached have none.
    client.wait_until_woken();
    client.connected(2);
    client.receive(2, "0 ? {'no_common_version'1?#4&}$");
    client.connected(3);
    let lines = client.receive(3, "0 ? {'no_common_version'1?#5&}$");
    assert_eq!(lines, ["close 3", "end 1 error: no common version: the server speaks 5"]);
}

#[test]
fn a_loss_says_whether_the_connection_was_in_use() {
    let mut client = ready();
    client.receive(0, "0 \"192.0.2.2:4000\" {'moved'0}$");
    client.tell(Input::ConnectFailed { connection: ConnectionId(1), cause: None });
    client.lose(0);
    let uses = client.notices.iter().filter_map(|notice| match notice {
        Notice::Lost { was_in_use, .. } => Some(*was_in_use),
        _ => None,
    });
    assert!(uses.eq([false, true]));
}

#[test]
fn r8_last_words_say_that_events_were_taken_unless_an_earlier_answer_is_missing() {
    let mut client = ready();
    client.event(1);
    client.rendered(1, 10, "'e'$");
    client.send(2, 10, "2$");
    client.event(3);
    client.rendered(3, 10, "'f'$");
    let lines = client.receive(0, "0 ? {'closing''drained'4}$");
    let ends: Vec<&String> = lines.iter().filter(|line| line.starts_with("end")).collect();
    let lost = "error: the connection was lost; the call may have run";
    assert_eq!(ends, ["end 1 10 taken", &format!("end 2 {lost}"), &format!("end 3 {lost}")]);
}

#[test]
fn r7_a_refused_redirection_is_told_once_in_a_chase() {
    let mut client = Client::new(config(ADDRESS, &[3]));
    client.poll();
    client.connected_to(0, "198.51.100.1", false);
    client.receive(0, "3 ? {'agreed'1?#3&#}$");
    for call in 1..=3 {
        client.send(call, 3, "1$");
        client.receive(0, "3 \"10.0.0.1:4000\" {1's'}$");
    }
    assert_eq!(count(&client, |notice| matches!(notice, Notice::RedirectRefused { .. })), 1);
}

#[test]
fn r7_the_name_for_certificates_is_that_of_the_start() {
    let mut client = Client::new(config("a.example:4000", &[3]));
    client.poll();
    client.connected(0);
    client.receive(0, "3 ? {'agreed'1?#3&#}$");
    assert_eq!(
        client.session.original_host().map(ToString::to_string).as_deref(),
        Some("a.example")
    );
}

#[test]
fn packets_of_version_0_are_known_by_their_names() {
    let agreed =
        |name: &str| Term::tuple([Term::atom(name), 1.into(), ubf!(?), ubf!([3]), ubf!([])]);
    assert!(Agreed::from_term(agreed("agreed").as_ref()).is_ok());
    assert_eq!(Agreed::from_term(agreed("disagreed").as_ref()).unwrap_err(), ControlError::Unknown);
    assert_eq!(ServerControl::refused_version(&ubf!({version, 3})), Some(version(3)));
    assert_eq!(ServerControl::refused_version(&ubf!({conversion, 3})), None);
    assert_eq!(ControlError::Unknown.to_string(), "a packet of version 0 that is not known");
    let malformed = ControlError::Malformed { packet: "negotiate", field: "Versions" };
    assert_eq!(malformed.to_string(), "bad Versions in 'negotiate'");
    assert_eq!(Service::from("kv").name().map(|name| name == "kv"), Some(true));
    assert_eq!(Service::DEFAULT.name(), None);
}

#[test]
fn a_packet_is_never_empty() {
    let mut client = ready();
    client.session.handle(
        Input::Call(ubf_proto::client::Call {
            rendered: Some((version(10), bytes::Bytes::from_static(b"1$"))),
            ..ubf_proto::client::Call::request(CallId(1))
        }),
        Time::ZERO,
    );
    let Some(ubf_proto::client::Output::Transmit { packet, .. }) = client.session.poll_output()
    else {
        panic!("a packet")
    };
    assert_eq!((packet.is_empty(), packet.len()), (false, 5));
}
