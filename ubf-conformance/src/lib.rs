//! The conformance suite of UBF with versions: the specification's vectors, and who is run over
//! them.

pub mod files;
pub mod outcome;
pub mod settings;

pub mod command;
pub mod conformance;
pub mod implementations;
pub mod line_protocol;
pub mod postfix;
mod prefixes;
pub mod vectors;
