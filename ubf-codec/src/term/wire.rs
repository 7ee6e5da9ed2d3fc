//! A walk in the order of the wire: lists last element first, tags after their term.
//!
//! Encoding spends its time here. So it is written once for trees of both kinds, packets and owned
//! terms, and compiled for each, with references of a few words; and it calls a visitor instead of
//! yielding steps.

use alloc::vec::Vec;
use core::mem;
use core::slice;

use super::integer::IntegerRef;
use super::owned::Term;
use super::text::{ShortText, Stored, TextRef};
use super::view::Arena;
use crate::node::{Node, NodeKind, Span};

/// A writer of terms, which is shown a term in the order of the wire.
pub(crate) trait WireVisitor {
    fn leaf(&mut self, leaf: Leaf<'_>);
    fn open_tuple(&mut self);
    fn close_tuple(&mut self);
    fn nil(&mut self);
    fn cons(&mut self);
    /// A list is complete. Nothing is on the wire for it.
    fn close_list(&mut self);
    /// A tagged term begins. Nothing is on the wire for it.
    fn open_tagged(&mut self) {}
    /// The tagged term ends with its tag.
    fn tag(&mut self, tag: TextRef<'_>);
}

/// A term without parts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leaf<'a> {
    Undefined,
    /// A list without elements.
    Nil,
    Integer(IntegerRef<'a>),
    /// An atom that stands in an owned term.
    ShortAtom(&'a ShortText),
    Atom(TextRef<'a>),
    /// A string that stands in an owned term.
    ShortString(&'a ShortText),
    String(TextRef<'a>),
    Binary(&'a [u8]),
}

/// Where terms of one kind live: packets, or owned terms.
trait Forest<'a>: Copy {
    type Term: Copy;
    /// The parts of a compound term that are still to be written: those of a tuple from the front,
    /// those of a list from the back. A tagged term has two, the tag and the term.
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

#[derive(Clone, Copy)]
enum Compound {
    Tuple,
    List,
    Tagged,
}

pub(super) fn visit_owned(term: &Term, visitor: &mut impl WireVisitor) {
    visit(Owned, term, visitor);
}

pub(super) fn visit_packet(node: Node, arena: Arena<'_>, visitor: &mut impl WireVisitor) {
    visit(&arena, node, visitor);
}

fn visit<'a, F: Forest<'a>>(forest: F, root: F::Term, visitor: &mut impl WireVisitor) {
    let mut cells: Vec<F::Term> = Vec::new();
    // The innermost open term is not in memory, as most terms have no more parts than there are
    // leaves before the next one.
    let (mut kind, mut parts) = match forest.shape(root, &mut cells) {
        Shape::Leaf(leaf) => return visitor.leaf(leaf),
        Shape::Compound(kind, parts) => (kind, parts),
    };
    let mut outside = Stack::new();
    open(kind, visitor);
    loop {
        let inside = match kind {
            Compound::Tuple => loop {
                let Some(part) = F::front(&mut parts) else {
                    visitor.close_tuple();
                    break None;
                };
                match forest.shape(part, &mut cells) {
                    Shape::Leaf(leaf) => visitor.leaf(leaf),
                    Shape::Compound(kind, parts) => break Some((kind, parts)),
                }
            },
            Compound::List => loop {
                let Some(part) = F::back(&mut parts, &mut cells) else {
                    visitor.close_list();
                    break None;
                };
                match forest.shape(part, &mut cells) {
                    Shape::Leaf(leaf) => visitor.leaf(leaf),
                    Shape::Compound(kind, parts) => break Some((kind, parts)),
                }
                visitor.cons();
            },
            Compound::Tagged => {
                match F::back(&mut parts, &mut cells).map(|part| forest.shape(part, &mut cells)) {
                    Some(Shape::Compound(kind, parts)) => Some((kind, parts)),
                    Some(Shape::Leaf(leaf)) => {
                        visitor.leaf(leaf);
                        tag(forest, &mut parts, visitor);
                        None
                    }
                    None => None,
                }
            }
        };
        if let Some((inner_kind, inner_parts)) = inside {
            open(inner_kind, visitor);
            outside
                .push((mem::replace(&mut kind, inner_kind), mem::replace(&mut parts, inner_parts)));
            continue;
        }
        // A term is complete, and all whose last part it is.
        loop {
            let Some(around) = outside.pop() else { return };
            (kind, parts) = around;
            match kind {
                Compound::Tuple => break,
                Compound::List => {
                    visitor.cons();
                    break;
                }
                Compound::Tagged => tag(forest, &mut parts, visitor),
            }
        }
    }
}

#[inline(always)]
fn open(kind: Compound, visitor: &mut impl WireVisitor) {
    match kind {
        Compound::Tuple => visitor.open_tuple(),
        Compound::List => visitor.nil(),
        Compound::Tagged => visitor.open_tagged(),
    }
}

fn tag<'a, F: Forest<'a>>(forest: F, parts: &mut F::Parts, visitor: &mut impl WireVisitor) {
    if let Some(tag) = F::front(parts) {
        visitor.tag(forest.tag(tag));
    }
}

/// Open terms from the outermost on. Few need no memory but the machine's stack: small packets
/// spend half of their time on an allocation.
struct Stack<T> {
    few: [Option<T>; FEW],
    more: Vec<T>,
    len: usize,
}

/// Chosen: most messages are not as deep.
const FEW: usize = 8;

impl<T> Stack<T> {
    const fn new() -> Self {
        Self { few: [const { None }; FEW], more: Vec::new(), len: 0 }
    }

    #[inline(always)]
    fn push(&mut self, item: T) {
        match self.few.get_mut(self.len) {
            Some(place) => *place = Some(item),
            None => self.more.push(item),
        }
        self.len += 1;
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        match self.few.get_mut(self.len) {
            Some(place) => place.take(),
            None => self.more.pop(),
        }
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
            Term::Atom(text) => match text.stored() {
                Stored::Short(text) => Leaf::ShortAtom(text),
                Stored::Shared(bytes) => Leaf::Atom(TextRef::plain(bytes)),
            },
            Term::String(text) => match text.stored() {
                Stored::Short(text) => Leaf::ShortString(text),
                Stored::Shared(bytes) => Leaf::String(TextRef::plain(bytes)),
            },
            Term::Binary(bytes) => Leaf::Binary(bytes),
            Term::Tuple(terms) => return Shape::Compound(Compound::Tuple, terms.iter()),
            Term::List(terms) => match &**terms {
                [] => Leaf::Nil,
                terms => return Shape::Compound(Compound::List, terms.iter()),
            },
            Term::Tagged(tagged) => {
                return Shape::Compound(Compound::Tagged, tagged.parts().iter());
            }
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

/// Nodes of a packet: side by side, or a chain of cells, whose elements are those of `cells` from
/// this place on.
enum NodeParts<'a> {
    Side(slice::Iter<'a, Node>),
    Cells(usize),
}

impl<'a> Forest<'a> for &'a Arena<'a> {
    type Term = Node;
    type Parts = NodeParts<'a>;

    #[inline(always)]
    fn shape(self, node: Node, cells: &mut Vec<Node>) -> Shape<'a, NodeParts<'a>> {
        let bytes = || node.span().slice(self.source.bytes());
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
            NodeKind::List if node.span().len == 0 => Leaf::Nil,
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
        TextRef::new(tag.span().slice(self.source.bytes()), tag.flag())
    }
}
