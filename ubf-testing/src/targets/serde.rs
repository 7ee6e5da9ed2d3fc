//! Any packet as values of Rust types: no panic, and what is understood writes and reads back as
//! itself.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ubf_codec::Term;
use ubf_codec::serde::{from_bytes, from_slice, from_term, to_term, to_vec};

/// A type of every shape that serde knows. Each variant is tried alone too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Ok,
    Integer(i128),
    Small(i8, u64),
    Text(String, char),
    Named { name: String, age: Option<u8>, tags: Vec<Self> },
    Record(Record),
    Map(BTreeMap<String, Self>),
    Any(Term),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename = "record", default)]
struct Record {
    flag: bool,
    pair: (u8, String),
    unit: (),
    list: Vec<Option<bool>>,
    rest: Option<Box<Self>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Texts(Vec<String>),
    Keys(BTreeMap<String, i64>),
}

/// Registers make a million nodes out of two hundred bytes, as the default limit allows: to read
/// them as many types takes seconds.
const MAX_NODES: u64 = 20_000;

/// The bytes are a packet.
pub fn serde(bytes: &[u8]) {
    if ubf_codec::decode(bytes).is_ok_and(|document| document.summary().expanded_nodes > MAX_NODES)
    {
        return;
    }
    read::<Term>(bytes);
    read::<Shape>(bytes);
    read::<Record>(bytes);
    read::<Untagged>(bytes);
    read::<Vec<Shape>>(bytes);
    read::<BTreeMap<String, Term>>(bytes);
    read::<(Option<u32>, String)>(bytes);
    read::<f64>(bytes);
    read::<Vec<u8>>(bytes);
}

fn read<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let input = bytes.escape_ascii();
    let read = from_slice::<T>(bytes);
    let shared = from_bytes::<T>(&bytes::Bytes::copy_from_slice(bytes));
    match (read, shared) {
        (Ok(value), Ok(shared)) => {
            assert_eq!(value, shared, "from_slice and from_bytes differ: \"{input}\"");
            write::<T>(&value, bytes);
        }
        (Err(error), Err(shared)) => {
            assert_eq!(
                error.to_string(),
                shared.to_string(),
                "from_slice and from_bytes differ: \"{input}\""
            );
            let offset = error.offset().unwrap_or_default();
            assert!(offset <= bytes.len() as u64, "the offset is outside: {error}: \"{input}\"");
        }
        (read, shared) => {
            panic!("from_slice and from_bytes differ: {read:?}, {shared:?}: \"{input}\"")
        }
    }
}

/// What is written is read as what it was; what is read once more, and written, does not change.
fn write<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(value: &T, bytes: &[u8]) {
    let input = bytes.escape_ascii();
    // Infinity can be read, as a number with too many digits, and cannot be written.
    let Ok(written) = to_vec(value) else { return };
    let shown = written.escape_ascii();
    let again = from_slice::<T>(&written)
        .unwrap_or_else(|error| panic!("{error}: \"{shown}\", out of \"{input}\""));
    assert_eq!(&again, value, "\"{shown}\", out of \"{input}\"");
    let term = to_term(value).unwrap_or_else(|error| panic!("{error}: \"{shown}\""));
    let by_term = from_term::<T>(&term).unwrap_or_else(|error| panic!("{error}: \"{shown}\""));
    assert_eq!(&by_term, value, "by a term: \"{shown}\", out of \"{input}\"");
}
