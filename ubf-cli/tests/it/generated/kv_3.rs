//! The service `kv`, as its contract says.
//!
//! Written by `ubf contract rust`.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use ubf_client::CallError;
use ubf_codec::serde::{Error, from_term, to_term};
use ubf_codec::{Term, TermRef, View};
use ubf_contract::{ReadError, Reader};
use ubf_server::{Call, Client, Contracts, Failure, Handler, Reply, Versions};

/// `{get, key()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "get")]
pub struct Get {
    /// `key()`
    pub key: Key,
}

/// a value that is undefined deletes
///
/// `{put, key(), slot()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "put")]
pub struct Put {
    /// `key()`
    pub key: Key,
    /// `slot()`
    pub slot: Slot,
}

/// `{delete, key()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "delete")]
pub struct Delete {
    /// `key()`
    pub key: Key,
}

/// key, old value, new value
///
/// `{cas, key(), slot(), slot()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "cas")]
pub struct Cas {
    /// `key()`
    pub key: Key,
    /// `slot()`
    pub slot: Slot,
    /// `slot()`
    pub slot_2: Slot,
}

/// the key after which the page begins, and the most entries
///
/// `{scan, key(), 1..1000}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "scan")]
pub struct Scan {
    /// `key()`
    pub key: Key,
    /// `1..1000`
    pub number: u16,
}

/// `{value, value(), revision()} | {value, undefined, 0}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "value")]
pub struct Found {
    /// `value() | undefined`
    pub value: Term,
    /// `revision() | 0`
    pub revision: u64,
}

/// `{conflict, value(), revision()} | {conflict, undefined, 0}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "conflict")]
pub struct Conflict {
    /// `value() | undefined`
    pub value: Term,
    /// `revision() | 0`
    pub revision: u64,
}

/// the number of changes so far
///
/// `{ok, non_neg_integer()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "ok")]
pub struct Done {
    /// `non_neg_integer()`
    pub number: u64,
}

/// the store has no room for it
///
/// `{error, full}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "error")]
pub struct Full {
    /// `full`
    pub full: FullValue,
}

/// What stands in `full()`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "full")]
pub struct FullValue;

/// the key to go on after; undefined at the end
///
/// `{page, [entry()], key()}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "page")]
pub struct Page {
    /// `[entry()]`
    pub items: Vec<Entry>,
    /// `key()`
    pub key: Key,
}

/// `{key(), value(), revision()}`
pub type Entry = (Key, Value, Revision);

/// `any()`
pub type Key = Term;

/// `any(nonundefined)`
pub type Value = Term;

/// a value, or undefined if there is none
///
/// `any()`
pub type Slot = Term;

/// `pos_integer()`
pub type Revision = u64;

/// The states of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// `start`
    Start,
}

impl State {
    /// The state in which sessions begin.
    pub const ENTRY: Self = Self::Start;

    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
        }
    }

    /// The state of that name, which is an atom.
    #[must_use]
    pub fn of_term(name: TermRef<'_>) -> Option<Self> {
        let View::Atom(name) = name.view() else { return None };
        Some(match name.to_latin1().as_str() {
            "start" => Self::Start,
            _ => return None,
        })
    }
}

/// How `put` ends in [`State::Start`].
#[derive(Clone, Debug, PartialEq)]
pub enum PutAnswer {
    /// `done()`: the number of changes so far
    /// Then the state is [`State::Start`].
    Done(Done),
    /// `full()`: the store has no room for it
    /// Then the state is [`State::Start`].
    Full(Full),
}

impl PutAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Done(response) => (to_term(response)?, State::Start),
            Self::Full(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Done(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Full(response));
        }
        None
    }
}

/// How `cas` ends in [`State::Start`].
#[derive(Clone, Debug, PartialEq)]
pub enum CasAnswer {
    /// `done()`: the number of changes so far
    /// Then the state is [`State::Start`].
    Done(Done),
    /// `conflict()`
    /// Then the state is [`State::Start`].
    Conflict(Conflict),
    /// `full()`: the store has no room for it
    /// Then the state is [`State::Start`].
    Full(Full),
}

impl CasAnswer {
    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
            Self::Done(response) => (to_term(response)?, State::Start),
            Self::Conflict(response) => (to_term(response)?, State::Start),
            Self::Full(response) => (to_term(response)?, State::Start),
        })
    }

    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Done(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Conflict(response));
        }
        if state == State::Start
            && let Ok(response) = from_term(response)
        {
            return Some(Self::Full(response));
        }
        None
    }
}

/// The contract in UBF(B).
pub const CONTRACT: &str = r#"% The store, version 3: replies say the revision of what they are about, and keys are read in pages.
+NAME("kv").
+VSN("3").

+TYPES
  get() :: {get, key()};
  put() :: {put, key(), slot()} "a value that is undefined deletes";
  delete() :: {delete, key()};
  cas() :: {cas, key(), slot(), slot()} "key, old value, new value";
  scan() :: {scan, key(), 1..1000} "the key after which the page begins, and the most entries";
  found() :: {value, value(), revision()} | {value, undefined, 0};
  conflict() :: {conflict, value(), revision()} | {conflict, undefined, 0};
  done() :: {ok, non_neg_integer()} "the number of changes so far";
  full() :: {error, full} "the store has no room for it";
  page() :: {page, [entry()], key()} "the key to go on after; undefined at the end";
  entry() :: {key(), value(), revision()};
  key() :: any();
  value() :: any(nonundefined);
  slot() :: any() "a value, or undefined if there is none";
  revision() :: pos_integer().

