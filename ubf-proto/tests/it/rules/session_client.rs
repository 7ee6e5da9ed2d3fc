//! Sessions, from the client's side (S1 to S11): literal bytes in, literal bytes out.

use std::time::Duration;

use bytes::Bytes;
use ubf_proto::client::{
    Call, CallId, Config, ConnectionId, Input, Notice, SessionPlan, Violation,
};
use ubf_proto::session::Level;

use super::client_end::{Client, config, version};

const GRANT: &str = "{'session'4 100 65536 60000'memory'}";

/// A client that wishes for a session of 4 messages and 100 bytes.
fn wishing() -> Config {
    let mut config = config("192.0.2.1:4000", &[3, 10]);
    config.session = SessionPlan::wanted().with_window(4).with_bytes(100);
    config
}

fn two_addresses() -> Config {
    let mut config = config("192.0.2.1:4000,192.0.2.2:4000", &[3]);
    config.session = SessionPlan::wanted().with_window(4).with_bytes(100);
    config
}

fn agreed(option: &str) -> String {
    format!("3 ? {{'agreed'1?#3&#{option}&}}$")
}

fn wish(id: char) -> String {
    let id = String::from(id).repeat(16);
    format!("{{'session'16~{id}~4 100 60000}}")
}

fn resume(id: char, done: u64, events: u64, turn: u64) -> String {
    let id = String::from(id).repeat(16);
    format!("{{'resume'16~{id}~{done} {events} {turn}}}")
}

/// Whether a `negotiate` on this connection asks for that.
#[track_caller]
fn assert_asks(lines: &[String], connection: u64, option: &str) {
    let start = format!("send {connection} 0 {{'negotiate'");
    let asked = lines.iter().find(|line| line.starts_with(&start));
    assert!(asked.is_some_and(|line| line.contains(option)), "{option} not in {lines:?}");
}

/// A client in a session, with a server at `192.0.2.1:4000` that speaks version 3.
fn in_session(config: Config) -> Client {
    let mut client = Client::new(config);
    client.poll();
    let sent = client.connected(0);
    assert_asks(&sent, 0, &wish('a'));
    client.receive(0, &agreed(GRANT));
    assert!(client.has_notice(|notice| matches!(
        notice,
        Notice::NewSession { ordinal: 1, level: Level::Memory, .. }
    )));
    client
}

/// Loses connection 0 and is connected again. Tells what is sent.
fn reconnect(client: &mut Client) -> Vec<String> {
    let mut lines = client.lose(0);
    lines.extend(client.connected(1));
    lines
}

/// Waits until this connection is asked for, and makes it. Tells what is sent.
fn connected_again(client: &mut Client, connection: u64) -> Vec<String> {
    for _ in 0..100 {
        if client.dials.len() as u64 > connection {
            return client.connected(connection);
        }
        client.wait_until_woken();
    }
    panic!("connection {connection} is not asked for");
}

#[test]
fn s1_without_a_grant_all_is_as_without_a_session() {
    let mut client = Client::new(wishing());
    client.poll();
    assert_asks(&client.connected(0), 0, &wish('a'));
    client.receive(0, "3 ? {'agreed'1?#3&#}$");
    assert_eq!(client.send(1, 3, "'a'$"), ["send 0 3 'a'$"]);
    let lost = client.lose(0);
    assert!(
        lost[0].starts_with("end 1 error: the connection was lost; the call may have run"),
        "{lost:?}"
    );
    // The next connection wishes again, for a session of another name.
    assert_asks(&client.connected(1), 1, &wish('b'));
}

#[test]
fn s1_a_client_that_closes_wishes_for_sessions_as_long_as_calls_are_open() {
    let mut client = Client::new(wishing());
    client.poll();
    assert_asks(&client.connected(0), 0, &wish('a'));
    client.call(1);
    client.tell(Input::Close);
    // S1: the names of openings that were lost are given up.
    for (connection, name) in [(1, 'b'), (2, 'c'), (3, 'd')] {
        client.lose(connection - 1);
        assert_asks(&connected_again(&mut client, connection), connection, &wish(name));
    }
    client.receive(3, &agreed(GRANT));
    client.rendered(1, 3, "'a'$");
    // The call survives its connection.
    let lost = client.lose(3);
    assert!(lost.iter().all(|line| !line.starts_with("end 1")), "{lost:?}");
    assert_asks(&connected_again(&mut client, 4), 4, &resume('d', 0, 0, 2));
}

#[test]
fn s1_a_client_whose_shell_makes_no_names_wishes_for_nothing() {
    let mut settings = wishing();
    settings.session = SessionPlan::off();
    let mut client = Client::new(settings);
    client.poll();
    let sent = client.connected(0);
    assert!(!sent[0].contains("'session'"), "{sent:?}");
}

