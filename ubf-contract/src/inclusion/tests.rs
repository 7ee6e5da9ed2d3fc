//! Answers against terms: a naive check of every term of a small universe.
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and names only the kinds that it is about"
)]

use std::borrow::ToOwned;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;
use ubf_codec::{Integer, Term};

use super::*;
use crate::graph::Meaning;
use crate::graph::Strings;
use crate::read::Reader;

const MAX_STEPS: u64 = 100_000;

fn graph(types: &str, strings: Strings) -> TypeGraph {
    let text = format!("+NAME(\"t\"). +VSN(\"1\"). +TYPES {types}.");
    let contract =
        Reader::new().read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    TypeGraph::new(&contract, strings)
}

/// Is there a term of `T` and not of `U`? Both are defined in one text, by these names.
fn beside(types: &str) -> Found {
    let graph = graph(types, Strings::Apart);
    let node = |name: &[u8]| Language::Node(Side::Old, graph.named(name).unwrap());
    Search::new(&graph, &graph, MAX_STEPS).find(&[node(b"t")], &[node(b"u")])
}

#[test]
fn inclusion_is_decided() {
    for types in [
        "t() :: 1..3; u() :: 1 | 2 | 3",
        "t() :: 1..6; u() :: 1..3 | 4..6",
        "t() :: {a | b, c}; u() :: {a, c} | {b, c}",
        "t() :: [1 | 2]?; u() :: [1]? | [2]?",
        "t() :: []; u() :: [x()]; x() :: 5..1",
        "t() :: {5..1, a}; u() :: b",
        "t() :: x(); x() :: {x()}; u() :: a",
        "t() :: {cons, any(), t()} | nil; u() :: {cons, any(), {cons, any(), u()} | nil} | nil",
        "t() :: #r{f::1..2}; u() :: {r, 1} | {r, 2}",
        "t() :: ubfstring(); u() :: any(nonempty)",
        "t() :: \"abc\"; u() :: ubfstring()",
        "t() :: atom(asciiprintable); u() :: atom(ascii)",
        "t() :: {}; u() :: tuple()",
        "t() :: [1..2]{3}; u() :: [1..2]{1,3} | [5]",
        "t() :: boolean(); u() :: atom(nonempty, nonundefined)",
        "t() :: 0..9; u() :: any()",
    ] {
        assert_eq!(beside(types), Found::Nothing, "{types}");
    }
}

#[test]
fn a_term_shows_that_nothing_is_included() {
    for (types, term) in [
        ("t() :: 1..6; u() :: 1..3 | 5..6", "4"),
        ("t() :: {a | b, c | d}; u() :: {a, c} | {b, d}", "{b,c}"),
        ("t() :: [1 | 2]; u() :: [1] | [2]", "[2,1]"),
        ("t() :: {cons, 1, t()} | nil; u() :: {cons, 1, nil} | nil", "{cons,1,{cons,1,nil}}"),
        ("t() :: ubfstring(); u() :: \"\"", "\"a\""),
        ("t() :: \"abc\"; u() :: tuple()", "\"abc\""),
        ("t() :: tuple(); u() :: {} | {any()}", "{a,a}"),
        ("t() :: atom()?; u() :: atom(nonundefined)", "undefined"),
        ("t() :: any(); u() :: any(nonempty)", "''"),
        ("t() :: number(); u() :: integer()", "0.5"),
        ("t() :: [x()]{2}; x() :: 1 | 2; u() :: [1] | [2]", "[2,1]"),
    ] {
        let Found::Term(Some(found)) = beside(types) else { panic!("{types}: nothing found") };
        let found = found.to_string();
        assert_eq!(found, term, "{types}");
    }
}

#[test]
fn strings_are_tuples_where_they_are_said_to_be() {
    let graph = graph("t() :: ubfstring(); u() :: tuple()", Strings::AsTuples);
    let node = |name: &[u8]| Language::Node(Side::Old, graph.named(name).unwrap());
    let mut search = Search::new(&graph, &graph, MAX_STEPS);
    assert_eq!(search.find(&[node(b"t")], &[node(b"u")]), Found::Nothing);
}

#[test]
fn a_search_that_takes_too_long_gives_up() {
    // Each of the tuples that are excluded may be missed at any of its places.
    let places = 14;
    let tuple = |odd: usize| {
        let parts = (0..places).map(|place| if place == odd { "1..2" } else { "1..3" });
        format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
    };
    let excluded: Vec<String> =
        (0..places).flat_map(|odd| [tuple(odd), tuple(odd).replace("1..2", "2..3")]).collect();
    let all = format!("{{{}}}", ["1..3"; 14].join(","));
    let types = format!("t() :: {all}; u() :: {}", excluded.join(" | "));
    let graph = graph(&types, Strings::Apart);
    let node = |name: &[u8]| Language::Node(Side::Old, graph.named(name).unwrap());
    let found = Search::new(&graph, &graph, 50).find(&[node(b"t")], &[node(b"u")]);
    assert_eq!(found, Found::GaveUp);
}

