//! The cached style: what comes again is read from a register.
//!
//! One pass writes the term as the plain style does, and remembers where each subterm was written first. When a subterm comes again
//! and is long enough, its first copy gets a register (`>r r` is inserted there at the end) and the second copy becomes `r`.
//! Nothing has to be known beforehand, and each step makes the packet shorter or leaves it as it is:
//!
//! ```text
//! first copy:   'person'   becomes  'person'>aa     3 bytes more
//! second copy:  'person'   becomes  a               7 bytes less
//! ```
//! Subterms are compared by *keys*, numbers that equal subterms share: a short token is its own key, any other subterm is
//! numbered when it is new. A compound term is known by the keys of its parts, so that its size does not matter.
//!
//! Once all registers are given out and none can come back, nothing that is new can get one: from there on, terms are only compared
//! with those that were there before. Large packets spend their time so, and in small tables.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher as _};

use bytes::BufMut;
use hashbrown::hash_table::Entry as Slot;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::sink::{Kept, Sink as _};
use super::token;
use crate::dialect::Dialect;
use crate::term::{Leaf, TermRef, TextRef, WireVisitor};

/// The ASCII bytes that name registers in what we write, best known first. Every known decoder accepts them.
const ASCII_REGISTERS: &[u8; 70] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!()*+./:;<=@[\\]^_|";
/// The other bytes that do, from here to 0xFF. Peers that treat packets as text may not know them.
const FIRST_HIGH_REGISTER: u8 = 0x7F;

/// `>r r`: what a register costs at its definition.
const DEFINITION_BYTES: usize = 3;
/// `r`: what each use costs.
const USE_BYTES: usize = 1;
/// From this length on a register saves bytes with the second copy.
const SHORTEST: usize = DEFINITION_BYTES + USE_BYTES + 1;

/// Working memory of the cached style.
#[derive(Clone, Default)]
pub(super) struct Cache {
    dialect: Dialect,
    hasher: DefaultHashBuilder,
    /// No register will be given out or taken back any more.
    is_settled: bool,
    /// The packet without definitions.
    written: Kept,
    /// Distinct subterms, in the order of their first copy.
    entries: Vec<Entry>,
    /// Finds entries by what they are.
    leaves: HashTable<usize>,
    compounds: HashTable<usize>,
    /// The keys of the parts of all compound entries.
    parts: Vec<Key>,
    /// Entries that have a register, in the order in which they got it.
    defined: Vec<usize>,
    /// Subterms of the open compound terms.
    done: Vec<Done>,
    open: Vec<Open>,
}

/// Equal for equal subterms, and for no others. Of a token shorter than any that is worth a register it is made of its bytes, which do
/// not begin with zero; of any other subterm it is the number of its entry.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key(u64);

impl Key {
    /// Of a subterm that was not there before, when nothing is added any more. No entry has it.
    const UNKNOWN: Self = Self(u64::MAX);
    /// Entries are counted from here, above the bytes of short tokens.
    const FIRST_ENTRY: u64 = 1 << (8 * (SHORTEST - 1));

    /// The key of `token`, if it is short.
    #[inline(always)]
    fn short(token: &[u8]) -> Option<Self> {
        if token.len() >= SHORTEST {
            return None;
        }
        Some(Self(token.iter().fold(0, |key, &byte| key << 8 | u64::from(byte))))
    }

    const fn of_entry(place: usize) -> Self {
        Self(Self::FIRST_ENTRY + place as u64)
    }

    fn entry(self) -> Option<usize> {
        self.0.checked_sub(Self::FIRST_ENTRY).and_then(|place| usize::try_from(place).ok())
    }
}

/// A distinct subterm.
#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    /// Its first copy in `written`.
    start: usize,
    end: usize,
    kind: Kind,
    /// Where its parts' keys are, for a compound term.
    first_part: usize,
    part_count: usize,
    register: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Leaf,
    Tuple,
    List,
    Tagged,
}

