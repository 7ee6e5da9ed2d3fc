//! What the agent of a node decides and says: signed releases, the contract by which it is given
//! them, and the supervision of the node.
//!
//! A release is one static binary and a [`Manifest`] that somebody has [`Signed`]. An agent
//! (`ubf-agent`) takes releases, starts them and replaces them; a controller asks
//! it to. What they say to each other is [`Request`] and [`Reply`], version 1 of the contract
//! `agent`, and it never changes: a new word would be another contract. [`Dialogue`] is one
//! controller's connection, and [`Supervisor`] what becomes of the node.
//!
//! ```
//! use ubf_agent_core::{Hash, Manifest, ReleaseError, SecretKey, Signed};
//!
//! let binary = b"#!/bin/sh\n";
//! let manifest = Manifest {
//!     name: "ledger".into(),
//!     number: 35,
//!     contracts: vec![("ledger".into(), vec![1, 2, 3])],
//!     rows: vec![("ledger".into(), vec![1, 2], 2)],
//!     arguments: Vec::new(),
//!     bytes: binary.len() as u64,
//!     hash: Hash::of(binary),
//! };
//! let key = SecretKey::read(&"2a".repeat(32))?;
//! let signed = key.sign(&manifest);
//! assert_eq!(Signed::read(&signed.to_bytes())?.check(&[key.public()])?, manifest);
//!
//! // Whoever else has signed it is not believed.
//! let other = SecretKey::read(&"2b".repeat(32))?;
//! assert_eq!(signed.check(&[other.public()]), Err(ReleaseError::Key));
//! # Ok::<(), ReleaseError>(())
//! ```
//!
//! Here is no I/O, no clock, and no policy: which keys are trusted is said by whoever asks.

#![forbid(unsafe_code)]

mod dialogue;
mod release;
mod supervisor;
mod words;

pub use self::dialogue::{Dialogue, MAX_PACKET_BYTES, SERVICE, Said, VERSION};
pub use self::release::{
    Hash, Hasher, MAX_MANIFEST_BYTES, MAX_RELEASE_BYTES, Manifest, PublicKey, ReleaseError,
    SecretKey, Signed,
};
pub use self::supervisor::{
    Answer, Input, Kept, Node, Now, Order, Output, Process, Supervisor, Ticket, Times,
};
pub use self::words::{Phase, Refusal, Reply, Request, Status};
