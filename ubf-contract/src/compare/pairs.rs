//! States of the two contracts in which a client and a server can be together.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use ubf_codec::Text;

use super::calls::{Call, Event, Outcome, Rules};
use super::findings::{Findings, Rules as Blamed, term};
use super::report::Change;
use crate::inclusion::{Found, Language, Search};

/// The state after which nothing is said.
const STOP: Text = Text::from_static("stop");
/// Requests of one rule that may be told apart by the others. Chosen: rules of one state seldom
/// accept the same request at all.
const MAX_CASES: usize = 4096;

/// A state of the client's contract, and one of the server's.
type Pair = (Text, Text);

/// Which states a client and a server may be in at the same time.
trait Related {
    fn are(&self, client: &Text, server: &Text) -> bool;
}

/// Replies tell the next state, so both are in the state of that name.
struct SameName;

impl Related for SameName {
    fn are(&self, client: &Text, server: &Text) -> bool {
        client == server
    }
}

impl Related for BTreeSet<Pair> {
    fn are(&self, client: &Text, server: &Text) -> bool {
        *client == STOP || self.contains(&(client.clone(), server.clone()))
    }
}

pub(super) struct Pairs<'p, 'g> {
    pub(super) client: &'p Rules,
    pub(super) server: &'p Rules,
    pub(super) search: &'p mut Search<'g>,
    pub(super) findings: &'p mut Findings,
    pub(super) same_results: bool,
}

/// Requests that both contracts answer by the same rules.
struct Case<'p> {
    within: Vec<Language>,
    without: Vec<Language>,
    /// The rules by which the client's contract answers.
    client: Vec<&'p Call>,
    /// The rules of the server's state, and of its ANYSTATE, that accept them.
    server: Vec<&'p Call>,
    server_any: Vec<&'p Call>,
}

