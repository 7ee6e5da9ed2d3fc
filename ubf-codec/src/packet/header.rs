//! Headers: `Version SP` from a client, `Version SP NextIP SP` from a server (P1, P2).

use alloc::string::ToString as _;
use alloc::vec::Vec;

use bytes::BufMut;

use super::next_ip::NextIp;
use super::packets::{ClientHeader, ClientPacket, ServerHeader, ServerPacket};
use super::version::{Mode, Version};
use crate::encode::Encoder;
use crate::error::{DecodeError, ErrorKind};
use crate::lexer;
use crate::limits::{Limit, Limits};
use crate::term::TermRef;

/// A header of either side. Implemented by [`ClientHeader`] and [`ServerHeader`], and by nothing
/// else.
pub trait Header: Sized + private::Sealed {
    /// The header with a body.
    type Packet<B>;

    /// Reads the header at the beginning of `window`, the bytes of the stream from `origin` on.
    /// White space (SP HT LF CR) may stand before it. Tells how many bytes it takes, the space
    /// at its end included; `None` if it has not come whole.
    ///
    /// ```
    /// use ubf_codec::{Header as _, Limits, ServerHeader};
    ///
    /// let packet = b"10 \"b.example:4000\" {'ok'}$";
    /// let (header, read) = ServerHeader::read(packet, 0, &Limits::default())?.unwrap();
    /// assert_eq!(header.next_ip.unwrap().to_string(), "b.example:4000");
    /// assert_eq!(&packet[read..], b"{'ok'}$");
    /// assert!(ServerHeader::read(b"10 \"b.exam", 0, &Limits::default())?.is_none());
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// What is malformed, by its offset in the stream, or which limit is exceeded.
    fn read(
        window: &[u8],
        origin: u64,
        limits: &Limits,
    ) -> Result<Option<(Self, usize)>, DecodeError>;

    /// Appends the header, with the space at its end.
    fn write(&self, out: &mut impl BufMut);

    /// This header in front of `body`.
    fn with_body<B>(self, body: B) -> Self::Packet<B>;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::ClientHeader {}
    impl Sealed for super::ServerHeader {}
}

impl Header for ClientHeader {
    type Packet<B> = ClientPacket<B>;

    fn read(window: &[u8], origin: u64, _: &Limits) -> Result<Option<(Self, usize)>, DecodeError> {
        let mut reader = Reader::new(window, origin);
        let Some(mode) = reader.version()? else { return Ok(None) };
        Ok(Some((Self { mode }, reader.position)))
    }

    fn write(&self, out: &mut impl BufMut) {
        out.put_slice(itoa::Buffer::new().format(self.mode.number()).as_bytes());
        out.put_u8(b' ');
    }

    fn with_body<B>(self, body: B) -> ClientPacket<B> {
        ClientPacket { header: self, body }
    }
}

impl Header for ServerHeader {
    type Packet<B> = ServerPacket<B>;

    fn read(
        window: &[u8],
        origin: u64,
        limits: &Limits,
    ) -> Result<Option<(Self, usize)>, DecodeError> {
        let mut reader = Reader::new(window, origin);
        let Some(mode) = reader.version()? else { return Ok(None) };
        let Some(next_ip) = reader.next_ip(limits)? else { return Ok(None) };
        Ok(Some((Self { mode, next_ip }, reader.position)))
    }

    fn write(&self, out: &mut impl BufMut) {
        out.put_slice(itoa::Buffer::new().format(self.mode.number()).as_bytes());
        match &self.next_ip {
            None => out.put_slice(b" ? "),
            Some(next_ip) => {
                out.put_slice(b" \"");
                out.put_slice(next_ip.to_string().as_bytes());
                out.put_slice(b"\" ");
            }
        }
    }

    fn with_body<B>(self, body: B) -> ServerPacket<B> {
        ServerPacket { header: self, body }
    }
}

impl Encoder {
    /// Appends a versioned packet to `buffer`: the header, then `body` in the extended dialect,
    /// whatever the encoder's own is (W7).
    ///
    /// ```
    /// use ubf_codec::{ClientHeader, Encoder, Version, ubf};
    ///
    /// let mut packet = Vec::new();
    /// let header = ClientHeader { mode: Version::new(10).unwrap().into() };
    /// Encoder::new().encode_versioned(&header, &ubf!({get, "colour"}), &mut packet);
    /// assert_eq!(packet, br#"10 {'get'"colour"}$"#);
    /// ```
    ///
    /// # Panics
    /// As [`encode_to`](Self::encode_to).
    pub fn encode_versioned<'a>(
        &mut self,
        header: &impl Header,
        body: impl Into<TermRef<'a>>,
        buffer: &mut impl BufMut,
    ) {
        header.write(buffer);
        self.write_extended(body.into(), buffer);
    }
}

/// Reads only the version of a packet from its first bytes; `None` if they are too few.
///
/// ```
/// use ubf_codec::{Mode, peek_version};
///
/// assert_eq!(peek_version(b"10 ? {'ok'}$")?.map(Mode::number), Some(10));
/// assert_eq!(peek_version(b"0 'ping'$")?, Some(Mode::Negotiation));
/// assert_eq!(peek_version(b"1")?, None);
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
///
/// # Errors
/// If the bytes begin with no version, by the offset from their beginning.
pub fn peek_version(input: &[u8]) -> Result<Option<Mode>, DecodeError> {
    Reader::new(input, 0).version()
}

