//! Packets on their way out, until they are written.
//!
//! ```text
//! pieces: [batch] [large body] [batch] [large body]   then batch: 1 ? {'ok''start'}$1 ? {'ok''start'}$
//! ```

use alloc::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::packet::Packet;

/// Bodies up to this size are copied, so that a batch of them is one piece. Chosen: a piece costs
/// as much as to copy some hundred bytes.
pub(crate) const MAX_COPIED_BYTES: usize = 1024;
/// Room for packets that are copied, at least. Chosen: a batch of a few.
const BATCH_BYTES: usize = 1024;
/// Room for more than this is not kept for the next batch.
const MAX_KEPT_BYTES: usize = 64 * 1024;

/// Packets that a shell has to write. Small ones are put together, so that there are few pieces,
/// and none of them is kept for its own sake.
///
/// It has no limit of its own: the sessions count what was handed out and not written.
///
/// ```
/// use bytes::Bytes;
/// use ubf_proto::{Outbound, Packet};
///
/// let mut outbound = Outbound::default();
/// outbound.push(Packet { head: Bytes::from_static(b"1 "), body: Bytes::from_static(b"'a'$") });
/// outbound.push(Packet { head: Bytes::from_static(b"1 "), body: Bytes::from_static(b"'b'$") });
/// assert_eq!(outbound.pieces().collect::<Vec<_>>(), [b"1 'a'$1 'b'$"]);
/// // A socket has taken some of it.
/// outbound.advance(8);
/// assert_eq!(outbound.pieces().collect::<Vec<_>>(), [b"'b'$"]);
/// ```
#[derive(Debug, Default)]
pub struct Outbound {
    /// Bodies that are not copied, and batches that were closed for them.
    pieces: VecDeque<Bytes>,
    /// Small packets, behind those.
    batch: BytesMut,
    /// Of all pieces, the batch included.
    len: usize,
}

impl Outbound {
    /// Puts a packet behind the others.
    pub fn push(&mut self, packet: Packet) {
        let Packet { head, body } = packet;
        if body.len() <= MAX_COPIED_BYTES {
            return self.push_copy(&head, &body);
        }
        self.push_copy(&head, &[]);
        self.len += body.len();
        self.pieces.push_back(self.batch.split().freeze());
        self.pieces.push_back(body);
    }

    /// Puts a copy of a packet behind the others: for a small one.
    pub fn push_copy(&mut self, head: &[u8], body: &[u8]) {
        self.len += head.len() + body.len();
        if self.batch.capacity() == 0 {
            self.batch.reserve(BATCH_BYTES);
        }
        self.batch.extend_from_slice(head);
        self.batch.extend_from_slice(body);
    }

    /// Bytes that are not written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether all is written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is to be written, in this order. No piece is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let batch = Some(&self.batch[..]).filter(|batch| !batch.is_empty());
        self.pieces.iter().map(|piece| &piece[..]).chain(batch)
    }

    /// All that is to be written, if it is one piece.
    #[must_use]
    pub fn only_piece(&self) -> Option<&[u8]> {
        match (self.pieces.front(), self.batch.is_empty()) {
            (None, false) => Some(&self.batch),
            (Some(piece), true) if self.pieces.len() == 1 => Some(piece),
            (Some(_), _) | (None, true) => None,
        }
    }

    /// So many bytes were written. More than there are is the same as all.
    pub fn advance(&mut self, written: usize) {
        if written >= self.len {
            return self.clear();
        }
        self.len -= written;
        let mut rest = written;
        while let Some(first) = self.pieces.front_mut() {
            if rest < first.len() {
                first.advance(rest);
                return;
            }
            rest -= first.len();
            self.pieces.pop_front();
        }
        self.batch.advance(rest);
    }

    /// Forgets what is not written. Room for a batch is kept.
    pub fn clear(&mut self) {
        self.len = 0;
        self.pieces = VecDeque::new();
        self.batch.clear();
        // One large batch shall not cost memory for ever.
        if self.batch.capacity() > MAX_KEPT_BYTES {
            self.batch = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn packet(byte: u8, len: usize) -> Packet {
        Packet { head: Bytes::from_static(b"1 "), body: vec![byte; len].into() }
    }

    #[test]
    fn packets_keep_their_order_however_they_are_written() {
        let lens = [1, MAX_COPIED_BYTES, MAX_COPIED_BYTES + 1, 7, 5000, 3, 3, 2048, 5];
        for step in [1, 7, 1000, 1027, 5000, 1_000_000] {
            let mut outbound = Outbound::default();
            let mut expected = Vec::new();
            for (byte, len) in (b'a'..).zip(lens) {
                expected.extend_from_slice(&packet(byte, len).to_bytes());
                outbound.push(packet(byte, len));
            }
            assert_eq!(outbound.len(), expected.len());
            let mut written: Vec<u8> = Vec::new();
            while !outbound.is_empty() {
                let all: Vec<u8> = outbound.pieces().flatten().copied().collect();
                let is_one = outbound.pieces().count() == 1;
                assert_eq!(outbound.only_piece(), is_one.then_some(&all[..]));
                assert_eq!(all.len(), outbound.len());
                written.extend(all.iter().take(step));
                outbound.advance(step);
            }
            assert!(written == expected, "in steps of {step}");
            assert_eq!(outbound.pieces().count(), 0);
        }
    }

    #[test]
    fn small_packets_are_one_piece_and_large_bodies_are_not_copied() {
        let mut outbound = Outbound::default();
        for _ in 0..100 {
            outbound.push(packet(b'1', MAX_COPIED_BYTES));
        }
        assert_eq!(outbound.pieces().count(), 1);
        let large = packet(b'2', MAX_COPIED_BYTES + 1);
        outbound.push(large.clone());
        outbound.push(packet(b'3', 1));
        let pieces: Vec<_> = outbound.pieces().collect();
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces.get(1).map(|piece| piece.as_ptr()), Some(large.body.as_ptr()));
    }

    #[test]
    fn what_a_large_batch_needed_is_not_kept() {
        let mut outbound = Outbound::default();
        for _ in 0..100 {
            outbound.push(packet(b'1', MAX_COPIED_BYTES));
        }
        outbound.advance(outbound.len());
        assert_eq!(outbound.batch.capacity(), 0);
        outbound.push(packet(b'1', 1));
        outbound.advance(outbound.len());
        assert!(outbound.batch.capacity() >= BATCH_BYTES);
    }
}
