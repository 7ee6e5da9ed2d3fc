//! The recognition stack machine: one packet, operator by operator, resumable at every byte.
//!
//! The machine is given a *window*: the bytes of the present packet that have come so far, always
//! from its first byte on. It reads on from where it stopped and answers with an operator done, the
//! end of the packet, or "incomplete", which is no error (W12). Nothing here borrows from the
//! window: texts are spans that are resolved when the packet is whole.
//!
//! ```text
//!   stack    { 'person' "Joe" [
//!              ^ floor
//! ```
//! The *marks* are one for each open tuple and each term with parts, in the same order: what was
//! spent before it began.
//!
//! What comes onto the stack is spent: a register read costs the whole stored term again, a store
//! gives it back. So the expanded size is known before anything is built (W10). Most packets need
//! not be counted, though:
//!
//! - How many terms there are follows from how many nodes there are. And since a term takes a byte
//!   of the packet at least, nothing can exceed the limits while the rest of the window fits into
//!   what they leave.
//! - The size of one term is of interest when it is stored, and not before.
//!
//! So a packet is read *lightly*, until it stores a register or comes near to a limit. Then it is
//! read again from its first byte, *counting* all. Each operator is one function for both, with
//! `COUNTS` to tell which; reading lightly takes half the instructions, also because operators that
//! mostly follow each other, as `}&` do, are carried out at once there.
//!
//! `reader.rs` is the loop, `cold.rs` holds what the loop seldom changes, `tokens.rs` reads what is
//! written out (integers, texts, binaries), `operators.rs` works on what is there.

mod cold;
mod operator;
mod operators;
mod reader;
mod registers;
mod size;
mod stack;
mod stop;
#[cfg(test)]
mod tests;
mod token;
mod tokens;

use alloc::vec::Vec;
use core::mem;

use self::cold::ColdState;
pub use self::operator::Operator;
use self::reader::Reader;
use self::size::Size;
use self::stack::{Place, Stack};
use self::stop::{Stepped, Stop};
use self::token::Token;
use crate::byte::Class;
use crate::error::DecodeError;
use crate::limits::{Limit, Limits};
use crate::node::{Arena, Node};
use crate::options::DecodeOptions;

/// Machine for one packet after the other.
#[derive(Clone, Debug)]
pub(crate) struct Machine<A> {
    arena: A,
    /// The recognition stack's memory; none yet, if what was on it had room in that of a function.
    slots: Vec<Node>,
    place: Place,
    /// How many more tuples, lists and tags may stand one in another here (L1).
    depth_left: u32,
    /// Bytes of text on the stack, expanded.
    text_bytes: u64,
    /// The packet's term, once it has ended.
    root: Node,
    cold: ColdState,
}

impl<A: Arena + Default> Machine<A> {
    #[inline]
    pub(crate) fn new(options: DecodeOptions, arena: A) -> Self {
        Self {
            arena,
            slots: Vec::new(),
            place: Place::default(),
            depth_left: options.limits.max_depth,
            text_bytes: 0,
            root: Node::UNDEFINED,
            cold: ColdState::new(options),
        }
    }

    /// Makes ready for the next packet, whose window begins at `origin`, after a header of so many
    /// bytes.
    pub(crate) fn reset(&mut self, origin: u64, header_bytes: usize) {
        self.cold.origin = origin;
        self.cold.header_bytes = header_bytes;
        if self.slots.len() > KEPT_ENTRIES {
            self.slots.truncate(KEPT_ENTRIES);
            self.slots.shrink_to_fit();
        }
        self.cold.marks.shrink_to(KEPT_ENTRIES);
        self.cold.is_counting = false;
        self.begin();
    }

    /// The packet's window begins after a header of so many bytes. Nothing of it was read yet.
    pub(crate) const fn skip_header(&mut self, header_bytes: usize) {
        self.cold.origin += header_bytes as u64;
        self.cold.header_bytes = header_bytes;
    }

    /// The packet's first byte comes next.
    fn begin(&mut self) {
        self.arena.clear();
        self.place = Place::default();
        self.depth_left = self.cold.options.limits.max_depth;
        self.text_bytes = 0;
        self.cold.begin();
    }

    /// Reads the packet again, counting. Happens once to a packet at most.
    #[cold]
    fn begin_counting(&mut self) {
        self.cold.is_counting = true;
        self.begin();
    }

    /// Other options, with which the present packet is read from its beginning.
    pub(crate) fn set_options(&mut self, options: DecodeOptions) {
        self.cold.options = options;
        self.reset(self.cold.origin, self.cold.header_bytes);
    }

