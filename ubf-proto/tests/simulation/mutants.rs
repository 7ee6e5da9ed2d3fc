//! Rules that are taken away one at a time: the simulation must find out.
//!
//! ```text
//! cargo test -p ubf-proto --release --features mutants --test simulation mutant -- --nocapture
//! ```

use std::panic;

use ubf_proto::mutant::{self, Mutant};

use crate::world::World;

/// Seeds after which a mutant counts as not found.
const MAX_SEEDS: u64 = 20_000;

/// The first seed that breaks a promise, and which one.
fn first_failure(run: impl Fn(u64) + panic::RefUnwindSafe) -> Option<(u64, String)> {
    (0..MAX_SEEDS).find_map(|seed| {
        let cause = panic::catch_unwind(|| run(seed)).err()?;
        let cause = match cause.downcast::<String>() {
            Ok(text) => *text,
            Err(cause) => cause.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
        };
        Some((seed, cause))
    })
}

fn find(mutant: Mutant) {
    let run = |seed| {
        mutant::with(mutant, || World::new(seed, false).run());
    };
    report(&format!("{mutant:?}"), first_failure(run));
}

fn report(name: &str, found: Option<(u64, String)>) {
    let Some((seed, cause)) = found else { panic!("{name}: not found by {MAX_SEEDS} seeds") };
    println!("{name}: found by seed {seed}: {cause}");
}

macro_rules! mutants {
    ($($name:ident: $mutant:ident,)*) => {
        $(
            #[test]
            fn $name() {
                find(Mutant::$mutant);
            }
        )*
    };
}

mutants! {
    mutant_repeats_too_early: RepeatsTooEarly,
    mutant_repeats_too_late: RepeatsTooLate,
    mutant_refusals_without_number: RefusalsWithoutNumber,
    mutant_kept_refusals_without_k: KeptRefusalsWithoutK,
    mutant_kept_refusals_for_the_first_due: KeptRefusalsForTheFirstDue,
    mutant_no_turn: NoTurn,
    mutant_id_opened_twice: IdOpenedTwice,
    mutant_pending_stops_reading: PendingStopsReading,
    mutant_seen_only_at_rest: SeenOnlyAtRest,
    mutant_kept_next_ip: KeptNextIp,
    mutant_kept_from_opening: KeptFromOpening,
    mutant_optimistic_resume: OptimisticResume,
}

#[test]
fn mutant_old_connection_read() {
    let run = |seed| {
        World::new(seed, false).with_old_connections_read().run();
    };
    report("OldConnectionRead", first_failure(run));
}
