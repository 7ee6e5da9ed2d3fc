//! The machine: what a controller does next.

use std::collections::VecDeque;
use std::time::Duration;

use crate::gates::Sample;
use crate::plan::Plan;
use crate::record::{Record, Stage};

/// Between two attempts at a node that cannot be reached on the way back, or forward when there is
/// no way back.
const AGAIN: Duration = Duration::from_secs(1);

/// What an operator wants of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Steering {
    /// No further step is taken; the one that is being taken is.
    Pause,
    /// It goes on.
    Resume,
    /// It goes back. Not any more when it is being finalized.
    Abort(String),
    /// Rows are written in the newest form. Not before all nodes are changed.
    Finalize,
}

/// What has happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The record of the last [`Output::Store`] is stored.
    Stored,
    /// Another controller has a higher epoch: this one ends, and does nothing more.
    Fenced,
    /// A node has the release, and ran this one before (a hash).
    Prepared {
        /// Its number.
        node: usize,
        /// What it ran, and runs.
        runs: String,
    },
    /// A step at a node is done.
    Done {
        /// Its number.
        node: usize,
    },
    /// A step at a node is not done, and why.
    Failed {
        /// Its number.
        node: usize,
        /// For people.
        why: String,
    },
    /// What was counted of the changed nodes and of the others since they were last looked at.
    Observed {
        /// Nodes that run the release.
        changed: Sample,
        /// The others.
        others: Sample,
    },
    /// An operator wants something.
    Steered(Steering),
    /// Time has passed.
    Tick,
}

/// What is to be done. Each may be done again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Store the record, if nobody has a higher epoch, and say [`Input::Stored`].
    Store(Box<Record>),
    /// Send the release to a node, and ask what it runs.
    Prepare {
        /// Its number.
        node: usize,
    },
    /// Make a node run the release that it has.
    Change {
        /// Its number.
        node: usize,
    },
    /// Make a node run what it ran before, and remove the release from it if that is another one:
    /// an order of a controller that was overtaken finds nothing to run then.
    Restore {
        /// Its number.
        node: usize,
        /// What it ran: a hash. `None`: it has not been asked, and runs it.
        runs: Option<String>,
    },
    /// Begin to count.
    Mark,
    /// Tell what was counted of the nodes before this number, and of the others.
    Observe {
        /// The number.
        until: usize,
    },
    /// Remove what the node ran before, then let it write its rows in the newest form.
    Finalize {
        /// Its number.
        node: usize,
    },
}

/// What the machine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// An operator, or nothing.
    Nobody,
    /// The record is being stored; its step comes after that.
    Store,
    /// A node does its step.
    Node(usize),
    /// The time is not over.
    Until(Duration),
    /// What was counted.
    Sample,
}

/// A rollout in the hands of one controller.
#[derive(Debug)]
pub struct Rollout {
    record: Record,
    waiting: Waiting,
    /// What an operator wants while a step is taken: it holds when that is over.
    wanted: VecDeque<Steering>,
    outputs: VecDeque<Output>,
    is_fenced: bool,
}

impl Rollout {
    /// Goes on with a rollout under the next epoch.
    #[must_use]
    pub fn new(mut record: Record) -> Self {
        record.epoch += 1;
        let (wanted, outputs) = (VecDeque::new(), VecDeque::new());
        let mut this = Self { record, waiting: Waiting::Nobody, wanted, outputs, is_fenced: false };
        this.store();
        this
    }

