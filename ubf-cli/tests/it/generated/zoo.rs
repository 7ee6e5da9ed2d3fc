//! The service `zoo`, as its contract says.
//!
//! Written by `ubf contract rust`.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use ubf_client::CallError;
use ubf_codec::serde::{Error, from_term, to_term};
use ubf_codec::{Term, TermRef, View};
use ubf_contract::{ReadError, Reader};
use ubf_server::{Call, Client, Contracts, Failure, Handler, Reply, Versions};

/// what, and how much
///
/// `#feed{animal :: animal(), grams :: 1..5000, type :: atom()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "feed")]
pub struct Feed {
    /// `animal()`
    pub animal: Animal,
    /// `1..5000`
    pub grams: u16,
    /// `atom()`
    pub type_: Term,
}

/// `bird | fish | {other, ubfstring()} | {herd, animal(), pos_integer()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Animal {
    #[serde(rename = "bird")]
    Bird,
    #[serde(rename = "fish")]
    Fish,
    #[serde(rename = "other")]
    Other {
        /// `ubfstring()`
        text: String,
    },
    #[serde(rename = "herd")]
    Herd {
        /// `animal()`
        animal: Box<Animal>,
        /// `pos_integer()`
        number: u64,
    },
}

/// `visit`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "visit")]
pub struct Visit;

/// `{ok, [animal()], weight()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "ok")]
pub struct Fed {
    /// `[animal()]`
    pub items: Vec<Animal>,
    /// `weight()`
    pub weight: Weight,
}

/// `number()`
pub type Weight = f64;

/// `{error, sick | {asleep, 0..23}} | closed`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum No {
    #[serde(rename = "error")]
    Error {
        /// `sick | {asleep, 0..23}`
        value: NoErrorValue,
    },
    #[serde(rename = "closed")]
    Closed,
}

/// What stands in `no()`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NoErrorValue {
    #[serde(rename = "sick")]
    Sick,
    #[serde(rename = "asleep")]
    Asleep {
        /// `0..23`
        number: u8,
    },
}

/// `{picture, binary(), {integer(), integer()}}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "picture")]
pub struct Picture {
    /// `binary()`
    pub bytes: Binary,
    /// `{integer(), integer()}`
    pub value: (i64, i64),
}

/// `{node, tree(), tree()} | leaf`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Tree {
    #[serde(rename = "node")]
    Node {
        /// `tree()`
        tree: Box<Tree>,
        /// `tree()`
        tree_2: Box<Tree>,
    },
    #[serde(rename = "leaf")]
    Leaf,
}

/// `[forest()]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forest(pub Vec<Forest>);

/// `{keeper, ubfstring()?, flag() | undefined, ..-1}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "keeper")]
pub struct Keeper {
    /// `ubfstring()?`
    pub text: Option<String>,
    /// `flag() | undefined`
    pub value: Option<bool>,
    /// `..-1`
    pub number: i64,
}

/// `boolean()`
pub type Flag = bool;

/// `{ubfstring(), -5..300}`
pub type Pair = (String, i16);

/// `{roar, animal()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "roar")]
pub struct Roar {
    /// `animal()`
    pub animal: Animal,
}

/// `{call, ubfstring()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "call")]
pub struct CallType {
    /// `ubfstring()`
    pub text: String,
}

/// A binary.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binary(pub Vec<u8>);

impl Serialize for Binary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl serde::de::Visitor<'_> for Bytes {
            type Value = Binary;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a binary")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Binary, E> {
                Ok(Binary(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

/// The states of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// `start`
    Start,
    /// `inside`
    Inside,
    /// `stop`
    Stop,
}

impl State {
    /// The state in which sessions begin.
    pub const ENTRY: Self = Self::Start;

    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Inside => "inside",
            Self::Stop => "stop",
        }
    }

    /// The state of that name, which is an atom.
    #[must_use]
    pub fn of_term(name: TermRef<'_>) -> Option<Self> {
        let View::Atom(name) = name.view() else { return None };
        Some(match name.to_latin1().as_str() {
            "start" => Self::Start,
            "inside" => Self::Inside,
            "stop" => Self::Stop,
            _ => return None,
        })
    }
}

