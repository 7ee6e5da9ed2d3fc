//! What a subterm is, in few words, so that subterms are compared without a look at what was
//! written.

use super::cost::SHORTEST;
use crate::term::ShortText;

/// Equal for equal subterms, and for no others.
///
/// A leaf too small for a register is its own key. Any other subterm has the number of its entry in
/// the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    pub(super) const fn of_entry(place: usize) -> Self {
        Self(place as u64)
    }

    /// The number of its entry, if it has one.
    #[inline(always)]
    pub(super) fn entry(self) -> Option<usize> {
        if self.0 >> KIND_SHIFT == FEW { usize::try_from(self.0).ok() } else { None }
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }
}

/// The highest bits of the last word say what it is. Numbers of entries leave them free.
const KIND_SHIFT: u32 = 61;
/// The place of a text's length, above the kind.
const LEN_SHIFT: u32 = 56;

/// The kinds of subterms.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A compound term of at most two parts.
    Few,
    Undefined,
    Nil,
    Integer,
    Atom,
    String,
    /// The text of a tag. It is a part of the tagged term, as the term inside is.
    Tag,
    /// What is known by more than three words.
    Large,
}

impl Kind {
    /// A bit for each.
    pub(super) const fn flag(self) -> u8 {
        1 << self as u8
    }

    const fn bits(self) -> u64 {
        (self as u64) << KIND_SHIFT
    }

    /// What is around a text of this kind.
    #[inline(always)]
    pub(super) const fn quote(self) -> u8 {
        match self {
            Self::String => b'"',
            Self::Tag => b'`',
            Self::Atom | Self::Few | Self::Undefined | Self::Nil | Self::Integer | Self::Large => {
                b'\''
            }
        }
    }

    /// The key of the only leaf of its kind.
    pub(super) const fn key(self) -> Key {
        Key(self.bits())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compound {
    Tuple,
    List,
    /// Its parts are the term and the tag.
    Tagged,
}

/// The kind of a compound term, in the last word.
const KIND: u64 = 3;
const FEW: u64 = Kind::Few as u64;
const LARGE: u64 = Kind::Large as u64;
/// A token, in the place of that kind.
const LONG: u64 = 3;
/// Above the kind of a compound term that is nothing but its parts.
const COUNT_SHIFT: u32 = 2;

/// What a subterm is. Texts of up to 23 bytes, integers of 64 bits and compound terms of up to two
/// parts are nothing but their words. Larger ones have a hash there.
#[derive(Clone, Copy, Debug)]
pub(super) struct What([u64; 3]);

impl PartialEq for What {
    /// Word by word. Compared as a whole, words that have just been made one by one would have to
    /// be in memory first.
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        (a ^ x) | (b ^ y) | (c ^ z) == 0
    }
}

/// A leaf of at most three words.
#[derive(Clone, Copy)]
pub(super) enum Short {
    /// On the wire it is shorter than any that is worth a register.
    Small(Key),
    Worth(What),
}

impl Short {
    #[inline(always)]
    pub(super) fn text(kind: Kind, text: &ShortText) -> Self {
        let (bytes, len) = text.padded();
        let word = |place: usize| {
            bytes
                .get(place..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |word| u64::from_le_bytes(*word))
        };
        // The last word begins a byte earlier, as the text is a byte shorter than three words.
        let last = word(15) >> 8 | (len as u64) << LEN_SHIFT | kind.bits();
        if len < SHORTEST - QUOTES && len + escapes(kind, bytes) < SHORTEST - QUOTES {
            return Self::Small(Key(word(0) | last));
        }
        Self::Worth(What([word(0), word(8), last]))
    }

    #[inline(always)]
    pub(super) const fn integer(value: i64) -> Self {
        let kind = Kind::Integer.bits();
        match value {
            // At most four bytes, with the sign.
            -999..=9_999 => Self::Small(Key(kind | (value.cast_unsigned() & 0xFFFF))),
            _ => Self::Worth(What([value.cast_unsigned(), 0, kind])),
        }
    }
}

impl What {
    /// A token that three words cannot hold.
    pub(super) const fn long(hash: u32, len: usize) -> Self {
        Self([hash as u64, len as u64, Kind::Large.bits() | LONG])
    }

    pub(super) const fn is_long(&self) -> bool {
        self.0[2] == Kind::Large.bits() | LONG
    }

    /// A compound term with these parts, if they are few enough.
    #[inline(always)]
    pub(super) fn few(kind: Compound, parts: &[Key]) -> Option<Self> {
        let (first, second) = match *parts {
            [first, second] => (first.0, second.0),
            [only] => (only.0, 0),
            [] => (0, 0),
            _ => return None,
        };
        Some(Self([
            first,
            second,
            Kind::Few.bits() | (parts.len() as u64) << COUNT_SHIFT | kind as u64,
        ]))
    }

    /// One with more.
    pub(super) const fn many(kind: Compound, hash: u32, count: usize) -> Self {
        Self([hash as u64, count as u64, Kind::Large.bits() | kind as u64])
    }

    /// Its kind, if it is a compound term.
    pub(super) const fn compound(&self) -> Option<Compound> {
        let [_, _, last] = self.0;
        let kind = match last >> KIND_SHIFT {
            FEW => last & KIND,
            LARGE if last & KIND != LONG => last & KIND,
            _ => return None,
        };
        Some(match kind {
            0 => Compound::Tuple,
            1 => Compound::List,
            _ => Compound::Tagged,
        })
    }

    /// The parts of a compound term that has few.
    pub(super) fn few_parts(&self) -> impl Iterator<Item = Key> + use<> {
        let [first, second, last] = self.0;
        let count = if last >> KIND_SHIFT == FEW { last >> COUNT_SHIFT } else { 0 };
        [first, second].into_iter().zip(0..count).map(|(part, _)| Key(part))
    }

    /// How many parts a compound term has that has many.
    pub(super) fn count_of_many(&self) -> usize {
        let [_, count, last] = self.0;
        if last >> KIND_SHIFT == LARGE && last & KIND != LONG {
            usize::try_from(count).unwrap_or_default()
        } else {
            0
        }
    }

    /// The [flag](Kind::flag) of its kind.
    #[inline(always)]
    pub(super) const fn kind_flag(&self) -> u8 {
        1 << (self.0[2] >> KIND_SHIFT)
    }

    pub(super) const fn words(&self) -> &[u64; 3] {
        &self.0
    }
}

/// The two around a text.
const QUOTES: usize = 2;

/// How many of the first bytes of a text, which is no longer than these, are written with a `\`
/// before them.
#[inline(always)]
fn escapes(kind: Kind, bytes: &[u8]) -> usize {
    let quote = kind.quote();
    bytes.iter().take(SHORTEST - QUOTES - 1).filter(|&&byte| byte == quote || byte == b'\\').count()
}
