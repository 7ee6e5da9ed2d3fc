//! What a server and its client have to offer to be measured.

use std::net::SocketAddr;

use benches::Error;
use clap::ValueEnum;
use serde::Serialize;
use tokio::net::TcpListener;

use super::load::Load;

/// The text that goes there and back: with it, requests have about a hundred bytes.
pub(crate) const TEXT: &str =
    "the recognition stack of a packet holds one term when it ends, and every register is empty";

/// Whose server it is, and how it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Ubf,
    /// The same server, its client having a session.
    InSession,
    /// The same server, its client having no handle.
    Packets,
    Bare,
    /// The bare server, its client having a handle.
    Handle,
    Tarpc,
    Tonic,
    /// Ours, requests and responses being Rust values.
    Typed,
    /// The bare server, its client writing and reading at the same time: for large bodies.
    Halves,
    /// Over TLS.
    #[cfg(feature = "tls")]
    UbfTls,
    /// Over TLS.
    #[cfg(feature = "tls")]
    TonicTls,
}

impl Kind {
    /// Those of the large tables.
    pub(crate) const ALL: [Self; 7] = [
        Self::Ubf,
        Self::InSession,
        Self::Packets,
        Self::Bare,
        Self::Handle,
        Self::Tarpc,
        Self::Tonic,
    ];

    /// Whether its process needs a certificate.
    #[cfg(feature = "tls")]
    pub(crate) const fn is_tls(self) -> bool {
        matches!(self, Self::UbfTls | Self::TonicTls)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ubf => "ubf",
            Self::InSession => "ubf, in a session",
            Self::Packets => "ubf, client without a handle",
            Self::Bare => "bare tokio",
            Self::Handle => "bare tokio, client with a handle",
            Self::Tarpc => "tarpc",
            Self::Tonic => "tonic",
            Self::Typed => "ubf, typed",
            Self::Halves => "bare tokio, client of two halves",
            #[cfg(feature = "tls")]
            Self::UbfTls => "ubf, TLS",
            #[cfg(feature = "tls")]
            Self::TonicTls => "tonic, TLS",
        }
    }
}

/// Where a client connects, and what it says there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The version that our clients ask for: servers with typed handlers have several.
    pub(crate) version: u32,
    /// Bytes of a request, where clients are told how many.
    pub(crate) body_bytes: usize,
}

impl Target {
    /// The echo of about a hundred bytes.
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, version: 1, body_bytes: 100 }
    }
}

/// An echo server and its client.
pub(crate) trait Peer {
    /// A connection.
    type Client: 'static;

    /// Serves until the process ends.
    async fn serve(listener: TcpListener) -> Result<(), Error>;

    /// Makes a connection that can be called.
    async fn connect(target: Target) -> Result<Self::Client, Error>;

    /// Calls once, and looks whether the reply is the request.
    async fn call(client: &mut Self::Client) -> Result<(), Error>;

    /// Connects and calls, as fast as it can be done.
    async fn connect_and_call(target: Target) -> Result<Self::Client, Error> {
        let mut client = Self::connect(target).await?;
        Self::call(&mut client).await?;
        Ok(client)
    }

    /// Calls with so many calls in flight on one connection, for as long as the load goes on.
    async fn pipeline(client: Self::Client, depth: usize, load: &Load) -> Result<(), Error>;
}

/// `Ok` if the reply is what it should be.
pub(crate) fn check<T: PartialEq + ?Sized>(reply: &T, expected: &T) -> Result<(), Error> {
    if reply == expected { Ok(()) } else { Err("a reply is not the request".into()) }
}
