//! A decoded packet.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::machine::Summary;
use crate::node::Node;
use crate::term::{
    Arena, PacketBytes, Term, TermRef, Visitor, from_utf8, own, own_nodes, plain_bytes,
    utf8_of_packet, visit_packet,
};

/// Where a decoded packet's bytes are: borrowed (`&[u8]`) or shared ([`Bytes`]).
pub trait Source: AsRef<[u8]> + private::Source {}

impl Source for &[u8] {}
impl Source for Bytes {}

pub(crate) mod private {
    use core::ops::Range;

    use bytes::Bytes;

    /// What only this crate knows of a source.
    pub trait Source: AsRef<[u8]> {
        /// A part of the source, borrowed or shared as the source is. Nothing, if the source has no
        /// such part.
        fn part(&self, range: Range<usize>) -> Self;

        /// `part`, which is a part of the source, as owned bytes.
        fn own(&self, part: &[u8]) -> Bytes;

        /// Whether that copies them.
        const IS_BORROWED: bool;
    }

    impl Source for &[u8] {
        fn part(&self, range: Range<usize>) -> Self {
            self.get(range).unwrap_or_default()
        }

        fn own(&self, part: &[u8]) -> Bytes {
            Bytes::copy_from_slice(part)
        }

        const IS_BORROWED: bool = true;
    }

    impl Source for Bytes {
        fn part(&self, range: Range<usize>) -> Self {
            if range.start <= range.end && range.end <= self.len() {
                self.slice(range)
            } else {
                Self::new()
            }
        }

        fn own(&self, part: &[u8]) -> Bytes {
            self.slice_ref(part)
        }

        const IS_BORROWED: bool = false;
    }
}

/// The bytes of `copy`, a copy of `source`, that are where `part` is in `source`.
fn same_part(copy: &Bytes, source: &[u8], part: &[u8]) -> Bytes {
    let start = part.as_ptr().addr().wrapping_sub(source.as_ptr().addr());
    private::Source::part(copy, start..start.wrapping_add(part.len()))
}

/// A decoded packet. Its texts and binaries are still where they were: in the input.
///
/// `Document<&[u8]>` borrows the input, `Document<Bytes>` shares it and can be kept.
///
/// ```
/// let packet = ubf_codec::decode(b"'person'>p {p \"Joe\" 123}$")?;
/// assert_eq!(packet.to_string(), "{person,\"Joe\",123}");
/// assert_eq!(packet.summary().registers, 1);
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone)]
pub struct Document<S> {
    source: S,
    nodes: Vec<Node>,
    root: Node,
    summary: Summary,
}

impl Document<Bytes> {
    /// The packet as it was on the wire, shared: as [`source`](Self::source), for whoever keeps it
    /// longer than the document.
    #[must_use]
    pub fn shared_source(&self) -> Bytes {
        self.source.clone()
    }
}

impl<S: Source> Document<S> {
    pub(crate) const fn new(source: S, nodes: Vec<Node>, root: Node, summary: Summary) -> Self {
        Self { source, nodes, root, summary }
    }

    /// The packet's term.
    #[must_use]
    #[inline]
    pub fn root(&self) -> TermRef<'_> {
        TermRef::new(self.root, self.arena())
    }

    /// As [`root`](Self::root), with all of the packet checked at once: a text that is seen through
    /// this term, or through a part of it, needs no check of its own to be a `&str`. For whoever
    /// looks at many of a packet's texts; `serde::from_term` gains by it, too. It takes as long as
    /// to read the packet once, its binaries included, so that for a packet of long binaries `root`
    /// is the better one. Where the packet is not UTF-8, as binaries need not be, it is as `root`.
    ///
    /// ```
    /// use ubf_codec::View;
    ///
    /// let packet = ubf_codec::decode("{'name' \"Åsa\"}$".as_bytes())?;
    /// let View::Tuple(pair) = packet.text_root().view() else { panic!("a pair") };
    /// let Some(View::String(name)) = pair.get(1).map(|name| name.view()) else { panic!("a text") };
    /// assert_eq!(name.to_str().as_deref(), Some("Åsa"));
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn text_root(&self) -> TermRef<'_> {
        let mut arena = self.arena();
        if let Some(text) = from_utf8(arena.source.bytes()) {
            arena.source = PacketBytes::Utf8(text);
        }
        TermRef::new(self.root, arena)
    }

    #[inline]
    fn arena(&self) -> Arena<'_> {
        Arena { source: PacketBytes::Unchecked(self.source.as_ref()), nodes: &self.nodes }
    }

    /// The packet's term, owned. Out of a `Document<Bytes>` texts are shared and not copied, so
    /// that the term keeps the buffer that the packet was read into. Out of a `Document<&[u8]>`
    /// they are copied; where long texts and binaries are a quarter of the packet or more, the
    /// packet is copied at once, and all of them keep this copy. To keep a small part of much for
    /// long, copy it: [`TermRef::to_term`] does.
    ///
    /// # Limits
    /// Terms that registers share are shared in the copy as well, but for lists that share a part:
    /// see [`TermRef::to_term`].
    #[must_use]
    pub fn to_term(&self) -> Term {
        /// From this part of the packet on, its long texts are copied with all that is between
        /// them. Chosen: so much more memory is kept at most.
        const LARGE_PART: usize = 4;
        let bytes = |part: &[u8]| private::Source::own(&self.source, part);
        let source = self.source.as_ref();
        let arena = self.arena();
        if self.summary.registers == 0 {
            let copied = if S::IS_BORROWED { plain_bytes(self.root, &self.nodes) } else { 0 };
            if copied == 0 || copied < source.len() / LARGE_PART {
                return own_nodes(self.root, arena, &bytes);
            }
            let copy = Bytes::copy_from_slice(source);
            return own_nodes(self.root, arena, &|part| same_part(&copy, source, part));
        }
        // Without repetition there is nothing to share, and no table to keep.
        let shared = self.summary.expanded_nodes > self.summary.nodes;
        own(self.root(), shared, &bytes)
    }

    /// Shows all of the packet's term to `visitor`, in reading order and without recursion.
    pub fn visit<'a>(&'a self, visitor: &mut impl Visitor<'a>) {
        let source = self.source.as_ref();
        visit_packet(self.root, self.arena(), utf8_of_packet(source, self.nodes.len()), visitor);
    }

    /// The packet as it was on the wire, from after the previous `$` (white space included) up to
    /// and with its `$`. Of a versioned packet, the body.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        self.source.as_ref()
    }

    /// The packet as it was on the wire, in its own form.
    #[must_use]
    pub fn into_source(self) -> S {
        self.source
    }

    /// What the packet holds and cost.
    #[must_use]
    pub const fn summary(&self) -> Summary {
        self.summary
    }

    /// The bytes of memory that it holds on to: those of the packet, and 16 for each term. A term
    /// that a register repeats is held once, however often it is read.
    ///
    /// The block that the packet was read into may be larger: see [`compact`](Document::compact).
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.source.as_ref().len() + self.nodes.capacity() * size_of::<Node>()
    }
}

