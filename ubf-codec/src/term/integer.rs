//! Integers of any size (W2).

use alloc::string::ToString as _;
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use num_bigint::BigInt;

/// An owned integer of any size. Up to 128 bits it needs no memory of its own.
///
/// ```
/// use ubf_codec::Integer;
///
/// let big: Integer = "123456789012345678901234567890123456789012345".parse()?;
/// assert_eq!(big.to_i128(), None);
/// assert!(Integer::from(u64::MAX) < big);
/// assert_eq!(Integer::from(-7).to_i64(), Some(-7));
/// # Ok::<(), ubf_codec::ParseIntegerError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Integer(Repr);

/// Each value has exactly one form, the first that holds it, so that equality can be derived.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Small(i64),
    /// An `i128` in two halves, high one first: an `i128` itself would align every term to 16
    /// bytes.
    Wide(i64, u64),
    /// The decimal digits, perhaps after a `-`, without leading zeros: packets have them so, and to
    /// make a number of them takes time that grows with the square of their count.
    Big(Arc<str>),
}

impl Integer {
    /// The value, if it fits.
    #[must_use]
    pub const fn to_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Small(value) => Some(value),
            Repr::Wide(..) | Repr::Big(_) => None,
        }
    }

    /// The value, if it fits.
    #[must_use]
    pub fn to_i128(&self) -> Option<i128> {
        match self.0 {
            Repr::Small(value) => Some(i128::from(value)),
            Repr::Wide(high, low) => Some(i128::from(high) << 64 | i128::from(low)),
            Repr::Big(_) => None,
        }
    }

    /// The value, if it fits.
    #[must_use]
    pub fn to_u64(&self) -> Option<u64> {
        self.to_i128().and_then(|value| u64::try_from(value).ok())
    }

    /// The value, if it fits.
    #[must_use]
    pub fn to_u128(&self) -> Option<u128> {
        match &self.0 {
            Repr::Big(digits) => digits.parse().ok(),
            Repr::Small(_) | Repr::Wide(..) => self.to_i128()?.try_into().ok(),
        }
    }

    /// The value, whatever its size. Beyond 128 bits this takes time that grows with the square of
    /// the digits.
    #[must_use]
    pub fn to_big_int(&self) -> BigInt {
        match &self.0 {
            Repr::Big(digits) => BigInt::parse_bytes(digits.as_bytes(), 10).unwrap_or_default(),
            Repr::Small(_) | Repr::Wide(..) => BigInt::from(self.to_i128().unwrap_or_default()),
        }
    }

    /// Whether the value is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        match &self.0 {
            Repr::Small(value) => *value < 0,
            Repr::Wide(high, _) => *high < 0,
            Repr::Big(digits) => digits.starts_with('-'),
        }
    }

    /// From decimal digits, which have to be digits and to have no leading zeros.
    fn from_digits(negative: bool, digits: &[u8]) -> Self {
        /// So many digits always fit an `i128`.
        const SAFE_DIGITS: usize = 38;
        /// More than so many never do.
        const MAX_DIGITS: usize = 39;
        if digits.len() <= SAFE_DIGITS {
            let value =
                digits.iter().fold(0_i128, |value, digit| value * 10 + i128::from(digit & 0x0F));
            return Self::from(if negative { -value } else { value });
        }
        let sign = if negative { "-" } else { "" };
        let text = [sign, str::from_utf8(digits).unwrap_or_default()].concat();
        if digits.len() <= MAX_DIGITS
            && let Ok(value) = text.parse::<i128>()
        {
            return Self::from(value);
        }
        Self(Repr::Big(text.into()))
    }
}

impl From<i128> for Integer {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "takes the halves apart"
    )]
    fn from(value: i128) -> Self {
        Self(
            i64::try_from(value)
                .map_or(Repr::Wide((value >> 64) as i64, value as u64), Repr::Small),
        )
    }
}

impl From<BigInt> for Integer {
    fn from(value: BigInt) -> Self {
        match i128::try_from(&value) {
            Ok(value) => Self::from(value),
            Err(_) => Self(Repr::Big(value.to_string().into())),
        }
    }
}

impl From<u128> for Integer {
    fn from(value: u128) -> Self {
        i128::try_from(value).map_or_else(|_| Self::from(BigInt::from(value)), Self::from)
    }
}

macro_rules! from_primitive {
    ($($primitive:ty)*) => {$(
        impl From<$primitive> for Integer {
            fn from(value: $primitive) -> Self {
                // No integer type of the language that stands here is wider than 64 bits.
                match i64::try_from(value) {
                    Ok(value) => Self(Repr::Small(value)),
                    Err(_) => Self::from(value as i128),
                }
            }
        }
    )*};
}
from_primitive!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

