//! What stands in a store: the keys of all things that a shard keeps, and the values of rows.
//!
//! A store is an ordered map of bytes for each shard. The first byte of a key says whose it is, so
//! that a scan of one kind meets nothing else. A row is a versioned packet: its state version, a
//! space, and a UBF(A) packet. Version 0 is the library's own.

use alloc::vec::Vec;

use bytes::Bytes;
use ubf_codec::{Encoder, Term, View};

use crate::form::RowError;
use crate::key::put_bytes;

/// The most bytes of one stored value (T1). A larger row is cut into chunks of this size.
pub const MAX_STORED_BYTES: usize = 1 << 20;

/// The most bytes of a row as it is written (L1): what a decoder takes by default.
pub const MAX_ROW_BYTES: usize = 16 << 20;

/// The most bytes of a table's or an index's name (L1).
pub const MAX_NAME_BYTES: usize = 64;

/// A kind of stored key: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// What the shard itself keeps: its record, and what a hand-off has written.
    Shard = 0x10,
    /// The rows of the service's tables.
    Rows = 0x20,
    /// The pieces of rows that are too large for one value.
    Chunks = 0x21,
    /// The entries of indexes.
    Indexes = 0x22,
    /// Sessions: how far each has come.
    Sessions = 0x30,
    /// Answers that are kept until their session's client has seen them.
    Answers = 0x31,
    /// The state of the service in a session.
    Mine = 0x32,
    /// Timers in the order of their times.
    Timers = 0x40,
    /// The time of each timer, by its key.
    TimerKeys = 0x41,
}

impl Space {
    /// A key of this kind that is being written.
    #[must_use]
    pub fn key(self) -> Vec<u8> {
        alloc::vec![self as u8]
    }

    /// The first key that is of no kind up to this one.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        alloc::vec![self as u8 + 1]
    }
}

/// The stored key of a row.
#[must_use]
pub(crate) fn row_key(table: &str, key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(table.len() + key.len() + KEY_ROOM);
    stored.push(Space::Rows as u8);
    put_bytes(table.as_bytes(), &mut stored);
    stored.extend_from_slice(key);
    stored
}

/// What is left for a key behind its table's name, so that most need no more room.
const KEY_ROOM: usize = 32;

/// What comes before the key in the stored key of an index's entry. The key of the row follows the
/// key of the index.
#[must_use]
pub(crate) fn index_prefix(table: &str, index: &str) -> Vec<u8> {
    let mut stored = Space::Indexes.key();
    put_bytes(table.as_bytes(), &mut stored);
    put_bytes(index.as_bytes(), &mut stored);
    stored
}

/// The stored key of a piece of the row that is stored at `row`.
#[must_use]
pub(crate) fn chunk_key(row: &[u8], number: u16) -> Vec<u8> {
    let mut stored = Space::Chunks.key();
    put_bytes(row, &mut stored);
    stored.extend_from_slice(&number.to_be_bytes());
    stored
}

/// The first key that does not begin with `prefix`.
#[must_use]
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end
}

/// What stands at the stored key of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stored<'a> {
    /// The row itself.
    Whole { version: u32, packet: &'a [u8] },
    /// The row is in so many chunks, of so many bytes together.
    Chunks { version: u32, count: u16, bytes: usize },
}

impl Stored<'_> {
    /// The state version of the row.
    pub(crate) const fn version(&self) -> u32 {
        match self {
            Self::Whole { version, .. } | Self::Chunks { version, .. } => *version,
        }
    }
}

/// Reads the stored value of a row.
pub(crate) fn read(value: &[u8]) -> Result<Stored<'_>, RowError> {
    let (version, packet) = read_version(value)?;
    if version != 0 {
        return Ok(Stored::Whole { version, packet });
    }
    let malformed = RowError::Malformed { what: "version 0 is not followed by {'chunks',…}" };
    let document = ubf_codec::decode(packet).map_err(|_| malformed.clone())?;
    let View::Tuple(tuple) = document.root().view() else { return Err(malformed) };
    let Some([name, version, count, bytes]) = tuple.to_array() else { return Err(malformed) };
    let numbers = (version.as_u64(), count.as_u64(), bytes.as_u64());
    let (true, (Some(version), Some(count), Some(bytes))) = (name.is_atom("chunks"), numbers)
    else {
        return Err(malformed);
    };
    match (version.try_into(), count.try_into(), bytes.try_into()) {
        (Ok(version), Ok(count), Ok(bytes)) if bytes <= MAX_ROW_BYTES && version > 0 => {
            Ok(Stored::Chunks { version, count, bytes })
        }
        _ => Err(malformed),
    }
}

/// The state version of a stored row, whether in chunks or whole.
///
/// # Errors
/// The value is not a row.
pub fn version_of(value: &[u8]) -> Result<u32, RowError> {
    read(value).map(|stored| stored.version())
}

/// The table of the row at a stored key. `None`: no row stands there.
#[must_use]
pub fn table_of(key: &[u8]) -> Option<alloc::string::String> {
    match key.split_first()? {
        (&space, mut rest) if space == Space::Rows as u8 => crate::key::Key::take(&mut rest).ok(),
        _ => None,
    }
}

