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
//! size is known before anything is built (W10). What the packet writes out need not be counted one by one:
//!
//! - How many terms there are follows from how many nodes there are. And since a term takes a byte of the packet at least, limits are
//!   not checked while the rest of the window fits into what they leave. That saves one instruction in eight.
//! - The size of one term is of interest when it is stored, and not before: marks are kept from the first store on. That saves a
//!   quarter of the memory that small tuples take.
//!
//! `tokens.rs` reads what is written out (integers, texts, binaries), `operators.rs` works on what is there.

mod operators;
mod registers;
mod size;
mod tokens;

use alloc::vec::Vec;
use core::convert::Infallible;

use self::registers::Registers;
use self::size::Size;
use self::tokens::Token;
use crate::dialect::Dialect;
use crate::error::{DecodeError, ErrorKind};
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
    /// Each node's link is the depth of its term: see [`Node::with_depth`].
    stack: Vec<Node>,
    /// The open tuples, innermost last.
    frames: Vec<Frame>,
    /// If `keeps_marks`: for each open tuple and each term with parts on the stack, in the same order, what was spent before it.
    marks: Vec<Size>,
    keeps_marks: bool,
    registers: Registers,
    /// First place on the stack that belongs to the innermost open tuple. At most `stack.len()`.
    floor: usize,
    /// Bytes of text on the stack, expanded.
    text_bytes: u64,
    /// How many more terms were written than there are nodes and open tuples. May be negative.
    unseen_nodes: i64,
    /// Terms that register reads put onto the stack, less those that stores took off it.
    read_nodes: u64,
    /// What is left of the window may exceed what the limits leave.
    is_tight: bool,
    /// Everything in the window before this has been read.
    position: usize,
    token: Token,
    failure: Option<DecodeError>,
}

/// An open tuple.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The `floor` outside of it.
    floor: usize,
    /// The place of its mark.
    mark: usize,
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
}

impl<A: Arena> Machine<A> {
    pub(crate) fn new(config: Config, arena: A) -> Self {
        Self {
            config,
            origin: 0,
            header_bytes: 0,
            arena,
            stack: Vec::new(),
            frames: Vec::new(),
            marks: Vec::new(),
            keeps_marks: !A::KEEPS_NODES,
            registers: Registers::new(),
            floor: 0,
            text_bytes: 0,
            unseen_nodes: 0,
            read_nodes: 0,
            is_tight: false,
            position: 0,
            token: Token::None,
            failure: None,
        }
    }

    /// Takes the memory at once that a packet of so many bytes needs as a rule, if it is small. Without growing it step by step, a
    /// packet of 70 bytes is read in 2,800 instructions and not in 4,000.
    pub(crate) fn reserve_for(&mut self, packet_bytes: usize) {
        let nodes = (packet_bytes / BYTES_PER_NODE).min(64);
        self.arena.reserve(nodes);
        self.stack.reserve(nodes);
        self.frames.reserve(nodes / 4);
    }

    /// Makes ready for the next packet, whose window begins at `origin`, after a header of so many bytes.
    pub(crate) fn reset(&mut self, origin: u64, header_bytes: usize) {
        self.origin = origin;
        self.header_bytes = header_bytes;
        self.arena.clear();
        clear(&mut self.stack);
        clear(&mut self.frames);
        clear(&mut self.marks);
        self.keeps_marks = !A::KEEPS_NODES;
        self.registers.clear();
        self.floor = 0;
        self.text_bytes = 0;
        self.unseen_nodes = 0;
        self.read_nodes = 0;
        self.position = 0;
        self.token = Token::None;
        self.failure = None;
    }

