//! The cached style: what comes again is read from a register.
//!
//! One pass writes the term as the plain style does, and remembers where each subterm was written
//! first. When a subterm comes again and is long enough, its first copy gets a register (`>r r` is
//! inserted there at the end) and the second copy becomes `r`. Nothing has to be known beforehand,
//! and each step makes the packet shorter or leaves it as it is:
//!
//! ```text
//! first copy:   'person'   becomes  'person'>aa     3 bytes more
//! second copy:  'person'   becomes  a               7 bytes less
//! ```
//! Subterms are compared by *keys* ([`key`]), which equal subterms share. Most leaves are found by
//! what they are, before they are written, and a compound term by the keys of its parts, so that
//! its size does not matter.
//!
//! The [`memory`] has bounds. When it is full, what has no register is forgotten; and if little
//! came again, nothing is remembered for a while, and terms are only compared with those that have
//! registers. This is how it stays once all registers are given out and none can come back. Large
//! packets spend their time so: a leaf costs one look into a small table more than in the plain
//! style.

mod cost;
mod key;
mod memory;
mod registers;

use alloc::vec::Vec;
use core::mem;

use bytes::BufMut;

use self::cost::{DEFINITION_BYTES, SHORTEST, USE_BYTES};
use self::key::{Compound, Key, Kind, Short, What};
use self::memory::{Found, Hash, Memory};
use super::sink::{Kept, Sink as _};
use super::token;
use crate::dialect::Dialect;
use crate::term::{Leaf, ShortText, TermRef, TextRef, WireVisitor};

/// A full memory of which fewer entries than one in so many came again was not worth it.
const WORTH: usize = 16;
/// Then nothing is remembered for so many times the bytes that filled it. Each time it happens,
/// twice as many.
const REST: usize = 8;

/// Working memory of the cached style.
#[derive(Clone, Default)]
pub(super) struct Cache {
    dialect: Dialect,
    /// The packet without definitions.
    written: Kept,
    after_integer: bool,
    memory: Memory,
    /// The memory holds all parts so far of the innermost open term.
    is_known: bool,
    open: Vec<Open>,
    /// The keys of the parts of the open terms, as long as the memory holds all parts of one.
    keys: Vec<Key>,
    /// Copies that were replaced since the memory last forgot.
    reads: usize,
    /// What is new is remembered from this length of the packet on.
    learns_from: usize,
    /// How many times as long as it took to fill the memory it is left alone next, if that was not
    /// worth it.
    rest: usize,
}

/// A tuple, list or tagged term that is being written.
#[derive(Clone, Copy)]
struct Open {
    /// Where it begins in `written`, with the space before it if there is one.
    start: usize,
    /// How many entries had a register before.
    defined: usize,
    /// Where its parts begin in `keys`.
    first_part: usize,
    /// Whether all parts before it are known of the term around it.
    is_outside_known: bool,
}

impl Cache {
    pub(super) fn write(&mut self, term: TermRef<'_>, dialect: Dialect, out: &mut impl BufMut) {
        self.clear();
        self.dialect = dialect;
        term.visit_wire(self);
        self.finish(out);
    }

    fn clear(&mut self) {
        self.written.truncate(0);
        self.after_integer = false;
        self.memory.clear();
        // No term is around the packet's term, which therefore need not be known.
        self.is_known = false;
        self.open.clear();
        self.keys.clear();
        self.reads = 0;
        self.learns_from = 0;
        self.rest = REST;
    }

    /// Whether new subterms are remembered.
    #[inline(always)]
    const fn is_learning(&self) -> bool {
        self.written.len() >= self.learns_from
    }

    /// The subterm with this key has been written.
    #[inline(always)]
    fn part(&mut self, key: Key) {
        if self.is_known {
            self.keys.push(key);
        }
    }

    /// The subterm of this entry has been written.
    #[inline(always)]
    fn known_part(&mut self, place: usize) {
        if self.is_known {
            if self.memory.is_part(place) || self.is_learning() {
                self.keys.push(Key::of_entry(place));
            } else {
                // No known term has it for a part.
                self.is_known = false;
            }
        }
    }

    /// A subterm has been written for the first time.
    #[inline(always)]
    fn new_part(&mut self, key: Key) {
        self.part(key);
        let has_registers = registers::after(self.memory.defined(), self.dialect).is_some();
        if !has_registers || self.memory.is_full() {
            self.forget(has_registers);
        }
    }

    #[cold]
    #[inline(never)]
    fn forget(&mut self, has_registers: bool) {
        let (added, bytes) = (self.memory.added(), self.written.len() - self.learns_from);
        self.memory.forget();
        // The parts of the terms around are forgotten, so that none of these is known at its end.
        self.is_known = false;
        self.keys.clear();
        if !has_registers {
            // No register becomes free again: a term that has a new part is never taken back.
            self.learns_from = usize::MAX;
        } else if self.reads < added / WORTH {
            self.learns_from = self.written.len().saturating_add(bytes.saturating_mul(self.rest));
            self.rest *= 2;
        } else {
            self.learns_from = self.written.len();
        }
        self.reads = 0;
    }

