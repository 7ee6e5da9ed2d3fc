//! From a term by reference to an owned one.

use alloc::vec::Vec;

use bytes::Bytes;
use hashbrown::HashMap;

use super::owned::{Tagged, Term};
use super::text::{Text, TextRef};
use super::view::{TermRef, View};
use super::walk::{Step, Walk};
use crate::node::{NodeKind, Span};

/// How the bytes of texts and binaries become owned.
pub(crate) type Own<'f> = &'f dyn Fn(&[u8]) -> Bytes;

impl TermRef<'_> {
    /// An owned copy. Terms that the packet shares through registers are shared in the copy.
    ///
    /// # Limits
    /// A list of a packet may share its tail with other lists, a list of an owned term does not: the copy may have as many
    /// elements as [`Limits::max_expanded_nodes`](crate::Limits::max_expanded_nodes) allowed when the packet was decoded.
    #[must_use]
    pub fn to_term(&self) -> Term {
        own(*self, true, &Bytes::copy_from_slice)
    }
}

/// Copies `root`. With `shared`, a term that is there several times is copied once; that costs a look into a table for every
/// compound term.
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

/// The owned form of a compound term, of whose parts there are owned forms already.
fn own_compound(view: View<'_>, mut parts: impl Iterator<Item = Term>, bytes: Own<'_>) -> Term {
    match view {
        View::Tuple(_) => Term::Tuple(parts.collect()),
        View::List(_) => Term::List(parts.collect()),
        View::Tagged(tag, _) => Term::Tagged(Tagged::new(own_text(tag, bytes), parts.next().unwrap_or_default())),
        // Leaves are neither entered nor left.
        View::Undefined | View::Integer(_) | View::Atom(_) | View::String(_) | View::Binary(_) => Term::Undefined,
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

fn own_text(text: TextRef<'_>, bytes: Own<'_>) -> Text {
    text.as_plain().map_or_else(|| text.to_text(), |plain| Text::from(bytes(plain)))
}
