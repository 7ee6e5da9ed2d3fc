//! Floats: strings tagged `f` (W8).

use alloc::string::String;

use crate::lexer;

/// The value that the digits of a float write. Only what is certainly a finite decimal number
/// counts: `1.5`, `-2`, `1e-7`.
#[inline]
pub(crate) fn value(digits: &[u8]) -> Option<f64> {
    short_value(digits).or_else(|| any_value(digits))
}

/// The value of digits in any form that counts.
#[inline(never)]
fn any_value(digits: &[u8]) -> Option<f64> {
    let text = str::from_utf8(digits).ok()?;
    // What else the library reads as a float begins with a letter.
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_decimal = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    text.parse().ok().filter(|value: &f64| is_decimal && value.is_finite())
}

/// The most digits of which every number fits 64 bits.
const MAX_SHORT_DIGITS: usize = 19;

/// The value of at most 19 digits with one point among them and nothing else but a minus sign:
/// what programs write, read in a fraction of the time that the library takes for all that there
/// is.
#[inline]
fn short_value(text: &[u8]) -> Option<f64> {
    let (is_negative, unsigned) = match text {
        [b'-', unsigned @ ..] => (true, unsigned),
        unsigned => (false, unsigned),
    };
    // One byte is the point.
    if unsigned.len() > MAX_SHORT_DIGITS + 1 {
        return None;
    }
    let (digits, power) = digits_by_words(unsigned).or_else(|| digits_by_bytes(unsigned))?;
    let value = quotient(digits, power)?;
    Some(if is_negative { -value } else { value })
}

/// All digits of a number as one number, and how many of them stand behind the point. The usual
/// case: at least eight bytes, the point being one of the first eight.
///
/// No loop and no branch depends on how many digits there are before the point, or in the last
/// word: a processor could not foresee that.
#[inline]
fn digits_by_words(text: &[u8]) -> Option<(u64, usize)> {
    const WORD: usize = 8;
    let first = *text.first_chunk()?;
    let point = lexer::place_of(b'.', first)?;
    let mut digits = lexer::some_ascii_digits(first, point, WORD - point)?;
    let mut rest = text.get(point + 1..)?;
    let power = rest.len();
    while let Some((word, after)) = rest.split_first_chunk() {
        digits = digits.wrapping_mul(100_000_000).wrapping_add(lexer::eight_ascii_digits(*word)?);
        rest = after;
    }
    let last = lexer::some_ascii_digits(*text.last_chunk()?, rest.len(), 0)?;
    let scale = *POWERS_OF_TEN.get(rest.len())?;
    Some((digits.wrapping_mul(scale).wrapping_add(last), power))
}

/// The same of any text.
#[inline(never)]
fn digits_by_bytes(text: &[u8]) -> Option<(u64, usize)> {
    let point = text.iter().position(|&byte| byte == b'.')?;
    let mut value = 0_u64;
    for &byte in text.iter().take(point).chain(text.get(point + 1..)?) {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(byte & 0x0F));
    }
    (text.len() > 1).then_some((value, text.len() - point - 1))
}

/// `digits` divided by this power of ten, rounded once.
#[inline]
#[expect(
    clippy::cast_precision_loss,
    reason = "the first division is of floats that are exact; the other rounds at its end"
)]
fn quotient(digits: u64, power: usize) -> Option<f64> {
    /// Whole numbers up to here are floats. So are powers of ten up to the 22nd.
    const MAX_EXACT: u64 = 1 << 53;
    if digits <= MAX_EXACT {
        return Some(digits.cast_signed() as f64 / *FLOAT_POWERS_OF_TEN.get(power)?);
    }
    // A quotient of 62 or 63 bits: a float has 53. Its lowest bit is set if there is a remainder,
    // so that a quotient which only looks like the middle between two floats is not taken for it.
    let divisor = DIVISORS.get(power)?;
    let zeros = digits.leading_zeros();
    let (quotient, is_exact) = divisor.divide(digits << zeros);
    // The exponent is far from those of the smallest floats: the last multiplication is exact.
    let exponent = 1023 + divisor.zeros - zeros - QUOTIENT_BITS;
    let scale = f64::from_bits(u64::from(exponent) << 52);
    Some((quotient | u64::from(!is_exact)).cast_signed() as f64 * scale)
}

