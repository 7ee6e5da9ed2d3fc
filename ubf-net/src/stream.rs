//! What a connection is made of, and who is at its other end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A stream of bytes in both directions.
///
/// A [`TcpStream`] and a `UnixStream` become one with [`From`], anything else with
/// [`own`](Self::own).
#[derive(Debug)]
pub struct Stream(Kind);

enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Own(Pin<Box<dyn ReadWrite + Send>>),
}

/// What a stream of the program's own can do.
trait ReadWrite: AsyncRead + AsyncWrite {}

impl<S: AsyncRead + AsyncWrite> ReadWrite for S {}

/// Does the same with any kind.
macro_rules! each {
    ($stream:expr, $inner:ident => $work:expr) => {
        match &mut $stream.get_mut().0 {
            Kind::Tcp(inner) => {
                let $inner = Pin::new(inner);
                $work
            }
            #[cfg(unix)]
            Kind::Unix(inner) => {
                let $inner = Pin::new(inner);
                $work
            }
            Kind::Own(inner) => {
                let $inner = inner.as_mut();
                $work
            }
        }
    };
}

impl Stream {
    /// A stream that the program has made: TLS, a tunnel, `tokio::io::duplex` in a test.
    #[must_use]
    pub fn own(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self(Kind::Own(Box::pin(stream)))
    }

    /// Whether there may be something to read: whoever asks first needs no buffer before there is.
    ///
    /// A stream of the program's own is always ready, since it cannot be asked.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Kind::Tcp(stream) => stream.poll_read_ready(cx),
            #[cfg(unix)]
            Kind::Unix(stream) => stream.poll_read_ready(cx),
            Kind::Own(_) => Poll::Ready(Ok(())),
        }
    }
}

impl From<TcpStream> for Stream {
    /// Packets are written in whole batches, so that the system need not wait for more
    /// (`TCP_NODELAY`).
    fn from(stream: TcpStream) -> Self {
        // A connection that is gone is found out about when it is read.
        let _is_set = stream.set_nodelay(true).is_ok();
        Self(Kind::Tcp(stream))
    }
}

#[cfg(unix)]
impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self(Kind::Unix(stream))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Kind::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Kind::Unix(stream) => stream.is_write_vectored(),
            Kind::Own(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(cx))
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(stream) => stream.fmt(f),
            #[cfg(unix)]
            Self::Unix(stream) => stream.fmt(f),
            Self::Own(_) => f.write_str("Own"),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// An address of the network.
    Tcp(SocketAddr),
    /// This machine, by a socket in its file system.
    Unix,
    /// Whoever holds the other end of a stream that the program made.
    Own,
}

impl Peer {
    /// The address, if it comes from the network.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix | Self::Own => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Own => f.write_str("own"),
        }
    }
}