    /// Other limits, under which the present packet is read from its beginning.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.config.limits = limits;
        self.reset(self.origin, self.header_bytes);
    }

    /// Reads on to the end of the packet. Gives the length of the packet in the window, or `None` if it is not whole yet.
    pub(crate) fn run(&mut self, window: &[u8]) -> Result<Option<usize>, DecodeError> {
        let seen = self.allowed(window);
        self.look_ahead(seen.len().saturating_sub(self.unpaid()));
        let stopped = self.resume(seen).and_then(|end| self.operators::<false>(seen, end));
        Ok(self.is_done(stopped, seen)?.then_some(self.position))
    }

    /// Carries out the next operator; `None` if the window ends before it does.
    pub(crate) fn step(&mut self, window: &[u8]) -> Result<Option<Operator>, DecodeError> {
        let seen = self.allowed(window);
        self.look_ahead(seen.len().saturating_sub(self.unpaid()));
        let (operator, stopped) = match self.token.operator() {
            Some(operator) => {
                let resumed = self.resume(seen).map(|end| self.position = end);
                (operator, resumed.and(Err(Stop::Done)))
            }
            None => (self.operator_at(seen), self.operators::<true>(seen, self.position)),
        };
        Ok(self.is_done(stopped, seen)?.then_some(operator))
    }

    /// What the packet cost, once it has ended.
    pub(crate) fn summary(&self) -> Summary {
        let spent = self.spent();
        Summary {
            packet_bytes: (self.header_bytes + self.position) as u64,
            nodes: self.written_nodes(),
            expanded_nodes: spent.nodes,
            expanded_bytes: spent.bytes,
            depth: self.top().depth(),
            registers: self.registers.count(),
        }
    }

    /// Carries out operators from `at` on until something stops the machine, or `ONE` of them.
    ///
    /// Where the machine is stays in a register of the processor in between.
    #[inline(always)]
    fn operators<const ONE: bool>(&mut self, window: &[u8], mut at: usize) -> Result<Infallible, Stop> {
        loop {
            let Some(&first) = window.get(at) else { return Err(self.wait_at(at)) };
            at = match first {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => at + 1,
                b'0'..=b'9' => self.digits(window, at)?,
                b'-' => self.integer(window, at, at)?,
                b'"' => self.string(window, at)?,
                b'\'' => self.atom(window, at)?,
                b'%' => self.comment(window, at)?,
                b'`' => self.tag(window, at)?,
                b'{' => self.open_tuple(at)?,
                b'}' => self.close_tuple(at)?,
                b'#' => self.nil(at)?,
                b'&' => self.cons(at)?,
                b'~' => self.binary(window, at)?,
                b'>' => self.store(window, at)?,
                b'$' => return Err(self.end(at)),
                register => self.read(window, register, at)?,
            };
            if ONE {
                self.position = at;
                return Err(Stop::Done);
            }
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
        match next(0) {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b'%' => Operator::Blank,
            b'0'..=b'9' | b'-' => Operator::Integer,
            b'"' => Operator::String,
            b'\'' => Operator::Atom,
            b'`' => Operator::Tag,
            b'{' => Operator::OpenTuple,
            b'}' => Operator::CloseTuple,
            b'#' => Operator::Nil,
            b'&' => Operator::Cons,
            b'~' => Operator::Binary,
            b'>' => Operator::Store(next(1)),
            b'$' => Operator::End,
            b'?' if self.is_undefined() => Operator::Undefined,
            register => Operator::Read(register),
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
    fn is_done(&mut self, stopped: Result<Infallible, Stop>, seen: &[u8]) -> Result<bool, DecodeError> {
        let Err(stop) = stopped;
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

fn clear<T>(memory: &mut Vec<T>) {
    memory.clear();
    memory.shrink_to(KEPT_ENTRIES);
}

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
        self.stack.is_empty()
            && self.frames.is_empty()
            && self.registers.count() == 0
            && matches!(self.token, Token::None)
    }

    /// The term on top of the stack: the packet's term, once it has ended.
    pub(crate) fn top(&self) -> Node {
        self.stack.last().copied().unwrap_or(Node::UNDEFINED)
    }

    /// The registers that are set, lowest byte first.
    pub(crate) fn registers(&self) -> impl Iterator<Item = (u8, Node)> {
        self.registers.iter()
    }

    /// Where the open tuples begin on the stack, outermost first.
    fn floors(&self) -> impl Iterator<Item = usize> {
        // A frame knows the floor outside of it.
        let floors = self.frames.iter().skip(1).map(|frame| frame.floor).chain([self.floor]);
        floors.take(self.frames.len())
    }

    /// The stack from the bottom up; `None` marks an open tuple.
    pub(crate) fn stack(&self) -> Vec<Option<Node>> {
        let mut floors = self.floors().peekable();
        let mut items = Vec::with_capacity(self.stack.len() + self.frames.len());
        for (place, &node) in self.stack.iter().enumerate() {
            while floors.next_if(|&floor| floor <= place).is_some() {
                items.push(None);
            }
            items.push(Some(node));
        }
        items.extend(floors.map(|_| None));
        items
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
