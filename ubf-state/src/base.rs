//! What transactions read from: a base of committed rows, and a cache of them for stores that
//! cannot be read at once.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use bytes::Bytes;

use crate::writes::Writes;

/// A range of stored keys to be read, from `from` up to and without `to`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scan {
    /// The first key.
    pub from: Bytes,
    /// The first key after the range.
    pub to: Bytes,
    /// The most rows to be read.
    pub limit: usize,
    /// In which order.
    pub order: Order,
}

/// The order in which a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The lowest key first.
    Upwards,
    /// The highest key first.
    Downwards,
}

/// Stored rows: keys and values, in the order of the keys that was asked for.
pub type Page = Vec<(Bytes, Bytes)>;

/// Something that was asked for is not in memory. The call is run again when it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// The value at this key.
    Key(Bytes),
    /// The rows of this range.
    Range(Scan),
}

/// Committed rows, as transactions see them under the writes that are not committed yet.
pub trait Base {
    /// The value at a key.
    ///
    /// # Errors
    /// It is not in memory.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Missing>;

    /// The rows of a range; fewer than the limit only if there are no more.
    ///
    /// # Errors
    /// They are not in memory.
    fn scan(&self, scan: &Scan) -> Result<Page, Missing>;
}

/// Committed rows that are in memory, and what is known of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cache {
    /// What stands at keys that are known one by one; `None` is nothing.
    keys: BTreeMap<Bytes, Option<Bytes>>,
    /// Ranges of which every key is known: those not in `keys` are not there. Each begins at its
    /// key and ends before its value; they neither overlap nor touch.
    ranges: BTreeMap<Bytes, Bytes>,
    bytes: usize,
}

impl Cache {
    /// A cache that knows that there is nothing: a shard that never had a row.
    #[must_use]
    pub fn empty_shard() -> Self {
        let mut cache = Self::default();
        cache.know_range(Bytes::new(), Bytes::from_static(&[0xFF]));
        cache
    }

    /// Puts the answer to [`Missing::Key`] in.
    pub fn loaded_key(&mut self, key: Bytes, value: Option<Bytes>) {
        self.set(key, value);
    }

    /// Puts the answer to [`Missing::Range`] in. A page of fewer rows than the limit says that
    /// there are no more.
    pub fn loaded_range(&mut self, scan: &Scan, page: Page) {
        let is_whole = page.len() < scan.limit;
        let last = page.last().map(|(key, _)| key.clone());
        match (scan.order, last) {
            (Order::Upwards, Some(last)) if !is_whole => {
                self.know_range(scan.from.clone(), successor(&last));
            }
            (Order::Downwards, Some(last)) if !is_whole => self.know_range(last, scan.to.clone()),
            _ => self.know_range(scan.from.clone(), scan.to.clone()),
        }
        for (key, value) in page {
            self.set(key, Some(value));
        }
    }

    /// Takes over what was committed.
    pub fn committed(&mut self, writes: &Writes) {
        for (key, value) in writes {
            self.set(key.clone(), value.clone());
        }
    }

    /// Forgets everything if it takes more than so many bytes; it is loaded again when it is
    /// needed.
    pub fn trim(&mut self, max_bytes: usize) {
        if self.bytes > max_bytes {
            *self = Self::default();
        }
    }

    fn set(&mut self, key: Bytes, value: Option<Bytes>) {
        let size = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let (key_bytes, value_bytes) = (key.len(), size(&value));
        let before = self.keys.insert(key, value).map_or(0, |before| key_bytes + size(&before));
        self.bytes = self.bytes + key_bytes + value_bytes - before;
    }

    fn know_range(&mut self, mut from: Bytes, mut to: Bytes) {
        if from >= to {
            return;
        }
        let before = self.ranges.range(..=from.clone()).next_back();
        if let Some((start, end)) = before
            && *end >= from
        {
            from = start.clone();
            to = to.max(end.clone());
        }
        while let Some((start, end)) = self.ranges.range(from.clone()..=to.clone()).next() {
            to = to.max(end.clone());
            let start = start.clone();
            self.ranges.remove(&start);
        }
        self.ranges.insert(from, to);
    }

    /// The known range around a key.
    fn range_around(&self, key: &[u8]) -> Option<(&Bytes, &Bytes)> {
        let upto = (Bound::Unbounded, Bound::Included(key));
        self.ranges.range::<[u8], _>(upto).next_back().filter(|(_, end)| key < &end[..])
    }

