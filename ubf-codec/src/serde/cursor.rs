//! A place in a term, with two lifetimes: that of the bytes and that of the nodes.
//!
//! A [`TermRef`] has one lifetime, the shorter one. What serde borrows has to live as long as the
//! input, while the nodes of the packet are gone when [`from_slice`](super::from_slice) returns.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::slice;

use crate::dialect::Dialect;
use crate::node::{Node, NodeKind, Span};
use crate::term::{Arena, IntegerRef, PacketBytes, Place, Term, TermRef, TextRef};

/// What all parts of a term that is read have in common.
pub(super) struct Whole<'de, 'n> {
    pub(super) source: &'de [u8],
    /// As much of `source` as is UTF-8 from its start: texts in it need no check of their own.
    pub(super) text: &'de str,
    pub(super) nodes: &'n [Node],
    pub(super) dialect: Dialect,
    pub(super) max_depth: u32,
    /// Levels that are left of `max_depth`. They are not in each part, since parts are passed on
    /// all the time and have to be small.
    pub(super) levels: Cell<u32>,
    /// How many `Option`s and newtypes stand around the term that is being read.
    pub(super) wrappers: Cell<u8>,
    /// Whether serde has read a term that looks like a record without knowing the type: it cannot
    /// be read as one afterwards.
    pub(super) met_unknown_record: Cell<bool>,
    /// Whether records may have more or fewer elements than their types have fields.
    pub(super) growing: Cell<bool>,
    /// Whether a field was taken for missing because it is undefined.
    pub(super) skipped_undefined: Cell<bool>,
    /// The fields that are read even if they are undefined: see
    /// [`Deserializer::read`](super::Deserializer::read).
    pub(super) read_undefined: RefCell<Vec<&'static str>>,
}

/// A term that is read. Bytes are borrowed for `'de`, nodes for `'n`.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'de, 'n> {
    at: At<'de>,
    whole: &'n Whole<'de, 'n>,
}

/// Where a term lies, in an arena that is known.
#[derive(Clone, Copy)]
pub(super) enum At<'de> {
    Node(Node),
    Term(&'de Term),
}

/// What a term means to serde: tags are taken off, but for those that say what kind of value there
/// is.
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

impl Whole<'_, '_> {
    /// Makes ready to read the term from its beginning.
    #[cold]
    pub(super) fn begin(&self, growing: bool) {
        self.levels.set(self.max_depth);
        self.wrappers.set(0);
        self.met_unknown_record.set(false);
        self.growing.set(growing);
        self.skipped_undefined.set(false);
    }

    /// Whether an undefined field of this name is passed over, as if it were missing.
    #[cold]
    pub(super) fn passes_over(&self, name: TextRef<'_>) -> bool {
        let is_read = self.reads_undefined(name);
        self.skipped_undefined.set(self.skipped_undefined.get() || !is_read);
        !is_read
    }

    pub(super) fn reads_undefined(&self, name: TextRef<'_>) -> bool {
        self.read_undefined.borrow().iter().any(|field| name == *field)
    }
}

static UNDEFINED: Term = Term::Undefined;
static TRUE: Term = Term::Atom(crate::term::Text::from_static("true"));

impl<'de, 'n> Cursor<'de, 'n> {
    pub(super) const fn new(at: At<'de>, whole: &'n Whole<'de, 'n>) -> Self {
        Self { at, whole }
    }

