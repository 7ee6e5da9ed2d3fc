//! A program takes over from another one in place: same machine, same listeners, same connections
//! (U2, U4).
//!
//! ```text
//!  P (Predecessor)                            S (Successor)
//!  Serving          ◀──────── warm ─────────  Warming: checks itself on samples
//!    │ suspend the shards, close the store
//!  Suspending
//!    │ listeners, connections, sessions
//!  Given            ───────── give ────────▶  Warm
//!    │                                          │ opens the store, touches no connection
//!    │              ◀──────── ready ────────  Waiting
//!    │ write `go`: from here on S may serve
//!  Going            ───────── go ──────────▶    │ says that it does, and touches nothing before
//!    │ lets go of connections: THEY ARE S'S     │
//!  Guarding         ◀──────── taking ──────  Serving
//!    │ keeps copies of the listeners            │ for the time of probation
//!    ▼              ◀──────── served ───────  Proven
//!  Ended
//! ```
//! If the timer rings, or S ends, before `go`: P writes `abort`, kills S, waits for its end, opens
//! the store, and goes on with every connection. So it does between `go` and `taking`; only, what S
//! has said before it was dead is heard to its end first, for `taking` may be there. S serves on
//! `go`, and also when the stream ends without `abort` before it: then P is gone. Two processes
//! never read one connection, and none is let go of that S has not said it takes.

mod predecessor;
mod successor;

pub use self::predecessor::{
    Back, Predecessor, PredecessorInput, PredecessorOutput, PredecessorStage, TakeoverTimes,
};
pub use self::successor::{Successor, SuccessorInput, SuccessorOutput, SuccessorStage};

/// What P waits for before it lets go of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LettingGo {
    /// For nothing: it lets go of them when it writes `go`. So do releases with the versions 1 to 3
    /// of the contract `takeover`, which do not know the word `taking`.
    AtGo,
    /// For the word `taking`.
    AtTaking,
}

impl LettingGo {
    /// When a predecessor that speaks this version of the contract lets go of the connections.
    #[must_use]
    pub const fn of_version(version: u32) -> Self {
        if version < 4 { Self::AtGo } else { Self::AtTaking }
    }
}

/// What the two processes say to each other on the control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// S to P: it has checked itself.
    Warm,
    /// P to S: here are so many descriptors, one a message, and what belongs to each.
    Give {
        /// How many were sent.
        descriptors: u32,
    },
    /// S to P: everything has come, and the store is open.
    Ready,
    /// P to S: serve. The commit point.
    Go,
    /// S to P: it has heard `go`, and touches connections from here on.
    Taking,
    /// P to S: do not serve.
    Abort,
    /// S to P: it has served for the time of probation.
    Served,
}
