//! [`tokio_util::codec`] for packets (feature `tokio`).
//!
//! | codec | reads | writes |
//! |---|---|---|
//! | [`PacketCodec`] | plain UBF(A) packets | terms |
//! | [`ServerCodec`] | what clients send | what a server sends |
//! | [`ClientCodec`] | what servers send | what a client sends |
//!
//! A buffer that holds several packets yields them all without further input, and after an error
//! every call gives the same error (W12). A packet that exceeds its limit is refused before its
//! bytes have come.

use core::fmt;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio_util::codec;

use crate::dialect::Dialect;
use crate::document::Document;
use crate::encode::{Encoder, Style};
use crate::error::DecodeError;
use crate::limits::Limits;
use crate::options::DecodeOptions;
use crate::packet::{
    ClientHeader, ClientPacket, Header, ServerHeader, ServerPacket, VersionedDecoder,
};
use crate::stream::StreamDecoder;
use crate::term::{Term, TermRef};

/// What can go wrong on a framed connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum CodecError {
    /// The peer's bytes are wrong.
    Decode(DecodeError),
    /// The transport failed.
    Io(io::Error),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Decode(error) => Some(error),
            Self::Io(error) => Some(error),
        }
    }
}

impl From<DecodeError> for CodecError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<io::Error> for CodecError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Plain UBF(A) packets: what existing peers speak.
///
/// ```
/// use bytes::BytesMut;
/// use tokio_util::codec::{Decoder as _, Encoder as _};
/// use ubf_codec::{tokio::PacketCodec, ubf};
///
/// let mut codec = PacketCodec::new();
/// let mut buffer = BytesMut::new();
/// codec.encode(&ubf!({ok, "Joe"}), &mut buffer)?;
/// assert_eq!(&buffer[..], b"{'ok'\"Joe\"}$");
/// assert_eq!(codec.decode(&mut buffer)?.unwrap().to_string(), "{ok,\"Joe\"}");
/// # Ok::<(), ubf_codec::tokio::CodecError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PacketCodec {
    decoder: StreamDecoder,
    encoder: Encoder,
}

impl PacketCodec {
    /// A codec for the extended dialect, with the default limits, that writes in the plain style.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This codec with other options for what the peer sends. What is sent is in the same dialect.
    #[must_use]
    pub fn with_options(self, options: DecodeOptions) -> Self {
        Self {
            decoder: self.decoder.with_options(options),
            encoder: self.encoder.with_dialect(options.dialect),
        }
    }

    /// This codec for another dialect (W7).
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        Self {
            decoder: self.decoder.with_dialect(dialect),
            encoder: self.encoder.with_dialect(dialect),
        }
    }

    /// This codec with other limits for what the peer sends (L1).
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { decoder: self.decoder.with_limits(limits), ..self }
    }

    /// Whether `\x` in a text stands for `x`: see
    /// [`Decoder::with_any_escape`](crate::Decoder::with_any_escape).
    #[must_use]
    pub fn with_any_escape(self, any_escape: bool) -> Self {
        Self { decoder: self.decoder.with_any_escape(any_escape), ..self }
    }

    /// This codec with another style for what is sent.
    #[must_use]
    pub fn with_style(self, style: Style) -> Self {
        Self { encoder: self.encoder.with_style(style), ..self }
    }
}

impl codec::Decoder for PacketCodec {
    type Item = Document<Bytes>;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Self::Item>, CodecError> {
        let packet = self.decoder.decode(buffer)?;
        if packet.is_none() {
            // A large binary is read into its place.
            self.decoder.reserve(buffer, 0);
        }
        Ok(packet)
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Self::Item>, CodecError> {
        let packet = self.decoder.decode(buffer)?;
        if packet.is_none() {
            self.decoder.finish(buffer)?;
            // What is left is white space, which `Framed` would otherwise hold against the peer.
            buffer.clear();
        }
        Ok(packet)
    }
}

impl codec::Encoder<TermRef<'_>> for PacketCodec {
    type Error = CodecError;

    fn encode(&mut self, term: TermRef<'_>, buffer: &mut BytesMut) -> Result<(), CodecError> {
        self.encoder.encode_to(term, buffer);
        Ok(())
    }
}

impl codec::Encoder<&Term> for PacketCodec {
    type Error = CodecError;

    fn encode(&mut self, term: &Term, buffer: &mut BytesMut) -> Result<(), CodecError> {
        self.encode(term.as_ref(), buffer)
    }
}

impl codec::Encoder<Term> for PacketCodec {
    type Error = CodecError;

