//! Stock clients beside versioned clients, at one address of one server, whose process is replaced
//! now and then: in one thread, under a virtual clock, out of one seed.
//!
//! ```text
//! cargo test -p ubf-proto --features classic --test mixed                        thirty seeds
//! UBF_SEEDS=100000 cargo test -p ubf-proto --features classic --release --test mixed  as many as that
//! UBF_SEED=1234 cargo test -p ubf-proto --features classic --test mixed          one
//! ```

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

mod ledger;
mod stock;
mod versioned;
mod world;

use std::panic;

use crate::world::{Summary, World};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn every_seed_keeps_the_promises_to_both_kinds_of_clients() {
    if let Some(seed) = number("UBF_SEED") {
        println!("seed {seed}: {:?}", World::new(seed).run());
        return;
    }
    let seeds = number("UBF_SEEDS").unwrap_or(if cfg!(debug_assertions) { 30 } else { 2_000 });
    let mut total = Summary::default();
    for seed in 0..seeds {
        match panic::catch_unwind(|| World::new(seed).run()) {
            Ok(summary) => total.add(&summary),
            Err(cause) => {
                eprintln!("seed {seed} breaks a promise: replay it with UBF_SEED={seed}");
                panic::resume_unwind(cause);
            }
        }
    }
    println!("{seeds} seeds: {total:?}");
    // A world in which nothing happens proves nothing.
    assert!(total.all().iter().all(|&count| count > seeds / 10), "{total:?}");
}
