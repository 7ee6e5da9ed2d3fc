//! What becomes of a client's packet.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use ubf_codec::{Address, ClientHeader, ClientPacket, DecodeError, Document, Mode, Term, Version};

use super::ServerSession;
use super::answer::Content;
use super::calls::Calls;
use super::output::{CloseReason, Message, Notice, Output};
use super::resuming::SessionRequest;
use super::wire::{Asked, Cordoned, Opening};
use crate::control::{
    Agreed, ClientControl, ControlError, NOT_ALLOWED, Negotiate, Options, ServerControl,
    TOO_MANY_NEGOTIATIONS, is_event,
};
use crate::inbound::Whole;
use crate::mutant::{Mutant, is_on};
use crate::packet;
use crate::random::Random;
use crate::session::SessionOption;
use crate::versions::Versions;

impl ServerSession {
    /// The next packet, if one is whole, and where it ends.
    pub(super) fn next_packet(&mut self) -> Option<Whole<ClientHeader>> {
        match self.wire.inbound.next(self.now) {
            Ok(next) => next,
            Err(error) => {
                self.end_broken(error);
                None
            }
        }
    }

    /// L3: the stream is lost, and with it the connection; calls in progress are answered first.
    #[cold]
    fn end_broken(&mut self, error: DecodeError) {
        let why = Term::atom(error.kind().code());
        let last_words = ServerControl::Error { why, offset: error.offset() };
        self.end(Some(last_words), CloseReason::BadSyntax(error), self.config.max_close_time);
    }

    /// Takes in a packet. Mostly, it is a message, which needs no queue; what else it makes is
    /// queued.
    pub(super) fn receive(
        &mut self,
        packet: ClientPacket<Document<Bytes>>,
        end: u64,
    ) -> Option<Output> {
        self.wire.packets += 1;
        match packet.header.mode {
            Mode::Negotiation => {
                self.receive_control(&packet, end);
                None
            }
            Mode::Version(version) => self.receive_message(version, packet),
        }
    }

    fn receive_message(
        &mut self,
        version: Version,
        packet: ClientPacket<Document<Bytes>>,
    ) -> Option<Output> {
        let packet_number = self.packet_number();
        // S1: a message that came before would have no number.
        if !matches!(self.wire.opening, Opening::Over)
            && let Some(cordon) = self.wire.opening.end()
        {
            self.turn_away(*cordon);
            return None;
        }
        let is_barred = self.wire.bars(&self.calls.service);
        let context = self.wire.take_context();
        let is_refused = is_barred
            || self.wire.is_refused(version)
            || !self.calls.speaks(version, &self.offer, self.now);
        // S2: outside of a session messages have no numbers.
        let number = match &mut self.calls.session {
            Some(_) if is_refused && is_on(Mutant::RefusalsWithoutNumber) => 0,
            Some(session) => session.take_message(),
            None => 0,
        };
        if is_refused {
            if !is_barred {
                self.wire.refuse(version);
            }
            let refused = Notice::Refused { version, packet: packet_number };
            self.outputs.push_back(Output::Notice(refused));
            if is_barred {
                self.refuse_barred(number);
                return None;
            }
            if !self.is_in_owned_session() {
                self.refuse(number, ServerControl::version_refusal(version));
                return None;
            }
        }
        // What is refused has an answer, also if it is an event.
        let is_event = !is_refused && is_event(packet.body.root(), "event_in");
        let refused = is_refused.then(|| Box::new(ServerControl::version_refusal(version)));
        let is_owned = self.calls.is_owned();
        let message = self.boxed(Message {
            packet: packet_number,
            number: (number > 0).then_some(number),
            service: self.calls.service.clone(),
            version,
            body: packet.body,
            refused,
            context,
        });
        let Calls { session, pending, .. } = &mut self.calls;
        let bytes = message.body.source().len();
        if let Some(session) = session {
            let may_begin = !session.has_waiting()
                && session.may_begin(version, pending.running(), pending.answer_bytes());
            if !may_begin {
                // An event, too: it may yet be refused, and what comes behind it says that it was
                // not (S3).
                pending.push_taken(packet_number, number, version, bytes);
                session.wait(message, is_event);
                return None;
            }
            session.begins(version);
        }
        Some(if is_event {
            if is_owned {
                // T3: what comes behind it says that it was taken.
                pending.push_event(packet_number, number, bytes);
            }
            Output::Event(message)
        } else {
            pending.push_running(packet_number, number, version, bytes);
            Output::Request(message)
        })
    }

