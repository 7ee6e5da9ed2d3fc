//! What becomes of a client's packet.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use ubf_codec::{Address, ClientPacket, Document, Mode, Term, Version};

use super::output::{CloseReason, Message, Notice, Output};
use super::{Received, ServerSession};
use crate::control::{
    Agreed, ClientControl, ControlError, Negotiate, Options, ServerControl, TOO_MANY_NEGOTIATIONS,
    is_event,
};
use crate::packet;
use crate::random::Random;

impl ServerSession {
    /// Takes in one packet, if one is whole.
    pub(super) fn receive(&mut self) -> Received {
        let (packet, end) = match self.wire.inbound.next(self.now) {
            Ok(Some(received)) => received,
            Ok(None) => return Received::Nothing,
            Err(error) => {
                // L3: the stream is lost, and with it the connection; calls in progress are
                // answered first.
                let why = Term::atom(error.kind().code());
                let last_words = ServerControl::Error { why, offset: error.offset() };
                self.end(
                    Some(last_words),
                    CloseReason::BadSyntax(error),
                    self.config.max_close_time,
                );
                return Received::Packet;
            }
        };
        self.wire.packets += 1;
        match packet.header.mode {
            Mode::Negotiation => {
                self.receive_control(&packet, end);
                Received::Packet
            }
            Mode::Version(version) => self.receive_message(version, packet),
        }
    }

    fn receive_message(
        &mut self,
        version: Version,
        packet: ClientPacket<Document<Bytes>>,
    ) -> Received {
        let number = self.wire.packets;
        if self.wire.refused.contains(&version)
            || !self.calls.speaks(version, &self.offer, self.now)
        {
            // N4: refused until the client has negotiated again. Of versions that this server never
            // speaks none needs to be remembered beyond the bound: they are refused
            // anyway.
            if self.wire.refused.len() < crate::versions::Versions::MAX_LEN {
                self.wire.refused.insert(version);
            }
            self.refuse(ServerControl::version_refusal(version));
            self.outputs.push_back(Output::Notice(Notice::Refused { version, packet: number }));
            return Received::Packet;
        }
        let is_event = is_event(packet.body.root(), "event_in");
        let message = Message {
            packet: number,
            service: self.calls.service.clone(),
            version,
            body: packet.body,
        };
        Received::Message(if is_event {
            Output::Event(message)
        } else {
            self.calls.pending.push_running(number, version, message.body.source().len());
            Output::Request(message)
        })
    }

    fn receive_control(&mut self, packet: &ClientPacket<Document<Bytes>>, end: u64) {
        match ClientControl::from_term(packet.body.root()) {
            Ok(ClientControl::Negotiate(negotiate)) => self.negotiate(*negotiate),
            Ok(ClientControl::Ping) => {
                self.answer(Mode::Negotiation, &ServerControl::Pong.to_term());
            }
            // S3: outside of a session it says nothing, and it is never answered.
            Ok(ClientControl::Seen { .. }) => {}
            Ok(ClientControl::Error { why, offset }) => {
                self.outputs.push_back(Output::Notice(Notice::ReportedError { why, offset }));
                self.end(None, CloseReason::ReportedError, self.config.max_close_time);
            }
            // A later version of the rules may know the packet: it is told that this server does
            // not.
            Err(ControlError::Unknown) => self.refuse(Term::atom("unknown_packet")),
            Err(ControlError::Malformed { packet: name, field }) => {
                let why =
                    Term::tuple([Term::atom("malformed"), Term::atom(name), Term::atom(field)]);
                let offset = end - packet.body.source().len() as u64;
                let last_words = ServerControl::Error { why, offset };
                self.end(Some(last_words), CloseReason::BadControl, self.config.max_close_time);
            }
        }
    }

    fn negotiate(&mut self, negotiate: Negotiate) {
        if self.wire.negotiations.allowed_at(self.config.max_negotiations, self.now) > self.now {
            // N10: it was not executed, and may be sent again later.
            return self.refuse(Term::atom(TOO_MANY_NEGOTIATIONS));
        }
        self.wire.negotiations.record(self.now);
        self.wire.refused.clear();
        if self.calls.service != negotiate.service {
            self.wire.heads.hold(false);
        }
        let limits = negotiate.options.limits();
        self.calls.turn_to(negotiate.service, limits, &self.offer);
        let service = self.calls.service.clone();
        let spoken = self.offer.spoken(&service, self.now);
        // N1: the highest version in both lists.
        let Some(version) = spoken.choose(&negotiate.versions) else {
            self.outputs.push_back(Output::Notice(Notice::NoCommonVersion {
                service: service.clone(),
                asked: negotiate.versions,
            }));
            let answer = ServerControl::NoCommonVersion {
                service,
                versions: spoken,
                options: Box::default(),
            };
            return self.answer(Mode::Negotiation, &answer.to_term());
        };
        self.wire.agreed = Some(version);
        let options = Options {
            agent: self.config.agent.clone(),
            peers: self.shuffled_peers(),
            ..Options::default()
                .with_limits(&self.config.limits)
                .with_max_idle(self.config.max_idle_time)
        };
        let agreed = Agreed { service: service.clone(), versions: spoken, options };
        self.answer(version.into(), &agreed.to_term());
        self.outputs.push_back(Output::Notice(Notice::Agreed {
            service,
            version,
            agent: negotiate.options.agent,
            quarantined: negotiate.options.quarantined,
        }));
    }

    fn shuffled_peers(&self) -> Vec<Address> {
        let mut peers = self.config.peers.clone();
        if let Some(seed) = self.wire.seed {
            Random::new(seed).shuffle(&mut peers);
        }
        peers
    }

    /// P6: the packet just taken in was not executed.
    fn refuse(&mut self, why: Term) {
        let versions = self.offer.spoken(&self.calls.service, self.now);
        let refused =
            ServerControl::Refused { why, versions, packet: self.wire.packets, number: None };
        self.answer(Mode::Negotiation, &refused.to_term());
    }

    fn answer(&mut self, mode: Mode, body: &Term) {
        self.calls.pending.push_ready(self.wire.packets, mode, packet::body(body));
    }
}