impl Document<Bytes> {
    /// Moves the packet into memory of its own, which is no larger than it needs to be. A packet
    /// shares the block that it was read into with those that came along with it, and keeps all of
    /// this block for as long as it is kept.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use ubf_codec::StreamDecoder;
    ///
    /// let mut block = BytesMut::with_capacity(16_384);
    /// block.extend_from_slice(b"{1 2}$'and more'$");
    /// let mut packet = StreamDecoder::new().decode(&mut block)?.expect("it is whole");
    /// packet.compact();
    /// // Nothing else holds on to the block, so that it is one again, and free.
    /// block.clear();
    /// assert!(block.try_reclaim(16_384));
    /// assert_eq!(packet.to_string(), "{1,2}");
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    pub fn compact(&mut self) {
        self.source = Bytes::copy_from_slice(&self.source);
        self.nodes.shrink_to_fit();
    }
}

#[cfg(feature = "serde")]
impl<'a> Document<&'a [u8]> {
    /// The packet's bytes, its nodes and its root. What is borrowed from the bytes may outlive the
    /// nodes.
    pub(crate) fn parts(&self) -> (&'a [u8], &[Node], Node) {
        (self.source, &self.nodes, self.root)
    }
}

impl<S> Document<S> {
    pub(crate) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }
}

impl<S: Source> fmt::Display for Document<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

impl<S: Source> fmt::Debug for Document<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.root())
    }
}

impl<S: Source> From<&Document<S>> for Term {
    fn from(document: &Document<S>) -> Self {
        document.to_term()
    }
}

impl<'a, S: Source> From<&'a Document<S>> for TermRef<'a> {
    fn from(document: &'a Document<S>) -> Self {
        document.root()
    }
}

/// Two packets are equal when their terms are, however they are written and wherever they lie.
impl<S: Source, O: Source> PartialEq<Document<O>> for Document<S> {
    fn eq(&self, other: &Document<O>) -> bool {
        self.root() == other.root()
    }
}

impl<S: Source> Eq for Document<S> {}

impl<S: Source> PartialEq<Term> for Document<S> {
    fn eq(&self, other: &Term) -> bool {
        self.root() == *other
    }
}

impl<S: Source> PartialEq<Document<S>> for Term {
    fn eq(&self, other: &Document<S>) -> bool {
        other.root() == *self
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::{Decoder, TermRef};

    #[test]
    fn a_register_read_twice_becomes_one_term_and_not_two() {
        let sharing = |packet: &[u8]| {
            let Term::Tuple(items) = Decoder::new().decode(packet).unwrap().to_term() else {
                panic!("a tuple")
            };
            let [one, two] = &*items else { panic!("a pair") };
            assert_eq!(one, two);
            TermRef::from(one).is_same_place(&TermRef::from(two))
        };
        assert!(sharing(b"{1 2}>a{a a}$"));
        assert!(!sharing(b"{{1 2}{1 2}}$"));
    }

    #[test]
    fn a_checked_packet_reads_as_any_other() {
        for packet in [
            "{'a'\"å\" \"\\\"å\"{#\"b\"&'å'&\"1.5\"`f`3~å1~}`tåg`?}$".as_bytes(),
            b"{'a'\"\xff\"3~\xff\xff\xff~\"1.5\"`f`}$",
        ] {
            let packet = Decoder::new().decode(packet).unwrap();
            let (checked, root) = (packet.text_root(), packet.root());
            assert_eq!(checked, root);
            assert_eq!(checked.to_string(), root.to_string());
            assert_eq!(checked.to_term(), packet.to_term());
            assert_eq!(crate::Encoder::new().encode(checked), crate::Encoder::new().encode(root));
        }
    }

    #[test]
    fn no_range_of_shared_bytes_makes_it_panic() {
        use private::Source as _;

        let bytes = Bytes::from_static(b"abc");
        let part = |start, end| bytes.part(core::ops::Range { start, end });
        assert_eq!([part(1, 3), part(0, 0), part(3, 3)], [&b"bc"[..], b"", b""]);
        assert_eq!([part(1, 4), part(2, 1), part(4, 4)], [&b""[..]; 3]);
    }
}
