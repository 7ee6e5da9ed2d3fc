//! Calls and events on their way from a handle to the driver, and the wait for their answers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use ubf_codec::Version;
use ubf_proto::TraceParent;
use ubf_proto::client::{self, CallError, CallId};

use crate::call_table::{Answer, Outcome, Waiter, unknown};
use crate::command::{Command, Submission};
use crate::handle::{Client, Purpose};
use crate::reply::Reply;
use crate::request::{Kind, Rendering, Request, Source, render};

/// A call, which is made when it is first polled: a future of the [`Reply`].
///
/// It holds its client, so that it can be spawned and joined:
///
/// ```no_run
/// use ubf_client::Client;
/// use ubf_codec::ubf;
///
/// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let slow = tokio::spawn(client.call(ubf!({get, "a.txt"})));
/// let (one, other) = tokio::join!(client.call(ubf!(one)), client.call(ubf!(other)));
/// println!("{} {}", one?.response(), other?.response());
/// println!("{}", slow.await??.response());
/// # Ok(())
/// # }
/// ```
///
/// When it is dropped, nobody waits for it: if it was not sent yet it never will be, and otherwise
/// its reply is read and dropped.
#[must_use = "a call is made when it is awaited"]
pub struct Call(Stage);

enum Stage {
    New(Message),
    /// There was no place for it at once.
    Queued(
        #[cfg_attr(not(feature = "serde"), allow(dead_code, reason = "typed calls read it"))]
        Client,
        Pin<Box<dyn Future<Output = Result<Sent, CallError>> + Send>>,
    ),
    Sent(Sent),
    Ended,
}

impl Call {
    pub(crate) const fn new(message: Message) -> Self {
        Self(Stage::New(message))
    }

    /// Whose call it is, until it has ended.
    #[cfg(feature = "serde")]
    pub(crate) const fn client(&self) -> Option<&Client> {
        match &self.0 {
            Stage::New(Message { client, .. })
            | Stage::Queued(client, _)
            | Stage::Sent(Sent { client, .. }) => Some(client),
            Stage::Ended => None,
        }
    }

    /// L2: how long the call may take, the wait for a place in the pipeline included. It has no
    /// effect on a call that was polled.
    pub const fn within(mut self, time: Duration) -> Self {
        if let Stage::New(message) = &mut self.0 {
            message.within = Some(time);
        }
        self
    }

    /// N15: says in which span it is sent, to servers that are told of it: those of a client with
    /// [`Builder::trace`](crate::Builder::trace). It has no effect on a call that was polled.
    pub fn trace(mut self, span: TraceParent) -> Self {
        if let Stage::New(message) = &mut self.0 {
            message.trace = Some(Box::new(span));
        }
        self
    }

    /// Declares that the call may be executed more than once. Then it is sent again if the
    /// connection is lost before the reply has come. It has no effect on a call that was polled.
    pub const fn idempotent(mut self) -> Self {
        if let Stage::New(message) = &mut self.0 {
            message.is_idempotent = true;
        }
        self
    }
}