#[test]
fn s1_before_the_grant_only_idempotent_calls_are_sent() {
    let mut settings = wishing();
    settings.remembered = Some(version(3));
    let mut client = Client::new(settings);
    client.poll();
    let rendered = |body: &'static str| Some((version(3), Bytes::from_static(body.as_bytes())));
    let call = |id, body| Call { rendered: rendered(body), ..Call::request(CallId(id)) };
    client.tell(Input::Call(Call { is_idempotent: true, ..call(1, "'read'$") }));
    client.tell(Input::Call(call(2, "'write'$")));
    client.tell(Input::Call(Call { is_idempotent: true, ..call(3, "'last'$") }));
    let sent = client.connected(0);
    assert_eq!(sent[1..], ["send 0 3 'read'$"], "{sent:?}");
    assert_eq!(client.receive(0, &agreed(GRANT)), ["send 0 3 'write'$", "send 0 3 'last'$"]);
    // The first one counts: it is number 1.
    client.receive(0, "3 ? {1's'}$");
    assert_asks(&reconnect(&mut client), 1, &resume('a', 1, 0, 2));
}

#[test]
fn s1_a_grant_above_the_wish_is_a_fault_of_the_server() {
    let grants = [
        "{'session'5 100 65536 60000'memory'}",
        "{'session'4 101 65536 60000'memory'}",
        "{'session'4 100 65536 60001'memory'}",
    ];
    for grant in grants {
        let mut client = Client::new(wishing());
        client.poll();
        client.connected(0);
        let lines = client.receive(0, &agreed(grant));
        assert!(lines[0].starts_with("send 0 0 {'error''malformed'"), "{lines:?}");
        let told = Violation::WrongGrant.to_string();
        assert!(client.has_notice(
            |notice| matches!(notice, Notice::Lost { reason, .. } if reason.to_string() == told)
        ));
    }
}

#[test]
fn s1_a_level_that_is_demanded_and_not_granted_is_a_clear_error() {
    let cases = [
        (GRANT, true, "no session: one of level durable is demanded, and memory is granted"),
        ("{'x'1}", false, "no session: one of level durable is demanded, and none is granted"),
    ];
    for (option, is_ended, error) in cases {
        let mut settings = wishing();
        settings.session = SessionPlan::demanded(Level::Durable).with_window(4).with_bytes(100);
        let mut client = Client::new(settings);
        client.poll();
        client.connected(0);
        client.send(1, 3, "'a'$");
        let lines = client.receive(0, &agreed(option));
        // What was granted is not left behind.
        let ended = lines.contains(&"send 0 0 {'seen'0 0'end'}$".to_owned());
        assert_eq!(ended, is_ended, "{lines:?}");
        assert!(lines.contains(&format!("end 1 error: {error}")), "{lines:?}");
    }
}

#[test]
fn s1_a_demanded_level_that_is_granted_is_used() {
    let mut settings = wishing();
    settings.session = SessionPlan::demanded(Level::Memory).with_window(4).with_bytes(100);
    let mut client = in_session(settings);
    assert_eq!(client.send(1, 3, "'a'$"), ["send 0 3 'a'$"]);
}

#[test]
fn s2_s4_what_the_server_has_not_received_is_sent_again_and_the_rest_is_answered_from_what_is_kept()
{
    let mut client = in_session(wishing());
    for (id, body) in [(1, "'a'$"), (2, "'b'$"), (3, "'c'$")] {
        client.send(id, 3, body);
    }
    client.receive(0, "3 ? {1's'}$");
    // Numbers 2 and 3 are in flight, and nobody is told that they have failed.
    let lines = reconnect(&mut client);
    assert!(!lines.iter().any(|line| line.starts_with("end ")), "{lines:?}");
    assert_asks(&lines, 1, &resume('a', 1, 0, 2));
    assert!(client.send(4, 3, "'d'$").is_empty(), "S4: the barrier");
    // Number 2 was received, and number 3 was not: it waits until 2 is answered.
    assert!(client.receive(1, &agreed("{'resumed'2 0}")).is_empty(), "S4: the barrier");
    let lines = client.receive(1, "3 ? {2's'}$");
    assert_eq!(lines, ["end 2 3 {2,s}", "send 1 3 'c'$", "send 1 3 'd'$"]);
    // They are numbers 3 and 4.
    assert_eq!(client.receive(1, "3 ? {3's'}$"), ["end 3 3 {3,s}"]);
    client.lose(1);
    assert_asks(&client.connected(2), 2, &resume('a', 3, 0, 3));
    let statistics = client.session.statistics();
    let counts = (statistics.sessions, statistics.resumes, statistics.repeats);
    assert_eq!((counts, statistics.indeterminate), ((1, 1, 1), 0));
}

#[test]
fn s4_a_message_that_was_not_received_and_is_given_up_is_not_sent_again() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.send(2, 3, "'b'$");
    client.lose(0);
    let cancelled = client.tell(Input::Cancel { call: CallId(1) });
    assert_eq!(cancelled, ["end 1 error: cancelled; the call may have run"]);
    client.connected(1);
    assert_eq!(client.receive(1, &agreed("{'resumed'0 0}")), ["send 1 3 'b'$"]);
}

