//! Copies of small bodies, many of them in one block.

use bytes::{Bytes, BytesMut};

/// Larger bodies are shared and not copied. Chosen: to share one takes an allocation, which costs
/// as much as to copy some hundred bytes.
const MAX_COPIED_BYTES: usize = 1024;
/// The most room of a block, which lives as long as the last of the bodies in it. Chosen: some tens
/// of small bodies, and little for one that is kept long.
const MAX_BLOCK_BYTES: usize = 4 * 1024;

/// Where small bodies are copied to, so that to keep one takes no allocation of its own.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// What is left of the last block.
    room: BytesMut,
}

impl Copies {
    /// The same body, for one who keeps it, and who keeps so many bytes already: the more they
    /// are, the more there will be.
    pub(crate) fn copy(&mut self, body: &Bytes, kept: usize) -> Bytes {
        if body.len() > MAX_COPIED_BYTES {
            return body.clone();
        }
        self.copy_of(body, kept)
    }

    /// A copy of a body that is small.
    pub(crate) fn copy_of(&mut self, body: &[u8], kept: usize) -> Bytes {
        if self.room.capacity() < body.len() && !self.room.try_reclaim(body.len()) {
            let block = kept.min(MAX_BLOCK_BYTES).max(body.len());
            self.room = BytesMut::with_capacity(block);
        }
        self.room.extend_from_slice(body);
        self.room.split().freeze()
    }

    /// Lets go of the room that is left.
    pub(crate) fn release(&mut self) {
        self.room = BytesMut::new();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn small_bodies_share_a_block_and_large_ones_are_shared_themselves() {
        let mut copies = Copies::default();
        let bodies: Vec<Bytes> =
            [0, 1, 7, 100, MAX_COPIED_BYTES, 3].map(|len| vec![b'a'; len].into()).to_vec();
        let kept: Vec<Bytes> = bodies.iter().map(|body| copies.copy(body, 1 << 20)).collect();
        assert_eq!(kept, bodies);
        let [one, next] = [&kept[2], &kept[3]].map(|body| body.as_ptr() as usize);
        assert_eq!(one + 7, next, "one stands behind the other");
        let large = Bytes::from(vec![b'a'; MAX_COPIED_BYTES + 1]);
        assert_eq!(copies.copy(&large, 1 << 20).as_ptr(), large.as_ptr());
    }

    #[test]
    fn who_keeps_little_takes_little() {
        let mut copies = Copies::default();
        let body = Bytes::from_static(b"{'ok''start'}$");
        let first = copies.copy(&body, 0);
        assert!(copies.room.capacity() < 64, "{}", copies.room.capacity());
        let second = copies.copy(&body, 4_000);
        assert!((64..=4_000).contains(&copies.room.capacity()), "{}", copies.room.capacity());
        copies.release();
        assert_eq!((first, copies.room.capacity()), (second, 0));
    }
}
