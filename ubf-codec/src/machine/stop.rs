//! Why the machine stops.

/// The place in the window where an operator ends that was carried out, or why the machine stops
/// there.
pub(super) type Stepped = Result<usize, Stop>;

/// Why the machine does not go on. Small, so that it costs nothing while it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The packet has ended, or the one operator was carried out, at `position`.
    Done,
    /// The window ends before the operator does; `position` is where to go on.
    Incomplete,
    /// `failure` says what is wrong.
    Failed,
    /// The packet cannot be read lightly.
    MustCount,
    /// The stack is full; `position` is where to go on.
    StackFull,
    /// The arena is full, likewise.
    ArenaFull,
}
