//! Checking terms: what fits, and what is said of what does not.

use ubf_codec::{Encoder, Term, decode};
use ubf_contract::{CheckLimits, Checker, ContractDialect, Exceeded, Reader, Step, Strings};

fn checker(types: &str) -> Checker {
    checker_in(ContractDialect::V2, types, Strings::Apart)
}

fn checker_in(dialect: ContractDialect, types: &str, strings: Strings) -> Checker {
    let any_state = if dialect == ContractDialect::V1_12 {
        "+ANYSTATE t() => t(). +STATE s t() => t() & s."
    } else {
        ""
    };
    let text = format!("+NAME(\"m\"). +VSN(\"1\"). +TYPES {types}. {any_state}");
    let contract = Reader::new().with_dialect(dialect).read(&text);
    let contract = contract.unwrap_or_else(|error| panic!("{error}: {types}"));
    Checker::with_strings(contract, strings)
}

/// Whether the term is a `t()`: as a term of its own, and as part of a packet.
fn fits(checker: &Checker, term: &str) -> bool {
    let term: Term = term.parse().unwrap_or_else(|error| panic!("{error}: {term}"));
    let node = checker.graph().named(b"t").unwrap();
    let bytes = Encoder::new().encode(&term);
    let packet = decode(&bytes).unwrap();
    let owned = checker.fits(node, &term).unwrap();
    assert_eq!(owned, checker.fits(node, packet.root()).unwrap(), "{term}");
    assert_eq!(owned, checker.check(node, &term).is_ok(), "{term}");
    owned
}

fn why(checker: &Checker, term: &str) -> String {
    let node = checker.graph().named(b"t").unwrap();
    checker.check(node, &term.parse::<Term>().unwrap()).unwrap_err().to_string()
}

#[test]
fn a_string_is_called_by_its_name() {
    let checker = checker(
        "t() :: {t, ubfstring(), u(), v()}; u() :: {'#S', [97..98]}; v() :: ubfstring() | 7",
    );
    let node = checker.graph().named(b"t").unwrap();
    for (term, message) in [
        ("{t,x,\"a\",7}", "element 2: expected ubfstring(), found x"),
        ("{t,\"x\",x,7}", "element 3: expected {'#S', [97..98]}, found x"),
        ("{t,\"x\",\"a\",x}", "element 4: expected ubfstring() | 7, found x"),
    ] {
        let term: Term = term.parse().unwrap();
        let found = checker.check(node, &term).unwrap_err().to_string();
        assert!(found.starts_with(message), "{found}");
    }
}

#[test]
fn a_term_fits_or_not() {
    for (types, good, bad) in [
        ("t() :: any()", &["1", "?", "\"s\"", "{}"][..], &[][..]),
        ("t() :: none()", &["1", "[a]"], &[]),
        ("t() :: any(nonempty,nonundefined)", &["\"\"", "1"], &["''", "[]", "{}", "<<>>", "?"]),
        ("t() :: 1..3 | 5..", &["1", "3", "5", "99999999999999999999"], &["0", "4", "'1'"]),
        ("t() :: 99999999999999999999..", &["99999999999999999999"], &["99999999999999999998"]),
        ("t() :: 5..1", &[], &["1", "3", "5"]),
        ("t() :: 1.5", &["1.5"], &["1", "\"1.5\"", "1.25"]),
        ("t() :: float()", &["-0.5"], &["1"]),
        ("t() :: atom(ascii)", &["a", "''", "?"], &["'\u{e9}'", "\"a\""]),
        ("t() :: integer()?", &["1", "?", "undefined"], &["a"]),
        ("t() :: [a|1]{2,3}", &["[a,1]", "[1,1,a]"], &["[]", "[a]", "[a,a,a,a]", "[a,b]"]),
        ("t() :: [a]?", &["[]", "[a]"], &["[a,a]", "[1]"]),
        ("t() :: [a]{-1}", &[], &["[]", "[a]"]),
        ("t() :: {x, {y, 1..2} | [z]}", &["{x,{y,1}}", "{x,[z,z]}"], &["{x,{y,3}}", "{x}", "x"]),
        ("t() :: #r{f::a, g=1::2}", &["{r,a,2}"], &["{r,a,1}", "{r,a}", "{q,a,2}"]),
        ("t() :: ##r{f::a}", &["{r,undefined,9,a}", "{r,?,b,a}"], &["{r,{f},9,a}", "{r,a}"]),
        ("t() :: {t()} | leaf", &["leaf", "{{{leaf}}}"], &["{{{}}}", "{leaf,leaf}"]),
        ("t() :: t()", &[], &["1", "t"]),
        ("t() :: u() | a; u() :: t() | b", &["a", "b"], &["c"]),
        (
            "t() :: <<\"ab\">> | binary(asciiprintable,nonempty)",
            &["<<\"ab\">>"],
            &["<<1>>", "<<>>"],
        ),
    ] {
        let checker = checker(types);
        for term in good {
            assert!(fits(&checker, term), "{term} is no {types}");
        }
        for term in bad {
            assert!(!fits(&checker, term), "{term} is a {types}");
        }
    }
}

