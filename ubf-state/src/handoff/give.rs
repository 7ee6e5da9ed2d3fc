//! The node that hands a shard off.

use alloc::collections::VecDeque;
use core::time::Duration;

use ubf_proto::Time;

use super::{Attempt, CopyHash, HandoffRow, Message};
use crate::batch::Epoch;
use crate::mutant::{self, Mutant};

/// How long an attempt may take up to the commit point if nobody says it. Chosen: clients wait for
/// so long at worst.
const ATTEMPT: Duration = Duration::from_secs(2);

/// How long B may take to say that it is active before it is told again.
const REPEAT: Duration = Duration::from_secs(1);

/// Where the giver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GiverStage {
    /// The shard is served here.
    Serving,
    /// The shard is being suspended.
    Suspending {
        /// The attempt.
        attempt: Attempt,
        /// When it is given up.
        until: Time,
    },
    /// The rows have been sent.
    Offered {
        /// The attempt, and the hash of its rows.
        row: HandoffRow,
        /// When it is given up.
        until: Time,
    },
    /// `moved` is being made durable. What comes of that is not known, so nothing is given up.
    Moving {
        /// The attempt, and the hash of its rows.
        row: HandoffRow,
    },
    /// The shard is B's. B is told so until it says that it is active.
    Moved {
        /// The attempt, and the hash of its rows.
        row: HandoffRow,
        /// When B is told again.
        again: Time,
    },
    /// B serves the shard, and is named to clients.
    Given {
        /// The attempt, and the hash of its rows.
        row: HandoffRow,
    },
}

/// What a giver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GiverInput {
    /// Hand the shard off.
    Give {
        /// The epoch under which it is owned.
        epoch: Epoch,
        /// A random number.
        name: u64,
    },
    /// The shard is suspended: everything is committed. These are its rows.
    Suspended {
        /// Their hash.
        hash: CopyHash,
    },
    /// The rows cannot be sent: there are too many, or B cannot be reached.
    CannotSend,
    /// What has become of `moved`. After an unknown outcome the shard is claimed again, and its
    /// rows are looked at.
    Stored {
        /// Whether it is durable.
        is_durable: bool,
    },
    /// B has said something.
    Heard(Message),
    /// Time has passed.
    Tick,
}

/// What a giver says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GiverOutput {
    /// Suspend the shard, and tell the hash of its rows.
    Suspend,
    /// Send this to B; with a `copy` go all rows.
    Send(Message),
    /// Make this durable as `moved`, under the epoch of the attempt: the commit point.
    StoreMoved(HandoffRow),
    /// Let the shard go on here: nothing has happened.
    GoOn,
    /// Name B to clients, and end their connections.
    NameTaker,
}

/// The machine of the node that gives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Giver {
    stage: GiverStage,
    attempts: u64,
    attempt_time: Duration,
    outputs: VecDeque<GiverOutput>,
}

impl Giver {
    /// A node that has been started, with what it finds as `moved` in its store.
    #[must_use]
    pub fn started(moved: Option<HandoffRow>, now: Time) -> Self {
        let moved = moved.filter(|_| !mutant::is_on(Mutant::MovedForgotten));
        let stage = match moved {
            Some(row) => GiverStage::Moved { row, again: now },
            None => GiverStage::Serving,
        };
        Self { stage, attempts: 0, attempt_time: ATTEMPT, outputs: VecDeque::new() }
    }

    /// Gives an attempt so much time up to the commit point, for which clients wait. By default it
    /// has two seconds.
    #[must_use]
    pub const fn with_attempt_time(mut self, time: Duration) -> Self {
        self.attempt_time = time;
        self
    }

    /// Where it is.
    #[must_use]
    pub const fn stage(&self) -> GiverStage {
        self.stage
    }

