//! From a term by reference to an owned one.

use alloc::vec::Vec;

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

/// Copies the term of a packet that used no register: each node is a part of one term only. So
/// each is written once, where it belongs, by a function that calls itself for the parts; where
/// terms nest deeper than that may go, the walk takes over (W13).
pub(crate) fn own_nodes(root: Node, arena: Arena<'_>, bytes: Own<'_>) -> Term {
    /// Chosen: few terms are deeper, and so many frames take some kilobytes of the stack.
    const MAX_RECURSION: u32 = 32;
    own_node(root, arena, MAX_RECURSION, bytes)
}

fn own_node(node: Node, arena: Arena<'_>, levels: u32, bytes: Own<'_>) -> Term {
    let slice = || node.span().slice(arena.source);
    match node.kind() {
        NodeKind::Undefined => Term::Undefined,
        NodeKind::Integer => Term::Integer(Integer::from(node.as_small())),
        NodeKind::BigInteger => {
            Term::Integer(IntegerRef::digits(node.flag(), slice()).to_integer())
        }
        NodeKind::Atom => Term::Atom(own_text(TextRef::new(slice(), node.flag()), bytes)),
        NodeKind::String => Term::String(own_text(TextRef::new(slice(), node.flag()), bytes)),
        NodeKind::Binary => Term::Binary(bytes(slice())),
        NodeKind::Tuple | NodeKind::List | NodeKind::Tagged if levels == 0 => {
            own(TermRef::new(node, arena), false, bytes)
        }
        NodeKind::Tuple => Term::Tuple(own_side_by_side(node, arena, levels - 1, bytes)),
        NodeKind::Tagged => {
            Term::Tagged(Tagged::of_parts(own_side_by_side(node, arena, levels - 1, bytes)))
        }
        NodeKind::List => {
            let Span { start: mut cell, len } = node.span();
            let element = |_| {
                let node = arena.nodes.get(cell as usize).copied().unwrap_or(Node::UNDEFINED);
                cell = node.link();
                own_node(node, arena, levels - 1, bytes)
            };
            Term::List((0..len).map(element).collect())
        }
    }
}

fn own_side_by_side(node: Node, arena: Arena<'_>, levels: u32, bytes: Own<'_>) -> Elements {
    let parts = node.span().slice(arena.nodes);
    parts.iter().map(|&part| own_node(part, arena, levels, bytes)).collect()
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
