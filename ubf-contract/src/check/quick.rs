#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a node takes no term of the kinds that are not named"
)]
//! The quick way to check: the types as a compact program, and terms of usual depth looked at by
//! calls and not by a loop over a stack of their own.
//!
//! It answers what is answered within some calls, one in another to a fixed depth. All else is left
//! to the machine, which needs no more of the stack however deep a term is.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::iter;

use ubf_codec::places::{Placed, Terms};
use ubf_codec::{TermKind, TermRef};

use super::limits::CheckLimits;
use crate::graph::{Meaning, NodeId, Strings, TypeGraph};
use crate::predefined::Attributes;

/// Looks at parts of a term. Chosen: far more than a term of usual size needs.
const MAX_LOOKS: u32 = 1_024;
/// Calls in one another. Chosen: terms of usual depth need half of it, and the stack holds it
/// anywhere.
const MAX_LEVEL: u32 = 16;

/// A set of kinds of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kinds(u8);

impl Kinds {
    const NONE: Self = Self(0);
    const ALL: Self = Self(u8::MAX);
    /// The undefined value is the atom `'undefined'` for old peers.
    const ATOMS: Self = Self::of(TermKind::Atom).and(Self::of(TermKind::Undefined));

    const fn of(kind: TermKind) -> Self {
        Self(1 << kind as u8)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, kind: TermKind) -> bool {
        self.0 & Self::of(kind).0 != 0
    }
}

/// What a node takes, in as few words as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// Every term of these kinds, and no other.
    Kinds(Kinds),
    /// Whatever the machine says.
    Slow,
    Integer(i64, i64),
    /// This integer or a larger one.
    AtLeast(i64),
    /// The atom of this place among the names.
    Atom(u32),
    /// A tuple of these parts, the first of which is an atom.
    Tagged {
        start: u32,
        len: u32,
        name: u32,
    },
    Tuple {
        start: u32,
        len: u32,
    },
    List {
        item: u32,
        min: u32,
        max: u32,
    },
    /// One of these.
    Choice {
        start: u32,
        len: u32,
        /// One of them takes every term of these kinds.
        sure: Kinds,
    },
    NotUndefined,
}

/// The types of a contract.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// One for each node of the graph.
    ops: Box<[Op]>,
    /// Those of the parts of tuples and choices, side by side, so that they need not be looked up.
    parts: Box<[Op]>,
    names: Box<[Box<[u8]>]>,
    is_used: bool,
}

impl Program {
    pub(super) fn new(graph: &TypeGraph) -> Self {
        let mut building = Building { parts: Vec::new(), names: Vec::new() };
        let ops: Box<[Op]> = graph.nodes().map(|node| building.op(graph, node)).collect();
        let op = |node: &NodeId| ops.get(node.index()).copied().unwrap_or(Op::Slow);
        Self {
            parts: building.parts.iter().map(op).collect(),
            ops,
            names: building.names.into(),
            // Where strings are tuples, there is more to look at.
            is_used: graph.strings() == Strings::Apart,
        }
    }

    /// Whether the term is of the node; `None`: the machine has to say.
    #[inline]
    pub(super) fn fits(
        &self,
        node: NodeId,
        term: TermRef<'_>,
        limits: &CheckLimits,
    ) -> Option<bool> {
        let allowed = limits.max_steps >= u64::from(MAX_LOOKS) && limits.max_depth >= MAX_LEVEL;
        if !self.is_used || !allowed {
            return None;
        }
        let op = self.ops.get(node.index())?;
        match Placed::from(term) {
            Placed::Packet(packet, term) => Walk::new(self, packet).look(op, term, MAX_LEVEL),
            Placed::Owned(memory, term) => Walk::new(self, memory).look(op, term, MAX_LEVEL),
        }
    }

    #[inline]
    fn parts(&self, start: u32, len: u32) -> &[Op] {
        let start = start as usize;
        self.parts.get(start..start + len as usize).unwrap_or_default()
    }

    #[inline]
    fn name(&self, place: u32) -> &[u8] {
        self.names.get(place as usize).map(AsRef::as_ref).unwrap_or_default()
    }
}

/// A look at a term, with what it may still look at.
struct Walk<'p, P> {
    program: &'p Program,
    terms: P,
    looks: u32,
}

impl<'p, 't, P: Terms<'t>> Walk<'p, P> {
    #[inline]
    const fn new(program: &'p Program, terms: P) -> Self {
        Self { program, terms, looks: MAX_LOOKS }
    }

