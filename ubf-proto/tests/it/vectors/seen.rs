//! What an end has done, beside what its vector says.

use std::collections::VecDeque;

use super::script::Step;

/// What an end has done, as far as the vector has not told of it.
#[derive(Default)]
pub(crate) struct Seen {
    steps: VecDeque<Step>,
    pub(crate) notices: VecDeque<String>,
}

impl Seen {
    pub(crate) fn push(&mut self, step: Step) {
        self.steps.push_back(step);
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(crate) fn expect(&mut self, expected: &Step, name: &str, index: usize) {
        let found = self.steps.pop_front();
        assert_eq!(found.as_ref(), Some(expected), "{name}: step {index}, found left");
    }

    /// Notices have an order of their own, and those that the vector does not name do not matter.
    pub(crate) fn expect_notice(&mut self, expected: &str, name: &str, index: usize) {
        let place = self.notices.iter().position(|notice| notice == expected);
        let place = place.unwrap_or_else(|| {
            panic!("{name}: step {index}: {expected} not in {:?}", self.notices)
        });
        self.notices.drain(..=place);
    }

    pub(crate) fn expect_nothing(&self, name: &str, index: usize) {
        assert!(self.steps.is_empty(), "{name}: before step {index}: {:?}", self.steps);
    }
}
