//! What a shard is told, and what it says.

use alloc::vec::Vec;
use core::fmt;

use alloc::sync::Arc;

use bytes::Bytes;

use crate::base::Missing;
use crate::batch::{Batch, Epoch, NotCommitted, ShardId};
use crate::record::ShardRecord;
use crate::session::{Kept, KeptEvent, SessionKey};
use crate::stop::Reason;
use crate::versions::{CannotFinalize, CannotLower, CannotOwn, Known};

/// Whom an output is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// A session, on whatever connection it is.
    Session(SessionKey),
    /// A connection without a session, by the number that the shell gave it.
    Connection(u64),
}

impl To {
    pub(super) const fn session(self) -> Option<SessionKey> {
        match self {
            Self::Session(session) => Some(session),
            Self::Connection(_) => None,
        }
    }
}

/// What may leave.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Leaving {
    /// The answer of a message.
    Answer {
        /// The message's number in its session; 0 without a session.
        number: u64,
        /// What is answered.
        body: Bytes,
    },
    /// A session is open.
    Opened,
    /// A session goes on (S4): all that is kept follows.
    Resumed {
        /// The number of the last message that was received.
        received: u64,
        /// The answers that the client has not seen, in the order of their numbers.
        kept: Vec<Kept>,
        /// How many events were made.
        events_made: u64,
        /// The last ones of them, which the client has not seen.
        events: Vec<KeptEvent>,
    },
    /// What the shell has given to [`Shard::hold`](super::Shard::hold): a `pong`, an `agreed`.
    Mark(u64),
    /// An event of the service.
    Event(Bytes),
}

/// What a shard is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// The shard is to be owned. The store's present epoch and record, if it has any, have been
    /// read.
    Claim {
        /// The present epoch.
        seen: Epoch,
        /// The stored record.
        record: Option<ShardRecord>,
    },
    /// The claim succeeded. The record was read after it.
    Claimed {
        /// The epoch of the claim.
        epoch: Epoch,
        /// The stored record.
        record: Option<ShardRecord>,
    },
    /// Another owner was faster, or the store cannot be reached.
    NotClaimed,
    /// A batch is committed.
    Committed {
        /// Its number.
        number: u64,
    },
    /// A batch is not committed, or is not known to be.
    NotCommitted {
        /// Its number.
        number: u64,
        /// Why.
        why: NotCommitted,
    },
    /// What a look at the epoch has shown.
    Looked {
        /// The number of the look.
        number: u64,
        /// The store's epoch.
        epoch: Epoch,
    },
    /// A look at the epoch has failed.
    LookFailed,
    /// No call is to run any more: everything that was taken is to be committed.
    Suspend,
    /// Calls may run again.
    GoOn,
    /// An operator raises the write version by one. All nodes that may claim the shard are named.
    Finalize {
        /// What they know.
        nodes: Vec<Known>,
    },
    /// An operator lowers the write version by one.
    Lower {
        /// The format of the library's rows that older nodes know.
        format: u32,
        /// The highest state version that an offered contract needs.
        needed: Option<u32>,
    },
    /// The sweeper has rewritten every row.
    Swept,
}

/// What a shard says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Compare the epoch with this one, and set it to the next. Then read the record.
    Claim {
        /// The shard.
        shard: ShardId,
        /// The epoch that was seen.
        seen: Epoch,
    },
    /// Commit this batch. Another one comes only when this one has ended.
    Commit(Arc<Batch>),
    /// Read the epoch.
    Look {
        /// The number of this look.
        number: u64,
    },
    /// Something may leave.
    Leave {
        /// Whom it is for.
        to: To,
        /// What.
        what: Leaving,
    },
    /// What has not left never will. Connections of this shard end: with a NextIP where there is
    /// another owner, and otherwise so that their clients resume.
    LetGo(LetGo),
    /// Everything that was taken is committed and has left. No call runs until
    /// [`Input::GoOn`] or another claim.
    Suspended,
    /// The write version is another one.
    Versions(ShardRecord),
    /// An operator's wish was refused.
    NotFinalized(CannotFinalize),
    /// An operator's wish was refused.
    NotLowered(CannotLower),
    /// The shard is not owned here any more, and will not be by itself.
    Ended(End),
}

/// Why outputs and writes were let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LetGo {
    /// A batch was not committed, or is not known to be. The shard is claimed again.
    NotCommitted(NotCommitted),
    /// The shard has another owner.
    Fenced(Epoch),
}

/// Why a shard is not owned any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// It was not had: another claim was faster, or the store cannot be reached.
    NotClaimed,
    /// It was claimed by another owner.
    Fenced(Epoch),
    /// This program does not know what is in it.
    CannotOwn(CannotOwn),
    /// The store cannot be trusted any more. The process ends (T4).
    Broken,
}

/// Why a call was not run. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotRun {
    /// Something is not in memory. Run it again when it is.
    Missing(Missing),
    /// The shard is not owned here, or not any more.
    NotOwner,
    /// The shard is suspended, or not claimed yet.
    NotNow,
    /// So much waits for the store that no more is taken.
    Full,
    /// The session is not known here.
    UnknownSession,
    /// A session of this key is there already (S1).
    SessionExists,
    /// The turn of a resume is not above the last one (S5).
    Overtaken {
        /// The last one.
        turn: u64,
    },
    /// Rows of the session, or of a timer, cannot be read.
    Broken(Reason),
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing(_) => "a row is not in memory yet",
            Self::NotOwner => "the shard has another owner",
            Self::NotNow => "the shard is suspended",
            Self::Full => "too much waits for the store",
            Self::UnknownSession => "the session is not known",
            Self::SessionExists => "the session exists already",
            Self::Overtaken { turn } => return write!(f, "turn {turn} has come already"),
            Self::Broken(_) => "rows of a session, or of a timer, cannot be read",
        })
    }
}

impl core::error::Error for NotRun {}

/// How a call ended that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It has written rows.
    Wrote,
    /// It has read.
    Read,
    /// It was taken back, for this reason. It is answered, and has its number.
    TakenBack(Reason),
}
