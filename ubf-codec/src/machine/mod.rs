//! The recognition stack machine: one packet, operator by operator, resumable at every byte.
//!
//! The machine is given a *window*: the bytes of the present packet that have come so far, always from its first byte on. It
//! reads on from where it stopped and answers with an operator done, the end of the packet, or "incomplete", which is no error
//! (W12). Nothing here borrows from the window: texts are spans that are resolved when the packet is whole.
//!
//! ```text
//!   stack    { 'person' "Joe" [           sizes: one for each compound term on the stack, in the same order
//!            ^ frame: where the open tuple begins, and what had been counted before it
//! ```
//! What stands on the stack is counted as it grows: a register read adds the whole stored term, a store takes it away. So the
//! sum is always the expanded size, and is known before anything is built (W10).

mod registers;
mod size;

use alloc::vec::Vec;

use nom::Parser as _;

use self::registers::{Registers, Stored};
pub(crate) use self::size::Size;
use crate::byte;
use crate::dialect::Dialect;
use crate::error::{DecodeError, ErrorKind};
use crate::lexer;
use crate::limits::{Limit, Limits};
use crate::node::{Arena, Node, NodeKind, Span};

/// How packets are to be read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Config {
    pub(crate) dialect: Dialect,
    pub(crate) any_escape: bool,
    pub(crate) limits: Limits,
}

/// What one step of the machine did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The window ends before the operator does.
    Incomplete,
    /// An operator was carried out.
    Done(Operator),
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
    pub(crate) config: Config,
    /// Offset of the window's first byte from the start of the stream.
    pub(crate) origin: u64,
    /// Bytes of the packet before the window: its header.
    pub(crate) header_bytes: usize,
    arena: A,
    stack: Vec<Node>,
    sizes: Vec<Size>,
    frames: Vec<Frame>,
    registers: Registers,
    /// First place on the stack that belongs to the innermost open tuple. At most `stack.len()`.
    floor: usize,
    /// Expanded nodes and bytes on the stack, open tuples included.
    nodes: u64,
    bytes: u64,
    /// Terms written out in the packet; register reads are not counted.
    written: u64,
    /// Everything in the window before this has been read.
    position: usize,
    token: Token,
}

/// An open tuple.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The `floor` outside of it.
    floor: usize,
    /// How many sizes there were when it was opened.
    sizes: usize,
    /// What had been counted when it was opened.
    nodes: u64,
    bytes: u64,
}

/// A token whose beginning has been read and whose end has not come.
#[derive(Clone, Copy, Debug)]
enum Token {
    None,
    Integer { start: usize },
    Text { text: Text, start: usize, escaped: bool },
}

/// What stands between equal quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    String,
    Atom,
    Tag,
    Comment,
}

impl Text {
    const fn quote(self) -> u8 {
        match self {
            Self::String => b'"',
            Self::Atom => b'\'',
            Self::Tag => b'`',
            Self::Comment => b'%',
        }
    }
}

