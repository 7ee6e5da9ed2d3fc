//! A walk in the order of the wire: lists last element first, tags after their term.
//!
//! Encoding spends its time here. So it is written once for trees of both kinds, packets and owned terms, and compiled for
//! each, with references of a few words; and it calls a visitor instead of yielding steps.

use alloc::vec::Vec;
use core::slice;

use super::integer::IntegerRef;
use super::owned::{Elements, Term};
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

/// A term of a tree.
trait Tree<'a>: Copy {
    type Tuple: Iterator<Item = Self>;
    type List;

    fn shape(self) -> Shape<'a, Self>;

    /// Appends the elements of a list, head first.
    fn extend(elements: &mut Vec<Self>, list: Self::List);
}

enum Shape<'a, T: Tree<'a>> {
    Leaf(Leaf<'a>),
    Tuple(T::Tuple),
    List(T::List),
    Tagged(TextRef<'a>, T),
}

/// A compound term that is being written.
enum Open<'a, T: Tree<'a>> {
    Tuple(T::Tuple),
    /// A list, whose elements still to come are those from `first` on; `&` is due for the one that was written last.
    List {
        first: usize,
        cons_due: bool,
    },
    Tagged(TextRef<'a>),
}

pub(super) fn visit_owned(term: &Term, visitor: &mut impl WireVisitor) {
    visit(term, visitor);
}

pub(super) fn visit_packet(node: Node, arena: Arena<'_>, visitor: &mut impl WireVisitor) {
    visit(NodeRef { node, arena: &arena }, visitor);
}

fn visit<'a, T: Tree<'a>>(root: T, visitor: &mut impl WireVisitor) {
    let mut open: Vec<Open<'a, T>> = Vec::new();
    let mut elements: Vec<T> = Vec::new();
    let mut next = Some(root);
    loop {
        if let Some(term) = next.take() {
            match term.shape() {
                Shape::Leaf(leaf) => visitor.leaf(leaf),
                Shape::Tuple(tuple) => {
                    visitor.open_tuple();
                    open.push(Open::Tuple(tuple));
                }
                Shape::List(list) => {
                    visitor.nil();
                    open.push(Open::List { first: elements.len(), cons_due: false });
                    T::extend(&mut elements, list);
                }
                Shape::Tagged(tag, inner) => {
                    open.push(Open::Tagged(tag));
                    next = Some(inner);
                    continue;
                }
            }
        }
        match open.last_mut() {
            None => return,
            Some(Open::Tuple(tuple)) => {
                next = tuple.next();
                if next.is_none() {
                    visitor.close_tuple();
                    open.pop();
                }
            }
            Some(Open::List { first, cons_due }) => {
                if *cons_due {
                    visitor.cons();
                }
                if elements.len() > *first {
                    *cons_due = true;
                    next = elements.pop();
                } else {
                    visitor.close_list();
                    open.pop();
                }
            }
            Some(Open::Tagged(tag)) => {
                visitor.tag(*tag);
                open.pop();
            }
        }
    }
}

impl<'a> Tree<'a> for &'a Term {
    type Tuple = slice::Iter<'a, Term>;
    type List = &'a Elements;

    #[inline(always)]
    fn shape(self) -> Shape<'a, Self> {
        match self {
            Term::Undefined => Shape::Leaf(Leaf::Undefined),
            Term::Integer(value) => Shape::Leaf(Leaf::Integer(value.into())),
            Term::Atom(text) => Shape::Leaf(Leaf::Atom(TextRef::plain(text.as_bytes()))),
            Term::String(text) => Shape::Leaf(Leaf::String(TextRef::plain(text.as_bytes()))),
            Term::Binary(bytes) => Shape::Leaf(Leaf::Binary(bytes)),
            Term::Tuple(terms) => Shape::Tuple(terms.iter()),
            Term::List(terms) => Shape::List(terms),
            Term::Tagged(tagged) => Shape::Tagged(TextRef::plain(tagged.tag().as_bytes()), tagged.term()),
        }
    }

    fn extend(elements: &mut Vec<Self>, list: &'a Elements) {
        elements.extend(list);
    }
}

/// A term of a packet.
#[derive(Clone, Copy)]
struct NodeRef<'a> {
    node: Node,
    arena: &'a Arena<'a>,
}

/// Nodes that stand side by side.
struct NodeIter<'a> {
    nodes: slice::Iter<'a, Node>,
    arena: &'a Arena<'a>,
}

impl<'a> Iterator for NodeIter<'a> {
    type Item = NodeRef<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<NodeRef<'a>> {
        self.nodes.next().map(|&node| NodeRef { node, arena: self.arena })
    }
}

impl<'a> Tree<'a> for NodeRef<'a> {
    type Tuple = NodeIter<'a>;
    /// The chain of cells.
    type List = Self;

    #[inline(always)]
    fn shape(self) -> Shape<'a, Self> {
        let Self { node, arena } = self;
        let bytes = || node.span().slice(arena.source);
        match node.kind() {
            NodeKind::Undefined => Shape::Leaf(Leaf::Undefined),
            NodeKind::Integer => Shape::Leaf(Leaf::Integer(IntegerRef::small(node.as_small()))),
            NodeKind::BigInteger => Shape::Leaf(Leaf::Integer(IntegerRef::digits(node.flag(), bytes()))),
            NodeKind::Atom => Shape::Leaf(Leaf::Atom(TextRef::new(bytes(), node.flag()))),
            NodeKind::String => Shape::Leaf(Leaf::String(TextRef::new(bytes(), node.flag()))),
            NodeKind::Binary => Shape::Leaf(Leaf::Binary(bytes())),
            NodeKind::Tuple => Shape::Tuple(NodeIter { nodes: node.span().slice(arena.nodes).iter(), arena }),
            NodeKind::List => Shape::List(self),
            NodeKind::Tagged => {
                let (tag, term) = arena.tagged(node);
                Shape::Tagged(TextRef::new(tag.span().slice(arena.source), tag.flag()), Self { node: term, arena })
            }
        }
    }

    fn extend(elements: &mut Vec<Self>, list: Self) {
        let Span { start: mut place, len } = list.node.span();
        elements.reserve(len as usize);
        for _ in 0..len {
            let Some(&node) = list.arena.nodes.get(place as usize) else { return };
            place = node.link();
            elements.push(Self { node, arena: list.arena });
        }
    }
}