    /// The message in a box: in that of the last one, if it was given back.
    fn boxed(&mut self, message: Message) -> Box<Message> {
        let Some(mut place) = self.spare.take() else { return Box::new(message) };
        let last = core::mem::replace(&mut *place, message);
        self.wire.inbound.recycle(last.body);
        place
    }

    /// The number of the packet just taken in, counted over all connections of a session.
    const fn packet_number(&self) -> u64 {
        self.calls.base.saturating_add(self.wire.packets)
    }

    #[inline(never)]
    fn receive_control(&mut self, packet: &ClientPacket<Document<Bytes>>, end: u64) {
        match ClientControl::from_term(packet.body.root()) {
            Ok(ClientControl::Negotiate(negotiate)) => self.negotiate(*negotiate),
            Ok(ClientControl::Ping) => {
                self.answer_body(Mode::Negotiation, packet::body(&ServerControl::Pong.to_term()));
            }
            // S3: it has no answer.
            Ok(ClientControl::Seen { done, events, is_end }) => {
                if let Some(field) = self.seen(done, events, is_end) {
                    self.end_malformed("seen", field, packet, end);
                }
            }
            // N15: it has no answer.
            Ok(ClientControl::Context(context)) => {
                if !self.wire.set_context(context) {
                    self.refuse(0, Term::atom("unknown_packet"));
                }
            }
            Ok(ClientControl::Error { why, offset }) => {
                self.outputs.push_back(Output::Notice(Notice::ReportedError { why, offset }));
                self.end(None, CloseReason::ReportedError, self.config.max_close_time);
            }
            // A later version of the rules may know the packet: it is told that this server does
            // not.
            Err(ControlError::Unknown) => self.refuse(0, Term::atom("unknown_packet")),
            Err(ControlError::Malformed { packet: name, field }) => {
                self.end_malformed(name, field, packet, end);
            }
        }
    }

    /// The packet just taken in is malformed in this field.
    fn end_malformed(
        &mut self,
        name: &str,
        field: &str,
        packet: &ClientPacket<Document<Bytes>>,
        end: u64,
    ) {
        let why = Term::tuple([Term::atom("malformed"), Term::atom(name), Term::atom(field)]);
        let offset = end - packet.body.source().len() as u64;
        let last_words = ServerControl::Error { why, offset };
        self.end(Some(last_words), CloseReason::BadControl, self.config.max_close_time);
    }

    fn negotiate(&mut self, negotiate: Negotiate) {
        if self.wire.negotiations.allowed_at(self.config.max_negotiations, self.now) > self.now {
            // N10: it was not executed, and may be sent again later.
            return self.refuse(0, Term::atom(TOO_MANY_NEGOTIATIONS));
        }
        if self.calls.session.is_some() && negotiate.service != self.calls.service {
            // S1: a session has one service.
            return self.refuse(0, Term::atom("one_service"));
        }
        self.wire.negotiations.record(self.now);
        if self.wire.bars(&negotiate.service) {
            return self.bar(negotiate);
        }
        let request = match &self.wire.opening {
            Opening::Possible if self.calls.session.is_none() => self.session_request(&negotiate),
            Opening::Cordoned(_) => {
                SessionRequest::of(&negotiate).filter(SessionRequest::is_resume)
            }
            Opening::Possible | Opening::Asked(_) | Opening::Over => None,
        };
        match (request, self.wire.opening.end()) {
            (Some(request), cordon) => {
                self.wire.opening = Opening::Asked(Box::new(Asked { negotiate, cordon }));
                self.outputs.push_back(Output::Session(request));
            }
            (None, Some(cordon)) => self.turn_away(*cordon),
            (None, None) => {
                let (mode, body) = self.answer_to_negotiate(negotiate, None);
                self.answer_body(mode, body);
            }
        }
    }

