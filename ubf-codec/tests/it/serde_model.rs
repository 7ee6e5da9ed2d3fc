//! Every kind of value that serde knows, with its bytes, which a reader can check against the table
//! in the documentation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![cfg(feature = "serde")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use ubf_codec::serde::{
    Deserializer, Growing, PropertyList, Serializer, from_slice, from_term, to_term, to_vec,
};
use ubf_codec::{Dialect, Term, decode, ubf};

/// `value` is written as these bytes, with or without a term in between, and they are read as
/// `value`.
#[track_caller]
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, packet: &str) {
    assert_eq!(String::from_utf8(to_vec(value).unwrap()).unwrap(), packet);
    assert_eq!(&from_slice::<T>(packet.as_bytes()).unwrap(), value);
    let term = to_term(value).unwrap();
    assert_eq!(decode(packet.as_bytes()).unwrap().root(), term);
    assert_eq!(&from_term::<T>(&term).unwrap(), value);
}

#[track_caller]
fn reads<T: DeserializeOwned + PartialEq + Debug>(packet: &str, value: &T) {
    assert_eq!(&from_slice::<T>(packet.as_bytes()).unwrap(), value);
}

#[track_caller]
fn refuses<T: DeserializeOwned + Debug>(packet: &str, message: &str) {
    assert_eq!(from_slice::<T>(packet.as_bytes()).unwrap_err().to_string(), message);
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Unit;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Newtype(u8);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Point(i32, i32);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename = "person")]
struct Person {
    name: String,
    #[serde(rename = "shoeSize")]
    shoe_size: Option<u8>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Shape {
    Empty,
    Circle(u32),
    Rect(u32, u32),
    Named {
        name: String,
        sides: Option<u8>,
    },
    #[serde(rename = "two words")]
    TwoWords,
}

#[test]
fn every_kind_of_value_has_its_form() {
    both_ways(&true, "'true'$");
    both_ways(&false, "'false'$");
    both_ways(&-5_i8, "-5$");
    both_ways(&i64::MIN, "-9223372036854775808$");
    both_ways(&u64::MAX, "18446744073709551615$");
    both_ways(&i128::MIN, "-170141183460469231731687303715884105728$");
    both_ways(&u128::MAX, "340282366920938463463374607431768211455$");
    both_ways(&1.5_f64, "\"1.5\"`f`$");
    both_ways(&0.1_f32, "\"0.1\"`f`$");
    both_ways(&1e-7_f64, "\"1.0e-7\"`f`$");
    both_ways(&f32::MIN_POSITIVE, "\"1.1754944e-38\"`f`$");
    both_ways(&'é', "\"é\"$");
    both_ways(&"a\"b\\c".to_owned(), r#""a\"b\\c"$"#);
    both_ways(&(), "?$");
    both_ways(&None::<u8>, "?$");
    both_ways(&Some(7_u8), "7$");
    both_ways(&vec![1, 2, 3], "#3&2&1&$");
    both_ways(&Vec::<u8>::new(), "#$");
    both_ways(&(1, 2, "x".to_owned()), "{1 2\"x\"}$");
    both_ways(&[7_u8; 2], "{7 7}$");
    both_ways(&Unit, "'Unit'$");
    both_ways(&PhantomData::<u8>, "'PhantomData'$");
    both_ways(&Newtype(7), "7$");
    both_ways(&Point(1, -2), "{'Point'1 -2}$");
    both_ways(&Person { name: "Joe".into(), shoe_size: Some(43) }, "{'person'\"Joe\"43}$");
    both_ways(&Person { name: "Joe".into(), shoe_size: None }, "{'person'\"Joe\"?}$");
    both_ways(&Shape::Empty, "'Empty'$");
    both_ways(&Shape::TwoWords, "'two words'$");
    both_ways(&Shape::Circle(3), "{'Circle'3}$");
    both_ways(&Shape::Rect(3, 4), "{'Rect'3 4}$");
    both_ways(&Shape::Named { name: "tri".into(), sides: Some(3) }, "{'Named'\"tri\"3}$");
    both_ways(
        &BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]),
        "#{\"b\"2}&{\"a\"1}&`map`$",
    );
    both_ways(&BTreeMap::from([((1, 2), Shape::Empty)]), "#{{1 2}'Empty'}&`map`$");
    both_ways(&Ok::<u8, String>(1), "{'Ok'1}$");
}

