//! The recognition stack: terms, and open tuples among them.
//!
//! ```text
//!   'a' { 1 "b"        slots:  a  {  1  "b" │ fillers
//!                                    ^ floor   ^ len
//! ```

use alloc::vec::Vec;

use super::KEPT_ENTRIES;
use crate::node::{Node, Outer, Span};

/// Slots that are taken first: a quarter of a kilobyte, enough for most small packets.
const FIRST_SLOTS: usize = 16;

/// Terms, whose nodes have their depth as link (see [`Node::with_depth`]), and open tuples.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    /// From `len` on they mean nothing: to write over one of them takes less than to add one.
    slots: Vec<Node>,
    len: usize,
    /// First place that belongs to the innermost open tuple. At most `len`.
    floor: usize,
}

impl Stack {
    /// Makes room for so many terms.
    pub(super) fn reserve(&mut self, terms: usize) {
        if self.slots.len() < terms {
            self.slots.resize(terms, Node::UNDEFINED);
        }
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
        self.floor = 0;
    }

    /// Gives the memory back that few packets need.
    pub(super) fn shrink(&mut self) {
        if self.slots.len() > KEPT_ENTRIES {
            self.slots.truncate(KEPT_ENTRIES);
            self.slots.shrink_to_fit();
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// How many terms the innermost open tuple has so far.
    #[inline(always)]
    const fn here(&self) -> usize {
        self.len - self.floor
    }

    #[inline(always)]
    pub(super) fn push(&mut self, node: Node) {
        if self.len >= self.slots.len() {
            self.grow();
        }
        if let Some(slot) = self.slots.get_mut(self.len) {
            *slot = node;
            self.len += 1;
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.reserve((self.slots.len() * 2).max(FIRST_SLOTS));
    }

    /// The term on top, if the innermost open tuple has one.
    #[inline(always)]
    pub(super) fn top(&self) -> Option<Node> {
        if self.here() == 0 { None } else { self.slots.get(self.len - 1).copied() }
    }

    /// The same, to be replaced.
    #[inline(always)]
    pub(super) fn top_mut(&mut self) -> Option<&mut Node> {
        if self.here() == 0 { None } else { self.slots.get_mut(self.len - 1) }
    }

    /// The terms of the innermost open tuple, to be replaced.
    #[inline(always)]
    pub(super) fn here_mut(&mut self) -> Option<&mut [Node]> {
        self.slots.get_mut(self.floor..self.len)
    }

    /// Takes the term on top off. There is one.
    #[inline(always)]
    pub(super) const fn pop(&mut self) {
        self.len -= 1;
    }

    #[inline(always)]
    pub(super) fn open_tuple(&mut self, mark: u32) {
        self.push(Node::open_tuple(Outer { floor: Span::of(0, self.floor).len, mark }));
        self.floor = self.len;
    }

    /// Puts what `tuple` makes of the innermost open tuple and its elements in their place. `None` if no tuple is open.
    #[inline(always)]
    pub(super) fn close_tuple(&mut self, tuple: impl FnOnce(Outer, &[Node]) -> Node) -> Option<()> {
        // Below the floor there is an open tuple, or nothing.
        let [open, elements @ ..] = self.slots.get_mut(self.floor.checked_sub(1)?..self.len)? else { return None };
        let outer = open.outer();
        *open = tuple(outer, elements);
        self.len = self.floor;
        self.floor = outer.floor as usize;
        Some(())
    }

    /// From the bottom up.
    pub(super) fn iter(&self) -> impl Iterator<Item = Node> {
        self.slots.iter().take(self.len).copied()
    }
}