/// Without leading zeros the longer is the larger, and equal lengths compare like text.
fn compare_digits(one: &[u8], two: &[u8]) -> Ordering {
    one.len().cmp(&two.len()).then_with(|| one.cmp(two))
}

impl Ord for Integer {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Small(one), Repr::Small(two)) => one.cmp(two),
            (Repr::Big(one), Repr::Big(two)) => {
                match (one.strip_prefix('-'), two.strip_prefix('-')) {
                    (None, None) => compare_digits(one.as_bytes(), two.as_bytes()),
                    (Some(one), Some(two)) => compare_digits(two.as_bytes(), one.as_bytes()),
                    (None, Some(_)) => Ordering::Greater,
                    (Some(_), None) => Ordering::Less,
                }
            }
            // A big one is larger in magnitude than any that is not, so its sign decides.
            (Repr::Big(_), _) => {
                if self.is_negative() {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (_, Repr::Big(_)) => other.cmp(self).reverse(),
            _ => self.to_i128().cmp(&other.to_i128()),
        }
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Small(value) => value.fmt(f),
            Repr::Wide(..) => self.to_i128().unwrap_or_default().fmt(f),
            Repr::Big(digits) => f.write_str(digits),
        }
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Integer {
    type Err = ParseIntegerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, digits) =
            text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseIntegerError(()));
        }
        Ok(Self::from_digits(negative, digits.trim_start_matches('0').as_bytes()))
    }
}

/// The text is not a decimal integer: `-?[0-9]+`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIntegerError(());

impl fmt::Display for ParseIntegerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a decimal integer")
    }
}

impl core::error::Error for ParseIntegerError {}

/// An integer, wherever it is: in an owned term, or as digits in a packet, which are read only when
/// asked for.
#[derive(Clone, Copy)]
pub struct IntegerRef<'a>(RefRepr<'a>);

#[derive(Clone, Copy)]
enum RefRepr<'a> {
    Small(i64),
    /// Digits of a value beyond 64 bits, without leading zeros.
    Digits {
        negative: bool,
        digits: &'a [u8],
    },
    /// A value beyond 64 bits.
    Owned(&'a Integer),
}

impl<'a> IntegerRef<'a> {
    pub(crate) const fn small(value: i64) -> Self {
        Self(RefRepr::Small(value))
    }

    pub(crate) const fn digits(negative: bool, digits: &'a [u8]) -> Self {
        Self(RefRepr::Digits { negative, digits })
    }

    /// The value, if it fits.
    #[must_use]
    pub const fn to_i64(&self) -> Option<i64> {
        match self.0 {
            RefRepr::Small(value) => Some(value),
            RefRepr::Digits { .. } | RefRepr::Owned(_) => None,
        }
    }

    /// The value, if it fits.
    #[must_use]
    pub fn to_i128(&self) -> Option<i128> {
        match self.0 {
            RefRepr::Small(value) => Some(i128::from(value)),
            RefRepr::Digits { digits, .. } if digits.len() > 39 => None,
            RefRepr::Digits { .. } => self.to_integer().to_i128(),
            RefRepr::Owned(value) => value.to_i128(),
        }
    }

    /// The value, if it fits.
    #[must_use]
    pub fn to_u64(&self) -> Option<u64> {
        self.to_i128().and_then(|value| u64::try_from(value).ok())
    }

    /// The value, if it fits.
    #[must_use]
    pub fn to_u128(&self) -> Option<u128> {
        match self.0 {
            RefRepr::Digits { digits, .. } if digits.len() > 39 => None,
            RefRepr::Small(_) | RefRepr::Digits { .. } | RefRepr::Owned(_) => {
                self.to_integer().to_u128()
            }
        }
    }

    /// The value, whatever its size.
    #[must_use]
    pub fn to_integer(&self) -> Integer {
        match self.0 {
            RefRepr::Small(value) => Integer::from(value),
            RefRepr::Digits { negative, digits } => Integer::from_digits(negative, digits),
            RefRepr::Owned(value) => value.clone(),
        }
    }

    /// The value, if it is kept in 64 bits: as all are that fit.
    pub(crate) const fn as_small(&self) -> Option<i64> {
        if let RefRepr::Small(value) = self.0 { Some(value) } else { None }
    }

