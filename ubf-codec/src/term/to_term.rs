//! From a term by reference to an owned one.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use hashbrown::HashMap;

use super::integer::{Integer, IntegerRef};
use super::owned::{Elements, Tagged, Term};
use super::text::{Text, TextRef};
use super::view::{Arena, TermRef, View};
use super::walk::{Step, Walk};
use crate::node::{Node, NodeKind, Span};

/// How the bytes of texts and binaries become owned.
pub(crate) type Own<'f> = &'f dyn Fn(&[u8]) -> Bytes;

impl TermRef<'_> {
    /// An owned copy. Terms that the packet shares through registers are shared in the copy.
    ///
    /// # Limits
    /// A list of a packet may share its tail with other lists, a list of an owned term does not:
    /// the copy may have as many elements as
    /// [`Limits::max_expanded_nodes`](crate::Limits::max_expanded_nodes) allowed when the packet
    /// was decoded.
    #[must_use]
    pub fn to_term(&self) -> Term {
        own(*self, true, &Bytes::copy_from_slice)
    }
}

/// Copies `root`. With `shared`, a term that is there several times is copied once; that costs a
/// look into a table for every compound term.
pub(crate) fn own(root: TermRef<'_>, shared: bool, bytes: Own<'_>) -> Term {
    let mut done: HashMap<(NodeKind, Span), Term> = HashMap::new();
    let mut stack: Vec<Term> = Vec::new();
    let mut floors: Vec<(usize, Option<(NodeKind, Span)>)> = Vec::new();
    let mut walk = Walk::new(root);
    while let Some(step) = walk.next() {
        match step {
            Step::Leaf(view) => stack.push(own_leaf(view, bytes)),
            Step::Enter(term) => {
                let identity = if shared { term.identity() } else { None };
                match identity.and_then(|identity| done.get(&identity)) {
                    Some(copy) => {
                        stack.push(copy.clone());
                        walk.skip_parts();
                    }
                    None => floors.push((stack.len(), identity)),
                }
            }
            Step::Leave(view) => {
                let (floor, identity) = floors.pop().unwrap_or_default();
                let parts = stack.drain(floor.min(stack.len())..);
                let term = own_compound(view, parts, bytes);
                if let Some(identity) = identity {
                    done.insert(identity, term.clone());
                }
                stack.push(term);
            }
        }
    }
    stack.pop().unwrap_or_default()
}

/// Copies the term of a packet that used no register: each node is a part of one term only.
pub(crate) fn own_nodes(root: Node, arena: Arena<'_>, bytes: Own<'_>) -> Term {
    /// Chosen: few terms are deeper, and so many frames take some kilobytes of the stack.
    const MAX_RECURSION: u32 = 32;
    /// Chosen: room for most messages, and for the blocks of most documents.
    const ROOM: usize = 128;
    /// Chosen: what has fewer nodes gains nothing from blocks, and cannot be deep.
    const FEW: usize = 32;
    if arena.nodes.len() < FEW {
        return own_node(root, arena, bytes);
    }
    let room = arena.nodes.len().min(ROOM);
    let mut nodes = Vec::with_capacity(1 + room);
    nodes.push(root);
    let mut copier = Copier { arena, bytes, nodes, compounds: Vec::with_capacity(1 + room / 2) };
    copier.copy_compounds(0..1, MAX_RECURSION);
    copier.compounds.pop().unwrap_or_default()
}

/// Copies each term once, where it belongs, and the parts of neighbours side by side.
///
/// ```text
/// [{'a' 1},{'b' 2}]      'a' 1 'b' 2     tuple tuple     list
///                        ──┬── ──┬──       │     │ └──┬──  │
///                          └───────────────┘     │    └────┘
///                                └───────────────┘
/// ```
/// To take memory for each of many small terms, and to give it back, takes longer than all else.
struct Copier<'a, 'f> {
    arena: Arena<'a>,
    bytes: Own<'f>,
    /// The terms that are being copied: each block behind the one around it.
    nodes: Vec<Node>,
    /// Copies of the compound terms among them.
    compounds: Vec<Term>,
}

/// So many terms share a block, unless all are parts of one. Chosen: who keeps one of them keeps
/// all, and more would gain little.
const MAX_BLOCK: u32 = 64;

impl Copier<'_, '_> {
    /// Copies the compound terms among these nodes. Calls itself for their parts; where terms nest
    /// deeper than that may go, the walk takes over (W13).
    fn copy_compounds(&mut self, nodes: Range<usize>, levels: u32) {
        let Range { mut start, end } = nodes;
        while start < end {
            let (mut block_end, mut count) = (start, 0);
            for &node in self.nodes.get(start..end).unwrap_or_default() {
                let len = parts_len(node);
                if count > 0 && count + len > MAX_BLOCK {
                    break;
                }
                count += len;
                block_end += 1;
            }
            match levels.checked_sub(1) {
                Some(levels) if count > 0 => self.copy_block(start..block_end, levels),
                None if count > 0 => self.walk_block(start..block_end),
                Some(_) | None => {}
            }
            start = block_end;
        }
    }

