//! Terms out of Rust values and back, by `From` and `TryFrom`.

use alloc::string::String;
use core::fmt;

use bytes::Bytes;

use super::integer::Integer;
use super::owned::Term;
use super::view::TermRef;
use crate::error::TermKind;

/// A term that is not what was to be made of it.
///
/// ```
/// use ubf_codec::ubf;
///
/// let error = u8::try_from(&ubf!(300)).unwrap_err();
/// assert_eq!(error.to_string(), "expected u8, found an integer");
/// let (name, age) = <(String, u8)>::try_from(&ubf!({"Joe", 68}))?;
/// assert_eq!((name.as_str(), age), ("Joe", 68));
/// # Ok::<(), ubf_codec::ConvertError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvertError {
    expected: &'static str,
    found: TermKind,
}

impl ConvertError {
    /// What was expected.
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        self.expected
    }

    /// Which kind of term was found.
    #[must_use]
    pub const fn found(&self) -> TermKind {
        self.found
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl core::error::Error for ConvertError {}

/// A float that has no form in UBF: infinite, or no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloatError(());

impl fmt::Display for FloatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("infinity and NaN have no form in UBF")
    }
}

impl core::error::Error for FloatError {}

impl TryFrom<f64> for Term {
    type Error = FloatError;

    /// A string tagged `f` (W8).
    fn try_from(value: f64) -> Result<Self, FloatError> {
        Self::float(value).ok_or(FloatError(()))
    }
}

impl From<char> for Term {
    /// A string of one character.
    fn from(character: char) -> Self {
        Self::string(&*character.encode_utf8(&mut [0; 4]))
    }
}

impl From<&[u8]> for Term {
    /// A binary; the bytes are copied.
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}

impl<T: Into<Self>, const N: usize> From<[T; N]> for Term {
    /// A list.
    fn from(terms: [T; N]) -> Self {
        Self::list(terms.map(Into::into))
    }
}

impl From<()> for Term {
    /// The empty tuple.
    fn from((): ()) -> Self {
        Self::tuple([])
    }
}

macro_rules! to_and_from_term {
    ($($type:ty, $expected:literal, $read:expr;)*) => {$(
        impl TryFrom<TermRef<'_>> for $type {
            type Error = ConvertError;

            fn try_from(term: TermRef<'_>) -> Result<Self, ConvertError> {
                let read: fn(TermRef<'_>) -> Option<Self> = $read;
                read(term).ok_or_else(|| ConvertError { expected: $expected, found: term.kind() })
            }
        }

        impl TryFrom<&Term> for $type {
            type Error = ConvertError;

            fn try_from(term: &Term) -> Result<Self, ConvertError> {
                Self::try_from(term.as_ref())
            }
        }

        impl TryFrom<Term> for $type {
            type Error = ConvertError;

            fn try_from(term: Term) -> Result<Self, ConvertError> {
                Self::try_from(term.as_ref())
            }
        }
    )*};
}

to_and_from_term! {
    i8, "i8", |term| term.as_i64()?.try_into().ok();
    i16, "i16", |term| term.as_i64()?.try_into().ok();
    i32, "i32", |term| term.as_i64()?.try_into().ok();
    i64, "i64", |term| term.as_i64();
    i128, "i128", |term| term.as_i128();
    isize, "isize", |term| term.as_i64()?.try_into().ok();
    u8, "u8", |term| term.as_i64()?.try_into().ok();
    u16, "u16", |term| term.as_i64()?.try_into().ok();
    u32, "u32", |term| term.as_i64()?.try_into().ok();
    u64, "u64", |term| term.as_u64();
    u128, "u128", |term| term.as_integer()?.to_u128();
    usize, "usize", |term| term.as_u64()?.try_into().ok();
    Integer, "an integer", |term| term.as_integer().map(|value| value.to_integer());
    f64, "a float", |term| term.as_f64();
    bool, "true or false", |term| term.as_bool();
    char, "a string of one character", |term| one_character(&term.as_str()?);
    String, "a string of UTF-8", |term| term.as_str().map(Into::into);
    Bytes, "a binary", |term| term.as_bytes().map(Bytes::copy_from_slice);
}

