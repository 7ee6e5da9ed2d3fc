//! What a packet does with the terms that are on the stack.

use super::registers::Stored;
use super::{Machine, Size, Stepped, Stop};
use crate::byte;
use crate::dialect::Dialect;
use crate::error::ErrorKind;
use crate::limits::Limit;
use crate::node::{Arena, Node, NodeKind, Span};

impl<A: Arena> Machine<A> {
    #[inline(always)]
    pub(super) fn open_tuple<const COUNTS: bool>(&mut self, at: usize) -> Stepped {
        self.check_depth(1, at)?;
        let mut mark = 0;
        if COUNTS {
            self.check_room(Size { nodes: 1, bytes: 0 }, at)?;
            mark = Span::of(0, self.marks.len()).len;
            self.marks.push(self.spent());
        }
        self.stack.open_tuple(mark);
        self.open += 1;
        Ok(at + 1)
    }

    #[inline(always)]
    pub(super) fn close_tuple<const COUNTS: bool>(&mut self, at: usize) -> Stepped {
        let closed = self.stack.close_tuple(|outer, elements| {
            let count = Span::of(0, elements.len()).len;
            if COUNTS {
                // The marks of its parts go; its own stays, if it has parts.
                self.marks.truncate(outer.mark as usize + usize::from(count > 0));
            }
            let (first, deepest) = self.arena.extend(elements);
            Node::compound(NodeKind::Tuple, first, count).with_depth(deepest + 1)
        });
        if closed.is_none() {
            return Err(self.error(ErrorKind::CloseWithoutOpen, at));
        }
        self.open -= 1;
        Ok(at + 1)
    }

    #[inline(always)]
    pub(super) fn nil<const COUNTS: bool>(&mut self, at: usize) -> Stepped {
        self.check_depth(1, at)?;
        let nil = Node::compound(NodeKind::List, 0, 0).with_depth(1);
        self.push_leaf::<COUNTS>(nil, at)?;
        Ok(at + 1)
    }

    /// W5: the term on top becomes the first element of the list below it.
    #[inline(always)]
    pub(super) fn cons<const COUNTS: bool>(&mut self, at: usize) -> Stepped {
        let Some([.., list, element]) = self.stack.here_mut() else {
            return Err(self.error(ErrorKind::NothingToCons, at));
        };
        if list.kind() != NodeKind::List {
            let found = list.term_kind();
            return Err(self.error(ErrorKind::ConsOntoNonList { found }, at));
        }
        let depth = element.depth() + 1;
        if depth_exceeds(self.open, depth, self.config.limits.max_depth) {
            return Err(self.limit(Limit::Depth(self.config.limits.max_depth), at));
        }
        let cells = list.span();
        let first = self.arena.push(element.linked(cells.start));
        *list = Node::compound(NodeKind::List, first, cells.len + 1).with_depth(depth.max(list.depth()));
        let element = *element;
        self.stack.pop();
        if COUNTS {
            self.mark_cons(element, cells.len == 0);
        }
        Ok(at + 1)
    }

    /// The list on top has got `element`; it has a mark from its first element on.
    fn mark_cons(&mut self, element: Node, is_first: bool) {
        match (has_mark(element), is_first) {
            (true, true) => {
                if let Some(mark) = self.marks.last_mut() {
                    mark.nodes -= 1;
                }
            }
            (true, false) => drop(self.marks.pop()),
            (false, true) => self.mark_since(Size::of_leaf(element).plus(Size { nodes: 1, bytes: 0 })),
            (false, false) => {}
        }
    }

    /// W8: puts a tag, which begins at `at`, on the term on top.
    #[inline(always)]
    pub(super) fn put_tag<const COUNTS: bool>(&mut self, tag: Node, at: usize) -> Result<(), Stop> {
        let size = Size::of_leaf(tag);
        if COUNTS {
            self.check_size(size, at)?;
        }
        let Some(term) = self.stack.top_mut() else {
            return Err(self.error(ErrorKind::NothingToTag, at));
        };
        let untagged = *term;
        let (first, depth) = self.arena.extend(&[tag, untagged]);
        *term = Node::compound(NodeKind::Tagged, first, 2).with_depth(depth + 1);
        // Tag and term are two nodes more, and one term.
        self.unseen_nodes -= 1;
        self.text_bytes += size.bytes;
        if COUNTS && !has_mark(untagged) {
            self.mark_since(Size::of_leaf(untagged).plus(size));
        }
        Ok(())
    }

    /// W6, W7: `>R`.
    #[inline(always)]
    pub(super) fn store<const COUNTS: bool>(&mut self, window: &[u8], at: usize) -> Stepped {
        if !COUNTS {
            return Err(Stop::MustCount);
        }
        let Some(node) = self.stack.top() else {
            return Err(self.error(ErrorKind::NothingToStore, at));
        };
        let Some(&register) = window.get(at + 1) else { return Err(self.wait_at(at)) };
        if byte::is_control(register) {
            return Err(self.error(ErrorKind::StoreControl { found: register }, at + 1));
        }
        if register == b'?' && self.config.dialect == Dialect::Extended {
            return Err(self.error(ErrorKind::StoreUndefined, at + 1));
        }
        let mut size = Size::of_leaf(node);
        if has_mark(node)
            && let Some(mark) = self.marks.pop()
        {
            size = self.spent().minus(mark);
        }
        self.stack.pop();
        self.unseen_nodes += 1;
        self.text_bytes -= size.bytes;
        // May fall below zero in between, when what is stored was written out.
        self.read_nodes = self.read_nodes.wrapping_sub(size.nodes);
        self.registers.store(register, Stored { node, size });
        Ok(at + 2)
    }

