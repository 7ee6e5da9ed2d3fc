//! Terms as JSON, and back (feature `json`).
//!
//! JSON has fewer kinds of values than UBF. What it has a word for stands as it is; everything else
//! is an object whose keys begin with `$`, so that nothing is lost: [`Json`] writes any term, and
//! [`from_str`] reads the same term. Of a float the value is kept, and not in which digits a peer
//! wrote it.
//!
//! | term | JSON |
//! |---|---|
//! | undefined | `null` |
//! | integer of at most 53 bits | `7` |
//! | any other integer | `{"$integer":"9223372036854775808"}` |
//! | the atoms `true` and `false` | `true`, `false` |
//! | any other atom | `{"$atom":"ok"}` |
//! | string | `"Joe"` |
//! | binary | `{"$binary":"3q2+7w=="}`, base64 |
//! | tuple | `{"$tuple":[…]}` |
//! | list | `[…]` |
//! | float (a string tagged `f` that holds a finite decimal number) | `1.5`, in its shortest form |
//! | map (a list tagged `map`, of pairs whose keys are strings) | `{"age":68}` |
//! | any other tagged term | `{"$tag":"dt","$term":1577934245}` |
//! | a string, atom or tag that is no UTF-8 | `{"$latin1":"…"}` in the place of the text, each character one byte |
//!
//! The keys of a map have to be different, UTF-8, and not begin with `$`; one that is otherwise is
//! a tagged term like others.
//!
//! # Reading
//! [`from_str`] reads any JSON text but one with objects whose keys begin with `$` in other ways
//! than these. A [`Reader`] [without markers](Reader::with_markers) reads any JSON text, and takes
//! such keys for what they are elsewhere: data.
//!
//! | JSON | term |
//! |---|---|
//! | `{"age":68}` | a map, its entries in the order of the text: ``[{"age",68}]`map` `` |
//! | integer | the integer, whatever its size |
//! | number with a `.` or an exponent | float, the nearest double in its shortest form |
//! | number beyond the doubles, such as `1e999` | refused |
//! | what is beyond the [`Limits`](crate::Limits) of a packet that holds the term | refused; [`Reader`] takes other limits |
//!
//! An array is one level of depth, an object three: tag, list and pair.
//!
//! The reader is one of its own. That of `serde_json` keeps integers beyond 64 bits only with a
//! feature that changes its behaviour for all who use it in the same program.

mod error;
mod read;
mod write;

pub use self::error::{Error, ErrorKind};
pub use self::read::{Reader, from_slice, from_str, terms};
pub use self::write::{Json, Plain, to_string, to_writer};