fn one_character(text: &str) -> Option<char> {
    let mut characters = text.chars();
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

macro_rules! tuples {
    ($($expected:literal: $($element:ident $name:ident),*;)*) => {$(
        impl<$($element: Into<Term>),*> From<($($element,)*)> for Term {
            /// A tuple.
            fn from(($($name,)*): ($($element,)*)) -> Self {
                Self::tuple([$($name.into()),*])
            }
        }

        impl<'a, $($element: TryFrom<TermRef<'a>, Error = ConvertError>),*> TryFrom<TermRef<'a>>
            for ($($element,)*)
        {
            type Error = ConvertError;

            fn try_from(term: TermRef<'a>) -> Result<Self, ConvertError> {
                let elements = term.as_tuple().and_then(|tuple| tuple.to_array());
                let Some([$($name),*]) = elements else {
                    return Err(ConvertError { expected: $expected, found: term.kind() });
                };
                Ok(($($element::try_from($name)?,)*))
            }
        }

        impl<'a, $($element: TryFrom<TermRef<'a>, Error = ConvertError>),*> TryFrom<&'a Term>
            for ($($element,)*)
        {
            type Error = ConvertError;

            fn try_from(term: &'a Term) -> Result<Self, ConvertError> {
                Self::try_from(term.as_ref())
            }
        }
    )*};
}

tuples! {
    "a tuple of 1": A a;
    "a tuple of 2": A a, B b;
    "a tuple of 3": A a, B b, C c;
    "a tuple of 4": A a, B b, C c, D d;
    "a tuple of 5": A a, B b, C c, D d, E e;
    "a tuple of 6": A a, B b, C c, D d, E e, F f;
}

/// What may stand as it is in [`ubf!`](crate::ubf): not for use outside of it.
#[doc(hidden)]
pub trait Literal {
    #[doc(hidden)]
    fn into_term(self) -> Term;
}

impl<T: Into<Term>> Literal for T {
    fn into_term(self) -> Term {
        self.into()
    }
}

impl Literal for f64 {
    fn into_term(self) -> Term {
        // The compiler refuses a literal that is infinite, and none is no number.
        Term::float(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::{decode, ubf};

    #[test]
    fn primitives_and_tuples_go_both_ways() {
        let value = (1_u8, -2_i64, true, 'x', "Joe".to_string(), u128::MAX);
        let term = Term::from(value.clone());
        assert_eq!(term.to_string(), format_of(u128::MAX));
        assert_eq!(<(u8, i64, bool, char, String, u128)>::try_from(&term).unwrap(), value);
        let packet = crate::Encoder::new().encode(&term);
        let document = decode(&packet).unwrap();
        assert_eq!(
            <(u8, i64, bool, char, String, u128)>::try_from(document.root()).unwrap(),
            value
        );
        assert_eq!(f64::try_from(Term::try_from(1.5).unwrap()), Ok(1.5));
        assert_eq!(Term::try_from(f64::NAN), Err(FloatError(())));
        assert_eq!(Term::from(&b"ab"[..]), ubf!(b"ab"));
        assert_eq!(Term::from([1, 2]), ubf!([1, 2]));
        assert_eq!(Term::from(()), ubf!({}));
        assert_eq!(Bytes::try_from(&ubf!(b"ab")).unwrap(), "ab");
    }

    fn format_of(big: u128) -> String {
        alloc::format!("{{1,-2,true,\"x\",\"Joe\",{big}}}")
    }

    #[test]
    fn what_does_not_fit_says_so() {
        for (error, sentence) in [
            (u8::try_from(&ubf!(256)).unwrap_err(), "expected u8, found an integer"),
            (u64::try_from(&ubf!(-1)).unwrap_err(), "expected u64, found an integer"),
            (bool::try_from(&ubf!(yes)).unwrap_err(), "expected true or false, found an atom"),
            (
                char::try_from(&ubf!("ab")).unwrap_err(),
                "expected a string of one character, found a string",
            ),
            (
                <(u8, u8)>::try_from(&ubf!({1, 2, 3})).unwrap_err(),
                "expected a tuple of 2, found a tuple",
            ),
            (
                <(u8, u8)>::try_from(&ubf!([1, 2])).unwrap_err(),
                "expected a tuple of 2, found a list",
            ),
            (<(u8, u8)>::try_from(&ubf!({1, a})).unwrap_err(), "expected u8, found an atom"),
        ] {
            assert_eq!(error.to_string(), sentence);
        }
    }

    #[test]
    fn packets_are_equal_when_their_terms_are() {
        let (one, two) = (decode(b"{1 'a'}$").unwrap(), decode(b"'a'>x{ 01 x} $").unwrap());
        assert_eq!(one, two);
        assert_eq!(one, ubf!({1, a}));
        assert_eq!(ubf!({1, a}), two);
        assert_ne!(one, decode(b"{1 \"a\"}$").unwrap());
    }
}
