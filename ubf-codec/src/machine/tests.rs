//! What is read lightly, and several operators at once, against what is counted one by one.

use alloc::format;
use alloc::string::{String, ToString};

use super::*;
use crate::{Decoder, Dialect, StreamDecoder, Tracer};

/// Where a limit is exceeded, if one is: counting from the beginning, as the tracer does.
fn counted(packet: &[u8], limits: Limits) -> Option<DecodeError> {
    let mut tracer = Tracer::new(packet, Dialect::Extended, limits);
    loop {
        match tracer.step() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => return Some(error),
        }
    }
}

#[test]
fn what_is_read_lightly_keeps_every_limit() {
    // Terms of a byte each, texts, and a register at the end: 4,000 bytes, of which parts are read
    // lightly.
    let mut packet = b"{".to_vec();
    packet.extend_from_slice(&b"?{}\"ab\"#'c'&".repeat(300));
    packet.extend_from_slice(b"{1{}}>r r r}$");
    for max in [
        1, 2, 1000, 1023, 1024, 1025, 1400, 1490, 1495, 1500, 1501, 1502, 1503, 1504, 1505, 1506,
        1507, 1510,
    ] {
        let nodes = Limits::default().with_max_expanded_nodes(max);
        let bytes = Limits::default().with_max_expanded_bytes(max);
        for limits in [nodes, bytes] {
            let expected = counted(&packet, limits);
            for piece in [1, 7, 1000, packet.len()] {
                let mut decoder = StreamDecoder::new().with_limits(limits);
                let ends =
                    (0..packet.len()).step_by(piece).map(|start| (start + piece).min(packet.len()));
                let found =
                    ends.map(|end| decoder.decode_slice(&packet[..end])).find_map(Result::err);
                assert_eq!(found, expected, "{max} in pieces of {piece}");
            }
        }
    }
    let all = Limits::default().with_max_expanded_nodes(1507);
    assert_eq!(
        (counted(&packet, all), counted(&packet, all.with_max_expanded_nodes(1506)).is_some()),
        (None, true)
    );
}

/// The packet's term, or what is wrong with it: in pieces of so many bytes.
fn in_pieces(packet: &[u8], piece: usize, limits: Limits) -> Result<String, DecodeError> {
    let mut decoder = StreamDecoder::new().with_limits(limits);
    let ends = (0..packet.len()).step_by(piece).map(|start| (start + piece).min(packet.len()));
    for end in ends {
        if let Some(found) = decoder.decode_slice(&packet[..end])? {
            return Ok(found.to_string());
        }
    }
    Ok(String::from("incomplete"))
}

#[test]
fn operators_at_once_do_what_each_does_alone() {
    let parts = [
        // Pairs, elements of lists, binaries: as they are wanted, and a byte or a term beside
        // that.
        "#{'a'1}&{'b'\"c\"}&",
        "#{'a' 1} &",
        "#{1 2 3}&",
        "#{1}&",
        "#{}&",
        "{'a'1}&",
        "#{{'a'1}#}&{#{'a'1}&2}&",
        "{'a'1&}",
        "#{'a'&}",
        "#1&",
        "#\"a\"&",
        "#1 &",
        "1&",
        "{1&}",
        "#{1&}",
        "#{#&}",
        "##&",
        "###&&",
        "#'a'&",
        "#?&",
        "#1`t`&",
        "#{'a'1}`t`&",
        "#-1&",
        "2~ab~",
        "#2~ab~&",
        "#2~ab~&1&",
        "2~ab",
        "2~abc~",
        "2 ~ab~",
        "0~~",
        "3~ab~",
        "{'n'2~ab~}",
        "#{'n'2~ab~}&",
        "99~ab~",
        "-2~ab~",
        "20~twenty bytes of text~",
        "{'a'}",
        "{ 'a'}",
        "{'a\\'b'}",
        "{'an atom of more bytes than one block has'}",
        "{''}",
        "{'a",
        "{\"a\"1}",
        "}",
        "#}&",
        "{1 2}&",
    ];
    let small = Limits::default();
    for (part, after) in parts
        .iter()
        .flat_map(|part| ["", " 'and some more text behind'"].map(|after| (part, after)))
    {
        let packet = format!("{{{part}{after}}}$");
        for packet in [packet.as_bytes(), part.as_bytes(), format!("{part}$").as_bytes()] {
            let depths = (0..6).map(|max| small.with_max_depth(max));
            let lengths = (packet.len().saturating_sub(3)..packet.len() + 3)
                .filter_map(|max| u32::try_from(max).ok());
            for limits in depths.chain(lengths.map(|max| small.with_max_packet_bytes(max))) {
                let whole = in_pieces(packet, packet.len(), limits);
                assert_eq!(
                    whole.clone().err(),
                    counted_to_the_end(packet, limits),
                    "{}",
                    packet.escape_ascii()
                );
                for piece in 1..4 {
                    assert_eq!(
                        in_pieces(packet, piece, limits),
                        whole,
                        "{} by {piece}",
                        packet.escape_ascii()
                    );
                }
                let checked = Decoder::new().with_limits(limits).packet_len(packet);
                assert_eq!(checked.err(), whole.err(), "{}", packet.escape_ascii());
            }
        }
    }
}

/// What is wrong with a packet that may be cut.
fn counted_to_the_end(packet: &[u8], limits: Limits) -> Option<DecodeError> {
    counted(packet, limits).filter(|error| !error.is_incomplete())
}

#[test]
fn a_token_may_reach_further_than_is_certain() {
    // Where 1,500 terms are allowed, and no more than so many bytes are read lightly at a time.
    let long = "x".repeat(5_000);
    let limits = Limits::default().with_max_expanded_nodes(1_500);
    for token in [
        format!("'{long}'"),
        format!("\"{long}\\\"\""),
        format!("%{long}%'a'"),
        format!("5000~{long}~"),
        "7".repeat(5_000),
    ] {
        let packet = format!("{{{token} {token}#{token}&}}$");
        let shown = in_pieces(packet.as_bytes(), packet.len(), limits).unwrap();
        for piece in [1, 999, 1_500, 4_000] {
            assert_eq!(
                in_pieces(packet.as_bytes(), piece, limits).as_ref(),
                Ok(&shown),
                "by {piece}"
            );
        }
        assert_eq!(in_pieces(packet.as_bytes(), packet.len(), Limits::default()), Ok(shown));
        assert_eq!(counted(packet.as_bytes(), limits), None);
    }
}

#[test]
fn stack_and_arena_grow_at_every_operator() {
    for count in 0..70 {
        let deep = [&b"{".repeat(count)[..], b"1", &b"}".repeat(count), b"$"].concat();
        let wide = [&b"{"[..], &b"1 ".repeat(count), b"}$"].concat();
        let lists = [&b"{"[..], &b"#1&".repeat(count), b"}$"].concat();
        let pairs = [&b"#"[..], &b"{'a'1}&".repeat(count), b"$"].concat();
        let tags = [&b"{"[..], &b"1`t`".repeat(count), b"}$"].concat();
        for packet in [deep, wide, lists, pairs, tags] {
            let expected = in_pieces(&packet, 1, Limits::default());
            let mut decoder = Decoder::new();
            for _ in 0..3 {
                let document = decoder.decode(&packet).unwrap();
                assert_eq!(Ok(document.to_string()), expected);
                assert_eq!(crate::decode(&packet).unwrap().summary(), document.summary());
            }
            assert_eq!(decoder.check(&packet), Ok(crate::decode(&packet).unwrap().summary()));
        }
    }
}