    pub(super) const fn whole(&self) -> &'n Whole<'de, 'n> {
        self.whole
    }

    const fn at(self, at: At<'de>) -> Self {
        Self { at, ..self }
    }

    /// A term that is missing here.
    pub(super) const fn undefined(self) -> Self {
        self.at(At::Term(&UNDEFINED))
    }

    /// What `'debug'` in a property list is short for: `{'debug','true'}`.
    const fn truth(self) -> Self {
        self.at(At::Term(&TRUE))
    }

    /// This term, as a reference of the shorter lifetime.
    pub(super) fn term(&self) -> TermRef<'n> {
        match self.at {
            At::Node(node) => TermRef::new(node, self.arena()),
            At::Term(term) => TermRef::from(term),
        }
    }

    #[inline]
    pub(super) fn meaning(&self) -> Meaning<'de, 'n> {
        match self.shape() {
            Shape::Meaning(Meaning::Atom(name)) if self.is_undefined_atom(name) => {
                Meaning::Undefined
            }
            Shape::Meaning(meaning) => meaning,
            Shape::Tagged(..) => self.tagged_meaning(),
        }
    }

    /// The value of an integer of a packet that fits 64 bits. As what follows, a short way past
    /// [`meaning`](Self::meaning).
    #[inline(always)]
    pub(super) fn small(&self) -> Option<i64> {
        match self.at {
            At::Node(node) if node.kind() == NodeKind::Integer => Some(node.as_small()),
            At::Node(_) | At::Term(_) => None,
        }
    }

    /// The text of a string or an atom of a packet, if it has no escapes and cannot be the
    /// undefined value, and was found to be UTF-8 with the packet.
    #[inline(always)]
    pub(super) fn str(&self) -> Option<&'de str> {
        let At::Node(node) = self.at else { return None };
        if node.flag() || !self.is_name(node) {
            return None;
        }
        // Quotes are ASCII: what stands between two of them begins and ends where characters do.
        let span = node.span();
        self.whole.text.get(span.start as usize..span.end())
    }

    /// Whether the term is the text of a packet and cannot be the undefined value.
    #[inline(always)]
    pub(super) fn is_text(&self) -> bool {
        matches!(self.at, At::Node(node) if self.is_name(node))
    }

    #[inline(always)]
    fn is_name(&self, node: Node) -> bool {
        let is_extended = self.whole.dialect == Dialect::Extended;
        node.kind() == NodeKind::String || node.kind() == NodeKind::Atom && is_extended
    }

    /// The name of an atom of a packet, where a [`str`](Self::str) is known.
    #[inline(always)]
    pub(super) fn atom(&self) -> Option<&'de str> {
        match self.at {
            At::Node(node) if node.kind() == NodeKind::Atom => self.str(),
            At::Node(_) | At::Term(_) => None,
        }
    }

    /// The elements of a list of a packet.
    #[inline(always)]
    pub(super) fn list(&self) -> Option<Items<'de, 'n>> {
        match self.at {
            At::Node(node) if node.kind() == NodeKind::List => {
                let Span { start, len } = node.span();
                Some(self.items(Parts::Cells { next: start, left: len }))
            }
            At::Node(_) | At::Term(_) => None,
        }
    }

    /// The value of a float of a packet.
    #[inline]
    pub(super) fn float(&self) -> Option<f64> {
        match self.at {
            At::Node(node) => self.arena().float(node),
            At::Term(_) => None,
        }
    }

    #[inline(always)]
    const fn arena(&self) -> Arena<'n> {
        Arena { source: PacketBytes::Unchecked(self.whole.source), nodes: self.whole.nodes }
    }

    /// The elements of a tuple of a packet.
    #[inline(always)]
    pub(super) fn tuple(&self) -> Option<Items<'de, 'n>> {
        match self.at {
            At::Node(node) if node.kind() == NodeKind::Tuple => {
                Some(self.items(Parts::Nodes(node.span().slice(self.whole.nodes).iter())))
            }
            At::Node(_) | At::Term(_) => None,
        }
    }

    /// Whether the term is the atom of this name.
    #[inline]
    pub(super) fn is_atom(&self, name: &str) -> bool {
        match self.at {
            At::Node(node)
                if node.kind() == NodeKind::Atom && self.whole.dialect == Dialect::Extended =>
            {
                self.text(node) == name
            }
            At::Node(_) | At::Term(_) => {
                matches!(self.meaning(), Meaning::Atom(text) if text == name)
            }
        }
    }

    /// The meaning of a term that has tags.
    #[inline(never)]
    fn tagged_meaning(&self) -> Meaning<'de, 'n> {
        let mut cursor = *self;
        loop {
            let (tag, inner) = match cursor.shape() {
                Shape::Meaning(Meaning::Atom(name)) if self.is_undefined_atom(name) => {
                    return Meaning::Undefined;
                }
                Shape::Meaning(meaning) => return meaning,
                Shape::Tagged(tag, inner) => (tag, inner),
            };
            match inner.shape() {
                Shape::Meaning(Meaning::String(digits))
                    if tag == "f" && cursor.term().as_f64().is_some() =>
                {
                    return Meaning::Float(digits);
                }
                Shape::Meaning(Meaning::List(items)) if tag == "map" || tag == "plist" => {
                    return Meaning::Pairs(items);
                }
                Shape::Meaning(_) | Shape::Tagged(..) => cursor = inner,
            }
        }
    }

    /// Whether the term is the undefined value, and nothing else: a tag on it makes it something.
    #[inline]
    pub(super) fn is_undefined(&self) -> bool {
        let is_extended = self.whole.dialect == Dialect::Extended;
        match self.at {
            At::Node(node) if is_extended => node.kind() == NodeKind::Undefined,
            At::Node(_) | At::Term(_) => match self.shape() {
                Shape::Meaning(Meaning::Undefined) => true,
                Shape::Meaning(Meaning::Atom(name)) => self.is_undefined_atom(name),
                Shape::Meaning(_) | Shape::Tagged(..) => false,
            },
        }
    }

    /// W7: undefined, as it is written towards peers that do not know it.
    #[inline]
    fn is_undefined_atom(&self, name: TextRef<'_>) -> bool {
        self.whole.dialect == Dialect::Classic && name == "undefined"
    }

    #[inline]
    fn shape(&self) -> Shape<'de, 'n> {
        match self.at {
            At::Node(node) => self.shape_of_node(node),
            At::Term(term) => self.shape_of_term(term),
        }
    }

    #[inline]
    fn shape_of_node(&self, node: Node) -> Shape<'de, 'n> {
        let Whole { source, nodes, .. } = *self.whole;
        Shape::Meaning(match node.kind() {
            NodeKind::Undefined => Meaning::Undefined,
            NodeKind::Integer => Meaning::Integer(IntegerRef::small(node.as_small())),
            NodeKind::BigInteger => {
                Meaning::Integer(IntegerRef::digits(node.flag(), node.span().slice(source)))
            }
            NodeKind::Atom => Meaning::Atom(self.text(node)),
            NodeKind::String => Meaning::String(self.text(node)),
            NodeKind::Binary => Meaning::Binary(node.span().slice(source)),
            NodeKind::Tuple => {
                Meaning::Tuple(self.items(Parts::Nodes(node.span().slice(nodes).iter())))
            }
            NodeKind::List => {
                let Span { start, len } = node.span();
                Meaning::List(self.items(Parts::Cells { next: start, left: len }))
            }
            NodeKind::Tagged => match *node.span().slice(nodes) {
                [tag, term] => return Shape::Tagged(self.text(tag), self.at(At::Node(term))),
                _ => Meaning::Undefined,
            },
        })
    }

    #[inline]
    fn text(&self, node: Node) -> TextRef<'de> {
        TextRef::in_packet(self.whole.source, self.whole.text, node)
    }

    fn shape_of_term(&self, term: &'de Term) -> Shape<'de, 'n> {
        Shape::Meaning(match term {
            Term::Undefined => Meaning::Undefined,
            Term::Integer(value) => Meaning::Integer(value.into()),
            Term::Atom(text) => Meaning::Atom(TextRef::plain(text.as_bytes())),
            Term::String(text) => Meaning::String(TextRef::plain(text.as_bytes())),
            Term::Binary(bytes) => Meaning::Binary(bytes),
            Term::Tuple(terms) => Meaning::Tuple(self.items(Parts::Terms(terms.iter()))),
            Term::List(terms) => Meaning::List(self.items(Parts::Terms(terms.iter()))),
            Term::Tagged(tagged) => {
                return Shape::Tagged(
                    TextRef::plain(tagged.tag().as_bytes()),
                    self.at(At::Term(tagged.term())),
                );
            }
        })
    }

    #[inline]
    const fn items(&self, parts: Parts<'de, 'n>) -> Items<'de, 'n> {
        Items { parts, whole: self.whole }
    }

    /// No elements.
    pub(super) fn no_items(&self) -> Items<'de, 'n> {
        self.items(Parts::Nodes([].as_slice().iter()))
    }

    /// Whether an undefined field with this key is passed over, as if it were missing.
    #[cold]
    pub(super) fn is_key_passed_over(&self) -> bool {
        match self.meaning() {
            Meaning::Atom(name) | Meaning::String(name) => self.whole.passes_over(name),
            Meaning::Undefined
            | Meaning::Integer(_)
            | Meaning::Float(_)
            | Meaning::Binary(_)
            | Meaning::Tuple(_)
            | Meaning::List(_)
            | Meaning::Pairs(_) => true,
        }
    }

    /// A pair, or an atom that stands for itself and `'true'`, as in Erlang's property lists.
    #[inline]
    pub(super) fn entry(self) -> Option<(Self, Self)> {
        if let At::Node(node) = self.at
            && node.kind() == NodeKind::Tuple
        {
            return match *node.span().slice(self.whole.nodes) {
                [key, value] => Some((self.at(At::Node(key)), self.at(At::Node(value)))),
                _ => None,
            };
        }
        self.other_entry()
    }

    #[inline(never)]
    fn other_entry(self) -> Option<(Self, Self)> {
        match self.meaning() {
            Meaning::Tuple(mut pair) if pair.len() == 2 => Some((pair.next()?, pair.next()?)),
            // In the classic dialect too: as a key it is a name like others.
            Meaning::Atom(_) => Some((self, self.truth())),
            Meaning::Undefined if matches!(self.shape(), Shape::Meaning(Meaning::Atom(_))) => {
                Some((self, self.truth()))
            }
            Meaning::Undefined
            | Meaning::Integer(_)
            | Meaning::Float(_)
            | Meaning::String(_)
            | Meaning::Binary(_)
            | Meaning::Tuple(_)
            | Meaning::List(_)
            | Meaning::Pairs(_) => None,
        }
    }

    /// Where the term is in its packet: see [`TermRef::offset`].
    pub(super) fn offset(&self) -> Option<u64> {
        self.term().offset()
    }
}

