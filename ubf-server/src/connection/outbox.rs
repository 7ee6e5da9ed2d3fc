//! Packets on their way out, and what is lost with those that are not written.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

#[cfg(unix)]
use bytes::Bytes;
use tokio::io::AsyncWrite as _;
use ubf_net::{Stream, poll_write_pieces};
use ubf_proto::server::PacketKind;
use ubf_proto::{Outbound, Packet};

/// So much is written before more is made. Chosen: the client has work for a while, and a write is
/// still cheap for each of its packets.
const BATCH_BYTES: usize = 16 << 10;

/// Room for more packets than this is not handed on. Chosen: a batch of small ones.
const KEPT_PACKETS: usize = 256;

thread_local! {
    /// What the last outbox that became empty had needed: the connections of a thread write one
    /// after the other.
    static SPARE: Cell<Option<Box<Unwritten>>> = const { Cell::new(None) };
}

/// Takes no memory while it is empty: so is that of an idle connection.
#[derive(Debug, Default)]
pub(super) struct Outbox(Option<Box<Unwritten>>);

#[derive(Debug, Default)]
struct Unwritten {
    outbound: Outbound,
    /// What is not written, or not all of it.
    packets: VecDeque<Unread>,
    /// Bytes of the first packet that are out already.
    written: usize,
    /// The socket has taken nothing since it was full.
    is_blocked: bool,
}

#[derive(Debug)]
struct Unread {
    bytes: usize,
    kind: PacketKind,
}

impl Outbox {
    pub(super) fn push(&mut self, kind: PacketKind, packet: Packet) {
        let bytes = packet.len();
        self.room(bytes, kind).push(packet);
    }

    /// Puts in a copy of a small packet.
    pub(super) fn push_copy(&mut self, kind: PacketKind, head: &[u8], body: &[u8]) {
        self.room(head.len() + body.len(), kind).push_copy(head, body);
    }

    fn room(&mut self, bytes: usize, kind: PacketKind) -> &mut Outbound {
        let spare = || SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        let Unwritten { outbound, packets, .. } = &mut **self.0.get_or_insert_with(spare);
        packets.push_back(Unread { bytes, kind });
        outbound
    }

    /// Replies of which some bytes are not written.
    pub(super) fn replies(&self) -> usize {
        let packets = self.0.iter().flat_map(|unwritten| &unwritten.packets);
        packets.filter(|packet| packet.kind == PacketKind::Reply).count()
    }

    /// Bytes that are not written.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |unwritten| unwritten.outbound.len())
    }

    /// U2: what is not written, in one piece.
    #[cfg(unix)]
    pub(super) fn unsent(&self) -> Bytes {
        let pieces = self.0.iter().flat_map(|unwritten| unwritten.outbound.pieces());
        pieces.collect::<Vec<_>>().concat().into()
    }

    /// Whether there is enough for a write, and the socket may take it.
    pub(super) fn is_due(&self) -> bool {
        self.0.as_ref().is_some_and(|unwritten| {
            unwritten.outbound.len() >= BATCH_BYTES && !unwritten.is_blocked
        })
    }

    /// Writes as much as goes in one call, if there is something. What cannot be written ends the
    /// connection.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(unwritten) = &mut self.0 else { return Poll::Pending };
        let written = ready!(unwritten.poll_write(stream, cx))?;
        if unwritten.outbound.is_empty()
            && let Some(mut unwritten) = self.0.take()
        {
            unwritten.packets.shrink_to(KEPT_PACKETS);
            // A thread that is about to end needs none.
            SPARE.try_with(|spare| spare.set(Some(unwritten))).ok();
        }
        Poll::Ready(Ok(written))
    }
}

impl Unwritten {
    fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let written = match self.outbound.only_piece() {
            // Mostly, it is one batch.
            Some(batch) => Pin::new(stream).poll_write(cx, batch),
            None => poll_write_pieces(stream, self.outbound.pieces(), cx),
        };
        self.is_blocked = written.is_pending();
        let written = ready!(written)?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.outbound.advance(written);
        if self.outbound.is_empty() {
            self.packets.clear();
            self.written = 0;
            return Poll::Ready(Ok(written));
        }
        self.written += written;
        while let Some(first) = self.packets.front().filter(|first| first.bytes <= self.written) {
            self.written -= first.bytes;
            self.packets.pop_front();
        }
        Poll::Ready(Ok(written))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn replies_are_counted_by_what_they_are_and_not_by_their_bytes() {
        let mut outbox = Outbox::default();
        for (kind, head, body) in [
            (PacketKind::Reply, "1 ? ", "{'ok''start'}$"),
            (PacketKind::Control, "1 ? ", "{'agreed'1?#1&#}$"),
            (PacketKind::Event, "1 ? ", "{ 'event_out''ok'}$"),
            (PacketKind::Notice, "0 ? ", "{'moved'1}$"),
            (PacketKind::Notice, "0 ? ", "{'closing''shutdown'7}$"),
            (PacketKind::Reply, "0 ? ", "{'failed''crash'#1&7}$"),
        ] {
            outbox.push(kind, Packet { head: Bytes::from(head), body: Bytes::from(body) });
        }
        assert_eq!(outbox.replies(), 2);
    }

    #[tokio::test]
    async fn packets_come_out_whole_however_they_are_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut sender, (mut receiver, _)) = (Stream::from(sender.unwrap()), receiver.unwrap());
        let mut outbox = Outbox::default();
        let mut expected = Vec::new();
        // Small and large, more pieces than one write takes, and more bytes than the sockets hold.
        for number in 0..2_000_u32 {
            let packet = Packet {
                head: Bytes::from(format!("{number} ? ")),
                body: Bytes::from(vec![b'1'; number as usize * 3]),
            };
            expected.extend_from_slice(&packet.to_bytes());
            outbox.push(PacketKind::Reply, packet);
        }
        assert_eq!((outbox.bytes(), outbox.replies()), (expected.len(), 2_000));
        let write = async {
            while outbox.bytes() > 0 {
                std::future::poll_fn(|cx| outbox.poll_write(&mut sender, cx)).await.unwrap();
            }
            drop(sender);
        };
        let mut seen = Vec::new();
        let (_, read) = tokio::join!(write, receiver.read_to_end(&mut seen));
        read.unwrap();
        assert!(seen == expected);
        assert_eq!((outbox.bytes(), outbox.replies()), (0, 0));
        assert!(outbox.0.is_none());
    }
}