impl Future for Call {
    type Output = Result<Reply, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stage = &mut self.get_mut().0;
        loop {
            match stage {
                Stage::New(_) => {
                    let Stage::New(message) = std::mem::replace(stage, Stage::Ended) else {
                        return Poll::Ready(Err(unknown()));
                    };
                    if !message.take_place() {
                        let client = message.client.clone();
                        *stage = Stage::Queued(client, Box::pin(message.send(Kind::Request)));
                        continue;
                    }
                    let time = message.time();
                    let waiter = Waiter::Caller(Some(cx.waker().clone()));
                    let (id, client) = message.hand_over(Kind::Request, waiter, time)?;
                    *stage = Stage::Sent(Sent { id, has_ended: false, client });
                    return Poll::Pending;
                }
                Stage::Queued(_, queued) => {
                    let sent = ready!(queued.as_mut().poll(cx));
                    *stage = Stage::Ended;
                    *stage = Stage::Sent(sent?);
                }
                Stage::Sent(sent) => {
                    let outcome = ready!(sent.poll_outcome(cx));
                    *stage = Stage::Ended;
                    return Poll::Ready(outcome.and_then(|answer| match answer {
                        Answer::Reply(reply) => Ok(reply),
                        Answer::Taken(_) => {
                            debug_assert!(false, "the session never takes a request for an event");
                            Err(unknown())
                        }
                    }));
                }
                Stage::Ended => {
                    debug_assert!(false, "a future is not polled after its end");
                    return Poll::Ready(Err(unknown()));
                }
            }
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Stage::New(message) => message.fmt_as("Call", f),
            Stage::Queued(..) => f.write_str("Call(queued)"),
            Stage::Sent(_) => f.write_str("Call(sent)"),
            Stage::Ended => f.write_str("Call(ended)"),
        }
    }
}

/// An event that is about to be sent: a future that ends when it has a place in the pipeline, or
/// [`taken`](Self::taken).
#[must_use = "an event is sent when it is awaited"]
pub struct Cast(CastStage);

enum CastStage {
    New(Message),
    /// There was no place for it at once.
    Queued(Pin<Box<dyn Future<Output = Result<(), CallError>> + Send>>),
    Ended,
}

impl Cast {
    pub(crate) const fn new(message: Message) -> Self {
        Self(CastStage::New(message))
    }

    /// L2: how long it may take to send the event, and to hear that it was taken.
    pub const fn within(mut self, time: Duration) -> Self {
        if let CastStage::New(message) = &mut self.0 {
            message.within = Some(time);
        }
        self
    }

    /// Declares that the event may be taken more than once. Then it is sent again if the connection
    /// is lost.
    pub const fn idempotent(mut self) -> Self {
        if let CastStage::New(message) = &mut self.0 {
            message.is_idempotent = true;
        }
        self
    }

    /// Waits until the server has taken the event, and gives the version that it was written in. An
    /// event has no answer of its own: what tells is the answer to the next packet, which is
    /// asked for after a second if nothing else is sent.
    ///
    /// # Errors
    /// As for a call. An event that was awaited before cannot be followed any longer: nobody knows
    /// what has become of it.
    pub async fn taken(self) -> Result<Version, CallError> {
        let CastStage::New(message) = self.0 else { return Err(unknown()) };
        match message.send(Kind::Event).await?.outcome().await? {
            Answer::Taken(version) => Ok(version),
            Answer::Reply(reply) => Ok(reply.version),
        }
    }
}

impl Future for Cast {
    type Output = Result<(), CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stage = &mut self.get_mut().0;
        if let CastStage::New(_) = stage
            && let CastStage::New(message) = std::mem::replace(stage, CastStage::Ended)
        {
            if message.take_place() {
                let time = message.time();
                let handed_over = message.hand_over(Kind::Event, Waiter::Nobody, time);
                return Poll::Ready(handed_over.map(|_id| ()));
            }
            *stage = CastStage::Queued(Box::pin(async move {
                message.submit(Kind::Event, Waiter::Nobody).await.map(|_id| ())
            }));
        }
        let CastStage::Queued(queued) = stage else {
            debug_assert!(false, "a future is not polled after its end");
            return Poll::Ready(Err(unknown()));
        };
        let outcome = ready!(queued.as_mut().poll(cx));
        *stage = CastStage::Ended;
        Poll::Ready(outcome)
    }
}

impl fmt::Debug for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            CastStage::New(message) => message.fmt_as("Cast", f),
            CastStage::Queued(_) => f.write_str("Cast(queued)"),
            CastStage::Ended => f.write_str("Cast(ended)"),
        }
    }
}

