//! R8 and R9: how a server goes away, and how it sends clients elsewhere.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use ubf_codec::NextIp;
use ubf_server::{
    Call, Config, Cordon, DrainPlan, Handlers, LoadPlan, LoadUnit, Phase, Reply, Server, Service,
};

use crate::support::{actor, start, start_with};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn r8_a_drain_tells_silent_clients_and_names_the_next_server_in_replies() {
    let server = start(Server::builder()).await;
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    idle.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    busy.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    // Nobody may wait for the grace: its first quarter is over at once, and all is over when the
    // clients are gone.
    let next_ip: NextIp = "b.example:4000".parse().unwrap();
    let plan = DrainPlan::new(next_ip, Duration::from_secs(2), LONG);
    assert!(server.handle.drain(plan));
    assert_eq!(server.handle.status().phase, Phase::Draining);
    busy.send("1 'work'$").await;
    let mut packets = vec![busy.packet().await];
    if packets[0].contains("'moved'") {
        packets.push(busy.packet().await);
    }
    assert_eq!(packets.pop().unwrap(), "1 \"b.example:4000\" {'work''start'}$");
    assert!(idle.packet().await.starts_with("0 \"b.example:4000\" {'moved'"));
    // A client that comes now is served, and told.
    let mut late = server.connect().await;
    late.send("1 'work'$").await;
    while !late.packet().await.starts_with("1 \"b.example:4000\" {'work'") {}
    drop((idle, busy, late));
    assert!(server.report().await.is_clean());
}

#[tokio::test]
async fn r8_a_drain_can_be_undone() {
    let server = start(Server::builder()).await;
    let mut client = server.connect().await;
    client.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    let next_ip: NextIp = "b.example:4000".parse().unwrap();
    let plan = DrainPlan::new(next_ip, 1000 * LONG, LONG);
    assert!(server.handle.drain(plan));
    client.send("1 'work'$").await;
    while !client.packet().await.starts_with("1 \"b.example:4000\"") {}
    assert!(server.handle.undrain());
    assert!(!server.handle.undrain());
    client.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    server.stop().await;
}

#[tokio::test]
async fn r8_a_shutdown_answers_what_was_begun_and_says_what_was_not() {
    let server = start(Server::builder()).await;
    let (mut client, mut idle) = (server.connect().await, server.connect().await);
    idle.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    client.exchange("1 'here'$1 'wait'$", "1 ? {'here''start'}$").await;
    while server.handle.status().calls < 1 {
        tokio::task::yield_now().await;
    }
    client.send("1 'open'$").await;
    client.expect("1 ? {'wait''start'}$1 ? {'open''start'}$").await;
    server.handle.shut_down(LONG);
    client.expect_end("0 ? {'closing''shutdown'3}$").await;
    idle.expect_end("0 ? {'closing''shutdown'1}$").await;
    let report = server.report().await;
    assert!(report.is_clean());
    assert_eq!((report.counts.connections, report.counts.requests), (2, 4));
}

#[tokio::test]
async fn r8_the_hard_stop_cuts_calls_and_the_report_says_so() {
    let server = start(Server::builder()).await;
    let mut client = server.connect().await;
    client.send("1 'here'$1 'never'$1 'ready'$").await;
    client.expect("1 ? {'here''start'}$").await;
    while server.handle.status().counts.requests < 3 {
        tokio::task::yield_now().await;
    }
    server.handle.shut_down(Duration::from_millis(30));
    let last = [
        "0 ? {'failed''cut'#1&2&3&4&5&9&10&14&2}$",
        "1 ? {'ready''start'}$",
        "0 ? {'closing''shutdown'3}$",
    ];
    client.expect_end(&last.concat()).await;
    assert_eq!(server.report().await.counts.calls_cut, 1);
}

#[tokio::test]
async fn stopping_now_cuts_calls_and_the_report_says_so() {
    let server = start(Server::builder()).await;
    let mut client = server.connect().await;
    client.exchange("1 'here'$1 'never'$", "1 ? {'here''start'}$").await;
    while server.handle.status().calls < 1 {
        tokio::task::yield_now().await;
    }
    server.handle.stop();
    client.expect_end("").await;
    assert_eq!(server.report().await.counts.calls_cut, 1);
}

/// More than the sockets hold.
const LARGE: usize = 12 << 20;