#[test]
fn strings_are_apart_or_tuples() {
    for (types, term, apart, as_tuples) in [
        ("t() :: ubfstring()", "\"ab\"", true, true),
        ("t() :: {'#S', [97..98]}", "\"ab\"", true, true),
        ("t() :: {'#S', [97..98]}", "\"abc\"", false, false),
        ("t() :: {'#S', [byte()]+}", "\"\"", false, false),
        ("t() :: {'#S', [97 | 98]}", "\"ab\"", true, true),
        ("t() :: {'#S', [97 | 98]}", "\"ac\"", false, false),
        ("t() :: {'#S', [9999999999999999999..]}", "\"a\"", false, false),
        ("t() :: {'#S', [..9999999999999999999]}", "\"a\"", true, true),
        ("t() :: {'#S', any()}", "\"a\"", true, true),
        ("t() :: ubfstring()", "{'#S',[97]}", false, true),
        ("t() :: ubfstring()", "{'#S',[256]}", false, false),
        ("t() :: tuple()", "\"ab\"", false, true),
        ("t() :: tuple(nonempty)", "\"\"", false, true),
        ("t() :: {any(), any()}", "\"\"", false, true),
        ("t() :: {atom(nonempty), list(nonempty)}", "\"\"", false, false),
        ("t() :: {atom(nonempty), list(nonempty)}", "\"a\"", false, true),
        ("t() :: {any(), any()}", "\"\"`tag`", false, false),
        ("t() :: {any(), any(), 5}", "5`tag`", false, true),
        ("t() :: {any(), [116, 97, 103], 5} | {any(), [byte()], 5}", "5`tag`", false, true),
        ("t() :: {any(), any(), 5}", "\"1.5\"`f`", false, false),
        ("t() :: \"ab\"", "\"ab\"", true, false),
        ("t() :: string()", "\"ab\"", false, false),
        ("t() :: string()", "[97,98]", true, true),
    ] {
        for (strings, expected) in [(Strings::Apart, apart), (Strings::AsTuples, as_tuples)] {
            // A list of types for elements is no type of contracts: spelled out here.
            let types = types.replace("[116, 97, 103]", "[116 | 97 | 103]{3}");
            let checker = checker_in(ContractDialect::V2, &types, strings);
            assert_eq!(fits(&checker, term), expected, "{term} in {types}, {strings:?}");
        }
    }
}

#[test]
fn older_dialects_mean_what_their_peers_mean() {
    use ContractDialect::{V1_12, V1_16};
    for (dialect, types, term, expected) in [
        (V1_16, "t() = string(nonempty)", "\"a\"", true),
        (V1_16, "t() = string(nonempty)", "\"\"", false),
        (V1_16, "t() = string(ascii)", "\"\u{e9}\"", false),
        (V1_16, "t() = proplist()", "{'#P',[{a,1}]}", true),
        (V1_16, "t() = proplist(nonempty)", "{'#P',[]}", false),
        (V1_16, "t() = [a]{1}", "[a]", false),
        (V1_16, "t() = void()", "[a]", true),
        (V1_12, "t() = \"ab\"", "[97,98]", true),
        (V1_12, "t() = \"ab\"", "\"ab\"", false),
        (V1_12, "t() = int()", "7", true),
        (V1_12, "t() = constant()", "a", true),
        (V1_12, "t() = constant()", "1", false),
    ] {
        let checker = checker_in(dialect, types, Strings::Apart);
        assert_eq!(fits(&checker, term), expected, "{term} in {types}");
    }
}

