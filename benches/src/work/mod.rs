//! The operations: each is one piece of work on one document, by us or by a peer, and has been
//! checked to do it right.

mod calls;
#[cfg(feature = "peers")]
mod erlang;
#[cfg(feature = "peers")]
mod json;
#[cfg(feature = "peers")]
mod msgpack;
#[cfg(feature = "peers")]
mod redis;
mod sessions;
mod stream;
mod typed;
#[cfg(feature = "peers")]
mod typed_peers;
mod ubf;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::data::{self, Document};
use crate::formats::{self, Digest, digest};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Is it well formed? Nothing is built.
    Validate,
    /// To the form that borrows most, all memory taken anew.
    Decode,
    /// The same, memory being kept from one time to the next.
    DecodeReused,
    /// Decode, then look at every value.
    Visit,
    /// Look at every value of what is decoded.
    Look,
    /// To a form that borrows nothing.
    Owned,
    /// To Rust structs that own what they hold.
    Typed,
    /// From the owned form, into a buffer that is kept.
    Encode,
    /// The same with registers.
    EncodeCached,
    /// From Rust structs, into a buffer that is kept.
    EncodeTyped,
    /// A stream of a thousand documents into documents.
    Split,
    /// What stands before a packet.
    Header,
    /// One string of 64 MiB.
    LongText,
    /// A batch of requests by the machine of a server, without sockets.
    Answer,
    /// A batch of calls by the machine of a client, without sockets.
    Call,
    /// What all connections of a server wait for.
    LookUp,
}

impl Work {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 16] = [
        Self::Validate,
        Self::Decode,
        Self::DecodeReused,
        Self::Visit,
        Self::Look,
        Self::Owned,
        Self::Typed,
        Self::Encode,
        Self::EncodeCached,
        Self::EncodeTyped,
        Self::Split,
        Self::Header,
        Self::LongText,
        Self::Answer,
        Self::Call,
        Self::LookUp,
    ];

    /// As in the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Decode => "decode, fresh buffers",
            Self::DecodeReused => "decode, reused buffers",
            Self::Visit => "decode and visit",
            Self::Look => "visit",
            Self::Owned => "decode to owned",
            Self::Typed => "decode to structs",
            Self::Encode => "encode",
            Self::EncodeCached => "encode cached",
            Self::EncodeTyped => "encode structs",
            Self::Split => "split a stream",
            Self::Header => "read a header",
            Self::LongText => "a string of 64 MiB",
            Self::Answer => "answer",
            Self::Call => "call",
            Self::LookUp => "look up",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name under which this project's code stands in the tables.
pub const UBF: &str = "ubf-codec";
/// The codec, where a term is looked at by its views, one after the other.
pub const VIEWS: &str = "ubf-codec, by views";
/// The name under which this project's machines stand in the tables.
pub const MACHINES: &str = "ubf-proto";

/// Which operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The document's name.
    pub document: String,
    /// What is done.
    pub work: Work,
    /// Who does it.
    pub by: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.document, self.work, self.by)
    }
}

/// A piece of work that can be done again and again.
pub struct Operation {
    /// Which.
    pub key: Key,
    /// The size of the document in the format that is read or written.
    pub bytes: usize,
    run: Box<dyn FnMut()>,
}

