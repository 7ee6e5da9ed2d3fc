//! Rows of types as stored bytes: forms, chunks, entries of indexes, and what each of them costs.

use alloc::vec::Vec;
use core::ops::{Bound, RangeBounds};

use bytes::Bytes;

use super::{Loss, Tx};
use crate::base::{Order, Page, Scan};
use crate::form::{Lost, Row, RowError};
use crate::key::{Key, MAX_KEY_BYTES};
use crate::stop::{Do, Reason, Stop};
use crate::stored::{self, MAX_ROW_BYTES, MAX_STORED_BYTES, Stored};
use crate::table::{AnyIndex, Table};

/// Stored bytes below the types.
impl Tx<'_> {
    pub(super) fn get_stored(&mut self, key: &[u8]) -> Do<Option<Bytes>> {
        self.charge_reads(1)?;
        if let Some(value) = self.made.writes.get(key).or_else(|| self.seen.get(key)) {
            return Ok(value.clone());
        }
        let value = self.ground.get(key)?;
        self.seen.add(key, value.clone());
        Ok(value)
    }

    pub(crate) fn page(&mut self, mut scan: Scan) -> Do<Page> {
        // One more than may be read, so that a longer scan is told from one that just fits.
        let room = self.limits.max_rows_read.saturating_sub(self.rows_read) + 1;
        scan.limit = scan.limit.min(room);
        let page = self.ground.scan(&scan, &self.made.writes)?;
        self.charge_reads(page.len())?;
        Ok(page)
    }

    pub(super) const fn charge_reads(&mut self, count: usize) -> Do<()> {
        self.rows_read += count;
        if self.rows_read > self.limits.max_rows_read {
            return Err(Stop::limit("max_rows_read"));
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, key: impl Into<Bytes>, value: Option<Bytes>) -> Do<()> {
        let writes = &mut self.made.writes;
        writes.set(key.into(), value);
        if writes.len() > self.limits.max_rows_written {
            return Err(Stop::limit("max_rows_written"));
        }
        if writes.bytes() > self.limits.max_bytes_written {
            return Err(Stop::limit("max_bytes_written"));
        }
        Ok(())
    }

    pub(super) fn rows<K: Key, R: Row>(
        &mut self,
        table: &Table<K, R>,
        keys: &impl RangeBounds<K>,
        limit: usize,
        order: Order,
    ) -> Do<Vec<(K, R)>> {
        let prefix = stored::row_key(table.name(), &[]);
        let (from, to) = bounds(&prefix, keys);
        let page = self.page(Scan { from, to, limit, order })?;
        let mut rows = Vec::with_capacity(page.len());
        for (stored, value) in page {
            let key = K::from_bytes(stored.get(prefix.len()..).unwrap_or_default())
                .map_err(|error| Reason::Key { table: table.name(), error })?;
            rows.push((key, self.decode(table.name(), &stored, &value)?.0));
        }
        Ok(rows)
    }

    /// The row at a stored key, and the state version in which it was written.
    pub(crate) fn read_at<R: Row>(
        &mut self,
        table: &'static str,
        stored: &[u8],
    ) -> Do<Option<(R, u32)>> {
        let Some(value) = self.get_stored(stored)? else { return Ok(None) };
        self.decode(table, stored, &value).map(Some)
    }

    fn decode<R: Row>(&mut self, table: &'static str, key: &[u8], value: &[u8]) -> Do<(R, u32)> {
        let blame = |error| Stop::from(Reason::Row { table, error });
        let joined;
        let (version, packet) = match stored::read(value).map_err(blame)? {
            Stored::Whole { version, packet } => (version, packet),
            Stored::Chunks { version, count, bytes } => {
                joined = self.join(table, key, count, bytes)?;
                (version, &joined[..])
            }
        };
        self.stepping = Some(table);
        let row = R::read(version, packet).map_err(blame);
        self.stepping = None;
        Ok((row?, version))
    }

    fn join(&mut self, table: &'static str, key: &[u8], count: u16, bytes: usize) -> Do<Vec<u8>> {
        let mut joined = Vec::new();
        for number in 0..count {
            if let Some(chunk) = self.get_stored(&stored::chunk_key(key, number))? {
                joined.extend_from_slice(&chunk);
            }
        }
        if joined.len() == bytes {
            return Ok(joined);
        }
        let error = RowError::Malformed { what: "its chunks are not all there" };
        Err(Reason::Row { table, error }.into())
    }

    pub(crate) fn write_at<R: Row>(
        &mut self,
        table: &'static str,
        stored: &[u8],
        row: &R,
    ) -> Do<()> {
        self.remove_chunks(stored)?;
        let mut lost = Lost::default();
        self.stepping = Some(table);
        let written = row.write_at(self.write_version(), &mut lost);
        self.stepping = None;
        let written = written.map_err(|error| Reason::Row { table, error })?;
        let losses = lost.fields().iter().map(|&field| Loss { table, field });
        self.made.losses.extend(losses);
        let stored = Bytes::copy_from_slice(stored);
        let bytes = written.packet.len();
        if bytes > MAX_ROW_BYTES {
            return Err(Stop::limit("MAX_ROW_BYTES"));
        }
        if bytes + 11 <= MAX_STORED_BYTES {
            return self.write(stored, Some(stored::whole(written.version, &written.packet)));
        }
        let packet = Bytes::from(written.packet);
        let count = bytes.div_ceil(MAX_STORED_BYTES);
        for number in 0..count {
            let from = number * MAX_STORED_BYTES;
            let chunk = packet.slice(from..bytes.min(from + MAX_STORED_BYTES));
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            self.write(stored::chunk_key(&stored, number), Some(chunk))?;
        }
        self.write(stored, Some(stored::head(written.version, count, bytes)))
    }

    pub(super) fn remove_at(&mut self, stored: &[u8]) -> Do<()> {
        self.remove_chunks(stored)?;
        self.write(Bytes::copy_from_slice(stored), None)
    }

    /// Takes away the chunks of the row that is there, if it has any.
    fn remove_chunks(&mut self, stored: &[u8]) -> Do<()> {
        let Some(value) = self.get_stored(stored)? else { return Ok(()) };
        if let Ok(Stored::Chunks { count, .. }) = stored::read(&value) {
            for number in 0..count {
                self.write(stored::chunk_key(stored, number), None)?;
            }
        }
        Ok(())
    }

    /// Moves a row from its old place in each index to the new one.
    pub(crate) fn reindex<K: Key, R: Row>(
        &mut self,
        table: &Table<K, R>,
        key: &K,
        before: Option<&(R, u32)>,
        after: Option<&R>,
    ) -> Do<()> {
        for &index in table.indexes() {
            // A row of an older version has no entry in this index, and gets none: who knows that
            // version alone would not keep it.
            let before = before.filter(|(_, version)| *version >= index.since());
            let before =
                before.map(|(row, _)| entry(table, index, key, row)).transpose()?.flatten();
            let after = after.filter(|_| self.write_version() >= index.since());
            let after = after.map(|row| entry(table, index, key, row)).transpose()?.flatten();
            if before != after {
                if let Some(entry) = before {
                    self.write(entry, None)?;
                }
                if let Some(entry) = after {
                    self.write(entry, Some(Bytes::new()))?;
                }
            }
        }
        Ok(())
    }
}

