//! Keys of rows: bytes that sort as the values do (T1).

use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use bytes::Bytes;
use ubf_proto::Time;

/// The most bytes of a key, as written (L1). Required: an index of PostgreSQL takes no entry of
/// more than 2,704 bytes, and a table's name and an index's key come in front of it.
pub const MAX_KEY_BYTES: usize = 1024;

/// A value that can be the key of a row.
///
/// Written keys sort as the values do, and no written key is the beginning of another one of the
/// same type. So keys can be put one behind the other: a tuple sorts by its first element, then by
/// its second.
///
/// ```
/// use ubf_state::Key;
///
/// let [a, b, c] = [("a", 2_u64), ("a", 10), ("b", 0)].map(|(name, n)| (name.to_owned(), n).to_bytes());
/// assert!(a < b && b < c);
/// assert_eq!(<(String, u64)>::from_bytes(&b)?, ("a".to_owned(), 10));
/// # Ok::<(), ubf_state::KeyError>(())
/// ```
pub trait Key: Sized {
    /// Appends the written key.
    fn put(&self, to: &mut Vec<u8>);

    /// Takes a key off the front of what was written.
    ///
    /// # Errors
    /// The bytes are not those of a key of this type.
    fn take(from: &mut &[u8]) -> Result<Self, KeyError>;

    /// The written key.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        bytes
    }

    /// Reads a key that is all of `bytes`.
    ///
    /// # Errors
    /// The bytes are not those of one key of this type.
    fn from_bytes(mut bytes: &[u8]) -> Result<Self, KeyError> {
        let key = Self::take(&mut bytes)?;
        if bytes.is_empty() { Ok(key) } else { Err(KeyError::Trailing(bytes.len())) }
    }
}

/// Why bytes are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes end inside the key.
    Short,
    /// So many bytes follow the key.
    Trailing(usize),
    /// This byte cannot stand where it does.
    Byte(u8),
    /// A text is not UTF-8.
    Utf8,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("the key ends too early"),
            Self::Trailing(count) => write!(f, "{count} bytes follow the key"),
            Self::Byte(byte) => write!(f, "byte {byte:#04x} has no meaning in the key"),
            Self::Utf8 => f.write_str("a text in the key is not UTF-8"),
        }
    }
}

impl Error for KeyError {}

/// Takes `N` bytes off the front.
fn take_array<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], KeyError> {
    let (array, rest) = from.split_first_chunk::<N>().ok_or(KeyError::Short)?;
    *from = rest;
    Ok(*array)
}

macro_rules! unsigned {
    ($($integer:ty),*) => { $(
        /// Big-endian.
        impl Key for $integer {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_be_bytes());
            }

            fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
                take_array(from).map(Self::from_be_bytes)
            }
        }
    )* };
}

unsigned!(u8, u16, u32, u64, u128);

macro_rules! signed {
    ($($integer:ty as $unsigned:ty),*) => { $(
        /// Big-endian with the sign turned over, so that -1 sorts before 0.
        impl Key for $integer {
            fn put(&self, to: &mut Vec<u8>) {
                (self.cast_unsigned() ^ (1 << (<$unsigned>::BITS - 1))).put(to);
            }

            fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
                let turned = <$unsigned>::take(from)?;
                Ok((turned ^ (1 << (<$unsigned>::BITS - 1))).cast_signed())
            }
        }
    )* };
}

signed!(i8 as u8, i16 as u16, i32 as u32, i64 as u64, i128 as u128);

/// What ends a text: no escaped byte begins like it and sorts before it.
const END: u8 = 0x01;
/// What follows the byte 0 inside a text.
const ESCAPED: u8 = 0xFF;

/// Appends bytes so that a beginning sorts before what it begins: 0 becomes `00 FF`, and `00 01`
/// ends them.
pub(crate) fn put_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    to.reserve(bytes.len() + 2);
    for (number, part) in bytes.split(|&byte| byte == 0).enumerate() {
        if number > 0 {
            to.extend_from_slice(&[0, ESCAPED]);
        }
        to.extend_from_slice(part);
    }
    to.extend_from_slice(&[0, END]);
}

/// Takes what [`put_bytes`] wrote.
pub(crate) fn take_bytes(from: &mut &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut bytes = Vec::new();
    loop {
        let zero = from.iter().position(|&byte| byte == 0).ok_or(KeyError::Short)?;
        let (part, rest) = from.split_at_checked(zero).ok_or(KeyError::Short)?;
        bytes.extend_from_slice(part);
        *from = rest;
        match take_array::<2>(from)? {
            [_, ESCAPED] => bytes.push(0),
            [_, END] => return Ok(bytes),
            [_, byte] => return Err(KeyError::Byte(byte)),
        }
    }
}

