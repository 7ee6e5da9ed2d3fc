//! Rust code for a contract: types, states, and what servers and clients do.

mod client;
mod items;
mod names;
mod rules;
mod server;
mod session;
mod shape;
mod template;

use alloc::string::String;
use core::fmt::Write as _;

use self::items::{Items, documented};
use self::rules::Rules;
use crate::model::Contract;

/// Writes Rust code for a contract (feature `rust`).
///
/// | the contract has | the code has |
/// |---|---|
/// | `put() :: {put, key(), value()}` | `struct Put { key: Key, value: Value }`, for serde |
/// | `done() :: ok \| {error, why()}` | `enum Done { Ok, Error { why: Why } }` |
/// | `1..9`, `ubfstring()`, `[t()]`, `t() \| undefined` | `u8`, `String`, `Vec<T>`, `Option<T>` |
/// | what serde has no form for, `any()` | `ubf_codec::Term` |
/// | states | `enum State` |
/// | a rule with several outcomes | an enum of these |
/// | rules | the trait `Service` with a function for each, and `service`, which makes a handler for `ubf-server` of it; the trait `Calls`, which `ubf_client::Client` has |
/// | events | `enum EventOut`, `enum EventIn` |
///
/// Annotations are its documentation. A string is a `String`: one that is not UTF-8 cannot be read.
/// Integers without bounds have 64 bits. A type of Rust may allow more than the contract does (`u8`
/// is more than `1..9`): the handler that `service` makes is held against the contract.
///
/// The code wants Rust 2024, `serde` with `derive`, and `ubf-codec`, `ubf-server` and `ubf-client`
/// with their features `serde`; of `ubf-server` also `contract`, and `ubf-contract`. It is not
/// formatted as rustfmt would.
///
/// ```
/// use ubf_contract::{Reader, RustCode};
///
/// let contract = Reader::new().read(
///     "+NAME(\"lamp\"). +VSN(\"1\"). +TYPES on() :: {on, 1..9} \"how bright\"; ok() :: ok.
///      +STATE start on() => ok() & start.",
/// )?;
/// let code = RustCode::new(&contract).write();
/// assert!(code.contains("/// how bright\n///\n/// `{on, 1..9}`\n"));
/// assert!(code.contains("pub struct On {\n"));
/// assert!(code.contains("    pub number: u8,\n"));
/// # Ok::<(), ubf_contract::ReadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RustCode<'c> {
    contract: &'c Contract,
    server: bool,
    client: bool,
}

impl<'c> RustCode<'c> {
    /// All of the code.
    #[must_use]
    pub const fn new(contract: &'c Contract) -> Self {
        Self { contract, server: true, client: true }
    }

    /// With or without what a server needs.
    #[must_use]
    pub const fn with_server(mut self, server: bool) -> Self {
        self.server = server;
        self
    }

    /// With or without what a client needs.
    #[must_use]
    pub const fn with_client(mut self, client: bool) -> Self {
        self.client = client;
        self
    }

    /// The code, as one module.
    #[must_use]
    pub fn write(&self) -> String {
        let mut items = Items::new(self.contract);
        let rules = Rules::new(self.contract, &mut items);
        let mut code = String::new();
        let name = self.contract.name().text.to_latin1();
        let title = documented(&alloc::format!("The service `{name}`, as its contract says."));
        code.push_str(&title.replace("///", "//!"));
        code.push_str("//!\n//! Written by `ubf contract rust`.\n\n");
        code.push_str(&imports(self.server, self.client));
        code.push_str(&items.code);
        if items.has_binaries {
            code.push_str(BINARY);
        }
        code.push_str(&session::states(&rules));
        code.push_str(&session::answers(&rules, self.server, self.client));
        code.push_str(&session::events(&rules));
        if self.server {
            let _written = write!(
                code,
                "\n/// The contract in UBF(B).\npub const CONTRACT: {};\n",
                constant(&self.contract.print())
            );
            code.push_str(&server::service(&rules));
        }
        if self.client {
            code.push_str(&client::calls(&rules));
        }
        code
    }
}

fn imports(server: bool, client: bool) -> String {
    let mut code = String::new();
    if server {
        code.push_str("use std::sync::{Mutex, PoisonError};\n\n");
    }
    code.push_str("use serde::{Deserialize, Serialize};\n");
    code.push_str("use ubf_codec::serde::{Error, from_term, to_term};\n");
    code.push_str("use ubf_codec::{Term, TermRef, View};\n");
    if server {
        code.push_str("use ubf_contract::{ReadError, Reader};\n");
        code.push_str(
            "use ubf_server::{Call, Client, Contracts, Failure, Handler, Reply, Versions};\n",
        );
    }
    if client {
        code.push_str("use ubf_client::CallError;\n");
    }
    code
}

/// Type and value of a constant with that text.
fn constant(text: &[u8]) -> String {
    let Some(text) = core::str::from_utf8(text).ok().filter(|text| !text.contains('\r')) else {
        return alloc::format!("&[u8] = b\"{}\"", text.escape_ascii());
    };
    let mut fence = String::from("#");
    while text.contains(&alloc::format!("\"{fence}")) {
        fence.push('#');
    }
    alloc::format!("&str = r{fence}\"{text}\"{fence}")
}

const BINARY: &str = r#"
/// A binary.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binary(pub Vec<u8>);

impl Serialize for Binary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl serde::de::Visitor<'_> for Bytes {
            type Value = Binary;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a binary")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Binary, E> {
                Ok(Binary(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
"#;
