//! Random terms of types: each is of its type, and the same seed makes the same ones.

use std::collections::BTreeSet;

use ubf_contract::{Checker, Faker, Reader, Strings};

fn checker(types: &str, strings: Strings) -> Checker {
    let text = format!("+NAME(\"m\"). +VSN(\"1\"). +TYPES {types}.");
    let contract = Reader::new().read(&text).unwrap_or_else(|error| panic!("{error}: {types}"));
    Checker::with_strings(contract, strings)
}

#[test]
fn what_is_made_is_of_its_type() {
    for types in [
        "t() :: any()",
        "t() :: any(nonempty,nonundefined)",
        "t() :: atom(ascii,nonempty,nonundefined) | binary(asciiprintable)",
        "t() :: 1..3 | ..-5 | 100.. | 99999999999999999999..99999999999999999999999 | integer()",
        "t() :: {[t()]{2,3}, float()?} | leaf | [1.5]+ | #r{a::<<\"x\">>} | ##s{b::[]}",
        "t() :: ubfstring() | {'#S', [97..99]+} | {'#S', [a | 7]} | {'#S', any()} | \"lit\"",
        "t() :: tuple(nonempty) | list(nonempty) | [byte()]{4} | ubfproplist() | mfa() | string()",
    ] {
        for strings in [Strings::Apart, Strings::AsTuples] {
            let checker = checker(types, strings);
            let node = checker.graph().named(b"t").unwrap();
            for seed in 0..300 {
                let term = Faker::new(&checker, seed).term(node).unwrap();
                if let Err(mismatch) = checker.check(node, &term) {
                    panic!("seed {seed}: {mismatch}: {types}");
                }
            }
        }
    }
}

#[test]
fn a_type_that_is_deep_everywhere_ends() {
    let mut types = String::from("t() :: {a0(), a0()}");
    for index in 0..30 {
        types += &format!("; a{index}() :: {{a{}(), [a0()]}}", index + 1);
    }
    types += "; a30() :: end_of_it";
    let checker = checker(&types, Strings::Apart);
    let node = checker.graph().named(b"t").unwrap();
    let term = Faker::new(&checker, 1).with_max_terms(50).term(node).unwrap();
    assert_eq!(checker.fits(node, &term), Ok(true));
}

#[test]
fn what_cannot_be_is_not_made() {
    for types in ["t() :: {t()}", "t() :: 5..1", "t() :: {'#S', [a]+}", "t() :: [x]{99999999999}"] {
        let checker = checker(types, Strings::Apart);
        let node = checker.graph().named(b"t").unwrap();
        assert!(Faker::new(&checker, 0).term(node).is_none(), "{types}");
    }
}

#[test]
fn a_type_of_huge_terms_only_is_given_up() {
    let doubled = (0..40).map(|index| format!("; a{index}() :: {{a{0}(), a{0}()}}", index + 1));
    let types = format!("t() :: a0(){}; a40() :: x", doubled.collect::<String>());
    let checker = checker(&types, Strings::Apart);
    assert!(Faker::new(&checker, 0).term(checker.graph().named(b"t").unwrap()).is_none());
}

#[test]
fn seeds_decide() {
    let checker = checker("t() :: {integer(), atom(), ubfstring()}", Strings::Apart);
    let node = checker.graph().named(b"t").unwrap();
    let of = |seed| Faker::new(&checker, seed).term(node).unwrap();
    let all: BTreeSet<_> = (0..50).map(of).collect();
    assert!(all.len() > 45, "terms of different seeds differ");
    assert_eq!(of(7), of(7));
}
