//! Where tokens are written: most are short, and a call for each to copy some bytes would take longer than all else.

use alloc::vec::Vec;

use bytes::BufMut;

/// Room for any short token: an integer of 64 bits, or a text of [`SHORT_TEXT`] bytes with its quotes.
pub(crate) const SHORT_TOKEN: usize = SHORT_TEXT + 2;
/// The longest text that is copied by words. Measured: nearly all names, and half of what people write.
pub(crate) const SHORT_TEXT: usize = 32;

/// Takes tokens.
pub(crate) trait Sink {
    fn byte(&mut self, byte: u8);
    fn slice(&mut self, bytes: &[u8]);
    /// Room for a short token at the end. [`take`](Self::take) has to follow, and says how long it is.
    fn room(&mut self) -> Option<&mut [u8; SHORT_TOKEN]>;
    fn take(&mut self, len: usize);
}

impl Sink for Vec<u8> {
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        self.push(byte);
    }

    fn slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline(always)]
    fn room(&mut self) -> Option<&mut [u8; SHORT_TOKEN]> {
        self.extend_from_slice(&[0; SHORT_TOKEN]);
        self.last_chunk_mut()
    }

    #[inline(always)]
    fn take(&mut self, len: usize) {
        self.truncate(self.len() - SHORT_TOKEN + len);
    }
}

/// Chosen: large enough to make the calls that copy it rare, small enough to be cleared for a packet of 70 bytes.
const BLOCK: usize = 512;

/// A block of bytes before any buffer.
pub(super) struct Block<'o, B: BufMut> {
    out: &'o mut B,
    bytes: [u8; BLOCK],
    /// How many of them wait. At most as many as there are.
    len: usize,
}

impl<'o, B: BufMut> Block<'o, B> {
    pub(super) const fn new(out: &'o mut B) -> Self {
        Self { out, bytes: [0; BLOCK], len: 0 }
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
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        } else {
            self.flush();
            self.bytes[0] = byte;
            self.len = 1;
        }
    }

    fn slice(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
            return;
        }
        self.flush();
        self.out.put_slice(bytes);
    }

    #[inline(always)]
    fn room(&mut self) -> Option<&mut [u8; SHORT_TOKEN]> {
        if self.len > BLOCK - SHORT_TOKEN {
            self.flush();
        }
        self.bytes.get_mut(self.len..)?.first_chunk_mut()
    }

    #[inline(always)]
    fn take(&mut self, len: usize) {
        self.len += len;
    }
}
