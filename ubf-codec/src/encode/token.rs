//! Single tokens.

use core::convert::Infallible;

use super::digits;
use super::sink::{SHORT_TEXT, Sink};
use crate::dialect::Dialect;
use crate::lexer;
use crate::term::{IntegerRef, Leaf, ShortText, TextRef};

/// Writes a term without parts.
#[inline(always)]
pub(crate) fn leaf(leaf: Leaf<'_>, dialect: Dialect, out: &mut impl Sink) {
    match leaf {
        Leaf::ShortAtom(text) => short(text, b'\'', out),
        Leaf::ShortString(text) => short(text, b'"', out),
        Leaf::Atom(text) => quoted(text, b'\'', out),
        Leaf::String(text) => quoted(text, b'"', out),
        Leaf::Undefined => out.slice(undefined(dialect)),
        Leaf::Nil => out.byte(b'#'),
        Leaf::Integer(value) => integer(value, out),
        Leaf::Binary(bytes) => binary(bytes, out),
    }
}

/// The text of the atom that stands for undefined in the classic dialect (W7).
pub(crate) const CLASSIC_UNDEFINED: &[u8] = b"undefined";

/// W7: a peer that knows no `?` gets the atom that stands for it there.
const fn undefined(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Extended => b"?",
        Dialect::Classic => b"'undefined'",
    }
}

/// Whether a term begins with a digit, or a sign: it may then not follow an integer directly.
pub(crate) const fn begins_with_digit(leaf: &Leaf<'_>) -> bool {
    matches!(leaf, Leaf::Integer(_) | Leaf::Binary(_))
}

pub(crate) fn tag(text: TextRef<'_>, out: &mut impl Sink) {
    quoted(text, b'`', out);
}

/// A text that stands in an owned term: the same bytes are copied however long it is, as if they
/// were the longest.
#[inline(always)]
pub(crate) fn short(text: &ShortText, quote: u8, out: &mut impl Sink) {
    let (bytes, len) = text.padded();
    let Some(room) = out.room() else { return };
    let [open, inside @ ..] = room;
    *open = quote;
    if let Some(inside) = inside.first_chunk_mut() {
        *inside = *bytes;
    }
    // Zeros follow the text: they are not special.
    let has_special = bytes.first_chunk().is_some_and(|block| has_special(quote, block))
        | bytes
            .last_chunk()
            .is_some_and(|word| lexer::has_special(quote, u64::from_le_bytes(*word)));
    if has_special {
        return escaped(text.as_bytes(), quote, out);
    }
    if let Some(close) = inside.get_mut(len) {
        *close = quote;
    }
    out.take(len + 2);
}

/// Whether one of 16 bytes is `quote` or `\`. The compiler makes vector instructions of it where
/// the processor has them.
#[inline(always)]
fn has_special(quote: u8, block: &[u8; 16]) -> bool {
    block.iter().fold(false, |found, &byte| found | (byte == quote) | (byte == b'\\'))
}

/// W3: only the quote and `\` are escaped.
#[inline(always)]
pub(crate) fn quoted(text: TextRef<'_>, quote: u8, out: &mut impl Sink) {
    let bytes = match text.as_plain() {
        Some(bytes) if bytes.len() <= SHORT_TEXT => bytes,
        Some(bytes) => return long(bytes, quote, out),
        None => return escaped(&text.to_bytes(), quote, out),
    };
    let Some(room) = out.room() else { return };
    let [open, inside @ .., _, _] = room;
    *open = quote;
    if copy_plain(bytes, quote, inside).is_none() {
        return escaped(bytes, quote, out);
    }
    if let Some(close) = room.get_mut(1 + bytes.len()) {
        *close = quote;
        out.take(bytes.len() + 2);
    }
}

