//! Why a test's client got no answer.

use std::fmt;
use std::io;

use ubf_codec::{DecodeError, Term};
use ubf_proto::{Truncated, Versions};

/// Why a [`TestClient`](super::TestClient) got no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum TestError {
    /// The test wants to speak in this version, which is none: 0, or above 2,147,483,647.
    NotAVersion(u32),
    /// The server closed the connection; this is what it said, if it said something.
    Closed {
        /// The reason in `closing` or `error`.
        why: Option<Term>,
    },
    /// There is no version that both speak.
    NoCommonVersion {
        /// What the server speaks; none, if it does not know the service.
        spoken: Versions,
    },
    /// The server sent what is no packet.
    Syntax(DecodeError),
    /// The server sent a packet that no server should send here.
    Unexpected(Term),
    /// The stream is broken.
    Io(io::Error),
}

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAVersion(number) => write!(f, "{number} is not a version"),
            Self::Closed { why: None } => f.write_str("the server closed the connection"),
            Self::Closed { why: Some(why) } => {
                write!(f, "the server closed the connection: {}", Truncated(why.as_ref()))
            }
            Self::NoCommonVersion { spoken } if spoken.is_empty() => {
                f.write_str("no common version: the server does not know the service")
            }
            Self::NoCommonVersion { spoken } => {
                write!(f, "no common version: the server speaks {spoken}")
            }
            Self::Syntax(error) => write!(f, "the server's bytes are no packet: {error}"),
            Self::Unexpected(body) => {
                write!(f, "the server sent what was not expected: {}", Truncated(body.as_ref()))
            }
            Self::Io(error) => write!(f, "the stream is broken: {error}"),
        }
    }
}

impl std::error::Error for TestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Syntax(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::NotAVersion(_)
            | Self::Closed { .. }
            | Self::NoCommonVersion { .. }
            | Self::Unexpected(_) => None,
        }
    }
}

impl From<DecodeError> for TestError {
    fn from(error: DecodeError) -> Self {
        Self::Syntax(error)
    }
}

impl From<io::Error> for TestError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
