//! A PostgreSQL server of a test's own, from the programs of the system (feature `testing`).

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a server says when it serves.
const READY: &str = "ready to accept connections";

/// A PostgreSQL server with everything in a folder of its own. Both end with this value.
///
/// It has the user `ubf`, whom it trusts, the database `postgres`, and no network: its socket is in
/// its folder. What it has committed is safe from the end of its process and not from that of the
/// machine, unless it is [durable](Self::start_durable).
///
/// ```
/// use ubf_store::testing::TestPostgres;
///
/// match TestPostgres::start("example")? {
///     Some(server) => assert!(server.url().starts_with("postgres://ubf@")),
///     None => eprintln!("skipped: there is no PostgreSQL on this machine"),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TestPostgres {
    programs: PathBuf,
    folder: PathBuf,
    /// The server refuses to run as root.
    user: Option<(u32, u32)>,
    is_durable: bool,
    process: Option<Child>,
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowToEnd {
    /// It ends all connections and stops in order.
    Fast,
    /// As if it had crashed: at its next start it recovers.
    Crash,
}

/// The folder with the programs of PostgreSQL: of the oldest version that is installed, or the first
/// one that is in the `PATH`. `None`: this machine has none.
#[must_use]
pub fn programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|found| found.filter_map(Result::ok).map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    folders.into_iter().find(|folder| folder.join("initdb").exists())
}

fn id(what: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(what).args(user).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The user and the group under which a server runs: `Some(None)` are this process's own, `None` is
/// nobody at all.
fn user() -> Option<Option<(u32, u32)>> {
    if id("-u", None)? != 0 {
        return Some(None);
    }
    let ids = |user| Some((id("-u", Some(user))?, id("-g", Some(user))?));
    ["postgres", "nobody"].into_iter().find_map(ids).map(Some)
}

impl TestPostgres {
    /// Starts a server, whose name no other server of this process has. `Ok(None)`: this machine has
    /// no PostgreSQL, and whoever tests says that this is skipped.
    ///
    /// # Errors
    /// There is one, and it cannot be started.
    pub fn start(name: &str) -> io::Result<Option<Self>> {
        // Names of sockets are short.
        let folder = std::env::temp_dir().join(format!("ubf-pg-{}-{name}", std::process::id()));
        Self::start_in(folder, false)
    }

    /// Starts one in this folder, which is removed at its end, with the settings that PostgreSQL has
    /// by itself: what it has committed is on the disk.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_durable(folder: &Path) -> io::Result<Option<Self>> {
        Self::start_in(folder.to_owned(), true)
    }

    fn start_in(folder: PathBuf, is_durable: bool) -> io::Result<Option<Self>> {
        let (Some(programs), Some(user)) = (programs(), user()) else { return Ok(None) };
        let mut server = Self { programs, folder, user, is_durable, process: None };
        server.make()?;
        server.run()?;
        Ok(Some(server))
    }

    fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        if let Some((user, group)) = self.user {
            chown(&self.folder, Some(user), Some(group))?;
        }
        let mut made = self.program("initdb");
        made.args(["-A", "trust", "-U", "ubf", "-E", "UTF8", "-D", "data"]);
        if !self.is_durable {
            made.arg("--no-sync");
        }
        let made = made.output()?;
        if made.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()))
    }

    /// A program of PostgreSQL, which runs as the server's user in its folder.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts the server, and waits until it serves.
    fn run(&mut self) -> io::Result<()> {
        let mut command = self.program("postgres");
        command.args(["-D", "data", "-c", "listen_addresses=", "-c", "log_min_messages=log"]);
        command.arg("-k").arg(&self.folder);
        if !self.is_durable {
            command.arg("-F");
        }
        let mut process = command.stderr(Stdio::piped()).spawn()?;
        let log = process.stderr.take();
        self.process = Some(process);
        let mut lines = BufReader::new(log.ok_or(io::ErrorKind::BrokenPipe)?).lines();
        let mut said = String::new();
        loop {
            match lines.next().transpose()? {
                Some(line) if line.contains(READY) => break,
                Some(line) => said = line,
                None => return Err(io::Error::other(format!("the database has ended: {said}"))),
            }
        }
        // It must not wait for somebody to read its log.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(())
    }

    fn end(&mut self, how: HowToEnd) -> io::Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let signal = match how {
            HowToEnd::Fast => "-INT",
            HowToEnd::Crash => "-QUIT",
        };
        let sent = Command::new("kill").args([signal, &process.id().to_string()]).status();
        if !sent.is_ok_and(|status| status.success()) {
            process.kill()?;
        }
        process.wait().map(drop)
    }

    /// Ends the server and starts it again. Returns when it serves.
    ///
    /// # Errors
    /// It does not end, or does not start.
    pub fn restart(&mut self, how: HowToEnd) -> io::Result<()> {
        self.end(how)?;
        self.run()
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The socket that it listens on.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// What a store is [opened](crate::Postgres::open) with.
    #[must_use]
    pub fn connection(&self) -> String {
        format!("host={} user=ubf dbname=postgres", self.folder.display())
    }

    /// The same as a URL: what a server is given as `--store`.
    #[must_use]
    pub fn url(&self) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://ubf@{folder}/postgres")
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        // The connections of whoever tests are closed by now; a folder that stays is no fault.
        let _has_ended = self.end(HowToEnd::Crash).is_ok();
        let _is_gone = fs::remove_dir_all(&self.folder).is_ok();
    }
}
