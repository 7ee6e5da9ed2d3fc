//! What a program does first on each new connection.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::{Instrument as _, Span, warn};
use ubf_codec::Version;
use ubf_proto::client::ConnectionId;

use crate::call::{Call, Cast};
use crate::call_table::CallTable;
use crate::command::Command;
use crate::handle::Client;
use crate::reply::Connection;
use crate::request::Request;

/// What a program's function for new connections may fail with.
pub(crate) type OpeningError = Box<dyn std::error::Error + Send + Sync>;

/// What runs when a connection is new.
pub(crate) type OpeningHook =
    Box<dyn Fn(Opening) -> Pin<Box<dyn Future<Output = Result<(), OpeningError>> + Send>> + Send>;

/// A new connection, as [`Builder::on_session`](crate::Builder::on_session) is given it. Its calls
/// go out there before all others, and nowhere else.
#[derive(Clone)]
pub struct Opening {
    client: Client,
    connection: Arc<Connection>,
    version: Version,
}

impl Opening {
    pub(crate) const fn new(client: Client, connection: Arc<Connection>, version: Version) -> Self {
        Self { client, connection, version }
    }

    /// As [`Client::call`]. If the connection is lost first, it ends, and is made nowhere else:
    /// the next connection is opened anew.
    pub fn call(&self, request: impl Request) -> Call {
        self.client.call(request)
    }

    /// As [`Client::cast`].
    pub fn cast(&self, event: impl Request) -> Cast {
        self.client.cast(event)
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The version that the two have agreed on.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("connection", &self.connection)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A task that opens a connection. It ends with this.
#[derive(Debug)]
pub(crate) struct OpeningTask {
    pub(crate) connection: ConnectionId,
    task: AbortHandle,
}

impl OpeningTask {
    /// Runs the program's function, and tells the driver how that ended.
    pub(crate) fn spawn(
        hook: &OpeningHook,
        opening: Opening,
        connection: ConnectionId,
        table: Arc<CallTable>,
        within: Duration,
    ) -> Self {
        let address = opening.connection.address.clone();
        // What the function holds is looked at again for the next connection: that is the
        // program's promise, not memory safety.
        let running = catch_unwind(AssertUnwindSafe(|| hook(opening)));
        let work = async move {
            let is_good = match running {
                Ok(running) => match timeout(within, unwinding(running)).await {
                    Ok(Some(Ok(()))) => true,
                    Ok(Some(Err(error))) => {
                        warn!(%address, %error, "connection not opened");
                        false
                    }
                    Ok(None) => false,
                    Err(_elapsed) => {
                        warn!(%address, seconds = within.as_secs_f64(), "connection not opened in time");
                        false
                    }
                },
                Err(_panic) => false,
            };
            table.tell(Command::Opened { connection, is_good });
        };
        let task = tokio::spawn(work.instrument(Span::current())).abort_handle();
        Self { connection, task }
    }
}

impl Drop for OpeningTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `None` if the program's code crashed, which its panic hook was told of.
async fn unwinding<T>(mut running: Pin<Box<dyn Future<Output = T> + Send>>) -> Option<T> {
    std::future::poll_fn(move |cx| {
        match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_panic) => Poll::Ready(None),
        }
    })
    .await
}
