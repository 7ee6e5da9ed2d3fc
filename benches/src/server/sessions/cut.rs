//! Connections that are all cut at one moment.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What cuts connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Scissors(Arc<Mutex<Vec<Weak<TcpStream>>>>);

impl Scissors {
    /// A connection that is cut with the others.
    pub(super) fn lay_around(&self, stream: TcpStream) -> Severable {
        let stream = Arc::new(stream);
        self.streams().push(Arc::downgrade(&stream));
        Severable(stream)
    }

    /// Cuts all connections that there are. How many there were.
    pub(super) fn cut(&self) -> usize {
        let streams = std::mem::take(&mut *self.streams());
        let alive = streams.iter().filter_map(Weak::upgrade);
        alive.filter(|stream| shutdown(stream, Shutdown::Both).is_ok()).count()
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, Vec<Weak<TcpStream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that can be cut.
#[derive(Debug)]
pub(super) struct Severable(Arc<TcpStream>);

impl AsyncRead for Severable {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Severable {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(shutdown(&self.0, Shutdown::Write)?))
    }
}
