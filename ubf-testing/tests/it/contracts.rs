//! Contracts: sentences of the grammar are read, and random contracts and terms keep the laws that
//! the fuzz targets check.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use ubf_contract::{ContractLimits, Reader};
use ubf_testing::grammar::Grammar;
use ubf_testing::random::Random;
use ubf_testing::targets;

const SENTENCES: u64 = 1_500;

#[test]
fn sentences_of_the_grammar_are_read() {
    let grammar = Grammar::contracts().unwrap();
    let limits = ContractLimits::new().with_max_depth(256);
    let mut good = 0;
    for seed in 0..SENTENCES {
        let sentence = grammar.sentence("contract", &mut Random::new(seed)).unwrap();
        let shown = sentence.escape_ascii();
        match Reader::new().with_limits(limits).read(&sentence) {
            Ok(_) => good += 1,
            // What ABNF cannot say: names that exist, attributes of their types, fields that are
            // there once.
            Err(error) => {
                let code = error.first().problem.code();
                assert!(
                    !["lexical", "syntax", "limit"].contains(&code),
                    "seed {seed}: {error}: {shown}"
                );
            }
        }
    }
    assert!(good > 10, "only {good} are well-formed");
}

#[test]
fn sentences_with_a_byte_changed_keep_the_laws() {
    let grammar = Grammar::contracts().unwrap();
    for seed in 0..SENTENCES / 2 {
        let mut random = Random::new(seed);
        let mut sentence = grammar.sentence("contract", &mut random).unwrap();
        targets::contract(&sentence);
        let place = random.below(sentence.len());
        sentence[place] = random.byte();
        targets::contract(&sentence);
    }
}

/// Types that are made of each other in all ways, so that many are well-formed.
fn random_contract(random: &mut Random) -> String {
    const NAMES: [&str; 5] = ["t", "u", "v", "w", "x"];
    let mut text = String::from("+NAME(\"m\"). +VSN(\"1\"). +TYPES ");
    for (index, name) in NAMES.iter().enumerate() {
        text += if index == 0 { "" } else { "; " };
        text += &format!("{name}() :: {}", random_type(random, 3));
    }
    text + "."
}

fn random_type(random: &mut Random, depth: u32) -> String {
    const LEAVES: [&str; 22] = [
        "t()",
        "u()?",
        "v()",
        "w()",
        "x()?",
        "a",
        "undefined",
        "1..3",
        "..0",
        "2..",
        "7",
        "1.5",
        "\"ab\"",
        "<<\"ab\">>",
        "any(nonempty)",
        "atom(ascii)",
        "binary(nonempty)",
        "integer()",
        "tuple()",
        "list(nonempty)",
        "ubfstring()",
        "[]",
    ];
    if depth == 0 || random.once_in(4) {
        return (*random.choose(&LEAVES).unwrap()).to_owned();
    }
    let mut part = || random_type(random, depth - 1);
    let (one, two) = (part(), part());
    match random.below(8) {
        0 => format!("{{{one}}}"),
        1 => format!("{{{one}, {two}}}"),
        2 => format!("[{one}]"),
        3 => format!("[{one} | {two}]{{1,2}}"),
        4 => format!("#a{{f :: {one}, g :: {two}}}"),
        5 => format!("{{'#S', {one}}}"),
        6 => format!("##a{{f :: {one}}}"),
        _ => format!("{one} | {two}"),
    }
}

#[test]
fn the_fast_checker_agrees_with_the_obvious_one() {
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let text = random_contract(&mut random);
        targets::check(text.as_bytes());
        targets::contract(text.as_bytes());
        for packet in ["\"ab\"$", "?$", "{'a',1,2}$", "##1&&$", "{'#S',#97&}$", "#\"a\"&'x'&$"] {
            targets::check(&[text.as_bytes(), b"\0", packet.as_bytes()].concat());
        }
    }
}

/// The contracts of the reference services, each edited so often: 1,000 times in all.
const EDITED: [(&str, u64); 6] = [
    (include_str!("../../../ubf-node/contracts/echo.con"), 50),
    (include_str!("../../../ubf-node/contracts/kv-1.con"), 150),
    (include_str!("../../../ubf-node/contracts/kv-2.con"), 200),
    (include_str!("../../../ubf-node/contracts/kv-3.con"), 250),
    (include_str!("../../../ubf-node/contracts/irc-1.con"), 150),
    (include_str!("../../../ubf-node/contracts/irc-2.con"), 200),
];

#[test]
fn k2_no_random_message_contradicts_the_verdict_on_a_small_edit() {
    let (mut edits, mut breaks) = (0, 0);
    for (text, count) in EDITED {
        for seed in 0..count {
            breaks += targets::compare_edited(text, seed).expect("some edit is well-formed");
            edits += 1;
        }
    }
    // So many that the verdicts were held against something.
    assert!(edits == 1_000 && breaks > 300, "{breaks} breaks in {edits} edits");
    println!("{breaks} breaks in {edits} edits");
}
