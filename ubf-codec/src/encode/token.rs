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
fn quoted(text: TextRef<'_>, quote: u8, out: &mut impl Sink) {
    let bytes = match text.as_plain() {
        Some(bytes) if bytes.len() <= SHORT_TEXT => bytes,
        Some(bytes) => return long(bytes, quote, out),
        None => return escaped(&text.to_bytes(), quote, out),
    };
    let Some(room) = out.room() else { return };
    let [open, inside @ .., _] = room;
    *open = quote;
    if copy_short(bytes, inside, |word| lexer::has_special(quote, word)) == Some(false)
        && let Some(close) = room.get_mut(1 + bytes.len())
    {
        *close = quote;
        return out.take(bytes.len() + 2);
    }
    escaped(bytes, quote, out);
}

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

/// Copies at most [`SHORT_TEXT`] bytes in a few words, which overlap where the text is no multiple
/// of them. Whether one of the words `is_special`.
#[inline(always)]
fn copy_short(
    text: &[u8],
    room: &mut [u8; SHORT_TEXT],
    is_special: impl Fn(u64) -> bool,
) -> Option<bool> {
    let len = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        *room.first_chunk_mut()? = *first;
        *room.get_mut(len - 8..)?.first_chunk_mut()? = *last;
        let mut found =
            is_special(u64::from_le_bytes(*first)) | is_special(u64::from_le_bytes(*last));
        if len > 16 {
            let (second, third) =
                (text.get(8..)?.first_chunk::<8>()?, text.get(len - 16..)?.first_chunk::<8>()?);
            *room.get_mut(8..)?.first_chunk_mut()? = *second;
            *room.get_mut(len - 16..)?.first_chunk_mut()? = *third;
            found |=
                is_special(u64::from_le_bytes(*second)) | is_special(u64::from_le_bytes(*third));
        }
        return Some(found);
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        *room.first_chunk_mut()? = *first;
        *room.get_mut(len - 4..)?.first_chunk_mut()? = *last;
        return Some(is_special(
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)),
        ));
    }
    let (Some(&first), Some(&middle), Some(&last)) = (text.first(), text.get(len / 2), text.last())
    else {
        return Some(false);
    };
    *room.first_mut()? = first;
    *room.get_mut(len / 2)? = middle;
    *room.get_mut(len - 1)? = last;
    Some(is_special(u64::from_le_bytes([first, middle, last, 0, 0, 0, 0, 0])))
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
