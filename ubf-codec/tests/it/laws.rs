//! The laws of the codec, for terms and bytes that nobody chose.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use ubf_codec::{
    ClientHeader, DecodeError, Decoder, Dialect, Document, Encoder, Header as _, Limits, Mode,
    Operator, StreamDecoder, Style, Term, Tracer, VersionedDecoder,
};

use crate::support::{
    limits, long_packets, packet_like_bytes, terms, with_shortest_floats, without_undefined,
};

const STYLES: [Style; 4] = [Style::Plain, Style::Cached, Style::Pretty, Style::Stock];

fn encode(term: &Term, dialect: Dialect, style: Style) -> Vec<u8> {
    Encoder::new().with_dialect(dialect).with_style(style).encode(term)
}

/// All packets of `stream`, which comes in pieces that end at `cuts`, and how it ended.
fn decode_in_pieces(
    mut decoder: StreamDecoder,
    stream: &[u8],
    cuts: impl IntoIterator<Item = usize>,
) -> (Vec<Term>, Result<(), DecodeError>) {
    let mut packets = Vec::new();
    let mut buffer = BytesMut::new();
    let mut fed = 0;
    for cut in cuts.into_iter().chain([stream.len()]) {
        let cut = cut.clamp(fed, stream.len());
        buffer.extend_from_slice(&stream[fed..cut]);
        fed = cut;
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(packet)) => packets.push(packet.to_term()),
                Ok(None) => break,
                Err(error) => return (packets, Err(error)),
            }
        }
    }
    (packets, decoder.finish(&buffer))
}

/// How many packets the tracer sees in `stream`, and how it ends. The tracer counts from the first
/// byte on.
fn trace(stream: &[u8], dialect: Dialect, limits: Limits) -> (usize, Result<(), DecodeError>) {
    let mut tracer = Tracer::new(stream, dialect, limits);
    let mut packets = 0;
    loop {
        match tracer.step() {
            Ok(Some(step)) => packets += usize::from(step.operator == Operator::End),
            Ok(None) => return (packets, Ok(())),
            Err(error) => return (packets, Err(error)),
        }
    }
}

