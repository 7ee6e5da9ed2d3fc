//! `ubf switch` as a process, in front of `ubf serve` as processes.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use tokio::runtime::Runtime;
use ubf_client::{Client, Level, SessionPlan};
use ubf_codec::{Limits, ubf};

use crate::common::bad;

const PATIENCE: Duration = Duration::from_secs(60);

/// `ubf serve` or `ubf switch`, with a log in JSON. It ends with the test.
struct Process {
    child: Child,
    log: BufReader<ChildStderr>,
    address: String,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ubf"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut process = Self { child, log, address: String::new() };
        let entry = process.until("listening");
        process.address = entry["address"].as_str().unwrap().to_owned();
        process
    }

    fn serve(address: &str, arguments: &[&str]) -> Self {
        Self::start(&[&["serve", "--log", "json", "--listen", address], arguments].concat())
    }

    fn switch(nodes: &[&Self], arguments: &[&str]) -> Self {
        let nodes = nodes.iter().map(|node| &*node.address).collect::<Vec<_>>().join(",");
        let own = ["switch", "--log-json", "--listen", "127.0.0.1:0", "--node", &nodes];
        Self::start(&[&own, arguments].concat())
    }

    /// Reads the log up to this message.
    fn until(&mut self, message: &str) -> serde_json::Value {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "it ended before: {message}");
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            if entry["message"] == message {
                return entry;
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// The exit status. The log is read to its end, so that it never waits for this one.
    fn status(mut self) -> Option<i32> {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _is_killed = self.child.kill().is_ok();
        let _has_ended = self.child.wait().is_ok();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn ctrl_c_drains_a_switch_and_monitors_see_how_it_is() {
    let node = Process::serve("127.0.0.1:0", &["--versions", "1-3"]);
    let mut switch = Process::switch(&[&node], &["--metrics", "127.0.0.1:0"]);
    let monitors = switch.until("monitors are answered")["address"].as_str().unwrap().to_owned();
    let runtime = Runtime::new().unwrap();
    let builder = Client::builder().address(&switch.address).versions([1, 2, 3]);
    let client = runtime.block_on(builder.connect()).unwrap();
    let reply = runtime.block_on(async { client.call(ubf!({hello, 1})).await }).unwrap();
    assert_eq!(reply.response(), ubf!({hello, 1}));
    let metrics = get(&monitors, "/metrics");
    assert!(metrics.contains("\nubf_switch_joined_total 1\n"), "{metrics}");
    assert!(metrics.contains(",ubf_switch_node_health=\"up\"} 1\n"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(get(&monitors, "/readyz").starts_with("HTTP/1.1 200 "));
    assert!(get(&monitors, "/nothing").starts_with("HTTP/1.1 404 "));
    switch.signal("INT");
    switch.until("draining");
    assert_eq!(switch.status(), Some(0));
}

#[test]
fn what_a_switch_cannot_do_is_said_at_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, wanted) in [
        (&[][..], "required arguments were not provided"),
        (&["--node", "a"], "invalid value 'a'"),
        (&["--node", "a:1", "--listen", &taken], "another program listens there"),
        (&["--node", "a:1", "--raw-listen", "127.0.0.1:0"], "--raw-node"),
        (&["--node", "ubfs://a:1", "--node-ca", "/nonexistent"], "/nonexistent"),
        (&["--node", "a:1", "--tls-cert", "/a", "--tls-key", "/b"], "/a"),
        (&["--node", "a:1", "--log-filter", "loud"], "--log-filter: loud: not one of"),
    ] {
        let message = bad(2, &[&["switch"], arguments].concat(), "");
        assert!(message.contains(wanted), "{arguments:?}: {message}");
    }
}

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ubf-switch-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_node_that_is_killed_loses_no_call_of_a_durable_session_behind_a_switch() {
    let folder = Folder::new("killed");
    let data = folder.0.to_str().unwrap();
    let serves = ["--service", "ledger", "--data", data];
    let mut node = Process::serve("127.0.0.1:0", &serves);
    let (address, other) = (node.address.clone(), Process::serve("127.0.0.1:0", &[]));
    let switch =
        Process::switch(&[&node, &other], &["--probe-every", "50ms", "--service", "ledger"]);
    let runtime = Runtime::new().unwrap();
    let client = runtime
        .block_on(
            Client::builder()
                .address(&switch.address)
                .service("ledger")
                .versions([1, 2, 3])
                .session(SessionPlan::demanded(Level::Durable))
                .call_time(PATIENCE)
                .connect(),
        )
        .unwrap();
    let call = |request| runtime.block_on(async { client.call(request).await });
    for name in ["a", "b"] {
        assert_eq!(call(ubf!({open, (name), 1000})).unwrap().response(), ubf!(ok));
    }
    for round in 0..3_u64 {
        let (sent, receive) = std::sync::mpsc::channel();
        let going = client.clone();
        let calls = runtime.spawn(async move {
            let mut numbers = Vec::new();
            for _ in 0..20 {
                let reply = going.call(ubf!({transfer, "a", "b", 1, "m"})).await.unwrap();
                numbers.push(reply.response().get(1).unwrap().as_u64().unwrap());
                // Nobody waits for more than the first.
                let _is_heard = sent.send(()).is_ok();
            }
            numbers
        });
        receive.recv_timeout(PATIENCE).unwrap();
        node.child.kill().unwrap();
        node.child.wait().unwrap();
        node = Process::serve(&address, &serves);
        let numbers = runtime.block_on(calls).unwrap();
        // Each ran once, and was answered once.
        assert!(numbers.iter().copied().eq(round * 20 + 1..=round * 20 + 20), "{numbers:?}");
    }
    assert_eq!(call(ubf!(sum)).unwrap().response().get(4).unwrap().as_u64(), Some(60));
}

/// The most memory that a process had, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn bodies_of_64_mib_pass_a_switch_that_has_no_room_for_one() {
    const LEN: usize = 64 << 20;
    let node = Process::serve(
        "127.0.0.1:0",
        &["--max-packet-bytes", "80MiB", "--max-pending-bytes", "160MiB"],
    );
    let switch = Process::switch(&[&node], &[]);
    let runtime = Runtime::new().unwrap();
    let limits = Limits::default().with_max_packet_bytes(80 << 20).with_max_expanded_bytes(1 << 30);
    let builder = Client::builder().address(&switch.address).versions([1, 2, 3]).limits(limits);
    let builder = builder.session(SessionPlan::off()).call_time(PATIENCE).max_reply_bytes(1 << 28);
    let client = runtime.block_on(builder.connect()).unwrap();
    let before = peak_kib(switch.child.id());
    let body = ubf_codec::Term::binary(vec![b'$'; LEN]);
    let reply = runtime.block_on(async { client.call(body).await }).unwrap();
    let bytes = reply.response().as_bytes().unwrap();
    assert!(bytes.len() == LEN && bytes.iter().all(|&byte| byte == b'$'));
    let grown = peak_kib(switch.child.id()) - before;
    assert!(grown < 8 * 1024, "{grown} KiB");
}
