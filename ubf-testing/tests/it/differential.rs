//! Random bytes that look like UBF, through the bodies of all fuzz targets: among them the codec
//! against the oracle.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the functions that tests share are not seen as tests"
)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use ubf_conformance::outcome::Side;
use ubf_conformance::settings::Settings;
use ubf_testing::grammar::Grammar;
use ubf_testing::random::Random;
use ubf_testing::targets::{self, Scenario};

/// Each is a token, or the beginning or the end of one.
const TOKENS: &[&str] = &[
    "{",
    "}",
    "#",
    "&",
    "$",
    ">",
    "~",
    "\"",
    "'",
    "`",
    "%",
    "\\",
    "?",
    "-",
    " ",
    ",",
    "\n",
    "\t",
    "\r",
    "0",
    "1",
    "2",
    "3",
    "17",
    "007",
    "-0",
    "-5",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "00000000000000000000000000000012",
    "99999999999999999999999999999999999999999",
    "{}",
    "#1&",
    "#1&2&",
    "{1 2}",
    "\"\"",
    "\"ab\"",
    "\"\\\"\"",
    "\"\\\\\"",
    "\"\\n\"",
    "''",
    "'ok'",
    "'\\''",
    "`f`",
    "``",
    "`\\``",
    "`tagged`",
    "%%",
    "%note%",
    "%\\%%",
    "0~~",
    "1~$~",
    "3~abc~",
    "3 ~a~c~",
    "2%c%~ab~",
    "~ab~",
    ">a",
    ">b",
    ">?",
    ">>",
    "a",
    "b",
    "{a a}>a",
    "#>a",
    "\u{0}",
    "\u{7f}",
    "1$",
    "'a'$",
    "{1}$\n",
];

/// What stands in headers.
const HEADERS: &[&str] = &[
    "0 ",
    "1 ",
    "10 ",
    "2147483647 ",
    "2147483648 ",
    "01 ",
    "1",
    " ",
    "\n",
    "? ",
    "?",
    "\"",
    "\" ",
    "a:1",
    "b.example:4000",
    "192.0.2.7:4000",
    "192.0.2.256:1",
    "[2001:db8::1]:4000",
    "[::]:1",
    "[::ffff:1.2.3.4]:65535",
    "[:",
    "]:",
    ":65536",
    ":0",
    ",",
    "-",
    "_",
    "1.2.3:4",
    "'x'$",
    "1$",
    "{1 2}$",
    "$",
    "x",
    "\"a:1\" ",
    "\"[::1]:2,c:3\" ",
];

fn text(tokens: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        12 => select(tokens).prop_map(|token| token.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    vec(token, 0..most).prop_map(|tokens| tokens.concat())
}

/// A scenario's first bytes: flags, and small limits where they ask for them.
fn settings() -> impl Strategy<Value = Vec<u8>> {
    (0..16_u8, any::<[u8; 8]>()).prop_map(|(flags, limits)| {
        let limits: &[u8] = if flags & 8 == 0 { &[] } else { &limits };
        [&[flags], limits].concat()
    })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 1_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn bytes_that_look_like_ubf(settings in settings(), input in text(TOKENS, 24), lengths: [u8; 4]) {
        let scenario = [settings, input].concat();
        targets::decode(&scenario);
        targets::differential(&scenario);
        targets::decode_chunks(&[&lengths, scenario.as_slice()].concat());
    }
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn bytes_that_look_like_versioned_packets(settings in settings(), input in text(HEADERS, 12)) {
        targets::packet(&[settings, input].concat());
    }
}

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn terms_of_every_shape(bytes in vec(any::<u8>(), 0..400)) {
        targets::round_trip(&bytes);
    }

    #[test]
    fn text_that_looks_like_the_notation(input in text(NOTATION, 16)) {
        targets::notation(&input);
    }
}

/// What stands in the notation for people.
const NOTATION: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    "<<",
    ">>",
    "\"",
    "'",
    "`",
    "\\",
    "\\x",
    "\\xff",
    "\\n",
    "?",
    "-",
    ".",
    "e",
    " ",
    "\n",
    "0",
    "1",
    "255",
    "256",
    "-1",
    "1.5",
    "-0.0",
    "1e300",
    "1.0e-7",
    "foo",
    "Foo",
    "foo@bar",
    "_",
    "undefined",
    "\"x\"",
    "\"1.5\"",
    "`f`",
    "`dt`",
    "<<\"bin\">>",
    "<<1,2>>",
    "<<>>",
    "{}",
    "[]",
    "[1,2|3]",
    "ö",
    "\u{1f600}",
    "%",
    "$a",
    "16#ff",
];

/// A sentence of the grammar in which a few bytes are wrong is wrong in a more interesting place
/// than random bytes are.
#[test]
fn sentences_with_mistakes() {
    let grammar = Grammar::load().unwrap();
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let rules = [
            ("packet", Side::Client),
            ("client-packet", Side::Client),
            ("server-packet", Side::Server),
        ];
        let (rule, side) = *random.choose(&rules).unwrap();
        let mut sentence = grammar.sentence(rule, &mut random).unwrap();
        for _ in 0..1 + random.below(3) {
            make_a_mistake(&mut sentence, &mut random);
        }
        let scenario = Scenario::write(&Settings::default(), side, &sentence);
        // Printed only if the test fails.
        println!("seed {seed}");
        targets::decode(&scenario);
        targets::differential(&scenario);
        targets::decode_chunks(&[&[3, 0, 60, 17], scenario.as_slice()].concat());
        targets::packet(&scenario);
    }
}

fn make_a_mistake(sentence: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(sentence.len());
    match random.below(4) {
        0 => drop(sentence.remove(at)),
        1 => sentence.truncate(at),
        2 => sentence[at] = random.byte(),
        _ => {
            let token = random.choose(TOKENS).unwrap();
            sentence.splice(at..at, token.bytes());
        }
    }
    sentence.push(b'$');
}