/// `PROPTEST_CASES` asks for more.
fn cases() -> ProptestConfig {
    let more = ProptestConfig::default().cases;
    ProptestConfig::with_cases(more.max(400))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_encoded_is_decoded(term in terms()) {
        for style in STYLES {
            let packet = encode(&term, Dialect::Extended, style);
            let decoded = ubf_codec::decode(packet.trim_ascii_end()).unwrap().to_term();
            prop_assert_eq!(decoded, term.clone(), "{:?}", style);

            let packet = encode(&term, Dialect::Classic, style);
            let mut classic = Decoder::new().with_dialect(Dialect::Classic);
            let decoded = classic.decode(packet.trim_ascii_end()).unwrap().to_term();
            prop_assert_eq!(decoded, without_undefined(&term), "{:?}", style);
        }
    }

    #[test]
    fn cached_is_never_longer_than_plain(term in terms()) {
        for dialect in [Dialect::Extended, Dialect::Classic] {
            let cached = encode(&term, dialect, Style::Cached);
            prop_assert!(cached.len() <= encode(&term, dialect, Style::Plain).len());
            // A second time, and with memory that was used before, the same bytes come out.
            let mut encoder = Encoder::new().with_dialect(dialect).with_style(Style::Cached);
            encoder.encode(&Term::from("something else"));
            prop_assert_eq!(encoder.encode(&term), cached);
        }
    }

    #[test]
    fn borrowed_shared_and_owned_are_the_same(term in terms()) {
        let packet = encode(&term, Dialect::Extended, Style::Cached);
        let mut decoder = Decoder::new();
        let shared = decoder.decode_shared(Bytes::from(packet.clone())).unwrap();
        let borrowed = decoder.decode(&packet).unwrap();
        prop_assert_eq!(borrowed.root(), shared.root());
        prop_assert_eq!(borrowed.to_term(), shared.to_term());
        prop_assert_eq!(borrowed.summary(), shared.summary());
        prop_assert_eq!(decoder.check(&packet).unwrap(), shared.summary());

        let twice = [&packet[..], b"\n", &packet, b" "].concat();
        let packets = decoder.packets(&twice);
        let one_by_one: Vec<Term> = packets.map(|packet| packet.unwrap().to_term()).collect();
        let kept: Vec<_> = decoder.packets_shared(Bytes::from(twice)).map(Result::unwrap).collect();
        prop_assert_eq!(&one_by_one, &[term.clone(), term]);
        prop_assert_eq!(one_by_one, kept.iter().map(Term::from).collect::<Vec<_>>());
    }

    #[test]
    fn printed_terms_are_parsed(term in terms()) {
        let parsed = term.to_string().parse::<Term>().unwrap();
        prop_assert_eq!(parsed, with_shortest_floats(&term));
    }

    #[test]
    fn cuts_do_not_matter(
        sent in vec((terms(), 0_usize..3), 0..4),
        tail in packet_like_bytes(),
        mut cuts in vec(0_usize..400, 0..12),
    ) {
        let mut stream = Vec::new();
        for (term, style) in &sent {
            stream.extend(encode(term, Dialect::Extended, STYLES[*style]));
            stream.push(b'\n');
        }
        stream.extend(tail);
        cuts.sort_unstable();
        let whole = decode_in_pieces(StreamDecoder::new(), &stream, []);
        prop_assert!(whole.0.len() >= sent.len());
        prop_assert_eq!(&decode_in_pieces(StreamDecoder::new(), &stream, cuts), &whole);
        prop_assert_eq!(&decode_in_pieces(StreamDecoder::new(), &stream, 0..stream.len()), &whole);
    }

    #[test]
    fn small_limits_hold_wherever_the_cuts_are(
        stream in packet_like_bytes(),
        max_packet_bytes in 0_u32..60,
        max_depth in 0_u32..4,
        max_expanded_nodes in 0_u64..12,
        max_expanded_bytes in 0_u64..20,
    ) {
        let limits = Limits::default()
            .with_max_packet_bytes(max_packet_bytes)
            .with_max_depth(max_depth)
            .with_max_expanded_nodes(max_expanded_nodes)
            .with_max_expanded_bytes(max_expanded_bytes)
            .with_max_integer_digits(5)
            .with_max_tag_bytes(3);
        let decoder = StreamDecoder::new().with_limits(limits);
        let whole = decode_in_pieces(decoder.clone(), &stream, []);
        prop_assert_eq!(&decode_in_pieces(decoder, &stream, 0..stream.len()), &whole);
        let mut decoder = Decoder::new().with_limits(limits);
        for packet in decoder.packets(&stream).map_while(Result::ok) {
            let summary = packet.summary();
            prop_assert!(summary.packet_bytes <= u64::from(max_packet_bytes));
            prop_assert!(summary.depth <= max_depth);
            prop_assert!(summary.expanded_nodes <= max_expanded_nodes);
            prop_assert!(summary.expanded_bytes <= max_expanded_bytes);
        }
    }

    #[test]
    fn who_reads_lightly_and_who_counts_meet_the_same_error(
        stream in prop_oneof![4 => long_packets(), 1 => packet_like_bytes()],
        limits in limits(),
        classic in any::<bool>(),
        mut cuts in vec(0_usize..9000, 0..6),
        piece in prop_oneof![1_usize..40, 500_usize..3000],
    ) {
        let dialect = if classic { Dialect::Classic } else { Dialect::Extended };
        let (traced, end) = trace(&stream, dialect, limits);

        let mut slices = Decoder::new().with_dialect(dialect).with_limits(limits);
        let (mut packets, mut failed) = (Vec::new(), Ok(()));
        for packet in slices.packets(&stream) {
            match packet {
                Ok(packet) => packets.push(packet.to_term()),
                Err(error) => failed = Err(error),
            }
        }
        prop_assert_eq!((packets.len(), failed), (traced, end));
        let decoded = slices.decode(&stream).map(|packet| packet.summary());
        prop_assert_eq!(slices.check(&stream), decoded);

        let expected = (packets, end);
        let decoder = StreamDecoder::new().with_dialect(dialect).with_limits(limits);
        cuts.sort_unstable();
        prop_assert_eq!(&decode_in_pieces(decoder.clone(), &stream, []), &expected);
        prop_assert_eq!(&decode_in_pieces(decoder.clone(), &stream, cuts), &expected);
        let cuts = (piece..stream.len()).step_by(piece);
        prop_assert_eq!(&decode_in_pieces(decoder, &stream, cuts), &expected);
    }

    #[test]
    fn a_window_that_became_shorter_brings_nothing(
        stream in long_packets(),
        limits in limits(),
        fed in 0_usize..6000,
        left in 0_usize..6000,
    ) {
        let mut decoder = StreamDecoder::new().with_limits(limits);
        let fed = fed.min(stream.len());
        if let Ok(None) = decoder.decode_slice(&stream[..fed]) {
            let mut careless = decoder.clone();
            let seen = &stream[..left.min(fed)];
            let shorter = careless.decode_slice(seen).map(|packet| packet.is_some());
            prop_assert_eq!(shorter, Ok(false));
            let term = |packet: Option<Document<&[u8]>>| packet.map(|packet| packet.to_term());
            let expected = decoder.decode_slice(&stream).map(term);
            prop_assert_eq!(careless.decode_slice(&stream).map(term), expected);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        input in packet_like_bytes(),
        classic in any::<bool>(),
        any_escape in any::<bool>(),
    ) {
        let dialect = if classic { Dialect::Classic } else { Dialect::Extended };
        let mut decoder = Decoder::new().with_dialect(dialect).with_any_escape(any_escape);
        match decoder.decode(&input) {
            Ok(packet) => {
                // What was accepted can be written and read again.
                let again = encode(&packet.to_term(), dialect, Style::Cached);
                let term = packet.to_term();
                let expected = if classic { without_undefined(&term) } else { term };
                prop_assert_eq!(decoder.decode(&again).unwrap().to_term(), expected);
            }
            Err(error) => prop_assert!(error.offset() <= input.len() as u64),
        }
        prop_assert_eq!(decoder.check(&input).is_ok(), decoder.decode(&input).is_ok());
        for error in decoder.packets(&input).filter_map(Result::err) {
            prop_assert!(error.offset() <= input.len() as u64);
        }
    }

    #[test]
    fn headers_stand_in_front_of_any_body(
        term in terms(),
        number in 0..=i32::MAX.unsigned_abs(),
        cut in 0_usize..200,
    ) {
        let header = ClientHeader { mode: Mode::from_number(number).unwrap() };
        let mut packet = b"\r\n".to_vec();
        Encoder::new().encode_versioned(&header, &term, &mut packet);

        let whole = Decoder::new().decode_client(&packet).unwrap();
        prop_assert_eq!(whole.header, header);
        prop_assert_eq!(whole.body.root(), term.as_ref());
        let read = ClientHeader::read(&packet, 0, &Limits::default());
        let (_, header_bytes) = read.unwrap().unwrap();
        prop_assert_eq!(whole.body.source(), &packet[header_bytes..]);

        let (one, two) = packet.split_at(cut.min(packet.len() - 1));
        let mut decoder = VersionedDecoder::<ClientHeader>::new();
        let mut buffer = BytesMut::from(one);
        prop_assert!(decoder.decode(&mut buffer).unwrap().is_none());
        buffer.extend_from_slice(two);
        let pieced = decoder.decode(&mut buffer).unwrap().unwrap();
        prop_assert_eq!(pieced.header, header);
        prop_assert_eq!(pieced.body.root(), term.as_ref());
    }
}

#[test]
fn no_limit_is_so_high_that_the_sizes_overflow() {
    let limits = Limits::default()
        .with_max_expanded_nodes(u64::MAX)
        .with_max_expanded_bytes(u64::MAX)
        .with_max_depth(u32::MAX);
    // 2^62 terms in a register, moved to and fro.
    let input = [&b"1>a "[..], &b"{aa}>a ".repeat(62), &b"a>a ".repeat(10), b"a$"].concat();
    let packet = Decoder::new()
        .with_limits(limits)
        .decode(&input)
        .map(|packet| packet.summary().expanded_nodes);
    assert!(packet.is_ok_and(|nodes| nodes > 1 << 62));
}
