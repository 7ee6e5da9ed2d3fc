//! Listening sockets by name, kept by a process that does nothing else: neither a killed node nor a
//! killed agent closes them.
//!
//! The keeper sends all of them to whoever connects to its socket, which only its user can: to a
//! node that is launched, and to an agent that begins. It ends when its socket in the file system
//! is gone, or is that of another keeper.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, dup, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The most bytes of a listener's name.
pub(crate) const MAX_NAME_BYTES: usize = 255;
/// Between two looks at whether the socket is still in its place.
const LOOK: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

pub(crate) type Listeners = Vec<(String, OwnedFd)>;

/// All listeners of the keeper of this folder.
pub(crate) fn fetch(folder: &Path) -> io::Result<Listeners> {
    receive(UnixStream::connect(folder.join("keeper"))?)
}

/// Keeps what comes by stdin, until the socket is gone.
pub(crate) fn keep(folder: &Path) -> io::Result<()> {
    let listeners = receive(io::stdin())?;
    let path = folder.join("keeper");
    let fresh = path.with_extension("new");
    let _is_gone = fs::remove_file(&fresh).is_ok();
    let listener = UnixListener::bind(&fresh)?;
    // Whoever connects finds this one or the one before, and never nobody.
    fs::rename(&fresh, &path)?;
    let own = fs::metadata(&path)?.ino();
    while fs::metadata(&path).is_ok_and(|found| found.ino() == own) {
        if poll(&mut [PollFd::new(&listener, PollFlags::IN)], Some(&LOOK)).is_ok_and(|n| n > 0) {
            // Who goes away meanwhile needs nothing.
            let _is_sent = listener.accept().and_then(|(to, _)| send(&to, &listeners)).is_ok();
        }
    }
    Ok(())
}

/// Sends all, one a message.
pub(crate) fn send(to: &UnixStream, listeners: &Listeners) -> io::Result<()> {
    for (name, listener) in listeners {
        let mut space = [const { MaybeUninit::uninit() }; rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [listener.as_fd()];
        let is_pushed = control.push(SendAncillaryMessage::ScmRights(&descriptors));
        debug_assert!(is_pushed, "there is room for one");
        sendmsg(to, &[IoSlice::new(name.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// What is sent until the end. A message with a descriptor is never read together with the next.
fn receive(from: impl AsFd) -> io::Result<Listeners> {
    let mut all = Vec::new();
    loop {
        let mut space = [const { MaybeUninit::uninit() }; rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut name = [0; MAX_NAME_BYTES];
        let bytes = &mut [IoSliceMut::new(&mut name)];
        let came = recvmsg(&from, bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let descriptor = control.drain().find_map(|message| {
            let RecvAncillaryMessage::ScmRights(mut descriptors) = message else { return None };
            descriptors.next()
        });
        let name = name.get(..came.bytes).unwrap_or_default();
        match descriptor {
            Some(descriptor) => all.push((String::from_utf8_lossy(name).into_owned(), descriptor)),
            None if came.flags.contains(ReturnFlags::CTRUNC) || !name.is_empty() => {
                return Err(io::Error::other("a listener was cut off (ulimit -n)"));
            }
            None => return Ok(all),
        }
    }
}

/// Puts listeners where `LISTEN_FDS` wants them: from number 3 on, and open in the program that
/// this process becomes. Their names, in order.
pub(crate) fn place(listeners: Listeners) -> io::Result<String> {
    let mut names = Vec::new();
    for (index, (name, listener)) in listeners.into_iter().enumerate() {
        let wanted = i32::try_from(index + 3).unwrap_or(i32::MAX);
        let placed = if listener.as_raw_fd() == wanted { listener } else { dup(&listener)? };
        if placed.as_raw_fd() != wanted {
            let why = format!("the descriptor {wanted} is in use: the agent was given it open");
            return Err(io::Error::other(why));
        }
        fcntl_setfd(&placed, FdFlags::empty())?;
        // It stays open until the program is another one, and longer.
        let _number = std::os::fd::IntoRawFd::into_raw_fd(placed);
        names.push(name);
    }
    Ok(names.join(":"))
}
