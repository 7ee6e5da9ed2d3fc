//! What all parts of a run share: what has been seen so far, and what is broken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{RwLock, watch};
use tokio::time::timeout;

use super::history::Call;

/// The most breaks that are kept.
const MAX_BREAKS: usize = 20;
/// Between two looks whether something is broken.
const LOOK: Duration = Duration::from_millis(200);

/// The keys that are appended to at present. There are a few at a time, so that one call sees all
/// that was appended to them.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    /// All appends to its keys have greater numbers.
    pub(crate) after: u64,
    pub(crate) begun: std::sync::atomic::AtomicU64,
}

pub(crate) struct World {
    began: Instant,
    is_over: AtomicBool,
    answered: watch::Sender<u64>,
    calls: Mutex<Vec<Call>>,
    breaks: Mutex<Vec<String>>,
    /// How long the load may stand still.
    patience: Duration,
    /// Between two calls of a caller.
    pub(crate) pause: Duration,
    pub(crate) generation: RwLock<Generation>,
}

impl World {
    pub(crate) fn new(patience: Duration, pause: Duration) -> Self {
        Self {
            began: Instant::now(),
            is_over: AtomicBool::new(false),
            answered: watch::Sender::new(0),
            calls: Mutex::default(),
            breaks: Mutex::default(),
            patience,
            pause,
            generation: RwLock::default(),
        }
    }

    /// Microseconds after the beginning.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// No caller makes another call.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn record(&self, call: Call) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        self.answered.send_modify(|count| *count += 1);
    }

    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn answered(&self) -> u64 {
        *self.answered.borrow()
    }

    /// Something is as it must not be.
    pub(crate) fn broke(&self, what: impl Into<String>) {
        let mut breaks = self.breaks.lock().unwrap_or_else(PoisonError::into_inner);
        if breaks.len() < MAX_BREAKS {
            breaks.push(what.into());
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        !self.breaks.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(crate) fn breaks(&self) -> Vec<String> {
        self.breaks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many more calls are answered.
    pub(crate) async fn goes_on(&self, count: u64) -> Result<(), String> {
        let mut answered = self.answered.subscribe();
        let goal = *answered.borrow() + count;
        let until = Instant::now() + self.patience;
        while Instant::now() < until {
            let reached = timeout(LOOK, answered.wait_for(|answered| *answered >= goal)).await;
            // What is broken already may keep it from going on.
            if matches!(reached, Ok(Ok(_))) || self.is_broken() {
                return Ok(());
            }
        }
        Err(format!("no {count} calls are answered within {} s", self.patience.as_secs()))
    }

    /// For somebody to own the rows, too: longer than the waits of suspicion that a few kills in a row
    /// bring about.
    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    /// For a call: it waits out every fault.
    pub(crate) fn call_time(&self) -> Duration {
        self.patience + self.patience / 5
    }

    /// For all calls to end.
    pub(crate) fn end_time(&self) -> Duration {
        self.call_time() + self.patience / 5
    }
}
