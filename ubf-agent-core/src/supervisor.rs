//! The supervision of one node, as data in and data out: nothing here starts or kills a process.
//!
//! ```text
//!           start            says that it serves
//!  idle ───────────▶ starting ───────────────▶ running ──── switch ───▶ switching
//!   ▲ ▲                 │ dies                  │   ▲ dies               │    │
//!   │ └── not started ──┘             waiting ◀─┘   └── one of the two ──┘    │
//!   │                                    └── again, or the former one         │
//!   └──────────── stopping ◀──── stop ── running                both ────────▶ waiting
//! ```

use std::time::Duration;

use crate::release::Hash;
use crate::words::{Phase, Refusal, Reply};

/// Two deaths within this time, and the former release is started (F1).
const TWICE_WITHIN: Duration = Duration::from_secs(10);
/// Who lives for less is started again later and later. Chosen.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// When a process that was killed is killed again.
const KILL_TIME: Duration = Duration::from_secs(5);

/// Time since a moment that does not matter.
pub type Now = Duration;
/// Whom an answer is for.
pub type Ticket = u64;
/// An order's answer.
pub type Answer = Result<Reply, (Refusal, String)>;

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the start of a process until it says that it serves.
    pub start: Duration,
    /// From the start of a successor until it says that it serves, and from there to the end of its
    /// predecessor.
    pub switch: Duration,
    /// From the word to end until it is killed.
    pub stop: Duration,
}

/// A process: its number, and when it began, in the system's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The number.
    pub pid: u32,
    /// The time. Another process that gets the same number has another one.
    pub began: u64,
}

/// A process that runs a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it runs.
    pub release: Hash,
    /// What runs it.
    pub process: Process,
}

/// What a controller wants of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// This release runs where nothing runs.
    Start(Hash),
    /// This release takes over.
    Switch(Hash),
    /// Nothing runs.
    Stop,
}

/// What has happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A controller wants something.
    Order(Ticket, Order),
    /// What was to be launched is a process.
    Launched(Process),
    /// It is none, and why.
    NotLaunched(String),
    /// The process of this number says that it serves.
    Ready(u32),
    /// A process has ended, and how.
    Ended(Process, String),
    /// Time has passed.
    Tick,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Start a process, and tell at once what came of it. As a successor, it is to take over.
    Launch {
        /// What it runs.
        release: Hash,
        /// Whether it takes over from another one.
        takes_over: bool,
    },
    /// Tell a process to end.
    Terminate(Process),
    /// Kill it.
    Kill(Process),
    /// Store what a new agent must know ([`Kept`]), before anything that follows.
    Keep,
    /// Answer whoever asked.
    Answer(Ticket, Answer),
}

/// What outlives the agent. Which processes run, the shell finds by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Whether a node should run.
    pub is_wanted: bool,
    /// The release that runs, or would.
    pub current: Option<Hash>,
    /// The one before.
    pub former: Option<Hash>,
}

#[derive(Clone, Debug)]
enum State {
    Idle,
    Waiting { until: Now },
    Launching { release: Hash, old: Option<Node>, ticket: Option<Ticket> },
    Starting { node: Node, until: Now, ticket: Option<Ticket> },
    Running { node: Node },
    Switching { old: Node, new: Node, until: Now, is_ready: bool, ticket: Option<Ticket> },
    Stopping { node: Node, until: Now, ticket: Option<Ticket> },
}

/// The machine.
#[derive(Debug)]
pub struct Supervisor {
    times: Times,
    kept: Kept,
    state: State,
    outputs: std::collections::VecDeque<Output>,
    launched: Now,
    last_death: Option<Now>,
    /// Starts, one after the other, of which nothing came for long.
    failures: u32,
    starts: u64,
    deaths: u64,
    last: Option<String>,
}

impl Supervisor {
    /// An agent begins, with what one before it has kept, and the processes of it that live, those
    /// that began first in front.
    #[must_use]
    pub fn new(times: Times, kept: Kept, living: &[Node], now: Now) -> Self {
        let mut this = Self {
            times,
            kept,
            state: State::Idle,
            outputs: std::collections::VecDeque::new(),
            launched: now,
            last_death: None,
            failures: 0,
            starts: 0,
            deaths: 0,
            last: None,
        };
        match *living {
            [] => match kept.current {
                Some(release) if kept.is_wanted => this.launch(release, None, None, now),
                _ => {}
            },
            // A start that nobody has seen come up, or a stop, ends in nothing.
            [node] if !kept.is_wanted => this.stop(node, None, now),
            [node] => this.serves(node, None),
            [.., old, new] => {
                let until = now + times.switch;
                this.state = State::Switching { old, new, until, is_ready: false, ticket: None };
            }
        }
        this
    }

