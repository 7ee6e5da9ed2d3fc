//! The committed rows under a shard: read from the store at once, or from a cache of it.

use bytes::Bytes;
use ubf_state::{Base, Cache, Missing, Page, Scan, Writes};

/// The bytes of rows that are kept of a store that cannot be read at once. Chosen: rows that are in
/// use fit, and a small machine is not filled.
const CACHE_BYTES: usize = 64 << 20;

pub(super) enum Rows {
    Near(Box<dyn Base + Send>),
    Cached(Cache),
}

impl Rows {
    pub(super) fn new(base: Option<Box<dyn Base + Send>>) -> Self {
        base.map_or_else(|| Self::Cached(Cache::default()), Self::Near)
    }

    /// What is known of rows is not to be trusted any more.
    pub(super) fn forget(&mut self) {
        if let Self::Cached(cache) = self {
            *cache = Cache::default();
        }
    }

    /// A batch was committed.
    pub(super) fn committed(&mut self, writes: &Writes) {
        if let Self::Cached(cache) = self {
            cache.committed(writes);
            cache.trim(CACHE_BYTES);
        }
    }

    /// What was missing has been read.
    pub(super) fn loaded(&mut self, missing: Missing, page: Page) {
        if let Self::Cached(cache) = self {
            match missing {
                Missing::Key(key) => {
                    let value = page.into_iter().next().map(|(_, value)| value);
                    cache.loaded_key(key, value);
                }
                Missing::Range(scan) => cache.loaded_range(&scan, page),
            }
        }
    }
}

impl Base for Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Missing> {
        match self {
            Self::Near(base) => base.get(key),
            Self::Cached(cache) => cache.get(key),
        }
    }

    fn scan(&self, scan: &Scan) -> Result<Page, Missing> {
        match self {
            Self::Near(base) => base.scan(scan),
            Self::Cached(cache) => cache.scan(scan),
        }
    }
}
