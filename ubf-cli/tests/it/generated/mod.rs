//! What `ubf contract rust` writes for some contracts. A test says when it is no longer that, and
//! how to write it anew.

pub(crate) mod irc_2;
pub(crate) mod kv_3;
pub(crate) mod zoo;