    /// Whether the term is of the op, which most parts of a term decide without a call.
    #[inline(always)]
    fn look(&mut self, op: &'p Op, term: P::Term, level: u32) -> Option<bool> {
        Some(match *op {
            Op::Kinds(kinds) => kinds.has(self.terms.kind(term)),
            Op::Integer(min, max) => {
                let value = self.terms.integer(term).and_then(|value| value.to_i64());
                value.is_some_and(|value| min <= value && value <= max)
            }
            // What has more than 64 bits is left to the machine.
            Op::AtLeast(min) => match self.terms.integer(term) {
                Some(value) => value.to_i64()? >= min,
                None => false,
            },
            Op::Atom(name) => self.is_name(name, term),
            Op::Choice { sure, .. } if sure.has(self.terms.kind(term)) => true,
            Op::Slow
            | Op::Tagged { .. }
            | Op::Tuple { .. }
            | Op::List { .. }
            | Op::Choice { .. }
            | Op::NotUndefined => return self.look_inside(op, term, level),
        })
    }

    #[inline(never)]
    fn look_inside(&mut self, op: &'p Op, term: P::Term, level: u32) -> Option<bool> {
        let level = level.checked_sub(1)?;
        match *op {
            Op::Tagged { start, len, name } => {
                let Some(mut elements) = self.terms.tuple(term) else { return Some(false) };
                if elements.len() != len as usize || !self.is_name(name, elements.next()?) {
                    return Some(false);
                }
                let (_, parts) = self.program.parts(start, len).split_first()?;
                self.each(parts, elements, level)
            }
            Op::Tuple { start, len } => {
                let Some(elements) = self.terms.tuple(term) else { return Some(false) };
                if elements.len() != len as usize {
                    return Some(false);
                }
                self.each(self.program.parts(start, len), elements, level)
            }
            Op::List { item, min, max } => {
                let Some(items) = self.terms.list(term) else { return Some(false) };
                if items.len() < min as usize || items.len() > max as usize {
                    return Some(false);
                }
                let item = self.program.ops.get(item as usize)?;
                self.each(iter::repeat(item), items, level)
            }
            Op::Choice { start, len, sure: _ } => {
                self.looks = self.looks.checked_sub(len)?;
                for part in self.program.parts(start, len) {
                    if self.look(part, term, level)? {
                        return Some(true);
                    }
                }
                Some(false)
            }
            Op::NotUndefined => Some(match self.terms.atom(term) {
                Some(name) => name != *"undefined",
                None => self.terms.kind(term) != TermKind::Undefined,
            }),
            Op::Slow | Op::Kinds(_) | Op::AtLeast(_) | Op::Integer(..) | Op::Atom(_) => None,
        }
    }

