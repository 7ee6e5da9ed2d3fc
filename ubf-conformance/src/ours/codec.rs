//! The implementations at hand: the codec from a slice, and the codec from a stream.

use bytes::BytesMut;
use ubf_codec::{
    ClientHeader, ClientPacket, DecodeError, Decoder, Document, Encoder, Mode, ServerHeader,
    ServerPacket, Source, StreamDecoder, VersionedDecoder,
};

use super::postfix;
use crate::contracts::Question;
use crate::implementation::{Answer, Implementation, Refusal, Style};
use crate::outcome::{End, Outcome, Packet, Side};
use crate::settings::{Dialect, Limits, Settings};

/// The codec, reading a slice.
#[derive(Debug, Default)]
pub struct Codec;

impl Implementation for Codec {
    fn name(&self) -> String {
        "ubf-codec, slices".to_owned()
    }

    fn contract(&self, question: &Question) -> Answer<String> {
        super::contracts::answer(question).map_err(Refusal::Failed)
    }

    fn decode(&self, input: &[u8], settings: &Settings) -> Answer<Outcome> {
        let mut packets = Vec::new();
        let mut end = End::Complete;
        for packet in decoder(settings).packets(input) {
            match packet {
                Ok(document) => packets.push(document.root().postfix().to_string()),
                Err(error) => end = end_of(&error, input.len()),
            }
        }
        Ok(Outcome { packets, end })
    }

    fn decode_one(&self, input: &[u8], settings: &Settings) -> Answer<Outcome> {
        Ok(match decoder(settings).decode(input) {
            Ok(document) => {
                Outcome { packets: vec![document.root().postfix().to_string()], end: End::Complete }
            }
            Err(error) => Outcome { packets: Vec::new(), end: end_of(&error, input.len()) },
        })
    }

    fn decode_packets(&self, side: Side, input: &[u8], limits: &Limits) -> Answer<Outcome<Packet>> {
        let mut decoder = Decoder::new().with_limits(limits.into());
        let mut packets = Vec::new();
        let mut end = End::Complete;
        match side {
            Side::Client => {
                for packet in decoder.client_packets(input) {
                    match packet {
                        Ok(packet) => packets.push(from_client(&packet)),
                        Err(error) => end = end_of(&error, input.len()),
                    }
                }
            }
            Side::Server => {
                for packet in decoder.server_packets(input) {
                    match packet {
                        Ok(packet) => packets.push(from_server(&packet)),
                        Err(error) => end = end_of(&error, input.len()),
                    }
                }
            }
        }
        Ok(Outcome { packets, end })
    }

    fn encode(&self, term: &str, style: Style, dialect: Dialect) -> Answer<Vec<u8>> {
        let term = postfix::term(term).map_err(Refusal::Failed)?;
        let style = match style {
            Style::Plain => ubf_codec::Style::Plain,
            Style::Cached => ubf_codec::Style::Cached,
        };
        Ok(Encoder::new().with_dialect(dialect.into()).with_style(style).encode(&term))
    }
}

/// The codec, reading exactly one versioned packet.
pub fn one_versioned(side: Side, input: &[u8], limits: &Limits) -> Outcome<Packet> {
    let mut decoder = Decoder::new().with_limits(limits.into());
    let packet = match side {
        Side::Client => {
            decoder.decode_client(input).as_ref().map(from_client).map_err(|error| *error)
        }
        Side::Server => {
            decoder.decode_server(input).as_ref().map(from_server).map_err(|error| *error)
        }
    };
    match packet {
        Ok(packet) => Outcome { packets: vec![packet], end: End::Complete },
        Err(error) => Outcome { packets: Vec::new(), end: end_of(&error, input.len()) },
    }
}

/// The codec's decoder with these settings.
pub fn decoder(settings: &Settings) -> Decoder {
    Decoder::new()
        .with_dialect(settings.dialect.into())
        .with_limits((&settings.limits).into())
        .with_any_escape(settings.any_escape)
}

/// The codec's decoder of streams with these settings.
pub fn stream_decoder(settings: &Settings) -> StreamDecoder {
    StreamDecoder::new()
        .with_dialect(settings.dialect.into())
        .with_limits((&settings.limits).into())
        .with_any_escape(settings.any_escape)
}

fn from_client<S: Source>(packet: &ClientPacket<Document<S>>) -> Packet {
    versioned(packet.header.mode, None, &packet.body)
}

fn from_server<S: Source>(packet: &ServerPacket<Document<S>>) -> Packet {
    let next_ip = packet.header.next_ip.as_ref().map_or("?".to_owned(), ToString::to_string);
    versioned(packet.header.mode, Some(next_ip), &packet.body)
}

fn versioned<S: Source>(mode: Mode, next_ip: Option<String>, body: &Document<S>) -> Packet {
    let version = match mode {
        Mode::Negotiation => 0,
        Mode::Version(version) => version.get(),
    };
    Packet {
        version,
        next_ip,
        body: body.source().to_vec(),
        term: body.root().postfix().to_string(),
    }
}

