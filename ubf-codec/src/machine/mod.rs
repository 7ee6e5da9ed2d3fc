//! The recognition stack machine: one packet, operator by operator, resumable at every byte.
//!
//! The machine is given a *window*: the bytes of the present packet that have come so far, always from its first byte on. It
//! reads on from where it stopped and answers with an operator done, the end of the packet, or "incomplete", which is no error
//! (W12). Nothing here borrows from the window: texts are spans that are resolved when the packet is whole.
//!
//! ```text
//!   stack    { 'person' "Joe" [          marks: one for each open tuple and each term with parts, in the same order:
//!              ^ floor                          what was spent before it began
//! ```
//! What comes onto the stack is spent: a register read costs the whole stored term again, a store gives it back. So the expanded
//! size is known before anything is built (W10). Most packets need not be counted, though:
//!
//! - How many terms there are follows from how many nodes there are. And since a term takes a byte of the packet at least, nothing
//!   can exceed the limits while the rest of the window fits into what they leave.
//! - The size of one term is of interest when it is stored, and not before.
//!
//! So a packet is read *lightly*, until it stores a register or comes near to a limit. Then it is read again from its first byte,
//! *counting* all. Each operator is one function for both, with `COUNTS` to tell which; reading lightly takes half the instructions.
//!
//! `tokens.rs` reads what is written out (integers, texts, binaries), `operators.rs` works on what is there.

mod operators;
mod registers;
mod size;
mod stack;
mod tokens;

use alloc::vec::Vec;
use core::convert::Infallible;

use self::registers::Registers;
use self::size::Size;
use self::stack::Stack;
use self::tokens::{Text, Token};
use crate::byte::Class;
use crate::dialect::Dialect;
use crate::error::{DecodeError, ErrorKind};
use crate::lexer;
use crate::limits::{Limit, Limits};
use crate::node::{Arena, Node};

/// How packets are to be read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Config {
    pub(crate) dialect: Dialect,
    pub(crate) any_escape: bool,
    pub(crate) limits: Limits,
}

/// The operators of UBF(A) (W1–W9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Digits: push an integer.
    Integer,
    /// `"…"`: push a string.
    String,
    /// `'…'`: push an atom.
    Atom,
    /// `~…~`: pop the length, push a binary.
    Binary,
    /// `?`: push the undefined value.
    Undefined,
    /// `{`: open a tuple.
    OpenTuple,
    /// `}`: pop what was pushed since its `{`, push a tuple of it.
    CloseTuple,
    /// `#`: push the empty list.
    Nil,
    /// `&`: pop a term, put it in front of the list below.
    Cons,
    /// `` `…` ``: put a semantic tag on the term on top.
    Tag,
    /// `>R`: pop a term into a register.
    Store(u8),
    /// `R`: push what the register holds.
    Read(u8),
    /// White space or a comment: nothing.
    Blank,
    /// `$`: the packet is complete.
    End,
}

/// Machine for one packet after the other.
#[derive(Clone, Debug)]
pub(crate) struct Machine<A> {
    config: Config,
    /// Offset of the window's first byte from the start of the stream.
    origin: u64,
    /// Bytes of the packet before the window: its header.
    header_bytes: usize,
    arena: A,
    stack: Stack,
    /// How many tuples are open.
    open: u32,
    /// Bytes of text on the stack, expanded.
    text_bytes: u64,
    /// How many more terms were written than there are nodes and open tuples. May be negative.
    unseen_nodes: i64,
    /// Whether the packet is read counting, and not lightly. The three that follow are of use only then.
    is_counting: bool,
    /// For each open tuple and each term with parts on the stack, in the same order, what was spent before it.
    marks: Vec<Size>,
    /// Terms that register reads put onto the stack, less those that stores took off it.
    read_nodes: u64,
    /// What is left of the window may exceed what the limits leave.
    is_tight: bool,
    registers: Registers,
    /// Everything in the window before this has been read.
    position: usize,
    token: Token,
    failure: Option<DecodeError>,
}

/// The place in the window where an operator ends that was carried out, or why the machine stops there.
type Stepped = Result<usize, Stop>;

/// Why the machine does not go on. Small, so that it costs nothing while it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The packet has ended, or the one operator was carried out, at `position`.
    Done,
    /// The window ends before the operator does; `position` is where to go on.
    Incomplete,
    /// `failure` says what is wrong.
    Failed,
    /// The packet cannot be read lightly.
    MustCount,
}

