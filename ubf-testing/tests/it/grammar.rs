//! Sentences of the grammar are packets, for the codec as for the oracle, and mean the same to
//! both.

use ubf_codec::{Decoder, Mode, Term};
use ubf_conformance::implementation::Implementation;
use ubf_conformance::ours::{Codec, CodecStream};
use ubf_conformance::outcome::{End, Side};
use ubf_conformance::settings::{Limits, Settings};
use ubf_proto::control::{Agreed, ClientControl, ControlError, ServerControl};
use ubf_testing::grammar::Grammar;
use ubf_testing::oracle_answers::Oracle;
use ubf_testing::random::Random;

const SENTENCES: u64 = 4_000;

#[test]
fn sentences_are_packets_and_mean_the_same_to_codec_and_oracle() {
    let grammar = Grammar::load().unwrap();
    let settings = Settings::default();
    for seed in 0..SENTENCES {
        let sentence = grammar.sentence("packet", &mut Random::new(seed)).unwrap();
        let shown = sentence.escape_ascii();
        let oracle = Oracle.decode(&sentence, &settings).unwrap();
        assert_eq!(
            (oracle.packets.len(), &oracle.end),
            (1, &End::Complete),
            "oracle, seed {seed}: {shown}"
        );
        assert_eq!(
            Codec.decode(&sentence, &settings).unwrap(),
            oracle,
            "codec, seed {seed}: {shown}"
        );
        assert_eq!(
            CodecStream.decode(&sentence, &settings).unwrap(),
            oracle,
            "stream, seed {seed}: {shown}"
        );
    }
}

#[test]
fn sentences_with_a_header_are_versioned_packets() {
    let grammar = Grammar::load().unwrap();
    // The grammar counts addresses, but not the bytes of all of them.
    let limits = Limits { max_next_ip_bytes: 100_000, ..Limits::default() };
    for (side, rule) in [(Side::Client, "client-packet"), (Side::Server, "server-packet")] {
        for seed in 0..SENTENCES {
            let sentence = grammar.sentence(rule, &mut Random::new(seed)).unwrap();
            let shown = sentence.escape_ascii();
            let oracle = Oracle.decode_packets(side, &sentence, &limits).unwrap();
            assert_eq!(
                (oracle.packets.len(), &oracle.end),
                (1, &End::Complete),
                "oracle, seed {seed}: {shown}"
            );
            let codec = Codec.decode_packets(side, &sentence, &limits).unwrap();
            assert_eq!(codec, oracle, "codec, seed {seed}: {shown}");
        }
    }
}

/// What the grammar cannot say: a list of versions is distinct, `peers` is short.
fn is_beyond_the_grammar(error: ControlError, sentence: &[u8]) -> bool {
    match error {
        ControlError::Malformed { field: "Versions", .. } => true,
        ControlError::Malformed { field, .. } => field == "peers" && sentence.len() > 1024,
        ControlError::Unknown => false,
    }
}

#[test]
fn sentences_of_version_0_are_packets_that_are_known_and_written_again_mean_the_same() {
    let grammar = Grammar::load().unwrap();
    let limits = ubf_codec::Limits::default().with_max_next_ip_bytes(100_000);
    let mut decoder = Decoder::new().with_limits(limits);
    let (mut clients, mut servers, mut agreements) = (0, 0, 0);
    for seed in 0..SENTENCES {
        let sentence = grammar.sentence("client-control", &mut Random::new(seed)).unwrap();
        let shown = sentence.escape_ascii();
        let packet =
            decoder.decode_client(&sentence).unwrap_or_else(|error| panic!("{error}: {shown}"));
        assert_eq!(packet.header.mode, Mode::Negotiation, "seed {seed}: {shown}");
        match ClientControl::from_term(packet.body.root()) {
            Ok(read) => {
                let again = ClientControl::from_term(read.to_term().as_ref()).unwrap();
                assert_eq!(again, read, "seed {seed}: {shown}");
                clients += 1;
            }
            Err(error) => {
                assert!(is_beyond_the_grammar(error, &sentence), "seed {seed}: {error}: {shown}");
            }
        }
        let sentence = grammar.sentence("server-control", &mut Random::new(seed)).unwrap();
        let shown = sentence.escape_ascii();
        let packet =
            decoder.decode_server(&sentence).unwrap_or_else(|error| panic!("{error}: {shown}"));
        let body = packet.body.root();
        let written: Result<Term, ControlError> = match packet.header.mode {
            Mode::Negotiation => ServerControl::from_term(body).map(|read| {
                let again = ServerControl::from_term(read.to_term().as_ref()).unwrap();
                assert_eq!(again, read, "seed {seed}: {shown}");
                servers += 1;
                read.to_term()
            }),
            Mode::Version(_) => Agreed::from_term(body).map(|read| {
                let again = Agreed::from_term(read.to_term().as_ref()).unwrap();
                assert_eq!(again, read, "seed {seed}: {shown}");
                agreements += 1;
                read.to_term()
            }),
        };
        if let Err(error) = written {
            assert!(is_beyond_the_grammar(error, &sentence), "seed {seed}: {error}: {shown}");
        }
    }
    // Most sentences are within what the grammar cannot say.
    assert!(clients > SENTENCES / 2, "{clients}");
    assert!(servers + agreements > SENTENCES / 2, "{servers} {agreements}");
}
