//! What threads share. Under `cfg(ubf_loom)` the unit tests have loom's, which runs all
//! interleavings of a test: see `mailbox_loom.rs`.

#[cfg(not(all(test, ubf_loom)))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(not(all(test, ubf_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(all(test, ubf_loom))]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(all(test, ubf_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard};
