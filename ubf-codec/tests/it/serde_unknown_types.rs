//! Where serde reads a term before it knows the type: `flatten`, `tag`, `untagged`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
#![cfg(feature = "serde")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ubf_codec::Term;
use ubf_codec::serde::{
    Growing, PropertyList, SelfDescribing, Serializer, from_slice, from_term, to_term, to_vec,
};

/// Written in every form it is read again, and as a term.
#[track_caller]
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    for serializer in [
        Serializer::new(),
        Serializer::new().with_property_lists(true),
        Serializer::new().with_self_description(true),
    ] {
        let packet = { serializer }.encode(value).unwrap();
        let read = from_slice::<T>(&packet)
            .unwrap_or_else(|error| panic!("{}: {error}", packet.escape_ascii()));
        assert_eq!(&read, value, "{}", packet.escape_ascii());
    }
    assert_eq!(&from_term::<T>(&to_term(value).unwrap()).unwrap(), value);
}

#[track_caller]
fn is_written<T: Serialize>(value: &T, packet: &str) {
    assert_eq!(String::from_utf8(to_vec(value).unwrap()).unwrap(), packet);
}

/// One of each kind of value that loses its name when its type is not known.
#[derive(Serialize, Deserialize, PartialEq, Clone, Debug)]
struct Parts {
    inner: Inner,
    unit: Nothing,
    pair: Pair,
    moves: Vec<Move>,
    numbers: Vec<(u8, String)>,
    bytes: Option<Vec<u8>>,
    flag: bool,
}

#[derive(Serialize, Deserialize, PartialEq, Clone, Debug)]
struct Nothing;

#[derive(Serialize, Deserialize, PartialEq, Clone, Debug)]
struct Pair(Move, u8);

#[derive(Serialize, Deserialize, PartialEq, Clone, Debug)]
enum Move {
    Stay,
    Steps(u32),
    To(i8, i8),
    Along { path: Vec<Self>, fast: Option<bool> },
}

fn parts() -> Parts {
    let along = Move::Along { path: vec![Move::Stay, Move::Steps(2)], fast: None };
    Parts {
        inner: Inner { a: None, b: 1.5 },
        unit: Nothing,
        pair: Pair(Move::Stay, 7),
        moves: vec![Move::Stay, Move::Steps(1), Move::To(-1, 1), along],
        numbers: vec![(1, "a".into())],
        bytes: Some(vec![1, 2]),
        flag: true,
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: BTreeMap<String, Term>,
}

#[derive(Serialize, Deserialize, PartialEq, Clone, Debug)]
struct Inner {
    a: Option<u8>,
    b: f64,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "type")]
enum Internal {
    A { x: u8, y: Option<String> },
    B(Inner),
    C,
    D { parts: Parts },
    E(Parts),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    A { x: u8 },
    B(Inner),
    C,
    D(u8, Vec<Inner>),
    E(Parts),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Float(f64),
    Text(String),
    Pair(u8, String),
    Named { x: u8 },
    Struct(Inner),
    List(Vec<Self>),
}

