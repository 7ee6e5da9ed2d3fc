//! A well-behaved client beside the attack. It has a thread of its own, so that it measures the
//! server and not us.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ubf_codec::{ServerHeader, VersionedDecoder};

use super::target::Target;
use super::verdict::Latency;

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
}

impl Bystander {
    pub(super) fn start(target: Target) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !theirs.is_over.load(Ordering::Relaxed) {
                if let Err(error) = call_on(&target, &theirs) {
                    let mut state = theirs.state();
                    state.pending_since = None;
                    // The first says enough.
                    if state.faults.is_empty() {
                        state
                            .faults
                            .push(format!("a well-behaved client lost its connection: {error}"));
                    }
                    drop(state);
                    std::thread::sleep(PAUSE);
                }
            }
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

/// Calls until it is over or goes wrong.
fn call_on(target: &Target, shared: &Shared) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&target.address, target.max_wait)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(target.max_wait))?;
    stream.set_write_timeout(Some(target.max_wait))?;
    let mut decoder = VersionedDecoder::<ServerHeader>::new();
    let (mut buffer, mut piece) = (BytesMut::new(), [0; 4096]);
    let mut ask = |request: &str| -> io::Result<()> {
        stream.write_all(request.as_bytes())?;
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(packet)) if packet.header.mode.number() == target.version() => {
                    return Ok(());
                }
                Ok(Some(packet)) => return Err(io::Error::other(packet.body.to_string())),
                Ok(None) => {}
                Err(error) => return Err(io::Error::other(error)),
            }
            match stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => buffer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            }
        }
    };
    ask(&target.negotiate(target.version()))?;
    while !shared.is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        shared.state().pending_since = Some(start);
        ask(&target.call())?;
        let took = start.elapsed();
        let mut state = shared.state();
        state.pending_since = None;
        if state.samples.len() < MAX_SAMPLES {
            state.samples.push(took);
        }
        drop(state);
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