/// Reads a header, of whose packet `spent` bytes went before `window`. L1: none of its bytes lies
/// beyond the packet's limit.
pub(crate) fn read_within<H: Header>(
    window: &[u8],
    origin: u64,
    limits: &Limits,
    spent: usize,
) -> Result<Option<(H, usize)>, DecodeError> {
    let allowed = (limits.max_packet_bytes as usize).saturating_sub(spent);
    let seen = window.get(..allowed).unwrap_or(window);
    match H::read(seen, origin, limits)? {
        None if seen.len() >= allowed => {
            let limit = ErrorKind::Limit(Limit::PacketBytes(limits.max_packet_bytes));
            Err(DecodeError::new(limit, origin + allowed as u64))
        }
        header => Ok(header),
    }
}

/// Whether a header begins in `window`, or only white space is there.
pub(crate) fn has_more(window: &[u8]) -> bool {
    leading_space(window) < window.len()
}

/// How many bytes of white space stand before a header. Commas and comments may not: a switch
/// should find the version at once.
pub(super) fn leading_space(window: &[u8]) -> usize {
    window
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        .unwrap_or(window.len())
}

struct Reader<'w> {
    window: &'w [u8],
    origin: u64,
    position: usize,
}

impl<'w> Reader<'w> {
    fn new(window: &'w [u8], origin: u64) -> Self {
        Self { window, origin, position: leading_space(window) }
    }

    fn error(&self, kind: ErrorKind, at: usize) -> DecodeError {
        DecodeError::new(kind, self.origin + at as u64)
    }

    fn rest(&self) -> &'w [u8] {
        self.window.get(self.position..).unwrap_or_default()
    }

    /// A version and the space after it.
    fn version(&mut self) -> Result<Option<Mode>, DecodeError> {
        let start = self.position;
        // Mostly, it is one digit.
        if let [digit @ b'0'..=b'9', b' ', ..] = *self.rest() {
            self.position = start + 2;
            return Ok(Mode::from_number(u32::from(digit & 0x0F)));
        }
        let Ok((rest, digits)) = lexer::digits(self.rest()) else { return Ok(None) };
        match (digits, rest) {
            ([], &[found, ..]) => return Err(self.error(ErrorKind::BadVersion { found }, start)),
            ([b'0', found, ..], _) => {
                return Err(self.error(ErrorKind::BadVersion { found: *found }, start + 1));
            }
            _ => {}
        }
        let mut number = 0_u32;
        for (place, digit) in digits.iter().enumerate() {
            number = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(u32::from(digit & 0x0F)))
                .filter(|&number| number <= Version::MAX.get())
                .ok_or_else(|| self.error(ErrorKind::VersionTooLarge, start + place))?;
        }
        self.position = start + digits.len();
        if !self.space()? {
            return Ok(None);
        }
        Ok(Mode::from_number(number))
    }

    /// A NextIP and the space after it.
    fn next_ip(&mut self, limits: &Limits) -> Result<Option<Option<NextIp>>, DecodeError> {
        let start = self.position;
        let next_ip = match *self.rest() {
            [] => return Ok(None),
            [b'?', ..] => {
                self.position += 1;
                None
            }
            [b'"', ref list @ ..] => match self.addresses(list, start + 1, limits)? {
                Some((addresses, len)) => {
                    self.position = start + len + 2;
                    Some(addresses)
                }
                None => return Ok(None),
            },
            [_, ..] => return Err(self.error(ErrorKind::BadNextIp, start)),
        };
        Ok(self.space()?.then_some(next_ip))
    }

    /// The addresses up to a closing quote, and how many bytes they take. The list begins at
    /// `start`.
    ///
    /// W15: whatever comes first is the error. Each address is counted at its first byte, and
    /// judged where it ends.
    fn addresses(
        &self,
        list: &[u8],
        start: usize,
        limits: &Limits,
    ) -> Result<Option<(NextIp, usize)>, DecodeError> {
        let max = limits.max_next_ip_bytes as usize;
        let bad = |at| self.error(ErrorKind::BadNextIp, start + at);
        let exceeds = |limit, at| self.error(ErrorKind::Limit(limit), start + at);
        let too_long = || exceeds(Limit::NextIpBytes(limits.max_next_ip_bytes), max);
        let mut addresses = Vec::new();
        let mut at = 0;
        loop {
            let Some(first) = list.get(at) else { return Ok(None) };
            if matches!(first, b',' | b'"') {
                return Err(bad(at));
            }
            if at >= max {
                return Err(too_long());
            }
            if addresses.len() >= limits.max_next_ip_addresses as usize {
                return Err(exceeds(Limit::NextIpAddresses(limits.max_next_ip_addresses), at));
            }
            // The quote, or a comma too much, may be the byte after the last that is allowed.
            let allowed = list.get(at..=max).or_else(|| list.get(at..)).unwrap_or_default();
            let Some(len) = allowed.iter().position(|byte| matches!(byte, b',' | b'"')) else {
                return if list.len() > max { Err(too_long()) } else { Ok(None) };
            };
            let text = allowed.get(..len).unwrap_or_default();
            let address = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            addresses.push(address.ok_or_else(|| bad(at))?);
            let end = at + len;
            if allowed.get(len) == Some(&b'"') {
                // At least one was pushed.
                return Ok(NextIp::new(addresses).map(|addresses| (addresses, end)));
            }
            if end >= max {
                return Err(too_long());
            }
            at = end + 1;
        }
    }

    /// P2: exactly one space. `false` if it has not come.
    fn space(&mut self) -> Result<bool, DecodeError> {
        match self.rest().first() {
            None => Ok(false),
            Some(b' ') => {
                self.position += 1;
                Ok(true)
            }
            Some(&found) => Err(self.error(ErrorKind::MissingSpace { found }, self.position)),
        }
    }
}
