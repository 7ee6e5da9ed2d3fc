//! The process that takes the place of another one.

use alloc::collections::VecDeque;
use core::time::Duration;

use ubf_proto::Time;

use super::{LettingGo, Message};
use crate::mutant::{self, Mutant};

/// How long S serves before it says that it does. Chosen: a release that cannot serve mostly shows
/// it at once; P's guard is five times as long.
const PROBATION: Duration = Duration::from_secs(2);

/// Where the successor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuccessorStage {
    /// It checks itself on samples.
    Warming,
    /// It waits for what P gives.
    Warm,
    /// The store is being opened.
    Opening {
        /// Whether it has connections of P's.
        has_connections: bool,
    },
    /// It waits for `go`, and touches no connection.
    Waiting,
    /// It serves, and is watched.
    Serving {
        /// When it says so.
        until: Time,
    },
    /// It serves, and P has been told.
    Proven,
    /// It has ended: P goes on.
    Ended,
}

/// What a successor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuccessorInput {
    /// The samples could be read, and there is room for all descriptors; or not.
    Checked {
        /// Whether all is well.
        is_well: bool,
    },
    /// P has said something. With `give` so many descriptors have come.
    Heard {
        /// What.
        message: Message,
        /// How many descriptors have come, none of them cut off (`MSG_CTRUNC`).
        descriptors: u32,
    },
    /// The stream has ended: P has ended.
    StreamEnded,
    /// The store is open, and the shards are claimed.
    Opened,
    /// The store cannot be opened.
    NotOpened,
    /// Time has passed.
    Tick,
}

/// What a successor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SuccessorOutput {
    /// Send this to P.
    Send(Message),
    /// Open the store, and claim the shards.
    Open,
    /// Serve: read from the connections that P gave, and accept new ones.
    Serve,
    /// End this process.
    End,
}

/// The machine of the process that takes the place of another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Successor {
    letting_go: LettingGo,
    stage: SuccessorStage,
    /// The stream has ended: this is looked at when what is being done is done.
    has_stream_ended: bool,
    outputs: VecDeque<SuccessorOutput>,
}

impl Successor {
    /// A process that has connected to its predecessor, which lets go of connections then.
    #[must_use]
    pub const fn new(letting_go: LettingGo) -> Self {
        let stage = SuccessorStage::Warming;
        Self { letting_go, stage, has_stream_ended: false, outputs: VecDeque::new() }
    }

    /// Where it is.
    #[must_use]
    pub const fn stage(&self) -> SuccessorStage {
        self.stage
    }

    /// When it wants to be told that time has passed.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Time> {
        match self.stage {
            SuccessorStage::Serving { until } => Some(until),
            SuccessorStage::Warming
            | SuccessorStage::Warm
            | SuccessorStage::Opening { .. }
            | SuccessorStage::Waiting
            | SuccessorStage::Proven
            | SuccessorStage::Ended => None,
        }
    }

    /// What it wants done next, if anything.
    pub fn poll_output(&mut self) -> Option<SuccessorOutput> {
        self.outputs.pop_front()
    }

    /// Tells it what has happened.
    pub fn handle(&mut self, input: SuccessorInput, now: Time) {
        use SuccessorStage as Stage;
        match (input, self.stage) {
            (SuccessorInput::Checked { is_well }, Stage::Warming) => {
                if is_well && self.has_stream_ended {
                    self.open(false);
                } else if is_well {
                    self.stage = Stage::Warm;
                    self.send(Message::Warm);
                } else {
                    self.end();
                }
            }
            (SuccessorInput::Heard { message, descriptors }, _) => {
                self.hear(message, descriptors, now);
            }
            (SuccessorInput::StreamEnded, _) => self.stream_ended(now),
            (SuccessorInput::Opened, Stage::Opening { has_connections }) => {
                self.opened(has_connections, now);
            }
            (SuccessorInput::NotOpened, Stage::Opening { .. }) => self.end(),
            (SuccessorInput::Tick, Stage::Serving { until }) if now >= until => {
                self.stage = Stage::Proven;
                self.send(Message::Served);
            }
            // Too early, or of something that is over.
            (
                SuccessorInput::Checked { .. }
                | SuccessorInput::Opened
                | SuccessorInput::NotOpened
                | SuccessorInput::Tick,
                _,
            ) => {}
        }
    }

    fn hear(&mut self, message: Message, came: u32, now: Time) {
        use SuccessorStage as Stage;
        match (message, self.stage) {
            (Message::Give { descriptors }, Stage::Warm) => {
                // A message that lost descriptors ends the attempt: its connections have no reader.
                if came == descriptors || mutant::is_on(Mutant::TruncatedIsWhole) {
                    self.open(true);
                } else {
                    self.end();
                }
            }
            (Message::Go, Stage::Waiting) => self.take(now),
            (
                Message::Abort,
                Stage::Warming | Stage::Warm | Stage::Opening { .. } | Stage::Waiting,
            ) => self.end(),
            // `abort` comes before `go` or not at all; the rest is what only S says.
            (
                Message::Give { .. }
                | Message::Go
                | Message::Abort
                | Message::Warm
                | Message::Ready
                | Message::Taking
                | Message::Served,
                _,
            ) => {}
        }
    }

    /// P has written `go`, and lets go of the connections when it hears that they are taken.
    fn take(&mut self, now: Time) {
        let is_said = match self.letting_go {
            LettingGo::AtGo => false,
            LettingGo::AtTaking => true,
        };
        let is_late = mutant::is_on(Mutant::TakesBeforeItsWord);
        if is_said && !is_late {
            self.send(Message::Taking);
        }
        self.serve(now);
        if is_said && is_late {
            self.send(Message::Taking);
        }
    }

    fn opened(&mut self, has_connections: bool, now: Time) {
        if !has_connections {
            return self.serve(now);
        }
        self.send(Message::Ready);
        self.stage = SuccessorStage::Waiting;
        if mutant::is_on(Mutant::ReadyCommits) {
            return self.serve(now);
        }
        if self.has_stream_ended {
            self.stream_ended(now);
        }
    }

    /// P is gone, and wrote no `abort` before.
    fn stream_ended(&mut self, now: Time) {
        use SuccessorStage as Stage;
        self.has_stream_ended = true;
        match self.stage {
            Stage::Waiting => {
                if !mutant::is_on(Mutant::EndMeansNothing) {
                    self.serve(now);
                }
            }
            // P ended before it gave anything: S is a server like any other.
            Stage::Warm => self.open(false),
            Stage::Warming
            | Stage::Opening { .. }
            | Stage::Serving { .. }
            | Stage::Proven
            | Stage::Ended => {}
        }
    }

    fn open(&mut self, has_connections: bool) {
        self.stage = SuccessorStage::Opening { has_connections };
        self.outputs.push_back(SuccessorOutput::Open);
    }

    fn serve(&mut self, now: Time) {
        self.stage = SuccessorStage::Serving { until: now + PROBATION };
        self.outputs.push_back(SuccessorOutput::Serve);
    }

    fn end(&mut self) {
        self.stage = SuccessorStage::Ended;
        self.outputs.push_back(SuccessorOutput::End);
    }

    fn send(&mut self, message: Message) {
        self.outputs.push_back(SuccessorOutput::Send(message));
    }
}
