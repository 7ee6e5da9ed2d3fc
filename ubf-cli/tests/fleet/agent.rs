//! An agent with a ledger: its listener, its control socket, its rows, and releases of it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ubf_agent_core::{Hash, Manifest, Phase, Reply, Request, SecretKey, Signed, Status};
use ubf_codec::{ClientHeader, Encoder, ServerHeader, Version, VersionedDecoder};

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn key() -> SecretKey {
    SecretKey::read(&"2a".repeat(32)).unwrap()
}

/// A release: a script that becomes this very tool, as a release that knows some state versions.
pub(crate) struct Release {
    pub(crate) binary: Vec<u8>,
    pub(crate) signed: Signed,
    pub(crate) hash: Hash,
}

impl Release {
    pub(crate) fn new(number: u64, knows: &str, before: &str) -> Self {
        let ubf = env!("CARGO_BIN_EXE_ubf");
        let script = format!("#!/bin/sh\n{before}\nexec '{ubf}' serve \"$@\"\n");
        let binary = format!("{script}# {number}\n").into_bytes();
        let newest = knows.rsplit('-').next().unwrap().parse().unwrap();
        let manifest = Manifest {
            name: "ledger".into(),
            number,
            contracts: vec![("ledger".into(), vec![1, 2, 3])],
            rows: vec![("ledger".into(), (32..=newest).collect(), newest)],
            arguments: vec!["--knows".into(), knows.into()],
            bytes: binary.len() as u64,
            hash: Hash::of(&binary),
        };
        Self { binary, signed: key().sign(&manifest), hash: manifest.hash }
    }
}

pub(crate) struct Agent {
    pub(crate) folder: PathBuf,
    pub(crate) address: String,
    /// Where it tells what it counts.
    pub(crate) metrics: String,
    child: Child,
}

impl Agent {
    pub(crate) fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ubf-f-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("key"), key().public().to_string()).unwrap();
        let (address, metrics) = (free_port(), free_port());
        let child = spawn(&folder, &address, &metrics);
        let agent = Self { folder, address, metrics, child };
        agent.wait();
        agent
    }

    fn wait(&self) {
        until("the agent listens", || UnixStream::connect(self.folder.join("agent")).is_ok());
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        kill(self.child.id());
    }

    /// Another one, where the one before is killed.
    pub(crate) fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.folder, &self.address, &self.metrics);
        self.wait();
    }

    pub(crate) fn ask(&self, request: &Request) -> Reply {
        let mut stream = UnixStream::connect(self.folder.join("agent")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let header = ClientHeader { mode: Version::new(1).unwrap().into() };
        let mut packet = Vec::new();
        Encoder::new().encode_versioned(&header, &request.to_term(), &mut packet);
        stream.write_all(&packet).unwrap();
        let mut decoder = VersionedDecoder::<ServerHeader>::new();
        let mut buffer = BytesMut::new();
        loop {
            if let Some(packet) = decoder.decode(&mut buffer).unwrap() {
                return Reply::read(packet.body.root().get(0).unwrap()).unwrap();
            }
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "the agent has gone away");
            buffer.extend_from_slice(&bytes[..count]);
        }
    }

    pub(crate) fn status(&self) -> Status {
        match self.ask(&Request::Status) {
            Reply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn put(&self, release: &Release) {
        self.ask(&Request::Put(release.signed.to_bytes().into()));
        let chunk = Request::Chunk(release.hash, 0, release.binary.clone().into());
        assert_eq!(self.ask(&chunk), Reply::Stored);
    }

    /// Puts and starts a release, and gives its process.
    pub(crate) fn start_node(&self, release: &Release) -> u32 {
        self.put(release);
        self.runs(&Request::Start(release.hash))
    }

    pub(crate) fn runs(&self, request: &Request) -> u32 {
        match self.ask(request) {
            Reply::Runs(_, pid) => pid,
            other => panic!("{other:?}\n{}", self.log()),
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Until another process than this one runs, and which.
    pub(crate) fn until_another(&self, pid: u32) -> u32 {
        let began = Instant::now();
        loop {
            let status = self.status();
            let found = status.pid.unwrap_or(pid);
            if status.phase == Phase::Running && found != pid {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "another than {pid}: {status:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.ask(&Request::Stop), Reply::Stopped);
        } else if let Some(pid) = self.status().pid {
            kill(pid);
        }
        self.child.kill().ok();
        self.child.wait().ok();
        // The keeper ends when its socket is gone.
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Nobody else takes it in the moment until the agent does, or its node.
fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn spawn(folder: &Path, address: &str, metrics: &str) -> Child {
    let file = |name| folder.join(name).to_str().unwrap().to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ubf"));
    command.args(["agent", "--folder"]).arg(folder).arg("--key").arg(folder.join("key"));
    command.args(["--listener", &format!("web={address}"), "--switch-time", "20", "--"]);
    command.args(["--listen", "fd:web", "--service", "ledger", "--hard-stop", "5s"]);
    command.args(["--control", &file("control"), "--data", &file("data"), "--log", "json"]);
    command.args(["--admin-http", metrics]);
    command.stdin(Stdio::null()).spawn().unwrap()
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}