    /// Other limits, under which the present packet is read from its beginning.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.cold.options.limits = limits;
        self.reset(self.cold.origin, self.cold.header_bytes);
    }

    /// Reads on to the end of the packet. Gives the length of the packet in the window, or `None`
    /// if it is not whole yet.
    pub(crate) fn run(&mut self, window: &[u8]) -> Result<Option<usize>, DecodeError> {
        let seen = self.allowed(window);
        if seen.len() < self.cold.position {
            // The caller hands fewer bytes than before: nothing can be read on, and what was read
            // stays read.
            return Ok(None);
        }
        let mut stop =
            if self.cold.is_counting { Stop::MustCount } else { self.read_lightly(seen) };
        if stop == Stop::MustCount {
            stop = self.read_counting(seen);
        }
        Ok(self.is_done(stop, seen)?.then_some(self.cold.position))
    }

    /// Carries out the next operator; `None` if the window ends before it does. For packets of
    /// which no part was [run](Self::run).
    pub(crate) fn step(&mut self, window: &[u8]) -> Result<Option<Operator>, DecodeError> {
        let seen = self.allowed(window);
        if !self.cold.is_counting {
            self.begin_counting();
        }
        let at = self.cold.position;
        let (operator, end) = match self.cold.token.operator() {
            Some(operator) => (operator, 0),
            None if at < seen.len() => (self.operator_at(seen), at + 1),
            None => {
                self.is_done(Stop::Incomplete, seen)?;
                return Ok(None);
            }
        };
        let stop = self.in_slots(seen.len(), |machine, slots| {
            match machine.read_counting_in(slots, seen, end) {
                Ok(end) => {
                    machine.cold.position = end;
                    Stop::Done
                }
                Err(stop) => stop,
            }
        });
        Ok(self.is_done(stop, seen)?.then_some(operator))
    }

    /// What the packet cost, once it has ended.
    pub(crate) fn summary(&self) -> Summary {
        let spent = self.spent();
        Summary {
            packet_bytes: (self.cold.header_bytes + self.cold.position) as u64,
            nodes: self.cold.written_nodes(self.place.len, &self.arena),
            expanded_nodes: spent.nodes,
            expanded_bytes: spent.bytes,
            depth: u32::try_from(self.top().depth()).unwrap_or(u32::MAX),
            registers: self.cold.registers.count(),
        }
    }

    /// Reads on until something stops the machine, which may be that the packet has to be counted.
    fn read_lightly(&mut self, window: &[u8]) -> Stop {
        if self.slots.is_empty() {
            // Most packets have few terms on the stack at a time, for which no memory has to be
            // taken.
            let mut slots = [Node::UNDEFINED; FIRST_SLOTS];
            let stop = self.in_these(&mut slots, window.len(), |machine, slots| {
                machine.read_lightly_in(slots, window)
            });
            if self.place.len > 0 && matches!(stop, Stop::Incomplete | Stop::StackFull) {
                // The terms on the stack are needed when the packet goes on.
                self.slots = slots.to_vec();
            }
            if stop != Stop::StackFull {
                return stop;
            }
        }
        self.in_slots(window.len(), |machine, slots| machine.read_lightly_in(slots, window))
    }

    /// Reads on until something stops the machine; from the packet's first byte, if it was read
    /// lightly so far.
    #[inline(never)]
    fn read_counting(&mut self, window: &[u8]) -> Stop {
        if !self.cold.is_counting {
            self.begin_counting();
        }
        self.in_slots(window.len(), |machine, slots| {
            match machine.read_counting_in(slots, window, window.len()) {
                Ok(end) => machine.cold.wait_at(end),
                Err(stop) => stop,
            }
        })
    }

    /// Reads in the stack's own memory, and lets it grow when it has to.
    #[inline(always)]
    fn in_slots(
        &mut self,
        window_len: usize,
        read: impl Fn(&mut Self, &mut [Node]) -> Stop,
    ) -> Stop {
        let mut slots = mem::take(&mut self.slots);
        loop {
            let stop = self.in_these(&mut slots, window_len, &read);
            if stop != Stop::StackFull {
                self.slots = slots;
                return stop;
            }
            slots.resize((slots.len() * 2).max(FIRST_SLOTS), Node::UNDEFINED);
        }
    }

    /// Reads in these slots, lets the arena grow when it has to, and keeps the packet's term.
    #[inline(always)]
    fn in_these(
        &mut self,
        slots: &mut [Node],
        window_len: usize,
        read: impl Fn(&mut Self, &mut [Node]) -> Stop,
    ) -> Stop {
        loop {
            match read(self, slots) {
                Stop::ArenaFull => self.grow_arena(window_len),
                stop @ (Stop::Done
                | Stop::Incomplete
                | Stop::Failed
                | Stop::MustCount
                | Stop::StackFull) => {
                    self.root = slots.first().copied().unwrap_or(Node::UNDEFINED);
                    return stop;
                }
            }
        }
    }

    /// Makes room for as many nodes as the rest of the window has if it is like what was read, so
    /// that large packets are not copied again and again; for half as many again at least, so
    /// that growing stays linear. A byte makes no more than a node.
    #[cold]
    #[inline(never)]
    fn grow_arena(&mut self, window_len: usize) {
        // More than any one operator needs.
        let needed = self.place.len - self.place.floor + 2;
        let (nodes, read) = (self.arena.len(), self.cold.position.max(1) as u64);
        let left = window_len.saturating_sub(self.cold.position) as u64;
        let likely = (nodes.saturating_mul(left) / read)
            .min(left)
            .min(self.cold.options.limits.max_expanded_nodes);
        let likely = likely + likely / 8;
        self.arena.reserve_exact(
            usize::try_from(likely.max(nodes / 2)).unwrap_or(usize::MAX).max(needed),
        );
    }

    /// Reads on in parts of the window that cannot exceed a limit; mostly the whole of it is one.
    #[inline(never)]
    fn read_lightly_in(&mut self, slots: &mut [Node], window: &[u8]) -> Stop {
        loop {
            let before = self.cold.position;
            let part = match self.cold.uncounted(self.spent(), window, self.unpaid()) {
                Ok(part) => part,
                Err(stop) => return stop,
            };
            let read = self.resume::<false>(slots, part).and_then(|at| {
                self.reading(slots, |reader| reader.operators::<false>(part, at, usize::MAX))
            });
            match read {
                Ok(end) => self.cold.position = end,
                Err(Stop::Incomplete) => {}
                Err(stop) => return stop,
            }
            if part.len() == window.len() {
                return Stop::Incomplete;
            }
            if self.cold.position == before {
                // An operator reaches further than there is certainty.
                return Stop::MustCount;
            }
        }
    }

    /// Carries out the operators that begin before `end`, and tells where the last of them ends.
    #[inline(never)]
    fn read_counting_in(&mut self, slots: &mut [Node], window: &[u8], end: usize) -> Stepped {
        let (spent, unpaid) = (self.spent(), self.unpaid());
        self.cold.look_ahead(spent, window.len().saturating_sub(unpaid));
        let at = self.resume::<true>(slots, window)?;
        self.reading(slots, |reader| reader.operators::<true>(window, at, end))
    }

    /// Goes on with the token that the last window cut, if one was.
    #[inline(always)]
    fn resume<const COUNTS: bool>(&mut self, slots: &mut [Node], window: &[u8]) -> Stepped {
        match self.cold.token {
            Token::None => Ok(self.cold.position),
            Token::Integer { .. } | Token::Text { .. } => {
                self.resume_token::<COUNTS>(slots, window)
            }
        }
    }

    #[inline(never)]
    fn resume_token<const COUNTS: bool>(&mut self, slots: &mut [Node], window: &[u8]) -> Stepped {
        let token = mem::replace(&mut self.cold.token, Token::None);
        let position = self.cold.position;
        let stepped = self.reading(slots, |reader| reader.resume::<COUNTS>(window, token));
        if matches!(stepped, Err(Stop::StackFull | Stop::ArenaFull)) {
            self.cold.token = token;
            self.cold.position = position;
        }
        stepped
    }

    /// Lends a reader the parts of the machine that it changes.
    #[inline(always)]
    fn reading<T>(&mut self, slots: &mut [Node], read: impl FnOnce(&mut Reader<'_, A>) -> T) -> T {
        let mut reader = Reader {
            stack: Stack::new(slots, self.place),
            arena: mem::take(&mut self.arena),
            depth_left: self.depth_left,
            text_bytes: self.text_bytes,
            cold: &mut self.cold,
        };
        let done = read(&mut reader);
        let Reader { stack, arena, depth_left, text_bytes, cold: _ } = reader;
        self.place = stack.place();
        self.arena = arena;
        self.depth_left = depth_left;
        self.text_bytes = text_bytes;
        done
    }

    /// What is on the stack, expanded.
    #[inline(always)]
    fn spent(&self) -> Size {
        self.cold.spent(self.place.len, &self.arena, self.text_bytes)
    }

    /// Where the bytes begin for which nothing has been spent yet.
    #[inline(always)]
    fn unpaid(&self) -> usize {
        self.cold.token.start().map_or(self.cold.position, |start| start.saturating_sub(1))
    }

    /// The operator that comes next. If the window ends before or inside it, the answer means
    /// nothing.
    fn operator_at(&self, window: &[u8]) -> Operator {
        let next = |ahead: usize| window.get(self.cold.position + ahead).copied().unwrap_or(b' ');
        match Class::of(next(0)) {
            Class::Space | Class::Comment => Operator::Blank,
            Class::Digit | Class::Minus => Operator::Integer,
            Class::String => Operator::String,
            Class::Atom => Operator::Atom,
            Class::Tag if self.cold.is_backtick_stored() => Operator::Read(b'`'),
            Class::Tag => Operator::Tag,
            Class::Open => Operator::OpenTuple,
            Class::Close => Operator::CloseTuple,
            Class::Nil => Operator::Nil,
            Class::Cons => Operator::Cons,
            Class::Binary => Operator::Binary,
            Class::Store => Operator::Store(next(1)),
            Class::End => Operator::End,
            Class::Question if self.cold.is_undefined() => Operator::Undefined,
            Class::Question | Class::Register => Operator::Read(next(0)),
        }
    }

    /// The part of the window that a packet may fill (L1).
    #[inline(always)]
    fn allowed<'w>(&self, window: &'w [u8]) -> &'w [u8] {
        window.get(..self.cold.max_window()).unwrap_or(window)
    }

    /// Whether the machine has stopped where it was to stop, and not because more bytes are needed.
    fn is_done(&mut self, stop: Stop, seen: &[u8]) -> Result<bool, DecodeError> {
        let max = self.cold.max_window();
        if stop == Stop::Incomplete && seen.len() >= max {
            // L1: there is no room for more.
            self.cold.limit(Limit::PacketBytes(self.cold.options.limits.max_packet_bytes), max);
        }
        self.cold.failure.map_or(Ok(stop == Stop::Done), Err)
    }
}

