//! Clients of this project behind a switch: versions, drains, sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use ubf_client::Client;
use ubf_codec::{Version, ubf};
use ubf_net::testing::within;
use ubf_server::DrainPlan;
use ubf_switch::{Health, SwitchDrain};

use crate::world::{Node, Running, asked, builder, client, plain, until};

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

#[tokio::test]
async fn f5_clients_are_led_to_the_highest_version_that_some_node_has() {
    let (old, new) = (Node::start("old", &[1, 3]).await, Node::start("new", &[3, 10]).await);
    let switch = Running::start(&[&old, &new]).await;
    for (versions, wanted) in [
        (&[1, 3, 10][..], ("new".to_owned(), 10)),
        (&[1], ("old".to_owned(), 1)),
        (&[10], ("new".to_owned(), 10)),
    ] {
        let client = client(&switch.address, versions).await;
        assert_eq!(asked(&client, 7).await, wanted);
    }
    // What both speak goes to the one with fewer clients.
    let mut both = Vec::new();
    for _ in 0..4 {
        let client = client(&switch.address, &[3]).await;
        both.push((asked(&client, 1).await.0, client));
    }
    let of_old = both.iter().filter(|(name, _)| name == "old").count();
    assert_eq!(of_old, 2);
}

#[tokio::test]
async fn f5_services_are_found_at_the_nodes_that_have_them() {
    let (one, two) = (Node::start("one", &[3]).await, Node::start("two", &[3]).await);
    let switch = Running::start(&[&one, &two]).await;
    for name in ["one", "two"] {
        for _ in 0..3 {
            let builder = Client::builder().address(&switch.address).service(name).versions([3]);
            let client = within(builder.connect()).await.unwrap();
            assert_eq!(asked(&client, 1).await.0, name);
        }
    }
    let nobody = Client::builder().address(&switch.address).service("three").versions([3]);
    assert!(within(nobody.connect_within(Duration::from_millis(200)).connect()).await.is_err());
}

/// Armstrong's example, over two nodes: the software of version 10 crashes, and the next message is
/// of a version that only the other node speaks.
#[tokio::test]
async fn f5_a_client_falls_back_to_a_version_of_another_node() {
    let (old, new) = (Node::start("old", &[3]).await, Node::start("new", &[10]).await);
    let switch = Running::start(&[&old, &new]).await;
    for is_session in [false, true] {
        let client = if is_session {
            client(&switch.address, &[3, 10]).await
        } else {
            plain(&switch.address, &[3, 10]).await
        };
        assert_eq!(asked(&client, 1).await, ("new".to_owned(), 10));
        client.crashed(version(10));
        for what in 2..5 {
            assert_eq!(asked(&client, what).await, ("old".to_owned(), 3), "{is_session}");
        }
    }
    assert_eq!((old.executed(), new.executed()), (6, 2));
    assert!(switch.handle.counts().led_elsewhere >= 2);
}

/// Callers that go on until they are told to stop. Each call is answered once.
struct Callers {
    callers: JoinSet<u64>,
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
}

impl Callers {
    async fn start(address: &str, count: usize, has_sessions: bool) -> Self {
        let (mut callers, is_over) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        let answered = Arc::new(AtomicU64::new(0));
        for _ in 0..count {
            let client =
                if has_sessions { client(address, &[3]).await } else { plain(address, &[3]).await };
            let (is_over, answered) = (Arc::clone(&is_over), Arc::clone(&answered));
            callers.spawn(async move {
                let mut calls = 0;
                // Bounded, whatever happens.
                while !is_over.load(Ordering::Relaxed) && calls < 200_000 {
                    let both = tokio::join!(asked(&client, calls), asked(&client, calls + 1));
                    assert_eq!(both.0.1, 3);
                    calls += 2;
                    answered.fetch_add(2, Ordering::Relaxed);
                }
                calls
            });
        }
        Self { callers, is_over, answered }
    }

    /// Waits for so many more answers.
    async fn go_on(&self, more: u64) {
        let goal = self.answered.load(Ordering::Relaxed) + more;
        until(|| self.answered.load(Ordering::Relaxed) >= goal).await;
    }

    async fn end(mut self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        let mut calls = 0;
        while let Some(ended) = within(self.callers.join_next()).await {
            calls += ended.unwrap();
        }
        calls
    }
}

#[tokio::test]
async fn f5_a_node_drains_under_load_and_no_call_is_lost_or_runs_twice() {
    for has_sessions in [false, true] {
        let (a, b) = (Node::start("a", &[3]).await, Node::start("b", &[3]).await);
        let switch = Running::start(&[&a, &b]).await;
        let callers = Callers::start(&switch.address, 6, has_sessions).await;
        callers.go_on(50).await;
        assert!(a.executed() > 0 && b.executed() > 0);
        let next_ip: ubf_codec::NextIp = b.address.parse().unwrap();
        let (grace, hard_stop) = (Duration::from_secs(10), Duration::from_secs(5));
        assert!(a.handle.drain(DrainPlan::new(next_ip, grace, hard_stop)));
        switch.sees(0, |health| health != Health::Up).await;
        // All of them leave it, long before it stops.
        until(|| a.handle.status().connections == 0).await;
        callers.go_on(50).await;
        let calls = callers.end().await;
        assert_eq!(a.executed() + b.executed(), calls, "{has_sessions}");
    }
}