#[test]
fn bytes_are_a_binary() {
    struct Bytes(Vec<u8>);
    impl Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }
    assert_eq!(to_vec(&(1, Bytes(b"a~".to_vec()))).unwrap(), b"{1 2~a~~}$");
    assert_eq!(from_slice::<&[u8]>(b"2~a~~$").unwrap(), b"a~");
    // A plain Vec<u8> is a sequence to serde. It reads both.
    both_ways(&vec![1_u8, 2], "#2&1&$");
    reads("3~abc~$", &b"abc".to_vec());
}

#[test]
fn lists_in_lists_in_tuples_keep_their_order() {
    both_ways(&vec![vec![1, 2], vec![], vec![3]], "##3&&#&#2&1&&$");
    both_ways(&(1, vec![(vec![1, 2], 3), (vec![], 4)], vec![5], 6), "{1#{#4}&{#2&1&3}&#5&6}$");
    let nested: Vec<Vec<Vec<u32>>> = (0..4)
        .map(|i| (0..i).map(|j| (0..j).map(|k| 100 * i + 10 * j + k).collect()).collect())
        .collect();
    assert_eq!(from_slice::<Vec<Vec<Vec<u32>>>>(&to_vec(&nested).unwrap()).unwrap(), nested);
    assert_eq!(
        ubf_codec::Encoder::new().encode(&to_term(&nested).unwrap()),
        to_vec(&nested).unwrap()
    );
}

#[test]
fn many_lists_side_by_side_keep_their_order() {
    struct Many(u32);
    impl Serialize for Many {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..self.0).map(|i| vec![i; 3]))
        }
    }
    let lists: Vec<Vec<u32>> = from_slice(&to_vec(&Many(100_000)).unwrap()).unwrap();
    assert!(lists.len() == 100_000 && (0..).zip(&lists).all(|(i, list)| *list == [i; 3]));
}

#[test]
fn numbers_do_not_run_together() {
    both_ways(&(1, -2, (), 3, vec![4, 5], 6), "{1 -2?3#5&4&6}$");
    both_ways(&(1, ubf!(2), ubf!(-3), ubf!([4]), 5), "{1 2 -3#4&5}$");
}

#[test]
fn a_float_may_be_written_as_an_integer_or_in_another_way() {
    reads("7$", &7.0_f64);
    reads("-7$", &-7.0_f32);
    reads("\"7\"`f`$", &7.0_f64);
    reads("\"1e3\"`f`$", &1000.0_f64);
    reads("18446744073709551616$", &18_446_744_073_709_551_616.0_f64);
    refuses::<f64>("\"1.5\"$", "invalid type: string \"1.5\", expected f64, at byte 0");
    refuses::<f64>("\"inf\"`f`$", "invalid type: a term tagged \"f\", expected f64, at byte 0");
    refuses::<f32>("\"1e300\"`f`$", "invalid type: float 1.0e+300, expected f32, at byte 0");
    refuses::<u8>("\"1.0\"`f`$", "invalid type: float 1.0, expected u8, at byte 0");
}

#[test]
fn a_float_that_is_no_number_is_refused_with_its_path() {
    #[derive(Serialize)]
    struct Track {
        points: Vec<(f64, f64)>,
    }
    let error = to_vec(&Track { points: vec![(0.0, 0.0), (1.0, f64::INFINITY)] }).unwrap_err();
    assert_eq!(error.to_string(), "an infinite float has no form in UBF, in .points[1][1]");
    assert_eq!(to_vec(&f32::NAN).unwrap_err().to_string(), "NaN has no form in UBF");
    // The serializer can be used again.
    let mut serializer = Serializer::new();
    serializer.encode(&vec![vec![f64::NAN]]).unwrap_err();
    assert_eq!(serializer.encode(&vec![1]).unwrap(), b"#1&$");
}

