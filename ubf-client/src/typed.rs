//! Calls and events whose contents are Rust values, by way of serde (feature `serde`).

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use serde_core::Serialize;
use serde_core::de::{Deserialize, DeserializeOwned, Error as _};
use tracing::debug;
use ubf_codec::serde::{Error, from_term, to_vec};
use ubf_codec::{Term, Text, Version, Versioned, VersionedError, View};
use ubf_proto::client::CallError;

use crate::call::{Call, Cast};
use crate::call_table::unknown;
use crate::events::{Events, Incoming};
use crate::handle::{Client, ReadCrashed};
use crate::reply::{Event, Reply};
use crate::request::{Kind, Request, Source, Unsupported, as_event, is_event_in};

impl Client {
    /// Makes a call with a request that is a Rust value, and reads the response as a `T`.
    ///
    /// The request is written here, and is the same in all versions. For one that is not, hand
    /// [`call`](Self::call) a closure, and read the reply with [`Call::typed`].
    ///
    /// ```no_run
    /// use serde::{Deserialize, Serialize};
    /// use ubf_client::{Client, TypedCallError};
    ///
    /// #[derive(Serialize)]
    /// #[serde(rename_all = "snake_case")]
    /// enum Request {
    ///     Get(String),
    ///     Put { key: String, value: u32 },
    /// }
    ///
    /// #[derive(Deserialize, Debug)]
    /// #[serde(rename_all = "snake_case")]
    /// enum Response {
    ///     Ok,
    ///     Value(Option<u32>),
    /// }
    ///
    /// # async fn example(client: Client) {
    /// // On the wire: 3 {'get'"colour"}$, and 3 ? {{'value'7}'start'}$
    /// match client.call_typed::<Response>(&Request::Get("colour".into())).await {
    ///     Ok(reply) => println!("{:?} in version {}", reply.response, reply.version),
    ///     Err(TypedCallError::Unreadable { error, .. }) => println!("it has run: {error}"),
    ///     Err(error) => println!("{error}; may it have run? {}", error.may_have_run()),
    /// }
    /// # }
    /// ```
    pub fn call_typed<T: DeserializeOwned>(
        &self,
        request: &(impl Serialize + ?Sized),
    ) -> TypedCall<T> {
        let call =
            written(request).map(|body| Call::new(self.message(Source::Body(body), Kind::Request)));
        TypedCall { call: call.map_err(Some), read: Reply::typed }
    }

    /// Makes a call with a request that has a form in each version, and reads the response as a
    /// message of its version: what differs between versions is said once, where the messages are.
    ///
    /// The versions that the program has are those of its messages:
    /// `Client::builder().versions(Request::VERSIONS.iter().map(|version| version.get()))`. A
    /// request that has no form in the version in force ends as
    /// [`CallError::Inexpressible`](crate::CallError::Inexpressible), and the log says why.
    ///
    /// ```no_run
    /// use ubf_client::Client;
    /// use ubf_codec::Versioned;
    ///
    /// # async fn example<Request: Versioned + Send + 'static, Response: Versioned>(client: Client, request: Request)
    /// # -> Result<Response, ubf_client::TypedCallError> {
    /// let reply = client.call_versioned::<Response>(request).idempotent().await?;
    /// # Ok(reply.response)
    /// # }
    /// ```
    pub fn call_versioned<T: Versioned>(
        &self,
        request: impl Versioned + Send + 'static,
    ) -> TypedCall<T> {
        TypedCall { call: Ok(self.call(in_version(request))), read: Reply::versioned }
    }

    /// Sends an event that has a form in each version.
    pub fn cast_versioned(&self, event: impl Versioned + Send + 'static) -> Cast {
        self.cast(in_version(event))
    }

    /// Sends an event that is a Rust value, the same in all versions:
    /// `client.cast_typed(&event)?.await`.
    ///
    /// # Errors
    /// If the event has no form in UBF. Nothing was sent.
    pub fn cast_typed(&self, event: &(impl Serialize + ?Sized)) -> Result<Cast, Error> {
        let body = as_event(&to_vec(event)?).into();
        Ok(Cast::new(self.message(Source::Body(body), Kind::Event)))
    }
}

