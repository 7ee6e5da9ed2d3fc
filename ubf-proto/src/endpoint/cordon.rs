//! A server that admits nobody else, and keeps those that are there.

use ubf_codec::NextIp;

/// How new clients are turned away while those that are there stay.
///
/// S10.4: a client that has lost its connection comes back for its session. So a connection from an
/// address of which there is a session, and any connection to a server that has owned services, is
/// admitted, and its client may only go on with a session: it is told `closing 'cordoned'` when it
/// asks for anything else.
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