#[test]
fn a_struct_reads_records_and_property_lists() {
    let joe = Person { name: "Joe".into(), shoe_size: Some(43) };
    for packet in [
        "{'person'\"Joe\"43}$",
        "#{'shoeSize'43}&{'name'\"Joe\"}&`plist`$",
        "#{'name'\"Joe\"}&{'shoeSize'43}&$",
        "#{\"name\"\"Joe\"}&{\"shoeSize\"43}&{\"unknown\"{}}&`map`$",
        "`%note%'person'>p{p\"Joe\"43}$".strip_prefix('`').unwrap(),
        "{'person'\"Joe\"43}`contact`$",
    ] {
        reads(packet, &joe);
    }
    assert_eq!(
        Serializer::new().with_property_lists(true).encode(&joe).unwrap(),
        b"#{'shoeSize'43}&{'name'\"Joe\"}&`plist`$"
    );
    assert_eq!(to_vec(&PropertyList(&joe)).unwrap(), b"#{'shoeSize'43}&{'name'\"Joe\"}&`plist`$");
    // An atom in a property list stands for itself and true.
    #[derive(Deserialize, PartialEq, Debug)]
    struct Options {
        debug: bool,
        depth: u8,
    }
    reads("#{'depth'2}&'debug'&$", &Options { debug: true, depth: 2 });
    reads(
        "#{'depth'2}&'debug'&`plist`$",
        &HashMap::from([("depth".to_owned(), ubf!(2)), ("debug".into(), ubf!(true))]),
    );
}

#[test]
fn a_record_of_another_name_is_refused() {
    refuses::<Person>(
        "{'animal'\"Rex\"?}$",
        "invalid name: atom animal, expected atom 'person' of struct Person, at byte 1",
    );
    refuses::<Vec<Point>>(
        "#{'Point'1 2}&{1 2 3}&$",
        "invalid name: integer 1, expected atom 'Point' of tuple struct Point, in [0]",
    );
    // A plain tuple of its size is what describes itself.
    reads("#{'Point'1 2}&{1 2}&$", &vec![Point(1, 2), Point(1, 2)]);
    refuses::<Unit>(
        "'Other'$",
        "invalid name: atom 'Other', expected atom 'Unit' of unit struct Unit, at byte 0",
    );
}

#[test]
fn undefined_is_an_atom_to_classic_peers() {
    let joe = Person { name: "Joe".into(), shoe_size: None };
    let packet =
        Serializer::new().with_dialect(Dialect::Classic).encode(&(&joe, ubf!([?, x]))).unwrap();
    assert_eq!(packet, b"{{'person'\"Joe\"'undefined'}#'x'&'undefined'&}$");
    let document = decode(&packet).unwrap();
    let classic = Deserializer::from_document(&document).with_dialect(Dialect::Classic);
    assert_eq!(classic.read::<(Person, IgnoredAny)>().unwrap().0, joe);
    // In the extended dialect it is an atom like others.
    reads("'undefined'$", &Some("undefined".to_owned()));
    reads("'undefined'$", &ubf!(undefined));
}

#[test]
fn types_with_deserialize_by_hand_read_records_too() {
    both_ways(&Duration::new(5, 7), "{'Duration'5 7}$");
    refuses::<Duration>("{'Duration'5}$", "missing field `nanos`, at byte 1");
    reads("{'Duration'5 7 'more'}$", &Growing(Duration::new(5, 7)));
    both_ways(&Range { start: 1, end: 3 }, "{'Range'1 3}$");
    both_ways(&std::net::Ipv4Addr::LOCALHOST, "\"127.0.0.1\"$");
    both_ways(&std::ops::Bound::Included(3), "{'Included'3}$");
}

#[test]
fn texts_that_are_no_utf8_are_bytes() {
    assert_eq!(from_slice::<&[u8]>(b"\"\xff\xfe\"$").unwrap(), b"\xff\xfe");
    assert_eq!(
        from_slice::<String>(b"\"\xff\"$").unwrap_err().to_string(),
        "invalid value: byte array, expected a string, at byte 0"
    );
}

