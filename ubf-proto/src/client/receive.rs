//! What becomes of a server's packet.

use core::cmp::Ordering;

use bytes::Bytes;
use ubf_codec::{DecodeError, Document, Mode, NextIp, ServerPacket, Term, Version};

use super::calls::OpenCall;
use super::connection::{Awaited, Sent};
use super::error::CallError;
use super::loss::LossReason;
use super::negotiate::WAIT_AFTER_REFUSAL;
use super::notice::Notice;
use super::output::{ConnectionId, Done, InSession, Output};
use super::violation::Violation;
use super::{ClientSession, Slot};
use crate::control::{Agreed, ClientControl, ServerControl, TOO_MANY_NEGOTIATIONS, is_event};
use crate::mutant::{Mutant, is_on};
use crate::versions::Versions;

/// Which message an answer is about.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// P6: its number on this connection. 0: it came on an earlier one.
    packet: u64,
    /// S2: its number in the session. 0: it is not told.
    number: u64,
}

impl Place {
    /// Whether it is before, at or behind this one: messages of earlier connections come first
    /// (S4).
    fn compare(&self, sent: &Sent) -> Ordering {
        let order = self.packet.cmp(&sent.packet);
        if self.packet == 0 && sent.is_kept() { self.number.cmp(&sent.number) } else { order }
    }
}

impl ClientSession {
    /// Takes in one packet. `false` if there is none that is whole.
    pub(super) fn receive(&mut self) -> bool {
        // S11: what comes here after the session was asked for elsewhere is not read.
        (!self.is_frozen() && self.receive_on(Slot::Current)) || self.receive_on(Slot::Next)
    }

    fn receive_on(&mut self, slot: Slot) -> bool {
        let now = self.now;
        let is_asking = self.is_asking(slot);
        let Some(link) = self.slot(slot) else { return false };
        let connection = link.id;
        match link.inbound.next(now) {
            Ok(None) => false,
            Ok(Some(_)) | Err(_) if is_asking => {
                self.stop_asking();
                true
            }
            Ok(Some((packet, end))) => {
                self.receive_packet(slot, connection, packet, end);
                true
            }
            Err(error) => {
                self.bad_syntax(slot, connection, error);
                true
            }
        }
    }

    /// L3: what comes is no packet.
    pub(super) fn bad_syntax(&mut self, slot: Slot, connection: ConnectionId, error: DecodeError) {
        if self.peek(slot).is_some_and(|link| link.inbound.begins_with_hello()) {
            // It would take a complaint for a request.
            self.greeted_as_stock(connection, error);
        } else {
            self.complain(connection, Term::atom(error.kind().code()), error.offset());
            self.lost(connection, LossReason::BadSyntax(error));
        }
    }

    pub(super) fn receive_packet(
        &mut self,
        slot: Slot,
        connection: ConnectionId,
        packet: ServerPacket<Document<Bytes>>,
        end: u64,
    ) {
        let ServerPacket { header, body } = packet;
        match header.mode {
            Mode::Version(version) => {
                // R1: first the packet itself, then where the next message goes.
                self.note_last_words(slot, header.next_ip.as_ref());
                self.receive_message(slot, connection, version, body, end);
                self.note_next_ip(slot, header.next_ip);
            }
            Mode::Negotiation => match ServerControl::from_term(body.root()) {
                Ok(ServerControl::Moved { grace }) => {
                    if let Some(link) = self.slot(slot) {
                        link.next_ip = header.next_ip;
                    }
                    if slot == Slot::Current {
                        self.consider_next_ip(Some(grace));
                    }
                }
                Ok(control) => {
                    self.note_next_ip(slot, header.next_ip);
                    let len = body.source().len() as u64;
                    self.receive_control(slot, connection, control, len);
                }
                Err(error) => {
                    self.complain(
                        connection,
                        Term::atom("malformed"),
                        end - body.source().len() as u64,
                    );
                    self.lost(connection, LossReason::BadControl(error));
                }
            },
        }
    }