    /// Copies the compound terms among these nodes, their parts in one block.
    fn copy_block(&mut self, parents: Range<usize>, levels: u32) {
        let (floor, inner) = (self.nodes.len(), self.compounds.len());
        for place in parents.clone() {
            self.push_parts_of(place);
        }
        self.copy_compounds(floor..self.nodes.len(), levels);
        let Self { arena, bytes, ref nodes, .. } = *self;
        let mut compounds = self.compounds.drain(inner..);
        let part = |&node| match parts_len(node) {
            0 => own_small(node, arena, bytes),
            _ => compounds.next().unwrap_or_default(),
        };
        let block: Arc<[Term]> = nodes.get(floor..).unwrap_or_default().iter().map(part).collect();
        drop(compounds);
        self.nodes.truncate(floor);
        let mut start = 0;
        for &parent in self.nodes.get(parents).unwrap_or_default() {
            let len = parts_len(parent);
            if len > 0 {
                self.compounds
                    .push(compound(parent.kind(), Elements::part(&block, start..start + len)));
                start += len;
            }
        }
    }

    /// The same without recursion.
    #[cold]
    fn walk_block(&mut self, parents: Range<usize>) {
        let Self { arena, bytes, .. } = *self;
        let nodes = self.nodes.get(parents).unwrap_or_default().iter();
        let compounds = nodes.filter(|node| parts_len(**node) > 0);
        self.compounds.extend(compounds.map(|&node| own(TermRef::new(node, arena), false, bytes)));
    }

    fn push_parts_of(&mut self, place: usize) {
        let Some(&parent) = self.nodes.get(place) else { return };
        match parent.kind() {
            NodeKind::Tuple | NodeKind::Tagged => {
                self.nodes.extend_from_slice(parent.span().slice(self.arena.nodes));
            }
            NodeKind::List => self.nodes.extend(cells(parent, self.arena)),
            NodeKind::Undefined
            | NodeKind::Integer
            | NodeKind::BigInteger
            | NodeKind::Atom
            | NodeKind::String
            | NodeKind::Binary => {}
        }
    }
}

/// Copies a term that is not deep, each of its parts where it belongs.
fn own_node(node: Node, arena: Arena<'_>, bytes: Own<'_>) -> Term {
    match parts_len(node) {
        0 => own_small(node, arena, bytes),
        _ if node.kind() == NodeKind::List => {
            Term::List(cells(node, arena).map(|part| own_node(part, arena, bytes)).collect())
        }
        _ => {
            let parts = node.span().slice(arena.nodes).iter();
            compound(node.kind(), parts.map(|&part| own_node(part, arena, bytes)).collect())
        }
    }
}

/// The elements of a list, head first.
fn cells<'a>(list: Node, arena: Arena<'a>) -> impl Iterator<Item = Node> + use<'a> {
    let Span { start: mut cell, len } = list.span();
    (0..len).map(move |_| {
        let node = arena.nodes.get(cell as usize).copied().unwrap_or(Node::UNDEFINED);
        cell = node.link();
        node
    })
}

/// How many parts a term has.
const fn parts_len(node: Node) -> u32 {
    if node.is_compound() { node.span().len } else { 0 }
}

/// The owned form of a compound term of these parts.
fn compound(kind: NodeKind, parts: Elements) -> Term {
    match kind {
        NodeKind::List => Term::List(parts),
        NodeKind::Tagged => Term::Tagged(Tagged::of_parts(parts)),
        NodeKind::Tuple
        | NodeKind::Undefined
        | NodeKind::Integer
        | NodeKind::BigInteger
        | NodeKind::Atom
        | NodeKind::String
        | NodeKind::Binary => Term::Tuple(parts),
    }
}

/// The owned form of a term without parts.
#[inline]
fn own_small(node: Node, arena: Arena<'_>, bytes: Own<'_>) -> Term {
    let slice = || node.span().slice(arena.source.bytes());
    match node.kind() {
        NodeKind::Undefined => Term::Undefined,
        NodeKind::Integer => Term::Integer(Integer::from(node.as_small())),
        NodeKind::BigInteger => {
            Term::Integer(IntegerRef::digits(node.flag(), slice()).to_integer())
        }
        NodeKind::Atom => Term::Atom(own_text(TextRef::new(slice(), node.flag()), bytes)),
        NodeKind::String => Term::String(own_text(TextRef::new(slice(), node.flag()), bytes)),
        NodeKind::Binary => Term::Binary(bytes(slice())),
        NodeKind::Tuple | NodeKind::List | NodeKind::Tagged => {
            compound(node.kind(), Elements::default())
        }
    }
}