/// How many bits a dividend is moved to the left, so that the quotient has enough of them.
const QUOTIENT_BITS: u32 = 62;

/// A power of ten, ready to divide by: to multiply takes a tenth of the time of a division.
#[derive(Clone, Copy)]
struct Divisor {
    /// The power without the zeros before it, the highest bit being one.
    normal: u64,
    zeros: u32,
    /// The lower 64 bits of 2¹²⁸ - 1 divided by `normal`; the 65th is one.
    reciprocal: u64,
}

impl Divisor {
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is taken off")]
    const fn new(power: u64) -> Self {
        let zeros = power.leading_zeros();
        let normal = power << zeros;
        Self { normal, zeros, reciprocal: (u128::MAX / normal as u128) as u64 }
    }

    /// `dividend`, whose highest bit is one, times 2⁶² and divided by `normal`, and whether nothing
    /// is left. The estimate by the reciprocal is one too small at most, or one too large: see
    /// Möller and Granlund, "Improved division by invariant integers".
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the words are taken apart")]
    fn divide(&self, dividend: u64) -> (u64, bool) {
        let dividend = u128::from(dividend) << QUOTIENT_BITS;
        let (high, low) = ((dividend >> 64) as u64, dividend as u64);
        let estimate = (u128::from(self.reciprocal) * u128::from(high)).wrapping_add(dividend);
        let mut quotient = ((estimate >> 64) as u64).wrapping_add(1);
        let mut rest = low.wrapping_sub(quotient.wrapping_mul(self.normal));
        if rest > estimate as u64 {
            quotient = quotient.wrapping_sub(1);
            rest = rest.wrapping_add(self.normal);
        }
        if rest >= self.normal {
            quotient = quotient.wrapping_add(1);
            rest -= self.normal;
        }
        (quotient, rest == 0)
    }
}

#[expect(clippy::indexing_slicing, reason = "the compiler computes it")]
const POWERS_OF_TEN: [u64; MAX_SHORT_DIGITS + 1] = {
    let mut powers = [1; MAX_SHORT_DIGITS + 1];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = powers[power - 1] * 10;
        power += 1;
    }
    powers
};

#[expect(
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "the compiler computes it; so small powers are exact"
)]
static FLOAT_POWERS_OF_TEN: [f64; MAX_SHORT_DIGITS + 1] = {
    let mut powers = [1.0; MAX_SHORT_DIGITS + 1];
    let mut power = 0;
    while power < powers.len() {
        powers[power] = POWERS_OF_TEN[power] as f64;
        power += 1;
    }
    powers
};

#[expect(clippy::indexing_slicing, reason = "the compiler computes it")]
static DIVISORS: [Divisor; MAX_SHORT_DIGITS + 1] = {
    let mut divisors = [Divisor::new(1); MAX_SHORT_DIGITS + 1];
    let mut power = 0;
    while power < divisors.len() {
        divisors[power] = Divisor::new(POWERS_OF_TEN[power]);
        power += 1;
    }
    divisors
};

/// The shortest digits that read back to the same value, always with a `.` in them: there are peers
/// that demand it. `None` for what is infinite or no number.
pub(crate) fn write(value: f64) -> Option<String> {
    write_to(value, |digits| String::from(digits))
}

/// Hands the digits that [`write`] gives to `take`, without a copy of them.
#[inline]
pub(crate) fn write_to<T>(value: f64, take: impl FnOnce(&str) -> T) -> Option<T> {
    if !value.is_finite() {
        return None;
    }
    let mut buffer = zmij::Buffer::new();
    let digits = buffer.format_finite(value);
    // In this range digits have a point and no exponent, and nobody has to look for them.
    if value == 0.0 || (1e-4..1e15).contains(&value.abs()) {
        debug_assert!(digits.contains('.') && !digits.contains('e'), "the formatter's own range");
        return Some(take(digits));
    }
    Some(take(&with_point(digits)))
}

