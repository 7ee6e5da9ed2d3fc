//! A handler that is held against contracts (C3, C4).

mod held;
mod rules;
mod session;
mod state_of;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tracing::warn;
use ubf_codec::{
    DecodeOptions, Decoder, Dialect, Encoder, Limits, Term, TermRef, Text, Version, View,
};
use ubf_contract::{Accepted, Broken, Contract, ContractCounts, Enforcement, SessionState};
use ubf_proto::Versions;

use self::held::Held;
pub use self::rules::{ContractRules, Verdict};
use self::session::{Counters, Session, Shared};
pub(crate) use self::state_of::{state_of, state_of_term};
use crate::failure::Failure;
use crate::handler::{Call, Client, Connected, Handler, Offered};
use crate::reply::Reply;
use crate::turns::Turns;
use crate::versions::{HandlerError, IntoVersions};

/// A [`Handler`] around another one, which holds what clients and that one say against the
/// contracts of its versions. A version without a contract is not checked.
///
/// The state of a session is the one that the last reply named. In a contract with several states
/// the requests of a connection run one after the other, since each decides what the next one may
/// be; but for [`Enforcement::Off`].
///
/// With [`Enforcement::Enforce`] a request that is not allowed is answered `clientBrokeContract`
/// before the handler runs; `serverBrokeContract` stands instead of a reply that is not; and an
/// event that is not is dropped, and its sender is told.
///
/// The request `'contract'` is answered with the contract of its version, in every state and
/// whatever the contract says of it, as existing servers do. It never reaches the handler.
///
/// ```
/// use ubf_codec::ubf;
/// use ubf_contract::Reader;
/// use ubf_server::testing::{Answer, TestServer};
/// use ubf_server::{Call, Contracts, Handlers, Reply};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let contract = Reader::new().read(
///     "+NAME(\"sum\"). +VSN(\"1\"). +TYPES add() :: {add, integer(), integer()}; sum() :: integer().
///      +STATE start add() => sum() & start.",
/// )?;
/// let handlers = Handlers::new().on(1, |_: Call<()>| async { Reply::ok(3) });
/// let server = TestServer::of(Contracts::new(handlers).version(1, contract)).await?;
///
/// let mut client = server.client(1);
/// assert_eq!(client.call(ubf!({add, 1, 2})).await?, Answer::reply(3, "start"));
/// let refused = client.call(ubf!({add, 1})).await?;
/// let response = refused.response().map(ToString::to_string).unwrap_or_default();
/// assert!(response.starts_with("{clientBrokeContract,{add,1},"));
/// # Ok(())
/// # }
/// ```
pub struct Contracts<H> {
    handler: H,
    shared: Arc<Shared>,
    /// The first thing that was found to be wrong.
    error: Option<HandlerError>,
}

impl<H: Handler> Contracts<H> {
    /// No contract yet; they are enforced.
    #[must_use]
    pub fn new(handler: H) -> Self {
        let shared = Shared {
            versions: BTreeMap::new(),
            enforcement: Enforcement::default(),
            counters: Arc::new(Counters::default()),
        };
        Self { handler, shared: Arc::new(shared), error: None }
    }

    /// The contract of these versions.
    #[must_use]
    pub fn version(
        mut self,
        versions: impl IntoVersions,
        contract: impl Into<Arc<Contract>>,
    ) -> Self {
        let held = Arc::new(Held::new(contract.into()));
        match versions.into_versions() {
            Ok(versions) => {
                let all = versions.iter().map(|version| (version, Arc::clone(&held)));
                self.shared_mut(|shared| shared.versions.extend(all));
            }
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        self
    }

    /// What becomes of messages that are not allowed.
    #[must_use]
    pub fn with_enforcement(mut self, enforcement: Enforcement) -> Self {
        self.shared_mut(|shared| shared.enforcement = enforcement);
        self
    }

    /// A way to ask how often contracts were broken, also when the server has this handler.
    pub fn counts(&self) -> impl Fn() -> ContractCounts + Send + Sync + 'static + use<H> {
        let counters = Arc::clone(&self.shared.counters);
        move || counters.counts()
    }

    /// While it is built, nobody else has it.
    fn shared_mut(&mut self, change: impl FnOnce(&mut Shared)) {
        let mut shared = Shared {
            versions: self.shared.versions.clone(),
            enforcement: self.shared.enforcement,
            counters: Arc::clone(&self.shared.counters),
        };
        change(&mut shared);
        self.shared = Arc::new(shared);
    }
}

impl<H> fmt::Debug for Contracts<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contracts")
            .field("versions", &self.shared.versions.keys())
            .field("enforcement", &self.shared.enforcement)
            .finish_non_exhaustive()
    }
}

/// What [`Contracts`] keeps for a connection.
#[derive(Debug)]
pub struct ContractState<S> {
    inner: Arc<Connected<S>>,
    session: Arc<Session>,
}

