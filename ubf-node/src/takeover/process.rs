//! The process at the other end of a line.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open, pidfd_send_signal};

/// How long a process that was killed, or that has closed its line, may take to end. Chosen: the
/// system needs no more to take its memory away.
const END_TIME: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A process of this user. Another one that gets its number later is not taken for it.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    descriptor: OwnedFd,
}

impl Process {
    /// The one that has connected, or that was connected to.
    ///
    /// # Errors
    /// If it is another user's, or has ended.
    pub(super) fn at(stream: impl AsFd) -> io::Result<Self> {
        let peer = socket_peercred(stream)?;
        if peer.uid != geteuid() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the other process is of another user",
            ));
        }
        let descriptor = pidfd_open(peer.pid, PidfdFlags::empty())?;
        Ok(Self { pid: peer.pid, descriptor })
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Kills it, and waits for its end.
    ///
    /// # Errors
    /// If it does not end.
    pub(super) async fn kill(&self) -> io::Result<()> {
        // One that has ended cannot be killed.
        let _is_sent = pidfd_send_signal(&self.descriptor, Signal::KILL).is_ok();
        self.ended().await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it does not end.
    pub(super) async fn ended(&self) -> io::Result<()> {
        let descriptor = self.descriptor.try_clone()?;
        let wait = move || poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&END_TIME));
        let ended = tokio::task::spawn_blocking(wait).await.map_err(io::Error::other)??;
        if ended == 0 {
            let why = "the other process does not end";
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        Ok(())
    }
}