    /// Takes in what has happened.
    pub fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Order(ticket, order) => self.order(ticket, order, now),
            Input::Launched(process) => self.is_launched(process, now),
            Input::NotLaunched(why) => self.is_not_launched(why, now),
            Input::Ready(pid) => self.is_ready(pid, now),
            Input::Ended(process, how) => self.has_ended(process, &how, now),
            Input::Tick => self.tick(now),
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the machine wants to hear that time has passed.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Now> {
        match self.state {
            State::Idle | State::Launching { .. } | State::Running { .. } => None,
            State::Waiting { until }
            | State::Starting { until, .. }
            | State::Switching { until, .. }
            | State::Stopping { until, .. } => Some(until),
        }
    }

    /// What the agent is about, and the process that serves.
    #[must_use]
    pub const fn phase(&self) -> (Phase, Option<Process>) {
        match &self.state {
            State::Idle => (Phase::Idle, None),
            State::Waiting { .. } => (Phase::Waiting, None),
            State::Launching { .. } => (Phase::Starting, None),
            State::Starting { node, .. } => (Phase::Starting, Some(node.process)),
            State::Running { node } => (Phase::Running, Some(node.process)),
            State::Switching { old, .. } => (Phase::Switching, Some(old.process)),
            State::Stopping { node, .. } => (Phase::Stopping, Some(node.process)),
        }
    }

    /// What a new agent must know.
    #[must_use]
    pub const fn kept(&self) -> Kept {
        self.kept
    }

