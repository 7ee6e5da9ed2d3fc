//! The handle that programs hold, and the calls they make with it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use ubf_codec::{Term, Version};
use ubf_proto::TraceParent;
#[cfg(doc)]
use ubf_proto::client::CallError;
use ubf_proto::client::ConnectionId;

use crate::builder::Builder;
use crate::call::{Call, Cast, Message};
use crate::call_table::CallTable;
use crate::command::{Command, crash};
#[cfg(feature = "contract")]
use crate::contract::Contracts;
use crate::events::Events;
use crate::reply::Reply;
use crate::request::{Kind, Request, Source};
use crate::status::Status;

/// A session with a service: a handle, cheap to clone, for any number of tasks.
///
/// All its clones share one connection, on which calls are pipelined in the order in which they
/// were made. When the last one is dropped, the client ends: events that were cast are still sent,
/// for [`close_time`](Builder::close_time) at most.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) table: Arc<CallTable>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) events: Mutex<Option<Events>>,
    pub(crate) call_time: Duration,
    pub(crate) purpose: Purpose,
    pub(crate) tracer: Option<Tracer>,
    #[cfg(feature = "contract")]
    pub(crate) contracts: Option<Arc<Contracts>>,
}

/// N15: tells the span that a call is made in.
pub(crate) type Tracer = Arc<dyn Fn() -> Option<TraceParent> + Send + Sync>;

impl Shared {
    /// N15: the span of whoever makes a call now. Code that panics knows none.
    pub(crate) fn span(&self) -> Option<Box<TraceParent>> {
        let tracer = self.tracer.as_ref()?;
        catch_unwind(AssertUnwindSafe(|| tracer())).ok().flatten().map(Box::new)
    }
}

/// What a handle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For programs. The client ends with the last one.
    Handle,
    /// For the calls that open this connection. It does not keep the client alive.
    Opening(ConnectionId),
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.purpose == Purpose::Handle {
            self.table.leave();
        }
    }
}

impl Client {
    /// Settings for a client.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Makes a call: `client.call(request).await` gives the reply.
    ///
    /// The request is a [`Term`], or what [`Request`] says. It is sent behind those that were made
    /// before it.
    ///
    /// Nothing is sent before the [`Call`] is polled. One that is dropped does no harm.
    pub fn call(&self, request: impl Request) -> Call {
        Call::new(self.message(Source::new(request, Kind::Request), Kind::Request))
    }

    /// Sends an event, which has no reply: `client.cast(event).await` waits for a place in the
    /// pipeline and no longer, and an event that is lost after that is a line in the log.
    /// [`Cast::taken`] waits until the server has it, and says what became of it.
    ///
    /// An event larger than the packets that the server accepts (N12) is not sent, and neither the
    /// connection nor other events suffer: it ends with [`CallError::TooLarge`], which names
    /// the limit.
    pub fn cast(&self, event: impl Request) -> Cast {
        Cast::new(self.message(Source::new(event, Kind::Event), Kind::Event))
    }

    #[cfg_attr(
        not(feature = "contract"),
        allow(unused_variables, clippy::unused_self, reason = "contracts want to know the kind")
    )]
    pub(crate) fn message(&self, request: Source, kind: Kind) -> Message {
        #[cfg(feature = "contract")]
        let request = match &self.shared.contracts {
            Some(contracts) => Contracts::hold(contracts, request, kind),
            None => request,
        };
        Message { client: self.clone(), request, is_idempotent: false, within: None, trace: None }
    }

    /// The events of the server. There is one reader: the first who asks gets them, `None` is for
    /// all others.
    ///
    /// From here on they are kept for the reader; those that came before are missing, unless
    /// [`keep_events`](Builder::keep_events) was said.
    #[must_use]
    pub fn events(&self) -> Option<Events> {
        let events = self.shared.events.lock().unwrap_or_else(PoisonError::into_inner).take();
        events.inspect(Events::begin)
    }

    /// The client's state and counters, to look at or to wait for a change of. The latest is always
    /// there.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.clone()
    }

    /// N6: says that the program's code for a version crashed, or is not fit, so that the version
    /// is put into quarantine and the next message goes out in another one.
    ///
    /// A call whose *reply* was being read has run already, and is not run again (N11).
    /// [`read`](Self::read) does both.
    pub fn crashed(&self, version: Version) {
        self.crashed_because(version, crash());
    }

    /// As [`crashed`](Self::crashed), with a reason for the server's operator (N12).
    pub fn crashed_because(&self, version: Version, why: Term) {
        self.tell(Command::Crashed { version, why });
    }

    /// N7: puts a version into quarantine because another client of the same service found out.
    pub fn quarantine(&self, version: Version, time: Duration) {
        self.tell(Command::Quarantined { version, time });
    }

    /// Reads a reply with code that may crash. If it does, its version is put into quarantine, and
    /// the session goes on.
    ///
    /// # Errors
    /// If the code crashed. The call has run (N11).
    pub fn read<T>(&self, reply: &Reply, read: impl FnOnce(&Reply) -> T) -> Result<T, ReadCrashed> {
        // Whatever else the code was at is its caller's to judge: there is an error to judge by.
        catch_unwind(AssertUnwindSafe(|| read(reply))).map_err(|_panic| {
            self.crashed(reply.version);
            ReadCrashed { version: reply.version }
        })
    }

    /// Ends the client, for all its handles: no further calls, those that are open may take until
    /// `within`, then the connection is closed. Returns when all that is done.
    ///
    /// Calls that have not ended by then end with [`CallError::Cancelled`].
    pub async fn close(&self, within: Duration) {
        self.tell(Command::Close { within });
        let mut status = self.status();
        // The driver's end goes with it.
        while status.changed().await.is_ok() {}
    }

    fn tell(&self, command: Command) {
        self.shared.table.tell(command);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.shared.status.borrow();
        f.debug_struct("Client")
            .field("state", &status.state)
            .field("version", &status.version)
            .field("address", &status.address)
            .finish_non_exhaustive()
    }
}

/// The program's code for a version crashed while it read a reply. The call has run, and is not run
/// again (N11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadCrashed {
    /// The version, which is in quarantine.
    pub version: Version,
}

impl fmt::Display for ReadCrashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the code for version {} crashed on a reply; the call has run", self.version)
    }
}

impl std::error::Error for ReadCrashed {}
