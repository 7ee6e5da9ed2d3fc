//! `ubf rollout` over five nodes under load: done, gone on with by another controller, and taken
//! back by its gates.
//!
//! `UBF_ROLLOUTS=20` has as many rollouts one after the other, each fourth of them a bad one, and
//! tells the longest time that a call took: `cargo test -p ubf-cli --test fleet rollouts --
//! --nocapture`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use ubf_agent_core::Phase;

use crate::agent::{Agent, Release, key, kill};
use crate::clients::Clients;

const NODES: usize = 5;
/// No test rolls out more often.
const MAX_ROLLOUTS: usize = 100;

struct Fleet {
    agents: Vec<Agent>,
    clients: Vec<Clients>,
    folder: PathBuf,
}

impl Fleet {
    fn start(name: &str, release: &Release) -> Self {
        let agents: Vec<Agent> = std::thread::scope(|scope| {
            let start = |number: usize| {
                let agent = Agent::start(&format!("{name}-{number}"));
                agent.start_node(release);
                agent
            };
            let all: Vec<_> = (0..NODES).map(|number| scope.spawn(move || start(number))).collect();
            all.into_iter().map(|agent| agent.join().unwrap()).collect()
        });
        let folder = std::env::temp_dir().join(format!("ubf-f-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("key"), key().public().to_string()).unwrap();
        let clients = agents.iter().map(|agent| Clients::start_few(&agent.address)).collect();
        Self { agents, clients, folder }
    }

    /// Writes a plan for a release as an operator does, and changes a gate of it by hand.
    fn plan(&self, release: &Release, min_p99: &str, soak: &str) -> Plan {
        let path = |name: &str| self.folder.join(name).to_str().unwrap().to_owned();
        let plan = path("plan.toml");
        fs::remove_file(&plan).ok();
        fs::remove_dir_all(self.folder.join("plan.rollout")).ok();
        fs::write(path("release"), release.signed.to_bytes()).unwrap();
        fs::write(path("binary"), &release.binary).unwrap();
        let (signed, binary, trusted) = (path("release"), path("binary"), path("key"));
        let nodes = self.agents.iter().enumerate().map(|(number, agent)| {
            let (folder, metrics) = (agent.folder.to_str().unwrap(), &agent.metrics);
            format!("n{number}={folder}/agent,control={folder}/control,metrics={metrics}")
        });
        let nodes: Vec<String> = nodes.collect();
        let mut arguments = vec!["plan", &plan, "--release", &signed, "--binary", &binary];
        arguments.extend(["--key", &trusted, "--soak", soak, "--wave", "2"]);
        nodes.iter().for_each(|node| arguments.extend(["--node", node]));
        let told = rollout(&arguments, 0);
        assert!(told.contains("\n  canary  n0\n"), "{told}");
        let is_whole = nodes.len() < NODES || told.contains("  wave 1  n1, n2\n  wave 2  n3, n4\n");
        assert!(is_whole, "{told}");
        let text = fs::read_to_string(&plan).unwrap();
        let changed = text.replace("min-p99 = \"100ms\"", &format!("min-p99 = \"{min_p99}\""));
        assert_ne!(text, changed);
        fs::write(&plan, changed).unwrap();
        Plan(plan)
    }

    /// All nodes run this release, and nothing else is under way.
    fn runs(&self, release: &Release) {
        for agent in &self.agents {
            let status = agent.status();
            let runs = (status.phase, status.current);
            assert_eq!(runs, (Phase::Running, Some(release.hash)), "{}", agent.log());
        }
    }

    /// Nobody has this release any more.
    fn has_dropped(&self, release: &Release) {
        let signed = release.signed.to_bytes();
        for agent in &self.agents {
            let releases = agent.status().releases;
            assert!(releases.iter().all(|present| **present != *signed), "{releases:?}");
        }
    }

    fn go_on(&mut self) {
        self.clients.iter_mut().for_each(|clients| clients.go_on(10));
    }

    /// Holds all that clients were told against the rows. The longest time that a call took.
    fn end(self) -> Duration {
        let pauses = self.clients.into_iter().map(|clients| clients.end().pause);
        let pause = pauses.max().unwrap_or_default();
        fs::remove_dir_all(&self.folder).ok();
        pause
    }
}

/// The file of a plan.
struct Plan(String);

/// A controller that is at work, line by line.
struct Controller {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    said: String,
}

impl Plan {
    fn begin(&self) -> Controller {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ubf"));
        command.args(["rollout", "run", &self.0]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Controller { child, lines, said: String::new() }
    }

    fn run(&self, status: i32) -> String {
        rollout(&["run", &self.0], status)
    }

    fn status(&self) -> serde_json::Value {
        serde_json::from_str(&rollout(&["status", &self.0, "--json"], 0)).unwrap()
    }
}

impl Controller {
    /// Waits until it says a line that begins so.
    fn until(&mut self, wanted: &str) {
        loop {
            let line = self.lines.next().unwrap_or_else(|| panic!("{wanted}: {}", self.said));
            let line = line.unwrap();
            self.said.push_str(&format!("{line}\n"));
            if line.starts_with(wanted) {
                return;
            }
        }
    }

    fn kill(mut self) {
        kill(self.child.id());
        self.child.wait().unwrap();
    }

    fn end(mut self) -> (Option<i32>, String) {
        for line in self.lines {
            self.said.push_str(&format!("{}\n", line.unwrap()));
        }
        (self.child.wait().unwrap().code(), self.said)
    }
}

fn rollout(arguments: &[&str], status: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ubf"));
    let ran = command.arg("rollout").args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&ran.stdout), text(&ran.stderr));
    assert_eq!(ran.status.code(), Some(status), "{arguments:?}\n{out}\n{err}");
    out
}

/// A release that is killed from within when a file is there.
fn that_dies(number: u64, knows: &str, file: &str) -> Release {
    let dies = format!(
        "(while kill -0 $$ 2>/dev/null && [ ! -e '{file}' ]; do sleep 0.1; done; \
         [ -e '{file}' ] && kill -9 $$) >/dev/null 2>&1 &"
    );
    Release::new(number, knows, &dies)
}

fn that_is_slow(number: u64, knows: &str) -> Release {
    Release::new(number, knows, "export UBF_FAULT=slow:ledger")
}

/// The release dies while it is watched, and its agent goes back to the one before.
fn dies_when_it_soaks(plan: &Plan, file: &str) -> (Option<i32>, String) {
    let mut controller = plan.begin();
    controller.until("soaking      1 of 5");
    fs::write(file, "").unwrap();
    let ended = controller.end();
    fs::remove_file(file).unwrap();
    ended
}

#[test]
fn rollouts_are_done_or_taken_back_and_whoever_is_killed_is_followed_by_another() {
    let old = Release::new(34, "32-34", "");
    let mut fleet = Fleet::start("rolls", &old);
    let new = Release::new(35, "32-35", "");
    let count = std::env::var("UBF_ROLLOUTS").map_or(1, |text| text.parse().unwrap());
    let soak = if count > 1 { "1s" } else { "300ms" };
    let plan = fleet.plan(&new, "2s", soak);
    // A plan says where to come, and nothing has begun.
    rollout(&["status", &plan.0], 1);
    fleet.go_on();
    let mut controller = plan.begin();
    controller.until("changing     2 of 5");
    controller.kill();
    let status = plan.status();
    assert_eq!((&status["stage"], &status["controller"]), (&"changing".into(), &().into()));
    let told = plan.run(0);
    assert!(!told.contains("preflight") && told.contains("code complete: 5 of 5"), "{told}");
    fleet.runs(&new);
    fleet.go_on();
    let (mut at, mut other, mut longest, mut back) = (&new, &old, Duration::ZERO, 0);
    for round in 1..count.min(MAX_ROLLOUTS) {
        let began = Instant::now();
        if round % 4 == 3 {
            let file = fleet.folder.join("die").to_str().unwrap().to_owned();
            let bad = that_dies(36, "32-35", &file);
            let (status, told) = dies_when_it_soaks(&fleet.plan(&bad, "2s", soak), &file);
            assert_eq!(status, Some(1), "{told}");
            fleet.has_dropped(&bad);
            back += 1;
        } else {
            fleet.plan(other, "2s", soak).run(0);
            (at, other) = (other, at);
            longest = longest.max(began.elapsed());
        }
        fleet.runs(at);
        fleet.go_on();
    }
    // The last one is from the old release to the new one, and is finalized.
    let plan = if count <= 1 {
        plan
    } else {
        if at.hash == new.hash {
            fleet.plan(&old, "2s", soak).run(0);
        }
        let plan = fleet.plan(&new, "2s", soak);
        plan.run(0);
        plan
    };
    rollout(&["finalize", &plan.0, "--yes"], 0);
    assert_eq!(plan.status()["stage"], "done");
    fleet.runs(&new);
    fleet.has_dropped(&old);
    fleet.go_on();
    for agent in &fleet.agents {
        let control = agent.folder.join("control");
        let mut rows = Command::new(env!("CARGO_BIN_EXE_ubf"));
        rows.args(["admin", "--json", "rows", "--control"]).arg(control);
        let rows = rows.output().unwrap();
        let rows: serde_json::Value = serde_json::from_slice(&rows.stdout).unwrap();
        assert_eq!(rows["services"][0]["versions"]["write"], 35, "{rows}");
    }
    let pause = fleet.end();
    eprintln!(
        "{count} rollouts, {back} taken back, the longest {longest:?}; the longest call {pause:?}"
    );
}

#[test]
fn what_is_slow_or_dies_or_loses_rows_is_taken_back_by_its_gate_and_costs_no_call() {
    let old = Release::new(33, "32-33", "");
    let mut fleet = Fleet::start("gates", &old);
    let taken_back = |fleet: &mut Fleet, bad: &Release, plan: &Plan, status, why: &[&str]| {
        assert_eq!(status, Some(1), "it is no good");
        let shown = plan.status();
        assert_eq!(shown["stage"], "rolled back", "{shown}");
        let told = shown["why"].as_str().unwrap();
        assert!(why.iter().any(|why| told.contains(why)), "{told}");
        fleet.runs(&old);
        fleet.has_dropped(bad);
        fleet.go_on();
    };
    // One whose calls take long.
    let slow = that_is_slow(34, "32-33");
    let plan = fleet.plan(&slow, "400ms", "1s");
    let (status, _) = plan.begin().end();
    taken_back(&mut fleet, &slow, &plan, status, &["p99 is", "calls, and"]);
    // One that dies.
    let file = fleet.folder.join("die").to_str().unwrap().to_owned();
    let dies = that_dies(34, "32-33", &file);
    let plan = fleet.plan(&dies, "5s", "1s");
    let (status, _) = dies_when_it_soaks(&plan, &file);
    taken_back(&mut fleet, &dies, &plan, status, &["it crashed"]);
    // One that counts transfers, which rows of the state version before cannot hold.
    let loses = Release::new(34, "32-34", "");
    let plan = fleet.plan(&loses, "5s", "1s");
    let (status, _) = plan.begin().end();
    taken_back(&mut fleet, &loses, &plan, status, &["lose something on the way back"]);
    fleet.end();
}

#[test]
fn an_operator_pauses_it_goes_on_and_takes_it_back_and_the_plan_is_checked() {
    let old = Release::new(34, "32-34", "");
    let agent = Agent::start("steers");
    agent.start_node(&old);
    let mut fleet = Fleet {
        folder: std::env::temp_dir().join(format!("ubf-f-{}-steers-plan", std::process::id())),
        clients: vec![Clients::start_few(&agent.address)],
        agents: vec![agent],
    };
    fs::create_dir_all(&fleet.folder).unwrap();
    fs::write(fleet.folder.join("key"), key().public().to_string()).unwrap();
    let new = Release::new(35, "32-35", "");
    let plan = fleet.plan(&new, "5s", "1s");
    // Whoever wants a pause while nobody is at work has it.
    let mut controller = plan.begin();
    controller.until("changing     1 of 1");
    controller.kill();
    rollout(&["pause", &plan.0], 0);
    assert_eq!(plan.status()["paused"], true);
    plan.run(1);
    let refused = rollout(&["finalize", &plan.0, "--yes"], 1);
    assert_eq!(refused, "");
    rollout(&["resume", &plan.0], 0);
    assert_eq!(plan.status()["stage"], "code complete");
    fleet.go_on();
    // The plan is another one than that which was begun.
    let text = fs::read_to_string(&plan.0).unwrap();
    fs::write(&plan.0, text.replace("canary = 1", "canary = 2")).unwrap();
    plan.run(1);
    fs::write(&plan.0, text).unwrap();
    rollout(&["abort", &plan.0, "--why", "the customer calls"], 0);
    let status = plan.status();
    assert_eq!((&status["stage"], &status["over"]), (&"rolled back".into(), &true.into()));
    assert_eq!(status["why"], "the customer calls");
    fleet.runs(&old);
    fleet.has_dropped(&new);
    // Another release cannot read the rows, and nothing of it is sent.
    let blind = Release::new(36, "32-33", "");
    let plan = fleet.plan(&blind, "5s", "1s");
    plan.run(1);
    let why = plan.status()["why"].as_str().unwrap().to_owned();
    assert!(why.contains("does not know state version 34 of ledger"), "{why}");
    fleet.has_dropped(&blind);
    fleet.go_on();
    fleet.end();
}
