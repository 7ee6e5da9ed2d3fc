//! A server of the demo: a process of this same program. It dies with its owner.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpSocket;
use ubf_codec::Address;

use super::folder::Folder;
use crate::admin::{Admin, AdminError};
use crate::owner::own;
use crate::ui::report::Report;

/// What the servers speak, as in Armstrong's example of 2003.
pub(super) const SERVER_VERSIONS: &str = "1-5,9,10,14";
/// For an answer on the control socket. Chosen: a machine that is busy with other things is no
/// reason to give up.
const PATIENCE: Duration = Duration::from_secs(30);

/// An address that stays ours between two servers that listen there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: Address,
    /// Bound, but it does not listen: who connects meets a server or nobody, and no other program
    /// gets the port.
    _socket: TcpSocket,
}

impl Place {
    pub(super) fn find() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseport(true)?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let address = socket.local_addr()?.to_string().parse().map_err(io::Error::other)?;
        Ok(Self { address, _socket: socket })
    }
}

/// The way to a server's control socket.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    pub(super) socket: PathBuf,
}

impl Operator {
    /// Does something there, in a thread that may block.
    pub(super) async fn order<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Admin) -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, AdminError> {
        let socket = self.socket.clone();
        let ordered =
            tokio::task::spawn_blocking(move || work(&mut Admin::connect(&socket, PATIENCE)?));
        ordered.await.unwrap_or_else(|error| Err(AdminError::Lost(io::Error::other(error))))
    }
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It answers each request with itself, and writes a journal.
    Echo,
    /// It keeps accounts in rows that survive it, as a release that knows these state versions.
    Ledger { knows: &'static str, begins: Begins },
}

/// How a server gets its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// It begins new ones, or finds those of a process that has ended.
    Alone,
    /// U2: it takes the place of the one that serves.
    TakesOver,
    /// U5: another node hands them off.
    StandsBy,
}

#[derive(Debug)]
pub(super) struct Node {
    /// `A`, `B`.
    pub(super) place: &'static str,
    /// Of all that were at this place, from 1.
    pub(super) generation: u32,
    pub(super) address: Address,
    pub(super) journal: PathBuf,
    log: PathBuf,
    kind: Kind,
    pub(super) operator: Operator,
    child: Child,
    pub(super) ended: Option<ExitStatus>,
}

impl Node {
    /// Starts one, and does not wait for it.
    pub(super) fn start(
        kind: Kind,
        place: &'static str,
        generation: u32,
        address: &Address,
        folder: &Folder,
    ) -> Result<Self, Report> {
        let name = format!("{}{generation}", place.to_lowercase());
        let (journal, log) = (folder.journal(&name), folder.log(&name));
        // Releases that take the place of each other have one control socket.
        let socket = match kind {
            Kind::Echo => folder.socket(&name),
            Kind::Ledger { .. } => folder.socket(&place.to_lowercase()),
        };
        let cannot = |error: &io::Error| {
            Report::new(format!(
                "cannot start server {place}: {}",
                crate::ui::reason::reason(error)
            ))
        };
        let program = std::env::current_exe().map_err(|error| cannot(&error))?;
        let stderr = File::create(&log).map_err(|error| cannot(&error))?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--reuse-port", "--listen"])
            .arg(address.to_string())
            .arg("--control")
            .arg(&socket);
        match kind {
            Kind::Echo => command
                .args(["--service", "echo", "--versions", SERVER_VERSIONS, "--journal"])
                .arg(&journal),
            Kind::Ledger { knows, begins } => command
                .args(["--service", "ledger", "--knows", knows, "--data"])
                .arg(folder.data(place))
                .args(match begins {
                    Begins::Alone => None,
                    Begins::TakesOver => Some("--take-over"),
                    Begins::StandsBy => Some("--standby"),
                }),
        };
        command.stdout(Stdio::null()).stderr(stderr);
        let child = own(&mut command).spawn().map_err(|error| cannot(&error))?;
        let (address, operator) = (address.clone(), Operator { socket });
        Ok(Self { place, generation, address, journal, log, kind, operator, child, ended: None })
    }

    /// `A`, and `A (2nd)` for the one that came after it.
    pub(super) fn name(&self) -> String {
        match self.generation {
            1 => self.place.to_owned(),
            2 => format!("{} (2nd)", self.place),
            3 => format!("{} (3rd)", self.place),
            more => format!("{} ({more}th)", self.place),
        }
    }

    /// Whether it writes down what it executes. What a ledger executes stands in its rows.
    pub(super) fn has_journal(&self) -> bool {
        self.kind == Kind::Echo
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended. That is looked at, and never waited for.
    pub(super) fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended.is_some()
    }

    fn process(&self) -> io::Result<Pid> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.ok_or_else(|| io::Error::other("a process without a number"))
    }

    /// It crashes.
    pub(super) fn crash(&mut self) -> io::Result<()> {
        kill_process(self.process()?, Signal::ABORT)?;
        self.ended = Some(self.child.wait()?);
        Ok(())
    }

    /// `kill -9`, and the kernel has closed its connections when this returns.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.ended = Some(self.child.wait()?);
        Ok(())
    }

    /// What it said last, which may be why it ended.
    pub(super) fn last_words(&self) -> Option<String> {
        let log = fs::read_to_string(&self.log).ok()?;
        log.lines().rev().find(|line| !line.trim().is_empty()).map(crate::ui::text::printable)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !self.has_ended() {
            // It cannot refuse, and it is our child: nothing else can have its number.
            let _is_killed = self.kill().is_ok();
        }
    }
}
