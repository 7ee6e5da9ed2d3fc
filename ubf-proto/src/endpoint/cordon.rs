//! A server that admits nobody else, and keeps those that are there.

use ubf_codec::NextIp;

/// How new connections are turned away while those that are there stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cordon {
    /// Where new clients are sent; `None`: to the server's peers of the moment, if there are any.
    pub next_ip: Option<NextIp>,
}

impl Cordon {
    /// A cordon that sends new clients there.
    #[must_use]
    pub fn new(next_ip: impl Into<Option<NextIp>>) -> Self {
        Self { next_ip: next_ip.into() }
    }
}
