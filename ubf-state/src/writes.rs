//! Writes that belong together: what a call, or a batch of calls, changes in the store.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map;
use core::ops::Bound;

use bytes::Bytes;

/// New values by stored key. `None` takes the row away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Writes {
    rows: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
}

impl Writes {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows are written or taken away.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The bytes of all keys and values.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is written at a key, if anything is.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.rows.get(key)
    }

    /// All writes in the order of their keys.
    pub fn iter(&self) -> btree_map::Iter<'_, Bytes, Option<Bytes>> {
        self.rows.iter()
    }

    /// Writes a value, or takes the row away; the last write at a key counts.
    pub fn set(&mut self, key: Bytes, value: Option<Bytes>) {
        let size = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let (key_bytes, value_bytes) = (key.len(), size(&value));
        let before = self.rows.insert(key, value).map_or(0, |before| key_bytes + size(&before));
        self.bytes = self.bytes + key_bytes + value_bytes - before;
    }

    /// Puts later writes over these.
    pub fn extend(&mut self, later: Self) {
        if self.rows.is_empty() {
            *self = later;
            return;
        }
        for (key, value) in later.rows {
            self.set(key, value);
        }
    }

    /// The writes of a range, `from` included and `to` not.
    pub(crate) fn range(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> btree_map::Range<'_, Bytes, Option<Bytes>> {
        // `BTreeMap` refuses a range that is written backwards; this one is empty.
        let to = if from < to { to } else { from };
        self.rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
    }
}

impl<'a> IntoIterator for &'a Writes {
    type Item = (&'a Bytes, &'a Option<Bytes>);
    type IntoIter = btree_map::Iter<'a, Bytes, Option<Bytes>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_counts_and_bytes_are_those_of_what_is_written() {
        let key = Bytes::from_static;
        let mut writes = Writes::default();
        writes.set(key(b"a"), Some(key(b"123")));
        writes.set(key(b"a"), Some(key(b"4")));
        assert_eq!((writes.len(), writes.bytes()), (1, 2));
        let mut later = Writes::default();
        later.set(key(b"a"), None);
        later.set(key(b"b"), Some(key(b"")));
        writes.extend(later);
        assert_eq!((writes.get(b"a"), writes.bytes()), (Some(&None), 2));
        assert_eq!(writes.range(b"b", b"c").count(), 1);
        assert_eq!(writes.range(b"c", b"b").count(), 0, "backwards is empty");
    }
}