#[test]
fn s4_a_message_that_was_received_and_is_given_up_keeps_its_place() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.send(2, 3, "'b'$");
    client.lose(0);
    client.tell(Input::Cancel { call: CallId(1) });
    client.connected(1);
    client.receive(1, &agreed("{'resumed'2 0}"));
    assert!(client.receive(1, "3 ? {1's'}$").is_empty());
    assert_eq!(client.receive(1, "3 ? {2's'}$"), ["end 2 3 {2,s}"]);
}

#[test]
fn s4_a_server_cannot_go_on_after_what_was_answered_or_not_sent() {
    for (received, is_possible) in [(0, false), (1, true), (2, true), (3, false)] {
        let mut client = in_session(wishing());
        client.send(1, 3, "'a'$");
        client.send(2, 3, "'b'$");
        client.receive(0, "3 ? {1's'}$");
        reconnect(&mut client);
        let lines = client.receive(1, &agreed(&format!("{{'resumed'{received} 0}}")));
        let is_fault = lines.iter().any(|line| line.contains("'wrong-packet-number'"));
        assert_eq!(is_fault, !is_possible, "{received}: {lines:?}");
    }
}

#[test]
fn s2_kept_refusals_and_failures_name_the_message_by_its_number() {
    let mut client = in_session(wishing());
    for (id, body) in [(1, "'a'$"), (2, "'b'$"), (3, "'c'$")] {
        client.send(id, 3, body);
    }
    reconnect(&mut client);
    client.receive(1, &agreed("{'resumed'3 0}"));
    let lines = client.receive(1, "0 ? {'failed''crash'#3&0 1}$");
    assert!(lines[0].starts_with("end 1 error: the server's handler"), "{lines:?}");
    // 2 is not refused before it is its turn.
    let lines = client.receive(1, "0 ? {'refused''busy'#3&0 2}$0 ? {'refused''busy'#3&0 9}$");
    assert_eq!(lines[0], "end 2 error: refused by the server: busy");
    assert!(lines.iter().any(|line| line.contains("'wrong-packet-number'")), "{lines:?}");
}

#[test]
fn s2_a_number_that_is_not_that_of_the_packet_is_a_fault_and_the_session_goes_on() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    let lines = client.receive(0, "0 ? {'failed''crash'#3&2 7}$");
    assert!(lines[0].starts_with("send 0 0 {'error''wrong-packet-number'"), "{lines:?}");
    client.connected(1);
    client.receive(1, &agreed("{'resumed'1 0}"));
    assert_eq!(client.receive(1, "3 ? {1's'}$"), ["end 1 3 {1,s}"]);
}

#[test]
fn s2_a_message_that_was_refused_is_another_one_when_it_is_sent_again() {
    let mut client = Client::new(wishing());
    client.poll();
    client.connected(0);
    client.receive(0, &format!("10 ? {{'agreed'1?#3&10&#{GRANT}&}}$"));
    client.tell(Input::Call(Call {
        rendered: Some((version(10), Bytes::from_static(b"'a'$"))),
        is_constant: true,
        ..Call::request(CallId(1))
    }));
    let lines = client.receive(0, "0 ? {'refused'{'version'10}#3&2 1}$");
    // A later negotiate asks for no session: there is one.
    assert!(lines[0].starts_with("send 0 0 {'negotiate'") && !lines[0].contains("'session'"));
    assert_eq!(client.receive(0, "3 ? {'agreed'1?#3&#}$"), ["send 0 3 'a'$"]);
    client.receive(0, "3 ? {1's'}$");
    assert_asks(&reconnect(&mut client), 1, &resume('a', 2, 0, 2));
}

#[test]
fn s4_while_what_was_received_is_not_answered_only_a_ping_is_sent() {
    let mut client = in_session(wishing());
    client.event(1);
    client.rendered(1, 3, "{'event_in'1}$");
    reconnect(&mut client);
    client.send(2, 3, "'b'$");
    // The event was received: whether it was taken is told by the answer to a later packet.
    assert_eq!(client.receive(1, &agreed("{'resumed'1 0}")), ["send 1 0 'ping'$"]);
    assert_eq!(client.receive(1, "0 ? 'pong'$"), ["end 1 3 taken", "send 1 3 'b'$"]);
}

#[test]
fn s4_a_kept_refusal_lets_the_client_negotiate_behind_the_barrier() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.send(2, 3, "'b'$");
    reconnect(&mut client);
    client.receive(1, &agreed("{'resumed'2 0}"));
    let lines = client.receive(1, "0 ? {'refused'{'version'3}#10&0 1}$");
    assert!(lines.is_empty(), "2 is not answered: {lines:?}");
    let lines = client.receive(1, "0 ? {'refused'{'version'3}#10&0 2}$");
    assert!(lines[0].starts_with("send 1 0 {'negotiate'"), "{lines:?}");
    let lines = client.receive(1, "10 ? {'agreed'1?#10&#}$");
    assert_eq!(lines, ["render 1 10"]);
}

