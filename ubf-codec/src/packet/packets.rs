//! What the two sides send: a header and a body.

use super::next_ip::NextIp;
use super::version::Mode;

/// What a client says before each body: the version it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientHeader {
    /// The version, or negotiation.
    pub mode: Mode,
}

/// What a server says before each body: the version it speaks, and where the next message goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerHeader {
    /// The version, or negotiation.
    pub mode: Mode,
    /// Where the next message goes; `None`, on the wire `?`, is "stay here".
    pub next_ip: Option<NextIp>,
}

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientPacket<B> {
    /// The version.
    pub header: ClientHeader,
    /// The term: decoded, owned, or whatever stands for it.
    pub body: B,
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPacket<B> {
    /// The version, and the address for the next message.
    pub header: ServerHeader,
    /// The term: decoded, owned, or whatever stands for it.
    pub body: B,
}
