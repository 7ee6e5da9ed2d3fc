//! A PostgreSQL server of the bench's own, from the programs of the system, with its defaults.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use benches::Error;

#[derive(Debug)]
pub(super) struct Database {
    folder: PathBuf,
    process: Child,
}

fn programs() -> Option<PathBuf> {
    let found = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
    let mut folders: Vec<PathBuf> = found.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.into_iter().rev().find(|folder| folder.join("initdb").exists())
}

fn id(what: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(what).args(user).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The user and the group of the server, which refuses to run as root. `None`: this one's.
fn other_user() -> Option<(u32, u32)> {
    let is_root = id("-u", None) == Some(0);
    if is_root { Some((id("-u", Some("postgres"))?, id("-g", Some("postgres"))?)) } else { None }
}

impl Database {
    /// `None`: this machine has none.
    pub(super) fn start(folder: &Path) -> Result<Option<Self>, Error> {
        let Some(programs) = programs() else { return Ok(None) };
        fs::create_dir_all(folder)?;
        let user = other_user();
        if let Some((user, group)) = user {
            chown(folder, Some(user), Some(group))?;
        }
        let program = |name: &str| {
            let mut command = Command::new(programs.join(name));
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            command.current_dir(folder).stdin(Stdio::null());
            command
        };
        let made = program("initdb")
            .args(["-A", "trust", "-U", "ubf", "-E", "UTF8", "-D", "data"])
            .output()?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into());
        }
        let mut process = program("postgres")
            .args(["-D", "data", "-c", "listen_addresses=", "-k"])
            .arg(folder)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let log = process.stderr.take().ok_or("the server has a log")?;
        let mut lines = BufReader::new(log).lines();
        let is_ready = |line: &String| line.contains("ready to accept connections");
        if !lines.by_ref().map_while(Result::ok).any(|line| is_ready(&line)) {
            return Err("the database has ended".into());
        }
        // It must not wait for somebody to read its log.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Some(Self { folder: folder.to_owned(), process }))
    }

    pub(super) fn connection(&self) -> String {
        format!("host={} user=ubf dbname=postgres", self.folder.display())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A folder that stays is no fault.
        let _is_ended = self.process.kill().and_then(|()| self.process.wait());
        let _is_gone = fs::remove_dir_all(&self.folder);
    }
}