/// A subterm that has been written.
#[derive(Clone, Copy)]
struct Done {
    key: Key,
    /// Where it begins in `written`, with the space before it if there is one.
    start: usize,
    /// How many entries had a register before it was written.
    defined: usize,
}

/// A tuple or list that is being written.
#[derive(Clone, Copy)]
struct Open {
    start: usize,
    defined: usize,
    /// Its parts in `done` begin here.
    first_part: usize,
}

impl Cache {
    pub(super) fn write(&mut self, term: TermRef<'_>, dialect: Dialect, out: &mut impl BufMut) {
        self.clear();
        self.dialect = dialect;
        self.is_settled = false;
        term.visit_wire(self);
        self.finish(out);
    }

    fn clear(&mut self) {
        self.written.truncate(0);
        self.entries.clear();
        self.leaves.clear();
        self.compounds.clear();
        self.parts.clear();
        self.defined.clear();
        self.done.clear();
        self.open.clear();
    }

    /// A tuple or list begins.
    fn open(&mut self, operator: u8) {
        let start = self.written.len();
        self.written.byte(operator);
        self.open.push(Open { start, defined: self.defined.len(), first_part: self.done.len() });
    }

    /// The innermost open tuple or list ends.
    fn close(&mut self, kind: Kind) {
        let Some(open) = self.open.pop() else { return };
        let first_key = self.parts.len();
        self.parts.extend(self.done.get(open.first_part..).unwrap_or_default().iter().map(|part| part.key));
        self.done.truncate(open.first_part);
        let key = self.compound_key(kind, first_key, open.start);
        self.finish_subterm(Done { key, start: open.start, defined: open.defined }, open.start);
    }

    /// The key of the token that begins at `start` and has just been written.
    #[inline(always)]
    fn token_key(&mut self, start: usize) -> Key {
        let token = self.written.as_slice().get(start..).unwrap_or_default();
        Key::short(token).unwrap_or_else(|| self.leaf_key(start))
    }

    /// The same for a token that is not short.
    fn leaf_key(&mut self, start: usize) -> Key {
        let token = self.written.as_slice().get(start..).unwrap_or_default();
        let hash = self.hasher.hash_one(token);
        let (written, entries) = (&self.written, &self.entries);
        let is_same = |&entry: &usize| {
            entries.get(entry).is_some_and(|entry| written.as_slice().get(entry.start..entry.end) == Some(token))
        };
        if self.is_settled {
            return self.leaves.find(hash, is_same).map_or(Key::UNKNOWN, |&entry| Key::of_entry(entry));
        }
        let place = self.entries.len();
        match self.leaves.entry(hash, is_same, |&entry| entries.get(entry).map_or(0, |entry| entry.hash)) {
            Slot::Occupied(slot) => return Key::of_entry(*slot.get()),
            Slot::Vacant(slot) => drop(slot.insert(place)),
        }
        self.add(Kind::Leaf, hash, start, 0, 0)
    }

    /// The key of the compound term whose parts' keys are the last of `parts`.
    fn compound_key(&mut self, kind: Kind, first_key: usize, start: usize) -> Key {
        let keys = self.parts.get(first_key..).unwrap_or_default();
        if self.is_settled && keys.contains(&Key::UNKNOWN) {
            self.parts.truncate(first_key);
            return Key::UNKNOWN;
        }
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u8(kind as u8);
        keys.iter().for_each(|key| hasher.write_u64(key.0));
        let hash = hasher.finish();
        let count = keys.len();
        let (parts, entries) = (&self.parts, &self.entries);
        let is_same = |&entry: &usize| {
            entries.get(entry).is_some_and(|entry| {
                entry.kind == kind && parts.get(entry.first_part..entry.first_part + entry.part_count) == Some(keys)
            })
        };
        let known = if self.is_settled {
            Some(self.compounds.find(hash, is_same).map_or(Key::UNKNOWN, |&entry| Key::of_entry(entry)))
        } else {
            match self.compounds.entry(hash, is_same, |&entry| entries.get(entry).map_or(0, |entry| entry.hash)) {
                Slot::Occupied(slot) => Some(Key::of_entry(*slot.get())),
                Slot::Vacant(slot) => {
                    slot.insert(self.entries.len());
                    None
                }
            }
        };
        match known {
            Some(key) => {
                self.parts.truncate(first_key);
                key
            }
            None => self.add(kind, hash, start, first_key, count),
        }
    }

