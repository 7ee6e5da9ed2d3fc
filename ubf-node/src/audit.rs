//! Who steered what, when, from where, and what came of it: a file that only grows.
//!
//! A thread of its own writes it, so that a slow disk keeps nobody waiting. What cannot be written
//! is counted, shown in the status, and never stops what was asked for.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tracing::{error, info};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use crate::control::Asker;

/// Records that wait for the disk. Chosen: what operators do in a minute, by scripts too.
const MAX_WAITING: usize = 1_024;
/// How long the end of the program waits for the last records.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The audit log. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Audit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// `None`: the log is finished.
    orders: Mutex<Option<SyncSender<Order>>>,
    health: Arc<Health>,
    /// Says nothing, and ends with the thread.
    end: Mutex<Receiver<()>>,
}

#[derive(Debug, Default)]
struct Health {
    is_failing: AtomicBool,
    missing: AtomicU64,
}

enum Order {
    /// A line.
    Record(String),
    /// Somebody has moved the file away.
    Reopen,
}

impl Audit {
    /// Opens the file, or makes it with mode 0600.
    pub(crate) fn append_to(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let (orders, taken) = sync_channel(MAX_WAITING);
        let (alive, end) = channel();
        let health = Arc::new(Health::default());
        let writer = Pen { file, path: path.to_owned(), health: Arc::clone(&health), torn: false };
        thread::Builder::new()
            .name("ubf-audit".to_owned())
            .spawn(move || writer.write(&taken, alive))?;
        let (orders, end) = (Mutex::new(Some(orders)), Mutex::new(end));
        Ok(Self(Arc::new(Inner { path: path.to_owned(), orders, health, end })))
    }

    /// Keeps a record: somebody asked for this, and that came of it.
    pub(crate) fn record(&self, asker: &Asker, what: &str, result: &str) {
        let mut time = String::new();
        // A clock that cannot be shown leaves an empty text.
        let _is_written = SystemTime.format_time(&mut Writer::new(&mut time)).is_ok();
        let Asker { who, from, role } = asker;
        let record = json!({
            "time": time, "who": who, "from": from, "role": role.as_str(),
            "what": what, "result": result,
        });
        if !self.order(Order::Record(format!("{record}\n"))) {
            self.0.health.missing.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file of this name again.
    pub(crate) fn reopen(&self) {
        if !self.order(Order::Reopen) {
            error!(path = %self.0.path.display(), "the audit log cannot be reopened: it is busy");
        }
    }

    /// Whether the last record could not be written, and how many are missing.
    pub(crate) fn health(&self) -> (bool, u64) {
        let Health { is_failing, missing } = &*self.0.health;
        (is_failing.load(Ordering::Relaxed), missing.load(Ordering::Relaxed))
    }

    /// Writes what is left, as far as that does not take long.
    pub(crate) fn finish(&self) {
        drop(self.0.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
        let end = self.0.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Timeout) {
            error!(path = %self.0.path.display(), "the last records of the audit log are not written");
        }
    }

    fn order(&self, order: Order) -> bool {
        let orders = self.0.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        // A pipe that nobody reads would lose all that comes.
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
    }
}

/// What the thread writes with.
struct Pen {
    file: File,
    path: PathBuf,
    health: Arc<Health>,
    /// The last line has no end.
    torn: bool,
}

impl Pen {
    /// Until nobody gives orders any more. `_alive` is dropped then.
    fn write(mut self, orders: &Receiver<Order>, _alive: Sender<()>) {
        while let Ok(order) = orders.recv() {
            match order {
                Order::Record(line) => self.record(&line),
                Order::Reopen => self.reopen(),
            }
        }
    }

    fn record(&mut self, line: &str) {
        let end: &[u8] = if self.torn { b"\n" } else { b"" };
        let written = self.file.write_all(&[end, line.as_bytes()].concat());
        let written = written.and_then(|()| self.file.sync_data());
        self.torn = written.is_err();
        if let Err(error) = &written {
            self.health.missing.fetch_add(1, Ordering::Relaxed);
            if !self.health.is_failing.load(Ordering::Relaxed) {
                error!(path = %self.path.display(), %error, "the audit log cannot be written");
            }
        }
        self.health.is_failing.store(written.is_err(), Ordering::Relaxed);
    }

    fn reopen(&mut self) {
        let path = self.path.display();
        match open(&self.path) {
            Ok(file) => {
                info!(%path, "audit log reopened");
                (self.file, self.torn) = (file, false);
            }
            Err(error) => error!(%path, %error, "the audit log cannot be reopened"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Role;

    fn asker() -> Asker {
        Asker { who: "ops \"1\"\n".to_owned(), from: "control socket".to_owned(), role: Role::Host }
    }

    #[test]
    fn a_record_is_one_line_that_nothing_in_it_can_forge() {
        let path = std::env::temp_dir().join(format!("ubf-audit-{}", std::process::id()));
        let audit = Audit::append_to(&path).unwrap();
        audit.record(&asker(), "{'kick',1,?}\n", "ok");
        audit.record(&asker(), "'undrain'", "it does not drain");
        audit.finish();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (&lines[0]["who"], &lines[0]["what"]),
            (&json!("ops \"1\"\n"), &json!("{'kick',1,?}\n"))
        );
        assert_eq!(
            (&lines[1]["result"], &lines[1]["role"]),
            (&json!("it does not drain"), &json!("host"))
        );
        assert!(lines[0]["time"].as_str().unwrap().ends_with('Z'));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // Who comes too late is counted.
        audit.record(&asker(), "'undrain'", "ok");
        assert_eq!(audit.health(), (false, 1));
        std::fs::remove_file(&path).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_disk_that_is_full_loses_records_and_counts_them() {
        // It is a device, which `append_to` refuses: a disk cannot be filled in a test.
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let health = Arc::new(Health::default());
        let mut pen =
            Pen { file: full, path: PathBuf::new(), health: Arc::clone(&health), torn: false };
        pen.record("one\n");
        pen.record("two\n");
        assert!(health.is_failing.load(Ordering::Relaxed));
        assert_eq!(health.missing.load(Ordering::Relaxed), 2);
        let path = std::env::temp_dir().join(format!("ubf-audit-torn-{}", std::process::id()));
        pen.file = open(&path).unwrap();
        pen.record("three\n");
        assert!(!health.is_failing.load(Ordering::Relaxed));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "\nthree\n");
        std::fs::remove_file(&path).unwrap();
        assert!(Audit::append_to(Path::new("/dev/full")).is_err());
    }
}
