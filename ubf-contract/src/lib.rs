#![forbid(unsafe_code)]
#![no_std]
//! UBF(B): contracts, which say what may be said in which state of a session.
//!
//! UBF has three layers. UBF(A) is how terms are written on the wire (`ubf-codec`); UBF(B) is the
//! language of contracts; UBF(C) is how a session goes. This crate reads contracts as existing
//! peers write them, tells all that is wrong with them at once, prints them, and checks terms and
//! sessions against them. It does no I/O and decides nothing about connections.
//!
//! # Example
//! ```
//! use ubf_contract::{Reader, RuleKind};
//!
//! let contract = Reader::new().read(
//!     r#"+NAME("door").
//!     +VSN("1").
//!     +TYPES
//!       open()  :: open;
//!       close() :: close;
//!       done()  :: done;
//!       no()    :: {no, ubfstring()} "why not".
//!     +STATE start
//!       open() => done() & opened | no() & start.
//!     +STATE opened
//!       close() => done() & start."#,
//! )?;
//! let RuleKind::Call { outcomes, .. } = &contract.states()[0].rules[0].kind else { panic!() };
//! assert_eq!(outcomes[1].next, Some("start".into()));
//! # Ok::<(), ubf_contract::ReadError>(())
//! ```
//!
//! # The pieces
//! - **Reading:** [`Reader`], for each [`ContractDialect`]; [`ReadError`] has every error of the
//!   text with its place, [`Contract::warnings`] what is odd.
//! - **The model:** [`Contract`], [`State`], [`Rule`], [`TypeDef`], [`Type`]: what the text says.
//! - **Checking:** [`Checker`] holds terms against types, [`Mismatch`] says why one does not fit.
//! - **Sessions:** [`SessionChecker`] says which message is allowed in which state.
//! - **The answer to `'contract'`:** [`Contract::to_term`] and [`Contract::from_term`].
//! - **Terms of a type:** [`Faker`] makes random ones, for load and for tests.
//! - **The meaning:** [`TypeGraph`]: the types of a contract as a graph in which names, dialects
//!   and ways of writing are gone. Checking and comparing are done on it.
//! - **Rust code:** `RustCode` writes types, states and traits for a contract (feature `rust`).
//! - **Contracts from code:** [`Described`] is what a Rust type is in a contract, mostly derived
//!   (feature `derive`); [`ContractBuilder`] makes a contract of such types and of rules, and
//!   [`Contract::agrees_with`] holds a contract in a file against it.
//! - **Comparing:** [`Comparison`] says whether new servers serve old clients, and old servers new
//!   clients; [`compare`] has what it reports.
//!
//! # Features
//! | feature | adds |
//! |---|---|
//! | `derive` | `#[derive(Described)]` |
//! | `rust` | `RustCode` |
//! | `std` | [`Described`] for `HashMap` and `HashSet` |
//!
//! # Limits
//! [`ContractLimits`] for texts, [`CheckLimits`] for terms that are checked. No input makes this
//! crate panic.

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod answer;
mod builtin;
mod check;
pub mod compare;
mod described;
mod diagnostic;
mod dialect;
mod enforcement;
mod fake;
mod graph;
mod import;
mod inclusion;
mod limits;
mod model;
mod predefined;
mod print;
mod read;
#[cfg(feature = "rust")]
mod rust;
mod session;
mod shown;
mod span;
mod wellformed;

pub use self::answer::AnswerError;
pub use self::check::{CheckLimits, Checker, Exceeded, Mismatch, Step};
pub use self::compare::Comparison;
pub use self::described::{
    AnyRules, BuildError, ContractBuilder, Definitions, Described, DescribedEnum, Disagreement,
    Message, Rules,
};
pub use self::diagnostic::{AttributeProblem, Diagnostic, Problem, ReadError};
pub use self::dialect::{ContractDialect, UnknownDialect};
pub use self::enforcement::{ContractCounts, Enforcement};
pub use self::fake::Faker;
pub use self::graph::{Meaning, NodeId, Strings, TypeGraph};
pub use self::import::{Import, ImportError, LibraryError, Selection};
pub use self::limits::ContractLimits;
pub use self::model::{
    Annotation, AnnotationForm, Contract, Count, Field, IntegerLiteral, Length, Name, Origin,
    Outcome, Record, Rule, RuleKind, State, Type, TypeDef, TypeKind,
};
pub use self::predefined::{Attributes, Predefined};
pub use self::read::Reader;
#[cfg(feature = "rust")]
pub use self::rust::RustCode;
pub use self::session::{Accepted, Broken, BrokenBy, SessionChecker, SessionState};
pub use self::span::{Position, Span};
#[cfg(feature = "derive")]
pub use ubf_derive::Described;

/// What the code of macros names. Nothing here is for programs.
#[doc(hidden)]
pub mod __private {
    pub use alloc::string::String;
}