#[test]
fn s3_a_window_of_messages_and_bytes_is_kept_and_a_large_one_goes_alone() {
    let mut client = in_session(wishing());
    for id in 1..=4 {
        assert_eq!(client.send(id, 3, "'a'$"), ["send 0 3 'a'$"]);
    }
    assert!(client.send(5, 3, "'b'$").is_empty(), "the window of 4 is full");
    assert_eq!(client.receive(0, "3 ? {1's'}$"), ["end 1 3 {1,s}", "send 0 3 'b'$"]);
    for _ in 2..=5 {
        client.receive(0, "3 ? {1's'}$");
    }
    let body = |len: usize| format!("{}1$", " ".repeat(len - 2));
    assert_eq!(client.send(6, 3, &body(100)).len(), 1);
    assert!(client.send(7, 3, "1$").is_empty(), "100 bytes are in flight");
    let lines = client.receive(0, "3 ? {1's'}$");
    assert_eq!(lines[1..], ["send 0 3 1$"]);
    assert!(client.send(8, 3, &body(500)).is_empty(), "it does not fit");
    assert_eq!(client.receive(0, "3 ? {1's'}$").len(), 2, "it goes alone");
    assert!(client.send(9, 3, "1$").is_empty());
}

#[test]
fn s3_events_count_until_a_ping_shows_that_they_were_taken() {
    let mut client = in_session(wishing());
    for id in 1..=4 {
        client.event(id);
        client.rendered(id, 3, "{'event_in'1}$");
    }
    // The window is full of events: nobody waits for the second after which they are asked about.
    assert_eq!(client.send(5, 3, "'a'$"), ["send 0 0 'ping'$"]);
    let lines = client.receive(0, "0 ? 'pong'$");
    assert_eq!(lines.last().map(String::as_str), Some("send 0 3 'a'$"));
}

#[test]
fn s3_answers_are_acknowledged_after_a_second_and_after_a_quarter_of_what_is_kept() {
    let mut settings = wishing();
    settings.session = SessionPlan::wanted().with_window(4).with_bytes(100);
    let mut client = Client::new(settings);
    client.poll();
    client.connected(0);
    client.receive(0, &agreed("{'session'4 100 600 60000'memory'}"));
    client.send(1, 3, "'a'$");
    client.send(2, 3, "'b'$");
    client.receive(0, "3 ? {1's'}$");
    client.wait(999);
    assert_eq!(client.wait(1), ["send 0 0 {'seen'1 0}$"], "others are due");
    assert!(client.wait(5000).is_empty());
    // A quarter of 600 bytes: 15 of the event and 7 of the answer, and 64 more of each.
    let event = client.receive(0, "3 ? {'event_out'1}$");
    assert_eq!(event.len(), 1);
    assert_eq!(client.session.poll_timeout(), Some(ubf_proto::Time::from_millis(7000)));
    let lines = client.receive(0, "3 ? {2's'}$");
    assert_eq!(lines, ["end 2 3 {2,s}", "send 0 0 {'seen'2 1}$"]);
    // P6: they count, so that the next call is packet 6.
    client.send(3, 3, "'c'$");
    let lines = client.receive(0, "0 ? {'failed''crash'#3&6 3}$");
    assert!(lines[0].starts_with("end 3 error: the server's handler"), "{lines:?}");
}

#[test]
fn s3_a_client_that_is_closed_leaves_no_session_behind() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.receive(0, "3 ? {'event_out'1}$3 ? {1's'}$");
    let lines = client.tell(Input::Close);
    assert_eq!(lines, ["send 0 0 {'seen'1 1'end'}$", "close 0", "finished"]);
}

#[test]
fn s4_events_that_are_gone_are_told() {
    for (lost, count, events) in
        [("0", None, 1), ("3", Some(Some(3)), 4), ("'unknown'", Some(None), 1)]
    {
        let mut client = in_session(wishing());
        client.receive(0, "3 ? {'event_out'1}$");
        assert_asks(&reconnect(&mut client), 1, &resume('a', 0, 1, 2));
        client.receive(1, &agreed(&format!("{{'resumed'0 {lost}}}")));
        let told = client.notices.iter().find_map(|notice| match notice {
            Notice::EventsMissed { count, .. } => Some(*count),
            _ => None,
        });
        assert_eq!(told, count);
        client.lose(1);
        assert_asks(&connected_again(&mut client, 2), 2, &resume('a', 0, events, 3));
    }
}

#[test]
fn s5_each_attempt_has_a_higher_turn_and_being_overtaken_ends_no_session() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    assert_asks(&reconnect(&mut client), 1, &resume('a', 0, 0, 2));
    client.receive(1, "0 ? {'closing''overtaken'0}$");
    client.wait_until_woken();
    let lines = client.connected(2);
    assert_asks(&lines, 2, &resume('a', 0, 0, 3));
    client.receive(2, &agreed("{'resumed'1 0}"));
    assert_eq!(client.receive(2, "3 ? {1's'}$"), ["end 1 3 {1,s}"]);
}

