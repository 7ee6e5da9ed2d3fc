//! Rules of sessions that tests take away one at a time, to see that simulation and search miss
//! them.
//!
//! Without the feature `mutants`, which is for this crate's own tests, no rule can be taken away:
//! the question is a constant, and what it guards is not compiled.

/// A rule that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "mutants"), expect(unreachable_pub, reason = "only tests name one"))]
pub enum Mutant {
    /// S4: the client repeats from one message before the first that is missing.
    RepeatsTooEarly,
    /// S4: the client repeats from one message behind the first that is missing.
    RepeatsTooLate,
    /// S2: a message that is refused takes no number.
    RefusalsWithoutNumber,
    /// S2: a kept refusal does not say which message it is about.
    KeptRefusalsWithoutK,
    /// S2: nor does it have to, since the client takes it for the first that is due.
    KeptRefusalsForTheFirstDue,
    /// S4: after a resume the client sends at once.
    NoBarrier,
    /// S5: a resume wins whatever its turn is.
    NoTurn,
    /// S1: the client uses the name of a session again that it did not hear of, and the server
    /// opens another one of that name.
    IdOpenedTwice,
    /// S4: what the client has does not raise what the server has received.
    ReceivedIgnoresDone,
    /// S3: the server stops reading when much waits.
    PendingStopsReading,
    /// S3: the client acknowledges only when nothing is due.
    SeenOnlyAtRest,
    /// S4: what is sent again has the NextIP of the connection before.
    KeptNextIp,
    /// S6: the time for which a session is kept begins when it is opened.
    KeptFromOpening,
    /// S4: calls follow a resume at once.
    OptimisticResume,
    /// S5.7: a session that is kept for no time ends between two connections.
    EndsBetweenConnections,
    /// S7.2: an owner that has named another server is asked only where R4 names it.
    OwnerThatLeftIsForgotten,
    /// S7.15: what a closing owner has not taken may have run.
    NotTakenMayHaveRun,
    /// S10.4: a cordon hears only those whose session is parked.
    CordonShutsOutHalfOpen,
    /// S10.6: who comes for a session under a cordon may do anything.
    CordonLetsAnybodyIn,
}

/// Whether a rule is taken away.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is_on(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub use self::switch::with;

#[cfg(feature = "mutants")]
pub(crate) use self::switch::is_on;

#[cfg(feature = "mutants")]
mod switch {
    extern crate std;

    use std::cell::Cell;

    use super::Mutant;

    std::thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Whether a rule is taken away in this thread.
    pub(crate) fn is_on(mutant: Mutant) -> bool {
        ON.get() == Some(mutant)
    }

    /// Runs something without a rule.
    pub fn with<T>(mutant: Mutant, run: impl FnOnce() -> T) -> T {
        /// The rule is back even if that panics.
        struct Back;

        impl Drop for Back {
            fn drop(&mut self) {
                ON.set(None);
            }
        }

        let _back = Back;
        ON.set(Some(mutant));
        run()
    }
}
