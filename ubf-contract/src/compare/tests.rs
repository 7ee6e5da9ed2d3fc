//! Pairs of contracts, each with what is to be found.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::read::Reader;

const TYPES: &str =
    "a() :: a; b() :: b; c() :: c; n() :: 1..9; m() :: 1..5; ok() :: ok; no() :: no;
    yes() :: ok | no; e() :: {e, 1}; f() :: {e, 1..2}; all() :: any()";

fn contract(states: &str) -> Contract {
    contract_with(TYPES, states)
}

/// Every type is used, since unused ones are errors: in a state that nobody reaches.
fn contract_with(types: &str, states: &str) -> Contract {
    let names: Vec<&str> =
        types.split(';').filter_map(|one| one.split("::").next()).map(str::trim).collect();
    let used: Vec<String> = names.iter().map(|name| format!("{name} => {name} & stop")).collect();
    let text = format!(
        "+NAME(\"t\"). +VSN(\"1\"). +TYPES {types}. {states} +STATE unused {}.",
        used.join("; ")
    );
    Reader::new().read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn ids(report: &Report, direction: Direction) -> Vec<&'static str> {
    let own = report.findings.iter().filter(|finding| finding.direction == direction);
    own.map(|finding| finding.change.id()).collect()
}

#[test]
fn another_name_breaks_both_ways() {
    let old = contract("+STATE start a() => ok() & start.");
    let mut text = String::from("+NAME(\"u\"). +VSN(\"1\"). +TYPES a() :: a; ok() :: ok. ");
    text.push_str("+STATE start a() => ok() & start.");
    let new = Reader::new().read(text.as_bytes()).unwrap();
    let report = Comparison::new(&old, &new).run();
    assert_eq!(report.upgrade(), Upgrade::NewVersion);
    assert_eq!(ids(&report, Direction::Backward), ["service-renamed"]);
}

#[test]
fn a_result_less_breaks_only_where_the_same_are_wanted() {
    let old = contract("+STATE start a() => yes() & start; EVENT => e().");
    let new = contract("+STATE start a() => ok() & start.");
    let comparison = Comparison::new(&old, &new);
    assert_eq!(comparison.run().backward, Verdict::Serves);
    let report = comparison.with_same_results(true).run();
    assert_eq!(ids(&report, Direction::Backward), ["event-missing", "result-missing"]);
    assert_eq!(
        report.findings[1].to_string(),
        "result-missing: in state start, the new server never answers the old client's request a \
         with no"
    );
}

#[test]
fn states_that_are_not_told_may_have_other_names() {
    let old = contract("+STATE start a() => ok() & two. +STATE two b() => ok() & start.");
    let new = contract("+STATE start a() => ok() & zwei. +STATE zwei b() => ok() & start.");
    let comparison = Comparison::new(&old, &new);
    assert_eq!(comparison.run().upgrade(), Upgrade::NewVersion);
    assert_eq!(comparison.clone().with_hidden_states(true).run().upgrade(), Upgrade::AnyOrder);
    let other = contract("+STATE start a() => ok() & zwei. +STATE zwei a() => ok() & start.");
    let report = Comparison::new(&old, &other).with_hidden_states(true).run();
    assert_eq!((report.backward, report.forward), (Verdict::Breaks, Verdict::Breaks));
}

#[test]
fn a_session_may_be_said_to_begin_elsewhere() {
    let old = contract("+STATE start a() => ok() & start. +STATE two b() => ok() & start.");
    let new = contract("+STATE start a() => ok() & start. +STATE two b() => no() & start.");
    let comparison = Comparison::new(&old, &new);
    assert_eq!(comparison.run().upgrade(), Upgrade::AnyOrder);
    let report = comparison.with_entry_states(["two".into()]).run();
    assert_eq!(report.upgrade(), Upgrade::NewVersion);
}

#[test]
fn a_question_that_takes_too_long_is_not_shown_and_no_yes() {
    let part = |odd: usize, types: &str| {
        let parts = (0..12).map(|at| if at == odd { types } else { "1..3" });
        format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
    };
    let some: Vec<String> =
        (0..12).flat_map(|odd| [part(odd, "1..2"), part(odd, "2..3")]).collect();
    let types = |request: &str| format!("r() :: {request}; ok() :: ok");
    let states = "+STATE start r() => ok() & start.";
    let old = contract_with(&types(&part(99, "")), states);
    let new = contract_with(&types(&some.join(" | ")), states);
    let report = Comparison::new(&old, &new).with_max_steps(5).run();
    assert_eq!(report.backward, Verdict::NotShown);
    assert!(report.findings[0].to_string().contains("not shown"), "{report:?}");
}

/// A contract whose requests accept each other's in all ways: empty lists are of all of them.
fn entangled(added: &str) -> Contract {
    let mut text = String::from("+NAME(\"m\"). +VSN(\"1\"). +TYPES ok() :: ok");
    for number in 0..24_u32 {
        let (left, right) = ((number * 7 + 1) % 24, (number * 5 + 3) % 24);
        text += &format!(
            "; t{number}() :: [t{left}()] | {{a | b, t{right}()}} | {{a, x{number}}} | {{b, y | t{left}()}}{added}"
        );
    }
    text += ". +STATE start ";
    for number in 0..24 {
        let end = if number == 23 { '.' } else { ';' };
        text += &format!("t{number}() => ok() & start{end} ");
    }
    Reader::new().read(&text).unwrap()
}

#[test]
fn k2_contracts_that_are_too_entangled_are_not_shown_after_a_bounded_time() {
    let (old, new) = (entangled(""), entangled(" | {c, [t0()]}"));
    let report = Comparison::new(&old, &new).with_max_steps(100).run();
    assert_ne!(report.backward, Verdict::Serves);
    assert!(report.findings.iter().any(|finding| !finding.is_shown), "{:?}", report.findings);
}

#[test]
fn k1_a_large_contract_of_types_that_are_made_of_each_other_serves_itself() {
    let large = |last: &str| {
        let mut text = String::from("+NAME(\"m\"). +VSN(\"1\"). +TYPES ok() :: ok");
        for number in 0..400_u32 {
            let next = (number + 1) % 400;
            text += &format!(
                "; t{number}() :: {{tag{number}, t{next}(), 1..9}} | {{error, e{number}}}"
            );
        }
        text += &format!(
            "; other() :: {last}. +STATE start other() => ok() & start; t0() => ok() & start."
        );
        Reader::new().read(&text).unwrap()
    };
    // Longer than what one question may lead to: only that it is the same can show it.
    let report = Comparison::new(&large("1..3"), &large("1..4")).run();
    assert_eq!((report.backward, report.forward), (Verdict::Serves, Verdict::Breaks));
}
