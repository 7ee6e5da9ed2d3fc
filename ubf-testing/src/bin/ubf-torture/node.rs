//! One of the servers: a process of this program, which serves as `ubf serve` does.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout};

/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(5);
/// For an operator's request.
const OPERATOR_TIME: Duration = Duration::from_secs(30);
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Where the rows are.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    /// Each node has a folder of its own.
    Redb,
    /// All have one database.
    Postgres { url: String },
}

/// What all nodes of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) folder: PathBuf,
    pub(crate) rows: Rows,
    pub(crate) mutant: Option<&'static str>,
}

/// A place where processes of a node come and go.
pub(crate) struct Node {
    plan: Plan,
    pub(crate) number: usize,
    listen: SocketAddr,
    pub(crate) classic: SocketAddr,
    /// Where clients find it.
    advertised: String,
    /// How many processes it has had.
    serial: u64,
    pub(crate) process: Option<Process>,
}

impl Node {
    pub(crate) fn new(
        plan: Plan,
        number: usize,
        ports: [SocketAddr; 2],
        known: SocketAddr,
    ) -> Self {
        let [listen, classic] = ports;
        let advertised = known.to_string();
        Self { plan, number, listen, classic, advertised, serial: 0, process: None }
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.plan.folder.join(format!("{kind}-{}", self.number))
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.file("control")
    }

    /// The folder with its rows.
    pub(crate) fn data(&self) -> PathBuf {
        self.file("data")
    }

    /// The file with its rows.
    pub(crate) fn rows_file(&self) -> PathBuf {
        self.data().join("ledger.redb")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.file("log")
    }

    /// Starts a process, at which a fault may be aimed before.
    pub(crate) fn spawn(&mut self, more: &[&str], fault: Option<&str>) -> Result<Process, String> {
        self.serial += 1;
        let path = self.plan.folder.join(format!("fault-{}-{}", self.number, self.serial));
        let failed = |error: io::Error| format!("node {} cannot be started: {error}", self.number);
        let from = match fault {
            // Such as come after each other are there from the beginning.
            Some(faults) if faults.contains(',') => faults.to_owned(),
            Some(fault) => {
                aim(&path, fault).map_err(failed)?;
                format!("@{}", path.display())
            }
            None => format!("@{}", path.display()),
        };
        self.try_spawn(more, &from).map_err(failed).map(|child| Process { child, fault: path })
    }

    fn try_spawn(&self, more: &[&str], fault: &str) -> io::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        // A write behind a limit is an error for it, and no signal. What takes its place has its
        // number. The program of this process is there also when its file was replaced.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
        command.arg(format!("/proc/{}/exe", std::process::id()));
        command.arg("serve").args(["--listen", &self.listen.to_string()]);
        command.args(["--advertise", &self.advertised, "--log", "json"]);
        command.args(["--service", "ledger", "--service", "echo"]);
        command.args(["--classic", &self.classic.to_string(), "--hard-stop", "5s"]);
        command.args(["--knows", "ledger=32-34", "--state-version", "ledger=33"]);
        command.arg("--control").arg(self.control());
        match &self.plan.rows {
            Rows::Redb => command.arg("--data").arg(self.data()),
            Rows::Postgres { url } => command.args(["--store", url]),
        };
        command.args(more).env("UBF_FAULT", fault);
        if let Some(mutant) = self.plan.mutant {
            command.env("UBF_MUTANT", mutant);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn()
    }

    /// Starts a process in the place of one that has ended.
    pub(crate) fn start(&mut self, more: &[&str]) -> Result<(), String> {
        self.process = Some(self.spawn(more, None)?);
        Ok(())
    }

    pub(crate) fn process(&mut self) -> Result<&mut Process, String> {
        let number = self.number;
        self.process.as_mut().ok_or_else(|| format!("node {number} has no process"))
    }

    /// Asks as an operator.
    pub(crate) async fn ask(&self, request: &str) -> Result<String, String> {
        let answer = ask_at(self.control(), request.to_owned()).await;
        answer.map_err(|error| format!("node {}: {error}", self.number))
    }

    /// Whether it serves the rows.
    pub(crate) async fn owns(&self) -> bool {
        let ask = async {
            let mut stream = TcpStream::connect(self.listen).await?;
            stream.write_all(b"1 {'balance'\"nobody\"}$").await?;
            until_dollar(&mut stream).await
        };
        matches!(timeout(ANSWER_TIME, ask).await, Ok(Ok(answer)) if answer.contains("no_account"))
    }

