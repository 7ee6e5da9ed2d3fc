//! What can be wrong with the bytes of a peer: what, at which byte, and what was expected there
//! (W15).

use core::fmt;

use crate::byte::Shown;
use crate::limits::Limit;

/// Bytes that are not the UBF that was expected.
///
/// It names the first wrong byte by its offset from the start of the stream.
///
/// ```
/// let error = ubf_codec::decode(b"{'person' p}$").unwrap_err();
/// assert_eq!(error.to_string(), "register 'p' is read before it is stored, at byte 10");
/// assert_eq!(error.offset(), 10);
/// assert_eq!(error.kind().code(), "unset-register");
/// assert!(error.is_syntax() && !error.is_limit());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    kind: ErrorKind,
    offset: u64,
}

impl DecodeError {
    pub(crate) const fn new(kind: ErrorKind, offset: u64) -> Self {
        Self { kind, offset }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The wrong byte: its distance in bytes from the start of the stream (of the slice, where a
    /// slice was decoded).
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The input may be well-formed, but costs more than our [`Limits`](crate::Limits) allow.
    #[must_use]
    pub const fn is_limit(&self) -> bool {
        matches!(self.kind, ErrorKind::Limit(_))
    }

    /// The input ended inside a packet.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        matches!(self.kind, ErrorKind::UnexpectedEnd)
    }

    /// The input breaks a rule of the format.
    #[must_use]
    pub const fn is_syntax(&self) -> bool {
        !self.is_limit() && !self.is_incomplete()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.kind, self.offset)
    }
}

impl core::error::Error for DecodeError {}

/// What is wrong with the input. `Display` is the sentence without the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `-` and no digit after it (W2).
    MinusWithoutDigit {
        /// The byte that stands there.
        found: u8,
    },
    /// A `\` before a byte that needs none (W3).
    BadEscape {
        /// The byte after the `\`.
        found: u8,
        /// The quote that encloses the text.
        quote: u8,
    },
    /// `~` with no integer on top of the stack (W4).
    BinaryWithoutLength {
        /// What is there instead, if anything.
        found: Option<TermKind>,
    },
    /// `~` with a negative integer on top of the stack (W4).
    NegativeBinaryLength,
    /// A binary that is not followed by `~` (W4).
    BinaryNotClosed {
        /// The byte that stands there.
        found: u8,
    },
    /// `&` with fewer than two terms to work on (W5).
    NothingToCons,
    /// `&` with something else than a list below the top (W5).
    ConsOntoNonList {
        /// What is there instead.
        found: TermKind,
    },
    /// A register that this packet has not stored (W6).
    UnsetRegister {
        /// The register.
        register: u8,
    },
    /// `>` with no term to store (W6).
    NothingToStore,
    /// `>` before a byte that cannot name a register (W6).
    StoreControl {
        /// The byte after the `>`.
        found: u8,
    },
    /// `>?` in the extended dialect (W7).
    StoreUndefined,
    /// A semantic tag with no term before it (W8).
    NothingToTag,
    /// `}` with no tuple open (W9).
    CloseWithoutOpen,
    /// `$` with nothing on the stack (W9).
    EmptyPacket,
    /// `$` inside a tuple (W9).
    OpenTuple {
        /// How many tuples are open.
        open: u32,
    },
    /// `$` with more than one term on the stack (W9).
    ExtraTerms {
        /// How many terms there are.
        count: u32,
    },
    /// One packet was expected, and more follows (P1).
    TrailingBytes,
    /// The input ended inside a packet (W12).
    UnexpectedEnd,
    /// A header does not begin with a version (P2).
    BadVersion {
        /// The byte that does not belong there.
        found: u8,
    },
    /// A version above 2,147,483,647 (P2).
    VersionTooLarge,
    /// No space after a version or a NextIP (P2).
    MissingSpace {
        /// The byte that stands there.
        found: u8,
    },
    /// A NextIP that is neither `?` nor a list of addresses (P2).
    BadNextIp,
    /// More than [`Limits`](crate::Limits) allow (L1).
    Limit(Limit),
}

