//! What the owner of a shard says in a store that other nodes have, too: that it lives (U6).

use alloc::string::String;

use bytes::Bytes;
use ubf_codec::{Encoder, Term, View};

use crate::form::RowError;
use crate::record::FORMAT;
use crate::stored::{self, Space};
use crate::writes::Writes;

/// The last word of an owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// A number that no other owner has.
    pub owner: u64,
    /// It grows for as long as the owner lives.
    pub count: u64,
    /// Where clients find the owner: a NextIP.
    pub next_ip: String,
}

impl Heartbeat {
    /// Its stored key.
    #[must_use]
    pub fn key() -> Bytes {
        let mut key = Space::Shard.key();
        key.extend_from_slice(b"beat");
        key.into()
    }

    /// Its stored value: `1 {'beat',Owner,Count,NextIp}$`.
    #[must_use]
    pub fn to_value(&self) -> Bytes {
        let Self { owner, count, next_ip } = self;
        let next_ip = Term::string(next_ip.as_str());
        let term =
            Term::tuple([Term::atom("beat"), Term::from(*owner), Term::from(*count), next_ip]);
        stored::whole(FORMAT, &Encoder::new().encode(&term))
    }

    /// To be committed under the owner's epoch: whoever is not the owner any more learns it so.
    #[must_use]
    pub fn writes(&self) -> Writes {
        let mut writes = Writes::default();
        writes.set(Self::key(), Some(self.to_value()));
        writes
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// It is no such value, or in a format that is not known.
    pub fn from_value(value: &[u8]) -> Result<Self, RowError> {
        let malformed = RowError::Malformed { what: "it is no heartbeat" };
        let (version, packet) = stored::read_version(value)?;
        if version != FORMAT {
            return Err(RowError::UnknownVersion { version });
        }
        let document = ubf_codec::decode(packet).map_err(|_| malformed.clone())?;
        let read = || {
            let View::Tuple(tuple) = document.root().view() else { return None };
            let [kind, owner, count, next_ip] = tuple.to_array()?;
            let (owner, count) = (owner.as_u64()?, count.as_u64()?);
            let next_ip = next_ip.as_str()?.into_owned();
            kind.is_atom("beat").then_some(Self { owner, count, next_ip })
        };
        read().ok_or(malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u6_a_heartbeat_is_these_bytes() {
        let beat = Heartbeat { owner: 7, count: 9, next_ip: "a.example:4000".into() };
        let value = beat.to_value();
        assert_eq!(value, &b"1 {'beat'7 9\"a.example:4000\"}$"[..]);
        assert_eq!(Heartbeat::from_value(&value), Ok(beat));
        assert_eq!(Heartbeat::key(), &b"\x10beat"[..]);
        for value in ["2 {}$", "1 {}$", "1 {'beat'7 9}$", "1 {'beat'7 -9\"a:1\"}$", "1"] {
            assert!(Heartbeat::from_value(value.as_bytes()).is_err(), "{value}");
        }
    }
}
