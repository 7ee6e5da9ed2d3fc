//! `irc` over sockets, in literal bytes: a person of version 1 and one of version 2.

use ubf_node::services::Irc;
use ubf_server::{Server, Versions};

use crate::contracts::held;
use crate::support::{Peer, Running, start};

async fn connect(server: &Running, version: u32) -> Peer {
    let mut peer = server.connect().await;
    let agreed = format!("{version} ? {{'agreed'1\"irc\"#1&2&#{{'max_packet'16777216}}&}}$");
    peer.exchange(&format!("0 {{'negotiate'1\"irc\"#{version}&#}}$"), &agreed).await;
    peer
}

#[tokio::test]
async fn people_of_two_versions_write_to_each_other() {
    let server =
        start(Server::builder().service("irc", held("irc", Irc::new(&Versions::of([1, 2, 3])))))
            .await;
    let (mut old, mut new) = (connect(&server, 1).await, connect(&server, 2).await);
    let rule = "{'input'{'prim'1 1'logon'}#{'output'{'prim'1 1'no'}'start'}&{'output'{'prim'1 1'welcome'}'active'}&}";
    let broken = format!("1 ? {{{{'clientBrokeContract''groups'#{rule}&}}'start'}}$");
    old.exchange("1 'groups'$", &broken).await;
    old.exchange("1 'logon'$", "1 ? {{'ok'\"guest1\"}'active'}$").await;
    old.exchange("1 {'join'\"erlang\"}$", "1 ? {'true''active'}$").await;
    new.exchange("2 {'logon'\"mike\"}$", "2 ? {{'ok'\"mike\"}'active'}$").await;
    new.exchange("2 {'join'\"erlang\"}$", "2 ? {'ok''active'}$").await;
    old.expect("1 ? {'event_out'{'joins'\"mike\"\"erlang\"}}$").await;
    old.exchange("1 {'nick'\"joe\"}$", "1 ? {'true''active'}$").await;
    old.exchange("1 {'msg'\"erlang\"\"hello\"}$", "1 ? {'true''active'}$").await;
    new.expect("2 ? {'event_out'{'renamed'\"guest1\"\"joe\"}}$").await;
    new.expect("2 ? {'event_out'{'msg'\"joe\"\"erlang\"\"hello\"}}$").await;
    new.exchange("2 {'private'\"joe\"\"psst\"}$", "2 ? {{'error''too_old'}'active'}$").await;
    new.exchange("2 'logoff'$", "2 ? {'ok''start'}$").await;
    old.expect("1 ? {'event_out'{'leaves'\"mike\"\"erlang\"}}$").await;
    // Who is gone is logged off, and its name is free.
    new.exchange(
        "2 {'logon'\"mike\"}$2 {'join'\"erlang\"}$",
        "2 ? {{'ok'\"mike\"}'active'}$2 ? {'ok''active'}$",
    )
    .await;
    drop(old);
    new.expect("2 ? {'event_out'{'leaves'\"joe\"\"erlang\"}}$").await;
    new.exchange("2 {'nick'\"joe\"}$", "2 ? {'ok''active'}$").await;
    drop(new);
    server.stop().await;
}

#[tokio::test]
async fn a_person_who_never_reads_is_logged_off_and_holds_nobody_up() {
    let server =
        start(Server::builder().service("irc", held("irc", Irc::new(&Versions::of([1, 2]))))).await;
    let (mut deaf, mut joe) = (connect(&server, 2).await, connect(&server, 2).await);
    deaf.exchange(
        "2 {'logon'\"deaf\"}$2 {'join'\"a\"}$",
        "2 ? {{'ok'\"deaf\"}'active'}$2 ? {'ok''active'}$",
    )
    .await;
    joe.exchange(
        "2 {'logon'\"joe\"}$2 {'join'\"a\"}$",
        "2 ? {{'ok'\"joe\"}'active'}$2 ? {'ok''active'}$",
    )
    .await;
    let message = format!("2 {{'msg'\"a\"\"{}\"}}$", "x".repeat(4096));
    // The sockets fill up, then the queue; no message takes the longer for it.
    loop {
        joe.send(&message).await;
        let packet = joe.packet().await;
        if packet != "2 ? {'ok''active'}$" {
            assert_eq!(packet, "2 ? {'event_out'{'leaves'\"deaf\"\"a\"}}$");
            break;
        }
    }
    joe.expect("2 ? {'ok''active'}$").await;
    joe.exchange("2 {'members'\"a\"}$", "2 ? {#\"joe\"&'active'}$").await;
    drop((joe, deaf));
    server.stop().await;
}
