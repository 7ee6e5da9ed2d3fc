//! One connection: the task that moves bytes, runs handlers and keeps time for a [`ServerSession`].
//!
//! ```text
//! loop { do what the session says; wait for one of: mail, a handler, room to write, bytes, time; tell the session }
//! ```
//!
//! No decision of the protocol is made here.

mod farewell;
mod outbox;

use std::cell::Cell;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_util::io::poll_read_buf;
use ubf_codec::{Term, Version};
use ubf_net::Stream;
use ubf_proto::endpoint;
use ubf_proto::endpoint::Start;
use ubf_proto::server::{
    CloseReason, Config, Input, Message, Notice, Output, Scratch, SessionAnswer, SessionRequest,
};
use ubf_proto::session::NoSession;
use ubf_proto::{ServerSession, Service, Time, Truncated};

use self::outbox::Outbox;
use crate::contain::{Contained, contained};
use crate::endpoint::{ConnectionGuard, SharedEndpoint};
use crate::entry::ConnectionEntry;
use crate::erased::{AnyConnection, Outcome};
use crate::failure::{Chain, Ending, Failure};
use crate::handler::Client;
use crate::log::{debug, info, millis, warn};
use crate::mailbox::Command;

/// Room for a read on the stack, from where a copy is made that takes no more memory than came.
/// Chosen: a copy costs little beside a read.
const STACK_READ: usize = 16 << 10;
/// Room for a read when more than that came. It is not copied. Chosen: more makes nothing faster.
const LARGE_READ: usize = 64 << 10;

/// What a connection does before others have their turn, in bytes: those of its packets, each of which
/// counts for at least [`LEAST_WORK`]. Chosen: more than a batch, and some tens of microseconds.
const WORK_BYTES: usize = 64 << 10;
/// Chosen: 128 calls, each of which is a packet in and one out.
const LEAST_WORK: usize = WORK_BYTES / 256;

thread_local! {
    /// What the sessions of a thread work in, one after the other.
    static SCRATCH: Cell<Option<Scratch>> = const { Cell::new(None) };
}

struct Connection {
    endpoint: Arc<SharedEndpoint>,
    entry: Arc<ConnectionEntry>,
    stream: Stream,
    session: ServerSession,
    outbox: Outbox,
    /// L1: what it may do before others have their turn.
    budget: usize,
    /// The last read left something in the socket.
    is_flooded: bool,
    /// Those that the client has used: seldom more than one.
    services: Vec<(Service, Contained<Box<dyn AnyConnection>>)>,
    /// `None` while no handler waits.
    handlers: Option<FuturesUnordered<Finishing>>,
    event_handlers: usize,
    /// Bytes of the events that they were given.
    event_bytes: usize,
    timer: Option<(Time, Pin<Box<Sleep>>)>,
    last_tick: Option<Time>,
    /// Looked up once each time that this runs: to ask for each thing that came in would cost more
    /// than to tell of it.
    now: Time,
    is_aborted: bool,
    end: Option<End>,
    /// Last: given back when all else is gone.
    guard: ConnectionGuard,
}

/// A handler that waits.
type Finishing = Pin<Box<dyn Future<Output = Finished> + Send>>;

/// What became of a request or an event.
#[derive(Debug)]
struct Finished {
    packet: u64,
    /// Of its service.
    place: usize,
    version: Version,
    is_event: bool,
    /// Of the packet.
    bytes: usize,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug)]
struct End {
    reason: CloseReason,
    calls_cut: usize,
}

/// Serves a connection until it ends.
pub(crate) fn serve(
    stream: Stream,
    guard: ConnectionGuard,
    start: Start,
) -> impl Future<Output = ()> + Send {
    let endpoint = Arc::clone(&guard.endpoint);
    let now = endpoint.clock.now();
    let session = start.session(now);
    debug!(peer = %guard.entry.peer, "connected");
    // A future holds what it moves in each place that it is in. So the connection is boxed, and
    // made outside of the future.
    let connection = Box::new(Connection {
        entry: Arc::clone(&guard.entry),
        endpoint,
        guard,
        stream,
        session,
        outbox: Outbox::default(),
        budget: WORK_BYTES,
        is_flooded: false,
        services: Vec::new(),
        handlers: None,
        event_handlers: 0,
        event_bytes: 0,
        timer: None,
        last_tick: None,
        now,
        is_aborted: false,
        end: None,
    });
    connection.run()
}

