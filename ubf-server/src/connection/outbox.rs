//! Packets on their way out: written together, never copied.
//!
//! ```text
//! packets: [10 ? |body$] [10 ? |body$] …     written: bytes of the first packet that are out already
//! ```

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use ubf_proto::Packet;

use crate::socket::Socket;

/// The most pieces that systems take in one write (`IOV_MAX` on Linux and macOS).
const MAX_PIECES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    packets: VecDeque<Packet>,
    written: usize,
    bytes: usize,
}

impl Outbox {
    pub(super) fn push(&mut self, packet: Packet) {
        self.bytes += packet.len();
        self.packets.push_back(packet);
    }

    /// Packets that are not written, or not all of them.
    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Those of them that answer a client's packet: neither events nor notices.
    pub(super) fn answers(&self) -> usize {
        let is_answer = |packet: &&Packet| {
            let unasked: &[&[u8]] =
                if packet.head.starts_with(b"0 ") { &[b"{'moved'", b"{'closing'"] } else { &[b"{'event_out'"] };
            !unasked.iter().any(|unasked| packet.body.starts_with(unasked))
        };
        self.packets.iter().filter(is_answer).count()
    }

    /// Bytes that are not written.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes as much as goes in one call. What cannot be written ends the connection.
    pub(super) fn poll_write(&mut self, stream: &mut Socket, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut pieces = Vec::with_capacity((self.packets.len() * 2).min(MAX_PIECES));
        let mut skipped = self.written;
        for piece in self.packets.iter().flat_map(|packet| [&packet.head, &packet.body]).take(MAX_PIECES) {
            let rest = piece.get(skipped..).unwrap_or_default();
            skipped = skipped.saturating_sub(piece.len());
            if !rest.is_empty() {
                pieces.push(IoSlice::new(rest));
            }
        }
        let count = std::task::ready!(Pin::new(stream).poll_write_vectored(cx, &pieces))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(count);
        Poll::Ready(Ok(count))
    }

    fn advance(&mut self, count: usize) {
        self.bytes -= count;
        self.written += count;
        while let Some(first) = self.packets.front().map(Packet::len).filter(|&first| first <= self.written) {
            self.written -= first;
            self.packets.pop_front();
        }
        if self.packets.is_empty() {
            // An idle connection keeps nothing.
            self.packets = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn events_and_notices_are_no_answers() {
        let mut outbox = Outbox::default();
        for (head, body) in [
            ("1 ? ", "{'ok''start'}$"),
            ("1 ? ", "{'event_out''ok'}$"),
            ("0 ? ", "{'moved'1}$"),
            ("0 ? ", "{'closing''shutdown'7}$"),
            ("0 ? ", "{'failed''crash'#1&7}$"),
        ] {
            outbox.push(Packet { head: Bytes::from(head), body: Bytes::from(body) });
        }
        assert_eq!((outbox.len(), outbox.answers()), (5, 2));
    }

    #[tokio::test]
    async fn packets_come_out_whole_however_they_are_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut sender, (mut receiver, _)) = (Socket::Tcp(sender.unwrap()), receiver.unwrap());
        let mut outbox = Outbox::default();
        let mut expected = Vec::new();
        // More pieces than one write takes, and more bytes than the sockets hold.
        for number in 0..2_000_u32 {
            let packet = Packet {
                head: Bytes::from(format!("{number} ? ")),
                body: Bytes::from(vec![b'1'; number as usize * 3]),
            };
            expected.extend_from_slice(&packet.to_bytes());
            outbox.push(packet);
        }
        assert_eq!(outbox.bytes(), expected.len());
        let write = async {
            while outbox.len() > 0 {
                std::future::poll_fn(|cx| outbox.poll_write(&mut sender, cx)).await.unwrap();
            }
            drop(sender);
        };
        let mut seen = Vec::new();
        let (_, read) = tokio::join!(write, receiver.read_to_end(&mut seen));
        read.unwrap();
        assert!(seen == expected);
        assert_eq!(outbox.bytes(), 0);
    }
}
