//! The tests of this crate, in one program: it is linked once.

mod book;
mod conformance;
mod context;
mod contracts;
mod corpus;
mod differential;
mod grammar;
mod links;
mod live;
mod redirect_loops;
mod scripts;
// It starts the program.
#[cfg(feature = "soak")]
mod soak;
mod typed;
mod upgrade;
