//! What is written is read as it was, whatever the form of structs and the dialect; and the bytes
//! are canonical.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![cfg(feature = "serde")]

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use ubf_codec::serde::{Deserializer, Serializer, from_slice, from_term, to_term, to_vec};
use ubf_codec::{Decoder, Dialect, Encoder, Style, Term};

#[derive(Serialize, Deserialize, PartialEq, Clone, Debug)]
struct Record {
    text: String,
    maybe: Option<String>,
    numbers: (i8, u64, i128, u128),
    floats: (f32, f64),
    flags: Vec<bool>,
    shape: Shape,
    map: BTreeMap<String, Vec<i64>>,
    unit: (),
    term: Term,
    #[serde(rename = "Next One")]
    next: Option<Box<Self>>,
}

#[derive(Serialize, Deserialize, PartialEq, Clone, Debug)]
enum Shape {
    Unit,
    Newtype(Vec<char>),
    Tuple(u8, Option<u8>, Box<Self>),
    Struct { a: Option<i64>, b: [i32; 3], c: Marker },
}

#[derive(Serialize, Deserialize, PartialEq, Clone, Debug)]
struct Marker;

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Unit),
        vec(any::<char>(), 0..4).prop_map(Shape::Newtype),
        any::<(Option<i64>, [i32; 3])>().prop_map(|(a, b)| Shape::Struct { a, b, c: Marker }),
    ];
    leaf.prop_recursive(4, 8, 1, |inner| {
        (any::<u8>(), any::<Option<u8>>(), inner)
            .prop_map(|(a, b, inner)| Shape::Tuple(a, b, Box::new(inner)))
    })
}

fn term() -> impl Strategy<Value = Term> {
    let text = vec(any::<u8>(), 0..6);
    let leaf = prop_oneof![
        Just(Term::Undefined),
        any::<i128>().prop_map(Term::from),
        text.clone().prop_map(Term::atom),
        text.clone().prop_map(Term::string),
        text.clone().prop_map(Term::binary),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Term::tuple),
            vec(inner.clone(), 0..4).prop_map(Term::list),
            (inner, text.clone()).prop_map(|(term, tag)| term.tagged(tag)),
        ]
    })
}

fn record() -> impl Strategy<Value = Record> {
    let finite =
        (any::<f32>(), any::<f64>()).prop_filter("finite", |(a, b)| a.is_finite() && b.is_finite());
    let flat = (
        (any::<String>(), any::<Option<String>>(), any::<(i8, u64, i128, u128)>(), finite),
        (
            vec(any::<bool>(), 0..5),
            shape(),
            btree_map(any::<String>(), vec(any::<i64>(), 0..4), 0..4),
            term(),
        ),
    );
    let flat = flat.prop_map(|((text, maybe, numbers, floats), (flags, shape, map, term))| {
        Record { text, maybe, numbers, floats, flags, shape, map, unit: (), term, next: None }
    });
    vec(flat, 1..4).prop_map(|records| {
        let chain = records
            .into_iter()
            .reduce(|next, record| Record { next: Some(Box::new(next)), ..record });
        chain.expect("there is one at least")
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in record()) {
        let packet = to_vec(&record).unwrap();
        prop_assert_eq!(&from_slice::<Record>(&packet).unwrap(), &record);
        let term = to_term(&record).unwrap();
        prop_assert_eq!(&from_term::<Record>(&term).unwrap(), &record);
        // The bytes are those that the encoder writes for the term.
        prop_assert_eq!(&Encoder::new().encode(&term), &packet);
        // Registers change nothing.
        let cached = Encoder::new().with_style(Style::Cached).encode(&term);
        prop_assert_eq!(&from_slice::<Record>(&cached).unwrap(), &record);
    }

    #[test]
    fn property_lists_and_what_describes_itself_hold_the_same(record in record()) {
        let packet = Serializer::new().with_property_lists(true).encode(&record).unwrap();
        prop_assert_eq!(&from_slice::<Record>(&packet).unwrap(), &record);
        let packet = Serializer::new().with_self_description(true).encode(&record).unwrap();
        prop_assert_eq!(&from_slice::<Record>(&packet).unwrap(), &record);
    }

    #[test]
    fn the_classic_dialect_holds_the_same(mut record in record()) {
        // A term keeps the atom that it was written as.
        record.term = Term::Undefined;
        if let Some(next) = &mut record.next {
            next.next = None;
            next.term = Term::Undefined;
        }
        let packet = Serializer::new().with_dialect(Dialect::Classic).encode(&record).unwrap();
        let mut decoder = Decoder::new().with_dialect(Dialect::Classic);
        let document = decoder.decode(&packet).unwrap();
        let deserializer = Deserializer::from_document(&document).with_dialect(Dialect::Classic);
        prop_assert_eq!(deserializer.read::<Record>().unwrap(), record);
    }

    #[test]
    fn terms_are_kept_to_the_bit(term in term()) {
        prop_assert_eq!(&to_term(&term).unwrap(), &term);
        prop_assert_eq!(&from_term::<Term>(&term).unwrap(), &term);
        let around = (term.clone(), vec![term]);
        let packet = to_vec(&around).unwrap();
        prop_assert_eq!(from_slice::<(Term, Vec<Term>)>(&packet).unwrap(), around);
    }

    #[test]
    fn a_float_is_read_to_the_bit(bits in any::<u32>()) {
        let value = f32::from_bits(bits);
        prop_assume!(value.is_finite());
        prop_assert_eq!(from_slice::<f32>(&to_vec(&value).unwrap()).unwrap().to_bits(), bits);
    }
}
