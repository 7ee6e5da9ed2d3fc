//! One node with its agent: killed, replaced, and replaced by what cannot replace it.

use ubf_agent_core::{Phase, Refusal, Reply, Request};

use crate::agent::{Agent, Release, kill, until};
use crate::clients::Clients;

#[test]
fn a_node_that_is_killed_refuses_nobody_and_its_sessions_go_on() {
    let agent = Agent::start("killed");
    let mut pid = agent.start_node(&Release::new(34, "32-34", ""));
    let mut clients = Clients::start(&agent.address);
    for _ in 0..3 {
        clients.go_on(50);
        kill(pid);
        pid = agent.until_another(pid);
        clients.go_on(50);
    }
    let seen = clients.end();
    assert!(seen.connections > 0 && seen.calls >= 300);
    assert_eq!(agent.status().deaths, 3);
}

#[test]
fn a_release_takes_over_under_load_and_the_one_before_it_takes_over_again() {
    let agent = Agent::start("switch");
    let (old, new) = (Release::new(34, "32-34", ""), Release::new(35, "32-35", ""));
    agent.start_node(&old);
    agent.put(&new);
    let mut clients = Clients::start(&agent.address);
    for release in [&new, &old, &new] {
        clients.go_on(50);
        let pid = agent.runs(&Request::Switch(release.hash));
        let status = agent.status();
        assert_eq!((status.phase, status.pid), (Phase::Running, Some(pid)));
        assert_eq!(status.current, Some(release.hash));
        clients.go_on(50);
    }
    clients.end();
}

#[test]
fn a_release_that_dies_or_hangs_in_a_take_over_costs_no_call() {
    let agent = Agent::start("hangs");
    let good = Release::new(34, "32-34", "");
    let pid = agent.start_node(&good);
    let mut clients = Clients::start(&agent.address);
    for fault in ["abort:s-warm", "stop:s-given", "abort:s-ready", "stop:s-opened"] {
        let bad = Release::new(35, "32-35", &format!("export UBF_FAULT={fault}"));
        agent.put(&bad);
        clients.go_on(20);
        let reply = agent.ask(&Request::Switch(bad.hash));
        assert!(matches!(reply, Reply::Error(Refusal::NotSwitched, _)), "{fault}: {reply:?}");
        let status = agent.status();
        assert_eq!((status.phase, status.pid), (Phase::Running, Some(pid)), "{fault}");
        clients.go_on(20);
        assert_eq!(agent.ask(&Request::Drop(bad.hash)), Reply::Dropped);
    }
    clients.end();
}

#[test]
fn an_agent_that_is_killed_in_a_switch_is_followed_by_one_that_sees_it_through() {
    let mut agent = Agent::start("agent");
    // Before the release itself runs, it ends with its agent, and the old one stays.
    let begun = agent.folder.join("begun");
    let begins = format!(": > '{}'", begun.display());
    let (old, new) = (Release::new(34, "32-34", ""), Release::new(35, "32-35", &begins));
    let pid = agent.start_node(&old);
    agent.put(&new);
    let mut clients = Clients::start(&agent.address);
    clients.go_on(20);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Nobody hears the answer.
            let ask = || agent.ask(&Request::Switch(new.hash));
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask)));
        });
        until("it is under way", || begun.exists());
        agent.kill();
    });
    agent.restart();
    clients.go_on(20);
    assert_ne!(agent.until_another(pid), pid);
    assert_eq!(agent.status().current, Some(new.hash));
    assert_eq!(agent.status().former, Some(old.hash));
    // The listeners are the agent's again: a node that is killed refuses nobody.
    let pid = agent.status().pid.unwrap();
    kill(pid);
    agent.until_another(pid);
    clients.go_on(20);
    clients.end();
}
