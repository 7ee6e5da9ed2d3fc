//! Nodes that fail, and agents that are killed.

use std::path::Path;
use std::process::Command;

use ubf_agent_core::{Phase, Refusal, Reply, Request};

use crate::agent::{Agent, until};
use crate::node::{Kind, Release};

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    Path::new(&format!("/proc/{pid}")).exists() && !stat.contains(") Z ")
}

#[test]
fn f1_a_start_that_fails_equals_none() {
    let agent = Agent::start(&["--start-time", "0.5"]);
    let mut controller = agent.controller();
    for (number, kind) in [(1, Kind::DiesAtOnce), (2, Kind::IsNone), (3, Kind::Hangs)] {
        let release = Release::new(number, kind);
        controller.put(&release);
        let why = controller.refused(&Request::Start(release.hash));
        assert_eq!(why, Refusal::NotStarted, "{kind:?}");
        let status = controller.status();
        assert_eq!((status.phase, status.current, status.pid), (Phase::Idle, None, None));
    }
    assert!(controller.log().contains("no use"), "{}", controller.log());
    assert_eq!(controller.ask(&Request::Stop), Reply::Stopped);
}

#[test]
fn f1_a_node_is_started_again_and_after_two_deaths_the_one_before_it() {
    let agent = Agent::start(&["--switch-time", "2"]);
    let mut controller = agent.controller();
    let (good, bad) = (Release::new(34, Kind::Serves), Release::new(35, Kind::DiesSoon));
    controller.put(&good);
    controller.put(&bad);
    let first = controller.start(&good);
    assert_eq!(controller.start(&good), first, "again is no other one");
    kill(first);
    until("it is started again", || {
        let status = controller.status();
        status.phase == Phase::Running && status.pid != Some(first)
    });
    assert_eq!(controller.ask(&Request::Stop), Reply::Stopped);
    assert_eq!(controller.status().phase, Phase::Idle);
    controller.start(&bad);
    controller.until(Phase::Running, &good);
    let status = controller.status();
    assert_eq!(status.former, None);
    assert!(status.deaths >= 3, "{status:?}");
}

#[test]
fn f1_a_successor_that_fails_or_hangs_leaves_the_node_as_it_was() {
    let agent = Agent::start(&["--switch-time", "0.5"]);
    let mut controller = agent.controller();
    let good = Release::new(34, Kind::Serves);
    controller.put(&good);
    let none = Request::Switch(good.hash);
    assert_eq!(controller.refused(&none), Refusal::NotRunning);
    let pid = controller.start(&good);
    assert_eq!(controller.ask(&Request::Switch(good.hash)), Reply::Runs(good.hash, pid));
    for (number, kind) in [(1, Kind::DiesAtOnce), (2, Kind::IsNone), (3, Kind::Hangs)] {
        let release = Release::new(number, kind);
        controller.put(&release);
        assert_eq!(controller.refused(&Request::Start(release.hash)), Refusal::Running);
        let why = controller.refused(&Request::Switch(release.hash));
        assert_eq!(why, Refusal::NotSwitched, "{kind:?}");
        let status = controller.status();
        assert_eq!((status.phase, status.current), (Phase::Running, Some(good.hash)));
        assert_eq!((status.pid, status.former), (Some(pid), None));
    }
    assert!(is_alive(pid));
}

#[test]
fn f1_a_killed_agent_is_followed_by_one_that_finds_the_node() {
    let mut agent = Agent::start(&[]);
    let release = Release::new(34, Kind::Serves);
    agent.controller().put(&release);
    let pid = agent.controller().start(&release);
    for _ in 0..3 {
        agent.restart("exec \"$0\" \"$@\"");
        let status = agent.controller().status();
        assert_eq!((status.phase, status.current), (Phase::Running, Some(release.hash)));
        assert_eq!(status.pid, Some(pid));
        assert!(is_alive(pid));
    }
    // It is supervised: the agent is not its parent, and sees its end all the same.
    kill(pid);
    let mut controller = agent.controller();
    until("it is started again", || {
        let status = controller.status();
        status.phase == Phase::Running && status.pid.is_some_and(|new| new != pid)
    });
    assert_eq!(controller.ask(&Request::Stop), Reply::Stopped);
    agent.restart("exec \"$0\" \"$@\"");
    assert_eq!(agent.controller().status().phase, Phase::Idle, "it was stopped, and stays so");
}

#[test]
fn f1_a_start_that_no_agent_has_seen_come_up_ends_in_nothing() {
    let mut agent = Agent::start(&[]);
    let release = Release::new(34, Kind::Hangs);
    let mut controller = agent.controller();
    controller.put(&release);
    controller.say(&Request::Start(release.hash));
    let mut other = agent.controller();
    until("it is on its way", || other.status().phase == Phase::Starting);
    let pid = other.status().pid.unwrap();
    assert_eq!(other.refused(&Request::Start(release.hash)), Refusal::Busy);
    until("it has begun", || other.log().contains("hangs"));
    agent.restart("exec \"$0\" \"$@\"");
    assert!(controller.hear().is_none());
    let mut controller = agent.controller();
    until("nothing runs", || controller.status().phase == Phase::Idle);
    assert!(!is_alive(pid));
}

#[test]
fn f1_one_folder_has_one_agent() {
    let agent = Agent::start(&[]);
    let mut second = Command::new(env!("CARGO_BIN_EXE_ubf-agent"));
    second.arg("--folder").arg(&agent.folder).arg("--key").arg(agent.folder.join("key"));
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another agent has"));
    assert_eq!(agent.controller().status().phase, Phase::Idle);
}
