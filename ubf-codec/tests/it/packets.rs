//! Versioned packets from slices: one, several, none, and where they end (P1, P2, L1).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use bytes::BytesMut;
use ubf_codec::{ClientHeader, DecodeError, Decoder, Limits, VersionedDecoder, peek_version};

/// The packets of a client, each as its version and its body; then the error, if there is one.
fn client(decoder: &mut Decoder, input: &[u8]) -> Vec<String> {
    let line = |packet: Result<_, DecodeError>| match packet {
        Ok(ubf_codec::ClientPacket { header, body }) => format!("{} {body}", header.mode.number()),
        Err(error) => error.to_string(),
    };
    decoder.client_packets(input).map(line).collect()
}

fn server(decoder: &mut Decoder, input: &[u8]) -> Vec<String> {
    let line = |packet: Result<_, DecodeError>| match packet {
        Ok(ubf_codec::ServerPacket { header, body }) => {
            let next_ip = header.next_ip.map_or_else(|| "?".into(), |next_ip| next_ip.to_string());
            format!("{} {next_ip} {body}", header.mode.number())
        }
        Err(error) => error.to_string(),
    };
    decoder.server_packets(input).map(line).collect()
}

#[test]
fn packets_come_one_after_the_other_and_white_space_at_the_end_is_none() {
    let mut decoder = Decoder::new();
    assert_eq!(client(&mut decoder, b"3 'a'$\n0 'ping'$ \n"), ["3 a", "0 ping"]);
    assert_eq!(
        server(&mut decoder, b"3 ? 'a'$4 \"b.example:4000\" 'b'$"),
        ["3 ? a", "4 b.example:4000 b"]
    );
    assert!(client(&mut decoder, b"").is_empty());
    assert!(client(&mut decoder, b" \n").is_empty());
}

#[test]
fn the_first_error_is_the_last_thing_said() {
    let mut decoder = Decoder::new();
    let lines = client(&mut decoder, b"3 'a'$3 }$3 'b'$");
    assert_eq!(lines, ["3 a", "'}' with no tuple open, at byte 8"]);
    assert_eq!(
        client(&mut decoder, b"3 'a'$3 'b")[1],
        "the input ends inside a packet, at byte 10"
    );
}

#[test]
fn where_one_packet_is_expected_there_are_no_two() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.decode_server(b"3 ? 1$\n").unwrap().body.to_string(), "1");
    assert_eq!(decoder.decode_server(b"3 ? 1$3 ? 2$").unwrap_err().offset(), 6);
    assert_eq!(decoder.decode_client(b"3 1$3 2$").unwrap_err().offset(), 4);
    assert_eq!(decoder.decode_server(b"3 ? 1").unwrap_err().offset(), 5);
}

#[test]
fn the_length_of_a_body_is_found_without_building_it() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.packet_len(b"{\"$\" 1~$~}$ 2$").unwrap(), Some(11));
    assert_eq!(decoder.packet_len(b"{\"$\" 1~$~}").unwrap(), None);
    assert_eq!(decoder.packet_len(b"{}}$").unwrap_err().offset(), 2);
}

#[test]
fn l1_a_next_ip_has_so_many_bytes_and_addresses_and_no_more() {
    let limits = Limits::default().with_max_next_ip_bytes(16).with_max_next_ip_addresses(2);
    let mut decoder = Decoder::new().with_limits(limits);
    assert_eq!(server(&mut decoder, b"3 \"a:1,b.example:22\" 1$")[0], "3 a:1,b.example:22 1");
    let error = decoder.decode_server(b"3 \"a:1,b.example:222\" 1$").unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("max_next_ip_bytes"), "{error}");
    let error = decoder.decode_server(b"3 \"a:1,b:1,c:1\" 1$").unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("max_next_ip_addresses"), "{error}");
}

#[test]
fn l1_a_header_counts_as_a_part_of_its_packet() {
    let mut decoder = Decoder::new().with_limits(Limits::default().with_max_packet_bytes(6));
    assert_eq!(client(&mut decoder, b"3 'a'$3 'b'$"), ["3 a", "3 b"]);
    let error = decoder.decode_client(b"3 'ab'$").unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("max_packet_bytes"), "{error}");
    // More white space than a packet may have is no wait for the next one.
    assert!(client(&mut decoder, b"3 'a'$     ").len() == 1);
    assert!(client(&mut decoder, b"3 'a'$       ")[1].contains("max_packet_bytes"));
}

#[test]
fn the_memory_of_a_document_serves_the_next_one() {
    let mut decoder = Decoder::new();
    let first = decoder.decode_client(b"3 {1 2 3}$").unwrap();
    decoder.recycle(first.body);
    assert_eq!(decoder.decode_client(b"3 {4}$").unwrap().body.to_string(), "{4}");
}

#[test]
fn p2_the_first_wrong_byte_of_a_header_is_named() {
    let mut decoder = Decoder::new();
    for (input, words) in [
        (&b"x $"[..], "'x' in the place of a version number, at byte 0"),
        (b"01 1$", "'1' in the place of a version number, at byte 1"),
        (b"0x1$", "'x' where one space should stand, at byte 1"),
        (b"2147483648 1$", "version number above 2147483647, at byte 9"),
        (b"99999999999 1$", "version number above 2147483647, at byte 9"),
        (b"  -3 1$", "'-' in the place of a version number, at byte 2"),
        (b"3 'a'$ 7y$", "'y' where one space should stand, at byte 8"),
        (b"3 'a'$ 07 1$", "'7' in the place of a version number, at byte 8"),
        (b"3 'a'$ 2147483648 1$", "version number above 2147483647, at byte 16"),
    ] {
        assert_eq!(client(&mut decoder, input).last().unwrap(), words);
    }
    assert_eq!(client(&mut decoder, b"2147483647 1$"), ["2147483647 1"]);
}

#[test]
fn p1_a_switch_needs_the_first_bytes_only() {
    assert_eq!(peek_version(b" 17 {'anything").unwrap().unwrap().number(), 17);
    assert_eq!(peek_version(b"17").unwrap(), None);
    assert_eq!(peek_version(b"").unwrap(), None);
    assert_eq!(peek_version(b"17x").unwrap_err().offset(), 2);
}

#[test]
fn l1_a_header_without_end_is_refused_at_the_limit() {
    let mut decoder = Decoder::new().with_limits(Limits::default().with_max_packet_bytes(6));
    let error = decoder.decode_client(b"3 'a'$          ").err();
    assert!(error.is_none(), "white space behind the one packet is none");
    let lines = client(&mut decoder, b"3 'a'$            ");
    assert_eq!(lines[1], "packet of more than 6 bytes (max_packet_bytes), at byte 12");
}

#[test]
fn offsets_count_from_where_a_decoder_was_said_to_start() {
    let mut decoder = VersionedDecoder::<ClientHeader>::new().starting_at(1000);
    let mut buffer = BytesMut::from(&b"3 'a'$3 }$"[..]);
    assert!(decoder.decode(&mut buffer).unwrap().is_some());
    let error = decoder.decode(&mut buffer).unwrap_err();
    assert_eq!(error.offset(), 1008);
    // It stays, whatever comes.
    buffer.clear();
    assert!(!decoder.is_between_packets(&buffer));
    buffer.extend_from_slice(b"3 'a'$");
    assert_eq!(decoder.decode(&mut buffer).unwrap_err(), error);
    assert_eq!(decoder.finish(b"").unwrap_err(), error);
}