#[test]
fn flatten_is_a_map_of_strings() {
    let rest = BTreeMap::from([("other".to_owned(), ubf_codec::ubf!(["x", 1]))]);
    let flat = Flat { id: 1, inner: Inner { a: None, b: 1.5 }, rest };
    assert_eq!(
        String::from_utf8(to_vec(&flat).unwrap()).unwrap(),
        "#{\"other\"#1&\"x\"&}&{\"b\"\"1.5\"`f`}&{\"a\"?}&{\"id\"1}&`map`$"
    );
    comes_back(&flat);
    // From Erlang it may come as a property list.
    let read: Flat = from_slice(b"#{'b'2}&{'id'1}&$").unwrap();
    assert_eq!(read, Flat { id: 1, inner: Inner { a: None, b: 2.0 }, rest: BTreeMap::new() });
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct FlatParts {
    #[serde(flatten)]
    parts: Parts,
    #[serde(flatten)]
    choice: Move,
}

#[test]
fn what_is_flattened_may_hold_anything() {
    comes_back(&FlatParts { parts: parts(), choice: Move::Steps(3) });
    comes_back(&FlatParts { parts: parts(), choice: Move::To(1, 2) });
    comes_back(&FlatParts {
        parts: parts(),
        choice: Move::Along { path: vec![Move::To(1, 1)], fast: Some(true) },
    });
}

#[test]
fn an_internally_tagged_enum_is_a_property_list_with_its_tag_first() {
    is_written(&Internal::A { x: 1, y: None }, "#{'y'?}&{'x'1}&{'type'\"A\"}&`plist`$");
    is_written(
        &Internal::B(Inner { a: Some(1), b: 0.5 }),
        "#{'b'\"0.5\"`f`}&{'a'1}&{'type'\"B\"}&`plist`$",
    );
    is_written(&Internal::C, "#{'type'\"C\"}&`plist`$");
    for value in
        [Internal::A { x: 1, y: None }, Internal::B(Inner { a: None, b: 0.5 }), Internal::C]
    {
        comes_back(&value);
        comes_back(&vec![value]);
    }
    comes_back(&Internal::D { parts: parts() });
    comes_back(&Internal::E(parts()));
    comes_back(&(Internal::E(parts()), parts()));
}

#[test]
fn what_comes_after_a_tagged_enum_is_written_as_ever() {
    let inner = || Inner { a: None, b: 0.5 };
    is_written(&(Internal::C, inner()), "{#{'type'\"C\"}&`plist`{'Inner'?\"0.5\"`f`}}$");
    is_written(
        &(Adjacent::B(inner()), inner()),
        "{{'Adjacent''B'#{'b'\"0.5\"`f`}&{'a'?}&`plist`}{'Inner'?\"0.5\"`f`}}$",
    );
    // An error in the middle of it changes nothing for the next value.
    let mut serializer = Serializer::new();
    serializer.encode(&Internal::B(Inner { a: None, b: f64::NAN })).unwrap_err();
    assert_eq!(serializer.encode(&inner()).unwrap(), b"{'Inner'?\"0.5\"`f`}$");
}

#[test]
fn an_adjacently_tagged_enum_holds_anything() {
    let inner = Inner { a: None, b: 0.5 };
    for value in
        [Adjacent::A { x: 1 }, Adjacent::B(inner.clone()), Adjacent::C, Adjacent::D(2, vec![inner])]
    {
        comes_back(&value);
    }
    comes_back(&Adjacent::E(parts()));
    is_written(&Adjacent::A { x: 1 }, "{'Adjacent''A'#{'x'1}&`plist`}$");
}

fn untagged() -> Vec<Untagged> {
    vec![
        Untagged::Number(-1),
        Untagged::Float(0.5),
        Untagged::Text("x".into()),
        Untagged::Pair(1, "x".into()),
        Untagged::Named { x: 1 },
        Untagged::Struct(Inner { a: None, b: 0.5 }),
        Untagged::List(vec![Untagged::Number(1)]),
    ]
}

#[test]
fn an_untagged_enum_needs_property_lists_for_its_structs() {
    let untagged = untagged();
    for packet in
        [to_vec(&PropertyList(&untagged)).unwrap(), to_vec(&SelfDescribing(&untagged)).unwrap()]
    {
        assert_eq!(from_slice::<Vec<Untagged>>(&packet).unwrap(), untagged);
    }
    // The same from Erlang.
    assert_eq!(from_slice::<Untagged>(b"#{'x'1}&`map`$").unwrap(), Untagged::Named { x: 1 });
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Either {
    Move(Move),
    Parts(Box<Parts>),
    Number(u64),
}

#[test]
fn what_describes_itself_is_read_without_its_type() {
    for value in parts()
        .moves
        .into_iter()
        .map(Either::Move)
        .chain([Either::Parts(Box::new(parts())), Either::Number(7)])
    {
        let packet = to_vec(&SelfDescribing(&value)).unwrap();
        assert_eq!(from_slice::<Either>(&packet).unwrap(), value, "{}", packet.escape_ascii());
    }
    is_written(&SelfDescribing(Move::To(1, 2)), "#{'To'{1 2}}&`plist`$");
    is_written(&SelfDescribing(Nothing), "{}$");
    is_written(&SelfDescribing(Pair(Move::Steps(1), 2)), "{#{'Steps'1}&`plist`2}$");
}

#[test]
fn variants_that_describe_themselves_grow_at_their_end() {
    let Growing(to) = from_slice::<Growing<Move>>(b"#{'To'{1 2 3}}&`plist`$").unwrap();
    assert_eq!(to, Move::To(1, 2));
    from_slice::<Move>(b"#{'To'{1 2 3}}&`plist`$").unwrap_err();
    let along = Move::Along { path: vec![], fast: None };
    assert_eq!(from_slice::<Move>(b"#{'Along'#{'path'#}&}&$").unwrap(), along);
    assert_eq!(from_slice::<Move>(b"#'Stay'&$").unwrap(), Move::Stay);
}

#[test]
fn a_record_where_the_type_is_not_known_is_an_error_that_says_what_to_do() {
    for (value, offset) in
        [(Either::Move(Move::Steps(1)), 1), (Either::Parts(Box::new(parts())), 1)]
    {
        let error = from_slice::<Either>(&to_vec(&value).unwrap()).unwrap_err();
        let advice = "data did not match any variant of untagged enum Either; a record or \
                      variant stands where serde reads before it knows the type: see \
                      ubf_codec::serde::SelfDescribing";
        assert_eq!(error.to_string(), format!("{advice}, at byte {offset}"));
    }
    // No advice where it does not help.
    let error = from_slice::<Either>(b"\"x\"$").unwrap_err();
    assert_eq!(
        error.to_string(),
        "data did not match any variant of untagged enum Either, at byte 0"
    );
}

#[test]
fn a_map_of_borrowed_keys_holds_records() {
    let inner = Inner { a: None, b: 0.5 };
    is_written(&BTreeMap::from([("k", inner.clone())]), "#{\"k\"{'Inner'?\"0.5\"`f`}}&`map`$");
    comes_back(&BTreeMap::from([("k".to_owned(), inner)]));
}
