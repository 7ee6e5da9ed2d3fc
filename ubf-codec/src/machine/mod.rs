//! The recognition stack machine: one packet, operator by operator, resumable at every byte.
//!
//! The machine is given a *window*: the bytes of the present packet that have come so far, always from its first byte on. It
//! reads on from where it stopped and answers with an operator done, the end of the packet, or "incomplete", which is no error
//! (W12). Nothing here borrows from the window: texts are spans that are resolved when the packet is whole.
//!
//! ```text
//!   stack    { 'person' "Joe" [           sizes: one for each term with parts on the stack, in the same order
//!            ^ frame: where the open tuple begins, and what was left to spend before it
//! ```
//! What comes onto the stack is charged to a budget: a register read costs the whole stored term again, a store gives it back.
//! So the expanded size is known before anything is built (W10).
//!
//! `tokens.rs` reads what is written out (integers, texts, binaries), `operators.rs` works on what is there.

mod operators;
mod registers;
mod size;
mod tokens;

use alloc::vec::Vec;
use core::convert::Infallible;

use self::registers::Registers;
use self::size::Budget;
pub(crate) use self::size::Size;
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
    stack: Vec<Node>,
    sizes: Vec<Size>,
    frames: Vec<Frame>,
    registers: Registers,
    /// First place on the stack that belongs to the innermost open tuple. At most `stack.len()`.
    floor: usize,
    budget: Budget,
    /// Terms that stores took off the stack, and that register reads put onto it.
    stored_nodes: u64,
    read_nodes: u64,
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
    /// How many sizes there were when it was opened.
    sizes: usize,
    /// What was left when it was opened.
    budget: Budget,
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
            sizes: Vec::new(),
            frames: Vec::new(),
            registers: Registers::new(),
            floor: 0,
            budget: Budget::new(&config.limits),
            stored_nodes: 0,
            read_nodes: 0,
            position: 0,
            token: Token::None,
            failure: None,
        }
    }

    /// Makes ready for the next packet, whose window begins at `origin`, after a header of so many bytes.
    pub(crate) fn reset(&mut self, origin: u64, header_bytes: usize) {
        self.origin = origin;
        self.header_bytes = header_bytes;
        self.arena.clear();
        clear(&mut self.stack);
        clear(&mut self.sizes);
        clear(&mut self.frames);
        self.registers.clear();
        self.floor = 0;
        self.budget = Budget::new(&self.config.limits);
        self.stored_nodes = 0;
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
        let stopped = self.resume(seen).and_then(|end| self.operators::<false>(seen, end));
        Ok(self.is_done(stopped, seen)?.then_some(self.position))
    }

    /// Carries out the next operator; `None` if the window ends before it does.
    pub(crate) fn step(&mut self, window: &[u8]) -> Result<Option<Operator>, DecodeError> {
        let seen = self.allowed(window);
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
        let depth = self.top_size().depth;
        let spent = self.budget.spent_since(&Budget::new(&self.config.limits), depth);
        Summary {
            packet_bytes: (self.header_bytes + self.position) as u64,
            nodes: spent.nodes.wrapping_add(self.stored_nodes).wrapping_sub(self.read_nodes),
            expanded_nodes: spent.nodes,
            expanded_bytes: spent.bytes,
            depth,
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
                register => self.read(register, at)?,
            };
            if ONE {
                self.position = at;
                return Err(Stop::Done);
            }
        }
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

    /// The stack from the bottom up; `None` marks an open tuple.
    pub(crate) fn stack(&self) -> Vec<Option<Node>> {
        let mut items = Vec::with_capacity(self.stack.len() + self.frames.len());
        // A frame knows the floor outside of it.
        let floors = self.frames.iter().skip(1).map(|frame| frame.floor).chain([self.floor]);
        let mut floors = floors.take(self.frames.len()).peekable();
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
