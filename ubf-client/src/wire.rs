//! Bytes on the wire, for those who want to look at them.

/// A piece of a connection's traffic, as [`Builder::on_wire`](crate::Builder::on_wire) shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic<'a> {
    /// The connection, by a number that the client does not use again.
    pub connection: u64,
    /// Which way.
    pub direction: Direction,
    /// To the server, one packet, at the moment when it is handed to the socket. From the server,
    /// what a read gave: packets may be cut anywhere.
    pub bytes: &'a [u8],
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From this client to the server.
    ToServer,
    /// From the server to this client.
    FromServer,
}
