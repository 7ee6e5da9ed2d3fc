#![forbid(unsafe_code)]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! Bytes to terms to packets: a codec for UBF(A), Joe Armstrong's Universal Binary Format, with his
//! extensions of 2003.
//!
//! It promises:
//! - **Strangers' bytes are safe.** No input makes it panic or recurse, and within the default
//!   limits decoding takes at most 48 bytes of memory for each of its bytes, 80 where they read
//!   registers. Everything a peer can grow has a [limit](Limits), checked before the memory is
//!   taken.
//! - **Errors point.** They name the first wrong byte by its offset in the stream, what is wrong
//!   and what was expected.
//! - **Nothing is copied that can be borrowed.** A decoded packet is one flat table over the bytes
//!   it came from.
//! - **Cuts do not matter.** A stream is decoded in time linear in its bytes, in whatever pieces
//!   they come.
//! - **Every peer can be read.** Packets of the Erlang, Java and JavaScript implementations decode
//!   to what their authors meant.
//!
//! It has no I/O, no clock and no opinion on what a message means. It runs without the standard
//! library.
//!
//! # Example
//! ```
//! use ubf_codec::{Encoder, Term, View, decode, ubf};
//!
//! // Read: a packet borrows its texts from the input.
//! let packet = decode(br#"'person'>p # {p "Joe" 123} & {p "Mike" 77} & $"#)?;
//! assert_eq!(packet.to_string(), r#"[{person,"Mike",77},{person,"Joe",123}]"#);
//!
//! // Look: match on what a term is.
//! let View::List(people) = packet.root().view() else { panic!("expected a list") };
//! for person in people {
//!     let View::Tuple(person) = person.view() else { panic!("expected a tuple") };
//!     let Some([kind, name, number]) = person.to_array() else { panic!("expected three") };
//!     assert!(kind.is_atom("person") && matches!(name.view(), View::String(_)));
//!     assert!(number.as_i64() > Some(0));
//! }
//!
//! // Write: a term is built as it prints.
//! let reply = ubf!({ok, [1, 2], {size, (3_u8)}, ?});
//! assert_eq!(Encoder::new().encode(&reply), b"{'ok'#2&1&{'size'3}?}$");
//! assert_eq!(reply, "{ok, [1, 2], {size, 3}, ?}".parse::<Term>()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What UBF is
//! UBF is how two programs send each other Erlang's terms: integers, atoms, strings, binaries,
//! tuples, lists. UBF(A), the layer on the wire, is a byte code. A packet is a program for a
//! machine with a *recognition stack*, and most of it pushes things:
//!
//! | bytes | what the machine does |
//! |---|---|
//! | `42`, `"Joe"`, `'ok'` | push an integer, a string, an atom |
//! | `3~abc~` | pop the length, push a binary of the bytes between the tildes |
//! | `{` … `}` | pop what was pushed since the `{`, push a tuple of it |
//! | `#`, `&` | push the empty list; pop a term and put it in front of the list below |
//! | `` `tag` `` | put a semantic tag on the term on top |
//! | `>x`, `x` | pop a term into register `x`; push what register `x` holds |
//! | `?` | push the undefined value: something that is absent |
//! | `$` | the packet is complete; its term is all that is on the stack |
//!
//! `ubf trace`, of the crate `ubf-cli`, shows the machine at work on any packet, and [`Tracer`]
//! does so for programs. The rules have numbers (W1 to W15 for the wire, P1 to P6 for packets, L1
//! for limits), which the specification in the repository's `spec/` explains and which errors and
//! comments cite.
//!
//! # The pieces
//! - **A packet by reference:** [`decode`] or a [`Decoder`] give a [`Document`], over a slice or
//!   over shared [`Bytes`](bytes::Bytes). [`Document::root`] is a [`TermRef`], and
//!   [`TermRef::view`] a [`View`] to match on.
//! - **A term of one's own:** [`Term`], built with [`ubf!`], [`From`] or its functions, cheap to
//!   clone, fit for other threads.
//! - **Streams:** [`StreamDecoder`] takes packets out of a buffer that grows; module `tokio` has
//!   the same as `tokio_util` codecs.
//! - **Encoding:** [`Encoder`] in three [styles](Style): plain, cached with registers, pretty for
//!   people.
//! - **Versioned packets:** [`ClientHeader`] and [`ServerHeader`] before a packet say its
//!   [`Version`] and the [`NextIp`]; [`VersionedDecoder`] reads such packets from a stream and
//!   [`peek_version`] only the first bytes.
//! - **Messages in versions:** [`Versioned`] says in one place how a message is written and read in
//!   each version of its contract; the feature `derive` makes it from a type for each version.
//! - **How to read:** [`DecodeOptions`] are dialect, escapes and [`Limits`] in one, for all that
//!   reads packets.
//! - **For people:** terms print and parse in Erlang's [`notation`]; [`TermRef::postfix`] is an
//!   exact rendering for tests.
//!
//! # Dialects
//! `?` is the undefined value in the extended [`Dialect`], which is the default and the one of all
//! versioned packets. Older peers use `?` as a register: to them, speak [`Dialect::Classic`].
//!
//! # Limits
//! [`Limits`] lists them with their defaults, which suit a server on the open network: packets of
//! 16 MiB, 512 levels, a million terms. Registers can make a short packet mean a large term, so
//! terms and bytes are counted as if every register read were written out, while the term itself is
//! shared and small.
//!
//! Nothing here recurses on the depth of a term: not decoding, encoding, comparing, hashing,
//! printing, parsing or dropping.
//!
//! # What it does not do
//! It does not check that a string is UTF-8 (UBF's strings are bytes; [`TextRef::to_str`] checks
//! when asked), does not turn tagged terms into other types by itself ([`TermRef::as_f64`] reads a
//! float when asked), and knows no improper lists: they are an error.
//!
//! # Features
//! ```text
//! cargo add ubf-codec
//! cargo add ubf-codec --features serde,tokio
//! cargo add ubf-codec --no-default-features
//! ```
//! The last is for programs without the standard library, on targets of 32 or 64 bits.
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | run-time choice of the fastest byte search; `serde::to_writer`, `serde::from_reader` |
//! | `tokio` | module `tokio`: codecs for `tokio_util::codec::Framed`; brings `std` |
//! | `serde` | module `serde`: Rust values as terms and back; `Serialize` and `Deserialize` for [`Version`], [`Address`], [`Limits`] |
//! | `derive` | `#[derive(Versioned)]`; brings `serde` |
//! | `json` | module `json`: terms as JSON and back, without loss; brings `std` |
//! | `arbitrary` | `Arbitrary` for [`Term`], for fuzzers; brings `std` |
//!
//! Features only add; none changes what another does.
//!
//! # Names
//! The modules `serde` and `tokio` are called as the crates whose types they are about. So import
//! from the [`prelude`], or names one by one: beside `use ubf_codec::*`, a `use serde::Serialize`
//! is ambiguous.

