//! Rules of the machine that can be left out, one at a time and in one thread.

use std::cell::Cell;

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A step is stored before it is taken, so that nobody else goes on before it.
    StoresAfterwards,
    /// The node that was being changed is changed back, too.
    ForgetsTheLastNode,
    /// A wave begins when the one before has shown itself.
    IgnoresGates,
    /// What was changed back has no copy of the release: a late order finds nothing to run.
    LeavesTheRelease,
    /// Nothing is finalized before all nodes are changed.
    FinalizesEarly,
    /// What is to be finalized is not taken back.
    AbortsLate,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::StoresAfterwards,
        Self::ForgetsTheLastNode,
        Self::IgnoresGates,
        Self::LeavesTheRelease,
        Self::FinalizesEarly,
        Self::AbortsLate,
    ];
}

thread_local! {
    static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Leaves out a rule in this thread, or none.
pub fn set(mutant: Option<Mutant>) {
    ON.set(mutant);
}

pub(crate) fn is_on(mutant: Mutant) -> bool {
    ON.get() == Some(mutant)
}
