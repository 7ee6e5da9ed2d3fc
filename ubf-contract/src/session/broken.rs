//! A message that the contract does not allow.

use alloc::boxed::Box;
use core::fmt;

use ubf_codec::{Term, TermRef, Text};

use super::{Accepted, SessionChecker, SessionState};
use crate::answer;
use crate::check::Mismatch;
use crate::dialect::ContractDialect;
use crate::model::RuleKind;
use crate::shown::Shown;

/// A contract was broken: by whom, in which state, and what does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broken {
    /// By whom.
    pub by: BrokenBy,
    /// The state in which the session was, and still is.
    pub state: SessionState,
    /// The state's name, if the contract has states.
    pub state_name: Option<Text>,
    /// The name of the state to which a server wanted to go, and may not.
    pub next: Option<Text>,
    /// Why the message does not fit. There is nothing to say if no message of this kind is allowed.
    pub mismatch: Option<Box<Mismatch>>,
}

/// Who broke a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenBy {
    /// The client sent a request that is not allowed in the state.
    Client,
    /// The server sent a reply that is not allowed after the request, or not with this next state.
    Server,
    /// The server went to a state that is not allowed after the request, whatever the reply.
    ServerState {
        /// The state; `None` if there is no such state.
        next: Option<SessionState>,
    },
    /// The server sent an event that is not allowed in the state.
    EventOut,
    /// The client sent an event that is not allowed in the state.
    EventIn,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.state_name {
            write!(f, "in state {}: ", Shown::of(name))?;
        }
        if let BrokenBy::ServerState { .. } = self.by {
            return match &self.next {
                Some(next) => {
                    write!(f, "no answer to the request goes to state {}", Shown::of(next))
                }
                None => f.write_str("the server went to a state that the contract does not have"),
            };
        }
        match (&self.mismatch, self.by) {
            (Some(mismatch), _) => mismatch.fmt(f),
            (None, BrokenBy::Client) => f.write_str("no request is allowed"),
            (None, BrokenBy::Server | BrokenBy::ServerState { .. }) => {
                f.write_str("no such answer is allowed")
            }
            (None, BrokenBy::EventOut | BrokenBy::EventIn) => f.write_str("no event is allowed"),
        }
    }
}

impl core::error::Error for Broken {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.mismatch.as_deref().map(|mismatch| mismatch as _)
    }
}

impl SessionChecker {
    /// What a server answers to a request that its client may not send, as existing servers write
    /// it: `{'clientBrokeContract', Request, Rules}`.
    #[must_use]
    pub fn client_broke_term<'t>(
        &self,
        state: SessionState,
        request: impl Into<TermRef<'t>>,
    ) -> Term {
        let contract = self.checker().contract();
        let rules = match state {
            SessionState::In(place) => contract.states().get(place as usize),
            SessionState::Stateless | SessionState::Stop => None,
        };
        let rules = rules.map(|state| state.rules.as_slice()).unwrap_or_default();
        let rules = answer::rules(rules, contract.dialect());
        let subject = if contract.dialect() == ContractDialect::V1_12 {
            let name = self.name(state).unwrap_or_default();
            Term::tuple([Term::atom("state"), Term::Atom(name)])
        } else {
            request.into().to_term()
        };
        Term::tuple([Term::atom("clientBrokeContract"), subject, rules])
    }

    /// What a server answers instead of a reply that it may not give, as existing servers write it:
    /// `{'serverBrokeContract', {Request, Reply}, Types}`.
    #[must_use]
    pub fn server_broke_term<'t>(
        &self,
        accepted: &Accepted,
        request: impl Into<TermRef<'t>>,
        reply: impl Into<TermRef<'t>>,
    ) -> Term {
        let contract = self.checker().contract();
        let own = match accepted.state {
            SessionState::In(place) => contract.states().get(place as usize),
            SessionState::Stateless | SessionState::Stop => None,
        };
        let own = own.map(|state| state.rules.as_slice()).unwrap_or_default();
        let calls = |rules| calls(rules).collect::<alloc::vec::Vec<_>>();
        let (own, any) = (calls(own), calls(contract.any_state()));
        let matched = accepted.matched.iter().filter_map(|(place, is_any)| {
            if is_any { &any } else { &own }.get(place as usize).copied()
        });
        let types = matched
            .flatten()
            .map(|outcome| answer::reference(&outcome.response, contract.dialect()));
        let pair = Term::tuple([request.into().to_term(), reply.into().to_term()]);
        Term::tuple([Term::atom("serverBrokeContract"), pair, Term::list(types)])
    }
}

/// The outcomes of those rules that are calls.
fn calls(rules: &[crate::model::Rule]) -> impl Iterator<Item = &[crate::model::Outcome]> {
    rules.iter().filter_map(|rule| match &rule.kind {
        RuleKind::Call { outcomes, .. } => Some(outcomes.as_slice()),
        RuleKind::EventOut(_) | RuleKind::EventIn(_) => None,
    })
}
