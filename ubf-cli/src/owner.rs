//! A server that another process of this program owns, and that ends with it however that ends.
//!
//! The owner keeps the other end of the server's stdin. When the owner is gone, the stdin ends. On
//! Linux the kernel kills the server, too: one that stands still reads nothing.

use std::env;
use std::io::{self, Read as _};
use std::process::{Command, Stdio};
use std::thread;

/// Tells a server that it has an owner. Its value is the owner's process id.
const OWNER: &str = "UBF_OWNER";
/// The exit status of a server without its owner.
const STATUS: i32 = 3;

/// The command becomes one that does not outlive this process. The thread that spawns it has to
/// live as long.
pub(crate) fn own(command: &mut Command) -> &mut Command {
    command.env(OWNER, std::process::id().to_string()).stdin(Stdio::piped())
}

/// Does nothing unless this process is owned.
pub(crate) fn die_with_owner() {
    let Some(owner) = env::var(OWNER).ok().and_then(|owner| owner.parse::<u32>().ok()) else {
        return;
    };
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};
        // Without it there is still the stdin.
        set_parent_process_death_signal(Some(Signal::KILL)).ok();
        let parent = getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs());
        if parent != Some(owner) {
            // The owner ended before the signal was asked for.
            leave();
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = owner;
    drop(thread::spawn(|| {
        let mut room = [0; 64];
        while io::stdin().read(&mut room).is_ok_and(|count| count > 0) {}
        leave();
    }));
}

#[expect(clippy::exit, reason = "nobody is left who would care how it ends")]
fn leave() -> ! {
    std::process::exit(STATUS)
}
