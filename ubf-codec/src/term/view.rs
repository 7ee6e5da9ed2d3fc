//! A look at a term, wherever it lives: in a decoded packet or in an owned [`Term`].
//!
//! Everything that reads terms (encoding, printing, comparing) is written once, over [`TermRef`].

use core::fmt;
use core::slice;

use super::integer::IntegerRef;
use super::owned::Term;
use super::text::TextRef;
use super::wire::{WireVisitor, visit_owned, visit_packet};
use crate::float;
use crate::node::{Node, NodeKind, Span};

/// A term by reference: 56 bytes, `Copy`.
///
/// ```
/// use ubf_codec::{View, decode};
///
/// let packet = decode(b"{'area',{'circle',3}}$")?;
/// let View::Tuple(request) = packet.root().view() else { panic!("a request is a tuple") };
/// let (Some(name), Some(shape)) = (request.get(0), request.get(1)) else { panic!("of two") };
/// assert!(name.is_atom("area"));
/// assert_eq!(shape.to_string(), "{circle,3}");
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy)]
pub struct TermRef<'a>(Place<'a>);

/// Where a term lives.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Packet(Node, Arena<'a>),
    Owned(&'a Term),
}

/// A packet's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PacketBytes<'a> {
    /// Nobody knows whether they are UTF-8.
    Unchecked(&'a [u8]),
    /// All of them are.
    Utf8(&'a str),
}

impl<'a> PacketBytes<'a> {
    #[inline(always)]
    pub(crate) const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Unchecked(bytes) => bytes,
            Self::Utf8(text) => text.as_bytes(),
        }
    }

    /// As much as is known to be UTF-8.
    #[inline(always)]
    pub(crate) const fn utf8(self) -> &'a str {
        match self {
            Self::Unchecked(_) => "",
            Self::Utf8(text) => text,
        }
    }

    #[inline(always)]
    fn text(self, node: Node) -> TextRef<'a> {
        match self {
            Self::Unchecked(bytes) => TextRef::new(node.span().slice(bytes), node.flag()),
            Self::Utf8(text) => TextRef::in_packet(text.as_bytes(), text, node),
        }
    }
}

/// A decoded packet's bytes and nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arena<'a> {
    pub(crate) source: PacketBytes<'a>,
    pub(crate) nodes: &'a [Node],
}

