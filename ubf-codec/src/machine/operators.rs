//! What a packet does with the terms that are on the stack.

use super::registers::Stored;
use super::{Frame, Machine, Size, Stepped, Stop};
use crate::byte;
use crate::dialect::Dialect;
use crate::error::ErrorKind;
use crate::limits::Limit;
use crate::node::{Arena, Node, NodeKind, Span};

impl<A: Arena> Machine<A> {
    #[inline(always)]
    pub(super) fn open_tuple(&mut self, at: usize) -> Stepped {
        self.check_depth(1, at)?;
        let frame = Frame { floor: self.floor, sizes: self.sizes.len(), budget: self.budget };
        self.charge(Size::EMPTY, at)?;
        self.frames.push(frame);
        self.floor = self.stack.len();
        Ok(at + 1)
    }

    #[inline(always)]
    pub(super) fn close_tuple(&mut self, at: usize) -> Stepped {
        let Some(frame) = self.frames.pop() else {
            return Err(self.error(ErrorKind::CloseWithoutOpen, at));
        };
        let elements = self.stack.get(self.floor..).unwrap_or_default();
        let count = Span::of(0, elements.len()).len;
        // Elements with parts are deeper than `{}` and `#`, which have no size of their own.
        let empties = u32::from(elements.iter().any(|element| element.is_empty_compound()));
        let first = self.arena.extend(elements);
        self.stack.truncate(self.floor);
        let inner = self.sizes.get(frame.sizes..).unwrap_or_default();
        let depth = inner.iter().map(|size| size.depth).max().unwrap_or(empties) + 1;
        self.sizes.truncate(frame.sizes);
        self.floor = frame.floor;
        let size = self.budget.spent_since(&frame.budget, depth);
        self.push_sized(Node::compound(NodeKind::Tuple, first, count), size);
        Ok(at + 1)
    }

    #[inline(always)]
    pub(super) fn nil(&mut self, at: usize) -> Stepped {
        self.check_depth(Size::EMPTY.depth, at)?;
        self.charge(Size::EMPTY, at)?;
        self.stack.push(Node::compound(NodeKind::List, 0, 0));
        Ok(at + 1)
    }

    /// W5: the term on top becomes the first element of the list below it.
    #[inline(always)]
    pub(super) fn cons(&mut self, at: usize) -> Stepped {
        let below = match self.here() {
            0 | 1 => return Err(self.error(ErrorKind::NothingToCons, at)),
            _ => self.stack.len() - 2,
        };
        let list = self.stack.get(below).copied().unwrap_or(Node::UNDEFINED);
        if list.kind() != NodeKind::List {
            return Err(self.error(ErrorKind::ConsOntoNonList { found: list.term_kind() }, at));
        }
        self.check_depth(self.top_size().depth.saturating_add(1), at)?;
        let (element, element_size) = self.pop();
        let cells = list.span();
        let first = self.arena.push(element.linked(cells.start));
        self.replace_top(Node::compound(NodeKind::List, first, cells.len + 1));
        if cells.len == 0 {
            self.sizes.push(Size::EMPTY);
        }
        // The list has elements and is on top, so the last size is its own.
        if let Some(size) = self.sizes.last_mut() {
            size.absorb(element_size);
        }
        Ok(at + 1)
    }

    /// W8: puts a tag, which begins at `at`, on the term on top.
    #[inline(never)]
    pub(super) fn put_tag(&mut self, tag: Node, at: usize, end: usize) -> Stepped {
        self.charge(Size::of_leaf(tag), at)?;
        let (term, size) = self.pop();
        let mut tagged = Size::of_leaf(tag);
        tagged.absorb(size);
        let first = self.arena.extend(&[tag, term]);
        self.push_sized(Node::compound(NodeKind::Tagged, first, 2), tagged);
        Ok(end)
    }

    /// W6, W7: `>R`.
    #[inline(never)]
    pub(super) fn store(&mut self, window: &[u8], at: usize) -> Stepped {
        if self.here() == 0 {
            return Err(self.error(ErrorKind::NothingToStore, at));
        }
        let Some(&register) = window.get(at + 1) else { return Err(self.wait_at(at)) };
        if byte::is_control(register) {
            return Err(self.error(ErrorKind::StoreControl { found: register }, at + 1));
        }
        if register == b'?' && self.config.dialect == Dialect::Extended {
            return Err(self.error(ErrorKind::StoreUndefined, at + 1));
        }
        let (node, size) = self.pop();
        self.budget.refund(size);
        // Only the difference to what was read is of interest, and that is exact.
        self.stored_nodes = self.stored_nodes.wrapping_add(size.nodes);
        self.registers.store(register, Stored { node, size });
        Ok(at + 2)
    }