    /// A connection to its port, of a client that is none of ours.
    pub(crate) async fn dial(&self) -> Result<TcpStream, String> {
        TcpStream::connect(self.listen).await.map_err(|error| format!("{}: {error}", self.listen))
    }
}

/// Asks as an operator, at a control socket.
pub(crate) async fn ask_at(control: PathBuf, request: String) -> io::Result<String> {
    let ask = async {
        let mut stream = UnixStream::connect(control).await?;
        stream.write_all(format!("2 {request}$").as_bytes()).await?;
        until_dollar(&mut stream).await
    };
    timeout(OPERATOR_TIME, ask).await?
}

/// One packet.
pub(crate) async fn until_dollar(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
) -> io::Result<String> {
    let mut answer = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'$' => return Ok(String::from_utf8_lossy(&answer).into_owned()),
            byte if answer.len() < (1 << 20) => answer.push(byte),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn aim(path: &Path, fault: &str) -> io::Result<()> {
    // It is there as a whole or not at all.
    let new = path.with_extension("new");
    std::fs::write(&new, fault)?;
    std::fs::rename(new, path)
}

/// A process, which ends with this value.
pub(crate) struct Process {
    child: Child,
    fault: PathBuf,
}

impl Process {
    /// Aims a fault at it.
    pub(crate) fn aim(&self, fault: &str) -> Result<(), String> {
        aim(&self.fault, fault).map_err(|error| format!("a fault cannot be aimed: {error}"))
    }

    /// Nothing is aimed at it any longer.
    pub(crate) fn spare(&self) {
        let _is_gone = std::fs::remove_file(&self.fault).is_ok();
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end.
    pub(crate) async fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + time;
        loop {
            let ended = self.ended();
            if ended.is_some() || Instant::now() >= until {
                return ended;
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until it is stopped.
    pub(crate) async fn stops_within(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let path = format!("/proc/{}/stat", self.child.id());
        while Instant::now() < until && self.ended().is_none() {
            let stat = std::fs::read_to_string(&path).unwrap_or_default();
            if stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')) {
                return true;
            }
            sleep(LOOK).await;
        }
        false
    }

    pub(crate) fn kill(&mut self) {
        let _is_killed = self.child.kill().is_ok();
        let _has_ended = self.child.wait().is_ok();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        let _is_sent = rustix::process::kill_process(Pid::from_child(&self.child), signal).is_ok();
    }

    /// Limits the size of its files from here on; `None`: nothing does.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) -> Result<(), String> {
        self.limit(Resource::Fsize, Rlimit { current: bytes, maximum: None })
    }

    /// Limits its descriptors; `None`: to what this process may have.
    pub(crate) fn limit_descriptors(&self, count: Option<u64>) -> Result<(), String> {
        let own = rustix::process::getrlimit(Resource::Nofile);
        let current = count.or(own.current);
        self.limit(Resource::Nofile, Rlimit { current, maximum: own.maximum })
    }

    fn limit(&self, what: Resource, limit: Rlimit) -> Result<(), String> {
        let pid = Pid::from_child(&self.child);
        let limited = rustix::process::prlimit(Some(pid), what, limit);
        limited.map(drop).map_err(|error| format!("a process cannot be limited: {error}"))
    }

    /// The limit under which it can have so many more descriptors.
    pub(crate) fn room_for_descriptors(&self, mut more: u64) -> Result<u64, String> {
        let folder = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        let folder = folder.map_err(|error| format!("its descriptors cannot be seen: {error}"))?;
        let used: std::collections::BTreeSet<u64> =
            folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        let mut limit = 0;
        while more > 0 {
            more -= u64::from(!used.contains(&limit));
            limit += 1;
        }
        Ok(limit)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of this machine that is free, and another one each time. It is below those that the system
/// gives to whoever connects: the port of a node that is dead waits for the next one.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id();
    for _ in 0..1_000 {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + begin.wrapping_mul(16).wrapping_add(tried) % 20_000;
        let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap_or(10_000)));
        if std::net::TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Where the text of a run is written.
pub(crate) fn create(folder: &Path, name: &str) -> io::Result<File> {
    File::create(folder.join(name))
}
