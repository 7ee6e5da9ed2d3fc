//! The flat form of a decoded packet: 16-byte nodes in one arena.
//!
//! ```text
//! {'a' [7] "b"}          wire: {'a'#7&"b"}$
//!
//! arena:  [0] 7  link→nil      the cell of the list
//!         [1] atom  3..4       ┐
//!         [2] list  cell 0     │ the tuple's elements stand side by side
//!         [3] string 9..10     ┘
//! root:   tuple 1..4
//! ```
//! A node is a value: texts are spans of the packet's bytes, compound terms are places in the
//! arena. To read a register is to copy 16 bytes, however large the term is (W10). A list is a
//! chain of cells, each with its element and the place of the next, so that lists which share their
//! tail share its memory (W5).

use alloc::vec::Vec;

use crate::error::TermKind;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum NodeKind {
    Undefined,
    /// The payload is the value.
    Integer,
    /// The payload is the span of the digits, without sign and leading zeros; `flag` is the sign.
    BigInteger,
    /// The payload is the span between the quotes; `flag` says that it has escapes. Likewise
    /// `String`.
    Atom,
    String,
    /// The payload is the span of the bytes.
    Binary,
    /// The payload is the place of the first element and the count of elements.
    Tuple,
    /// The payload is the place of the first cell and the count of cells.
    List,
    /// The payload is the place of two nodes: the tag (an atom node stands for its text), then the
    /// term.
    Tagged,
}

/// One term of a packet.
///
/// Two words, and written and read as such: a processor that has to put a word together out of what
/// it has just written in parts loses more time than the rest of the work takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    payload: u64,
    /// From the lowest bit: 8 bits [`NodeKind`], 8 bits `flag`, 16 unused, 32 `link`. The link of
    /// a cell is the place of the next cell. Elsewhere it is the depth: 0 for a leaf, else one
    /// more than that of the deepest part.
    meta: u64,
}

// The arena is the largest thing that decoding makes: keep its unit small.
const _: () = assert!(size_of::<Node>() == 16);

const FLAG: u64 = 1 << 8;
const LINK_SHIFT: u32 = 32;

impl Node {
    pub(crate) const UNDEFINED: Self = Self::new(0, NodeKind::Undefined, false);

    const fn new(payload: u64, kind: NodeKind, flag: bool) -> Self {
        Self { payload, meta: kind as u64 | if flag { FLAG } else { 0 } }
    }

    #[expect(clippy::cast_sign_loss, reason = "the bits come back in `as_small`")]
    pub(crate) const fn integer(value: i64) -> Self {
        Self::new(value as u64, NodeKind::Integer, false)
    }

    pub(crate) const fn big_integer(digits: Span, negative: bool) -> Self {
        Self::new(digits.pack(), NodeKind::BigInteger, negative)
    }

    pub(crate) const fn text(kind: NodeKind, span: Span, escaped: bool) -> Self {
        Self::new(span.pack(), kind, escaped)
    }

    pub(crate) const fn binary(span: Span) -> Self {
        Self::new(span.pack(), NodeKind::Binary, false)
    }

    /// A `{` on the recognition stack whose `}` has not come, with the state that comes back when
    /// it does. Only the machine sees this node. It counts as deeper than any term.
    pub(crate) const fn open_tuple(outer: Outer) -> Self {
        let Outer { floor, mark } = outer;
        Self::new(Span { start: floor, len: mark }.pack(), NodeKind::Tuple, true)
            .with_depth(u32::MAX as u64)
    }

    pub(crate) const fn is_open_tuple(self) -> bool {
        self.flag() && matches!(self.kind(), NodeKind::Tuple)
    }

    /// The machine's state before an open tuple.
    pub(crate) const fn outer(self) -> Outer {
        let Span { start: floor, len: mark } = self.span();
        Outer { floor, mark }
    }

    /// A tuple, list or tagged term, whose parts begin at `first`.
    pub(crate) const fn compound(kind: NodeKind, first: u32, count: u32) -> Self {
        Self::new(Span { start: first, len: count }.pack(), kind, false)
    }

    /// The same compound term with other parts.
    pub(crate) const fn with_span(self, span: Span) -> Self {
        Self { payload: span.pack(), ..self }
    }

