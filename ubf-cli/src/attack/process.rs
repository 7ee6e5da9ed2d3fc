//! What the server's process holds while it is attacked: memory and descriptors, from `/proc`.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::verdict::Usage;

/// Between two looks: bombs are short.
const PERIOD: Duration = Duration::from_millis(5);

/// A thread that looks at a process all the time.
#[derive(Debug)]
pub(crate) struct Watch {
    pid: u32,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    is_over: AtomicBool,
    peak: Mutex<Look>,
}

impl Shared {
    fn peak(&self) -> MutexGuard<'_, Look> {
        self.peak.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One look at a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    rss_bytes: u64,
    descriptors: usize,
}

impl Look {
    fn at(pid: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = rss.and_then(|rss| rss.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let kibibytes = kibibytes.ok_or_else(|| io::Error::other("it has ended"))?;
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        Ok(Self { rss_bytes: kibibytes << 10, descriptors })
    }

    fn or_more(self, other: Self) -> Self {
        Self {
            rss_bytes: self.rss_bytes.max(other.rss_bytes),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }
}

impl Watch {
    /// Watches process `pid`.
    pub(crate) fn start(pid: u32) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { is_over: AtomicBool::new(false), peak: Mutex::new(Look::at(pid)?) });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !theirs.is_over.load(Ordering::Relaxed) {
                // A process that is gone is found out about elsewhere.
                if let Ok(look) = Look::at(pid) {
                    let mut peak = theirs.peak();
                    *peak = peak.or_more(look);
                }
                std::thread::sleep(PERIOD);
            }
        });
        Ok(Self { pid, shared, thread: Some(thread) })
    }

    /// Begins a new peak.
    pub(crate) fn begin(&self) -> io::Result<Look> {
        let look = Look::at(self.pid)?;
        *self.shared.peak() = look;
        Ok(look)
    }

    /// Waits until no more descriptors are open than `before`, and says what was held.
    pub(crate) async fn end(&self, before: Look, wait: Duration) -> io::Result<Usage> {
        let start = Instant::now();
        let mut after = Look::at(self.pid)?;
        while after.descriptors > before.descriptors && start.elapsed() < wait {
            tokio::time::sleep(PERIOD).await;
            after = Look::at(self.pid)?;
        }
        let peak = self.shared.peak().or_more(after);
        Ok(Usage {
            rss_bytes_before: before.rss_bytes,
            rss_bytes_peak: peak.rss_bytes,
            rss_bytes_after: after.rss_bytes,
            descriptors_before: before.descriptors,
            descriptors_peak: peak.descriptors,
            descriptors_after: after.descriptors,
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
