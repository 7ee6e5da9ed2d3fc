//! Sentences of the grammar are packets, for the codec as for the oracle, and mean the same to
//! both.

use ubf_testing::conformance::Implementation;
use ubf_testing::grammar::Grammar;
use ubf_testing::implementations::{Codec, CodecStream, Oracle};
use ubf_testing::outcome::{End, Side};
use ubf_testing::random::Random;
use ubf_testing::settings::{Limits, Settings};

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