#[tokio::test]
async fn a_reply_that_its_client_does_not_read_in_time_is_no_call_that_was_cut() {
    for is_stopped in [false, true] {
        let mut config = Config::default();
        config.max_write_time = if is_stopped { LONG } else { Duration::from_millis(50) };
        let gate = Arc::new(Notify::new());
        let answer = |gate: Arc<Notify>| async move {
            gate.notified().await;
            Reply::ok("x".repeat(LARGE))
        };
        let at_gate = Arc::clone(&gate);
        let handlers = Handlers::new().on(1, move |_: Call<()>| answer(Arc::clone(&at_gate)));
        let server = start_with(Server::builder().config(config), handlers).await;
        let mut client = server.connect().await;
        client.send("1 'large'$").await;
        while server.handle.status().calls < 1 {
            tokio::task::yield_now().await;
        }
        server.handle.shut_down(LONG);
        gate.notify_one();
        client.expect("1 ? {").await;
        if is_stopped {
            server.handle.stop();
        }
        // L1: without a stop it is the client that is too slow, as it would be at any time.
        assert_eq!(server.report().await.counts.calls_cut, u64::from(is_stopped));
        drop(client);
    }
}

#[tokio::test]
async fn a_server_that_is_dropped_takes_its_connections_with_it() {
    let server = Server::builder().listen("127.0.0.1:0");
    let server = server.service(Service::DEFAULT, crate::support::echo([1]));
    let server = server.bind().await.unwrap();
    let address = server.addresses()[0];
    let running = tokio::spawn(server.run());
    let mut client =
        crate::support::Peer { stream: tokio::net::TcpStream::connect(address).await.unwrap() };
    client.exchange("1 {'R'>r r 7~binary$~}$", "1 ? {{'R'>r r 7~binary$~}'start'}$").await;
    running.abort();
    client.expect_end("").await;
}

#[tokio::test]
async fn r9_above_the_high_mark_replies_name_another_server() {
    for unit in [LoadUnit::Sessions, LoadUnit::Calls] {
        let server = start(Server::builder()).await;
        let mut client = server.connect().await;
        client.exchange("1 'wait'$1 'wait'$0 'ping'$1 'open'$", "1 ? {'wait''start'}$").await;
        let next_ip = "b.example:4000".parse().unwrap();
        server.handle.set_load_marks(Some(LoadPlan::new(unit, 0, 0, next_ip)));
        while !server.handle.status().is_overloaded {
            tokio::task::yield_now().await;
        }
        client.send("1 'open'$").await;
        client.expect("1 \"b.example:4000\" {'wait''start'}$0 \"b.example:4000\" 'pong'$").await;
        client.packet().await;
        client.packet().await;
        server.handle.set_load_marks(None);
        client.exchange("1 'here'$", "1 ? {'here''start'}$").await;
        drop(client);
        server.stop().await;
    }
}

#[tokio::test]
async fn both_families_of_addresses_can_be_served_at_one_port() {
    let free = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let bound = Server::builder()
        .listen(format!("0.0.0.0:{port}"))
        .listen(format!("[::]:{port}"))
        .service(Service::DEFAULT, actor())
        .bind()
        .await;
    // A machine without IPv6 cannot listen on `[::]` at all.
    if std::net::TcpListener::bind("[::]:0").is_ok() {
        assert_eq!(bound.unwrap().addresses().len(), 2);
    }
}

#[tokio::test]
async fn a_cordon_turns_new_clients_away_and_those_there_stay() {
    let server = start(Server::builder()).await;
    let mut there = server.connect().await;
    there.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    assert!(server.handle.cordon(Cordon::new("b.example:4000".parse::<NextIp>().ok())));
    assert!(server.handle.status().cordon.is_some());
    let words = "0 \"b.example:4000\" {'closing''cordoned'0}$";
    server.connect().await.expect_end(words).await;
    there.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    assert!(server.handle.uncordon() && !server.handle.uncordon());
    server.connect().await.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_is_moved_and_stays_is_closed_after_its_grace() {
    let server = start(Server::builder()).await;
    let (mut stays, mut other) = (server.connect().await, server.connect().await);
    for client in [&mut stays, &mut other] {
        client.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    }
    let next_ip: NextIp = "b.example:4000".parse().unwrap();
    let grace = Duration::from_millis(50);
    assert!(server.handle.move_connection(1, next_ip.clone(), grace, LONG));
    assert!(!server.handle.move_connection(9, next_ip, grace, LONG));
    assert!(stays.packet().await.starts_with("0 \"b.example:4000\" {'moved'"));
    stays.expect_end("0 \"b.example:4000\" {'closing''operator'1}$").await;
    other.exchange("1 'here'$", "1 ? {'here''start'}$").await;
    server.stop().await;
}
