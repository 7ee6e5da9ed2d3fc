//! Terms as values: compared, hashed, converted, walked through, wherever they are.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

use std::cmp::Ordering;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use ubf_codec::{
    Address, Host, HostName, Integer, Term, TermRef, Text, TextRef, View, decode, ubf,
};

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn integer(digits: &str) -> Integer {
    digits.parse().unwrap()
}

/// Below and above what fits 64 and 128 bits, the least first.
const INTEGERS: [&str; 12] = [
    "-1000000000000000000000000000000000000000000",
    "-999999999999999999999999999999999999999999",
    "-170141183460469231731687303715884105729",
    "-170141183460469231731687303715884105728",
    "-9223372036854775809",
    "-9223372036854775808",
    "-1",
    "0",
    "9223372036854775807",
    "9223372036854775808",
    "170141183460469231731687303715884105727",
    "170141183460469231731687303715884105728",
];

#[test]
fn integers_are_ordered_by_value_however_they_are_kept() {
    for (place, one) in INTEGERS.iter().enumerate() {
        for (other_place, other) in INTEGERS.iter().enumerate() {
            let expected = place.cmp(&other_place);
            assert_eq!(integer(one).cmp(&integer(other)), expected, "{one} and {other}");
            assert_eq!(integer(one).partial_cmp(&integer(other)), Some(expected));
            // Digits in packets, digits beside owned values, owned values.
            let packets = [one, other].map(|digits| format!("{digits}$"));
            let [first, second] =
                packets.each_ref().map(|packet| decode(packet.as_bytes()).unwrap());
            let (View::Integer(left), View::Integer(right)) =
                (first.root().view(), second.root().view())
            else {
                panic!()
            };
            assert_eq!(left.cmp(&right), expected, "{one} and {other} in packets");
            assert_eq!(left.partial_cmp(&right), Some(expected));
            assert_eq!(left == right, expected == Ordering::Equal);
            let owned = Term::from(integer(other));
            let View::Integer(owned) = owned.as_ref().view() else { panic!() };
            assert_eq!((left.cmp(&owned), owned.cmp(&left)), (expected, expected.reverse()));
            assert_eq!(left == owned, expected == Ordering::Equal);
            assert_eq!(hash(&left) == hash(&right), expected == Ordering::Equal);
            assert_eq!(hash(&left) == hash(&owned), expected == Ordering::Equal);
        }
    }
}

#[test]
fn an_integer_is_given_in_the_types_that_it_fits() {
    for digits in INTEGERS {
        let (value, packet) = (integer(digits), format!("{digits}$"));
        assert_eq!(value.to_i64(), digits.parse().ok(), "{digits}");
        assert_eq!(value.to_u64(), digits.parse().ok(), "{digits}");
        assert_eq!(value.to_i128(), digits.parse().ok(), "{digits}");
        assert_eq!(value.is_negative(), digits.starts_with('-'), "{digits}");
        assert_eq!(format!("{value:?}"), digits);
        let packet = decode(packet.as_bytes()).unwrap();
        let View::Integer(value) = packet.root().view() else { panic!() };
        assert_eq!(
            (value.to_i64(), value.to_u64()),
            (digits.parse().ok(), digits.parse().ok()),
            "{digits}"
        );
        assert_eq!(value.to_i128(), digits.parse().ok(), "{digits}");
        assert_eq!(format!("{value:?}"), digits);
    }
    assert_eq!(integer("18446744073709551615").to_u64(), Some(u64::MAX));
    assert_eq!(integer("18446744073709551616").to_u64(), None);
    assert_eq!("1x".parse::<Integer>().unwrap_err().to_string(), "not a decimal integer");
}

/// One of each kind, in the order of kinds, and some that differ in one thing.
fn ordered() -> Vec<Term> {
    vec![
        Term::Undefined,
        ubf!(-1),
        ubf!(7),
        ubf!(a),
        ubf!(b),
        ubf!(""),
        ubf!("a"),
        Term::binary(vec![1]),
        Term::binary(vec![1, 0]),
        Term::binary(vec![2]),
        ubf!({}),
        ubf!({ 2 }),
        ubf!({1, 1}),
        ubf!({1, 2}),
        ubf!([]),
        ubf!([1]),
        ubf!([1, 1]),
        ubf!([2]),
        ubf!(1).tagged("a"),
        ubf!(2).tagged("a"),
        ubf!(1).tagged("b"),
    ]
}

