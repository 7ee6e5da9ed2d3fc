//! What a packet writes out: integers, strings, atoms, tags, comments, binaries.

use super::cold::ColdState;
use super::reader::Reader;
use super::size::Size;
use super::stop::{Stepped, Stop};
use super::token::{Text, Token};
use crate::error::ErrorKind;
use crate::lexer;
use crate::limits::Limit;
use crate::node::{Arena, Node, NodeKind, Span};

/// Where a text stops, and whether it has escapes. Small, so that a processor's register holds it.
#[derive(Clone, Copy, Debug)]
struct Ending {
    stop: u32,
    escaped: bool,
}

impl Ending {
    #[inline(always)]
    const fn of(stop: usize, escaped: bool) -> Self {
        Self { stop: Span::of(0, stop).len, escaped }
    }
}

impl<A: Arena> Reader<'_, A> {
    /// Goes on with a token that the last window cut.
    #[inline(always)]
    pub(super) fn resume<const COUNTS: bool>(&mut self, window: &[u8], token: Token) -> Stepped {
        let from = self.cold.position;
        match token {
            Token::None => Ok(from),
            Token::Integer { start } => self.long_integer::<COUNTS>(window, start, from),
            Token::Text { text, start, escaped } => {
                let ending = self.cold.long_text(window, text, start, from, escaped)?;
                self.text_whole::<COUNTS>(window, text, start, ending)
            }
        }
    }

    /// W2: an integer whose first digit is at `at`. Almost all are short and whole.
    #[inline(always)]
    pub(super) fn integer<const COUNTS: bool>(&mut self, window: &[u8], at: usize) -> Stepped {
        match lexer::short_integer(window, at) {
            Some((value, end)) if self.cold.is_length_allowed::<COUNTS>(end - at) => {
                // Lengths are read with their binaries.
                if !COUNTS
                    && window.get(end) == Some(&b'~')
                    && let Some((binary, end)) = whole_binary(window, value, end)
                {
                    return self.push_element::<COUNTS>(
                        window,
                        Node::binary(binary),
                        u64::from(binary.len),
                        at,
                        end,
                    );
                }
                self.push_element::<COUNTS>(window, Node::integer(value), 0, at, end)
            }
            Some(_) | None => self.long_integer::<COUNTS>(window, at, at),
        }
    }

    /// An integer after a `-`. It has a function of its own, so that the code of positive integers,
    /// which come more often, stays short.
    #[inline(always)]
    pub(super) fn negative_integer<const COUNTS: bool>(
        &mut self,
        window: &[u8],
        at: usize,
    ) -> Stepped {
        let (integer, end) = self.cold.negative_integer::<COUNTS>(window, at)?;
        self.push_leaf::<COUNTS>(integer, integer.leaf_bytes(), at)?;
        Ok(end)
    }

    /// W2: `-?[0-9]+`. `start` is the sign or the first digit; what stands before `from` is not
    /// looked at again.
    #[inline(always)]
    fn long_integer<const COUNTS: bool>(
        &mut self,
        window: &[u8],
        start: usize,
        from: usize,
    ) -> Stepped {
        let (integer, end) = self.cold.any_integer(window, start, from)?;
        self.push_leaf::<COUNTS>(integer, integer.leaf_bytes(), start)?;
        Ok(end)
    }

    /// W8: the opening backtick is judged before the rest of the tag. W7: it may be a register.
    #[inline(always)]
    pub(super) fn tag<const COUNTS: bool>(&mut self, window: &[u8], at: usize) -> Stepped {
        // A packet that is read lightly has stored nothing.
        if COUNTS && self.cold.is_backtick_stored() {
            return self.read::<COUNTS>(window, b'`', at);
        }
        let Some(term) = self.stack.top() else {
            return Err(self.cold.error(ErrorKind::NothingToTag, at));
        };
        self.check_depth(term.depth() + 1, at)?;
        if COUNTS {
            self.check_size(Size { nodes: 1, bytes: 0 }, at)?;
        }
        self.text::<COUNTS>(window, Text::Tag, at)
    }

    /// W1, W3, W8, W9: what stands between quotes, of which the first is at `at`.
    #[inline(always)]
    pub(super) fn text<const COUNTS: bool>(
        &mut self,
        window: &[u8],
        text: Text,
        at: usize,
    ) -> Stepped {
        match text {
            Text::String => self.quoted::<COUNTS, b'"'>(window, text, at),
            Text::Atom => self.quoted::<COUNTS, b'\''>(window, text, at),
            Text::Tag => self.quoted::<COUNTS, b'`'>(window, text, at),
            Text::Comment => self.quoted::<COUNTS, b'%'>(window, text, at),
        }
    }

    /// A text between quotes that the compiler knows.
    #[inline(always)]
    fn quoted<const COUNTS: bool, const QUOTE: u8>(
        &mut self,
        window: &[u8],
        text: Text,
        at: usize,
    ) -> Stepped {
        let start = at + 1;
        if let Some(stop) = lexer::short_text::<QUOTE>(window, start) {
            return self.text_whole::<COUNTS>(window, text, start, Ending::of(stop, false));
        }
        let ending = match lexer::medium_text::<QUOTE>(window, start) {
            Ok(stop) => Ending::of(stop, false),
            Err(looked) => self.cold.long_text(window, text, start, looked, false)?,
        };
        self.text_whole::<COUNTS>(window, text, start, ending)
    }

    /// A text from `start` to its closing quote at `stop`.
    #[inline(always)]
    fn text_whole<const COUNTS: bool>(
        &mut self,
        window: &[u8],
        text: Text,
        start: usize,
        ending: Ending,
    ) -> Stepped {
        let Ending { stop, escaped } = ending;
        let stop = stop as usize;
        let at = start - 1;
        let span = Span::of(start, stop);
        let bytes = u64::from(span.len);
        match text {
            Text::String => {
                let node = self.text_node::<COUNTS>(NodeKind::String, span, escaped);
                return self.push_element::<COUNTS>(window, node, bytes, at, stop + 1);
            }
            Text::Atom => {
                let node = self.text_node::<COUNTS>(NodeKind::Atom, span, escaped);
                self.push_leaf::<COUNTS>(node, bytes, at)?;
            }
            Text::Tag => {
                self.cold.check_tag_bytes(text, start, stop)?;
                self.put_tag::<COUNTS>(Node::text(NodeKind::Atom, span, escaped), at)?;
            }
            Text::Comment => {}
        }
        Ok(stop + 1)
    }

    /// W4: `~`, the announced number of bytes, `~`. The binary takes the place of its length.
    #[inline(always)]
    pub(super) fn binary(&mut self, window: &[u8], at: usize) -> Stepped {
        let spent = self.spent();
        let Some(top) = self.stack.top_mut() else {
            return Err(self.cold.error(ErrorKind::BinaryWithoutLength { found: None }, at));
        };
        let (binary, end) = self.cold.announced(*top, spent, window, at)?;
        *top = binary;
        self.text_bytes += binary.leaf_bytes();
        Ok(end)
    }
}

