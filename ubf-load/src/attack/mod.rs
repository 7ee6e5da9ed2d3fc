//! Attacks on a server: each tries to crash, hang or bloat it, and a well-behaved client beside it
//! tells what others notice.
//!
//! ```text
//! for each attack:  begin to watch ─> attack, and let go of every connection ─> a new client is served? ─> verdict
//! all the while:    a bystander calls and measures; /proc is looked at
//! ```

mod bystander;
mod certificates;
mod control;
mod crowd;
mod endless;
mod error;
mod finding;
mod foreign;
mod forger;
mod handshakes;
mod list;
mod pipeline;
mod sessions;
mod slow;
mod stock;
mod target;
mod verdict;
mod versions;
mod wire;

pub use self::error::AttackError;
pub use self::finding::bytes_in_words;
pub use self::list::{ATTACKS, Attack, AttackKind};
pub use self::target::{Target, TargetTls};
pub use self::verdict::{Latency, Verdict};

use std::time::{Duration, Instant};

use self::bystander::Bystander;
use self::finding::Finding;
use self::wire::Wire;
use crate::process::Watch;

/// How long the bystander is looked at before the first attack.
const BASELINE: Duration = Duration::from_millis(500);
/// How long it is looked at in each attack, at least.
const MIN_WATCH: Duration = Duration::from_millis(50);

/// What is wrong, beside what attacks themselves find.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Bounds {
    /// The longest call of a bystander.
    pub max_latency: Duration,
    /// The most bytes by which the process may grow in one attack.
    pub max_growth: u64,
    /// The process to watch. `None`: none.
    pub pid: Option<u32>,
}

impl Default for Bounds {
    /// A second, 256 MiB, and no process.
    fn default() -> Self {
        Self { max_latency: Duration::from_secs(1), max_growth: 256 << 20, pid: None }
    }
}

/// Attacks, one after the other, and hands each verdict on; ends early when the server takes no
/// connections any longer, or when `tell` fails.
///
/// Runs on tokio, and has a thread of its own for the bystander.
///
/// # Errors
/// The server cannot be attacked, or what `tell` says.
pub async fn run<E: From<AttackError>>(
    mut target: Target,
    attacks: &[&Attack],
    bounds: Bounds,
    mut tell: impl FnMut(Verdict) -> Result<(), E>,
) -> Result<(), E> {
    let watch = match bounds.pid {
        Some(pid) => Some(Watch::start(pid).map_err(|source| AttackError::Watch { pid, source })?),
        None => None,
    };
    target.versions = versions::ask_versions(&target).await?;
    let bystander = Bystander::start(target.clone());
    tokio::time::sleep(BASELINE).await;
    let (before, faults) = bystander.take();
    if let Some(fault) = faults.into_iter().next() {
        return Err(AttackError::NotServed { fault }.into());
    }
    for attack in attacks {
        let verdict = one(&target, attack, bounds, &bystander, before, watch.as_ref()).await;
        let is_gone = !verdict.held && Wire::open(&target).await.is_err();
        tell(verdict)?;
        if is_gone {
            break;
        }
    }
    Ok(())
}

async fn one(
    target: &Target,
    attack: &Attack,
    bounds: Bounds,
    bystander: &Bystander,
    before: Latency,
    watch: Option<&Watch>,
) -> Verdict {
    let look = watch.map(Watch::begin);
    // What it noticed of the attack before is told already.
    drop(bystander.take());
    let start = Instant::now();
    let mut finding = (attack.run)(target).await;
    let took = start.elapsed();
    tokio::time::sleep(MIN_WATCH.saturating_sub(took)).await;
    let newcomer = newcomer(target, bounds.max_latency).await;
    let (meanwhile, noticed) = bystander.take();
    finding.faults.extend(newcomer);
    finding.faults.extend(noticed);
    let is_slow = meanwhile.max > bounds.max_latency;
    let slow = format!("a call beside it took {:.0} ms", meanwhile.max.as_secs_f64() * 1e3);
    let Finding { saw, mut faults } = finding.but(is_slow, slow);
    let process = match (watch, look) {
        (Some(watch), Some(Ok(look))) => watch.end(look, target.max_wait).await.map(Some),
        (_, Some(Err(error))) => Err(error),
        (_, None) | (None, _) => Ok(None),
    };
    // What an attack can do at worst.
    let process = process.unwrap_or_else(|error| {
        faults.push(format!("the process is gone: {error}"));
        None
    });
    if let Some(usage) = &process {
        if usage.growth() > bounds.max_growth {
            faults.push(format!("the process grew by {}", bytes_in_words(usage.growth())));
        }
        if usage.descriptors_after > usage.descriptors_before {
            let left = usage.descriptors_after - usage.descriptors_before;
            faults.push(format!("{left} descriptors are left open"));
        }
    }
    Verdict {
        name: attack.name,
        rule: attack.rule,
        held: faults.is_empty(),
        did: attack.about,
        saw,
        faults,
        took,
        before,
        meanwhile,
        process,
    }
}

/// Whether somebody new is served.
async fn newcomer(target: &Target, max_latency: Duration) -> Option<String> {
    let start = Instant::now();
    let mut wire = match Wire::greet(target).await {
        Ok(wire) => wire,
        Err(heard) => return Some(format!("a new client is not served: {heard}")),
    };
    wire.send(&target.call()).await;
    let heard = wire.hear(target.max_wait).await;
    if heard.version() != Some(target.version()) {
        return Some(format!("a new client has no answer: {}", heard.text()));
    }
    let took = start.elapsed();
    (took > max_latency)
        .then(|| format!("a new client is served after {:.0} ms", took.as_secs_f64() * 1e3))
}