/// A message as it is written for each version.
fn in_version(message: impl Versioned + Send + 'static) -> impl Request {
    move |version: Version| {
        message.to_term(version).map_err(|error| {
            debug!(%version, %error, "a message has no form");
            Unsupported
        })
    }
}

/// The body of a request.
fn written(request: &(impl Serialize + ?Sized)) -> Result<Bytes, Error> {
    let body = to_vec(request)?;
    // P3: the server would take it for an event, and never reply.
    if body.starts_with(b"{'event_in'")
        && ubf_codec::decode(&body).is_ok_and(|body| is_event_in(body.root()))
    {
        return Err(<Error as serde_core::ser::Error>::custom(
            "a request {'event_in',_} would be taken for an event",
        ));
    }
    Ok(body.into())
}

impl Call {
    /// Reads the response as a `T`. With a closure that writes the request for each version, one
    /// program speaks several:
    ///
    /// ```no_run
    /// use serde::{Deserialize, Serialize};
    /// use ubf_client::{Client, TypedCallError, Unsupported};
    /// use ubf_codec::serde::to_term;
    /// use ubf_codec::{Term, Version};
    ///
    /// #[derive(Serialize)]
    /// #[serde(rename = "get")]
    /// struct Get(&'static str);
    ///
    /// // Since version 3.
    /// #[derive(Serialize)]
    /// #[serde(rename = "fetch")]
    /// struct Fetch {
    ///     key: &'static str,
    ///     max_bytes: u32,
    /// }
    ///
    /// # async fn example(client: Client) -> Result<(), TypedCallError> {
    /// let request = |version: Version| -> Result<Term, Unsupported> {
    ///     Ok(match version.get() {
    ///         1 | 2 => to_term(&Get("colour"))?,
    ///         _ => to_term(&Fetch { key: "colour", max_bytes: 100 })?,
    ///     })
    /// };
    /// let reply = client.call(request).idempotent().typed::<String>().await?;
    /// println!("{}", reply.response);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// If the responses differ as well, look at [`Reply::version`] and then read with
    /// [`Reply::response_as`].
    pub fn typed<T: DeserializeOwned>(self) -> TypedCall<T> {
        TypedCall { call: Ok(self), read: Reply::typed }
    }
}

/// A call whose response is read as a `T`: a future, made when it is first polled, as a [`Call`]
/// is.
#[must_use = "a call is made when it is awaited"]
pub struct TypedCall<T> {
    /// `Err(None)` when it was told that it cannot be written.
    call: Result<Call, Option<Error>>,
    read: fn(&Reply) -> Result<TypedReply<T>, Error>,
}

impl<T> TypedCall<T> {
    /// As [`Call::within`].
    pub fn within(self, time: std::time::Duration) -> Self {
        Self { call: self.call.map(|call| call.within(time)), ..self }
    }

    /// As [`Call::idempotent`].
    pub fn idempotent(self) -> Self {
        Self { call: self.call.map(Call::idempotent), ..self }
    }
}

impl<T> Future for TypedCall<T> {
    type Output = Result<TypedReply<T>, TypedCallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { call, read } = self.get_mut();
        let call = match call {
            Ok(call) => call,
            Err(error) => {
                debug_assert!(error.is_some(), "a future is not polled after its end");
                let error = error
                    .take()
                    .map_or(TypedCallError::Call(unknown()), TypedCallError::Unwritable);
                return Poll::Ready(Err(error));
            }
        };
        let client = call.client().cloned();
        let reply = ready!(Pin::new(call).poll(cx))?;
        let Some(client) = client else { return Poll::Ready(Err(unknown().into())) };
        // N11: the call has run. Code that reads may crash; the version is to blame, and not the
        // call.
        Poll::Ready(match client.read(&reply, *read)? {
            Ok(reply) => Ok(reply),
            Err(error) => Err(TypedCallError::of(reply, error)),
        })
    }
}

/// The reply to a typed call. It holds no part of the buffer that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedReply<T> {
    /// What the server answered.
    pub response: T,
    /// The state that the server is in after it.
    pub state: Text,
    /// The version that request and reply are written in.
    pub version: Version,
}