    fn receive_message(
        &mut self,
        slot: Slot,
        connection: ConnectionId,
        version: Version,
        body: Document<Bytes>,
        end: u64,
    ) {
        // P5: events stand between any two answers.
        let len = body.source().len() as u64;
        if is_event(body.root(), "event_out") {
            self.receive_event(slot, connection, version, body);
            return;
        }
        match self.pop_first_due(slot, len) {
            Some(Sent { awaited: Awaited::Agreement { versions, grease }, .. }) => {
                match Agreed::from_term(body.root()) {
                    Ok(agreed) => self.agreed(slot, version, agreed, (versions, grease)),
                    Err(error) => {
                        self.complain(
                            connection,
                            Term::atom("malformed"),
                            end - body.source().len() as u64,
                        );
                        self.lost(connection, LossReason::BadControl(error));
                    }
                }
            }
            Some(Sent { awaited: Awaited::Reply { call, version: expected }, packet, .. }) => {
                if version == expected {
                    self.has_replied();
                    let is_kept = packet == 0;
                    let outcome = if is_kept && self.is_unreadable(slot, version) {
                        Err(CallError::Unreadable { version })
                    } else {
                        let session = self.in_session(connection, is_kept);
                        Ok(Done::Reply { connection, version, session, body })
                    };
                    self.end(&call, outcome);
                } else {
                    self.end(&call, Err(CallError::Indeterminate { loss: None }));
                    self.violated(connection, Violation::WrongVersion { expected, found: version });
                }
            }
            Some(Sent { awaited: Awaited::Abandoned { version: expected, .. }, .. }) => {
                if version == expected {
                    self.route.call_was_executed();
                } else {
                    self.violated(connection, Violation::WrongVersion { expected, found: version });
                }
            }
            Some(Sent { awaited: Awaited::Pong, .. }) | None => {
                self.violated(connection, Violation::UnexpectedAnswer);
            }
        }
    }

    /// R5: a request was executed, and its reply is here.
    pub(super) fn has_replied(&mut self) {
        self.route.call_was_executed();
    }

    /// S8: an event of a version that is not used for now is dropped, if the session may have kept
    /// it.
    fn receive_event(
        &mut self,
        slot: Slot,
        connection: ConnectionId,
        version: Version,
        body: Document<Bytes>,
    ) {
        let now = self.now;
        if let Some(held) = &mut self.held
            && held.is_attached_to(connection)
        {
            held.unseen.event(body.source().len() as u64, now);
            if self.is_unreadable(slot, version) {
                self.statistics.events_dropped += 1;
                return;
            }
        }
        self.outputs.push_back(Output::EventOut { connection, version, body });
    }

    pub(super) fn in_session(
        &self,
        connection: ConnectionId,
        is_resumed: bool,
    ) -> Option<InSession> {
        let held = self.held.as_ref().filter(|held| held.is_attached_to(connection))?;
        Some(held.told(is_resumed))
    }

    /// R4: whoever says in an `agreed` that the session is elsewhere may say where.
    fn note_last_words(&mut self, slot: Slot, next_ip: Option<&NextIp>) {
        if let Some(link) = self.slot(slot).as_mut().filter(|link| link.agreed_at.is_none()) {
            link.next_ip = next_ip.cloned();
        }
    }