#[test]
fn errors_name_the_place() {
    #[derive(Deserialize, Debug)]
    #[allow(dead_code, reason = "only read")]
    struct Cart {
        orders: Vec<Order>,
        by_name: HashMap<String, Shape>,
    }
    #[derive(Deserialize, Debug)]
    #[allow(dead_code, reason = "only read")]
    struct Order {
        price: u64,
    }
    for (packet, path, offset) in [
        ("{'Cart'#{'Order''x'}&{'Order'1}&#}$", ".orders[1].price", Some(16)),
        ("{'Cart'#{'Order'-1}&#}$", ".orders[0].price", Some(9)),
        ("{'Cart'##{\"a b\"{'Rect'1''}}&}$", ".by_name[\"a b\"].Rect[1]", Some(23)),
        ("{'Cart'##{\"ab\"{'Rect'? 1}}&}$", ".by_name.ab.Rect[0]", Some(15)),
        ("{'Cart'##{\"ab\"{'Rect'1}}&}$", ".by_name.ab.Rect", Some(15)),
        ("{'Cart'##{\"ab\"{'Oval'}}&}$", ".by_name.ab", Some(15)),
        ("{'Cart'#}$", "", Some(1)),
        ("7$", "", None),
    ] {
        let error = from_slice::<Cart>(packet.as_bytes()).unwrap_err();
        assert_eq!((error.path().as_str(), error.offset()), (path, offset), "{packet}: {error}");
    }
    refuses::<Cart>(
        "{'Cart'#}$",
        "record of 1 where the type has another number of fields: see ubf_codec::serde::Growing, \
         at byte 1",
    );
    refuses::<Cart>("{'Cart'#?}$", "missing field `by_name`, at byte 1");
    refuses::<Cart>("{'Cart'", "the input ends inside a packet, at byte 7");
}

#[test]
fn a_term_comes_through_as_it_is() {
    let big: ubf_codec::Integer = "123456789012345678901234567890123456789012345".parse().unwrap();
    let tagged = Term::from(big).tagged("x").tagged("y");
    let term = ubf!([{ok, "ok", b"ok"}, ?, [], {}, undefined, (tagged), -1, true]);
    both_ways(&term, &String::from_utf8(ubf_codec::Encoder::new().encode(&term)).unwrap());
    assert_eq!(to_term(&term.as_ref()).unwrap(), term);
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Envelope {
        id: u8,
        body: Term,
        list: Vec<Term>,
        maybe: Option<Term>,
    }
    let list = vec![ubf!(?), ubf!(a)];
    both_ways(
        &Envelope { id: 1, body: ubf!({ok, [1, 2]}), list, maybe: None },
        "{'Envelope'1{'ok'#2&1&}#'a'&?&?}$",
    );
    both_ways(
        &Envelope { id: 1, body: ubf!(?), list: vec![], maybe: Some(ubf!(-2)) },
        "{'Envelope'1?#-2}$",
    );
}

#[test]
fn a_deep_term_does_not_recurse() {
    let deep = (0..100_000).fold(Term::Undefined, |term, level| {
        if level % 2 == 0 { ubf!([(term)]) } else { ubf!({ (term) }) }
    });
    let written = to_term(&(1, &deep)).unwrap();
    let (_, read): (u8, Term) = from_term(&written).unwrap();
    assert_eq!(read, deep);
}

#[test]
fn other_formats_say_of_a_term_what_they_can() {
    use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
    let list = SeqDeserializer::<_, Error>::new([1_u8, 2].into_iter());
    assert_eq!(Term::deserialize(list).unwrap(), ubf!([1, 2]));
    let map = MapDeserializer::<_, Error>::new([("a", 1.5)].into_iter());
    assert_eq!(
        Term::deserialize(map).unwrap(),
        ubf!([{"a", (Term::float(1.5).unwrap())}]).tagged("map")
    );
}

#[test]
fn everything_can_be_read_without_a_type() {
    for packet in [
        "?$",
        "{1\"x\"'y'}$",
        "#1&$",
        "1`t`$",
        "\"1.5\"`f`$",
        "#{1 2}&`map`$",
        "#1&`map`$",
        "1~~~$",
    ] {
        from_slice::<IgnoredAny>(packet.as_bytes()).unwrap();
    }
}