#[tokio::test]
async fn f5_a_node_that_closes_without_a_word_of_another_costs_no_call_either() {
    let (a, b) = (Node::start("a", &[3]).await, Node::start("b", &[3]).await);
    let switch = Running::start(&[&a, &b]).await;
    let callers = Callers::start(&switch.address, 4, true).await;
    callers.go_on(20).await;
    a.handle.shut_down(Duration::from_secs(5));
    switch.sees(0, |health| matches!(health, Health::Down { .. })).await;
    callers.go_on(50).await;
    let calls = callers.end().await;
    assert_eq!(a.executed() + b.executed(), calls);
}

#[tokio::test]
async fn f5_a_node_that_comes_back_is_used_again() {
    let (a, b) = (Node::start("a", &[3]).await, Node::start("b", &[3]).await);
    let switch = Running::start(&[&a, &b]).await;
    switch.sees(0, |health| health == Health::Up).await;
    a.handle.stop();
    switch.sees(0, |health| matches!(health, Health::Down { .. })).await;
    let there = client(&switch.address, &[3]).await;
    assert_eq!(asked(&there, 1).await.0, "b");
    let _a = Node::start_at(&a.address, "a", &[3]).await;
    switch.sees(0, |health| health == Health::Up).await;
    let here = client(&switch.address, &[3]).await;
    assert_eq!(asked(&here, 1).await.0, "a");
}

#[tokio::test]
async fn f5_a_switch_that_drains_to_another_one_costs_no_call() {
    for has_sessions in [false, true] {
        let node = Node::start("a", &[3]).await;
        let first = Running::start(&[&node]).await;
        let second = Running::start(&[&node]).await;
        let callers = Callers::start(&first.address, 4, has_sessions).await;
        callers.go_on(20).await;
        let drain = SwitchDrain {
            next_ip: Some(second.address.parse().unwrap()),
            grace: Duration::from_secs(2),
            hard_stop: Duration::from_secs(5),
        };
        within(first.handle.drain(drain)).await;
        callers.go_on(20).await;
        assert_eq!(first.handle.connections(), 0);
        let calls = callers.end().await;
        assert_eq!((node.executed(), first.handle.counts().cut), (calls, 0), "{has_sessions}");
    }
}

#[tokio::test]
async fn f5_a_switch_that_ends_tells_what_was_executed() {
    let node = Node::start("a", &[3]).await;
    let first = Running::start(&[&node]).await;
    let second = Running::start(&[&node]).await;
    // Its clients know of the second one from the start.
    let builder = Client::builder().address(&first.address).address(&second.address);
    let client = within(builder.versions([3]).connect()).await.unwrap();
    asked(&client, 1).await;
    let calls = async {
        for what in 0..200 {
            asked(&client, what).await;
        }
    };
    let drain = SwitchDrain { hard_stop: Duration::from_secs(5), ..SwitchDrain::default() };
    let ((), ()) = tokio::join!(calls, within(first.handle.drain(drain)));
    assert_eq!((node.executed(), first.handle.counts().cut), (201, 0));
}

#[tokio::test]
async fn f5_a_session_goes_on_through_a_switch_that_has_never_seen_it() {
    let nodes =
        [Node::start("a", &[3]).await, Node::start("b", &[3]).await, Node::start("c", &[3]).await];
    let all: Vec<&Node> = nodes.iter().collect();
    let (first, second) = (Running::start(&all).await, Running::start(&all).await);
    let builder = Client::builder().address(&first.address).address(&second.address);
    let client = within(builder.versions([3]).connect()).await.unwrap();
    let (home, _) = asked(&client, 1).await;
    // It dies without a word: what is due is in doubt until the session goes on.
    within(first.handle.drain(SwitchDrain::default())).await;
    for what in 2..6 {
        assert_eq!(asked(&client, what).await.0, home);
    }
    assert_eq!(second.handle.counts().resumed, 1);
    let executed: u64 = nodes.iter().map(Node::executed).sum();
    assert_eq!(executed, 5);
}

#[tokio::test]
async fn f5_a_withdrawn_version_leads_to_another_node() {
    let (a, b) = (Node::start("a", &[3, 10]).await, Node::start("b", &[3]).await);
    let switch = Running::start(&[&a, &b]).await;
    let client = client(&switch.address, &[3, 10]).await;
    assert_eq!(asked(&client, 1).await, ("a".to_owned(), 10));
    assert!(a.handle.withdraw(&ubf_server::Service::DEFAULT, version(10)));
    let (_, spoken) = asked(&client, 2).await;
    assert_eq!(spoken, 3);
    assert_eq!(a.executed() + b.executed(), 2);
}

#[tokio::test]
async fn f5_a_large_body_passes_both_ways() {
    let node = Node::start("a", &[3]).await;
    let switch = Running::of(builder(&[&node.address])).await;
    let client = client(&switch.address, &[3]).await;
    let long = "x$".repeat(2 << 20);
    let reply = within(client.call(ubf!((long.as_str())))).await.unwrap();
    let response = reply.response();
    assert_eq!(response.get(2).unwrap().as_str().as_deref(), Some(&*long));
}