/// What a term is. Match on it.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// The absent value, `?` (W7).
    Undefined,
    /// An integer of any size.
    Integer(IntegerRef<'a>),
    /// A name: `'ok'`.
    Atom(TextRef<'a>),
    /// Text: `"Joe"`.
    String(TextRef<'a>),
    /// Bytes: `3~abc~`.
    Binary(&'a [u8]),
    /// A fixed number of terms: `{'point' 1 2}`.
    Tuple(TupleRef<'a>),
    /// Any number of terms: `#2&1&`.
    List(ListRef<'a>),
    /// A term with a semantic tag, which says how it is meant: `` "1.5"`f` ``.
    Tagged(TextRef<'a>, TermRef<'a>),
}

impl Arena<'_> {
    /// The tag and the term of a tagged term.
    pub(crate) fn tagged(&self, node: Node) -> (Node, Node) {
        match node.span().slice(self.nodes) {
            [tag, term] => (*tag, *term),
            // The machine stores two nodes for each tagged term.
            _ => (Node::UNDEFINED, Node::UNDEFINED),
        }
    }

    /// The value of a float.
    #[inline]
    pub(crate) fn float(&self, node: Node) -> Option<f64> {
        if node.kind() != NodeKind::Tagged {
            return None;
        }
        let [tag, digits] = node.span().slice(self.nodes) else { return None };
        if digits.kind() != NodeKind::String {
            return None;
        }
        if tag.flag() || digits.flag() {
            return self.escaped_float(*tag, *digits);
        }
        let is_float = tag.span().slice(self.source.bytes()) == b"f";
        if is_float { float::value(digits.span().slice(self.source.bytes())) } else { None }
    }

    /// The value of a float of which a part is written with escapes.
    #[cold]
    fn escaped_float(&self, tag: Node, digits: Node) -> Option<f64> {
        let text = |node: Node| TextRef::new(node.span().slice(self.source.bytes()), node.flag());
        if text(tag) == "f" { float::value(&text(digits).to_bytes()) } else { None }
    }
}

impl<'a> TermRef<'a> {
    pub(crate) const fn new(node: Node, arena: Arena<'a>) -> Self {
        Self(Place::Packet(node, arena))
    }

    pub(crate) const fn place(self) -> Place<'a> {
        self.0
    }

    /// What the term is.
    #[must_use]
    #[inline]
    pub fn view(&self) -> View<'a> {
        match self.0 {
            Place::Packet(node, arena) => view_node(node, arena),
            Place::Owned(term) => view_term(term),
        }
    }

    /// Whether the term is the atom of this name.
    #[must_use]
    #[inline]
    pub fn is_atom(&self, name: &str) -> bool {
        matches!(self.view(), View::Atom(text) if text == name)
    }

    /// The value of an integer that fits 64 bits.
    #[must_use]
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        if let View::Integer(value) = self.view() { value.to_i64() } else { None }
    }

    /// The value of a float: a string tagged `f` (W8).
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        // Without views, which pass through memory: that would take three times as long as to read
        // the digits.
        match self.0 {
            Place::Packet(node, arena) => arena.float(node),
            Place::Owned(Term::Tagged(tagged)) => match tagged.parts() {
                [Term::Atom(tag), Term::String(digits)] if *tag == "f" => {
                    float::value(digits.as_bytes())
                }
                _ => None,
            },
            Place::Owned(_) => None,
        }
    }

    /// The bytes of the long texts and binaries that are the term, or stand in a tuple in it: what
    /// to make room for before the term is written, so that what is long is not moved again because
    /// of the few bytes behind it. Mostly 0. It is a quick look: tuples of up to eight elements,
    /// three levels deep, and what is no shorter than 4 KiB.
    ///
    /// ```
    /// use ubf_codec::{Term, ubf};
    ///
    /// let large = Term::Binary(vec![0; 10_000].into());
    /// assert_eq!(ubf!({ok, {put, (large), "a text"}}).as_ref().long_bytes(), 10_000);
    /// assert_eq!(ubf!({ok, "a text"}).as_ref().long_bytes(), 0);
    /// ```
    #[must_use]
    pub fn long_bytes(&self) -> usize {
        const LEVELS: usize = 3;
        self.long_bytes_within(LEVELS)
    }

    fn long_bytes_within(self, levels: usize) -> usize {
        const LONG: usize = 4 << 10;
        const FEW: usize = 8;
        let len = match self.view() {
            View::Atom(text) | View::String(text) => text.written_bytes(),
            View::Binary(bytes) => bytes.len(),
            View::Tuple(tuple) if levels > 0 && tuple.len() <= FEW => {
                return tuple.iter().map(|part| part.long_bytes_within(levels - 1)).sum();
            }
            View::Undefined
            | View::Integer(_)
            | View::Tuple(_)
            | View::List(_)
            | View::Tagged(..) => 0,
        };
        if len >= LONG { len } else { 0 }
    }

    /// Where the term is in the packet that it was decoded from, or the first of its parts that is
    /// text: small integers and empty terms leave no trace.
    #[cfg(feature = "serde")]
    pub(crate) fn offset(&self) -> Option<u64> {
        let Place::Packet(mut node, Arena { nodes, .. }) = self.0 else { return None };
        let mut tag_offset = None;
        loop {
            let Span { start, len } = node.span();
            let before_start = u64::from(start).saturating_sub(1);
            match node.kind() {
                NodeKind::Undefined | NodeKind::Integer => return tag_offset,
                NodeKind::BigInteger if !node.flag() => return Some(u64::from(start)),
                // The minus sign, the opening quote or the `~`.
                NodeKind::BigInteger | NodeKind::Atom | NodeKind::String | NodeKind::Binary => {
                    return Some(before_start);
                }
                NodeKind::Tuple | NodeKind::List | NodeKind::Tagged if len == 0 => {
                    return tag_offset;
                }
                NodeKind::Tuple | NodeKind::List => node = *nodes.get(start as usize)?,
                NodeKind::Tagged => {
                    let tag = nodes.get(start as usize)?;
                    tag_offset = Some(u64::from(tag.span().start).saturating_sub(1));
                    node = *nodes.get(start as usize + 1)?;
                }
            }
        }
    }

    /// Shows the term to `visitor` in the order of the wire.
    pub(crate) fn visit_wire(&self, visitor: &mut impl WireVisitor) {
        match self.0 {
            Place::Packet(node, arena) => visit_packet(node, arena, visitor),
            Place::Owned(term) => visit_owned(term, visitor),
        }
    }

    /// Whether both are certainly the same term, because they lie in the same place.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Place::Packet(one, arena), Place::Packet(two, other_arena)) => {
                one.is_compound()
                    && one.kind() == two.kind()
                    && one.span() == two.span()
                    && core::ptr::eq(arena.nodes, other_arena.nodes)
            }
            (Place::Owned(one), Place::Owned(two)) => match (one, two) {
                (Term::Tuple(one), Term::Tuple(two)) | (Term::List(one), Term::List(two)) => {
                    core::ptr::eq::<[Term]>(&**one, &**two)
                }
                _ => core::ptr::eq(one, two),
            },
            (Place::Packet(..), Place::Owned(_)) | (Place::Owned(_), Place::Packet(..)) => false,
        }
    }

    /// For a compound term in a packet: a number that no other compound term of the packet has.
    pub(crate) fn identity(&self) -> Option<(NodeKind, Span)> {
        match self.0 {
            Place::Packet(node, _) if node.is_compound() && node.span().len > 0 => {
                Some((node.kind(), node.span()))
            }
            Place::Packet(..) | Place::Owned(_) => None,
        }
    }
}