#[test]
fn s7_unknown_is_final_from_the_owner_and_a_new_session_is_opened_there() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    let rendered = Some((version(3), Bytes::from_static(b"'b'$")));
    client.tell(Input::Call(Call { rendered, is_idempotent: true, ..Call::request(CallId(2)) }));
    reconnect(&mut client);
    let lines = client.receive(1, &agreed("{'no_session''unknown'}"));
    assert!(lines[0].starts_with("end 1 error: the connection was lost"), "{lines:?}");
    assert_asks(&lines, 1, &wish('b'));
    // The idempotent one waits for the grant, since the negotiate is not the first packet.
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(client.receive(1, &agreed(GRANT)), ["send 1 3 'b'$"]);
    assert!(client.has_notice(|notice| matches!(notice, Notice::SessionLost { ordinal: 1, .. })));
    assert!(client.has_notice(|notice| matches!(notice, Notice::NewSession { ordinal: 2, .. })));
    assert_eq!(client.session.statistics().unknown, 1);
}

#[test]
fn s7_unknown_from_another_address_is_no_answer_while_a_call_is_due() {
    let mut client = in_session(two_addresses());
    client.send(1, 3, "'a'$");
    client.lose(0);
    // The owner is asked first.
    assert_eq!(client.dials.last().map(|(address, _)| address.as_str()), Some("192.0.2.1:4000"));
    let connection = ConnectionId(1);
    let lines = client.tell(Input::ConnectFailed { connection, cause: None });
    assert_eq!(lines, ["connect 2 192.0.2.2:4000"]);
    assert_asks(&client.connected(2), 2, &resume('a', 0, 0, 2));
    assert_eq!(client.receive(2, &agreed("{'no_session''unknown'}")), ["close 2"]);
    // The next round begins with the owner again.
    let (_, lines) = client.wait_until_woken();
    assert_eq!(lines, ["connect 3 192.0.2.1:4000"]);
    client.connected(3);
    client.receive(3, &agreed("{'resumed'1 0}"));
    assert_eq!(client.receive(3, "3 ? {1's'}$"), ["end 1 3 {1,s}"]);
}

#[test]
fn s7_a_session_in_memory_is_gone_when_its_owner_refuses_connections_for_a_second() {
    for (level, is_gone) in [("memory", true), ("durable", false)] {
        let mut client = Client::new(two_addresses());
        client.poll();
        client.connected(0);
        client.receive(0, &agreed(&format!("{{'session'4 100 65536 60000'{level}'}}")));
        client.send(1, 3, "'a'$");
        client.lose(0);
        let mut connection = 1;
        let ended = loop {
            // The owner first, then the other one, in each round.
            client.tell(Input::ConnectFailed { connection: ConnectionId(connection), cause: None });
            client.connected(connection + 1);
            let lines = client.receive(connection + 1, &agreed("{'no_session''unknown'}"));
            if lines[0] != format!("close {}", connection + 1) || client.now > 5000 {
                break lines;
            }
            assert!(client.now < 2500 || !is_gone, "{level}: {}", client.now);
            while client.dials.len() as u64 == connection + 2 {
                client.wait_until_woken();
            }
            connection += 2;
        };
        let is_told = ended[0].starts_with("end 1 error: ");
        assert_eq!(is_told, is_gone, "{level}: {ended:?}");
        assert!(client.now >= 1000);
    }
}

#[test]
fn s7_without_a_call_that_is_due_any_server_may_say_that_the_session_is_gone() {
    let mut client = in_session(two_addresses());
    client.lose(0);
    client.tell(Input::ConnectFailed { connection: ConnectionId(1), cause: None });
    client.connected(2);
    let lines = client.receive(2, &agreed("{'no_session''unknown'}"));
    assert_asks(&lines, 2, &wish('b'));
    client.receive(2, &agreed(GRANT));
    assert_eq!(client.send(1, 3, "'a'$"), ["send 2 3 'a'$"]);
}

#[test]
fn s7_an_event_that_a_closing_owner_has_taken_is_in_no_doubt() {
    for (last, is_taken) in [(2, true), (1, false)] {
        let mut client = in_session(wishing());
        client.event(1);
        client.rendered(1, 3, "{'event_in''x'}$");
        client.receive(0, &format!("0 \"192.0.2.2:4000\" {{'closing''bye'{last}}}$"));
        client.connected(1);
        let lines = client.receive(1, &agreed("{'no_session''unknown'}"));
        assert_eq!(lines.iter().any(|line| line.starts_with("end 1")), is_taken, "{lines:?}");
        assert_asks(&lines, 1, &wish('b'));
    }
}

