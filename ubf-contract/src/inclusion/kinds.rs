//! What a type takes of each kind of term.

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;

use ubf_codec::{Integer, Text};

use super::numbers::{FloatSet, IntegerSet};
use super::texts::TextSet;
use super::{Language, Side};
use crate::graph::{Meaning, NodeId, Strings, TypeGraph};
use crate::predefined::Attributes;

/// The terms of a type, kind by kind. No term is of two kinds.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    pub(super) atoms: TextSet,
    pub(super) binaries: TextSet,
    pub(super) integers: IntegerSet,
    pub(super) floats: FloatSet,
    pub(super) tuples: Vec<Tuples>,
    pub(super) lists: Vec<Lists>,
    /// Empty where strings are tuples.
    pub(super) strings: Vec<StringsOf>,
    /// Terms with a semantic tag: all or none. None where they are tuples.
    pub(super) tagged: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Tuples {
    /// Of any size, or of any but 0.
    All { nonempty: bool },
    /// Of this size, element by element.
    Of(Rc<[Language]>),
}

#[derive(Clone, Debug)]
pub(super) enum Lists {
    /// Of `min` to `max` elements, each of `item`; `None` is every term.
    Of { item: Option<Language>, min: u64, max: Option<u64> },
    /// One list: these bytes as integers.
    Codes(Text),
}

#[derive(Clone, Debug)]
pub(super) enum StringsOf {
    All,
    One(Text),
    /// Those whose list of bytes is of this language.
    Bytes(Language),
}

impl Kinds {
    /// Every term.
    pub(super) fn anything(strings: Strings) -> Self {
        Self::any_but(Attributes::default(), strings)
    }

    fn any_but(attributes: Attributes, strings: Strings) -> Self {
        let nonempty = attributes.has(Attributes::NONEMPTY);
        let emptiness = if nonempty { Attributes::NONEMPTY } else { Attributes::default() };
        let are_apart = strings == Strings::Apart;
        Self {
            atoms: TextSet::with(attributes),
            binaries: TextSet::with(emptiness),
            integers: IntegerSet::all(),
            floats: FloatSet::all(),
            tuples: vec![Tuples::All { nonempty }],
            lists: vec![Lists::Of { item: None, min: u64::from(nonempty), max: None }],
            strings: are_apart.then_some(StringsOf::All).into_iter().collect(),
            tagged: are_apart,
        }
    }

    fn range(min: i64, max: i64) -> Self {
        let integers = IntegerSet::range(Some(Integer::from(min)), Some(Integer::from(max)));
        Self { integers, ..Self::default() }
    }

    fn lists_of(item: Language) -> Self {
        let lists = vec![Lists::Of { item: Some(item), min: 0, max: None }];
        Self { lists, ..Self::default() }
    }

    pub(super) fn of(language: Language, graphs: &[&TypeGraph; 2]) -> Self {
        let (side, node) = match language {
            Language::Node(side, node) => (side, node),
            Language::Byte => return Self::range(0, 255),
            Language::Letter => return Self::range(i64::from(b'a'), i64::from(b'z')),
            Language::Value(byte) => return Self::range(i64::from(byte), i64::from(byte)),
            Language::Bytes => return Self::lists_of(Language::Byte),
            Language::Letters => return Self::lists_of(Language::Letter),
            Language::StringMark => {
                let mark = TextSet::only(Text::from_static("#S"));
                return Self { atoms: mark, ..Self::default() };
            }
        };
        let [old, new] = graphs;
        let graph = if side == Side::Old { old } else { new };
        let Meaning::Alternatives(parts) = graph.meaning(node) else {
            return Self::of_meaning(side, graph, node);
        };
        let mut kinds = Self::default();
        for part in parts {
            kinds.join(Self::of_meaning(side, graph, *part));
        }
        kinds
    }

    fn of_meaning(side: Side, graph: &TypeGraph, node: NodeId) -> Self {
        let language = |node: &NodeId| Language::Node(side, *node);
        let are_apart = graph.strings() == Strings::Apart;
        let mut kinds = Self::default();
        match graph.meaning(node) {
            Meaning::Nothing => {}
            Meaning::Anything => return Self::anything(graph.strings()),
            Meaning::AnyBut(attributes) => return Self::any_but(*attributes, graph.strings()),
            // Alternatives hold no small alternatives, but they may hold large ones.
            Meaning::Alternatives(_) => {
                return Self::of(Language::Node(side, node), &[graph, graph]);
            }
            Meaning::Atom(attributes) => kinds.atoms = TextSet::with(*attributes),
            Meaning::AtomLiteral(text) => kinds.atoms = TextSet::only(text.clone()),
            Meaning::Binary(attributes) => kinds.binaries = TextSet::with(*attributes),
            Meaning::BinaryLiteral(bytes) => {
                kinds.binaries = TextSet::only(Text::from(bytes.clone()));
            }
            Meaning::Integer { min, max } => {
                kinds.integers = IntegerSet::range(min.clone(), max.clone());
            }
            Meaning::Float => kinds.floats = FloatSet::all(),
            Meaning::FloatLiteral(value) => kinds.floats = FloatSet::only(*value),
            Meaning::List { item, min, max } => {
                kinds.lists = vec![Lists::Of { item: Some(language(item)), min: *min, max: *max }];
            }
            Meaning::Codes(text) => kinds.lists = vec![Lists::Codes(text.clone())],
            Meaning::AnyTuple { nonempty } => {
                kinds.tuples = vec![Tuples::All { nonempty: *nonempty }];
            }
            Meaning::Tuple(parts) => {
                kinds.tuples = vec![Tuples::Of(parts.iter().map(language).collect())];
            }
            Meaning::String(list) if are_apart => {
                kinds.strings = vec![StringsOf::Bytes(language(list))];
            }
            Meaning::String(list) => {
                let tuple = [Language::StringMark, language(list)];
                kinds.tuples = vec![Tuples::Of(Rc::new(tuple))];
            }
            Meaning::StringLiteral(text) => kinds.strings = vec![StringsOf::One(text.clone())],
        }
        kinds
    }

    fn join(&mut self, other: Self) {
        self.atoms = self.atoms.or(&other.atoms);
        self.binaries = self.binaries.or(&other.binaries);
        self.integers = core::mem::take(&mut self.integers).or(&other.integers);
        self.floats = self.floats.or(&other.floats);
        self.tuples.extend(other.tuples);
        self.lists.extend(other.lists);
        self.strings.extend(other.strings);
        self.tagged |= other.tagged;
    }
}
