//! One program, several versions of a contract.
//!
//! A client offers the versions that its program has, the server chooses the highest that both
//! have, and after an upgrade or a fallback it may be another one, from one call to the next. So a
//! request is written when it is sent (N8), and a reply is read by its version.
//!
//! # One place for what differs
//! A program works with one type for each message, and `ubf_codec::Versioned` says how it is
//! written and read in each version. Its derive makes it from a type for each version and ordinary
//! conversions; older versions are types that nobody touches any more:
//!
//! ```text
//! #[derive(Versioned)]
//! #[version(1, v1::Request)]
//! #[version(2..=3, v2::Request)]
//! enum Request { … }
//! ```
//!
//! With the feature `serde`, `Client::call_versioned` sends such a message, and
//! `Events::versioned` reads such events. The repository has an example with three versions:
//! `ubf-testing/examples/three_versions.rs`.
//!
//! # By hand
//! A closure is a [`Request`](crate::Request): it is given the version, and says what it is in it,
//! or that the version has no words for it ([`Unsupported`](crate::Unsupported)).
//!
//! # When the code for a version is broken
//! If it panics, the version is put into quarantine, and the same call goes out in the next lower
//! one (N6). Code that reads replies is run by [`Client::read`](crate::Client::read), which does
//! the same: but that call has run, and is not run again (N11).
