//! What the tests of UBF share: a slow and obvious decoder, random sentences of the grammar, and
//! the bodies of the fuzz targets. The specification's vectors are run by `ubf-conformance`.
//!
//! Nothing here is published, and no crate but tests depends on it.

pub mod oracle;
pub mod oracle_answers;
pub mod oracle_compare;
pub mod oracle_contract;
pub mod oracle_header;

pub mod contract_edits;

pub mod grammar;
pub mod random;

pub mod targets;

/// The README's programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
