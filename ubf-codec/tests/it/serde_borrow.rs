//! What is borrowed lies in the input, and stays there when the decoded packet is gone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![cfg(feature = "serde")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use ubf_codec::serde::{Deserializer, from_slice, from_term};
use ubf_codec::{Decoder, ubf};

#[derive(Deserialize)]
struct Message<'a> {
    text: &'a str,
    bytes: &'a [u8],
    kind: &'a str,
    #[serde(borrow)]
    maybe: Cow<'a, str>,
    #[serde(borrow)]
    map: BTreeMap<&'a str, Vec<&'a str>>,
}

#[track_caller]
fn lies_in(part: &[u8], whole: &[u8]) {
    assert!(
        whole.as_ptr_range().contains(&part.as_ptr())
            && whole.as_ptr_range().contains(&part.as_ptr_range().end)
    );
}

#[test]
fn texts_and_binaries_lie_in_the_input() {
    let input = br##"{'Message'"text"5~bytes~'kind'"may\"be"#{"k"#"b"&"a"&}&`map`}$"##.to_vec();
    let message: Message<'_> = from_slice(&input).unwrap();
    assert_eq!((message.text, message.bytes, message.kind), ("text", &b"bytes"[..], "kind"));
    lies_in(message.text.as_bytes(), &input);
    lies_in(message.bytes, &input);
    lies_in(message.kind.as_bytes(), &input);
    assert_eq!(message.map, BTreeMap::from([("k", vec!["a", "b"])]));
    lies_in(message.map["k"][1].as_bytes(), &input);
    // What has escapes is copied.
    assert!(matches!(&message.maybe, Cow::Owned(text) if text == "may\"be"));
}

#[test]
fn a_register_is_borrowed_from_where_it_was_stored() {
    let input = b"\"long text\">t#t&t&$".to_vec();
    let texts: Vec<&str> = from_slice(&input).unwrap();
    assert!(texts[0].as_ptr() == texts[1].as_ptr());
    lies_in(texts[0].as_bytes(), &input);
}

#[test]
fn what_is_borrowed_outlives_the_document() {
    let input = b"#\"a\"&$".to_vec();
    let mut decoder = Decoder::new();
    let texts: Vec<&str> = {
        let document = decoder.decode(&input).unwrap();
        let texts = Deserializer::from_document(&document).read().unwrap();
        decoder.recycle(document);
        texts
    };
    lies_in(texts[0].as_bytes(), &input);
}

#[test]
fn a_term_lends_what_it_owns() {
    let term = ubf!({"text", b"bytes"});
    let (text, bytes): (&str, &[u8]) = from_term(&term).unwrap();
    assert_eq!((text, bytes), ("text", &b"bytes"[..]));
}

#[test]
fn escapes_cannot_be_borrowed() {
    let error = from_slice::<&str>(br#""a\"b"$"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"invalid type: string "a\"b", expected a borrowed string, at byte 0"#
    );
}
