//! A place in a term, with two lifetimes: that of the bytes and that of the nodes.
//!
//! A [`TermRef`] has one lifetime, the shorter one. What serde borrows has to live as long as the input, while the nodes of the
//! packet are gone when [`from_slice`](super::from_slice) returns.

use core::fmt;
use core::slice;

use crate::dialect::Dialect;
use crate::document::Document;
use crate::node::{Node, NodeKind, Span};
use crate::term::{Arena, IntegerRef, ListIter, Term, TermRef, TextRef, TupleIter, View};

/// A term that is read. Bytes are borrowed for `'de`, nodes for `'n`.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'de, 'n>(Place<'de, 'n>);

#[derive(Clone, Copy)]
enum Place<'de, 'n> {
    Node(Node, &'n Document<&'de [u8]>),
    /// Both lifetimes are the same.
    Term(TermRef<'de>),
}

/// What a term means to serde: tags are taken off, but for those that say what kind of value there is.
pub(super) enum Meaning<'de, 'n> {
    Undefined,
    Integer(IntegerRef<'de>),
    /// The digits of a string tagged `f` that is a number.
    Float(TextRef<'de>),
    Atom(TextRef<'de>),
    String(TextRef<'de>),
    Binary(&'de [u8]),
    Tuple(Items<'de, 'n>),
    List(Items<'de, 'n>),
    /// A list tagged `map` or `plist`.
    Pairs(Items<'de, 'n>),
}

/// A term, one level deep.
enum Shape<'de, 'n> {
    Meaning(Meaning<'de, 'n>),
    Tagged(TextRef<'de>, Cursor<'de, 'n>),
}

impl<'de, 'n> Cursor<'de, 'n> {
    pub(super) fn of_document(document: &'n Document<&'de [u8]>) -> Self {
        let (_, _, root) = document.parts();
        Self(Place::Node(root, document))
    }

    pub(super) const fn of_term(term: TermRef<'de>) -> Self {
        Self(Place::Term(term))
    }

    /// A term that is missing.
    pub(super) fn undefined() -> Self {
        Self(Place::Term(TermRef::from(&Term::Undefined)))
    }

    /// What `'debug'` in a property list is short for: `{'debug','true'}`.
    pub(super) fn truth() -> Self {
        static TRUE: Term = Term::Atom(crate::term::Text::from_static("true"));
        Self(Place::Term(TermRef::from(&TRUE)))
    }

    /// The same term with the shorter lifetime.
    pub(super) fn term(&self) -> TermRef<'n> {
        match self.0 {
            Place::Node(node, document) => {
                let (source, nodes, _) = document.parts();
                TermRef::new(node, Arena { source, nodes })
            }
            Place::Term(term) => term,
        }
    }

    #[inline]
    pub(super) fn meaning(&self, dialect: Dialect) -> Meaning<'de, 'n> {
        match self.shape() {
            Shape::Meaning(Meaning::Atom(name)) if is_classic_undefined(name, dialect) => Meaning::Undefined,
            Shape::Meaning(meaning) => meaning,
            Shape::Tagged(..) => self.tagged_meaning(dialect),
        }
    }

    /// The same for a term that has tags.
    fn tagged_meaning(&self, dialect: Dialect) -> Meaning<'de, 'n> {
        let mut cursor = *self;
        loop {
            let (tag, inner) = match cursor.shape() {
                Shape::Meaning(Meaning::Atom(name)) if is_classic_undefined(name, dialect) => {
                    return Meaning::Undefined;
                }
                Shape::Meaning(meaning) => return meaning,
                Shape::Tagged(tag, inner) => (tag, inner),
            };
            match inner.shape() {
                Shape::Meaning(Meaning::String(digits)) if tag == "f" && cursor.term().as_f64().is_some() => {
                    return Meaning::Float(digits);
                }
                Shape::Meaning(Meaning::List(items)) if tag == "map" || tag == "plist" => return Meaning::Pairs(items),
                Shape::Meaning(_) | Shape::Tagged(..) => cursor = inner,
            }
        }
    }

    /// Whether the term is the undefined value, and nothing else: a tag on it makes it something.
    #[inline]
    pub(super) fn is_undefined(&self, dialect: Dialect) -> bool {
        match self.shape() {
            Shape::Meaning(Meaning::Undefined) => true,
            Shape::Meaning(Meaning::Atom(name)) => is_classic_undefined(name, dialect),
            Shape::Meaning(_) | Shape::Tagged(..) => false,
        }
    }

    #[inline]
    fn shape(&self) -> Shape<'de, 'n> {
        match self.0 {
            Place::Node(node, document) => Self::shape_of_node(node, document),
            Place::Term(term) => Shape::Meaning(match term.view() {
                View::Undefined => Meaning::Undefined,
                View::Integer(value) => Meaning::Integer(value),
                View::Atom(text) => Meaning::Atom(text),
                View::String(text) => Meaning::String(text),
                View::Binary(bytes) => Meaning::Binary(bytes),
                View::Tuple(tuple) => Meaning::Tuple(Items(Parts::Tuple(tuple.iter()))),
                View::List(list) => Meaning::List(Items(Parts::List(list.iter()))),
                View::Tagged(tag, inner) => return Shape::Tagged(tag, Self(Place::Term(inner))),
            }),
        }
    }

    #[inline]
    fn shape_of_node(node: Node, document: &'n Document<&'de [u8]>) -> Shape<'de, 'n> {
        let (source, nodes, _) = document.parts();
        let text = || TextRef::new(node.span().slice(source), node.flag());
        Shape::Meaning(match node.kind() {
            NodeKind::Undefined => Meaning::Undefined,
            NodeKind::Integer => Meaning::Integer(IntegerRef::small(node.as_small())),
            NodeKind::BigInteger => Meaning::Integer(IntegerRef::digits(node.flag(), node.span().slice(source))),
            NodeKind::Atom => Meaning::Atom(text()),
            NodeKind::String => Meaning::String(text()),
            NodeKind::Binary => Meaning::Binary(node.span().slice(source)),
            NodeKind::Tuple => Meaning::Tuple(Items(Parts::Nodes(node.span().slice(nodes).iter(), document))),
            NodeKind::List => {
                let Span { start, len } = node.span();
                Meaning::List(Items(Parts::Cells { next: start, left: len, document }))
            }
            NodeKind::Tagged => match *node.span().slice(nodes) {
                [tag, term] => {
                    let tag = TextRef::new(tag.span().slice(source), tag.flag());
                    return Shape::Tagged(tag, Self(Place::Node(term, document)));
                }
                _ => Meaning::Undefined,
            },
        })
    }

    /// Where the term is in its packet: see [`TermRef::offset`].
    pub(super) fn offset(&self) -> Option<u64> {
        self.term().offset()
    }
}

/// W7: undefined, as it is written towards peers that do not know it.
fn is_classic_undefined(name: TextRef<'_>, dialect: Dialect) -> bool {
    dialect == Dialect::Classic && name == "undefined"
}

/// Says what a term is, for an error: leaves as they print, if they are short.
impl fmt::Display for Cursor<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Longer ones would hide the rest of the message.
        const MAX_BYTES: usize = 40;
        let term = self.term();
        match term.view() {
            View::Undefined => f.write_str("the undefined value"),
            View::Integer(value) if value.to_i128().is_some() => write!(f, "integer {value}"),
            View::Integer(_) => f.write_str("an integer beyond 128 bits"),
            View::Atom(text) if text.to_bytes().len() <= MAX_BYTES => write!(f, "atom {term}"),
            View::Atom(_) => f.write_str("a long atom"),
            View::String(text) if text.to_bytes().len() <= MAX_BYTES => write!(f, "string {term}"),
            View::String(text) => write!(f, "a string of {} bytes", text.to_bytes().len()),
            View::Binary(bytes) => write!(f, "a binary of {} bytes", bytes.len()),
            View::Tuple(tuple) => write!(f, "a tuple of {}", tuple.len()),
            View::List(list) => write!(f, "a list of {}", list.len()),
            View::Tagged(..) if term.as_f64().is_some() => write!(f, "float {term}"),
            View::Tagged(tag, _) => write!(f, "a term tagged {tag:?}"),
        }
    }
}

/// The elements of a tuple or a list.
#[derive(Clone)]
pub(super) struct Items<'de, 'n>(Parts<'de, 'n>);

#[derive(Clone)]
enum Parts<'de, 'n> {
    None,
    Nodes(slice::Iter<'n, Node>, &'n Document<&'de [u8]>),
    Cells { next: u32, left: u32, document: &'n Document<&'de [u8]> },
    Tuple(TupleIter<'de>),
    List(ListIter<'de>),
}

impl Items<'_, '_> {
    pub(super) const fn empty() -> Self {
        Self(Parts::None)
    }
}

impl<'de, 'n> Iterator for Items<'de, 'n> {
    type Item = Cursor<'de, 'n>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some(Cursor(match &mut self.0 {
            Parts::None => return None,
            Parts::Nodes(nodes, document) => Place::Node(*nodes.next()?, document),
            Parts::Cells { next, left, document } => {
                *left = left.checked_sub(1)?;
                let (_, nodes, _) = document.parts();
                let cell = *nodes.get(*next as usize)?;
                *next = cell.link();
                Place::Node(cell, document)
            }
            Parts::Tuple(elements) => Place::Term(elements.next()?),
            Parts::List(elements) => Place::Term(elements.next()?),
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Parts::None => (0, Some(0)),
            Parts::Nodes(nodes, _) => nodes.size_hint(),
            Parts::Cells { left, .. } => (*left as usize, Some(*left as usize)),
            Parts::Tuple(elements) => elements.size_hint(),
            Parts::List(elements) => elements.size_hint(),
        }
    }
}

impl ExactSizeIterator for Items<'_, '_> {}
