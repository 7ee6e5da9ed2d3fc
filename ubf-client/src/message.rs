//! A message on its way from a handle to the driver, and the wait for its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};
use ubf_codec::Version;
use ubf_proto::client::{self, CallError, CallId, Done};

use crate::driver::{Command, Submission};
use crate::exchange::{Outcome, Waiter};
use crate::handle::Client;
use crate::reply::Reply;
use crate::request::{Kind, Rendering, Request, Source, render};

/// What is to be sent, and how.
pub(crate) struct Message<'a> {
    pub(crate) client: &'a Client,
    pub(crate) request: Source,
    pub(crate) is_idempotent: bool,
    pub(crate) within: Option<Duration>,
}

impl<'a> Message<'a> {
    /// Sends it as a request.
    pub(crate) const fn replying(self) -> Replying<'a> {
        Replying(Stage::New(Some(self)))
    }

    /// Hands it to the driver, and stays in touch.
    pub(crate) async fn send(self, kind: Kind) -> Result<Sent<'a>, CallError> {
        let client = self.client;
        let id = self.submit(kind, Waiter::Caller(None)).await?;
        Ok(Sent { id, has_ended: false, client })
    }

    /// Waits for a place, and hands it to the driver.
    pub(crate) async fn submit(self, kind: Kind, waiter: Waiter) -> Result<CallId, CallError> {
        let time = if self.take_place() {
            self.time()
        } else {
            wait_for_place(self.client, self.time()).await?
        };
        self.hand_over(kind, waiter, time)
    }

    fn time(&self) -> Duration {
        self.within.unwrap_or(self.client.shared.call_time)
    }

    /// L1: takes a place, if there is one. The driver gives it back when the call has ended.
    fn take_place(&self) -> bool {
        self.client
            .shared
            .exchange
            .permits
            .try_acquire()
            .map(tokio::sync::SemaphorePermit::forget)
            .is_ok()
    }

    /// Hands it to the driver, a place being taken.
    fn hand_over(self, kind: Kind, waiter: Waiter, time: Duration) -> Result<CallId, CallError> {
        let Self { client, request, is_idempotent, within: _ } = self;
        let exchange = &client.shared.exchange;
        let (request, rendered, is_constant) = match request {
            Source::Body(body) => (None, Some((Version::MIN, body)), true),
            Source::Request(request) => {
                let rendered = client.render(&*request, kind);
                (Some(request), rendered, false)
            }
        };
        let is_awaited = matches!(waiter, Waiter::Caller(_));
        exchange.submit(waiter, |id| {
            let (is_event, time) = (kind == Kind::Event, Some(time));
            let opens = None;
            let call =
                client::Call { id, is_event, is_idempotent, time, rendered, is_constant, opens };
            Command::Call(Submission { call, request, is_awaited })
        })
    }

    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct(name);
        debug
            .field("is_idempotent", &self.is_idempotent)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Writes a request for the version in force. Here, the work is the caller's and not the
    /// driver's, which all callers share. If the version is another one by the time that the
    /// call is sent, the driver does it again.
    fn render(&self, request: &dyn Request, kind: Kind) -> Option<(Version, Bytes)> {
        let version = self.shared.exchange.version()?;
        match render(request, kind, version) {
            Rendering::Body(body) => Some((version, body)),
            Rendering::Unsupported => None,
            Rendering::Crashed => {
                self.crashed(version);
                None
            }
        }
    }
}

/// Waits for a place, and tells how much time is left.
async fn wait_for_place(client: &Client, within: Duration) -> Result<Duration, CallError> {
    let start = Instant::now();
    let place = client.shared.exchange.permits.acquire();
    let place = match start.checked_add(within) {
        Some(deadline) => timeout_at(deadline, place)
            .await
            .map_err(|_elapsed| CallError::Deadline { may_have_run: false, last_loss: None })?,
        None => place.await,
    };
    place.map_err(|_closed| CallError::Closed)?.forget();
    Ok(within.saturating_sub(start.elapsed()))
}

/// A call that is being made: what awaiting a [`Call`](crate::Call) makes of it.
#[must_use = "a call is made when it is awaited"]
pub struct Replying<'a>(Stage<'a>);

enum Stage<'a> {
    /// `None` when it has ended.
    New(Option<Message<'a>>),
    /// There was no place for it at once.
    Queued(Pin<Box<dyn Future<Output = Result<Sent<'a>, CallError>> + Send + 'a>>),
    Sent(Sent<'a>),
}

impl Future for Replying<'_> {
    type Output = Result<Reply, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            self.0 = match &mut self.0 {
                Stage::New(message) => {
                    let Some(message) = message.take() else {
                        return Poll::Ready(Err(CallError::Indeterminate { loss: None }));
                    };
                    if message.take_place() {
                        let (client, time, waker) =
                            (message.client, message.time(), cx.waker().clone());
                        let id =
                            message.hand_over(Kind::Request, Waiter::Caller(Some(waker)), time)?;
                        self.0 = Stage::Sent(Sent { id, has_ended: false, client });
                        return Poll::Pending;
                    } else {
                        Stage::Queued(Box::pin(message.send(Kind::Request)))
                    }
                }
                Stage::Queued(queued) => Stage::Sent(ready!(queued.as_mut().poll(cx))?),
                Stage::Sent(sent) => {
                    return Poll::Ready(match ready!(sent.poll_outcome(cx))? {
                        Done::Reply { version, body, .. } => Ok(Reply { version, body }),
                        // The session never takes a request for an event.
                        Done::Taken { .. } => Err(CallError::Indeterminate { loss: None }),
                    });
                }
            };
        }
    }
}

impl fmt::Debug for Replying<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.0 {
            Stage::New(_) => "new",
            Stage::Queued(_) => "queued",
            Stage::Sent(_) => "sent",
        };
        f.debug_struct("Replying").field("stage", &stage).finish()
    }
}

/// A call that the driver has. When it is dropped, nobody waits for it.
pub(crate) struct Sent<'a> {
    id: CallId,
    has_ended: bool,
    client: &'a Client,
}

impl Sent<'_> {
    pub(crate) async fn outcome(mut self) -> Outcome {
        std::future::poll_fn(|cx| self.poll_outcome(cx)).await
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        if self.has_ended {
            return Poll::Ready(Err(CallError::Indeterminate { loss: None }));
        }
        let outcome = ready!(self.client.shared.exchange.poll_outcome(self.id, cx));
        self.has_ended = true;
        Poll::Ready(outcome)
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.client.shared.exchange.forget(self.id);
        }
    }
}
