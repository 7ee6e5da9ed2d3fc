//! The contract of a version, ready to be used.

use std::sync::Arc;

use ubf_codec::{Term, Text};
use ubf_contract::{Checker, Contract, SessionChecker, SessionState};

#[derive(Debug)]
pub(super) struct Held {
    pub(super) sessions: SessionChecker,
    /// What is answered to `'contract'`.
    pub(super) answer: Term,
}

impl Held {
    pub(super) fn new(contract: Arc<Contract>) -> Self {
        let answer = contract.to_term();
        let sessions = SessionChecker::new(Checker::new(contract));
        Self { sessions, answer }
    }

    /// Services without states are said to be in `start`.
    pub(super) fn name_of(&self, state: SessionState) -> Text {
        self.sessions.name(state).unwrap_or(Text::from_static("start"))
    }
}
