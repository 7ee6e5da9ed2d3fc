//! What the server sends: its hello, events, replies (Q2, Q5 to Q8, Q12).

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use ubf_codec::{Document, Term, TermRef, Text};
use ubf_contract::{SessionChecker, SessionState};

use super::error::CallError;
use super::output::{Done, EndReason, Notice, Output};
use super::{Asked, ClientSession, InFlight, Level, Phase};
use crate::classic::{Flavour, Hello, form};

/// What a reply holds.
struct Reply<'a> {
    reply: TermRef<'a>,
    state: Option<TermRef<'a>>,
}

impl ClientSession {
    pub(super) fn receive(&mut self, packet: Document<Bytes>) {
        let root = packet.root();
        if self.greet(root) {
            return;
        }
        // Q8: an event is never a reply.
        if let Some(event) = self.event(root) {
            self.check_event(event);
            self.outputs.push_back(Output::Event(packet));
            return;
        }
        let Some(call) = self.in_flight.pop_front() else {
            return self.end(&EndReason::Unasked(root.to_term()));
        };
        match &call.asked {
            Asked::Contract => match form::named::<2>(root, "contract") {
                Some(_) => self.ended(&call, Ok(Done::Contract(root.to_term()))),
                None => self.no_reply(call, root),
            },
            Asked::Start | Asked::Services | Asked::Request { .. } => self.answered(call, root),
        }
    }

    /// Q2: takes a hello, or misses one. `false` if the packet is something else.
    fn greet(&mut self, root: TermRef<'_>) -> bool {
        let hello = form::hello(root);
        let to_hello = |(name, help): (TermRef<'_>, TermRef<'_>)| Hello {
            name: name.to_term(),
            help: help.to_term(),
        };
        match self.phase {
            Phase::ExpectHello { .. } | Phase::MayHello { .. } => {
                match hello {
                    Some(hello) => {
                        self.phase = Phase::Open;
                        self.may_greet = false;
                        self.outputs.push_back(Output::Ready(Some(to_hello(hello))));
                    }
                    None => self.end(&EndReason::NotHello(root.to_term())),
                }
                true
            }
            Phase::Open => {
                let Some(hello) = hello.filter(|_| self.may_greet) else {
                    self.may_greet = false;
                    return false;
                };
                self.may_greet = false;
                self.outputs.push_back(Output::Notice(Notice::LateHello(to_hello(hello))));
                true
            }
            Phase::Ended => true,
        }
    }