    #[inline(always)]
    fn operator(&mut self, operator: u8) {
        self.written.byte(operator);
        self.after_integer = false;
    }

    /// Writes a token that does not begin with a digit.
    #[inline(always)]
    fn text_token(&mut self, kind: Kind, text: &ShortText) {
        token::short(text, kind.quote(), &mut self.written);
        self.after_integer = false;
    }

    #[inline(always)]
    fn integer_token(&mut self, value: i64) {
        self.space();
        token::small_integer(value, &mut self.written);
        self.after_integer = true;
    }

    /// What follows begins with a digit, or a sign.
    #[inline(always)]
    fn space(&mut self) {
        if self.after_integer {
            self.written.byte(b' ');
        }
    }

    /// Writes a register in the place of a copy.
    #[inline(always)]
    fn read(&mut self, register: u8) {
        self.operator(register);
        self.reads += 1;
    }

    /// The register of a leaf that came again, and is long enough.
    #[inline(always)]
    fn register_of_leaf(&mut self, place: usize) -> Option<u8> {
        self.memory.register(place).or_else(|| {
            let register = registers::after(self.memory.defined(), self.dialect)?;
            self.memory.define(place, register);
            Some(register)
        })
    }

    /// Writes a leaf of this form: `token` does, if it is not read from a register. One function
    /// for each kind of leaf, each called with what fits in the processor's registers: a leaf
    /// of any kind would go through memory.
    #[inline(always)]
    fn short(&mut self, kind: Kind, short: Short, token: impl Fn(&mut Self)) {
        let what = match short {
            Short::Small(key) => {
                token(self);
                return self.part(key);
            }
            Short::Worth(what) => what,
        };
        if !self.is_learning() && !self.memory.has(kind) {
            token(self);
            self.is_known = false;
            return;
        }
        match self.memory.find(&what) {
            Ok(place) => {
                match self.register_of_leaf(place) {
                    Some(register) => self.read(register),
                    None => token(self),
                }
                self.known_part(place);
            }
            Err(hash) => {
                token(self);
                self.unknown_short(what, hash);
            }
        }
    }

    /// A leaf that the memory does not hold has been written.
    #[inline(always)]
    fn unknown_short(&mut self, what: What, hash: Hash) {
        if self.is_learning() {
            let key = self.memory.add(what, hash, self.written.len());
            self.new_part(key);
        } else {
            self.is_known = false;
        }
    }

    #[inline(never)]
    fn short_text(&mut self, kind: Kind, text: &ShortText) {
        self.short(kind, Short::text(kind, text), |cache| cache.text_token(kind, text));
    }

    #[inline(never)]
    fn small_integer(&mut self, value: i64) {
        self.short(Kind::Integer, Short::integer(value), |cache| cache.integer_token(value));
    }

    /// `?`, or a list without elements.
    #[inline(never)]
    fn only_one_of_its_kind(&mut self, kind: Kind, token: u8) {
        self.operator(token);
        self.part(kind.key());
    }

    /// A text that may stand in a packet.
    #[inline(never)]
    fn text(&mut self, kind: Kind, text: TextRef<'_>) {
        let Some(bytes) = text.as_plain() else {
            return self.text(kind, TextRef::plain(&text.to_bytes()));
        };
        match ShortText::new(bytes) {
            Some(short) => self.short_text(kind, &short),
            None if matches!(kind, Kind::String) => self.long(Leaf::String(text)),
            None => self.long(Leaf::Atom(text)),
        }
    }

    /// A leaf that is found by its token.
    #[inline(never)]
    fn long(&mut self, leaf: Leaf<'_>) {
        let before = self.written.len();
        if token::begins_with_digit(&leaf) {
            self.space();
        }
        let start = self.written.len();
        token::leaf(leaf, self.dialect, &mut self.written);
        self.after_integer = matches!(leaf, Leaf::Integer(_));
        if !self.is_learning() && !self.memory.has(Kind::Large) {
            self.is_known = false;
            return;
        }
        let found = self.find_long(start);
        if let Ok(place) = found
            && self.written.len() - start >= SHORTEST
            && let Some(register) = self.register_of_leaf(place)
        {
            self.written.truncate(before);
            self.read(register);
        }
        self.long_part(found, start);
    }

    /// Finds the token that begins at `start` and has just been written.
    fn find_long(&self, start: usize) -> Found {
        let written = self.written.as_slice();
        self.memory.find_long(written.get(start..).unwrap_or_default(), written)
    }

