//! What became of each server, and with it of the sessions that were only in its memory.

use std::sync::{Mutex, PoisonError};

use ubf_server::{Phase, ServerHandle};

/// The number of a server in this run, which it tells its clients as the name of its software.
pub(crate) type ServerNumber = usize;

const AGENT: &str = "soak-server-";

/// What became of a server.
#[derive(Clone, Debug)]
enum Fate {
    /// It serves, or drains.
    Running(ServerHandle),
    /// Another one listens at its address.
    HasSuccessor,
    /// It was stopped without warning.
    Stopped,
    /// It came to its end as a server should.
    Ended,
}

/// All servers of the run, by number.
#[derive(Debug, Default)]
pub(crate) struct Fates(Mutex<Vec<Fate>>);

impl Fates {
    /// The number of the next server, and what it calls itself.
    pub(crate) fn next(&self) -> (ServerNumber, String) {
        let mut fates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Until it runs, nobody can have a session there.
        fates.push(Fate::Ended);
        let number = fates.len() - 1;
        (number, format!("{AGENT}{number}"))
    }

    pub(crate) fn runs(&self, number: ServerNumber, handle: ServerHandle) {
        self.set(number, Fate::Running(handle));
    }

    pub(crate) fn has_successor(&self, number: ServerNumber) {
        self.set(number, Fate::HasSuccessor);
    }

    pub(crate) fn stopped(&self, number: ServerNumber) {
        self.set(number, Fate::Stopped);
    }

    /// It has ended. Why it did is not forgotten.
    pub(crate) fn ended(&self, number: ServerNumber) {
        let mut fates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fate @ Fate::Running(_)) = fates.get_mut(number) {
            *fate = Fate::Ended;
        }
    }

    fn set(&self, number: ServerNumber, fate: Fate) {
        let mut fates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = fates.get_mut(number) {
            *known = fate;
        }
    }

    /// The server that calls itself so.
    pub(crate) fn by_agent(agent: &str) -> Option<ServerNumber> {
        agent.strip_prefix(AGENT)?.parse().ok()
    }

    /// Why sessions of a server can be gone by now, in the words of the report. `None`: they
    /// cannot.
    pub(crate) fn excuse(&self, number: ServerNumber) -> Option<&'static str> {
        let fate = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(number).cloned();
        match fate? {
            Fate::Stopped => Some("indeterminate: the server was stopped without warning"),
            // S7: an address that stands for two servers.
            Fate::HasSuccessor => {
                Some("indeterminate: without a connection when its server was replaced in place")
            }
            // S10: a parked session does not hold up the end of a server.
            Fate::Ended => {
                Some("indeterminate: without a connection when its server drained or shut down")
            }
            Fate::Running(handle) => (handle.status().phase >= Phase::Closing).then_some(
                "indeterminate: without a connection when its server drained or shut down",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_server_is_not_forgotten() {
        let fates = Fates::default();
        let (number, agent) = fates.next();
        assert_eq!(Fates::by_agent(&agent), Some(number));
        assert_eq!(Fates::by_agent("ubf-server/1"), None);
        fates.stopped(number);
        fates.ended(number);
        assert!(fates.excuse(number).unwrap().contains("without warning"));
        assert_eq!(fates.excuse(number + 1), None);
    }
}
