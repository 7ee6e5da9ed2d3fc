//! Small disks: file systems in memory, in a name space for mounts that the run has made for itself.
//!
//! A limit on the size of a process's files (`RLIMIT_FSIZE`) gives EFBIG; a disk without space gives
//! ENOSPC, and may do so in the middle of a file.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Says that this process is in its own name space.
const ENTERED: &str = "UBF_TORTURE_DISKS";
/// The nodes that have such a disk. The others keep their files where the run does.
pub(crate) const SMALL_DISKS: usize = 2;
/// The most that such a disk holds while it is not full. Chosen: more than the rows of hours.
const BYTES: u64 = 1 << 30;
/// To make a disk as small as what is on it, while that grows.
const ATTEMPTS: u32 = 20;

/// Whether nodes of this run can have small disks.
pub(crate) fn are_here() -> bool {
    std::env::var_os(ENTERED).is_some()
}

/// Begins this program again in a name space of its own, where it may mount. Returns only if that
/// cannot be had, and says why.
pub(crate) fn enter() -> String {
    let Ok(program) = std::env::current_exe() else { return "this program is not found".into() };
    let mut why = String::new();
    // Root needs no user of its own; whoever is none needs one.
    for more in [&[][..], &["--user", "--map-root-user"]] {
        let unshare = || {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private"]).args(more).arg("--");
            command
        };
        let mounts = unshare().args(["mount", "-t", "tmpfs", "none", "/tmp"]).output();
        why = match mounts {
            Ok(output) if output.status.success() => {
                let arguments = std::env::args_os().skip(1);
                let again = unshare().arg(&program).args(arguments).env(ENTERED, "1").exec();
                again.to_string()
            }
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
            Err(error) => format!("`unshare`: {error}"),
        };
    }
    why
}

/// Makes a folder that is a disk of its own.
pub(crate) fn make(folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    mount(&format!("size={BYTES}"), folder)
}

/// No byte more fits on it than is there.
pub(crate) fn fill(folder: &Path) -> Result<(), String> {
    let mut filled = Ok(());
    for _ in 0..ATTEMPTS {
        let used = used(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        filled = mount(&format!("remount,size={used}"), folder);
        if filled.is_ok() {
            break;
        }
        // It has grown meanwhile.
    }
    filled
}

/// There is space again.
pub(crate) fn free(folder: &Path) -> Result<(), String> {
    mount(&format!("remount,size={BYTES}"), folder)
}

fn used(folder: &Path) -> io::Result<u64> {
    let mut used = 4096;
    for entry in std::fs::read_dir(folder)? {
        used += entry?.metadata()?.blocks() * 512;
    }
    Ok(used)
}

fn mount(options: &str, folder: &Path) -> Result<(), String> {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "none"]).arg(folder);
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()),
        Err(error) => Err(format!("`mount`: {error}")),
    }
}
