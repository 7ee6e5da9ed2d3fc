//! What is done with a message before its call: it is read, and prepared, beside the rows.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use ubf_codec::Versioned as _;
use ubf_proto::server::Message;

use crate::host::panic_text;
use crate::service::StatefulService;

/// A message that is to be run.
#[derive(Debug)]
pub(super) struct Todo<R> {
    pub(super) message: Message,
    pub(super) is_event: bool,
    pub(super) request: Asked<R>,
    /// It has been begun before, and a row was missing.
    pub(super) has_begun: bool,
}

/// What a message asks for.
#[derive(Debug)]
pub(super) enum Asked<R> {
    /// It is an event, or is refused: nothing is prepared.
    Nothing,
    /// It is prepared.
    Ready(R),
    /// It is none of the contract; what is expected.
    Broken(String),
    /// The service panicked over it; the text.
    Crashed(String),
    /// It was not prepared in time.
    Late,
    /// What it was prepared for has been run, and a row was missing.
    Spent,
    /// It waits for something else.
    Waits,
    /// A task prepares it.
    Prepared(Task),
}

impl<R> Asked<R> {
    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self, Self::Waits | Self::Prepared(_))
    }
}

/// A task that prepares a message. It ends with this.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) ticket: u64,
    task: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<R> Todo<R> {
    pub(super) fn new<S: StatefulService<Request = R>>(
        service: &S,
        message: Message,
        is_event: bool,
    ) -> Self {
        let request = if is_event || message.refused.is_some() {
            Asked::Nothing
        } else {
            ask(service, &message)
        };
        Self { message, is_event, request, has_begun: false }
    }
}

/// Reads a message and prepares it, if that is done at once. It must run where the service may wait
/// for things.
pub(super) fn ask<S: StatefulService>(service: &S, message: &Message) -> Asked<S::Request> {
    let run = || {
        let request = match S::Request::from_term(message.version, message.body.root()) {
            Ok(request) => request,
            Err(error) => return Asked::Broken(error.to_string()),
        };
        let mut cx = Context::from_waker(Waker::noop());
        match pin!(service.prepare(request)).poll(&mut cx) {
            Poll::Ready(request) => Asked::Ready(request),
            // It begins anew in a task of its own: what is polled here cannot be moved there.
            Poll::Pending => Asked::Waits,
        }
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Asked::Crashed(panic_text(&*panic)))
}

/// Prepares a message that waits for something. `tell` is called when that is done.
pub(super) fn begin<S: StatefulService>(
    runtime: &Handle,
    service: &Arc<S>,
    message: &Message,
    ticket: u64,
    at_most: Duration,
    tell: impl FnOnce(Asked<S::Request>) + Send + 'static,
) -> Task {
    let (service, version, body) = (Arc::clone(service), message.version, message.body.clone());
    let task = runtime.spawn(async move {
        let request = {
            let read = || S::Request::from_term(version, body.root());
            catch_unwind(AssertUnwindSafe(read))
        };
        let asked = match request {
            Ok(Ok(request)) => prepare(&*service, request, at_most).await,
            Ok(Err(error)) => Asked::Broken(error.to_string()),
            Err(panic) => Asked::Crashed(panic_text(&*panic)),
        };
        tell(asked);
    });
    Task { ticket, task }
}

async fn prepare<S: StatefulService>(
    service: &S,
    request: S::Request,
    at_most: Duration,
) -> Asked<S::Request> {
    let start = AssertUnwindSafe(|| service.prepare(request));
    let future = match catch_unwind(start) {
        Ok(future) => future,
        Err(panic) => return Asked::Crashed(panic_text(&*panic)),
    };
    let mut future = pin!(future);
    let contained =
        poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Ready(request)) => Poll::Ready(Asked::Ready(request)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Asked::Crashed(panic_text(&*panic))),
        });
    timeout(at_most, contained).await.unwrap_or(Asked::Late)
}