/// Slots that are there first: a quarter of a kilobyte, enough for most small packets.
const FIRST_SLOTS: usize = 16;

/// Entries of working memory that are kept from packet to packet. Chosen: few packets need more,
/// and a connection that once had a large packet should not hold its memory for ever.
const KEPT_ENTRIES: usize = 256;

/// What others see of the machine.
impl<A> Machine<A> {
    pub(crate) const fn options(&self) -> &DecodeOptions {
        &self.cold.options
    }

    /// For limits there is [`set_limits`](Machine::set_limits).
    pub(crate) const fn options_mut(&mut self) -> &mut DecodeOptions {
        &mut self.cold.options
    }

    pub(crate) const fn origin(&self) -> u64 {
        self.cold.origin
    }

    pub(crate) const fn position(&self) -> usize {
        self.cold.position
    }

    /// How many bytes must come behind a window of `len` bytes that was incomplete, at least.
    pub(crate) fn missing(&self, len: usize) -> usize {
        self.cold.awaited.saturating_sub(len).max(1)
    }

    pub(crate) const fn arena(&self) -> &A {
        &self.arena
    }

    pub(crate) const fn arena_mut(&mut self) -> &mut A {
        &mut self.arena
    }

    /// Whether nothing but white space and whole comments has been read since the last `$`.
    pub(crate) fn is_between_packets(&self) -> bool {
        self.place.len == 0
            && self.cold.registers.count() == 0
            && matches!(self.cold.token, Token::None)
    }

    /// The term on top of the stack: the packet's term, once it has ended.
    pub(crate) fn top(&self) -> Node {
        self.root
    }

    /// The registers that are set, lowest byte first.
    pub(crate) fn registers(&self) -> impl Iterator<Item = (u8, Node)> {
        self.cold.registers.iter()
    }

    /// The stack from the bottom up; `None` is an open tuple.
    pub(crate) fn stack(&self) -> impl Iterator<Item = Option<Node>> {
        self.slots
            .iter()
            .take(self.place.len)
            .map(|&node| if node.is_open_tuple() { None } else { Some(node) })
    }
}

/// What a packet holds and costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Bytes from after the previous `$` up to and with its `$`.
    pub packet_bytes: u64,
    /// Terms that the packet writes out.
    pub nodes: u64,
    /// Terms when each register read is written out.
    pub expanded_nodes: u64,
    /// Bytes of text, likewise.
    pub expanded_bytes: u64,
    /// Tuples, lists and tags one in another.
    pub depth: u32,
    /// Different registers that were stored.
    pub registers: u32,
}