impl ColdState {
    /// Whether an integer may have so many digits; of a packet that is read lightly, 18 are allowed
    /// in any case.
    #[inline(always)]
    const fn is_length_allowed<const COUNTS: bool>(&self, digits: usize) -> bool {
        !COUNTS || digits <= self.options.limits.max_integer_digits as usize
    }

    /// An integer whose sign is at `at`, and where it ends.
    #[inline(never)]
    fn negative_integer<const COUNTS: bool>(
        &mut self,
        window: &[u8],
        at: usize,
    ) -> Result<(Node, usize), Stop> {
        let digits_start = at + 1;
        match lexer::short_integer(window, digits_start) {
            Some((value, end))
                if end > digits_start && self.is_length_allowed::<COUNTS>(end - digits_start) =>
            {
                Ok((Node::integer(-value), end))
            }
            Some(_) | None => self.any_integer(window, at, at),
        }
    }

    /// W2: the integer whose sign or first digit is at `start`, and where it ends.
    #[inline(never)]
    fn any_integer(
        &mut self,
        window: &[u8],
        start: usize,
        from: usize,
    ) -> Result<(Node, usize), Stop> {
        let negative = window.get(start) == Some(&b'-');
        let digits_start = start + usize::from(negative);
        if let Some((value, end)) = lexer::last_integer(window, digits_start)
            && end > digits_start
            && self.is_length_allowed::<true>(end - digits_start)
        {
            return Ok((Node::integer(if negative { -value } else { value }), end));
        }
        let unread = window.get(from.max(digits_start)..).unwrap_or_default();
        let Ok((rest, _)) = lexer::digits(unread) else { return Err(self.wait_at(start)) };
        let end = window.len() - rest.len();

        let max = self.options.limits.max_integer_digits;
        if end.saturating_sub(digits_start) > max as usize {
            return Err(self.limit(Limit::IntegerDigits(max), digits_start + max as usize));
        }
        let Some(&found) = rest.first() else {
            self.token = Token::Integer { start };
            return Err(self.wait_at(end));
        };
        if end == digits_start {
            return Err(self.error(ErrorKind::MinusWithoutDigit { found }, end));
        }
        let digits = window.get(digits_start..end).unwrap_or_default();
        Ok((integer_node(digits, digits_start, negative), end))
    }

