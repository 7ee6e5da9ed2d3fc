//! One socket: reads into a buffer that is kept, writes of whole batches.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use ubf_net::{Stream, poll_write_pieces};
use ubf_proto::{Outbound, Packet};

/// Bytes of a read buffer. Chosen: holds a batch of a hundred small replies.
const READ_BYTES: usize = 16 * 1024;
/// Bytes of the first one. Chosen: holds an agreement and some replies, and takes part of a page of
/// memory, which has to be fetched.
const FIRST_READ_BYTES: usize = 2 * 1024;
/// A buffer with less room than this left is not used for another read. Chosen: a read costs more
/// than the memory.
const MIN_READ_BYTES: usize = 4 * 1024;
/// The most that is read at once into the place of a large packet. Chosen: takes some tens of
/// microseconds, for which other calls wait.
const LARGEST_READ_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    /// What the last read left of its buffer.
    spare: BytesMut,
    has_read: bool,
    /// The last read brought much: more of the same packet may be there.
    is_flooded: bool,
    unsent: Outbound,
    can_write: bool,
}

impl Socket {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            spare: BytesMut::new(),
            has_read: false,
            is_flooded: false,
            unsent: Outbound::default(),
            can_write: true,
        }
    }

    /// Puts a packet behind those that are to be written.
    pub(crate) fn push(&mut self, packet: Packet) {
        if self.can_write {
            self.unsent.push(packet);
        }
    }

    /// Bytes that came in; `None` at the end of the stream, or if it is broken. What goes on with a
    /// large packet is read into the place that `place` gives, if it gives one.
    pub(crate) fn poll_read(
        &mut self,
        place: impl FnOnce() -> Option<BytesMut>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<BytesMut>> {
        if self.is_flooded {
            // No place is made for what is not there.
            ready!(self.stream.poll_read_ready(cx)).ok();
            if let Some(place) = place() {
                return self.poll_large_read(place, cx);
            }
        }
        if self.spare.capacity() < MIN_READ_BYTES {
            // A connection that nothing is read from needs no buffer.
            ready!(self.stream.poll_read_ready(cx)).ok();
            let bytes = if self.has_read { READ_BYTES } else { FIRST_READ_BYTES };
            self.spare = BytesMut::with_capacity(bytes);
            self.has_read = true;
        }
        match ready!(pin!(self.stream.read_buf(&mut self.spare)).poll(cx)) {
            Ok(1..) => {
                self.is_flooded = self.spare.len() >= MIN_READ_BYTES;
                Poll::Ready(Some(self.spare.split()))
            }
            Ok(0) | Err(_) => Poll::Ready(None),
        }
    }

    fn poll_large_read(
        &mut self,
        mut place: BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<Option<BytesMut>> {
        let mut part = (&mut place).limit(LARGEST_READ_BYTES);
        match ready!(pin!(self.stream.read_buf(&mut part)).poll(cx)) {
            Ok(count @ 1..) => {
                self.is_flooded = count >= MIN_READ_BYTES;
                Poll::Ready(Some(place))
            }
            Ok(0) | Err(_) => Poll::Ready(None),
        }
    }

    /// Writes what is there, and tells how much of it was taken. Waits if there is nothing.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if self.unsent.is_empty() {
            return Poll::Pending;
        }
        let written = match self.unsent.only_piece() {
            // Mostly, it is one batch.
            Some(batch) => Pin::new(&mut self.stream).poll_write(cx, batch),
            None => poll_write_pieces(&mut self.stream, self.unsent.pieces(), cx),
        };
        match ready!(written) {
            Ok(written @ 1..) => {
                self.unsent.advance(written);
                Poll::Ready(written)
            }
            Ok(0) | Err(_) => {
                // What the server said last may still be in the way: the end of what can be read
                // tells that it is gone.
                self.can_write = false;
                self.unsent.clear();
                Poll::Pending
            }
        }
    }

    /// Writes the rest, then waits for the server to close its side too: a socket that is closed
    /// with bytes unread takes our last words with it.
    pub(crate) fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(_written) = self.poll_write(cx) {}
        if self.unsent.is_empty()
            && self.can_write
            && Pin::new(&mut self.stream).poll_shutdown(cx).is_ready()
        {
            self.can_write = false;
        }
        while ready!(self.poll_read(|| None, cx)).is_some() {}
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use bytes::Bytes;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn packets_that_are_copied_and_packets_that_are_not_keep_their_order() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _address) = listener.accept().await.unwrap();
        let mut socket = Socket::new(stream.into());
        // More than the system's buffers hold, so that writes end anywhere.
        let lens = [1, 1024, 1025, 7, 16 << 20, 3, 3, 2048, 5];
        let mut expected = Vec::new();
        for (byte, len) in (b'a'..).zip(lens) {
            let packet = Packet { head: Bytes::from_static(b"1 "), body: vec![byte; len].into() };
            expected.extend_from_slice(&packet.to_bytes());
            socket.push(packet);
        }
        let total = expected.len();
        let writing = async {
            let mut written = 0;
            while written < total {
                written += poll_fn(|cx| socket.poll_write(cx)).await;
            }
        };
        let mut read = vec![0; total];
        let (_read, ()) = tokio::join!(peer.read_exact(&mut read), writing);
        assert!(read == expected);
        assert!(socket.unsent.is_empty());
    }
}