impl<A: Arena> Machine<A> {
    pub(crate) fn new(config: Config, arena: A) -> Self {
        Self {
            config,
            origin: 0,
            header_bytes: 0,
            arena,
            stack: Stack::default(),
            open: 0,
            text_bytes: 0,
            unseen_nodes: 0,
            is_counting: false,
            marks: Vec::new(),
            read_nodes: 0,
            is_tight: false,
            registers: Registers::new(),
            position: 0,
            token: Token::None,
            failure: None,
        }
    }

    /// Takes the memory at once that a packet of so many bytes needs as a rule, if it is small; else a part of it, no more than the packet
    /// itself takes. Without growing it step by step, a packet of 70 bytes is read in 2,800 instructions and not in 4,000.
    pub(crate) fn reserve_for(&mut self, packet_bytes: usize) {
        let few = (packet_bytes / BYTES_PER_NODE).min(64);
        self.arena.reserve(few.max(packet_bytes / size_of::<Node>()));
        self.stack.reserve(few);
    }

    /// Makes ready for the next packet, whose window begins at `origin`, after a header of so many bytes.
    pub(crate) fn reset(&mut self, origin: u64, header_bytes: usize) {
        self.origin = origin;
        self.header_bytes = header_bytes;
        self.stack.shrink();
        self.marks.shrink_to(KEPT_ENTRIES);
        self.is_counting = false;
        self.begin();
    }

    /// The packet's first byte comes next.
    fn begin(&mut self) {
        self.arena.clear();
        self.stack.clear();
        self.open = 0;
        self.text_bytes = 0;
        self.unseen_nodes = 0;
        self.marks.clear();
        self.read_nodes = 0;
        self.registers.clear();
        self.position = 0;
        self.token = Token::None;
        self.failure = None;
    }

    /// Reads the packet again, counting. Happens once to a packet at most.
    #[cold]
    fn begin_counting(&mut self) {
        self.is_counting = true;
        self.begin();
    }

