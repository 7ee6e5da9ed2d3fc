//! The runs of bytes that tokens are made of, as nom parsers.
//!
//! None of them answers "incomplete": a run is as long as the bytes that are there. The machine
//! remembers how far it came and goes on from there, so that no byte of a long token is looked at
//! twice (W12). Which token begins is decided by its first byte, in the machine.

use core::num::NonZeroU32;

use nom::IResult;
use wide::u8x16;

/// A run never fails, so its error says nothing.
pub(crate) type Run<'a, T> = IResult<&'a [u8], T, ()>;

/// Takes decimal digits, as many as there are.
pub(crate) fn digits(input: &[u8]) -> Run<'_, &[u8]> {
    let len = input.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(input.len());
    Ok(split(input, len))
}

/// The value of the run of at most 18 digits that begins at `at`, and where it ends; `None` if the
/// run is longer, or begins within the last 16 bytes of the window.
///
/// One branch for up to 8 digits, which most numbers have, and none for up to 15: no processor can
/// foresee how long numbers are, and that took longer than the arithmetic.
#[inline(always)]
pub(crate) fn short_integer(window: &[u8], at: usize) -> Option<(i64, usize)> {
    let (block, rest) = window.get(at..)?.split_first_chunk::<16>()?;
    let (digits, len) = digits_in_block(block);
    if len <= 8 {
        return Some((short_value_of(digits, len), at + len));
    }
    let value = value_of(digits, len);
    if len < 16 {
        return Some((value, at + len));
    }
    let value = value.cast_unsigned();
    match *rest {
        [last, next, ..] if last.is_ascii_digit() && !next.is_ascii_digit() => {
            Some(((value * 10 + u64::from(last & 0x0F)).cast_signed(), at + 17))
        }
        [tens, ones, next, ..]
            if tens.is_ascii_digit() && ones.is_ascii_digit() && !next.is_ascii_digit() =>
        {
            Some((
                (value * 100 + u64::from(tens & 0x0F) * 10 + u64::from(ones & 0x0F)).cast_signed(),
                at + 18,
            ))
        }
        [next, ..] if !next.is_ascii_digit() => Some((value.cast_signed(), at + 16)),
        _ => None,
    }
}

/// The most digits of a [`short_integer`].
pub(crate) const MAX_SHORT_DIGITS: u32 = 18;

/// Does what [`short_integer`] does for a run that begins within the last 16 bytes of the window,
/// by a look at all of them; `None` if the run may go on after the window.
pub(crate) fn last_integer(window: &[u8], at: usize) -> Option<(i64, usize)> {
    let before = (at + 16).checked_sub(window.len())?;
    let mut block = *window.last_chunk::<16>()?;
    block.rotate_left(before);
    let (digits, len) = digits_in_block(&block);
    // What was before the run stands after it now, and what follows the run has to be seen.
    (at + len < window.len()).then(|| (value_of(digits, len), at + len))
}

/// The values of 16 bytes, the first byte lowest: 0 to 9 for a digit, more for anything else. Also
/// how many digits the bytes begin with.
#[inline(always)]
fn digits_in_block(block: &[u8; 16]) -> (u128, usize) {
    let digits = u8x16::new(*block) ^ u8x16::splat(b'0');
    let len = digits.min(u8x16::splat(9)).simd_eq(digits).to_bitmask().trailing_ones();
    (u128::from_le_bytes(digits.to_array()), len as usize)
}

/// The number that the first `len` digits write, of which each byte is one.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "takes the halves apart; a shift is at most 128"
)]
const fn value_of(digits: u128, len: usize) -> i64 {
    // The digits go to the upper end, with zeros before them.
    let ones = digits.unbounded_shl(128 - 8 * len as u32);
    (eight_digits(ones as u64) * 100_000_000 + eight_digits((ones >> 64) as u64)).cast_signed()
}

/// The number that at most 8 digits write, of which each byte is one.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "takes the lower half; a shift is at most 64")]
const fn short_value_of(digits: u128, len: usize) -> i64 {
    eight_digits((digits as u64).unbounded_shl(64 - 8 * len as u32)).cast_signed()
}

