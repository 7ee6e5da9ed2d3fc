//! What clients see of a switch, as literal bytes.

use std::time::Duration;

use tokio::net::TcpListener;
use ubf_net::testing::{ScriptedPeer, within};
use ubf_switch::{Switch, SwitchLimits};

use crate::world::{Node, Running, builder, until};

#[tokio::test]
async fn f5_an_answer_lists_what_all_nodes_speak_and_names_none_of_them() {
    let (old, new) = (Node::start("old", &[1, 3]).await, Node::start("new", &[10]).await);
    assert!(new.handle.set_peers(vec![old.address.parse().unwrap()]));
    let switch = Running::start(&[&old, &new]).await;
    let mut client = ScriptedPeer::connect(&*switch.address).await;
    client.send("0 {'negotiate',1,?,#3&10&,#}$").await;
    let agreed = client.packet().await;
    assert!(agreed.starts_with("10 ? {'agreed'1?#1&3&10&#"), "{agreed}");
    assert!(!agreed.contains("peers"), "{agreed}");
    client.send("10 'hi'$").await;
    assert_eq!(client.packet().await, "10 ? {{'new'10'hi'1}'start'}$");
    let mut client = ScriptedPeer::connect(&*switch.address).await;
    client.send("0 {'negotiate',1,?,#4&,#}$").await;
    let answer = client.packet().await;
    assert_eq!(answer, "0 ? {'no_common_version'1?#1&3&10&}$");
}

#[tokio::test]
async fn n3_messages_before_a_negotiation_are_for_a_node_that_speaks_their_version() {
    let (old, new) = (Node::start("old", &[3]).await, Node::start("new", &[10]).await);
    let switch = Running::start(&[&old, &new]).await;
    for (sent, wanted) in [
        ("3 'a'$", "3 ? {{'old'3'a'1}'start'}$"),
        ("10 'a'$", "10 ? {{'new'10'a'1}'start'}$"),
        ("0 'ping'$", "0 ? 'pong'$"),
    ] {
        let mut client = ScriptedPeer::connect(&*switch.address).await;
        client.exchange(sent, wanted).await;
    }
}

#[tokio::test]
async fn s11_pings_before_a_negotiation_are_answered_and_counted() {
    let node = Node::start("a", &[3]).await;
    let switch = Running::start(&[&node]).await;
    let mut client = ScriptedPeer::connect(&*switch.address).await;
    client.exchange("0 'ping'$ 0 'ping'$", "0 ? 'pong'$0 ? 'pong'$").await;
    client.send("0 {'negotiate',1,?,#3&,#}$4 'x'$0 'ping'$").await;
    assert!(client.packet().await.starts_with("3 ? {'agreed'"));
    // P6: the message is the client's fourth packet.
    assert_eq!(client.packet().await, "0 ? {'refused'{'version'4}#3&4}$");
    assert_eq!(client.packet().await, "0 ? 'pong'$");
    // The same without a negotiation: the node's own pongs do not come twice.
    let mut client = ScriptedPeer::connect(&*switch.address).await;
    client.exchange("0 'ping'$", "0 ? 'pong'$").await;
    client.exchange("3 'a'$0 'ping'$", "3 ? {{'a'3'a'1}'start'}$0 ? 'pong'$").await;
}

#[tokio::test]
async fn what_is_no_packet_is_judged_by_a_node() {
    let node = Node::start("a", &[3]).await;
    let switch = Running::start(&[&node]).await;
    for (sent, wanted) in [
        ("'info'$", "0 ? {'error''bad-version'0}$"),
        ("3 'a'$3 {}}$", "3 ? {{'a'3'a'1}'start'}$0 ? {'error''close-without-open'10}$"),
        ("0 {'negotiate',1,?,#,#}$", "0 ? {'error'{'malformed''negotiate''Versions'}2}$"),
    ] {
        let mut client = ScriptedPeer::connect(&*switch.address).await;
        client.send(sent).await;
        client.expect_end(wanted).await;
    }
}

#[tokio::test]
async fn n10_who_says_nothing_in_time_is_told_so() {
    let node = Node::start("a", &[3]).await;
    let mut limits = SwitchLimits::default();
    limits.max_negotiation_time = Duration::from_millis(50);
    let switch = Switch::builder().listen("127.0.0.1:0").limits(limits);
    let switch = Running::of(switch.node(node.address.parse().unwrap())).await;
    for sent in ["", "0 {'negotiate',1", "3"] {
        let mut client = ScriptedPeer::connect(&*switch.address).await;
        client.send(sent).await;
        client.expect_end("0 ? {'closing''negotiation_time'0}$").await;
    }
    assert_eq!(switch.handle.counts().too_slow, 3);
}