    fn long_part(&mut self, found: Found, start: usize) {
        match found {
            Ok(place) => self.known_part(place),
            Err(hash) if self.is_learning() => {
                let key = self.memory.add_long(hash, start..self.written.len());
                self.new_part(key);
            }
            Err(_) => self.is_known = false,
        }
    }

    /// A tuple, list or tagged term begins.
    #[inline(always)]
    fn open(&mut self) {
        self.open.push(Open {
            start: self.written.len(),
            defined: self.memory.defined(),
            first_part: self.keys.len(),
            is_outside_known: mem::replace(&mut self.is_known, true),
        });
    }

    /// The innermost open term ends.
    #[inline(always)]
    fn close(&mut self, kind: Compound) {
        let Some(closed) = self.open.pop() else { return };
        // Nothing comes after the outermost term.
        if self.is_known && !self.open.is_empty() {
            self.known_compound(kind, closed);
        } else {
            // If a part is not known, nor is the term around it.
            self.keys.truncate(closed.first_part);
        }
    }

    /// The memory holds all parts of the term that has just been written.
    #[inline(never)]
    fn known_compound(&mut self, kind: Compound, closed: Open) {
        let parts = self.keys.get(closed.first_part..).unwrap_or_default();
        let found = self.memory.find_compound(kind, parts);
        self.is_known = closed.is_outside_known;
        if let Err(hash) = found
            && self.is_learning()
        {
            let key = self.memory.add_compound(kind, parts, hash, self.written.len());
            self.keys.truncate(closed.first_part);
            return self.new_part(key);
        }
        self.keys.truncate(closed.first_part);
        match found {
            Ok(place) => {
                self.replace(place, closed);
                self.known_part(place);
            }
            Err(_) => self.is_known = false,
        }
    }

    /// Reads a register in the place of this copy of a compound term, if that saves bytes.
    fn replace(&mut self, place: usize, copy: Open) {
        // With this copy go the definitions that only it needed.
        let bytes = self.written.len() - copy.start
            + DEFINITION_BYTES * (self.memory.defined() - copy.defined);
        let register = match self.memory.register(place) {
            Some(register) if bytes > USE_BYTES => {
                self.memory.take_back(copy.defined);
                register
            }
            None if bytes >= SHORTEST => {
                let Some(register) = registers::after(copy.defined, self.dialect) else { return };
                self.memory.take_back(copy.defined);
                self.memory.define(place, register);
                register
            }
            Some(_) | None => return,
        };
        self.written.truncate(copy.start);
        self.read(register);
    }

    /// Copies what was written and puts the definitions in.
    fn finish(&mut self, out: &mut impl BufMut) {
        let mut copied = 0;
        for (end, register) in self.memory.definitions() {
            out.put_slice(self.written.as_slice().get(copied..end).unwrap_or_default());
            out.put_slice(&[b'>', register, register]);
            copied = end;
        }
        out.put_slice(self.written.as_slice().get(copied..).unwrap_or_default());
        out.put_u8(b'$');
    }
}

impl WireVisitor for Cache {
    #[inline(always)]
    fn leaf(&mut self, leaf: Leaf<'_>) {
        match leaf {
            Leaf::ShortAtom(text) => self.short_text(Kind::Atom, text),
            Leaf::ShortString(text) => self.short_text(Kind::String, text),
            Leaf::Integer(value) => match value.as_small() {
                Some(value) => self.small_integer(value),
                None => self.long(leaf),
            },
            Leaf::Binary(_) => self.long(leaf),
            Leaf::Atom(text) => self.text(Kind::Atom, text),
            Leaf::String(text) => self.text(Kind::String, text),
            Leaf::Nil => self.only_one_of_its_kind(Kind::Nil, b'#'),
            Leaf::Undefined => match self.dialect {
                Dialect::Extended => self.only_one_of_its_kind(Kind::Undefined, b'?'),
                Dialect::Classic => self.text(Kind::Atom, TextRef::plain(token::CLASSIC_UNDEFINED)),
            },
        }
    }

    #[inline(always)]
    fn open_tuple(&mut self) {
        self.open();
        self.operator(b'{');
    }

    #[inline(always)]
    fn close_tuple(&mut self) {
        self.operator(b'}');
        self.close(Compound::Tuple);
    }

    #[inline(always)]
    fn nil(&mut self) {
        self.open();
        self.operator(b'#');
    }

    #[inline(always)]
    fn cons(&mut self) {
        self.operator(b'&');
    }

    #[inline(always)]
    fn close_list(&mut self) {
        self.close(Compound::List);
    }

    #[inline(always)]
    fn open_tagged(&mut self) {
        self.open();
    }

