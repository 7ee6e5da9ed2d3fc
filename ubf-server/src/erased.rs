//! Services of different types, side by side.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio_util::sync::ReusableBoxFuture;
use ubf_proto::server::Message;

use crate::handler::{Call, Client, Connected, Handler};

/// A service, whatever its type.
pub(crate) trait AnyService: Send + Sync {
    /// The service's part of one connection. It may panic, as the author's code does.
    fn open(self: Arc<Self>, client: Client) -> Box<dyn AnyConnection>;
}

/// The code of a service on one connection.
pub(crate) trait AnyConnection: Send {
    fn begin(&self, message: Message, is_event: bool) -> Running;
}

/// A handler at work, and how it ends: with a body, or with a panic.
pub(crate) type Running = ReusableBoxFuture<'static, Ended>;

thread_local! {
    /// The place of a handler that was done at once: mostly, the next one is of the same kind.
    static SPARE: Cell<Option<Running>> = const { Cell::new(None) };
}

/// Gives back the place of a handler that has ended.
pub(crate) fn recycle(ended: Running) {
    // A thread that is about to end needs none.
    SPARE.try_with(|spare| spare.set(Some(ended))).ok();
}

/// The body of the reply, of an event nothing; or what the handler panicked with.
pub(crate) type Ended = std::thread::Result<Bytes>;

/// How a handler ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The body of the reply. Of an event, nothing.
    Done(Bytes),
    /// N6: it panicked.
    Crashed,
    /// L2: it took too long, and was dropped.
    TimedOut,
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        ended.map_or(Self::Crashed, Self::Done)
    }
}

struct ConnectionOf<H: Handler> {
    handler: Arc<H>,
    connected: Arc<Connected<H::State>>,
}

impl<H: Handler> AnyService for H {
    fn open(self: Arc<Self>, client: Client) -> Box<dyn AnyConnection> {
        let state = self.connect(&client);
        Box::new(ConnectionOf { handler: self, connected: Arc::new(Connected { client, state }) })
    }
}

impl<H: Handler> AnyConnection for ConnectionOf<H> {
    fn begin(&self, message: Message, is_event: bool) -> Running {
        let handler = Arc::clone(&self.handler);
        let call = Call { message, is_event, connection: Arc::clone(&self.connected) };
        // The handler is called inside of the future: it may panic before it returns one.
        let work = async move {
            if call.is_event {
                handler.event(call).await;
                Bytes::new()
            } else {
                handler.request(call).await.into_body()
            }
        };
        let work = AssertUnwindSafe(work).catch_unwind();
        match SPARE.try_with(Cell::take) {
            Ok(Some(mut place)) => {
                place.set(work);
                place
            }
            Ok(None) | Err(_) => Running::new(work),
        }
    }
}
