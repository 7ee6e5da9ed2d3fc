//! What a service does: the trait that its author implements, and what it is given.

use std::sync::Arc;

use bytes::Bytes;
use ubf_codec::{Document, TermRef, Text, Version, View};
use ubf_net::Peer;
use ubf_proto::server::Message;
use ubf_proto::{Context, Service, Versions};

use crate::event::{EventGate, EventSender};
use crate::failure::Failure;
use crate::mailbox::Mailbox;
use crate::reply::Reply;
use crate::turns::{Turn, Turns};
use crate::versions::HandlerError;

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

    /// T11: pins the service. While the state in a client's last reply is not this one, the client
    /// is told of no other server: a move would lose what it has here. `None`: clients may always
    /// go.
    fn pinned_outside(&self) -> Option<Text> {
        None
    }

    /// A client uses this service for the first time on its connection.
    fn connect(&self, client: &Client) -> Self::State;

    /// S6: whether nothing is kept for a client that would be missed. Then what
    /// [`connect`](Self::connect) has made may be dropped while nobody is connected to a session
    /// and nobody holds its [`EventSender`], and is made anew when the client calls again. By
    /// default it is kept for as long as the session.
    fn is_stateless(&self) -> bool {
        false
    }

    /// U2: what is kept for a client, in a form that the next release can
    /// [read](Self::import_state). `None`, as by default: sessions of this service do not go along
    /// when another process takes over; their clients are answered, and begin anew there. Nothing
    /// runs for the client while this is asked.
    ///
    /// What the service keeps for all clients together goes along only if it is in a store.
    fn export_state(&self, state: &Self::State) -> Option<Bytes> {
        let _ = state;
        None
    }

    /// U2: what the predecessor's [`export_state`](Self::export_state) has written. `None`: it
    /// cannot be read, and the predecessor goes on.
    fn import_state(&self, client: &Client, exported: Bytes) -> Option<Self::State> {
        let (_, _) = (client, exported);
        None
    }

    /// Answers a request without waiting, if this code can. `None`, as by default: it is given to
    /// [`request`](Self::request).
    ///
    /// A request that is answered here takes less of a processor: there is no future to be made,
    /// and its memory is used for the next one. Say so in [`answers_now`](Self::answers_now), for
    /// handlers around this one; one that keeps the same state only gives on both.
    fn request_now(&self, call: &Call<Self::State>) -> Option<Result<Reply, Failure>> {
        let _ = call;
        None
    }

    /// Whether [`request_now`](Self::request_now) answers each request of this version. A handler
    /// around this one asks before it does anything for a request: one that is checked or written
    /// down first, and is then not answered, would be so twice.
    fn answers_now(&self, version: Version) -> bool {
        let _ = version;
        false
    }

    /// The same for a handler whose inner one keeps another state, so that its calls are others.
    #[doc(hidden)]
    fn offer(&self, call: Call<Self::State>) -> Offered<Self::State> {
        match self.request_now(&call) {
            Some(replied) => Offered::Answered(replied, call.message),
            None => Offered::Declined(call),
        }
    }

    /// Answers a request, in the version that it came in.
    ///
    /// # Errors
    /// A [`Failure`] says whether the request was executed; `?` makes one of any error.
    fn request(
        &self,
        call: Call<Self::State>,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send;

    /// What is wrong with this service, so that no server should offer it:
    /// [`bind`](crate::ServerBuilder::bind) asks. By default, nothing is. A handler that contains
    /// another one asks that one.
    ///
    /// # Errors
    /// What is wrong.
    fn check(&self) -> Result<(), HandlerError> {
        Ok(())
    }

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
    /// Of this service among those of the connection.
    pub(crate) place: usize,
    /// What its events have to pass.
    pub(crate) gate: Option<Arc<dyn EventGate>>,
    /// Of a stock peer: how its session began.
    #[cfg(feature = "classic")]
    pub(crate) started: Option<Arc<crate::classic::Started>>,
}

impl Client {
    /// Where the client is, and who, if it has shown that.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The same client, whose events have to pass this gate.
    #[cfg(feature = "contract")]
    pub(crate) fn gated(&self, gate: Arc<dyn EventGate>) -> Self {
        Self { gate: Some(gate), ..self.clone() }
    }

    /// Q7: whether its session checks messages itself, and knows the state better: a stock peer
    /// may begin in any.
    #[cfg(feature = "contract")]
    pub(crate) fn is_checked(&self) -> bool {
        #[cfg(feature = "classic")]
        return self.started.as_ref().is_some_and(|started| started.is_checked);
        #[cfg(not(feature = "classic"))]
        false
    }

    /// Of a stock peer, how its session began: with which argument, and in which state. `None` of
    /// versioned clients.
    #[cfg(feature = "classic")]
    #[must_use]
    pub fn started(&self) -> Option<&crate::classic::Started> {
        self.started.as_deref()
    }

    /// A way to send the client events, for as long as the connection lives.
    #[must_use]
    pub fn events(&self) -> EventSender {
        EventSender::new(Arc::clone(&self.mailbox), self.place, self.gate.clone())
    }
}

/// What became of a request that a handler could have answered without waiting.
#[doc(hidden)]
#[derive(Debug)]
pub enum Offered<S> {
    /// It is answered, and the message is not needed any longer.
    Answered(Result<Reply, Failure>, Box<Message>),
    /// It is to be given to [`Handler::request`].
    Declined(Call<S>),
}

/// A request or an event, and the connection that it came on.
#[derive(Debug)]
pub struct Call<S> {
    pub(crate) message: Box<Message>,
    pub(crate) is_event: bool,
    pub(crate) connection: Arc<Connected<S>>,
}

/// A client, and what its service keeps for it.
#[derive(Debug)]
pub(crate) struct Connected<S> {
    pub(crate) client: Client,
    /// Of handlers that are to run one after the other.
    pub(crate) turns: Turns,
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
    pub fn body(&self) -> &Document<Bytes> {
        &self.message.body
    }

    /// The body's bytes as they came, without the `$`: they leave one term on the stack, and do so
    /// inside of a tuple, too. So a reply that holds the request need not be encoded anew, and
    /// what the client shortened with registers stays short.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        let packet = self.body().source().trim_ascii_start();
        packet.strip_suffix(b"$").unwrap_or(packet)
    }

    /// N15: what the caller has told of it beside it: its span, and how long it still waited when it
    /// sent this. `None` if it tells nothing, as most do.
    #[must_use]
    pub fn context(&self) -> Option<&Context> {
        self.message.context.as_deref()
    }

    /// The version that it is written in, and that the reply is read in.
    #[must_use]
    pub fn version(&self) -> Version {
        self.message.version
    }

    /// The service that the client asked for.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.message.service
    }

    /// Which packet of the connection it is, counted from 1 (P6).
    #[must_use]
    pub fn packet(&self) -> u64 {
        self.message.packet
    }

    /// Where the client is, and who, if it has shown that: `call.peer().identity()`.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.connection.client.peer
    }

    /// A way to send the client events.
    #[must_use]
    pub fn events(&self) -> EventSender {
        self.connection.client.events()
    }

    /// A place behind all calls of this connection that have taken one.
    pub(crate) fn take_turn(&self) -> Turn {
        self.connection.turns.take()
    }

    /// What the service keeps for this connection.
    #[must_use]
    pub fn state(&self) -> &S {
        &self.connection.state
    }
}
