//! What a store says about whose its rows are.

use alloc::string::String;

use bytes::Bytes;
use ubf_codec::{Encoder, Term, TermRef, View};
use ubf_proto::Time;

use super::{Attempt, CopyHash, HandoffRow};
use crate::batch::Epoch;
use crate::form::RowError;
use crate::record::{FORMAT, ShardRecord};
use crate::stored::{self, Space};
use crate::writes::Writes;

/// What A or B makes durable about a hand-off, in a row of the shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandoffRecord {
    /// Which attempt, and the hash of its rows.
    pub row: HandoffRow,
    /// Where the other node is spoken to by nodes.
    pub node: String,
    /// Where clients find the other node: a NextIP. Of B's `prepared` it is A's.
    pub next_ip: String,
    /// When it was written, by the clock of the node that wrote it.
    pub since: Time,
}

/// Whose the rows of a store are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There are none.
    Empty,
    /// They are this node's.
    Own,
    /// They are a copy that has not come to its end, or that was given up: nobody's.
    Unfinished,
    /// They are a whole copy. Whose the shard is, the giver decides.
    Prepared(HandoffRecord),
    /// They were handed off, and stay as they were.
    Moved(HandoffRecord),
}

impl HandoffRecord {
    /// The stored key of A's `moved`: the shard is not here any more.
    #[must_use]
    pub fn moved_key() -> Bytes {
        in_shard(b"moved")
    }

    /// The stored key of B's `prepared`: the rows are a copy, and not owned.
    #[must_use]
    pub fn prepared_key() -> Bytes {
        in_shard(b"prepared")
    }

    /// The stored key of the shard's record, while the rows are nobody's here.
    #[must_use]
    pub fn shelved_key() -> Bytes {
        in_shard(b"shelved")
    }

    /// The stored value: `1 {'handoff',Epoch,Number,Name,Hash,Node,NextIp,SinceMs}$`.
    #[must_use]
    pub fn to_value(&self) -> Bytes {
        let Attempt { epoch, number, name } = self.row.attempt;
        let numbers = [epoch.0, number, name, self.row.hash.0].map(Term::from);
        let rest = [
            Term::string(self.node.as_str()),
            Term::string(self.next_ip.as_str()),
            Term::from(self.since.as_millis()),
        ];
        let term = Term::tuple([Term::atom("handoff")].into_iter().chain(numbers).chain(rest));
        stored::whole(FORMAT, &Encoder::new().encode(&term))
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// It is no such value, or in a format that is not known.
    pub fn from_value(value: &[u8]) -> Result<Self, RowError> {
        let malformed = RowError::Malformed { what: "it is no row of a hand-off" };
        let (version, packet) = stored::read_version(value)?;
        if version != FORMAT {
            return Err(RowError::UnknownVersion { version });
        }
        let document = ubf_codec::decode(packet).map_err(|_| malformed.clone())?;
        Self::from_term(document.root()).ok_or(malformed)
    }

    fn from_term(term: TermRef<'_>) -> Option<Self> {
        let View::Tuple(tuple) = term.view() else { return None };
        let [kind, epoch, number, name, hash, node, next_ip, since] = tuple.to_array()?;
        let epoch = Epoch(epoch.as_u64()?);
        let attempt = Attempt { epoch, number: number.as_u64()?, name: name.as_u64()? };
        let row = HandoffRow { attempt, hash: CopyHash(hash.as_u64()?) };
        let (node, next_ip) = (node.as_str()?.into_owned(), next_ip.as_str()?.into_owned());
        let since = Time::from_millis(since.as_u64()?);
        kind.is_atom("handoff").then_some(Self { row, node, next_ip, since })
    }

    /// A's commit point: with these writes the rows are B's, and nobody's here.
    #[must_use]
    pub fn moved(&self, record: &ShardRecord) -> Writes {
        let mut writes = Writes::default();
        writes.set(Self::moved_key(), Some(self.to_value()));
        writes.set(Self::shelved_key(), Some(record.to_value()));
        writes.set(ShardRecord::key(), Some(ShardRecord::moved()));
        writes
    }

    /// The end of a copy at B. `record` is the value of A's record.
    #[must_use]
    pub fn prepared(&self, record: Bytes) -> Writes {
        let mut writes = Writes::default();
        writes.set(Self::prepared_key(), Some(self.to_value()));
        writes.set(Self::shelved_key(), Some(record));
        writes.set(ShardRecord::key(), Some(ShardRecord::copied()));
        writes
    }

    /// The rows are this node's from here on. `record` is what is shelved.
    #[must_use]
    pub fn own(record: Bytes) -> Writes {
        let mut writes = Writes::default();
        writes.set(ShardRecord::key(), Some(record));
        for key in [Self::shelved_key(), Self::prepared_key(), Self::moved_key()] {
            writes.set(key, None);
        }
        writes
    }
}

impl Standing {
    /// What the rows of a shard say: the record of the shard, A's `moved`, and B's `prepared`.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn read(
        record: Option<&[u8]>,
        moved: Option<&[u8]>,
        prepared: Option<&[u8]>,
    ) -> Result<Self, RowError> {
        // A shard that was handed off, and of which a copy comes back, has both.
        if let Some(prepared) = prepared {
            return HandoffRecord::from_value(prepared).map(Self::Prepared);
        }
        if let Some(moved) = moved {
            return HandoffRecord::from_value(moved).map(Self::Moved);
        }
        Ok(match record {
            None => Self::Empty,
            Some(record) if record == ShardRecord::copied() => Self::Unfinished,
            Some(_) => Self::Own,
        })
    }
}

