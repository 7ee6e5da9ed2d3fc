//! What can be wrong with a text in Erlang's notation.

use core::fmt;

use crate::byte::Shown;
use crate::term::Text;

/// Text that is no term in Erlang's notation.
///
/// ```
/// let error = "{ok, Value}".parse::<ubf_codec::Term>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "expected a term (a name that begins with a capital is a variable; \
///      quote it to make it an atom), found 'V', at byte 5",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotationError {
    offset: usize,
    expected: &'static str,
    found: Option<char>,
}

impl NotationError {
    pub(super) const fn new(offset: usize, expected: &'static str, found: Option<char>) -> Self {
        Self { offset, expected, found }
    }

    /// Where it went wrong: bytes from the start of the text.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What should be there.
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        self.expected
    }

    /// Whether the text ended too early.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        self.found.is_none()
    }
}

impl fmt::Display for NotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found ", self.expected)?;
        match self.found {
            None => f.write_str("the end of the text")?,
            Some(found) => match u8::try_from(found) {
                Ok(byte) if byte.is_ascii() => Shown(byte).fmt(f)?,
                Ok(_) | Err(_) => write!(f, "'{found}'")?,
            },
        }
        write!(f, ", at byte {}", self.offset)
    }
}

impl core::error::Error for NotationError {}

impl From<NotationError> for Text {
    /// The message, to be sent to whoever wrote the notation.
    fn from(error: NotationError) -> Self {
        use alloc::string::ToString as _;
        Self::from(error.to_string())
    }
}
