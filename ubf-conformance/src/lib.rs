//! The conformance suite of UBF with versions: the specification's vectors, run over any
//! implementation in any language.
//!
//! The program `ubf-conformance` starts another program, speaks the [line protocol](line_protocol)
//! with it, and reports by rule what it does rightly and wrongly. This library is the same for
//! implementations in Rust: see [`Implementation`](implementation::Implementation) for packets and
//! [`Machine`](dialogue::Machine) for the two ends of a connection.
//!
//! ```
//! use ubf_conformance::files::Files;
//! use ubf_conformance::ours::{Codec, Machines};
//! use ubf_conformance::suite::Suite;
//!
//! let suite = Suite::load(&Files::built_in())?.only(&["N1.2".to_owned()])?;
//! let report = suite.run(&Codec, &mut Machines::default(), true);
//! assert!(report.passed(&[]), "{report}");
//! # Ok::<(), String>(())
//! ```

pub mod files;

pub mod outcome;
pub mod settings;

pub mod implementation;

pub mod classic;
pub mod contracts;
pub mod dialogue;
mod prefixes;
pub mod vectors;

pub mod capability;
mod examine;
pub mod report;
pub mod selection;
pub mod suite;

pub mod live;

pub mod line_protocol;
pub mod program;

pub mod ours;
