//! Calls of the program's own on each new connection, before all others.

use bytes::Bytes;
use ubf_proto::client::{Call, CallId, Config, ConnectionId, Input, Notice};

use super::client_end::{Client, config, version};

fn opening() -> Config {
    let mut config = config("192.0.2.1:4000,192.0.2.2:4000", &[3]);
    config.opens_connections = true;
    config.max_pending = 2;
    config
}

/// A call that opens a connection.
fn open(client: &mut Client, id: u64, connection: u64, body: &str) -> Vec<String> {
    let rendered = Some((version(3), Bytes::from(body.to_owned())));
    let opens = Some(ConnectionId(connection));
    client.tell(Input::Call(Call { rendered, opens, ..Call::request(CallId(id)) }))
}

fn opened(client: &mut Client, connection: u64) -> Vec<String> {
    client.tell(Input::Opened { connection: ConnectionId(connection) })
}

#[test]
fn calls_wait_until_a_connection_is_opened_and_opening_calls_precede_them() {
    let mut client = Client::agreed(opening(), 3, "#3&");
    assert!(client.has_notice(|notice| matches!(
        notice,
        Notice::Agreed { connection: ConnectionId(0), is_first: true, .. }
    )));
    assert!(client.send(1, 3, "'a'$").is_empty());
    assert!(client.send(2, 3, "'b'$").is_empty());
    // The queue of calls is full, and that holds no opening call back.
    assert_eq!(open(&mut client, 3, 0, "'login'$"), ["send 0 3 'login'$"]);
    assert_eq!(client.receive(0, "3 ? {'ok''start'}$"), ["end 3 3 {ok,start}"]);
    assert_eq!(open(&mut client, 4, 0, "'subscribe'$"), ["send 0 3 'subscribe'$"]);
    assert_eq!(opened(&mut client, 0), ["send 0 3 'a'$", "send 0 3 'b'$"]);
}

#[test]
fn n3_no_call_precedes_the_agreement_of_a_connection_that_is_to_be_opened() {
    let mut config = opening();
    config.remembered = Some(version(3));
    let mut client = Client::new(config);
    client.send(1, 3, "'a'$");
    client.poll();
    let sent = client.connected(0);
    assert!(sent.len() == 1 && sent[0].starts_with("send 0 0 {'negotiate'"), "{sent:?}");
}

#[test]
fn each_connection_is_opened_anew_and_what_opened_another_goes_nowhere() {
    let mut client = Client::agreed(opening(), 3, "#3&");
    open(&mut client, 1, 0, "'login'$");
    client.send(2, 3, "'a'$");
    // Of two opening calls one was sent, and its reply is missing.
    let lost = client.lose(0);
    assert!(lost.iter().any(|line| line.starts_with("end 1 error: ")), "{lost:?}");
    client.connected(1);
    client.receive(1, "3 ? {'agreed'1?#3&#}$");
    assert_eq!(open(&mut client, 3, 0, "'late'$"), ["end 3 error: cancelled before it was sent"]);
    assert_eq!(open(&mut client, 4, 1, "'login'$"), ["send 1 3 'login'$"]);
    assert_eq!(opened(&mut client, 1), ["send 1 3 'a'$"]);
}

#[test]
fn a_connection_that_cannot_be_opened_is_left_and_its_calls_go_to_the_next() {
    let mut client = Client::agreed(opening(), 3, "#3&");
    client.send(1, 3, "'a'$");
    let left = client.tell(Input::NotOpened { connection: ConnectionId(0) });
    assert!(
        left.contains(&"close 0".to_owned()) && !left.iter().any(|line| line.starts_with("end"))
    );
    let told = |notice: &Notice| matches!(notice, Notice::Lost { reason, .. } if reason.to_string() == "the program could not open it");
    assert!(client.has_notice(told));
    client.connected(1);
    client.receive(1, "3 ? {'agreed'1?#3&#}$");
    assert_eq!(opened(&mut client, 1), ["send 1 3 'a'$"]);
}
