//! What a transaction stands on: committed rows, a batch on its way, an open batch.

use alloc::collections::BTreeMap;

use bytes::Bytes;

use crate::base::{Base, Order, Page, Scan, successor};
use crate::stop::Do;
use crate::writes::Writes;

/// The writes on which a transaction stands, oldest first, over what is committed.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) base: &'a dyn Base,
    pub(crate) flying: &'a Writes,
    pub(crate) open: &'a Writes,
}

impl Ground<'_> {
    /// The value at a stored key.
    pub(crate) fn get(&self, key: &[u8]) -> Do<Option<Bytes>> {
        if let Some(value) = self.open.get(key).or_else(|| self.flying.get(key)) {
            return Ok(value.clone());
        }
        Ok(self.base.get(key)?)
    }

    /// The rows of a range, with `own` writes over the rest.
    pub(crate) fn scan(&self, scan: &Scan, own: &Writes) -> Do<Page> {
        let Scan { mut from, mut to, limit, order } = scan.clone();
        let mut rows = Page::new();
        while from < to && rows.len() < limit {
            let page =
                self.base.scan(&Scan { from: from.clone(), to: to.clone(), limit, order })?;
            // A full page says nothing of what is behind its last row.
            let (start, end) = match (page.len() < limit, order, page.last()) {
                (false, Order::Upwards, Some((last, _))) => (from.clone(), successor(last)),
                (false, Order::Downwards, Some((last, _))) => (last.clone(), to.clone()),
                _ => (from.clone(), to.clone()),
            };
            let mut window: BTreeMap<Bytes, Option<Bytes>> =
                page.into_iter().map(|(key, value)| (key, Some(value))).collect();
            for writes in [self.flying, self.open, own] {
                for (key, value) in writes.range(&start, &end) {
                    window.insert(key.clone(), value.clone());
                }
            }
            let there = |(key, value): (Bytes, Option<Bytes>)| Some((key, value?));
            let room = limit - rows.len();
            match order {
                Order::Upwards => {
                    rows.extend(window.into_iter().filter_map(there).take(room));
                    from = end;
                }
                Order::Downwards => {
                    rows.extend(window.into_iter().rev().filter_map(there).take(room));
                    to = start;
                }
            }
        }
        Ok(rows)
    }
}
