#![forbid(unsafe_code)]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! placeholder

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
mod packet;
mod postfix;
mod stream;
mod term;
#[cfg(feature = "tokio")]
pub mod tokio;
mod trace;

pub use self::decode::{Decoder, Packets, decode};
pub use self::dialect::Dialect;
pub use self::document::{Document, Source};
pub use self::encode::{Encoder, Style};
pub use self::error::{DecodeError, ErrorKind, TermKind};
pub use self::limits::{Limit, Limits};
pub use self::machine::{Operator, Summary};
pub use self::notation::NotationError;
pub use self::packet::{
    Address, AddressError, ClientHeader, ClientPacket, Header, Host, Mode, NextIp, ServerHeader, ServerPacket, Version,
    VersionedDecoder, peek_version,
};
pub use self::postfix::Postfix;
pub use self::stream::StreamDecoder;
pub use self::term::{
    Elements, Integer, IntegerRef, ListIter, ListRef, ParseIntegerError, Tagged, Term, TermRef, Text, TextRef,
    TupleIter, TupleRef, View,
};
pub use self::trace::{StackItem, Step, Tracer};
pub use num_bigint::BigInt;