/// Tells a client why it is not served.
pub(crate) async fn turn_away(
    mut stream: Stream,
    endpoint: Arc<SharedEndpoint>,
    start: Start,
    why: &'static str,
) {
    let now = endpoint.clock.now();
    let mut session = start.farewell(why, now);
    let mut outbox = Outbox::default();
    while let Some(output) = session.poll_output() {
        if let Output::Transmit { kind, packet } = output {
            outbox.push(kind, packet);
        }
    }
    if farewell::flush(&mut stream, &mut outbox, endpoint.limits.max_linger_time).await {
        farewell::linger(&mut stream, endpoint.limits.max_linger_time).await;
    }
}

impl Connection {
    async fn run(mut self: Box<Self>) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        self.record_end(end);
        let goodbye = boxed(|| self.close(end));
        goodbye.await;
    }

    async fn close(self: Box<Self>, end: End) {
        let Self {
            guard,
            endpoint,
            entry,
            mut stream,
            mut outbox,
            is_aborted,
            session,
            handlers,
            services,
            ..
        } = *self;
        // Handlers are not kept waiting for a client that reads slowly.
        drop((session, handlers, services));
        let is_gone = matches!(end.reason, CloseReason::Lost | CloseReason::SlowReader);
        let (max_write, max_linger) =
            (endpoint.config.max_write_time, endpoint.limits.max_linger_time);
        let is_flushed = if is_gone {
            !is_aborted || outbox.bytes() == 0
        } else {
            let mut is_flushed = false;
            let say_farewell = async {
                is_flushed = farewell::flush(&mut stream, &mut outbox, max_write).await;
                if is_flushed && end.reason != CloseReason::ByClient {
                    farewell::linger(&mut stream, max_linger).await;
                }
            };
            // What can be written at once is written, even when the server stops now.
            tokio::select! {
                biased;
                () = say_farewell => {}
                () = aborted(&entry) => {}
            }
            is_flushed
        };
        if !is_flushed && (is_aborted || end.reason == CloseReason::Shutdown) {
            // Replies that the client cannot have read whole.
            endpoint.totals.calls_cut.add(outbox.replies() as u64);
        }
        drop((stream, guard));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.entry.mailbox.register(cx.waker());
        self.now = self.endpoint.clock.now();
        self.budget = WORK_BYTES;
        loop {
            self.do_outputs(cx);
            if let Some(end) = self.end {
                return Poll::Ready(end);
            }
            if self.budget == 0 {
                return self.yield_now(cx);
            }
            if self.outbox.is_due() {
                // The client gets something to do before all is done.
                if let Poll::Ready(input) = self.poll_write(cx) {
                    self.session.handle(input, self.now);
                }
                continue;
            }
            let running = self.session.running();
            self.entry.running.store(running, Ordering::Relaxed);
            let Poll::Ready(input) = self.poll_input(cx) else {
                if self.handlers.as_ref().is_none_or(FuturesUnordered::is_empty) {
                    // An idle connection keeps no memory for handlers.
                    self.handlers = None;
                }
                self.release();
                return Poll::Pending;
            };
            if let Some(input) = input {
                self.session.handle(input, self.now);
            }
        }
    }

    /// An idle connection keeps no scratch, and the next one can use it.
    fn release(&mut self) {
        if let Some(scratch) = self.session.release() {
            // A thread that is about to end needs none.
            SCRATCH.try_with(|spare| spare.set(Some(scratch))).ok();
        }
    }

    /// Tells the session what was read.
    fn received(&mut self, bytes: BytesMut) -> Input {
        // To read nothing is to read the end.
        if bytes.is_empty() {
            return Input::EndOfStream;
        }
        if let Ok(Some(scratch)) = SCRATCH.try_with(Cell::take) {
            self.session.attach(scratch);
        }
        Input::Received(bytes)
    }

    /// Waits for one thing. `None`: it does not concern the session.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Option<Input>> {
        if let Some(input) = self.take_mail() {
            return Poll::Ready(Some(input));
        }
        if let Some(handlers) = &mut self.handlers
            && let Poll::Ready(Some(finished)) = handlers.poll_next_unpin(cx)
        {
            return Poll::Ready(self.finish(finished));
        }
        if let Poll::Ready(input) = self.poll_write(cx) {
            return Poll::Ready(Some(input));
        }
        if self.session.is_reading()
            && !self.is_held()
            && let Poll::Ready(input) = self.poll_read(cx)
        {
            return Poll::Ready(Some(input));
        }
        self.poll_time(cx).map(Some)
    }

    /// L1: events have no answers that the session could count, so their handlers are counted here.
    fn is_held(&self) -> bool {
        self.event_handlers >= self.endpoint.limits.max_event_handlers
            || self.event_bytes >= self.endpoint.config.max_pending_bytes
    }

    fn take_mail(&mut self) -> Option<Input> {
        if !self.entry.mailbox.has_mail() {
            return None;
        }
        // Events wait while the client does not read: the session would end the connection for
        // them.
        let has_room = self.outbox.bytes() < self.endpoint.config.max_unread_bytes;
        Some(match self.entry.mailbox.take(has_room)? {
            Command::Tell(input) => *input,
            Command::Cut => {
                self.is_aborted = true;
                Input::Lost
            }
            Command::Send(event) => {
                self.entry.messages.events_out.add_alone(1);
                Input::EventOut { version: event.version, body: event.body }
            }
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        self.outbox
            .poll_write(&mut self.stream, cx)
            .map(|written| written.map_or(Input::Lost, Input::Written))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if self.is_flooded {
            return self.poll_large_read(cx);
        }
        let mut bytes = [const { MaybeUninit::uninit() }; STACK_READ];
        let mut room = ReadBuf::uninit(&mut bytes);
        if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room)).is_err() {
            return Poll::Ready(Input::Lost);
        }
        self.is_flooded = room.remaining() == 0;
        Poll::Ready(self.received(BytesMut::from(room.filled())))
    }

    fn poll_large_read(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        // No room is made for what is not there.
        if ready!(self.stream.poll_read_ready(cx)).is_err() {
            return Poll::Ready(Input::Lost);
        }
        let mut room = BytesMut::with_capacity(LARGE_READ);
        let Ok(count) = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut room)) else {
            return Poll::Ready(Input::Lost);
        };
        self.is_flooded = count >= STACK_READ;
        Poll::Ready(self.received(room))
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        loop {
            let Some(deadline) = self.session.poll_timeout().filter(|_| !self.is_held()) else {
                return Poll::Pending;
            };
            let now = self.now;
            // A session is told of a moment once.
            if deadline <= now && self.last_tick != Some(now) {
                self.last_tick = Some(now);
                return Poll::Ready(Input::Tick);
            }
            let at = deadline.max(now + Duration::from_millis(1));
            let clock = self.endpoint.clock;
            let (_, sleep) = match &mut self.timer {
                // What will ring knows whom to wake: a task has one waker. A deadline that moved
                // back is found out about then: most timers never ring.
                Some((rings_at, _)) if *rings_at <= at && now < *rings_at => return Poll::Pending,
                Some(timer) if timer.0 <= at => timer,
                Some(timer) => {
                    timer.0 = at;
                    timer.1.as_mut().reset(clock.instant(at));
                    timer
                }
                None => self.timer.insert((at, Box::pin(sleep_until(clock.instant(at))))),
            };
            ready!(sleep.as_mut().poll(cx));
            self.timer = None;
            // It may have rung since this began.
            self.now = clock.now();
        }
    }

    /// L1: a client that sends without end must not keep others waiting. What is made is written, and
    /// the connection goes on when all that were ready before have had their turn.
    fn yield_now(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(input) = self.poll_write(cx) {
            self.session.handle(input, self.now);
        }
        self.entry.running.store(self.session.running(), Ordering::Relaxed);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    const fn spend(&mut self, bytes: usize) {
        let work = if bytes > LEAST_WORK { bytes } else { LEAST_WORK };
        self.budget = self.budget.saturating_sub(work);
    }

    /// Does what the session says, until there is something to write or others have their turn.
    fn do_outputs(&mut self, cx: &mut Context<'_>) {
        while !self.is_held() && !self.outbox.is_due() && self.budget > 0 {
            match self.session.poll_output() {
                Some(Output::Transmit { kind, packet }) => {
                    self.spend(packet.len());
                    self.outbox.push(kind, packet);
                }
                Some(Output::Request(message)) => self.begin(message, false, cx),
                Some(Output::Event(message)) => self.begin(message, true, cx),
                Some(Output::Close { reason, calls_cut }) => {
                    self.end = Some(End { reason, calls_cut });
                }
                Some(Output::Notice(notice)) => self.note(notice),
                // This shell grants no sessions, so there is none to go on with.
                Some(Output::Session(request)) => {
                    let answer = match request {
                        SessionRequest::Open { .. } => SessionAnswer::NotGranted,
                        SessionRequest::Resume { .. } => {
                            SessionAnswer::NoSession(NoSession::Unknown)
                        }
                    };
                    self.session.handle(Input::Session(answer), self.now);
                }
                Some(_) => debug_assert!(false, "an output that this shell does not know"),
                None => return,
            }
        }
        // Of a connection that is held back, only the end is of interest.
        if self.is_aborted && self.is_held() {
            self.end.get_or_insert(End {
                reason: CloseReason::Lost,
                calls_cut: self.session.running(),
            });
        }
    }

    /// Runs a handler as far as it goes. Most are done at once, and are never put aside.
    fn begin(&mut self, message: Message, is_event: bool, cx: &mut Context<'_>) {
        let messages = &self.entry.messages;
        let counter = if is_event { &messages.events_in } else { &messages.requests };
        counter.add_alone(1);
        let (packet, version, bytes) =
            (message.packet, message.version, message.body.source().len());
        self.spend(bytes);
        let begun = self
            .service(&message.service)
            .and_then(|place| Some((place, self.services.get(place)?.1.get()?)));
        let Some((place, connection)) = begun else {
            let failed = self.failed(packet, &message.service, version, is_event, Outcome::Crashed);
            return self.tell(failed);
        };
        self.entry.mailbox.set_spoken(Some(place), version);
        let mut running = connection.begin(message, is_event);
        match Pin::new(&mut running).poll(cx) {
            Poll::Ready(ended) => {
                running.recycle();
                let finished =
                    Finished { packet, place, version, is_event, bytes, outcome: ended.into() };
                let input = self.outcome(finished);
                self.tell(input);
            }
            Poll::Pending => {
                if is_event {
                    self.event_handlers += 1;
                    self.event_bytes += bytes;
                }
                let max_time = self.endpoint.limits.max_call_time;
                self.handlers.get_or_insert_default().push(Box::pin(async move {
                    let outcome =
                        timeout(max_time, running).await.map_or(Outcome::TimedOut, Outcome::from);
                    Finished { packet, place, version, is_event, bytes, outcome }
                }));
            }
        }
    }

    /// The place of the code of a service on this connection; `None` if it panicked as it was told
    /// of the client.
    fn service(&mut self, name: &Service) -> Option<usize> {
        if let Some(place) = self.services.iter().position(|(known, _)| known == name) {
            return Some(place);
        }
        let service = Arc::clone(self.endpoint.services.get(name)?);
        let mailbox = Arc::clone(&self.entry.mailbox);
        let client =
            Client { peer: self.entry.peer, mailbox, place: self.services.len(), gate: None };
        let connection = Contained::new(contained(|| service.open(client))?);
        self.services.reserve_exact(1);
        self.services.push((name.clone(), connection));
        Some(self.services.len() - 1)
    }

    fn tell(&mut self, input: Option<Input>) {
        if let Some(input) = input {
            self.session.handle(input, self.now);
        }
    }

    fn finish(&mut self, finished: Finished) -> Option<Input> {
        if finished.is_event {
            self.event_handlers -= 1;
            self.event_bytes -= finished.bytes;
        }
        self.outcome(finished)
    }

    fn outcome(&self, finished: Finished) -> Option<Input> {
        let Finished { packet, place, version, is_event, bytes: _, outcome } = finished;
        if let Outcome::Done(body) = outcome {
            return (!is_event).then_some(Input::Reply { packet, body });
        }
        let service = self.services.get(place).map_or(&Service::DEFAULT, |(name, _)| name);
        self.failed(packet, service, version, is_event, outcome)
    }

    #[cold]
    fn failed(
        &self,
        packet: u64,
        service: &Service,
        version: Version,
        is_event: bool,
        outcome: Outcome,
    ) -> Option<Input> {
        let (peer, counters) = (self.entry.peer, &self.endpoint.totals);
        let why = match outcome {
            Outcome::Done(_) => return None,
            Outcome::Failed(failure) => {
                return Some(self.handler_gave_up(packet, service, version, failure));
            }
            Outcome::Crashed => {
                // N6
                warn!(%peer, %service, %version, packet, is_event, "failed: the handler panicked");
                counters.failed.add(1);
                let connection = self.entry.key;
                let service = service.clone();
                self.endpoint.handle(endpoint::Input::Crashed { connection, service, version });
                "crash"
            }
            Outcome::TimedOut => {
                // L2: that says nothing about the version.
                let max_call_ms = millis(self.endpoint.limits.max_call_time);
                warn!(%peer, %service, %version, packet, is_event, max_call_ms, "failed: the handler took too long");
                counters.timed_out.add(1);
                "call_time"
            }
        };
        (!is_event).then(|| Input::Failed { packet, why: Term::atom(why) })
    }

    /// A handler that fails without a panic says nothing about its version (N6).
    fn handler_gave_up(
        &self,
        packet: u64,
        service: &Service,
        version: Version,
        failure: Failure,
    ) -> Input {
        let (peer, counters) = (self.entry.peer, &self.endpoint.totals);
        let (ending, cause) = failure.into_parts();
        let cause = cause.as_deref().map(|cause| tracing::field::display(Chain(cause)));
        match ending {
            Ending::Replied(reply) => Input::Reply { packet, body: reply.into_body() },
            Ending::Failed(why) => {
                counters.failed_by_handler.add(1);
                warn!(%peer, %service, %version, packet, why = %Truncated(why.as_ref()), cause, "failed: the handler says so");
                Input::Failed { packet, why }
            }
            Ending::Refused(why) => {
                counters.refused_by_handler.add(1);
                debug!(%peer, %service, %version, packet, why = %Truncated(why.as_ref()), cause, "refused: the handler says so");
                Input::Refused { packet, why }
            }
        }
    }

    fn note(&self, notice: Notice) {
        let (peer, counters) = (self.entry.peer, &self.endpoint.totals);
        match notice {
            Notice::Agreed { service, version, agent, quarantined } => {
                counters.agreed.add(1);
                let agent = agent.as_ref().map(ubf_codec::Text::to_latin1);
                // A client may put line ends and colours into it.
                let shown = agent.as_deref().map(|agent| Truncated(agent.escape_debug()));
                debug!(%peer, %service, %version, agent = shown.map(tracing::field::display), quarantined = quarantined.len(), "agreed");
                let place = self.services.iter().position(|(known, _)| *known == service);
                self.entry.mailbox.set_spoken(place, version);
                self.entry.agree(service, version, agent.as_deref());
            }
            Notice::NoCommonVersion { service, asked } => {
                counters.no_common_version.add(1);
                info!(%peer, %service, %asked, "no common version");
            }
            Notice::Refused { version, packet } => {
                counters.refused.add(1);
                debug!(%peer, %version, packet, "refused");
            }
            Notice::ReplyIsAnEvent { version, packet } => {
                counters.failed.add(1);
                warn!(%peer, service = %self.session.service(), %version, packet, "failed: the reply has the form of an event");
            }
            Notice::EventTooLarge { version, bytes, max_packet } => {
                warn!(%peer, %version, bytes, max_packet, "event not sent: the client does not accept packets so large");
            }
            Notice::MovedSent => {
                counters.moved.add(1);
                debug!(%peer, "moved");
            }
            Notice::ReportedError { why, offset } => {
                counters.reported_errors.add(1);
                warn!(%peer, why = %Truncated(why.as_ref()), offset, "the client reports an error");
            }
            other => debug!(%peer, ?other, "a notice"),
        }
    }

    fn record_end(&self, end: End) {
        let (peer, counters) = (self.entry.peer, &self.endpoint.totals);
        self.entry.running.store(0, Ordering::Relaxed);
        let is_ours = self.is_aborted || end.reason == CloseReason::Shutdown;
        if is_ours && end.calls_cut > 0 {
            counters.calls_cut.add(end.calls_cut as u64);
            warn!(%peer, calls_cut = end.calls_cut, "calls cut");
        }
        match end.reason {
            CloseReason::ByClient | CloseReason::Shutdown => {}
            CloseReason::Lost => counters.lost.add(u64::from(!self.is_aborted)),
            CloseReason::BadSyntax(_) | CloseReason::BadControl => counters.bad_syntax.add(1),
            // Counted with its notice.
            CloseReason::ReportedError => {}
            CloseReason::NegotiationTime
            | CloseReason::PacketTime
            | CloseReason::IdleTime
            | CloseReason::SlowReader => counters.too_slow.add(1),
            _ => {}
        }
        let packets = self.session.packets();
        match exceeded(&end.reason, &self.endpoint.config) {
            // Whoever finds its clients cut off sees what to raise.
            Some((limit, value)) => {
                let value_ms = millis(value);
                debug!(%peer, reason = %end.reason, limit, value_ms, packets, "closed");
            }
            None => debug!(%peer, reason = %end.reason, packets, "closed"),
        }
    }
}