    /// N14: what follows is for this service, and is refused like the `negotiate`.
    fn bar(&mut self, negotiate: Negotiate) {
        // S1: no session is opened later, and none goes on.
        if let Some(cordon) = self.wire.opening.end() {
            return self.turn_away(*cordon);
        }
        let Negotiate { service, options, .. } = negotiate;
        self.wire.heads.hold(false);
        self.calls.turn_to(service.clone(), options.limits(), &self.offer);
        self.outputs.push_back(Output::Notice(Notice::NotAllowed { service }));
        self.refuse_barred(0);
    }

    /// N14: the packet just taken in is for a service that its client may not use, nor know the
    /// versions of.
    fn refuse_barred(&mut self, number: u64) {
        let content = Content::refused(Term::atom(NOT_ALLOWED), Versions::new());
        let packet = self.packet_number();
        self.calls.pending.push_ready(packet, number, Mode::Negotiation, content);
    }

    /// S10.6: the packet just taken in is not executed, and nothing after it.
    fn turn_away(&mut self, cordon: Cordoned) {
        if self.wire.heads.next_ip().is_none() {
            self.wire.heads.set_next_ip(cordon.next_ip);
        }
        let packet = self.wire.packets.saturating_sub(1);
        let last_words = ServerControl::Closing { why: Term::atom("cordoned"), packet };
        self.end(Some(last_words), CloseReason::Cordoned, Duration::ZERO);
    }

    /// What the endpoint is to be asked.
    fn session_request(&self, negotiate: &Negotiate) -> Option<SessionRequest> {
        let request = SessionRequest::of(negotiate)?;
        let spoken = self.offer.spoken(&negotiate.service, self.now);
        // S1: a session that nobody could speak in is not opened. One that is there goes on.
        let is_open = matches!(request, SessionRequest::Open { .. });
        (!is_open || spoken.choose(&negotiate.versions).is_some()).then_some(request)
    }

    /// N1: chooses, and writes the answer.
    pub(super) fn answer_to_negotiate(
        &mut self,
        negotiate: Negotiate,
        session: Option<SessionOption>,
    ) -> (Mode, Bytes) {
        self.wire.refused = None;
        if self.calls.service != negotiate.service {
            self.wire.heads.hold(false);
        }
        let limits = negotiate.options.limits();
        let context = negotiate.options.context;
        self.wire.agree_on_context(context);
        self.calls.turn_to(negotiate.service, limits, &self.offer);
        let service = self.calls.service.clone();
        let spoken = self.spoken();
        // N1: the highest version in both lists.
        let Some(version) = spoken.choose(&negotiate.versions) else {
            self.outputs.push_back(Output::Notice(Notice::NoCommonVersion {
                service: service.clone(),
                asked: negotiate.versions,
            }));
            // S4: a session that goes on does so without a version, too.
            let session = session.filter(|option| !matches!(option, SessionOption::Granted(_)));
            let options = Box::new(Options { session, ..Options::default() });
            let answer = ServerControl::NoCommonVersion { service, versions: spoken, options };
            return (Mode::Negotiation, packet::body(&answer.to_term()));
        };
        self.wire.agreed = Some(version);
        let options = Options {
            agent: self.config.agent.clone(),
            peers: self.shuffled_peers(),
            context,
            session,
            ..Options::default()
                .with_limits(&self.config.limits)
                .with_max_idle(self.config.max_idle_time)
        };
        let agreed = Agreed { service: service.clone(), versions: spoken, options };
        self.outputs.push_back(Output::Notice(Notice::Agreed {
            service,
            version,
            agent: negotiate.options.agent,
            quarantined: negotiate.options.quarantined,
        }));
        (version.into(), packet::body(&agreed.to_term()))
    }

    fn shuffled_peers(&self) -> Vec<Address> {
        let mut peers = self.config.peers.clone();
        if let Some(seed) = self.wire.seed {
            Random::new(seed.get()).shuffle(&mut peers);
        }
        peers
    }

    /// P6: the packet just taken in was not executed. S2: it was the message of this number; 0: it
    /// was none.
    fn refuse(&mut self, number: u64, why: Term) {
        let content = Content::refused(why, self.spoken());
        let packet = self.packet_number();
        self.calls.pending.push_ready(packet, number, Mode::Negotiation, content);
    }

    /// Answers the packet just taken in, which was no message.
    pub(super) fn answer_body(&mut self, mode: Mode, body: Bytes) {
        let packet = self.packet_number();
        self.calls.pending.push_ready(packet, 0, mode, Content::Body(body));
    }
}
