//! `ubf upgrade`: the servers are processes, and so is the tool.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use super::program::{Ran, Server, ubf};

/// The log of a server that outlives the tool.
struct Log(PathBuf);

impl Log {
    fn new(name: &str) -> Self {
        let file = format!("ubf-{}-upgrade-{name}.log", std::process::id());
        Self(std::env::temp_dir().join(file))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _is_removed = std::fs::remove_file(&self.0).is_ok();
    }
}

fn upgrade(server: &Server, arguments: &[&str]) -> Ran {
    let control = server.socket.to_str().expect("UTF-8");
    ubf(&[&["upgrade", "--control", control], arguments].concat())
}

fn exchange(stream: &mut TcpStream, request: &str, reply: &str) {
    stream.write_all(request.as_bytes()).expect("it is connected");
    let mut bytes = vec![0; reply.len()];
    stream.read_exact(&mut bytes).expect("an answer");
    assert_eq!(String::from_utf8_lossy(&bytes), reply);
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a server");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
    stream
}

fn pid(server: &Server) -> u64 {
    let status = server.admin(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.out).expect("JSON");
    status["pid"].as_u64().expect("a number")
}

#[test]
fn u2_a_server_is_replaced_and_the_tool_shows_each_phase() {
    let server = Server::start("upgrade", "127.0.0.1:0", &[]);
    let log = Log::new("good");
    let mut client = connect(&server.address);
    let open = "0 {'negotiate'1?#3&#{'session'16~0123456789abcdef~4 1000 60000}&}$";
    client.write_all(open.as_bytes()).expect("it is connected");
    let old = pid(&server);

    let ran = upgrade(&server, &["--log-file", log.path()]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let new = pid(&server);
    assert_ne!(new, old);
    for words in [
        "the new program is warm",
        "listeners and sessions are given",
        "the new program serves",
        "it has served for two seconds",
        &format!("process {new} serves in the place of process {old}: 1 session went along"),
    ] {
        assert!(ran.out.contains(words), "{words}: {ran:?}");
    }
    let mut client = connect(&server.address);
    exchange(&mut client, "3 'one'$", "3 ? {'one''start'}$");
    drop(client);

    // Once more, for a program.
    let ran = upgrade(&server, &["--log-file", log.path(), "--json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let outcome: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(outcome["upgraded"], true);
    assert_eq!((&outcome["old"], &outcome["new"]), (&new.into(), &pid(&server).into()));
    let pause = outcome["pause_us"].as_u64().expect("a number");
    assert!((1..2_000_000).contains(&pause), "{outcome}");
    let phases = outcome["phases"].as_array().expect("a list").iter();
    let phases: Vec<_> = phases.map(|phase| phase["stage"].as_str().expect("a name")).collect();
    assert!(phases.starts_with(&["suspending", "suspended", "given", "go"]), "{phases:?}");

    assert_eq!(server.admin(&["shutdown"]).status, 0);
    assert_eq!(server.status(), Some(0), "the first one has lost nothing");
}

#[test]
fn u2_a_release_that_cannot_serve_changes_nothing_and_the_tool_says_why() {
    let server = Server::start("upgrade-bad", "127.0.0.1:0", &[]);
    let log = Log::new("bad");
    let old = pid(&server);
    let control = server.socket.to_str().expect("UTF-8");
    let mut client = connect(&server.address);
    exchange(&mut client, "3 'one'$", "3 ? {'one''start'}$");

    // It asks for the place, and cannot listen where it is told to.
    let ran = upgrade(
        &server,
        &["--log-file", log.path(), "--", "serve", "--control", control, "--listen", "192.0.2.1:1"],
    );
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.err.contains("not upgraded: "), "{ran:?}");
    assert!(ran.err.contains(&format!("the server from before goes on, as process {old}")));
    // It does not even begin.
    let ran = upgrade(&server, &["--log-file", log.path(), "--json", "--", "serve", "--nonsense"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let outcome: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(outcome["upgraded"], false);
    assert!(outcome["why"].as_str().expect("a reason").contains("exit status: 2"), "{outcome}");

    assert_eq!(pid(&server), old);
    exchange(&mut client, "3 'two'$", "3 ? {'two''start'}$");
    drop(client);
    assert_eq!(server.admin(&["shutdown"]).status, 0);
    assert_eq!(server.status(), Some(0));
}

#[test]
fn what_an_upgrade_needs_is_said() {
    let nobody = ubf(&["upgrade", "--control", "/nowhere/socket"]);
    assert_eq!(nobody.status, 2, "{nobody:?}");
    assert!(nobody.err.contains("hint: an upgrade wants a server that runs"), "{nobody:?}");
    let server = Server::start("upgrade-none", "127.0.0.1:0", &[]);
    let ran = upgrade(&server, &["--binary", "/nowhere/ubf"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.contains("the new program cannot be started"), "{ran:?}");
    assert_eq!(server.admin(&["shutdown"]).status, 0);
    assert_eq!(server.status(), Some(0));
}