#[test]
fn terms_are_equal_ordered_and_hashed_alike_wherever_they_are() {
    let terms = ordered();
    let packets: Vec<Vec<u8>> =
        terms.iter().map(|term| ubf_codec::Encoder::new().encode(term)).collect();
    let documents: Vec<_> = packets.iter().map(|packet| decode(packet).unwrap()).collect();
    for (place, (one, document)) in terms.iter().zip(&documents).enumerate() {
        for (other_place, other) in terms.iter().enumerate() {
            let expected = place.cmp(&other_place);
            let is_same = expected == Ordering::Equal;
            assert_eq!(
                (one.cmp(other), one.partial_cmp(other)),
                (expected, Some(expected)),
                "{one} and {other}"
            );
            let packet = document.root();
            assert_eq!(packet.cmp(&other.as_ref()), expected, "{one} and {other}");
            assert_eq!(packet.partial_cmp(&other.as_ref()), Some(expected));
            assert_eq!(
                (packet == *other, *other == packet, packet == other.as_ref()),
                (is_same, is_same, is_same)
            );
            assert_eq!(hash(one) == hash(other), is_same, "{one} and {other}");
            assert_eq!(hash(&packet) == hash(other), is_same, "{one} and {other}");
        }
    }
}

#[test]
fn texts_are_their_bytes() {
    let (one, other) = (Text::from("abc"), Text::from("abd"));
    assert_eq!((one == other, one.partial_cmp(&other)), (false, Some(Ordering::Less)));
    assert_ne!(hash(&one), hash(&other));
    assert_eq!(
        (one == *"abc", one == *"abd", one == "abc", one == "x"),
        (true, false, true, false)
    );
    assert_eq!(Text::from(Bytes::from_static(b"bytes")), "bytes");
    assert_eq!(Text::from(Bytes::from(vec![b'x'; 100])).as_bytes(), [b'x'; 100]);
    let packet = decode(b"{\"a\\\"b\" \"a\\\"c\"}$").unwrap();
    let View::Tuple(tuple) = packet.root().view() else { panic!() };
    let [first, second] = tuple.to_array().unwrap().map(|term: TermRef<'_>| match term.view() {
        View::String(text) => text,
        _ => panic!(),
    });
    let compare = |one: TextRef<'_>, other: TextRef<'_>| (one == other, one.partial_cmp(&other));
    assert_eq!(compare(first, second), (false, Some(Ordering::Less)));
    assert_eq!(compare(first, first), (true, Some(Ordering::Equal)));
    assert_ne!(hash(&first), hash(&second));
    let bytes: (&[u8], &[u8]) = (b"a\"b", b"a\"c");
    assert_eq!(
        (first == *bytes.0, first == *bytes.1, first == bytes.0, first == bytes.1),
        (true, false, true, false)
    );
    assert_eq!(
        Text::from("ubf!{x}".parse::<Term>().unwrap_err()),
        "expected the end of the text after the term, found '!', at byte 3"
    );
}

#[test]
fn long_texts_are_utf8_or_not_like_short_ones() {
    for length in [1, 62, 63, 64, 65, 200] {
        let good = "é".repeat(length);
        let broken = [good.as_bytes(), b"\xc3"].concat();
        for (text, expected) in [(good.as_bytes(), Some(good.as_str())), (broken.as_slice(), None)]
        {
            assert_eq!(Text::from(text).as_str(), expected);
            let packet = [b"\"", text, b"\"$"].concat();
            let packet = decode(&packet).unwrap();
            let View::String(text) = packet.root().view() else { panic!() };
            assert_eq!(text.to_str().as_deref(), expected);
        }
    }
}

