//! `rpc`: a small request, with a tuple of an atom, an integer, a string and a list of pairs.

use serde::{Deserialize, Serialize};

use super::Value;

/// The request as a program has it: what is asked for, a number, whom, and with what.
pub type Request = (Kind, u32, String, Arguments);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call.
    Call,
}

/// What a call is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arguments {
    /// A file.
    pub name: String,
    /// From which byte on.
    pub offset: u32,
    /// How many bytes.
    pub count: u32,
}

/// The request as Rust values.
#[must_use]
pub fn typed() -> Request {
    (
        Kind::Call,
        4711,
        "files".into(),
        Arguments { name: "report.txt".into(), offset: 65_536, count: 1024 },
    )
}

pub(super) fn document() -> Value {
    let (Kind::Call, number, service, Arguments { name, offset, count }) = typed();
    let arguments =
        Value::record([("name", name.into()), ("offset", offset.into()), ("count", count.into())]);
    Value::tuple([Value::name("call"), number.into(), service.into(), arguments])
}
