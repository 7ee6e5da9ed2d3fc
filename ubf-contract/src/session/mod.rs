//! A session held against its contract: which message is allowed in which state.

mod broken;
mod rules;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ubf_codec::{TermRef, Text};

pub use self::broken::{Broken, BrokenBy};

use self::rules::{Matched, StateRules};
use crate::check::{Checker, Exceeded, Mismatch};
use crate::dialect::ContractDialect;
use crate::graph::NodeId;
use crate::model::State;

/// Holds sessions against a contract (C3). It is made once; a session is only a [`SessionState`].
///
/// It has no I/O and keeps nothing: the state of each session goes in and comes out.
///
/// ```
/// use ubf_codec::ubf;
/// use ubf_contract::{Checker, Reader, SessionChecker};
///
/// let contract = Reader::new().read(
///     "+NAME(\"door\"). +VSN(\"1\").
///      +TYPES open() :: open; close() :: close; ok() :: ok; no() :: {no, ubfstring()}.
///      +STATE start open() => ok() & opened | no() & start.
///      +STATE opened close() => ok() & start.",
/// )?;
/// let sessions = SessionChecker::new(Checker::new(contract));
/// let start = sessions.entry();
///
/// let accepted = sessions.request(start, &ubf!(open))?;
/// let opened = sessions.reply(&accepted, &ubf!(ok), sessions.state("opened"))?;
/// assert_eq!(sessions.name(opened), Some("opened".into()));
///
/// let broken = sessions.request(opened, &ubf!(open)).unwrap_err();
/// assert_eq!(broken.to_string(), "in state opened: expected close(), found open");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionChecker {
    checker: Checker,
    states: Vec<StateRules>,
    by_name: BTreeMap<Text, SessionState>,
    any_state: StateRules,
    has_several_states: bool,
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// The contract has no states: only the rules of ANYSTATE count.
    Stateless,
    /// A state of the contract, by its place in [`Contract::states`](crate::Contract::states).
    In(u32),
    /// The end, `stop`. No rule allows anything in it, but those of ANYSTATE.
    Stop,
}

/// A request that its state allows, until it is answered.
#[derive(Clone, Debug)]
pub struct Accepted {
    state: SessionState,
    matched: Matched,
}

impl Accepted {
    /// The state in which the request came.
    #[must_use]
    pub const fn state(&self) -> SessionState {
        self.state
    }
}

impl SessionChecker {
    /// For sessions under the contract of this checker.
    #[must_use]
    pub fn new(checker: Checker) -> Self {
        let contract = checker.contract();
        let mut by_name = BTreeMap::from([(Text::from_static("stop"), SessionState::Stop)]);
        for (place, state) in (0..).zip(contract.states()) {
            by_name.insert(state.name.clone(), SessionState::In(place));
        }
        let rules = |state: &State| StateRules::new(&state.rules, checker.graph(), &by_name);
        let states: Vec<_> = contract.states().iter().map(rules).collect();
        let any_state = StateRules::new(contract.any_state(), checker.graph(), &by_name);
        let has_several_states = states.len() > 1 || states.iter().any(StateRules::may_stop);
        Self { states, by_name, any_state, has_several_states, checker }
    }

    /// The checker of terms.
    #[must_use]
    pub const fn checker(&self) -> &Checker {
        &self.checker
    }

    /// The state in which sessions begin: `start`; without it the first; without any, none.
    #[must_use]
    pub fn entry(&self) -> SessionState {
        match self.states.len() {
            0 => SessionState::Stateless,
            _ => self.state("start").unwrap_or(SessionState::In(0)),
        }
    }

    /// Whether there is more than one state, the end included, so that it matters in which one a
    /// session is.
    #[must_use]
    pub const fn has_several_states(&self) -> bool {
        self.has_several_states
    }

