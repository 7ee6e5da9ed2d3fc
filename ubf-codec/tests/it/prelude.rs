//! What a program imports at once does not stand in the way of the crates that it uses.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(feature = "serde", feature = "tokio"))]

// These names would be ambiguous beside `use ubf_codec::*`, which has modules that are called so.
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use ubf_codec::prelude::*;
use ubf_codec::serde::{from_reader, from_term, to_term};

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Greeting {
    to: Address,
    version: Version,
    limits: Limits,
}

#[tokio::test]
async fn the_prelude_names_no_crate() {
    let mut packet = Vec::new();
    (&b"{'ok' 1}$"[..]).read_to_end(&mut packet).await.unwrap();
    let document = decode(&packet).unwrap();
    assert_eq!(document, ubf!({ok, 1}));
}

#[test]
fn settings_are_values_of_serde() {
    let greeting = Greeting {
        to: "[2001:db8::1]:4000".parse().unwrap(),
        version: Version::MAX,
        limits: Limits::new().with_max_depth(7),
    };
    let term = to_term(&greeting).unwrap();
    let limits = ubf!({Limits, 16_777_216, 7, 1_048_576, 67_108_864, 10_000, 255, 1024, 16});
    assert_eq!(term, ubf!({Greeting, "[2001:db8::1]:4000", 2_147_483_647, (limits)}));
    assert_eq!(from_term::<Greeting>(&term).unwrap(), greeting);
    let json = serde_json::to_string(&greeting).unwrap();
    assert!(
        json.contains(r#""version":2147483647,"limits":{"max_packet_bytes":16777216,"#),
        "{json}"
    );
    assert_eq!(serde_json::from_str::<Greeting>(&json).unwrap(), greeting);
    // In settings only what differs is written; a slip of the pen is not passed over.
    let limits =
        |text: &str| serde_json::from_str::<Limits>(text).map_err(|error| error.to_string());
    assert_eq!(limits(r#"{"max_depth":7}"#), Ok(greeting.limits));
    assert!(limits(r#"{"max_dept":7}"#).unwrap_err().contains("unknown field `max_dept`"));
    for wrong in ["0", "-1", "2147483648", "\"1\""] {
        assert!(serde_json::from_str::<Version>(wrong).is_err(), "{wrong}");
    }
    assert!(
        serde_json::from_str::<Address>("\"a:0\"")
            .unwrap_err()
            .to_string()
            .contains("b.example:4000")
    );
}

#[test]
fn a_reader_holds_one_packet() {
    assert_eq!(from_reader::<_, (u8, String)>(&b"{1\"a\"}$\n"[..]).unwrap(), (1, "a".to_owned()));
    assert!(from_reader::<_, u8>(&b"1$2$"[..]).is_err());
    assert!(from_reader::<_, u8>(&b"1"[..]).is_err());
    // A reader without end is not read without end.
    let error = from_reader::<_, u8>(std::io::repeat(b' ')).unwrap_err();
    assert!(error.to_string().contains("packet of more than 16777216 bytes"), "{error}");
}
