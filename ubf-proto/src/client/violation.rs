//! Rules that a server broke.

use core::fmt;

use ubf_codec::Version;

/// A rule that a server broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// N1: it chose another version than the highest in both lists.
    WrongChoice {
        /// The right one, if any.
        expected: Option<Version>,
        /// The one in its header.
        found: Version,
    },
    /// N9: it chose the number that no program has.
    ChoseGrease {
        /// That number.
        grease: Version,
    },
    /// It agreed on another service.
    WrongService,
    /// P5: an answer to nothing that was asked.
    UnexpectedAnswer,
    /// A reply in another version than its request.
    WrongVersion {
        /// The request's version.
        expected: Version,
        /// The reply's.
        found: Version,
    },
    /// P6: a packet number that cannot be meant.
    WrongPacketNumber {
        /// The number.
        found: u64,
    },
    /// S1: it grants more than the session that was wished for.
    WrongGrant,
    /// S4: it goes on after another message than it can have taken.
    WrongResume,
}

impl Violation {
    /// A short name that does not change, for the `error` that the server is sent.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::WrongChoice { .. } => "wrong-choice",
            Self::ChoseGrease { .. } => "chose-grease",
            Self::WrongService => "wrong-service",
            Self::UnexpectedAnswer => "unexpected-answer",
            Self::WrongVersion { .. } => "wrong-version",
            Self::WrongPacketNumber { .. } | Self::WrongResume => "wrong-packet-number",
            Self::WrongGrant => "malformed",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongChoice { expected: Some(expected), found } => {
                write!(
                    f,
                    "the server chose version {found}, and {expected} is the highest in both lists"
                )
            }
            Self::WrongChoice { expected: None, found } => {
                write!(f, "the server chose version {found}, and there is none in both lists")
            }
            Self::ChoseGrease { grease } => {
                write!(f, "the server chose version {grease}, which nobody has")
            }
            Self::WrongService => f.write_str("the server agreed on another service"),
            Self::UnexpectedAnswer => f.write_str("the server answers what was not asked"),
            Self::WrongVersion { expected, found } => {
                write!(f, "a reply in version {found} to a request in version {expected}")
            }
            Self::WrongGrant => f.write_str("the server grants more than was wished for"),
            Self::WrongResume => {
                f.write_str("the server goes on after another message than it can have taken")
            }
            Self::WrongPacketNumber { found } => {
                write!(f, "the server speaks of packet {found}, which cannot be meant")
            }
        }
    }
}

impl core::error::Error for Violation {}
