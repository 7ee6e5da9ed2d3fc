//! The types that every contract may use without a definition, and their attributes.

use core::fmt;

use crate::dialect::ContractDialect;

/// A predefined type. The dialects have different names for some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Predefined {
    /// Every term. `term()` in 1.16 and 1.12.
    Any,
    /// Every atom, the undefined value among them. `constant()` in 1.12.
    Atom,
    /// Every binary.
    Binary,
    /// Every float.
    Float,
    /// Every integer. `int()` in 1.12.
    Integer,
    /// Every list.
    List,
    /// Every term too: contracts mean "whatever the peer does" by it. `void()` in 1.16 and 1.12.
    None,
    /// `{'#P', [{Key, Value}]}`, in 1.16.
    Proplist,
    /// Every UBF string, in 1.16 and 1.12. What 2.x calls `string()` is a built-in type instead.
    String,
    /// Every tuple.
    Tuple,
}

/// Each with its names in 1.12, 1.16 and 2.x.
const NAMES: [(Predefined, [Option<&str>; 3]); 10] = [
    (Predefined::Any, [Some("term"), Some("term"), Some("any")]),
    (Predefined::Atom, [Some("constant"), Some("atom"), Some("atom")]),
    (Predefined::Binary, [Some("binary"), Some("binary"), Some("binary")]),
    (Predefined::Float, [None, Some("float"), Some("float")]),
    (Predefined::Integer, [Some("int"), Some("integer"), Some("integer")]),
    (Predefined::List, [None, Some("list"), Some("list")]),
    (Predefined::None, [Some("void"), Some("void"), Some("none")]),
    (Predefined::Proplist, [None, Some("proplist"), None]),
    (Predefined::String, [Some("string"), Some("string"), None]),
    (Predefined::Tuple, [None, Some("tuple"), Some("tuple")]),
];

impl Predefined {
    /// The predefined type of this name.
    #[must_use]
    pub fn named(dialect: ContractDialect, name: &[u8]) -> Option<Self> {
        let column = dialect as usize;
        NAMES.iter().find_map(|(predefined, names)| {
            let own = names.get(column).copied().flatten()?;
            (own.as_bytes() == name).then_some(*predefined)
        })
    }

    /// Its name in this dialect; if the dialect has none, the one in the nearest dialect that has.
    #[must_use]
    pub fn name(self, dialect: ContractDialect) -> &'static str {
        let names =
            NAMES.iter().find_map(|(predefined, names)| (*predefined == self).then_some(names));
        let own = names.and_then(|names| names.get(dialect as usize).copied().flatten());
        own.or_else(|| names?.iter().flatten().next_back().copied()).unwrap_or_default()
    }

    /// Which attributes it may have.
    #[must_use]
    pub const fn allowed(self) -> Attributes {
        match self {
            Self::Any => Attributes::NONEMPTY.with(Attributes::NONUNDEFINED),
            Self::Atom => Attributes(0b1111),
            Self::Binary | Self::String => Attributes(0b0111),
            Self::List | Self::Tuple | Self::Proplist => Attributes::NONEMPTY,
            Self::Float | Self::Integer | Self::None => Attributes(0),
        }
    }
}

/// Attributes of a predefined type, which make it narrower: a set.
///
/// ```
/// use ubf_contract::Attributes;
///
/// let both = Attributes::NONEMPTY.with(Attributes::ASCII);
/// assert_eq!(both.to_string(), "ascii, nonempty");
/// assert!(both.has(Attributes::ASCII) && !both.has(Attributes::NONUNDEFINED));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes(u8);

const ATTRIBUTE_NAMES: [(&str, Attributes); 4] = [
    ("ascii", Attributes::ASCII),
    ("asciiprintable", Attributes::ASCIIPRINTABLE),
    ("nonempty", Attributes::NONEMPTY),
    ("nonundefined", Attributes::NONUNDEFINED),
];

impl Attributes {
    /// No byte is above 127.
    pub const ASCII: Self = Self(1);
    /// All bytes are from 32 to 126.
    pub const ASCIIPRINTABLE: Self = Self(2);
    /// Not `''`, `[]`, `<<>>` or `{}`.
    pub const NONEMPTY: Self = Self(4);
    /// Not `undefined`.
    pub const NONUNDEFINED: Self = Self(8);

    /// The attribute of this name.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        ATTRIBUTE_NAMES
            .into_iter()
            .find_map(|(own, attribute)| (own.as_bytes() == name).then_some(attribute))
    }

    /// The names, sorted.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        ATTRIBUTE_NAMES
            .into_iter()
            .filter_map(move |(name, attribute)| self.has(attribute).then_some(name))
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of the others are among them.
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of these bytes are allowed by `ascii` and `asciiprintable`, where they are here.
    #[must_use]
    pub fn allow_bytes(self, bytes: &[u8]) -> bool {
        if self.has(Self::ASCIIPRINTABLE) {
            bytes.iter().all(|byte| matches!(byte, 32..=126))
        } else {
            !self.has(Self::ASCII) || bytes.is_ascii()
        }
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_as_they_are_given() {
        for dialect in ContractDialect::ALL {
            for (predefined, names) in NAMES {
                let Some(name) = names[dialect as usize] else { continue };
                assert_eq!(predefined.name(dialect), name);
                assert_eq!(Predefined::named(dialect, name.as_bytes()), Some(predefined));
            }
        }
        assert_eq!(Predefined::named(ContractDialect::V2, b"void"), None);
        assert_eq!(Predefined::String.name(ContractDialect::V2), "string");
    }

    #[test]
    fn bytes_are_held_against_the_attributes() {
        for (attributes, bytes, allowed) in [
            (Attributes::ASCII, &b"\x00\x7f"[..], true),
            (Attributes::ASCII, b"\x80", false),
            (Attributes::ASCIIPRINTABLE, b" ~", true),
            (Attributes::ASCIIPRINTABLE, b"\x1f", false),
            (Attributes::ASCIIPRINTABLE, b"\x7f", false),
            (Attributes::ASCIIPRINTABLE, b"", true),
            (Attributes::NONEMPTY, b"\xff", true),
        ] {
            assert_eq!(attributes.allow_bytes(bytes), allowed, "{attributes:?} {bytes:?}");
        }
    }
}
