//! Packets of strangers: wrong kinds, too much, too deep. No input makes a type recurse without
//! bound.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![cfg(feature = "serde")]

use std::collections::{BTreeMap, HashMap};
use std::thread;

use proptest::prelude::*;
use serde::Deserialize;
use ubf_codec::serde::{Deserializer, ErrorKind, from_slice, from_term};
use ubf_codec::{Decoder, Limits, Term, View, decode, ubf};

#[derive(Deserialize, Debug)]
#[allow(dead_code, reason = "only read")]
enum Tree {
    Leaf(f64),
    Node(Box<Self>, Box<Self>),
    Named { inner: Box<Self> },
    Many(Vec<Self>),
    Wide(Box<[u64; 32]>, Option<Box<Self>>),
}

#[derive(Deserialize, Debug)]
#[serde(untagged)]
#[allow(dead_code, reason = "only read")]
enum Anything {
    Number(f64),
    List(Vec<Self>),
}

#[derive(Deserialize, Debug)]
#[allow(dead_code, reason = "only read")]
struct Endless(Option<Box<Self>>);

/// On the stack that threads have by default.
fn on_a_thread(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(2 << 20).spawn(test).unwrap().join().unwrap();
}

fn nested(open: &str, inner: &str, close: &str, levels: usize) -> Vec<u8> {
    format!("{}{inner}{}$", open.repeat(levels), close.repeat(levels)).into_bytes()
}

#[test]
fn recursive_types_end_before_the_stack_does() {
    on_a_thread(|| {
        let zeros = "0 ".repeat(32);
        for (packet, levels) in [
            (nested("{'Named'", "{'Leaf'1}", "}", 127), 128),
            (nested("{'Many'#", "{'Leaf'1}", "&}", 63), 127),
            (nested(&format!("{{'Wide'{{{zeros}}}"), "{'Leaf'1}", "}", 127), 128),
        ] {
            from_slice::<Tree>(&packet).unwrap();
            let document = decode(&packet).unwrap();
            Deserializer::from_document(&document).with_max_depth(levels).read::<Tree>().unwrap();
            let deeper =
                [&b"{'Named'{'Named'"[..], packet.strip_suffix(b"$").unwrap(), b"}}$"].concat();
            let error = from_slice::<Tree>(&deeper).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Depth(128)), "{error}");
        }
    });
}

#[test]
fn the_depth_of_the_packet_is_limited_too() {
    let error = from_slice::<Tree>(&nested("{'Named'", "{'Leaf'1}", "}", 512)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Packet(error) if error.is_limit()), "{error}");
}

#[test]
fn untagged_types_end_too() {
    on_a_thread(|| {
        from_slice::<Anything>(&nested("#", "1", "&", 127)).unwrap();
        from_slice::<Anything>(&nested("#", "1", "&", 500)).unwrap_err();
    });
}

#[test]
fn types_that_recurse_in_one_place_end() {
    on_a_thread(|| {
        let error = from_slice::<Endless>(b"1$").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Depth(_)));
        from_slice::<Endless>(b"?$").unwrap();
    });
}

#[test]
fn a_deep_owned_term_is_refused_and_not_walked() {
    let deep = (0..1_000_000).fold(ubf!(1), |term, _| term.tagged("t"));
    assert_eq!(from_term::<u8>(&deep).unwrap(), 1);
    let deep = (0..1_000_000).fold(ubf!(1), |term, _| ubf!([(term)]));
    from_term::<Anything>(&deep).unwrap_err();
}

#[test]
fn registers_cannot_make_a_value_larger_than_the_limits() {
    let mut packet = b"#1&1&>a".to_vec();
    for _ in 0..40 {
        packet.extend_from_slice(b"#a&a&>a");
    }
    packet.extend_from_slice(b"a$");
    let error = from_slice::<Anything>(&packet).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Packet(error) if error.is_limit()), "{error}");
}

#[test]
fn the_limits_of_a_decoder_hold() {
    let mut decoder = Decoder::new().with_limits(Limits::default().with_max_expanded_nodes(3));
    let document = decoder.decode(b"#2&1&$").unwrap();
    assert_eq!(Deserializer::from_document(&document).read::<Vec<u8>>().unwrap(), [1, 2]);
    decoder.decode(b"#3&2&1&$").unwrap_err();
}

#[test]
fn a_large_integer_is_refused_by_small_types() {
    let digits = "9".repeat(5000);
    let packet = format!("{digits}$");
    for error in [
        from_slice::<u8>(packet.as_bytes()).unwrap_err(),
        from_slice::<i128>(packet.as_bytes()).unwrap_err(),
        from_slice::<f64>(packet.as_bytes()).unwrap_err(),
    ] {
        assert!(
            error.to_string().starts_with("invalid type: an integer beyond 128 bits, expected "),
            "{error}"
        );
    }
    assert_eq!(from_slice::<Term>(packet.as_bytes()).unwrap().to_string(), digits);
}

#[derive(Deserialize, Debug)]
#[allow(dead_code, reason = "only read")]
struct Everything {
    a: Option<Box<Self>>,
    b: Vec<Tree>,
    c: HashMap<String, Anything>,
    d: BTreeMap<i64, (u8, char, bool)>,
    #[serde(default)]
    e: Term,
    f: (),
}

proptest! {
    /// Whatever comes, every type says yes or no.
    #[test]
    fn no_packet_makes_a_type_panic(
        packet in
            "(\\{'(Everything|Leaf|Many)'|[#&} 0-9]|\"a\"|'true'|\\?|`(map|f)`|>a|a){0,40}",
    ) {
        let mut packet = packet.into_bytes();
        packet.push(b'$');
        drop(from_slice::<Everything>(&packet));
        drop(from_slice::<Tree>(&packet));
        drop(from_slice::<Anything>(&packet));
        drop(from_slice::<Vec<Everything>>(&packet));
        drop(from_slice::<Option<Endless>>(&packet));
        drop(from_slice::<(f32, u8, String)>(&packet));
        let is_packet = decode(&packet).is_ok();
        prop_assert_eq!(from_slice::<serde::de::IgnoredAny>(&packet).is_ok(), is_packet);
        prop_assert_eq!(from_slice::<Term>(&packet).is_ok(), is_packet);
    }
}

#[test]
fn an_error_in_a_part_of_a_packet_says_at_which_byte_of_the_packet() {
    let packet = decode(b"{{'order' 7'dear'}'start'}$").unwrap();
    let order = if let View::Tuple(reply) = packet.root().view() { reply.get(0) } else { None };
    let error = from_term::<(String, u32, u32)>(order.unwrap()).unwrap_err();
    assert_eq!((error.path().as_str(), error.offset()), ("[2]", Some(11)));
    let owned = packet.to_term();
    assert_eq!(from_term::<u32>(&owned).unwrap_err().offset(), None);
}