/// The limit that ended a connection, by its field in [`Config`], and its value.
const fn exceeded(reason: &CloseReason, config: &Config) -> Option<(&'static str, Duration)> {
    match reason {
        CloseReason::NegotiationTime => Some(("max_negotiation_time", config.max_negotiation_time)),
        CloseReason::PacketTime => Some(("max_packet_time", config.max_packet_time)),
        CloseReason::IdleTime => Some(("max_idle_time", config.max_idle_time)),
        CloseReason::SlowReader => Some(("max_write_time", config.max_write_time)),
        // A limit of packets is in the error, with its value.
        CloseReason::BadSyntax(_)
        | CloseReason::ByClient
        | CloseReason::Lost
        | CloseReason::Shutdown
        | CloseReason::BadControl
        | CloseReason::ReportedError
        | _ => None,
    }
}

/// Makes a future where it stays: one that is made first and boxed then takes its room in the task,
/// too, from the start.
fn boxed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

/// Waits until the server stops now.
async fn aborted(entry: &ConnectionEntry) {
    poll_fn(|cx| {
        entry.mailbox.register(cx.waker());
        while let Some(command) = entry.mailbox.take(true) {
            if matches!(command, Command::Cut) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<F>(_: impl Fn(Stream, ConnectionGuard, Start) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_task_is_small() {
        // With what tokio adds, it is to fit into 256 bytes.
        assert!(future_bytes(serve) <= 128, "{} bytes", future_bytes(serve));
        assert!(size_of::<Connection>() <= 800, "{} bytes", size_of::<Connection>());
    }
}
