//! What threads share. Under `cfg(ubf_loom)` it is loom's, which runs all interleavings of a test:
//! see `call_table.rs`.

#[cfg(not(ubf_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
#[cfg(not(ubf_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(ubf_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
#[cfg(ubf_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
