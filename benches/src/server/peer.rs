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

/// Whose server it is.
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
    /// Over TLS.
    #[cfg(feature = "tls")]
    UbfTls,
    /// Over TLS.
    #[cfg(feature = "tls")]
    TonicTls,
}

impl Kind {
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
            #[cfg(feature = "tls")]
            Self::UbfTls => "ubf, TLS",
            #[cfg(feature = "tls")]
            Self::TonicTls => "tonic, TLS",
        }
    }
}

/// An echo server and its client.
pub(crate) trait Peer {
    /// A connection.
    type Client: 'static;

    /// Serves until the process ends.
    async fn serve(listener: TcpListener) -> Result<(), Error>;

    /// Makes a connection that can be called.
    async fn connect(address: SocketAddr) -> Result<Self::Client, Error>;

    /// Calls once, and looks whether the reply is the request.
    async fn call(client: &mut Self::Client) -> Result<(), Error>;

    /// Connects and calls, as fast as it can be done.
    async fn connect_and_call(address: SocketAddr) -> Result<Self::Client, Error> {
        let mut client = Self::connect(address).await?;
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