/// A field of a property list: `{` and its name, at once where that is short.
#[cfg(feature = "serde")]
#[inline(always)]
pub(crate) fn field(name: &str, out: &mut impl Sink) {
    let bytes = name.as_bytes();
    if bytes.len() <= SHORT_TEXT
        && let Some(room) = out.room()
    {
        let [open, quote, inside @ .., _] = room;
        [*open, *quote] = *b"{'";
        if copy_plain(bytes, b'\'', inside).is_some()
            && let Some(close) = room.get_mut(2 + bytes.len())
        {
            *close = b'\'';
            return out.take(bytes.len() + 3);
        }
    }
    out.byte(b'{');
    quoted(TextRef::plain(bytes), b'\'', out);
}

/// W8: the digits of a float, as a string tagged `f`.
#[cfg(feature = "serde")]
#[inline(always)]
pub(crate) fn float(digits: &str, out: &mut impl Sink) {
    let bytes = digits.as_bytes();
    if bytes.len() <= SHORT_FLOAT
        && let Some(room) = out.room()
    {
        let [open, inside @ .., _, _] = room;
        *open = b'"';
        copy_short(bytes, inside, |_| false);
        let end = room.get_mut(1 + bytes.len()..);
        if let Some(end) = end.and_then(|room| room.first_chunk_mut()) {
            *end = *b"\"`f`";
            return out.take(bytes.len() + 5);
        }
    }
    quoted(TextRef::plain(bytes), b'"', out);
    tag(TextRef::plain(b"f"), out);
}

/// Nearly all floats: 17 digits, sign, point and exponent take 24 bytes.
#[cfg(feature = "serde")]
const SHORT_FLOAT: usize = SHORT_TEXT - 4;

/// A text that is longer than a short token: copied and searched at once, until something special
/// comes.
#[inline(never)]
fn long(text: &[u8], quote: u8, out: &mut impl Sink) {
    /// Longer ones are worth a call of the search that is fastest on this processor.
    const LONGEST: usize = 512;
    let mut rest = text;
    if text.len() > LONGEST {
        return escaped(text, quote, out);
    }
    out.byte(quote);
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        let Some(room) = out.room().and_then(|room| room.first_chunk_mut()) else { return };
        *room = *block;
        if has_special(quote, block) {
            return run_by_run(rest, quote, out);
        }
        out.take(16);
        rest = after;
    }
    run_by_run(rest, quote, out);
}

#[inline(never)]
fn escaped(text: &[u8], quote: u8, out: &mut impl Sink) {
    out.byte(quote);
    run_by_run(text, quote, out);
}

/// The rest of a text, with escapes, and the closing quote.
fn run_by_run(mut bytes: &[u8], quote: u8, out: &mut impl Sink) {
    while let Ok((rest, plain)) = lexer::plain_text(quote, bytes) {
        out.slice(plain);
        let Some((&special, after)) = rest.split_first() else { break };
        out.slice(&[b'\\', special]);
        bytes = after;
    }
    out.byte(quote);
}

#[inline(always)]
fn integer(value: IntegerRef<'_>, out: &mut impl Sink) {
    match value.as_small() {
        Some(value) => small_integer(value, out),
        None => big_integer(value, out),
    }
}

#[inline(always)]
pub(crate) fn small_integer(value: i64, out: &mut impl Sink) {
    let Some(room) = out.room().and_then(|room| room.first_chunk_mut()) else { return };
    let len = digits::write(value, room);
    out.take(len);
}

#[inline(never)]
fn big_integer(value: IntegerRef<'_>, out: &mut impl Sink) {
    // The closure cannot fail.
    let _ = value.write_decimal(|digits| {
        out.slice(digits);
        Ok::<(), Infallible>(())
    });
}

/// Copies a text of at most [`SHORT_TEXT`] bytes; `None` if one of them has to be escaped.
#[inline(always)]
fn copy_plain(text: &[u8], quote: u8, room: &mut [u8; SHORT_TEXT]) -> Option<()> {
    let has_special = copy_short(text, room, |block| lexer::specials_of(quote, &block) != 0)?;
    if has_special { None } else { Some(()) }
}

