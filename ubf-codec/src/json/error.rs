//! What can be wrong with a JSON text.

use core::fmt;

/// A text that is not JSON, or has no term.
///
/// ```
/// let error = ubf_codec::json::from_str("[1, 2,]").unwrap_err();
/// assert_eq!(error.to_string(), "expected a value, at byte 6");
/// assert_eq!(error.offset(), 6);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    message: &'static str,
    offset: usize,
}

impl Error {
    pub(super) const fn new(message: &'static str, offset: usize) -> Self {
        Self { message, offset }
    }

    /// The byte of the text at which it is wrong.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.message, self.offset)
    }
}

impl core::error::Error for Error {}
