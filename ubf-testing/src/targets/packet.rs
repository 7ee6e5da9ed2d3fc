//! Versioned packets: the codec's reader of headers against the oracle's.

use ubf_codec::{ClientHeader, Encoder, Mode, NextIp, ServerHeader, peek_version};

use super::Scenario;
use crate::oracle_answers::Oracle;
use crate::oracle_header;
use ubf_conformance::implementation::Implementation;
use ubf_conformance::ours::postfix;
use ubf_conformance::ours::{Codec, end_of, one_versioned, versioned_stream};
use ubf_conformance::outcome::{End, Packet};
use ubf_conformance::settings::Limits;

/// The same packets and the same error; what was read writes back to the same header.
pub fn packet(bytes: &[u8]) {
    let scenario = Scenario::read(bytes);
    let Scenario { settings, side, input } = &scenario;
    let codec = Codec.decode_packets(*side, input, &settings.limits).unwrap();
    let oracle = Oracle.decode_packets(*side, input, &settings.limits).unwrap();
    assert_eq!(codec, oracle, "codec left, oracle right: {scenario:?}");
    let one = oracle_header::decode_one(*side, input, &settings.limits);
    let codec_one = one_versioned(*side, input, &settings.limits);
    assert_eq!(codec_one, one, "one packet, codec left, oracle right: {scenario:?}");
    let stream = versioned_stream(*side, &settings.limits, input.chunks(1));
    assert_eq!(stream, oracle, "codec byte by byte left, oracle right: {scenario:?}");
    let stream = versioned_stream(*side, &settings.limits, input.chunks(7));
    assert_eq!(stream, oracle, "codec in pieces of 7 left, oracle right: {scenario:?}");

    for packet in &codec.packets {
        write_back(packet, &scenario);
    }
    peek(&codec.packets, &codec.end, &scenario);
}

/// What was read is written, and read again.
fn write_back(packet: &Packet, scenario: &Scenario) {
    let body = postfix::term(&packet.term).unwrap();
    let mode = Mode::from_number(packet.version).unwrap();
    let mut written = Vec::new();
    match packet.next_ip.as_deref() {
        None => Encoder::new().encode_versioned(&ClientHeader { mode }, &body, &mut written),
        Some(next_ip) => {
            let next_ip: Option<NextIp> =
                if next_ip == "?" { None } else { Some(next_ip.parse().unwrap()) };
            Encoder::new().encode_versioned(&ServerHeader { mode, next_ip }, &body, &mut written);
        }
    }
    // What is canonical may be longer than what came, and registers are expanded: no limit holds.
    let limits = Limits { max_depth: u32::MAX, max_next_ip_bytes: 100_000, ..Limits::default() };
    let again = Codec.decode_packets(scenario.side, &written, &limits).unwrap();
    assert_eq!(again.end, End::Complete, "what was written is broken: {scenario:?}");
    let [again] = again.packets.as_slice() else { panic!("one packet was written: {scenario:?}") };
    assert_eq!(
        (again.version, &again.next_ip, &again.term),
        (packet.version, &packet.next_ip, &packet.term),
        "a packet reads back otherwise: {scenario:?}"
    );
}

/// The first version is seen from the first bytes.
fn peek(packets: &[Packet], end: &End, scenario: &Scenario) {
    let peeked = peek_version(&scenario.input).map(|mode| mode.map(Mode::number));
    match (packets, end, peeked) {
        ([first, ..], _, peeked) => {
            assert_eq!(peeked, Ok(Some(first.version)), "peek_version: {scenario:?}");
        }
        ([], _, Ok(_)) => {}
        // It is told no limits.
        ([], End::Error { code, .. }, Err(_)) if code == "limit-packet-bytes" => {}
        ([], end, Err(error)) => {
            assert_eq!(end, &end_of(&error, usize::MAX), "peek_version: {scenario:?}");
        }
    }
}
