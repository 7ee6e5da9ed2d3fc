//! What a connection is made of, and who is at its other end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::identity::Identified;

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
    Own(Own),
}

/// A stream of the program's own. It may have a buffer, and what waits there is not written.
struct Own {
    stream: Pin<Box<dyn ReadWrite + Send>>,
    /// Bytes that the stream has taken and not flushed: its caller learns of them when they are.
    unflushed: usize,
}

impl Own {
    /// Writes, and flushes what was written. A caller that has to wait comes back with the same
    /// bytes, as [`Stream::own`] says.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(
            Pin<&mut (dyn ReadWrite + Send)>,
            &mut Context<'_>,
        ) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.unflushed == 0 {
            self.unflushed = ready!(write(self.stream.as_mut(), cx))?;
        }
        ready!(self.stream.as_mut().poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.unflushed)))
    }
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
                let $inner = inner.stream.as_mut();
                $work
            }
        }
    };
}

impl Stream {
    /// A stream that the program has made: TLS, a tunnel, `tokio::io::duplex` in a test.
    ///
    /// What is written to it is flushed, since such a stream may have a buffer. While that takes
    /// time, a write is pending, and is to be asked for again with the same bytes.
    #[must_use]
    pub fn own(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self(Kind::Own(Own { stream: Box::pin(stream), unflushed: 0 }))
    }

    /// U2: a copy of the socket's descriptor, for another process. `None`: a stream of the program's
    /// own has none.
    ///
    /// # Errors
    /// If there are no descriptors left.
    #[cfg(unix)]
    #[must_use]
    pub fn descriptor(&self) -> Option<io::Result<OwnedFd>> {
        match &self.0 {
            Kind::Tcp(stream) => Some(stream.as_fd().try_clone_to_owned()),
            Kind::Unix(stream) => Some(stream.as_fd().try_clone_to_owned()),
            Kind::Own(_) => None,
        }
    }

    /// U2: whether it has a [`descriptor`](Self::descriptor).
    #[cfg(unix)]
    #[must_use]
    pub const fn has_descriptor(&self) -> bool {
        match &self.0 {
            Kind::Tcp(_) | Kind::Unix(_) => true,
            Kind::Own(_) => false,
        }
    }

    /// The address of this end. `None`: it has none, as a Unix socket, or it is not known, as that of
    /// a stream of the program's own.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(stream) => stream.local_addr().ok(),
            #[cfg(unix)]
            Kind::Unix(_) => None,
            Kind::Own(_) => None,
        }
    }

    /// U2: the stream of a socket that another process has given. It must be called within a
    /// runtime.
    ///
    /// # Errors
    /// If it is no socket.
    #[cfg(unix)]
    pub fn from_descriptor(descriptor: OwnedFd) -> io::Result<Self> {
        let stream = std::net::TcpStream::from(descriptor);
        stream.set_nonblocking(true)?;
        // A socket of another kind has no address of this one.
        if stream.local_addr().is_ok() {
            return TcpStream::from_std(stream).map(Self::from);
        }
        let stream = std::os::unix::net::UnixStream::from(OwnedFd::from(stream));
        stream.local_addr()?;
        UnixStream::from_std(stream).map(Self::from)
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
        match &mut self.get_mut().0 {
            Kind::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(unix)]
            Kind::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Kind::Own(own) => own.poll_write(cx, |stream, cx| stream.poll_write(cx, bytes)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Kind::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            #[cfg(unix)]
            Kind::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Kind::Own(own) => {
                own.poll_write(cx, |stream, cx| stream.poll_write_vectored(cx, pieces))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Kind::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Kind::Unix(stream) => stream.is_write_vectored(),
            Kind::Own(own) => own.stream.is_write_vectored(),
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// An address of the network.
    Tcp(SocketAddr),
    /// This machine, by a socket in its file system.
    Unix,
    /// A process of this machine, by such a socket, as the system names it.
    Process {
        /// The user that it ran as when it connected.
        user: u32,
        /// Its number, where the system tells.
        process: Option<i32>,
    },
    /// Whoever holds the other end of a stream that the program made.
    Own,
    /// Somebody who has shown who it is: see [`with_identity`](Self::with_identity).
    Identified(Arc<Identified>),
}

impl Peer {
    /// The address, if it comes from the network.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Identified(identified) => identified.address,
            Self::Unix | Self::Process { .. } | Self::Own => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Process { user, process: Some(id) } => write!(f, "unix uid {user} pid {id}"),
            Self::Process { user, process: None } => write!(f, "unix uid {user}"),
            Self::Own => f.write_str("own"),
            Self::Identified(identified) => match identified.address {
                Some(address) => write!(f, "{address} {}", identified.identity),
                None => identified.identity.fmt(f),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream, duplex};

    use super::*;

    #[tokio::test]
    async fn what_is_written_to_a_stream_with_a_buffer_leaves_it() {
        // The pipe has less room than the packet, and the buffer has more.
        let (ours, mut theirs) = duplex(4);
        let mut stream = Stream::own(BufStream::new(ours));
        let (written, read) = tokio::join!(stream.write_all(b"1 'hello'$"), async {
            let mut bytes = [0; 10];
            theirs.read_exact(&mut bytes).await.map(|_| bytes)
        });
        written.unwrap();
        assert_eq!(&read.unwrap(), b"1 'hello'$");
    }
}