impl Reply {
    /// The [response](Self::response) as a Rust value, which may borrow from the reply.
    ///
    /// # Errors
    /// If the response is not what the type expects. The call has run (N11). The error says where:
    /// its offset counts the bytes of [`body`](Self::body).
    pub fn response_as<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        from_term(self.response())
    }

    /// The [response](Self::response) as a message that has a form in the reply's version.
    ///
    /// # Errors
    /// If it is not one in this version. The call has run (N11).
    pub fn response_versioned<T: Versioned>(&self) -> Result<T, VersionedError> {
        T::from_term(self.version(), self.response())
    }

    fn typed<T: DeserializeOwned>(&self) -> Result<TypedReply<T>, Error> {
        let response = self.response_as()?;
        self.with_state(response)
    }

    fn versioned<T: Versioned>(&self) -> Result<TypedReply<T>, Error> {
        let response = self.response_versioned().map_err(Error::custom)?;
        self.with_state(response)
    }

    fn with_state<T>(&self, response: T) -> Result<TypedReply<T>, Error> {
        let state = self
            .state()
            .and_then(|state| if let View::Atom(name) = state.view() { Some(name) } else { None });
        let state = state.ok_or_else(|| {
            Error::custom("expected a response and the name of a state, {Response,'State'}")
        })?;
        Ok(TypedReply { response, state: state.to_text(), version: self.version() })
    }
}

/// What became of a typed call that has no response. [`may_have_run`](Self::may_have_run) tells
/// what the caller must know.
#[derive(Debug)]
#[non_exhaustive]
pub enum TypedCallError {
    /// The request has no form in UBF: a NaN, say. It was not sent.
    Unwritable(Error),
    /// The call ended without a reply.
    Call(CallError),
    /// L3: the server answered `{'clientBrokeContract',Request,Expected}`. The call has not run.
    BrokeContract {
        /// The version whose contract is meant.
        version: Version,
        /// What the server expected: a list of sentences or shapes.
        expected: Term,
    },
    /// N11: the call **has run**, and its reply is not what the type expects. It is not made again.
    Unreadable {
        /// What came.
        reply: Box<Reply>,
        /// What was expected and where: the part of the response, and the byte of the reply's
        /// body.
        error: Error,
    },
    /// N11: the call **has run**, and the code that reads the reply crashed. Its version is in
    /// quarantine.
    ReadCrashed(ReadCrashed),
}

impl TypedCallError {
    /// What a reply means that is not what its type expects.
    fn of(reply: Reply, error: Error) -> Self {
        if let View::Tuple(response) = reply.response().view()
            && let Some([name, _request, expected]) = response.to_array()
            && name.is_atom("clientBrokeContract")
        {
            return Self::BrokeContract { version: reply.version(), expected: expected.to_term() };
        }
        Self::Unreadable { reply: Box::new(reply), error }
    }

    /// Whether the server may have executed the call. If not, it is safe to call again.
    #[must_use]
    pub const fn may_have_run(&self) -> bool {
        match self {
            Self::Unwritable(_) | Self::BrokeContract { .. } => false,
            Self::Call(error) => error.may_have_run(),
            Self::Unreadable { .. } | Self::ReadCrashed(_) => true,
        }
    }
}

impl fmt::Display for TypedCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwritable(error) => write!(f, "the request cannot be written: {error}"),
            Self::Call(error) => error.fmt(f),
            Self::BrokeContract { version, expected } => {
                write!(
                    f,
                    "the server says that the request breaks the contract of version {version}: {}",
                    expected.as_ref()
                )
            }
            Self::Unreadable { reply, error } => {
                write!(
                    f,
                    "the call has run, and its reply in version {} cannot be read: {error}",
                    reply.version()
                )
            }
            Self::ReadCrashed(crashed) => crashed.fmt(f),
        }
    }
}

impl StdError for TypedCallError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unwritable(error) | Self::Unreadable { error, .. } => Some(error),
            Self::Call(error) => Some(error),
            Self::BrokeContract { .. } => None,
            Self::ReadCrashed(crashed) => Some(crashed),
        }
    }
}

impl From<CallError> for TypedCallError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<ReadCrashed> for TypedCallError {
    fn from(crashed: ReadCrashed) -> Self {
        Self::ReadCrashed(crashed)
    }
}

impl From<Error> for Unsupported {
    /// For closures that write a request for each version: what cannot be written has no words in
    /// that version.
    fn from(_: Error) -> Self {
        Self
    }
}

