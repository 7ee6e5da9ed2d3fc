//! The node that takes a shard over from another one.

use alloc::collections::VecDeque;
use core::time::Duration;

use ubf_proto::Time;

use super::{Attempt, HandoffRow, Message};
use crate::mutant::{self, Mutant};

/// How long B waits for A's decision before it asks.
const ASK: Duration = Duration::from_secs(1);

/// Where the taker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TakerStage {
    /// Nothing is here.
    Empty,
    /// The rows are being made durable, as a copy that nobody owns.
    Preparing {
        /// The attempt, and the hash of its rows.
        row: HandoffRow,
    },
    /// The rows are durable. Whose the shard is, A decides; clients hear `'not_now'`.
    Prepared {
        /// The attempt, and the hash of its rows.
        row: HandoffRow,
        /// When A is asked.
        ask: Time,
    },
    /// The shard is B's, and the copy is being made B's own.
    Activating {
        /// The attempt, and the hash of its rows.
        row: HandoffRow,
    },
    /// The shard is served here.
    Active {
        /// The attempt that brought it, if it is remembered.
        attempt: Option<Attempt>,
    },
}

/// What a taker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakerInput {
    /// A has said something. With a `copy` came rows of this hash.
    Heard(Message),
    /// What was to be made durable is.
    Stored,
    /// It is not. Nothing has changed in the store.
    NotStored,
    /// Time has passed.
    Tick,
}

/// What a taker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TakerOutput {
    /// Make the rows that came, and this as `prepared`, durable in one transaction, in place of
    /// whatever copy was there.
    StorePrepared(HandoffRow),
    /// Claim the shard at the epoch after the attempt's, and take `prepared` away, durably.
    StoreActive(HandoffRow),
    /// Send this to A.
    Send(Message),
    /// Take the copy away, and tell clients that nothing is known here.
    Forget,
    /// Serve the shard.
    Serve,
}

/// The machine of the node that takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taker {
    stage: TakerStage,
    outputs: VecDeque<TakerOutput>,
}

impl Taker {
    /// A node that has been started, with what it finds in its store: `prepared`, or a shard that
    /// it owns.
    #[must_use]
    pub const fn started(prepared: Option<HandoffRow>, is_owner: bool, now: Time) -> Self {
        let stage = match (prepared, is_owner) {
            (Some(row), _) => TakerStage::Prepared { row, ask: now },
            (None, true) => TakerStage::Active { attempt: None },
            (None, false) => TakerStage::Empty,
        };
        Self { stage, outputs: VecDeque::new() }
    }

    /// Where it is.
    #[must_use]
    pub const fn stage(&self) -> TakerStage {
        self.stage
    }

    /// When it wants to be told that time has passed.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Time> {
        match self.stage {
            TakerStage::Prepared { ask, .. } => Some(ask),
            TakerStage::Empty
            | TakerStage::Preparing { .. }
            | TakerStage::Activating { .. }
            | TakerStage::Active { .. } => None,
        }
    }

    /// What it wants done next, if anything.
    pub fn poll_output(&mut self) -> Option<TakerOutput> {
        self.outputs.pop_front()
    }

    /// Tells it what has happened.
    pub fn handle(&mut self, input: TakerInput, now: Time) {
        match (input, self.stage) {
            (TakerInput::Heard(message), _) => self.hear(message),
            (TakerInput::Stored, TakerStage::Preparing { row }) => {
                self.stage = TakerStage::Prepared { row, ask: now + ASK };
                let HandoffRow { attempt, hash } = row;
                self.send(Message::Prepared { attempt, hash });
            }
            (TakerInput::Stored, TakerStage::Activating { row }) => {
                self.stage = TakerStage::Active { attempt: Some(row.attempt) };
                self.outputs.push_back(TakerOutput::Serve);
                self.send(Message::Active { attempt: row.attempt });
            }
            (TakerInput::NotStored, TakerStage::Preparing { .. }) => self.stage = TakerStage::Empty,
            // The shard is B's and nobody else's: A tells again, and B tries again.
            (TakerInput::NotStored, TakerStage::Activating { row }) => {
                self.stage = TakerStage::Prepared { row, ask: now + ASK };
            }
            (TakerInput::Tick, TakerStage::Prepared { row, ask }) if now >= ask => {
                self.stage = TakerStage::Prepared { row, ask: now + ASK };
                if !mutant::is_on(Mutant::NeverAsks) {
                    self.send(Message::Ask { attempt: row.attempt });
                }
            }
            // An outcome of something that was given up, or a tick too early.
            (TakerInput::Stored | TakerInput::NotStored | TakerInput::Tick, _) => {}
        }
    }

    fn hear(&mut self, message: Message) {
        match (message, self.stage) {
            (Message::Copy { attempt, hash }, TakerStage::Empty) => {
                self.prepare(HandoffRow { attempt, hash });
            }
            // A offers again only when the last attempt was given up. A copy of an older attempt
            // that comes late is none.
            (Message::Copy { attempt, hash }, TakerStage::Prepared { row, .. })
                if attempt > row.attempt =>
            {
                self.prepare(HandoffRow { attempt, hash });
            }
            (Message::Activate { attempt }, TakerStage::Prepared { row, .. })
                if attempt == row.attempt || mutant::is_on(Mutant::AnyAttempt) =>
            {
                self.stage = TakerStage::Activating { row };
                self.outputs.push_back(TakerOutput::StoreActive(row));
            }
            // A has not heard that B is active.
            (Message::Activate { attempt }, TakerStage::Active { attempt: ours })
                if ours.is_none_or(|ours| ours == attempt) =>
            {
                self.send(Message::Active { attempt });
            }
            (Message::Aborted { attempt }, TakerStage::Prepared { row, .. })
                if attempt == row.attempt =>
            {
                self.stage = TakerStage::Empty;
                self.outputs.push_back(TakerOutput::Forget);
            }
            // A copy while another one is being written: that attempt of A's ends by its time. Late
            // words about other attempts, and what only B says.
            (
                Message::Copy { .. }
                | Message::Activate { .. }
                | Message::Aborted { .. }
                | Message::Prepared { .. }
                | Message::Active { .. }
                | Message::Ask { .. },
                _,
            ) => {}
        }
    }

    fn prepare(&mut self, row: HandoffRow) {
        self.stage = TakerStage::Preparing { row };
        self.outputs.push_back(TakerOutput::StorePrepared(row));
    }

    fn send(&mut self, message: Message) {
        self.outputs.push_back(TakerOutput::Send(message));
    }
}