    fn tag(&mut self, tag: TextRef<'_>) {
        match ShortText::new(&tag.to_bytes()) {
            Some(text) => {
                self.text_token(Kind::Tag, &text);
                match Short::text(Kind::Tag, &text) {
                    Short::Small(key) => self.part(key),
                    Short::Worth(what) => match self.memory.find(&what) {
                        Ok(place) => self.known_part(place),
                        Err(hash) => self.unknown_short(what, hash),
                    },
                }
            }
            None => {
                let start = self.written.len();
                token::tag(tag, &mut self.written);
                self.after_integer = false;
                self.long_part(self.find_long(start), start);
            }
        }
        self.close(Compound::Tagged);
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::Cache;
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
        assert_eq!(
            cached(&ubf!({hello, 1, hello, world, hello, world})),
            "{'hello'>aa1a'world'>bbab}$"
        );
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
        assert_eq!(
            cached(&ubf!([(float.clone()), (float.clone()), (float)])),
            "#\"1.5\"`f`>aa&a&a&$"
        );
        assert_eq!(cached(&ubf!({[1, 2, 3], [1, 2, 3]})), "{#3&2&1&>aaa}$");
    }

    #[test]
    fn there_are_199_registers_and_70_for_old_peers() {
        let distinct = |count: i64| {
            Term::list((0..count).flat_map(|i| [Term::from(100_000 + i), Term::from(100_000 + i)]))
        };
        for (dialect, registers) in [(Dialect::Extended, 199), (Dialect::Classic, 70)] {
            let mut encoder = Encoder::new().with_dialect(dialect).with_style(Style::Cached);
            let packet = encoder.encode(&distinct(300));
            assert_eq!(packet.iter().filter(|&&byte| byte == b'>').count(), registers);
            assert!(!packet.contains(&b'?') && !packet.contains(&b'`'));
            assert!(dialect == Dialect::Extended || packet.is_ascii());
            assert_eq!(decode(&packet).unwrap().root(), distinct(300));
        }
    }

    /// Distinct terms, so many that the memory is filled several times.
    fn distinct(count: i64) -> impl Iterator<Item = Term> {
        (0..count).map(|number| Term::from(1_000_000 + number))
    }

    fn hellos() -> impl Iterator<Item = Term> {
        core::iter::repeat_n(ubf!(hello), 2)
    }

    #[test]
    fn what_has_a_register_is_not_forgotten() {
        let point = ubf!({point, 10, (Term::float(0.5).unwrap())});
        let points = || core::iter::repeat_n(point.clone(), 2);
        let packet = cached(&Term::tuple(
            points().chain(hellos()).chain(distinct(40_000)).chain(points()).chain(hellos()),
        ));
        assert!(packet.starts_with("{{'point'10\"0.5\"`f`}>aaa'hello'>bbb1000000 "));
        assert!(packet.ends_with(" 1039999aabb}$"));
    }

    #[test]
    fn what_has_none_is() {
        let far =
            Term::tuple([ubf!(hello)].into_iter().chain(distinct(10_000)).chain([ubf!(hello)]));
        assert!(!cached(&far).contains('>'));
        let near =
            Term::tuple([ubf!(hello)].into_iter().chain(distinct(5000)).chain([ubf!(hello)]));
        assert!(cached(&near).ends_with(" 1004999a}$"));
    }

    #[test]
    fn parts_of_what_has_a_register_are_not_forgotten() {
        let many = ubf!({hello, "a text that is too long for three words", 123456, [1, 2, 3]});
        let packet = cached(&Term::tuple(
            [many.clone(), many.clone()]
                .into_iter()
                .chain(distinct(10_000))
                .chain([many, ubf!(hello)]),
        ));
        // The atom has no register before, and so the fourth copy of it gives it one where the
        // first is.
        assert!(packet.starts_with("{{'hello'>bb"));
        assert!(packet.ends_with(" 1009999ab}$"));
    }

    #[test]
    fn terms_without_repetition_are_only_looked_at_now_and_then() {
        let mut cache = Cache::default();
        let mut write = |term: &Term| {
            cache.write(term.into(), Dialect::Extended, &mut alloc::vec::Vec::new());
            (cache.memory.added(), cache.is_learning())
        };
        assert_eq!(write(&Term::tuple(distinct(5000))), (5000, true));
        // The memory has been filled once, and looks away for eight times as long.
        assert_eq!(write(&Term::tuple(distinct(60_000))), (0, false));
        let (added, is_learning) = write(&Term::tuple(distinct(75_000)));
        assert!(is_learning && added > 0 && added < 5000, "{added}");
    }

    #[test]
    fn repetition_is_found_after_a_stretch_without_any() {
        let pairs = (0..60_000_i64).map(|number| Term::from(2_000_000 + number / 2));
        let term = Term::tuple(distinct(60_000).chain(pairs));
        let packet = cached(&term);
        assert_eq!(packet.matches('>').count(), 199);
        // What is remembered does not depend on how it is found.
        assert_eq!(cached(&term), packet);
    }
}
