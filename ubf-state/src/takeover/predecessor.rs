//! The process that gives its place to another one.

use alloc::collections::VecDeque;
use core::time::Duration;

use ubf_proto::Time;

use super::Message;
use crate::mutant::{self, Mutant};

/// The times of U2 and U4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TakeoverTimes {
    /// From the first suspension until S says that it takes the connections.
    pub attempt: Duration,
    /// How long P guards S after `go`.
    pub guard: Duration,
}

impl Default for TakeoverTimes {
    /// 2 s for the attempt, 10 s of guard (U2, U4).
    fn default() -> Self {
        Self { attempt: Duration::from_secs(2), guard: Duration::from_secs(10) }
    }
}

/// Where the predecessor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PredecessorStage {
    /// It serves.
    Serving,
    /// It accepts no connection, and its shards are being suspended.
    Suspending {
        /// When the attempt is given up.
        until: Time,
    },
    /// The store is closed, and everything is with S.
    Given {
        /// When the attempt is given up.
        until: Time,
    },
    /// S may serve, and has not said that it does. P holds the connections, and touches none.
    Going {
        /// When the attempt is given up.
        until: Time,
    },
    /// S serves. P keeps copies of the listeners, and reads from no connection.
    Guarding {
        /// When S must have served.
        until: Time,
    },
    /// S is being killed: P goes on when S has ended.
    Killing {
        /// With what.
        with: Back,
    },
    /// S is being killed, and was told to serve: whether it has said `taking` before it died, says
    /// with what P goes on.
    Unheard {
        /// Whether it is dead: then only what it has said is to be heard still.
        is_dead: bool,
    },
    /// The store is being opened again.
    Opening {
        /// With what P goes on.
        with: Back,
    },
    /// It serves new connections, and sessions that resume. S had the others.
    Listening,
    /// It has ended, and S serves.
    Ended,
}

/// With what a predecessor goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Back {
    /// With every connection: S has touched none.
    Connections,
    /// With its listeners alone: S may have touched any connection.
    Listeners,
}

/// What a predecessor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PredecessorInput {
    /// S has said something.
    Heard(Message),
    /// Every shard is suspended, and the store is closed.
    Suspended {
        /// How many descriptors there are to give.
        descriptors: u32,
    },
    /// The stream is at its end: S has ended, or has closed it. All that it has said was heard.
    StreamEnded,
    /// What comes from S cannot be understood, and neither what it may have said behind that.
    Garbled,
    /// S is dead: its end was seen, and not only asked for.
    Dead,
    /// The store is open again, and the shards are claimed.
    Opened,
    /// Time has passed.
    Tick,
}

/// What a predecessor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PredecessorOutput {
    /// Accept no connection, suspend every shard between two batches, close the store.
    Suspend,
    /// Send this to S; with `give` go the descriptors.
    Send(Message),
    /// Close the connections that S has; keep copies of the listeners.
    LetGoOfConnections,
    /// Kill S by its pidfd, and say when it is dead.
    Kill,
    /// Open the store, and claim the shards.
    Open,
    /// Go on with what is there.
    GoOn(Back),
    /// End this process.
    End,
}

/// The machine of the process that gives its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Predecessor {
    times: TakeoverTimes,
    stage: PredecessorStage,
    outputs: VecDeque<PredecessorOutput>,
}

impl Predecessor {
    /// A process that serves, and to which a successor has connected.
    #[must_use]
    pub const fn new(times: TakeoverTimes) -> Self {
        Self { times, stage: PredecessorStage::Serving, outputs: VecDeque::new() }
    }

    /// Where it is.
    #[must_use]
    pub const fn stage(&self) -> PredecessorStage {
        self.stage
    }