    fn event<'a>(&self, root: TermRef<'a>) -> Option<TermRef<'a>> {
        let own = || match self.config.flavour {
            Flavour::Joe => form::event(root, "event"),
            Flavour::Erl2 | Flavour::Erl116 => None,
        };
        form::event(root, "event_out").or_else(own)
    }

    /// Q13: an event that the contract does not allow is passed on, and said to be so. While a call
    /// is in progress the state is not known.
    fn check_event(&mut self, event: TermRef<'_>) {
        if let Some((contract, place)) = self.held_to().filter(|_| self.in_flight.is_empty())
            && let Err(broken) = contract.event_out(place, event)
        {
            self.outputs.push_back(Output::Notice(Notice::EventBroke(broken)));
        }
    }

    fn answered(&mut self, call: InFlight, root: TermRef<'_>) {
        // Q7: Armstrong's form has no state, and ends the session.
        let joe = form::named::<3>(root, "clientBrokeContract")
            .filter(|_| self.config.flavour == Flavour::Joe);
        if let Some([_, request, rules]) = joe {
            let (request, rules) = (request.to_term(), rules.to_term());
            self.ended(&call, Err(CallError::ClientBroke { request, rules, state: None }));
            return self.end(&EndReason::ContractBroken);
        }
        let answer = if self.config.simple_rpc {
            Reply { reply: root, state: None }
        } else {
            match form::elements::<2>(root) {
                Some([reply, state]) => Reply { reply, state: Some(state) },
                None => return self.no_reply(call, root),
            }
        };
        let held_to = self.held_to();
        if let Some(state) = answer.state {
            self.state = Some(state.to_term());
        }
        self.finish(&call, &answer, held_to);
        // Q10: nothing can be said in this state.
        if answer.state.is_some_and(|state| form::is_atom(state, "stop")) {
            self.end(&EndReason::Stopped);
        }
    }

    fn finish(
        &mut self,
        call: &InFlight,
        answer: &Reply<'_>,
        held_to: Option<(Arc<SessionChecker>, SessionState)>,
    ) {
        let state = answer.state.map(|state| state.to_term());
        if let Some(error) = broken_contract(answer) {
            return self.ended(call, Err(error));
        }
        match &call.asked {
            Asked::Services => {
                let services = texts(answer.reply);
                self.ended(call, Err(CallError::NoSuchService { services }));
            }
            Asked::Start => self.finish_start(call, answer, state),
            Asked::Request { allowed, request } => {
                let allowed = match (allowed, request, &held_to) {
                    (Some(allowed), ..) => Some(allowed.clone()),
                    (None, Some(request), Some((contract, place))) => {
                        contract.request(*place, request).ok()
                    }
                    (None, ..) => None,
                };
                let checked = held_to.zip(allowed).map(|((contract, _), allowed)| {
                    let next = answer.state.and_then(|state| place(&contract, state));
                    if self.config.simple_rpc {
                        contract.reply_unnamed(&allowed, answer.reply)
                    } else {
                        contract.reply(&allowed, answer.reply, next)
                    }
                });
                let reply = answer.reply.to_term();
                let outcome = match checked {
                    Some(Err(broken)) => Err(CallError::ReplyNotAllowed { broken, reply, state }),
                    Some(Ok(_)) | None => Ok(Done::Reply { reply, state }),
                };
                self.ended(call, outcome);
            }
            Asked::Contract => debug_assert!(false, "its answer has a form of its own"),
        }
    }

    /// Q6: `{'ok', Reply}` or `{'error', Why}`. Anything else is the reply of a service that has
    /// such a request, since sessions begin in it.
    fn finish_start(&mut self, call: &InFlight, answer: &Reply<'_>, state: Option<Term>) {
        if let Some([_, reply]) = form::named::<2>(answer.reply, "ok") {
            if self.is_meta() {
                self.level = Level::Service;
            }
            return self.ended(call, Ok(Done::Started { reply: reply.to_term(), state }));
        }
        let Some([_, why]) = form::named::<2>(answer.reply, "error") else {
            let reply = answer.reply.to_term();
            return self.ended(call, Ok(Done::Reply { reply, state }));
        };
        if !form::is_atom(why, form::NO_SUCH_SERVICE) {
            return self.ended(call, Err(CallError::Rejected { why: why.to_term() }));
        }
        if self.config.asks_for_services && self.is_meta() {
            return self.ask_for_services(call.id, call.deadline);
        }
        self.ended(call, Err(CallError::NoSuchService { services: Vec::new() }));
    }

    /// Q5: what came is shown to the caller, and the session ends, since nobody knows what the next
    /// packet would be.
    fn no_reply(&mut self, call: InFlight, root: TermRef<'_>) {
        self.in_flight.push_front(call);
        self.end(&EndReason::NoReply(root.to_term()));
    }

    fn ended(&mut self, call: &InFlight, outcome: Result<Done, CallError>) {
        self.outputs.push_back(Output::Ended { id: call.id, outcome });
    }
}

/// Q7: the two answers that say who broke the contract.
fn broken_contract(answer: &Reply<'_>) -> Option<CallError> {
    let state = answer.state.map(|state| state.to_term());
    if let Some([_, request, rules]) = form::named::<3>(answer.reply, "clientBrokeContract") {
        let (request, rules) = (request.to_term(), rules.to_term());
        return Some(CallError::ClientBroke { request, rules, state });
    }
    let [_, pair, types] = form::named::<3>(answer.reply, "serverBrokeContract")?;
    let [request, reply] = form::elements::<2>(pair)?;
    Some(CallError::ServerBroke {
        request: request.to_term(),
        reply: reply.to_term(),
        types: types.to_term(),
        state,
    })
}

/// Where the contract is in the state that a reply names.
fn place(contract: &SessionChecker, state: TermRef<'_>) -> Option<SessionState> {
    let name = state.as_atom()?;
    match contract.state(name.to_bytes()) {
        None if contract.entry() == SessionState::Stateless => Some(SessionState::Stateless),
        place => place,
    }
}

/// The strings of a list.
fn texts(list: TermRef<'_>) -> Vec<Text> {
    let Some(list) = list.as_list() else { return Vec::new() };
    list.iter().filter_map(|item| item.as_string()).map(|text| text.to_text()).collect()
}
