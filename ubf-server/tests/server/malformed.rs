//! Every packet of version 0 that a client can send, malformed in every way, over real connections
//! (L3). The tables of all shapes are in `ubf-proto/tests/control.rs`; here it shows that a
//! connection ends as it should, and that others notice nothing.

use ubf_server::Server;

use crate::support::{Peer, Running, start};

/// A field of `negotiate`: how the error names it, and what it may not be.
const NEGOTIATE: [(&str, &str, &[&str]); 4] = [
    ("UbfVersion", "1", &["?", "'a'", "\"1\"", "0", "-1", "{}", "#"]),
    ("Service", "?", &["'files'", "5~files~", "1", "{}", "#", "\"files\"`t`"]),
    (
        "Versions",
        "#3&10&",
        &[
            "?",
            "1",
            "{1}",
            "#",
            "#0&",
            "#-1&",
            "#2147483648&",
            "#'1'&",
            "#1&1&",
            "#1&?&",
            "#\"1\"&",
        ],
    ),
    (
        "Options",
        "#",
        &["?", "1", "{}", "{'agent'\"a\"}", "#'agent'&", "#{}&", "#{\"agent\"\"a\"}&"],
    ),
];

/// Options of `negotiate`, which errors name by the option.
const OPTIONS: [(&str, &str); 11] = [
    ("agent", "{'agent'}"),
    ("agent", "{'agent''a'}"),
    ("peers", "{'peers'\"\"}"),
    ("peers", "{'peers'\"a\"}"),
    ("peers", "{'peers''a:1'}"),
    ("max_packet", "{'max_packet'-1}"),
    ("max_packet", "{'max_packet'?}"),
    ("quarantined", "{'quarantined'1}"),
    ("quarantined", "{'quarantined'#1&}"),
    ("quarantined", "{'quarantined'#{10}&}"),
    ("quarantined", "{'quarantined'#{0'crash'}&}"),
];

const NOT_AN_OFFSET: [&str; 7] = ["?", "'a'", "\"1\"", "-1", "18446744073709551616", "{}", "#"];

/// Bodies, and what the server says is malformed.
fn malformed() -> Vec<(String, String)> {
    let body = |fields: &[&str]| format!("{{'negotiate'{}}}$", fields.join(" "));
    let good = NEGOTIATE.map(|(_, good, _)| good);
    let mut bodies = Vec::new();
    for (index, (name, _, wrong)) in NEGOTIATE.into_iter().enumerate() {
        let field = format!("'negotiate''{name}'");
        bodies.push((body(&good[..index]), field.clone()));
        for wrong in wrong {
            let mut fields = good;
            fields[index] = wrong;
            bodies.push((body(&fields), field.clone()));
        }
    }
    for (name, option) in OPTIONS {
        let options = format!("#{option}&");
        bodies.push((body(&[good[0], good[1], good[2], &options]), format!("'negotiate''{name}'")));
    }
    bodies.push(("{'error'}$".to_owned(), "'error''Why'".to_owned()));
    bodies.push(("{'error''any'}$".to_owned(), "'error''Offset'".to_owned()));
    for wrong in NOT_AN_OFFSET {
        bodies.push((format!("{{'error''any'{wrong}}}$"), "'error''Offset'".to_owned()));
    }
    bodies
}

/// One connection says something of no use, and another one lives on.
struct Pair {
    server: Running,
    other: Peer,
}

impl Pair {
    async fn new() -> Self {
        let server = start(Server::builder()).await;
        let other = server.connect().await;
        Self { server, other }
    }

    async fn other_is_well(&mut self) {
        self.other.exchange("3 'here'$", "3 ? {'here''start'}$").await;
    }
}

#[tokio::test]
async fn l3_each_malformed_packet_is_told_by_its_field_and_place_and_ends_its_own_connection() {
    let mut pair = Pair::new().await;
    let before = "3 'before'$";
    let bodies = malformed();
    for (body, field) in &bodies {
        let mut peer = pair.server.connect().await;
        // What came before is answered, what comes after is not executed.
        peer.send(&format!("{before}0 {body}3 'after'$")).await;
        let place = before.len() + "0 ".len();
        peer.expect_end(&format!(
            "3 ? {{'before''start'}}$0 ? {{'error'{{'malformed'{field}}}{place}}}$"
        ))
        .await;
        pair.other_is_well().await;
    }
    let executed = pair.server.handle.status().counts.requests;
    assert_eq!(
        executed,
        2 * bodies.len() as u64,
        "one before each malformed packet, one of the other connection"
    );
    pair.server.stop().await;
}

#[tokio::test]
async fn l3_broken_headers_and_bodies_of_version_0_are_told_by_code_and_place() {
    let mut pair = Pair::new().await;
    for (packet, error) in [
        ("00 'ping'$", "'bad-version'1"),
        ("0'ping'$", "'missing-space'1"),
        ("0 $", "'empty-packet'2"),
        ("0 'ping'}$", "'close-without-open'8"),
        ("0 {'negotiate'p}$", "'unset-register'14"),
    ] {
        let mut peer = pair.server.connect().await;
        peer.send(&format!("{packet}3 'after'$")).await;
        peer.expect_end(&format!("0 ? {{'error'{error}}}$")).await;
        pair.other_is_well().await;
    }
    pair.server.stop().await;
}

#[tokio::test]
async fn p4_packets_that_are_not_known_are_refused_and_the_connection_goes_on() {
    let mut pair = Pair::new().await;
    let unknown = [
        "?",
        "1",
        "\"ping\"",
        "'pang'",
        "{}",
        "{1}",
        "{'ping'}",
        "{\"negotiate\"1}",
        "#",
        "'ping'`t`",
    ];
    let mut peer = pair.server.connect().await;
    for (packet, body) in (1..).zip(unknown) {
        peer.send(&format!("0 {body}$")).await;
        peer.expect(&format!("0 ? {{'refused''unknown_packet'#1&2&3&4&5&9&10&14&{packet}}}$"))
            .await;
    }
    peer.exchange("0 'ping'$", "0 ? 'pong'$").await;
    pair.other_is_well().await;
    pair.server.stop().await;
}

#[tokio::test]
async fn a_packet_that_is_cut_anywhere_by_the_end_of_the_stream_is_no_packet() {
    let mut pair = Pair::new().await;
    for packet in ["0 {'negotiate'1?#3&10&#{'max_packet'99}&}$", "0 'ping'$", "0 {'error''any'7}$"]
    {
        for cut in 0..packet.len() {
            let mut peer = pair.server.connect().await;
            peer.send(packet.split_at(cut).0).await;
            peer.end().await;
            peer.expect_end("").await;
        }
        pair.other_is_well().await;
    }
    pair.server.stop().await;
}