    /// When it wants to be told that time has passed.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Time> {
        match self.stage {
            PredecessorStage::Suspending { until }
            | PredecessorStage::Given { until }
            | PredecessorStage::Going { until }
            | PredecessorStage::Guarding { until } => Some(until),
            PredecessorStage::Serving
            | PredecessorStage::Killing { .. }
            | PredecessorStage::Unheard { .. }
            | PredecessorStage::Opening { .. }
            | PredecessorStage::Listening
            | PredecessorStage::Ended => None,
        }
    }

    /// What it wants done next, if anything.
    pub fn poll_output(&mut self) -> Option<PredecessorOutput> {
        self.outputs.pop_front()
    }

    /// Tells it what has happened.
    pub fn handle(&mut self, input: PredecessorInput, now: Time) {
        use PredecessorStage as Stage;
        match (input, self.stage) {
            (PredecessorInput::Heard(message), _) => self.hear(message, now),
            (PredecessorInput::Suspended { descriptors }, Stage::Suspending { until }) => {
                self.stage = Stage::Given { until };
                self.send(Message::Give { descriptors });
            }
            // It was given up while the shards were being suspended: they are opened again.
            (PredecessorInput::Suspended { .. }, _) => {}
            (PredecessorInput::StreamEnded, Stage::Unheard { is_dead }) => {
                self.heard_out(is_dead, Back::Connections);
            }
            // Nobody knows whether S has said that it takes the connections.
            (PredecessorInput::Garbled, Stage::Unheard { is_dead }) => {
                self.heard_out(is_dead, Back::Listeners);
            }
            (PredecessorInput::Garbled, Stage::Going { .. }) => {
                self.outputs.push_back(PredecessorOutput::LetGoOfConnections);
                self.kill(Stage::Killing { with: Back::Listeners });
            }
            (PredecessorInput::StreamEnded | PredecessorInput::Garbled, _) => self.fall_back(),
            (
                PredecessorInput::Tick,
                Stage::Suspending { until } | Stage::Given { until } | Stage::Guarding { until },
            ) if now >= until => self.fall_back(),
            (PredecessorInput::Tick, Stage::Going { until }) if now >= until => {
                if mutant::is_on(Mutant::LastWordsUnheard) {
                    return self.fall_back();
                }
                self.kill(Stage::Unheard { is_dead: false });
            }
            (PredecessorInput::Dead, Stage::Killing { with }) => self.open(with),
            (PredecessorInput::Dead, Stage::Unheard { .. }) => {
                self.stage = Stage::Unheard { is_dead: true };
            }
            (PredecessorInput::Opened, Stage::Opening { with }) => {
                self.stage = match with {
                    Back::Connections => Stage::Serving,
                    Back::Listeners => Stage::Listening,
                };
                self.outputs.push_back(PredecessorOutput::GoOn(with));
            }
            // Too early, or of something that is over.
            (PredecessorInput::Tick | PredecessorInput::Dead | PredecessorInput::Opened, _) => {}
        }
    }

    fn hear(&mut self, message: Message, now: Time) {
        use PredecessorStage as Stage;
        match (message, self.stage) {
            (Message::Warm, Stage::Serving) => {
                self.stage = Stage::Suspending { until: now + self.times.attempt };
                self.outputs.push_back(PredecessorOutput::Suspend);
            }
            (Message::Ready, Stage::Given { until }) => {
                if mutant::is_on(Mutant::ReadyCommits) {
                    self.outputs.push_back(PredecessorOutput::LetGoOfConnections);
                    return self.end();
                }
                self.stage = Stage::Going { until };
                self.send(Message::Go);
                if mutant::is_on(Mutant::LetsGoAtGo) {
                    self.guard(now);
                }
            }
            (Message::Taking, Stage::Going { .. }) => self.guard(now),
            (Message::Taking, Stage::Unheard { is_dead }) => {
                self.heard_out(is_dead, Back::Listeners);
            }
            (Message::Served, Stage::Guarding { .. }) => self.end(),
            // Late words, and what only P says.
            (
                Message::Warm
                | Message::Ready
                | Message::Served
                | Message::Give { .. }
                | Message::Go
                | Message::Taking
                | Message::Abort,
                _,
            ) => {}
        }
    }

    /// The connections are S's, which serves.
    fn guard(&mut self, now: Time) {
        self.outputs.push_back(PredecessorOutput::LetGoOfConnections);
        if mutant::is_on(Mutant::NoGuard) {
            return self.end();
        }
        self.stage = PredecessorStage::Guarding { until: now + self.times.guard };
    }

    /// S has ended, or it took too long.
    fn fall_back(&mut self) {
        use PredecessorStage as Stage;
        let with = match self.stage {
            Stage::Suspending { .. } | Stage::Given { .. } => {
                if !mutant::is_on(Mutant::ReadyCommits) {
                    self.send(Message::Abort);
                }
                Back::Connections
            }
            // All that S has said was heard, and it has not said that it takes them.
            Stage::Going { .. } => Back::Connections,
            Stage::Guarding { .. } => Back::Listeners,
            Stage::Serving
            | Stage::Killing { .. }
            | Stage::Unheard { .. }
            | Stage::Opening { .. }
            | Stage::Listening
            | Stage::Ended => return,
        };
        if mutant::is_on(Mutant::NoKill) || mutant::is_on(Mutant::ReadyCommits) {
            return self.open(with);
        }
        self.kill(Stage::Killing { with });
    }

    fn kill(&mut self, stage: PredecessorStage) {
        self.stage = stage;
        self.outputs.push_back(PredecessorOutput::Kill);
    }

    /// What S has said before its end says with what P goes on.
    fn heard_out(&mut self, is_dead: bool, with: Back) {
        if with == Back::Listeners {
            self.outputs.push_back(PredecessorOutput::LetGoOfConnections);
        }
        if is_dead {
            return self.open(with);
        }
        self.stage = PredecessorStage::Killing { with };
    }

    fn open(&mut self, with: Back) {
        self.stage = PredecessorStage::Opening { with };
        self.outputs.push_back(PredecessorOutput::Open);
    }

    fn end(&mut self) {
        self.stage = PredecessorStage::Ended;
        self.outputs.push_back(PredecessorOutput::End);
    }

    fn send(&mut self, message: Message) {
        self.outputs.push_back(PredecessorOutput::Send(message));
    }
}