/// The number that eight bytes write, if all of them are digits.
#[inline(always)]
pub(crate) const fn eight_ascii_digits(bytes: [u8; 8]) -> Option<u64> {
    digits_of(u64::from_le_bytes(bytes) ^ ZEROS)
}

/// The number that some of eight bytes write, if all of these are digits: `len` of them, behind
/// which there are `after` more.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "there are eight")]
pub(crate) const fn some_ascii_digits(bytes: [u8; 8], len: usize, after: usize) -> Option<u64> {
    let ones = (u64::from_le_bytes(bytes) ^ ZEROS).unbounded_shl(8 * after as u32);
    // What stands before them counts as zeros.
    let before = 64 - 8 * len as u32;
    digits_of(ones.unbounded_shr(before).unbounded_shl(before))
}

/// Where the first byte of this value is.
#[inline(always)]
pub(crate) const fn place_of(byte: u8, bytes: [u8; 8]) -> Option<usize> {
    let found = u64::from_le_bytes(bytes) ^ u64::from_le_bytes([byte; 8]);
    // The highest bit of each byte that is zero, and perhaps of some behind it.
    let zeros =
        found.wrapping_sub(u64::from_le_bytes([1; 8])) & !found & u64::from_le_bytes([0x80; 8]);
    if zeros == 0 { None } else { Some(zeros.trailing_zeros() as usize / 8) }
}

const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// The number that eight bytes are, if each is a digit without its ASCII.
#[inline(always)]
const fn digits_of(ones: u64) -> Option<u64> {
    const HIGH_HALVES: u64 = u64::from_le_bytes([0xF0; 8]);
    // A byte above 9 reaches the high half when 6 is added to it, or is in it already.
    let is_other = (ones | ones.wrapping_add(u64::from_le_bytes([6; 8]))) & HIGH_HALVES != 0;
    if is_other { None } else { Some(eight_digits(ones)) }
}

