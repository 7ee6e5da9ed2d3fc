//! The machine while it reads: what nearly every operator changes, taken out of it, so that the
//! compiler may keep it where it is fastest.
//!
//! For that, no function that is not inlined may be given a `&mut Reader`: those that are called
//! take what they need by value, and have the [cold state](ColdState) to write into.

use super::cold::ColdState;
use super::size::Size;
use super::stack::Stack;
use super::stop::{Stepped, Stop};
use super::token::Text;
use crate::error::ErrorKind;
use crate::node::{Arena, Node, NodeKind, Span};

pub(super) struct Reader<'m, A> {
    pub(super) stack: Stack<'m>,
    pub(super) arena: A,
    /// How many more tuples, lists and tags may stand one in another here (L1).
    pub(super) depth_left: u32,
    /// Bytes of text on the stack, expanded.
    pub(super) text_bytes: u64,
    pub(super) cold: &'m mut ColdState,
}

impl<A: Arena> Reader<'_, A> {
    /// Carries out the operators that begin from `at` on, and before `end` where they are counted,
    /// and tells where the last of them ends.
    #[inline(always)]
    pub(super) fn operators<const COUNTS: bool>(
        &mut self,
        window: &[u8],
        mut at: usize,
        end: usize,
    ) -> Stepped {
        while let Some(&first) = window.get(at) {
            if COUNTS && at >= end {
                break;
            }
            if COUNTS && self.stack.is_full() {
                return Err(self.cold.stack_full(at));
            }
            at = match first {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => at + 1,
                b'0'..=b'9' => self.integer::<COUNTS>(window, at)?,
                b'-' => self.negative_integer::<COUNTS>(window, at)?,
                b'"' => self.text::<COUNTS>(window, Text::String, at)?,
                b'\'' => self.text::<COUNTS>(window, Text::Atom, at)?,
                b'`' => self.tag::<COUNTS>(window, at)?,
                b'%' => self.text::<COUNTS>(window, Text::Comment, at)?,
                b'~' => self.binary(window, at)?,
                b'{' => self.open_tuple::<COUNTS>(window, at)?,
                b'}' => self.close_tuple::<COUNTS>(window, at)?,
                b'#' => self.nil::<COUNTS>(at)?,
                b'&' => self.cons::<COUNTS>(at)?,
                b'>' => self.store::<COUNTS>(window, at)?,
                b'$' => return Err(self.end(at)),
                _ => self.read::<COUNTS>(window, first, at)?,
            };
        }
        Ok(at)
    }

    /// W9: exactly one term is on the stack at `$`.
    #[inline(always)]
    fn end(&mut self, at: usize) -> Stop {
        let open = self.cold.options.limits.max_depth - self.depth_left;
        let kind = match (open, Span::of(0, self.stack.len()).len) {
            (0, 1) => {
                self.cold.position = at + 1;
                return Stop::Done;
            }
            (0, 0) => ErrorKind::EmptyPacket,
            (0, count) => ErrorKind::ExtraTerms { count },
            (open, _) => ErrorKind::OpenTuple { open },
        };
        self.cold.error(kind, at)
    }

    /// The node of a text.
    #[inline(always)]
    pub(super) fn text_node<const COUNTS: bool>(
        &self,
        kind: NodeKind,
        span: Span,
        escaped: bool,
    ) -> Node {
        // The place of a text matters only if the text is to be found again, or to be counted.
        let is_kept = A::KEEPS || COUNTS;
        Node::text(kind, if is_kept { span } else { Span::NOWHERE }, escaped)
    }

    /// A term without parts and with so many bytes of text, which begins at `at`.
    #[inline(always)]
    pub(super) fn push_leaf<const COUNTS: bool>(
        &mut self,
        node: Node,
        bytes: u64,
        at: usize,
    ) -> Result<(), Stop> {
        if COUNTS {
            self.check_room(Size { nodes: 1, bytes }, at)?;
        }
        self.push(node, at)?;
        self.text_bytes += bytes;
        Ok(())
    }

    /// Pushes a leaf after which a `&` often comes, at `end`, and carries out both at once.
    #[inline(always)]
    pub(super) fn push_element<const COUNTS: bool>(
        &mut self,
        window: &[u8],
        node: Node,
        bytes: u64,
        at: usize,
        end: usize,
    ) -> Stepped {
        if !COUNTS && window.get(end) == Some(&b'&') && self.cons_leaf(node).is_some() {
            self.text_bytes += bytes;
            return Ok(end + 1);
        }
        self.push_leaf::<COUNTS>(node, bytes, at)?;
        Ok(end)
    }

    #[inline(always)]
    pub(super) fn push(&mut self, node: Node, at: usize) -> Result<(), Stop> {
        match self.stack.push(node) {
            Some(()) => Ok(()),
            None => Err(self.cold.stack_full(at)),
        }
    }

    /// What is on the stack, expanded.
    #[inline(always)]
    pub(super) fn spent(&self) -> Size {
        self.cold.spent(self.stack.len(), &self.arena, self.text_bytes)
    }

    /// L1: room for something that the packet writes out.
    #[inline(always)]
    pub(super) fn check_room(&mut self, size: Size, at: usize) -> Result<(), Stop> {
        if self.cold.is_tight { self.check_size(size, at) } else { Ok(()) }
    }

    #[inline(always)]
    pub(super) fn check_size(&mut self, size: Size, at: usize) -> Result<(), Stop> {
        let spent = self.spent();
        self.cold.check_size(spent, size, at)
    }

    /// L1: a term of this depth inside the open tuples.
    #[inline(always)]
    pub(super) fn check_depth(&mut self, depth: u64, at: usize) -> Result<(), Stop> {
        if depth > u64::from(self.depth_left) { Err(self.cold.too_deep(at)) } else { Ok(()) }
    }
}

/// Whether a term on the stack has a mark: if it has parts. The size of any other follows from its
/// node, so that the shortest packets do not cost most.
#[inline(always)]
pub(super) const fn has_mark(node: Node) -> bool {
    node.is_compound() && node.span().len > 0
}