impl<H: Handler> Handler for Contracts<H> {
    type State = ContractState<H::State>;

    fn versions(&self) -> Versions {
        if self.error.is_some() { Versions::new() } else { self.handler.versions() }
    }

    fn check(&self) -> Result<(), HandlerError> {
        self.error.map_or_else(|| self.handler.check(), Err)
    }

    fn pinned_outside(&self) -> Option<Text> {
        self.handler.pinned_outside()
    }

    fn connect(&self, client: &Client) -> Self::State {
        let session = Arc::new(Session::new(Arc::clone(&self.shared)));
        let client = match client.is_checked() {
            true => client.clone(),
            false => client.gated(Arc::clone(&session) as _),
        };
        let state = self.handler.connect(&client);
        let inner = Arc::new(Connected { client, turns: Turns::default(), state });
        ContractState { inner, session }
    }

    /// `{Name,State}`: the state of the session, and what the service keeps.
    fn export_state(&self, state: &Self::State) -> Option<Bytes> {
        let inner = self.handler.export_state(&state.inner.state)?;
        let name = state.session.last().map_or(Term::Undefined, Term::Atom);
        Some(Encoder::new().encode(&Term::tuple([name, Term::binary(inner)])).into())
    }

    fn import_state(&self, client: &Client, exported: Bytes) -> Option<Self::State> {
        let exported = ubf_codec::decode(&exported[..]).ok()?;
        let View::Tuple(pair) = exported.root().view() else { return None };
        let [name, inner] = pair.to_array()?;
        let inner = Bytes::copy_from_slice(inner.as_bytes()?);
        let session = Session::new(Arc::clone(&self.shared));
        session.begin(name.as_atom().map(|name| name.to_text()));
        let session = Arc::new(session);
        let client = match client.is_checked() {
            true => client.clone(),
            false => client.gated(Arc::clone(&session) as _),
        };
        let state = self.handler.import_state(&client, inner)?;
        let inner = Arc::new(Connected { client, turns: Turns::default(), state });
        Some(ContractState { inner, session })
    }

    fn answers_now(&self, version: Version) -> bool {
        self.handler.answers_now(version)
    }

    /// What is seldom, and what may have to wait for its turn, goes the other way.
    fn offer(&self, call: Call<Self::State>) -> Offered<Self::State> {
        let version = call.version();
        if !self.handler.answers_now(version) {
            return Offered::Declined(call);
        }
        let held = self.shared.versions.get(&version);
        let Some(held) = held.filter(|_| !call.connection.client.is_checked()) else {
            return self.offer_inner(call);
        };
        // The state that decides is the one after the calls before this one.
        let may_wait = held.sessions.has_several_states() && !call.connection.turns.is_free();
        let is_off = self.shared.enforcement == Enforcement::Off;
        if may_wait || is_off || call.term().is_atom("contract") {
            return Offered::Declined(call);
        }
        let session = Arc::clone(&call.state().session);
        let Ok(accepted) = held.sessions.request(session.state(held), call.term()) else {
            return Offered::Declined(call);
        };
        let request = call.body().shared_source();
        match self.offer_inner(call) {
            Offered::Answered(Ok(reply), message) => {
                let reply = self.checked(reply, version, &request, &accepted, held, &session);
                Offered::Answered(Ok(reply), message)
            }
            failed @ Offered::Answered(Err(_), _) => failed,
            declined @ Offered::Declined(_) => declined,
        }
    }

    async fn request(&self, call: Call<Self::State>) -> Result<Reply, Failure> {
        let held = self.shared.versions.get(&call.version());
        let Some(held) = held.filter(|_| !call.connection.client.is_checked()) else {
            return self.handler.request(inner(call)).await;
        };
        let session = Arc::clone(&call.state().session);
        if call.term().is_atom("contract") {
            return Ok(Reply::new(held.answer.clone(), session.name(held)));
        }
        if self.shared.enforcement == Enforcement::Off {
            let reply = self.handler.request(inner(call)).await?;
            session.follow(held, &reply);
            return Ok(reply);
        }
        // The state that decides is the one after the calls before this one.
        // So the requests of a connection run one after the other.
        let turn = held.sessions.has_several_states().then(|| call.take_turn());
        if let Some(turn) = &turn {
            turn.come().await;
        }
        let checker = &held.sessions;
        let state = session.state(held);
        let accepted = match checker.request(state, call.term()) {
            Ok(accepted) => accepted,
            Err(broken) => {
                session.shared.counters.client_broke();
                log("a client broke its contract", call.version(), &broken);
                if self.shared.enforcement == Enforcement::Enforce {
                    let response = checker.client_broke_term(state, call.term());
                    return Ok(Reply::new(response, held.name_of(state)));
                }
                // Nothing is known of what may follow a request that is not allowed.
                let reply = self.handler.request(inner(call)).await?;
                session.follow(held, &reply);
                return Ok(reply);
            }
        };
        let version = call.version();
        let request = call.body().shared_source();
        let reply = self.handler.request(inner(call)).await?;
        Ok(self.checked(reply, version, &request, &accepted, held, &session))
    }

