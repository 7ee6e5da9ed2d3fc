//! Packets one after the other out of an input, with no more in memory than a packet and a buffer.

use std::io;

use bytes::{Bytes, BytesMut};
use ubf_codec::{
    ClientHeader, DecodeError, Document, ServerHeader, StreamDecoder, VersionedDecoder,
};

use crate::packets::hints::{self, Evidence, Reading};
use crate::packets::input::{HexError, Input, InputError};
use crate::packets::side::Side;
use crate::ui::excerpt::Excerpt;
use crate::ui::output::Output;
use crate::ui::report::Report;

/// Bytes that are kept of what stands before a body, to show them in messages. Chosen: a long
/// header.
const HEADER_BYTES: usize = 2048;

/// The packets of an input.
pub(crate) struct PacketStream {
    input: Input,
    reading: Reading,
    decoder: AnyDecoder,
    /// What has come since the last packet, but for a header that the decoder has taken already.
    buffer: BytesMut,
    /// That header.
    header: Vec<u8>,
    /// Bytes of the input that have come.
    filled: u64,
    /// Bytes of the input that belong to the packets so far.
    consumed: u64,
    packet_count: u64,
}

/// A packet, and where it begins.
pub(crate) struct Packet {
    /// Offset in the input of the byte after the previous packet's `$`.
    pub(crate) start: u64,
    pub(crate) header: Option<Header>,
    pub(crate) document: Document<Bytes>,
}

/// What stands before the body of a versioned packet.
pub(crate) enum Header {
    Client(ClientHeader),
    Server(ServerHeader),
}

/// A packet's header, if it has one, and its body.
type Decoded = (Option<Header>, Document<Bytes>);

enum AnyDecoder {
    Plain(StreamDecoder),
    Client(VersionedDecoder<ClientHeader>),
    Server(VersionedDecoder<ServerHeader>),
}

impl AnyDecoder {
    fn new(reading: &Reading) -> Self {
        match reading.side {
            None => Self::Plain(
                StreamDecoder::new()
                    .with_dialect(reading.dialect)
                    .with_any_escape(reading.any_escape)
                    .with_limits(reading.limits),
            ),
            Some(Side::Client) => Self::Client(VersionedDecoder::new().with_limits(reading.limits)),
            Some(Side::Server) => Self::Server(VersionedDecoder::new().with_limits(reading.limits)),
        }
    }

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Decoded>, DecodeError> {
        Ok(match self {
            Self::Plain(decoder) => decoder.decode(buffer)?.map(|document| (None, document)),
            Self::Client(decoder) => decoder
                .decode(buffer)?
                .map(|packet| (Some(Header::Client(packet.header)), packet.body)),
            Self::Server(decoder) => decoder
                .decode(buffer)?
                .map(|packet| (Some(Header::Server(packet.header)), packet.body)),
        })
    }

    fn recycle(&mut self, document: Document<Bytes>) {
        match self {
            Self::Plain(decoder) => decoder.recycle(document),
            Self::Client(_) | Self::Server(_) => {}
        }
    }

    fn finish(&mut self, rest: &[u8]) -> Result<(), DecodeError> {
        match self {
            Self::Plain(decoder) => decoder.finish(rest),
            Self::Client(decoder) => decoder.finish(rest),
            Self::Server(decoder) => decoder.finish(rest),
        }
    }
}

/// Why a command cannot go on with an input.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The input is wrong.
    Wrong(Box<WrongPacket>),
    /// The input is no hex.
    Hex(HexError),
    /// The input cannot be read.
    Read(io::Error),
    /// Stdout cannot be written: a matter of the whole program.
    Write(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<InputError> for Trouble {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Io(error) => Self::Read(error),
            InputError::Hex(error) => Self::Hex(error),
        }
    }
}

