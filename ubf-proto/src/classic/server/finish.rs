//! What services answer: to a start, a restart, a request (Q5, Q6, Q7, Q10).

use alloc::boxed::Box;
use core::mem;

use bytes::Bytes;
use ubf_codec::{DecodeOptions, Decoder, Dialect, Limits, Term, TermRef, Text};

use super::config::{AfterStop, BrokenReply};
use super::house::NO_STATE;
use super::output::{CloseReason, Notice};
use super::{InService, Level, Phase, ServerSession, Work};
use crate::classic::{Flavour, form};

/// What our own program has written needs no limits but those of sizes that cannot be counted.
const OWN: Limits = Limits::new()
    .with_max_packet_bytes(u32::MAX)
    .with_max_depth(u32::MAX)
    .with_max_expanded_nodes(u64::MAX)
    .with_max_expanded_bytes(u64::MAX)
    .with_max_integer_digits(u32::MAX)
    .with_max_tag_bytes(u32::MAX);
/// The memory for a longer answer is given back. Chosen: most are far shorter.
const LONGEST_KEPT: usize = 64 << 10;

impl ServerSession {
    pub(super) fn started(&mut self, reply: Term, state: Text) {
        let Work::Starting { service } = self.work else { return };
        self.work = Work::Idle;
        let Some(name) = self.house.service(service).map(|service| service.name().clone()) else {
            return;
        };
        self.answer(form::ok(reply), state.clone());
        self.notice(Notice::Started { service: name, state: state.clone() });
        self.level = Level::Service(InService { service, state: state.clone(), place: None });
        self.enter(state);
    }

    pub(super) fn rejected(&mut self, why: Term) {
        match self.work {
            Work::Starting { .. } | Work::Restarting => {
                self.work = Work::Idle;
                self.answer_meta(form::error(why));
            }
            Work::Idle | Work::Calling(_) => {}
        }
    }

    pub(super) fn restarted(&mut self) {
        if matches!(self.work, Work::Restarting) {
            self.work = Work::Idle;
            self.answer_meta(form::ok(Term::atom("ok")));
        }
    }

    /// The answer of a service as the packet that it has made: `{Reply,State}`.
    pub(super) fn encoded_reply(&mut self, number: u64, body: &Bytes) {
        if !self.is_asked(number) {
            return;
        }
        let new = || Box::new(Decoder::new().with_limits(OWN));
        let mut decoder = self.replies.take().unwrap_or_else(new);
        let Ok(packet) = decoder.decode(body) else {
            return self.stop(CloseReason::Crashed);
        };
        let parts = form::elements::<2>(packet.root());
        match parts.and_then(|[reply, state]| Some((reply, state.as_atom()?))) {
            Some((reply, name)) => {
                // Mostly the state stays, and its name is there.
                let state = match &self.level {
                    Level::Service(session) if name == *session.state.as_bytes() => {
                        session.state.clone()
                    }
                    Level::Service(_) | Level::Meta => name.to_text(),
                };
                self.reply_as(number, reply, state, Some(packet.root()));
            }
            None => self.stop(CloseReason::Crashed),
        }
        // What a long answer took is given back.
        if body.len() <= LONGEST_KEPT {
            decoder.recycle(packet);
            self.replies = Some(decoder);
        }
    }

    /// The answer of a service.
    pub(super) fn reply(&mut self, number: u64, reply: TermRef<'_>, state: Text) {
        self.reply_as(number, reply, state, None);
    }

    fn is_asked(&self, number: u64) -> bool {
        matches!(&self.work, Work::Calling(call) if call.number == number)
    }

    /// The answer of a service, and the pair of both, if there is one.
    fn reply_as(
        &mut self,
        number: u64,
        reply: TermRef<'_>,
        state: Text,
        pair: Option<TermRef<'_>>,
    ) {
        if !self.is_asked(number) {
            return;
        }
        let Work::Calling(call) = mem::replace(&mut self.work, Work::Idle) else { return };
        let Level::Service(session) = &self.level else { return };
        let Some(service) = self.house.service(session.service) else { return };
        // Q7: a stateless service is in no state, whatever it says.
        let (state, pair) = if service.is_stateless() {
            (Text::from_static(NO_STATE), None)
        } else {
            (state, pair)
        };
        let Some((contract, (accepted, request))) = service.contract().cloned().zip(call.checked)
        else {
            return self.allowed(reply, state, pair);
        };
        let next = if state == session.state { session.place } else { service.place(&state) };
        let Err(broken) = contract.reply(&accepted, reply, next) else {
            return self.allowed(reply, state, pair);
        };
        let stays = session.state.clone();
        self.notice(Notice::ServerBroke(broken));
        if self.config.flavour == Flavour::Joe {
            // Without a word.
            return self.end(CloseReason::ContractBroken, self.now);
        }
        let options = DecodeOptions::new()
            .with_dialect(Dialect::Classic)
            .with_any_escape(true)
            .with_limits(self.config.limits);
        let mut decoder = Decoder::new().with_options(options);
        let Ok(request) = decoder.decode(&request) else {
            debug_assert!(false, "the same bytes were read before");
            return self.stop(CloseReason::ContractBroken);
        };
        let term = contract.server_broke_term(&accepted, request.root(), reply);
        match self.config.broken_reply {
            BrokenReply::Stay => self.answer(term, stays),
            BrokenReply::Advance => {
                self.answer(term, state.clone());
                self.enter(state);
            }
        }
    }

    /// Nothing that is known of speaks against the answer.
    fn allowed(&mut self, reply: TermRef<'_>, state: Text, pair: Option<TermRef<'_>>) {
        if self.reads_as_event(reply) {
            return self.stop(CloseReason::ReplyIsAnEvent);
        }
        self.answer_with(reply, state.clone(), pair);
        self.enter(state);
    }

    /// Q8: whether clients would take the packet with this reply for an event, and the reply to the
    /// next request for that to this one. Clients of this library read `event_out` in any flavour.
    fn reads_as_event(&self, reply: TermRef<'_>) -> bool {
        [self.config.flavour.event_word(), "event_out"].iter().any(|word| {
            if self.config.simple_rpc {
                form::event(reply, word).is_some()
            } else {
                form::is_atom(reply, word)
            }
        })
    }

    /// Q5: the pair is sent as it is, if there is one.
    fn answer_with(&mut self, reply: TermRef<'_>, state: Text, pair: Option<TermRef<'_>>) {
        match pair {
            Some(pair) if !self.config.simple_rpc => {
                self.last_answer = self.now;
                self.transmit(pair);
            }
            Some(_) | None => self.answer(reply.to_term(), state),
        }
    }

    /// The session is in another state.
    fn enter(&mut self, state: Text) {
        let Level::Service(session) = &mut self.level else { return };
        if session.place.is_some() && session.state == state && state != "stop" {
            return;
        }
        let service = self.house.service(session.service);
        session.place = service.and_then(|service| service.place(&state));
        let has_contract = service.is_some_and(|service| service.contract().is_some());
        let is_unknown = has_contract && session.place.is_none();
        session.state = state.clone();
        if is_unknown {
            self.notice(Notice::UnknownState { state });
        } else if state == "stop" && self.is_open() {
            match self.config.after_stop {
                AfterStop::Close => self.end(CloseReason::Stopped, self.now),
                AfterStop::Wait => self.phase = Phase::AtStop,
            }
        }
    }
}
