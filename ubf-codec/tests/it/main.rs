//! What the codec promises, tested from outside. One program, because each further one is linked
//! with all that the codec is made of; `memory.rs` counts for a whole process and stays alone.

mod cached_model;
mod framed;
mod json;
mod laws;
mod limits;
mod packets;
mod prelude;
mod serde_borrow;
mod serde_documents;
mod serde_edges;
mod serde_foreign;
mod serde_hostile;
mod serde_laws;
mod serde_model;
mod serde_unknown_types;
mod serde_versions;
mod support;
mod terms;
mod versioned;
