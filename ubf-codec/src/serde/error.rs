//! What can go wrong between Rust values and terms: what, where in the value, and at which byte.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::error::DecodeError;

/// A value that could not be read from a term or written as one.
///
/// ```
/// use serde::Deserialize;
///
/// #[derive(Deserialize, Debug)]
/// #[serde(rename = "order")]
/// struct Order {
///     price: u32,
/// }
///
/// let packet = b"#{'order','dear'}&{'order',7}&$";
/// let error = ubf_codec::serde::from_slice::<Vec<Order>>(packet).unwrap_err();
/// let expected = "invalid type: atom dear, expected u32, in [1].price, at byte 10";
/// assert_eq!(error.to_string(), expected);
/// assert_eq!(error.path(), "[1].price");
/// assert_eq!(error.offset(), Some(10));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    /// Innermost first: each container adds itself when the error passes through it.
    path: Vec<Segment>,
    offset: Option<u64>,
    /// The field that is missing, if that is what is wrong.
    missing: Option<&'static str>,
}

/// What kind of error it is, and with that whose fault.
///
/// ```
/// use ubf_codec::serde::{ErrorKind, from_slice, to_vec};
///
/// let broken = from_slice::<u8>(b"7").unwrap_err();
/// assert!(matches!(broken.kind(), ErrorKind::Packet(error) if error.is_incomplete()));
/// let wrong = from_slice::<u8>(b"'seven'$").unwrap_err();
/// assert!(matches!(wrong.kind(), ErrorKind::Mismatch(_)));
/// let ours = to_vec(&f64::NAN).unwrap_err();
/// assert!(matches!(ours.kind(), ErrorKind::Unwritable(_)));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are no packet, or one beyond the limits.
    Packet(DecodeError),
    /// The packet is well-formed and its term is not what the type expects. The sentence says why.
    Mismatch(String),
    /// The term nests deeper than the type may recurse: see
    /// [`Deserializer::with_max_depth`](super::Deserializer::with_max_depth).
    Depth(u32),
    /// The value has no form in UBF, or its own `Serialize` refused. The sentence says why.
    Unwritable(String),
    /// The writer failed.
    #[cfg(feature = "std")]
    Io(std::io::Error),
}

/// A step from a value to a part of it.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    Name(String),
    Index(usize),
    /// A key of a map that is no text, as it prints.
    Key(String),
}

impl Error {
    pub(super) fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner { kind, path: Vec::new(), offset: None, missing: None }))
    }

    pub(super) fn mismatch(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Mismatch(message.to_string()))
    }

    pub(super) fn unwritable(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unwritable(message.to_string()))
    }

    /// Says where in the packet it happened, unless something inside has said so.
    pub(super) fn at(mut self, offset: Option<u64>) -> Self {
        if self.0.offset.is_none() {
            self.0.offset = offset;
        }
        self
    }

    /// Adds advice to the message.
    #[cold]
    pub(super) fn advise(mut self, advice: &str) -> Self {
        if let ErrorKind::Mismatch(message) = &mut self.0.kind {
            message.push_str("; ");
            message.push_str(advice);
        }
        self
    }

    /// Turns the error into that of a missing field: the field is undefined, and its type does not
    /// take the undefined value.
    #[cold]
    pub(super) fn of_missing_field(mut self, field: &Segment) -> Self {
        if let (ErrorKind::Mismatch(message), Segment::Name(name)) = (&mut self.0.kind, field) {
            *message = alloc::format!("missing field `{name}`");
        }
        self
    }

    /// Adds the part of the value in which it happened.
    pub(super) fn inside(mut self, segment: Segment) -> Self {
        self.0.path.push(segment);
        self
    }

    /// The field that is missing, if that is what is wrong.
    pub(super) fn missing(&self) -> Option<&'static str> {
        self.0.missing
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Where in the value: `.orders[3].price`. Empty for the value itself.
    ///
    /// Serde keeps the parts of untagged and internally tagged enums and of `flatten` in a form of
    /// its own, from which no path leads out.
    #[must_use]
    pub fn path(&self) -> String {
        self.0.path.iter().rev().map(ToString::to_string).collect()
    }

    /// Where in the packet: the byte at which the wrong term begins. A decoded packet keeps the
    /// places of texts, binaries and large integers alone; for another term it is the first of
    /// those in it, or else in the smallest term around it that has one. None for what did not
    /// come from a packet.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        if let ErrorKind::Packet(error) = self.0.kind {
            Some(error.offset())
        } else {
            self.0.offset
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ErrorKind::Packet(error) => return error.fmt(f),
            ErrorKind::Mismatch(message) | ErrorKind::Unwritable(message) => {
                f.write_str(message)?;
            }
            ErrorKind::Depth(max) => {
                write!(f, "nested deeper than {max}, which is as deep as the type may recurse")?;
            }
            #[cfg(feature = "std")]
            ErrorKind::Io(error) => return error.fmt(f),
        }
        if !self.0.path.is_empty() {
            write!(f, ", in {}", self.path())?;
        }
        match self.0.offset {
            Some(offset) => write!(f, ", at byte {offset}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Packet(error) => Some(error),
            #[cfg(feature = "std")]
            ErrorKind::Io(error) => Some(error),
            ErrorKind::Mismatch(_) | ErrorKind::Depth(_) | ErrorKind::Unwritable(_) => None,
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(ErrorKind::Packet(error))
    }
}

impl serde_core::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::mismatch(message)
    }

    #[cold]
    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::mismatch(format_args!("missing field `{field}`"));
        error.0.missing = Some(field);
        error
    }
}

impl serde_core::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::unwritable(message)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Key(key) => write!(f, "[{key}]"),
            Self::Name(name) => {
                let is_plain = !name.is_empty()
                    && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
                if is_plain {
                    write!(f, ".{name}")
                } else {
                    write!(f, "[\"{}\"]", name.escape_debug())
                }
            }
        }
    }
}
