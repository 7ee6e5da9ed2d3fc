//! From a term by reference to an owned one.

use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;
use hashbrown::HashMap;

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
            Step::Leaf(view) => stack.push(own_leaf(view, &mut { bytes })),
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

/// Copies the term of a packet that used no register: each node is a part of one term only, and
/// parts come before the term that they are parts of. So the nodes are copied in their order, and
/// each is moved where it belongs: half the time of a walk.
///
/// `bytes` is called for the [`plain_bytes`] of each node that has them, in the order of the nodes,
/// those of the root last.
pub(crate) fn own_nodes(
    root: Node,
    arena: Arena<'_>,
    mut bytes: impl FnMut(&[u8]) -> Bytes,
) -> Term {
    let mut parts: Vec<Term> = Vec::with_capacity(arena.nodes.len());
    for &node in arena.nodes {
        let term = own_node(node, arena, &mut parts, &mut bytes);
        parts.push(term);
    }
    own_node(root, arena, &mut parts, &mut bytes)
}

/// The plain bytes of all nodes of a packet that used no register, in one allocation instead of one
/// for each text.
pub(crate) fn all_plain_bytes(root: Node, arena: Arena<'_>) -> Bytes {
    let spans = || arena.nodes.iter().chain([&root]).filter_map(|&node| plain_bytes(node));
    let mut bytes = Vec::with_capacity(spans().map(|span| span.len as usize).sum());
    spans().for_each(|span| bytes.extend_from_slice(span.slice(arena.source)));
    Bytes::from(bytes)
}

/// The bytes that an owned form of `node` takes over as they are.
const fn plain_bytes(node: Node) -> Option<Span> {
    match node.kind() {
        NodeKind::Atom | NodeKind::String
            if node.flag() || !Text::is_shared(node.span().len as usize) =>
        {
            None
        }
        NodeKind::Atom | NodeKind::String | NodeKind::Binary => Some(node.span()),
        NodeKind::Undefined
        | NodeKind::Integer
        | NodeKind::BigInteger
        | NodeKind::Tuple
        | NodeKind::List
        | NodeKind::Tagged => None,
    }
}

/// The owned form of `node`, which takes its parts out of `parts`.
fn own_node(
    node: Node,
    arena: Arena<'_>,
    parts: &mut [Term],
    bytes: &mut impl FnMut(&[u8]) -> Bytes,
) -> Term {
    let Span { start: mut cell, len } = node.span();
    match node.kind() {
        NodeKind::Tuple => Term::Tuple(side_by_side(node, parts)),
        NodeKind::Tagged => Term::Tagged(Tagged::of_parts(side_by_side(node, parts))),
        NodeKind::List => {
            let element = |_| {
                let place = cell as usize;
                cell = arena.nodes.get(place).copied().unwrap_or(Node::UNDEFINED).link();
                parts.get_mut(place).map(mem::take).unwrap_or_default()
            };
            Term::List((0..len).map(element).collect())
        }
        NodeKind::Undefined
        | NodeKind::Integer
        | NodeKind::BigInteger
        | NodeKind::Atom
        | NodeKind::String
        | NodeKind::Binary => own_leaf(TermRef::new(node, arena).view(), bytes),
    }
}

fn side_by_side(node: Node, parts: &mut [Term]) -> Elements {
    let places = node.span().start as usize..node.span().end();
    parts.get_mut(places).unwrap_or_default().iter_mut().map(mem::take).collect()
}

/// The owned form of a compound term, of whose parts there are owned forms already.
fn own_compound(view: View<'_>, mut parts: impl Iterator<Item = Term>, bytes: Own<'_>) -> Term {
    match view {
        View::Tuple(_) => Term::Tuple(parts.collect()),
        View::List(_) => Term::List(parts.collect()),
        View::Tagged(tag, _) => Term::Tagged(Tagged::new(
            own_text(tag, &mut { bytes }),
            parts.next().unwrap_or_default(),
        )),
        // Leaves are neither entered nor left.
        View::Undefined | View::Integer(_) | View::Atom(_) | View::String(_) | View::Binary(_) => {
            Term::Undefined
        }
    }
}

fn own_leaf(view: View<'_>, bytes: &mut impl FnMut(&[u8]) -> Bytes) -> Term {
    match view {
        View::Integer(value) => Term::Integer(value.to_integer()),
        View::Atom(text) => Term::Atom(own_text(text, bytes)),
        View::String(text) => Term::String(own_text(text, bytes)),
        View::Binary(binary) => Term::Binary(bytes(binary)),
        // The others are entered and left.
        View::Undefined | View::Tuple(_) | View::List(_) | View::Tagged(..) => Term::Undefined,
    }
}

fn own_text(text: TextRef<'_>, bytes: &mut impl FnMut(&[u8]) -> Bytes) -> Text {
    text.as_plain().map_or_else(|| text.to_text(), |plain| Text::copied_or(plain, || bytes(plain)))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use bytes::Bytes;

    use crate::{Decoder, Term, decode};

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
