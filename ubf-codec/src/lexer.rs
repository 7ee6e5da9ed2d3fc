//! The runs of bytes that tokens are made of, as nom parsers.
//!
//! None of them answers "incomplete": a run is as long as the bytes that are there. The machine remembers how far it came and
//! goes on from there, so that no byte of a long token is looked at twice (W12). Which token begins is decided by its first byte,
//! in the machine.

use nom::IResult;
use wide::u8x16;

/// A run never fails, so its error says nothing.
pub(crate) type Run<'a, T> = IResult<&'a [u8], T, ()>;

/// Takes decimal digits, as many as there are.
pub(crate) fn digits(input: &[u8]) -> Run<'_, &[u8]> {
    let len = input.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(input.len());
    Ok(split(input, len))
}

/// The value of a run of at most 18 digits that `input` begins with, and its length; `None` if the run is longer, or may end with the
/// input.
///
/// Eight digits at a time: 20 instructions for a short integer, where a loop takes seven for each digit and a branch that the
/// processor cannot foresee.
#[inline(always)]
pub(crate) fn short_integer(input: &[u8]) -> Option<(i64, usize)> {
    let (word, rest) = input.split_first_chunk::<8>()?;
    let (value, len) = leading_digits(*word);
    if len < 8 {
        return Some((value.cast_signed(), len));
    }
    let (word, rest) = rest.split_first_chunk::<8>()?;
    let (more, more_len) = leading_digits(*word);
    if let Some(scale) = POWERS_OF_TEN.get(more_len) {
        return Some(((value * scale + more).cast_signed(), 8 + more_len));
    }
    let value = value * 100_000_000 + more;
    match *rest {
        [last, next, ..] if last.is_ascii_digit() && !next.is_ascii_digit() => {
            Some(((value * 10 + u64::from(last & 0x0F)).cast_signed(), 17))
        }
        [tens, ones, next, ..] if tens.is_ascii_digit() && ones.is_ascii_digit() && !next.is_ascii_digit() => {
            Some(((value * 100 + u64::from(tens & 0x0F) * 10 + u64::from(ones & 0x0F)).cast_signed(), 18))
        }
        [next, ..] if !next.is_ascii_digit() => Some((value.cast_signed(), 16)),
        _ => None,
    }
}