    /// A text that is long, has escapes or is cut by the window's end: where it stops, and whether
    /// it has escapes. `start` is its first byte, `from` the first that is unread.
    #[inline(never)]
    fn long_text(
        &mut self,
        window: &[u8],
        text: Text,
        start: usize,
        mut from: usize,
        mut escaped: bool,
    ) -> Result<Ending, Stop> {
        let quote = text.quote();
        match lexer::last_text(quote, window, from) {
            Ok(stop) => {
                self.check_tag_bytes(text, start, stop)?;
                return Ok(Ending::of(stop, escaped));
            }
            Err(looked) => from = looked,
        }
        loop {
            let unread = window.get(from..).unwrap_or_default();
            let Ok((rest, _)) = lexer::plain_text(quote, unread) else {
                return Err(self.wait_at(from));
            };
            let stop = window.len() - rest.len();
            self.check_tag_bytes(text, start, stop)?;
            match *rest {
                [first, ..] if first == quote => return Ok(Ending::of(stop, escaped)),
                [_, found, ..] => {
                    self.check_tag_bytes(text, start, stop + 1)?;
                    if found != quote && found != b'\\' && !self.options.any_escape {
                        return Err(self.error(ErrorKind::BadEscape { found, quote }, stop + 1));
                    }
                    self.check_tag_bytes(text, start, stop + 2)?;
                    escaped = true;
                    from = stop + 2;
                }
                // The end of the window, or a `\` whose second half has not come.
                [] | [_] => {
                    self.check_tag_bytes(text, start, stop + rest.len())?;
                    self.token = Token::Text { text, start, escaped };
                    return Err(self.wait_at(stop));
                }
            }
        }
    }

    /// L1: a tag from `start` that reaches to `end` at least.
    #[inline(always)]
    fn check_tag_bytes(&mut self, text: Text, start: usize, end: usize) -> Result<(), Stop> {
        let max = self.options.limits.max_tag_bytes;
        if text == Text::Tag && end - start > max as usize {
            return Err(self.limit(Limit::TagBytes(max), start + max as usize));
        }
        Ok(())
    }

    /// The binary whose length was announced, and where it ends.
    #[inline(never)]
    fn announced(
        &mut self,
        length: Node,
        spent: Size,
        window: &[u8],
        at: usize,
    ) -> Result<(Node, usize), Stop> {
        let too_long = ErrorKind::Limit(Limit::PacketBytes(self.options.limits.max_packet_bytes));
        let count = match length.kind() {
            NodeKind::Integer if length.as_small() < 0 => {
                return Err(self.error(ErrorKind::NegativeBinaryLength, at));
            }
            NodeKind::Integer => {
                usize::try_from(length.as_small()).map_err(|_| self.error(too_long, at))?
            }
            NodeKind::BigInteger if length.flag() => {
                return Err(self.error(ErrorKind::NegativeBinaryLength, at));
            }
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
        if count.saturating_add(start + 2) > self.max_window() {
            return Err(self.error(too_long, at));
        }
        let end = start + count;
        let binary = Node::binary(Span::of(start, end));
        // The binary takes the place of its length: the number of nodes stays the same.
        let size = Size { nodes: 0, ..Size::of_leaf(binary) };
        self.check_size(spent, size, at)?;
        match window.get(end) {
            None => {
                self.awaited = end + 2;
                Err(self.wait_at(at))
            }
            Some(b'~') => Ok((binary, end + 1)),
            Some(&found) => Err(self.error(ErrorKind::BinaryNotClosed { found }, end)),
        }
    }
}

/// The binary of so many bytes between the `~` at `at` and another one, and where it ends: if there
/// is one, and the packet goes on behind.
#[inline(always)]
fn whole_binary(window: &[u8], length: i64, at: usize) -> Option<(Span, usize)> {
    let (start, len) = (at + 1, usize::try_from(length).ok()?);
    let end = start.checked_add(len)?;
    match window.get(end..)? {
        [b'~', _, ..] => Some((Span::of(start, end), end + 1)),
        _ => None,
    }
}

/// The integer that `digits` write: a value where it fits 64 bits, else the span of its digits.
fn integer_node(digits: &[u8], digits_start: usize, negative: bool) -> Node {
    /// So many digits always fit an `i64`.
    const SAFE_DIGITS: usize = 18;

    let zeros = digits.iter().position(|&digit| digit != b'0').unwrap_or(digits.len());
    let significant = digits.get(zeros..).unwrap_or_default();
    if significant.len() <= SAFE_DIGITS {
        let value =
            significant.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit & 0x0F));
        return Node::integer(if negative { -value } else { value });
    }
    let value = significant.iter().try_fold(0_i64, |value, digit| {
        // Counted downwards, because the lowest i64 has no positive counterpart.
        value.checked_mul(10)?.checked_sub(i64::from(digit & 0x0F))
    });
    let value = if negative { value } else { value.and_then(i64::checked_neg) };
    match value {
        Some(value) => Node::integer(value),
        None => {
            Node::big_integer(Span::of(digits_start + zeros, digits_start + digits.len()), negative)
        }
    }
}