/// How `visit` ends in [`State::Start`].
#[derive(Clone, Debug, PartialEq)]
pub enum VisitAnswer {
    /// `fed()`
    /// Then the state is [`State::Inside`].
    Fed(Fed),
    /// `no()`
    /// Then the state is [`State::Start`].
    No(No),
}

impl VisitAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Fed(response) => (to_term(response)?, State::Inside),
            Self::No(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Inside
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Fed(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::No(response));
        }
        None
    }
}

/// How `feed` ends in [`State::Inside`].
#[derive(Clone, Debug, PartialEq)]
pub enum FeedAnswer {
    /// `fed()`
    /// Then the state is [`State::Inside`].
    Fed(Fed),
    /// `no()`
    /// Then the state is [`State::Inside`].
    No(No),
    /// `no()`
    /// Then the state is [`State::Start`].
    NoThenStart(No),
}

impl FeedAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Fed(response) => (to_term(response)?, State::Inside),
            Self::No(response) => (to_term(response)?, State::Inside),
            Self::NoThenStart(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Inside
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Fed(response));
        }
        if state == State::Inside
            && let Ok(response) = from_term(response)
        {
            return Some(Self::No(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::NoThenStart(response));
        }
        None
    }
}

/// An event from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum EventOut {
    /// `roar()`
    Roar(Roar),
}

impl EventOut {
    /// The event that a term is.
    ///
    /// # Errors
    /// It is none of them.
    pub fn read(event: TermRef<'_>) -> Result<Self, Error> {
        from_term(event).map(Self::Roar)
    }

    /// The event as a term.
    ///
    /// # Errors
    /// It has no form in UBF.
    pub fn to_term(&self) -> Result<Term, Error> {
        match self {
            Self::Roar(event) => to_term(event),
        }
    }
}

/// An event from the client.
#[derive(Clone, Debug, PartialEq)]
pub enum EventIn {
    /// `call()`
    Call(CallType),
}

impl EventIn {
    /// The event that a term is.
    ///
    /// # Errors
    /// It is none of them.
    pub fn read(event: TermRef<'_>) -> Result<Self, Error> {
        from_term(event).map(Self::Call)
    }

    /// The event as a term.
    ///
    /// # Errors
    /// It has no form in UBF.
    pub fn to_term(&self) -> Result<Term, Error> {
        match self {
            Self::Call(event) => to_term(event),
        }
    }
}

/// The contract in UBF(B).
pub const CONTRACT: &str = r#"% Types of all kinds, states, and events both ways.
+NAME("zoo").
+VSN("1").

+TYPES
  feed() :: #feed{animal :: animal(), grams :: 1..5000, type :: atom()} "what, and how much";
  animal() :: bird | fish | {other, ubfstring()} | {herd, animal(), pos_integer()};
  visit() :: visit;
  fed() :: {ok, [animal()], weight()};
  weight() :: number();
  no() :: {error, sick | {asleep, 0..23}} | closed;
  picture() :: {picture, binary(), {integer(), integer()}};
  tree() :: {node, tree(), tree()} | leaf;
  forest() :: [forest()];
  keeper() :: {keeper, ubfstring()?, flag() | undefined, ..-1};
  flag() :: boolean();
  pair() :: {ubfstring(), -5..300};
  roar() :: {roar, animal()};
  call() :: {call, ubfstring()}.

+STATE start
  visit() => fed() & inside | no() & start.

+STATE inside
  feed() => fed() & inside | no() & inside | no() & start;
  picture() => picture() & inside;
  tree() => forest() & inside;
  keeper() => pair() & inside;
  visit() => no() & stop;
  EVENT => roar();
  EVENT <= call().

+ANYSTATE
  flag() => flag().
"#;

