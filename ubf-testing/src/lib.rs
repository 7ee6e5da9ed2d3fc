//! What the tests of UBF share: the specification's vectors and who is run over them, a slow and
//! obvious decoder, random sentences of the grammar, and the bodies of the fuzz targets.
//!
//! Nothing here is published, and no crate but tests depends on it.

pub mod outcome;
pub mod settings;

pub mod oracle;
pub mod oracle_compare;
pub mod oracle_contract;
pub mod oracle_header;

pub mod command;
pub mod conformance;
pub mod contract_edits;
pub mod implementations;
pub mod line_protocol;
pub mod postfix;
mod prefixes;
pub mod vectors;

pub mod grammar;
pub mod random;

pub mod targets;

/// The README's programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
