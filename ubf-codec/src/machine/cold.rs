//! The machine's cold state: what few operators look at, or only those of a packet that is read
//! counting.

use alloc::vec::Vec;

use super::registers::Registers;
use super::size::Size;
use super::stop::Stop;
use super::token::Token;
use crate::dialect::Dialect;
use crate::error::{DecodeError, ErrorKind};
use crate::lexer;
use crate::limits::Limit;
use crate::node::{Arena, Node, NodeKind};
use crate::options::DecodeOptions;

#[derive(Clone, Debug)]
pub(super) struct ColdState {
    pub(super) options: DecodeOptions,
    /// Offset of the window's first byte from the start of the stream.
    pub(super) origin: u64,
    /// Bytes of the packet before the window: its header.
    pub(super) header_bytes: usize,
    /// Everything in the window before this has been read.
    pub(super) position: usize,
    pub(super) token: Token,
    pub(super) failure: Option<DecodeError>,
    /// How long the window must be for the announced binary that was awaited last to be whole, and
    /// for a `$` behind it.
    pub(super) awaited: usize,
    /// How many more terms were written than there are nodes and open tuples. May be negative.
    pub(super) unseen_nodes: i64,
    /// Whether the packet is read counting, and not lightly. What follows is of use only then.
    pub(super) is_counting: bool,
    /// What is left of the window may exceed what the limits leave.
    pub(super) is_tight: bool,
    /// For each open tuple and each term with parts on the stack, in the same order, what was
    /// spent before it.
    pub(super) marks: Vec<Size>,
    /// Terms that register reads put onto the stack, less those that stores took off it.
    pub(super) read_nodes: u64,
    pub(super) registers: Registers,
}

impl ColdState {
    pub(super) const fn new(options: DecodeOptions) -> Self {
        Self {
            options,
            origin: 0,
            header_bytes: 0,
            position: 0,
            token: Token::None,
            failure: None,
            awaited: 0,
            unseen_nodes: 0,
            is_counting: false,
            is_tight: false,
            marks: Vec::new(),
            read_nodes: 0,
            registers: Registers::new(),
        }
    }

    /// The packet's first byte comes next.
    pub(super) fn begin(&mut self) {
        self.position = 0;
        self.token = Token::None;
        self.failure = None;
        self.awaited = 0;
        self.unseen_nodes = 0;
        self.marks.clear();
        self.read_nodes = 0;
        self.registers.clear();
    }

    /// How long the window may become (L1).
    #[inline(always)]
    pub(super) fn max_window(&self) -> usize {
        (self.options.limits.max_packet_bytes as usize).saturating_sub(self.header_bytes)
    }

    /// W7: whether `?` stands for the undefined value, and not for a register.
    #[inline(always)]
    pub(super) fn is_undefined(&self) -> bool {
        self.options.dialect == Dialect::Extended || self.registers.read(b'?').is_none()
    }

    /// W7: whether a backtick reads a register, and does not begin a tag. Erlang writes it as its
    /// 45th register, and knows no tags.
    #[inline(always)]
    pub(super) fn is_backtick_stored(&self) -> bool {
        self.options.dialect == Dialect::Classic && self.registers.read(b'`').is_some()
    }

    /// The operator at `at` has to be looked at again when there is more.
    #[inline(always)]
    pub(super) const fn wait_at(&mut self, at: usize) -> Stop {
        self.position = at;
        Stop::Incomplete
    }

    /// The operator at `at` has to be carried out again when there is room for what it makes.
    #[cold]
    #[inline(never)]
    pub(super) const fn stack_full(&mut self, at: usize) -> Stop {
        self.position = at;
        Stop::StackFull
    }

    /// The operator at `at` has to be carried out again when the arena has room for what it makes.
    #[cold]
    #[inline(never)]
    pub(super) const fn arena_full(&mut self, at: usize) -> Stop {
        self.position = at;
        Stop::ArenaFull
    }

    #[cold]
    #[inline(never)]
    pub(super) const fn error(&mut self, kind: ErrorKind, at: usize) -> Stop {
        self.failure = Some(DecodeError::new(kind, self.origin + at as u64));
        Stop::Failed
    }

    #[cold]
    pub(super) const fn limit(&mut self, limit: Limit, at: usize) -> Stop {
        self.error(ErrorKind::Limit(limit), at)
    }

    #[cold]
    #[inline(never)]
    pub(super) const fn too_deep(&mut self, at: usize) -> Stop {
        self.limit(Limit::Depth(self.options.limits.max_depth), at)
    }

    /// Why the two uppermost terms on the stack, of which `here` belong to the innermost open
    /// tuple, cannot become a list.
    #[cold]
    #[inline(never)]
    pub(super) fn no_cons(&mut self, here: usize, list: Node, at: usize) -> Stop {
        if here < 2 {
            return self.error(ErrorKind::NothingToCons, at);
        }
        if list.kind() != NodeKind::List {
            return self.error(ErrorKind::ConsOntoNonList { found: list.term_kind() }, at);
        }
        self.too_deep(at)
    }

    /// What is on the stack, expanded: what the packet has written out, and what register reads
    /// have added.
    #[inline(always)]
    pub(super) fn spent(&self, stack_len: usize, arena: &impl Arena, text_bytes: u64) -> Size {
        Size {
            nodes: self.written_nodes(stack_len, arena).wrapping_add(self.read_nodes),
            bytes: text_bytes,
        }
    }

    /// Terms that the packet has written out. Each is a node in one place, or an open tuple, but
    /// for the few that are unseen.
    #[inline(always)]
    pub(super) fn written_nodes(&self, stack_len: usize, arena: &impl Arena) -> u64 {
        (stack_len as u64 + arena.len()).wrapping_add_signed(self.unseen_nodes)
    }

    /// L1: room for `size` beside what was spent.
    #[inline(never)]
    pub(super) fn check_size(&mut self, spent: Size, size: Size, at: usize) -> Result<(), Stop> {
        spent.check(size, &self.options.limits).map_err(|limit| self.limit(limit, at))
    }

    /// The part of the window that may be read lightly, since it cannot exceed a limit. For the
    /// bytes from `unpaid` on nothing was spent.
    #[inline(always)]
    pub(super) fn uncounted<'w>(
        &self,
        spent: Size,
        window: &'w [u8],
        unpaid: usize,
    ) -> Result<&'w [u8], Stop> {
        let limits = &self.options.limits;
        let room = spent.room(limits);
        // Operators cost no more than a term and a byte of text for each byte. What was read of a
        // token is part of one term.
        let (text, terms) = (window.len() - unpaid, window.len() - self.position + 1);
        if room.bytes < text as u64 || limits.max_integer_digits < lexer::MAX_SHORT_DIGITS {
            return Err(Stop::MustCount);
        }
        match usize::try_from(room.nodes) {
            Ok(nodes) if nodes < terms => {
                if nodes < WORTHWHILE_BYTES {
                    return Err(Stop::MustCount);
                }
                Ok(window.get(..self.position + nodes - 1).unwrap_or(window))
            }
            Ok(_) | Err(_) => Ok(window),
        }
    }

    /// L1: sees whether so many further bytes, read as they stand, can cost more than there is left
    /// to spend. They cost no more than a term and a byte of text each.
    #[inline(always)]
    pub(super) fn look_ahead(&mut self, spent: Size, further: usize) {
        let room = spent.room(&self.options.limits);
        self.is_tight = room.nodes.min(room.bytes) < further as u64;
    }
}

/// Fewer bytes at once are not worth to be read lightly. Chosen.
const WORTHWHILE_BYTES: usize = 1024;
