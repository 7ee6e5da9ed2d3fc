//! The documents that are measured: made by deterministic code, the same in every format.

mod bins;
pub mod canada;
pub mod citm;
mod escapes;
mod ints;
mod parse_trees;
mod random;
pub mod records;
pub mod rpc;
mod strings;
mod text;
pub mod twitter;
mod value;

pub use self::value::Value;

/// A document: a name, and what it says.
#[derive(Clone, Debug)]
pub struct Document {
    /// As in the tables.
    pub name: &'static str,
    /// What it says, in no format.
    pub value: Value,
}

/// The names of all documents, in the order of the tables.
pub const NAMES: [&str; 10] = [
    "rpc",
    "twitter",
    "citm",
    "canada",
    "ints",
    "bins",
    "strings",
    "escapes",
    "records",
    "parse trees",
];

/// The document of this name.
#[must_use]
pub fn document(name: &str) -> Option<Document> {
    let (name, value) = match name {
        "rpc" => ("rpc", rpc::document()),
        "twitter" => ("twitter", twitter::document()),
        "citm" => ("citm", citm::document()),
        "canada" => ("canada", canada::document()),
        "ints" => ("ints", ints::document()),
        "bins" => ("bins", bins::document()),
        "strings" => ("strings", strings::document()),
        "escapes" => ("escapes", escapes::document()),
        "records" => ("records", records::document()),
        "parse trees" => ("parse trees", parse_trees::document()),
        _ => return None,
    };
    Some(Document { name, value })
}