#[test]
fn s7_an_owner_that_has_named_another_server_is_asked_all_the_same() {
    let mut client = in_session(two_addresses());
    // It goes to a server that neither the program nor a peer names.
    client.lose(0);
    client.tell(Input::ConnectFailed { connection: ConnectionId(1), cause: None });
    client.connected(2);
    client.receive(2, "0 \"192.0.2.3:4000\" {'closing''cordoned'0}$");
    client.connected(3);
    client.receive(3, &agreed("{'no_session''unknown'}"));
    client.receive(3, &agreed(GRANT));
    client.send(1, 3, "'a'$");
    // It may have run there, and nobody else knows.
    client.receive(3, "0 \"192.0.2.2:4000\" {'closing''shutdown'3}$");
    let mut asked = Vec::new();
    while client.dials.len() < 7 {
        let connection = client.dials.len() as u64 - 1;
        let lines =
            client.tell(Input::ConnectFailed { connection: ConnectionId(connection), cause: None });
        asked.extend(lines.into_iter().filter(|line| line.starts_with("connect")));
        if client.dials.len() as u64 == connection + 1 {
            asked.extend(client.wait_until_woken().1);
        }
    }
    let round = ["2:4000", "1:4000", "3:4000"].map(|end| format!("192.0.2.{end}"));
    let round: Vec<_> =
        round.iter().zip(4..).map(|(to, number)| format!("connect {number} {to}")).collect();
    assert_eq!(asked, round, "{:?}", client.dials);
    assert_asks(&client.connected(6), 6, &resume('b', 0, 0, 2));
    let lines = client.receive(6, &agreed("{'no_session''unknown'}"));
    assert!(lines[0].starts_with("end 1 error: the connection was lost"), "{lines:?}");
}

#[test]
fn s7_a_call_that_a_closing_owner_has_not_taken_did_not_run() {
    let ends = |input: fn(&mut Client) -> Vec<String>| {
        let mut client = in_session(wishing());
        client.send(1, 3, "'a'$");
        client.send(2, 3, "'b'$");
        client.receive(0, "0 \"192.0.2.2:4000\" {'closing''shutdown'2}$");
        let ends = input(&mut client).into_iter();
        ends.filter(|line| line.starts_with("end")).collect::<Vec<_>>()
    };
    let late = ends(|client| client.wait(30_000));
    assert!(
        late[0].starts_with("end 1 error: no reply in time; the call may have run"),
        "{late:?}"
    );
    assert!(late[1].starts_with("end 2 error: not sent in time"), "{late:?}");
    let cancelled = ends(|client| {
        let mut ends = client.tell(Input::Cancel { call: CallId(2) });
        ends.extend(client.tell(Input::Cancel { call: CallId(1) }));
        ends
    });
    assert_eq!(
        cancelled,
        [
            "end 2 error: cancelled before it was sent",
            "end 1 error: cancelled; the call may have run"
        ]
    );
}

#[test]
fn s7_an_owner_that_fell_silent_is_asked_last() {
    let mut settings = two_addresses();
    settings.ask_after = Duration::from_secs(1000);
    let mut client = in_session(settings);
    client.send(1, 3, "'a'$");
    client.tell(Input::Call(Call {
        time: Some(Duration::from_secs(300)),
        rendered: Some((version(3), Bytes::from_static(b"'b'$"))),
        ..Call::request(CallId(2))
    }));
    client.wait(90_000);
    assert_eq!(client.dials.last().map(|(address, _)| address.as_str()), Some("192.0.2.2:4000"));
}

#[test]
fn s2_a_server_that_does_not_own_the_session_any_longer_names_the_owner() {
    let mut client = in_session(two_addresses());
    client.send(1, 3, "'a'$");
    client.receive(0, "0 \"192.0.2.3:4000\" {'closing''moved'2}$");
    assert_eq!(client.dials.last().map(|(address, _)| address.as_str()), Some("192.0.2.3:4000"));
    client.connected(1);
    // It counts as the owner: its word is final.
    let lines = client.receive(1, &agreed("{'no_session''unknown'}"));
    assert!(lines[0].starts_with("end 1 error: the connection was lost"), "{lines:?}");
}

#[test]
fn s7_an_owner_that_says_nothing_about_the_session_does_not_know_it() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    reconnect(&mut client);
    let lines = client.receive(1, "3 ? {'agreed'1?#3&#}$");
    assert!(lines[0].starts_with("end 1 error: the connection was lost"), "{lines:?}");
    // It knows no sessions.
    assert_eq!(client.send(2, 3, "'b'$"), ["send 1 3 'b'$"]);
}

#[test]
fn s4_not_now_and_elsewhere_are_not_final() {
    let mut client = in_session(two_addresses());
    client.send(1, 3, "'a'$");
    reconnect(&mut client);
    let lines = client.receive(1, &agreed("{'no_session''not_now'}"));
    assert_eq!(lines, ["close 1", "connect 2 192.0.2.2:4000"]);
    client.connected(2);
    let elsewhere = "3 \"192.0.2.3:4000\" {'agreed'1?#3&#{'no_session''elsewhere'}&}$";
    assert_eq!(client.receive(2, elsewhere), ["close 2", "connect 3 192.0.2.3:4000"]);
    assert_asks(&client.connected(3), 3, &resume('a', 0, 0, 4));
    client.receive(3, &agreed("{'resumed'1 0}"));
    assert_eq!(client.receive(3, "3 ? {1's'}$"), ["end 1 3 {1,s}"]);
}

