//! The rules of a contract as comparing needs them: languages for types, and by state.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ubf_codec::Text;

use crate::graph::TypeGraph;
use crate::inclusion::{Language, Side};
use crate::model::{Contract, Rule, RuleKind, Type};
use crate::span::Span;

/// A request and what may come of it.
pub(super) struct Call {
    pub(super) request: Language,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) span: Span,
}

pub(super) struct Outcome {
    pub(super) reply: Language,
    /// `None`: the state stays.
    pub(super) next: Option<Text>,
}

pub(super) struct Event {
    pub(super) language: Language,
    pub(super) span: Span,
}

/// What may be said in one state, or in any.
#[derive(Default)]
pub(super) struct StateRules {
    pub(super) calls: Vec<Call>,
    pub(super) events_out: Vec<Event>,
    pub(super) events_in: Vec<Event>,
}

pub(super) struct Rules {
    states: BTreeMap<Text, StateRules>,
    pub(super) any_state: StateRules,
    none: StateRules,
}

impl Rules {
    pub(super) fn new(contract: &Contract, graph: &TypeGraph, side: Side) -> Self {
        let of = |rules: &[Rule]| StateRules::new(rules, graph, side);
        Self {
            states: contract
                .states()
                .iter()
                .map(|state| (state.name.clone(), of(&state.rules)))
                .collect(),
            any_state: of(contract.any_state()),
            none: StateRules::default(),
        }
    }

    pub(super) fn states(&self) -> impl Iterator<Item = &Text> {
        self.states.keys()
    }

    pub(super) fn has_state(&self, name: &Text) -> bool {
        self.states.contains_key(name)
    }

    /// The rules of a state; none of one that the contract does not have.
    pub(super) fn of_state(&self, name: &Text) -> &StateRules {
        self.states.get(name).unwrap_or(&self.none)
    }

    /// The rules by which calls are answered in a state: its own, and those of any state. Nothing
    /// is answered in the state `stop`.
    pub(super) fn answering(&self, state: &Text) -> [&StateRules; 2] {
        if *state == "stop" { [&self.none; 2] } else { [self.of_state(state), &self.any_state] }
    }

    /// What the server may send unasked in a state.
    pub(super) fn events_out(&self, state: &Text) -> impl Iterator<Item = &Event> {
        self.of_state(state).events_out.iter().chain(&self.any_state.events_out)
    }

    /// What the client may send without an answer in a state.
    pub(super) fn events_in(&self, state: &Text) -> impl Iterator<Item = &Event> {
        self.of_state(state).events_in.iter().chain(&self.any_state.events_in)
    }
}

impl StateRules {
    fn new(rules: &[Rule], graph: &TypeGraph, side: Side) -> Self {
        let language = |named: &Type| Some(Language::Node(side, graph.of_rule(named)?));
        let mut of_state = Self::default();
        for rule in rules {
            let event = |named| Some(Event { language: language(named)?, span: rule.span });
            match &rule.kind {
                RuleKind::Call { request, outcomes } => {
                    let Some(request) = language(request) else { continue };
                    let outcomes = outcomes.iter().filter_map(|outcome| {
                        let reply = language(&outcome.response)?;
                        Some(Outcome { reply, next: outcome.next.clone() })
                    });
                    let outcomes = outcomes.collect();
                    of_state.calls.push(Call { request, outcomes, span: rule.span });
                }
                RuleKind::EventOut(named) => of_state.events_out.extend(event(named)),
                RuleKind::EventIn(named) => of_state.events_in.extend(event(named)),
            }
        }
        of_state
    }
}