    /// Processes that were started, those that died unasked, and how the last one did.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, Option<&str>) {
        (self.starts, self.deaths, self.last.as_deref())
    }

    /// A release is to be removed. Whether it may be: nothing runs it, or is about to.
    pub fn forget(&mut self, release: Hash) -> bool {
        let runs = match &self.state {
            State::Idle | State::Waiting { .. } => false,
            State::Launching { release: new, .. } => *new == release,
            State::Switching { new, .. } => new.release == release,
            State::Starting { node, .. }
            | State::Running { node }
            | State::Stopping { node, .. } => node.release == release,
        };
        if runs || self.kept.current == Some(release) {
            return false;
        }
        if self.kept.former == Some(release) {
            self.kept.former = None;
            self.outputs.push_back(Output::Keep);
        }
        true
    }

    fn order(&mut self, ticket: Ticket, order: Order, now: Now) {
        let refuse = |why, text: &str| Err((why, text.to_owned()));
        let answer = match (order, &self.state) {
            (Order::Start(release) | Order::Switch(release), State::Running { node })
                if node.release == release =>
            {
                Ok(Reply::Runs(release, node.process.pid))
            }
            (Order::Start(_), State::Running { .. }) => {
                refuse(Refusal::Running, "another release runs: switch to this one, or stop that")
            }
            (Order::Start(release), State::Idle | State::Waiting { .. }) => {
                return self.launch(release, None, Some(ticket), now);
            }
            (Order::Switch(_), State::Idle | State::Waiting { .. }) => {
                refuse(Refusal::NotRunning, "nothing runs that it could take over from")
            }
            (Order::Switch(release), &State::Running { node }) => {
                return self.launch(release, Some(node), Some(ticket), now);
            }
            (Order::Stop, State::Idle) => Ok(Reply::Stopped),
            (Order::Stop, State::Waiting { .. }) => {
                self.idle();
                Ok(Reply::Stopped)
            }
            (
                Order::Stop,
                &(State::Running { node } | State::Starting { node, ticket: None, .. }),
            ) => return self.stop(node, Some(ticket), now),
            (
                _,
                State::Launching { .. }
                | State::Starting { .. }
                | State::Switching { .. }
                | State::Stopping { .. },
            ) => refuse(Refusal::Busy, "something else is being done: ask for the status"),
        };
        self.outputs.push_back(Output::Answer(ticket, answer));
    }

    fn launch(&mut self, release: Hash, old: Option<Node>, ticket: Option<Ticket>, now: Now) {
        self.launched = now;
        self.outputs.push_back(Output::Launch { release, takes_over: old.is_some() });
        self.state = State::Launching { release, old, ticket };
    }

    fn is_launched(&mut self, process: Process, now: Now) {
        let State::Launching { release, old, ticket } = self.state else { return };
        self.starts += 1;
        let new = Node { release, process };
        self.state = match old {
            None => State::Starting { node: new, until: now + self.times.start, ticket },
            Some(old) => {
                let until = now + self.times.switch;
                State::Switching { old, new, until, is_ready: false, ticket }
            }
        };
    }

    fn is_not_launched(&mut self, why: String, now: Now) {
        let State::Launching { old, ticket, .. } = self.state else { return };
        match (old, ticket) {
            (Some(old), _) => {
                self.state = State::Running { node: old };
                self.answer(ticket, Err((Refusal::NotSwitched, why)));
            }
            (None, Some(_)) => self.is_not_started(ticket, why),
            (None, None) => self.died(&why, now),
        }
    }

    fn is_ready(&mut self, pid: u32, now: Now) {
        match &mut self.state {
            &mut State::Starting { node, ticket, .. } if node.process.pid == pid => {
                self.serves(node, ticket);
            }
            State::Switching { new, is_ready, until, .. } if new.process.pid == pid => {
                *is_ready = true;
                *until = now + self.times.switch;
            }
            // One that says so again, or that is not known.
            State::Idle
            | State::Waiting { .. }
            | State::Launching { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Switching { .. }
            | State::Stopping { .. } => {}
        }
    }

    fn has_ended(&mut self, process: Process, how: &str, now: Now) {
        match self.state.clone() {
            State::Starting { node, ticket, .. } if node.process == process => match ticket {
                Some(_) => self.is_not_started(ticket, how.to_owned()),
                None => self.died(how, now),
            },
            State::Running { node } if node.process == process => self.died(how, now),
            State::Stopping { node, ticket, .. } if node.process == process => {
                self.idle();
                self.answer(ticket, Ok(Reply::Stopped));
            }
            State::Switching { old, new, ticket, .. } if new.process == process => {
                self.state = State::Running { node: old };
                self.answer(ticket, Err((Refusal::NotSwitched, how.to_owned())));
            }
            State::Switching { old, new, ticket, is_ready, .. } if old.process == process => {
                // Without a ticket the switch was found under way: what the new node said meanwhile
                // was heard by nobody, and it serves, or dies as well (U2).
                if is_ready || ticket.is_none() {
                    self.serves(new, ticket);
                } else {
                    // U2: it serves if its predecessor dies, or dies as well.
                    let until = now + self.times.start;
                    self.state = State::Starting { node: new, until, ticket: None };
                    (self.last, self.deaths) = (Some(how.to_owned()), self.deaths + 1);
                    let why = format!("the node died before it had given its place: {how}");
                    self.answer(ticket, Err((Refusal::NotSwitched, why)));
                }
            }
            // One of those that were let go of.
            State::Idle
            | State::Waiting { .. }
            | State::Launching { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Switching { .. }
            | State::Stopping { .. } => {}
        }
    }

    /// A start that was ordered comes to nothing: nothing runs, as before.
    fn is_not_started(&mut self, ticket: Option<Ticket>, why: String) {
        self.idle();
        self.answer(ticket, Err((Refusal::NotStarted, why)));
    }

    fn serves(&mut self, node: Node, ticket: Option<Ticket>) {
        if self.kept.current != Some(node.release) {
            self.kept.former = self.kept.current.replace(node.release);
            (self.failures, self.last_death) = (0, None);
        }
        self.kept.is_wanted = true;
        self.state = State::Running { node };
        self.outputs.push_back(Output::Keep);
        self.answer(ticket, Ok(Reply::Runs(node.release, node.process.pid)));
    }

    fn died(&mut self, how: &str, now: Now) {
        let is_twice = self.last_death.is_some_and(|last| now.saturating_sub(last) <= TWICE_WITHIN);
        let is_young = now.saturating_sub(self.launched) < TWICE_WITHIN;
        self.last_death = Some(now);
        self.deaths += 1;
        self.last = Some(how.to_owned());
        if is_twice && let Some(former) = self.kept.former.take() {
            self.kept.current = Some(former);
            (self.failures, self.last_death) = (0, None);
            self.outputs.push_back(Output::Keep);
            return self.launch(former, None, None, now);
        }
        self.failures = if is_young { self.failures.saturating_add(1) } else { 0 };
        let (first, most) = BACK_OFF;
        let wait = first.saturating_mul(1 << self.failures.saturating_sub(2).min(16)).min(most);
        match self.kept.current {
            // The first death is mended at once: clients wait in the queue.
            Some(release) if self.failures < 2 => self.launch(release, None, None, now),
            Some(_) => self.state = State::Waiting { until: now + wait },
            None => self.idle(),
        }
    }

    fn stop(&mut self, node: Node, ticket: Option<Ticket>, now: Now) {
        self.kept.is_wanted = false;
        self.outputs.extend([Output::Keep, Output::Terminate(node.process)]);
        self.state = State::Stopping { node, until: now + self.times.stop, ticket };
    }

    fn idle(&mut self) {
        self.kept.is_wanted = false;
        self.outputs.push_back(Output::Keep);
        self.state = State::Idle;
    }

    fn tick(&mut self, now: Now) {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        let again = now + KILL_TIME;
        let late = match &mut self.state {
            State::Idle | State::Launching { .. } | State::Running { .. } => return,
            State::Waiting { .. } => {
                return match self.kept.current {
                    Some(release) => self.launch(release, None, None, now),
                    None => self.idle(),
                };
            }
            State::Starting { node, until, .. } | State::Stopping { node, until, .. } => {
                *until = again;
                node.process
            }
            State::Switching { old, new, until, is_ready, .. } => {
                *until = again;
                if *is_ready { old.process } else { new.process }
            }
        };
        self.outputs.push_back(Output::Kill(late));
    }

    fn answer(&mut self, ticket: Option<Ticket>, answer: Answer) {
        self.outputs.extend(ticket.map(|ticket| Output::Answer(ticket, answer)));
    }
}
