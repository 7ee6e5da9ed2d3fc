//! Terms to bytes (W14).

mod cached;
mod digits;
mod plain;
mod pretty;
pub(crate) mod sink;
mod stock;
pub(crate) mod token;

use alloc::vec::Vec;
use core::fmt;

use bytes::BufMut;

use self::cached::Cache;
use crate::dialect::Dialect;
use crate::term::TermRef;

/// How a packet is written. All styles mean the same term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Style {
    /// The fewest bytes that are possible without registers, in one pass.
    #[default]
    Plain,
    /// Terms that come again are read from registers where that saves bytes. Never longer than
    /// plain.
    ///
    /// Thousands of terms are remembered, not all: in large packets a copy may be overlooked that
    /// comes long after the first. What has got a register is found wherever it comes.
    Cached,
    /// Over several lines, indented, for people.
    Pretty,
    /// The bytes that Erlang's encoder writes: commas between the elements of tuples, atoms and
    /// integers that come again in the registers that it would choose, a line feed after `$`.
    ///
    /// Only its 45th register is left out, the backtick, since it cannot read that one itself. For
    /// peers to whom the plain style is not Erlang enough, and for tests that compare bytes.
    Stock,
}

/// Encodes terms as packets. Keeps its working memory from one packet to the next.
///
/// The bytes depend on the term, the dialect and the style, and on nothing else.
///
/// ```
/// use ubf_codec::{Encoder, Style, ubf};
///
/// let term = ubf!([{person, "Joe"}, {person, "Mike"}]);
/// assert_eq!(Encoder::new().encode(&term), br#"#{'person'"Mike"}&{'person'"Joe"}&$"#);
///
/// let mut cached = Encoder::new().with_style(Style::Cached);
/// assert_eq!(cached.encode(&term), br#"#{'person'>aa"Mike"}&{a"Joe"}&$"#);
/// ```
#[derive(Clone, Default)]
pub struct Encoder {
    dialect: Dialect,
    style: Style,
    cache: Cache,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("dialect", &self.dialect)
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// An encoder of the extended dialect in the plain style.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This encoder for another dialect.
    ///
    /// In the classic dialect the undefined value is written as the atom `'undefined'` (W7), and
    /// only ASCII bytes are used as registers: all known decoders accept these.
    #[must_use]
    pub const fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// This encoder in another style.
    #[must_use]
    pub const fn with_style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// The packet that holds `term`, up to and with its `$`; in the stock style, a line feed after
    /// it.
    ///
    /// # Limits
    /// None are checked here: a decoder may refuse a packet that is larger or deeper than its
    /// [`Limits`](crate::Limits).
    pub fn encode<'a>(&mut self, term: impl Into<TermRef<'a>>) -> Vec<u8> {
        let mut packet = Vec::new();
        self.write(term.into(), self.dialect, &mut packet);
        packet
    }

    /// Appends the packet that holds `term` to `buffer`.
    ///
    /// # Panics
    /// Only if `buffer` cannot grow and is too small: see [`BufMut`]. `Vec<u8>` and `BytesMut`
    /// grow.
    pub fn encode_to<'a>(&mut self, term: impl Into<TermRef<'a>>, buffer: &mut impl BufMut) {
        self.write(term.into(), self.dialect, buffer);
    }

    /// A body of a versioned packet.
    pub(crate) fn write_extended(&mut self, term: TermRef<'_>, buffer: &mut impl BufMut) {
        self.write(term, Dialect::Extended, buffer);
    }

    fn write(&mut self, term: TermRef<'_>, dialect: Dialect, buffer: &mut impl BufMut) {
        match self.style {
            Style::Plain => plain::write(term, dialect, buffer),
            Style::Cached => self.cache.write(term, dialect, buffer),
            Style::Pretty => pretty::write(term, dialect, buffer),
            Style::Stock => stock::write(term, dialect, buffer),
        }
    }
}
