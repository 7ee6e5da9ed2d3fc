//! A PostgreSQL server of the run's own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};

pub(crate) struct Database {
    programs: PathBuf,
    folder: PathBuf,
    /// It refuses to run as root.
    user: Option<(u32, u32)>,
    process: Option<Child>,
}

fn programs() -> Option<PathBuf> {
    let found = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
    let mut folders: Vec<PathBuf> = found.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.into_iter().find(|folder| folder.join("initdb").exists())
}

fn id(what: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(what).args(user).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

impl Database {
    /// `Ok(None)`: this machine has none.
    pub(crate) fn start() -> Result<Option<Self>, String> {
        let Some(programs) = programs() else { return Ok(None) };
        let user = match id("-u", None) {
            Some(0) => match (id("-u", Some("postgres")), id("-g", Some("postgres"))) {
                (Some(user), Some(group)) => Some((user, group)),
                _ => return Ok(None),
            },
            _ => None,
        };
        // Its sockets are in its folder, and names of sockets are short.
        let folder = std::env::temp_dir().join(format!("ubf-torture-pg-{}", std::process::id()));
        let mut database = Self { programs, folder, user, process: None };
        database.make().map_err(|error| format!("the database cannot be made: {error}"))?;
        database.run()?;
        Ok(Some(database))
    }

    fn make(&self) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        if let Some((user, group)) = self.user {
            chown(&self.folder, Some(user), Some(group))?;
        }
        let mut made = self.program("initdb");
        made.args(["-A", "trust", "-U", "ubf", "-E", "UTF8", "--no-sync", "-D", "data"]);
        let made = made.output()?;
        if made.status.success() {
            return Ok(());
        }
        Err(std::io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()))
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts the server, and waits until it serves.
    fn run(&mut self) -> Result<(), String> {
        let mut command = self.program("postgres");
        // Machines do not stop here: only processes do, and what is written is safe from that.
        command.args(["-D", "data", "-k", ".", "-F", "-c", "listen_addresses="]);
        let mut process = command
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the database cannot be started: {error}"))?;
        let mut log = process.stderr.take().map(BufReader::new).ok_or("no log")?;
        self.process = Some(process);
        let mut line = String::new();
        while !line.contains("ready to accept connections") {
            line.clear();
            if log.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
                return Err("the database has ended".into());
            }
        }
        // It must not wait for somebody to read its log.
        std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(drop));
        Ok(())
    }

    /// Ends the server as if it had crashed, or in order, and starts it again.
    pub(crate) fn restart(&mut self, crashes: bool) -> Result<(), String> {
        if let Some(mut process) = self.process.take() {
            // SIGQUIT ends all of its processes at once, SIGINT all connections.
            let signal = if crashes { Signal::QUIT } else { Signal::INT };
            rustix::process::kill_process(Pid::from_child(&process), signal)
                .map_err(|error| format!("the database cannot be ended: {error}"))?;
            process.wait().map_err(|error| error.to_string())?;
        }
        self.run()
    }

    pub(crate) fn url(&self) -> String {
        let folder = self.folder.join("data").display().to_string().replace('/', "%2F");
        format!("postgres://ubf@{folder}/postgres")
    }

    /// A connection that holds all rows for a while, so that whoever commits waits for it.
    pub(crate) fn hold_rows(&self, seconds: u32) -> Result<Child, String> {
        let hold = format!(
            "BEGIN; SELECT count(*) FROM (SELECT 1 FROM ubf_rows FOR UPDATE) AS held; \
             SELECT pg_sleep({seconds}); ROLLBACK;"
        );
        let mut psql = self.program("psql");
        psql.arg("-h").arg(self.folder.join("data")).args(["-U", "ubf", "-q", "-c", &hold]);
        psql.arg("postgres").stderr(Stdio::null());
        psql.spawn().map_err(|error| format!("psql cannot be started: {error}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let id = Pid::from_child(&process);
            let _is_sent = rustix::process::kill_process(id, Signal::QUIT).is_ok();
            let _has_ended = process.wait().is_ok();
        }
        let _is_gone = fs::remove_dir_all(&self.folder).is_ok();
    }
}