/// What a service does under this contract.
pub trait Service: Send + Sync + 'static {
    /// What is kept for each connection.
    type Session: Send + Sync + 'static;

    /// A client uses the service for the first time on its connection.
    fn connect(&self, client: &Client) -> Self::Session;

    /// `visit()`
    ///
    /// In [`State::Start`].
    fn visit(
        &self,
        session: &Self::Session,
        request: Visit,
    ) -> impl Future<Output = Result<VisitAnswer, Failure>> + Send;

    /// `feed()`: what, and how much
    ///
    /// In [`State::Inside`].
    fn feed(
        &self,
        session: &Self::Session,
        request: Feed,
    ) -> impl Future<Output = Result<FeedAnswer, Failure>> + Send;

    /// `picture()`
    ///
    /// In [`State::Inside`].
    fn picture(
        &self,
        session: &Self::Session,
        request: Picture,
    ) -> impl Future<Output = Result<Picture, Failure>> + Send;

    /// `tree()`
    ///
    /// In [`State::Inside`].
    fn tree(
        &self,
        session: &Self::Session,
        request: Tree,
    ) -> impl Future<Output = Result<Forest, Failure>> + Send;

    /// `keeper()`
    ///
    /// In [`State::Inside`].
    fn keeper(
        &self,
        session: &Self::Session,
        request: Keeper,
    ) -> impl Future<Output = Result<Pair, Failure>> + Send;

    /// `visit()`
    ///
    /// In [`State::Inside`].
    fn inside_visit(
        &self,
        session: &Self::Session,
        request: Visit,
    ) -> impl Future<Output = Result<No, Failure>> + Send;

    /// `flag()`
    ///
    /// In every state.
    fn flag(
        &self,
        session: &Self::Session,
        request: Flag,
    ) -> impl Future<Output = Result<Flag, Failure>> + Send;

    /// Takes an event. By default it is ignored.
    fn event(&self, session: &Self::Session, event: EventIn) -> impl Future<Output = ()> + Send {
        let _ = session;
        drop(event);
        async {}
    }
}

/// The service as a handler for `ubf-server`, held against the contract.
///
/// # Errors
/// Never: the contract was well-formed when this code was written.
pub fn service<S: Service>(
    service: S,
    versions: &Versions,
) -> Result<Contracts<Served<S>>, ReadError> {
    let contract = Reader::new().read(CONTRACT)?;
    let served = Served { service, versions: versions.clone() };
    Ok(Contracts::new(served).version(versions, contract))
}

/// What calls a [`Service`].
#[derive(Debug)]
pub struct Served<S> {
    service: S,
    versions: Versions,
}

/// What is kept for a connection.
#[derive(Debug)]
pub struct Connection<S> {
    session: S,
    state: Mutex<State>,
}

impl<S> Connection<S> {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self, response: Term, next: State) -> Reply {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Reply::new(response, next.name())
    }
}

impl<S: Service> Handler for Served<S> {
    type State = Connection<S::Session>;

    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    fn connect(&self, client: &Client) -> Self::State {
        let session = self.service.connect(client);
        Connection { session, state: Mutex::new(State::ENTRY) }
    }

    async fn request(&self, call: Call<Self::State>) -> Result<Reply, Failure> {
        let connection = call.state();
        let state = connection.state();
        if state == State::Start
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.visit(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Inside
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.feed(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Inside
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.picture(&connection.session, request).await?;
            return Ok(connection.reply(to_term(&answer)?, State::Inside));
        }
        if state == State::Inside
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.tree(&connection.session, request).await?;
            return Ok(connection.reply(to_term(&answer)?, State::Inside));
        }
        if state == State::Inside
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.keeper(&connection.session, request).await?;
            return Ok(connection.reply(to_term(&answer)?, State::Inside));
        }
        if state == State::Inside
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.inside_visit(&connection.session, request).await?;
            return Ok(connection.reply(to_term(&answer)?, State::Stop));
        }
        if let Ok(request) = from_term(call.term()) {
            let answer = self.service.flag(&connection.session, request).await?;
            return Ok(connection.reply(to_term(&answer)?, state));
        }
        Ok(Reply::broken_contract(call.term(), &[], state.name()))
    }

    async fn event(&self, event: Call<Self::State>) {
        if let Ok(read) = EventIn::read(event.term()) {
            self.service.event(&event.state().session, read).await;
        }
    }
}

