//! Everything that can happen in a small world: one client, one or two servers, a window of two
//! messages, and a few losses, in every order, breadth first, over the real machines.
//!
//! The machines cannot be copied, so that each state is made anew from the steps that lead to it.
//! Two states are one if all that they show of themselves is the same, without statistics, and with
//! times told from now on.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

mod world;

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use self::world::{Mutant, Plan, Step, World};

/// What a search has come to.
struct Found {
    states: usize,
    /// A promise that is broken, and the steps to it.
    fault: Option<(String, Vec<Step>)>,
}

fn replay(plan: Plan, path: &[u8]) -> World {
    let mut world = World::new(plan);
    for &choice in path {
        let step = world.steps()[usize::from(choice)];
        world.take(step);
    }
    world
}

fn steps_of(plan: Plan, path: &[u8]) -> Vec<Step> {
    let mut world = World::new(plan);
    let take = |&choice: &u8| {
        let step = world.steps()[usize::from(choice)];
        world.take(step);
        step
    };
    path.iter().map(take).collect()
}

fn search(plan: Plan, max_states: usize) -> Found {
    let mut known = HashSet::new();
    let mut queue = VecDeque::from([Vec::new()]);
    while let Some(path) = queue.pop_front() {
        let mut world = replay(plan, &path);
        let steps = world.steps();
        if steps.is_empty() {
            world.check_end();
            if let Some(fault) = world.fault {
                return Found { states: known.len(), fault: Some((fault, steps_of(plan, &path))) };
            }
            continue;
        }
        let mut parent = Some(world);
        for (choice, &step) in steps.iter().enumerate() {
            let is_last = choice + 1 == steps.len();
            // The state that was made to look at it is of use for one of those behind it.
            let mut world = match parent.take_if(|_| is_last) {
                Some(parent) => parent,
                None => replay(plan, &path),
            };
            world.take(step);
            let mut path = path.clone();
            path.push(choice as u8);
            if let Some(fault) = world.fault {
                return Found { states: known.len(), fault: Some((fault, steps_of(plan, &path))) };
            }
            let mut hasher = DefaultHasher::new();
            world.form().hash(&mut hasher);
            if known.insert(hasher.finish()) {
                queue.push_back(path);
            }
        }
        if known.len() >= max_states {
            break;
        }
    }
    Found { states: known.len(), fault: None }
}

const CALM: Plan = Plan {
    messages: "cc",
    servers: 1,
    losses: 1,
    crashes: 0,
    withdrawals: 0,
    restores: 0,
    events: 0,
    mutant: None,
};

/// A search ends after so many states, and says so. Without optimisation it is a twentieth as fast,
/// and goes a part of the way.
const MANY: usize = if cfg!(debug_assertions) { 200 } else { 40_000 };
/// With `UBF_LONG`. Chosen: an hour or two for all of them.
const LONG: usize = 5_000_000;

fn holds(name: &str, plan: Plan) {
    let start = std::time::Instant::now();
    let max = if std::env::var_os("UBF_LONG").is_some() { LONG } else { MANY };
    let found = search(plan, max);
    let part = if found.states < max { "all" } else { "the first" };
    println!("{name}: {part} {} states, {:?}", found.states, start.elapsed());
    assert!(found.fault.is_none(), "{name}: {:#?}", found.fault);
}

#[test]
fn no_loss_costs_a_call() {
    holds("cc, a loss", CALM);
}

#[test]
fn no_two_losses_cost_a_call() {
    holds("cec, two losses", Plan { messages: "cec", losses: 2, ..CALM });
}

#[test]
fn no_loss_costs_an_event_of_the_server() {
    holds("c, a loss, two events", Plan { messages: "c", events: 2, ..CALM });
}

#[test]
fn no_loss_costs_a_call_where_two_servers_are_asked() {
    holds("cc, two servers", Plan { servers: 2, ..CALM });
}

#[test]
fn three_messages_find_their_way_between_two_servers() {
    holds("cec, two servers", Plan { messages: "cec", servers: 2, ..CALM });
}

#[test]
fn no_refusal_costs_a_call_or_its_order() {
    holds("ec, a withdrawal", Plan { messages: "ec", withdrawals: 1, ..CALM });
}

#[test]
fn no_version_that_comes_back_costs_the_order() {
    holds("cc, withdrawn and back", Plan { withdrawals: 1, restores: 1, ..CALM });
}

#[test]
fn a_server_that_forgets_everything_executes_nothing_twice() {
    holds("cc, a crash", Plan { losses: 0, crashes: 1, ..CALM });
}

/// Mutants are found within so many states.
const FEW: usize = 150_000;

fn finds(name: &str, plan: Plan) {
    let found = search(plan, FEW);
    let (fault, steps) = found.fault.unwrap_or_else(|| panic!("{name} was not found"));
    println!("{name}: found after {} states by {} steps: {fault}", found.states, steps.len());
}

#[test]
fn an_old_connection_that_is_read_is_found() {
    finds("OldConnectionRead", Plan { mutant: Some(Mutant::OldConnectionRead), ..CALM });
}

#[cfg(feature = "mutants")]
#[test]
fn each_mutant_is_found() {
    use ubf_proto::mutant::{Mutant, with};

    let two_losses = Plan { losses: 2, ..CALM };
    let refused = Plan { messages: "ec", withdrawals: 1, ..CALM };
    let back = Plan { withdrawals: 1, restores: 1, ..CALM };
    for (mutant, plan) in [
        (Mutant::RepeatsTooEarly, CALM),
        (Mutant::RepeatsTooLate, CALM),
        (Mutant::OptimisticResume, Plan { messages: "ccc", ..CALM }),
        (Mutant::RefusalsWithoutNumber, refused),
        (Mutant::KeptRefusalsWithoutK, refused),
        (Mutant::KeptRefusalsForTheFirstDue, refused),
        (Mutant::NoBarrier, back),
        (Mutant::NoTurn, two_losses),
    ] {
        with(mutant, || finds(&format!("{mutant:?}"), plan));
    }
}
