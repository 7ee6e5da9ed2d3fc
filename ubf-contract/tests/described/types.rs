//! What each form of Rust types is in a contract, word for word.
#![expect(dead_code, reason = "the types are described, and not made")]

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use ubf_codec::Term;
use ubf_contract::{ContractBuilder, Described, Message};

/// The types of the library that has `T`, without `+TYPES`.
fn types<T: Described>() -> String {
    let library = ContractBuilder::new("library", "1").with_type(Message::of::<T>());
    let printed = String::from_utf8(library.build().unwrap().print()).unwrap();
    let (_, types) = printed.split_once("+TYPES\n").unwrap_or_default();
    types.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[test]
fn types_of_the_standard_library() {
    assert_eq!(
        types::<(bool, i8, u8, f32, ())>(),
        "message() :: {boolean(), -128..127, byte(), float(), undefined}."
    );
    assert_eq!(
        types::<[char; 2]>(),
        "message() :: {{'#S', [byte()]{1,4}}, {'#S', [byte()]{1,4}}}."
    );
    assert_eq!(types::<Vec<Option<String>>>(), "message() :: [ubfstring()?].");
    assert_eq!(types::<Option<Option<NonZeroU16>>>(), "message() :: 1..65535 | undefined.");
    assert_eq!(types::<Cow<'_, [Box<u64>]>>(), "message() :: [0..18446744073709551615].");
    assert_eq!(
        types::<(BTreeSet<u8>, HashMap<u8, u8>, Term)>(),
        "message() :: {[byte()], any(), any()}."
    );
    assert_eq!(
        types::<Result<(), String>>(),
        "message() :: {'Ok', undefined} | {'Err', ubfstring()}."
    );
    assert_eq!(types::<u8>(), "", "a type that has a name needs no other");
}

#[derive(Serialize, Deserialize, Described, Debug)]
struct Unit;

#[derive(Serialize, Deserialize, Described, Debug)]
struct Empty {}

#[derive(Serialize, Deserialize, Described, Debug)]
#[serde(rename = "two")]
struct Pair(u8, Unit, #[serde(skip)] u8);

/// How much,
/// in "cents".
///
/// Not in euros.
#[derive(Serialize, Deserialize, Described, Debug)]
struct Price(u32);

#[derive(Serialize, Deserialize, Described, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Order {
    full_price: Price,
    #[serde(skip)]
    scratch: u8,
    #[serde(rename = "what", default)]
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    parts: Vec<Self>,
    #[contract(type = "1..9")]
    r#type: u8,
    #[contract(as = Option<bool>)]
    quick: Term,
}

#[test]
fn structs() {
    assert_eq!(types::<Unit>(), "unit() :: 'Unit'.");
    assert_eq!(types::<Empty>(), "empty() :: #'Empty'{}.");
    assert_eq!(types::<Pair>(), "pair() :: {two, byte(), unit()}; unit() :: 'Unit'.");
    assert_eq!(types::<Price>(), "price() :: 0..4294967295 \"How much, in 'cents'.\".");
    assert_eq!(
        types::<Order>(),
        "order() :: #'Order'{ fullPrice :: price(), what :: ubfstring(), note :: ubfstring()?, \
         parts :: [order()] | undefined, type :: 1..9, quick :: boolean()? }; \
         price() :: 0..4294967295 \"How much, in 'cents'.\"."
    );
}

#[derive(Serialize, Deserialize, Described, Debug)]
#[serde(rename_all = "kebab-case", rename_all_fields = "UPPERCASE")]
enum Request {
    ListAll,
    #[serde(rename = "get", alias = "fetch")]
    Lookup(String),
    Put(String, u8),
    Move {
        to_where: u8,
    },
    #[serde(skip)]
    Debug,
    Log(#[serde(skip)] u8),
    #[serde(rename_all = "PascalCase")]
    Swap {
        old_one: u8,
    },
}

#[derive(Serialize, Deserialize, Described, Debug)]
#[serde(untagged)]
enum Untagged {
    Nothing,
    Number(u8),
    Both(u8, String),
}

#[derive(Serialize, Deserialize, Described, Debug)]
enum Mixed {
    Known,
    #[serde(untagged)]
    Other(String),
}

#[test]
fn enums() {
    assert_eq!(
        types::<Request>(),
        "request() :: 'list-all' | {get, ubfstring()} | {put, ubfstring(), byte()} | \
         #move{'TO_WHERE' :: byte()} | log | #swap{'OldOne' :: byte()}."
    );
    assert_eq!(types::<Untagged>(), "untagged() :: undefined | byte() | {byte(), ubfstring()}.");
    assert_eq!(types::<Mixed>(), "mixed() :: 'Known' | ubfstring().");
}

mod other {
    use super::{Described, Deserialize, Serialize};

    #[derive(Serialize, Deserialize, Described, Debug)]
    pub(super) struct Unit(u8);

    #[derive(Serialize, Deserialize, Described, Debug)]
    pub(super) struct Timeout(pub(super) u16);
}

#[derive(Serialize, Deserialize, Described, Debug)]
#[serde(transparent)]
struct Thin {
    only: u16,
}

#[derive(Serialize, Deserialize, Described, Debug, Clone)]
#[serde(into = "String", try_from = "String")]
struct Parsed;

impl From<Parsed> for String {
    fn from(_: Parsed) -> Self {
        "parsed".into()
    }
}

impl TryFrom<String> for Parsed {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "parsed" { Ok(Self) } else { Err("another text") }
    }
}

#[derive(Serialize, Deserialize, Described, Debug)]
#[contract(name = "list", type = "[tree()]?")]
#[serde(tag = "t")]
enum Odd {
    Any { of: Box<Tree> },
}

#[derive(Serialize, Deserialize, Described, Debug)]
struct Tree(Vec<Self>);

#[derive(Serialize, Deserialize, Described, Debug)]
#[serde(rename = "page")]
struct Page<T> {
    entries: Vec<T>,
}

#[test]
fn what_a_type_is_called() {
    assert_eq!(
        types::<(Unit, other::Unit)>(),
        "unit() :: 'Unit'; unit_2() :: byte(); message() :: {unit(), unit_2()}.",
        "two types of one name"
    );
    assert_eq!(
        types::<other::Timeout>(),
        "timeout_2() :: 0..65535.",
        "a type that is built in keeps its name"
    );
    assert_eq!(types::<Thin>(), "thin() :: 0..65535.");
    assert_eq!(types::<Parsed>(), "parsed() :: ubfstring().");
    assert_eq!(
        types::<(Odd, Tree)>(),
        "list_2() :: [tree()]?; tree() :: [tree()]; message() :: {list_2(), tree()}."
    );
    assert_eq!(
        types::<(Page<u8>, Page<Unit>)>(),
        "page() :: #page{entries :: [byte()]}; page_2() :: #page{entries :: [unit()]}; \
         unit() :: 'Unit'; message() :: {page(), page_2()}."
    );
}