    /// A subterm that is there for the first time.
    fn add(&mut self, kind: Kind, hash: u64, start: usize, first_part: usize, part_count: usize) -> Key {
        let place = self.entries.len();
        let end = self.written.len();
        self.entries.push(Entry { hash, start, end, kind, first_part, part_count, register: None });
        // Every term around this one is there for the first time too. So none of them goes, and no register with it.
        self.is_settled = register(self.defined.len(), self.dialect).is_none();
        Key::of_entry(place)
    }

    /// Counts a subterm as written, from `start` on. If it was there before and a register saves bytes, the register is read in
    /// its place.
    fn finish_subterm(&mut self, done: Done, start: usize) {
        if let Some(place) = done.key.entry()
            && let Some(register) = self.register_for(place, start, done.defined)
        {
            // Registers that were given out inside of this copy have no reader left when it goes.
            self.take_back(done.defined);
            self.define(place, register);
            self.written.truncate(done.start);
            self.written.byte(register);
        }
        self.done.push(done);
    }

    /// The register to read instead of the copy that begins at `start`, before which `defined` registers were given out.
    fn register_for(&self, place: usize, start: usize, defined: usize) -> Option<u8> {
        let entry = self.entries.get(place)?;
        if entry.start == start {
            return None;
        }
        // With this copy go the definitions that only it needed.
        let bytes = self.written.len() - start + DEFINITION_BYTES * (self.defined.len() - defined);
        match entry.register {
            Some(register) if bytes > USE_BYTES => Some(register),
            None if bytes >= SHORTEST => register(defined, self.dialect),
            Some(_) | None => None,
        }
    }

    /// Takes away all registers but the first `count`.
    fn take_back(&mut self, count: usize) {
        for place in self.defined.drain(count.min(self.defined.len())..) {
            if let Some(entry) = self.entries.get_mut(place) {
                entry.register = None;
            }
        }
    }

    fn define(&mut self, place: usize, register: u8) {
        if let Some(entry) = self.entries.get_mut(place)
            && entry.register.is_none()
        {
            entry.register = Some(register);
            self.defined.push(place);
        }
    }

    /// Copies what was written and puts the definitions in.
    fn finish(&mut self, out: &mut impl BufMut) {
        let mut definitions: Vec<(usize, u8)> = Vec::with_capacity(self.defined.len());
        for entry in self.defined.iter().filter_map(|&place| self.entries.get(place)) {
            definitions.extend(entry.register.map(|register| (entry.end, register)));
        }
        definitions.sort_unstable();
        let mut copied = 0;
        for (end, register) in definitions {
            out.put_slice(self.written.as_slice().get(copied..end).unwrap_or_default());
            out.put_slice(&[b'>', register, register]);
            copied = end;
        }
        out.put_slice(self.written.as_slice().get(copied..).unwrap_or_default());
        out.put_u8(b'$');
    }
}

impl WireVisitor for Cache {
    fn leaf(&mut self, leaf: Leaf<'_>) {
        let start = self.written.len();
        // No register that we give out is a digit: only an integer ends in one.
        let after_integer = self.written.last().is_some_and(|byte| byte.is_ascii_digit());
        if after_integer && token::begins_with_digit(&leaf) {
            self.written.byte(b' ');
        }
        let token_start = self.written.len();
        token::leaf(leaf, self.dialect, &mut self.written);
        let key = self.token_key(token_start);
        self.finish_subterm(Done { key, start, defined: self.defined.len() }, token_start);
    }

    fn open_tuple(&mut self) {
        self.open(b'{');
    }

    fn close_tuple(&mut self) {
        self.written.byte(b'}');
        self.close(Kind::Tuple);
    }

