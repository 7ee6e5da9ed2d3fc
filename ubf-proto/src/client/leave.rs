//! How a session loses its connection, is acknowledged, and ends (S3, S4, S6, S7).

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use ubf_codec::Term;

use super::connection::{Attachment, Connection, Sent};
use super::error::CallError;
use super::held::Place;
use super::loss::LossReason;
use super::notice::Notice;
use super::output::{ConnectionId, Output};
use super::settle::Ending;
use super::{ClientSession, Slot};
use crate::control::ClientControl;
use crate::mutant::{Mutant, is_on};
use crate::time::Time;

impl ClientSession {
    /// Decides about what was in flight on a connection that is gone: its session may go on, and
    /// otherwise its calls end. Tells how many connections one of these calls had lost before.
    pub(super) fn leave(
        &mut self,
        link: Box<Connection>,
        slot: Slot,
        ending: Ending,
        is_resumable: bool,
    ) -> u32 {
        let is_attached = matches!(link.attachment, Attachment::Attached)
            && self.held.as_ref().is_some_and(|held| held.is_attached_to(link.id));
        if is_on(Mutant::IdOpenedTwice)
            && let Attachment::Wished { wish, .. } = &link.attachment
        {
            self.stock = Some(wish.id);
        }
        if !is_attached {
            return self.settle(link.in_flight, &ending);
        }
        // A session that another connection is about to use has no calls yet.
        let is_in_use = slot == Slot::Current || self.current.is_none();
        // Nor has one that the program has not opened: to open it is begun anew.
        if is_in_use && !link.is_held && is_resumable {
            self.park(link.in_flight, ending);
            return 0;
        }
        self.forget_session();
        self.settle(link.in_flight, &ending)
    }

    /// S6: keeps the messages without an answer for another connection.
    fn park(&mut self, in_flight: VecDeque<Sent>, ending: Ending) {
        let now = self.now;
        let mut messages: VecDeque<Sent> =
            in_flight.into_iter().filter(|sent| sent.number > 0).collect();
        if let Ending::Unread { why, offset } = &ending {
            let unread = messages.iter_mut().find(|sent| sent.has_byte(*offset));
            self.reject(unread, why);
        }
        if let Some(held) = &mut self.held {
            held.place = Place::Parked { since: now, messages, ending };
        }
    }

    /// L3: the server cannot read a message, so that it is not sent again.
    fn reject(&mut self, sent: Option<&mut Sent>, why: &Term) {
        if let Some(call) = sent.and_then(|sent| sent.abandon(|_| true)) {
            self.end(&call, Err(CallError::Rejected { why: why.clone() }));
        }
    }

    /// S7: the session is gone, and with it the answers to its calls.
    pub(super) fn give_up_session(&mut self) {
        let now = self.now;
        let Some(held) = self.held.take() else { return };
        let Place::Parked { since, messages, ending } = held.place else { return };
        self.statistics.unknown += 1;
        self.statistics.parked += now.since(since);
        self.notice(Notice::SessionLost { ordinal: held.ordinal, address: held.owner.address });
        let losses_before = self.settle(messages, &ending);
        self.route.backoff.at_least(losses_before);
    }

    /// The session is gone with its connection, and that is told already.
    fn forget_session(&mut self) {
        self.held = None;
    }

    /// S3: another session takes the place of this one, in which nothing is due.
    pub(super) fn leave_session(&mut self) {
        let Some(held) = &self.held else { return };
        match held.place {
            Place::Attached(connection) => {
                let (done, events) = (held.outgoing.done(), held.unseen.events());
                self.end_session_on(connection, done, events);
                self.forget_session();
            }
            Place::Parked { .. } => self.give_up_session(),
        }
    }

    /// S3: ends a session.
    pub(super) fn end_session_on(&mut self, connection: ConnectionId, done: u64, events: u64) {
        self.say_seen(connection, &ClientControl::Seen { done, events, is_end: true });
    }

    fn say_seen(&mut self, connection: ConnectionId, seen: &ClientControl) {
        let packet = seen.packet();
        if let Some(link) = self.connection_mut(connection) {
            // P6: it counts like any packet.
            link.count(packet.len());
            self.transmit(connection, packet);
        }
    }

    /// S3: tells the server what it need not keep any longer, where that is due.
    pub(super) fn tell_seen(&mut self) -> bool {
        if self.seen_at().is_none_or(|at| self.now < at) {
            return false;
        }
        let Some(held) = &mut self.held else { return false };
        let Place::Attached(connection) = held.place else { return false };
        held.unseen.told();
        let (done, events) = (held.outgoing.done(), held.unseen.events());
        self.say_seen(connection, &ClientControl::Seen { done, events, is_end: false });
        true
    }

    fn seen_at(&self) -> Option<Time> {
        let held = self.held.as_ref()?;
        if is_on(Mutant::SeenOnlyAtRest) && !self.owes_nothing() {
            return None;
        }
        match held.place {
            // S11: after the session was asked for elsewhere, nothing is said here.
            Place::Attached(_) if self.is_frozen() => None,
            Place::Attached(_) => held.unseen.due_at(held.grant.kept),
            Place::Parked { .. } => None,
        }
    }

    /// When there is something to do about the session.
    pub(super) fn session_at(&self) -> Option<Time> {
        self.seen_at().into_iter().chain(self.gone_at()).min()
    }

    /// S7: when the session will be gone, unless a server is being asked for it.
    fn gone_at(&self) -> Option<Time> {
        let is_asked = |link: &Connection| matches!(link.attachment, Attachment::Resuming);
        let is_being_asked = self.next.as_deref().is_some_and(is_asked);
        self.held.as_ref().filter(|_| !is_being_asked)?.gone_at()
    }

    /// S7: gives a session up that no server keeps so long.
    pub(super) fn end_parked(&mut self) -> bool {
        let is_over = self.gone_at().is_some_and(|at| self.now >= at);
        if is_over {
            self.give_up_session();
        }
        is_over
    }

    /// S3: the client is closed, and leaves no session behind.
    pub(super) fn end_session(&mut self) {
        if let Some(held) = &self.held
            && let Place::Attached(_) = held.place
        {
            self.leave_session();
        }
        self.held = None;
    }

    /// What a connection that is given up says at last: the session that was opened on it ends with
    /// it.
    pub(super) fn last_words(&mut self, link: &Connection, reason: &LossReason) {
        let held = self.held.as_ref().filter(|held| held.is_attached_to(link.id));
        let Some(held) = held.filter(|_| *reason == LossReason::NotOpened) else { return };
        let (done, events) = (held.outgoing.done(), held.unseen.events());
        let packet = ClientControl::Seen { done, events, is_end: true }.packet();
        self.outputs.push_back(Output::Transmit { connection: link.id, packet });
    }
}