/// For up to seven digits: with eight, a number has no end in its word.
const POWERS_OF_TEN: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The digits that eight bytes begin with: their value, and how many there are.
#[inline(always)]
const fn leading_digits(bytes: [u8; 8]) -> (u64, usize) {
    // 0 to 9 where there is a digit, else more.
    let digits = u64::from_le_bytes(bytes) ^ (ONES * b'0' as u64);
    // No byte carries into the next: the sum is at most 0x7F + 0x76.
    let not_digits = (((digits & !HIGHS) + ONES * 0x76) | digits) & HIGHS;
    let len = not_digits.trailing_zeros() / 8;
    // The digits go to the upper end, with zeros before them, and then each two neighbours into one number: 8 of one digit, 4 of two,
    // 2 of four, 1 of eight.
    let ones = digits.unbounded_shl(64 - 8 * len);
    let tens = (ones.wrapping_mul(10 << 8 | 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let hundreds = (tens.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    (hundreds.wrapping_mul(10_000 << 32 | 1) >> 32, len as usize)
}

/// The length of a text without escapes that is not long and ends in the input; or else how many of its first bytes are neither
/// `quote` nor `\`, as far as was looked.
#[inline(always)]
pub(crate) fn short_text(quote: u8, input: &[u8]) -> Result<usize, usize> {
    let mut rest = input;
    let mut len = 0;
    while let Some((block, tail)) = rest.split_first_chunk::<16>() {
        let (quotes, escapes) = specials(quote, block);
        if quotes.trailing_zeros() < escapes.trailing_zeros() {
            return Ok(len + quotes.trailing_zeros() as usize);
        }
        if escapes != 0 {
            return Err(len + escapes.trailing_zeros() as usize);
        }
        len += block.len();
        rest = tail;
        if len >= MAX_SHORT_TEXT {
            break;
        }
    }
    Err(len)
}

/// Longer texts are worth a call of the search that is fastest on this processor.
const MAX_SHORT_TEXT: usize = 256;

/// Which of 16 bytes are `quote`, and which are `\`: a bit for each, the first byte's lowest.
#[inline(always)]
fn specials(quote: u8, block: &[u8; 16]) -> (u32, u32) {
    let block = u8x16::new(*block);
    (block.simd_eq(u8x16::splat(quote)).to_bitmask(), block.simd_eq(u8x16::splat(b'\\')).to_bitmask())
}

/// Words of eight bytes that are looked at before the search for long texts. Measured.
const SHORT_TEXT_WORDS: usize = 4;

/// Takes bytes up to the next `quote` or `\`, which stays, or all that there are.
#[inline(always)]
pub(crate) fn plain_text(quote: u8, input: &[u8]) -> Run<'_, &[u8]> {
    let mut rest = input;
    for _ in 0..SHORT_TEXT_WORDS {
        let Some((word, tail)) = rest.split_first_chunk::<8>() else { break };
        let word = u64::from_le_bytes(*word);
        let found = bytes_equal(word, quote) | bytes_equal(word, b'\\');
        if found != 0 {
            let len = input.len() - rest.len() + (found.trailing_zeros() / 8) as usize;
            return Ok(split(input, len));
        }
        rest = tail;
    }
    let len = input.len() - rest.len() + long_text_len(quote, rest);
    Ok(split(input, len))
}

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

/// Has the high bit of each byte of `word` that equals `byte` set, at least for the lowest such byte: the borrow of the
/// subtraction may set further bits above it.
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
        // 0x21 and 0x23 stand beside `"`, 0x5B and 0x5D beside `\`; 0xA2 and 0xDC differ from them in the high bit alone.
        let input = [0x21, 0x23, 0x5b, 0x5d, 0xa2, 0xdc, 0x00, 0xff].repeat(20);
        assert_eq!(text_len(&input), input.len());
    }

    #[test]
    fn reads_integers_of_every_length() {
        let digits = b"987654321098765432109";
        for len in 1..=digits.len() {
            // `/` and `:` stand beside the digits; 0xB0 differs from one in the high bit alone.
            for end in *b" /:\xb0" {
                let input = [&digits[..len], &[end], b"12345678"].concat();
                let value = str::from_utf8(&digits[..len]).unwrap().parse().unwrap_or_default();
                let expected = if len <= 18 { Some((value, len)) } else { None };
                assert_eq!(short_integer(&input), expected, "{len}");
            }
            assert_eq!(short_integer(&digits[..len]), None, "may go on");
        }
    }

    #[test]
    fn short_texts_end_at_their_quote() {
        for len in 0..MAX_SHORT_TEXT {
            let mut input = [&b"a".repeat(len)[..], b"\"", &b"b".repeat(40)].concat();
            assert_eq!(short_text(b'"', &input), Ok(len));
            input[len + 1] = b'\\';
            assert_eq!(short_text(b'"', &input), Ok(len), "an escape after the text");
            input[len] = b'\\';
            assert_eq!(short_text(b'"', &input), Err(len));
            assert_eq!(short_text(b'"', &input[..len]), Err(len / 16 * 16), "cut");
        }
    }

    #[test]
    fn short_texts_are_not_fooled_by_bytes_next_to_the_quote() {
        let mut input = [0x21, 0x23, 0x5b, 0x5d, 0xa2, 0xdc, 0x00, 0xff].repeat(20);
        for len in 0..100 {
            let byte = core::mem::replace(&mut input[len], b'"');
            assert_eq!(short_text(b'"', &input), Ok(len));
            input[len] = byte;
        }
    }

    #[test]
    fn takes_digits_only() {
        assert_eq!(digits(b"123-4"), Ok((&b"-4"[..], &b"123"[..])));
        assert_eq!(digits(b"x"), Ok((&b"x"[..], &b""[..])));
    }
}