#[test]
fn s7_after_the_time_for_which_a_session_is_kept_its_calls_are_indeterminate() {
    let mut client = Client::new(wishing());
    client.poll();
    client.connected(0);
    client.receive(0, &agreed("{'session'4 100 65536 5000'memory'}"));
    client.send(1, 3, "'a'$");
    client.lose(0);
    client.wait(4999);
    let lines = client.wait(1);
    assert!(
        lines.iter().any(|line| line.starts_with("end 1 error: the connection was lost")),
        "{lines:?}"
    );
    // What is asked for now is a new session.
    // The attempt that was under way has come to its end, too.
    assert_asks(&connected_again(&mut client, 2), 2, &wish('b'));
}

#[test]
fn s7_the_deadline_of_a_call_holds_while_its_session_has_no_connection() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.lose(0);
    client.wait(29_999);
    let lines = client.wait(1);
    assert!(
        lines.iter().any(|line| line.starts_with("end 1 error: no reply in time; the call may")),
        "{lines:?}"
    );
}

#[test]
fn closing_is_believed_only_if_the_session_is_gone() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.send(2, 3, "'b'$");
    // Packet 2 may have run, packet 3 has not.
    let lines = client.receive(0, "0 ? {'closing''bye'2}$");
    assert!(!lines.iter().any(|line| line.starts_with("end")), "{lines:?}");
    client.connected(1);
    let lines = client.receive(1, &agreed("{'no_session''unknown'}"));
    assert!(lines[0].starts_with("end 1 error: the connection was lost"), "{lines:?}");
    assert_eq!(client.receive(1, &agreed(GRANT)), ["send 1 3 'b'$"]);
}

#[test]
fn l3_a_message_that_the_server_cannot_read_is_not_sent_again() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.send(2, 3, "{$");
    client.send(3, 3, "'c'$");
    let negotiate = client.connected(9).len();
    assert_eq!(negotiate, 0);
    // The first packet has so many bytes, and the two calls before the bad byte 6 and 3.
    let offset = "0 {'negotiate'1?#10&3&#{'max_packet'999}&".len()
        + wish('a').len()
        + "&}$".len()
        + "3 'a'$".len()
        + "3 {".len();
    let lines = client.receive(0, &format!("0 ? {{'error''syntax'{offset}}}$"));
    assert!(
        lines.contains(&"end 2 error: the server cannot read it: syntax".to_owned()),
        "{lines:?}"
    );
    client.connected(1);
    assert!(client.receive(1, &agreed("{'resumed'1 0}")).is_empty());
    let lines = client.receive(1, "3 ? {1's'}$");
    assert_eq!(lines, ["end 1 3 {1,s}", "send 1 3 'c'$"]);
}

#[test]
fn s8_a_kept_answer_in_a_version_in_quarantine_has_run_and_cannot_be_read() {
    let mut client = Client::new(wishing());
    client.poll();
    client.connected(0);
    client.receive(0, &format!("10 ? {{'agreed'1?#3&10&#{GRANT}&}}$"));
    client.send(1, 10, "'a'$");
    client.crash(10, None);
    reconnect(&mut client);
    client.receive(1, &agreed("{'resumed'1 0}"));
    let lines = client.receive(1, "10 ? {'event_out'1}$10 ? {1's'}$");
    assert_eq!(
        lines,
        ["end 1 error: it ran, and its reply is in version 10, which is in quarantine"]
    );
    assert_eq!(client.session.statistics().events_dropped, 1);
}

#[test]
fn s11_a_move_waits_for_what_is_due_and_then_asks_for_the_session_there() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.send(2, 3, "'b'$");
    let lines = client.receive(0, "3 \"192.0.2.2:4000\" {1's'}$");
    assert_eq!(lines, ["end 1 3 {1,s}", "connect 1 192.0.2.2:4000"]);
    assert_eq!(client.connected(1), ["send 1 0 'ping'$"], "2 is due here");
    assert!(client.send(3, 3, "'c'$").is_empty(), "nothing more is sent here");
    assert!(client.receive(1, "0 ? 'pong'$").is_empty());
    let lines = client.receive(0, "3 \"192.0.2.2:4000\" {2's'}$");
    assert_asks(&lines, 1, &resume('a', 2, 0, 2));
    // What comes here from now on is not read: it will come there.
    assert!(client.receive(0, "3 ? {'event_out'1}$").is_empty());
    let lines = client.receive(1, &agreed("{'resumed'2 0}"));
    assert_eq!(lines, ["close 0", "send 1 3 'c'$"]);
    assert_eq!(client.session.statistics().moves, 1);
}

#[test]
fn s11_where_the_session_is_not_known_a_new_one_is_opened_and_the_old_one_ended() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.receive(0, "3 \"192.0.2.2:4000\" {1's'}$");
    assert_asks(&client.connected(1), 1, &resume('a', 1, 0, 2));
    client.send(2, 3, "'b'$");
    let lines = client.receive(1, &agreed("{'no_session''unknown'}"));
    assert_asks(&lines, 1, &wish('b'));
    let lines = client.receive(1, &agreed(GRANT));
    assert_eq!(lines, ["send 0 0 {'seen'1 0'end'}$", "close 0", "send 1 3 'b'$"]);
    assert!(!client.has_notice(|notice| matches!(notice, Notice::SessionLost { .. })));
    assert_eq!(client.session.statistics().unknown, 0);
}