/// What is to be sent, and how.
pub(crate) struct Message {
    pub(crate) client: Client,
    pub(crate) request: Source,
    pub(crate) is_idempotent: bool,
    pub(crate) within: Option<Duration>,
    /// N15: the caller's span.
    pub(crate) trace: Option<Box<TraceParent>>,
}

impl Message {
    /// Hands it to the driver, and stays in touch.
    async fn send(self, kind: Kind) -> Result<Sent, CallError> {
        let (id, client) = self.submit(kind, Waiter::Caller(None)).await?;
        Ok(Sent { id, has_ended: false, client })
    }

    /// Waits for a place, and hands it to the driver.
    async fn submit(self, kind: Kind, waiter: Waiter) -> Result<(CallId, Client), CallError> {
        let time = if self.take_place() {
            self.time()
        } else {
            wait_for_place(self.client.permits(), self.time()).await?
        };
        self.hand_over(kind, waiter, time)
    }

    fn time(&self) -> Duration {
        self.within.unwrap_or(self.client.shared.call_time)
    }

    /// L1: takes a place, if there is one. The driver gives it back when the call has ended.
    fn take_place(&self) -> bool {
        self.client.permits().try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok()
    }

    /// Hands it to the driver, a place being taken. Gives its client back.
    fn hand_over(
        self,
        kind: Kind,
        waiter: Waiter,
        time: Duration,
    ) -> Result<(CallId, Client), CallError> {
        let Self { client, request, is_idempotent, within: _, trace } = self;
        let (request, rendered, is_constant) = match request {
            Source::Body(body) => (None, Some((Version::MIN, body)), true),
            Source::Request(request) => {
                let rendered = client.render(&*request, kind);
                (Some(request), rendered, false)
            }
        };
        let is_awaited = matches!(waiter, Waiter::Caller(_));
        let trace = trace.or_else(|| client.shared.span());
        let opens = match client.shared.purpose {
            Purpose::Handle => None,
            Purpose::Opening(connection) => Some(connection),
        };
        let id = client.shared.table.submit(waiter, |id| {
            let is_event = kind == Kind::Event;
            let time = Some(time);
            Command::Call(Submission {
                call: client::Call {
                    id,
                    is_event,
                    is_idempotent,
                    time,
                    rendered,
                    is_constant,
                    opens,
                    trace,
                },
                request,
                is_awaited,
            })
        })?;
        Ok((id, client))
    }

    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        let version = self.shared.table.version()?;
        match render(request, kind, version) {
            Rendering::Body(body) => Some((version, body)),
            Rendering::Unsupported => None,
            Rendering::Crashed => {
                self.crashed(version);
                None
            }
        }
    }

    fn permits(&self) -> &Semaphore {
        match self.shared.purpose {
            Purpose::Handle => &self.shared.table.permits,
            Purpose::Opening(_) => &self.shared.table.opening_permits,
        }
    }
}

/// Waits for a place, and tells how much time is left.
async fn wait_for_place(permits: &Semaphore, within: Duration) -> Result<Duration, CallError> {
    let start = Instant::now();
    let place = permits.acquire();
    let place = match start.checked_add(within) {
        Some(deadline) => timeout_at(deadline, place)
            .await
            .map_err(|_elapsed| CallError::Deadline { may_have_run: false, last_loss: None })?,
        None => place.await,
    };
    place.map_err(|_closed| CallError::Closed)?.forget();
    Ok(within.saturating_sub(start.elapsed()))
}

/// A call that the driver has. When it is dropped, nobody waits for it.
struct Sent {
    id: CallId,
    has_ended: bool,
    client: Client,
}

impl Sent {
    async fn outcome(mut self) -> Outcome {
        std::future::poll_fn(|cx| self.poll_outcome(cx)).await
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let outcome = ready!(self.client.shared.table.poll_outcome(self.id, cx));
        self.has_ended = true;
        Poll::Ready(outcome)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if !self.has_ended {
            self.client.shared.table.forget(self.id);
        }
    }
}
