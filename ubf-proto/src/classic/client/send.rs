//! What may be sent, and when (Q4, Q13).

use ubf_codec::Term;

use super::error::CallError;
use super::input::{Call, CallId, CallKind};
use super::output::{Done, EndReason, Output};
use super::{Asked, ClientSession, InFlight, Level, Phase};
use crate::classic::form;
use crate::time::Time;

impl ClientSession {
    pub(super) fn call(&mut self, call: Call) {
        let refusal = if self.is_ended() {
            CallError::NotSent(EndReason::Closed)
        } else if self.calls() >= self.config.max_calls {
            CallError::TooManyCalls
        } else if matches!(call.kind, CallKind::Event(_)) && !self.config.flavour.takes_events() {
            CallError::NoEvents
        } else {
            self.waiting.push_back(call);
            return;
        };
        self.outputs.push_back(Output::Ended { id: call.id, outcome: Err(refusal) });
    }

    /// Sends the next call, if it is its turn. `false` if it is not.
    pub(super) fn send_next(&mut self) -> bool {
        let max_in_flight =
            if self.config.is_pipelining { self.config.max_in_flight.max(1) } else { 1 };
        let may_send = matches!(self.phase, Phase::Open) && self.in_flight.len() < max_in_flight;
        if !may_send {
            return false;
        }
        // Q6: a start changes who is spoken to: nothing is sent before its answer.
        let is_starting =
            self.in_flight.iter().any(|call| matches!(call.asked, Asked::Start | Asked::Services));
        if is_starting {
            return false;
        }
        let Some(call) = self.waiting.pop_front() else { return false };
        let deadline = call.deadline.unwrap_or(Time::NEVER);
        match call.kind {
            CallKind::Request(request) => self.send_request(call.id, &request, deadline),
            CallKind::Start { service, argument } => {
                let word = Term::atom(self.config.flavour.start_word());
                let start = Term::tuple([word, Term::String(service), argument]);
                self.in_flight.push_back(InFlight { id: call.id, asked: Asked::Start, deadline });
                self.transmit(&start);
            }
            CallKind::Event(event) => self.send_event(call.id, event),
        }
        true
    }

    fn send_request(&mut self, id: CallId, request: &Term, deadline: Time) {
        let asked = if form::is_atom(request.as_ref(), "contract") {
            Asked::Contract
        } else if let Some((contract, place)) = self.held_to() {
            if self.in_flight.is_empty() {
                // Q13: in this state, and in no other.
                match contract.request(place, request) {
                    Ok(allowed) => Asked::Request { allowed: Some(allowed), request: None },
                    Err(broken) => {
                        let outcome = Err(CallError::NotAllowed(broken));
                        self.outputs.push_back(Output::Ended { id, outcome });
                        return;
                    }
                }
            } else {
                // The state is known when the answers before it have come.
                Asked::Request { allowed: None, request: Some(request.clone()) }
            }
        } else {
            Asked::Request { allowed: None, request: None }
        };
        self.in_flight.push_back(InFlight { id, asked, deadline });
        self.transmit(request);
    }

    fn send_event(&mut self, id: CallId, event: Term) {
        let outcome = match self.held_to().filter(|_| self.in_flight.is_empty()) {
            Some((contract, place)) => contract.event_in(place, &event),
            None => Ok(()),
        };
        let outcome = match outcome {
            Ok(()) => {
                self.transmit(&Term::tuple([Term::atom("event_in"), event]));
                Ok(Done::EventSent)
            }
            Err(broken) => Err(CallError::NotAllowed(broken)),
        };
        self.outputs.push_back(Output::Ended { id, outcome });
    }

    /// Q6: asks for the services before the start ends that named none of them.
    pub(super) fn ask_for_services(&mut self, id: CallId, deadline: Time) {
        self.in_flight.push_front(InFlight { id, asked: Asked::Services, deadline });
        self.transmit(&Term::atom("services"));
    }

    pub(super) fn transmit(&mut self, term: &Term) {
        let bytes = self.wire.packet(term.as_ref(), self.now);
        self.outputs.push_back(Output::Transmit(bytes));
    }

    /// Whether the session is on the meta level.
    pub(super) fn is_meta(&self) -> bool {
        self.level == Level::Meta
    }
}