impl ErrorKind {
    /// A short name that does not change: `unset-register`. The vectors of the specification use
    /// it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MinusWithoutDigit { .. } => "minus-without-digit",
            Self::BadEscape { .. } => "bad-escape",
            Self::BinaryWithoutLength { .. } => "binary-without-length",
            Self::NegativeBinaryLength => "negative-binary-length",
            Self::BinaryNotClosed { .. } => "binary-not-closed",
            Self::NothingToCons => "nothing-to-cons",
            Self::ConsOntoNonList { .. } => "cons-onto-non-list",
            Self::UnsetRegister { .. } => "unset-register",
            Self::NothingToStore => "nothing-to-store",
            Self::StoreControl { .. } => "store-control",
            Self::StoreUndefined => "store-undefined",
            Self::NothingToTag => "nothing-to-tag",
            Self::CloseWithoutOpen => "close-without-open",
            Self::EmptyPacket => "empty-packet",
            Self::OpenTuple { .. } => "open-tuple",
            Self::ExtraTerms { .. } => "extra-terms",
            Self::TrailingBytes => "trailing-bytes",
            Self::UnexpectedEnd => "unexpected-end",
            Self::BadVersion { .. } => "bad-version",
            Self::VersionTooLarge => "version-too-large",
            Self::MissingSpace { .. } => "missing-space",
            Self::BadNextIp => "bad-next-ip",
            Self::Limit(limit) => match limit {
                Limit::PacketBytes(_) => "limit-packet-bytes",
                Limit::Depth(_) => "limit-depth",
                Limit::ExpandedNodes(_) => "limit-expanded-nodes",
                Limit::ExpandedBytes(_) => "limit-expanded-bytes",
                Limit::IntegerDigits(_) => "limit-integer-digits",
                Limit::TagBytes(_) => "limit-tag-bytes",
                Limit::NextIpBytes(_) => "limit-next-ip-bytes",
                Limit::NextIpAddresses(_) => "limit-next-ip-addresses",
            },
        }
    }

    /// The rule of the specification that is broken: `W6`.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::MinusWithoutDigit { .. } => "W2",
            Self::BadEscape { .. } => "W3",
            Self::BinaryWithoutLength { .. }
            | Self::NegativeBinaryLength
            | Self::BinaryNotClosed { .. } => "W4",
            Self::NothingToCons | Self::ConsOntoNonList { .. } => "W5",
            Self::UnsetRegister { .. } | Self::NothingToStore | Self::StoreControl { .. } => "W6",
            Self::StoreUndefined => "W7",
            Self::NothingToTag => "W8",
            Self::CloseWithoutOpen
            | Self::EmptyPacket
            | Self::OpenTuple { .. }
            | Self::ExtraTerms { .. } => "W9",
            Self::UnexpectedEnd => "W12",
            Self::TrailingBytes => "P1",
            Self::BadVersion { .. }
            | Self::VersionTooLarge
            | Self::MissingSpace { .. }
            | Self::BadNextIp => "P2",
            Self::Limit(_) => "L1",
        }
    }

    /// What a conforming packet has at that place.
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        match self {
            Self::MinusWithoutDigit { .. } => "a digit",
            Self::BadEscape { .. } => "the closing quote or '\\'",
            Self::BinaryWithoutLength { .. } | Self::NegativeBinaryLength => {
                "a length of zero or more on top of the stack"
            }
            Self::BinaryNotClosed { .. } => "'~' after as many bytes as were announced",
            Self::NothingToCons => "a list and, above it, a term",
            Self::ConsOntoNonList { .. } => "a list below the top of the stack",
            Self::UnsetRegister { .. } => "a register that this packet has stored with '>'",
            Self::NothingToStore => "a term to store",
            Self::StoreControl { .. } | Self::StoreUndefined => "a byte that can name a register",
            Self::NothingToTag => "a term to tag",
            Self::CloseWithoutOpen => "a tuple that was opened with '{'",
            Self::EmptyPacket | Self::ExtraTerms { .. } => "exactly one term",
            Self::OpenTuple { .. } => "'}' before the packet ends",
            Self::TrailingBytes => "white space or the end of the input",
            Self::UnexpectedEnd => "the rest of the packet, up to its '$'",
            Self::BadVersion { .. } => "'0' or a decimal number without leading zero",
            Self::VersionTooLarge => "a version of at most 2147483647",
            Self::MissingSpace { .. } => "one space",
            Self::BadNextIp => {
                "'?' or a string of addresses like \"192.0.2.7:4000,b.example:4000\""
            }
            Self::Limit(_) => "less",
        }
    }
}

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

