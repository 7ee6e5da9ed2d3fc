//! What a program and its server say, held against contracts (C3, C4).

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tracing::warn;
use ubf_codec::{Decoder, Document, Encoder, Term, TermRef, Text, Version, View};
use ubf_contract::{
    Broken, Checker, Contract, ContractCounts, Enforcement, SessionChecker, SessionState,
};
use ubf_proto::Versions;
use ubf_proto::client::Notice;

use crate::call_table::{Answer, Outcome};
use crate::handle::Client;
use crate::reply::{Connection, Event, Reply};
use crate::request::{Kind, Request, Source, Unsupported};

/// What a builder was told.
#[derive(Default)]
pub(crate) struct ContractSettings {
    versions: BTreeMap<Version, Arc<SessionChecker>>,
    pub(crate) enforcement: Enforcement,
}

impl ContractSettings {
    pub(crate) fn add(&mut self, versions: impl IntoIterator<Item = u32>, contract: Arc<Contract>) {
        let checker = Arc::new(SessionChecker::new(Checker::new(contract)));
        let versions = Versions::of(versions);
        self.versions.extend(versions.iter().map(|version| (version, Arc::clone(&checker))));
    }

    pub(crate) fn contracts(self) -> Option<Arc<Contracts>> {
        let Self { versions, enforcement } = self;
        let is_used = enforcement != Enforcement::Off && !versions.is_empty();
        is_used.then(|| {
            Arc::new(Contracts {
                versions,
                enforcement,
                session: Mutex::new(Session::default()),
                open: AtomicUsize::new(0),
                counters: Counters::default(),
            })
        })
    }
}

/// The contracts of a client, and where its session is.
pub(crate) struct Contracts {
    versions: BTreeMap<Version, Arc<SessionChecker>>,
    enforcement: Enforcement,
    session: Mutex<Session>,
    /// Requests that have not ended: the state is about to change.
    open: AtomicUsize,
    counters: Counters,
}

/// Where a session is, as far as its replies tell.
#[derive(Default)]
struct Session {
    /// The connection that was made last, or on which the last reply came.
    connection: Option<u64>,
    at: At,
}

/// A state by its name, since each version has a contract of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum At {
    /// Nothing has been said yet.
    #[default]
    Entry,
    State(Text),
    /// A reply was not seen, or the connection is another one.
    Unknown,
}

#[derive(Default)]
struct Counters {
    client_broke: AtomicU64,
    server_broke: AtomicU64,
    events_in: AtomicU64,
    events_out: AtomicU64,
}

impl Client {
    /// How often contracts were broken, since the client began. Without a
    /// [`contract`](crate::Builder::contract) all counts are 0.
    #[must_use]
    pub fn contract_counts(&self) -> ContractCounts {
        let mut counts = ContractCounts::default();
        if let Some(Contracts { counters, .. }) = self.shared.contracts.as_deref() {
            counts.client_broke = counters.client_broke.load(Ordering::Relaxed);
            counts.server_broke = counters.server_broke.load(Ordering::Relaxed);
            counts.events_in = counters.events_in.load(Ordering::Relaxed);
            counts.events_out = counters.events_out.load(Ordering::Relaxed);
        }
        counts
    }
}

/// A message that is held against the contract of the version in which it is sent.
struct Held {
    message: Message,
    kind: Kind,
    contracts: Arc<Contracts>,
    /// Its breach is known: it is written twice if the version is another one when it is sent.
    is_told: AtomicBool,
}

enum Message {
    Request(Box<dyn Request>),
    Term(Term),
}

impl Held {
    fn term(&self, version: Version) -> Result<Term, Unsupported> {
        match &self.message {
            Message::Request(request) => request.render(version),
            Message::Term(term) => Ok(term.clone()),
        }
    }
}