impl Key for Vec<u8> {
    fn put(&self, to: &mut Vec<u8>) {
        put_bytes(self, to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
        take_bytes(from)
    }
}

impl Key for Bytes {
    fn put(&self, to: &mut Vec<u8>) {
        put_bytes(self, to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
        take_bytes(from).map(Self::from)
    }
}

/// Sorts by its bytes, as `str` does in Rust.
impl Key for String {
    fn put(&self, to: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
        Self::from_utf8(take_bytes(from)?).map_err(|_| KeyError::Utf8)
    }
}

impl<const N: usize> Key for [u8; N] {
    fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }

    fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
        take_array(from)
    }
}

impl Key for bool {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }

    fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
        match take_array::<1>(from)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [byte] => Err(KeyError::Byte(byte)),
        }
    }
}

/// Milliseconds.
impl Key for Time {
    fn put(&self, to: &mut Vec<u8>) {
        self.as_millis().put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
        u64::take(from).map(Self::from_millis)
    }
}

/// `None` sorts first.
impl<K: Key> Key for Option<K> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        if let Some(key) = self {
            key.put(to);
        }
    }

    fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
        if bool::take(from)? { K::take(from).map(Some) } else { Ok(None) }
    }
}

/// No bytes: the key of a table with one row.
impl Key for () {
    fn put(&self, _: &mut Vec<u8>) {}

    fn take(_: &mut &[u8]) -> Result<Self, KeyError> {
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))*) => { $(
        #[allow(non_snake_case, reason = "each value is called as its type is")]
        impl<$($name: Key),+> Key for ($($name,)+) {
            fn put(&self, to: &mut Vec<u8>) {
                let ($($name,)+) = self;
                $($name.put(to);)+
            }

            fn take(from: &mut &[u8]) -> Result<Self, KeyError> {
                Ok(($($name::take(from)?,)+))
            }
        }
    )* };
}

tuples!((A)(A B)(A B C)(A B C D));

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn written_keys_are_these_bytes() {
        assert_eq!(258_u32.to_bytes(), [0, 0, 1, 2]);
        assert_eq!((-1_i16).to_bytes(), [0x7F, 0xFF]);
        assert_eq!(0_i16.to_bytes(), [0x80, 0]);
        assert_eq!(String::from("a\0b").to_bytes(), [b'a', 0, 0xFF, b'b', 0, 1]);
        assert_eq!((Some(true), ()).to_bytes(), [1, 1]);
        assert_eq!(None::<bool>.to_bytes(), [0]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(u32::from_bytes(&[1, 2, 3]), Err(KeyError::Short));
        assert_eq!(u8::from_bytes(&[1, 2, 3]), Err(KeyError::Trailing(2)));
        assert_eq!(bool::from_bytes(&[2]), Err(KeyError::Byte(2)));
        assert_eq!(String::from_bytes(&[0xC3, 0, 1]), Err(KeyError::Utf8));
        assert_eq!(String::from_bytes(b"a\0b"), Err(KeyError::Byte(b'b')));
        assert_eq!(String::from_bytes(b"ab"), Err(KeyError::Short));
    }

    type Long = (Option<i64>, String, Vec<u8>, u16);

    fn long() -> impl Strategy<Value = Long> {
        let bytes = proptest::collection::vec(0_u8..3, 0..4);
        (any::<Option<i64>>(), "[\0-\u{2}]{0,3}", bytes, any::<u16>())
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_values_and_come_back(a in long(), b in long()) {
            let (x, y) = (a.to_bytes(), b.to_bytes());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(Long::from_bytes(&x), Ok(a.clone()));
            prop_assert!(a == b || !y.starts_with(&x), "no key begins another one");
        }

        #[test]
        fn integers_sort_as_they_count(a: i32, b: i32, c: i128, d: i128) {
            prop_assert_eq!(a.to_bytes().cmp(&b.to_bytes()), a.cmp(&b));
            prop_assert_eq!(c.to_bytes().cmp(&d.to_bytes()), c.cmp(&d));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            if let Ok(key) = Long::from_bytes(&bytes) {
                prop_assert_eq!(key.to_bytes(), bytes);
            }
        }
    }
}
