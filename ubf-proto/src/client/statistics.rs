//! Counters.

use core::time::Duration;

/// Counters, in the words of the notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Calls and events that were handed in.
    pub calls: u64,
    /// Requests that were replied to, and events that were taken.
    pub done: u64,
    /// Calls that ended badly.
    pub errors: u64,
    /// Calls that may have run, and nobody knows.
    pub indeterminate: u64,
    /// Calls that were refused and sent again.
    pub refused: u64,
    /// Negotiations that ended with a version.
    pub negotiations: u64,
    /// Fallbacks.
    pub fallbacks: u64,
    /// Moves that a server asked for.
    pub moves: u64,
    /// Connections that had agreed and were lost.
    pub losses: u64,
    /// Connections that servers closed with notice: a planned end is no loss.
    pub closings: u64,
    /// Times that nothing was read for a while, since the program had not taken what came (L1).
    pub pauses: u64,
    /// Sessions that servers have granted (S1).
    pub sessions: u64,
    /// Times that a session went on on another connection (S4).
    pub resumes: u64,
    /// Messages that had not reached the server when a session went on, and were sent again (S4).
    pub repeats: u64,
    /// Sessions that were given up since no server knew them (S7).
    pub unknown: u64,
    /// Time that sessions were without a connection, until they went on or were given up.
    pub parked: Duration,
    /// Events of a session that were dropped, since their version is in quarantine (S8).
    pub events_dropped: u64,
}