    /// W6, W7: a register is read, or `?` stands for the undefined value.
    #[inline(always)]
    pub(super) fn read<const COUNTS: bool>(&mut self, window: &[u8], register: u8, at: usize) -> Stepped {
        if register == b'?' && (!COUNTS || self.is_undefined()) {
            self.push_leaf::<COUNTS>(Node::UNDEFINED, at)?;
            return Ok(at + 1);
        }
        let Some(Stored { node, size }) = self.registers.read(register) else {
            return Err(self.error(ErrorKind::UnsetRegister { register }, at));
        };
        self.check_depth(node.depth(), at)?;
        self.check_size(size, at)?;
        self.stack.push(node);
        self.unseen_nodes -= 1;
        self.text_bytes += size.bytes;
        self.read_nodes = self.read_nodes.wrapping_add(size.nodes);
        if has_mark(node) {
            self.mark_since(size);
        }
        self.look_ahead(window.len() - at);
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
        let kind = match (self.open, Span::of(0, self.stack.len()).len) {
            (0, 1) => {
                self.position = at + 1;
                return Stop::Done;
            }
            (0, 0) => ErrorKind::EmptyPacket,
            (0, count) => ErrorKind::ExtraTerms { count },
            (open, _) => ErrorKind::OpenTuple { open },
        };
        self.error(kind, at)
    }

    /// A term without parts, which begins at `at`.
    #[inline(always)]
    pub(super) fn push_leaf<const COUNTS: bool>(&mut self, node: Node, at: usize) -> Result<(), Stop> {
        if COUNTS {
            self.check_room(Size::of_leaf(node), at)?;
        }
        self.text_bytes += node.leaf_bytes();
        self.stack.push(node);
        Ok(())
    }

    /// Marks the beginning of the term on top, for which so much was spent.
    fn mark_since(&mut self, size: Size) {
        self.marks.push(self.spent().minus(size));
    }

    /// What is on the stack, expanded.
    #[inline(always)]
    pub(super) fn spent(&self) -> Size {
        Size { nodes: self.written_nodes().wrapping_add(self.read_nodes), bytes: self.text_bytes }
    }

    /// Terms that the packet has written out. Each is a node in one place, or an open tuple, but for the few that are unseen.
    #[inline(always)]
    pub(super) fn written_nodes(&self) -> u64 {
        (self.stack.len() as u64 + self.arena.len()).wrapping_add_signed(self.unseen_nodes)
    }

    /// L1: sees whether so many further bytes, read as they stand, can cost more than there is left to spend. They cost no more
    /// than a term and a byte of text each.
    #[inline(always)]
    pub(super) fn look_ahead(&mut self, further: usize) {
        let room = self.spent().room(&self.config.limits);
        self.is_tight = room.nodes.min(room.bytes) < further as u64;
    }

    /// L1: room for something that the packet writes out.
    #[inline(always)]
    pub(super) fn check_room(&mut self, size: Size, at: usize) -> Result<(), Stop> {
        if self.is_tight { self.check_size(size, at) } else { Ok(()) }
    }

    #[inline(never)]
    pub(super) fn check_size(&mut self, size: Size, at: usize) -> Result<(), Stop> {
        self.spent().check(size, &self.config.limits).map_err(|limit| self.limit(limit, at))
    }

    /// L1: a term of this depth inside the open tuples.
    #[inline(always)]
    pub(super) fn check_depth(&mut self, depth: u64, at: usize) -> Result<(), Stop> {
        let max = self.config.limits.max_depth;
        if depth_exceeds(self.open, depth, max) {
            return Err(self.limit(Limit::Depth(max), at));
        }
        Ok(())
    }
}

#[inline(always)]
const fn depth_exceeds(open: u32, depth: u64, max: u32) -> bool {
    open as u64 + depth > max as u64
}

/// Whether a term on the stack has a mark: if it has parts. The size of any other follows from its node, so that the shortest
/// packets do not cost most.
#[inline(always)]
const fn has_mark(node: Node) -> bool {
    node.is_compound() && node.span().len > 0
}

#[cfg(test)]
mod tests {
    use crate::{Decoder, Summary};

    /// Of a packet: terms, terms and bytes with registers written out, depth.
    fn sizes(packet: &[u8]) -> (u64, u64, u64, u32) {
        let mut decoder = Decoder::new();
        let Summary { nodes, expanded_nodes, expanded_bytes, depth, .. } = decoder.decode(packet).unwrap().summary();
        assert_eq!(decoder.check(packet).map(|summary| summary.expanded_nodes), Ok(expanded_nodes));
        (nodes, expanded_nodes, expanded_bytes, depth)
    }

    #[test]
    fn the_first_store_knows_how_large_terms_are_that_were_there_before() {
        assert_eq!(sizes(br#"{"ab"{"c"}`t`#{2}&{1{"de"}>a a a}}$"#), (12, 14, 8, 3));
        assert_eq!(sizes(br#"{"ab" #{"c"}&>a a a}$"#), (5, 8, 4, 3));
        assert_eq!(sizes(br#"{"ab"{"c"}`t`>a a a{}#}$"#), (7, 10, 6, 3));
        assert_eq!(sizes(br#"{{{"ab"{1}{}>a a}a}a}$"#), (7, 9, 2, 4));
    }
}
