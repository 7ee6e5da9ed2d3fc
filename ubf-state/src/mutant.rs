//! Rules that tests take away one at a time, to see that the searches miss them.
//!
//! The tests of this crate take a rule away for a thread, and `ubf-torture`, which has the feature
//! `mutants`, for a process. In every other build no rule can be taken away, and the questions are
//! constants.

/// A rule that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "mutants"), expect(unreachable_pub, reason = "only tests name one"))]
pub enum Mutant {
    /// T3: a `pong` leaves at once.
    MarksNotHeld,
    /// T3: `resumed` leaves at once.
    ResumedNotHeld,
    /// T3: the answer of a call that wrote nothing leaves at once.
    ReadsNotHeld,
    /// T3: the answer of a call that wrote leaves before its commit.
    AnswersNotHeld,
    /// T3: answers leave as soon as their batch is on its way to the store.
    FlightsNotAwaited,
    /// T3: no look at the epoch for calls that wrote nothing.
    NoLook,
    /// S4: what the client has seen does not raise what the server has received.
    ReceivedIgnoresDone,
    /// S5: a resume wins whatever its turn is.
    NoTurn,
    /// T3: the session's row is not in the transaction of its calls.
    SessionOutside,
    /// T3: what ran on top of a lost batch stays.
    TopStays,
    /// T4: after an unknown outcome the owner goes on as if nothing had been committed.
    UnknownIsLost,
    /// T6: whoever wants to claims the shard.
    ClaimsBlindly,
    /// T6: a version is finalized that some node does not know.
    FinalizesTooEarly,
    /// T6: the write version goes back under an offered contract.
    LowersUnderAnOffer,
    /// T6: the library writes its rows in the newest format that it knows.
    NewestFormat,
    /// U5: `prepared` is taken whatever attempt it names.
    AnyAttempt,
    /// U5: in doubt, B does not ask.
    NeverAsks,
    /// U5: A goes on with a shard that has moved, after it was started again.
    MovedForgotten,
    /// U5: A names B to clients before B is active.
    NamesEarly,
    /// U2: `ready` is the commit point.
    ReadyCommits,
    /// U2: P does not kill S before it goes on.
    NoKill,
    /// U2: the end of the stream means nothing to S.
    EndMeansNothing,
    /// U4: P ends when it has let go of the connections.
    NoGuard,
    /// U2: P lets go of the connections when it writes `go`.
    LetsGoAtGo,
    /// U2: S touches connections, and says then that it takes them.
    TakesBeforeItsWord,
    /// U2: P does not hear what S said before it was killed.
    LastWordsUnheard,
    /// U2: a message that lost descriptors is taken for whole.
    TruncatedIsWhole,
}

/// Whether a rule is taken away.
#[cfg(not(any(test, feature = "mutants")))]
pub(crate) const fn is_on(_: Mutant) -> bool {
    false
}

/// Whether a rule is taken away for the batch of this number.
#[cfg(not(any(test, feature = "mutants")))]
pub(crate) const fn is_on_for(_: Mutant, _batch: u64) -> bool {
    false
}

#[cfg(test)]
pub(crate) use self::switch::{is_on, is_on_for, with};

#[cfg(all(feature = "mutants", not(test)))]
pub use self::process::{is_on, is_on_for, take_away};

#[cfg(all(feature = "mutants", not(test)))]
mod process {
    use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use super::Mutant;

    /// The number of the rule and one; 0 if none is taken away.
    static ON: AtomicU32 = AtomicU32::new(0);
    /// It is broken for each number of which this is a divisor.
    static ONCE_IN: AtomicU64 = AtomicU64::new(1);

    /// Takes a rule away for the rest of this process. If it is one of batches, it is broken for one
    /// batch in so many.
    pub fn take_away(mutant: Mutant, once_in: u64) {
        ONCE_IN.store(once_in.max(1), Ordering::Relaxed);
        ON.store(mutant as u32 + 1, Ordering::Relaxed);
    }

    /// Whether a rule is taken away.
    pub fn is_on(mutant: Mutant) -> bool {
        ON.load(Ordering::Relaxed) == mutant as u32 + 1
    }

    /// Whether a rule is taken away for the batch of this number.
    pub fn is_on_for(mutant: Mutant, batch: u64) -> bool {
        is_on(mutant) && batch.is_multiple_of(ONCE_IN.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod switch {
    use std::cell::Cell;

    use super::Mutant;

    std::thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Whether a rule is taken away in this thread.
    pub(crate) fn is_on(mutant: Mutant) -> bool {
        ON.get() == Some(mutant)
    }

    /// Whether a rule is taken away for the batch of this number: here for all of them.
    pub(crate) fn is_on_for(mutant: Mutant, _batch: u64) -> bool {
        is_on(mutant)
    }

    /// Runs something without a rule.
    pub(crate) fn with<T>(mutant: Mutant, run: impl FnOnce() -> T) -> T {
        ON.set(Some(mutant));
        let result = run();
        ON.set(None);
        result
    }
}