    /// Hands the decimal form to `write`, in one or two pieces.
    pub(crate) fn write_decimal<E>(
        &self,
        mut write: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.0 {
            RefRepr::Small(value) => write(itoa::Buffer::new().format(value).as_bytes()),
            RefRepr::Digits { negative, digits } => {
                if negative {
                    write(b"-")?;
                }
                write(digits)
            }
            RefRepr::Owned(Integer(Repr::Big(digits))) => write(digits.as_bytes()),
            RefRepr::Owned(value) => write(value.to_string().as_bytes()),
        }
    }
}

impl<'a> From<&'a Integer> for IntegerRef<'a> {
    fn from(value: &'a Integer) -> Self {
        value.to_i64().map_or(Self(RefRepr::Owned(value)), Self::small)
    }
}

impl PartialEq for IntegerRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for IntegerRef<'_> {}

impl PartialOrd for IntegerRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IntegerRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (RefRepr::Small(one), RefRepr::Small(two)) => one.cmp(&two),
            (
                RefRepr::Digits { negative, digits },
                RefRepr::Digits { negative: other_negative, digits: other_digits },
            ) if negative == other_negative => {
                let magnitude = compare_digits(digits, other_digits);
                if negative { magnitude.reverse() } else { magnitude }
            }
            _ => self.to_integer().cmp(&other.to_integer()),
        }
    }
}

impl Hash for IntegerRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_integer().hash(state);
    }
}

impl fmt::Display for IntegerRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_decimal(|digits| f.write_str(str::from_utf8(digits).unwrap_or_default()))
    }
}

impl fmt::Debug for IntegerRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn integer(text: &str) -> Integer {
        text.parse().unwrap()
    }

    #[test]
    fn every_size_prints_as_it_was_written() {
        for text in [
            "0",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "-170141183460469231731687303715884105728",
            "170141183460469231731687303715884105727",
            "170141183460469231731687303715884105728",
            "-999999999999999999999999999999999999999999999999",
        ] {
            assert_eq!(integer(text).to_string(), text);
            let (negative, digits) =
                text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
            let lazy = IntegerRef::digits(negative, digits.as_bytes());
            assert_eq!(lazy.to_string(), text);
            assert_eq!(lazy.to_integer(), integer(text));
            assert_eq!(IntegerRef::from(&integer(text)).to_string(), text);
        }
    }

    #[test]
    fn order_is_that_of_the_numbers() {
        let ordered = [
            "-170141183460469231731687303715884105729",
            "-170141183460469231731687303715884105728",
            "-9223372036854775809",
            "-9223372036854775808",
            "-1",
            "0",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "170141183460469231731687303715884105727",
            "170141183460469231731687303715884105728",
        ];
        for (i, one) in ordered.iter().enumerate() {
            for (j, two) in ordered.iter().enumerate() {
                assert_eq!(integer(one).cmp(&integer(two)), i.cmp(&j), "{one} against {two}");
            }
        }
    }

    #[test]
    fn one_value_has_one_form() {
        assert_eq!(integer("-0"), Integer::from(0));
        assert_eq!(
            integer("000000000000000000000000000000000000000000000000000007"),
            Integer::from(7)
        );
        assert_eq!(Integer::from(BigInt::from(5)), Integer::from(5_u128));
        assert_eq!(Integer::from(u128::MAX).to_string(), u128::MAX.to_string());
    }

    #[test]
    fn large_integers_compare_like_numbers_and_come_from_every_side_alike() {
        let low = "-170141183460469231731687303715884105729";
        let high = "170141183460469231731687303715884105728";
        for text in [low, high, &"9".repeat(10_000), &["-", &"1".repeat(10_000)].concat()] {
            let value = integer(text);
            assert_eq!(value.to_i128(), None);
            assert_eq!(Integer::from(value.to_big_int()), value);
            assert_eq!(value.to_big_int().to_string(), text);
            assert_eq!(value.is_negative(), text.starts_with('-'));
        }
        let ordered = [["-", &"9".repeat(41)].concat(), low.into(), high.into(), "1".repeat(41)];
        for pair in ordered.windows(2) {
            assert!(integer(&pair[0]) < integer(&pair[1]), "{pair:?}");
        }
        assert_eq!(integer(&u128::MAX.to_string()).to_u128(), Some(u128::MAX));
        assert_eq!(integer("340282366920938463463374607431768211456").to_u128(), None);
    }

    #[test]
    fn text_that_is_no_integer_is_refused() {
        for text in ["", "-", "+1", "1.5", "1 ", "0x10"] {
            assert!(text.parse::<Integer>().is_err(), "{text}");
        }
    }
}
