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
        let steps = replay(plan, &path).steps();
        if steps.is_empty() {
            let mut world = replay(plan, &path);
            world.check_end();
            if let Some(fault) = world.fault {
                return Found { states: known.len(), fault: Some((fault, steps_of(plan, &path))) };
            }
        }
        for choice in 0..steps.len() as u8 {
            let mut path = path.clone();
            path.push(choice);
            let world = replay(plan, &path);
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

const CALM: Plan =
    Plan { messages: "cc", servers: 1, losses: 1, crashes: 0, withdrawals: 0, mutant: None };

/// Searches of so many states are made in the tests. A search without optimisation is a twentieth as
/// fast, and goes a part of the way.
const MANY: usize = if cfg!(debug_assertions) { 300 } else { 25_000 };
/// Mutants are found within fewer.
const FEW: usize = 2_000;

fn holds(name: &str, plan: Plan) {
    let start = std::time::Instant::now();
    let found = search(plan, MANY);
    let part = if found.states < MANY { "all" } else { "the first" };
    println!("{name}: {part} {} states, {:?}", found.states, start.elapsed());
    assert!(found.fault.is_none(), "{name}: {:#?}", found.fault);
}

#[test]
fn no_loss_costs_a_call() {
    holds("cc, a loss", CALM);
    holds("cec, two losses", Plan { messages: "cec", losses: 2, ..CALM });
}

#[test]
fn no_loss_costs_a_call_where_two_servers_are_asked() {
    holds("cc, two servers", Plan { servers: 2, ..CALM });
}

#[test]
fn no_refusal_costs_a_call_or_its_order() {
    holds("ec, a withdrawal", Plan { messages: "ec", withdrawals: 1, ..CALM });
}

#[test]
fn a_server_that_forgets_everything_executes_nothing_twice() {
    holds("cc, a crash", Plan { losses: 0, crashes: 1, ..CALM });
}

#[test]
fn each_mutant_is_found() {
    for mutant in [Mutant::RepeatsTooEarly, Mutant::RepeatsTooLate, Mutant::OldConnectionRead] {
        let found = search(Plan { mutant: Some(mutant), ..CALM }, FEW);
        let (fault, steps) = found.fault.unwrap_or_else(|| panic!("{mutant:?} was not found"));
        let (states, steps) = (found.states, steps.len());
        println!("{mutant:?}: found after {states} states by {steps} steps: {fault}");
    }
}