#[tokio::test]
async fn l1_clients_beyond_the_limits_are_told_so() {
    let node = Node::start("a", &[3]).await;
    for (all, of_address, why) in
        [(2, 9, "too_many_connections"), (9, 2, "too_many_connections_from_address")]
    {
        let mut limits = SwitchLimits::default();
        limits.max_connections = all;
        limits.max_connections_per_address = of_address;
        let switch = Switch::builder().listen("127.0.0.1:0").limits(limits);
        let switch = Running::of(switch.node(node.address.parse().unwrap())).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut client = ScriptedPeer::connect(&*switch.address).await;
            client.exchange("0 'ping'$", "0 ? 'pong'$").await;
            held.push(client);
        }
        let more = ScriptedPeer::connect(&*switch.address).await;
        more.expect_end(&format!("0 ? {{'closing''{why}'0}}$")).await;
        drop(held);
        until(|| switch.handle.connections() == 0).await;
        let mut client = ScriptedPeer::connect(&*switch.address).await;
        client.exchange("0 'ping'$", "0 ? 'pong'$").await;
    }
}

#[tokio::test]
async fn l1_an_idle_connection_ends_behind_what_is_due() {
    let node = Node::start("a", &[3]).await;
    let mut limits = SwitchLimits::default();
    limits.max_idle_time = Duration::from_millis(60);
    let switch = Switch::builder().listen("127.0.0.1:0").limits(limits);
    let switch = Running::of(switch.node(node.address.parse().unwrap())).await;
    let mut client = ScriptedPeer::connect(&*switch.address).await;
    client.exchange("3 'a'$", "3 ? {{'a'3'a'1}'start'}$").await;
    client.expect_end("0 ? {'closing''idle_time'1}$").await;
}

#[tokio::test]
async fn l1_a_packet_of_version_0_must_be_whole_in_time() {
    let node = Node::start("a", &[3]).await;
    let mut limits = SwitchLimits::default();
    limits.max_packet_time = Duration::from_millis(50);
    let switch = Switch::builder().listen("127.0.0.1:0").limits(limits);
    let switch = Running::of(switch.node(node.address.parse().unwrap())).await;
    let mut client = ScriptedPeer::connect(&*switch.address).await;
    client.exchange("3 'a'$", "3 ? {{'a'3'a'1}'start'}$").await;
    client.send("0 {'negot").await;
    client.expect_end("0 ? {'closing''packet_time'1}$").await;
}

/// L1: the node says more than there is room for, and the client reads nothing of it. The switch
/// reads no more than it may keep, so that the node has to wait, and in the end the client is cut
/// off.
#[tokio::test]
async fn l2_a_client_that_does_not_read_is_cut_off_and_takes_no_memory() {
    let (address, mut taken) = scripted().await;
    let mut limits = SwitchLimits::default();
    limits.max_write_time = Duration::from_millis(300);
    limits.probe_every = Duration::from_secs(60);
    let switch = Switch::builder().listen("127.0.0.1:0").limits(limits);
    let switch = Running::of(switch.node(address.parse().unwrap())).await;
    let mut client = ScriptedPeer::connect(&*switch.address).await;
    client.send("3 'a'$").await;
    let mut node = within(taken.recv()).await.unwrap();
    let body = format!("3 ? \"{}\"$", "x".repeat(1 << 20));
    let mut sent = 0_usize;
    // As much as all sockets on the way hold, and never 64 MiB.
    while sent < 64 {
        let sending = tokio::io::AsyncWriteExt::write_all(&mut node.stream, body.as_bytes());
        match within(sending).await {
            Ok(()) => sent += 1,
            Err(_) => break,
        }
    }
    assert!(sent < 40, "{sent} MiB");
    until(|| switch.handle.connections() == 0).await;
    drop(client);
}

#[tokio::test]
async fn l2_a_node_that_does_not_answer_is_passed_over() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = Node::start("a", &[3]).await;
    let mut limits = SwitchLimits::default();
    limits.max_answer_time = Duration::from_secs(1);
    let nodes = [silent.local_addr().unwrap().to_string(), node.address.clone()];
    let mut switch = Switch::builder().listen("127.0.0.1:0").limits(limits);
    for node in &nodes {
        switch = switch.node(node.parse().unwrap());
    }
    let switch = Running::of(switch).await;
    for _ in 0..4 {
        let mut client = ScriptedPeer::connect(&*switch.address).await;
        client.send("0 {'negotiate',1,?,#3&,#}$").await;
        assert!(client.packet().await.starts_with("3 ? {'agreed'"));
    }
}