extern crate alloc;
// The laws are tested with the standard library; `json` writes through it.
#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod byte;
mod decode;
mod dialect;
mod document;
mod encode;
mod error;
mod float;
#[cfg(feature = "json")]
pub mod json;
mod lexer;
mod limits;
mod machine;
mod node;
pub mod notation;
mod options;
mod packet;
mod postfix;
pub mod prelude;
#[cfg(feature = "serde")]
pub mod serde;
mod stream;
mod term;
#[cfg(feature = "tokio")]
pub mod tokio;
mod trace;
mod versioned;

pub use self::decode::{Decoder, Packets, decode};
pub use self::dialect::Dialect;
pub use self::document::{Document, Source};
pub use self::encode::{Encoder, Style};
pub use self::error::{DecodeError, ErrorKind, TermKind};
pub use self::limits::{Limit, Limits};
pub use self::machine::{Operator, Summary};
pub use self::notation::NotationError;
pub use self::options::DecodeOptions;
pub use self::packet::{
    Address, AddressError, ClientHeader, ClientPacket, Header, Host, HostName, Mode, NextIp,
    ServerHeader, ServerPacket, Version, VersionError, VersionedDecoder, peek_version,
};
pub use self::postfix::Postfix;
pub use self::stream::StreamDecoder;
pub use self::term::{
    ConvertError, Elements, FloatError, Integer, IntegerRef, ListIter, ListRef, ParseIntegerError,
    Parts, Tagged, Term, TermRef, Text, TextRef, TupleIter, TupleRef, View, Visitor,
};
#[doc(hidden)]
pub use self::term::{Literal, places};
pub use self::trace::{StackItem, Step, Tracer};
pub use self::versioned::{Versioned, VersionedError};
pub use num_bigint::BigInt;
#[cfg(feature = "derive")]
pub use ubf_derive::Versioned;

/// What the code of macros calls. Nothing here is for programs.
#[cfg(feature = "serde")]
#[doc(hidden)]
pub mod __private {
    pub use crate::versioned::derived::*;
}
