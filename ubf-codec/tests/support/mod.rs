//! Terms and bytes for property tests.

use proptest::collection::vec;
use proptest::prelude::*;
use ubf_codec::{Integer, Term};

/// Any term. Texts and integers come from a small choice half of the time, so that some come again.
pub(crate) fn terms() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        Just(Term::Undefined),
        any::<i64>().prop_map(Term::from),
        (-20_000_i64..20_000).prop_map(Term::from),
        any::<[i128; 2]>().prop_map(|[one, two]| {
            Term::Integer(Integer::from(Integer::from(one).to_big_int() * Integer::from(two).to_big_int()))
        }),
        texts().prop_map(Term::atom),
        texts().prop_map(Term::string),
        vec(any::<u8>(), 0..40).prop_map(Term::binary),
        any::<f64>().prop_map(|value| Term::float(value).unwrap_or_default()),
    ];
    leaf.prop_recursive(6, 120, 8, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 0..8).prop_map(Term::tuple),
            3 => vec(inner.clone(), 0..8).prop_map(Term::list),
            1 => (inner.clone(), texts()).prop_map(|(term, tag)| term.tagged(tag)),
            // The same term twice is what registers are for.
            2 => inner.prop_map(|term| Term::tuple([term.clone(), term])),
        ]
    })
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(&["person", "a name", "undefined", "$", "f", "a\\b", "\"'`%~"][..])
            .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..30),
        "\\PC{0,12}".prop_map(String::into_bytes),
    ]
}

/// Bytes that look like packets often enough to get beyond the first operator.
pub(crate) fn packet_like_bytes() -> impl Strategy<Value = Vec<u8>> {
    let tokens: &[&[u8]] = &[
        b"{",
        b"}",
        b"{",
        b"}",
        b"#",
        b"&",
        b"&",
        b"$",
        b"1",
        b"-12",
        b" ",
        b",",
        b"\n",
        b"'a'",
        b"'abcd'",
        b"\"s\\\"t\"",
        b"\"",
        b"'",
        b"`t`",
        b"`",
        b"%c%",
        b"%",
        b"3~abc~",
        b"~",
        b">x",
        b"x",
        b">?",
        b"?",
        b">",
        b"\\",
        b"-",
        b"99999999999999999999",
        b"0",
    ];
    prop_oneof![
        4 => vec(prop::sample::select(tokens), 0..24).prop_map(|tokens| tokens.concat()),
        1 => vec(any::<u8>(), 0..40),
    ]
}

/// What a term becomes where nobody knows `?` (W7).
pub(crate) fn without_undefined(term: &Term) -> Term {
    match term {
        Term::Undefined => Term::atom("undefined"),
        Term::Tuple(elements) => Term::tuple(elements.iter().map(without_undefined)),
        Term::List(elements) => Term::list(elements.iter().map(without_undefined)),
        Term::Tagged(tagged) => without_undefined(tagged.term()).tagged(tagged.tag().clone()),
        Term::Integer(_) | Term::Atom(_) | Term::String(_) | Term::Binary(_) => term.clone(),
    }
}
