//! An agent that a test has started, and a controller's connection to it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ubf_agent_core::{Phase, Refusal, Reply, Request, Status};
use ubf_codec::{ClientHeader, Encoder, ServerHeader, Version, VersionedDecoder, ubf};

use crate::node::{Release, key};

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Agent {
    pub(crate) folder: PathBuf,
    child: Child,
    options: Vec<String>,
}

impl Agent {
    pub(crate) fn start(options: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("ubf-agent-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("key"), key().public().to_string()).unwrap();
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let child = spawn(&folder, &options, "exec \"$0\" \"$@\"");
        let agent = Self { folder, child, options };
        agent.wait();
        agent
    }

    /// Until a controller can connect.
    fn wait(&self) {
        until("the agent listens", || UnixStream::connect(self.folder.join("agent")).is_ok());
    }

    /// `kill -9`, and another one.
    pub(crate) fn restart(&mut self, shell: &str) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.folder, &self.options, shell);
        self.wait();
    }

    pub(crate) fn controller(&self) -> Controller {
        Controller::new(UnixStream::connect(self.folder.join("agent")).unwrap())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Ok(stream) = UnixStream::connect(self.folder.join("agent")) {
            Controller::new(stream).ask(&Request::Stop);
        }
        self.child.kill().ok();
        self.child.wait().ok();
        // The keeper ends when its socket is gone.
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Started by a shell, which can set its limits.
fn spawn(folder: &Path, options: &[String], shell: &str) -> Child {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", shell, env!("CARGO_BIN_EXE_ubf-agent"), "--folder"]).arg(folder);
    command.arg("--key").arg(folder.join("key")).args(options).arg("--");
    command.stdin(Stdio::null()).spawn().unwrap()
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) struct Controller {
    pub(crate) stream: UnixStream,
    decoder: VersionedDecoder<ServerHeader>,
    buffer: BytesMut,
}

impl Controller {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, decoder: VersionedDecoder::new(), buffer: BytesMut::new() }
    }

    pub(crate) fn ask(&mut self, request: &Request) -> Reply {
        self.say(request);
        self.hear().unwrap()
    }

    pub(crate) fn say(&mut self, request: &Request) {
        let header = ClientHeader { mode: Version::new(1).unwrap().into() };
        let mut packet = Vec::new();
        Encoder::new().encode_versioned(&header, &request.to_term(), &mut packet);
        self.stream.write_all(&packet).unwrap();
    }

    /// `None`: the agent has gone away.
    pub(crate) fn hear(&mut self) -> Option<Reply> {
        loop {
            if let Some(packet) = self.decoder.decode(&mut self.buffer).unwrap() {
                let body = packet.body.root();
                assert_eq!(body.get(1).unwrap().to_term(), ubf!(start));
                return Some(Reply::read(body.get(0).unwrap()).unwrap());
            }
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).ok().filter(|&count| count > 0)?;
            self.buffer.extend_from_slice(&bytes[..count]);
        }
    }

    /// Sends a release, in pieces.
    pub(crate) fn put(&mut self, release: &Release) {
        let signed = release.signed.to_bytes().into();
        assert_eq!(self.ask(&Request::Put(signed)), Reply::At(0));
        let half = release.binary.len() / 2;
        for (offset, piece) in [(0, &release.binary[..half]), (half, &release.binary[half..])] {
            let piece = piece.to_vec().into();
            let reply = self.ask(&Request::Chunk(release.hash, offset as u64, piece));
            assert!(matches!(reply, Reply::At(_) | Reply::Stored), "{reply:?}");
        }
    }

    pub(crate) fn status(&mut self) -> Status {
        match self.ask(&Request::Status) {
            Reply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn refused(&mut self, request: &Request) -> Refusal {
        match self.ask(request) {
            Reply::Error(why, _) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Starts a release, and gives its process.
    pub(crate) fn start(&mut self, release: &Release) -> u32 {
        match self.ask(&Request::Start(release.hash)) {
            Reply::Runs(hash, pid) if hash == release.hash => pid,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn log(&mut self) -> String {
        match self.ask(&Request::Log(1 << 20)) {
            Reply::Log(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn until(&mut self, phase: Phase, release: &Release) {
        until(&format!("{phase}"), || {
            let status = self.status();
            status.phase == phase && status.current == Some(release.hash)
        });
    }
}