fn in_shard(name: &[u8]) -> Bytes {
    [&Space::Shard.key()[..], name].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> HandoffRecord {
        let attempt = Attempt { epoch: Epoch(5), number: 2, name: u64::MAX };
        let row = HandoffRow { attempt, hash: CopyHash(7) };
        let (node, next_ip) = ("unix:/run/b".into(), "b.example:4000".into());
        HandoffRecord { row, node, next_ip, since: Time::from_millis(9) }
    }

    #[test]
    fn u5_what_is_durable_is_these_bytes() {
        let value = record().to_value();
        let expected =
            b"1 {'handoff'5 2 18446744073709551615 7\"unix:/run/b\"\"b.example:4000\"9}$";
        assert_eq!(value, &expected[..]);
        assert_eq!(HandoffRecord::from_value(&value), Ok(record()));
        assert!(HandoffRecord::from_value(b"1 {'handoff'5 2 3 4}$").is_err());
        assert!(HandoffRecord::from_value(b"2 {'handoff'5 2 3 4\"a\"\"b\"5}$").is_err());
        assert_eq!(HandoffRecord::moved_key(), &b"\x10moved"[..]);
    }

    #[test]
    fn u5_rows_that_were_moved_or_copied_cannot_be_owned_by_their_record() {
        let own = ShardRecord::first(1);
        let key = ShardRecord::key();
        let copy = record().prepared(own.to_value());
        for writes in [record().moved(&own), copy] {
            let (_, stored) = writes.iter().find(|(one, _)| **one == key).unwrap();
            assert!(ShardRecord::from_value(stored.as_deref().unwrap()).is_err());
        }
        let back = HandoffRecord::own(own.to_value());
        let (_, stored) = back.iter().find(|(one, _)| **one == key).unwrap();
        assert_eq!(ShardRecord::from_value(stored.as_deref().unwrap()), Ok(own));
    }

    #[test]
    fn u5_what_stands_in_a_store_says_whose_the_rows_are() {
        let (row, own) = (record().to_value(), ShardRecord::first(1).to_value());
        let (moved, copied) = (ShardRecord::moved(), ShardRecord::copied());
        for (found, standing) in [
            ((None, None, None), Standing::Empty),
            ((Some(&own), None, None), Standing::Own),
            ((Some(&copied), None, None), Standing::Unfinished),
            ((Some(&copied), None, Some(&row)), Standing::Prepared(record())),
            ((Some(&moved), Some(&row), None), Standing::Moved(record())),
            ((Some(&copied), Some(&row), Some(&row)), Standing::Prepared(record())),
            ((Some(&copied), Some(&row), None), Standing::Moved(record())),
        ] {
            let (record, moved, prepared) = found;
            let read = Standing::read(
                record.map(|value| &value[..]),
                moved.map(|value| &value[..]),
                prepared.map(|value| &value[..]),
            );
            assert_eq!(read, Ok(standing), "{found:?}");
        }
        assert!(Standing::read(None, Some(b"?"), None).is_err());
    }
}