    /// Other limits, under which the present packet is read from its beginning.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.config.limits = limits;
        self.reset(self.origin, self.header_bytes);
    }

    /// Reads on to the end of the packet. Gives the length of the packet in the window, or `None` if it is not whole yet.
    pub(crate) fn run(&mut self, window: &[u8]) -> Result<Option<usize>, DecodeError> {
        let seen = self.allowed(window);
        if seen.len() < self.position {
            // Whoever hands less than before brings nothing. What was read stays read.
            return Ok(None);
        }
        let mut stop = if self.is_counting { Stop::MustCount } else { self.read_lightly(seen) };
        if stop == Stop::MustCount {
            stop = self.read_counting(seen);
        }
        Ok(self.is_done(stop, seen)?.then_some(self.position))
    }

    /// Carries out the next operator; `None` if the window ends before it does. For packets of which no part was [run](Self::run).
    pub(crate) fn step(&mut self, window: &[u8]) -> Result<Option<Operator>, DecodeError> {
        let seen = self.allowed(window);
        if !self.is_counting {
            self.begin_counting();
        }
        self.look_ahead(seen.len().saturating_sub(self.unpaid()));
        let at = self.position;
        let (operator, stepped) = match self.token.operator() {
            Some(operator) => (operator, self.resume::<true>(seen)),
            None if at < seen.len() => (self.operator_at(seen), self.operators::<true>(seen, at, at + 1)),
            None => (Operator::Blank, Err(Stop::Incomplete)),
        };
        let stop = match stepped {
            Ok(end) => {
                self.position = end;
                Stop::Done
            }
            Err(stop) => stop,
        };
        Ok(self.is_done(stop, seen)?.then_some(operator))
    }

    /// What the packet cost, once it has ended.
    pub(crate) fn summary(&self) -> Summary {
        let spent = self.spent();
        Summary {
            packet_bytes: (self.header_bytes + self.position) as u64,
            nodes: self.written_nodes(),
            expanded_nodes: spent.nodes,
            expanded_bytes: spent.bytes,
            depth: u32::try_from(self.top().depth()).unwrap_or(u32::MAX),
            registers: self.registers.count(),
        }
    }

    /// Reads on until something stops the machine, which may be that the packet has to be counted.
    fn read_lightly(&mut self, window: &[u8]) -> Stop {
        let read = |machine: &mut Self| -> Result<Infallible, Stop> {
            let mut end = machine.uncounted(window, machine.unpaid())?;
            let mut at = machine.resume::<false>(window)?;
            loop {
                at = machine.operators::<false>(window, at, end)?;
                if at >= window.len() {
                    return Err(machine.wait_at(at));
                }
                end = machine.uncounted(window, at)?;
            }
        };
        let Err(stop) = read(self);
        stop
    }

    /// Reads on until something stops the machine; from the packet's first byte, if it was read lightly so far.
    #[inline(never)]
    fn read_counting(&mut self, window: &[u8]) -> Stop {
        if !self.is_counting {
            self.begin_counting();
        }
        self.look_ahead(window.len().saturating_sub(self.unpaid()));
        let read = self.resume::<true>(window).and_then(|at| self.operators::<true>(window, at, window.len()));
        match read {
            Ok(end) => self.wait_at(end),
            Err(stop) => stop,
        }
    }

    /// Carries out the operators that begin from `at` on and before `end`, and tells where the last of them ends.
    #[inline(always)]
    fn operators<const COUNTS: bool>(&mut self, window: &[u8], mut at: usize, end: usize) -> Stepped {
        let firsts = window.get(..end).unwrap_or(window);
        while let Some(&first) = firsts.get(at) {
            at = match Class::of(first) {
                Class::Space => at + 1,
                Class::Digit => self.integer::<COUNTS>(window, at, false)?,
                Class::Minus => self.negative_integer::<COUNTS>(window, at)?,
                Class::String => self.text::<COUNTS>(window, Text::String, at)?,
                Class::Atom => self.text::<COUNTS>(window, Text::Atom, at)?,
                Class::Tag => self.tag::<COUNTS>(window, at)?,
                Class::Comment => self.text::<COUNTS>(window, Text::Comment, at)?,
                Class::Binary => self.binary(window, at)?,
                Class::Open => self.open_tuple::<COUNTS>(at)?,
                Class::Close => self.close_tuple::<COUNTS>(at)?,
                Class::Nil => self.nil::<COUNTS>(at)?,
                Class::Cons => self.cons::<COUNTS>(at)?,
                Class::Store => self.store::<COUNTS>(window, at)?,
                Class::End => return Err(self.end(at)),
                Class::Question | Class::Register => self.read::<COUNTS>(window, first, at)?,
            };
        }
        Ok(at)
    }

    /// How far operators that begin from `at` on may be carried out lightly: they cannot exceed a limit.
    fn uncounted(&self, window: &[u8], at: usize) -> Stepped {
        let limits = &self.config.limits;
        let room = self.spent().room(limits);
        let further = window.len() - at;
        // They cost no more than a term and a byte of text for each byte.
        if room.bytes < further as u64 || limits.max_integer_digits < lexer::MAX_SHORT_DIGITS {
            return Err(Stop::MustCount);
        }
        match usize::try_from(room.nodes) {
            Ok(nodes) if nodes < further => {
                if nodes < WORTHWHILE_BYTES {
                    Err(Stop::MustCount)
                } else {
                    Ok(at + nodes)
                }
            }
            Ok(_) | Err(_) => Ok(window.len()),
        }
    }

    /// Where the bytes begin for which nothing has been spent yet.
    #[inline(always)]
    fn unpaid(&self) -> usize {
        self.token.start().map_or(self.position, |start| start.saturating_sub(1))
    }

    /// Which operator comes next. Where nothing comes, or not all of it, the answer means nothing.
    fn operator_at(&self, window: &[u8]) -> Operator {
        let next = |ahead: usize| window.get(self.position + ahead).copied().unwrap_or(b' ');
        match Class::of(next(0)) {
            Class::Space | Class::Comment => Operator::Blank,
            Class::Digit | Class::Minus => Operator::Integer,
            Class::String => Operator::String,
            Class::Atom => Operator::Atom,
            Class::Tag => Operator::Tag,
            Class::Open => Operator::OpenTuple,
            Class::Close => Operator::CloseTuple,
            Class::Nil => Operator::Nil,
            Class::Cons => Operator::Cons,
            Class::Binary => Operator::Binary,
            Class::Store => Operator::Store(next(1)),
            Class::End => Operator::End,
            Class::Question if self.is_undefined() => Operator::Undefined,
            Class::Question | Class::Register => Operator::Read(next(0)),
        }
    }

    /// The part of the window that a packet may fill (L1).
    #[inline(always)]
    fn allowed<'w>(&self, window: &'w [u8]) -> &'w [u8] {
        window.get(..self.max_window()).unwrap_or(window)
    }

    /// How long the window may become (L1).
    #[inline(always)]
    fn max_window(&self) -> usize {
        (self.config.limits.max_packet_bytes as usize).saturating_sub(self.header_bytes)
    }

    /// Whether the machine has stopped where it was to stop, and not because more bytes are needed.
    fn is_done(&mut self, stop: Stop, seen: &[u8]) -> Result<bool, DecodeError> {
        let max = self.max_window();
        if stop == Stop::Incomplete && seen.len() >= max {
            // L1: there is no room for more.
            self.limit(Limit::PacketBytes(self.config.limits.max_packet_bytes), max);
        }
        self.failure.map_or(Ok(stop == Stop::Done), Err)
    }

    /// The operator at `at` has to be looked at again when there is more.
    #[inline(always)]
    fn wait_at(&mut self, at: usize) -> Stop {
        self.position = at;
        Stop::Incomplete
    }

    #[cold]
    #[inline(never)]
    fn error(&mut self, kind: ErrorKind, at: usize) -> Stop {
        self.failure = Some(DecodeError::new(kind, self.origin + at as u64));
        Stop::Failed
    }

    #[cold]
    fn limit(&mut self, limit: Limit, at: usize) -> Stop {
        self.error(ErrorKind::Limit(limit), at)
    }
}

