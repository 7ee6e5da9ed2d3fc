//! The rules of a contract, with the names that their parts have in Rust.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use ubf_codec::Text;

use super::items::Items;
use super::names::{Names, camel, snake};
use crate::model::{Contract, Rule, RuleKind, Type, TypeKind};

/// All rules, with the names that their parts have in Rust.
pub(super) struct Rules {
    /// Each state with its variant, in order; `stop` if a rule leads there.
    pub(super) states: Vec<(Text, String)>,
    pub(super) entry: String,
    pub(super) calls: Vec<Call>,
    pub(super) events_out: Vec<Event>,
    pub(super) events_in: Vec<Event>,
}

/// One rule of one state, or of ANYSTATE.
pub(super) struct Call {
    /// The variant of the state; `None` in ANYSTATE.
    pub(super) state: Option<String>,
    pub(super) function: String,
    pub(super) request: String,
    pub(super) doc: String,
    /// The type of the answer: that of the response if there is only one.
    pub(super) answer: String,
    pub(super) outcomes: Vec<Outcome>,
}

/// One way in which a call may end.
pub(super) struct Outcome {
    pub(super) variant: String,
    pub(super) response: String,
    /// The variant of the next state; `None`: the state stays.
    pub(super) next: Option<String>,
    pub(super) doc: String,
}

/// An event, as a variant of an enum.
pub(super) struct Event {
    pub(super) variant: String,
    pub(super) ty: String,
    pub(super) doc: String,
}

impl Rules {
    pub(super) fn new<'c>(contract: &'c Contract, items: &mut Items<'c>) -> Self {
        let mut names = Names::default();
        let mut states: Vec<(Text, String)> = contract
            .states()
            .iter()
            .map(|state| (state.name.clone(), names.take(&camel(&state.name.to_latin1()), "")))
            .collect();
        let stops = contract.parts().next_states().any(|(name, _)| *name == "stop");
        if states.is_empty() {
            states.push(("start".into(), "Start".to_string()));
        }
        if stops && !states.iter().any(|(name, _)| *name == "stop") {
            states.push(("stop".into(), names.take("Stop", "")));
        }
        let start = states.iter().find(|(name, _)| *name == "start").or_else(|| states.first());
        let entry = start.map(|(_, variant)| variant.clone()).unwrap_or_default();
        let mut rules = Self {
            states,
            entry,
            calls: Vec::new(),
            events_out: Vec::new(),
            events_in: Vec::new(),
        };
        let mut functions = Names::default();
        for taken in ["connect", "event", "send"] {
            functions.take(taken, "_");
        }
        for state in contract.states() {
            let variant = rules.variant(&state.name);
            for rule in &state.rules {
                rules.add(contract, rule, variant.clone(), &mut functions, items);
            }
        }
        for rule in contract.any_state() {
            rules.add(contract, rule, None, &mut functions, items);
        }
        rules
    }

    fn variant(&self, state: &Text) -> Option<String> {
        self.states.iter().find(|(name, _)| name == state).map(|(_, variant)| variant.clone())
    }

    fn add<'c>(
        &mut self,
        contract: &'c Contract,
        rule: &'c Rule,
        state: Option<String>,
        functions: &mut Names,
        items: &mut Items<'c>,
    ) {
        match &rule.kind {
            RuleKind::EventOut(event) => add_event(&mut self.events_out, contract, event, items),
            RuleKind::EventIn(event) => add_event(&mut self.events_in, contract, event, items),
            RuleKind::Call { request, outcomes } => {
                let name = name_of(contract, request);
                let wanted = snake(&name);
                // The same request in several states has several functions.
                let is_known = self.calls.iter().any(|call| call.function == wanted);
                let wanted = match &state {
                    Some(state) if is_known => format!("{}_{wanted}", snake(state)),
                    Some(_) | None => wanted,
                };
                let function = functions.take(&wanted, "_");
                let outcomes = self.outcomes(contract, outcomes, items);
                let answer = match outcomes.as_slice() {
                    [one] => one.response.clone(),
                    _ => items.names.type_name(&format!("{}Answer", camel(&function))),
                };
                let (request, doc) = (items.of_rule(request), doc_of(contract, request));
                self.calls.push(Call { state, function, request, doc, answer, outcomes });
            }
        }
    }

    fn outcomes<'c>(
        &self,
        contract: &'c Contract,
        outcomes: &'c [crate::model::Outcome],
        items: &mut Items<'c>,
    ) -> Vec<Outcome> {
        let mut variants = Names::default();
        let outcomes = outcomes.iter().map(|outcome| {
            let next = outcome.next.as_ref().and_then(|next| self.variant(next));
            let response = camel(&name_of(contract, &outcome.response));
            // The same response may lead to several states.
            let is_known = variants.is_taken(&response);
            let variant = match (&next, is_known) {
                (Some(next), true) => format!("{response}Then{next}"),
                (_, _) => response,
            };
            Outcome {
                variant: variants.take(&variant, ""),
                response: items.of_rule(&outcome.response),
                next,
                doc: doc_of(contract, &outcome.response),
            }
        });
        outcomes.collect()
    }
}

impl Call {
    /// What is said of its function.
    pub(super) fn described(&self) -> String {
        match &self.state {
            Some(state) => format!("{}\n\nIn [`State::{state}`].", self.doc),
            None => format!("{}\n\nIn every state.", self.doc),
        }
    }
}

fn add_event<'c>(
    events: &mut Vec<Event>,
    contract: &'c Contract,
    event: &'c Type,
    items: &mut Items<'c>,
) {
    let ty = items.of_rule(event);
    let doc = doc_of(contract, event);
    let wanted = camel(&name_of(contract, event));
    // The same event may be allowed in several states.
    if events.iter().any(|known| known.ty == ty && known.doc == doc) {
        return;
    }
    let mut names = Names::default();
    for known in events.iter() {
        names.take(&known.variant, "");
    }
    events.push(Event { variant: names.take(&wanted, ""), ty, doc });
}

/// The name of a type in a rule.
fn name_of(contract: &Contract, named: &Type) -> String {
    if let TypeKind::Predefined { predefined, .. } = &named.kind {
        return predefined.name(contract.dialect()).to_string();
    }
    named.referred().map(Text::to_latin1).unwrap_or_default()
}

/// What the contract says of such a type.
fn doc_of(contract: &Contract, named: &Type) -> String {
    let name = name_of(contract, named);
    let definition = contract.type_def(name.as_bytes());
    match definition.and_then(|found| found.annotation.as_ref()) {
        Some(annotation) => format!("`{name}()`: {}", annotation.text.to_latin1()),
        None => format!("`{name}()`"),
    }
}