#[test]
fn s11_if_the_move_fails_the_session_stays_where_it_is() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.receive(0, "3 \"192.0.2.2:4000\" {1's'}$");
    client.connected(1);
    client.receive(0, "3 ? {'event_out'1}$");
    client.send(2, 3, "'b'$");
    // The event that was not read while it was open where the session is comes now.
    assert_eq!(client.lose(1), ["event 3 {event_out,1}", "send 0 3 'b'$"]);
    client.receive(0, "3 ? {2's'}$");
    client.lose(0);
    assert_asks(&client.connected(2), 2, &resume('a', 2, 1, 3));
}

#[test]
fn s11_nothing_is_negotiated_where_the_session_is_asked_away() {
    for is_known_there in [true, false] {
        let mut client = in_session(wishing());
        client.send(1, 3, "'a'$");
        client.receive(0, "3 \"192.0.2.2:4000\" {1's'}$");
        client.connected(1);
        // No lower version is left: it has to negotiate, but says nothing here any more.
        assert!(client.crash(3, None).is_empty());
        // Nor is anything read here.
        assert!(client.receive(0, "10 ? {'event_out'1}$").is_empty());
        let (lines, on, other) = if is_known_there {
            (client.receive(1, &agreed("{'resumed'1 0}")), 1, "close 0")
        } else {
            (client.lose(1), 0, "event 10 {event_out,1}")
        };
        let asks = format!("send {on} 0 {{'negotiate'");
        assert!(lines.iter().any(|line| line.starts_with(&asks)), "{lines:?}");
        assert!(lines.iter().any(|line| line == other) && lines.len() == 2, "{lines:?}");
    }
}

#[test]
fn s11_a_connection_that_is_lost_during_a_move_leaves_its_session_to_the_other_one() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    client.send(2, 3, "'b'$");
    client.receive(0, "3 \"192.0.2.2:4000\" {1's'}$");
    client.connected(1);
    // 2 is due, so that nothing was asked for there until now.
    let lines = client.lose(0);
    assert_asks(&lines, 1, &resume('a', 1, 0, 2));
    client.receive(1, &format!("0 ? 'pong'${}", agreed("{'resumed'2 0}")));
    assert_eq!(client.receive(1, "3 ? {2's'}$"), ["end 2 3 {2,s}"]);
}

#[test]
fn l2_a_connection_that_only_asks_has_no_session() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    let lines = client.wait(10_000);
    assert_eq!(lines, ["connect 1 192.0.2.1:4000"]);
    let lines = client.connected(1);
    assert!(!lines[0].contains("'resume'") && !lines[0].contains("'session'"), "{lines:?}");
    // The first connection is lost: another one than that goes on with the session.
    let lines = client.lose(0);
    assert_eq!(lines, ["close 1", "connect 2 192.0.2.1:4000"]);
    assert_asks(&client.connected(2), 2, &resume('a', 0, 0, 2));
}

#[test]
fn a_session_that_goes_on_is_not_opened_by_the_program_again() {
    let mut settings = wishing();
    settings.opens_connections = true;
    let mut client = in_session(settings);
    client.tell(Input::Opened { connection: ConnectionId(0) });
    reconnect(&mut client);
    client.receive(1, &agreed("{'resumed'0 0}"));
    assert_eq!(client.send(1, 3, "'a'$"), ["send 1 3 'a'$"]);
    // A new one is.
    client.lose(1);
    connected_again(&mut client, 2);
    client.receive(2, &agreed("{'no_session''unknown'}"));
    client.receive(2, &agreed(GRANT));
    assert!(client.send(2, 3, "'b'$").is_empty());
    let sent = client.tell(Input::Opened { connection: ConnectionId(2) });
    assert_eq!(sent, ["send 2 3 'b'$"]);
}

#[test]
fn a_session_that_the_program_cannot_open_ends_with_its_connection() {
    let mut settings = wishing();
    settings.opens_connections = true;
    let mut client = in_session(settings);
    let lines = client.tell(Input::NotOpened { connection: ConnectionId(0) });
    assert_eq!(lines[..2], ["send 0 0 {'seen'0 0'end'}$", "close 0"]);
    assert_asks(&connected_again(&mut client, 1), 1, &wish('b'));
}

#[test]
fn s4_a_session_goes_on_where_no_version_is_left_and_its_answers_are_read() {
    let mut client = in_session(wishing());
    client.send(1, 3, "'a'$");
    reconnect(&mut client);
    let lines = client.receive(1, "0 ? {'no_common_version'1?#9&#{'resumed'1 0}&}$");
    assert!(lines.is_empty(), "{lines:?}");
    let lines = client.receive(1, "3 ? {1's'}$");
    assert_eq!(lines[..2], ["end 1 3 {1,s}", "close 1"]);
}
