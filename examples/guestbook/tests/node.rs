//! The node as a process: it is small, its calls survive kill -9, and it is upgraded in place while a
//! client calls.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use ubf_client::{Client, Level, SessionPlan};
use ubf_codec::Term;
use ubf_net::testing::within;

#[test]
fn f6_a_node_of_ones_own_has_less_than_60_lines_of_code() {
    let text = include_str!("../src/main.rs");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let lines = text.lines().filter(is_code).count();
    assert!(lines < 60, "{lines} lines");
}

/// The fenced blocks of a text in a language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[test]
fn the_guide_shows_the_code_of_this_example_and_what_the_template_needs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = std::fs::read_to_string(root.join("spec/src/own-node.md")).unwrap();
    let template = std::fs::read_to_string(root.join("template/Cargo.toml")).unwrap();
    let code = blocks(&guide, "rust");
    assert_eq!(code.len(), 7, "{code:?}");
    for block in code {
        assert!(include_str!("../src/main.rs").contains(block), "it is not there:\n{block}");
    }
    for block in blocks(&guide, "toml") {
        assert!(template.contains(block), "it is not there:\n{block}");
    }
}

/// A folder for the node, which is gone when the test has ended.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("guestbook-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn address(&self) -> String {
        format!("unix:{}", self.file("clients"))
    }

    /// Starts the node, and waits until it serves.
    fn start(&self, more: &[&str]) -> Node {
        let (address, data, control) = (self.address(), self.file("data"), self.file("control"));
        let usual = ["--listen", &address, "--data", &data, "--control", &control];
        let mut child = command(&[&usual, more].concat()).spawn().unwrap();
        let mut node = Node { log: BufReader::new(child.stderr.take().unwrap()), child };
        node.logs("listening");
        node
    }

    /// What the operator's contract answers, as `ubf admin` would ask.
    fn operator(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(self.file("control")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(format!("2 {request}$").as_bytes()).unwrap();
        let mut answer = Vec::new();
        BufReader::new(stream).read_until(b'$', &mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn connect(&self, versions: &[u32]) -> Client {
        let client = Client::builder()
            .address(self.address())
            .service("guestbook")
            .versions(versions.iter().copied())
            .session(SessionPlan::demanded(Level::Durable))
            .call_time(Duration::from_secs(50));
        within(client.connect()).await.unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _is_gone = std::fs::remove_dir_all(&self.0).is_ok();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guestbook"));
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> (Output, String) {
    let output = command(arguments).stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
    (output, text)
}

/// The process. A test that fails leaves none behind.
struct Node {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Node {
    /// Waits for a line of its log.
    fn logs(&mut self, part: &str) {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the node ended before: {part}");
        }
    }

    /// Ends it as the system does: it has no time for anything.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself.
    fn status(mut self) -> Option<i32> {
        self.log.read_to_string(&mut String::new()).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _is_killed = self.child.kill().is_ok();
        let _has_ended = self.child.wait().is_ok();
    }
}

/// Someone who signs one page again and again. Each signature has the next number: a call that was
/// lost or ran twice shows.
struct Visitor {
    is_over: Arc<AtomicBool>,
    signed: watch::Receiver<u64>,
    task: JoinHandle<u64>,
}

impl Visitor {
    fn new(client: Client) -> Self {
        let (is_over, (told, signed)) = (Arc::new(AtomicBool::new(false)), watch::channel(0));
        let stops = Arc::clone(&is_over);
        let task = tokio::spawn(async move {
            let mut number = 0;
            while !stops.load(Ordering::Relaxed) {
                number += 1;
                let reply = client.call(sign("home", "Joe")).await.unwrap();
                let said = reply.response().to_string();
                assert!(said.starts_with(&format!("{{'Signed',{number},")), "{number}: {said}");
                told.send_replace(number);
            }
            number
        });
        Self { is_over, signed, task }
    }

    /// Waits until so many more calls are answered.
    async fn goes_on(&mut self, count: u64) {
        let goal = *self.signed.borrow() + count;
        within(self.signed.wait_for(|signed| *signed >= goal)).await.unwrap();
    }

    /// How many calls there were.
    async fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        within(self.task).await.unwrap()
    }
}

fn sign(page: &str, name: &str) -> Term {
    format!("{{'Sign',\"{page}\",\"{name}\"}}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_it_is_killed_and_upgraded_in_place_while_a_client_calls_and_no_call_is_lost() {
    let place = Place::new("life");
    // The release before knew one state version.
    let old = ["--knows", "1"];
    let node = place.start(&old);
    let mut visitor = Visitor::new(place.connect(&[1, 2]).await);
    visitor.goes_on(50).await;
    node.kill();
    // The file of its socket is there, and nobody listens: it is the next one's.
    let node = place.start(&old);
    visitor.goes_on(50).await;

    let mut successor = place.start(&["--max-name", "3", "--take-over"]);
    visitor.goes_on(50).await;
    successor.logs("this process has taken over");
    assert_eq!(node.status(), Some(0), "the predecessor has lost nothing");

    let status = place.operator("'status'");
    assert!(status.contains("guestbook/"), "{status}");
    let rows = place.operator("{'rows',\"guestbook\"}");
    assert!(rows.contains("{1 1 1}{1 2}"), "written in 1, knows 1 to 2: {rows}");
    // Version 2 tells names, which the rows cannot hold before that is said.
    let client = place.connect(&[1, 2]).await;
    let reply = within(client.call(sign("first", "Robert"))).await.unwrap();
    assert_eq!(reply.version().get(), 1);
    let finalized = place.operator("{'finalize',\"guestbook\"}");
    assert!(finalized.contains("'finalized'"), "{finalized}");
    let client = place.connect(&[1, 2]).await;
    let reply = within(client.call(sign("first", "Robert"))).await.unwrap();
    let last = within(client.call(sign("first", "Mike"))).await.unwrap();
    assert_eq!((reply.version().get(), last.version().get()), (2, 2));
    assert_eq!(reply.response().to_string(), "{'Signed',2,\"\"}");
    assert_eq!(last.response().to_string(), "{'Signed',3,\"Rob\"}", "--max-name 3");

    let count = visitor.end().await;
    let again = place.connect(&[1]).await;
    let reply = within(again.call(sign("home", "Joe"))).await.unwrap();
    let wanted = format!("{{'Signed',{},", count + 1);
    assert!(reply.response().to_string().starts_with(&wanted), "each call has run once");
    let shut = place.operator("{'shut_down',5000}");
    assert!(shut.starts_with("2 "), "{shut}");
    assert_eq!(successor.status(), Some(0));
}

#[test]
fn f6_the_settings_and_the_help_are_those_of_every_node_and_its_own() {
    let (output, help) = run(&["--help"]);
    assert!(output.status.success());
    for wanted in ["A guest book.", "--max-name", "--take-over", "guestbook has 1 to 2"] {
        assert!(help.contains(wanted), "{wanted}:\n{help}");
    }
    assert_eq!(run(&["--version"]).1, format!("guestbook {}\n", env!("CARGO_PKG_VERSION")));

    let (output, text) = run(&["--check-config", "--data", "/tmp/guestbook", "--knows", "1"]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("service = [\"guestbook\"]  # default"), "{text}");
    assert!(text.contains("# versions is not set"), "{text}");

    for (arguments, wanted) in [
        (
            &["--listen", "127.0.0.1:0"][..],
            "guestbook keeps its rows in a store, and none is named",
        ),
        (&["--service", "kv"], "kv: not one of guestbook"),
        (&["--data", "/tmp/guestbook", "--knows", "3"], "guestbook, which has 1 to 2"),
        (&["--data", "/tmp/guestbook", "--versions", "guestbok=1"], "did you mean guestbook?"),
    ] {
        let (output, text) = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(wanted), "{arguments:?}: {text}");
        assert!(text.starts_with("guestbook: "), "{text}");
    }
    assert!(!Path::new("/tmp/guestbook").exists(), "nothing was opened");
}
