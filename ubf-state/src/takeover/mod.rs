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
//!    │ write `go`: THE COMMIT POINT
//!  Guarding         ───────── go ──────────▶  Serving
//!    │ keeps copies of the listeners            │ for the time of probation
//!    ▼              ◀──────── served ───────  Proven
//!  Ended
//! ```
//! If the timer rings, or S ends, before `go`: P writes `abort`, kills S, waits for its end, opens
//! the store, and goes on with every connection. S serves on `go`, and also when the stream ends
//! without `abort` before it: then P is gone. Two processes never read one connection.

mod predecessor;
mod successor;

pub use self::predecessor::{
    Back, Predecessor, PredecessorInput, PredecessorOutput, PredecessorStage, TakeoverTimes,
};
pub use self::successor::{Successor, SuccessorInput, SuccessorOutput, SuccessorStage};

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
    /// P to S: do not serve.
    Abort,
    /// S to P: it has served for the time of probation.
    Served,
}
