//! The engine in memory.

use std::panic::catch_unwind;

use super::{Engine, holds, nothing_is_committed_after_a_claim};
use crate::Memory;

fn engine(has_no_fence: bool) -> Engine {
    let mut memory = Memory::new();
    memory.has_no_fence = has_no_fence;
    Engine { open: Box::new(move || Box::new(memory.clone())), is_concurrent: true }
}

#[test]
fn memory_keeps_what_every_store_promises() {
    holds(&engine(false));
}

#[test]
fn a_store_without_a_fence_is_found() {
    let found = catch_unwind(|| nothing_is_committed_after_a_claim(&engine(true)));
    let text = found.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("a fenced-off owner has committed"), "{text}");
}
