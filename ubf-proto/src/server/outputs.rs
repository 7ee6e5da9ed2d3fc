//! Outputs that wait until they are asked for. Those of ordinary calls never do.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::output::Output;

/// Takes no memory while nothing has waited since it was released: so is that of an idle session.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "an idle session has one word for them, and not four")]
pub(super) struct Outputs(Option<Box<VecDeque<Output>>>);

impl Outputs {
    pub(super) fn push_back(&mut self, output: Output) {
        self.0.get_or_insert_default().push_back(output);
    }

    pub(super) fn pop_front(&mut self) -> Option<Output> {
        self.0.as_mut()?.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|waiting| waiting.is_empty())
    }

    /// Lets go of the room for outputs, if none waits.
    pub(super) fn release(&mut self) {
        self.0 = self.0.take().filter(|waiting| !waiting.is_empty());
    }
}
