//! The record of a shard: its versions and its clock, in a row of its own.

use bytes::Bytes;
use ubf_codec::{Encoder, Term, TermRef, View};
use ubf_proto::Time;

use crate::form::RowError;
use crate::stored::{self, Space};
use crate::versions::{ShardVersions, WriteVersion};

/// The newest format of the library's own rows that this program writes.
pub const FORMAT: u32 = 1;

/// What a shard keeps about itself. It is written with each batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShardRecord {
    /// The versions of its rows.
    pub versions: ShardVersions,
    /// The last time that a call saw. The next owner's calls see no earlier one (T2).
    pub clock: Time,
}

impl ShardRecord {
    /// The record of a shard that has never had an owner, with this write version.
    #[must_use]
    pub const fn first(state: u32) -> Self {
        Self { versions: ShardVersions::first(state, FORMAT), clock: Time::ZERO }
    }

    /// Its stored key.
    #[must_use]
    pub fn key() -> Bytes {
        let mut key = Space::Shard.key();
        key.extend_from_slice(b"record");
        key.into()
    }

    /// Its stored value: `1 {'shard',{W,L,H},{W,L,H},ClockMs}$`, the versions of the service's rows
    /// and then those of the library's.
    #[must_use]
    pub fn to_value(&self) -> Bytes {
        let versions = |versions: &WriteVersion| {
            let WriteVersion { write, lowest, highest } = *versions;
            Term::tuple([write, lowest, highest].map(Term::from))
        };
        let term = Term::tuple([
            Term::atom("shard"),
            versions(&self.versions.state),
            versions(&self.versions.format),
            Term::from(self.clock.as_millis()),
        ]);
        stored::whole(FORMAT, &Encoder::new().encode(&term))
    }

    /// What stands in its place while rows are being put into a new store: nobody can own them
    /// before they are all there.
    #[must_use]
    pub fn restoring() -> Bytes {
        Bytes::from_static(b"1 'restoring'$")
    }

    /// What stands in its place when the rows were handed off to another node (U5).
    #[must_use]
    pub fn moved() -> Bytes {
        Bytes::from_static(b"1 'moved'$")
    }

    /// What stands in its place while the rows are another node's copy (U5).
    #[must_use]
    pub fn copied() -> Bytes {
        Bytes::from_static(b"1 'copied'$")
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// The value is no record, or one in a format that is not known; or the rows of a backup are
    /// [not all there](Self::restoring), or [moved](Self::moved), or [copied](Self::copied).
    pub fn from_value(value: &[u8]) -> Result<Self, RowError> {
        let malformed = RowError::Malformed { what: "it is no record of a shard" };
        let (version, packet) = stored::read_version(value)?;
        if version != FORMAT {
            return Err(RowError::UnknownVersion { version });
        }
        let document = ubf_codec::decode(packet).map_err(|_| malformed.clone())?;
        for (word, what) in [
            ("restoring", "a backup was being restored into it, and not to its end"),
            ("moved", "its rows were handed off to another node"),
            ("copied", "its rows are another node's, of which this is a copy"),
        ] {
            if document.root().is_atom(word) {
                return Err(RowError::Malformed { what });
            }
        }
        Self::from_term(document.root()).ok_or(malformed)
    }

    fn from_term(term: TermRef<'_>) -> Option<Self> {
        let View::Tuple(tuple) = term.view() else { return None };
        let [name, state, format, clock] = tuple.to_array()?;
        let versions =
            ShardVersions { state: read_versions(state)?, format: read_versions(format)? };
        let clock = Time::from_millis(clock.as_u64()?);
        name.is_atom("shard").then_some(Self { versions, clock })
    }

    /// The state version in which rows are written.
    pub(crate) const fn write_version(&self) -> u32 {
        self.versions.state.write
    }
}

fn read_versions(term: TermRef<'_>) -> Option<WriteVersion> {
    let View::Tuple(tuple) = term.view() else { return None };
    let [write, lowest, highest] = tuple.to_array()?.map(|term: TermRef<'_>| term.as_u64());
    let number = |number: Option<u64>| u32::try_from(number?).ok();
    let (write, lowest, highest) = (number(write)?, number(lowest)?, number(highest)?);
    (lowest <= write && write <= highest).then_some(WriteVersion { write, lowest, highest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_written_in_these_bytes() {
        let mut record = ShardRecord::first(34);
        record.clock = Time::from_millis(1_700_000_000_000);
        record.versions.state.highest = 35;
        let value = record.to_value();
        assert_eq!(value, &b"1 {'shard'{34 34 35}{1 1 1}1700000000000}$"[..]);
        assert_eq!(ShardRecord::from_value(&value), Ok(record));
        assert_eq!(ShardRecord::key(), &b"\x10record"[..]);
    }

    #[test]
    fn a_backup_that_was_not_restored_to_its_end_is_owned_by_nobody() {
        let read = ShardRecord::from_value(&ShardRecord::restoring());
        let what = "a backup was being restored into it, and not to its end";
        assert_eq!(read, Err(RowError::Malformed { what }));
    }

    #[test]
    fn what_is_no_record_is_told() {
        for value in
            ["2 {}$", "1 {}$", "1 {'shard'{2 3 4}{1 1 1}0}$", "1 {'shard'{2 1 4}{1 1 1}}$", "1"]
        {
            assert!(ShardRecord::from_value(value.as_bytes()).is_err(), "{value}");
        }
    }
}