    /// The state of that name, `stop` included.
    #[must_use]
    pub fn state(&self, name: impl AsRef<[u8]>) -> Option<SessionState> {
        self.by_name.get(&Text::from(name.as_ref())).copied()
    }

    /// The name of a state. A contract without states has none.
    #[must_use]
    pub fn name(&self, state: SessionState) -> Option<Text> {
        match state {
            SessionState::Stateless => None,
            SessionState::Stop => Some(Text::from_static("stop")),
            SessionState::In(place) => {
                let states = self.checker.contract().states();
                states.get(place as usize).map(|state| state.name.clone())
            }
        }
    }

    fn rules(&self, state: SessionState) -> Option<&StateRules> {
        match state {
            SessionState::In(place) => self.states.get(place as usize),
            SessionState::Stateless | SessionState::Stop => None,
        }
    }

    /// Whether a client may send that request in that state.
    ///
    /// The rules of ANYSTATE count if no rule of the state takes the request; in 1.12 always.
    ///
    /// # Errors
    /// It may not: the client broke the contract, and the state stays. Or checking it exceeds a
    /// limit.
    pub fn request<'t>(
        &self,
        state: SessionState,
        request: impl Into<TermRef<'t>>,
    ) -> Result<Accepted, Box<Broken>> {
        let request = request.into();
        let exceeded = |exceeded| self.broken(BrokenBy::Client, state, exceeded_mismatch(exceeded));
        let mut matched = Matched::default();
        if let Some(rules) = self.rules(state) {
            rules.add_matching(&self.checker, request, false, &mut matched).map_err(exceeded)?;
        }
        let both = self.checker.contract().dialect() == ContractDialect::V1_12;
        if matched.is_empty() || both {
            let any_state = &self.any_state;
            any_state.add_matching(&self.checker, request, true, &mut matched).map_err(exceeded)?;
        }
        if matched.is_empty() {
            let requests = self.nodes(state, StateRules::requests);
            let mismatch = self.checker.explain_all(&requests, request);
            return Err(self.broken(BrokenBy::Client, state, mismatch));
        }
        Ok(Accepted { state, matched })
    }

    /// Whether a server may answer a request so, and go to that state; `None` if a contract has no
    /// such state. Answers the next state. For rules of ANYSTATE that is the state of the request.
    ///
    /// # Errors
    /// It may not: the server broke the contract, and the state stays that of the request.
    pub fn reply<'t>(
        &self,
        accepted: &Accepted,
        reply: impl Into<TermRef<'t>>,
        next: Option<SessionState>,
    ) -> Result<SessionState, Box<Broken>> {
        let reply = reply.into();
        match self.outcome(accepted, reply, |state| Some(state) == next) {
            Ok(Some(state)) => Ok(state),
            Ok(None) => Err(self.server_broke(accepted, reply, next)),
            Err(exceeded) => {
                let mismatch = exceeded_mismatch(exceeded);
                Err(self.broken(BrokenBy::Server, accepted.state, mismatch))
            }
        }
    }

    /// The same for sessions in which replies do not name the next state: it is that of the first
    /// outcome that takes the reply.
    ///
    /// # Errors
    /// No outcome takes it: the server broke the contract, and the state stays that of the request.
    pub fn reply_unnamed<'t>(
        &self,
        accepted: &Accepted,
        reply: impl Into<TermRef<'t>>,
    ) -> Result<SessionState, Box<Broken>> {
        let reply = reply.into();
        match self.outcome(accepted, reply, |_| true) {
            Ok(Some(state)) => Ok(state),
            Ok(None) => {
                let responses: Vec<NodeId> =
                    self.outcomes(accepted).map(|(response, _)| response).collect();
                let mismatch = self.checker.explain_all(&responses, reply);
                Err(self.broken(BrokenBy::Server, accepted.state, mismatch))
            }
            Err(exceeded) => {
                let mismatch = exceeded_mismatch(exceeded);
                Err(self.broken(BrokenBy::Server, accepted.state, mismatch))
            }
        }
    }

    /// The next state of the first outcome that is allowed and takes the reply.
    fn outcome(
        &self,
        accepted: &Accepted,
        reply: TermRef<'_>,
        is_allowed: impl Fn(SessionState) -> bool,
    ) -> Result<Option<SessionState>, Exceeded> {
        for (response, next) in self.outcomes(accepted) {
            if is_allowed(next) && self.checker.fits(response, reply)? {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// How the request may end: the response and the next state.
    fn outcomes<'s>(
        &'s self,
        accepted: &'s Accepted,
    ) -> impl Iterator<Item = (NodeId, SessionState)> + 's {
        accepted.matched.iter().flat_map(move |(place, is_any)| {
            let rules = if is_any { Some(&self.any_state) } else { self.rules(accepted.state) };
            let outcomes = rules.and_then(|rules| rules.outcomes(place)).unwrap_or_default();
            outcomes.iter().map(|(response, next)| (*response, next.unwrap_or(accepted.state)))
        })
    }

    fn server_broke(
        &self,
        accepted: &Accepted,
        reply: TermRef<'_>,
        next: Option<SessionState>,
    ) -> Box<Broken> {
        let here: Vec<NodeId> = self
            .outcomes(accepted)
            .filter(|(_, state)| Some(*state) == next)
            .map(|(response, _)| response)
            .collect();
        if here.is_empty() {
            return self.broken(BrokenBy::ServerState { next }, accepted.state, None);
        }
        let mismatch = self.checker.explain_all(&here, reply);
        self.broken(BrokenBy::Server, accepted.state, mismatch)
    }

    /// Whether a server may send that event in that state.
    ///
    /// # Errors
    /// It may not: existing servers drop such an event in silence.
    pub fn event_out<'t>(
        &self,
        state: SessionState,
        event: impl Into<TermRef<'t>>,
    ) -> Result<(), Box<Broken>> {
        self.event(state, event.into(), BrokenBy::EventOut, StateRules::events_out)
    }

    /// Whether a client may send that event in that state.
    ///
    /// Existing servers look in the wrong list here, that of the events which they send themselves.
    ///
    /// # Errors
    /// It may not.
    pub fn event_in<'t>(
        &self,
        state: SessionState,
        event: impl Into<TermRef<'t>>,
    ) -> Result<(), Box<Broken>> {
        self.event(state, event.into(), BrokenBy::EventIn, StateRules::events_in)
    }

    fn event(
        &self,
        state: SessionState,
        event: TermRef<'_>,
        by: BrokenBy,
        of: fn(&StateRules) -> &[NodeId],
    ) -> Result<(), Box<Broken>> {
        let own = self.rules(state).map(of).unwrap_or_default();
        for node in own.iter().chain(of(&self.any_state)) {
            match self.checker.fits(*node, event) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(exceeded) => return Err(self.broken(by, state, exceeded_mismatch(exceeded))),
            }
        }
        let events = [own, of(&self.any_state)].concat();
        Err(self.broken(by, state, self.checker.explain_all(&events, event)))
    }

    fn nodes(&self, state: SessionState, of: fn(&StateRules) -> Vec<NodeId>) -> Vec<NodeId> {
        let own = self.rules(state).map(of).unwrap_or_default();
        own.into_iter().chain(of(&self.any_state)).collect()
    }

    fn broken(
        &self,
        by: BrokenBy,
        state: SessionState,
        mismatch: Option<Box<Mismatch>>,
    ) -> Box<Broken> {
        let next = if let BrokenBy::ServerState { next: Some(next) } = by {
            self.name(next)
        } else {
            None
        };
        Box::new(Broken { by, state, state_name: self.name(state), next, mismatch })
    }
}

fn exceeded_mismatch(exceeded: Exceeded) -> Option<Box<Mismatch>> {
    Some(Box::new(Mismatch::exceeded(exceeded)))
}
