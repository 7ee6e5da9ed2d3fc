//! Which calls were executed: none twice, and none of which its caller was told that it was not.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For so long a call may still be executed whose caller knows nothing. Chosen: no server keeps a
/// packet for longer than a few seconds here.
const DOUBT: Duration = Duration::from_secs(60);

/// How a call ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// With its reply.
    Answered,
    /// With an error that says that it was not executed.
    NotExecuted,
    /// With an error that says that it may have been.
    Unknown,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// Calls that may be executed, by number.
    calls: HashMap<i64, Entry>,
    /// Those of them that have ended in doubt, oldest first.
    doubtful: VecDeque<(Instant, i64)>,
    last: i64,
}

#[derive(Debug)]
struct Entry {
    executions: u32,
    may_repeat: bool,
}

/// A call that has not ended for its caller. Nobody waits for one that is dropped.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    ledger: &'a Ledger,
    pub(crate) number: i64,
    is_open: bool,
}

impl Ticket<'_> {
    /// The call has ended for its caller.
    pub(crate) fn close(mut self, fate: Fate) -> Result<(), String> {
        self.is_open = false;
        self.ledger.close(self.number, fate)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // There is no way in which doubt is wrong.
            drop(self.ledger.close(self.number, Fate::Unknown));
        }
    }
}

impl Ledger {
    /// A number for a call that is about to be made.
    pub(crate) fn open(&self, may_repeat: bool) -> Ticket<'_> {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.last += 1;
        let number = pages.last;
        pages.calls.insert(number, Entry { executions: 0, may_repeat });
        Ticket { ledger: self, number, is_open: true }
    }

    /// How many calls were made.
    pub(crate) fn made(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last.unsigned_abs()
    }

    /// A server executes the call.
    pub(crate) fn executed(&self, number: i64) -> Result<(), String> {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = pages.calls.get_mut(&number) else {
            return Err(format!("call {number} is executed after its end was certain"));
        };
        entry.executions += 1;
        if entry.executions > 1 && !entry.may_repeat {
            return Err(format!("call {number} is executed {} times", entry.executions));
        }
        Ok(())
    }

    fn close(&self, number: i64, fate: Fate) -> Result<(), String> {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while let Some(&(since, doubtful)) = pages.doubtful.front()
            && now.duration_since(since) > DOUBT
        {
            pages.doubtful.pop_front();
            pages.calls.remove(&doubtful);
        }
        let Some(&Entry { executions, may_repeat }) = pages.calls.get(&number) else {
            return Err(format!("call {number} ended twice"));
        };
        match fate {
            Fate::Answered if executions == 0 => {
                return Err(format!("call {number} was answered and not executed"));
            }
            Fate::NotExecuted if executions > 0 => {
                return Err(format!(
                    "call {number} was executed {executions} times, and its caller was told that it was not"
                ));
            }
            // The first of its packets may still be on its way to a server.
            Fate::Answered | Fate::NotExecuted if !may_repeat => {
                pages.calls.remove(&number);
            }
            Fate::Answered | Fate::NotExecuted | Fate::Unknown => {
                pages.doubtful.push_back((now, number));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_may_be_executed_once() {
        let ledger = Ledger::default();
        let call = ledger.open(false);
        let number = call.number;
        ledger.executed(number).unwrap();
        assert!(ledger.executed(number).unwrap_err().contains("2 times"));
        call.close(Fate::Answered).unwrap();
        assert!(ledger.executed(number).unwrap_err().contains("after its end"));
        let call = ledger.open(true);
        let number = call.number;
        ledger.executed(number).unwrap();
        call.close(Fate::Answered).unwrap();
        ledger.executed(number).unwrap();
    }

    #[test]
    fn what_the_caller_is_told_is_true() {
        let ledger = Ledger::default();
        assert!(ledger.open(false).close(Fate::Answered).unwrap_err().contains("not executed"));
        let call = ledger.open(false);
        ledger.executed(call.number).unwrap();
        assert!(call.close(Fate::NotExecuted).unwrap_err().contains("told that it was not"));
        let call = ledger.open(false);
        let number = call.number;
        call.close(Fate::NotExecuted).unwrap();
        assert!(ledger.executed(number).is_err());
    }

    #[test]
    fn a_call_that_nobody_waits_for_may_be_executed_once_more() {
        let ledger = Ledger::default();
        let number = ledger.open(false).number;
        ledger.executed(number).unwrap();
        assert!(ledger.executed(number).is_err());
    }
}
