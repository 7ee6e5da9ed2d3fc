//! The slow, obvious way to see that a server breaks the clients of another contract: it is tried
//! with random messages. What it finds is a break; that it finds nothing says nothing.

use std::collections::BTreeSet;

use ubf_codec::{Term, Text};
use ubf_contract::{
    Checker, Contract, Faker, NodeId, Rule, RuleKind, SessionChecker, SessionState,
};

/// Messages of each type that are tried in each state.
const SAMPLES: usize = 8;
/// Terms have so many parts at most.
const MAX_TERMS: usize = 12;

/// A break: what a client or a server says that the other one does not allow.
#[derive(Debug)]
pub enum Witness {
    /// The server does not accept what the client may send.
    Refused {
        /// The state in which both are.
        state: Text,
        /// The client's request.
        request: Term,
    },
    /// The client does not accept what the server may answer.
    Misread {
        /// The state in which both are.
        state: Text,
        /// The client's request.
        request: Term,
        /// The server's reply.
        reply: Term,
        /// The state that the server names.
        next: Text,
    },
    /// An event that the other one does not allow.
    Event {
        /// The state in which both are.
        state: Text,
        /// The event.
        event: Term,
    },
}

/// One of the two, ready to be tried.
struct Peer<'c> {
    contract: &'c Contract,
    sessions: &'c SessionChecker,
}

impl Peer<'_> {
    fn state(&self, name: &Text) -> Option<SessionState> {
        self.sessions.state(name.as_bytes())
    }

    /// The rules of a state, and those of ANYSTATE.
    fn rules(&self, name: &Text) -> Vec<(&Rule, bool)> {
        let own = self.contract.state(name.as_bytes());
        let own = own.map(|state| state.rules.as_slice()).unwrap_or_default();
        let any = self.contract.any_state();
        own.iter().map(|rule| (rule, false)).chain(any.iter().map(|rule| (rule, true))).collect()
    }

    fn node(&self, named: &ubf_contract::Type) -> Option<NodeId> {
        self.sessions.checker().graph().of_rule(named)
    }

    /// How this server may answer a request: the type of the response, and the next state.
    fn outcomes(&self, state: &Text, request: &Term) -> Vec<(NodeId, Text)> {
        let (mut own, mut any) = (Vec::new(), Vec::new());
        for (rule, is_any) in self.rules(state) {
            let RuleKind::Call { request: accepted, outcomes } = &rule.kind else { continue };
            let fits = self
                .node(accepted)
                .is_some_and(|node| self.sessions.checker().fits(node, request) == Ok(true));
            if fits {
                let outcomes = outcomes.iter().filter_map(|outcome| {
                    let next = outcome.next.clone().unwrap_or_else(|| state.clone());
                    Some((self.node(&outcome.response)?, next))
                });
                if is_any { &mut any } else { &mut own }.extend(outcomes);
            }
        }
        if own.is_empty() { any } else { own }
    }
}

/// Tries a server of one contract with clients of another one. Sessions begin in `start`.
pub fn break_of(client: &Contract, server: &Contract, seed: u64) -> Option<Witness> {
    let of = |contract: &Contract| SessionChecker::new(Checker::new(contract.clone()));
    let (client_sessions, server_sessions) = (of(client), of(server));
    let client = Peer { contract: client, sessions: &client_sessions };
    let server = Peer { contract: server, sessions: &server_sessions };
    let mut of_client = Faker::new(client_sessions.checker(), seed).with_max_terms(MAX_TERMS);
    let mut of_server = Faker::new(server_sessions.checker(), seed).with_max_terms(MAX_TERMS);
    let mut open = vec![Text::from("start")];
    let mut seen: BTreeSet<Text> = open.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let (Some(client_state), Some(server_state)) = (client.state(&name), server.state(&name))
        else {
            continue;
        };
        for (rule, _) in client.rules(&name) {
            let RuleKind::Call { request, .. } = &rule.kind else { continue };
            let Some(node) = client.node(request) else { continue };
            for request in (0..SAMPLES).map_while(|_| of_client.term(node)).collect::<Vec<_>>() {
                let Ok(accepted) = client_sessions.request(client_state, &request) else {
                    continue;
                };
                if server_sessions.request(server_state, &request).is_err() {
                    return Some(Witness::Refused { state: name, request });
                }
                for (response, next) in server.outcomes(&name, &request) {
                    for reply in
                        (0..SAMPLES / 3).map_while(|_| of_server.term(response)).collect::<Vec<_>>()
                    {
                        let known = client.state(&next);
                        if client_sessions.reply(&accepted, &reply, known).is_err() {
                            return Some(Witness::Misread { state: name, request, reply, next });
                        }
                        if seen.insert(next.clone()) {
                            open.push(next.clone());
                        }
                    }
                }
            }
        }
        for (rule, _) in server.rules(&name) {
            let RuleKind::EventOut(event) = &rule.kind else { continue };
            let Some(node) = server.node(event) else { continue };
            for event in (0..SAMPLES).map_while(|_| of_server.term(node)).collect::<Vec<_>>() {
                if client_sessions.event_out(client_state, &event).is_err() {
                    return Some(Witness::Event { state: name, event });
                }
            }
        }
        for (rule, _) in client.rules(&name) {
            let RuleKind::EventIn(event) = &rule.kind else { continue };
            let Some(node) = client.node(event) else { continue };
            for event in (0..SAMPLES).map_while(|_| of_client.term(node)).collect::<Vec<_>>() {
                if server_sessions.event_in(server_state, &event).is_err() {
                    return Some(Witness::Event { state: name, event });
                }
            }
        }
    }
    None
}