#[inline]
fn view_node<'a>(node: Node, arena: Arena<'a>) -> View<'a> {
    let text = || arena.source.text(node);
    match node.kind() {
        NodeKind::Undefined => View::Undefined,
        NodeKind::Integer => View::Integer(IntegerRef::small(node.as_small())),
        NodeKind::BigInteger => {
            View::Integer(IntegerRef::digits(node.flag(), node.span().slice(arena.source.bytes())))
        }
        NodeKind::Atom => View::Atom(text()),
        NodeKind::String => View::String(text()),
        NodeKind::Binary => View::Binary(node.span().slice(arena.source.bytes())),
        NodeKind::Tuple => {
            View::Tuple(TupleRef(Tuple::Packet(node.span().slice(arena.nodes), arena)))
        }
        NodeKind::List => {
            let Span { start, len } = node.span();
            View::List(ListRef(List::Packet { first: start, len, arena }))
        }
        NodeKind::Tagged => {
            let (tag, term) = arena.tagged(node);
            View::Tagged(arena.source.text(tag), TermRef::new(term, arena))
        }
    }
}

#[inline]
fn view_term(term: &Term) -> View<'_> {
    match term {
        Term::Undefined => View::Undefined,
        Term::Integer(value) => View::Integer(value.into()),
        Term::Atom(text) => View::Atom(TextRef::plain(text.as_bytes())),
        Term::String(text) => View::String(TextRef::plain(text.as_bytes())),
        Term::Binary(bytes) => View::Binary(bytes),
        Term::Tuple(terms) => View::Tuple(TupleRef(Tuple::Owned(terms))),
        Term::List(terms) => View::List(ListRef(List::Owned(terms))),
        Term::Tagged(tagged) => {
            View::Tagged(TextRef::plain(tagged.tag().as_bytes()), tagged.term().into())
        }
    }
}

impl<'a> From<&'a Term> for TermRef<'a> {
    #[inline]
    fn from(term: &'a Term) -> Self {
        Self(Place::Owned(term))
    }
}

/// A tuple by reference.
#[derive(Clone, Copy)]
pub struct TupleRef<'a>(Tuple<'a>);

#[derive(Clone, Copy)]
enum Tuple<'a> {
    Packet(&'a [Node], Arena<'a>),
    Owned(&'a [Term]),
}

impl<'a> TupleRef<'a> {
    /// How many elements it has.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        match self.0 {
            Tuple::Packet(nodes, _) => nodes.len(),
            Tuple::Owned(terms) => terms.len(),
        }
    }

    /// Whether it is `{}`.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`, counted from 0.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<TermRef<'a>> {
        match self.0 {
            Tuple::Packet(nodes, arena) => nodes.get(index).map(|&node| TermRef::new(node, arena)),
            Tuple::Owned(terms) => terms.get(index).map(TermRef::from),
        }
    }

    /// The elements, first to last.
    #[must_use]
    #[inline]
    pub fn iter(&self) -> TupleIter<'a> {
        TupleIter(match self.0 {
            Tuple::Packet(nodes, arena) => TupleElements::Packet(nodes.iter(), arena),
            Tuple::Owned(terms) => TupleElements::Owned(terms.iter()),
        })
    }

    /// The elements as an array, if there are exactly `N`: to match a tuple by its shape.
    ///
    /// ```
    /// let packet = ubf_codec::decode(b"{'ok',7}$")?;
    /// let ubf_codec::View::Tuple(tuple) = packet.root().view() else { panic!() };
    /// let Some([tag, value]) = tuple.to_array() else { panic!() };
    /// assert!(tag.is_atom("ok") && value.as_i64() == Some(7));
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn to_array<const N: usize>(&self) -> Option<[TermRef<'a>; N]> {
        if self.len() != N {
            return None;
        }
        let mut elements = self.iter();
        // The count was checked: no element is missing.
        Some(core::array::from_fn(|_| elements.next().unwrap_or(TermRef::from(&Term::Undefined))))
    }
}