    async fn event(&self, event: Call<Self::State>) {
        let held = self.shared.enforced(event.version());
        if let Some(held) = held.filter(|_| !event.connection.client.is_checked()) {
            let session = &event.state().session;
            if let Err(broken) = held.sessions.event_in(session.state(held), event.term()) {
                session.shared.counters.event_in();
                log(
                    "a client sent an event that its contract does not allow",
                    event.version(),
                    &broken,
                );
                if self.shared.enforcement == Enforcement::Enforce {
                    return;
                }
            }
        }
        self.handler.event(inner(event)).await;
    }
}

impl<H: Handler> Contracts<H> {
    fn offer_inner(&self, call: Call<ContractState<H::State>>) -> Offered<ContractState<H::State>> {
        let connection = Arc::clone(&call.connection);
        match self.handler.offer(inner(call)) {
            Offered::Answered(replied, message) => Offered::Answered(replied, message),
            Offered::Declined(Call { message, is_event, connection: _ }) => {
                Offered::Declined(Call { message, is_event, connection })
            }
        }
    }

    /// The reply, if the contract allows it, or what is said instead. The session goes on in the
    /// state that the reply names; if that is not allowed, in the one in which it was.
    fn checked(
        &self,
        reply: Reply,
        version: Version,
        request: &Bytes,
        accepted: &Accepted,
        held: &Held,
        session: &Session,
    ) -> Reply {
        let checker = &held.sessions;
        let instead = |response: TermRef<'_>| {
            again(request, |request| checker.server_broke_term(accepted, request, response))
        };
        match checked_reply(held, accepted, &reply, instead) {
            // A reply that is none at all is answered `failed` by the connection.
            None => reply,
            Some(Ok(state)) => {
                session.set(held, state);
                reply
            }
            Some(Err((broken, instead))) => {
                session.shared.counters.server_broke();
                log("this server broke its contract", version, &broken);
                if self.shared.enforcement != Enforcement::Enforce {
                    session.follow(held, &reply);
                    return reply;
                }
                Reply::new(instead, held.name_of(accepted.state()))
            }
        }
    }
}

/// Reads a request again, which was read before, within the limits of its connection: so seldom
/// that its terms are not kept for it.
fn again<T>(request: &Bytes, look: impl FnOnce(TermRef<'_>) -> T) -> T {
    const NO_LIMITS: Limits = Limits::new()
        .with_max_packet_bytes(u32::MAX)
        .with_max_depth(u32::MAX)
        .with_max_expanded_nodes(u64::MAX)
        .with_max_expanded_bytes(u64::MAX)
        .with_max_integer_digits(u32::MAX)
        .with_max_tag_bytes(u32::MAX);
    // W7: what both dialects read means the same in both.
    let read = |dialect| {
        let options = DecodeOptions::default()
            .with_dialect(dialect)
            .with_any_escape(true)
            .with_limits(NO_LIMITS);
        Decoder::new().with_options(options).decode(request).ok()
    };
    let packet = read(Dialect::Extended).or_else(|| read(Dialect::Classic));
    match packet {
        Some(packet) => look(packet.root()),
        None => {
            debug_assert!(false, "it was read before");
            look(Term::Undefined.as_ref())
        }
    }
}

/// The state that a reply leads to; or how it breaks its contract, and `instead` of it. `None`:
/// it is no reply at all.
fn checked_reply(
    held: &Held,
    accepted: &Accepted,
    reply: &Reply,
    instead: impl Fn(TermRef<'_>) -> Term,
) -> Option<Result<SessionState, (Box<Broken>, Term)>> {
    let checker = &held.sessions;
    let checked = reply.look(|reply| {
        let View::Tuple(pair) = reply.view() else { return None };
        let [response, next] = pair.to_array()?;
        let next = match (accepted.state(), next.view()) {
            (SessionState::Stateless, _) => Some(SessionState::Stateless),
            (_, View::Atom(name)) => checker.state(name.to_bytes()),
            (_, _) => None,
        };
        Some(checker.reply(accepted, response, next).map_err(|broken| (broken, instead(response))))
    });
    checked.flatten()
}

/// The same message for the handler inside.
fn inner<S>(call: Call<ContractState<S>>) -> Call<S> {
    let Call { message, is_event, connection } = call;
    Call { message, is_event, connection: Arc::clone(&connection.state.inner) }
}

fn log(what: &str, version: Version, broken: &Broken) {
    warn!(version = version.get(), broken = %broken, "{what}");
}
