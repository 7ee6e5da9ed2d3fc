//! The tests of this crate against the specification's vectors, in one program.

mod compare;
