//! Terms in another format, and back: JSON by `serde_json` stands for all of them.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(feature = "serde")]

use ubf_codec::{Term, ubf};

fn json(term: &Term) -> String {
    serde_json::to_string(term).unwrap()
}

#[test]
fn each_kind_of_term_has_its_form() {
    assert_eq!(json(&ubf!({ok, "text", [1, -2], ?})), r#"["ok","text",[1,-2],null]"#);
    assert_eq!(json(&ubf!([true, false, b"\x01\xff"])), "[true,false,[1,255]]");
    assert_eq!(json(&Term::string(vec![0xff])), "[255]");
    assert_eq!(json(&Term::from(u64::MAX)), "18446744073709551615");
    assert_eq!(json(&Term::from(i128::MAX)), i128::MAX.to_string());
    assert_eq!(json(&Term::float(1.5).unwrap()), "1.5");
    assert_eq!(json(&ubf!([{"a", 1}]).tagged("map")), r#"{"a":1}"#);
    assert_eq!(json(&ubf!([{"a", 1}]).tagged("seen")), r#"[["a",1]]"#);
}

#[test]
fn an_integer_that_the_format_does_not_have_is_its_digits() {
    let digits = "340282366920938463463374607431768211456";
    assert_eq!(json(&digits.parse().unwrap()), format!("\"{digits}\""));
}

#[test]
fn what_comes_from_another_format_is_a_term() {
    let term: Term =
        serde_json::from_str(r#"{"a":[null,true,-1,18446744073709551615,1.5,"b"]}"#).unwrap();
    assert_eq!(term.to_string(), r#"[{"a",[?,true,-1,18446744073709551615,1.5,"b"]}]`map`"#);
}

#[test]
fn w13_a_term_that_is_too_deep_for_others_is_refused_and_no_stack_is_used_up() {
    let nested = |depth: u32| (0..depth).fold(ubf!(bottom), |inner, _| Term::tuple([inner]));
    assert!(serde_json::to_string(&nested(512)).is_ok());
    let error = serde_json::to_string(&nested(513)).unwrap_err();
    assert!(error.to_string().contains("deeper than 512"), "{error}");
}
