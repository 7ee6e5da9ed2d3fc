//! The session that a client holds, on a connection or between two.
//!
//! ```text
//!  granted ──> Attached ──the connection is lost──> Parked ──the owner does not know it,──> gone
//!                 ^                                   │       or it was kept long enough
//!                 └───────────── resumed ─────────────┘
//! ```

use alloc::collections::VecDeque;
use core::time::Duration;

use super::connection::{Awaited, Sent};
use super::output::{ConnectionId, InSession};
use super::route::Candidate;
use super::settle::Ending;
use crate::session::{Grant, Level, Outgoing, Resume, SessionId, Unseen};
use crate::time::Time;

/// S7: a process that ends and is started again is back by then, mostly. Chosen: calls wait no
/// longer than that for what is gone.
const MAX_SHUT: Duration = Duration::from_secs(1);

/// A session that a server has granted.
#[derive(Debug)]
pub(super) struct Held {
    /// The sessions of this client are counted from 1.
    pub(super) ordinal: u64,
    id: SessionId,
    pub(super) grant: Grant,
    /// S7: the address that owned it last.
    pub(super) owner: Candidate,
    /// S7: it has said `closing`, and has named another server.
    pub(super) has_owner_left: bool,
    /// S7: since when nobody takes connections at the owner's address. `None` if somebody does, or
    /// if that is not known.
    pub(super) shut_since: Option<Time>,
    /// S5: the number of the last attempt to attach it to a connection.
    turn: u64,
    pub(super) outgoing: Outgoing,
    pub(super) unseen: Unseen,
    pub(super) place: Place,
}

/// Where a session is.
#[derive(Debug)]
pub(super) enum Place {
    /// On this connection, which has its messages without an answer.
    Attached(ConnectionId),
    /// On none.
    Parked {
        since: Time,
        /// Messages without an answer, by ascending numbers.
        messages: VecDeque<Sent>,
        /// What the end of the last connection says about them, if the session is gone.
        ending: Ending,
    },
}

impl Held {
    pub(super) const fn new(
        ordinal: u64,
        id: SessionId,
        grant: Grant,
        owner: Candidate,
        outgoing: Outgoing,
        connection: ConnectionId,
    ) -> Self {
        Self {
            ordinal,
            id,
            grant,
            owner,
            has_owner_left: false,
            shut_since: None,
            turn: 1,
            outgoing,
            unseen: Unseen::new(),
            place: Place::Attached(connection),
        }
    }

    pub(super) fn is_attached_to(&self, connection: ConnectionId) -> bool {
        matches!(self.place, Place::Attached(attached) if attached == connection)
    }

    pub(super) const fn id(&self) -> SessionId {
        self.id
    }

    /// S4, S5: the option of one more attempt to go on.
    pub(super) const fn next_resume(&mut self) -> Resume {
        self.turn += 1;
        let (done, events) = (self.outgoing.done(), self.unseen.events());
        Resume { id: self.id, done, events, turn: self.turn }
    }

    /// S7: whether a call would be in doubt if the session was gone.
    pub(super) fn is_in_doubt(&self) -> bool {
        match &self.place {
            Place::Attached(_) => false,
            Place::Parked { messages, ending, .. } => {
                let mut is_answer_missing = false;
                messages.iter().any(|sent| {
                    let was_taken = ending.was_taken(sent, is_answer_missing);
                    is_answer_missing |= !sent.awaited.is_event();
                    let is_awaited = matches!(sent.awaited, Awaited::Reply { .. });
                    is_awaited && !was_taken && ending.may_have_run(sent)
                })
            }
        }
    }

    /// S7: whether its owner's process seems to have ended, and it with it.
    pub(super) fn is_gone_with_owner(&self, now: Time) -> bool {
        let is_shut = self.shut_since.is_some_and(|since| now >= since + MAX_SHUT);
        self.grant.level == Level::Memory && is_shut
    }

    /// S7: when nobody will keep it any more.
    pub(super) fn gone_at(&self) -> Option<Time> {
        match &self.place {
            Place::Attached(_) => None,
            Place::Parked { since, .. } => Some(*since + self.grant.keep),
        }
    }

    /// What is told about an answer that comes in this session.
    pub(super) const fn told(&self, is_resumed: bool) -> InSession {
        InSession { ordinal: self.ordinal, is_resumed }
    }
}
