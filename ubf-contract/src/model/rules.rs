//! Rules: what may be said in a state.

use alloc::vec::Vec;

use ubf_codec::Text;

use super::notes::Notes;
use super::types::{Type, TypeKind};
use crate::span::Span;

/// A state and its rules.
///
/// Two of them are equal when they say the same, wherever they stand.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: Text,
    /// Where its name stands.
    pub name_span: Span,
    /// Its rules in the order of the text.
    pub rules: Vec<Rule>,
    pub(crate) notes: Notes,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.rules == other.rules
    }
}

/// One rule of a state, or of ANYSTATE.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it allows.
    pub kind: RuleKind,
    /// Where it stands.
    pub span: Span,
    pub(crate) notes: Notes,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// What a rule allows. Its types are names: [`TypeKind::Reference`], or [`TypeKind::Predefined`]
/// without attributes, never optional.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleKind {
    /// `request() => response() & next | …`
    Call {
        /// What the client may send.
        request: Type,
        /// What the server may answer: at least one; exactly one in ANYSTATE.
        outcomes: Vec<Outcome>,
    },
    /// `EVENT => event()`: from the server to the client.
    EventOut(Type),
    /// `EVENT <= event()`: from the client to the server.
    EventIn(Type),
}

/// One way in which a call may end.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the server may answer.
    pub response: Type,
    /// The state after that. `None` in ANYSTATE: the state stays.
    pub next: Option<Text>,
    /// Where the next state's name stands.
    pub next_span: Span,
}

impl PartialEq for Outcome {
    fn eq(&self, other: &Self) -> bool {
        self.response == other.response && self.next == other.next
    }
}

impl RuleKind {
    /// The types that it names, in the order of the text.
    pub fn types(&self) -> impl Iterator<Item = &Type> {
        let (first, outcomes) = match self {
            Self::Call { request, outcomes } => (request, outcomes.as_slice()),
            Self::EventOut(event) | Self::EventIn(event) => (event, &[][..]),
        };
        core::iter::once(first).chain(outcomes.iter().map(|outcome| &outcome.response))
    }
}

impl Type {
    /// The name of a type that is a bare name, as in rules, if it is not predefined.
    pub(crate) fn referred(&self) -> Option<&Text> {
        if let TypeKind::Reference { name, .. } = &self.kind { Some(name) } else { None }
    }
}
