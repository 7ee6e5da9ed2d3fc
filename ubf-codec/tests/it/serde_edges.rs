//! What lies just beside what is meant: each of these was read wrongly by a mutant of the codec
//! that no other test noticed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
#![cfg(feature = "serde")]

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt::Debug;

use serde::de::value::{
    BytesDeserializer, Error as ValueError, I128Deserializer, StringDeserializer, U128Deserializer,
    UnitDeserializer,
};
use serde::de::{DeserializeOwned, Deserializer as _, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ubf_codec::serde::{
    Deserializer, ErrorKind, from_slice, from_term, to_term, to_vec, to_writer,
};
use ubf_codec::{Dialect, Term, decode, ubf};

#[allow(clippy::needless_pass_by_value, reason = "so is it compared")]
fn reads<T: DeserializeOwned + PartialEq + Debug>(packet: &str, value: T) {
    assert_eq!(from_slice::<T>(packet.as_bytes()).unwrap(), value, "{packet}");
    let document = decode(packet.as_bytes()).unwrap();
    assert_eq!(from_term::<T>(document.root()).unwrap(), value, "{packet} by reference");
    assert_eq!(from_term::<T>(&document.to_term()).unwrap(), value, "{packet} as an owned term");
}

fn refuses<T: DeserializeOwned + Debug>(packet: &str) {
    let document = decode(packet.as_bytes()).unwrap();
    let read = [
        from_slice::<T>(packet.as_bytes()),
        from_term(document.root()),
        from_term(&document.to_term()),
    ];
    for outcome in read {
        assert!(outcome.is_err(), "{packet}: {outcome:?}");
    }
}

fn classic<T: DeserializeOwned>(packet: &str) -> Option<T> {
    let document = decode(packet.as_bytes()).unwrap();
    Deserializer::from_document(&document).with_dialect(Dialect::Classic).read().ok()
}

#[test]
fn booleans_are_two_atoms_and_nothing_else() {
    reads("'true'$", true);
    reads("'false'$", false);
    for other in ["\"true\"$", "\"false\"$", "'no'$", "1$", "?$", "'falsehood'$"] {
        refuses::<bool>(other);
    }
    reads("{'true''false''maybe'\"true\"}$", json!([true, false, "maybe", "true"]));
}

#[test]
fn nothing_is_the_undefined_value_or_an_empty_tuple() {
    reads("?$", ());
    reads("{}$", ());
    refuses::<()>("{1}$");
    refuses::<()>("'undefined'$");
    refuses::<()>("#$");
    assert_eq!(classic::<()>("'undefined'$"), Some(()));
    assert_eq!(classic::<()>("'undefined'`seen`$"), Some(()));
    assert_eq!(classic::<()>("'other'`seen`$"), None);
    assert_eq!(classic::<Option<String>>("'undefined'$"), Some(None));
    assert_eq!(classic::<Option<String>>("'other'$"), Some(Some("other".into())));
    assert_eq!(classic::<Option<String>>("\"undefined\"$"), Some(Some("undefined".into())));
    // A tag makes it something.
    refuses::<()>("'undefined'`seen`$");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[test]
fn a_struct_without_fields_is_its_name_or_an_empty_tuple() {
    reads("'Nothing'$", Nothing);
    reads("{}$", Nothing);
    reads("?$", Nothing);
    refuses::<Nothing>("{1}$");
    refuses::<Nothing>("{'Something'}$");
    refuses::<Nothing>("'Something'$");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, String);

#[test]
fn a_struct_of_fields_without_names_is_a_list_in_json() {
    reads("#\"a\"&1&$", Pair(1, "a".into()));
    for other in ["#1&$", "#3&\"a\"&1&$", "#\"a\"&1&`plist`$"] {
        refuses::<Pair>(other);
    }
}

#[test]
fn a_text_is_read_as_every_peer_sends_it() {
    for packet in [
        "\"a\u{e5}\"$",
        "'a\u{e5}'$",
        "3~a\u{e5}~$",
        "#229&97&$",
        "#229&97&`string`$",
        "3~a\u{e5}~`text`$",
    ] {
        reads(packet, "a\u{e5}".to_owned());
    }
    reads("#$", String::new());
    reads("#128512&$", '\u{1f600}');
    reads("1~x~$", 'x');
    // A binary is borrowed, and names the fields of Elixir's maps.
    assert_eq!(from_slice::<&str>(b"3~abc~$").unwrap(), "abc");
    reads("#{2~Up~1}&`map`$", BTreeMap::from([("Up".to_owned(), 1_u8)]));
    for other in ["#55296&$", "#1114112&$", "#-1&$", "#97&\"a\"&$", "{97}$", "97$"] {
        refuses::<String>(other);
    }
    assert!(from_slice::<String>(b"2~\xff\xfe~$").is_err());
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Id(u8);

#[test]
fn keys_of_maps_may_spell_numbers_as_json_does() {
    reads("#{\"1\"2}&`map`$", BTreeMap::from([(1_u8, 2_u8)]));
    reads("#{1 2}&`map`$", BTreeMap::from([(1_u8, 2_u8)]));
    reads("#{\"-7\"2}&`map`$", BTreeMap::from([(-7_i64, 2_u8)]));
    reads("#{\"1\"2}&`map`$", BTreeMap::from([(Id(1), 2_u8)]));
    reads("#{\"1\"2}&`map`$", BTreeMap::from([(Some(1_u128), 2_u8)]));
    reads("#{\"true\"2}&`map`$", BTreeMap::from([(true, 2_u8)]));
    reads("#{\"1\"2}&`map`$", BTreeMap::from([("1".to_owned(), 2_u8)]));
    for other in ["#{\"256\"2}&$", "#{\"+1\"2}&$", "#{\" 1\"2}&$", "#{\"\"2}&$", "#{'1'2}&$"] {
        refuses::<BTreeMap<u8, u8>>(other);
    }
    // Values are not keys.
    refuses::<BTreeMap<u8, u8>>("#{1\"2\"}&$");
    reads("#{\"1\"2}&`map`$", json!({"1": 2}));
}

#[test]
fn null_comes_back_from_a_gateway_as_it_was() {
    let packet = b"#{\"a\"?}&`map`$";
    let value: serde_json::Value = from_slice(packet).unwrap();
    assert_eq!(value, json!({"a": null}));
    assert_eq!(to_vec(&value).unwrap(), packet);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tweet {
    id: u64,
    contributors: (),
    place: Option<String>,
    #[serde(default)]
    count: u32,
    nothing: Nothing,
}

#[test]
fn a_field_that_is_always_absent_reads_an_undefined_value() {
    let tweet = |count| Tweet { id: 7, contributors: (), place: None, count, nothing: Nothing };
    reads(
        "#{\"nothing\"?}&{\"count\"?}&{\"place\"?}&{\"contributors\"?}&{\"id\"7}&`map`$",
        tweet(0),
    );
    reads("{'Tweet'7?? 3?}$", tweet(3));
    reads("#{'Tweet'7?? 3?}&{'Tweet'7???'Nothing'}&$", vec![tweet(0), tweet(3)]);
    // What has to be there is missing all the same.
    let error = from_slice::<Vec<Tweet>>(b"#{'Tweet'???? ?}&$").unwrap_err();
    assert_eq!(error.to_string(), "missing field `id`, in [0], at byte 2");
    let error = from_slice::<Tweet>(b"#{\"id\"7}&$").unwrap_err();
    assert_eq!(error.to_string(), "missing field `contributors`, at byte 2");
}

#[test]
fn a_tuple_has_as_many_elements_as_its_type() {
    reads("{1 2}$", (1, 2));
    reads("#2&1&$", (1, 2));
    reads("{1 2}`point`$", (1, 2));
    for other in ["{1}$", "{1 2 3}$", "#1&$", "#3&2&1&$", "{1}`point`$", "{1 2 3}`point`$"] {
        refuses::<(u8, u8)>(other);
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Move {
    Up(u8),
    Down { by: u8 },
}

#[test]
fn a_variant_that_describes_itself_is_alone() {
    reads("#{'Up'1}&$", Move::Up(1));
    reads("#{'Down'#{'by'2}&}&$", Move::Down { by: 2 });
    refuses::<Move>("#{'Up'1}&{'Up'2}&$");
    refuses::<Move>("#$");
    refuses::<Move>("#{'Up'1 2}&$");
}

#[test]
fn a_map_has_pairs_and_names_that_stand_for_true() {
    let map = |pairs: &[(&str, bool)]| -> BTreeMap<String, bool> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
    };
    reads("#{\"a\"'true'}&'b'&`map`$", map(&[("a", true), ("b", true)]));
    reads("#{\"a\"'false'}`pair`&$", map(&[("a", false)]));
    reads("#$", map(&[]));
    for other in [
        "#{\"a\"'true' 3}&`map`$",
        "#{\"a\"}&$",
        "#{\"a\"'true' 3}`pair`&$",
        "#?&$",
        "#1&$",
        "{}$",
        "#{}`pair`&$",
    ] {
        refuses::<BTreeMap<String, bool>>(other);
    }
    assert_eq!(classic::<BTreeMap<String, bool>>("#?&$"), None);
}

#[test]
fn a_tag_means_something_on_what_it_is_for_and_nothing_elsewhere() {
    reads("#{\"k\"1}&`map`$", json!({"k": 1}));
    reads("#{'k'1}&`plist`$", json!({"k": 1}));
    reads("#{\"k\"1}&`other`$", json!([["k", 1]]));
    reads("#1&`map`$", json!([1]));
    reads("\"1.5\"`f`$", json!(1.5));
    reads("\"1.5\"`other`$", json!("1.5"));
    reads("\"one\"`f`$", json!("one"));
    reads("\"one\"`f`$", "one".to_owned());
    reads("\"1.5\"`f``seen`$", json!(1.5));
    reads("{1 2}`map`$", json!([1, 2]));
}

#[test]
fn a_part_of_a_packet_is_read_like_a_packet() {
    let document = decode(b"{\"text\"'atom'1}$").unwrap();
    let ubf_codec::View::Tuple(tuple) = document.root().view() else { panic!("a tuple") };
    let text: &str = from_term(tuple.get(0).unwrap()).unwrap();
    let name: &str = from_term(tuple.get(1).unwrap()).unwrap();
    assert_eq!((text, name), ("text", "atom"));
}

/// Bytes are lists of numbers to types that know no better.
#[derive(Debug, PartialEq)]
struct Raw(Vec<u8>);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Raw;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Raw, E> {
                Ok(Raw(bytes.to_vec()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
                let hint = access.size_hint();
                let mut bytes = Vec::new();
                while let Some(byte) = access.next_element()? {
                    bytes.push(byte);
                    assert_eq!(access.size_hint(), hint.map(|all| all - bytes.len()));
                }
                assert_eq!(hint, Some(bytes.len()));
                Ok(Raw(bytes))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[test]
fn bytes_are_a_binary_a_text_or_a_list_of_numbers() {
    reads("2~ab~$", Raw(b"ab".to_vec()));
    reads("\"ab\"$", Raw(b"ab".to_vec()));
    reads("#98&97&$", Raw(b"ab".to_vec()));
    refuses::<Raw>("{97 98}$");
    refuses::<Raw>("1$");
}

#[test]
fn a_map_says_how_many_entries_are_left() {
    struct Counted;
    impl<'de> Visitor<'de> for Counted {
        type Value = usize;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut access: A) -> Result<usize, A::Error> {
            let hint = access.size_hint().unwrap();
            let mut count = 0;
            while access.next_entry::<String, u8>()?.is_some() {
                count += 1;
                assert_eq!(access.size_hint(), Some(hint - count));
            }
            assert_eq!(hint, count);
            Ok(count)
        }
    }
    let document = decode(b"#{\"a\"1}&{\"b\"2}&{\"c\"3}&$").unwrap();
    assert_eq!(Deserializer::from_document(&document).deserialize_map(Counted).unwrap(), 3);
}

#[test]
fn every_value_of_another_format_is_a_term() {
    fn term<'de>(deserializer: impl serde::Deserializer<'de, Error = ValueError>) -> Term {
        Term::deserialize(deserializer).unwrap()
    }
    assert_eq!(term(UnitDeserializer::new()), Term::Undefined);
    assert_eq!(term(I128Deserializer::new(i128::MIN)), Term::from(i128::MIN));
    assert_eq!(term(U128Deserializer::new(u128::MAX)), Term::from(u128::MAX));
    assert_eq!(term(StringDeserializer::new("owned".to_owned())), ubf!("owned"));
    assert_eq!(term(BytesDeserializer::new(&[1, 2])), Term::binary(vec![1, 2]));
    assert_eq!(term("borrowed".into_deserializer()), ubf!("borrowed"));
    assert_eq!(serde_json::from_str::<Term>("[null,[]]").unwrap(), ubf!([?, []]));
    assert_eq!(serde_json::from_str::<Option<Term>>("null").unwrap(), None);
}

#[test]
fn errors_show_what_was_found_if_it_is_short() {
    let found = |packet: &str| from_slice::<()>(packet.as_bytes()).unwrap_err().to_string();
    let (short, long) = ("x".repeat(40), "x".repeat(41));
    assert!(found(&format!("'{short}'$")).contains(&short));
    assert!(found(&format!("'{long}'$")).contains("a long atom"));
    assert!(found(&format!("\"{short}\"$")).contains(&short));
    assert!(found(&format!("\"{long}\"$")).contains("a string of 41 bytes"));
}

#[test]
fn an_error_has_the_one_below_it() {
    let packet = from_slice::<u8>(b"}$").unwrap_err();
    assert!(matches!(packet.kind(), ErrorKind::Packet(_)));
    assert!(packet.source().unwrap().to_string().starts_with("'}' with no tuple open"));
    assert!(from_slice::<u8>(b"'a'$").unwrap_err().source().is_none());
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("full"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut packets = Vec::new();
    to_writer(&mut packets, &("Joe", 68)).unwrap();
    assert_eq!(packets, br#"{"Joe"68}$"#);
    assert_eq!(to_writer(Full, &1).unwrap_err().source().unwrap().to_string(), "full");
}

#[test]
fn sixty_four_options_and_newtypes_may_stand_around_a_term() {
    #[derive(Debug, Deserialize)]
    struct Endless(#[allow(dead_code, reason = "it is only read")] Box<Option<Self>>);
    let error = from_slice::<Endless>(b"1$").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Depth(_)), "{error}");
}

#[test]
fn entries_of_a_map_that_cannot_be_written_are_named_by_their_place() {
    struct Unwritable(u8);
    impl Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.0 == 2 {
                Err(serde::ser::Error::custom("no"))
            } else {
                serializer.serialize_u8(self.0)
            }
        }
    }
    let map: BTreeMap<u8, Unwritable> =
        [(1, Unwritable(0)), (2, Unwritable(1)), (3, Unwritable(2))].into();
    assert!(to_vec(&map).unwrap_err().to_string().contains("[2]"), "{}", to_vec(&map).unwrap_err());
    assert!(to_term(&map).is_err());
}

#[test]
fn an_error_about_a_large_integer_names_its_first_byte() {
    for (packet, offset) in [
        ("{1 99999999999999999999}$", 3),
        ("{1 -99999999999999999999}$", 3),
        ("{1 \"text\"}$", 3),
        ("{1 'atom'}$", 3),
    ] {
        let error = from_slice::<(u8, u8)>(packet.as_bytes()).unwrap_err().to_string();
        assert!(error.ends_with(&format!(", in [1], at byte {offset}")), "{packet}: {error}");
    }
}
