//! What all in the run share: the ledger, the tally, what broke, and when it is time to leave.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use ubf_codec::Version;
use ubf_server::Report;

use super::fates::Fates;
use super::ledger::Ledger;
use super::sabotage::Sabotage;

/// How many servers there are.
pub(crate) const PLACES: usize = 3;
/// What is kept of what broke.
const MAX_BROKEN: usize = 20;

/// How often what happened.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

/// What a panic says that is part of the run.
#[derive(Debug)]
struct Wanted;

/// What a program's code does in a version that is broken.
#[allow(clippy::panic, reason = "it is what the run is about")]
pub(crate) fn crash() -> ! {
    panic::panic_any(Wanted)
}

/// Panics of others than [`Wanted`].
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Says nothing of panics that are part of the run, and counts the others.
pub(crate) fn silence_wanted_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Wanted>() {
            PANICS.fetch_add(1, Ordering::Relaxed);
            print(info);
        }
    }));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// All do what they do.
    Open,
    /// Clients and strangers leave.
    Leaving,
    /// Servers stop.
    Closing,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) fates: Fates,
    pub(crate) sabotage: Option<Sabotage>,
    /// Where the servers are.
    pub(crate) addresses: [SocketAddr; PLACES],
    /// The versions of which the code crashes now, at each server: a bit for each.
    moods: [AtomicU32; PLACES],
    stage: watch::Sender<Stage>,
    tally: Mutex<Tally>,
    server_tally: Mutex<Tally>,
    broken: Mutex<Vec<String>>,
    present: Mutex<BTreeMap<&'static str, u64>>,
}

/// Somebody is there who has a task of their own, until this is dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    world: Arc<World>,
    who: &'static str,
}

impl Presence {
    pub(crate) fn new(world: &Arc<World>, who: &'static str) -> Self {
        *world.present.lock().unwrap_or_else(PoisonError::into_inner).entry(who).or_default() += 1;
        Self { world: Arc::clone(world), who }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut present = self.world.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = present.get_mut(self.who) {
            *count -= 1;
        }
    }
}

impl World {
    pub(crate) fn new(addresses: [SocketAddr; PLACES], sabotage: Option<Sabotage>) -> Self {
        Self {
            ledger: Ledger::default(),
            fates: Fates::default(),
            sabotage,
            addresses,
            moods: Default::default(),
            stage: watch::Sender::new(Stage::Open),
            tally: Mutex::default(),
            server_tally: Mutex::default(),
            broken: Mutex::default(),
            present: Mutex::default(),
        }
    }

    /// Counts what happened, by a word of the report.
    pub(crate) fn count(&self, what: &'static str, times: u64) {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() +=
            times;
    }

    /// Adds what a server has counted.
    pub(crate) fn count_server(&self, report: &Report) {
        let mut tally = self.server_tally.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, count) in report.counts.named() {
            *tally.entry(name).or_default() += count;
        }
    }

    /// What was counted by all, and by the servers that have ended.
    pub(crate) fn tallies(&self) -> (Tally, Tally) {
        let copy =
            |tally: &Mutex<Tally>| tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (copy(&self.tally), copy(&self.server_tally))
    }

    /// Who is there, for people who look for a task that is left.
    pub(crate) fn present(&self) -> Vec<String> {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let left = present.iter().filter(|(_, count)| **count > 0);
        left.map(|(who, count)| format!("{count} {who}")).collect()
    }

    /// Something is wrong: the run ends.
    pub(crate) fn broke(&self, what: impl Into<String>) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if broken.len() < MAX_BROKEN {
            broken.push(what.into());
        }
        drop(broken);
        self.enter(Stage::Leaving);
    }

    /// As [`broke`](Self::broke), if it is wrong.
    pub(crate) fn check(&self, outcome: Result<(), String>) {
        if let Err(what) = outcome {
            self.broke(what);
        }
    }

    /// All that broke, panics included.
    pub(crate) fn broken(&self) -> Vec<String> {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let panics = PANICS.load(Ordering::Relaxed);
        if panics > 0 {
            broken.push(format!("{panics} panics that nobody asked for"));
        }
        broken
    }

    /// Goes on to the next stage; there is no way back.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.send_if_modified(|present| {
            let is_later = *present < stage;
            *present = stage.max(*present);
            is_later
        });
    }

    pub(crate) fn has_entered(&self, stage: Stage) -> bool {
        *self.stage.borrow() >= stage
    }

    /// Waits for the stage.
    pub(crate) async fn entered(&self, stage: Stage) {
        // The sender lives as long as this does.
        drop(self.stage.subscribe().wait_for(|present| *present >= stage).await.map(|_| ()));
    }

    /// Lets time pass, but no longer than until that stage.
    pub(crate) async fn rest(&self, time: Duration, stage: Stage) {
        drop(timeout(time, self.entered(stage)).await);
    }

    /// The code of a version crashes at a server, or is mended.
    pub(crate) fn set_crashing(&self, place: usize, version: Version, crashes: bool) {
        let Some(mood) = self.moods.get(place) else { return };
        let bit = 1 << (version.get() % 32);
        if crashes {
            mood.fetch_or(bit, Ordering::Relaxed);
        } else {
            mood.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    pub(crate) fn crashes(&self, place: usize, version: Version) -> bool {
        self.moods
            .get(place)
            .is_some_and(|mood| mood.load(Ordering::Relaxed) & (1 << (version.get() % 32)) != 0)
    }
}
