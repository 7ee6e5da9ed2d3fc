//! Terms and bytes for property tests.

use proptest::collection::vec;
use proptest::prelude::*;
use ubf_codec::{Integer, Limits, Term};

/// Any term. Texts and integers come from a small choice half of the time, so that some come again.
pub(crate) fn terms() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        Just(Term::Undefined),
        any::<i64>().prop_map(Term::from),
        (-20_000_i64..20_000).prop_map(Term::from),
        any::<[i128; 2]>().prop_map(|[one, two]| {
            Term::Integer(Integer::from(
                Integer::from(one).to_big_int() * Integer::from(two).to_big_int(),
            ))
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

/// The term with its floats in the digits that this project writes (W8): notation and JSON keep
/// their values alone.
pub(crate) fn with_shortest_floats(term: &Term) -> Term {
    if let Some(float) = term.as_f64().and_then(Term::float) {
        return float;
    }
    match term {
        Term::Tuple(parts) => Term::tuple(parts.iter().map(with_shortest_floats)),
        Term::List(parts) => Term::list(parts.iter().map(with_shortest_floats)),
        Term::Tagged(tagged) => with_shortest_floats(tagged.term()).tagged(tagged.tag().clone()),
        Term::Undefined | Term::Integer(_) | Term::Atom(_) | Term::String(_) | Term::Binary(_) => {
            term.clone()
        }
    }
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

/// Packets of some thousand bytes, mostly well-formed: long enough to be read lightly as far as a
/// limit allows, and counted from there.
pub(crate) fn long_packets() -> impl Strategy<Value = Vec<u8>> {
    let plain: &[&[u8]] = &[
        b"?",
        b"1 ",
        b"-12,",
        b"123456789012345678 ",
        b"1234567890123456789,",
        b"-99999999999999999999999 ",
        b"'a'",
        b"\"s\\\"t\"",
        b"\"a text of more than sixteen bytes\"",
        b"{}",
        b"#",
        b"#1&'b'&",
        b"{1{\"c\"}}",
        b"2`t`",
        b"{}`a tag`",
        b" 3~abc~",
        b"%a comment%",
        b"\n",
    ];
    let dense: &[&[u8]] = &[b"?", b"{}", b"#", b"?\n", b"#1&"];
    let odd: &[&[u8]] = &[
        b"{1\"x\"}>x",
        b"'y'`t`>?",
        b"x",
        b"xxxxx",
        b"{{{{{1}}}}}",
        b"}",
        b"&",
        b"`",
        b"\"\\z\"",
        b"$",
    ];
    let ends: &[&[u8]] = &[b"}$", b"}$", b"}$ ", b"", b"$"];
    let odd = || {
        prop_oneof![
            4 => Just(Vec::new()),
            2 => prop::sample::select(odd).prop_map(<[u8]>::to_vec),
            1 => (0_usize..3000).prop_map(|len| [b"'", &b"z".repeat(len)[..], b"'"].concat()),
        ]
    };
    // Often one term in each byte or two, else few.
    let body = (
        prop_oneof![
            vec(prop::sample::select(plain), 1..12),
            vec(prop::sample::select(dense), 1..4)
        ],
        0_usize..5000,
    )
        .prop_map(|(tokens, len)| tokens.concat().repeat(1 + len / tokens.concat().len()));
    (odd(), body.clone(), odd(), body, odd(), prop::sample::select(ends)).prop_map(
        |(first, one, second, two, third, end)| {
            [&first[..], b"{", &one, &second, &two, &third, end].concat()
        },
    )
}

/// Limits that some of the [`long_packets`] keep, and others do not.
pub(crate) fn limits() -> impl Strategy<Value = Limits> {
    let all = Limits::default();
    let size = |max: u64| prop_oneof![2 => Just(max), 1 => 0_u64..40, 4 => 900_u64..3000];
    let few = |max: u32, small: u32| prop_oneof![3 => Just(max), 1 => 0..small];
    (
        prop_oneof![4 => Just(all.max_packet_bytes), 1 => 0_u32..6000],
        few(all.max_depth, 8),
        size(all.max_expanded_nodes),
        size(all.max_expanded_bytes),
        few(all.max_integer_digits, 25),
        few(all.max_tag_bytes, 6),
    )
        .prop_map(move |(packet, depth, nodes, bytes, digits, tag)| {
            all.with_max_packet_bytes(packet)
                .with_max_depth(depth)
                .with_max_expanded_nodes(nodes)
                .with_max_expanded_bytes(bytes)
                .with_max_integer_digits(digits)
                .with_max_tag_bytes(tag)
        })
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
