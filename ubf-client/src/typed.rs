//! Calls and events whose contents are Rust values, by way of serde (feature `serde`).

use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use serde_core::Serialize;
use serde_core::de::{Deserialize, DeserializeOwned, Error as _};
use ubf_codec::serde::{Error, from_term, to_vec};
use ubf_codec::{Term, Text, Version, View};
use ubf_proto::client::CallError;

use crate::call::{Call, Cast};
use crate::call_table::unknown;
use crate::events::{Events, Incoming};
use crate::handle::{Client, ReadCrashed};
use crate::reply::{Event, Reply};
use crate::request::{Source, Unsupported, as_event, is_event_in};

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
    ///     Ok(reply) => println!("{:?} in version {}, state {}", reply.response, reply.version, reply.state.to_latin1()),
    ///     Err(TypedCallError::Unreadable { error, .. }) => println!("it has run, but what it said is new to us: {error}"),
    ///     Err(error) => println!("{error}; may it have run? {}", error.may_have_run()),
    /// }
    /// # }
    /// ```
    pub fn call_typed<T: DeserializeOwned>(
        &self,
        request: &(impl Serialize + ?Sized),
    ) -> TypedCall<T> {
        let call = written(request).map(|body| Call::new(self.message(Source::Body(body))));
        TypedCall { call: call.map_err(Some), response: PhantomData }
    }

    /// Sends an event that is a Rust value, the same in all versions:
    /// `client.cast_typed(&event)?.await`.
    ///
    /// # Errors
    /// If the event has no form in UBF. Nothing was sent.
    pub fn cast_typed(&self, event: &(impl Serialize + ?Sized)) -> Result<Cast, Error> {
        Ok(Cast::new(self.message(Source::Body(as_event(&to_vec(event)?).into()))))
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
        TypedCall { call: Ok(self), response: PhantomData }
    }
}

/// A call whose response is read as a `T`: a future, made when it is first polled, as a [`Call`] is.
#[must_use = "a call is made when it is awaited"]
pub struct TypedCall<T> {
    /// `Err(None)` when it was told that it cannot be written.
    call: Result<Call, Option<Error>>,
    response: PhantomData<fn() -> T>,
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

impl<T: DeserializeOwned> Future for TypedCall<T> {
    type Output = Result<TypedReply<T>, TypedCallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = match &mut self.get_mut().call {
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
        Poll::Ready(match client.read(&reply, Reply::typed)? {
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

    fn typed<T: DeserializeOwned>(&self) -> Result<TypedReply<T>, Error> {
        let state = self
            .state()
            .and_then(|state| if let View::Atom(name) = state.view() { Some(name) } else { None });
        let state = state.ok_or_else(|| {
            Error::custom("expected a response and the name of a state, {Response,'State'}")
        })?;
        Ok(TypedReply {
            response: self.response_as()?,
            state: state.to_text(),
            version: self.version(),
        })
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
        TypedEvents { events: self, event: PhantomData }
    }
}

/// The events of a server, each read as a `T`: see [`Events`].
#[derive(Debug)]
pub struct TypedEvents<T> {
    events: Events,
    event: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> TypedEvents<T> {
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

impl<T: DeserializeOwned> Stream for TypedEvents<T> {
    /// An event that is not what the type expects is an error; the next one may be.
    type Item = Incoming<Result<TypedEvent<T>, UnreadableEvent>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let incoming = ready!(self.get_mut().events.poll_recv(cx));
        Poll::Ready(incoming.map(|incoming| match incoming {
            Incoming::Event(event) => Incoming::Event(match event.event_as() {
                Ok(read) => Ok(TypedEvent { event: read, version: event.version() }),
                Err(error) => Err(UnreadableEvent { event: Box::new(event), error }),
            }),
            Incoming::Missed(count) => Incoming::Missed(count),
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
