//! What is measured, and how: documents, formats, operations, rounds, counts, servers.
//!
//! `cargo bench -p benches` runs the operations under criterion. `cargo run -p benches --release --
//! report` compares them and writes `RESULTS.md`; `-- server` measures servers; without default
//! features `-- counts` holds instruction counts to those in `COUNTS.toml`.

#![forbid(unsafe_code)]

pub mod data;
pub mod formats;
pub mod measure;
#[cfg(feature = "peers")]
pub mod wire;
pub mod work;

/// Why something cannot be measured.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
