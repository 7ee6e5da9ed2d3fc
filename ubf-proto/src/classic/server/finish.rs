//! What services answer: to a start, a restart, a request (Q5, Q6, Q7, Q10).

use core::mem;

use ubf_codec::{DecodeOptions, Decoder, Dialect, Term, Text};

use super::config::{AfterStop, BrokenReply};
use super::output::{CloseReason, Notice};
use super::{InService, Level, Phase, ServerSession, Work};
use crate::classic::{Flavour, form};

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

    pub(super) fn reply(&mut self, number: u64, reply: &Term, state: Text) {
        let Work::Calling(call) = &self.work else { return };
        if call.number != number {
            return;
        }
        let Work::Calling(call) = mem::replace(&mut self.work, Work::Idle) else { return };
        let Level::Service(session) = &self.level else { return };
        let Some(service) = self.house.service(session.service) else { return };
        let Some((contract, (accepted, request))) = service.contract().cloned().zip(call.checked)
        else {
            self.answer(reply.clone(), state.clone());
            return self.enter(state);
        };
        let next = service.place(&state);
        let Err(broken) = contract.reply(&accepted, reply, next) else {
            self.answer(reply.clone(), state.clone());
            return self.enter(state);
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

    /// The session is in another state.
    fn enter(&mut self, state: Text) {
        let Level::Service(session) = &mut self.level else { return };
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