    /// Whether each of the terms is of its op.
    #[inline]
    fn each(
        &mut self,
        ops: impl IntoIterator<Item = &'p Op>,
        terms: impl ExactSizeIterator<Item = P::Term>,
        level: u32,
    ) -> Option<bool> {
        self.looks = self.looks.checked_sub(place(terms.len()))?;
        for (term, op) in terms.zip(ops) {
            if !self.look(op, term, level)? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Whether the term is the atom of this place among the names. Undefined is one of them for old
    /// peers.
    #[inline]
    fn is_name(&self, place: u32, term: P::Term) -> bool {
        let name = self.program.name(place);
        match self.terms.atom(term) {
            Some(text) => match text.as_plain() {
                Some(plain) => plain == name,
                None => text == *name,
            },
            None => self.terms.kind(term) == TermKind::Undefined && name == b"undefined",
        }
    }
}

struct Building {
    parts: Vec<NodeId>,
    names: Vec<Box<[u8]>>,
}

impl Building {
    fn op(&mut self, graph: &TypeGraph, node: NodeId) -> Op {
        match graph.meaning(node) {
            Meaning::Anything => Op::Kinds(Kinds::ALL),
            Meaning::Nothing => Op::Kinds(Kinds::NONE),
            Meaning::AnyBut(attributes) if *attributes == Attributes::NONUNDEFINED => {
                Op::NotUndefined
            }
            Meaning::Atom(attributes) if attributes.is_empty() => Op::Kinds(Kinds::ATOMS),
            Meaning::AtomLiteral(name) => Op::Atom(self.name(name.as_bytes())),
            Meaning::Binary(attributes) if attributes.is_empty() => {
                Op::Kinds(Kinds::of(TermKind::Binary))
            }
            Meaning::Integer { min: None, max: None } => Op::Kinds(Kinds::of(TermKind::Integer)),
            Meaning::Integer { min: Some(min), max: None } => {
                min.to_i64().map_or(Op::Slow, Op::AtLeast)
            }
            Meaning::Integer { min: Some(min), max: Some(max) } => {
                match (min.to_i64(), max.to_i64()) {
                    (Some(min), Some(max)) => Op::Integer(min, max),
                    (_, _) => Op::Slow,
                }
            }
            Meaning::AnyTuple { nonempty: false } => Op::Kinds(Kinds::of(TermKind::Tuple)),
            Meaning::Tuple(nodes) => self.tuple(graph, nodes),
            Meaning::Alternatives(nodes) => {
                let (start, len) = self.side_by_side(nodes);
                let sure = nodes.iter().map(|node| surely(graph, *node));
                Op::Choice { start, len, sure: sure.fold(Kinds::NONE, Kinds::and) }
            }
            Meaning::List { item, min, max } => {
                let min = u32::try_from(*min);
                let max = max.map_or(Ok(u32::MAX), u32::try_from);
                match (min, max) {
                    (Ok(0), Ok(u32::MAX)) if *graph.meaning(*item) == Meaning::Anything => {
                        Op::Kinds(Kinds::of(TermKind::List))
                    }
                    (Ok(min), Ok(max)) => Op::List { item: number(*item), min, max },
                    (_, _) => Op::Slow,
                }
            }
            Meaning::String(list) if takes_all_strings(graph, *list) => {
                Op::Kinds(Kinds::of(TermKind::String))
            }
            Meaning::AnyBut(_)
            | Meaning::Atom(_)
            | Meaning::Binary(_)
            | Meaning::BinaryLiteral(_)
            | Meaning::Integer { .. }
            | Meaning::Float
            | Meaning::FloatLiteral(_)
            | Meaning::Codes(_)
            | Meaning::AnyTuple { .. }
            | Meaning::String(_)
            | Meaning::StringLiteral(_) => Op::Slow,
        }
    }

    fn tuple(&mut self, graph: &TypeGraph, nodes: &[NodeId]) -> Op {
        let (start, len) = self.side_by_side(nodes);
        match nodes.first().map(|first| graph.meaning(*first)) {
            Some(Meaning::AtomLiteral(name)) => {
                Op::Tagged { start, len, name: self.name(name.as_bytes()) }
            }
            Some(_) | None => Op::Tuple { start, len },
        }
    }

    fn side_by_side(&mut self, nodes: &[NodeId]) -> (u32, u32) {
        let start = place(self.parts.len());
        self.parts.extend(nodes);
        (start, place(nodes.len()))
    }

    fn name(&mut self, name: &[u8]) -> u32 {
        let at = place(self.names.len());
        self.names.push(name.into());
        at
    }
}

/// Kinds of which the node takes every term, as far as can be seen without a look at its parts.
fn surely(graph: &TypeGraph, node: NodeId) -> Kinds {
    match graph.meaning(node) {
        Meaning::Anything => Kinds::ALL,
        Meaning::Atom(attributes) if attributes.is_empty() => Kinds::ATOMS,
        Meaning::AtomLiteral(name) if name.as_bytes() == b"undefined" => {
            Kinds::of(TermKind::Undefined)
        }
        Meaning::Binary(attributes) if attributes.is_empty() => Kinds::of(TermKind::Binary),
        Meaning::Integer { min: None, max: None } => Kinds::of(TermKind::Integer),
        Meaning::AnyTuple { nonempty: false } => Kinds::of(TermKind::Tuple),
        Meaning::String(list) if takes_all_strings(graph, *list) => Kinds::of(TermKind::String),
        _ => Kinds::NONE,
    }
}

/// Whether every string is of that list of bytes.
fn takes_all_strings(graph: &TypeGraph, list: NodeId) -> bool {
    let Meaning::List { item, min: 0, max: None } = graph.meaning(list) else { return false };
    match graph.meaning(*item) {
        Meaning::Anything => true,
        Meaning::Integer { min, max } => {
            let is_below = min.as_ref().is_none_or(|min| min.to_i64().is_some_and(|min| min <= 0));
            let is_above = max.as_ref().is_none_or(|max| {
                max.to_i64().map_or(*max > ubf_codec::Integer::from(0), |max| max >= 255)
            });
            is_below && is_above
        }
        _ => false,
    }
}

fn number(node: NodeId) -> u32 {
    place(node.index())
}

/// A node takes more than a byte of the text, and texts have at most 4 GiB.
fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