/// `1e-7` becomes `1.0e-7`.
#[cold]
fn with_point(digits: &str) -> String {
    let (mantissa, exponent) =
        digits.find('e').map_or((digits, ""), |place| digits.split_at(place));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    [mantissa, point, exponent].concat()
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec::Vec;

    use super::*;
    use crate::Term;

    #[test]
    fn digits_read_back_to_the_same_value() {
        for value in [
            0.0,
            -0.0,
            1.0,
            1.5,
            -2.25,
            0.1,
            1e-7,
            1e300,
            5e-324,
            f64::MAX,
            123_456_789.125,
            1e-4,
            9.999_999_999_999_999e-5,
            1e15,
            -999_999_999_999_999.9,
            1e16,
            -1e17,
            1e-5,
        ] {
            let digits = write(value).unwrap();
            assert!(digits.contains('.'), "{digits}");
            let term = Term::float(value).unwrap();
            assert_eq!(term.as_ref().as_f64().map(f64::to_bits), Some(value.to_bits()), "{digits}");
        }
    }

    #[test]
    fn short_digits_are_rounded_as_the_library_rounds_them() {
        // Beside powers of two lie the middles between two floats.
        let neighbours = (0..64).flat_map(|bits| {
            let middle = 1_u64 << bits;
            (0..5).map(move |step| middle.wrapping_sub(2).wrapping_add(step))
        });
        let steps = (0..4000_u64).map(|step| step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let numbers: Vec<u64> =
            neighbours.chain(steps).chain([u64::MAX, 9_999_999_999_999_999_999]).collect();
        for number in numbers {
            let digits = number.to_string();
            for place in 0..=digits.len() {
                let (whole, fraction) = digits.split_at(place);
                for sign in ["", "-"] {
                    let text = std::format!("{sign}{whole}.{fraction}");
                    let expected: f64 = text.parse().unwrap();
                    let found = short_value(text.as_bytes()).or_else(|| {
                        assert!(digits.len() > MAX_SHORT_DIGITS, "{text}");
                        any_value(text.as_bytes())
                    });
                    assert_eq!(found.map(f64::to_bits), Some(expected.to_bits()), "{text}");
                }
            }
        }
    }

    #[test]
    fn zeros_before_the_digits_change_nothing() {
        for text in ["0.1", "00.10", "-0.0", "0.00000000000000001", "0000000000000000.25"] {
            assert_eq!(
                short_value(text.as_bytes()).map(f64::to_bits),
                text.parse().ok().map(f64::to_bits),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_decimal_number_is_no_float() {
        for text in [
            "",
            "NaN",
            "nan",
            "inf",
            "-inf",
            "+infinity",
            "1e999",
            "0x10",
            "1,5",
            "-",
            "--1",
            "+-1",
            ".",
            "1.5 ",
            "1f",
        ] {
            assert_eq!(Term::from(text).tagged("f").as_ref().as_f64(), None, "{text}");
        }
        assert_eq!(Term::from("1.5").as_ref().as_f64(), None);
        for (text, value) in
            [("1", 1.0), ("+1.5", 1.5), ("-.5", -0.5), ("1.", 1.0), ("-2E-3", -0.002)]
        {
            assert_eq!(Term::from(text).tagged("f").as_ref().as_f64(), Some(value), "{text}");
        }
    }

    #[test]
    fn a_float_may_be_written_with_escapes() {
        let mut decoder = crate::Decoder::new().with_any_escape(true);
        for (packet, value) in [
            (&br#""1.5"`f`$"#[..], Some(1.5)),
            (br#""1\.5"`f`$"#, Some(1.5)),
            (br#""1.5"`\f`$"#, Some(1.5)),
            (br#""\1.5"`\f`$"#, Some(1.5)),
            (br#""1\\5"`f`$"#, None),
            (br#""1.5"`\g`$"#, None),
            (br#""1.5"`g`$"#, None),
            (b"'1.5'`f`$", None),
            (b"7`f`$", None),
        ] {
            let document = decoder.decode(packet).unwrap();
            assert_eq!(document.root().as_f64(), value, "{}", packet.escape_ascii());
            assert_eq!(document.to_term().as_f64(), value, "{}", packet.escape_ascii());
        }
    }
}
