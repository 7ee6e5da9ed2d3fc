//! Whole clusters in one thread, under a virtual clock, out of one seed.
//!
//! ```text
//! cargo test -p ubf-proto --release --test simulation                                10,000 seeds
//! UBF_SEEDS=100000 cargo test -p ubf-proto --release --test simulation               as many as that
//! UBF_FROM=100000 UBF_SEEDS=200000 cargo test -p ubf-proto --release --test simulation   and these
//! UBF_SEED=1234 cargo test -p ubf-proto --test simulation -- --nocapture             one, with its log
//! ```
//! A failure names its seed. Without optimisation 300 seeds are run.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

mod model;
#[cfg(feature = "mutants")]
mod mutants;
mod world;

use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::world::World;

/// After so many seeds a long run tells how far it is.
const TOLD_AFTER: u64 = 50_000;
/// After so many the rest is not tried.
const MAX_FAILURES: usize = 10;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn every_seed_keeps_the_promises() {
    if let Some(seed) = number("UBF_SEED") {
        let summary = World::new(seed, true).run();
        println!("seed {seed}: {summary:?}");
        return;
    }
    let seeds = number("UBF_SEEDS").unwrap_or(if cfg!(debug_assertions) { 300 } else { 10_000 });
    let first = number("UBF_FROM").unwrap_or(0);
    assert!(first < seeds, "UBF_FROM is below UBF_SEEDS");
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let start = Instant::now();
    let work = || {
        let mut total = world::Summary::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return total;
            }
            if seed > first && seed.is_multiple_of(TOLD_AFTER) {
                eprintln!("seed {seed} after {} s", start.elapsed().as_secs());
            }
            match panic::catch_unwind(|| World::new(seed, false).run()) {
                Ok(summary) => total.add(&summary),
                Err(_) => {
                    eprintln!("seed {seed} breaks a promise: replay it with UBF_SEED={seed}");
                    failures.lock().unwrap().push(seed);
                    if failures.lock().unwrap().len() > MAX_FAILURES {
                        return total;
                    }
                }
            }
        }
    };
    let mut total = world::Summary::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(summary) => total.add(&summary),
                Err(cause) => panic::resume_unwind(cause),
            }
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "promises are broken in {failures:?}");
    println!("seeds {first} to {}: {total:?}", seeds - 1);
    let seeds = seeds - first;
    // A world in which nothing happens proves nothing.
    let seen = [
        total.ok,
        total.indeterminate,
        total.refused,
        total.fallbacks,
        total.moves,
        total.losses,
        total.failed,
        total.sessions,
        total.resumes,
        total.repeats,
        total.overtaken,
        total.unknown,
        total.heard,
        total.cordoned,
        total.moved_one,
    ];
    assert!(total.missed > 0 && total.crowded > 0, "{total:?}");
    assert!(seen.iter().all(|&count| count > seeds / 50), "{total:?}");
}

#[test]
fn a_seed_is_one_world() {
    let run = || format!("{:?}", World::new(7, false).run());
    assert_eq!(run(), run());
}
