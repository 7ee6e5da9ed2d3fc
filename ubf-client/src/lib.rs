//! A connection to a server that speaks versioned UBF packets.
//!
//! A [`Connection`] sends one request at a time, in the version that the caller names, and gives back the reply with its header. What a
//! client has to know of the *protocol* is not here: it does not negotiate a version, fall back, or follow the NextIP of
//! a reply.
//!
//! ```no_run
//! use std::time::Duration;
//! use ubf_client::Connection;
//! use ubf_codec::{Version, ubf};
//!
//! # async fn example() -> Result<(), ubf_client::Error> {
//! let mut connection = Connection::connect("localhost:4000", Duration::from_secs(5)).await?;
//! let reply = connection.call(Version::MIN, ubf!({get, "colour"})).await?;
//! println!("{}", reply.body);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;
use tokio_util::codec::Framed;
use ubf_codec::tokio::{ClientCodec, CodecError};
use ubf_codec::{ClientHeader, ClientPacket, DecodeError, Document, Limits, ServerPacket, Term, Version};

/// A connection to one server.
#[derive(Debug)]
pub struct Connection {
    framed: Framed<TcpStream, ClientCodec>,
    patience: Duration,
    /// A call that was not answered in time: the answer may still come, and would be taken for that of the next call.
    broken: bool,
}

impl Connection {
    /// Connects to a server. Connecting, and later each call, may take as long as `patience`.
    ///
    /// # Errors
    /// If the server cannot be reached in that time.
    pub async fn connect(address: impl ToSocketAddrs, patience: Duration) -> Result<Self, Error> {
        Self::connect_with(address, patience, Limits::default()).await
    }

    /// As [`connect`](Self::connect), with other limits for what the server sends.
    ///
    /// # Errors
    /// If the server cannot be reached in that time.
    pub async fn connect_with(address: impl ToSocketAddrs, patience: Duration, limits: Limits) -> Result<Self, Error> {
        let stream = timeout(patience, TcpStream::connect(address)).await.map_err(|_| Error::TimedOut)??;
        stream.set_nodelay(true)?;
        let framed = Framed::new(stream, ClientCodec::new().with_limits(limits));
        Ok(Self { framed, patience, broken: false })
    }

    /// Sends `request` in `version` and waits for the reply.
    ///
    /// # Errors
    /// If the connection fails, the reply is malformed, or takes too long. The connection is of no use then.
    pub async fn call(&mut self, version: Version, request: Term) -> Result<ServerPacket<Document<Bytes>>, Error> {
        if self.broken {
            return Err(Error::Closed);
        }
        // A call that is dropped in the middle leaves its reply behind, too.
        self.broken = true;
        let framed = &mut self.framed;
        let exchange = async {
            framed.send(ClientPacket { header: ClientHeader { mode: version.into() }, body: request }).await?;
            framed.next().await.ok_or(Error::Closed)?.map_err(Error::from)
        };
        let reply = timeout(self.patience, exchange).await.map_err(|_| Error::TimedOut)??;
        self.broken = false;
        Ok(reply)
    }
}

/// Why there is no reply.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server's bytes are wrong.
    Decode(DecodeError),
    /// The transport failed.
    Io(io::Error),
    /// It took too long.
    TimedOut,
    /// The server has closed the connection, or an earlier call has failed on it.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => write!(f, "the server's packet is malformed: {error}"),
            Self::Io(error) => error.fmt(f),
            Self::TimedOut => f.write_str("the server did not answer in time"),
            Self::Closed => f.write_str("the connection is closed"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Decode(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::TimedOut | Self::Closed => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CodecError> for Error {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Decode(error) => Self::Decode(error),
            CodecError::Io(error) => Self::Io(error),
            other => Self::Io(io::Error::other(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use ubf_codec::ubf;

    use super::*;

    /// A server that reads `request` and answers `reply`, literally, and what the client makes of it.
    async fn exchange(request: &'static [u8], reply: &'static [u8]) -> (Connection, Result<String, Error>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = Connection::connect(listener.local_addr().unwrap(), Duration::from_secs(10)).await.unwrap();
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut received = vec![0; request.len()];
            socket.read_exact(&mut received).await.unwrap();
            assert_eq!(received, request);
            socket.write_all(reply).await.unwrap();
        };
        let (reply, ()) = tokio::join!(client.call(Version::new(3).unwrap(), ubf!({get, "colour"})), serve);
        let text = reply.map(|reply| format!("{} {}", reply.header.mode, reply.body));
        (client, text)
    }

    #[tokio::test]
    async fn a_call_sends_its_version_and_gives_the_reply() {
        let (_, reply) = exchange(b"3 {'get'\"colour\"}$", b"3 ? {\"blue\"'start'}$\n").await;
        assert_eq!(reply.unwrap(), "3 {\"blue\",start}");
    }

    #[tokio::test]
    async fn a_malformed_reply_names_its_byte() {
        let (mut client, reply) = exchange(b"3 {'get'\"colour\"}$", b"3 ? {x}$").await;
        assert!(matches!(reply, Err(Error::Decode(error)) if error.offset() == 5));
        assert!(matches!(client.call(Version::MIN, ubf!(again)).await, Err(Error::Closed)));
    }

    #[tokio::test]
    async fn a_server_that_hangs_up_is_no_reply() {
        let (_, reply) = exchange(b"3 {'get'\"colour\"}$", b"").await;
        assert!(matches!(reply, Err(Error::Closed)));
    }
}
