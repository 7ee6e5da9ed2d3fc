//! Tokens that the end of the window may cut, and what is remembered of them.

use super::operator::Operator;

/// A token whose beginning has been read and whose end has not come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    None,
    /// `start` is the first digit or the sign.
    Integer {
        start: usize,
    },
    /// `start` is the first byte between the quotes.
    Text {
        text: Text,
        start: usize,
        escaped: bool,
    },
}

/// What stands between equal quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    String,
    Atom,
    Tag,
    Comment,
}

impl Token {
    /// Its first byte, or the one after it.
    pub(super) const fn start(&self) -> Option<usize> {
        match *self {
            Self::None => None,
            Self::Integer { start } | Self::Text { start, .. } => Some(start),
        }
    }

    /// Which operator goes on, if one does.
    pub(super) const fn operator(&self) -> Option<Operator> {
        match self {
            Self::None => None,
            Self::Integer { .. } => Some(Operator::Integer),
            Self::Text { text: Text::String, .. } => Some(Operator::String),
            Self::Text { text: Text::Atom, .. } => Some(Operator::Atom),
            Self::Text { text: Text::Tag, .. } => Some(Operator::Tag),
            Self::Text { text: Text::Comment, .. } => Some(Operator::Blank),
        }
    }
}

impl Text {
    pub(super) const fn quote(self) -> u8 {
        match self {
            Self::String => b'"',
            Self::Atom => b'\'',
            Self::Tag => b'`',
            Self::Comment => b'%',
        }
    }
}
