//! Who has written a versioned packet.

/// What follows the version in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}