/// The codec's error as the end of a stream of that length.
pub fn end_of(error: &DecodeError, length: usize) -> End {
    let offset = usize::try_from(error.offset()).unwrap_or(usize::MAX);
    // W12: that a packet has not ended is seen at the end of the input, and nowhere else.
    if error.is_incomplete() && offset == length {
        return End::Incomplete;
    }
    End::Error { code: error.kind().code().to_owned(), offset }
}

/// The codec, reading a stream: short ones byte by byte, longer ones in pieces.
#[derive(Debug, Default)]
pub struct CodecStream;

impl Implementation for CodecStream {
    fn name(&self) -> String {
        "ubf-codec, streams".to_owned()
    }

    fn decode(&self, input: &[u8], settings: &Settings) -> Answer<Outcome> {
        Ok(stream(settings, input.chunks(piece_bytes(input))))
    }

    fn decode_cut(&self, input: &[u8], settings: &Settings, cut: usize) -> Answer<Outcome> {
        let (first, second) = input.split_at_checked(cut).unwrap_or((input, &[]));
        Ok(stream(settings, [first, second].into_iter()))
    }

    fn decode_one(&self, _: &[u8], _: &Settings) -> Answer<Outcome> {
        Err(Refusal::Unsupported)
    }

    fn decode_packets(&self, side: Side, input: &[u8], limits: &Limits) -> Answer<Outcome<Packet>> {
        Ok(versioned_stream(side, limits, input.chunks(piece_bytes(input))))
    }

    fn decode_packets_cut(
        &self,
        side: Side,
        input: &[u8],
        limits: &Limits,
        cut: usize,
    ) -> Answer<Outcome<Packet>> {
        let (first, second) = input.split_at_checked(cut).unwrap_or((input, &[]));
        Ok(versioned_stream(side, limits, [first, second].into_iter()))
    }

    fn encode(&self, _: &str, _: Style, _: Dialect) -> Answer<Vec<u8>> {
        Err(Refusal::Unsupported)
    }
}

/// All prefixes of an input are fed, so that the time grows with the square of its length, or with
/// its cube.
fn piece_bytes(input: &[u8]) -> usize {
    match input.len() {
        0..500 => 1,
        500..65_536 => 17,
        _ => 4_096,
    }
}

/// Feeds the pieces to a `StreamDecoder` and takes out each packet as soon as it is there.
pub fn stream<'a>(settings: &Settings, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = stream_decoder(settings);
    feed(pieces, |event| match event {
        Event::Arrived(buffer) => {
            Ok(decoder.decode(buffer)?.map(|document| document.root().postfix().to_string()))
        }
        Event::Ended(rest) => decoder.finish(rest).map(|()| None),
    })
}

/// Feeds the pieces to a `VersionedDecoder` and takes out each packet as soon as it is there.
pub fn versioned_stream<'a>(
    side: Side,
    limits: &Limits,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Outcome<Packet> {
    match side {
        Side::Client => {
            let mut decoder = VersionedDecoder::<ClientHeader>::new().with_limits(limits.into());
            feed(pieces, |event| match event {
                Event::Arrived(buffer) => Ok(decoder.decode(buffer)?.as_ref().map(from_client)),
                Event::Ended(rest) => decoder.finish(rest).map(|()| None),
            })
        }
        Side::Server => {
            let mut decoder = VersionedDecoder::<ServerHeader>::new().with_limits(limits.into());
            feed(pieces, |event| match event {
                Event::Arrived(buffer) => Ok(decoder.decode(buffer)?.as_ref().map(from_server)),
                Event::Ended(rest) => decoder.finish(rest).map(|()| None),
            })
        }
    }
}

/// What a decoder of streams is told.
enum Event<'a> {
    /// There may be a packet in the buffer.
    Arrived(&'a mut BytesMut),
    /// Nothing follows these bytes.
    Ended(&'a [u8]),
}

fn feed<'a, P>(
    pieces: impl Iterator<Item = &'a [u8]>,
    mut decoder: impl FnMut(Event<'_>) -> Result<Option<P>, DecodeError>,
) -> Outcome<P> {
    let mut buffer = BytesMut::new();
    let mut packets = Vec::new();
    let mut length = 0;
    for piece in pieces {
        length += piece.len();
        buffer.extend_from_slice(piece);
        loop {
            match decoder(Event::Arrived(&mut buffer)) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(
                        decoder(Event::Arrived(&mut buffer)).err(),
                        Some(error),
                        "an error is final"
                    );
                    return Outcome { packets, end: end_of(&error, length) };
                }
            }
        }
    }
    let end = match decoder(Event::Ended(&buffer)) {
        Ok(_) => End::Complete,
        Err(error) => end_of(&error, length),
    };
    Outcome { packets, end }
}