    fn encode(&mut self, term: Term, buffer: &mut BytesMut) -> Result<(), CodecError> {
        self.encode(term.as_ref(), buffer)
    }
}

/// Versioned packets as a server sees them.
pub type ServerCodec = VersionedCodec<ClientHeader>;

/// Versioned packets as a client sees them.
pub type ClientCodec = VersionedCodec<ServerHeader>;

/// Versioned packets; `H` is the header of what is read.
///
/// ```
/// use bytes::BytesMut;
/// use tokio_util::codec::{Decoder as _, Encoder as _};
/// use ubf_codec::tokio::{ClientCodec, ServerCodec};
/// use ubf_codec::{ClientHeader, ClientPacket, ServerHeader, ServerPacket, Version, ubf};
///
/// let mode = Version::new(3).unwrap().into();
/// let (mut client, mut server) = (ClientCodec::new(), ServerCodec::new());
/// let mut wire = BytesMut::new();
///
/// let request = ClientPacket { header: ClientHeader { mode }, body: ubf!({get, "colour"}) };
/// client.encode(request, &mut wire)?;
/// assert_eq!(&wire[..], b"3 {'get'\"colour\"}$");
/// assert_eq!(server.decode(&mut wire)?.unwrap().body.to_string(), "{get,\"colour\"}");
///
/// let header = ServerHeader { mode, next_ip: None };
/// server.encode(ServerPacket { header, body: ubf!({"blue", start}) }, &mut wire)?;
/// assert_eq!(&wire[..], b"3 ? {\"blue\"'start'}$");
/// # Ok::<(), ubf_codec::tokio::CodecError>(())
/// ```
#[derive(Clone, Debug)]
pub struct VersionedCodec<H> {
    decoder: VersionedDecoder<H>,
    encoder: Encoder,
}

impl<H: Header> Default for VersionedCodec<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Header> VersionedCodec<H> {
    /// A codec with the default limits, that writes in the plain style.
    #[must_use]
    pub fn new() -> Self {
        Self { decoder: VersionedDecoder::new(), encoder: Encoder::new() }
    }

    /// This codec with other limits for what the peer sends (L1).
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { decoder: self.decoder.with_limits(limits), ..self }
    }

    /// This codec with another style for what is sent.
    #[must_use]
    pub fn with_style(self, style: Style) -> Self {
        Self { encoder: self.encoder.with_style(style), ..self }
    }
}

impl<H: Header> codec::Decoder for VersionedCodec<H> {
    type Item = H::Packet<Document<Bytes>>;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Self::Item>, CodecError> {
        let packet = self.decoder.decode(buffer)?;
        if packet.is_none() {
            self.decoder.reserve(buffer, 0);
        }
        Ok(packet)
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Self::Item>, CodecError> {
        let packet = self.decoder.decode(buffer)?;
        if packet.is_none() {
            self.decoder.finish(buffer)?;
            buffer.clear();
        }
        Ok(packet)
    }
}

impl codec::Encoder<ServerPacket<Term>> for ServerCodec {
    type Error = CodecError;

    fn encode(
        &mut self,
        packet: ServerPacket<Term>,
        buffer: &mut BytesMut,
    ) -> Result<(), CodecError> {
        self.encoder.encode_versioned(&packet.header, &packet.body, buffer);
        Ok(())
    }
}

/// A body that was received can be sent on.
impl codec::Encoder<ServerPacket<TermRef<'_>>> for ServerCodec {
    type Error = CodecError;

    fn encode(
        &mut self,
        packet: ServerPacket<TermRef<'_>>,
        buffer: &mut BytesMut,
    ) -> Result<(), CodecError> {
        self.encoder.encode_versioned(&packet.header, packet.body, buffer);
        Ok(())
    }
}

/// A body that was received can be sent on.
impl codec::Encoder<ClientPacket<TermRef<'_>>> for ClientCodec {
    type Error = CodecError;

    fn encode(
        &mut self,
        packet: ClientPacket<TermRef<'_>>,
        buffer: &mut BytesMut,
    ) -> Result<(), CodecError> {
        self.encoder.encode_versioned(&packet.header, packet.body, buffer);
        Ok(())
    }
}

impl codec::Encoder<ClientPacket<Term>> for ClientCodec {
    type Error = CodecError;

    fn encode(
        &mut self,
        packet: ClientPacket<Term>,
        buffer: &mut BytesMut,
    ) -> Result<(), CodecError> {
        self.encoder.encode_versioned(&packet.header, &packet.body, buffer);
        Ok(())
    }
}
