//! What becomes of the calls that were in flight on a connection that is gone (P5, P6, R4).

use alloc::collections::VecDeque;

use ubf_codec::Term;

use super::ClientSession;
use super::calls::OpenCall;
use super::connection::{Awaited, Sent};
use super::error::CallError;
use super::loss::LossReason;
use super::output::Done;

/// What the end of a connection says about the packets that have no answer.
#[derive(Debug)]
pub(super) enum Ending {
    /// Nothing.
    Broken,
    /// `closing`: those up to this number may have run.
    Planned { last: u64 },
    /// `error`: the packet at this offset could not be read, and what is behind it was not.
    Unread { why: Term, offset: u64 },
}

impl Ending {
    pub(super) fn of(reason: &LossReason, in_flight: &VecDeque<Sent>) -> Self {
        let is_due = |offset: &u64| in_flight.iter().any(|sent| sent.has_byte(*offset));
        if let LossReason::Closing { last, .. } = reason {
            return Self::Planned { last: *last };
        }
        // An offset in what was answered, or in what was not sent, says nothing.
        if let LossReason::ReportedError { why, offset } = reason
            && is_due(offset)
        {
            return Self::Unread { why: why.clone(), offset: *offset };
        }
        Self::Broken
    }

    /// Whether an event was certainly taken: after the last words no refusal can come any more
    /// (P5), unless an earlier answer is missing, too.
    pub(super) fn was_taken(&self, sent: &Sent, is_answer_missing: bool) -> bool {
        let is_planned = matches!(self, Self::Planned { .. });
        is_planned && self.may_have_run(sent) && sent.awaited.is_event() && !is_answer_missing
    }

    /// Whether a packet may have been executed.
    pub(super) const fn may_have_run(&self, sent: &Sent) -> bool {
        match self {
            Self::Broken => true,
            Self::Planned { last } => sent.packet <= *last,
            Self::Unread { offset, .. } => sent.end <= *offset,
        }
    }
}

impl ClientSession {
    /// Decides about what was in flight on a connection that is gone. Tells how many connections
    /// one of these calls had lost before.
    pub(super) fn settle(&mut self, in_flight: VecDeque<Sent>, ending: &Ending) -> u32 {
        let mut is_answer_missing = false;
        let mut is_culprit_found = false;
        let mut losses_before = 0;
        for sent in in_flight {
            let may_have_run = ending.may_have_run(&sent);
            let was_taken = ending.was_taken(&sent, is_answer_missing);
            let awaited = sent.awaited;
            is_answer_missing |= !awaited.is_event();
            let is_culprit = !may_have_run && !is_culprit_found;
            is_culprit_found |= is_culprit;
            match (awaited, ending) {
                (Awaited::Reply { call, version }, _) if was_taken => {
                    self.end(&call, Ok(Done::Taken { version }));
                }
                (Awaited::Reply { call, .. }, Ending::Unread { why, .. }) if is_culprit => {
                    self.end(&call, Err(CallError::Rejected { why: why.clone() }));
                }
                (Awaited::Reply { call, .. }, _) if may_have_run => {
                    losses_before = losses_before.max(call.losses);
                    self.after_loss(call);
                }
                // The server said that it did not run: nothing is lost.
                (Awaited::Reply { call, .. }, _) => self.waiting.insert(call),
                (Awaited::Abandoned { .. } | Awaited::Agreement { .. } | Awaited::Pong, _) => {}
            }
        }
        losses_before
    }

    /// R4: decides about a call that may have run on a connection that is gone.
    fn after_loss(&mut self, mut call: OpenCall) {
        call.losses += 1;
        if call.is_idempotent && call.losses <= self.config.max_losses {
            self.waiting.insert(call);
        } else {
            let loss = self.last_loss.clone();
            self.end(&call, Err(CallError::Indeterminate { loss }));
        }
    }
}
