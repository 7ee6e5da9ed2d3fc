//! Terms as JSON and back: nothing is lost, and strangers' JSON is read with care.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![cfg(feature = "json")]

use proptest::collection::vec;
use proptest::prelude::*;
use ubf_codec::json::{ErrorKind, Json, Plain, Reader, from_str, terms};
use ubf_codec::{BigInt, Encoder, Integer, Limit, Limits, Term, decode, ubf};

use crate::support::with_shortest_floats;

/// The term is written as this JSON, and read from it.
#[track_caller]
fn both_ways(term: &Term, json: &str) {
    assert_eq!(Json(term.as_ref()).to_string(), json);
    assert_eq!(&from_str(json).unwrap(), term);
    assert!(serde_json::from_str::<serde_json::Value>(json).is_ok(), "{json}");
}

#[track_caller]
fn refuses(json: &str, error: &str) {
    assert_eq!(from_str(json).unwrap_err().to_string(), error, "{json}");
}

#[test]
fn every_term_has_a_form_of_its_own() {
    both_ways(&ubf!(?), "null");
    both_ways(&ubf!(-7), "-7");
    both_ways(&Term::from(9_007_199_254_740_991_u64), "9007199254740991");
    both_ways(&Term::from(9_007_199_254_740_992_u64), r#"{"$integer":"9007199254740992"}"#);
    both_ways(&ubf!([true, false, ok]), r#"[true,false,{"$atom":"ok"}]"#);
    both_ways(&ubf!([{}, {1, [2]}, []]), r#"[{"$tuple":[]},{"$tuple":[1,[2]]},[]]"#);
    both_ways(&Term::from("a\"b\n\u{1F600}\u{7f}"), "\"a\\\"b\\n\u{1F600}\u{7f}\"");
    both_ways(&Term::string(&b"\xe9"[..]), r#"{"$latin1":"é"}"#);
    both_ways(&Term::atom(&b"\xe9"[..]), r#"{"$atom":{"$latin1":"é"}}"#);
    both_ways(&Term::from(b"\xde\xad\xbe\xef"), r#"{"$binary":"3q2+7w=="}"#);
    both_ways(&ubf!([(Term::float(1.5).unwrap()), 2]), "[1.5,2]");
    both_ways(&Term::float(-0.0).unwrap(), "-0.0");
    both_ways(&Term::from("1e999").tagged("f"), r#"{"$tag":"f","$term":"1e999"}"#);
    both_ways(
        &ubf!([{ 1 }, 2]).tagged(&b"\xff"[..]),
        r#"{"$tag":{"$latin1":"ÿ"},"$term":[{"$tuple":[1]},2]}"#,
    );
    both_ways(&ubf!(1).tagged("a").tagged("b"), r#"{"$tag":"b","$term":{"$tag":"a","$term":1}}"#);
}

#[test]
fn a_map_is_an_object_where_nothing_is_lost() {
    both_ways(
        &ubf!([{"a", 1}, {"b", [{"", ?}]}]).tagged("map"),
        r#"{"a":1,"b":[{"$tuple":["",null]}]}"#,
    );
    both_ways(&ubf!([]).tagged("map"), "{}");
    both_ways(&ubf!([{"a", (ubf!([{"b", 1}]).tagged("map"))}]).tagged("map"), r#"{"a":{"b":1}}"#);
    for other in [
        ubf!([{a, 1}]).tagged("map"),
        ubf!([a]).tagged("map"),
        ubf!([{"$a", 1}]).tagged("map"),
        ubf!([{"a", 1}, {"a", 2}]).tagged("map"),
        ubf!([{"a", 1, 2}]).tagged("map"),
        ubf!([{(Term::string(&b"\xff"[..])), 1}]).tagged("map"),
        ubf!([{"a", 1}]).tagged("plist"),
        ubf!({{"a", 1}}).tagged("map"),
    ] {
        let json = Json(other.as_ref()).to_string();
        assert!(json.starts_with("{\"$tag\":"), "{json}");
        assert_eq!(from_str(&json).unwrap(), other);
    }
}

#[test]
fn the_examples_of_the_specification_hold() {
    for (packet, json) in [
        (
            "{'ok',#{'joe',68}&}$",
            r#"{"$tuple":[{"$atom":"ok"},[{"$tuple":[{"$atom":"joe"},68]}]]}"#,
        ),
        ("#{\"b\"2}&{\"a\"1}&`map`$", r#"{"a":1,"b":2}"#),
        (
            "#{'b'2}&{'a'1}&`map`$",
            r#"{"$tag":"map","$term":[{"$tuple":[{"$atom":"a"},1]},{"$tuple":[{"$atom":"b"},2]}]}"#,
        ),
        ("\"1.5\"`f`$", "1.5"),
        ("\"x\"`f`$", r#"{"$tag":"f","$term":"x"}"#),
    ] {
        both_ways(&decode(packet.as_bytes()).unwrap().to_term(), json);
    }
}

#[test]
fn floats_of_peers_are_numbers() {
    for (digits, json) in [
        ("1.0e22", "1.0e+22"),
        ("1e-7", "1.0e-7"),
        ("1", "1.0"),
        ("1.50", "1.5"),
        ("1.50000000000000000000e+00", "1.5"),
    ] {
        let float = Term::from(digits).tagged("f");
        assert_eq!(Json(float.as_ref()).to_string(), json);
        assert_eq!(Plain(float.as_ref()).to_string(), json);
        let value: f64 = digits.parse().unwrap();
        assert_eq!(from_str(json).unwrap(), Term::float(value).unwrap());
    }
}

#[test]
fn json_from_elsewhere_is_read() {
    for (json, term) in [
        (" [ 1 , 2 ]\r\n\t", ubf!([1, 2])),
        ("-0", ubf!(0)),
        ("1.50", Term::float(1.5).unwrap()),
        ("1E2", Term::float(100.0).unwrap()),
        ("1e-400", Term::float(0.0).unwrap()),
        ("123456789012345678901234567890", "123456789012345678901234567890".parse().unwrap()),
        (r#"{"z":1,"a":2,"z":3}"#, ubf!([{"z", 1}, {"a", 2}, {"z", 3}]).tagged("map")),
        (r#""\u00e9\ud83d\ude00\/""#, Term::from("é\u{1F600}/")),
        (r#"{"$term":1,"$tag":"t"}"#, ubf!(1).tagged("t")),
        (r#"{"$integer":"7"}"#, ubf!(7)),
    ] {
        assert_eq!(from_str(json).unwrap(), term, "{json}");
    }
}

#[test]
fn errors_name_the_byte() {
    refuses("", "expected a value, at byte 0");
    refuses("[1 2]", "expected ',' or ']', at byte 3");
    refuses("[1,", "expected a value, at byte 3");
    refuses("{\"a\" 1}", "expected ':', at byte 5");
    refuses("{1:2}", "expected a key in quotes, at byte 1");
    refuses("{\"a\":1,}", "expected a key in quotes, at byte 7");
    refuses("{\"a\":1]", "expected ',' or '}', at byte 6");
    refuses("1 2", "expected the end, at byte 2");
    refuses("01", "number with a leading zero, at byte 0");
    refuses("-", "expected a digit, at byte 1");
    refuses("1.", "expected a digit, at byte 2");
    refuses("1e+", "expected a digit, at byte 3");
    refuses("[1e999]", "number too large for a float, at byte 1");
    refuses("nul", "expected a value, at byte 0");
    refuses("\"abc", "string that does not end, at byte 0");
    refuses("\"abc\\", "string that does not end, at byte 0");
    refuses("[1, \"ab\\x\"]", "malformed string, at byte 8");
    assert_eq!(from_str("[1 2]").unwrap_err().offset(), 3);
    assert_eq!(from_str("[[[[1,]").unwrap_err().offset(), 6);
    assert!(
        from_str("\"a\u{1}\"").is_err()
            && from_str(r#""\x""#).is_err()
            && from_str(r#""\ud800""#).is_err()
    );
}

#[test]
fn keys_with_a_dollar_have_to_mean_something() {
    for json in [
        r#"{"$ref":"x"}"#,
        r#"{"$atom":1}"#,
        r#"{"$atom":"a","b":1}"#,
        r#"{"$tuple":{}}"#,
        r#"{"$tuple":"x"}"#,
        r#"{"$tag":"t"}"#,
        r#"{"$tag":"t","$term":1,"$tag":"u"}"#,
        r#"{"$tag":1,"$term":1}"#,
        r#"{"$tag":"t","other":1}"#,
        r#"{"$other":"t","$term":1}"#,
        r#"{"$list":[1]}"#,
    ] {
        refuses(json, "object with a key that begins with '$' and means nothing, at byte 0");
    }
    refuses(
        r#"[{"$integer":"1.5"}]"#,
        "'$integer' that is not digits, perhaps after a '-', at byte 1",
    );
    refuses(r#"{"$binary":"3q2+7w"}"#, "'$binary' that is not base64 with its padding, at byte 0");
    refuses(r#"{"$latin1":"€"}"#, "'$latin1' with a character beyond U+00FF, at byte 0");
}

#[test]
fn depth_is_limited_to_that_of_packets() {
    let deep = |levels| (0..levels).fold(Term::atom(&b"\xff"[..]), |term, _| ubf!({ (term) }));
    assert_eq!(from_str(&Json(deep(512).as_ref()).to_string()).unwrap(), deep(512));
    assert!(
        from_str(&Json(deep(513).as_ref()).to_string())
            .unwrap_err()
            .to_string()
            .starts_with("nested deeper than 512 (max_depth)")
    );
    // Nothing recurses, neither here nor there.
    assert!(Json(deep(1_000_000).as_ref()).to_string().len() > 10_000_000);
    for open in ["[", "{\"a\":", "{\"$tuple\":["] {
        let error = from_str(&open.repeat(1_000_000)).unwrap_err();
        assert!(error.to_string().starts_with("nested deeper than 512 (max_depth)"), "{error}");
    }
    assert!(from_str(&format!("{}1{}", "{\"a\":".repeat(170), "}".repeat(170))).is_ok());
    assert!(from_str(&format!("{}1{}", "{\"a\":".repeat(171), "}".repeat(171))).is_err());
}

#[test]
fn integers_have_as_many_digits_as_in_packets() {
    assert!(
        from_str(&"9".repeat(10_000)).is_ok()
            && from_str(&format!("-{}", "9".repeat(10_000))).is_ok()
    );
    refuses(
        &"9".repeat(10_001),
        "integer of more than 10000 digits (max_integer_digits), at byte 0",
    );
}

#[test]
fn a_tag_is_as_long_as_in_packets() {
    let json = |len: usize| format!(r#"{{"$tag":"{}","$term":1}}"#, "t".repeat(len));
    assert!(from_str(&json(255)).is_ok());
    refuses(&json(256), "tag of more than 255 bytes (max_tag_bytes), at byte 0");
}

#[test]
fn an_error_has_a_kind() {
    for (json, kind) in [
        ("[1", ErrorKind::Syntax),
        ("\"\\x\"", ErrorKind::Syntax),
        ("01", ErrorKind::Syntax),
        ("1e999", ErrorKind::NoTerm),
        (r#"{"$integer":"x"}"#, ErrorKind::NoTerm),
        (r#"{"$what":1}"#, ErrorKind::NoTerm),
    ] {
        assert_eq!(from_str(json).unwrap_err().kind(), kind, "{json}");
    }
}

#[test]
fn several_values_are_read_one_after_the_other() {
    let read: Result<Vec<Term>, _> = terms("1 [2]\n{\"$atom\":\"x\"}\"y\"\n\n").collect();
    assert_eq!(read.unwrap(), [ubf!(1), ubf!([2]), ubf!(x), ubf!("y")]);
    let mut broken = terms("1 ] 2");
    assert!(
        broken.next().unwrap().is_ok()
            && broken.next().unwrap().is_err()
            && broken.next().is_none()
    );
}

#[test]
fn plain_json_is_what_people_expect() {
    for (term, json) in [
        (ubf!({ok, [?, true], b"bin"}), r#"["ok",[null,true],"bin"]"#),
        (
            ubf!([{name, "Joe"}, debug, {7, x}]).tagged("plist"),
            r#"{"name":"Joe","debug":true,"7":"x"}"#,
        ),
        (ubf!([{a, 1}, {"a", 2}]).tagged("map"), r#"[["a",1],["a",2]]"#),
        (ubf!([{[a], 1}]).tagged("map"), r#"[[["a"],1]]"#),
        (ubf!([{"$a", 1}]).tagged("map"), r#"{"$a":1}"#),
        (ubf!(1_577_934_245).tagged("dt"), "1577934245"),
        (Term::from("1.50").tagged("f"), "1.5"),
        (Term::from(u64::MAX), "18446744073709551615"),
        (Term::string(&b"\xe9"[..]), "\"é\""),
        (Term::binary(&b"\xff"[..]), "\"/w==\""),
    ] {
        assert_eq!(Plain(term.as_ref()).to_string(), json);
        assert!(serde_json::from_str::<serde_json::Value>(json).is_ok(), "{json}");
    }
}

fn term() -> impl Strategy<Value = Term> {
    let text =
        prop_oneof![vec(any::<u8>(), 0..5), "[$a-c\"\\\\é]{0,3}".prop_map(String::into_bytes)];
    let tag = prop_oneof![
        Just(b"map".to_vec()),
        Just(b"f".to_vec()),
        Just(b"plist".to_vec()),
        text.clone()
    ];
    let leaf = prop_oneof![
        Just(Term::Undefined),
        any::<i64>().prop_map(Term::from),
        (any::<i128>(), any::<i128>()).prop_map(|(one, two)| Term::Integer(Integer::from(
            BigInt::from(one) * BigInt::from(two)
        ))),
        any::<f64>().prop_map(|value| Term::float(value).unwrap_or_default()),
        "-?[0-9]{1,3}(\\.[0-9]{1,2})?".prop_map(|digits| Term::from(digits).tagged("f")),
        any::<bool>().prop_map(Term::from),
        text.clone().prop_map(Term::atom),
        text.clone().prop_map(Term::string),
        text.clone().prop_map(Term::binary),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let pair = (text.clone().prop_map(Term::string), inner.clone())
            .prop_map(|(key, value)| Term::tuple([key, value]));
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Term::tuple),
            vec(inner.clone(), 0..4).prop_map(Term::list),
            vec(pair, 0..4).prop_map(|pairs| Term::list(pairs).tagged("map")),
            (inner, tag.clone()).prop_map(|(term, tag)| term.tagged(tag)),
        ]
    })
}

proptest! {
    /// serde_json is the judge of what is JSON.
    #[test]
    fn what_is_written_is_json(term in term()) {
        for json in [Json(term.as_ref()).to_string(), Plain(term.as_ref()).to_string()] {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
        }
    }

    #[test]
    fn nothing_is_lost(term in term()) {
        let json = Json(term.as_ref()).to_string();
        prop_assert_eq!(from_str(&json).unwrap(), with_shortest_floats(&term), "{}", json);
    }

    #[test]
    fn the_limits_are_those_of_a_packet_that_holds_the_term(term in term()) {
        let term = with_shortest_floats(&term);
        let packet = Encoder::new().encode(&term);
        let cost = decode(&packet).unwrap().summary();
        let exact = Limits::default()
            .with_max_depth(cost.depth)
            .with_max_expanded_nodes(cost.expanded_nodes)
            .with_max_expanded_bytes(cost.expanded_bytes);
        let json = Json(term.as_ref()).to_string();
        let read = |limits| {
            Reader::new(&json).with_limits(limits).next().unwrap().map_err(|error| error.kind())
        };
        let refused = |limit| Err(ErrorKind::Limit(limit));
        prop_assert_eq!(read(exact), Ok(term));
        let fewer = cost.expanded_nodes - 1;
        let found = read(exact.with_max_expanded_nodes(fewer));
        prop_assert_eq!(found, refused(Limit::ExpandedNodes(fewer)));
        // A decoder counts a text with its escapes.
        let has_escapes = packet.contains(&b'\\');
        if let Some(fewer) = cost.expanded_bytes.checked_sub(1).filter(|_| !has_escapes) {
            let found = read(exact.with_max_expanded_bytes(fewer));
            prop_assert_eq!(found, refused(Limit::ExpandedBytes(fewer)));
        }
        if let Some(less) = cost.depth.checked_sub(1) {
            let found = read(exact.with_max_depth(less));
            prop_assert_eq!(found, refused(Limit::Depth(less)));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in "([\\[\\]{},: ]|\"a\"|\"\\$(tuple|tag|term|atom)\"|1|-|0|\\.|e|null|\\\\){0,30}",
    ) {
        let read = from_str(&text);
        let is_json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        // Keys with `$` apart, and numbers beyond the doubles.
        prop_assert!(read.is_ok() == is_json || is_json && text.contains(['$', 'e']), "{:?}", read);
        if let Ok(term) = read {
            prop_assert_eq!(&from_str(&Json(term.as_ref()).to_string()).unwrap(), &term);
        }
    }
}
