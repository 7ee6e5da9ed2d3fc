//! Packets out of bytes that come in pieces (W12).

use alloc::vec::Vec;
use core::fmt;
use core::mem;

use bytes::{Bytes, BytesMut};

use crate::dialect::Dialect;
use crate::document::{Document, Source};
use crate::error::{DecodeError, ErrorKind};
use crate::limits::Limits;
use crate::machine::Machine;
use crate::node::Node;
use crate::options::DecodeOptions;

/// Decodes packets out of a stream, however its bytes are cut into pieces: every byte is looked at
/// once.
///
/// ```
/// use bytes::BytesMut;
/// use ubf_codec::StreamDecoder;
///
/// let mut decoder = StreamDecoder::new();
/// let mut buffer = BytesMut::from(&b"{'ok',\"hal"[..]);
/// assert!(decoder.decode(&mut buffer)?.is_none());
/// buffer.extend_from_slice(b"lo\"}$'next'$");
/// assert_eq!(decoder.decode(&mut buffer)?.unwrap().to_string(), "{ok,\"hallo\"}");
/// assert_eq!(decoder.decode(&mut buffer)?.unwrap().to_string(), "next");
/// assert!(decoder.decode(&mut buffer)?.is_none());
/// decoder.finish(&buffer)?;
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
///
/// An error is final: there is no way to tell where the next packet would begin. Every later call
/// gives the same error.
///
/// # Limits
/// A packet that exceeds [`Limits::max_packet_bytes`] is refused as soon as that is certain: when
/// as many bytes have come without its `$`, or when a binary is announced that cannot fit. So a
/// buffer need never grow beyond that limit and what one read brings.
#[derive(Clone)]
pub struct StreamDecoder {
    machine: Machine<Vec<Node>>,
    failed: Option<DecodeError>,
    spare: Vec<Node>,
    /// How many nodes the last packet had, if they were few: the next one mostly has as many.
    expected_nodes: usize,
}

/// Memory is taken at once for so many nodes at most. Chosen: a kilobyte, which many documents may
/// waste.
const MAX_EXPECTED_NODES: usize = 64;

/// L1: so many times what has come is taken in memory for what was announced. Chosen: a megabyte
/// that is read from 16 KiB on is moved twice, a seventh of its bytes in all.
const TRUST: usize = 8;
/// Room for what mostly comes behind a binary that was announced. Chosen: some names and numbers,
/// and little of a further packet, which would have to be moved.
const BEHIND_BINARY: usize = 512;