    fn receive_control(
        &mut self,
        slot: Slot,
        connection: ConnectionId,
        control: ServerControl,
        len: u64,
    ) {
        match control {
            ServerControl::Pong => match self.pop_first_due(slot, 0) {
                Some(Sent { awaited: Awaited::Pong, .. }) => {}
                other => self.unexpected(connection, other),
            },
            ServerControl::NoCommonVersion { service: _, versions, options } => {
                match self.pop_first_due(slot, 0) {
                    Some(Sent { awaited: Awaited::Agreement { .. }, .. }) => {
                        self.no_common_version(slot, versions, &options);
                    }
                    other => self.unexpected(connection, other),
                }
            }
            ServerControl::Refused { why, versions, packet, number } => {
                let answered = self.pop_numbered(slot, packet, number, len);
                self.refused(slot, connection, (why, versions, packet), answered);
            }
            ServerControl::Failed { why, versions: _, packet, number } => match self
                .pop_numbered(slot, packet, number, len)
            {
                Some(Sent { awaited: Awaited::Reply { call, version }, .. }) if !call.is_event => {
                    self.route.call_was_executed();
                    self.end(&call, Err(CallError::Failed { version, why }));
                }
                Some(Sent { awaited: Awaited::Abandoned { is_event: false, .. }, .. }) => {
                    self.route.call_was_executed();
                }
                other => self.unexpected_number(connection, other, packet),
            },
            ServerControl::Closing { why, packet } => {
                self.lost(connection, LossReason::Closing { why, last: packet });
            }
            ServerControl::Error { why, offset } => {
                self.lost(connection, LossReason::ReportedError { why, offset });
            }
            // Taken care of with its header.
            ServerControl::Moved { grace: _ } => {}
        }
    }

    /// N4: a packet was not executed.
    fn refused(
        &mut self,
        slot: Slot,
        connection: ConnectionId,
        refusal: (Term, Versions, u64),
        answered: Option<Sent>,
    ) {
        let (why, spoken, packet) = refusal;
        match answered {
            Some(Sent { awaited: Awaited::Reply { call, version }, .. }) => {
                self.version_refused(slot, version, &why, spoken);
                self.call_refused(call, why);
            }
            Some(Sent { awaited: Awaited::Abandoned { version, .. }, .. }) => {
                self.version_refused(slot, version, &why, spoken);
            }
            Some(Sent { awaited: Awaited::Agreement { .. }, .. }) => {
                self.negotiation_refused(slot, why);
            }
            // Whoever refuses is alive.
            Some(Sent { awaited: Awaited::Pong, .. }) => {}
            None => self.unexpected_number(connection, None, packet),
        }
    }

    /// N4: a call is sent again if another negotiation may help it, and otherwise has ended.
    fn call_refused(&mut self, mut call: OpenCall, why: Term) {
        let is_about_negotiation = ServerControl::refused_version(&why).is_some()
            || why.as_ref().is_atom(TOO_MANY_NEGOTIATIONS);
        call.refusals += 1;
        if is_about_negotiation && call.refusals <= self.config.max_refusals {
            self.statistics.refused += 1;
            self.notice(Notice::Refused { call: call.id, why });
            self.waiting.insert(call);
        } else {
            self.end(&call, Err(CallError::Refused { why }));
        }
    }

    /// N4, N5: the server asks for a negotiation by refusing a version.
    fn version_refused(&mut self, slot: Slot, version: Version, why: &Term, spoken: Versions) {
        if why.as_ref().is_atom(TOO_MANY_NEGOTIATIONS) {
            return self.asked_too_often(slot, version);
        }
        if ServerControl::refused_version(why) != Some(version) {
            return;
        }
        if let Some(at) = self.withdrawn.refused(version, self.now, &mut self.random) {
            self.look_at_versions_at(at);
        }
        let Some(link) = self.slot(slot) else { return };
        if link.in_force == Some(version) {
            link.in_force = None;
            link.spoken = spoken;
            // One that is on its way lifts the bar behind this refusal.
            link.negotiation.want_if_settled();
        }
    }

    /// N4, N10: a message was refused because there were too many negotiations. It goes out again
    /// when there was another one, and that one waits.
    fn asked_too_often(&mut self, slot: Slot, version: Version) {
        let not_before = self.now + WAIT_AFTER_REFUSAL;
        let Some(link) = self.slot(slot) else { return };
        if link.in_force == Some(version) {
            link.in_force = None;
        }
        link.negotiation.want_late(not_before);
    }

