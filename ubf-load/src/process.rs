//! What a process holds: memory and descriptors, as Linux tells them in `/proc`.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Between two looks: bombs are short.
const PERIOD: Duration = Duration::from_millis(5);

/// A thread that looks at a process all the time.
#[derive(Debug)]
pub struct Watch {
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
#[non_exhaustive]
pub struct Look {
    /// Memory that is not swapped out.
    pub rss_bytes: u64,
    /// Open descriptors: files, sockets, pipes.
    pub descriptors: usize,
}

impl Look {
    /// Looks at the process of this number.
    ///
    /// # Errors
    /// If there is no such process, it may not be looked at, or the system has no `/proc`.
    pub fn at(pid: u32) -> io::Result<Self> {
        Self::read(&pid.to_string())
    }

    /// Looks at this process.
    ///
    /// # Errors
    /// If the system has no `/proc`.
    pub fn own() -> io::Result<Self> {
        Self::read("self")
    }

    fn read(process: &str) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = rss.and_then(|rss| rss.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let kibibytes = kibibytes.ok_or_else(|| io::Error::other("it has ended"))?;
        let descriptors = fs::read_dir(format!("/proc/{process}/fd"))?.count();
        Ok(Self { rss_bytes: kibibytes << 10, descriptors })
    }

    fn or_more(self, other: Self) -> Self {
        Self {
            rss_bytes: self.rss_bytes.max(other.rss_bytes),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }
}

/// What a process held before something, at most meanwhile, and after it.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Memory before.
    pub rss_bytes_before: u64,
    /// The most memory that was seen meanwhile.
    pub rss_bytes_peak: u64,
    /// Memory after.
    pub rss_bytes_after: u64,
    /// Open descriptors before.
    pub descriptors_before: usize,
    /// The most descriptors that were seen meanwhile.
    pub descriptors_peak: usize,
    /// Open descriptors after.
    pub descriptors_after: usize,
}

impl Usage {
    /// By how many bytes the process grew, at most.
    #[must_use]
    pub const fn growth(&self) -> u64 {
        self.rss_bytes_peak.saturating_sub(self.rss_bytes_before)
    }
}

impl Watch {
    /// Watches the process of this number.
    ///
    /// # Errors
    /// Those of [`Look::at`].
    pub fn start(pid: u32) -> io::Result<Self> {
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

    /// Looks, and begins a new peak.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn begin(&self) -> io::Result<Look> {
        let look = Look::at(self.pid)?;
        *self.shared.peak() = look;
        Ok(look)
    }

    /// Waits until no more descriptors are open than `before`, for so long at most, and says what
    /// was held since [`Watch::begin`]. Runs on tokio.
    ///
    /// # Errors
    /// If the process is gone.
    pub async fn end(&self, before: Look, wait: Duration) -> io::Result<Usage> {
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_descriptors() {
        let look = Look::own().unwrap();
        assert!(look.rss_bytes > 0 && look.descriptors > 2, "{look:?}");
        let file = fs::File::open("/proc/self/status").unwrap();
        assert!(Look::at(std::process::id()).unwrap().descriptors > 2);
        drop(file);
    }

    #[test]
    fn a_process_that_is_not_there_cannot_be_looked_at() {
        // Linux gives no process this number.
        assert_eq!(Look::at(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
