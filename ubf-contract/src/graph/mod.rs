//! What the types of a contract mean: a graph in which names, dialects and ways of writing are
//! gone.

mod build;
mod heights;
mod unions;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;
use ubf_codec::{Integer, Text};

use crate::model::{Contract, Parts, Type, TypeKind};
use crate::predefined::{Attributes, Predefined};
use crate::span::Span;

/// The types of a contract, as nodes that name each other by number (C2, K2).
///
/// It is a regular tree grammar: a term is of a type if it can be derived from the type's node. No
/// node is a mere name of another one, and alternatives do not lead back to themselves, so that
/// whoever walks the graph comes to a part of the term after finitely many steps.
///
/// ```
/// use ubf_contract::{Meaning, Reader, Strings, TypeGraph};
///
/// let contract = Reader::new().read(
///     "+NAME(\"m\"). +VSN(\"1\"). +TYPES a() :: b(); b() :: 1..3; c() :: 7..4.",
/// )?;
/// let graph = TypeGraph::new(&contract, Strings::Apart);
/// let (a, b) = (graph.named(b"a").unwrap(), graph.named(b"b").unwrap());
/// assert_eq!(a, b);
/// assert!(matches!(graph.meaning(a), Meaning::Integer { min: Some(_), max: Some(_) }));
/// assert!(matches!(graph.meaning(graph.named(b"c").unwrap()), Meaning::Nothing));
/// # Ok::<(), ubf_contract::ReadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TypeGraph {
    nodes: Vec<Meaning>,
    sources: Vec<Source>,
    strings: Strings,
    /// Sorted by name: what each defined type is.
    names: Vec<(Text, NodeId)>,
    predefined: BTreeMap<Predefined, NodeId>,
    /// Types that are defined as each other, and as nothing else.
    alias_cycles: Vec<NodeId>,
}

/// How UBF's strings are understood (C3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strings {
    /// A string is a term of its own kind. The type `{'#S', T}`, as `ubfstring()` is defined, takes
    /// the strings whose list of bytes is a `T`; no other tuple takes a string.
    #[default]
    Apart,
    /// A string is the tuple `{'#S', ListOfBytes}`, and a term with a semantic tag is the tuple
    /// `{'$TYPE', ListOfBytes, Term}`: as existing implementations have it. So `tuple()` takes
    /// strings. A string literal takes nothing.
    AsTuples,
}

/// The number of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The number, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    fn at(index: usize) -> Self {
        // A node takes more than a byte of the text, and texts have at most 4 GiB.
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// What terms a node stands for.
///
/// The undefined value, `?`, counts as the atom `undefined` everywhere (C2).
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// Every term.
    Anything,
    /// No term.
    Nothing,
    /// Every term but those that the attributes exclude: `nonempty` excludes `''`, `[]`, `<<>>` and
    /// `{}`, but not `""`; `nonundefined` excludes `undefined`.
    AnyBut(Attributes),
    /// Atoms.
    Atom(Attributes),
    /// This atom.
    AtomLiteral(Text),
    /// Binaries.
    Binary(Attributes),
    /// This binary.
    BinaryLiteral(Bytes),
    /// Integers from `min` to `max`, both included.
    Integer {
        /// The lowest; `None` is no bound.
        min: Option<Integer>,
        /// The highest; `None` is no bound. Not below `min`.
        max: Option<Integer>,
    },
    /// Floats.
    Float,
    /// This float.
    FloatLiteral(f64),
    /// Lists of `min` to `max` terms, all of them an `item`.
    List {
        /// What the elements are.
        item: NodeId,
        /// The fewest.
        min: u64,
        /// The most; `None` is no bound. Not below `min`.
        max: Option<u64>,
    },
    /// The list of these bytes as integers: what a string literal means in 1.12.
    Codes(Text),
    /// Tuples of any size, or of any but 0. They take strings where strings are tuples.
    AnyTuple {
        /// Whether `{}` is excluded.
        nonempty: bool,
    },
    /// Tuples of as many elements as there are nodes, each of its node. They take strings where
    /// strings are tuples.
    Tuple(Box<[NodeId]>),
    /// Strings whose list of bytes is of that node. Where strings are tuples, it also takes the
    /// tuple of `'#S'` and such a list.
    String(NodeId),
    /// This string.
    StringLiteral(Text),
    /// What any of these takes: at least two, each once.
    Alternatives(Box<[NodeId]>),
}

impl Meaning {
    /// The nodes that it is made of.
    #[must_use]
    pub fn parts(&self) -> &[NodeId] {
        match self {
            Self::Tuple(parts) | Self::Alternatives(parts) => parts,
            Self::List { item, .. } => core::slice::from_ref(item),
            Self::String(list) => core::slice::from_ref(list),
            Self::Anything
            | Self::Nothing
            | Self::AnyBut(_)
            | Self::Atom(_)
            | Self::AtomLiteral(_)
            | Self::Binary(_)
            | Self::BinaryLiteral(_)
            | Self::Integer { .. }
            | Self::Float
            | Self::FloatLiteral(_)
            | Self::Codes(_)
            | Self::AnyTuple { .. }
            | Self::StringLiteral(_) => &[],
        }
    }