    fn page<'a>(rows: impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>, limit: usize) -> Page {
        let there = |(key, value): (&Bytes, &Option<Bytes>)| Some((key.clone(), value.clone()?));
        rows.filter_map(there).take(limit).collect()
    }
}

/// The next key after this one.
pub(crate) fn successor(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

impl Base for Cache {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Missing> {
        match self.keys.get(key) {
            Some(value) => Ok(value.clone()),
            None if self.range_around(key).is_some() => Ok(None),
            None => Err(Missing::Key(Bytes::copy_from_slice(key))),
        }
    }

    fn scan(&self, scan: &Scan) -> Result<Page, Missing> {
        let Scan { from, to, limit, order } = scan;
        if from >= to {
            return Ok(Page::new());
        }
        let missing = || Err(Missing::Range(scan.clone()));
        let (known_from, known_to) = match order {
            Order::Upwards => match self.range_around(from) {
                Some((_, end)) => (from, end.min(to)),
                None => return missing(),
            },
            Order::Downwards => {
                let below = (Bound::Unbounded, Bound::Excluded(&to[..]));
                match self.ranges.range::<[u8], _>(below).next_back() {
                    Some((start, end)) if end >= to => (start.max(from), to),
                    _ => return missing(),
                }
            }
        };
        let rows = self.keys.range(known_from.clone()..known_to.clone());
        let page = match order {
            Order::Upwards => Self::page(rows, *limit),
            Order::Downwards => Self::page(rows.rev(), *limit),
        };
        let is_whole = known_from == from && known_to == to;
        if is_whole || page.len() == *limit { Ok(page) } else { missing() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Bytes {
        Bytes::copy_from_slice(&[number])
    }

    fn read(rows: &BTreeMap<Bytes, Bytes>, scan: &Scan) -> Page {
        if scan.from >= scan.to {
            return Page::new();
        }
        let range = rows.range(scan.from.clone()..scan.to.clone());
        let own = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        match scan.order {
            Order::Upwards => range.map(own).take(scan.limit).collect(),
            Order::Downwards => range.rev().map(own).take(scan.limit).collect(),
        }
    }

    fn scans() -> impl Strategy<Value = Scan> {
        (0_u8..12, 0_u8..12, 1_usize..5, any::<bool>()).prop_map(|(from, to, limit, up)| Scan {
            from: key(from),
            to: key(to),
            limit,
            order: if up { Order::Upwards } else { Order::Downwards },
        })
    }

    proptest! {
        /// Whatever was loaded and committed, a cache says what the store says, or that it does
        /// not know; and after that was loaded it knows.
        #[test]
        fn a_cache_says_what_the_store_says(
            rows in proptest::collection::btree_map(0_u8..12, any::<u8>(), 0..10),
            steps in proptest::collection::vec((scans(), 0_u8..12, any::<Option<u8>>()), 0..12),
        ) {
            let value = |value: u8| Bytes::copy_from_slice(&[value]);
            let mut store: BTreeMap<_, _> =
                rows.into_iter().map(|(k, v)| (key(k), value(v))).collect();
            let mut cache = Cache::default();
            for (scan, number, written) in steps {
                match cache.scan(&scan) {
                    Ok(page) => prop_assert_eq!(page, read(&store, &scan)),
                    Err(missing) => {
                        prop_assert_eq!(missing, Missing::Range(scan.clone()));
                        cache.loaded_range(&scan, read(&store, &scan));
                        prop_assert_eq!(cache.scan(&scan), Ok(read(&store, &scan)));
                    }
                }
                if let Ok(found) = cache.get(&key(number)) {
                    prop_assert_eq!(found.as_ref(), store.get(&key(number)));
                }
                let mut writes = Writes::default();
                writes.set(key(number), written.map(value));
                cache.committed(&writes);
                match written {
                    Some(written) => { store.insert(key(number), value(written)); }
                    None => { store.remove(&key(number)); }
                }
            }
        }
    }

    #[test]
    fn what_takes_too_much_is_let_go() {
        let mut cache = Cache::empty_shard();
        cache.loaded_key(key(1), Some(Bytes::from_static(&[7; 99])));
        cache.trim(100);
        assert_eq!(cache.get(&key(2)), Ok(None));
        cache.trim(99);
        assert_eq!(cache.get(&key(2)), Err(Missing::Key(key(2))));
    }
}
