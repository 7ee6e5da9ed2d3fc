//! The kinds of errors: a variant, a code and a rule for each.

use super::term_kind::TermKind;
use crate::limits::Limit;

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
