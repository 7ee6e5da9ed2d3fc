//! The kinds of terms, as errors name them.

use core::fmt;

/// A kind of term, to speak about a term that stands in a wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TermKind {
    /// The undefined value.
    Undefined,
    /// An integer.
    Integer,
    /// An atom.
    Atom,
    /// A string.
    String,
    /// A binary.
    Binary,
    /// A tuple.
    Tuple,
    /// A list.
    List,
    /// A term with a semantic tag.
    Tagged,
}

impl fmt::Display for TermKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undefined => "the undefined value",
            Self::Integer => "an integer",
            Self::Atom => "an atom",
            Self::String => "a string",
            Self::Binary => "a binary",
            Self::Tuple => "a tuple",
            Self::List => "a list",
            Self::Tagged => "a tagged term",
        })
    }
}
