//! A well-behaved client beside the attack. It has a thread of its own, so that it measures the
//! server and not us.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::time::sleep;

use super::target::Target;
use super::verdict::Latency;
use super::wire::Wire;

/// Between two calls: a client that is busy, and no load.
const PAUSE: Duration = Duration::from_millis(2);
/// Samples that are kept: more than a minute of the fastest server's.
const MAX_SAMPLES: usize = 1 << 16;

/// A thread that makes one call after the other.
#[derive(Debug)]
pub(super) struct Bystander {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    samples: Vec<Duration>,
    faults: Vec<String>,
    /// The call that has no answer yet.
    pending_since: Option<Instant>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, took: Duration) {
        let mut state = self.state();
        state.pending_since = None;
        if state.samples.len() < MAX_SAMPLES {
            state.samples.push(took);
        }
    }

    fn failed(&self, fault: String) {
        let mut state = self.state();
        state.pending_since = None;
        // The first says enough.
        if state.faults.is_empty() {
            state.faults.push(fault);
        }
    }
}

impl Bystander {
    pub(super) fn start(target: Target) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread =
            std::thread::spawn(move || match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(call_on_and_on(&target, &theirs)),
                Err(error) => theirs.failed(format!("no client can be beside it: {error}")),
            });
        Self { shared, thread: Some(thread) }
    }

    /// What it has noticed since the last time. A call that still waits counts with the time that
    /// it has waited.
    pub(super) fn take(&self) -> (Latency, Vec<String>) {
        let mut state = self.shared.state();
        let mut samples = std::mem::take(&mut state.samples);
        let faults = std::mem::take(&mut state.faults);
        let waiting = state.pending_since.map(|since| since.elapsed());
        drop(state);
        if let Some(waiting) =
            waiting.filter(|&waiting| samples.iter().all(|&sample| sample < waiting))
        {
            samples.push(waiting);
        }
        (Latency::of(samples), faults)
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends with its last call, which has a time; a panic in it was shown.
            thread.join().ok();
        }
    }
}

/// Calls until it is over, on another connection each time that one goes wrong.
async fn call_on_and_on(target: &Target, shared: &Shared) {
    while !shared.is_over.load(Ordering::Relaxed) {
        if let Err(heard) = call_on(target, shared).await {
            shared.failed(format!("a well-behaved client lost its connection: {heard}"));
            sleep(PAUSE).await;
        }
    }
}

/// Calls until it is over or goes wrong.
async fn call_on(target: &Target, shared: &Shared) -> Result<(), String> {
    let mut wire = Wire::greet(target).await?;
    let call = target.call();
    while !shared.is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        shared.state().pending_since = Some(start);
        wire.send(&call).await;
        let heard = wire.hear(target.max_wait).await;
        if heard.version() != Some(target.version()) {
            return Err(heard.text());
        }
        shared.answered(start.elapsed());
        sleep(PAUSE).await;
    }
    Ok(())
}
