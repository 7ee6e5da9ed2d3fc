//! A stream says the same however it is cut (W12).

use super::Scenario;
use ubf_conformance::implementation::Implementation;
use ubf_conformance::ours::{Codec, end_of, stream, stream_decoder};
use ubf_conformance::outcome::{End, Outcome};
use ubf_conformance::settings::Settings;

/// The first four bytes are the lengths of the pieces, used in turn; the rest is a scenario.
pub fn decode_chunks(bytes: &[u8]) {
    let Some((lengths, bytes)) = bytes.split_first_chunk::<4>() else { return };
    let scenario = Scenario::read(bytes);
    let Scenario { settings, input, .. } = &scenario;
    let whole = Codec.decode(input, settings).unwrap();

    let pieces = pieces(input, lengths);
    assert_eq!(
        stream(settings, pieces.iter().copied()),
        whole,
        "in pieces of {lengths:?}: {scenario:?}"
    );
    assert_eq!(stream(settings, input.chunks(1)), whole, "byte by byte: {scenario:?}");
    assert_eq!(
        windows(settings, input, &pieces),
        whole,
        "in windows, pieces of {lengths:?}: {scenario:?}"
    );
}

fn pieces<'a>(mut input: &'a [u8], lengths: &[u8; 4]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        // A read may bring nothing; a whole round of nothing would never end.
        let length = if *length == 0 && !pieces.last().is_none_or(|piece: &&[u8]| piece.is_empty())
        {
            0
        } else {
            1 + length % 64
        };
        let Some((piece, rest)) = input.split_at_checked(length.into()) else { break };
        pieces.push(piece);
        input = rest;
    }
    pieces.push(input);
    pieces
}

/// The same through `decode_slice`: each window begins after the last packet and ends with what has
/// arrived.
fn windows(settings: &Settings, input: &[u8], pieces: &[&[u8]]) -> Outcome {
    let mut decoder = stream_decoder(settings);
    let mut packets = Vec::new();
    let (mut start, mut arrived) = (0, 0);
    for piece in pieces {
        arrived += piece.len();
        loop {
            let window = input.get(start..arrived).unwrap();
            match decoder.decode_slice(window) {
                Ok(Some(document)) => {
                    assert!(
                        window.starts_with(document.source()),
                        "the packet is the window's beginning"
                    );
                    packets.push(document.root().postfix().to_string());
                    start += document.source().len();
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(
                        decoder.decode_slice(window).err(),
                        Some(error),
                        "an error is final"
                    );
                    assert_eq!(decoder.finish(window).err(), Some(error), "an error is final");
                    return Outcome { packets, end: end_of(&error, input.len()) };
                }
            }
        }
    }
    let finished = decoder.finish(input.get(start..).unwrap());
    let end = finished.map_or_else(|error| end_of(&error, input.len()), |()| End::Complete);
    Outcome { packets, end }
}