impl Request for Held {
    fn render(&self, version: Version) -> Result<Term, Unsupported> {
        let term = self.term(version)?;
        if self.contracts.may_send(self, version, &term) { Ok(term) } else { Err(Unsupported) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.kind == Kind::Request {
            self.contracts.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Contracts {
    /// The same message, which is looked at before it is sent.
    pub(crate) fn hold(contracts: &Arc<Self>, source: Source, kind: Kind) -> Source {
        let message = match source {
            Source::Request(request) => Message::Request(request),
            Source::Body(body) => match decoded(body.clone()) {
                Some(packet) => Message::Term(inner(&packet, kind).to_term()),
                // The session says what is wrong with it.
                None => return Source::Body(body),
            },
        };
        if kind == Kind::Request {
            contracts.open.fetch_add(1, Ordering::Relaxed);
        }
        Source::Request(Box::new(Held {
            message,
            kind,
            contracts: Arc::clone(contracts),
            is_told: AtomicBool::new(false),
        }))
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state in which a message meets the other side; `None` if that is not known, as while
    /// other requests are open than the message itself.
    fn state(&self, checker: &SessionChecker, message: Option<Kind>) -> Option<SessionState> {
        if !checker.has_several_states() {
            return Some(checker.entry());
        }
        if self.open.load(Ordering::Relaxed) > usize::from(message == Some(Kind::Request)) {
            return None;
        }
        match &self.session().at {
            At::Entry => Some(checker.entry()),
            At::State(name) => checker.state(name.as_bytes()),
            At::Unknown => None,
        }
    }

    /// Whether a message may go out.
    fn may_send(&self, held: &Held, version: Version, term: &Term) -> bool {
        let kind = held.kind;
        let Some(checker) = self.versions.get(&version) else { return true };
        if kind == Kind::Request && term.is_atom("contract") {
            return true;
        }
        let in_state = |state| match kind {
            Kind::Request => checker.request(state, term).map(|_accepted| ()),
            Kind::Event => checker.event_in(state, term),
        };
        let Err(broken) = in_some_state(checker, self.state(checker, Some(kind)), in_state) else {
            return true;
        };
        if held.is_told.swap(true, Ordering::Relaxed) {
            return self.enforcement != Enforcement::Enforce;
        }
        let (counter, what) = match kind {
            Kind::Request => {
                (&self.counters.client_broke, "a request that its contract does not allow")
            }
            Kind::Event => (&self.counters.events_in, "an event that its contract does not allow"),
        };
        self.broken(counter, what, version, &broken)
    }

    /// Whether an event of the server may be read.
    pub(crate) fn takes_event(&self, event: &Event) -> bool {
        let Some(checker) = self.versions.get(&event.version) else { return true };
        let is_here = self.is_on(&event.connection);
        let state = self.state(checker, None).filter(|_| is_here || !checker.has_several_states());
        let broken = in_some_state(checker, state, |state| checker.event_out(state, event.event()));
        let Err(broken) = broken else { return true };
        let what = "the server sent an event that its contract does not allow";
        self.broken(&self.counters.events_out, what, event.version, &broken)
    }

    fn is_on(&self, connection: &Connection) -> bool {
        self.session().connection.is_none_or(|number| number == connection.number)
    }

    /// Counts and logs what is broken, and says whether it goes its way all the same.
    fn broken(&self, counter: &AtomicU64, what: &str, version: Version, broken: &Broken) -> bool {
        counter.fetch_add(1, Ordering::Relaxed);
        warn!(version = version.get(), broken = %broken, "{what}");
        self.enforcement != Enforcement::Enforce
    }

    /// The outcome, or what stands instead of a reply that is not allowed. Replies come here in the
    /// order in which they were sent.
    pub(crate) fn outcome(&self, request: Option<&dyn Request>, outcome: Outcome) -> Outcome {
        match outcome {
            Ok(Answer::Reply(reply)) => Ok(Answer::Reply(self.reply(request, reply))),
            Ok(Answer::Taken(version)) => Ok(Answer::Taken(version)),
            Err(error) => {
                if error.may_have_run() {
                    self.session().at = At::Unknown;
                }
                Err(error)
            }
        }
    }

    fn reply(&self, request: Option<&dyn Request>, reply: Reply) -> Reply {
        let Some(checker) = self.versions.get(&reply.version) else {
            self.session().at = At::Unknown;
            return reply;
        };
        let before = self.arrive(&reply.connection);
        let state = match &before {
            _ if !checker.has_several_states() => Some(checker.entry()),
            At::Entry => Some(checker.entry()),
            At::State(name) => checker.state(name.as_bytes()),
            At::Unknown => None,
        };
        let request = request.and_then(|request| (request as &dyn Any).downcast_ref::<Held>());
        // The caller's code may crash.
        let term = catch_unwind(AssertUnwindSafe(|| request?.term(reply.version).ok()));
        let instead = match (state, term.ok().flatten()) {
            (Some(state), Some(request)) => self.instead(checker, state, &request, &reply),
            (_, _) => None,
        };
        match instead {
            Some(body) => {
                self.session().at = before;
                Reply { body, ..reply }
            }
            None => {
                let name = reply.state().and_then(|state| {
                    if let View::Atom(name) = state.view() { Some(name.to_text()) } else { None }
                });
                self.session().at = name.map_or(At::Unknown, At::State);
                reply
            }
        }
    }

    /// The session goes on elsewhere, or after what was not heard.
    pub(crate) fn note(&self, notice: &Notice) {
        if let Notice::Lost { was_in_use: true, .. } | Notice::RedirectAnnounced { .. } = notice {
            self.session().at = At::Unknown;
        }
    }

    /// A server has agreed on another connection: the state that it is in is told by its first
    /// reply.
    pub(crate) fn connected(&self, connection: &Connection) {
        let at = self.arrive(connection);
        self.session().at = at;
    }

    /// Where the session was before what came on this connection.
    fn arrive(&self, connection: &Connection) -> At {
        let mut session = self.session();
        let before = session.connection.replace(connection.number);
        let is_same = before.is_none_or(|number| number == connection.number);
        if is_same { session.at.clone() } else { At::Unknown }
    }

    /// What the server should have said, if it may not say what it said.
    fn instead(
        &self,
        checker: &SessionChecker,
        state: SessionState,
        request: &Term,
        reply: &Reply,
    ) -> Option<Document<Bytes>> {
        let (response, next) = reply.split()?;
        if is_about_contracts(request, response) {
            return None;
        }
        // Of a request that is not allowed nothing is known.
        let accepted = checker.request(state, request).ok()?;
        let next = match (state, next.view()) {
            (SessionState::Stateless, _) => Some(SessionState::Stateless),
            (_, View::Atom(name)) => checker.state(name.to_bytes()),
            (_, _) => None,
        };
        let broken = checker.reply(&accepted, response, next).err()?;
        let what = "the server broke its contract";
        if self.broken(&self.counters.server_broke, what, reply.version, &broken) {
            return None;
        }
        let term = checker.server_broke_term(&accepted, request, response);
        let name = checker.name(state).unwrap_or(Text::from_static("start"));
        decoded(Encoder::new().encode(&Term::tuple([term, Term::atom(name)])).into())
    }
}

/// The contract itself, and what servers say of broken ones, is allowed in all states.
fn is_about_contracts(request: &Term, response: TermRef<'_>) -> bool {
    let is_broken = || {
        let View::Tuple(tuple) = response.view() else { return false };
        let Some([name, _, _]) = tuple.to_array() else { return false };
        name.is_atom("clientBrokeContract") || name.is_atom("serverBrokeContract")
    };
    request.is_atom("contract") || is_broken()
}

/// Whether it is allowed in that state; if it is not known, in any.
fn in_some_state(
    checker: &SessionChecker,
    state: Option<SessionState>,
    allowed: impl Fn(SessionState) -> Result<(), Box<Broken>>,
) -> Result<(), Box<Broken>> {
    if let Some(state) = state {
        return allowed(state);
    }
    let mut first = Ok(());
    for (place, _) in (0..).zip(checker.checker().contract().states()) {
        match allowed(SessionState::In(place)) {
            Ok(()) => return Ok(()),
            Err(broken) => first = first.and(Err(broken)),
        }
    }
    first
}

/// What was encoded here, or has come through the session.
fn decoded(body: Bytes) -> Option<Document<Bytes>> {
    Decoder::new().decode_shared(body).ok()
}

/// The event without the `event_in` around it.
fn inner(packet: &Document<Bytes>, kind: Kind) -> TermRef<'_> {
    let root = packet.root();
    let View::Tuple(tuple) = root.view() else { return root };
    match (kind, tuple.to_array()) {
        (Kind::Event, Some([_event_in, event])) => event,
        (_, _) => root,
    }
}
