//! The bodies of the fuzz targets: functions over bytes that panic when a law is broken.
//!
//! They are called by libFuzzer in `fuzz/`, by the replay of the corpus and by the random tests of
//! this crate.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a broken law ends the run with a message")]

mod any_term;
mod check;
mod classic;
mod client_session;
mod compare;
mod contract;
mod decode;
mod decode_chunks;
mod differential;
mod keepers;
mod notation;
mod packet;
mod peer;
mod resumes;
mod round_trip;
mod scenario;
mod script;
mod serde;
mod server_session;
mod sessions;
mod shown;

pub use self::check::check;
pub use self::classic::classic;
pub use self::client_session::client_session;
pub use self::compare::{compare, compare_edited};
pub use self::contract::contract;
pub use self::decode::decode;
pub use self::decode_chunks::decode_chunks;
pub use self::differential::differential;
pub use self::notation::notation;
pub use self::packet::packet;
pub use self::resumes::resumes;
pub use self::round_trip::round_trip;
pub use self::scenario::Scenario;
pub use self::serde::serde;
pub use self::server_session::server_session;
pub use self::sessions::sessions;

/// A fuzz target's body.
pub type Body = fn(&[u8]);

/// Every target with its name, which is also that of its directory of inputs.
pub const ALL: [(&str, Body); 15] = [
    ("decode", decode),
    ("decode_chunks", decode_chunks),
    ("differential", differential),
    ("round_trip", round_trip),
    ("packet", packet),
    ("notation", notation),
    ("serde", serde),
    ("client_session", client_session),
    ("server_session", server_session),
    ("sessions", sessions),
    ("classic", classic),
    ("resumes", resumes),
    ("contract", contract),
    ("check", check),
    ("compare", compare),
];
