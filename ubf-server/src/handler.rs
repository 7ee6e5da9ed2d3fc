//! What a service does: the trait that its author implements, and what it is given.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ubf_codec::{Document, Elements, Encoder, Term, TermRef, Text, Version, View};
use ubf_net::Peer;
use ubf_proto::server::Message;
use ubf_proto::{Service, Versions};

use crate::mailbox::{Event, Mailbox};

/// The code of a service: what it does with requests and events, in each of its versions.
///
/// [`Handlers`](crate::Handlers) makes one out of closures.
///
/// Handlers of one connection run in its task: requests are begun in their order, and while one
/// waits the next ones run. Their replies go out in the order of the requests, whichever is ready
/// first (P5). Work that keeps a processor busy belongs into [`tokio::task::spawn_blocking`].
///
/// A panic costs its own call, which is answered `failed`, and nothing else; a version that panics
/// again and again is withdrawn for a while (N6). The state of the connection is kept: a handler
/// that may panic should leave it whole. So should one that may take longer than
/// [`max_call_time`](crate::ServerLimits::max_call_time): it is dropped where it waits, and its
/// call is answered `failed`.
pub trait Handler: Send + Sync + 'static {
    /// What is kept for each connection. It is dropped with the connection.
    type State: Send + Sync + 'static;

    /// The versions of the contract that this code speaks.
    fn versions(&self) -> Versions;

    /// A client uses this service for the first time on its connection.
    fn connect(&self, client: &Client) -> Self::State;

    /// Answers a request, in the version that it came in.
    fn request(&self, call: Call<Self::State>) -> impl Future<Output = Reply> + Send;

    /// Takes an event. By default it is ignored.
    fn event(&self, event: Call<Self::State>) -> impl Future<Output = ()> + Send {
        drop(event);
        async {}
    }
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) peer: Peer,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl Client {
    /// Where the client is.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// A way to send the client events, for as long as the connection lives.
    #[must_use]
    pub fn events(&self) -> EventSender {
        EventSender(Arc::clone(&self.mailbox))
    }
}

/// A request or an event, and the connection that it came on.
#[derive(Debug)]
pub struct Call<S> {
    pub(crate) message: Message,
    pub(crate) is_event: bool,
    pub(crate) connection: Arc<Connected<S>>,
}

/// A client, and what its service keeps for it.
#[derive(Debug)]
pub(crate) struct Connected<S> {
    pub(crate) client: Client,
    pub(crate) state: S,
}

impl<S> Call<S> {
    /// The request, or the event without the `event_in` around it.
    #[must_use]
    pub fn term(&self) -> TermRef<'_> {
        let root = self.message.body.root();
        let View::Tuple(event) = root.view() else { return root };
        if self.is_event { event.get(1).unwrap_or(root) } else { root }
    }

    /// The packet's body as it came.
    #[must_use]
    pub const fn body(&self) -> &Document<Bytes> {
        &self.message.body
    }

    /// The body's bytes without the `$`: they leave one term on the stack, and do so inside of a
    /// tuple, too.
    pub(crate) fn source(&self) -> &[u8] {
        let packet = self.body().source().trim_ascii_start();
        packet.strip_suffix(b"$").unwrap_or(packet)
    }

    /// The version that it is written in, and that the reply is read in.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.message.version
    }

    /// The service that the client asked for.
    #[must_use]
    pub const fn service(&self) -> &Service {
        &self.message.service
    }

    /// Which packet of the connection it is, counted from 1 (P6).
    #[must_use]
    pub const fn packet(&self) -> u64 {
        self.message.packet
    }

    /// Where the client is.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.connection.client.peer
    }

    /// A way to send the client events.
    #[must_use]
    pub fn events(&self) -> EventSender {
        self.connection.client.events()
    }

    /// What the service keeps for this connection.
    #[must_use]
    pub fn state(&self) -> &S {
        &self.connection.state
    }
}

/// An answer: `{Response,State}`, where the state is the one that UBF(C) is in.
///
/// ```
/// use ubf_codec::ubf;
/// use ubf_server::Reply;
///
/// assert_eq!(&Reply::new(ubf!({ok, 1}), "start").into_body()[..], b"{{'ok'1}'start'}$");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply(Bytes);

impl Reply {
    /// A response, and the name of the state in which the service is after it.
    #[must_use]
    pub fn new(response: impl Into<Term>, state: impl Into<Text>) -> Self {
        let reply = Term::tuple([response.into(), Term::atom(state)]);
        Self(Encoder::new().encode(&reply).into())
    }

    /// `{Response,State}` that is encoded already, up to and with its `$`. It is sent as it is, and
    /// not checked.
    #[must_use]
    pub fn encoded(body: impl Into<Bytes>) -> Self {
        Self(body.into())
    }

    /// L3: the client sent what its contract does not allow in this version; `expected` says what
    /// it does. The session goes on.
    #[must_use]
    pub fn broken_contract(
        request: TermRef<'_>,
        expected: &[&str],
        state: impl Into<Text>,
    ) -> Self {
        let expected: Elements = expected.iter().map(|&shape| Term::from(shape)).collect();
        let name = Term::atom(Text::from_static("clientBrokeContract"));
        Self::new(Term::tuple([name, request.to_term(), Term::List(expected)]), state)
    }

    /// The body of the reply's packet.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.0
    }
}

/// Sends events to the client of one connection. Cheap to clone, and may outlive the connection.
#[derive(Clone, Debug)]
pub struct EventSender(Arc<Mailbox>);

impl EventSender {
    /// Sends `{'event_out',Event}` in this version. Waits while the client does not read.
    ///
    /// # Errors
    /// [`EventError::Closed`] if the connection is gone.
    pub async fn send(&self, version: Version, event: impl Into<Term>) -> Result<(), EventError> {
        let is_sent = self.0.send(encoded(version, event.into())).await;
        if is_sent { Ok(()) } else { Err(EventError::Closed) }
    }

    /// Sends an event without waiting.
    ///
    /// # Errors
    /// [`EventError::Full`] if the client does not read what it was sent, [`EventError::Closed`] if
    /// the connection is gone.
    pub fn try_send(&self, version: Version, event: impl Into<Term>) -> Result<(), EventError> {
        match self.0.try_send(encoded(version, event.into())) {
            Some(true) => Ok(()),
            Some(false) => Err(EventError::Full),
            None => Err(EventError::Closed),
        }
    }
}

fn encoded(version: Version, event: Term) -> Event {
    let body = Term::tuple([Term::Atom(Text::from_static("event_out")), event]);
    Event { version, body: Encoder::new().encode(&body).into() }
}

/// Why an event was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventError {
    /// The connection is gone.
    Closed,
    /// The client does not read what it was sent.
    Full,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection is gone",
            Self::Full => "the client does not read its events",
        })
    }
}

impl std::error::Error for EventError {}
