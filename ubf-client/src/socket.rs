//! One socket: reads that keep no buffer, writes of whole batches.

use std::future::Future as _;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};
use ubf_net::{Stream, poll_write_pieces};
use ubf_proto::{Outbound, Packet};

/// Room for a read on the stack, from where a copy is made that takes no more memory than came.
/// Chosen: holds a batch of a hundred small replies; a copy costs little beside a read.
const STACK_READ_BYTES: usize = 16 * 1024;
/// Room for a read when more than that came. It is not copied. Chosen: more makes nothing faster.
const LARGE_READ_BYTES: usize = 64 * 1024;
/// After a read of less, nothing is expected to go on. Chosen: as little as a large packet is worth
/// a place of its own for.
const MIN_FLOOD_BYTES: usize = 4 * 1024;
/// The most that is read at once into the place of a large packet. Chosen: takes some tens of
/// microseconds, for which other calls wait.
const LARGEST_READ_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    /// Bytes of the last read: after many, more of the same may be there.
    last_read: usize,
    unsent: Outbound,
    can_write: bool,
    /// What has ended the reading, if it was no end that the server made.
    error: Option<io::Error>,
}

impl Socket {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, last_read: 0, unsent: Outbound::default(), can_write: true, error: None }
    }

    /// Puts a packet behind those that are to be written.
    pub(crate) fn push(&mut self, packet: Packet) {
        if self.can_write {
            self.unsent.push(packet);
        }
    }

    /// The same for a copy of a small one.
    pub(crate) fn push_copy(&mut self, head: &[u8], body: &[u8]) {
        if self.can_write {
            self.unsent.push_copy(head, body);
        }
    }

    pub(crate) const fn unsent(&mut self) -> &mut Outbound {
        &mut self.unsent
    }

    /// The error that has broken the stream, once.
    pub(crate) const fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Bytes that came in; `None` at the end of the stream, or if it is broken. What goes on with a
    /// large packet is read into the place that `place` gives, if it gives one.
    pub(crate) fn poll_read(
        &mut self,
        place: impl FnOnce() -> Option<BytesMut>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<BytesMut>> {
        if self.last_read >= MIN_FLOOD_BYTES {
            // No place is made for what is not there.
            ready!(self.stream.poll_read_ready(cx)).ok();
            let is_large = self.last_read >= STACK_READ_BYTES;
            let room = || is_large.then(|| BytesMut::with_capacity(LARGE_READ_BYTES));
            if let Some(room) = place().or_else(room) {
                return self.poll_large_read(room, cx);
            }
        }
        let mut bytes = [const { MaybeUninit::uninit() }; STACK_READ_BYTES];
        let mut room = ReadBuf::uninit(&mut bytes);
        self.error = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room)).err();
        let read = Some(room.filled()).filter(|bytes| self.error.is_none() && !bytes.is_empty());
        self.last_read = read.map_or(0, <[u8]>::len);
        Poll::Ready(read.map(BytesMut::from))
    }

    fn poll_large_read(
        &mut self,
        mut room: BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<Option<BytesMut>> {
        let mut part = (&mut room).limit(LARGEST_READ_BYTES);
        match ready!(pin!(self.stream.read_buf(&mut part)).poll(cx)) {
            Ok(count @ 1..) => {
                self.last_read = count;
                Poll::Ready(Some(room))
            }
            Ok(0) => Poll::Ready(None),
            Err(error) => {
                self.error = Some(error);
                Poll::Ready(None)
            }
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
