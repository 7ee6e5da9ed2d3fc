//! Every interleaving of the machines at small sizes: what may go wrong is looked for breadth
//! first, so that the first way there is a shortest one.
//!
//! A world is machines, what is on its way between them, and a budget of faults. The machines are
//! the real ones. Worlds are told apart by a hash of their form, which leaves statistics out.

mod durable;
mod fleet;
mod handoff;
mod takeover;
mod versions;

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::string::String;
use std::vec::Vec;
use std::{eprintln, format};

/// Whether a step must be taken at some time, or is a fault that may never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    Happen,
    NotHappen,
}

/// A step that a world can take: what it is, and the world after it.
pub(crate) type Steps<W> = Vec<(Must, String, W)>;

/// A state of everything.
pub(crate) trait World: Clone {
    /// What decides all that can come.
    fn form(&self) -> impl Hash;

    /// All steps that can be taken.
    fn steps(&self) -> Steps<Self>;

    /// What is wrong with this state.
    fn wrong(&self) -> Option<String>;

    /// Whether this is where things must come to: from every state there is a way to such a one on
    /// which no fault comes.
    fn is_well(&self) -> bool;
}

/// What a search has come to.
#[derive(Debug)]
pub(crate) struct Found {
    /// What is wrong, and the shortest way to it.
    pub(crate) wrong: Option<(String, Vec<String>)>,
    /// How many states were seen.
    pub(crate) states: usize,
}

impl Found {
    /// Asserts that nothing is wrong, and tells how many states that are.
    pub(crate) fn holds(self, name: &str) {
        if let Some((why, trace)) = &self.wrong {
            let steps: String =
                trace.iter().enumerate().map(|(i, step)| format!("\n{:4} {step}", i + 1)).collect();
            panic!("{name}: {why}, of {} states:{steps}", self.states);
        }
        eprintln!("{name}: holds in all of {} states", self.states);
    }
}

/// The most states of one search: more would not fit into memory.
const MAX_STATES: usize = 4_000_000;

fn hash(form: &impl Hash) -> (u64, u64) {
    let seeded = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        form.hash(&mut hasher);
        hasher.finish()
    };
    (seeded(1), seeded(2))
}

/// The states that were seen, each with the step that led to it first.
#[derive(Default)]
struct Seen {
    places: HashMap<(u64, u64), usize>,
    parents: Vec<(usize, String)>,
    /// From one state to another without a fault.
    edges: Vec<(usize, usize)>,
    well: Vec<bool>,
}

impl Seen {
    /// The place of a state, and whether it is seen for the first time.
    fn add<W: World>(&mut self, world: &W, parent: usize, label: String) -> (usize, bool) {
        let place = self.parents.len();
        let known = *self.places.entry(hash(&world.form())).or_insert(place);
        if known == place {
            assert!(place < MAX_STATES, "the world is too large to be searched");
            self.parents.push((parent, label));
            self.well.push(world.is_well());
        }
        (known, known == place)
    }

    fn found(self, wrong: Option<(String, usize)>) -> Found {
        let states = self.parents.len();
        let wrong = wrong.map(|(why, mut at)| {
            let mut steps = Vec::new();
            while at > 0 {
                let (parent, label) = &self.parents[at];
                steps.push(label.clone());
                at = *parent;
            }
            steps.reverse();
            (why, steps)
        });
        Found { wrong, states }
    }

    /// The first state from which no way without a fault leads to where things must come to.
    fn stuck(&self) -> Option<usize> {
        let mut before = std::vec![Vec::new(); self.parents.len()];
        for &(from, to) in &self.edges {
            before[to].push(from);
        }
        let mut reaches = self.well.clone();
        let mut todo: Vec<usize> = (0..reaches.len()).filter(|&at| reaches[at]).collect();
        while let Some(at) = todo.pop() {
            for &from in &before[at] {
                if !reaches[from] {
                    reaches[from] = true;
                    todo.push(from);
                }
            }
        }
        reaches.iter().position(|reaches| !reaches)
    }
}

/// Looks at every state that can be reached.
pub(crate) fn explore<W: World>(start: W) -> Found {
    let mut seen = Seen::default();
    seen.add(&start, 0, String::new());
    let mut todo = VecDeque::from([(0, start)]);
    while let Some((at, world)) = todo.pop_front() {
        if let Some(why) = world.wrong() {
            return seen.found(Some((why, at)));
        }
        for (must, label, next) in world.steps() {
            let (place, is_first) = seen.add(&next, at, label);
            if must == Must::Happen {
                seen.edges.push((at, place));
            }
            if is_first {
                todo.push_back((place, next));
            }
        }
    }
    let stuck = seen.stuck().map(|at| (String::from("nothing good can come any more"), at));
    seen.found(stuck)
}

/// Whether searches of minutes are run, too: with `UBF_LONG` in the environment.
pub(crate) fn is_long() -> bool {
    std::env::var_os("UBF_LONG").is_some()
}