/// What a term takes on the wire, at least as a rule.
const BYTES_PER_NODE: usize = 4;

/// Entries of working memory that are kept from packet to packet. Chosen: few packets need more, and a connection that once had a
/// large packet should not hold its memory for ever.
const KEPT_ENTRIES: usize = 256;

/// Fewer bytes at once are not worth to be read lightly. Chosen.
const WORTHWHILE_BYTES: usize = 1024;

/// What others see of the machine.
impl<A> Machine<A> {
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// For limits there is [`set_limits`](Machine::set_limits).
    pub(crate) const fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    pub(crate) const fn origin(&self) -> u64 {
        self.origin
    }

    pub(crate) const fn position(&self) -> usize {
        self.position
    }

    pub(crate) const fn arena(&self) -> &A {
        &self.arena
    }

    pub(crate) const fn arena_mut(&mut self) -> &mut A {
        &mut self.arena
    }

    /// Whether nothing but white space and whole comments has been read since the last `$`.
    pub(crate) fn is_between_packets(&self) -> bool {
        self.stack.len() == 0 && self.registers.count() == 0 && matches!(self.token, Token::None)
    }

    /// The term on top of the stack: the packet's term, once it has ended.
    pub(crate) fn top(&self) -> Node {
        self.stack.top().unwrap_or(Node::UNDEFINED)
    }

    /// The registers that are set, lowest byte first.
    pub(crate) fn registers(&self) -> impl Iterator<Item = (u8, Node)> {
        self.registers.iter()
    }

    /// The stack from the bottom up; `None` is an open tuple.
    pub(crate) fn stack(&self) -> impl Iterator<Item = Option<Node>> {
        self.stack.iter().map(|node| if node.is_open_tuple() { None } else { Some(node) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, StreamDecoder, Tracer};

    /// Where a limit is exceeded, if one is: counting from the beginning, as the tracer does.
    fn counted(packet: &[u8], limits: Limits) -> Option<DecodeError> {
        let mut tracer = Tracer::new(packet, Dialect::Extended, limits);
        loop {
            match tracer.step() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    }

    #[test]
    fn what_is_read_lightly_keeps_every_limit() {
        // Terms of a byte each, texts, and a register at the end: 4,000 bytes, of which parts are read lightly.
        let mut packet = b"{".to_vec();
        packet.extend_from_slice(&b"?{}\"ab\"#'c'&".repeat(300));
        packet.extend_from_slice(b"{1{}}>r r r}$");
        for max in
            [1, 2, 1000, 1023, 1024, 1025, 1400, 1490, 1495, 1500, 1501, 1502, 1503, 1504, 1505, 1506, 1507, 1510]
        {
            let nodes = Limits::default().with_max_expanded_nodes(max);
            let bytes = Limits::default().with_max_expanded_bytes(max);
            for limits in [nodes, bytes] {
                let expected = counted(&packet, limits);
                for piece in [1, 7, 1000, packet.len()] {
                    let mut decoder = StreamDecoder::new().with_limits(limits);
                    let ends = (0..packet.len()).step_by(piece).map(|start| (start + piece).min(packet.len()));
                    let found = ends.map(|end| decoder.decode_slice(&packet[..end])).find_map(Result::err);
                    assert_eq!(found, expected, "{max} in pieces of {piece}");
                }
            }
        }
        let all = Limits::default().with_max_expanded_nodes(1507);
        assert_eq!(
            (counted(&packet, all), counted(&packet, all.with_max_expanded_nodes(1506)).is_some()),
            (None, true)
        );
    }
}
