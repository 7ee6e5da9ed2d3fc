//! Whether a server that owes answers and gives none is alive: it is asked on a second connection
//! (L2).
//!
//! A `ping` on the first one would wait behind the slow call (P5), and events do not prove that
//! answers come. Whatever the server says on the second connection shows that it is alive, and the
//! connection has served its purpose. If it says nothing in time, the first one is given up, too.
//! If it cannot be made, or ends, nothing is known: a server that drains accepts nobody, and still
//! answers.

use super::connection::{Connection, Purpose};
use super::loss::LossReason;
use super::output::Output;
use super::{ClientSession, Slot};
use crate::time::Time;

impl ClientSession {
    /// Asks where it is time to.
    pub(super) fn ask_server(&mut self) -> bool {
        let is_due = self.ask_at().is_some_and(|at| self.now >= at);
        let Some(current) = self.current.as_ref().filter(|_| is_due) else { return false };
        let candidate = current.candidate();
        self.dial(candidate, self.config.max_connect_time);
        if let Some(link) = &mut self.next {
            link.purpose = Purpose::Ask;
        }
        true
    }

    /// When the server is asked, if it says nothing until then.
    pub(super) fn ask_at(&self) -> Option<Time> {
        if self.next.is_some() || !self.is_reading {
            return None;
        }
        self.current.as_ref()?.ask_at(self.config.ask_after)
    }

    /// Whether the connection in this slot only asks.
    pub(super) fn is_asking(&self, slot: Slot) -> bool {
        let link = match slot {
            Slot::Current => &self.current,
            Slot::Next => &self.next,
        };
        link.as_ref().is_some_and(|link| link.purpose == Purpose::Ask)
    }

    /// The server has said something: it is alive, and the second connection is not needed.
    pub(super) fn stop_asking(&mut self) {
        if let Some(link) = self.next.take() {
            self.outputs.push_back(Output::Close { connection: link.id });
        }
        let now = self.now;
        if let Some(current) = &mut self.current {
            current.was_asked(now);
        }
    }

    /// The second connection, which was taken out, has ended without a word.
    pub(super) fn asked_in_vain(&mut self, link: &Connection, reason: &LossReason) {
        if !matches!(reason, LossReason::Closed | LossReason::ConnectFailed { .. }) {
            self.outputs.push_back(Output::Close { connection: link.id });
        }
        let (now, after) = (self.now, self.config.ask_after);
        let Some(current) = &mut self.current else { return };
        current.was_asked(now);
        if reason.is_silence() {
            let connection = current.id;
            self.lost(connection, LossReason::Unanswered { after });
        }
    }
}