impl Events {
    /// Reads each event as a `T`.
    ///
    /// ```no_run
    /// use serde::Deserialize;
    /// use ubf_client::{Client, Incoming};
    ///
    /// #[derive(Deserialize, Debug)]
    /// #[serde(rename_all = "snake_case")]
    /// enum News {
    ///     Joined(String),
    ///     Left { name: String, why: Option<String> },
    /// }
    ///
    /// # async fn example(client: Client) {
    /// let mut events = client.events().expect("nobody else reads them").typed::<News>();
    /// while let Some(incoming) = events.recv().await {
    ///     match incoming {
    ///         Incoming::Event(Ok(event)) => println!("{:?} in version {}", event.event, event.version),
    ///         Incoming::Event(Err(unreadable)) => println!("{unreadable}"),
    ///         Incoming::Missed(count) => println!("{count} events are missing here"),
    ///         _ => {}
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn typed<T: DeserializeOwned>(self) -> TypedEvents<T> {
        TypedEvents { events: self, read: |event| event.event_as() }
    }

    /// Reads each event as a message of its version.
    #[must_use]
    pub fn versioned<T: Versioned>(self) -> TypedEvents<T> {
        let read = |event: &Event| event.event_versioned().map_err(Error::custom);
        TypedEvents { events: self, read }
    }
}

/// The events of a server, each read as a `T`: see [`Events`].
#[derive(Debug)]
pub struct TypedEvents<T> {
    events: Events,
    read: fn(&Event) -> Result<T, Error>,
}

impl<T> TypedEvents<T> {
    /// What comes next; `None` when the client has ended. Nothing is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Incoming<Result<TypedEvent<T>, UnreadableEvent>>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// As [`Events::next_event`].
    pub async fn next_event(&mut self) -> Option<Result<TypedEvent<T>, UnreadableEvent>> {
        loop {
            if let Some(event) = self.recv().await?.event() {
                return Some(event);
            }
        }
    }

    /// As [`Events::missed`].
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.events.missed()
    }
}

impl<T> Stream for TypedEvents<T> {
    /// An event that is not what the type expects is an error; the next one may be.
    type Item = Incoming<Result<TypedEvent<T>, UnreadableEvent>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { events, read } = self.get_mut();
        let incoming = ready!(events.poll_recv(cx));
        Poll::Ready(incoming.map(|incoming| match incoming {
            Incoming::Event(event) => Incoming::Event(match read(&event) {
                Ok(read) => Ok(TypedEvent { event: read, version: event.version() }),
                Err(error) => Err(UnreadableEvent { event: Box::new(event), error }),
            }),
            Incoming::Missed(count) => Incoming::Missed(count),
            Incoming::MissedSome => Incoming::MissedSome,
            Incoming::NewSession { session, connection } => {
                Incoming::NewSession { session, connection }
            }
            Incoming::Resumed { session, connection } => Incoming::Resumed { session, connection },
            Incoming::NewConnection(connection) => Incoming::NewConnection(connection),
        }))
    }
}

/// An event of a server that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypedEvent<T> {
    /// What it says.
    pub event: T,
    /// The version that it is written in.
    pub version: Version,
}

impl Event {
    /// The [event](Self::event) as a Rust value, which may borrow from it.
    ///
    /// # Errors
    /// If the event is not what the type expects. The error says where: its offset counts the bytes
    /// of [`body`](Self::body).
    pub fn event_as<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        from_term(self.event())
    }

    /// The [event](Self::event) as a message that has a form in its version.
    ///
    /// # Errors
    /// If it is not one in this version.
    pub fn event_versioned<T: Versioned>(&self) -> Result<T, VersionedError> {
        T::from_term(self.version(), self.event())
    }
}

/// An event that is not what its type expects.
#[derive(Debug)]
pub struct UnreadableEvent {
    /// What came.
    pub event: Box<Event>,
    /// What was expected and where: the part of the event, and the byte of its packet's body.
    pub error: Error,
}

impl fmt::Display for UnreadableEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event in version {} cannot be read: {}", self.event.version(), self.error)
    }
}

impl StdError for UnreadableEvent {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}

impl<T> fmt::Debug for TypedCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedCall").field(&self.call).finish()
    }
}
