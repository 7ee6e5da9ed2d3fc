//! One connection: the task that moves bytes, runs handlers and keeps time for a [`ServerSession`].
//!
//! ```text
//! loop { do what the session says; wait for one of: mail, a handler, room to write, bytes, time; tell the session }
//! ```
//!
//! No decision of the protocol is made here.

mod farewell;
mod freeze;
mod handing;
mod link;
mod notes;
mod outbox;
mod owned;
#[cfg(unix)]
mod passing;
mod resting;
mod run;
mod work;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use tokio::time::{Instant, Sleep, sleep_until};
use ubf_net::Stream;
use ubf_proto::endpoint::Start;
use ubf_proto::server::{
    CloseReason, Input, Output, Scratch, SessionAnswer, SessionEnd, SessionRequest,
};
use ubf_proto::session::Resume;
use ubf_proto::{ServerSession, Service, Time};

use self::freeze::Freeze;
pub(crate) use self::freeze::{Adopted, Gift, Giving, adopt};
pub(crate) use self::handing::Attach;
use self::handing::Handed;
use self::link::Link;
use self::outbox::Outbox;
use self::owned::Owned;
#[cfg(unix)]
pub(crate) use self::passing::adopt_live;
#[cfg(unix)]
pub use self::passing::{AdoptedLive, PassedLive};
pub(crate) use self::resting::{Resting, go_on};
pub(crate) use self::run::Run;
use self::work::Waiting;
use crate::call_times::{self, ServiceTimes};
use crate::contain::Contained;
use crate::counters::{Counter, Counters, Messages};
use crate::endpoint::{ConnectionGuard, SharedEndpoint};
use crate::entry::ConnectionEntry;
use crate::erased::AnyConnection;
use crate::log::{debug, warn};
use crate::mailbox::{Command, Mailbox, OpenMailbox};
use crate::owner::OwnerInput;
use crate::session::SessionGuard;

/// What a connection does before others have their turn, in bytes: those of its packets, each of
/// which counts for at least [`LEAST_WORK`]. Chosen: more than a batch, and some tens of
/// microseconds.
const WORK_BYTES: usize = 64 << 10;
/// Chosen: 128 calls, each of which is a packet in and one out.
const LEAST_WORK: usize = WORK_BYTES / 256;
/// A read of more bytes counts, too: parts of a large packet are no work that is counted elsewhere.
const LARGE_WORK: usize = 16 << 10;

thread_local! {
    /// What the sessions of a thread work in, one after the other.
    static SCRATCH: Cell<Option<Scratch>> = const { Cell::new(None) };
}

/// The task of a connection, or of the session that outlives it (S6).
pub(crate) struct Connection {
    /// First, so that no connection is handed over to what is going away.
    own: Option<SessionGuard>,
    endpoint: Arc<SharedEndpoint>,
    /// The connection that it has, or had last, as others see it.
    entry: Arc<ConnectionEntry>,
    mailbox: OpenMailbox,
    /// `None`: the session is parked.
    link: Option<Link>,
    /// S5: the connection with which the session goes on, as soon as the one that it has is closed.
    next: Option<Box<Attach>>,
    session: ServerSession,
    /// L1: what it may do before others have their turn.
    budget: usize,
    /// Those that the client has used: seldom more than one.
    services: Vec<Opened>,
    /// T3: the owners of those that have one, likewise.
    owned: Vec<Owned>,
    /// `None` while no handler waits: an idle connection keeps no memory for them.
    waiting: Option<Box<Waiting>>,
    timer: Option<(Time, Pin<Box<Sleep>>)>,
    last_tick: Option<Time>,
    /// Looked up once each time that this runs: to ask for each thing that came in would cost more
    /// than to tell of it.
    now: Time,
    /// Apart, since a connection that ends needs it and an idle one does not.
    end: Option<Box<Turn>>,
    /// U2: it is on its way to another process. Apart, since that is seldom.
    frozen: Option<Box<Freeze>>,
}

