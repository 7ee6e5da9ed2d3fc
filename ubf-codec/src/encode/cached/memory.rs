//! The memory of the cached style: the distinct subterms that were written, and where their first
//! copies are.

use alloc::vec::Vec;
use core::hash::{BuildHasher as _, Hasher as _};
use core::mem;
use core::ops::Range;

use hashbrown::DefaultHashBuilder;

use super::key::{Compound, Key, Kind, What};

/// So many entries and parts are remembered before some are forgotten. Chosen: a document that
/// repeats itself gives all registers away before, and what is remembered stays in a processor's
/// second cache.
const ROOM: usize = 8192;

/// Distinct subterms, in the order of their first copies.
#[derive(Clone, Default)]
pub(super) struct Memory {
    hasher: DefaultHashBuilder,
    entries: Vec<Entry>,
    /// The newest entry under each hash, of which the lowest bits count, and the next older one in
    /// each entry. To add an entry takes two writes, and most are added and never found.
    newest: Vec<u32>,
    /// The parts of all compound entries with many.
    parts: Vec<Key>,
    /// Entries that have a register, in the order in which they got it.
    defined: Vec<usize>,
    /// A bit for each kind of which there is an entry.
    kinds: u8,
    /// The entries and parts that were left when the memory last forgot.
    kept: usize,
}

/// A distinct subterm.
#[derive(Clone, Copy)]
struct Entry {
    what: What,
    hash: Hash,
    /// The next older entry, or [`NONE`].
    older: u32,
    /// Where its first copy ends in what was written.
    end: usize,
    /// The beginning of the first copy of a long token. For a compound term with many parts, the
    /// place in `parts` where these begin.
    begin: usize,
    register: Option<u8>,
    /// The entry is a part of another one that was kept when others were forgotten.
    is_part: bool,
}

impl Entry {
    /// The parts of a compound term. `all` are the parts of the entries with many.
    fn parts(&self, all: &[Key]) -> impl Iterator<Item = Key> {
        let many = all.get(self.begin..self.begin + self.what.count_of_many()).unwrap_or_default();
        self.what.few_parts().chain(many.iter().copied())
    }
}

/// The first size of the table of hashes.
const FEWEST: usize = 64;

/// No entry.
const NONE: u32 = u32::MAX;

/// The number of an entry, or the hash under which there is none.
pub(super) type Found = Result<usize, Hash>;

/// The part of a hash that is used: there are fewer entries than it has values.
pub(super) type Hash = u32;

