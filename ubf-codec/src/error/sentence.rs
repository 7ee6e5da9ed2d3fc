//! What an error says to people.

use core::fmt;

use super::kind::ErrorKind;
use crate::byte::Shown;

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MinusWithoutDigit { found } => {
                write!(f, "'-' is followed by {} and not by a digit", Shown(found))
            }
            Self::BadEscape { found, quote } => {
                let text = match quote {
                    b'"' => "a string",
                    b'\'' => "an atom",
                    b'`' => "a tag",
                    _ => "a comment",
                };
                write!(
                    f,
                    "'\\' before {} in {text}, where it may only escape the quote and itself",
                    Shown(found)
                )
            }
            Self::BinaryWithoutLength { found: None } => {
                f.write_str("'~' with no length before it")
            }
            Self::BinaryWithoutLength { found: Some(kind) } => {
                write!(f, "'~' after {kind}, which is no length")
            }
            Self::NegativeBinaryLength => f.write_str("binary of a negative length"),
            Self::BinaryNotClosed { found } => {
                write!(f, "{} where '~' should close the binary", Shown(found))
            }
            Self::NothingToCons => {
                f.write_str("'&' needs a list and a term, and there are not two terms")
            }
            Self::ConsOntoNonList { found } => {
                write!(f, "'&' puts a term in front of {found}, which is no proper list")
            }
            Self::UnsetRegister { register } => {
                write!(f, "register {} is read before it is stored", Shown(register))
            }
            Self::NothingToStore => f.write_str("'>' with no term to store"),
            Self::StoreControl { found } => write!(f, "{} cannot name a register", Shown(found)),
            Self::StoreUndefined => {
                f.write_str("'?' is the undefined value and cannot name a register")
            }
            Self::NothingToTag => f.write_str("tag with no term before it"),
            Self::CloseWithoutOpen => f.write_str("'}' with no tuple open"),
            Self::EmptyPacket => f.write_str("'$' ends a packet that holds no term"),
            Self::OpenTuple { open: 1 } => f.write_str("'$' inside a tuple"),
            Self::OpenTuple { open } => write!(f, "'$' inside {open} open tuples"),
            Self::ExtraTerms { count } => {
                write!(f, "'$' ends a packet that holds {count} terms and not one")
            }
            Self::TrailingBytes => f.write_str("more bytes follow the packet"),
            Self::UnexpectedEnd => f.write_str("the input ends inside a packet"),
            Self::BadVersion { found } => {
                write!(f, "{} in the place of a version number", Shown(found))
            }
            Self::VersionTooLarge => f.write_str("version number above 2147483647"),
            Self::MissingSpace { found } => {
                write!(f, "{} where one space should stand", Shown(found))
            }
            Self::BadNextIp => f.write_str("malformed NextIP"),
            Self::Limit(limit) => limit.fmt(f),
        }
    }
}