impl<'a> IntoIterator for TupleRef<'a> {
    type Item = TermRef<'a>;
    type IntoIter = TupleIter<'a>;

    #[inline]
    fn into_iter(self) -> TupleIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for TupleRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tuple of {}", self.len())
    }
}

/// The elements of a tuple, from both ends.
#[derive(Clone)]
pub struct TupleIter<'a>(TupleElements<'a>);

#[derive(Clone)]
enum TupleElements<'a> {
    Packet(slice::Iter<'a, Node>, Arena<'a>),
    Owned(slice::Iter<'a, Term>),
}

impl<'a> Iterator for TupleIter<'a> {
    type Item = TermRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<TermRef<'a>> {
        match &mut self.0 {
            TupleElements::Packet(nodes, arena) => {
                nodes.next().map(|&node| TermRef::new(node, *arena))
            }
            TupleElements::Owned(terms) => terms.next().map(TermRef::from),
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            TupleElements::Packet(nodes, _) => nodes.len(),
            TupleElements::Owned(terms) => terms.len(),
        };
        (left, Some(left))
    }
}

impl DoubleEndedIterator for TupleIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            TupleElements::Packet(nodes, arena) => {
                nodes.next_back().map(|&node| TermRef::new(node, *arena))
            }
            TupleElements::Owned(terms) => terms.next_back().map(TermRef::from),
        }
    }
}

impl ExactSizeIterator for TupleIter<'_> {}
impl core::iter::FusedIterator for TupleIter<'_> {}

impl fmt::Debug for TupleIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} more elements", self.len())
    }
}

/// A list by reference.
///
/// A list of a packet is a chain of cells, so it is walked from its head; there is no `get`.
#[derive(Clone, Copy)]
pub struct ListRef<'a>(List<'a>);

#[derive(Clone, Copy)]
enum List<'a> {
    Packet { first: u32, len: u32, arena: Arena<'a> },
    Owned(&'a [Term]),
}

impl<'a> ListRef<'a> {
    /// How many elements it has. Costs nothing.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        match self.0 {
            List::Packet { len, .. } => len as usize,
            List::Owned(terms) => terms.len(),
        }
    }

    /// Whether it is `#`.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, head first.
    #[must_use]
    #[inline]
    pub fn iter(&self) -> ListIter<'a> {
        ListIter(match self.0 {
            List::Packet { first, len, arena } => {
                ListElements::Packet { next: first, left: len, arena }
            }
            List::Owned(terms) => ListElements::Owned(terms.iter()),
        })
    }
}

impl<'a> IntoIterator for ListRef<'a> {
    type Item = TermRef<'a>;
    type IntoIter = ListIter<'a>;

    #[inline]
    fn into_iter(self) -> ListIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for ListRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "list of {}", self.len())
    }
}

/// The elements of a list, head first.
#[derive(Clone)]
pub struct ListIter<'a>(ListElements<'a>);

#[derive(Clone)]
enum ListElements<'a> {
    Packet { next: u32, left: u32, arena: Arena<'a> },
    Owned(slice::Iter<'a, Term>),
}

impl<'a> Iterator for ListIter<'a> {
    type Item = TermRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<TermRef<'a>> {
        match &mut self.0 {
            ListElements::Packet { next, left, arena } => {
                *left = left.checked_sub(1)?;
                let cell = *arena.nodes.get(*next as usize)?;
                *next = cell.link();
                Some(TermRef::new(cell, *arena))
            }
            ListElements::Owned(terms) => terms.next().map(TermRef::from),
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            ListElements::Packet { left, .. } => *left as usize,
            ListElements::Owned(terms) => terms.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for ListIter<'_> {}
impl core::iter::FusedIterator for ListIter<'_> {}

impl fmt::Debug for ListIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} more elements", self.len())
    }
}
