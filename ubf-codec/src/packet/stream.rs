//! Versioned packets out of bytes that come in pieces.

use bytes::{Buf as _, Bytes, BytesMut};

use super::header::{Header, leading_space, read_within};
use crate::document::Document;
use crate::error::{DecodeError, ErrorKind};
use crate::limits::Limits;
use crate::stream::StreamDecoder;

/// Decodes versioned packets out of a stream: as [`StreamDecoder`], with a header before each
/// packet.
///
/// A server reads `VersionedDecoder<ClientHeader>`, a client `VersionedDecoder<ServerHeader>`.
///
/// ```
/// use bytes::BytesMut;
/// use ubf_codec::{ClientHeader, VersionedDecoder};
///
/// let mut decoder = VersionedDecoder::<ClientHeader>::new();
/// let mut buffer = BytesMut::from(&b"10 'info'$\n3 'he"[..]);
/// let packet = decoder.decode(&mut buffer)?.unwrap();
/// assert_eq!(packet.header.mode.number(), 10);
/// assert_eq!(packet.body.to_string(), "info");
/// assert!(decoder.decode(&mut buffer)?.is_none());
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct VersionedDecoder<H> {
    body: StreamDecoder,
    /// The header whose body is awaited.
    header: Option<H>,
    /// White space before the header that was already taken out of the buffer.
    skipped: usize,
}

impl<H: Header> Default for VersionedDecoder<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Header> VersionedDecoder<H> {
    /// A decoder with the default limits. The dialect is the extended one (W7).
    #[must_use]
    pub fn new() -> Self {
        Self { body: StreamDecoder::new(), header: None, skipped: 0 }
    }

    /// This decoder with other limits (L1). The packet limit counts header and body.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { body: self.body.with_limits(limits), ..self }
    }

    /// This decoder for the rest of a stream, of which so many bytes were read already: they count
    /// in the offsets of errors.
    #[must_use]
    pub fn starting_at(mut self, offset: u64) -> Self {
        self.body.start_at(offset);
        self
    }

    /// Makes this the decoder of another stream, of which so many bytes were read already, with
    /// these limits. Its memory is kept.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use ubf_codec::{ClientHeader, Limits, VersionedDecoder};
    ///
    /// let mut decoder = VersionedDecoder::<ClientHeader>::new();
    /// assert_eq!(decoder.decode(&mut BytesMut::from("3 }$")).unwrap_err().offset(), 2);
    /// decoder.restart(Limits::default(), 100);
    /// assert!(decoder.decode(&mut BytesMut::from("3 1$"))?.is_some());
    /// assert_eq!(decoder.decode(&mut BytesMut::from("3 }$")).unwrap_err().offset(), 106);
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    pub fn restart(&mut self, limits: Limits, offset: u64) {
        self.header = None;
        self.skipped = 0;
        self.body.restart(limits, offset);
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
    ) -> Result<Option<H::Packet<Document<Bytes>>>, DecodeError> {
        if let Some(error) = self.body.failure() {
            return Err(error);
        }
        if self.header.is_none() {
            self.header = self.read_header(buffer).map_err(|error| self.body.fail(error))?;
        }
        if self.header.is_none() {
            return Ok(None);
        }
        let Some(body) = self.body.decode(buffer)? else { return Ok(None) };
        Ok(self.header.take().map(|header| header.with_body(body)))
    }

    /// How many bytes must be added to `buffer` at least before [`decode`](Self::decode), which has
    /// found no whole packet in it, can find one: see [`StreamDecoder::missing`].
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use ubf_codec::{ClientHeader, VersionedDecoder};
    ///
    /// let mut decoder = VersionedDecoder::<ClientHeader>::new();
    /// let mut buffer = BytesMut::from(&b"3 1000~abc"[..]);
    /// assert!(decoder.decode(&mut buffer)?.is_none());
    /// assert_eq!(decoder.missing(&buffer), 997 + 2);
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn missing(&self, buffer: &[u8]) -> usize {
        self.body.missing(buffer)
    }

    /// Makes room in `buffer` for what [`decode`](Self::decode) still has to be given, within
    /// limits: see [`StreamDecoder::reserve`].
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use ubf_codec::{ClientHeader, VersionedDecoder};
    ///
    /// let mut decoder = VersionedDecoder::<ClientHeader>::new();
    /// let mut buffer = BytesMut::from(&b"3 1000000~"[..]);
    /// buffer.resize(20_000, b'a');
    /// assert!(decoder.decode(&mut buffer)?.is_none());
    /// decoder.reserve(&mut buffer, 0);
    /// assert!((150_000..200_000).contains(&buffer.capacity()));
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    pub fn reserve(&self, buffer: &mut BytesMut, shown: usize) {
        self.body.reserve(buffer, shown);
    }

    /// Gives the memory of a body back, for the next one.
    pub fn recycle<S>(&mut self, body: Document<S>) {
        self.body.recycle(body);
    }

    /// The header that was taken out of the buffer, and whose body has not come whole.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use ubf_codec::{ClientHeader, VersionedDecoder};
    ///
    /// let mut decoder = VersionedDecoder::<ClientHeader>::new();
    /// let mut buffer = BytesMut::from("3 'he");
    /// assert!(decoder.decode(&mut buffer)?.is_none());
    /// assert_eq!(decoder.header().map(|header| header.mode.number()), Some(3));
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn header(&self) -> Option<&H> {
        self.header.as_ref()
    }

    /// Whether no packet has begun; `rest` is what no packet was made of.
    #[must_use]
    pub fn is_between_packets(&self, rest: &[u8]) -> bool {
        self.header.is_none() && self.body.failure().is_none() && leading_space(rest) == rest.len()
    }

    /// Says that the stream has ended; `rest` is what no packet was made of.
    ///
    /// # Errors
    /// If the stream ended inside a packet.
    pub fn finish(&mut self, rest: &[u8]) -> Result<(), DecodeError> {
        if self.is_between_packets(rest) {
            return Ok(());
        }
        if let Some(error) = self.body.failure() {
            return Err(error);
        }
        let offset = self.body.read() + (self.skipped + rest.len()) as u64;
        Err(self.body.fail(DecodeError::new(ErrorKind::UnexpectedEnd, offset)))
    }

    /// Takes a header out of `buffer`.
    fn read_header(&mut self, buffer: &mut BytesMut) -> Result<Option<H>, DecodeError> {
        let limits = *self.body.limits();
        let max = limits.max_packet_bytes as usize;
        // Space is taken out at once, so that a stream of it is not looked at twice.
        let space = leading_space(buffer).min(max.saturating_sub(self.skipped));
        if space > 0 {
            buffer.advance(space);
            self.skipped += space;
        }
        let origin = self.body.read() + self.skipped as u64;
        let Some((header, len)) = read_within::<H>(buffer, origin, &limits, self.skipped)? else {
            return Ok(None);
        };
        buffer.advance(len);
        self.body.skip_header(self.skipped + len);
        self.skipped = 0;
        Ok(Some(header))
    }
}
