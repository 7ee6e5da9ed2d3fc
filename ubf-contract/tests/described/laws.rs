//! The laws: what a value is written as is of its type's contract, and what the contract allows is
//! read, where contracts have words for all that the type says.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ubf_codec::Dialect;
use ubf_codec::serde::{Deserializer, from_term, to_term};
use ubf_contract::{Checker, ContractBuilder, Described, Faker, Message, NodeId, TypeKind};

/// A checker, and the type that `T` is in it.
fn checker<T: Described>() -> (Checker, NodeId) {
    // A tuple of one, so that the type has a name that is known.
    let library = ContractBuilder::new("library", "1").with_type(Message::of::<(T, Named)>());
    let contract = library.build().unwrap();
    let whole = contract.types().iter().find(|one| one.name == "message").unwrap();
    let TypeKind::Tuple(parts) = &whole.definition.kind else { panic!("a tuple") };
    assert_eq!(parts.len(), 2);
    let checker = Checker::new(contract);
    let node = checker.graph().named(b"message").unwrap();
    (checker, node)
}

#[derive(Serialize, Deserialize, Described, Debug, PartialEq, Clone)]
struct Named;

fn is_accepted<T: Described + Serialize + Debug>(value: &T) {
    let (checker, node) = checker::<T>();
    let term = to_term(&(value, Named)).unwrap();
    if let Err(error) = checker.check(node, &term) {
        panic!("{value:?} is written as {term}: {error}");
    }
}

/// What is read is also written as it was, since the types here have no other freedom.
fn are_read<T: Described + Serialize + DeserializeOwned>() {
    let (checker, node) = checker::<T>();
    let mut faker = Faker::new(&checker, 15).with_max_terms(60);
    for _ in 0..500 {
        let term = faker.term(node).unwrap();
        // To contracts, the atom `undefined` is the undefined value (C2.2).
        let term_read = Deserializer::from_term(&term).with_dialect(Dialect::Classic);
        let value: (T, Named) = match term_read.read() {
            Ok(value) => value,
            Err(error) => panic!("{term}: {error}"),
        };
        let again = to_term(&value).unwrap();
        checker.check(node, &again).unwrap();
    }
}

#[derive(Serialize, Deserialize, Described, Debug, PartialEq, Clone)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    Nothing,
    Circle(u8),
    Box(i64, i16),
    Way {
        steps: Vec<Step>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<bool>,
    },
    Group(Vec<Self>),
}

#[derive(Serialize, Deserialize, Described, Debug, PartialEq, Clone)]
#[serde(rename = "step")]
struct Step {
    to: (i32, u64),
    #[serde(skip)]
    scratch: u8,
    far: Option<Box<Shape>>,
    state: Result<Wrapped, ()>,
    odd: Odd,
}

#[derive(Serialize, Deserialize, Described, Debug, PartialEq, Clone)]
struct Wrapped(i8);

#[derive(Serialize, Deserialize, Described, Debug, PartialEq, Clone)]
#[serde(untagged)]
enum Odd {
    Number(u16),
    Pair(bool, bool),
    Nothing,
}

/// What contracts have no exact words for: texts are UTF-8, and maps have tags.
#[derive(Serialize, Deserialize, Described, Debug, PartialEq, Clone)]
struct Loose {
    text: String,
    letter: char,
    map: BTreeMap<String, Shape>,
    float: f64,
    small: f32,
    shared: Box<str>,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    list: [Option<String>; 2],
    #[contract(type = "any()")]
    tagged: Tagged,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
#[serde(tag = "t")]
enum Tagged {
    A { b: u8 },
}

/// As the crate of that name writes and reads bytes.
mod serde_bytes {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        Ok(<&[u8]>::deserialize(from)?.to_vec())
    }
}

fn odd() -> impl Strategy<Value = Odd> {
    prop_oneof![
        any::<u16>().prop_map(Odd::Number),
        any::<(bool, bool)>().prop_map(|(one, other)| Odd::Pair(one, other)),
        Just(Odd::Nothing),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Nothing),
        any::<u8>().prop_map(Shape::Circle),
        any::<(i64, i16)>().prop_map(|(one, other)| Shape::Box(one, other)),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        let far = prop::option::of(inner.clone().prop_map(Box::new));
        let state = prop_oneof![any::<i8>().prop_map(|one| Ok(Wrapped(one))), Just(Err(()))];
        let step = (any::<(i32, u64)>(), far, state, odd());
        let step = step.prop_map(|(to, far, state, odd)| Step { to, scratch: 0, far, state, odd });
        let steps = prop::collection::vec(step, 0..3);
        prop_oneof![
            (steps, any::<Option<bool>>()).prop_map(|(steps, name)| Shape::Way { steps, name }),
            prop::collection::vec(inner, 0..4).prop_map(Shape::Group),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_of_the_contract(shape in shape()) {
        is_accepted(&shape);
        let term = to_term(&shape).unwrap();
        prop_assert_eq!(from_term::<Shape>(&term).unwrap(), shape);
    }

    #[test]
    fn what_is_written_is_of_a_contract_that_allows_more(
        text in any::<String>(),
        letter in any::<char>(),
        shape in shape(),
        float in -1e300_f64..1e300,
        bytes in any::<Vec<u8>>(),
        b in any::<u8>(),
    ) {
        let loose = Loose {
            shared: text.as_str().into(),
            list: [None, Some(text.clone())],
            map: BTreeMap::from([(text.clone(), shape)]),
            text,
            letter,
            float,
            small: 1.5,
            bytes,
            tagged: Tagged::A { b },
        };
        is_accepted(&loose);
    }
}

#[test]
fn what_the_contract_allows_is_read() {
    are_read::<Shape>();
    are_read::<Odd>();
    are_read::<[Result<u128, i128>; 3]>();
    are_read::<(f64, std::num::NonZeroI8, ubf_codec::Version)>();
}
