//! A hundred nodes with mixed releases; controllers that die at any step, wake up late and do what
//! they had begun; machines that are away; operators who pause, abort and finalize at any moment.
//!
//! ```text
//! cargo test -p ubf-fleet --test it simulation                          300 seeds
//! UBF_SEEDS=10000 cargo test -p ubf-fleet --release --test it simulation
//! ```
//!
//! One seed is one run, and a failure names it.

use std::time::Duration;

use ubf_agent_core::Hash;
use ubf_fleet::mutant::{self, Mutant};
use ubf_fleet::{Input, Output, Plan, Record, Rollout, Sample, Stage, Steering};
use ubf_proto::Random;

const NODES: usize = 100;
const CANARY: usize = 2;
const WAVE: usize = 17;
const NEW: u32 = 35;
/// No run takes more turns.
const MAX_TURNS: u64 = 60_000;

#[derive(Clone, Debug, PartialEq)]
struct Node {
    runs: u32,
    /// The releases that are on its disk.
    has: Vec<u32>,
    /// The version in which its rows are written.
    writes: u32,
}

/// A controller, and what it is about to do at a node: it may die, and do it much later.
struct Controller {
    rollout: Rollout,
    doing: Option<Output>,
}

#[derive(Clone, Copy, PartialEq)]
enum Aborts {
    Never,
    Early,
    /// When it is being finalized: then nothing is taken back.
    Late,
}

struct World {
    seed: u64,
    random: Random,
    mutant: Option<Mutant>,
    now: Duration,
    nodes: Vec<Node>,
    before: Vec<Node>,
    stored: Record,
    controller: Option<Controller>,
    /// Orders of controllers that are dead: each may still reach its node.
    late: Vec<Output>,
    /// Whether the release is a bad one, which any sample shows.
    is_bad: bool,
    was_good: bool,
    is_calm: bool,
    faults: u32,
    /// One order of so many does not reach its machine, or its answer does not come back.
    away: u64,
    /// When operators take it back, if they do.
    aborts: Aborts,
    /// Whether anything has happened since it was checked.
    is_touched: bool,
}

/// One of so many.
fn pick(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.below(count as u64)).unwrap()
}

fn release(number: u32) -> String {
    Hash::of(&number.to_be_bytes()).to_string()
}

fn number_of(hash: &str) -> u32 {
    (32..=NEW).find(|&number| release(number) == hash).unwrap()
}

