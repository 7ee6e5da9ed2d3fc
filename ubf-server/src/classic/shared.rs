//! One address for both kinds of clients: which kind a connection is of (Q15).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use ubf_net::{Peer, Stream};

use super::{Settled, connection};
use crate::endpoint::SharedEndpoint;
use crate::log::debug;
use crate::welcome;

/// Room for the first bytes. Chosen: a `negotiate` fits.
const FIRST_BYTES: usize = 512;

/// Serves a connection as what its client is: one that speaks first with a digit is versioned, one
/// that waits for the server or begins otherwise is a stock peer.
pub(crate) fn welcome_either(
    mut stream: Stream,
    peer: Peer,
    endpoint: &Arc<SharedEndpoint>,
    settled: &Arc<Settled>,
    within: Duration,
) {
    // L2: they are no connections of the server before it is known what they are.
    let Ok(permit) = Arc::clone(&settled.undecided).try_acquire_owned() else {
        return debug!(%peer, "turned away: too many that have said nothing");
    };
    let (endpoint, settled) = (Arc::clone(endpoint), Arc::clone(settled));
    tokio::spawn(async move {
        let mut first = BytesMut::with_capacity(FIRST_BYTES);
        let read = timeout(within, stream.read_buf(&mut first)).await;
        drop(permit);
        match read {
            Ok(Ok(0) | Err(_)) => {}
            Ok(Ok(_)) if is_versioned(&first) => {
                welcome::welcome(Stream::own(Begun { first, stream }), peer, &endpoint);
            }
            Ok(Ok(_)) | Err(_) => {
                connection::welcome_with(stream, first, peer, &endpoint, &settled);
            }
        }
    });
}

/// A header begins with a digit; white space may stand before it (P2).
fn is_versioned(first: &[u8]) -> bool {
    first.trim_ascii_start().first().is_some_and(u8::is_ascii_digit)
}

/// A stream of which some bytes were read already.
struct Begun {
    first: BytesMut,
    stream: Stream,
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.first.len().min(buffer.remaining());
        buffer.put_slice(self.first.get(..count).unwrap_or_default());
        self.first.advance(count);
        if self.first.is_empty() {
            self.first = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_begins_with_a_digit() {
        for first in [&b"0 {'negotiate'"[..], b"10 'a'$", b"\r\n 3 'a'$"] {
            assert!(is_versioned(first));
        }
        for first in [&b"'info'$"[..], b"{'startSession'", b"\"1\"$", b" ", b"-1$"] {
            assert!(!is_versioned(first));
        }
    }

    #[tokio::test]
    async fn what_was_read_is_read_again_in_front() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut begun = Begun { first: b"0 {1"[..].into(), stream: Stream::own(near) };
        tokio::io::AsyncWriteExt::write_all(&mut far, b"}$").await.unwrap();
        drop(far);
        let mut all = Vec::new();
        begun.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"0 {1}$");
    }
}
