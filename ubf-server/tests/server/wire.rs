//! Literal bytes, both ways.

use ubf_codec::Version;
use ubf_server::{Server, Service};

use crate::support::start;

#[tokio::test]
async fn the_example_of_2003() {
    let server = start(Server::builder()).await;
    let mut client = server.connect().await;
    client
        .exchange(
            "0 {'negotiate'1?#1&2&3&6&8&10&11&#{'max_packet'16777216}&}$",
            "10 ? {'agreed'1?#1&2&3&4&5&9&10&14&#{'max_packet'16777216}&}$",
        )
        .await;
    client.exchange("10 {'get'\"a.txt\"}$", "10 ? {{'get'\"a.txt\"}'start'}$").await;
    // The client's version 10 crashes, and it goes on in 8, which this server does not speak.
    client
        .exchange("8 {'get'\"b.txt\"}$", "0 ? {'refused'{'version'8}#1&2&3&4&5&9&10&14&3}$")
        .await;
    client
        .exchange(
            "0 {'negotiate'1?#1&2&3&6&8&11&#{'quarantined'#{10'crash'}&}&{'max_packet'16777216}&}$",
            "3 ? {'agreed'1?#1&2&3&4&5&9&10&14&#{'max_packet'16777216}&}$",
        )
        .await;
    client.exchange("3 {'fetch'\"b.txt\"}$", "3 ? {{'fetch'\"b.txt\"}'start'}$").await;
    let status = server.handle.status();
    assert_eq!((status.counts.agreed, status.counts.refused, status.counts.requests), (2, 1, 2));
    let three = (Service::DEFAULT, Version::new(3).unwrap());
    assert_eq!(status.connections_by_version.into_iter().collect::<Vec<_>>(), [(three, 1)]);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn n12_a_status_counts_sessions_by_what_their_clients_say_they_are() {
    let server = start(Server::builder()).await;
    let mut clients = Vec::new();
    for agent in ["one/1", "two/2", "two/2"] {
        let mut client = server.connect().await;
        let agreed = "1 ? {'agreed'1?#1&2&3&4&5&9&10&14&#{'max_packet'16777216}&}$";
        client.exchange(&format!("0 {{'negotiate'1?#1&#{{'agent'\"{agent}\"}}&}}$"), agreed).await;
        clients.push(client);
    }
    // The reply of a ping comes after all that the negotiation did.
    clients[2].exchange("0 'ping'$", "0 ? 'pong'$").await;
    assert_eq!(
        server.handle.status().connections_by_agent,
        [("two/2".into(), 2), ("one/1".into(), 1)]
    );
    drop(clients);
    server.stop().await;
}

#[tokio::test]
async fn n1_no_common_version_is_an_answer() {
    let server = start(Server::builder()).await;
    let mut client = server.connect().await;
    let versions = "#1&2&3&4&5&9&10&14&";
    client
        .exchange("0 {'negotiate'1?#7&#}$", &format!("0 ? {{'no_common_version'1?{versions}}}$"))
        .await;
    client
        .exchange("0 {'negotiate'1\"files\"#1&#}$", "0 ? {'no_common_version'1\"files\"#}$")
        .await;
    server.stop().await;
}

#[tokio::test]
async fn p5_replies_come_in_the_order_of_the_requests_whichever_handler_is_done_first() {
    let server = start(Server::builder()).await;
    let mut client = server.connect().await;
    client.send("1 'wait'$2 'fast'$0 'ping'$1 'wait'$1 'open'$").await;
    client.expect("1 ? {'wait''start'}$2 ? {'fast''start'}$0 ? 'pong'$").await;
    client.send("1 'open'$").await;
    client.expect("1 ? {'wait''start'}$1 ? {'open''start'}$1 ? {'open''start'}$").await;
    server.stop().await;
}

#[tokio::test]
async fn a_half_closed_client_gets_its_replies() {
    use tokio::io::AsyncWriteExt as _;

    let server = start(Server::builder()).await;
    let mut client = server.connect().await;
    client.send("1 'wait'$\n1 'open'$").await;
    client.stream.shutdown().await.unwrap();
    client.expect_end("1 ? {'wait''start'}$1 ? {'open''start'}$").await;
    server.stop().await;
}

#[tokio::test]
async fn events_go_both_ways() {
    let server = start(Server::builder()).await;
    let mut client = server.connect().await;
    client.exchange("1 {'event_in'{'tick'7}}$", "1 ? {'event_out'{'tick'7}}$").await;
    client.send("1 'tell'$").await;
    let mut packets = [client.packet().await, client.packet().await];
    packets.sort();
    assert_eq!(packets, ["1 ? {'event_out''told'}$", "1 ? {'tell''start'}$"]);
    server.stop().await;
}

#[tokio::test]
async fn n6_a_panic_costs_one_call_and_three_withdraw_the_version() {
    let server = start(Server::builder()).await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    other.exchange("10 'here'$", "10 ? {'here''start'}$").await;
    for packet in 1..=2 {
        client
            .exchange(
                "10 'crash'$",
                &format!("0 ? {{'failed''crash'#1&2&3&4&5&9&10&14&{packet}}}$"),
            )
            .await;
    }
    client.exchange("10 'fine'$", "10 ? {'fine''start'}$").await;
    client.send("10 'crash'$").await;
    assert!(client.packet().await.starts_with("0 ? {'failed''crash'#"));
    // The other client learns of it with its next call, which is not executed.
    other.exchange("10 'there'$", "0 ? {'refused'{'version'10}#1&2&3&4&5&9&14&2}$").await;
    let counts = server.handle.status().counts;
    assert_eq!((counts.failed, counts.withdrawn, counts.refused), (3, 1, 1));
    assert!(server.handle.restore(&Service::DEFAULT, Version::new(10).unwrap()));
    let agreed =
        "10 ? {'agreed'1?#1&2&3&4&5&9&10&14&#{'max_packet'16777216}&}$10 ? {'there''start'}$";
    other.exchange("0 {'negotiate'1?#10&#}$10 'there'$", agreed).await;
    server.stop().await;
}

#[tokio::test]
async fn an_operator_withdraws_a_version() {
    let server = start(Server::builder()).await;
    let mut client = server.connect().await;
    client.exchange("10 'here'$", "10 ? {'here''start'}$").await;
    assert!(server.handle.withdraw(&Service::DEFAULT, Version::new(10).unwrap()));
    assert!(!server.handle.withdraw(&Service::DEFAULT, Version::new(11).unwrap()));
    client.exchange("10 'here'$", "0 ? {'refused'{'version'10}#1&2&3&4&5&9&14&2}$").await;
    server.stop().await;
}

#[tokio::test]
async fn l3_broken_bytes_are_told_where_and_others_notice_nothing() {
    let server = start(Server::builder()).await;
    let (mut good, mut bad) = (server.connect().await, server.connect().await);
    good.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    // What came before is answered; what comes after is forgotten, and does not reset the
    // connection.
    bad.send("1 'fine'$1 {7 p}$1 'more'$").await;
    bad.expect_end("1 ? {'fine''start'}$0 ? {'error''unset-register'14}$").await;
    good.exchange("1 'there'$", "1 ? {'there''start'}$").await;
    assert_eq!(server.handle.status().counts.bad_syntax, 1);
    server.stop().await;
}

#[tokio::test]
async fn p3_a_reply_that_is_an_event_costs_its_own_call_and_no_other() {
    let server = start(Server::builder()).await;
    let mut peer = server.connect().await;
    peer.send("3 'event_out'$3 'next'$").await;
    peer.expect("0 ? {'failed''reply_is_an_event'#1&2&3&4&5&9&10&14&1}$3 ? {'next''start'}$").await;
    assert_eq!(server.handle.status().counts.failed, 1);
    server.stop().await;
}
