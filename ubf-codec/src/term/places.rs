//! Terms of which the place is told once, for who looks at many of them.
//!
//! A [`TermRef`] carries the place of its packet with it, 32 bytes beside the 16 of its node. Who
//! walks through a whole term says the place once, and passes on the nodes alone: a checker of
//! types needs a third of the instructions. Programs do not need it; it is for the crates that
//! stand beside this one.

use core::slice;

use super::integer::IntegerRef;
use super::owned::Term;
use super::text::TextRef;
use super::view::{Arena, Place, TermRef};
use crate::error::TermKind;
use crate::node::{Node, NodeKind};

/// The terms of one place. Each question answers `None` where the term is of another kind.
pub trait Terms<'a> {
    /// A term, without its place.
    type Term: Copy;
    /// The elements of a tuple.
    type Elements: ExactSizeIterator<Item = Self::Term>;
    /// The elements of a list.
    type Items: ExactSizeIterator<Item = Self::Term>;

    /// What kind of term it is.
    fn kind(&self, term: Self::Term) -> TermKind;
    /// An integer.
    fn integer(&self, term: Self::Term) -> Option<IntegerRef<'a>>;
    /// The name of an atom.
    fn atom(&self, term: Self::Term) -> Option<TextRef<'a>>;
    /// The elements of a tuple, first to last.
    fn tuple(&self, term: Self::Term) -> Option<Self::Elements>;
    /// The elements of a list, head first.
    fn list(&self, term: Self::Term) -> Option<Self::Items>;
}

/// A term and the place of it and of all its parts.
#[derive(Debug)]
pub enum Placed<'a> {
    /// In a packet.
    Packet(Packet<'a>, PacketTerm),
    /// In memory of its own.
    Owned(Owned, &'a Term),
}

impl<'a> From<TermRef<'a>> for Placed<'a> {
    #[inline]
    fn from(term: TermRef<'a>) -> Self {
        match term.place() {
            Place::Packet(node, arena) => Self::Packet(Packet(arena), PacketTerm(node)),
            Place::Owned(term) => Self::Owned(Owned(()), term),
        }
    }
}

/// A packet that was decoded.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a>(Arena<'a>);

/// A term of a packet.
#[derive(Clone, Copy, Debug)]
pub struct PacketTerm(Node);

impl<'a> Terms<'a> for Packet<'a> {
    type Term = PacketTerm;
    type Elements = PacketElements<'a>;
    type Items = PacketItems<'a>;

    #[inline]
    fn kind(&self, term: PacketTerm) -> TermKind {
        term.0.term_kind()
    }

    #[inline]
    fn integer(&self, PacketTerm(node): PacketTerm) -> Option<IntegerRef<'a>> {
        match node.kind() {
            NodeKind::Integer => Some(IntegerRef::small(node.as_small())),
            NodeKind::BigInteger => {
                Some(IntegerRef::digits(node.flag(), node.span().slice(self.0.source.bytes())))
            }
            NodeKind::Undefined
            | NodeKind::Atom
            | NodeKind::String
            | NodeKind::Binary
            | NodeKind::Tuple
            | NodeKind::List
            | NodeKind::Tagged => None,
        }
    }

    #[inline]
    fn atom(&self, PacketTerm(node): PacketTerm) -> Option<TextRef<'a>> {
        let text = || TextRef::new(node.span().slice(self.0.source.bytes()), node.flag());
        (node.kind() == NodeKind::Atom).then(text)
    }

    #[inline]
    fn tuple(&self, PacketTerm(node): PacketTerm) -> Option<PacketElements<'a>> {
        let elements = || PacketElements(node.span().slice(self.0.nodes).iter());
        (node.kind() == NodeKind::Tuple).then(elements)
    }

    #[inline]
    fn list(&self, PacketTerm(node): PacketTerm) -> Option<PacketItems<'a>> {
        let span = node.span();
        let items = || PacketItems { next: span.start, left: span.len, nodes: self.0.nodes };
        (node.kind() == NodeKind::List).then(items)
    }
}

/// The elements of a tuple of a packet.
#[derive(Debug)]
pub struct PacketElements<'a>(slice::Iter<'a, Node>);

impl Iterator for PacketElements<'_> {
    type Item = PacketTerm;

    #[inline]
    fn next(&mut self) -> Option<PacketTerm> {
        self.0.next().map(|&node| PacketTerm(node))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for PacketElements<'_> {}

/// The elements of a list of a packet.
#[derive(Debug)]
pub struct PacketItems<'a> {
    next: u32,
    left: u32,
    nodes: &'a [Node],
}

impl Iterator for PacketItems<'_> {
    type Item = PacketTerm;

    #[inline]
    fn next(&mut self) -> Option<PacketTerm> {
        self.left = self.left.checked_sub(1)?;
        let cell = *self.nodes.get(self.next as usize)?;
        self.next = cell.link();
        Some(PacketTerm(cell))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for PacketItems<'_> {}

/// Memory in which each term has its place.
#[derive(Clone, Copy, Debug)]
pub struct Owned(());

impl<'a> Terms<'a> for Owned {
    type Term = &'a Term;
    type Elements = slice::Iter<'a, Term>;
    type Items = slice::Iter<'a, Term>;

    #[inline]
    fn kind(&self, term: &'a Term) -> TermKind {
        term.kind()
    }

    #[inline]
    fn integer(&self, term: &'a Term) -> Option<IntegerRef<'a>> {
        if let Term::Integer(value) = term { Some(value.into()) } else { None }
    }

    #[inline]
    fn atom(&self, term: &'a Term) -> Option<TextRef<'a>> {
        if let Term::Atom(name) = term { Some(TextRef::plain(name.as_bytes())) } else { None }
    }

    #[inline]
    fn tuple(&self, term: &'a Term) -> Option<slice::Iter<'a, Term>> {
        if let Term::Tuple(elements) = term { Some(elements.iter()) } else { None }
    }

    #[inline]
    fn list(&self, term: &'a Term) -> Option<slice::Iter<'a, Term>> {
        if let Term::List(elements) = term { Some(elements.iter()) } else { None }
    }
}
