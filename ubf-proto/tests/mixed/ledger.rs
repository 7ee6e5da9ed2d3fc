//! What was asked and what ran, and what may come of it: the oracle.

use std::collections::BTreeMap;

/// How a call has ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With its reply, the so manieth of the session.
    Answered(u64),
    /// It is certain that it has not run.
    NotRun,
    /// Nobody can know.
    Indeterminate,
}

#[derive(Debug, Default)]
struct Entry {
    /// How often it has run, and the count of its session then.
    runs: Vec<u64>,
    end: Option<End>,
}

/// All calls of one client, which are numbered in the order in which they are made.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    calls: BTreeMap<u64, Entry>,
    last_run: u64,
    last_answered: u64,
}

impl Ledger {
    pub(crate) fn ask(&mut self) -> u64 {
        let call = self.calls.len() as u64 + 1;
        self.calls.insert(call, Entry::default());
        call
    }

    /// A call runs, and `count` is what its session's service counts.
    pub(crate) fn run(&mut self, call: u64, count: u64) {
        let entry = self.calls.get_mut(&call).unwrap_or_else(|| panic!("nobody asked {call}"));
        entry.runs.push(count);
        assert_eq!(entry.runs.len(), 1, "call {call} runs again");
        assert!(self.last_run < call, "call {call} runs after {}", self.last_run);
        self.last_run = call;
    }

    pub(crate) fn end(&mut self, call: u64, end: End) {
        let entry = self.calls.get_mut(&call).unwrap_or_else(|| panic!("nobody asked {call}"));
        assert_eq!(entry.end, None, "call {call} ends twice, now with {end:?}");
        entry.end = Some(end);
        match end {
            End::Answered(count) => {
                assert_eq!(entry.runs, [count], "call {call} has the answer of another one");
                assert!(self.last_answered < call, "{call} is answered behind a later one");
                self.last_answered = call;
            }
            End::NotRun | End::Indeterminate => {}
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.calls.values().filter(|entry| entry.end.is_none()).count()
    }

    /// At the end each call has ended, and those that have not run did not.
    pub(crate) fn check(&self) {
        for (call, entry) in &self.calls {
            let end = entry.end.unwrap_or_else(|| panic!("call {call} never ends"));
            assert!(end != End::NotRun || entry.runs.is_empty(), "call {call} has run");
        }
    }

    pub(crate) fn count(&self, is_counted: impl Fn(End) -> bool) -> u64 {
        let ends = self.calls.values().filter_map(|entry| entry.end);
        ends.filter(|end| is_counted(*end)).count() as u64
    }
}