impl Memory {
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.newest.clear();
        self.parts.clear();
        self.defined.clear();
        self.kinds = 0;
        self.kept = 0;
    }

    #[inline(always)]
    fn hash(&self, words: impl Iterator<Item = u64>) -> Hash {
        let mut hasher = self.hasher.build_hasher();
        words.for_each(|word| hasher.write_u64(word));
        lowest(hasher.finish())
    }

    /// What has nothing but its words.
    #[inline(always)]
    pub(super) fn find(&self, what: &What) -> Found {
        self.find_if(what, self.hash(what.words().iter().copied()), |_| true)
    }

    #[inline(always)]
    fn find_if(&self, what: &What, hash: Hash, is_same: impl Fn(&Entry) -> bool) -> Found {
        let mask = self.newest.len().wrapping_sub(1);
        let mut place = self.newest.get(hash as usize & mask).copied().unwrap_or(NONE);
        while let Some(entry) = self.entries.get(place as usize) {
            if entry.what == *what && is_same(entry) {
                return Ok(place as usize);
            }
            place = entry.older;
        }
        Err(hash)
    }

    /// A token that is the last of `written`, by its bytes.
    pub(super) fn find_long(&self, token: &[u8], written: &[u8]) -> Found {
        let hash = lowest(self.hasher.hash_one(token));
        let what = What::long(hash, token.len());
        self.find_if(&what, hash, |entry| written.get(entry.begin..entry.end) == Some(token))
    }

    /// A compound term, by its parts.
    #[inline(always)]
    pub(super) fn find_compound(&self, kind: Compound, parts: &[Key]) -> Found {
        match What::few(kind, parts) {
            Some(what) => self.find(&what),
            None => self.find_with_many(kind, parts),
        }
    }

    #[inline(never)]
    fn find_with_many(&self, kind: Compound, parts: &[Key]) -> Found {
        let hash = self.hash(parts.iter().map(|key| key.bits()));
        let what = What::many(kind, hash, parts.len());
        self.find_if(&what, hash, |entry| {
            self.parts.get(entry.begin..).is_some_and(|all| all.starts_with(parts))
        })
    }

    /// Remembers a subterm that was not [found](Self::find).
    #[inline(always)]
    pub(super) fn add(&mut self, what: What, hash: Hash, end: usize) -> Key {
        self.add_entry(what, hash, 0, end)
    }

    pub(super) fn add_long(&mut self, hash: Hash, first_copy: Range<usize>) -> Key {
        self.add_entry(What::long(hash, first_copy.len()), hash, first_copy.start, first_copy.end)
    }

    #[inline(always)]
    pub(super) fn add_compound(
        &mut self,
        kind: Compound,
        parts: &[Key],
        hash: Hash,
        end: usize,
    ) -> Key {
        if let Some(what) = What::few(kind, parts) {
            return self.add(what, hash, end);
        }
        let begin = self.parts.len();
        self.parts.extend_from_slice(parts);
        self.add_entry(What::many(kind, hash, parts.len()), hash, begin, end)
    }

    fn add_entry(&mut self, what: What, hash: Hash, begin: usize, end: usize) -> Key {
        if 2 * self.entries.len() >= self.newest.len() {
            self.grow();
        }
        self.kinds |= what.kind_flag();
        let key = Key::of_entry(self.entries.len());
        let older = link(&mut self.newest, hash, self.entries.len());
        self.entries.push(Entry { what, hash, older, end, begin, register: None, is_part: false });
        key
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let len = FEWEST.max(4 * self.newest.len());
        self.newest.clear();
        self.newest.resize(len, NONE);
        for (place, entry) in self.entries.iter_mut().enumerate() {
            entry.older = link(&mut self.newest, entry.hash, place);
        }
    }

    /// Whether there is anything of this kind.
    #[inline(always)]
    pub(super) const fn has(&self, kind: Kind) -> bool {
        self.kinds & kind.flag() != 0
    }

    /// How much was added since the memory last forgot.
    pub(super) const fn added(&self) -> usize {
        self.entries.len() + self.parts.len() - self.kept
    }

    /// Whether it is time to [forget](Self::forget): the work for it is then in proportion to what
    /// was added.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() + self.parts.len() >= ROOM.max(2 * self.kept)
    }

    /// The register of an entry.
    #[inline(always)]
    pub(super) fn register(&self, place: usize) -> Option<u8> {
        self.entries.get(place)?.register
    }

    /// Whether an entry is a part of another that was kept. Of new ones this is not known.
    #[inline(always)]
    pub(super) fn is_part(&self, place: usize) -> bool {
        self.entries.get(place).is_some_and(|entry| entry.is_part)
    }

    /// How many entries have a register.
    #[inline(always)]
    pub(super) const fn defined(&self) -> usize {
        self.defined.len()
    }

    /// Gives an entry that has none a register.
    pub(super) fn define(&mut self, place: usize, register: u8) {
        if let Some(entry) = self.entries.get_mut(place) {
            entry.register = Some(register);
            self.defined.push(place);
        }
    }

    /// Takes away all registers but the first `count`.
    pub(super) fn take_back(&mut self, count: usize) {
        for place in self.defined.drain(count.min(self.defined.len())..) {
            if let Some(entry) = self.entries.get_mut(place) {
                entry.register = None;
            }
        }
    }

    /// Where the first copies end that have a register, from the first on.
    pub(super) fn definitions(&self) -> Vec<(usize, u8)> {
        let entries = self.defined.iter().filter_map(|&place| self.entries.get(place));
        let mut definitions: Vec<_> =
            entries.filter_map(|entry| Some((entry.end, entry.register?))).collect();
        definitions.sort_unstable();
        definitions
    }

    /// Forgets all entries but those with a register, and their parts. They have other keys from
    /// here on.
    pub(super) fn forget(&mut self) {
        self.mark_parts();
        let mut entries = mem::take(&mut self.entries);
        let mut parts = mem::take(&mut self.parts);
        self.newest.clear();
        self.kinds = 0;
        let mut keys = Vec::with_capacity(entries.len());
        let mut new_parts = Vec::new();
        for entry in &entries {
            if entry.register.is_none() && !entry.is_part {
                keys.push(None);
                continue;
            }
            let new = |key: Key| {
                key.entry().and_then(|place| keys.get(place).copied().flatten()).unwrap_or(key)
            };
            new_parts.clear();
            new_parts.extend(entry.parts(&parts).map(new));
            keys.push(Some(self.keep(entry, &new_parts)));
        }
        for place in &mut self.defined {
            let key = keys.get(*place).copied().flatten();
            *place = key.and_then(Key::entry).unwrap_or(usize::MAX);
        }
        self.kept = self.entries.len() + self.parts.len();
        // The larger memory stays for what is to come.
        entries.clear();
        entries.append(&mut self.entries);
        self.entries = entries;
        parts.clear();
        parts.append(&mut self.parts);
        self.parts = parts;
    }

    /// Marks the parts of entries with registers, their parts and so on. Parts come before what
    /// they are parts of.
    fn mark_parts(&mut self) {
        for entry in &mut self.entries {
            entry.is_part = false;
        }
        let mut rest = &mut self.entries[..];
        while let Some((entry, before)) = rest.split_last_mut() {
            if entry.register.is_some() || entry.is_part {
                for part in entry.parts(&self.parts).filter_map(Key::entry) {
                    if let Some(part) = before.get_mut(part) {
                        part.is_part = true;
                    }
                }
            }
            rest = before;
        }
    }

    /// Adds an entry again. `parts` are its parts, by their new keys.
    fn keep(&mut self, entry: &Entry, parts: &[Key]) -> Key {
        let key = match entry.what.compound() {
            None if entry.what.is_long() => self.add_long(entry.hash, entry.begin..entry.end),
            None => self.add_entry(entry.what, entry.hash, entry.begin, entry.end),
            Some(kind) => match self.find_compound(kind, parts) {
                Ok(place) => Key::of_entry(place),
                Err(hash) => self.add_compound(kind, parts, hash, entry.end),
            },
        };
        if let Some(kept) = self.entries.last_mut() {
            kept.register = entry.register;
            kept.is_part = entry.is_part;
        }
        key
    }
}

/// Puts the entry at `place` before the others under its hash. Which was the first there.
#[inline(always)]
fn link(newest: &mut [u32], hash: Hash, place: usize) -> u32 {
    let mask = newest.len().wrapping_sub(1);
    newest
        .get_mut(hash as usize & mask)
        .map_or(NONE, |first| mem::replace(first, u32::try_from(place).unwrap_or(NONE)))
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are meant")]
const fn lowest(hash: u64) -> Hash {
    hash as Hash
}
