//! The runs of bytes that tokens are made of, as nom parsers.
//!
//! None of them answers "incomplete": a run is as long as the bytes that are there. The machine remembers how far it came and
//! goes on from there, so that no byte of a long token is looked at twice (W12). Which token begins is decided by its first byte,
//! in the machine.

use nom::IResult;

/// A run never fails, so its error says nothing.
pub(crate) type Run<'a, T> = IResult<&'a [u8], T, ()>;

/// Takes decimal digits, as many as there are.
pub(crate) fn digits(input: &[u8]) -> Run<'_, &[u8]> {
    let len = input.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(input.len());
    Ok(split(input, len))
}

/// Takes bytes up to the next `quote` or `\`, which stays, or all that there are.
///
/// Most texts are short: eight bytes are looked at in one go, four times, before the search that is faster on long texts begins.
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

/// Words of eight bytes that are looked at before the search for long texts. Measured.
const SHORT_TEXT_WORDS: usize = 4;

/// What is left of a text that is long, or near the end of the input.
fn long_text_len(quote: u8, rest: &[u8]) -> usize {
    if rest.len() < 8 {
        return rest.iter().position(|&byte| byte == quote || byte == b'\\').unwrap_or(rest.len());
    }
    memchr::memchr2(quote, b'\\', rest).unwrap_or(rest.len())
}

/// Has the high bit of each byte of `word` that equals `byte` set, at least for the lowest such byte: the borrow of the
/// subtraction may set further bits above it.
const fn bytes_equal(word: u64, byte: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
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
    fn takes_digits_only() {
        assert_eq!(digits(b"123-4"), Ok((&b"-4"[..], &b"123"[..])));
        assert_eq!(digits(b"x"), Ok((&b"x"[..], &b""[..])));
    }
}