    fn parts_mut(&mut self) -> &mut [NodeId] {
        match self {
            Self::Tuple(parts) | Self::Alternatives(parts) => parts,
            Self::List { item, .. } => core::slice::from_mut(item),
            Self::String(list) => core::slice::from_mut(list),
            Self::Anything
            | Self::Nothing
            | Self::AnyBut(_)
            | Self::Atom(_)
            | Self::AtomLiteral(_)
            | Self::Binary(_)
            | Self::BinaryLiteral(_)
            | Self::Integer { .. }
            | Self::Float
            | Self::FloatLiteral(_)
            | Self::Codes(_)
            | Self::AnyTuple { .. }
            | Self::StringLiteral(_) => &mut [],
        }
    }
}

/// Where a node comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    /// Its place in `names`; none for a predefined type in a rule.
    definition: Option<u32>,
    /// How many types stand before it in its definition, each before its parts.
    types_before: u32,
    span: Span,
}

impl TypeGraph {
    /// The types of a contract.
    #[must_use]
    pub fn new(contract: &Contract, strings: Strings) -> Self {
        Self::of_parts(contract.parts(), strings)
    }

    pub(crate) fn of_parts(parts: &Parts, strings: Strings) -> Self {
        build::graph(parts, strings)
    }

    /// The node of a defined type. Several names may have the same node.
    #[must_use]
    pub fn named(&self, name: &[u8]) -> Option<NodeId> {
        let place = self.names.binary_search_by(|(own, _)| own.as_bytes().cmp(name)).ok()?;
        self.names.get(place).map(|(_, node)| *node)
    }

    /// All defined types with their nodes.
    pub(crate) fn all_named(&self) -> impl Iterator<Item = (&Text, NodeId)> {
        self.names.iter().map(|(name, node)| (name, *node))
    }

    /// The node of a type in a rule, which is a name.
    #[must_use]
    pub fn of_rule(&self, named: &Type) -> Option<NodeId> {
        if let TypeKind::Predefined { predefined, .. } = &named.kind {
            return self.predefined.get(predefined).copied();
        }
        self.named(named.referred()?.as_bytes())
    }

    /// What a node means. Of another graph's node: nothing.
    #[must_use]
    pub fn meaning(&self, node: NodeId) -> &Meaning {
        self.nodes.get(node.index()).unwrap_or(&Meaning::Nothing)
    }

    /// All nodes in their order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId::at)
    }

    /// How many nodes there are; their numbers go up to that.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none, which is never.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How strings are understood.
    #[must_use]
    pub const fn strings(&self) -> Strings {
        self.strings
    }

    /// In which definition a node stands, and where; `None` if it stands in none.
    #[must_use]
    pub fn source(&self, node: NodeId) -> Option<(&Text, Span)> {
        let source = self.sources.get(node.index())?;
        let (name, _) = self.names.get(source.definition? as usize)?;
        Some((name, source.span))
    }

    /// The name of the definition that is all of that node.
    pub(crate) fn name_of(&self, node: NodeId) -> Option<&Text> {
        let source = self.sources.get(node.index()).filter(|source| source.types_before == 0)?;
        let (name, own) = self.names.get(source.definition? as usize)?;
        (*own == node).then_some(name)
    }

    /// The type that a node was made of.
    pub(crate) fn source_type<'c>(&self, node: NodeId, contract: &'c Contract) -> Option<&'c Type> {
        let source = self.sources.get(node.index())?;
        let (name, _) = self.names.get(source.definition? as usize)?;
        let (mut before, mut found) = (source.types_before, None);
        contract.type_def(name.as_bytes())?.definition.walk(false, &mut |one| {
            if before == 0 && found.is_none() {
                found = Some(one);
            }
            before = before.saturating_sub(1);
        });
        found
    }

    /// For each node how deep its least deep term is; `None` if no term is of it.
    pub(crate) fn heights(&self) -> Vec<Option<u32>> {
        heights::heights(&self.nodes)
    }

    /// For each node whether some term is of it. Of strings it may say so wrongly, where their
    /// list of bytes cannot be.
    #[must_use]
    pub fn inhabited(&self) -> Vec<bool> {
        self.heights().iter().map(Option::is_some).collect()
    }

    /// Whether the node is a type that is only defined as itself.
    pub(crate) fn is_alias_cycle(&self, node: NodeId) -> bool {
        self.alias_cycles.contains(&node)
    }
}