    /// How far it has come.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Whether this controller has nothing more to do with it.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_fenced || (self.record.is_over() && matches!(self.waiting, Waiting::Nobody))
    }

    /// Whether it waits for an operator.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.waiting, Waiting::Nobody)
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the machine wants to hear that time has passed.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Duration> {
        match self.waiting {
            Waiting::Until(at) => Some(at),
            Waiting::Nobody | Waiting::Store | Waiting::Node(_) | Waiting::Sample => None,
        }
    }

    /// Takes in what has happened.
    pub fn handle(&mut self, input: Input, now: Duration) {
        if self.is_fenced {
            return;
        }
        match input {
            Input::Fenced => {
                self.is_fenced = true;
                self.outputs.clear();
            }
            Input::Stored if self.waiting == Waiting::Store => self.step(now),
            Input::Prepared { node, runs } if self.waiting == Waiting::Node(node) => {
                self.record.before.truncate(node);
                self.record.before.push(runs);
                self.is_done(node);
            }
            Input::Done { node } if self.waiting == Waiting::Node(node) => self.is_done(node),
            Input::Failed { node, why } if self.waiting == Waiting::Node(node) => {
                self.has_failed(node, &why, now);
            }
            Input::Observed { changed, others } if self.waiting == Waiting::Sample => {
                self.judge(&changed, &others);
            }
            Input::Steered(steering) => self.steer(steering),
            Input::Tick => {
                if self.poll_timeout().is_some_and(|at| now >= at) {
                    self.time_is_over(now);
                }
            }
            // An answer to what is asked no more.
            Input::Stored
            | Input::Prepared { .. }
            | Input::Done { .. }
            | Input::Failed { .. }
            | Input::Observed { .. } => {}
        }
    }

    fn plan(&self) -> &Plan {
        &self.record.plan
    }

    /// The record is stored; what it says comes after that.
    fn store(&mut self) {
        self.waiting = Waiting::Store;
        self.outputs.push_back(Output::Store(Box::new(self.record.clone())));
        if mutant(Rule::StoresAfterwards) {
            self.outputs.pop_back();
            self.step(Duration::ZERO);
            self.outputs.push_back(Output::Store(Box::new(self.record.clone())));
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.record.stage = stage;
        self.obey_wishes();
        self.store();
    }

    /// Begins with what the record says.
    fn step(&mut self, now: Duration) {
        if self.obey_wishes() {
            return self.store();
        }
        self.waiting = Waiting::Nobody;
        if self.record.is_paused {
            return;
        }
        let (waiting, output) = match &self.record.stage {
            Stage::Planned => return self.enter(Stage::Preflight { node: 0 }),
            Stage::Done | Stage::RolledBack { .. } | Stage::CodeComplete => return,
            &Stage::Preflight { node } => (Waiting::Node(node), Output::Prepare { node }),
            &Stage::Changing { node } => (Waiting::Node(node), Output::Change { node }),
            Stage::Soaking { .. } => {
                let soak = Duration::from_millis(self.plan().soak_ms);
                (Waiting::Until(now + soak), Output::Mark)
            }
            &Stage::Finalizing { node } => (Waiting::Node(node), Output::Finalize { node }),
            Stage::RollingBack { left, why } => match left.first().copied() {
                Some(node) => {
                    let runs = self.record.before.get(node).cloned();
                    (Waiting::Node(node), Output::Restore { node, runs })
                }
                None => return self.enter(Stage::RolledBack { why: why.clone() }),
            },
        };
        self.waiting = waiting;
        self.outputs.push_back(output);
    }

    /// A step at a node is done.
    fn is_done(&mut self, node: usize) {
        let count = self.plan().nodes.len();
        let next = match self.record.stage.clone() {
            Stage::Preflight { .. } if node + 1 == count => Stage::Changing { node: 0 },
            Stage::Preflight { .. } => Stage::Preflight { node: node + 1 },
            Stage::Changing { .. } if node + 1 < self.plan().end_of_wave(node) => {
                Stage::Changing { node: node + 1 }
            }
            Stage::Changing { .. } => Stage::Soaking { until: node + 1 },
            Stage::Finalizing { .. } if node + 1 == count => Stage::Done,
            Stage::Finalizing { .. } => Stage::Finalizing { node: node + 1 },
            Stage::RollingBack { mut left, why } => {
                left.retain(|&other| other != node);
                if left.is_empty() {
                    Stage::RolledBack { why }
                } else {
                    Stage::RollingBack { left, why }
                }
            }
            stage @ (Stage::Planned
            | Stage::Soaking { .. }
            | Stage::CodeComplete
            | Stage::Done
            | Stage::RolledBack { .. }) => stage,
        };
        self.enter(next);
    }

    fn has_failed(&mut self, node: usize, why: &str, now: Duration) {
        if let Stage::RollingBack { left, .. } = &mut self.record.stage {
            // The others do not wait for it.
            left.rotate_left(1);
        }
        match self.record.stage {
            // There is one direction: it is tried until it is done.
            Stage::Finalizing { .. } | Stage::RollingBack { .. } => {
                self.waiting = Waiting::Until(now + AGAIN);
                if self.obey_wishes() {
                    self.store();
                }
            }
            Stage::Planned
            | Stage::Preflight { .. }
            | Stage::Changing { .. }
            | Stage::Soaking { .. }
            | Stage::CodeComplete
            | Stage::Done
            | Stage::RolledBack { .. } => {
                let name = self.plan().nodes.get(node).cloned().unwrap_or_default();
                self.go_back(format!("{name}: {why}"));
                self.store();
            }
        }
    }

    fn time_is_over(&mut self, now: Duration) {
        if let Stage::Soaking { until } = self.record.stage {
            self.waiting = Waiting::Sample;
            self.outputs.push_back(Output::Observe { until });
        } else {
            self.step(now);
        }
    }

    fn judge(&mut self, changed: &Sample, others: &Sample) {
        let Stage::Soaking { until } = self.record.stage else { return };
        let others = if others.nodes == 0 { &self.record.baseline } else { others };
        let judged = self.plan().gates.judge(changed, others);
        if self.record.baseline.nodes == 0 {
            self.record.baseline = *others;
        }
        match judged {
            Err(why) if !mutant(Rule::IgnoresGates) => {
                self.go_back(why);
                self.store();
            }
            Ok(()) | Err(_) if until == self.plan().nodes.len() => self.enter(Stage::CodeComplete),
            Ok(()) | Err(_) => self.enter(Stage::Changing { node: until }),
        }
    }

    fn steer(&mut self, steering: Steering) {
        // The same again changes nothing: one of each is waited for.
        if !self.wanted.contains(&steering) && self.wanted.len() < 4 {
            self.wanted.push_back(steering);
        }
        if matches!(self.waiting, Waiting::Nobody | Waiting::Until(_)) && self.obey_wishes() {
            self.store();
        }
    }

    /// Does what an operator wants between two steps. Whether the record has changed.
    fn obey_wishes(&mut self) -> bool {
        let before = (self.record.stage.clone(), self.record.is_paused);
        while let Some(steering) = self.wanted.pop_front() {
            match steering {
                Steering::Pause => self.record.is_paused = !self.record.is_over(),
                Steering::Resume => self.record.is_paused = false,
                Steering::Abort(why) => self.go_back(why),
                Steering::Finalize => {
                    let is_complete = self.record.stage == Stage::CodeComplete;
                    if is_complete || mutant(Rule::FinalizesEarly) {
                        self.record.stage = Stage::Finalizing { node: 0 };
                    }
                }
            }
        }
        before != (self.record.stage.clone(), self.record.is_paused)
    }

    /// Every node that may have been changed is to run what it ran before; those that have only
    /// been sent the release lose it.
    fn go_back(&mut self, why: String) {
        let count = self.plan().nodes.len();
        let end = match self.record.stage {
            Stage::Planned => return self.record.stage = Stage::RolledBack { why },
            Stage::Preflight { node } => node + 1,
            Stage::Changing { node } if mutant(Rule::ForgetsTheLastNode) => node,
            Stage::Changing { .. } | Stage::Soaking { .. } | Stage::CodeComplete => count,
            Stage::Finalizing { .. } if mutant(Rule::AbortsLate) => count,
            Stage::Finalizing { .. }
            | Stage::Done
            | Stage::RollingBack { .. }
            | Stage::RolledBack { .. } => return,
        };
        self.record.is_paused = false;
        // The canary first: it is what people suffer from.
        self.record.stage = Stage::RollingBack { left: (0..end).collect(), why };
    }
}

#[cfg(feature = "mutants")]
use crate::mutant::Mutant as Rule;

#[cfg(feature = "mutants")]
fn mutant(rule: Rule) -> bool {
    crate::mutant::is_on(rule)
}

/// Rules that only tests can leave out.
#[cfg(not(feature = "mutants"))]
enum Rule {
    StoresAfterwards,
    ForgetsTheLastNode,
    IgnoresGates,
    FinalizesEarly,
    AbortsLate,
}

#[cfg(not(feature = "mutants"))]
const fn mutant(_: Rule) -> bool {
    false
}