#[cfg(test)]
mod tests {
    use crate::{Decoder, ServerHeader, VersionedDecoder};
    use alloc::string::ToString;

    #[test]
    fn every_error_says_which_rule_is_broken_and_what_was_expected() {
        for (input, rule, expected, words) in [
            (&b"-x"[..], "W2", "a digit", "'-' is followed by 'x' and not by a digit"),
            (b"\"\\x\"$", "W3", "the closing quote", "'\\' before 'x' in a string, where it may"),
            (b"'\\x'$", "W3", "the closing quote", "'\\' before 'x' in an atom, where"),
            (b"1`\\x`$", "W3", "the closing quote", "'\\' before 'x' in a tag, where"),
            (b"%\\x%1$", "W3", "the closing quote", "'\\' before 'x' in a comment, where"),
            (b"~a~$", "W4", "a length", "'~' with no length before it"),
            (b"?~", "W4", "a length", "'~' after the undefined value, which is no length"),
            (b"'a'~", "W4", "a length", "'~' after an atom, which"),
            (b"\"a\"~", "W4", "a length", "'~' after a string, which"),
            (b"1~a~~", "W4", "a length", "'~' after a binary, which"),
            (b"{}~", "W4", "a length", "'~' after a tuple, which"),
            (b"#~", "W4", "a length", "'~' after a list, which"),
            (b"1`t`~", "W4", "a length", "'~' after a tagged term, which"),
            (b"-1~", "W4", "a length", "binary of a negative length"),
            (b"1~ab", "W4", "'~' after as many bytes", "'b' where '~' should close the binary"),
            (b"1&", "W5", "a list and", "'&' needs a list and a term"),
            (b"1 2&", "W5", "a list below", "'&' puts a term in front of an integer, which"),
            (b"a", "W6", "a register that", "register 'a' is read before it is stored"),
            (b">a", "W6", "a term to store", "'>' with no term to store"),
            (b"1>}", "W6", "a byte that can name", "'}' cannot name a register"),
            (b"1>?", "W7", "a byte that can name", "'?' is the undefined value"),
            (b"`t`", "W8", "a term to tag", "tag with no term before it"),
            (b"}", "W9", "a tuple that was opened", "'}' with no tuple open"),
            (b"$", "W9", "exactly one term", "'$' ends a packet that holds no term"),
            (b"{$", "W9", "'}' before", "'$' inside a tuple"),
            (b"{{$", "W9", "'}' before", "'$' inside 2 open tuples"),
            (b"1 2$", "W9", "exactly one term", "'$' ends a packet that holds 2 terms"),
            (b"1", "W12", "the rest", "the input ends inside a packet"),
            (b"1$2", "P1", "white space or", "more bytes follow the packet"),
            (b"9999999999999999999999~", "L1", "less", "packet of more than 16777216 bytes"),
        ] {
            let error = Decoder::new().decode(input).unwrap_err();
            let shown = input.escape_ascii();
            assert_eq!(error.kind().rule(), rule, "{shown}");
            assert!(
                error.kind().expected().starts_with(expected),
                "{shown}: {}",
                error.kind().expected()
            );
            assert!(error.to_string().starts_with(words), "{shown}: {error}");
        }
        for (input, rule, expected, words) in [
            (&b"x"[..], "P2", "'0' or a decimal", "'x' in the place of a version number"),
            (b"9999999999 ", "P2", "a version of at most", "version number above 2147483647"),
            (b"1?", "P2", "one space", "'?' where one space should stand"),
            (b"1 \"\" ", "P2", "'?' or a string", "malformed NextIP"),
        ] {
            let error =
                VersionedDecoder::<ServerHeader>::new().decode(&mut input.into()).unwrap_err();
            let shown = input.escape_ascii();
            assert_eq!(error.kind().rule(), rule, "{shown}");
            assert!(
                error.kind().expected().starts_with(expected),
                "{shown}: {}",
                error.kind().expected()
            );
            assert!(error.to_string().starts_with(words), "{shown}: {error}");
        }
    }
}
