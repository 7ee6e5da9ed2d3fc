//! Rust values as terms and back (feature `serde`).
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use ubf_codec::serde::{from_slice, to_vec};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! #[serde(rename_all = "snake_case")]
//! enum Request {
//!     List,
//!     Get(String),
//!     Put { name: String, tags: Vec<String>, owner: Option<Person> },
//! }
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! #[serde(rename = "person")]
//! struct Person {
//!     name: String,
//!     age: u8,
//! }
//!
//! let owner = Some(Person { name: "Joe".into(), age: 68 });
//! let put = Request::Put { name: "a".into(), tags: vec!["x".into(), "y".into()], owner };
//! let packet = to_vec(&put)?;
//! assert_eq!(packet, br##"{'put'"a"#"y"&"x"&{'person'"Joe"68}}$"##);
//! assert_eq!(from_slice::<Request>(&packet)?, put);
//! assert_eq!(from_slice::<Request>(b"'list'$")?, Request::List);
//! # Ok::<(), ubf_codec::serde::Error>(())
//! ```
//!
//! # What becomes what
//! The forms are those that programs in Erlang, and contracts, use. Names are those of serde:
//! `#[serde(rename = "…")]` changes them.
//!
//! | Rust | written | also read |
//! |---|---|---|
//! | `bool` | `'true'`, `'false'` | |
//! | integers up to 128 bits | `7` | |
//! | `f64`, `f32` | ``"1.5"`f` ``, the shortest digits that read back; infinity and NaN are errors | an integer; any decimal number tagged `f` |
//! | `char`, `str`, `String` | `"Joe"` | an atom; a binary of UTF-8, as Elixir sends texts; a list of characters, as Erlang does |
//! | bytes (`serde_bytes`, `&[u8]`) | `3~abc~` | a string, an atom; a list of integers |
//! | `None` | `?` | in the classic dialect also `'undefined'` |
//! | `Some(value)` | the value | |
//! | `()` | `?` | `{}` |
//! | sequence: `Vec`, set | `#2&1&` | a binary, as its bytes |
//! | tuple, array | `{1"a"}` | a list of as many elements |
//! | unit struct | `'name'` | `{}`, `?` |
//! | newtype struct | its content | |
//! | tuple struct | `{'name' 1 2}` | `{1 2}`; a list of as many elements |
//! | struct | the record `{'name' 1 2}`, its fields in order | a property list: ``#{'b'2}&{'a'1}&`plist` `` |
//! | struct, [as property list](Serializer::with_property_lists) | ``#{'b'2}&{'a'1}&`plist` `` | tagged `map`, or without a tag; keys may be strings; `'a'` is `{'a''true'}`; a record |
//! | unit variant | `'name'` | `"name"` |
//! | newtype variant | `{'name' 1}` | ``#{'name'1}&`plist` ``, tagged `map` or without a tag |
//! | tuple variant | `{'name' 1 2}` | a list of one pair likewise: its name, and a tuple or a list |
//! | struct variant | `{'name' 1 2}`, its fields in order | a list of one pair likewise: its name, and a property list |
//! | map | ``#{"b"2}&{"a"1}&`map` `` | tagged `plist`, or without a tag; `'a'` is `{'a''true'}`; keys that are integers or booleans may be spelled as strings |
//! | [`Term`](crate::Term), [`TermRef`](crate::TermRef) | the term itself | |
//!
//! Tags that are not in this table are skipped when a term is read: a `u64` reads ``1577934245`dt`
//! ``.
//!
//! # Editions of a type
//! Programs of different age talk to each other. *A property list* may get and lose any field,
//! anywhere, as long as names keep their meaning: this needs no new version of the protocol.
//!
//! *A record* has the names of its fields nowhere. One with another number of elements than its
//! type has fields is refused, and so are tuple structs and variants: nobody could tell a field
//! that was added at the end from one that is skipped in the middle, on one side only. Where types
//! skip no such fields, a reader may allow records to grow at their end, for a value by [`Growing`]
//! or for all by [`Deserializer::with_growing_records`]:
//!
//! - An older program ignores the elements that it does not know. To a newer one the missing fields
//!   are undefined, so they should be `Option`s, or in a struct and a struct variant have a
//!   `#[serde(default)]`.
//! - A unit variant, a unit struct and a newtype variant may get content in any case: `'stop'` and
//!   `{'stop'}` are the same, and there is no other field to be taken for it.
//!
//! A field whose value is undefined counts as missing: `Option`s are `None`, a
//! [`Term`](crate::Term) is undefined, `()` is `()`, a default applies, and for other types it is
//! the error that the field is missing. So `skip_serializing_if` writes `?` into a record, to keep
//! the places of the other fields. A field with `#[serde(with = "…")]` needs a `default` if it can
//! be `None`, as it does for JSON that lacks it.
//!
//! A new variant is an error to an older program; `#[serde(other)]` can catch it.
//! `deny_unknown_fields` forbids surplus fields in records that grow too.
//!
//! # What the format knows by itself
//! `deserialize_any` works for every term: undefined is unit, an atom is a string except `true` and
//! `false`, tuples and lists are sequences, a list of pairs tagged `map` or `plist` is a map, an
//! integer beyond 128 bits is the string of its digits. But a record does not say the names of its
//! fields, and an atom at the start of a tuple may be a name or not. So what serde reads before it
//! knows the type has to describe itself. That is so
//!
//! - by itself in `flatten`, `tag = "…"` and `tag = "…", content = "…"`, of which the serializer
//!   knows that they are going to be read so;
//! - in `untagged`, where serde gives no sign, if you write the value in [`SelfDescribing`] or with
//!   [`Serializer::with_self_description`]. Variants without structs, enums and tuple structs need
//!   nothing.
//!
//! | Rust | written where the type will not be known |
//! |---|---|
//! | struct | ``#{'b'2}&{'a'1}&`plist` `` |
//! | internally tagged enum | the same, the tag first: ``#{'a'1}&{'type'"Name"}&`plist` `` |
//! | tuple struct | `{1 2}` |
//! | unit struct | `{}` |
//! | unit variant | `'name'` |
//! | newtype variant | ``#{'name'1}&`plist` `` |
//! | tuple variant | ``#{'name'{1 2}}&`plist` `` |
//! | struct variant | ``#{'name'#{'a'1}&`plist`}&`plist` `` |
//!
//! Every type reads these forms everywhere, and the other ones. The error of a value that was
//! written otherwise says what to do.
//!
//! Serde gives the serializer one sign: it writes tags and the names of flattened fields as plain
//! `str`s, where a field or a key that a type has is a reference or an owned string. So a type
//! whose `Serialize` is written by hand, and which passes a `str` as the first field of its struct
//! or as the key of its map, is written in this way, too.
//!
//! | serde | in records | in property lists |
//! |---|---|---|
//! | `flatten` | the struct is always a map, keyed by strings; what is in a flattened map before the first field describes itself only if you ask for it | likewise |
//! | `skip_serializing` or `skip_deserializing` alone | the record is refused when it is read: use `skip`, or a property list | works |
//! | `alias` | works; paths in errors may name another field | works |
//! | 128-bit integers in `flatten`, `tag` and `untagged` | serde keeps none beyond 64 bits | likewise |
//! | `Some(None)`, and `Some` of the undefined [`Term`](crate::Term) | read as `None` | likewise |
//!
//! # Limits
//! Those of the [`Decoder`](crate::Decoder) hold for the packet. Types recurse into it 128 levels
//! deep and no further ([`Deserializer::with_max_depth`]): with all the 512 levels that a decoder
//! allows, the code that serde derives overflows the stack of a thread in a build without
//! optimisation. [`Term`](crate::Term)s do not recurse and are not concerned.

mod cursor;
mod de;
mod error;
mod own;
mod ser;
mod settings;
mod term;
mod wrappers;

#[cfg(feature = "std")]
pub use self::de::from_reader;
pub use self::de::{Deserializer, from_bytes, from_slice, from_term};
pub use self::error::{Error, ErrorKind};
#[cfg(feature = "std")]
pub use self::ser::to_writer;
pub use self::ser::{Serializer, to_term, to_vec};
pub use self::wrappers::{Growing, PropertyList, SelfDescribing};