impl<'de> At<'de> {
    /// A term, and the arena that it lies in.
    pub(super) fn of_term(term: TermRef<'de>) -> (Self, Arena<'de>) {
        match term.place() {
            Place::Packet(node, arena) => (Self::Node(node), arena),
            Place::Owned(term) => {
                (Self::Term(term), Arena { source: PacketBytes::Unchecked(&[]), nodes: &[] })
            }
        }
    }
}

/// Says what a term is, for an error: leaves as they print, if they are short.
impl fmt::Display for Cursor<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::term::View;
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
pub(super) struct Items<'de, 'n> {
    parts: Parts<'de, 'n>,
    whole: &'n Whole<'de, 'n>,
}

#[derive(Clone)]
enum Parts<'de, 'n> {
    Nodes(slice::Iter<'n, Node>),
    Cells { next: u32, left: u32 },
    Terms(slice::Iter<'de, Term>),
}

impl<'de, 'n> Iterator for Items<'de, 'n> {
    type Item = Cursor<'de, 'n>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let at = match &mut self.parts {
            Parts::Nodes(nodes) => At::Node(*nodes.next()?),
            Parts::Cells { next, left } => {
                *left = left.checked_sub(1)?;
                let cell = *self.whole.nodes.get(*next as usize)?;
                *next = cell.link();
                At::Node(cell)
            }
            Parts::Terms(terms) => At::Term(terms.next()?),
        };
        Some(Cursor::new(at, self.whole))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.parts {
            Parts::Nodes(nodes) => nodes.len(),
            Parts::Cells { left, .. } => *left as usize,
            Parts::Terms(terms) => terms.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Items<'_, '_> {}
