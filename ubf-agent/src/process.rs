//! Processes: how a node is launched, watched, ended, and found again by another agent.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal};
use ubf_agent_core::{Hash, Node, Process};

use crate::keeper;

/// Where the processes that were launched are written down, each as the name of an empty file: a
/// full disk does not keep a node from being started again.
fn nodes(folder: &Path) -> PathBuf {
    folder.join("nodes")
}

/// When a process began, in ticks since the system did; `None`: it lives no more.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_alive = fields.next().is_some_and(|state| state != "Z" && state != "X");
    if is_alive { fields.nth(18)?.parse().ok() } else { None }
}

/// Which run of the system this is: in another one numbers mean nothing.
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.chars().filter(char::is_ascii_hexdigit).collect()
}

/// The processes that live of those that were launched, by their age.
pub(crate) fn living(folder: &Path) -> io::Result<Vec<Node>> {
    fs::create_dir_all(nodes(folder))?;
    let mut living = Vec::new();
    for entry in fs::read_dir(nodes(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let parts: Vec<&str> = name.split('-').collect();
        let node = if let [pid, began, boot, release] = *parts {
            Some((pid.parse().ok(), began.parse().ok(), boot, release.parse().ok()))
        } else {
            None
        };
        match node {
            Some((Some(pid), Some(then), run, Some(release)))
                if run == boot() && began(pid) == Some(then) =>
            {
                living.push(Node { release, process: Process { pid, began: then } });
            }
            Some(_) | None => fs::remove_file(entry.path())?,
        }
    }
    living.sort_by_key(|node| node.process.began);
    Ok(living)
}

/// What is started, and for whom.
pub(crate) struct Launch<'a> {
    /// How this very program is called to do it: its arguments in front.
    pub(crate) own: &'a [OsString],
    pub(crate) folder: &'a Path,
    pub(crate) release: Hash,
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<OsString>,
}

impl Launch<'_> {
    /// Starts this program once more, which becomes the node.
    pub(crate) fn start(self) -> io::Result<(Child, Process, OwnedFd)> {
        let log = File::options().append(true).create(true).open(self.folder.join("log"))?;
        let child = Command::new("/proc/self/exe")
            .args(self.own)
            .arg("launch")
            .arg(self.folder)
            .args([std::process::id().to_string(), self.release.to_string()])
            .arg(self.program)
            .args(self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let pid = child.id();
        let descriptor = descriptor(pid)?;
        // One that has ended at once is found out about by waiting for it.
        Ok((child, Process { pid, began: began(pid).unwrap_or(0) }, descriptor))
    }
}

/// This process becomes a node, if the agent that wants it lives. It comes back only to fail.
pub(crate) fn launch(arguments: &[OsString]) -> io::Error {
    let [folder, agent, release, program, rest @ ..] = arguments else {
        return io::Error::other("launch is for the agent itself");
    };
    let folder = Path::new(folder);
    let listeners = match keeper::fetch(folder) {
        Ok(listeners) => listeners,
        Err(error) => return error,
    };
    let count = listeners.len();
    let names = match keeper::place(listeners) {
        Ok(names) => names,
        Err(error) => return error,
    };
    let pid = std::process::id();
    let began = began(pid).unwrap_or(0);
    let name = format!("{pid}-{began}-{}-{}", boot(), release.to_string_lossy());
    let written = nodes(folder).join(name);
    let is_written = File::create(&written).is_ok();
    // An agent that begins later finds what is written. The one before may have died unseen.
    if getppid().map(|parent| parent.as_raw_nonzero().get().to_string()).as_deref()
        != agent.to_str()
    {
        let _is_gone = is_written && fs::remove_file(&written).is_ok();
        return io::Error::other("the agent that wanted this process has died");
    }
    Command::new(program)
        .args(rest)
        .env("NOTIFY_SOCKET", folder.join("notify"))
        .env("LISTEN_PID", pid.to_string())
        .env("LISTEN_FDS", count.to_string())
        .env("LISTEN_FDNAMES", names)
        .exec()
}

/// A process by a descriptor: another one with its number is not taken for it.
pub(crate) fn descriptor(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("this is no number of a process"))?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

pub(crate) fn signal(process: &OwnedFd, kills: bool) {
    let signal = if kills { Signal::KILL } else { Signal::TERM };
    // One that has ended needs none.
    let _is_sent = pidfd_send_signal(process, signal).is_ok();
}

/// Tells of the end of a process, whoever its parent is.
pub(crate) fn watch<E: Send + 'static>(
    descriptor: OwnedFd,
    child: Option<Child>,
    ended: impl FnOnce(String) -> E + Send + 'static,
    events: SyncSender<E>,
) {
    thread::spawn(move || {
        let how = match child {
            Some(mut child) => {
                child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
            }
            None => {
                while poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], None).is_err() {}
                "it has ended".to_owned()
            }
        };
        // If nobody hears it, the agent ends.
        let _is_told = events.send(ended(how)).is_ok();
    });
}