impl World {
    fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut random = Random::new(seed);
        // Some have older releases, and some have the new one already.
        let nodes: Vec<Node> = (0..NODES)
            .map(|_| {
                let runs = [34, 34, 34, 33, 33, NEW][pick(&mut random, 6)];
                Node { runs, has: vec![33, 34, runs], writes: 33 }
            })
            .collect();
        let names = (0..NODES).map(|node| node.to_string()).collect();
        let mut plan = Plan::new(Hash::of(&NEW.to_be_bytes()), names).unwrap();
        (plan.canary, plan.wave) = (CANARY, WAVE);
        let is_bad = random.below(3) == 0;
        let faults = 40 + u32::try_from(random.below(200)).unwrap();
        let (before, now, stored) = (nodes.clone(), Duration::ZERO, Record::new(plan));
        let (controller, late) = (None, Vec::new());
        let (was_good, is_calm) = (false, false);
        // What goes wrong with a node on the way forward takes all back: not in each run.
        let away = [40, 1_000_000, 1_000_000][pick(&mut random, 3)];
        let aborts = [Aborts::Never, Aborts::Early, Aborts::Late][pick(&mut random, 3)];
        Self {
            seed,
            random,
            mutant,
            now,
            nodes,
            before,
            stored,
            controller,
            late,
            is_bad,
            was_good,
            is_calm,
            faults,
            away,
            aborts,
            is_touched: false,
        }
    }

    fn is_one_of(&mut self, count: u64) -> bool {
        self.random.below(count) == 0
    }

    /// One thing happens.
    fn turn(&mut self) -> Result<(), String> {
        if self.faults == 0 {
            self.is_calm = true;
        }
        if !self.is_calm && self.is_one_of(20) {
            self.faults -= 1;
            self.fault()?;
        }
        let Some(mut controller) = self.controller.take() else {
            let (rollout, doing) = (Rollout::new(self.stored.clone()), None);
            self.controller = Some(Controller { rollout, doing });
            return Ok(());
        };
        if let Some(doing) = controller.doing.take() {
            let input = self.reach(&doing)?;
            controller.rollout.handle(input, self.now);
        } else if let Some(output) = controller.rollout.poll_output() {
            match output {
                Output::Store(record) => {
                    let input = self.store(*record);
                    controller.rollout.handle(input, self.now);
                }
                Output::Mark => {}
                Output::Observe { until } => {
                    let input = self.observe(until);
                    controller.rollout.handle(input, self.now);
                }
                other => controller.doing = Some(other),
            }
        } else {
            self.now += Duration::from_secs(1);
            controller.rollout.handle(Input::Tick, self.now);
        }
        self.controller = Some(controller);
        if std::mem::take(&mut self.is_touched) { self.check() } else { Ok(()) }
    }

    fn fault(&mut self) -> Result<(), String> {
        let is_late = matches!(self.stored.stage, Stage::Finalizing { .. });
        if self.aborts == Aborts::Late && is_late {
            self.steer(Steering::Abort("too late".into()));
            return Ok(());
        }
        match self.random.below(6) {
            // The controller dies. What it had begun may still be done.
            0 | 1 => {
                if let Some(controller) = self.controller.take() {
                    self.late.extend(controller.doing);
                }
            }
            2 if !self.late.is_empty() => {
                let place = pick(&mut self.random, self.late.len());
                let late = self.late.swap_remove(place);
                self.arrive(&late)?;
            }
            3 if self.aborts == Aborts::Early && self.is_one_of(4) => {
                self.steer(Steering::Abort("an operator".into()));
            }
            3 | 4 => self.steer(Steering::Pause),
            _ if self.is_one_of(3) => self.steer(Steering::Finalize),
            _ => self.steer(Steering::Resume),
        }
        Ok(())
    }

    fn steer(&mut self, steering: Steering) {
        if let Some(controller) = &mut self.controller {
            controller.rollout.handle(Input::Steered(steering), self.now);
        }
    }

    /// Compare-and-set of the epoch.
    fn store(&mut self, record: Record) -> Input {
        if record.epoch < self.stored.epoch {
            return Input::Fenced;
        }
        self.is_touched = true;
        self.stored = record;
        Input::Stored
    }

    fn observe(&mut self, until: usize) -> Input {
        let (mut changed, mut others) = (Sample::default(), Sample::default());
        (changed.nodes, others.nodes) = (until as u64, (NODES - until) as u64);
        (changed.calls, others.calls) = (changed.nodes * 1_000, others.nodes * 1_000);
        if self.is_bad {
            changed.crashes = 1;
        } else if until >= CANARY {
            self.was_good = true;
        }
        Input::Observed { changed, others }
    }

    /// An order of a controller that is dead.
    fn arrive(&mut self, late: &Output) -> Result<(), String> {
        // A release is sent in many pieces, and the epoch is looked at before each: a late one is
        // of a release that was dropped, which the agent does not have.
        if matches!(late, Output::Prepare { .. }) { Ok(()) } else { self.reach(late).map(drop) }
    }

    /// What a machine does that an order has reached.
    fn reach(&mut self, order: &Output) -> Result<Input, String> {
        let is_away = !self.is_calm && self.is_one_of(self.away);
        let (&node, input) = match order {
            Output::Prepare { node } => {
                let runs = release(self.nodes[*node].runs);
                (node, Input::Prepared { node: *node, runs })
            }
            Output::Change { node } | Output::Finalize { node } | Output::Restore { node, .. } => {
                (node, Input::Done { node: *node })
            }
            other => return Err(format!("{other:?} is nothing for a node")),
        };
        let failed = |why: &str| Ok(Input::Failed { node, why: why.into() });
        if is_away {
            // It may have been done, and not be heard.
            if self.random.below(2) == 0 {
                return failed("it is away");
            }
            self.act(order, node);
            return failed("no answer");
        }
        let is_done = self.act(order, node);
        if is_done { Ok(input) } else { failed("no such release") }
    }

    fn act(&mut self, order: &Output, number: usize) -> bool {
        self.is_touched = true;
        let node = &mut self.nodes[number];
        match order {
            Output::Prepare { .. } => node.has.push(NEW),
            Output::Change { .. } if node.has.contains(&NEW) => node.runs = NEW,
            Output::Change { .. } => return false,
            Output::Restore { runs, .. } => {
                let runs = runs.as_deref().map(number_of);
                if let Some(runs) = runs {
                    node.runs = runs;
                }
                // Dropped, but where it runs.
                if self.mutant != Some(Mutant::LeavesTheRelease) && node.runs != NEW {
                    node.has.retain(|&number| number != NEW);
                }
            }
            Output::Finalize { .. } => node.writes = node.runs,
            _ => {}
        }
        true
    }

    /// What holds at any moment.
    fn check(&self) -> Result<(), String> {
        let changed = |node: usize| self.nodes[node].runs != self.before[node].runs;
        for (number, node) in self.nodes.iter().enumerate() {
            if node.runs < node.writes {
                return Err(format!("node {number} cannot read its rows: {node:?}"));
            }
            if number >= CANARY && changed(number) && !self.was_good {
                return Err(format!("node {number} is changed before the canary has shown itself"));
            }
        }
        let is_any_finalized = self.nodes.iter().any(|node| node.writes > 33);
        if is_any_finalized && self.nodes.iter().any(|node| node.runs < NEW) {
            return Err("rows are finalized that a node of the fleet cannot read".into());
        }
        // A step that is stored is the only one that is taken.
        let reach = match &self.stored.stage {
            Stage::Planned | Stage::Preflight { .. } => 0,
            Stage::Changing { node } => node + 1,
            _ => NODES,
        };
        match (reach..NODES).find(|&node| changed(node)) {
            Some(node) => Err(format!("node {node} is changed, and that is written nowhere")),
            None => Ok(()),
        }
    }

    /// In the end.
    fn check_end(&self) -> Result<(), String> {
        match &self.stored.stage {
            Stage::Done => {
                let is_new = |node: &Node| node.runs == NEW && node.writes == NEW;
                let all = self.nodes.iter().all(is_new);
                if all && !self.is_bad { Ok(()) } else { Err("it is done, and is not".into()) }
            }
            Stage::RolledBack { .. } => {
                for (number, (node, before)) in self.nodes.iter().zip(&self.before).enumerate() {
                    let had = |node: &Node| node.has.contains(&NEW);
                    let is_same = (node.runs, node.writes) == (before.runs, before.writes);
                    if !is_same || (had(node) && !had(before)) {
                        return Err(format!("node {number} is {node:?}, and was {before:?}"));
                    }
                }
                Ok(())
            }
            other => Err(format!("it has come to {other:?}, and no further")),
        }
    }

    fn run(mut self) -> Result<Stage, String> {
        let mut ended = self.go_on();
        if ended.is_ok() {
            // What was on its way for so long arrives.
            for late in std::mem::take(&mut self.late) {
                ended = ended.and(self.arrive(&late)).and(self.check());
            }
        }
        let seed = self.seed;
        ended
            .and_then(|()| self.check_end())
            .map_err(|why| format!("seed {seed}: {why}"))
            .map(|()| self.stored.stage)
    }

    fn go_on(&mut self) -> Result<(), String> {
        for _ in 0..MAX_TURNS {
            self.turn()?;
            let Some(controller) = &self.controller else { continue };
            if controller.rollout.is_over() && self.stored.is_over() {
                return Ok(());
            }
            // Operators see that nothing moves.
            let is_waiting = controller.rollout.is_idle() && controller.doing.is_none();
            if self.is_calm && is_waiting {
                self.steer(Steering::Resume);
                self.steer(Steering::Finalize);
            }
        }
        Err(format!("it does not end: {:?}", self.stored.stage))
    }
}