#[tokio::test]
async fn a_client_for_whom_no_node_is_reached_is_told_so() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let switch = Running::of(builder(&[&nobody.to_string()])).await;
    for sent in ["0 {'negotiate',1,?,#3&,#}$3 'a'$", "3 'a'$"] {
        let mut client = ScriptedPeer::connect(&*switch.address).await;
        client.send(sent).await;
        client.expect_end("0 ? {'closing''no_node'0}$").await;
    }
    assert_eq!(switch.handle.counts().without_node, 2);
}

/// A node of a script: it answers probes, and gives its clients to the test.
async fn scripted() -> (String, tokio::sync::mpsc::Receiver<ScriptedPeer>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (clients, taken) = tokio::sync::mpsc::channel(8);
    drop(tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut peer = ScriptedPeer { stream };
            let first = peer.packet().await;
            if first.contains("#2147483647&") {
                peer.send("0 ? {'no_common_version',1,?,#3&}$").await;
            } else if clients.send(peer).await.is_err() {
                return;
            }
        }
    }));
    (address, taken)
}

#[tokio::test]
async fn s4_a_session_is_not_said_to_be_unknown_while_a_node_is_not_reached() {
    const RESUME: &str = "0 {'negotiate',1,?,#3&,#{'resume',16~0123456789abcdef~,1,0,2}&}$";
    let (address, mut taken) = scripted().await;
    // Nobody listens at the second one.
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let switch = Running::of(builder(&[&address, &other.to_string()])).await;
    let mut client = ScriptedPeer::connect(&*switch.address).await;
    client.send(RESUME).await;
    let mut node = within(taken.recv()).await.unwrap();
    node.send("3 ? {'agreed',1,?,#3&,#{'no_session','unknown'}&}$").await;
    client.expect("3 ? {'agreed'1?#3&#{'no_session''not_now'}&}$").await;
}

#[tokio::test]
async fn s4_the_node_that_has_a_session_is_found_wherever_it_is_and_whoever_names_it() {
    const RESUME: &str = "0 {'negotiate',1,?,#3&,#{'resume',16~0123456789abcdef~,1,0,2}&}$";
    let (a, mut at_a) = scripted().await;
    let (b, mut at_b) = scripted().await;
    let switch = Running::of(builder(&[&a, &b])).await;
    // A and B are asked, one after the other.
    let mut client = ScriptedPeer::connect(&*switch.address).await;
    client.send(RESUME).await;
    for _ in 0..2 {
        let (mut node, answer) = tokio::select! {
            node = within(at_a.recv()) => (node.unwrap(), "3 ? {'agreed',1,?,#3&,#{'no_session','unknown'}&}$"),
            node = within(at_b.recv()) => (node.unwrap(), "3 ? {'agreed',1,?,#3&,#{'resumed',1,0}&}$"),
        };
        node.send(answer).await;
        if answer.contains("resumed") {
            client.expect("3 ? {'agreed'1?#3&#{'resumed'1 0}&}$").await;
            break;
        }
    }
    until(|| switch.handle.sessions() == 1).await;
    drop(client);
    until(|| switch.handle.connections() == 0).await;
    // The next time B is asked at once, and says that it is A's by now.
    let mut client = ScriptedPeer::connect(&*switch.address).await;
    client.send(RESUME).await;
    let mut node = within(at_b.recv()).await.unwrap();
    node.send(&format!("3 \"{a}\" {{'agreed',1,?,#3&,#{{'no_session','elsewhere'}}&}}$")).await;
    let mut node = within(at_a.recv()).await.unwrap();
    node.send("3 ? {'agreed',1,?,#3&,#{'resumed',1,0}&}$").await;
    client.expect("3 ? {'agreed'1?#3&#{'resumed'1 0}&}$").await;
}

#[tokio::test]
async fn f5_bytes_of_stock_peers_pass_as_they_are() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nodes = [dead.to_string(), listener.local_addr().unwrap().to_string()];
    let nodes = nodes.iter().map(|node| node.parse().unwrap()).collect::<Vec<_>>();
    let switch = Running::of(Switch::builder().pass_through("127.0.0.1:0", nodes)).await;
    for _ in 0..3 {
        let mut client = ScriptedPeer::connect(&*switch.address).await;
        let (stream, _) = within(listener.accept()).await.unwrap();
        let mut node = ScriptedPeer { stream };
        node.send("{'ubf1.0',\"meta_server\",\"help\"}$\n").await;
        client.exchange("'services'$", "{'ubf1.0',\"meta_server\",\"help\"}$\n").await;
        node.exchange("{#\"kv\"&,'start'}$", "'services'$").await;
        client.expect("{#\"kv\"&,'start'}$").await;
        client.end().await;
        node.expect_end("").await;
        client.expect_closed().await;
    }
}
