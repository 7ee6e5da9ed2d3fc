//! The recognition stack: terms, and open tuples among them.
//!
//! ```text
//!   'a' { 1 "b"        slots:  a  {  1  "b" │ fillers
//!                                    ^ floor   ^ len
//! ```

use crate::node::{Node, Outer, Span};

/// Where the machine is on the stack.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) len: usize,
    /// First place that belongs to the innermost open tuple. At most `len`.
    pub(super) floor: usize,
}

/// Terms, whose nodes have their depth as link (see [`Node::with_depth`]), and open tuples.
#[derive(Debug)]
pub(super) struct Stack<'m> {
    /// From `len` on they mean nothing: to write over one of them takes less than to add one.
    slots: &'m mut [Node],
    place: Place,
}

impl<'m> Stack<'m> {
    #[inline(always)]
    pub(super) const fn new(slots: &'m mut [Node], place: Place) -> Self {
        Self { slots, place }
    }

    pub(super) const fn place(&self) -> Place {
        self.place
    }

    #[inline(always)]
    pub(super) const fn len(&self) -> usize {
        self.place.len
    }

    /// How many terms the innermost open tuple has so far.
    #[inline(always)]
    pub(super) const fn here(&self) -> usize {
        self.place.len - self.place.floor
    }

    #[inline(always)]
    pub(super) const fn is_full(&self) -> bool {
        self.place.len >= self.slots.len()
    }

    /// `None` if there is no room.
    #[inline(always)]
    pub(super) fn push(&mut self, node: Node) -> Option<()> {
        *self.slots.get_mut(self.place.len)? = node;
        self.place.len += 1;
        Some(())
    }

    /// The term on top, if the innermost open tuple has one.
    #[inline(always)]
    pub(super) fn top(&self) -> Option<Node> {
        if self.here() == 0 { None } else { self.slots.get(self.place.len - 1).copied() }
    }

    /// The top of the stack, to be replaced.
    #[inline(always)]
    pub(super) fn top_mut(&mut self) -> Option<&mut Node> {
        if self.here() == 0 { None } else { self.slots.get_mut(self.place.len - 1) }
    }

    /// The uppermost slot, whatever it holds, to be replaced.
    #[inline(always)]
    pub(super) fn last(&mut self) -> Option<&mut Node> {
        self.slots.get_mut(self.place.len.wrapping_sub(1))
    }

    /// The two uppermost slots, whatever they hold, to be replaced.
    #[inline(always)]
    pub(super) fn last_two(&mut self) -> Option<(&mut Node, &mut Node)> {
        let [below, top] = self.slots.get_mut(..self.place.len)?.last_chunk_mut()?;
        Some((below, top))
    }

    /// Takes the term on top off. There is one.
    #[inline(always)]
    pub(super) const fn pop(&mut self) {
        self.place.len -= 1;
    }

    /// `None` if there is no room.
    #[inline(always)]
    pub(super) fn open_tuple(&mut self, mark: u32) -> Option<()> {
        self.push(Node::open_tuple(Outer { floor: Span::of(0, self.place.floor).len, mark }))?;
        self.place.floor = self.place.len;
        Some(())
    }

    /// The innermost open tuple and its elements.
    #[inline(always)]
    pub(super) fn innermost(&mut self) -> Option<(&mut Node, &[Node])> {
        // Below the floor there is an open tuple, or nothing.
        match self.slots.get_mut(self.place.floor.checked_sub(1)?..self.place.len)? {
            [open, elements @ ..] => Some((open, elements)),
            [] => None,
        }
    }

    /// What is below the innermost open tuple, the open tuple, and its elements, if there are two.
    #[inline(always)]
    pub(super) fn innermost_pair(&mut self) -> Option<(&mut Node, Node, [Node; 2])> {
        if self.here() != 2 {
            return None;
        }
        let [below, open, one, two] = self.slots.get_mut(..self.place.len)?.last_chunk_mut()?;
        Some((below, *open, [*one, *two]))
    }

    /// The innermost open tuple has become a term.
    #[inline(always)]
    pub(super) const fn close_tuple(&mut self, outer: Outer) {
        self.place = Place { len: self.place.floor, floor: outer.floor as usize };
    }

    /// The innermost open tuple has become an element of the list below it.
    #[inline(always)]
    pub(super) const fn close_onto_list(&mut self, outer: Outer) {
        self.place = Place { len: self.place.floor - 1, floor: outer.floor as usize };
    }
}