    /// W6, W7: a register is read, or `?` stands for the undefined value.
    #[inline(always)]
    pub(super) fn read(&mut self, register: u8, at: usize) -> Stepped {
        if register == b'?' && self.is_undefined() {
            return self.push_leaf(Node::UNDEFINED, at, at + 1);
        }
        let Some(Stored { node, size }) = self.registers.read(register) else {
            return Err(self.error(ErrorKind::UnsetRegister { register }, at));
        };
        self.check_depth(size.depth, at)?;
        self.charge(size, at)?;
        self.read_nodes = self.read_nodes.wrapping_add(size.nodes);
        self.push_sized(node, size);
        Ok(at + 1)
    }

    /// W7: whether `?` stands for the undefined value, and not for a register.
    #[inline(always)]
    pub(super) fn is_undefined(&self) -> bool {
        self.config.dialect == Dialect::Extended || self.registers.read(b'?').is_none()
    }

    /// W9: exactly one term is on the stack at `$`.
    #[inline(always)]
    pub(super) fn end(&mut self, at: usize) -> Stop {
        let count = Span::of(0, self.stack.len()).len;
        let kind = match (self.frames.len(), count) {
            (0, 1) => {
                self.position = at + 1;
                return Stop::Done;
            }
            (0, 0) => ErrorKind::EmptyPacket,
            (0, count) => ErrorKind::ExtraTerms { count },
            (open, _) => ErrorKind::OpenTuple { open: Span::of(0, open).len },
        };
        self.error(kind, at)
    }

    /// A term without parts, written from `at` to `end`.
    #[inline(always)]
    pub(super) fn push_leaf(&mut self, node: Node, at: usize, end: usize) -> Stepped {
        self.charge(Size::of_leaf(node), at)?;
        self.stack.push(node);
        Ok(end)
    }

    /// Puts a term on the stack whose size is known.
    #[inline(always)]
    fn push_sized(&mut self, node: Node, size: Size) {
        self.stack.push(node);
        if keeps_size(node) {
            self.sizes.push(size);
        }
    }

    #[inline(always)]
    pub(super) fn replace_top(&mut self, node: Node) {
        if let Some(top) = self.stack.last_mut() {
            *top = node;
        }
    }

    /// Takes the term on top, and leaves what was charged for it.
    #[inline(always)]
    fn pop(&mut self) -> (Node, Size) {
        let size = self.top_size();
        let node = self.stack.pop().unwrap_or(Node::UNDEFINED);
        if keeps_size(node) {
            self.sizes.pop();
        }
        (node, size)
    }

    /// The size of the term on top.
    #[inline(always)]
    pub(super) fn top_size(&self) -> Size {
        let node = self.top();
        if node.is_empty_compound() {
            return Size::EMPTY;
        }
        let kept = if keeps_size(node) { self.sizes.last().copied() } else { None };
        kept.unwrap_or_else(|| Size::of_leaf(node))
    }

    /// How many terms the innermost open tuple has so far.
    #[inline(always)]
    pub(super) fn here(&self) -> usize {
        self.stack.len() - self.floor
    }

    /// Pays for a term that comes onto the stack.
    #[inline(always)]
    pub(super) fn charge(&mut self, size: Size, at: usize) -> Result<(), Stop> {
        self.budget.charge(size, &self.config.limits).map_err(|limit| self.limit(limit, at))
    }

    #[inline(always)]
    pub(super) fn check_size(&mut self, size: Size, at: usize) -> Result<(), Stop> {
        self.budget.check(size, &self.config.limits).map_err(|limit| self.limit(limit, at))
    }

    /// L1: a term of this depth inside the open tuples.
    #[inline(always)]
    pub(super) fn check_depth(&mut self, depth: u32, at: usize) -> Result<(), Stop> {
        let max = self.config.limits.max_depth;
        if self.frames.len().saturating_add(depth as usize) > max as usize {
            return Err(self.limit(Limit::Depth(max), at));
        }
        Ok(())
    }
}

/// Whether `sizes` has an entry for a term on the stack: for those that have parts. The size of any other follows from its node,
/// so that the shortest packets do not cost most.
#[inline(always)]
const fn keeps_size(node: Node) -> bool {
    node.is_compound() && node.span().len > 0
}
