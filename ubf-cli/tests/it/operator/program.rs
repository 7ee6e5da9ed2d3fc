//! Servers and operators as processes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

/// `ubf serve`, with a control socket.
pub(crate) struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    pub(crate) address: String,
    pub(crate) socket: PathBuf,
}

/// What a run of `ubf` left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn ubf(arguments: &[&str]) -> Ran {
    let output =
        Command::new(env!("CARGO_BIN_EXE_ubf")).args(arguments).stdin(Stdio::null()).output();
    let output = output.expect("ubf starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        status: output.status.code().expect("ubf ends by itself"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// A name for a socket, short enough to be one.
pub(crate) fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ubf-{}-{name}.socket", std::process::id()))
}

impl Server {
    /// Starts one at this address, and waits until it listens.
    pub(crate) fn start(name: &str, address: &str, arguments: &[&str]) -> Self {
        let socket = socket(name);
        let mut child = Command::new(env!("CARGO_BIN_EXE_ubf"))
            .args(["serve", "--log", "json", "--listen", address, "--control"])
            .arg(&socket)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ubf starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).expect("UTF-8") > 0, "the server ended");
            let entry: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            if entry["message"] == "listening" {
                break entry["address"].as_str().expect("an address").to_owned();
            }
        };
        Self { child, log, address, socket }
    }

    /// Runs `ubf admin` on it.
    pub(crate) fn admin(&self, arguments: &[&str]) -> Ran {
        ubf(&[&["admin", "--control", self.socket.to_str().expect("UTF-8")], arguments].concat())
    }

    /// The exit status. The log is read to its end, so that the server never waits for this one.
    pub(crate) fn status(mut self) -> Option<i32> {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("UTF-8");
        self.child.wait().expect("it ends").code()
    }
}

/// A test that fails leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _is_killed = self.child.kill().is_ok();
        let _has_ended = self.child.wait().is_ok();
        let _is_removed = std::fs::remove_file(&self.socket).is_ok();
    }
}
