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

/// The node whose file has this name, if its process lives.
fn find(name: &str) -> Option<Node> {
    let parts: Vec<&str> = name.split('-').collect();
    let [pid, then, run, release] = *parts else { return None };
    let process = Process { pid: pid.parse().ok()?, began: then.parse().ok()? };
    let is_alive = run == boot() && began(process.pid) == Some(process.began);
    if is_alive { Some(Node { release: release.parse().ok()?, process }) } else { None }
}

/// The processes that live of those that were launched, by their age.
pub(crate) fn living(folder: &Path) -> io::Result<Vec<Node>> {
    fs::create_dir_all(nodes(folder))?;
    let mut living = Vec::new();
    for entry in fs::read_dir(nodes(folder))? {
        let entry = entry?;
        match find(&entry.file_name().to_string_lossy()) {
            Some(node) => living.push(node),
            None => fs::remove_file(entry.path())?,
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
    let place = |listeners: keeper::Listeners| Ok((listeners.len(), keeper::place(listeners)?));
    let (count, names) = match keeper::fetch(folder).and_then(place) {
        Ok(placed) => placed,
        Err(error) => return error,
    };
    let pid = std::process::id();
    let (began, release) = (began(pid).unwrap_or(0), release.to_string_lossy());
    let written = nodes(folder).join(format!("{pid}-{began}-{}-{release}", boot()));
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
        while poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], None).is_err() {}
        let status = child.and_then(|mut child| child.wait().ok());
        let how = status.map_or("it has ended".to_owned(), |status| status.to_string());
        // If nobody hears it, the agent ends.
        let _is_told = events.send(ended(how)).is_ok();
    });
}