type Stepped = Result<Progress, DecodeError>;

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
            nodes: 0,
            bytes: 0,
            written: 0,
            position: 0,
            token: Token::None,
        }
    }

    /// Makes ready for the next packet, whose window begins at `origin`.
    pub(crate) fn reset(&mut self, origin: u64) {
        self.origin = origin;
        self.header_bytes = 0;
        self.arena.clear();
        self.stack.clear();
        self.sizes.clear();
        self.frames.clear();
        self.registers.clear();
        self.floor = 0;
        self.nodes = 0;
        self.bytes = 0;
        self.written = 0;
        self.position = 0;
        self.token = Token::None;
    }

    pub(crate) const fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn arena_mut(&mut self) -> &mut A {
        &mut self.arena
    }

    pub(crate) const fn arena(&self) -> &A {
        &self.arena
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

    pub(crate) fn registers(&self) -> impl Iterator<Item = (u8, Node)> {
        self.registers.iter()
    }

    /// The stack from the bottom up; `None` marks an open tuple.
    pub(crate) fn stack(&self) -> Vec<Option<Node>> {
        let mut items = Vec::with_capacity(self.stack.len() + self.frames.len());
        let mut floors: Vec<usize> = self.frames.iter().skip(1).map(|frame| frame.floor).collect();
        if !self.frames.is_empty() {
            floors.push(self.floor);
        }
        let mut floors = floors.into_iter().peekable();
        for (place, &node) in self.stack.iter().enumerate() {
            while floors.next_if(|&floor| floor <= place).is_some() {
                items.push(None);
            }
            items.push(Some(node));
        }
        items.extend(floors.map(|_| None));
        items
    }

    /// What the packet cost, once it has ended.
    pub(crate) fn summary(&self) -> Summary {
        let depth = self.sizes.last().map_or(0, |size| size.depth);
        Summary {
            packet_bytes: (self.header_bytes + self.position) as u64,
            nodes: self.written,
            expanded_nodes: self.nodes,
            expanded_bytes: self.bytes,
            depth,
            registers: self.registers.count(),
        }
    }

    /// Reads on to the end of the packet. Gives the length of the packet in the window, or `None` if it is not whole yet.
    pub(crate) fn run(&mut self, window: &[u8]) -> Result<Option<usize>, DecodeError> {
        loop {
            match self.step(window)? {
                Progress::Incomplete => return Ok(None),
                Progress::Done(Operator::End) => return Ok(Some(self.position)),
                Progress::Done(_) => {}
            }
        }
    }

    /// Carries out the next operator.
    #[inline(always)]
    pub(crate) fn step(&mut self, window: &[u8]) -> Stepped {
        let allowed = self.window_limit();
        let seen = window.get(..allowed).unwrap_or(window);
        let stepped = self.step_within(seen)?;
        if stepped == Progress::Incomplete && seen.len() >= allowed {
            let limit = Limit::PacketBytes(self.config.limits.max_packet_bytes);
            return Err(self.error(ErrorKind::Limit(limit), allowed));
        }
        Ok(stepped)
    }

    #[inline(always)]
    fn step_within(&mut self, window: &[u8]) -> Stepped {
        match self.token {
            Token::None => {}
            Token::Integer { start } => return self.integer(window, start),
            Token::Text { text, start, escaped } => return self.text(window, text, start, escaped),
        }
        let at = self.position;
        let Some(&first) = window.get(at) else { return Ok(Progress::Incomplete) };
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                self.position = at + 1;
                Ok(Progress::Done(Operator::Blank))
            }
            b'0'..=b'9' | b'-' => self.integer(window, at),
            b'"' => self.text_from(window, Text::String),
            b'\'' => self.text_from(window, Text::Atom),
            b'%' => self.text_from(window, Text::Comment),
            b'`' => self.tag(window),
            b'{' => self.open_tuple(),
            b'}' => self.close_tuple(),
            b'#' => self.nil(),
            b'&' => self.cons(),
            b'~' => self.binary(window),
            b'>' => self.store(window),
            b'$' => self.end(),
            register => self.read(register),
        }
    }

    /// W2: `-?[0-9]+`.
    #[inline(always)]
    fn integer(&mut self, window: &[u8], start: usize) -> Stepped {
        let negative = window.get(start) == Some(&b'-');
        let digits_start = start + usize::from(negative);
        let from = self.position.max(digits_start);
        let unread = window.get(from..).unwrap_or_default();
        let Ok((rest, _)) = lexer::digits.parse(unread) else { return Ok(Progress::Incomplete) };
        let end = window.len() - rest.len();

        let max = self.config.limits.max_integer_digits;
        if end.saturating_sub(digits_start) > max as usize {
            return Err(self.error(ErrorKind::Limit(Limit::IntegerDigits(max)), digits_start + max as usize));
        }
        let Some(&found) = rest.first() else {
            self.token = Token::Integer { start };
            self.position = end;
            return Ok(Progress::Incomplete);
        };
        if end == digits_start {
            return Err(self.error(ErrorKind::MinusWithoutDigit { found }, end));
        }
        let digits = window.get(digits_start..end).unwrap_or_default();
        let node = integer_node(digits, digits_start, negative);
        self.token = Token::None;
        self.position = end;
        self.push_leaf(node, start, Operator::Integer)
    }

    #[inline(always)]
    fn text_from(&mut self, window: &[u8], text: Text) -> Stepped {
        self.position += 1;
        self.text(window, text, self.position, false)
    }

    /// W1, W3, W8, W9: what stands between quotes. `start` is the first byte inside, `position` the first that is unread.
    #[inline(always)]
    fn text(&mut self, window: &[u8], text: Text, start: usize, mut escaped: bool) -> Stepped {
        let quote = text.quote();
        loop {
            let unread = window.get(self.position..).unwrap_or_default();
            let Ok((rest, _)) = lexer::plain_text(quote).parse(unread) else { return Ok(Progress::Incomplete) };
            let stop = window.len() - rest.len();
            self.check_tag_bytes(text, start, stop)?;
            self.position = stop;
            match *rest {
                [first, ..] if first == quote => {
                    self.position = stop + 1;
                    self.token = Token::None;
                    return self.text_whole(text, Span::of(start, stop), escaped);
                }
                [_, found, ..] => {
                    if found != quote && found != b'\\' && !self.config.any_escape {
                        return Err(self.error(ErrorKind::BadEscape { found, quote }, stop + 1));
                    }
                    self.check_tag_bytes(text, start, stop + 2)?;
                    escaped = true;
                    self.position = stop + 2;
                }
                // The end of the window, or a `\` whose second half has not come.
                [] | [_] => {
                    self.check_tag_bytes(text, start, stop + rest.len())?;
                    self.token = Token::Text { text, start, escaped };
                    return Ok(Progress::Incomplete);
                }
            }
        }
    }

    /// L1: a tag from `start` that reaches to `end` at least.
    #[inline(always)]
    fn check_tag_bytes(&self, text: Text, start: usize, end: usize) -> Result<(), DecodeError> {
        let max = self.config.limits.max_tag_bytes;
        if text == Text::Tag && end - start > max as usize {
            return Err(self.error(ErrorKind::Limit(Limit::TagBytes(max)), start + max as usize));
        }
        Ok(())
    }

    #[inline(always)]
    fn text_whole(&mut self, text: Text, span: Span, escaped: bool) -> Stepped {
        let quote = span.start as usize - 1;
        match text {
            Text::String => self.push_leaf(Node::text(NodeKind::String, span, escaped), quote, Operator::String),
            Text::Atom => self.push_leaf(Node::text(NodeKind::Atom, span, escaped), quote, Operator::Atom),
            Text::Tag => self.tag_whole(Node::text(NodeKind::Atom, span, escaped), quote),
            Text::Comment => Ok(Progress::Done(Operator::Blank)),
        }
    }

    #[inline(always)]
    fn push_leaf(&mut self, node: Node, at: usize, operator: Operator) -> Stepped {
        self.charge(Size::of_leaf(node), at)?;
        self.written += 1;
        self.stack.push(node);
        Ok(Progress::Done(operator))
    }

    /// W8: the opening backtick.
    #[inline(never)]
    fn tag(&mut self, window: &[u8]) -> Stepped {
        if self.here() == 0 {
            return Err(self.error(ErrorKind::NothingToTag, self.position));
        }
        self.check_depth(self.top_size().depth.saturating_add(1), self.position)?;
        self.check_size(Size { nodes: 1, ..Size::default() }, self.position)?;
        self.text_from(window, Text::Tag)
    }

    /// W8: the closing backtick. `tag` is the tag's text.
    fn tag_whole(&mut self, tag: Node, at: usize) -> Stepped {
        self.charge(Size::of_leaf(tag), at)?;
        self.written += 1;
        let (term, size) = self.pop();
        let mut tagged = Size::of_leaf(tag);
        tagged.absorb(size);
        let first = self.arena.extend(&[tag, term]);
        self.push_compound(Node::compound(NodeKind::Tagged, first, 2), tagged);
        Ok(Progress::Done(Operator::Tag))
    }

    #[inline(always)]
    fn open_tuple(&mut self) -> Stepped {
        self.check_depth(1, self.position)?;
        let frame = Frame { floor: self.floor, sizes: self.sizes.len(), nodes: self.nodes, bytes: self.bytes };
        self.charge(Size { nodes: 1, bytes: 0, depth: 1 }, self.position)?;
        self.written += 1;
        self.frames.push(frame);
        self.floor = self.stack.len();
        self.position += 1;
        Ok(Progress::Done(Operator::OpenTuple))
    }

    #[inline(always)]
    fn close_tuple(&mut self) -> Stepped {
        let Some(frame) = self.frames.pop() else {
            return Err(self.error(ErrorKind::CloseWithoutOpen, self.position));
        };
        let elements = self.stack.get(self.floor..).unwrap_or_default();
        let count = Span::of(0, elements.len()).len;
        let first = self.arena.extend(elements);
        self.stack.truncate(self.floor);
        let inner = self.sizes.get(frame.sizes..).unwrap_or_default();
        let depth = inner.iter().map(|size| size.depth).max().unwrap_or(0) + 1;
        self.sizes.truncate(frame.sizes);
        let size = Size { nodes: self.nodes - frame.nodes, bytes: self.bytes - frame.bytes, depth };
        self.floor = frame.floor;
        self.push_compound(Node::compound(NodeKind::Tuple, first, count), size);
        self.position += 1;
        Ok(Progress::Done(Operator::CloseTuple))
    }

    #[inline(always)]
    fn nil(&mut self) -> Stepped {
        let size = Size { nodes: 1, bytes: 0, depth: 1 };
        self.check_depth(size.depth, self.position)?;
        self.charge(size, self.position)?;
        self.written += 1;
        self.push_compound(Node::compound(NodeKind::List, 0, 0), size);
        self.position += 1;
        Ok(Progress::Done(Operator::Nil))
    }

    /// W5: the term on top becomes the first element of the list below it.
    #[inline(always)]
    fn cons(&mut self) -> Stepped {
        let below = match self.here() {
            0 | 1 => return Err(self.error(ErrorKind::NothingToCons, self.position)),
            _ => self.stack.len() - 2,
        };
        let list = self.stack.get(below).copied().unwrap_or(Node::UNDEFINED);
        if list.kind() != NodeKind::List {
            return Err(self.error(ErrorKind::ConsOntoNonList { found: list.term_kind() }, self.position));
        }
        self.check_depth(self.top_size().depth.saturating_add(1), self.position)?;
        let (element, element_size) = self.pop();
        let cells = list.span();
        let first = self.arena.push(element.linked(cells.start));
        if let Some(top) = self.stack.last_mut() {
            *top = Node::compound(NodeKind::List, first, cells.len + 1);
        }
        // The list is compound and is on top, so the last size is its own.
        if let Some(size) = self.sizes.last_mut() {
            size.absorb(element_size);
        }
        self.position += 1;
        Ok(Progress::Done(Operator::Cons))
    }

    /// W4: `~`, the announced number of bytes, `~`.
    #[inline(never)]
    fn binary(&mut self, window: &[u8]) -> Stepped {
        let at = self.position;
        let length = if self.here() == 0 { None } else { self.stack.last().copied() };
        let Some(length) = length else {
            return Err(self.error(ErrorKind::BinaryWithoutLength { found: None }, at));
        };
        let too_long = ErrorKind::Limit(Limit::PacketBytes(self.config.limits.max_packet_bytes));
        let count = match length.kind() {
            NodeKind::Integer if length.as_small() < 0 => return Err(self.error(ErrorKind::NegativeBinaryLength, at)),
            NodeKind::Integer => usize::try_from(length.as_small()).map_err(|_| self.error(too_long, at))?,
            NodeKind::BigInteger if length.flag() => return Err(self.error(ErrorKind::NegativeBinaryLength, at)),
            NodeKind::BigInteger => return Err(self.error(too_long, at)),
            NodeKind::Undefined
            | NodeKind::Atom
            | NodeKind::String
            | NodeKind::Binary
            | NodeKind::Tuple
            | NodeKind::List
            | NodeKind::Tagged => {
                let found = Some(length.term_kind());
                return Err(self.error(ErrorKind::BinaryWithoutLength { found }, at));
            }
        };
        // The closing `~` and a `$` have to come too.
        let start = at + 1;
        if count.saturating_add(start + 2) > self.window_limit() {
            return Err(self.error(too_long, at));
        }
        let end = start + count;
        let binary = Node::binary(Span::of(start, end));
        // The binary takes the place of its length, so that it is no further node.
        self.check_size(Size { nodes: 0, ..Size::of_leaf(binary) }, at)?;
        match window.get(end) {
            None => Ok(Progress::Incomplete),
            Some(b'~') => {
                self.bytes += binary.leaf_bytes();
                if let Some(top) = self.stack.last_mut() {
                    *top = binary;
                }
                self.position = end + 1;
                Ok(Progress::Done(Operator::Binary))
            }
            Some(&found) => Err(self.error(ErrorKind::BinaryNotClosed { found }, end)),
        }
    }

    /// W6, W7: `>R`.
    #[inline(never)]
    fn store(&mut self, window: &[u8]) -> Stepped {
        let at = self.position;
        if self.here() == 0 {
            return Err(self.error(ErrorKind::NothingToStore, at));
        }
        let Some(&register) = window.get(at + 1) else { return Ok(Progress::Incomplete) };
        if byte::is_control(register) {
            return Err(self.error(ErrorKind::StoreControl { found: register }, at + 1));
        }
        if register == b'?' && self.config.dialect == Dialect::Extended {
            return Err(self.error(ErrorKind::StoreUndefined, at + 1));
        }
        let (node, size) = self.pop();
        self.nodes -= size.nodes;
        self.bytes -= size.bytes;
        self.registers.store(register, Stored { node, size });
        self.position = at + 2;
        Ok(Progress::Done(Operator::Store(register)))
    }

    /// W6, W7: a register is read, or `?` stands for the undefined value.
    #[inline(always)]
    fn read(&mut self, register: u8) -> Stepped {
        let at = self.position;
        if register == b'?' && (self.config.dialect == Dialect::Extended || self.registers.read(b'?').is_none()) {
            self.position = at + 1;
            return self.push_leaf(Node::UNDEFINED, at, Operator::Undefined);
        }
        let Some(Stored { node, size }) = self.registers.read(register) else {
            return Err(self.error(ErrorKind::UnsetRegister { register }, at));
        };
        self.check_depth(size.depth, at)?;
        self.charge(size, at)?;
        self.stack.push(node);
        if node.is_compound() {
            self.sizes.push(size);
        }
        self.position = at + 1;
        Ok(Progress::Done(Operator::Read(register)))
    }

    /// W9: exactly one term is on the stack at `$`.
    #[inline(always)]
    fn end(&mut self) -> Stepped {
        let count = Span::of(0, self.stack.len()).len;
        let kind = match (self.frames.len(), count) {
            (0, 1) => {
                self.position += 1;
                return Ok(Progress::Done(Operator::End));
            }
            (0, 0) => ErrorKind::EmptyPacket,
            (0, count) => ErrorKind::ExtraTerms { count },
            (open, _) => ErrorKind::OpenTuple { open: Span::of(0, open).len },
        };
        Err(self.error(kind, self.position))
    }

    /// How many terms the innermost open tuple has so far.
    #[inline(always)]
    fn here(&self) -> usize {
        self.stack.len() - self.floor
    }

    /// How long the window may become (L1).
    #[inline(always)]
    fn window_limit(&self) -> usize {
        (self.config.limits.max_packet_bytes as usize).saturating_sub(self.header_bytes)
    }

    #[inline(always)]
    fn push_compound(&mut self, node: Node, size: Size) {
        self.stack.push(node);
        self.sizes.push(size);
    }

    /// The size of the term on top.
    #[inline(always)]
    fn top_size(&self) -> Size {
        let node = self.top();
        let compound = if node.is_compound() { self.sizes.last().copied() } else { None };
        compound.unwrap_or_else(|| Size::of_leaf(node))
    }

    /// Takes the term on top, and leaves what was counted for it.
    #[inline(always)]
    fn pop(&mut self) -> (Node, Size) {
        let size = self.top_size();
        let node = self.stack.pop().unwrap_or(Node::UNDEFINED);
        if node.is_compound() {
            self.sizes.pop();
        }
        (node, size)
    }

    /// Counts a term that comes onto the stack; nothing is counted if it does not fit.
    #[inline(always)]
    fn charge(&mut self, size: Size, at: usize) -> Result<(), DecodeError> {
        self.check_size(size, at)?;
        self.nodes += size.nodes;
        self.bytes += size.bytes;
        Ok(())
    }

    /// W10, L1: whether so much more fits.
    #[inline(always)]
    fn check_size(&self, more: Size, at: usize) -> Result<(), DecodeError> {
        let limits = &self.config.limits;
        if self.nodes.saturating_add(more.nodes) > limits.max_expanded_nodes {
            return Err(self.error(ErrorKind::Limit(Limit::ExpandedNodes(limits.max_expanded_nodes)), at));
        }
        if self.bytes.saturating_add(more.bytes) > limits.max_expanded_bytes {
            return Err(self.error(ErrorKind::Limit(Limit::ExpandedBytes(limits.max_expanded_bytes)), at));
        }
        Ok(())
    }

    /// L1: a term of this depth inside the open tuples.
    #[inline(always)]
    fn check_depth(&self, depth: u32, at: usize) -> Result<(), DecodeError> {
        let max = self.config.limits.max_depth;
        if self.frames.len().saturating_add(depth as usize) > max as usize {
            return Err(self.error(ErrorKind::Limit(Limit::Depth(max)), at));
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn error(&self, kind: ErrorKind, at: usize) -> DecodeError {
        DecodeError::new(kind, self.origin + at as u64)
    }
}

/// The integer that `digits` write: a value where it fits 64 bits, else the span of its digits.
#[inline(always)]
fn integer_node(digits: &[u8], digits_start: usize, negative: bool) -> Node {
    /// So many digits always fit an `i64`.
    const SAFE_DIGITS: usize = 18;
    if digits.len() <= SAFE_DIGITS {
        let value = digits.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit & 0x0F));
        return Node::integer(if negative { -value } else { value });
    }
    big_integer_node(digits, digits_start, negative)
}

#[cold]
#[inline(never)]
fn big_integer_node(digits: &[u8], digits_start: usize, negative: bool) -> Node {
    let zeros = digits.iter().position(|&digit| digit != b'0').unwrap_or(digits.len());
    let significant = digits.get(zeros..).unwrap_or_default();
    let value = significant.iter().try_fold(0_i64, |value, digit| {
        // Counted downwards, because the lowest i64 has no positive counterpart.
        value.checked_mul(10)?.checked_sub(i64::from(digit & 0x0F))
    });
    let value = if negative { value } else { value.and_then(i64::checked_neg) };
    match value {
        Some(value) => Node::integer(value),
        None => Node::big_integer(Span::of(digits_start + zeros, digits_start + digits.len()), negative),
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