/// The code of a service, and where its times are counted, if they are.
struct Opened {
    name: Service,
    code: Contained<Box<dyn AnyConnection>>,
    times: Option<Arc<ServiceTimes>>,
}

/// What the task does next, when it can do nothing else before.
#[derive(Debug)]
enum Turn {
    /// The connection is over.
    Closed(End),
    /// S4: its client wants to go on with a session.
    Resume(Service, Resume),
    /// S6: the session is over, and has no connection.
    Over,
    /// S6: nothing goes on in a session without a connection.
    Rest,
}

/// The last thing that a task does.
type Last = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone, Copy, Debug)]
struct End {
    reason: CloseReason,
    calls_cut: usize,
    /// S6: the session goes on, and with it all that was not read.
    is_session_kept: bool,
}

/// Serves a connection until it ends.
pub(crate) fn serve(stream: Stream, guard: ConnectionGuard, start: Start) -> Run {
    let now = guard.endpoint.clock.now();
    let session = start.session(now);
    debug!(peer = %guard.entry.peer, "connected");
    Run::Serves(Connection::on(Link::new(stream, guard), session, now))
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
    /// A connection that was admitted.
    fn on(link: Link, session: ServerSession, now: Time) -> Box<Self> {
        let guard = &link.guard;
        Box::new(Self {
            own: None,
            entry: Arc::clone(&guard.entry),
            mailbox: OpenMailbox::new(guard.entry.mailbox()),
            endpoint: Arc::clone(&guard.endpoint),
            link: Some(link),
            next: None,
            session,
            budget: WORK_BYTES,
            services: Vec::new(),
            owned: Vec::new(),
            waiting: None,
            timer: None,
            last_tick: None,
            now,
            end: None,
            frozen: None,
        })
    }

    /// Goes on, or does the last thing.
    fn take_turn(self: Box<Self>, turn: Turn) -> ControlFlow<Last, Box<Self>> {
        match turn {
            Turn::Closed(end) => {
                self.record_end(end);
                ControlFlow::Break(boxed(|| self.close(end)))
            }
            Turn::Resume(service, resume) => match self.hand_over(&service, &resume) {
                // The sender is dropped when the connection is over.
                Handed::Over(ended) => ControlFlow::Break(Box::pin(ended.map(drop))),
                Handed::Stays(connection) => ControlFlow::Continue(connection),
            },
            Turn::Rest => match self.rest() {
                None => ControlFlow::Break(Box::pin(std::future::ready(()))),
                Some(connection) => ControlFlow::Continue(connection),
            },
            Turn::Over => ControlFlow::Break(Box::pin(std::future::ready(()))),
        }
    }

    /// The connection is over. The session that is kept goes on in a task of its own.
    async fn close(mut self: Box<Self>, end: End) {
        let Some(link) = self.link.take() else { return };
        if self.session.is_parked() && !self.is_gone() {
            self.park(end.reason == CloseReason::Shutdown);
            if let Some(session) = self.rest() {
                tokio::spawn(session.run_session());
            }
        } else {
            // Handlers are not kept waiting for a client that reads slowly.
            let Self { session, waiting, services, own, owned, .. } = *self;
            drop((own, owned, session, waiting, services));
        }
        link.close(end).await;
    }

    /// S6: the session is without a connection from here on. S10: whether the client was told that
    /// the server stops, and has what it was sent.
    fn park(&mut self, was_told: bool) {
        // Only now, since the last words must be cut off when the server stops.
        self.entry.set_mailbox(Arc::new(Mailbox::new(0)));
        if let Some(own) = &self.own {
            own.entry.was_told.store(was_told, Ordering::Relaxed);
            own.park(self.entry.key);
        }
        // Another task goes on from here.
        self.mailbox.unregister();
        self.timer = None;
        self.last_tick = None;
        self.end = None;
    }

    fn run_session(mut self: Box<Self>) -> Run {
        self.now = self.endpoint.clock.now();
        if let Some(next) = self.next.take() {
            self.attach(*next);
        }
        Run::Serves(self)
    }

    /// S4: goes on with a connection.
    fn attach(&mut self, attach: Attach) {
        let Attach { link, resuming, told } = attach;
        debug_assert!(self.link.is_none(), "a session has one connection at a time");
        self.entry = Arc::clone(&link.guard.entry);
        if let Some(own) = &self.own {
            own.attached(&self.entry);
        }
        self.link = Some(link);
        self.session.resume(resuming, self.now);
        for command in told {
            if let Some(input) = self.obey(command) {
                self.session.handle(input, self.now);
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Box<Turn>> {
        self.mailbox.register(cx.waker());
        if self.endpoint.call_times.is_none() {
            self.now = self.endpoint.clock.now();
            return self.poll_turn(cx);
        }
        let began = Instant::now();
        self.now = self.endpoint.clock.time(began);
        let connection = self.entry.key.number();
        call_times::begin_turn(began, call_times::Origin { connection, now: self.now });
        let polled = self.poll_turn(cx);
        call_times::end_turn();
        polled
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Box<Turn>> {
        self.budget = WORK_BYTES;
        self.tell_kept(false);
        loop {
            self.do_outputs(cx);
            if let Some(turn) = self.end.take() {
                self.tell_kept(true);
                return Poll::Ready(turn);
            }
            if self.budget == 0 {
                return self.yield_now(cx);
            }
            if self.is_write_due() {
                // The client gets something to do before all is done.
                if let Poll::Ready(input) = self.poll_write(cx) {
                    self.session.handle(input, self.now);
                }
                continue;
            }
            let running = self.session.running();
            self.entry.running.store(running, Ordering::Relaxed);
            let Poll::Ready(input) = self.poll_input(cx) else {
                if self.frozen.is_some()
                    && let Some(input) = self.settle()
                {
                    self.session.handle(input, self.now);
                    continue;
                }
                if self.end.is_some() {
                    continue;
                }
                self.waiting = self.waiting.take().filter(|waiting| !waiting.is_empty());
                if self.is_resting() {
                    self.tell_kept(true);
                    return Poll::Ready(Box::new(Turn::Rest));
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
        if bytes.len() > LARGE_WORK {
            self.spend(bytes.len());
        }
        if let Ok(Some(scratch)) = SCRATCH.try_with(Cell::take) {
            self.session.attach(scratch);
        }
        Input::Received(bytes)
    }

    /// Waits for one thing. `None`: it does not concern the session.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Option<Input>> {
        if self.mailbox.has_mail()
            && let Some(command) = self.take_mail()
        {
            return Poll::Ready(self.obey(command));
        }
        if self.is_passed() {
            // U2: the rest is another process's to do, until it is known that it is not.
            return Poll::Pending;
        }
        if let Some(waiting) = &mut self.waiting
            && let Poll::Ready(finished) = waiting.poll_next(cx)
        {
            return Poll::Ready(self.outcome(finished));
        }
        if let Poll::Ready(input) = self.poll_write(cx) {
            return Poll::Ready(Some(input));
        }
        if self.session.is_reading()
            && !self.is_held()
            && let Some(link) = &mut self.link
            && let Poll::Ready(read) = link.poll_read(&mut self.session, cx)
        {
            let input = read.map_or(Input::Lost, |bytes| self.received(bytes));
            return Poll::Ready(Some(input));
        }
        self.poll_time(cx).map(Some)
    }

    fn is_write_due(&self) -> bool {
        !self.is_passed() && self.link.as_ref().is_some_and(|link| link.outbox.is_due())
    }

    /// L1: events have no answers that the session could count, so their handlers are counted here.
    fn is_held(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| {
            let (events, bytes) = waiting.events();
            events >= self.endpoint.limits.max_event_handlers
                || bytes >= self.endpoint.config.max_pending_bytes
        })
    }

    fn take_mail(&self) -> Option<Command> {
        self.mailbox.take(self.has_room_for_events())
    }

    /// Events wait while the client does not read: the session would end the connection for them.
    fn has_room_for_events(&self) -> bool {
        !self.is_passed()
            && self
                .link
                .as_ref()
                .is_none_or(|link| link.outbox.bytes() < self.endpoint.config.max_unread_bytes)
    }

    /// Does what others want. What the session is to be told of it, if anything.
    fn obey(&mut self, command: Command) -> Option<Input> {
        let command = self.hold_back(command)?;
        let is_here = |to| self.link.is_some() && self.entry.key == to;
        match command {
            // What comes late for a connection that is gone concerns nobody.
            Command::Tell(to, input) => is_here(to).then_some(*input),
            Command::Cut(to) => {
                let is_here = is_here(to);
                if let Some(link) = self.link.as_mut().filter(|_| is_here) {
                    link.is_aborted = true;
                }
                is_here.then_some(Input::Lost)
            }
            Command::Send(event) => {
                self.count(|messages| &messages.events_out, |totals| &totals.events_out);
                Some(Input::EventOut { version: event.version, body: event.body })
            }
            Command::Attach(attach) => {
                if self.link.is_none() {
                    self.attach(*attach);
                    return None;
                }
                if let Some(overtaken) = self.next.replace(attach) {
                    tokio::spawn(overtaken.turn_away(self.now));
                }
                Some(Input::Overtaken)
            }
            Command::EndSession => Some(Input::EndSession),
            Command::Owned(input) => Some(self.hear_owner(*input)),
            Command::Freeze(giving) => self.freeze(giving),
            Command::Thaw => self.thaw(),
            Command::Leave(within) => self.leave(within),
        }
    }

    /// Counts a message where nobody else counts, while there is a connection.
    fn count(
        &self,
        of_connection: impl Fn(&Messages) -> &Counter,
        of_all: impl Fn(&Counters) -> &Counter,
    ) {
        if self.link.is_some() {
            of_connection(&self.entry.messages).add_alone(1);
        } else {
            of_all(&self.endpoint.totals).add(1);
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if self.is_passed() {
            return Poll::Pending;
        }
        let Some(link) = &mut self.link else { return Poll::Pending };
        link.poll_write(cx).map(|written| written.map_or(Input::Lost, Input::Written))
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
            if self.is_resting() {
                // The endpoint keeps its time.
                return Poll::Pending;
            }
            let at = deadline.max(now + Duration::from_millis(1));
            let clock = self.endpoint.clock;
            let (_, sleep) = match &mut self.timer {
                // The armed timer already holds this task's waker. If the deadline has moved back
                // since, that is seen when the timer rings: most timers never ring.
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

    /// L1: a client that sends without end must not keep others waiting. What is made is written,
    /// and the connection goes on when all that were ready before have had their turn.
    fn yield_now(&mut self, cx: &mut Context<'_>) -> Poll<Box<Turn>> {
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
        while !self.is_held() && !self.is_write_due() && self.budget > 0 {
            match self.session.poll_output() {
                Some(Output::Transmit { kind, packet }) => {
                    self.spend(packet.len());
                    if let Some(link) = &mut self.link {
                        link.outbox.push(kind, packet);
                    }
                }
                Some(Output::Request(message)) => self.begin(message, false, cx),
                Some(Output::Event(message)) => self.begin(message, true, cx),
                Some(Output::Close { reason, calls_cut }) => {
                    let is_session_kept = self.session.is_parked() || self.has_owned_session();
                    let end = End { reason, calls_cut, is_session_kept };
                    self.end = Some(Box::new(Turn::Closed(end)));
                    return;
                }
                Some(Output::Notice(notice)) => {
                    self.send_on(&notice);
                    self.note(notice);
                }
                Some(Output::Seen { done, events }) => {
                    self.tell_owner(OwnerInput::Seen { done, events });
                }
                Some(Output::Session(request)) => {
                    if self.end_with_request(request) {
                        return;
                    }
                }
                Some(Output::SessionOver { end, unread }) => {
                    if self.session_over(end, unread) {
                        self.end = Some(Box::new(Turn::Over));
                        return;
                    }
                }
                Some(_) => debug_assert!(false, "an output that this shell does not know"),
                None => return,
            }
        }
        // Of a connection that is held back, only the end is of interest.
        let is_aborted = self.link.as_ref().is_some_and(|link| link.is_aborted);
        if is_aborted && self.is_held() {
            let end = End {
                reason: CloseReason::Lost,
                calls_cut: self.session.running(),
                is_session_kept: false,
            };
            self.end.get_or_insert_with(|| Box::new(Turn::Closed(end)));
        }
    }

    /// S1, S4: asks the endpoint about a session. Whether the connection is to be handed over.
    fn end_with_request(&mut self, request: SessionRequest) -> bool {
        let request = match self.ask_owner(request) {
            Ok(()) => return false,
            Err(request) => request,
        };
        match request {
            SessionRequest::Open { service, wish, max_packet } => {
                let opened = self.endpoint.open_session(
                    &self.entry,
                    self.mailbox.shared(),
                    service,
                    &wish,
                    max_packet,
                );
                let answer = match opened {
                    Ok((own, grant)) => {
                        self.own = Some(own);
                        SessionAnswer::Granted(grant)
                    }
                    Err(answer) => answer,
                };
                self.session.handle(Input::Session(answer), self.now);
                false
            }
            SessionRequest::Resume { service, resume } => {
                self.end = Some(Box::new(Turn::Resume(service, resume)));
                true
            }
        }
    }

    /// S6: the session is over. Whether there is nothing left to do.
    fn session_over(&mut self, end: SessionEnd, unread: usize) -> bool {
        self.tell_owner(OwnerInput::End);
        let counters = &self.endpoint.totals;
        if let Some(own) = self.own.take() {
            if end == SessionEnd::Expired && !own.expire() {
                // A connection for it is on its way here.
                self.own = Some(own);
                return false;
            }
            debug!(session = %own.entry.id, ?end, unread, "session over");
            match end {
                SessionEnd::Expired => counters.sessions_expired.add(1),
                SessionEnd::GivenUp => counters.sessions_given_up.add(1),
                SessionEnd::ByClient | _ => {}
            }
            if end == SessionEnd::GivenUp
                && unread > 0
                && !own.entry.was_told.load(Ordering::Relaxed)
            {
                counters.answers_lost.add(unread as u64);
                warn!(session = %own.entry.id, unread, "answers that nobody has read are gone");
            }
        }
        self.link.is_none()
    }

    /// S6: tells the endpoint what is kept, seldom: always at the end, else when it has changed
    /// much.
    fn tell_kept(&mut self, is_last: bool) {
        let Some(own) = &self.own else { return };
        if let Some(is_crowded) = own.tell_kept(self.session.kept_bytes(), is_last) {
            self.session.handle(Input::Crowded(is_crowded), self.now);
        }
    }
}

/// Makes a future where it stays: one that is made first and boxed then takes its room in the task,
/// too, from the start.
fn boxed<F: Future<Output = ()> + Send + 'static>(make: impl FnOnce() -> F) -> Last {
    Box::pin(make())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<F>(_: impl Fn(Stream, ConnectionGuard, Start) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_task_is_small() {
        // With what tokio adds, it is to fit into 128 bytes.
        assert!(future_bytes(serve) <= 24, "{} bytes", future_bytes(serve));
        assert!(size_of::<Connection>() <= 696, "{} bytes", size_of::<Connection>());
    }
}