#[test]
fn the_elements_of_tuples_and_lists_are_counted_from_both_ends() {
    let packet = decode(b"{{1 2 3}#3&2&1&{}#}$").unwrap();
    let owned = packet.to_term();
    for root in [packet.root(), owned.as_ref()] {
        let View::Tuple(all) = root.view() else { panic!() };
        let [tuple, list, no_tuple, no_list] = all.to_array().unwrap();
        let (View::Tuple(tuple), View::List(list)) = (tuple.view(), list.view()) else { panic!() };
        let (View::Tuple(no_tuple), View::List(no_list)) = (no_tuple.view(), no_list.view()) else {
            panic!()
        };
        assert_eq!(
            [tuple.is_empty(), list.is_empty(), no_tuple.is_empty(), no_list.is_empty()],
            [false, false, true, true]
        );
        let numbers = |terms: &mut dyn Iterator<Item = TermRef<'_>>| {
            terms.map(|term| term.as_i64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&mut tuple.iter().rev()), [3, 2, 1]);
        assert_eq!(numbers(&mut list.iter()), [1, 2, 3]);
        let (mut elements, mut items) = (tuple.iter(), list.iter());
        for left in (0..=3).rev() {
            assert_eq!(
                (elements.size_hint(), items.size_hint()),
                ((left, Some(left)), (left, Some(left)))
            );
            assert_eq!((elements.next().is_some(), items.next().is_some()), (left > 0, left > 0));
        }
    }
}

#[test]
fn values_of_the_language_become_terms() {
    assert_eq!(Term::from(String::from("text")), Term::string("text"));
    assert_eq!(Term::from(Bytes::from_static(b"\x01")), Term::binary(vec![1]));
    let packet = decode(b"{1 2}$").unwrap();
    assert_eq!(Term::from(packet.root()), ubf!({1, 2}));
    let Term::Tuple(elements) = Term::tuple(vec![ubf!(1), ubf!(2)]) else { panic!() };
    assert_eq!((&elements).into_iter().count(), 2);
    assert_eq!(Term::Tuple(vec![ubf!(1), ubf!(2)].into()), ubf!({1, 2}));
    assert_eq!(format!("{:?} {:?}", ubf!({a, "b"}), elements), "{a,\"b\"} [1, 2]");
}

#[test]
fn an_address_has_a_name_or_says_what_it_should_look_like() {
    assert_eq!(HostName::new("b.example").unwrap().as_str(), "b.example");
    let address: Address = "b.example:4000".parse().unwrap();
    assert!(matches!(address.host, Host::Name(name) if name.as_str() == "b.example"));
    let error = "b.example".parse::<Address>().unwrap_err().to_string();
    assert!(error.starts_with("not an address: expected one like 192.0.2.7:4000"), "{error}");
}

#[test]
fn the_notation_says_how_far_it_read_and_what_it_wants() {
    assert_eq!(Term::parse_prefix("{ok, 1}. rest").unwrap(), (ubf!({ok, 1}), 7));
    assert!(Term::parse_prefix("{ok, 1").unwrap_err().is_incomplete());
    assert!(!Term::parse_prefix("{ok, )").unwrap_err().is_incomplete());
    let error = |text: &str| text.parse::<Term>().unwrap_err().to_string();
    assert_eq!(
        error("#x"),
        "expected a term (UBF has no records; write a tuple), found '#', at byte 0"
    );
    assert!(
        error("_X").starts_with("expected a term (a name that begins with a capital is a variable")
    );
    assert!(error("{1|[2]}").contains("',' or '}', found '|'"), "{}", error("{1|[2]}"));
    assert!(error("[1|2]").contains("a list after '|'"), "{}", error("[1|2]"));
    assert!(error("[1;2]").contains("found ';'"), "{}", error("[1;2]"));
    assert!(error("{é}").ends_with("found 'é', at byte 1"), "{}", error("{é}"));
    assert!(error("{\u{80}}").ends_with("found '\u{80}', at byte 1"), "{}", error("{\u{80}}"));
    assert!(error("{\t)}").ends_with("found ')', at byte 2"), "{}", error("{\t)}"));
    assert_eq!("9".repeat(10_000).parse::<Term>().unwrap().to_string().len(), 10_000);
    assert!(error(&"9".repeat(10_001)).contains("at most 10000 digits"));
    // A decimal number in a string tagged `f` is a float, however it is written; all else is not.
    assert_eq!(Term::string("15").tagged("f").to_string(), "15.0");
    assert_eq!(Term::string("15x").tagged("f").to_string(), "\"15x\"`f`");
    assert_eq!(Term::string("1.5").tagged("f").to_string(), "1.5");
}
