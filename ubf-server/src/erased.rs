//! Services of different types, side by side.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use ubf_codec::Version;
use ubf_proto::Service;
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

/// A handler at work.
pub(crate) type Running = Pin<Box<dyn Future<Output = Finished> + Send>>;

/// What became of a request or an event.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) packet: u64,
    pub(crate) service: Service,
    pub(crate) version: Version,
    pub(crate) is_event: bool,
    /// Of the packet.
    pub(crate) bytes: usize,
    pub(crate) outcome: Outcome,
}

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
        let (packet, service, version) = (message.packet, message.service.clone(), message.version);
        let bytes = message.body.source().len();
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
        Box::pin(async move {
            let outcome = AssertUnwindSafe(work).catch_unwind().await.map_or(Outcome::Crashed, Outcome::Done);
            Finished { packet, service, version, is_event, bytes, outcome }
        })
    }
}