    /// This term as the element of a list whose further cells begin at `next`.
    pub(crate) const fn linked(self, next: u32) -> Self {
        Self { meta: (self.meta & ((1 << LINK_SHIFT) - 1)) | ((next as u64) << LINK_SHIFT), ..self }
    }

    /// This term with its depth, of 32 bits. A node has none before this is called.
    pub(crate) const fn with_depth(self, depth: u64) -> Self {
        Self { meta: self.meta | (depth << LINK_SHIFT), ..self }
    }

    /// How deep the term is, if it is no cell.
    pub(crate) const fn depth(self) -> u64 {
        self.meta >> LINK_SHIFT
    }

    pub(crate) const fn kind(self) -> NodeKind {
        match self.meta & 0xFF {
            0 => NodeKind::Undefined,
            1 => NodeKind::Integer,
            2 => NodeKind::BigInteger,
            3 => NodeKind::Atom,
            4 => NodeKind::String,
            5 => NodeKind::Binary,
            6 => NodeKind::Tuple,
            7 => NodeKind::List,
            _ => NodeKind::Tagged,
        }
    }

    pub(crate) const fn link(self) -> u32 {
        (self.meta >> LINK_SHIFT) as u32
    }

    /// Escapes for a text, the sign for a big integer.
    pub(crate) const fn flag(self) -> bool {
        self.meta & FLAG != 0
    }

    /// The value of an [`NodeKind::Integer`].
    #[expect(clippy::cast_possible_wrap, reason = "the bits went in in `integer`")]
    pub(crate) const fn as_small(self) -> i64 {
        self.payload as i64
    }

    /// The span of a text, or the place and count of a compound term.
    pub(crate) const fn span(self) -> Span {
        Span::unpack(self.payload)
    }

    pub(crate) const fn is_compound(self) -> bool {
        matches!(self.kind(), NodeKind::Tuple | NodeKind::List | NodeKind::Tagged)
    }

    /// What a leaf counts towards the expanded bytes (L1).
    pub(crate) const fn leaf_bytes(self) -> u64 {
        match self.kind() {
            NodeKind::BigInteger | NodeKind::Atom | NodeKind::String | NodeKind::Binary => {
                self.span().len as u64
            }
            NodeKind::Undefined
            | NodeKind::Integer
            | NodeKind::Tuple
            | NodeKind::List
            | NodeKind::Tagged => 0,
        }
    }

    pub(crate) const fn term_kind(self) -> TermKind {
        match self.kind() {
            NodeKind::Undefined => TermKind::Undefined,
            NodeKind::Integer | NodeKind::BigInteger => TermKind::Integer,
            NodeKind::Atom => TermKind::Atom,
            NodeKind::String => TermKind::String,
            NodeKind::Binary => TermKind::Binary,
            NodeKind::Tuple => TermKind::Tuple,
            NodeKind::List => TermKind::List,
            NodeKind::Tagged => TermKind::Tagged,
        }
    }
}

/// What the machine knows of the tuple outside of an open one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outer {
    /// Where its elements begin on the stack.
    pub(crate) floor: u32,
    /// The place of the open tuple's mark, if marks are kept.
    pub(crate) mark: u32,
}

/// A range: bytes of the packet, or nodes of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    /// The span of a text that nobody will look up.
    pub(crate) const NOWHERE: Self = Self { start: 0, len: 0 };

    /// A span of the packet's bytes. Packets are shorter than 4 GiB (`max_packet_bytes` is a
    /// `u32`), so nothing is cut off.
    #[expect(clippy::cast_possible_truncation, reason = "packets are shorter than 4 GiB")]
    pub(crate) const fn of(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end as u64 <= u32::MAX as u64, "a packet is below 4 GiB");
        Self { start: start as u32, len: (end - start) as u32 }
    }

    const fn pack(self) -> u64 {
        (self.start as u64) << 32 | self.len as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "takes the halves apart again")]
    const fn unpack(packed: u64) -> Self {
        Self { start: (packed >> 32) as u32, len: packed as u32 }
    }

    pub(crate) const fn end(self) -> usize {
        self.start as usize + self.len as usize
    }

    /// The part of `whole` that the span names; empty if it names none.
    pub(crate) fn slice<T>(self, whole: &[T]) -> &[T] {
        whole.get(self.start as usize..self.end()).unwrap_or_default()
    }
}