/// Whether a term is of a node: by the definition, step by step.
fn is_of(graph: &TypeGraph, node: NodeId, term: &Term) -> bool {
    let all = |terms: &[Term], item: NodeId| terms.iter().all(|term| is_of(graph, item, term));
    match (graph.meaning(node), term) {
        (Meaning::Anything, _) => true,
        (Meaning::AnyBut(attributes), _) => match term {
            Term::Atom(text) => {
                TextSet::with(*attributes).and(&TextSet::only(text.clone())).any().is_some()
            }
            Term::Binary(bytes) => !bytes.is_empty() || !attributes.has(Attributes::NONEMPTY),
            Term::List(terms) => !terms.is_empty() || !attributes.has(Attributes::NONEMPTY),
            Term::Tuple(terms) => !terms.is_empty() || !attributes.has(Attributes::NONEMPTY),
            _ => true,
        },
        (Meaning::Alternatives(parts), _) => parts.iter().any(|part| is_of(graph, *part, term)),
        (Meaning::Atom(attributes), Term::Atom(text)) => {
            TextSet::with(*attributes).and(&TextSet::only(text.clone())).any().is_some()
        }
        (Meaning::AtomLiteral(own), Term::Atom(text)) => own == text,
        (Meaning::Integer { min, max }, Term::Integer(value)) => {
            min.as_ref().is_none_or(|min| min <= value)
                && max.as_ref().is_none_or(|max| value <= max)
        }
        (Meaning::List { item, min, max }, Term::List(terms)) => {
            let count = terms.len() as u64;
            *min <= count && max.is_none_or(|max| count <= max) && all(terms, *item)
        }
        (Meaning::AnyTuple { nonempty }, Term::Tuple(terms)) => !nonempty || !terms.is_empty(),
        (Meaning::Tuple(parts), Term::Tuple(terms)) => {
            let pairs = || parts.iter().zip(terms.iter());
            parts.len() == terms.len() && pairs().all(|(part, term)| is_of(graph, *part, term))
        }
        (Meaning::String(list), Term::String(text)) => {
            let bytes =
                text.as_bytes().iter().map(|byte| Term::Integer(Integer::from(i64::from(*byte))));
            is_of(graph, *list, &Term::list(bytes))
        }
        (Meaning::StringLiteral(own), Term::String(text)) => own == text,
        _ => false,
    }
}

use super::texts::TextSet;
use crate::predefined::Attributes;

/// Terms of two levels over a few leaves.
fn universe() -> Vec<Term> {
    let leaves: Vec<Term> = ["a", "b", "undefined", "0", "1", "2", "{}", "[]", "\"\"", "\"a\""]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let mut terms = leaves.clone();
    for one in &leaves {
        terms.extend([Term::tuple([one.clone()]), Term::list([one.clone()])]);
        for two in &leaves {
            let both = [one.clone(), two.clone()];
            terms.extend([Term::tuple(both.clone()), Term::list(both.clone())]);
            terms.push(Term::list([one.clone(), two.clone(), one.clone()]));
            terms.push(Term::tuple([Term::tuple(both.clone()), one.clone()]));
            terms.push(Term::list([Term::list(both)]));
        }
    }
    terms
}

fn type_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => proptest::sample::select(std::vec![
            "a", "b", "undefined", "0..1", "1..2", "2", "..0", "1..", "atom()", "integer()", "[]", "{}",
            "any()", "tuple()", "list()", "any(nonempty)", "any(nonundefined)", "ubfstring()", "\"a\"",
            "{'#S', [97..98]}", "tuple(nonempty)", "list(nonempty)", "5..1",
        ]).prop_map(str::to_owned),
        2 => proptest::sample::select(std::vec!["t0()", "t1()", "t2()", "t3()", "t2()?"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let union =
            proptest::collection::vec(inner.clone(), 2..4).prop_map(|types| types.join(" | "));
        prop_oneof![
            union,
            proptest::collection::vec(inner.clone(), 1..3)
                .prop_map(|types| format!("{{{}}}", types.join(", "))),
            (inner, proptest::sample::select(std::vec!["", "?", "+", "{2}", "{1,2}", "{2,}"]))
                .prop_map(|(item, length)| format!("[{item}]{length}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_found_is_so_and_what_is_not_found_is_not(
        types in proptest::collection::vec(type_text(), 4),
        strings in proptest::sample::select(std::vec![Strings::Apart]),
    ) {
        let definitions: Vec<String> =
            types.iter().enumerate().map(|(at, text)| format!("t{at}() :: {text}")).collect();
        let graph = graph(&definitions.join(";\n"), strings);
        let nodes: Vec<NodeId> =
            (0..4).map(|at| graph.named(format!("t{at}").as_bytes()).unwrap()).collect();
        let universe = universe();
        let mut search = Search::new(&graph, &graph, MAX_STEPS);
        for within in 1_u8..16 {
            for without in (0_u8..16).filter(|without| without & within == 0) {
                let of = |mask: u8| nodes.iter().enumerate()
                    .filter(move |(at, _)| mask >> at & 1 == 1)
                    .map(|(_, node)| *node);
                let languages = |mask: u8| of(mask).map(|node| Language::Node(Side::Old, node)).collect::<Vec<_>>();
                let is_wanted = |term: &Term| of(within).all(|node| is_of(&graph, node, term))
                    && !of(without).any(|node| is_of(&graph, node, term));
                match search.find(&languages(within), &languages(without)) {
                    Found::Term(Some(term)) => prop_assert!(is_wanted(&term), "{term} of {within:b} beside {without:b} in\n{}", definitions.join("\n")),
                    Found::Term(None) | Found::GaveUp => {}
                    Found::Nothing => for term in &universe {
                        prop_assert!(!is_wanted(term), "{term} was not found in {within:b} beside {without:b} of\n{}", definitions.join("\n"));
                    },
                }
            }
        }
    }
}