impl Default for StreamDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StreamDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamDecoder")
            .field("options", self.machine.options())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl StreamDecoder {
    /// A decoder of the extended dialect, with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self {
            machine: Machine::new(DecodeOptions::default(), Vec::new()),
            failed: None,
            spare: Vec::new(),
            expected_nodes: 0,
        }
    }

    /// This decoder with other options.
    #[must_use]
    pub fn with_options(mut self, options: DecodeOptions) -> Self {
        self.machine.set_options(options);
        self
    }

    /// How packets are read.
    #[must_use]
    pub const fn options(&self) -> DecodeOptions {
        *self.machine.options()
    }

    /// This decoder for another dialect (W7).
    #[must_use]
    pub const fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.machine.options_mut().dialect = dialect;
        self
    }

    /// This decoder with other limits (L1).
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.machine.set_limits(limits);
        self
    }

    /// Whether `\x` in a text stands for `x`: see
    /// [`Decoder::with_any_escape`](crate::Decoder::with_any_escape).
    #[must_use]
    pub const fn with_any_escape(mut self, any_escape: bool) -> Self {
        self.machine.options_mut().any_escape = any_escape;
        self
    }

    /// Takes the next packet out of `buffer`, or gives `None` if it has not come whole: then read
    /// more and call again.
    ///
    /// Between two calls, `buffer` may only be added to at its end.
    ///
    /// # Errors
    /// What is wrong and at which byte of the stream. The error is final.
    pub fn decode(
        &mut self,
        buffer: &mut BytesMut,
    ) -> Result<Option<Document<Bytes>>, DecodeError> {
        let Some(end) = self.advance(buffer)? else { return Ok(None) };
        let source = buffer.split_to(end).freeze();
        Ok(Some(self.take(source, end)))
    }

    /// As [`decode`](Self::decode), for a buffer of any kind: `window` holds all bytes of the
    /// stream since the last packet. The next window begins after the packet's
    /// [`source`](Document::source).
    ///
    /// # Errors
    /// What is wrong and at which byte of the stream. The error is final.
    pub fn decode_slice<'a>(
        &mut self,
        window: &'a [u8],
    ) -> Result<Option<Document<&'a [u8]>>, DecodeError> {
        let Some(end) = self.advance(window)? else { return Ok(None) };
        let source = window.get(..end).unwrap_or_default();
        Ok(Some(self.take(source, end)))
    }

    /// Says that the stream has ended; `rest` is what no packet was made of. Fetch all packets
    /// before.
    ///
    /// # Errors
    /// If the stream ended inside a packet, or a packet was not fetched. The error is final.
    pub fn finish(&mut self, rest: &[u8]) -> Result<(), DecodeError> {
        match self.advance(rest)? {
            None if self.machine.is_between_packets() => Ok(()),
            // A whole packet that nobody fetched is no end either.
            None | Some(_) => {
                let offset = self.machine.origin() + rest.len() as u64;
                Err(self.fail(DecodeError::new(ErrorKind::UnexpectedEnd, offset)))
            }
        }
    }

    /// How many bytes must be added to `buffer` at least before [`decode`](Self::decode), which has
    /// found no whole packet in it, can find one. More than one while an announced binary (W4) is
    /// awaited.
    ///
    /// The announcement is the peer's word, and within the limits no more than that: to take all
    /// the memory for it at once is to trust whoever has sent a dozen bytes.
    /// [`reserve`](Self::reserve) does not.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use ubf_codec::StreamDecoder;
    ///
    /// let mut decoder = StreamDecoder::new();
    /// let mut buffer = BytesMut::from(&b"{'put' 1000~abc"[..]);
    /// assert!(decoder.decode(&mut buffer)?.is_none());
    /// // The rest of the binary, its `~`, and a `$`.
    /// assert_eq!(decoder.missing(&buffer), 997 + 2);
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn missing(&self, buffer: &[u8]) -> usize {
        self.machine.missing(buffer.len())
    }

    /// Makes room in `buffer` for what [`decode`](Self::decode) still has to be given, so that a
    /// large binary is read into its place and is not moved again and again as the buffer grows.
    ///
    /// # Limits
    /// L1: all that is missing and a little more, but no more than seven times what has come: the
    /// bytes of the packet in `buffer`, or `shown`, if more than these came together with its
    /// beginning. (A buffer that grows at all may double.) So nobody makes a reader take more than eight times the memory that was sent,
    /// and a packet of any size is moved a few times at most.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use ubf_codec::StreamDecoder;
    ///
    /// let mut decoder = StreamDecoder::new();
    /// let mut buffer = BytesMut::from(&b"1000000~"[..]);
    /// buffer.resize(20_000, b'a');
    /// assert!(decoder.decode(&mut buffer)?.is_none());
    /// decoder.reserve(&mut buffer, 0);
    /// assert!((160_000..200_000).contains(&buffer.capacity()));
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    pub fn reserve(&self, buffer: &mut BytesMut, shown: usize) {
        let shown = shown.max(buffer.len());
        let trusted = (shown.saturating_mul(TRUST)).saturating_sub(buffer.len());
        let missing = self.missing(buffer);
        if missing > 1 && buffer.capacity() - buffer.len() < missing.min(trusted) {
            buffer.reserve((missing + BEHIND_BINARY).min(trusted));
        }
    }

    /// How many bytes of the stream belong to the packets so far.
    #[must_use]
    pub const fn read(&self) -> u64 {
        self.machine.origin()
    }

    /// Gives the memory of a packet back, for the next one.
    pub fn recycle<S>(&mut self, document: Document<S>) {
        self.spare = document.into_nodes();
    }

    /// Starts the next packet's window after its header, which is read elsewhere.
    pub(crate) fn skip_header(&mut self, header_bytes: usize) {
        self.machine.skip_header(header_bytes);
    }

    /// The next window begins at this offset of the stream.
    pub(crate) fn start_at(&mut self, offset: u64) {
        self.machine.reset(offset, 0);
    }

    /// Makes this the decoder of another stream, of which so many bytes were read already, with
    /// these limits. Its memory is kept, and so are its other options.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use ubf_codec::{Limits, StreamDecoder};
    ///
    /// let mut decoder = StreamDecoder::new();
    /// assert!(decoder.decode(&mut BytesMut::from("}$")).is_err());
    /// decoder.restart(Limits::default(), 100);
    /// assert_eq!(decoder.decode(&mut BytesMut::from("1 }$")).unwrap_err().offset(), 102);
    /// ```
    pub fn restart(&mut self, limits: Limits, offset: u64) {
        self.failed = None;
        if *self.limits() != limits {
            self.machine.set_limits(limits);
        }
        self.start_at(offset);
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.machine.options().limits
    }

    /// Remembers that the stream is broken.
    pub(crate) fn fail(&mut self, error: DecodeError) -> DecodeError {
        *self.failed.get_or_insert(error)
    }

    pub(crate) const fn failure(&self) -> Option<DecodeError> {
        self.failed
    }

    fn advance(&mut self, window: &[u8]) -> Result<Option<usize>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let arena = self.machine.arena_mut();
        if arena.capacity() == 0 {
            // A node costs a byte of the packet at least.
            arena.reserve_exact(self.expected_nodes.min(window.len()));
        }
        self.machine.run(window).map_err(|error| self.fail(error))
    }

    /// The packet that the machine has just read, `end` bytes long.
    fn take<S: Source>(&mut self, source: S, end: usize) -> Document<S> {
        let root = self.machine.top();
        let summary = self.machine.summary();
        let nodes = mem::replace(self.machine.arena_mut(), mem::take(&mut self.spare));
        self.expected_nodes = nodes.len().min(MAX_EXPECTED_NODES);
        self.machine.reset(self.machine.origin() + end as u64, 0);
        Document::new(source, nodes, root, summary)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_error_stays() {
        let mut decoder = StreamDecoder::new();
        let mut buffer = BytesMut::from(&b"1$ } 2$"[..]);
        assert!(decoder.decode(&mut buffer).unwrap().is_some());
        let error = decoder.decode(&mut buffer).unwrap_err();
        assert_eq!((error.kind().code(), error.offset()), ("close-without-open", 3));
        buffer.clear();
        buffer.extend_from_slice(b"3$");
        assert_eq!(decoder.decode(&mut buffer).unwrap_err(), error);
        assert_eq!(decoder.finish(&buffer).unwrap_err(), error);
    }

    #[test]
    fn the_end_of_a_stream_is_an_error_inside_a_packet_only() {
        for (rest, ends_well) in [
            (&b""[..], true),
            (b" \n,", true),
            (b"%note%\n", true),
            (b"%not", false),
            (b"{", false),
            (b"1", false),
        ] {
            let mut decoder = StreamDecoder::new();
            let finished = decoder.finish(rest);
            assert_eq!(finished.is_ok(), ends_well, "{rest:?}");
            if let Err(error) = finished {
                assert_eq!(decoder.decode_slice(b"1$").err(), Some(error), "an error is final");
                assert!(error.is_incomplete());
                assert_eq!(error.offset(), rest.len() as u64);
            }
        }
    }

    #[test]
    fn a_window_that_became_shorter_is_no_panic() {
        // An integer and a text that are cut, read lightly and counting, and 16 bytes or more that
        // are gone.
        for (begun, end, shown) in [
            (&b"{'twenty bytes of text' 12"[..], &b"3}$"[..], "{'twenty bytes of text',123}"),
            (b"{'twenty bytes of text'>t 12", b"3}$", "{123}"),
            (b"{\"twenty bytes of text, and more", b"\"}$", "{\"twenty bytes of text, and more\"}"),
        ] {
            let mut decoder = StreamDecoder::new();
            assert!(decoder.decode_slice(begun).unwrap().is_none());
            for left in (0..begun.len()).rev() {
                assert!(decoder.decode_slice(&begun[..left]).unwrap().is_none());
            }
            assert!(decoder.clone().finish(b"").unwrap_err().is_incomplete());
            // The decoder goes on where it was.
            let whole = [begun, end].concat();
            assert_eq!(decoder.decode_slice(&whole).unwrap().unwrap().root().to_string(), shown);
        }
    }

    #[test]
    fn no_more_is_asked_for_than_can_become_a_packet() {
        let limits = Limits::default().with_max_packet_bytes(10);
        let mut decoder = StreamDecoder::new().with_limits(limits);
        assert!(decoder.decode_slice(b"\"12345678").unwrap().is_none());
        let error = decoder.decode_slice(b"\"123456789").unwrap_err();
        assert_eq!((error.kind().code(), error.offset()), ("limit-packet-bytes", 10));
    }

    #[test]
    fn memory_that_is_given_back_is_used_again() {
        let mut decoder = StreamDecoder::new();
        let mut buffer = BytesMut::from(&b"{1{2 3}}$ {4{5 6}}$"[..]);
        let first = decoder.decode(&mut buffer).unwrap().unwrap();
        decoder.recycle(first);
        let spare = (decoder.spare.as_ptr(), decoder.spare.capacity());
        assert!(spare.1 >= 4);
        // The present packet's memory is there already; what comes back is for the one after it.
        drop(decoder.decode(&mut buffer).unwrap().unwrap());
        assert_eq!(
            (decoder.machine.arena_mut().as_ptr(), decoder.machine.arena_mut().capacity()),
            spare
        );
    }
}