/// The stored key of a row's entry in an index, if the row has one.
fn entry<K: Key, R: Row>(
    table: &Table<K, R>,
    index: &dyn AnyIndex<K, R>,
    key: &K,
    row: &R,
) -> Do<Option<Vec<u8>>> {
    let Some(of_index) = index.key_of(key, row) else { return Ok(None) };
    let mut entry = stored::index_prefix(table.name(), index.name());
    entry.extend_from_slice(&bounded(of_index)?);
    key.put(&mut entry);
    Ok(Some(entry))
}

pub(super) fn stored_key<K: Key>(table: &'static str, key: &K) -> Do<Vec<u8>> {
    let mut stored = stored::row_key(table, &[]);
    let prefix = stored.len();
    key.put(&mut stored);
    if stored.len() - prefix > MAX_KEY_BYTES {
        Err(Stop::limit("MAX_KEY_BYTES"))
    } else {
        Ok(stored)
    }
}

/// A written key that is no longer than a key may be.
pub(super) fn bounded(key: Vec<u8>) -> Do<Vec<u8>> {
    if key.len() > MAX_KEY_BYTES { Err(Stop::limit("MAX_KEY_BYTES")) } else { Ok(key) }
}

/// The stored keys of a range, behind a prefix.
pub(super) fn bounds<K: Key>(prefix: &[u8], keys: &impl RangeBounds<K>) -> (Bytes, Bytes) {
    let behind = |key: &K| {
        let mut stored = prefix.to_vec();
        key.put(&mut stored);
        stored
    };
    let from = match keys.start_bound() {
        Bound::Included(key) => behind(key),
        Bound::Excluded(key) => stored::after_prefix(&behind(key)),
        Bound::Unbounded => prefix.to_vec(),
    };
    let to = match keys.end_bound() {
        Bound::Included(key) => stored::after_prefix(&behind(key)),
        Bound::Excluded(key) => behind(key),
        Bound::Unbounded => stored::after_prefix(prefix),
    };
    (from.into(), to.into())
}
