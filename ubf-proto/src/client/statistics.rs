//! Counters.

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
}
