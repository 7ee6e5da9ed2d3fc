//! Why an event was not sent.

use std::fmt;

/// Why an event was not sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum EventError {
    /// The connection is gone.
    Closed,
    /// The client does not read what it was sent.
    Full,
    /// The client speaks to another service by now, which would read the event as its own.
    OtherService,
    /// The version that the client speaks has no words for the event.
    NoForm(ubf_codec::VersionedError),
    /// The contract does not allow the event in the state in which the session is; why not.
    BreaksContract(String),
    /// The event has no form in UBF: it has a NaN, say.
    #[cfg(feature = "serde")]
    Unwritable(ubf_codec::serde::Error),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection is gone"),
            Self::Full => f.write_str("the client does not read its events"),
            Self::OtherService => f.write_str("the client speaks to another service"),
            Self::BreaksContract(why) => write!(f, "the contract does not allow the event: {why}"),
            Self::NoForm(error) => write!(f, "the event {error}"),
            #[cfg(feature = "serde")]
            Self::Unwritable(_) => f.write_str("the event cannot be written"),
        }
    }
}

impl std::error::Error for EventError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed | Self::Full | Self::OtherService | Self::BreaksContract(_) => None,
            // `Display` shows the error itself.
            Self::NoForm(error) => error.source(),
            #[cfg(feature = "serde")]
            Self::Unwritable(error) => Some(error),
        }
    }
}
