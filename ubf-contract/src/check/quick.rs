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

use ubf_codec::{TermRef, TextRef, View};

use super::limits::CheckLimits;
use super::subject::is_undefined;
use crate::graph::{Meaning, NodeId, Strings, TypeGraph};
use crate::predefined::Attributes;

/// Looks at parts of a term. Chosen: far more than a term of usual size needs.
const MAX_LOOKS: u32 = 1_024;
/// Calls in one another. Chosen: terms of usual depth need half of it, and the stack holds it
/// anywhere.
const MAX_LEVEL: u32 = 16;

/// What a node takes, in as few words as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Anything,
    Nothing,
    /// Whatever the machine says.
    Slow,
    Integer(i64, i64),
    /// This integer or a larger one.
    AtLeast(i64),
    AnyInteger,
    AnyAtom,
    /// The atom of this place among the names.
    Atom(u32),
    AnyBinary,
    /// Every string.
    AnyString,
    AnyTuple,
    AnyList,
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
    Choice {
        start: u32,
        len: u32,
    },
    NotUndefined,
}

/// The types of a contract.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// One for each node of the graph.
    ops: Box<[Op]>,
    /// The parts of tuples and choices, side by side.
    parts: Box<[u32]>,
    names: Box<[Box<[u8]>]>,
    is_used: bool,
}

impl Program {
    pub(super) fn new(graph: &TypeGraph) -> Self {
        let mut building = Building { parts: Vec::new(), names: Vec::new() };
        let ops = graph.nodes().map(|node| building.op(graph, node)).collect();
        Self {
            ops,
            parts: building.parts.into(),
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
        let mut looks = MAX_LOOKS;
        self.look(*self.ops.get(node.index())?, &term.view(), MAX_LEVEL, &mut looks)
    }

    fn look(&self, op: Op, view: &View<'_>, level: u32, looks: &mut u32) -> Option<bool> {
        *looks = looks.checked_sub(1)?;
        Some(match (op, view) {
            (Op::Slow, _) => return None,
            (Op::Anything, _) => true,
            (Op::NotUndefined, view) => !is_undefined(view),
            (Op::Choice { start, len }, view) => {
                let level = level.checked_sub(1)?;
                for part in self.parts(start, len) {
                    if self.look(*self.ops.get(*part as usize)?, view, level, looks)? {
                        return Some(true);
                    }
                }
                false
            }
            (Op::Atom(name), View::Atom(text)) => self.is_name(name, *text),
            (Op::Atom(name), View::Undefined) => self.name(name) == b"undefined",
            (Op::AnyAtom, View::Atom(_) | View::Undefined)
            | (Op::AnyInteger, View::Integer(_))
            | (Op::AnyBinary, View::Binary(_))
            | (Op::AnyString, View::String(_))
            | (Op::AnyTuple, View::Tuple(_))
            | (Op::AnyList, View::List(_)) => true,
            (Op::Integer(min, max), View::Integer(value)) => {
                value.to_i64().is_some_and(|value| (min..=max).contains(&value))
            }
            // What has more than 64 bits is left to the machine.
            (Op::AtLeast(min), View::Integer(value)) => value.to_i64()? >= min,
            (Op::Tagged { start, len, name }, View::Tuple(tuple)) => {
                if tuple.len() != len as usize {
                    return Some(false);
                }
                let mut elements = tuple.iter();
                let is_it = match elements.next()?.view() {
                    View::Atom(text) => self.is_name(name, text),
                    View::Undefined => self.name(name) == b"undefined",
                    _ => false,
                };
                if !is_it {
                    return Some(false);
                }
                let parts = self.parts(start, len).get(1..)?;
                return self.all(parts, elements, level, looks);
            }
            (Op::Tuple { start, len }, View::Tuple(tuple)) => {
                if tuple.len() != len as usize {
                    return Some(false);
                }
                return self.all(self.parts(start, len), tuple.iter(), level, looks);
            }
            (Op::List { item, min, max }, View::List(list)) => {
                if list.len() < min as usize || list.len() > max as usize {
                    return Some(false);
                }
                let (item, level) = (*self.ops.get(item as usize)?, level.checked_sub(1)?);
                for element in list.iter() {
                    if !self.look(item, &element.view(), level, looks)? {
                        return Some(false);
                    }
                }
                true
            }
            (_, _) => false,
        })
    }

    #[inline]
    fn all<'t>(
        &self,
        parts: &[u32],
        elements: impl Iterator<Item = TermRef<'t>>,
        level: u32,
        looks: &mut u32,
    ) -> Option<bool> {
        let level = level.checked_sub(1)?;
        for (part, element) in parts.iter().zip(elements) {
            if !self.look(*self.ops.get(*part as usize)?, &element.view(), level, looks)? {
                return Some(false);
            }
        }
        Some(true)
    }

    #[inline]
    fn parts(&self, start: u32, len: u32) -> &[u32] {
        let start = start as usize;
        self.parts.get(start..start + len as usize).unwrap_or_default()
    }

    #[inline]
    fn name(&self, place: u32) -> &[u8] {
        self.names.get(place as usize).map(AsRef::as_ref).unwrap_or_default()
    }

    #[inline]
    fn is_name(&self, place: u32, text: TextRef<'_>) -> bool {
        match text.as_plain() {
            Some(plain) => plain == self.name(place),
            None => text == *self.name(place),
        }
    }
}

struct Building {
    parts: Vec<u32>,
    names: Vec<Box<[u8]>>,
}

impl Building {
    fn op(&mut self, graph: &TypeGraph, node: NodeId) -> Op {
        match graph.meaning(node) {
            Meaning::Anything => Op::Anything,
            Meaning::Nothing => Op::Nothing,
            Meaning::AnyBut(attributes) if *attributes == Attributes::NONUNDEFINED => {
                Op::NotUndefined
            }
            Meaning::Atom(attributes) if attributes.is_empty() => Op::AnyAtom,
            Meaning::AtomLiteral(name) => Op::Atom(self.name(name.as_bytes())),
            Meaning::Binary(attributes) if attributes.is_empty() => Op::AnyBinary,
            Meaning::Integer { min: None, max: None } => Op::AnyInteger,
            Meaning::Integer { min: Some(min), max: None } => {
                min.to_i64().map_or(Op::Slow, Op::AtLeast)
            }
            Meaning::Integer { min: Some(min), max: Some(max) } => {
                match (min.to_i64(), max.to_i64()) {
                    (Some(min), Some(max)) => Op::Integer(min, max),
                    (_, _) => Op::Slow,
                }
            }
            Meaning::AnyTuple { nonempty: false } => Op::AnyTuple,
            Meaning::Tuple(nodes) => self.tuple(graph, nodes),
            Meaning::Alternatives(nodes) => {
                let (start, len) = self.side_by_side(nodes);
                Op::Choice { start, len }
            }
            Meaning::List { item, min, max } => {
                let min = u32::try_from(*min);
                let max = max.map_or(Ok(u32::MAX), u32::try_from);
                match (min, max) {
                    (Ok(0), Ok(u32::MAX)) if *graph.meaning(*item) == Meaning::Anything => {
                        Op::AnyList
                    }
                    (Ok(min), Ok(max)) => Op::List { item: number(*item), min, max },
                    (_, _) => Op::Slow,
                }
            }
            Meaning::String(list) if takes_all_strings(graph, *list) => Op::AnyString,
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
        self.parts.extend(nodes.iter().map(|node| number(*node)));
        (start, place(nodes.len()))
    }

    fn name(&mut self, name: &[u8]) -> u32 {
        let at = place(self.names.len());
        self.names.push(name.into());
        at
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
