//! Contracts from code: what the derive writes of a type is what serde writes of its values.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod builder;
mod laws;
mod types;