/// Copies at most [`SHORT_TEXT`] bytes in a few words, which overlap where the text is no multiple
/// of them. Whether one of the blocks `is_special` that hold all of its bytes and nothing else but
/// zeros. They are made of the words that were read: to read again what has just been written in
/// other pieces makes the processor wait.
#[inline(always)]
fn copy_short(
    text: &[u8],
    room: &mut [u8; SHORT_TEXT],
    is_special: impl Fn([u8; 16]) -> bool,
) -> Option<bool> {
    let len = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        *room.first_chunk_mut()? = *first;
        *room.get_mut(len - 16..)?.first_chunk_mut()? = *last;
        return Some(is_special(*first) | is_special(*last));
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        *room.first_chunk_mut()? = *first;
        *room.get_mut(len - 8..)?.first_chunk_mut()? = *last;
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        return Some(is_special((u128::from(first) << 64 | u128::from(last)).to_le_bytes()));
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        *room.first_chunk_mut()? = *first;
        *room.get_mut(len - 4..)?.first_chunk_mut()? = *last;
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return Some(is_special(
            u128::from(u64::from(first) << 32 | u64::from(last)).to_le_bytes(),
        ));
    }
    let (Some(&first), Some(&middle), Some(&last)) = (text.first(), text.get(len / 2), text.last())
    else {
        return Some(false);
    };
    *room.first_mut()? = first;
    *room.get_mut(len / 2)? = middle;
    *room.get_mut(len - 1)? = last;
    Some(is_special(u128::from(u32::from_le_bytes([first, middle, last, 0])).to_le_bytes()))
}

fn binary(bytes: &[u8], out: &mut impl Sink) {
    out.slice(itoa::Buffer::new().format(bytes.len()).as_bytes());
    out.byte(b'~');
    out.slice(bytes);
    out.byte(b'~');
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::encode::sink::{Block, Kept};

    fn written(text: &[u8]) -> Vec<u8> {
        let mut kept = Kept::default();
        kept.slice(b"before");
        quoted(TextRef::plain(text), b'"', &mut kept);
        let mut buffer = Vec::new();
        let mut block = Block::new(&mut buffer);
        block.slice(b"before");
        quoted(TextRef::plain(text), b'"', &mut block);
        block.flush();
        assert_eq!(kept.as_slice(), buffer);
        if let Some(text) = ShortText::new(text) {
            let mut owned = Kept::default();
            owned.slice(b"before");
            short(&text, b'"', &mut owned);
            assert_eq!(owned.as_slice(), buffer);
        }
        buffer
    }

    #[test]
    fn texts_of_every_length_are_whole_and_escaped_at_every_place() {
        for len in 0..3 * SHORT_TEXT {
            let text: Vec<u8> = (b'a'..=b'z').cycle().take(len).collect();
            assert_eq!(written(&text), [b"before\"", &text[..], b"\""].concat(), "{len}");
            for place in 0..len {
                for special in *b"\"\\" {
                    let mut text = text.clone();
                    text[place] = special;
                    let expected =
                        [b"before\"", &text[..place], &[b'\\', special], &text[place + 1..], b"\""]
                            .concat();
                    assert_eq!(written(&text), expected, "{len}, {place}");
                }
            }
        }
    }

    #[test]
    fn integers_of_every_length_are_whole_across_the_ends_of_blocks() {
        let values: Vec<i64> =
            (0..63).flat_map(|bits| [1 << bits, -1 << bits, i64::MAX >> bits]).collect();
        let mut buffer = Vec::new();
        let mut block = Block::new(&mut buffer);
        let mut expected = Vec::new();
        for value in values {
            integer(IntegerRef::small(value), &mut block);
            block.byte(b',');
            expected.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            expected.push(b',');
        }
        block.flush();
        assert_eq!(buffer, expected);
    }
}