/// The number that eight digits write, of which each byte is one, the first in the lowest.
#[inline(always)]
const fn eight_digits(ones: u64) -> u64 {
    // Each two neighbours become one number: 8 of one digit, 4 of two, 2 of four, 1 of eight.
    let tens = (ones.wrapping_mul(10 << 8 | 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let hundreds = (tens.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    hundreds.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// Where the text from `start` on meets its closing quote, if that is within 16 bytes of the window
/// that have no escapes.
#[inline(always)]
pub(crate) fn short_text<const QUOTE: u8>(window: &[u8], start: usize) -> Option<usize> {
    let block = window.get(start..)?.first_chunk::<16>()?;
    let (quotes, escapes) = specials(QUOTE, block);
    if escapes != 0 {
        return None;
    }
    NonZeroU32::new(quotes).map(|quotes| start + quotes.trailing_zeros() as usize)
}

/// Where the text from `start` on meets its closing quote, if it has no escapes, is not long and
/// ends in the window; or else a place before which there is neither quote nor `\`. For what is no
/// [`short_text`].
#[inline(never)]
pub(crate) fn medium_text<const QUOTE: u8>(window: &[u8], start: usize) -> Result<usize, usize> {
    let mut rest = window.get(start..).unwrap_or_default();
    let mut at = start;
    for _ in 0..MAX_MEDIUM_TEXT / 16 {
        // A fifth of the texts of a small packet end within its last bytes.
        let Some((block, tail)) = rest.split_first_chunk::<16>() else {
            return last_text(QUOTE, window, at);
        };
        let (quotes, escapes) = specials(QUOTE, block);
        if quotes | escapes != 0 {
            let found = (quotes | escapes).trailing_zeros();
            let at = at + found as usize;
            return if quotes >> found & 1 == 1 { Ok(at) } else { Err(at) };
        }
        at += block.len();
        rest = tail;
    }
    Err(at)
}

/// Does what [`medium_text`] does within the last 16 bytes of the window, where that ends its
/// search, by a look at all of them.
pub(crate) fn last_text(quote: u8, window: &[u8], at: usize) -> Result<usize, usize> {
    let (Some(block), Some(before)) =
        (window.last_chunk::<16>(), (at + 16).checked_sub(window.len()))
    else {
        return Err(at);
    };
    let (quotes, escapes) = specials(quote, block);
    let (quotes, escapes) = (quotes >> before, escapes >> before);
    if quotes.trailing_zeros() < escapes.trailing_zeros() {
        return Ok(at + quotes.trailing_zeros() as usize);
    }
    Err(if escapes == 0 { window.len() } else { at + escapes.trailing_zeros() as usize })
}

/// Longer texts are worth a call of the search that is fastest on this processor.
const MAX_MEDIUM_TEXT: usize = 256;

/// Which of 16 bytes are `quote`, and which are `\`: a bit for each, the first byte's lowest.
#[inline(always)]
fn specials(quote: u8, block: &[u8; 16]) -> (u32, u32) {
    let block = u8x16::new(*block);
    (
        block.simd_eq(u8x16::splat(quote)).to_bitmask(),
        block.simd_eq(u8x16::splat(b'\\')).to_bitmask(),
    )
}

/// Which of 16 bytes are `quote` or `\`: a bit for each, the first byte's lowest.
#[inline(always)]
pub(crate) fn specials_of(quote: u8, block: &[u8; 16]) -> u32 {
    let block = u8x16::new(*block);
    (block.simd_eq(u8x16::splat(quote)) | block.simd_eq(u8x16::splat(b'\\'))).to_bitmask()
}

/// Takes bytes up to the next `quote` or `\`, which stays, or all that there are.
#[inline(always)]
pub(crate) fn plain_text(quote: u8, input: &[u8]) -> Run<'_, &[u8]> {
    let mut rest = input;
    for _ in 0..SHORT_TEXT_BLOCKS {
        let Some((block, tail)) = rest.split_first_chunk::<16>() else { break };
        let (quotes, escapes) = specials(quote, block);
        if quotes | escapes != 0 {
            let len = input.len() - rest.len() + (quotes | escapes).trailing_zeros() as usize;
            return Ok(split(input, len));
        }
        rest = tail;
    }
    let len = input.len() - rest.len() + long_text_len(quote, rest);
    Ok(split(input, len))
}

/// Blocks of 16 bytes that are looked at before the search for long texts. Measured.
const SHORT_TEXT_BLOCKS: usize = 4;

/// Whether one of eight bytes is `quote` or `\`.
#[inline(always)]
pub(crate) const fn has_special(quote: u8, word: u64) -> bool {
    bytes_equal(word, quote) | bytes_equal(word, b'\\') != 0
}

/// What is left of a text that is long, or near the end of the input.
#[inline(never)]
fn long_text_len(quote: u8, rest: &[u8]) -> usize {
    if rest.len() < 8 {
        return rest.iter().position(|&byte| byte == quote || byte == b'\\').unwrap_or(rest.len());
    }
    memchr::memchr2(quote, b'\\', rest).unwrap_or(rest.len())
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Has the high bit of each byte of `word` that equals `byte` set, at least for the lowest such
/// byte: the borrow of the subtraction may set further bits above it.
#[inline(always)]
const fn bytes_equal(word: u64, byte: u8) -> u64 {
    let zero_where_equal = word ^ (ONES * byte as u64);
    zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & HIGHS
}

/// What nom wants: the rest first. `len` is at most the length of the input.
#[inline(always)]
fn split(input: &[u8], len: usize) -> (&[u8], &[u8]) {
    input.split_at_checked(len).map_or((&[], input), |(run, rest)| (rest, run))
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn text_len(input: &[u8]) -> usize {
        let Ok((rest, run)) = plain_text(b'"', input) else { panic!("runs do not fail") };
        assert_eq!([run, rest].concat(), input);
        run.len()
    }

    #[test]
    fn finds_the_quote_at_every_distance() {
        for len in 0..100 {
            let mut input: Vec<u8> = (b'a'..=b'z').cycle().take(len).collect();
            assert_eq!(text_len(&input), len, "without an end");
            input.push(b'"');
            input.extend_from_slice(b"tail\"\\");
            assert_eq!(text_len(&input), len);
            input[len] = b'\\';
            assert_eq!(text_len(&input), len);
        }
    }

    #[test]
    fn is_not_fooled_by_bytes_next_to_the_quote() {
        // 0x21 and 0x23 stand beside `"`, 0x5B and 0x5D beside `\`; 0xA2 and 0xDC differ from them
        // in the high bit alone.
        let input = [0x21, 0x23, 0x5b, 0x5d, 0xa2, 0xdc, 0x00, 0xff].repeat(20);
        assert_eq!(text_len(&input), input.len());
    }

    #[test]
    fn reads_integers_of_every_length() {
        let digits = b"987654321098765432109";
        for (len, place) in
            (1..=digits.len()).flat_map(|len| (0..400).map(move |place| (len, place)))
        {
            let (before, after) = (place / 20, place % 20);
            // `/` and `:` stand beside the digits; 0xB0 differs from one in the high bit alone.
            for end in *b" /:\xb0" {
                let mut input = vec![b'5'; before];
                input.extend_from_slice(&digits[..len]);
                assert_eq!(last_integer(&input, before), None, "may go on");
                input.push(end);
                input.resize(input.len() + after, b'7');
                let value = str::from_utf8(&digits[..len]).unwrap().parse().unwrap_or_default();
                match short_integer(&input, before).or_else(|| last_integer(&input, before)) {
                    Some(found) => assert_eq!(found, (value, before + len)),
                    None => {
                        assert!(len > 18 || input.len() < 16, "{len} digits after {before} bytes");
                    }
                }
            }
        }
        assert_eq!(
            last_integer(b"123456789012345 ", 4),
            Some((56_789_012_345, 15)),
            "in the last block"
        );
    }

    #[test]
    fn texts_end_at_their_quote() {
        for len in 0..MAX_MEDIUM_TEXT {
            let text = [&b"\"\\"[..], &b"a".repeat(len), b"\"", &b"b".repeat(40)].concat();
            let stop = 2 + len;
            for cut in stop..text.len() {
                let mut input = text[..cut].to_vec();
                let found = medium_text::<b'"'>(&input, 2)
                    .or_else(|looked| last_text(b'"', &input, looked));
                let looked = found.unwrap_or_else(|looked| looked);
                assert!(
                    looked <= stop && (found.is_err() || cut > stop),
                    "cut at {cut}: {found:?}"
                );
                if cut >= 16 {
                    assert_eq!(
                        found,
                        if cut > stop { Ok(stop) } else { Err(stop) },
                        "cut at {cut}"
                    );
                }
                assert_eq!(
                    short_text::<b'"'>(&input, 2),
                    (len < 16 && cut >= 18).then_some(stop),
                    "cut at {cut}"
                );
                if cut > stop {
                    input[stop] = b'\\';
                    let found = medium_text::<b'"'>(&input, 2)
                        .or_else(|looked| last_text(b'"', &input, looked));
                    assert!(
                        found == Err(stop) || cut < 16 && found == Err(2),
                        "an escape: {found:?}"
                    );
                    assert_eq!(short_text::<b'"'>(&input, 2), None);
                }
            }
            let mut input = text;
            input[stop + 1] = b'\\';
            assert_eq!(medium_text::<b'"'>(&input, 2), Ok(stop), "an escape after the text");
            assert_eq!(short_text::<b'"'>(&input, 2).unwrap_or(stop), stop);
        }
    }

    #[test]
    fn texts_are_not_fooled_by_bytes_next_to_the_quote() {
        let mut input = [0x21, 0x23, 0x5b, 0x5d, 0xa2, 0xdc, 0x00, 0xff].repeat(20);
        for len in 0..input.len() {
            let byte = core::mem::replace(&mut input[len], b'"');
            assert_eq!(medium_text::<b'"'>(&input, 0), Ok(len));
            assert_eq!(short_text::<b'"'>(&input, 0), (len < 16).then_some(len));
            input[len] = byte;
        }
    }

    #[test]
    fn takes_digits_only() {
        assert_eq!(digits(b"123-4"), Ok((&b"-4"[..], &b"123"[..])));
        assert_eq!(digits(b"x"), Ok((&b"x"[..], &b""[..])));
    }
}
