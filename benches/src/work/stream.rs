//! Streams: many small packets, headers, and one long packet in pieces (W12).

use std::hint::black_box;
use std::rc::Rc;

use bytes::BytesMut;
use serde::de::IgnoredAny;
use ubf_codec::{
    ClientHeader, Decoder, Encoder, Header as _, Limits, Mode, ServerHeader, StreamDecoder,
    peek_version,
};

use super::{Bench, UBF, Work, ubf};
use crate::Error;
use crate::data;
use crate::formats::{json, ubf as format};

/// A thousand times `rpc`, one after the other, and the headers of versioned packets.
pub(super) const RPC_STREAM: &str = "rpc stream";
/// A string of 64 MiB.
pub(super) const LONG_TEXT: &str = "long text";

const PACKETS: usize = 1000;
const LONG_TEXT_BYTES: usize = 64 << 20;
const PIECE_BYTES: usize = 1 << 10;

pub(super) fn rpc_stream(bench: &mut Bench) -> Result<(), Error> {
    let document = data::document("rpc").ok_or("there is an rpc")?;
    let stream: Rc<[u8]> =
        Encoder::new().encode(&format::term(&document.value)).repeat(PACKETS).into();
    let bytes = stream.len();
    bench.check(UBF, &lengths(&mut Decoder::new(), &stream), &PACKETS)?;
    bench.check(UBF, &Decoder::new().packets(&stream).filter(Result::is_ok).count(), &PACKETS)?;

    let (mut decoder, input) = (Decoder::new(), Rc::clone(&stream));
    bench.add(Work::Split, "ubf-codec, lengths only", bytes, move || {
        black_box(lengths(&mut decoder, black_box(&input)));
    });
    let (mut decoder, input) = (Decoder::new(), Rc::clone(&stream));
    bench.add(Work::Split, UBF, bytes, move || {
        let mut packets = decoder.packets(black_box(&input));
        while let Some(Ok(packet)) = packets.next() {
            packets.recycle(black_box(packet));
        }
    });
    let text: Rc<[u8]> = serde_json::to_vec(&json::json(&document.value))?.repeat(PACKETS).into();
    let read =
        |text: &[u8]| serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>().count();
    bench.check("serde_json", &read(&text), &PACKETS)?;
    let input = Rc::clone(&text);
    bench.add(Work::Split, "serde_json IgnoredAny", text.len(), move || {
        black_box(read(black_box(&input)));
    });
    bench.add(Work::Split, "serde_json Value", text.len(), move || {
        let values =
            serde_json::Deserializer::from_slice(black_box(&text)).into_iter::<serde_json::Value>();
        values.for_each(|value| drop(black_box(value)));
    });

    let limits = Limits::default();
    let client = b"10 {'call'4711}$";
    let server = b"10 \"192.0.2.7:4000,[2001:db8::1]:4000\" {'ok''start'}$";
    let stays = b"10 ? {'ok''start'}$";
    let before_body = |packet: &[u8]| packet.iter().position(|&byte| byte == b'{');
    bench.check(UBF, &peek_version(client)?.map(Mode::number), &Some(10))?;
    bench.check(
        UBF,
        &ClientHeader::read(client, 0, &limits)?.map(|(_header, length)| length),
        &before_body(client),
    )?;
    for packet in [&stays[..], server] {
        let length = ServerHeader::read(packet, 0, &limits)?.map(|(_header, length)| length);
        bench.check(UBF, &length, &before_body(packet))?;
    }
    bench.add(Work::Header, "ubf-codec, version only", 3, move || {
        black_box(peek_version(black_box(client)).is_ok());
    });
    bench.add(Work::Header, "ubf-codec, of a client", 3, move || {
        black_box(ClientHeader::read(black_box(client), 0, &limits).is_ok());
    });
    bench.add(Work::Header, "ubf-codec, of a server", 5, move || {
        black_box(ServerHeader::read(black_box(stays), 0, &limits).is_ok());
    });
    bench.add(Work::Header, "ubf-codec, of a server, two addresses", 39, move || {
        black_box(ServerHeader::read(black_box(server), 0, &limits).is_ok());
    });
    Ok(())
}

/// How many packets there are, found by their lengths.
fn lengths(decoder: &mut Decoder, stream: &[u8]) -> usize {
    let (mut rest, mut count) = (stream, 0);
    while let Ok(Some(length)) = decoder.packet_len(rest) {
        rest = rest.get(length..).unwrap_or_default();
        count += 1;
    }
    count
}

pub(super) fn long_text(bench: &mut Bench) -> Result<(), Error> {
    let packet: Rc<[u8]> = [&b"\""[..], &b"x".repeat(LONG_TEXT_BYTES), b"\"$"].concat().into();
    let bytes = packet.len();
    for (by, piece_bytes) in
        [("ubf-codec, at once", bytes), ("ubf-codec, in pieces of 1 KiB", PIECE_BYTES)]
    {
        // Both have a buffer of the final size, so that it is the decoder that is measured and not
        // the allocator.
        let (input, mut buffer) = (Rc::clone(&packet), BytesMut::with_capacity(bytes));
        let mut decode = move || {
            let mut decoder = StreamDecoder::new().with_limits(ubf::limits());
            buffer.clear();
            for piece in input.chunks(piece_bytes) {
                buffer.extend_from_slice(piece);
                match decoder.decode(&mut buffer) {
                    Ok(None) => {}
                    Ok(Some(packet)) => {
                        let length = packet.source().len();
                        drop(packet);
                        // The bytes are nobody else's once the packet is gone: the buffer takes
                        // them back.
                        let _is_whole = buffer.try_reclaim(bytes);
                        return length;
                    }
                    Err(_) => return 0,
                }
            }
            0
        };
        bench.check(by, &decode(), &bytes)?;
        bench.add(Work::LongText, by, bytes, move || {
            black_box(decode());
        });
    }
    Ok(())
}