fn seeds() -> u64 {
    std::env::var("UBF_SEEDS").map_or(300, |text| text.parse().unwrap())
}

#[test]
fn a_hundred_nodes_come_through_every_rollout_or_are_as_if_there_had_been_none() {
    let (mut done, mut back) = (0, 0);
    for seed in 0..seeds() {
        match World::new(seed, None).run() {
            Ok(Stage::Done) => done += 1,
            Ok(_) => back += 1,
            Err(why) => panic!("{why}"),
        }
    }
    assert!(done * 10 > seeds() && back * 10 > seeds(), "{done} done, {back} taken back");
}

#[test]
fn an_abort_at_any_step_equals_no_rollout() {
    // Each step, where there is time; else every fifth.
    let stride = if seeds() > 300 { 1 } else { 5 };
    for step in (0..2 * NODES as u64 + 20).step_by(stride) {
        let mut world = World::new(7, None);
        (world.is_bad, world.is_calm) = (false, true);
        for _ in 0..=step * 3 {
            world.turn().unwrap();
            if world.stored.stage == Stage::CodeComplete {
                break;
            }
        }
        world.steer(Steering::Abort("an operator".into()));
        // It is not finalized by whoever sees that nothing moves.
        let stage = world.run().unwrap_or_else(|why| panic!("step {step}: {why}"));
        assert!(matches!(stage, Stage::RolledBack { .. }), "step {step}: {stage:?}");
    }
}

#[test]
fn each_rule_is_missed_where_it_is_left_out() {
    for rule in Mutant::ALL {
        mutant::set(Some(rule));
        let found = (0..300).find_map(|seed| World::new(seed, Some(rule)).run().err());
        mutant::set(None);
        assert!(found.is_some(), "nothing goes wrong without {rule:?}");
    }
}