/// An error with all that can be said about it.
#[derive(Debug)]
pub(crate) struct WrongPacket {
    pub(crate) error: DecodeError,
    /// Which packet of the input, counted from 1, and where it begins.
    pub(crate) packet: u64,
    pub(crate) start: u64,
    pub(crate) excerpt: Excerpt,
    pub(crate) hint: Option<String>,
}

impl WrongPacket {
    /// The message in one line, and the hint.
    pub(crate) fn brief(&self, input_name: &str) -> Report {
        Report::new(format!("{input_name}: {}", self.error)).with_hint(self.hint.as_deref())
    }

    /// The message with the place and the rule.
    pub(crate) fn full(&self, input_name: &str) -> Report {
        let rule = self.error.kind().rule();
        let mut report = self
            .brief(input_name)
            .with_excerpt(self.excerpt.clone())
            .with_remark(format!("rule {rule}: {}", hints::rule_sentence(rule)));
        if self.packet > 1 {
            report = report.with_remark(format!(
                "in packet {}, which begins at byte {}",
                self.packet, self.start
            ));
        }
        report
    }
}

impl PacketStream {
    pub(crate) fn new(input: Input, reading: Reading) -> Self {
        Self {
            input,
            reading,
            decoder: AnyDecoder::new(&reading),
            buffer: BytesMut::new(),
            header: Vec::new(),
            filled: 0,
            consumed: 0,
            packet_count: 0,
        }
    }

    /// What people call the input.
    pub(crate) fn name(&self) -> &str {
        self.input.name()
    }

    /// The next packet; `None` at the end of the input. Shows what was written so far before it
    /// waits for more.
    pub(crate) fn next(&mut self, output: &mut Output) -> Result<Option<Packet>, Trouble> {
        loop {
            if let Some(packet) = self.decode()? {
                return Ok(Some(packet));
            }
            output.flush()?;
            let before = self.buffer.len();
            let is_more = self.input.fill(&mut self.buffer);
            self.filled += (self.buffer.len() - before) as u64;
            if !is_more? {
                self.decoder.finish(&self.buffer).map_err(|error| self.wrong(error))?;
                return Ok(None);
            }
        }
    }

    fn decode(&mut self) -> Result<Option<Packet>, Trouble> {
        let before = self.buffer.len();
        let head_bytes = if self.reading.side.is_some() { before.min(HEADER_BYTES) } else { 0 };
        let mut head = self.buffer.get(..head_bytes).unwrap_or_default().to_vec();
        let decoded = self.decoder.decode(&mut self.buffer);
        if let Ok(Some((header, document))) = decoded {
            let start = self.consumed;
            self.consumed = self.filled - self.buffer.len() as u64;
            self.packet_count += 1;
            self.header.clear();
            return Ok(Some(Packet { start, header, document }));
        }
        head.truncate(before - self.buffer.len());
        self.header.append(&mut head);
        decoded.map(|_| None).map_err(|error| self.wrong(error))
    }

    /// Gives the memory of a packet back, for the next one.
    pub(crate) fn recycle(&mut self, packet: Packet) {
        self.decoder.recycle(packet.document);
    }

    /// The bytes after the last packet.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer
    }

    /// Offset in the input of the first of them.
    pub(crate) const fn consumed(&self) -> u64 {
        self.consumed
    }

    fn wrong(&self, error: DecodeError) -> Trouble {
        let packet = [self.header.as_slice(), &self.buffer].concat();
        // All but very long white space before a header is here.
        let start = self.filled - packet.len() as u64;
        let at = usize::try_from(error.offset().saturating_sub(start)).unwrap_or(usize::MAX);
        let evidence = Evidence { packet: &packet, header_bytes: self.header.len(), start };
        Trouble::Wrong(Box::new(WrongPacket {
            error,
            packet: self.packet_count + 1,
            start: self.consumed,
            excerpt: Excerpt::of(&packet, at),
            hint: hints::hint(&error, evidence, &self.reading),
        }))
    }
}