/// The table of what stands at a stored key: a row, a piece of one, or an entry of an index. `None`:
/// it is of no table.
#[must_use]
pub fn owner_of(key: &[u8]) -> Option<alloc::string::String> {
    use crate::key::{Key, take_bytes};
    let (&space, mut rest) = key.split_first()?;
    match space {
        _ if space == Space::Rows as u8 || space == Space::Indexes as u8 => {
            Key::take(&mut rest).ok()
        }
        _ if space == Space::Chunks as u8 => table_of(&take_bytes(&mut rest).ok()?),
        _ => None,
    }
}

/// Splits `V SP packet`.
pub(crate) fn read_version(value: &[u8]) -> Result<(u32, &[u8]), RowError> {
    let malformed = RowError::Malformed { what: "no version and space in front of the packet" };
    let space = value.iter().take(11).position(|&byte| byte == b' ');
    let Some((number, rest)) = space.and_then(|at| value.split_at_checked(at)) else {
        return Err(malformed);
    };
    let digits = core::str::from_utf8(number).map_err(|_| malformed.clone())?;
    // One form alone: `+1` and `01` are no versions.
    let is_canonical = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    match digits.parse() {
        Ok(version) if is_canonical => Ok((version, rest.get(1..).unwrap_or_default())),
        _ => Err(malformed),
    }
}

/// The stored value of a row that fits into one.
pub(crate) fn whole(version: u32, packet: &[u8]) -> Bytes {
    let mut value = Vec::with_capacity(packet.len() + 11);
    put_version(version, &mut value);
    value.extend_from_slice(packet);
    value.into()
}

fn put_version(version: u32, to: &mut Vec<u8>) {
    put_digits(version.into(), to);
    to.push(b' ');
}

/// Appends a number in decimal digits.
pub(crate) fn put_digits(mut number: u64, to: &mut Vec<u8>) {
    let start = to.len();
    loop {
        // The remainder of a division by ten is a digit.
        to.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = to.get_mut(start..) {
        digits.reverse();
    }
}

/// The stored value of a row that is cut into chunks.
pub(crate) fn head(version: u32, count: usize, bytes: usize) -> Bytes {
    let number = |number: usize| Term::from(number as u64);
    let term =
        Term::tuple([Term::atom("chunks"), Term::from(version), number(count), number(bytes)]);
    whole(0, &Encoder::new().encode(&term))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t1_a_row_is_a_versioned_packet() {
        let value = whole(34, b"{'a'5}$");
        assert_eq!(value, &b"34 {'a'5}$"[..]);
        assert_eq!(read(&value), Ok(Stored::Whole { version: 34, packet: b"{'a'5}$" }));
        let value = head(34, 16, 16_000_000);
        assert_eq!(value, &b"0 {'chunks'34 16 16000000}$"[..]);
        assert_eq!(read(&value), Ok(Stored::Chunks { version: 34, count: 16, bytes: 16_000_000 }));
        assert_eq!(version_of(&value), Ok(34));
    }

    #[test]
    fn digits_are_those_of_the_number() {
        for number in [0, 7, 10, 1_000_000, u64::MAX] {
            let mut digits = b"x".to_vec();
            put_digits(number, &mut digits);
            assert_eq!(digits, std::format!("x{number}").into_bytes());
        }
    }

    #[test]
    fn t1_a_key_says_which_table_it_is_of() {
        let table = |key: &[u8]| table_of(key);
        assert_eq!(table(&row_key("accounts", &[7])).as_deref(), Some("accounts"));
        for key in [&chunk_key(&row_key("a", &[]), 1)[..], b"", b"\x20a", b"\x10record"] {
            assert_eq!(table(key), None, "{key:?}");
        }
        let row = row_key("accounts", &[7]);
        for key in [&row[..], &chunk_key(&row, 1), &index_prefix("accounts", "by")] {
            assert_eq!(owner_of(key).as_deref(), Some("accounts"), "{key:?}");
        }
        for key in [&b""[..], b"\x20a", b"\x10record", b"\x40a"] {
            assert_eq!(owner_of(key), None, "{key:?}");
        }
    }

    #[test]
    fn t1_what_is_no_row_is_told() {
        for value in [
            "",
            "34",
            "34{'a'5}$",
            "034 1$",
            "+3 1$",
            "x 1$",
            "99999999999 1$",
            "0 1$",
            "0 {'a'1 2 3}$",
            "0 {'chunks'0 1 2}$",
            "0 {'chunks'1 65536 2}$",
            "0 {'chunks'1 2 99999999}$",
            "0 {",
        ] {
            assert!(matches!(read(value.as_bytes()), Err(RowError::Malformed { .. })), "{value}");
        }
    }

    #[test]
    fn keys_of_one_table_are_beside_each_other() {
        assert_eq!(row_key("ab", &[7]), [0x20, b'a', b'b', 0, 1, 7]);
        assert_eq!(index_prefix("a", "b"), [0x22, b'a', 0, 1, b'b', 0, 1]);
        assert_eq!(chunk_key(&[0x20, 0], 258), [0x21, 0x20, 0, 0xFF, 0, 1, 1, 2]);
        assert!(row_key("a", &[0xFF]) < row_key("ab", &[]));
        assert_eq!(after_prefix(&[1, 0xFF, 0xFF]), [2]);
        assert_eq!(after_prefix(&[1, 2]), [1, 3]);
        assert!(after_prefix(&[0xFF]).is_empty(), "nothing comes after all");
    }
}