    /// The answer to the first packet that one is due for has come, so that the events before it
    /// were taken. It has so many bytes.
    fn pop_first_due(&mut self, slot: Slot, len: u64) -> Option<Sent> {
        let first = self.slot(slot).as_ref()?.first_due()?;
        let place = Place { packet: first.packet, number: first.number };
        self.pop_answered(slot, place, len)
    }

    /// S2, P6: the answer to the message of this number, or to the packet of this one, has come.
    fn pop_numbered(
        &mut self,
        slot: Slot,
        packet: u64,
        number: Option<u64>,
        len: u64,
    ) -> Option<Sent> {
        // The two numbers are those of one message. Outside of a session the second says nothing.
        if let Some(number) = number
            && packet > 0
        {
            let link = self.peek(slot)?;
            let is_it = |sent: &&Sent| sent.packet == packet;
            let sent = link.in_flight.iter().find(is_it)?;
            if sent.number > 0 && sent.number != number {
                return None;
            }
        }
        if is_on(Mutant::KeptRefusalsForTheFirstDue) && number.is_none() && packet == 0 {
            return self.pop_first_due(slot, len);
        }
        self.pop_answered(slot, Place { packet, number: number.unwrap_or(0) }, len)
    }

    /// The answer to this packet has come, so that the events before it were taken. `None` if it
    /// cannot have come yet (P5).
    fn pop_answered(&mut self, slot: Slot, place: Place, len: u64) -> Option<Sent> {
        loop {
            let now = self.now;
            let link = self.slot(slot).as_mut()?;
            let first = link.in_flight.front()?;
            let order = place.compare(first);
            if order.is_lt() || (order.is_gt() && !first.awaited.is_event()) {
                return None;
            }
            let sent = link.in_flight.pop_front()?;
            if order.is_eq() {
                link.has_answered(now);
                if matches!(sent.awaited, Awaited::Agreement { .. }) {
                    link.negotiation.answered();
                }
            }
            if sent.number > 0 {
                let message = (sent.number, sent.body_len);
                self.count_answer(slot, message, order.is_eq().then_some(len));
            }
            if order.is_eq() {
                return Some(sent);
            }
            if let Awaited::Reply { call, version } = sent.awaited {
                self.end(&call, Ok(Done::Taken { version }));
            }
        }
    }

    /// S3: a message of a session is answered, by so many bytes; or proven to be taken.
    pub(super) fn count_answer(
        &mut self,
        slot: Slot,
        (number, body_len): (u64, u64),
        len: Option<u64>,
    ) {
        let now = self.now;
        if let Some(outgoing) = self.outgoing(slot) {
            outgoing.answered(number, body_len);
        }
        if let Some(held) = &mut self.held
            && let Some(len) = len
        {
            held.unseen.answer(len, now);
        }
    }

    fn unexpected(&mut self, connection: ConnectionId, sent: Option<Sent>) {
        self.give_up(sent);
        self.violated(connection, Violation::UnexpectedAnswer);
    }

    fn unexpected_number(&mut self, connection: ConnectionId, sent: Option<Sent>, packet: u64) {
        self.give_up(sent);
        self.violated(connection, Violation::WrongPacketNumber { found: packet });
    }

    /// Ends the call that was taken out for an answer that makes no sense.
    fn give_up(&mut self, sent: Option<Sent>) {
        if let Some(Sent { awaited: Awaited::Reply { call, .. }, .. }) = sent {
            self.end(&call, Err(CallError::Indeterminate { loss: None }));
        }
    }

    pub(super) fn violated(&mut self, connection: ConnectionId, violation: Violation) {
        let offset = self.connection_mut(connection).map_or(0, |link| link.inbound.offset());
        self.complain(connection, Term::atom(violation.code()), offset);
        self.lost(connection, LossReason::Violation(violation));
    }

    /// L3: tells the server what is wrong with it.
    fn complain(&mut self, connection: ConnectionId, why: Term, offset: u64) {
        self.transmit(connection, ClientControl::Error { why, offset }.packet());
    }
}
