//! Where tokens are written: most are short, and a call for each to copy some bytes would take
//! longer than all else.

use alloc::vec::Vec;
#[cfg(feature = "serde")]
use core::ops::Range;

use bytes::BufMut;

/// Room for any short token: an integer of 64 bits, or a text of [`SHORT_TEXT`] bytes with its
/// quotes and an operator before them.
pub(crate) const SHORT_TOKEN: usize = SHORT_TEXT + 3;
/// The longest text that is copied by words. Measured: nearly all names, and half of what people
/// write.
pub(crate) const SHORT_TEXT: usize = 32;

/// A block of what a short [`Kept::part`] copies. At most a short token.
#[cfg(feature = "serde")]
const COPIED: usize = 32;
/// The longest part that is copied by blocks. Measured: a call is as fast for longer ones.
#[cfg(feature = "serde")]
const MAX_COPIED: usize = 4 * COPIED;

/// Takes tokens.
pub(crate) trait Sink {
    fn byte(&mut self, byte: u8);
    fn slice(&mut self, bytes: &[u8]);
    /// Room for a short token at the end. What is written there counts when it is
    /// [taken](Self::take).
    fn room(&mut self) -> Option<&mut [u8; SHORT_TOKEN]>;
    /// At most as many bytes as there was room for.
    fn take(&mut self, len: usize);
}

/// Bytes that are kept from one packet to the next, and may be taken back.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    /// The bytes that are written, and room for more.
    bytes: Vec<u8>,
    /// How many are written. At most as many as there are.
    len: usize,
}

/// Room at first. Chosen: most messages fit, where a vector that grows from one byte on is moved
/// five times.
const FIRST_ROOM: usize = 256;
/// The most that is filled with zeros at once. Chosen: all of it is in the fastest memory when it
/// is written.
const MOST_ROOM: usize = 16 << 10;

impl Kept {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Keeps the first `len` bytes only.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The bytes that are written, and the room behind them.
    #[cfg(feature = "serde")]
    pub(crate) fn with_room(&self) -> &[u8] {
        &self.bytes
    }

    /// The first `len` of these bytes.
    #[cfg(feature = "serde")]
    #[inline(always)]
    pub(crate) fn short(&mut self, bytes: [u8; 8], len: usize) {
        if let Some(room) = self.room().and_then(|room| room.first_chunk_mut()) {
            *room = bytes;
            self.take(len);
        }
    }

    /// The part of `source` that the range names. A short one is copied by blocks, with what
    /// follows it there: a call to copy some bytes would take longer.
    #[cfg(feature = "serde")]
    #[inline(always)]
    pub(crate) fn part(&mut self, source: &[u8], range: Range<usize>) {
        let Range { mut start, end } = range;
        if end - start <= MAX_COPIED {
            while let Some(block) = source.get(start..).and_then(|rest| rest.first_chunk())
                && let Some(room) = self.room().and_then(|room| room.first_chunk_mut::<COPIED>())
            {
                *room = *block;
                if end - start <= COPIED {
                    return self.take(end - start);
                }
                self.take(COPIED);
                start += COPIED;
            }
        }
        self.slice(source.get(start..end).unwrap_or_default());
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        // The vector doubles as it has to. What it has for later is not filled with zeros before.
        let room = self.bytes.len().clamp(FIRST_ROOM, MOST_ROOM);
        self.bytes.resize((self.len + more).max(self.bytes.len() + room), 0);
    }
}

impl Sink for Kept {
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        if self.len == self.bytes.len() {
            self.grow(1);
        }
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn slice(&mut self, bytes: &[u8]) {
        if self.bytes.len() - self.len < bytes.len() {
            // As `grow`, but that what is written next is not filled with zeros.
            self.bytes.truncate(self.len);
            self.bytes.reserve(bytes.len() + SHORT_TOKEN);
            self.bytes.extend_from_slice(bytes);
            self.len = self.bytes.len();
            return;
        }
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    #[inline(always)]
    fn room(&mut self) -> Option<&mut [u8; SHORT_TOKEN]> {
        if self.len + SHORT_TOKEN > self.bytes.len() {
            self.grow(SHORT_TOKEN);
        }
        self.bytes.get_mut(self.len..self.len + SHORT_TOKEN)?.first_chunk_mut()
    }

    #[inline(always)]
    fn take(&mut self, len: usize) {
        debug_assert!(self.len + len <= self.bytes.len(), "there was room for what is taken");
        self.len += len;
    }
}

/// Chosen: large enough to make the calls that copy it rare, small enough to be cleared for a
/// packet of 70 bytes. A power of two, so that no bounds are checked.
const BLOCK: usize = 512;

/// A block of bytes before any buffer.
pub(super) struct Block<'o, B: BufMut> {
    out: &'o mut B,
    /// The block, and room for a token that begins in it.
    bytes: [u8; BLOCK + SHORT_TOKEN],
    /// How many of them wait. Less than a block.
    len: usize,
}

impl<'o, B: BufMut> Block<'o, B> {
    pub(super) const fn new(out: &'o mut B) -> Self {
        Self { out, bytes: [0; BLOCK + SHORT_TOKEN], len: 0 }
    }

    /// Moves what waits to the buffer.
    #[inline(never)]
    pub(super) fn flush(&mut self) {
        self.out.put_slice(self.bytes.get(..self.len).unwrap_or_default());
        self.len = 0;
    }
}

impl<B: BufMut> Sink for Block<'_, B> {
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len % BLOCK) {
            *place = byte;
        }
        self.take(1);
    }

    fn slice(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            return self.take(bytes.len());
        }
        self.flush();
        self.out.put_slice(bytes);
    }

    #[inline(always)]
    fn room(&mut self) -> Option<&mut [u8; SHORT_TOKEN]> {
        self.bytes.get_mut(self.len % BLOCK..)?.first_chunk_mut()
    }

    #[inline(always)]
    fn take(&mut self, len: usize) {
        self.len += len;
        debug_assert!(self.len <= self.bytes.len(), "there was room for what is taken");
        if self.len >= BLOCK {
            self.flush();
        }
    }
}