/// A rule that may accept a request that another one accepts.
#[derive(Clone, Copy)]
enum Other<'p> {
    Client(&'p Call),
    Server(&'p Call),
    ServerAny(&'p Call),
}

impl<'p> Other<'p> {
    const fn call(self) -> &'p Call {
        match self {
            Self::Client(call) | Self::Server(call) | Self::ServerAny(call) => call,
        }
    }
}

impl<'p> Case<'p> {
    /// The server's rules that count: those of the state hide those of any.
    fn answering(&self) -> &[&'p Call] {
        if self.server.is_empty() { &self.server_any } else { &self.server }
    }

    fn outcomes(calls: &[&'p Call]) -> Vec<(&'p Call, &'p Outcome)> {
        calls.iter().flat_map(|call| call.outcomes.iter().map(|outcome| (*call, outcome))).collect()
    }
}

impl<'p> Pairs<'p, '_> {
    /// Looks at every state that client and server reach together.
    pub(super) fn walk(&mut self, entry: &BTreeSet<Text>) {
        let mut seen = entry.clone();
        let mut open: Vec<Text> = entry.iter().cloned().collect();
        while let Some(state) = open.pop() {
            for (_, next) in self.look_at(&state, &state, &SameName) {
                if next != STOP && self.client.has_state(&next) && seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
    }

    /// Looks for states that match, where replies do not tell them: from all pairs that can be
    /// reached those are taken away that break, until no more do.
    pub(super) fn match_states(&mut self, entry: &BTreeSet<Text>) {
        let own: BTreeSet<Pair> =
            entry.iter().map(|state| (state.clone(), state.clone())).collect();
        let mut related = own.clone();
        let mut open: Vec<Pair> = own.iter().cloned().collect();
        let mut scratch = Findings::default();
        core::mem::swap(self.findings, &mut scratch);
        while let Some((client, server)) = open.pop() {
            for pair in self.look_at(&client, &server, &SameName) {
                if pair.0 != STOP && related.insert(pair.clone()) {
                    open.push(pair);
                }
            }
        }
        loop {
            let pairs: Vec<Pair> = related.iter().cloned().collect();
            let count = pairs.len();
            for pair in pairs {
                *self.findings = Findings::default();
                self.look_at(&pair.0, &pair.1, &related);
                if !self.findings.is_fine() {
                    related.remove(&pair);
                }
            }
            if related.len() == count {
                break;
            }
        }
        core::mem::swap(self.findings, &mut scratch);
        for (client, server) in &own {
            self.look_at(client, server, &related);
        }
    }

    /// Reports what breaks while the client is in one state and the server in the other, and says
    /// where a call may lead them.
    fn look_at(&mut self, client: &Text, server: &Text, related: &dyn Related) -> BTreeSet<Pair> {
        self.events_to_client(client, server);
        self.events_from_client(client, server);
        let mut reached = BTreeSet::new();
        let (of_state, of_any) =
            (&self.client.of_state(client).calls, &self.client.any_state.calls);
        for (index, call) in of_state.iter().enumerate() {
            let (before, after) = of_state.split_at(index);
            self.requests_of(call, before, after.get(1..), (client, server), related, &mut reached);
        }
        // A rule of the state hides those of any state for what it accepts.
        for (index, call) in of_any.iter().enumerate() {
            let (before, after) = of_any.split_at(index);
            let before: Vec<&Call> = of_state.iter().chain(before).collect();
            let before = before.as_slice();
            self.requests_of(
                call,
                before.iter().copied(),
                after.get(1..),
                (client, server),
                related,
                &mut reached,
            );
        }
        reached
    }

    /// Looks at the requests that a rule accepts and none of those before it.
    fn requests_of(
        &mut self,
        call: &'p Call,
        before: impl IntoIterator<Item = &'p Call>,
        after: Option<&'p [Call]>,
        (client, server): (&Text, &Text),
        related: &dyn Related,
        reached: &mut BTreeSet<Pair>,
    ) {
        let [rules, any] = self.server.answering(server);
        let before = before.into_iter().map(|call| call.request);
        let without: Vec<Language> =
            before.filter(|other| self.overlap(call.request, *other)).collect();
        let others = after.into_iter().flatten().map(Other::Client);
        let others = others
            .chain(rules.calls.iter().map(Other::Server))
            .chain(any.calls.iter().map(Other::ServerAny));
        let others: Vec<Other<'_>> =
            others.filter(|other| self.overlap(call.request, other.call().request)).collect();
        let whole = Case {
            within: Vec::from([call.request]),
            without,
            client: Vec::from([call]),
            server: Vec::new(),
            server_any: Vec::new(),
        };
        let mut open = Vec::from([(0, whole)]);
        let mut count = 0;
        while let Some((index, case)) = open.pop() {
            let found = self.search.find(&case.within, &case.without);
            if found == Found::Nothing {
                continue;
            }
            if let Some(other) = others.get(index).filter(|_| !self.search.is_exhausted()) {
                let [accepted, passed] = split(case, *other);
                open.extend([(index + 1, passed), (index + 1, accepted)]);
                continue;
            }
            count += 1;
            if count > MAX_CASES || self.search.is_exhausted() {
                let rules = Blamed { client: Some(call.span), server: None };
                let draft = self.findings.draft(Change::TooManyCases, rules).state(client);
                draft.add(&Found::GaveUp);
                return;
            }
            self.case(&case, &found, (client, server), related, reached);
        }
    }

    fn overlap(&mut self, one: Language, other: Language) -> bool {
        self.search.find(&[one, other], &[]) != Found::Nothing
    }

    fn case(
        &mut self,
        case: &Case<'_>,
        request: &Found,
        (client, server): (&Text, &Text),
        related: &dyn Related,
        reached: &mut BTreeSet<Pair>,
    ) {
        let call_span = |calls: &[&Call]| calls.first().map(|call| call.span);
        let answering = case.answering();
        if answering.is_empty() {
            let rules = Blamed { client: call_span(&case.client), server: None };
            let draft = self.findings.draft(Change::RequestRefused, rules);
            draft.state(client).request(term(request)).add(request);
            return;
        }
        let (own, others) = (Case::outcomes(&case.client), Case::outcomes(answering));
        for (call, outcome) in &others {
            if self.search.find(&[outcome.reply], &[]) == Found::Nothing {
                continue;
            }
            let next = outcome.next.as_ref().unwrap_or(server);
            for (_, known) in &own {
                let own_next = known.next.as_ref().unwrap_or(client);
                if self.overlap(known.reply, outcome.reply) {
                    reached.insert((own_next.clone(), next.clone()));
                }
            }
            let rules = Blamed { client: call_span(&case.client), server: Some(call.span) };
            self.reply(outcome, next, &own, (client, request), rules, related);
        }
        if self.same_results {
            self.missing_results(&own, &others, (client, server), request);
        }
    }

    /// Every reply that the server may give has to be one that the client knows.
    fn reply(
        &mut self,
        outcome: &Outcome,
        next: &Text,
        own: &[(&Call, &Outcome)],
        (client, request): (&Text, &Found),
        rules: Blamed,
        related: &dyn Related,
    ) {
        let is_fitting = |known: &Outcome| related.are(known.next.as_ref().unwrap_or(client), next);
        let fitting: Vec<Language> = own
            .iter()
            .filter(|(_, known)| is_fitting(known))
            .map(|(_, known)| known.reply)
            .collect();
        let unknown = self.search.find(&[outcome.reply], &fitting);
        if unknown == Found::Nothing {
            return;
        }
        let in_any_state: Vec<Language> = own.iter().map(|(_, known)| known.reply).collect();
        let is_known = self.search.find(&[outcome.reply], &in_any_state) == Found::Nothing;
        let change = if is_known { Change::NextStateUnknown } else { Change::ReplyUnknown };
        // Both have to be there: a request of this case, and a reply that surprises.
        let shows = if *request == Found::GaveUp { request } else { &unknown };
        let draft = self.findings.draft(change, rules).state(client).next(next);
        draft.request(term(request)).message(&unknown).add(shows);
    }

    fn missing_results(
        &mut self,
        own: &[(&Call, &Outcome)],
        others: &[(&Call, &Outcome)],
        (client, server): (&Text, &Text),
        request: &Found,
    ) {
        for (call, outcome) in own {
            let next = outcome.next.as_ref().unwrap_or(client);
            let still: Vec<Language> = others
                .iter()
                .filter(|(_, other)| other.next.as_ref().unwrap_or(server) == next)
                .map(|(_, other)| other.reply)
                .collect();
            let missing = self.search.find(&[outcome.reply], &still);
            let rules = Blamed {
                client: Some(call.span),
                server: others.first().map(|(call, _)| call.span),
            };
            let draft = self.findings.draft(Change::ResultMissing, rules).state(client).next(next);
            draft.request(term(request)).message(&missing).add(&missing);
        }
    }

    fn events_to_client(&mut self, client: &Text, server: &Text) {
        let known: Vec<Language> =
            self.client.events_out(client).map(|event| event.language).collect();
        let events: Vec<&Event> = self.server.events_out(server).collect();
        if self.same_results {
            self.missing_events(&events, client);
        }
        for event in events {
            let unknown = self.search.find(&[event.language], &known);
            let rules = Blamed { client: None, server: Some(event.span) };
            let draft = self.findings.draft(Change::EventUnknown, rules).state(client);
            draft.message(&unknown).add(&unknown);
        }
    }

    fn missing_events(&mut self, sent: &[&Event], client: &Text) {
        let sent: Vec<Language> = sent.iter().map(|event| event.language).collect();
        let known: Vec<&Event> = self.client.events_out(client).collect();
        for event in known {
            let missing = self.search.find(&[event.language], &sent);
            let rules = Blamed { client: Some(event.span), server: None };
            let draft = self.findings.draft(Change::EventMissing, rules).state(client);
            draft.message(&missing).add(&missing);
        }
    }

    fn events_from_client(&mut self, client: &Text, server: &Text) {
        let events: Vec<&Event> = self.client.events_in(client).collect();
        for event in events {
            let lost = self.lost(event, server);
            let rules = Blamed { client: Some(event.span), server: None };
            if lost != Found::Nothing {
                let draft = self.findings.draft(Change::EventLost, rules).state(client);
                draft.message(&lost).add(&lost);
                continue;
            }
            // It may cross a call that is in progress.
            for next in self.next_states(server) {
                let lost = self.lost(event, &next);
                let draft = self.findings.draft(Change::EventMayBeLost, rules).state(client);
                draft.next(&next).message(&lost).add(&lost);
            }
        }
    }

    fn lost(&mut self, event: &Event, server: &Text) -> Found {
        let accepted: Vec<Language> =
            self.server.events_in(server).map(|event| event.language).collect();
        self.search.find(&[event.language], &accepted)
    }

    /// The states that any call leads to; a session that stops takes no events.
    fn next_states(&self, server: &Text) -> BTreeSet<Text> {
        let calls = self.server.of_state(server).calls.iter();
        let next = calls.flat_map(|call| &call.outcomes).filter_map(|outcome| outcome.next.clone());
        next.filter(|next| next != server && *next != STOP).collect()
    }
}

/// A case, split by whether another rule accepts its requests.
fn split<'p>(case: Case<'p>, other: Other<'p>) -> [Case<'p>; 2] {
    let Case { within, without, client, server, server_any } = case;
    let language = other.call().request;
    let with = |mut languages: Vec<Language>| {
        languages.push(language);
        languages
    };
    let mut accepted = Case {
        within: with(within.clone()),
        without: without.clone(),
        client: client.clone(),
        server: server.clone(),
        server_any: server_any.clone(),
    };
    match other {
        Other::Client(call) => accepted.client.push(call),
        Other::Server(call) => accepted.server.push(call),
        Other::ServerAny(call) => accepted.server_any.push(call),
    }
    [accepted, Case { within, without: with(without), client, server, server_any }]
}