+STATE start
  get() => found() & start;
  put() => done() & start | full() & start;
  delete() => done() & start;
  cas() => done() & start | conflict() & start | full() & start;
  scan() => page() & start.
"#;

/// What a service does under this contract.
pub trait Service: Send + Sync + 'static {
    /// What is kept for each connection.
    type Session: Send + Sync + 'static;

    /// A client uses the service for the first time on its connection.
    fn connect(&self, client: &Client) -> Self::Session;

    /// `get()`
    ///
    /// In [`State::Start`].
    fn get(
        &self,
        session: &Self::Session,
        request: Get,
    ) -> impl Future<Output = Result<Found, Failure>> + Send;

    /// `put()`: a value that is undefined deletes
    ///
    /// In [`State::Start`].
    fn put(
        &self,
        session: &Self::Session,
        request: Put,
    ) -> impl Future<Output = Result<PutAnswer, Failure>> + Send;

    /// `delete()`
    ///
    /// In [`State::Start`].
    fn delete(
        &self,
        session: &Self::Session,
        request: Delete,
    ) -> impl Future<Output = Result<Done, Failure>> + Send;

    /// `cas()`: key, old value, new value
    ///
    /// In [`State::Start`].
    fn cas(
        &self,
        session: &Self::Session,
        request: Cas,
    ) -> impl Future<Output = Result<CasAnswer, Failure>> + Send;

    /// `scan()`: the key after which the page begins, and the most entries
    ///
    /// In [`State::Start`].
    fn scan(
        &self,
        session: &Self::Session,
        request: Scan,
    ) -> impl Future<Output = Result<Page, Failure>> + Send;
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
            let answer = self.service.get(&connection.session, request).await?;
            return Ok(connection.reply(to_term(&answer)?, State::Start));
        }
        if state == State::Start
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.put(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Start
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.delete(&connection.session, request).await?;
            return Ok(connection.reply(to_term(&answer)?, State::Start));
        }
        if state == State::Start
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.cas(&connection.session, request).await?;
            let (response, next) = answer.write()?;
            return Ok(connection.reply(response, next));
        }
        if state == State::Start
            && let Ok(request) = from_term(call.term())
        {
            let answer = self.service.scan(&connection.session, request).await?;
            return Ok(connection.reply(to_term(&answer)?, State::Start));
        }
        Ok(Reply::broken_contract(call.term(), &[], state.name()))
    }
}

/// What a client may say under this contract.
pub trait Calls: Sync {
    /// `get()`
    ///
    /// In [`State::Start`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn get(&self, request: &Get) -> impl Future<Output = Result<Found, CallFailed>> + Send;

    /// `put()`: a value that is undefined deletes
    ///
    /// In [`State::Start`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn put(&self, request: &Put) -> impl Future<Output = Result<PutAnswer, CallFailed>> + Send;

    /// `delete()`
    ///
    /// In [`State::Start`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn delete(&self, request: &Delete) -> impl Future<Output = Result<Done, CallFailed>> + Send;

    /// `cas()`: key, old value, new value
    ///
    /// In [`State::Start`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn cas(&self, request: &Cas) -> impl Future<Output = Result<CasAnswer, CallFailed>> + Send;

    /// `scan()`: the key after which the page begins, and the most entries
    ///
    /// In [`State::Start`].
    ///
    /// # Errors
    /// The call failed, or the answer is not what the contract says.
    fn scan(&self, request: &Scan) -> impl Future<Output = Result<Page, CallFailed>> + Send;
}

impl Calls for ubf_client::Client {
    async fn get(&self, request: &Get) -> Result<Found, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        match from_term(reply.response()) {
            Ok(response) if state == Some(State::Start) => Ok(response),
            _ => Err(CallFailed::unexpected(&reply)),
        }
    }

    async fn put(&self, request: &Put) -> Result<PutAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        PutAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn delete(&self, request: &Delete) -> Result<Done, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        match from_term(reply.response()) {
            Ok(response) if state == Some(State::Start) => Ok(response),
            _ => Err(CallFailed::unexpected(&reply)),
        }
    }

    async fn cas(&self, request: &Cas) -> Result<CasAnswer, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        CasAnswer::read(reply.response(), state).ok_or_else(|| CallFailed::unexpected(&reply))
    }

    async fn scan(&self, request: &Scan) -> Result<Page, CallFailed> {
        let request = to_term(request).map_err(CallFailed::Unwritable)?;
        let reply = self.call(request).await.map_err(CallFailed::Call)?;
        let state = reply.state().and_then(State::of_term);
        match from_term(reply.response()) {
            Ok(response) if state == Some(State::Start) => Ok(response),
            _ => Err(CallFailed::unexpected(&reply)),
        }
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
