//! The rules of a state, ready to be checked.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ubf_codec::{TermRef, Text};

use super::SessionState;
use crate::check::{Checker, Exceeded};
use crate::graph::{NodeId, TypeGraph};
use crate::model::{Rule, RuleKind};

#[derive(Clone, Debug, Default)]
pub(super) struct StateRules {
    calls: Vec<Call>,
    events_out: Vec<NodeId>,
    events_in: Vec<NodeId>,
}

#[derive(Clone, Debug)]
struct Call {
    request: NodeId,
    /// Response and next state; `None` is the state in which the request came.
    outcomes: Vec<(NodeId, Option<SessionState>)>,
}

impl StateRules {
    pub(super) fn new(
        rules: &[Rule],
        graph: &TypeGraph,
        states: &BTreeMap<Text, SessionState>,
    ) -> Self {
        let mut all = Self::default();
        for rule in rules {
            match &rule.kind {
                RuleKind::EventOut(event) => all.events_out.extend(graph.of_rule(event)),
                RuleKind::EventIn(event) => all.events_in.extend(graph.of_rule(event)),
                RuleKind::Call { request, outcomes } => {
                    // A well-formed contract has all types that it names.
                    let Some(request) = graph.of_rule(request) else { continue };
                    let outcomes = outcomes.iter().filter_map(|outcome| {
                        let next = outcome.next.as_ref();
                        let next = next.and_then(|name| states.get(name)).copied();
                        Some((graph.of_rule(&outcome.response)?, next))
                    });
                    all.calls.push(Call { request, outcomes: outcomes.collect() });
                }
            }
        }
        all
    }

    pub(super) fn requests(&self) -> Vec<NodeId> {
        self.calls.iter().map(|call| call.request).collect()
    }

    pub(super) fn events_out(&self) -> &[NodeId] {
        &self.events_out
    }

    pub(super) fn events_in(&self) -> &[NodeId] {
        &self.events_in
    }

    /// Whether a call may end the session.
    pub(super) fn may_stop(&self) -> bool {
        let mut outcomes = self.calls.iter().flat_map(|call| &call.outcomes);
        outcomes.any(|(_, next)| *next == Some(SessionState::Stop))
    }

    pub(super) fn outcomes(&self, place: u32) -> Option<&[(NodeId, Option<SessionState>)]> {
        self.calls.get(place as usize).map(|call| call.outcomes.as_slice())
    }

    /// Adds the rules that take the request.
    pub(super) fn add_matching(
        &self,
        checker: &Checker,
        request: TermRef<'_>,
        is_any: bool,
        matched: &mut Matched,
    ) -> Result<(), Exceeded> {
        for (place, call) in (0..).zip(&self.calls) {
            if checker.fits(call.request, request)? {
                matched.push(place, is_any);
            }
        }
        Ok(())
    }
}

/// Rules that take a request: their places, and whether they are of ANYSTATE. Mostly it is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Matched {
    first: Option<(u32, bool)>,
    others: Vec<(u32, bool)>,
}

impl Matched {
    const fn push_first(&mut self, place: u32, is_any: bool) -> bool {
        let is_first = self.first.is_none();
        if is_first {
            self.first = Some((place, is_any));
        }
        is_first
    }

    fn push(&mut self, place: u32, is_any: bool) {
        if !self.push_first(place, is_any) {
            self.others.push((place, is_any));
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, bool)> {
        self.first.iter().chain(&self.others).copied()
    }
}