/// What a client may say under this contract.
pub trait Calls: Sync {
    /// `visit()`
    ///
    /// In [`State::Start`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn visit(
        &self,
        request: &Visit,
    ) -> impl Future<Output = Result<VisitAnswer, CallFailed>> + Send;

    /// `feed()`: what, and how much
    ///
    /// In [`State::Inside`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn feed(&self, request: &Feed) -> impl Future<Output = Result<FeedAnswer, CallFailed>> + Send;

    /// `picture()`
    ///
    /// In [`State::Inside`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn picture(
        &self,
        request: &Picture,
    ) -> impl Future<Output = Result<Picture, CallFailed>> + Send;

    /// `tree()`
    ///
    /// In [`State::Inside`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn tree(&self, request: &Tree) -> impl Future<Output = Result<Forest, CallFailed>> + Send;

    /// `keeper()`
    ///
    /// In [`State::Inside`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn keeper(&self, request: &Keeper) -> impl Future<Output = Result<Pair, CallFailed>> + Send;

    /// `visit()`
    ///
    /// In [`State::Inside`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn inside_visit(&self, request: &Visit) -> impl Future<Output = Result<No, CallFailed>> + Send;

    /// `flag()`
    ///
    /// In every state.
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn flag(&self, request: &Flag) -> impl Future<Output = Result<Flag, CallFailed>> + Send;

    /// Sends an event.
    ///
    /// # Errors
    /// It was not sent.
    fn send(&self, event: &EventIn) -> impl Future<Output = Result<(), CallFailed>> + Send;
}

impl Calls for ubf_client::Client {
    async fn visit(&self, request: &Visit) -> Result<VisitAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        VisitAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn feed(&self, request: &Feed) -> Result<FeedAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        FeedAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn picture(&self, request: &Picture) -> Result<Picture, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        match from_term(reply.response()) {
            Ok(response) if state == Some(State::Inside) => Ok(response),
            _ => Err(CallFailed::unexpected(&reply)),
        }
    }

    async fn tree(&self, request: &Tree) -> Result<Forest, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        match from_term(reply.response()) {
            Ok(response) if state == Some(State::Inside) => Ok(response),
            _ => Err(CallFailed::unexpected(&reply)),
        }
    }

    async fn keeper(&self, request: &Keeper) -> Result<Pair, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        match from_term(reply.response()) {
            Ok(response) if state == Some(State::Inside) => Ok(response),
            _ => Err(CallFailed::unexpected(&reply)),
        }
    }

    async fn inside_visit(&self, request: &Visit) -> Result<No, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        match from_term(reply.response()) {
            Ok(response) if state == Some(State::Stop) => Ok(response),
            _ => Err(CallFailed::unexpected(&reply)),
        }
    }

    async fn flag(&self, request: &Flag) -> Result<Flag, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        match from_term(reply.response()) {
            Ok(response) if state.is_some() => Ok(response),
            _ => Err(CallFailed::unexpected(&reply)),
        }
    }

    async fn send(&self, event: &EventIn) -> Result<(), CallFailed> {
        let event = event.to_term().map_err(CallFailed::Unwritable)?;
        self.cast(event).await.map_err(CallFailed::Call)
    }
}

/// Why a call has no answer that can be used.
#[derive(Debug)]
pub enum CallFailed {
    /// The call failed.
    Call(CallError),
    /// The request has no form in UBF. It was not sent.
    Unwritable(Error),
    /// The server answered what the contract does not say. The call has run.
    Unexpected {
        /// All that it sent.
        reply: Term,
    },
}

impl CallFailed {
    fn unexpected(reply: &ubf_client::Reply) -> Self {
        Self::Unexpected { reply: reply.body().to_term() }
    }
}

impl std::fmt::Display for CallFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Unwritable(error) => write!(f, "the request has no form: {error}"),
            Self::Unexpected { reply } => write!(f, "no answer that the contract knows: {reply}"),
        }
    }
}

impl std::error::Error for CallFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => Some(error),
            Self::Unwritable(error) => Some(error),
            Self::Unexpected { .. } => None,
        }
    }
}
