//! What becomes of a client's packet: on the meta level, and in a service (Q6, Q7, Q9, Q12).

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;
use ubf_codec::{Document, Term, TermRef, Text, TextRef};
use ubf_contract::{Broken, SessionChecker, SessionState};

use super::output::{CloseReason, EventFault, Notice, Output, Request};
use super::{Calling, Level, Phase, ServerSession, Work};
use crate::classic::{Flavour, form};

impl ServerSession {
    pub(super) fn receive(&mut self, packet: Document<Bytes>) {
        // Q12: always, everywhere, and without a state.
        if form::is_atom(packet.root(), "contract") {
            let contract = match &self.level {
                Level::Meta => self.house.meta().checker().contract().to_term(),
                Level::Service(session) => match self.house.service(session.service) {
                    Some(service) => service.contract_term(),
                    None => return,
                },
            };
            self.last_answer = self.now;
            self.transmit(&contract);
            return;
        }
        if matches!(self.phase, Phase::AtStop) {
            // Q10: whatever it is.
            return self.stop(CloseReason::Stopped);
        }
        match &self.level {
            Level::Meta => self.receive_meta(&packet),
            Level::Service(session) => {
                let (service, state, place) =
                    (session.service, session.state.clone(), session.place);
                self.receive_in_service(packet, service, state, place);
            }
        }
    }

    /// Q6: the meta level has requests of its own.
    fn receive_meta(&mut self, packet: &Document<Bytes>) {
        let root = packet.root();
        if self.is_event(root) {
            return self.notice(Notice::EventIgnored(EventFault::NoService));
        }
        if let Some((name, argument)) = self.start_of(root) {
            return match self.house.find(name) {
                None => self.answer_meta(no_such_service()),
                Some(service) => {
                    self.work = Work::Starting { service };
                    let (service, argument) = (name.to_text(), argument.to_term());
                    self.outputs.push_back(Output::Start { service, argument });
                }
            };
        }
        let meta = Arc::clone(self.house.meta());
        if let Err(broken) = meta.request(meta.entry(), root) {
            return self.client_broke(&meta, meta.entry(), root, START, broken);
        }
        if let Some((name, argument)) = form::start(root, "restartService") {
            return match self.house.find(name) {
                None => self.answer_meta(no_such_service()),
                Some(_) => {
                    self.work = Work::Restarting;
                    let (service, argument) = (name.to_text(), argument.to_term());
                    self.outputs.push_back(Output::Restart { service, argument });
                }
            };
        }
        let answer = match root.as_atom() {
            Some(word) if word == "services" => self.house.names(),
            Some(word) if word == "info" => Term::String(self.house.info.clone()),
            Some(word) if word == "description" => Term::String(self.house.description.clone()),
            // The contract allows nothing else.
            Some(_) | None => self.house.help.clone(),
        };
        self.answer_meta(answer);
    }

    /// Q6: the service and the argument of a start, in one of the words that are understood.
    fn start_of<'a>(&self, root: TermRef<'a>) -> Option<(TextRef<'a>, TermRef<'a>)> {
        let own = self.config.flavour.start_word();
        let words = Flavour::ALL.map(Flavour::start_word);
        let mut understood =
            words.into_iter().filter(|word| *word == own || self.config.both_start_words);
        understood.find_map(|word| form::start(root, word))
    }

    pub(super) fn answer_meta(&mut self, answer: Term) {
        self.answer(answer, Text::from_static(START));
    }

    fn receive_in_service(
        &mut self,
        packet: Document<Bytes>,
        service: usize,
        state: Text,
        place: Option<SessionState>,
    ) {
        let Some(service) = self.house.service(service) else { return };
        let name = service.name().clone();
        let contract = service.contract().cloned();
        if contract.is_some() && place.is_none() {
            // Q7: as stock: the state is of no contract, so nothing can be said in it.
            return self.stop(CloseReason::UnknownState);
        }
        let held_to = contract.zip(place);
        if self.is_event(packet.root()) {
            return self.receive_event(packet, held_to, name, state);
        }
        let mut checked = None;
        if let Some((contract, place)) = held_to {
            match contract.request(place, packet.root()) {
                Ok(accepted) => {
                    checked = Some((accepted, packet.shared_source()));
                }
                Err(broken) => {
                    let root = packet.root();
                    return self.client_broke(&contract, place, root, state, broken);
                }
            }
        }
        self.requests += 1;
        let number = self.requests;
        self.work = Work::Calling(Calling { number, checked });
        let request = Request { number, service: name, state, body: packet };
        self.outputs.push_back(Output::Request(request));
    }

    /// Q9: an event of the client, which the contract may not allow.
    fn receive_event(
        &mut self,
        packet: Document<Bytes>,
        held_to: Option<(Arc<SessionChecker>, SessionState)>,
        service: Text,
        state: Text,
    ) {
        if let Some((contract, place)) = held_to
            && let Some(event) = form::event(packet.root(), "event_in")
            && let Err(broken) = contract.event_in(place, event)
        {
            return self.notice(Notice::EventIgnored(EventFault::Contract(broken)));
        }
        self.outputs.push_back(Output::Event { service, state, body: packet });
    }

    fn is_event(&self, root: TermRef<'_>) -> bool {
        self.config.flavour.takes_events() && form::event(root, "event_in").is_some()
    }

    /// Q7: nothing runs, and the session goes on; but not in Armstrong's flavour.
    fn client_broke(
        &mut self,
        contract: &SessionChecker,
        place: SessionState,
        request: TermRef<'_>,
        state: impl Into<Text>,
        broken: Box<Broken>,
    ) {
        let term = contract.client_broke_term(place, request);
        self.notice(Notice::ClientBroke(broken));
        match self.config.flavour {
            Flavour::Erl2 | Flavour::Erl116 => self.answer(term, state.into()),
            Flavour::Joe => {
                self.transmit(&term);
                self.end(CloseReason::ContractBroken, self.now);
            }
        }
    }
}

/// The state of the meta level.
const START: &str = "start";

fn no_such_service() -> Term {
    form::error(Term::atom(form::NO_SUCH_SERVICE))
}
