//! The name of a session, which is a secret.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::hint::black_box;

/// The name of a session: 16 bytes that a client's shell takes from the operating system's source
/// of randomness, for one session ever (S1).
///
/// Whoever knows it can go on with the session. So it is compared in a time that does not depend on
/// what differs, and shown only as a short hash (S9).
///
/// ```
/// use ubf_proto::session::SessionId;
///
/// let id = SessionId::from_bytes([7; 16]);
/// assert_eq!(id.to_string(), SessionId::from_bytes([7; 16]).to_string());
/// assert_eq!(id.to_string().len(), 8);
/// ```
#[derive(Clone, Copy)]
pub struct SessionId([u8; Self::BYTES]);

impl SessionId {
    /// The bytes of a name.
    pub const BYTES: usize = 16;

    /// The name of these bytes, which must come from a source that nobody can guess.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The secret itself, for whoever writes it to a connection.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// A number by which names are looked up. Another seed gives other numbers.
    pub(crate) fn hash_with(&self, seed: u64) -> u64 {
        // FNV-1a, with a last step that spreads the bits.
        let start = 0xcbf2_9ce4_8422_2325 ^ seed;
        let mixed = self.0.iter().fold(start, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (mixed >> 32)
    }
}

/// All bytes are looked at, whatever the first ones are.
impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        let differences =
            self.0.iter().zip(&other.0).fold(0, |found, (one, two)| black_box(found | (one ^ two)));
        differences == 0
    }
}

impl Eq for SessionId {}

impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Eight hexadecimal digits of a hash.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.hash_with(0) >> 32)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn s9_names_are_equal_if_all_bytes_are_and_are_not_shown() {
        let id = SessionId::from_bytes(*b"0123456789abcdef");
        for place in 0..SessionId::BYTES {
            let mut bytes = id.to_bytes();
            bytes[place] ^= 1;
            assert_ne!(SessionId::from_bytes(bytes), id);
            assert_ne!(format!("{}", SessionId::from_bytes(bytes)), format!("{id}"));
        }
        assert_eq!(SessionId::from_bytes(id.to_bytes()), id);
        assert!(!format!("{id:?}").contains("0123"));
    }
}
