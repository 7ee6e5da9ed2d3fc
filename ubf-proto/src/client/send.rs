//! What is sent, and when.

use bytes::Bytes;

use super::calls::Rendering;
use super::connection::{Attachment, Awaited, Connection, Purpose};
use super::error::CallError;
use super::output::Output;
use super::{ClientSession, Slot, accepted};
use crate::control::{ClientControl, Context};

impl ClientSession {
    /// Sends one packet, or asks for what is missing. `false` if there is nothing to send.
    pub(super) fn send(&mut self) -> bool {
        self.ask() || self.send_call()
    }

    /// Sends a `ping` where one is due.
    pub(super) fn ask(&mut self) -> bool {
        self.tell_seen() || self.ping(Slot::Current) || self.ping(Slot::Next)
    }

    /// L2: asks for a sign of life; or, behind events, whether they were taken.
    fn ping(&mut self, slot: Slot) -> bool {
        // S11: after the session was asked for elsewhere, nothing is said here.
        if slot == Slot::Current && self.is_frozen() {
            return false;
        }
        // An answer is due to the last packet: nothing is quiet, and nothing is in doubt.
        let is_answer_last =
            |link: Option<&Connection>| link.is_none_or(Connection::ends_with_question);
        if is_answer_last(self.peek(slot)) {
            return false;
        }
        let is_leaving = self.is_closing
            || (slot == Slot::Current && self.next.is_some() && !self.is_asking(Slot::Next));
        let has_waiting = !self.waiting.is_empty();
        let has_room = self.has_room(slot);
        // S11: a server shuts out whoever says nothing for long.
        let is_waiting_there =
            slot == Slot::Next && self.is_move_of_session() && !self.owes_nothing();
        let (now, max_in_flight) = (self.now, self.config.max_in_flight);
        let link = match slot {
            Slot::Current => &self.current,
            Slot::Next => &self.next,
        };
        let Some(link) = link else { return false };
        let is_barred = |link: &Connection| {
            let is_other =
                link.in_force.is_none_or(|version| link.has_other_version_in_flight(version));
            is_other && has_waiting
        };
        let must_know = || {
            let is_full = link.in_flight.len() >= max_in_flight;
            link.ends_with_event()
                && (is_leaving
                    || is_full
                    || !has_room
                    || link.is_catching_up()
                    || link.doomed.is_some()
                    || is_barred(link))
        };
        let is_silent = self.is_reading && now >= link.ping_at(&self.config);
        let is_due = is_silent || (is_waiting_there && link.packets == 0);
        if !link.is_open() || !(is_due || must_know()) {
            return false;
        }
        let connection = link.id;
        let packet = ClientControl::Ping.packet();
        let Some(link) = self.slot(slot) else { return false };
        link.push(Awaited::Pong, packet.len(), now);
        self.transmit(connection, packet);
        true
    }

    /// Where messages go. `None` while they are held back.
    fn sending_slot(&mut self) -> Option<Slot> {
        let Some(next) = self.next.as_ref().filter(|next| next.purpose == Purpose::Use) else {
            return self.current.is_some().then_some(Slot::Current);
        };
        match &self.current {
            None => Some(Slot::Next),
            // R2: nothing more is sent on the old connection.
            Some(current) if next.is_usable() => {
                if current.in_flight.is_empty() {
                    Some(Slot::Next)
                } else {
                    let is_optimistic = next.agreed_at.is_none();
                    (!is_optimistic && !self.is_holding()).then_some(Slot::Current)
                }
            }
            Some(_) if self.is_frozen() => None,
            // S11: the session leaves when nothing is due here.
            Some(_) if next.is_open() && self.is_move_of_session() => {
                (!self.is_holding()).then_some(Slot::Current)
            }
            // R6: after an address that did not work none is waited for; but calls that went there
            // at once (N3) are not overtaken.
            Some(_) => (self.route.is_move_doubtful && !next.has_messages_in_flight())
                .then_some(Slot::Current),
        }
    }

    pub(super) fn send_call(&mut self) -> bool {
        let Some(slot) = self.sending_slot() else { return false };
        let (max_in_flight, max_unsent) = (self.config.max_in_flight, self.config.max_unsent_bytes);
        let link = match slot {
            Slot::Current => &mut self.current,
            Slot::Next => &mut self.next,
        };
        let Some(link) = link.as_mut().filter(|link| link.is_usable()) else { return false };
        let Some(version) = link.in_force else { return false };
        // L1: the server's pace is ours.
        if link.in_flight.len() >= max_in_flight || link.unsent >= max_unsent {
            return false;
        }
        // What goes out in another version may be refused, and would then be overtaken.
        if link.has_other_version_in_flight(version) {
            return false;
        }
        let (connection, is_held) = (link.id, link.is_held);
        let is_wish_open = matches!(link.attachment, Attachment::Wished { .. });
        let Some(call) = self.waiting.first() else { return false };
        // S1: whatever may run twice if the session is never granted waits for it.
        if is_wish_open && (call.is_event || !call.is_idempotent) {
            return false;
        }
        match call.opens {
            Some(opened) if opened != connection => return self.end_late_opening(),
            None if is_held => return false,
            Some(_) | None => {}
        }
        let body: Bytes = match &call.rendering {
            Rendering::Ready(ready, body) if *ready == version || call.is_constant => body.clone(),
            Rendering::Asked(asked) if *asked == version => return false,
            Rendering::Needed | Rendering::Asked(_) | Rendering::Ready(..) => {
                // N8: rendered for the version that it is sent in.
                call.rendering = Rendering::Asked(version);
                self.outputs.push_back(Output::Render { call: call.id, version });
                return true;
            }
        };
        // N12: nobody knows what a server accepts that has never agreed.
        let checked =
            link.accepted.as_deref().map_or(Ok(()), |limits| accepted::check(&body, limits));
        if let Err(error) = checked {
            // N3: what was too much then may not be now. Nothing follows at once any more.
            if link.agreed_at.is_none() {
                link.in_force = None;
                return false;
            }
            let Some(call) = self.waiting.pop() else { return false };
            self.end(&call, Err(error));
            return true;
        }
        let body_len = body.len() as u64;
        let packet = link.heads.packet(version, body);
        // S3: a session has room for so much.
        let Some(number) = self.number(slot, body_len) else { return false };
        let now = self.now;
        let Some(call) = self.waiting.pop() else { return false };
        let Some(link) = self.slot(slot) else { return false };
        let context = link.reads_context.then(|| {
            let context =
                Context::new(call.trace.as_deref().copied(), Some(call.deadline.since(now)));
            let context = ClientControl::Context(context).packet();
            link.count(context.len());
            context
        });
        let awaited = Awaited::Reply { call, version };
        link.push_message(awaited, (number, body_len), packet.len(), now);
        if let Some(context) = context {
            self.transmit(connection, context);
        }
        self.transmit(connection, packet);
        true
    }

    /// S3: whether the session has room for the first call that waits.
    fn has_room(&mut self, slot: Slot) -> bool {
        let len = match self.waiting.first().map(|call| &call.rendering) {
            Some(Rendering::Ready(_, body)) => body.len() as u64,
            Some(Rendering::Needed | Rendering::Asked(_)) => 0,
            None => return true,
        };
        self.outgoing(slot).is_none_or(|outgoing| outgoing.has_room(len))
    }

    /// The call was to open a connection that is gone.
    fn end_late_opening(&mut self) -> bool {
        let Some(call) = self.waiting.pop() else { return false };
        self.end(&call, Err(CallError::Cancelled { may_have_run: false }));
        true
    }
}