#[test]
fn a_mismatch_says_where_and_what() {
    let types = "t() :: {put, key(), [1..9]+} | {get, key()} | #at{x::integer(), y::float()};
                 key() :: atom(nonempty) | ubfstring()";
    let checker = checker(types);
    for (term, expected) in [
        (
            "{put,k,[1,0]}",
            "element 3, item 2: expected 1..9, found 0 (nearest is {put, key(), [1..9]+})",
        ),
        ("{put,k,[]}", "element 3: expected [1..9]+, found [] (nearest is {put, key(), [1..9]+})"),
        (
            "{put,7,[1]}",
            "element 2: expected atom(nonempty) | ubfstring(), found 7 (nearest is {put, key(), [1..9]+})",
        ),
        ("{get}", "expected {get, key()}, found {get}"),
        (
            "{at,1,2}",
            "field y: expected float(), found 2 (nearest is #at{x :: integer(), y :: float()})",
        ),
        (
            "5",
            "expected {put, key(), [1..9]+} | {get, key()} | #at{x :: integer(), y :: float()}, found 5",
        ),
    ] {
        assert_eq!(why(&checker, term), expected);
    }
    let node = checker.graph().named(b"t").unwrap();
    let mismatch = checker.check(node, &"{put,k,[1,0]}".parse::<Term>().unwrap()).unwrap_err();
    assert_eq!(mismatch.path, [Step::Element(3), Step::Item(2)]);
    assert_eq!(mismatch.within, Some("t".into()));
    assert_eq!(mismatch.exceeded, None);
}

#[test]
fn a_message_is_short_whatever_the_term_is() {
    let checker = checker("t() :: a");
    let long = format!("[{}1]", "1,".repeat(10_000));
    assert!(why(&checker, &long).len() < 200);
}

#[test]
fn no_depth_exhausts_the_stack() {
    let limits = CheckLimits::new().with_max_depth(u32::MAX);
    let checker = checker("t() :: [t()] | leaf").with_limits(limits);
    let node = checker.graph().named(b"t").unwrap();
    let mut term = Term::atom("leaf");
    for _ in 0..100_000 {
        term = Term::list([term]);
    }
    assert_eq!(checker.fits(node, &term), Ok(true));
}

#[test]
fn what_is_open_is_limited() {
    let checker = checker("t() :: {t()} | leaf");
    let node = checker.graph().named(b"t").unwrap();
    // Each level has a tuple, and a choice of which another alternative is left; the innermost has
    // none, since its alternatives say at once whether they take the term.
    let term: Term = "{{leaf}}".parse().unwrap();
    let at = checker.clone().with_limits(CheckLimits::new().with_max_depth(4));
    assert_eq!(at.fits(node, &term), Ok(true));
    let below = checker.with_limits(CheckLimits::new().with_max_depth(3));
    assert_eq!(below.fits(node, &term), Err(Exceeded::Depth(3)));
    let error = below.check(node, &term).unwrap_err();
    assert_eq!(error.to_string(), "more than 3 parts are open at once (max_depth)");
}

#[test]
fn alternatives_that_overlap_end_at_the_limit_of_steps() {
    let checker = checker("t() :: {t(), 1} | {t(), 2} | a")
        .with_limits(CheckLimits::new().with_max_steps(10_000));
    let node = checker.graph().named(b"t").unwrap();
    // Each level is looked at twice for each of the levels around it.
    let mut term = Term::atom("b");
    for _ in 0..64 {
        term = Term::tuple([term, Term::from(2)]);
    }
    assert_eq!(checker.fits(node, &term), Err(Exceeded::Steps(10_000)));
}

#[test]
fn many_alternatives_in_each_other_are_no_recursion() {
    let mut types = String::from("t() :: a0()");
    for index in 0..3_000 {
        let literals: Vec<String> = (0..40).map(|n| format!("x{index}_{n}")).collect();
        types += &format!("; a{index}() :: {} | a{}()", literals.join(" | "), index + 1);
    }
    types += "; a3000() :: end_of_all";
    let checker = checker(&types);
    assert!(fits(&checker, "end_of_all") && fits(&checker, "x2999_39"));
    assert!(!fits(&checker, "nothing"));
}