/// Where the machine puts the parts of compound terms.
pub(crate) trait Arena {
    /// Whether the parts will be looked at. If not, their places need not be known.
    const KEEPS: bool;
    /// Stores `nodes` side by side and tells where, and the depth of the deepest of them.
    fn extend(&mut self, nodes: &[Node]) -> (u32, u64);
    /// Does what [`extend`](Self::extend) does for a number of nodes that the compiler knows.
    fn extend_array<const N: usize>(&mut self, nodes: [Node; N]) -> (u32, u64);
    /// Stores one node and tells where.
    fn push(&mut self, node: Node) -> u32;
    /// Where the next node will be.
    fn next(&self) -> u32;
    /// Whether there is room for so many nodes.
    fn has_room(&self, nodes: usize) -> bool;
    /// How many nodes were stored.
    fn len(&self) -> u64;
    /// Makes room for so many nodes, and no more.
    fn reserve_exact(&mut self, nodes: usize);
    /// Forgets all nodes and keeps the memory.
    fn clear(&mut self);
}

impl Arena for Vec<Node> {
    const KEEPS: bool = true;

    #[inline(always)]
    fn extend(&mut self, nodes: &[Node]) -> (u32, u64) {
        // Most tuples are short: they are copied without a loop.
        match *nodes {
            [one, two] => self.extend_array([one, two]),
            [one, two, three] => self.extend_array([one, two, three]),
            [one, two, three, four] => self.extend_array([one, two, three, four]),
            [one, two, three, four, five] => self.extend_array([one, two, three, four, five]),
            _ => {
                let first = Span::of(0, self.len()).len;
                let mut deepest = 0;
                // One loop for both is faster than a call to copy and a second look.
                Extend::extend(
                    self,
                    nodes.iter().map(|node| {
                        deepest = node.depth().max(deepest);
                        *node
                    }),
                );
                (first, deepest)
            }
        }
    }

    #[inline(always)]
    fn extend_array<const N: usize>(&mut self, nodes: [Node; N]) -> (u32, u64) {
        let first = Span::of(0, self.len()).len;
        let deepest = nodes.iter().fold(0, |deepest, node| node.depth().max(deepest));
        Extend::extend(self, nodes);
        (first, deepest)
    }

    #[inline(always)]
    fn push(&mut self, node: Node) -> u32 {
        let first = Span::of(0, self.len()).len;
        Self::push(self, node);
        first
    }

    #[inline(always)]
    fn next(&self) -> u32 {
        Span::of(0, Self::len(self)).len
    }

    #[inline(always)]
    fn has_room(&self, nodes: usize) -> bool {
        self.capacity().wrapping_sub(Self::len(self)) >= nodes
    }

    #[inline(always)]
    fn len(&self) -> u64 {
        Self::len(self) as u64
    }

    fn reserve_exact(&mut self, nodes: usize) {
        Self::reserve_exact(self, nodes);
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

/// An arena that only counts, for a check whether a packet is well-formed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoArena(u64);

impl Arena for NoArena {
    const KEEPS: bool = false;

    #[inline(always)]
    fn extend(&mut self, nodes: &[Node]) -> (u32, u64) {
        self.0 += nodes.len() as u64;
        (0, nodes.iter().fold(0, |deepest, node| node.depth().max(deepest)))
    }

    #[inline(always)]
    fn extend_array<const N: usize>(&mut self, nodes: [Node; N]) -> (u32, u64) {
        self.0 += N as u64;
        (0, nodes.iter().fold(0, |deepest, node| node.depth().max(deepest)))
    }

    #[inline(always)]
    fn push(&mut self, _: Node) -> u32 {
        self.0 += 1;
        0
    }

    #[inline(always)]
    fn next(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn has_room(&self, _: usize) -> bool {
        true
    }

    #[inline(always)]
    fn len(&self) -> u64 {
        self.0
    }

    fn reserve_exact(&mut self, _: usize) {}

    fn clear(&mut self) {
        self.0 = 0;
    }
}
