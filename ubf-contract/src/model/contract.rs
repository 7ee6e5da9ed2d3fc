//! The contract itself.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ubf_codec::Text;

use super::notes::{Comment, Notes};
use super::rules::{Rule, RuleKind, State};
use super::types::TypeDef;
use crate::diagnostic::Diagnostic;
use crate::dialect::ContractDialect;
use crate::span::{Lines, Position, Span};

/// A well-formed contract: every type and state that it names exists (C1).
///
/// It comes from a text ([`Reader`](crate::Reader)) or from the term with which a server answers
/// `'contract'` ([`Contract::from_term`]). Two contracts are equal when they say the same, wherever
/// it stands in their texts, and whatever comments they have.
///
/// ```
/// use ubf_contract::{Contract, Reader};
///
/// let contract = Reader::new().read(
///     "+NAME(\"lamp\"). +VSN(\"1\").
///      +TYPES on() :: {on, 1..100}; done() :: done.
///      +STATE start on() => done() & start.",
/// )?;
/// assert_eq!(contract.name().text, "lamp");
/// assert_eq!(contract.states()[0].name, "start");
/// assert!(contract.type_def(b"byte").is_some(), "a built-in type");
/// # Ok::<(), ubf_contract::ReadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Contract {
    parts: Parts,
    /// Where each type is found: own ones first, since their definition counts.
    index: BTreeMap<Text, Place>,
    warnings: Vec<Diagnostic>,
}

/// What a contract is made of, before it is known to be well-formed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) dialect: ContractDialect,
    pub(crate) name: Option<Name>,
    pub(crate) vsn: Option<Name>,
    pub(crate) types: Vec<TypeDef>,
    /// Types that came with a library, or are built in.
    pub(crate) foreign: Vec<(Origin, TypeDef)>,
    pub(crate) states: Vec<State>,
    pub(crate) any_state: Vec<Rule>,
    pub(crate) types_notes: Notes,
    pub(crate) any_state_notes: Notes,
    /// Comments behind the last form.
    pub(crate) closing: Vec<Comment>,
    pub(crate) lines: Lines,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Own(usize),
    Foreign(usize),
}

/// The text of `+NAME` or `+VSN`.
#[derive(Clone, Debug, Default)]
pub struct Name {
    /// The bytes.
    pub text: Text,
    /// Where it stands.
    pub span: Span,
    pub(crate) notes: Notes,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Where a type that the text does not define comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Every contract has it.
    BuiltIn,
    /// A library of this name.
    Imported(Text),
}

impl PartialEq for Contract {
    fn eq(&self, other: &Self) -> bool {
        let key = |contract: &Self| {
            let Parts { dialect, name, vsn, types, foreign, states, any_state, .. } =
                contract.parts.clone();
            (dialect, name, vsn, types, foreign, states, any_state)
        };
        key(self) == key(other)
    }
}

impl Contract {
    /// The parts have been checked.
    pub(crate) fn new(parts: Parts, warnings: Vec<Diagnostic>) -> Self {
        let mut index = BTreeMap::new();
        for (place, (_, definition)) in parts.foreign.iter().enumerate() {
            index.entry(definition.name.clone()).or_insert(Place::Foreign(place));
        }
        for (place, definition) in parts.types.iter().enumerate() {
            index.insert(definition.name.clone(), Place::Own(place));
        }
        Self { parts, index, warnings }
    }

    pub(crate) const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The dialect in which it is written.
    #[must_use]
    pub const fn dialect(&self) -> ContractDialect {
        self.parts.dialect
    }

    /// The name of the service.
    #[must_use]
    pub fn name(&self) -> &Name {
        self.parts.name.as_ref().unwrap_or(&NAMELESS)
    }

    /// The text of `+VSN`. It has no meaning for peers; the version of a contract is the number
    /// under which it is served (C4). Empty in a contract that a server told.
    #[must_use]
    pub fn vsn(&self) -> &Name {
        self.parts.vsn.as_ref().unwrap_or(&NAMELESS)
    }

    /// The types that its text defines, in order.
    #[must_use]
    pub fn types(&self) -> &[TypeDef] {
        &self.parts.types
    }

    /// The types that it has from elsewhere, each with its origin. A type may be there more than
    /// once, with the same definition.
    #[must_use]
    pub fn foreign_types(&self) -> &[(Origin, TypeDef)] {
        &self.parts.foreign
    }

    /// The definition of a type, wherever it comes from; predefined types have none.
    #[must_use]
    pub fn type_def(&self, name: &[u8]) -> Option<&TypeDef> {
        match self.index.get(&Text::from(name))? {
            Place::Own(place) => self.parts.types.get(*place),
            Place::Foreign(place) => self.parts.foreign.get(*place).map(|(_, found)| found),
        }
    }

    /// The definitions of all types, each name once, sorted by name.
    pub fn all_types(&self) -> impl Iterator<Item = &TypeDef> {
        self.index.keys().filter_map(|name| self.type_def(name.as_bytes()))
    }

    /// The states, in order.
    #[must_use]
    pub fn states(&self) -> &[State] {
        &self.parts.states
    }

    /// The state of that name. `stop` is none: nothing may be said in it.
    #[must_use]
    pub fn state(&self, name: &[u8]) -> Option<&State> {
        self.parts.states.iter().find(|state| state.name.as_bytes() == name)
    }

    /// The rules that hold in every state.
    #[must_use]
    pub fn any_state(&self) -> &[Rule] {
        &self.parts.any_state
    }

    /// What is odd about it, though it is well-formed.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The line and column of a byte of its text.
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        self.parts.lines.position(offset)
    }

    /// The states in which a session may begin: `start`; without it all of them.
    pub fn entry_states(&self) -> impl Iterator<Item = &State> {
        let has_start = self.state(b"start").is_some();
        self.states().iter().filter(move |state| !has_start || state.name == "start")
    }
}

static NAMELESS: Name = Name {
    text: Text::from_static(""),
    span: Span::new(0, 0),
    notes: Notes { leading: Vec::new(), blank_before: false, trailing: None },
};

impl Parts {
    /// The rules of all states, and of ANYSTATE last.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.states.iter().flat_map(|state| &state.rules).chain(&self.any_state)
    }

    /// Each next state that a rule names, and where.
    pub(crate) fn next_states(&self) -> impl Iterator<Item = (&Text, Span)> {
        self.rules()
            .flat_map(|rule| match &rule.kind {
                RuleKind::Call { outcomes, .. } => outcomes.as_slice(),
                RuleKind::EventOut(_) | RuleKind::EventIn(_) => &[],
            })
            .filter_map(|outcome| Some((outcome.next.as_ref()?, outcome.next_span)))
    }
}