/// How many bytes of a packet an owned term takes over as they are.
pub(crate) fn plain_bytes(root: Node, nodes: &[Node]) -> usize {
    nodes.iter().chain([&root]).map(|&node| plain_len(node)).sum()
}

/// How many bytes an owned form of `node` takes over as they are.
const fn plain_len(node: Node) -> usize {
    let len = node.span().len as usize;
    match node.kind() {
        NodeKind::Atom | NodeKind::String if node.flag() || !Text::is_shared(len) => 0,
        NodeKind::Atom | NodeKind::String | NodeKind::Binary => len,
        NodeKind::Undefined
        | NodeKind::Integer
        | NodeKind::BigInteger
        | NodeKind::Tuple
        | NodeKind::List
        | NodeKind::Tagged => 0,
    }
}

/// The owned form of a compound term, of whose parts there are owned forms already.
fn own_compound(view: View<'_>, mut parts: impl Iterator<Item = Term>, bytes: Own<'_>) -> Term {
    match view {
        View::Tuple(_) => Term::Tuple(parts.collect()),
        View::List(_) => Term::List(parts.collect()),
        View::Tagged(tag, _) => {
            Term::Tagged(Tagged::new(own_text(tag, bytes), parts.next().unwrap_or_default()))
        }
        // Leaves are neither entered nor left.
        View::Undefined | View::Integer(_) | View::Atom(_) | View::String(_) | View::Binary(_) => {
            Term::Undefined
        }
    }
}

fn own_leaf(view: View<'_>, bytes: Own<'_>) -> Term {
    match view {
        View::Integer(value) => Term::Integer(value.to_integer()),
        View::Atom(text) => Term::Atom(own_text(text, bytes)),
        View::String(text) => Term::String(own_text(text, bytes)),
        View::Binary(binary) => Term::Binary(bytes(binary)),
        // The others are entered and left.
        View::Undefined | View::Tuple(_) | View::List(_) | View::Tagged(..) => Term::Undefined,
    }
}

#[inline]
fn own_text(text: TextRef<'_>, bytes: Own<'_>) -> Text {
    text.as_plain().map_or_else(|| text.to_text(), |plain| Text::copied_or(plain, || bytes(plain)))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use bytes::Bytes;

    use crate::{Decoder, Term, decode, ubf};

    #[test]
    fn terms_of_any_depth_have_the_same_owned_form() {
        for depth in [0, 1, 31, 32, 33, 34, 100, 500] {
            let term = (0..depth).fold(
                ubf!({a, "a text that is too long to be copied"}),
                |term, level| match level % 3 {
                    0 => Term::tuple([Term::from(level), term]),
                    1 => Term::list([term, Term::from(level)]),
                    _ => term.tagged("t"),
                },
            );
            let packet = crate::Encoder::new().encode(&term);
            let borrowed = decode(&packet).unwrap().to_term();
            assert_eq!(borrowed, term, "{depth}");
            let shared = Decoder::new().decode_shared(Bytes::from(packet)).unwrap().to_term();
            assert_eq!(shared, term, "{depth}");
        }
    }

    #[test]
    fn a_term_keeps_no_more_than_the_packet_or_its_few_long_texts() {
        let long = "a text that is too long to be copied";
        // Mostly a long text: one copy of all. Mostly integers: a copy of the text alone.
        for count in [1, 1000] {
            let term = Term::tuple((0..count).map(Term::from).chain([Term::from(long)]));
            let packet = crate::Encoder::new().encode(&term);
            let owned = decode(&packet).unwrap().to_term();
            drop(packet);
            assert_eq!(owned, term);
        }
    }

    #[test]
    fn borrowed_and_shared_packets_have_the_same_owned_form() {
        let packet =
            br#"{'a' "b\"c" 3~d~e~ "" #"1.5"`f`&12345678901234567890&'g'`h\`i`&"jk" "\\"}$"#;
        let borrowed = decode(packet).unwrap().to_term();
        let shared = Decoder::new().decode_shared(Bytes::from_static(packet)).unwrap().to_term();
        assert_eq!(borrowed, shared);
        assert_eq!(borrowed, decode(packet).unwrap().root());
        assert_eq!(borrowed.to_string(), decode(packet).unwrap().to_string());
        assert_eq!(decode(b" 'root' $").unwrap().to_term(), Term::atom("root"));
        assert_eq!(decode(b" \"r\\\"t\" $").unwrap().to_term(), Term::from("r\"t"));
    }
}