impl Operation {
    /// Does the work once.
    pub fn run(&mut self) {
        (self.run)();
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("key", &self.key)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// The documents that [`operations`] knows.
pub fn documents() -> impl Iterator<Item = &'static str> {
    data::NAMES.into_iter().chain([
        stream::RPC_STREAM,
        stream::LONG_TEXT,
        calls::CALLS,
        sessions::SESSIONS,
    ])
}

/// All operations on the document of this name, ours and the peers'.
///
/// # Errors
/// If one of them does not do what it should.
#[cfg(feature = "peers")]
pub fn operations(name: &str) -> Result<Vec<Operation>, Error> {
    gather(name, true)
}

/// The operations on the document of this name that are this project's, without the time that it
/// takes to make the peers'.
///
/// # Errors
/// If one of them does not do what it should.
pub fn our_operations(name: &str) -> Result<Vec<Operation>, Error> {
    gather(name, false)
}

/// Decoding of so many requests in one list, ours and the peers' that are nearest: for how time grows
/// with size.
///
/// # Errors
/// If one of them does not do what it should.
#[cfg(feature = "peers")]
pub fn of_size(messages: usize) -> Result<Vec<Operation>, Error> {
    let rpc = data::document("rpc").ok_or("there is an rpc")?;
    let value = data::Value::List(vec![rpc.value; messages]);
    let document = format!("{messages} messages");
    let mut bench = Bench { document, with_peers: true, operations: Vec::new() };
    ubf::operations(&mut bench, &value, digest(&value, false))?;
    json::operations(&mut bench, &value)?;
    bench.operations.retain(|operation| operation.key.work == Work::Decode);
    Ok(bench.operations)
}

fn gather(name: &str, with_peers: bool) -> Result<Vec<Operation>, Error> {
    let mut bench = Bench { document: name.to_owned(), with_peers, operations: Vec::new() };
    match name {
        stream::RPC_STREAM => stream::rpc_stream(&mut bench)?,
        stream::LONG_TEXT => stream::long_text(&mut bench)?,
        calls::CALLS => calls::operations(&mut bench)?,
        sessions::SESSIONS => sessions::operations(&mut bench)?,
        _ => {
            let document =
                data::document(name).ok_or_else(|| format!("there is no document '{name}'"))?;
            of_document(&mut bench, &document)?;
        }
    }
    Ok(bench.operations)
}

fn of_document(bench: &mut Bench, document: &Document) -> Result<(), Error> {
    let (value, found) = (&document.value, digest(&document.value, false));
    ubf::operations(bench, value, found)?;
    #[cfg(feature = "peers")]
    if bench.with_peers {
        json::operations(bench, value)?;
        msgpack::operations(bench, value, found)?;
        erlang::operations(bench, value, found)?;
        redis::operations(bench, value, found)?;
    }
    match document.name {
        "rpc" => typed::operations(bench, value, data::rpc::typed()),
        "twitter" => typed::operations(bench, value, data::twitter::typed()),
        "records" => typed::operations(bench, value, data::records::typed()),
        "citm" => {
            let term = formats::ubf::term(value);
            let typed: data::citm::Catalogue = ubf_codec::serde::from_term(&term)?;
            typed::operations(bench, value, typed)
        }
        "canada" => {
            let term = formats::ubf::term(value);
            let typed: data::canada::Collection = ubf_codec::serde::from_term(&term)?;
            typed::operations(bench, value, typed)
        }
        _ => Ok(()),
    }
}

/// Where operations on one document are gathered.
struct Bench {
    document: String,
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "without them nobody asks"))]
    with_peers: bool,
    operations: Vec<Operation>,
}

impl Bench {
    fn add(&mut self, work: Work, by: &str, bytes: usize, run: impl FnMut() + 'static) {
        let key = Key { document: self.document.clone(), work, by: by.to_owned() };
        self.operations.push(Operation { key, bytes, run: Box::new(run) });
    }

    /// Makes sure that what was found is what should be found.
    fn check<T: PartialEq>(&self, by: &str, found: &T, expected: &T) -> Result<(), Error> {
        if found == expected {
            return Ok(());
        }
        Err(format!("{}: {by} finds something else than the document says", self.document).into())
    }

    /// The same for digests, which a visit makes.
    fn check_visit(
        &self,
        by: &str,
        visit: impl FnOnce(&mut Digest),
        expected: Digest,
    ) -> Result<(), Error> {
        let mut found = Digest::default();
        visit(&mut found);
        self.check(by, &found, &expected)
    }
}