    fn nil(&mut self) {
        self.open(b'#');
    }

    fn cons(&mut self) {
        self.written.byte(b'&');
    }

    fn close_list(&mut self) {
        self.close(Kind::List);
    }

    fn tag(&mut self, tag: TextRef<'_>) {
        let Some(inner) = self.done.pop() else { return };
        let tag_start = self.written.len();
        token::tag(tag, &mut self.written);
        // The tag's own key is that of its token, which is only ever a part.
        let tag = self.token_key(tag_start);
        let first_key = self.parts.len();
        self.parts.extend([inner.key, tag]);
        let key = self.compound_key(Kind::Tagged, first_key, inner.start);
        self.finish_subterm(Done { key, ..inner }, inner.start);
    }
}

/// The register that is given out after `count` others; there are so many and no more.
fn register(count: usize, dialect: Dialect) -> Option<u8> {
    if let Some(&register) = ASCII_REGISTERS.get(count) {
        return Some(register);
    }
    match dialect {
        Dialect::Classic => None,
        Dialect::Extended => {
            u8::try_from(count - ASCII_REGISTERS.len()).ok().and_then(|high| FIRST_HIGH_REGISTER.checked_add(high))
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use crate::{Dialect, Encoder, Style, Term, decode, ubf};

    fn cached(term: &Term) -> String {
        let packet = Encoder::new().with_style(Style::Cached).encode(term);
        assert_eq!(decode(&packet).unwrap().root(), *term);
        assert!(packet.len() <= Encoder::new().encode(term).len());
        String::from_utf8_lossy(&packet).into_owned()
    }

    #[test]
    fn a_second_copy_is_read_from_a_register() {
        assert_eq!(cached(&ubf!({hello, hello})), "{'hello'>aaa}$");
        assert_eq!(cached(&ubf!({hello, 1, hello, world, hello, world})), "{'hello'>aa1a'world'>bbab}$");
        assert_eq!(cached(&ubf!({123456, 123456, 7, 123456})), "{123456>aaa7a}$");
    }

    #[test]
    fn short_copies_are_left_alone() {
        assert_eq!(cached(&ubf!({ab, ab, ab, 1234, 1234})), "{'ab''ab''ab'1234 1234}$");
        assert_eq!(cached(&ubf!({abc, abc})), "{'abc'>aaa}$");
    }

    #[test]
    fn a_repeated_compound_takes_its_parts_with_it() {
        let point = ubf!({point, 10, 20});
        assert_eq!(cached(&ubf!({(point.clone()), (point.clone())})), "{{'point'10 20}>aaa}$");
        // 'point' gets a register of its own as soon as somebody else reads it.
        assert_eq!(cached(&ubf!({(point.clone()), (point), point})), "{{'point'>bb10 20}>aaab}$");
    }

    #[test]
    fn tagged_terms_and_lists_are_repeated_too() {
        let float = Term::float(1.5).unwrap();
        assert_eq!(cached(&ubf!([(float.clone()), (float.clone()), (float)])), "#\"1.5\"`f`>aa&a&a&$");
        assert_eq!(cached(&ubf!({[1, 2, 3], [1, 2, 3]})), "{#3&2&1&>aaa}$");
    }

    #[test]
    fn there_are_199_registers_and_70_for_old_peers() {
        let distinct =
            |count: i64| Term::list((0..count).flat_map(|i| [Term::from(100_000 + i), Term::from(100_000 + i)]));
        for (dialect, registers) in [(Dialect::Extended, 199), (Dialect::Classic, 70)] {
            let mut encoder = Encoder::new().with_dialect(dialect).with_style(Style::Cached);
            let packet = encoder.encode(&distinct(300));
            assert_eq!(packet.iter().filter(|&&byte| byte == b'>').count(), registers);
            assert!(!packet.contains(&b'?') && !packet.contains(&b'`'));
            assert!(dialect == Dialect::Extended || packet.is_ascii());
            assert_eq!(decode(&packet).unwrap().root(), distinct(300));
        }
    }
}
