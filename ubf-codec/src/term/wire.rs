//! A walk in the order of the wire: lists last element first, tags after their term.
//!
//! Encoding spends its time here. So it is written once for trees of both kinds, packets and owned terms, and compiled for
//! each, with references of a few words; and it calls a visitor instead of yielding steps.

use alloc::vec::Vec;
use core::slice;

use super::integer::IntegerRef;
use super::owned::Term;
use super::text::TextRef;
use super::view::Arena;
use crate::node::{Node, NodeKind, Span};

/// Who writes a term.
pub(crate) trait WireVisitor {
    fn leaf(&mut self, leaf: Leaf<'_>);
    fn open_tuple(&mut self);
    fn close_tuple(&mut self);
    fn nil(&mut self);
    fn cons(&mut self);
    /// A list is complete. Nothing is on the wire for it.
    fn close_list(&mut self);
    fn tag(&mut self, tag: TextRef<'_>);
}

/// A term without parts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leaf<'a> {
    Undefined,
    Integer(IntegerRef<'a>),
    Atom(TextRef<'a>),
    String(TextRef<'a>),
    Binary(&'a [u8]),
}

/// Where terms of one kind live: packets, or owned terms.
trait Forest<'a>: Copy {
    type Term: Copy;
    /// The parts of a compound term that are still to be written: those of a tuple from the front, those of a list from the back. A
    /// tagged term has two, the tag and the term.
    type Parts;

    /// `cells` is room for the elements of lists whose last cannot be found without the first.
    fn shape(self, term: Self::Term, cells: &mut Vec<Self::Term>) -> Shape<'a, Self::Parts>;
    fn front(parts: &mut Self::Parts) -> Option<Self::Term>;
    fn back(parts: &mut Self::Parts, cells: &mut Vec<Self::Term>) -> Option<Self::Term>;
    /// The text of a tag.
    fn tag(self, term: Self::Term) -> TextRef<'a>;
}

enum Shape<'a, P> {
    Leaf(Leaf<'a>),
    Compound(Compound, P),
}

/// Which compound term, and what is due before its next part.
#[derive(Clone, Copy)]
enum Compound {
    Tuple,
    List,
    /// A list of which an element was written: `&` is due.
    Cons,
    Tagged,
    /// A tagged term whose tag is due.
    Tag,
}

pub(super) fn visit_owned(term: &Term, visitor: &mut impl WireVisitor) {
    visit(Owned, term, visitor);
}

pub(super) fn visit_packet(node: Node, arena: Arena<'_>, visitor: &mut impl WireVisitor) {
    visit(&arena, node, visitor);
}

fn visit<'a, F: Forest<'a>>(forest: F, root: F::Term, visitor: &mut impl WireVisitor) {
    let mut cells: Vec<F::Term> = Vec::new();
    let mut outside: Vec<(Compound, F::Parts)> = Vec::new();
    let mut next = root;
    loop {
        match forest.shape(next, &mut cells) {
            Shape::Leaf(leaf) => visitor.leaf(leaf),
            Shape::Compound(kind, parts) => {
                match kind {
                    Compound::Tuple => visitor.open_tuple(),
                    Compound::List | Compound::Cons => visitor.nil(),
                    Compound::Tagged | Compound::Tag => {}
                }
                outside.push((kind, parts));
            }
        }
        next = loop {
            let Some((kind, parts)) = outside.last_mut() else { return };
            let part = match kind {
                Compound::Tuple => F::front(parts),
                Compound::List => {
                    *kind = Compound::Cons;
                    F::back(parts, &mut cells)
                }
                Compound::Cons => {
                    visitor.cons();
                    F::back(parts, &mut cells)
                }
                Compound::Tagged => {
                    *kind = Compound::Tag;
                    F::back(parts, &mut cells)
                }
                Compound::Tag => None,
            };
            if let Some(part) = part {
                break part;
            }
            match kind {
                Compound::Tuple => visitor.close_tuple(),
                Compound::List | Compound::Cons => visitor.close_list(),
                Compound::Tagged | Compound::Tag => {
                    if let Some(tag) = F::front(parts) {
                        visitor.tag(forest.tag(tag));
                    }
                }
            }
            outside.pop();
        };
    }
}

/// Owned terms.
#[derive(Clone, Copy)]
struct Owned;

impl<'a> Forest<'a> for Owned {
    type Term = &'a Term;
    type Parts = slice::Iter<'a, Term>;

    #[inline(always)]
    fn shape(self, term: &'a Term, _: &mut Vec<&'a Term>) -> Shape<'a, Self::Parts> {
        Shape::Leaf(match term {
            Term::Undefined => Leaf::Undefined,
            Term::Integer(value) => Leaf::Integer(value.into()),
            Term::Atom(text) => Leaf::Atom(TextRef::plain(text.as_bytes())),
            Term::String(text) => Leaf::String(TextRef::plain(text.as_bytes())),
            Term::Binary(bytes) => Leaf::Binary(bytes),
            Term::Tuple(terms) => return Shape::Compound(Compound::Tuple, terms.iter()),
            Term::List(terms) => return Shape::Compound(Compound::List, terms.iter()),
            Term::Tagged(tagged) => return Shape::Compound(Compound::Tagged, tagged.parts().iter()),
        })
    }

    #[inline(always)]
    fn front(parts: &mut Self::Parts) -> Option<&'a Term> {
        parts.next()
    }

    #[inline(always)]
    fn back(parts: &mut Self::Parts, _: &mut Vec<&'a Term>) -> Option<&'a Term> {
        parts.next_back()
    }

    fn tag(self, term: &'a Term) -> TextRef<'a> {
        TextRef::plain(if let Term::Atom(tag) = term { tag.as_bytes() } else { &[] })
    }
}

/// Nodes of a packet: side by side, or a chain of cells, whose elements are those of `cells` from this place on.
enum NodeParts<'a> {
    Side(slice::Iter<'a, Node>),
    Cells(usize),
}

impl<'a> Forest<'a> for &'a Arena<'a> {
    type Term = Node;
    type Parts = NodeParts<'a>;

    #[inline(always)]
    fn shape(self, node: Node, cells: &mut Vec<Node>) -> Shape<'a, NodeParts<'a>> {
        let bytes = || node.span().slice(self.source);
        let side = || NodeParts::Side(node.span().slice(self.nodes).iter());
        Shape::Leaf(match node.kind() {
            NodeKind::Undefined => Leaf::Undefined,
            NodeKind::Integer => Leaf::Integer(IntegerRef::small(node.as_small())),
            NodeKind::BigInteger => Leaf::Integer(IntegerRef::digits(node.flag(), bytes())),
            NodeKind::Atom => Leaf::Atom(TextRef::new(bytes(), node.flag())),
            NodeKind::String => Leaf::String(TextRef::new(bytes(), node.flag())),
            NodeKind::Binary => Leaf::Binary(bytes()),
            NodeKind::Tuple => return Shape::Compound(Compound::Tuple, side()),
            NodeKind::Tagged => return Shape::Compound(Compound::Tagged, side()),
            NodeKind::List => {
                let first = cells.len();
                let Span { start: mut place, len } = node.span();
                cells.reserve(len as usize);
                for _ in 0..len {
                    let Some(&cell) = self.nodes.get(place as usize) else { break };
                    place = cell.link();
                    cells.push(cell);
                }
                return Shape::Compound(Compound::List, NodeParts::Cells(first));
            }
        })
    }

    #[inline(always)]
    fn front(parts: &mut NodeParts<'a>) -> Option<Node> {
        match parts {
            NodeParts::Side(nodes) => nodes.next().copied(),
            NodeParts::Cells(_) => None,
        }
    }

    #[inline(always)]
    fn back(parts: &mut NodeParts<'a>, cells: &mut Vec<Node>) -> Option<Node> {
        match parts {
            NodeParts::Side(nodes) => nodes.next_back().copied(),
            NodeParts::Cells(first) if cells.len() > *first => cells.pop(),
            NodeParts::Cells(_) => None,
        }
    }

    fn tag(self, tag: Node) -> TextRef<'a> {
        TextRef::new(tag.span().slice(self.source), tag.flag())
    }
}
