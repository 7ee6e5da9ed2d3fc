//! What a packet does with the terms that are on the stack.

use super::reader::{Reader, has_mark};
use super::registers::Stored;
use super::size::Size;
use super::stop::{Stepped, Stop};
use super::token::Text;
use crate::byte;
use crate::dialect::Dialect;
use crate::error::ErrorKind;
use crate::node::{Arena, Node, NodeKind, Span};

impl<A: Arena> Reader<'_, A> {
    #[inline(always)]
    pub(super) fn open_tuple<const COUNTS: bool>(&mut self, window: &[u8], at: usize) -> Stepped {
        if self.depth_left == 0 {
            return Err(self.cold.too_deep(at));
        }
        let mut mark = 0;
        if COUNTS {
            self.check_room(Size { nodes: 1, bytes: 0 }, at)?;
            mark = Span::of(0, self.cold.marks.len()).len;
            self.cold.marks.push(self.spent());
        }
        if self.stack.open_tuple(mark).is_none() {
            return Err(self.cold.stack_full(at));
        }
        self.depth_left -= 1;
        // Most tuples begin with an atom: both at once.
        if !COUNTS && window.get(at + 1) == Some(&b'\'') {
            return self.text::<COUNTS>(window, Text::Atom, at + 1);
        }
        Ok(at + 1)
    }

    #[inline(always)]
    pub(super) fn close_tuple<const COUNTS: bool>(&mut self, window: &[u8], at: usize) -> Stepped {
        // Most tuples are pairs that become elements of lists.
        if !COUNTS && window.get(at + 1) == Some(&b'&') && self.cons_pair().is_some() {
            return Ok(at + 2);
        }
        let Some((open, elements)) = self.stack.innermost() else {
            return Err(self.cold.error(ErrorKind::CloseWithoutOpen, at));
        };
        if !self.arena.has_room(elements.len()) {
            return Err(self.cold.arena_full(at));
        }
        let outer = open.outer();
        let count = Span::of(0, elements.len()).len;
        if COUNTS {
            // The marks of its parts go; its own stays, if it has parts.
            self.cold.marks.truncate(outer.mark as usize + usize::from(count > 0));
        }
        let (first, deepest) = self.arena.extend(elements);
        *open = Node::compound(NodeKind::Tuple, first, count).with_depth(deepest + 1);
        self.stack.close_tuple(outer);
        self.depth_left += 1;
        Ok(at + 1)
    }

    /// Puts a leaf in front of the list on top; does nothing if there is no list, or no room.
    #[inline(always)]
    pub(super) fn cons_leaf(&mut self, leaf: Node) -> Option<()> {
        let list = self.stack.last()?;
        if list.kind() != NodeKind::List || !self.arena.has_room(1) {
            return None;
        }
        // A leaf makes no list deeper.
        let Span { start, len } = list.span();
        let first = self.arena.push(leaf.linked(start));
        if A::KEEPS {
            *list = list.with_span(Span { start: first, len: len + 1 });
        }
        Some(())
    }

    /// Closes a pair and puts it in front of a list; does nothing if these are not there, or not
    /// allowed, or if there is no room.
    #[inline(always)]
    fn cons_pair(&mut self) -> Option<()> {
        let (list, open, [one, two]) = self.stack.innermost_pair()?;
        let deepest = one.depth().max(two.depth());
        // Of a pair that is allowed, the list that has it is allowed, too: it is as deep as the
        // tuple was inside of what was open.
        if list.kind() != NodeKind::List
            || deepest >= u64::from(self.depth_left)
            || !self.arena.has_room(3)
        {
            return None;
        }
        let outer = open.outer();
        let Span { start, len } = list.span();
        let first = self.arena.next();
        let cell = Node::compound(NodeKind::Tuple, first, 2).linked(start);
        self.arena.extend_array([one, two, cell]);
        let depth = (deepest + 2).max(list.depth());
        *list = Node::compound(NodeKind::List, first + 2, if A::KEEPS { len + 1 } else { 0 })
            .with_depth(depth);
        self.stack.close_onto_list(outer);
        self.depth_left += 1;
        Some(())
    }

    #[inline(always)]
    pub(super) fn nil<const COUNTS: bool>(&mut self, at: usize) -> Stepped {
        self.check_depth(1, at)?;
        let nil = Node::compound(NodeKind::List, 0, 0).with_depth(1);
        self.push_leaf::<COUNTS>(nil, 0, at)?;
        Ok(at + 1)
    }

    /// W5: the term on top becomes the first element of the list below it.
    #[inline(always)]
    pub(super) fn cons<const COUNTS: bool>(&mut self, at: usize) -> Stepped {
        let here = self.stack.here();
        let Some((list, element)) = self.stack.last_two() else {
            return Err(self.cold.error(ErrorKind::NothingToCons, at));
        };
        // That they are in the innermost open tuple needs no look: an open tuple is no list, and
        // deeper than any term may be.
        if list.kind() != NodeKind::List || element.depth() >= u64::from(self.depth_left) {
            return Err(self.cold.no_cons(here, *list, at));
        }
        if !self.arena.has_room(1) {
            return Err(self.cold.arena_full(at));
        }
        let element = *element;
        let is_first = list.span().len == 0;
        *list = with_element(*list, element, &mut self.arena);
        self.stack.pop();
        if COUNTS {
            self.mark_cons(element, is_first);
        }
        Ok(at + 1)
    }

    /// The list on top has got `element`; it has a mark from its first element on.
    #[inline(always)]
    fn mark_cons(&mut self, element: Node, is_first: bool) {
        match (has_mark(element), is_first) {
            (true, true) => {
                if let Some(mark) = self.cold.marks.last_mut() {
                    mark.nodes -= 1;
                }
            }
            (true, false) => drop(self.cold.marks.pop()),
            (false, true) => {
                self.mark_since(Size::of_leaf(element).plus(Size { nodes: 1, bytes: 0 }));
            }
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
            return Err(self.cold.error(ErrorKind::NothingToTag, at));
        };
        if !self.arena.has_room(2) {
            return Err(self.cold.arena_full(at));
        }
        let untagged = *term;
        let (first, depth) = self.arena.extend(&[tag, untagged]);
        *term = Node::compound(NodeKind::Tagged, first, 2).with_depth(depth + 1);
        // Tag and term are two nodes more, and one term.
        self.cold.unseen_nodes -= 1;
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
            return Err(self.cold.error(ErrorKind::NothingToStore, at));
        };
        let Some(&register) = window.get(at + 1) else { return Err(self.cold.wait_at(at)) };
        if byte::is_control(register)
            && (register != b'`' || self.cold.options.dialect == Dialect::Extended)
        {
            return Err(self.cold.error(ErrorKind::StoreControl { found: register }, at + 1));
        }
        if register == b'?' && self.cold.options.dialect == Dialect::Extended {
            return Err(self.cold.error(ErrorKind::StoreUndefined, at + 1));
        }
        let mut size = Size::of_leaf(node);
        if has_mark(node)
            && let Some(mark) = self.cold.marks.pop()
        {
            size = self.spent().minus(mark);
        }
        self.stack.pop();
        self.cold.unseen_nodes += 1;
        self.text_bytes -= size.bytes;
        // The count may fall below zero in between, when the stored term was written out.
        self.cold.read_nodes = self.cold.read_nodes.wrapping_sub(size.nodes);
        self.cold.registers.store(register, Stored { node, size });
        Ok(at + 2)
    }

    /// W6, W7: a register is read, or `?` stands for the undefined value.
    #[inline(always)]
    pub(super) fn read<const COUNTS: bool>(
        &mut self,
        window: &[u8],
        register: u8,
        at: usize,
    ) -> Stepped {
        if register == b'?' && (!COUNTS || self.cold.is_undefined()) {
            self.push_leaf::<COUNTS>(Node::UNDEFINED, 0, at)?;
            return Ok(at + 1);
        }
        // A packet that is read lightly has stored nothing.
        let stored = if COUNTS { self.cold.registers.read(register) } else { None };
        let Some(Stored { node, size }) = stored else {
            return Err(self.cold.error(ErrorKind::UnsetRegister { register }, at));
        };
        self.check_depth(node.depth(), at)?;
        self.check_size(size, at)?;
        self.push(node, at)?;
        self.cold.unseen_nodes -= 1;
        self.text_bytes += size.bytes;
        self.cold.read_nodes = self.cold.read_nodes.wrapping_add(size.nodes);
        if has_mark(node) {
            self.mark_since(size);
        }
        let spent = self.spent();
        self.cold.look_ahead(spent, window.len() - at);
        Ok(at + 1)
    }

    /// Marks the beginning of the term on top, for which so much was spent.
    #[inline(always)]
    fn mark_since(&mut self, size: Size) {
        self.cold.marks.push(self.spent().minus(size));
    }
}

/// `list` with `element` in front.
#[inline(always)]
fn with_element<A: Arena>(list: Node, element: Node, arena: &mut A) -> Node {
    let Span { start, len } = list.span();
    let first = arena.push(element.linked(start));
    Node::compound(NodeKind::List, first, len + 1)
        .with_depth((element.depth() + 1).max(list.depth()))
}

#[cfg(test)]
mod tests {
    use crate::{Decoder, Summary};

    /// Of a packet: terms, terms and bytes with registers written out, depth.
    fn sizes(packet: &[u8]) -> (u64, u64, u64, u32) {
        let mut decoder = Decoder::new();
        let Summary { nodes, expanded_nodes, expanded_bytes, depth, .. } =
            decoder.decode(packet).unwrap().summary();
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
