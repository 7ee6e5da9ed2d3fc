//! What can be wrong with a JSON text.

use core::fmt;

use crate::limits::Limit;

/// A text that is not JSON, has no term, or is beyond the limits.
///
/// ```
/// use ubf_codec::json::{ErrorKind, from_str};
///
/// let error = from_str("[1, 2,]").unwrap_err();
/// assert_eq!(error.to_string(), "expected a value, at byte 6");
/// assert_eq!((error.kind(), error.offset()), (ErrorKind::Syntax, 6));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    what: What,
    offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Says(ErrorKind, &'static str),
    Exceeds(Limit),
}

/// Which kind of thing is wrong.
///
/// ```
/// use ubf_codec::json::{ErrorKind, Reader, from_str};
/// use ubf_codec::{Limit, Limits};
///
/// assert_eq!(from_str("{'a':1}").unwrap_err().kind(), ErrorKind::Syntax);
/// assert_eq!(from_str(r#"{"$ref":"x"}"#).unwrap_err().kind(), ErrorKind::NoTerm);
/// let limits = Limits::default().with_max_depth(1);
/// let error = Reader::new("[[]]").with_limits(limits).next().unwrap().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Limit(Limit::Depth(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not JSON, or ends too early.
    Syntax,
    /// It is JSON that stands for no term: an object whose keys begin with `$` and mean nothing, a
    /// number beyond the doubles.
    NoTerm,
    /// The term would be beyond one of the [`Limits`](crate::Limits).
    Limit(Limit),
}

impl Error {
    pub(super) const fn syntax(message: &'static str, offset: usize) -> Self {
        Self { what: What::Says(ErrorKind::Syntax, message), offset }
    }

    pub(super) const fn no_term(message: &'static str, offset: usize) -> Self {
        Self { what: What::Says(ErrorKind::NoTerm, message), offset }
    }

    pub(super) const fn exceeds(limit: Limit, offset: usize) -> Self {
        Self { what: What::Exceeds(limit), offset }
    }

    /// Which kind of thing is wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self.what {
            What::Says(kind, _) => kind,
            What::Exceeds(limit) => ErrorKind::Limit(limit),
        }
    }

    /// The byte of the text at which it is wrong.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Says(_, message) => f.write_str(message)?,
            What::Exceeds(limit) => limit.fmt(f)?,
        }
        write!(f, ", at byte {}", self.offset)
    }
}

impl core::error::Error for Error {}
