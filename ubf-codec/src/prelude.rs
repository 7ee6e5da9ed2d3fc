//! What most programs name, to be imported at once.
//!
//! `use ubf_codec::*` would import the modules `serde` and `tokio` as well, whose names are those
//! of crates: in a program that uses these crates, `use serde::Serialize;` is ambiguous then. Here
//! are no modules.
//!
//! ```
//! use ubf_codec::prelude::*;
//!
//! let packet = decode(b"{'point' 1 2}$")?;
//! assert_eq!(packet, ubf!({point, 1, 2}));
//! # Ok::<(), DecodeError>(())
//! ```

pub use crate::{
    Address, ClientHeader, DecodeError, DecodeOptions, Decoder, Dialect, Document, Encoder, Header,
    Integer, Limits, Mode, NextIp, ServerHeader, StreamDecoder, Style, Term, TermRef, Text,
    TextRef, Version, VersionedDecoder, View, decode, ubf,
};