    /// When it wants to be told that time has passed.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Time> {
        match self.stage {
            GiverStage::Suspending { until, .. } | GiverStage::Offered { until, .. } => Some(until),
            GiverStage::Moved { again, .. } => Some(again),
            GiverStage::Serving | GiverStage::Moving { .. } | GiverStage::Given { .. } => None,
        }
    }

    /// What it wants done next, if anything.
    pub fn poll_output(&mut self) -> Option<GiverOutput> {
        self.outputs.pop_front()
    }

    /// What B hears when it asks what became of an attempt. `None`: that is not decided yet, and B
    /// asks again.
    #[must_use]
    pub fn answer_to(&self, attempt: Attempt) -> Option<Message> {
        match self.stage {
            GiverStage::Moved { row, .. } | GiverStage::Given { row } if row.attempt == attempt => {
                Some(Message::Activate { attempt })
            }
            GiverStage::Offered { row, .. } | GiverStage::Moving { row }
                if row.attempt == attempt =>
            {
                None
            }
            GiverStage::Serving
            | GiverStage::Suspending { .. }
            | GiverStage::Offered { .. }
            | GiverStage::Moving { .. }
            | GiverStage::Moved { .. }
            | GiverStage::Given { .. } => Some(Message::Aborted { attempt }),
        }
    }

    /// Tells it what has happened.
    pub fn handle(&mut self, input: GiverInput, now: Time) {
        match (input, self.stage) {
            (GiverInput::Give { epoch, name }, GiverStage::Serving) => {
                self.attempts += 1;
                let attempt = Attempt { epoch, number: self.attempts, name };
                self.stage = GiverStage::Suspending { attempt, until: now + self.attempt_time };
                self.outputs.push_back(GiverOutput::Suspend);
            }
            (GiverInput::Suspended { hash }, GiverStage::Suspending { attempt, until }) => {
                self.stage = GiverStage::Offered { row: HandoffRow { attempt, hash }, until };
                self.send(Message::Copy { attempt, hash });
            }
            (GiverInput::Stored { is_durable }, GiverStage::Moving { row }) => {
                if is_durable {
                    self.moved(row, now);
                } else {
                    self.go_on(row.attempt);
                }
            }
            (GiverInput::CannotSend, GiverStage::Suspending { attempt, .. }) => {
                self.go_on(attempt);
            }
            (GiverInput::CannotSend, GiverStage::Offered { row, .. }) => self.go_on(row.attempt),
            (GiverInput::Heard(message), _) => self.hear(message),
            (GiverInput::Tick, _) => self.tick(now),
            // An attempt is under way already, or has been given up in the meantime.
            (
                GiverInput::Give { .. }
                | GiverInput::Suspended { .. }
                | GiverInput::CannotSend
                | GiverInput::Stored { .. },
                _,
            ) => {}
        }
    }

    fn hear(&mut self, message: Message) {
        match (message, self.stage) {
            (Message::Prepared { attempt, hash }, GiverStage::Offered { row, .. }) => {
                let is_this = row == HandoffRow { attempt, hash };
                if is_this || mutant::is_on(Mutant::AnyAttempt) {
                    self.stage = GiverStage::Moving { row };
                    self.outputs.push_back(GiverOutput::StoreMoved(row));
                }
            }
            (Message::Ask { attempt }, _) => {
                if let Some(message) = self.answer_to(attempt) {
                    self.send(message);
                }
            }
            (Message::Active { attempt }, GiverStage::Moved { row, .. })
                if row.attempt == attempt =>
            {
                self.stage = GiverStage::Given { row };
                self.outputs.push_back(GiverOutput::NameTaker);
            }
            // Late answers to an attempt that was given up, and what only A says.
            (
                Message::Prepared { .. }
                | Message::Active { .. }
                | Message::Copy { .. }
                | Message::Activate { .. }
                | Message::Aborted { .. },
                _,
            ) => {}
        }
    }

    fn tick(&mut self, now: Time) {
        match self.stage {
            GiverStage::Suspending { attempt, until } if now >= until => self.go_on(attempt),
            GiverStage::Offered { row, until } if now >= until => self.go_on(row.attempt),
            GiverStage::Moved { row, again } if now >= again => {
                self.stage = GiverStage::Moved { row, again: now + REPEAT };
                self.send(Message::Activate { attempt: row.attempt });
            }
            GiverStage::Serving
            | GiverStage::Suspending { .. }
            | GiverStage::Offered { .. }
            | GiverStage::Moving { .. }
            | GiverStage::Moved { .. }
            | GiverStage::Given { .. } => {}
        }
    }

    fn moved(&mut self, row: HandoffRow, now: Time) {
        self.stage = GiverStage::Moved { row, again: now + REPEAT };
        self.send(Message::Activate { attempt: row.attempt });
        if mutant::is_on(Mutant::NamesEarly) {
            self.outputs.push_back(GiverOutput::NameTaker);
        }
    }

    fn go_on(&mut self, attempt: Attempt) {
        self.stage = GiverStage::Serving;
        self.outputs.push_back(GiverOutput::GoOn);
        self.send(Message::Aborted { attempt });
    }

    fn send(&mut self, message: Message) {
        self.outputs.push_back(GiverOutput::Send(message));
    }
}
