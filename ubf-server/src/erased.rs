//! Services of different types, side by side.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio_util::sync::ReusableBoxFuture;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument as _, Span};
use ubf_proto::server::Message;

use crate::contain::{Contained, contained, discard};
use crate::failure::Failure;
use crate::handler::{Call, Client, Connected, Handler, Offered};
use crate::reply::Reply;
use crate::turns::Turns;

/// A service, whatever its type.
pub(crate) trait AnyService: Send + Sync {
    /// The service's part of one connection. It may panic, as the author's code does.
    fn open(self: Arc<Self>, client: Client) -> Box<dyn AnyConnection>;

    /// U2: the same with what the predecessor of this process has kept for the client. `None`: it
    /// cannot be read.
    fn import(self: Arc<Self>, client: Client, state: Bytes) -> Option<Box<dyn AnyConnection>>;
}

/// The code of a service on one connection.
pub(crate) trait AnyConnection: Send {
    /// S6: whether it makes a difference if it is dropped now and made anew for the next call.
    fn is_missed(&self) -> bool;

    fn request(&self, message: Box<Message>) -> Begun;

    fn event(&self, message: Box<Message>) -> Running;

    /// U2: what is kept for the client, if another process can go on with it. It may panic.
    fn export(&self) -> Option<Bytes>;
}

/// What became of a request as it was given to its handler.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is answered, and the message is not needed any longer. A handler that panicked has lost
    /// it.
    Ended(Ended, Option<Box<Message>>),
    Runs(Running),
}

/// A handler at work. What panics when it is dropped, a local variable for example, does no harm.
#[derive(Debug)]
pub(crate) struct Running(Contained<Place>);

/// What becomes of a handler.
type Place = ReusableBoxFuture<'static, Ended>;

thread_local! {
    /// The place of a handler that was done at once: mostly, the next one is of the same kind.
    static SPARE: Cell<Option<Place>> = const { Cell::new(None) };
}

impl Running {
    fn new(work: impl Future<Output = Replied> + Send + 'static, span: Span) -> Self {
        if span.is_disabled() {
            Self::of(AssertUnwindSafe(work).catch_unwind())
        } else {
            // The block lets go of the span with the work: a spare place that held it would close
            // it when its thread ends, and the subscriber's own thread-locals are gone by then.
            let work = async move { work.instrument(span).await };
            Self::of(AssertUnwindSafe(work).catch_unwind())
        }
    }

    fn of(work: impl Future<Output = Ended> + Send + 'static) -> Self {
        let place = match SPARE.try_with(Cell::take) {
            Ok(Some(mut place)) => {
                place.set(work);
                place
            }
            Ok(None) | Err(_) => Place::new(work),
        };
        Self(Contained::new(place))
    }

    /// Gives back the place of a handler that has ended.
    pub(crate) fn recycle(mut self) {
        if let Some(place) = self.0.take() {
            // A thread that is about to end needs none.
            SPARE.try_with(|spare| spare.set(Some(place))).ok();
        }
    }
}

impl Future for Running {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let place = self.0.get_mut();
        debug_assert!(place.is_some(), "only `recycle` takes the place, with the handler");
        place.map_or(Poll::Pending, |place| place.poll(cx))
    }
}

/// What a handler ended with. An event ends with nothing.
type Replied = Result<Reply, Failure>;

/// What a handler ended with, or what it panicked with.
pub(crate) type Ended = std::thread::Result<Replied>;

/// How a handler ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The reply. Of an event, nothing.
    Done(Reply),
    /// It says that it failed, or that it did nothing.
    Failed(Failure),
    /// N6: it panicked.
    Crashed,
    /// L2: it took too long, and was dropped.
    TimedOut,
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        match ended {
            Ok(Ok(reply)) => Self::Done(reply),
            Ok(Err(failure)) => Self::Failed(failure),
            Err(payload) => {
                discard(payload);
                Self::Crashed
            }
        }
    }
}

struct ConnectionOf<H: Handler> {
    handler: Arc<H>,
    connected: Arc<Connected<H::State>>,
}

impl<H: Handler> AnyService for H {
    fn open(self: Arc<Self>, client: Client) -> Box<dyn AnyConnection> {
        let state = self.connect(&client);
        Box::new(ConnectionOf {
            handler: self,
            connected: Arc::new(Connected { client, turns: Turns::default(), state }),
        })
    }

    fn import(self: Arc<Self>, client: Client, state: Bytes) -> Option<Box<dyn AnyConnection>> {
        let state = self.import_state(&client, state)?;
        Some(Box::new(ConnectionOf {
            handler: self,
            connected: Arc::new(Connected { client, turns: Turns::default(), state }),
        }))
    }
}

impl<H: Handler> AnyConnection for ConnectionOf<H> {
    fn is_missed(&self) -> bool {
        !self.handler.is_stateless() || Arc::strong_count(&self.connected) > 1
    }

    fn export(&self) -> Option<Bytes> {
        self.handler.export_state(&self.connected.state)
    }

    fn request(&self, message: Box<Message>) -> Begun {
        let call = Call { message, is_event: false, connection: Arc::clone(&self.connected) };
        let span = span_of(&call);
        let offer = || span.in_scope(|| self.handler.offer(call));
        match catch_unwind(AssertUnwindSafe(offer)) {
            Ok(Offered::Answered(replied, message)) => {
                contained(|| drop(span));
                Begun::Ended(Ok(replied), Some(message))
            }
            Err(panic) => {
                contained(|| drop(span));
                Begun::Ended(Err(panic), None)
            }
            Ok(Offered::Declined(call)) => {
                let handler = Arc::clone(&self.handler);
                // The handler is called inside of the future: it may panic before it returns one.
                Begun::Runs(Running::new(async move { handler.request(call).await }, span))
            }
        }
    }

    fn event(&self, message: Box<Message>) -> Running {
        let call = Call { message, is_event: true, connection: Arc::clone(&self.connected) };
        let span = span_of(&call);
        let handler = Arc::clone(&self.handler);
        let work = async move {
            handler.event(call).await;
            Ok(Reply::nothing())
        };
        Running::new(work, span)
    }
}

/// What a handler's own lines are logged in. If nobody wants it, it costs a look at a flag.
fn span_of<S>(call: &Call<S>) -> Span {
    if LevelFilter::current() < LevelFilter::DEBUG {
        return Span::none();
    }
    let (peer, service, version) = (call.peer(), call.service(), call.version());
    let packet = call.packet();
    let trace = call.context().and_then(|context| context.trace);
    let traceparent = trace.map(tracing::field::display);
    let span = || {
        if call.is_event {
            tracing::debug_span!(target: "ubf_server", "event", %peer, %service, %version, packet, traceparent)
        } else {
            tracing::debug_span!(target: "ubf_server", "request", %peer, %service, %version, packet, traceparent)
        }
    };
    contained(span).unwrap_or_else(Span::none)
}
