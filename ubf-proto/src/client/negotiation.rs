//! When a connection negotiates (N5, N10).
//!
//! ```text
//!            ┌────────────────────────── answered ──────────────────────────┐
//!            v                                                              │
//!         Settled ──a version is refused, crashed, or may be tried again──> │
//!            │                                                              │
//!            └──> Wanted ──as soon as it is allowed: `negotiate`──> Awaited ┘
//! ```

use crate::rate::RateWindow;
use crate::time::Time;

/// The negotiations of one connection.
#[derive(Debug)]
pub(super) struct Negotiation {
    stage: Stage,
    window: RateWindow,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// There is nothing to negotiate about.
    Settled,
    /// A `negotiate` is to be sent, and not before this moment.
    Wanted { not_before: Time },
    /// The answer to `negotiate`, which was this packet, is due. Behind it the next one may be
    /// wanted already.
    Awaited { packet: u64, is_wanted_again: bool },
}

impl Negotiation {
    /// Of a new connection: the first packet is a `negotiate`.
    pub(super) fn new() -> Self {
        Self { stage: Stage::Wanted { not_before: Time::ZERO }, window: RateWindow::default() }
    }

    /// There is a reason to negotiate, unless the answer that is due will settle it.
    pub(super) const fn want_if_settled(&mut self) {
        if matches!(self.stage, Stage::Settled) {
            self.want();
        }
    }

    /// There is a reason to negotiate that has come up since the last `negotiate`.
    pub(super) const fn want(&mut self) {
        match &mut self.stage {
            Stage::Settled => self.stage = Stage::Wanted { not_before: Time::ZERO },
            Stage::Wanted { .. } => {}
            Stage::Awaited { is_wanted_again, .. } => *is_wanted_again = true,
        }
    }

    /// N10: the server has refused to negotiate, and is asked again, but not before.
    pub(super) const fn want_after(&mut self, not_before: Time) {
        self.stage = Stage::Wanted { not_before };
    }

    /// N4, N10: the server has refused a message because there were too many negotiations. There is
    /// one more first, and not before this moment, unless the answer to one is due.
    pub(super) fn want_late(&mut self, not_before: Time) {
        self.stage = match self.stage {
            Stage::Settled => Stage::Wanted { not_before },
            Stage::Wanted { not_before: other } => {
                Stage::Wanted { not_before: other.max(not_before) }
            }
            Stage::Awaited { .. } => self.stage,
        };
    }

    pub(super) const fn is_wanted(&self) -> bool {
        matches!(self.stage, Stage::Wanted { .. })
    }

    pub(super) const fn is_awaited(&self) -> bool {
        matches!(self.stage, Stage::Awaited { .. })
    }

    /// Whether the answer to this packet is due.
    pub(super) const fn is_awaited_for(&self, number: u64) -> bool {
        matches!(self.stage, Stage::Awaited { packet, .. } if packet == number)
    }

    /// N10: the earliest moment of the next one, if one is wanted.
    pub(super) fn allowed_at(&self, max: u32) -> Option<Time> {
        match self.stage {
            Stage::Wanted { not_before } => Some(not_before.max(self.window.peek(max))),
            Stage::Settled | Stage::Awaited { .. } => None,
        }
    }

    /// A `negotiate` is sent, as this packet.
    pub(super) fn sent(&mut self, packet: u64, max: u32, now: Time) {
        debug_assert!(self.allowed_at(max).is_some_and(|at| at <= now), "N10: it was allowed");
        // Forgets those of more than a minute ago.
        let _now = self.window.allowed_at(max, now);
        self.window.record(now);
        self.stage = Stage::Awaited { packet, is_wanted_again: false };
    }

    /// The answer has come.
    pub(super) const fn answered(&mut self) {
        self.stage = match self.stage {
            Stage::Awaited { is_wanted_again: true, .. } => {
                Stage::Wanted { not_before: Time::ZERO }
            }
            Stage::Awaited { is_wanted_again: false, .. } => Stage::Settled,
            Stage::Settled | Stage::Wanted { .. } => self.stage,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n5_what_is_wanted_while_an_answer_is_due_comes_after_it() {
        let mut negotiation = Negotiation::new();
        assert_eq!(negotiation.allowed_at(6), Some(Time::ZERO));
        negotiation.sent(1, 6, Time::ZERO);
        assert!(negotiation.is_awaited_for(1) && !negotiation.is_awaited_for(2));
        negotiation.want();
        assert_eq!(negotiation.allowed_at(6), None);
        negotiation.answered();
        assert!(negotiation.is_wanted());
        negotiation.sent(2, 6, Time::ZERO);
        negotiation.answered();
        assert!(!negotiation.is_wanted() && !negotiation.is_awaited());
    }

    #[test]
    fn n4_a_negotiation_that_must_wait_comes_no_earlier_and_an_answer_that_is_due_settles_it() {
        let (early, late) = (Time::from_millis(5_000), Time::from_millis(10_000));
        let mut negotiation = Negotiation::new();
        negotiation.sent(1, 6, Time::ZERO);
        negotiation.want_late(late);
        assert_eq!(negotiation.allowed_at(6), None);
        negotiation.answered();
        assert_eq!(negotiation.allowed_at(6), None);
        negotiation.want_late(late);
        negotiation.want_late(early);
        negotiation.want();
        assert_eq!(negotiation.allowed_at(6), Some(late));
    }

    #[test]
    fn n10_a_server_that_refused_is_asked_again_after_the_wait_and_within_the_count() {
        let mut negotiation = Negotiation::new();
        negotiation.sent(1, 1, Time::ZERO);
        negotiation.want_after(Time::from_millis(10_000));
        assert_eq!(negotiation.allowed_at(2), Some(Time::from_millis(10_000)));
        assert_eq!(negotiation.allowed_at(1), Some(Time::from_millis(60_000)));
    }
}
