//! Who may connect, who may use which service, and whose word is taken for who a client is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use ubf_server::{
    AdmissionRule, Call, Handlers, Network, Peer, Reply, Server, ServerBuilder, ServerLimits,
    Service,
};

use crate::support::{Peer as Client, echo, start_with};

const TILL: &str = "0 {'negotiate'1\"till\"#1&#}$";
const NOT_ALLOWED: &str = "{'refused''not_allowed'#1}$";

fn with_till(rule: impl AdmissionRule) -> ServerBuilder {
    let handlers = Handlers::new().on(1, |_: Call<()>| async { Reply::ok("till") });
    Server::builder().service("till", handlers).admission(rule)
}

#[tokio::test]
async fn n14_who_may_not_use_a_service_is_told_so_and_may_use_others() {
    let rule = |_: &Peer, service: Option<&Service>| service != Some(&Service::named("till"));
    let server = start_with(with_till(rule), echo([1])).await;
    let mut client = server.connect().await;
    client.exchange(TILL, &format!("0 ? {NOT_ALLOWED}")).await;
    client.exchange("1 'a'$", "0 ? {'refused''not_allowed'#2}$").await;
    client.send("0 {'negotiate'1?#1&#}$").await;
    assert!(client.packet().await.starts_with("1 ? {'agreed'1?#1&"));
    client.exchange("1 'a'$", "1 ? {'a''start'}$").await;
    assert_eq!(server.handle.status().counts.services_not_allowed, 1);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn n14_who_may_not_connect_is_told_so() {
    let server = start_with(with_till(|_: &Peer, _: Option<&Service>| false), echo([1])).await;
    let client = server.connect().await;
    client.expect_end("0 ? {'closing''not_allowed'0}$").await;
    let counts = server.handle.status().counts;
    assert_eq!((counts.connections_not_allowed, counts.connections), (1, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_rule_that_has_changed_closes_what_it_does_not_allow_and_leaves_the_others() {
    let is_open = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&is_open);
    let rule = move |peer: &Peer, service: Option<&Service>| {
        let is_v4 = peer.address().is_some_and(|address| address.is_ipv4());
        is_v4 && (service != Some(&Service::named("till")) || seen.load(Ordering::Relaxed))
    };
    let server = start_with(with_till(rule), echo([1])).await;
    let mut client = server.connect().await;
    client.send(TILL).await;
    assert!(client.packet().await.starts_with("1 ? {'agreed'1\"till\"#1&"));
    assert_eq!(server.handle.admit_anew(Duration::ZERO), 0);
    is_open.store(false, Ordering::Relaxed);
    assert_eq!(server.handle.admit_anew(Duration::ZERO), 1);
    client.expect_end("0 ? {'closing''operator'1}$").await;
    let mut client = server.connect().await;
    client.exchange(TILL, &format!("0 ? {NOT_ALLOWED}")).await;
    assert_eq!(server.handle.admit_anew(Duration::ZERO), 0, "it is as the rule says");
    drop(client);
    server.stop().await;
}

/// What a balancer says of a client at this address.
fn header(client: &str) -> Vec<u8> {
    let client: SocketAddr = client.parse().unwrap();
    let SocketAddr::V4(client) = client else { panic!("this test has IPv4 addresses") };
    let ports = [client.port().to_be_bytes(), 4000_u16.to_be_bytes()].concat();
    let signature = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C";
    [signature.as_slice(), &client.ip().octets(), &[127, 0, 0, 1], &ports].concat()
}

/// A service that says from where it is asked.
fn where_from() -> Handlers<()> {
    Handlers::new()
        .on(1, |call: Call<()>| async move { Reply::ok(call.peer().to_string().as_str()) })
}

fn behind(networks: &str, limits: ServerLimits) -> ServerBuilder {
    let network: Network = networks.parse().unwrap();
    Server::builder().proxies([network]).limits(limits)
}

#[tokio::test]
async fn behind_a_balancer_the_peer_is_the_client_and_limits_count_it() {
    let mut limits = ServerLimits::default();
    limits.max_connections_per_address = 1;
    let server = start_with(behind("127.0.0.0/8", limits), where_from()).await;
    let through = async |client: &str| {
        let mut balancer = server.connect().await;
        balancer.stream.write_all(&header(client)).await.unwrap();
        balancer
    };
    let mut first = through("192.0.2.7:4711").await;
    first.exchange("1 'who'$", "1 ? {\"192.0.2.7:4711\"'start'}$").await;
    let second = through("192.0.2.7:4712").await;
    second.expect_end("0 ? {'closing''too_many_connections_from_address'0}$").await;
    let mut other = through("192.0.2.8:4711").await;
    other.exchange("1 'who'$", "1 ? {\"192.0.2.8:4711\"'start'}$").await;
    drop((first, other));
    server.stop().await;
}

#[tokio::test]
async fn l1_a_balancer_that_says_nothing_of_the_client_is_not_served() {
    let mut limits = ServerLimits::default();
    limits.max_handshake_time = Duration::from_millis(50);
    let server = start_with(behind("127.0.0.1", limits), where_from()).await;
    // Nothing, a client's first packet, and half of a header.
    for said in [b"".as_slice(), b"1 'who'$1 'who'$", &header("192.0.2.7:1")[..20]] {
        let mut balancer = server.connect().await;
        balancer.stream.write_all(said).await.unwrap();
        balancer.expect_closed().await;
    }
    let counts = server.handle.status().counts;
    assert_eq!((counts.handshakes_failed, counts.connections), (3, 0));
    server.stop().await;
}

#[tokio::test]
async fn who_is_no_balancer_and_sends_a_header_has_sent_wrong_bytes() {
    let server = start_with(behind("192.0.2.0/24", ServerLimits::default()), where_from()).await;
    let mut client = server.connect().await;
    client.stream.write_all(&header("192.0.2.7:4711")).await.unwrap();
    let mut ended = Client { stream: client.stream };
    assert!(ended.packet().await.starts_with("0 ? {'error'"));
    assert_eq!(server.handle.status().counts.bad_syntax, 1);
    drop(ended);
    server.stop().await;
}

#[tokio::test]
async fn l1_the_places_of_a_balancer_are_those_of_its_clients() {
    let mut limits = ServerLimits::default();
    limits.max_handshakes_per_address = 1;
    let server = start_with(behind("127.0.0.1", limits), where_from()).await;
    // It is slow with two headers, and is heard with a third.
    let mut slow = [server.connect().await, server.connect().await];
    for balancer in &mut slow {
        balancer.stream.write_all(&header("192.0.2.7:1")[..20]).await.unwrap();
    }
    let mut quick = server.connect().await;
    quick.stream.write_all(&header("192.0.2.7:2")).await.unwrap();
    quick.exchange("1 'who'$", "1 ? {\"192.0.2.7:2\"'start'}$").await;
    drop((slow, quick));
    server.stop().await;
}

#[cfg(feature = "classic")]
#[tokio::test]
async fn n14_a_stock_peer_does_not_see_a_service_that_it_may_not_use() {
    use ubf_server::{Classic, ClassicService};

    let rule = |_: &Peer, service: Option<&Service>| service != Some(&Service::named("till"));
    let door = Handlers::new().on(1, |_: Call<()>| async { Reply::ok("door") });
    let stock = Classic::new().listen("127.0.0.1:0");
    let stock =
        stock.service(ClassicService::new("till", 1)).service(ClassicService::new("door", 1));
    let server = with_till(rule).service("door", door).classic(stock).bind().await.unwrap();
    let (address, handle) = (server.classic_addresses()[0], server.handle());
    let running = tokio::spawn(server.run());
    let mut peer = Client::connect(address).await;
    let hello = "{'ubf1.0'\"meta_server\"\"\n\n Type 'info'$ for information\n\n\"}$\n";
    peer.expect(hello).await;
    peer.exchange("'services'$\n", "{#\"door\"&'start'}$\n").await;
    let start = "{'startSession',\"till\",#}$\n";
    peer.exchange(start, "{{'error''noSuchService'}'start'}$\n").await;
    drop(peer);
    handle.shut_down(Duration::from_secs(5));
    assert!(running.await.unwrap().is_clean());
}
