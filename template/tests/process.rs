//! The node as a process: what it has answered survives its death.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use ubf_client::{Client, Level, SessionPlan};
use ubf_codec::ubf;

/// The process. A test that fails leaves none behind.
struct Node {
    child: Child,
    /// Kept open: the node writes its log there.
    _log: BufReader<ChildStderr>,
}

impl Node {
    /// Starts the node in a folder, and waits until it serves.
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_my-node"));
        command.arg("--listen").arg(address(folder)).arg("--data").arg(folder);
        // What breaks the contract would go nowhere.
        command.args(["--contract-mode", "enforce"]).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the node is started");
        let mut log = BufReader::new(child.stderr.take().expect("it has a log"));
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            assert!(log.read_line(&mut line).expect("text") > 0, "the node has ended");
        }
        Self { child, _log: log }
    }
}

impl Drop for Node {
    /// It has no time for anything.
    fn drop(&mut self) {
        let _is_killed = self.child.kill().is_ok();
        let _has_ended = self.child.wait().is_ok();
    }
}

fn address(folder: &Path) -> String {
    format!("unix:{}", folder.join("clients").display())
}

/// A folder that is gone when the test has ended.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _is_gone = std::fs::remove_dir_all(&self.0).is_ok();
    }
}

#[tokio::test]
async fn what_was_answered_survives_kill_9_and_the_client_goes_on() {
    let folder = std::env::temp_dir().join(format!("my-node-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let folder = Folder(folder);
    let node = Node::start(&folder.0);
    let client = Client::builder()
        .address(address(&folder.0))
        .service("counters")
        .versions([1])
        .session(SessionPlan::demanded(Level::Durable))
        .call_time(Duration::from_secs(30))
        .connect()
        .await
        .expect("the node is there");
    let reply = client.call(ubf!({add, "visits", 2})).await.expect("it counts");
    assert_eq!(reply.response().to_string(), "{value,2}");
    drop(node);
    let _node = Node::start(&folder.0);
    let reply = client.call(ubf!({add, "visits", 3})).await.expect("the session goes on");
    assert_eq!(reply.response().to_string(), "{value,5}");
    let long = "x".repeat(65);
    let reply = client.call(ubf!({add, (long.as_str()), 1})).await.expect("an answer");
    assert_eq!(reply.response().to_string(), "{error,\"the name is too long\"}");
}
