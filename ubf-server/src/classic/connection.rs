//! The task of one connection of a stock peer: it moves bytes, runs handlers and keeps time for a
//! classic session.
//!
//! ```text
//! loop { do what the session says; wait for one of: mail, a handler, room to write, bytes, time; tell the session }
//! ```

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio::time::{Sleep, sleep_until, timeout};
use ubf_net::{Peer, Stream, poll_write_pieces};
use ubf_proto::classic::server::{
    CloseReason, EventFault, Input, Notice, Output, Scratch, ServerSession,
};
use ubf_proto::{Time, server};

use super::Settled;
use super::answer;
#[cfg(unix)]
use super::leaving::{self, Freeze};
use super::work::{Calling, Serving};
use crate::endpoint::{ConnectionGuard, SharedEndpoint, Welcome};
use crate::log::{debug, warn};
use crate::mailbox::{Command, OpenMailbox};

/// Room that is made for each read. Chosen: stock peers send one request at a time.
const READ_BYTES: usize = 4096;
/// The most bytes that are read and forgotten after the end: chosen, a client that floods is not
/// listened to.
const MAX_FORGOTTEN: usize = 1 << 20;
/// Things that a connection does before others have their turn (L1). Chosen: some tens of calls.
const MAX_TURNS: u32 = 128;

/// Serves a connection in a task of its own. It is admitted at once.
pub(crate) fn welcome(
    stream: Stream,
    peer: Peer,
    endpoint: &Arc<SharedEndpoint>,
    settled: &Arc<Settled>,
) {
    welcome_with(stream, BytesMut::new(), peer, endpoint, settled);
}

/// The same, of a stream whose first bytes were read already.
#[allow(clippy::needless_pass_by_value, reason = "all that greet have one form")]
pub(super) fn welcome_with(
    stream: Stream,
    first: BytesMut,
    peer: Peer,
    endpoint: &Arc<SharedEndpoint>,
    settled: &Arc<Settled>,
) {
    match endpoint.admit(&peer) {
        // Its own session is of no use here.
        Welcome::Served { guard, start: _ } => {
            endpoint.totals.classic_connections.add(1);
            let mut connection = Connection::new(stream, guard, Arc::clone(settled));
            connection.tell(Input::Received(first));
            tokio::spawn(connection.run());
        }
        // Q11: a stock peer would take a last word for a reply.
        Welcome::TurnedAway { why, start: _ } => debug!(%peer, why, "turned away"),
    }
}

pub(super) struct Connection {
    pub(super) guard: ConnectionGuard,
    pub(super) mailbox: OpenMailbox,
    pub(super) settled: Arc<Settled>,
    pub(super) session: ServerSession,
    /// The service of the session, once it has begun.
    pub(super) serving: Option<Serving>,
    /// The handler of the request that runs and waits, and its number.
    pub(super) call: Option<(u64, Calling)>,
    pub(super) events: FuturesUnordered<Calling>,
    /// Packets that were handed to services.
    pub(super) packets: u64,
    stream: Stream,
    out: Out,
    timer: Option<(Time, Pin<Box<Sleep>>)>,
    /// U2: how far it is on its way to another process.
    #[cfg(unix)]
    pub(super) frozen: Option<Freeze>,
    /// Looked up once each time that this runs.
    now: Time,
    end: Option<CloseReason>,
    is_aborted: bool,
}

/// Packets that are to be written.
#[derive(Debug, Default)]
struct Out {
    packets: VecDeque<Packet>,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Packet {
    bytes: Bytes,
    /// Q8: it goes in a write of its own.
    is_apart: bool,
}

impl Out {
    fn push(&mut self, bytes: Bytes, is_apart: bool) {
        self.bytes += bytes.len();
        self.packets.push_back(Packet { bytes, is_apart });
    }

    /// Writes as much as the stream takes of the packets that may go together.
    fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        let Some(first) = self.packets.front() else { return Poll::Pending };
        let together = self.packets.iter().take_while(|packet| !packet.is_apart);
        let written = if first.is_apart || self.packets.len() == 1 {
            ready!(Pin::new(stream).poll_write(cx, &first.bytes))
        } else {
            ready!(poll_write_pieces(stream, together.map(|packet| &packet.bytes[..]), cx))
        };
        let Ok(count @ 1..) = written else { return Poll::Ready(None) };
        self.bytes = self.bytes.saturating_sub(count);
        let mut left = count;
        while left > 0 {
            let Some(packet) = self.packets.front_mut() else { break };
            let of_this = left.min(packet.bytes.len());
            packet.bytes.advance(of_this);
            left -= of_this;
            if packet.bytes.is_empty() {
                self.packets.pop_front();
            }
        }
        Poll::Ready(Some(count))
    }
}

#[cfg(unix)]
impl Packet {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

thread_local! {
    /// Decoders for the next session that has something to read: an idle one has none.
    static SCRATCH: Cell<Option<Scratch>> = const { Cell::new(None) };
}

impl Connection {
    fn new(stream: Stream, guard: ConnectionGuard, settled: Arc<Settled>) -> Box<Self> {
        let now = guard.endpoint.clock.now();
        let config = Arc::clone(&settled.config);
        let house = settled.house_without(guard.entry.barred());
        let session = ServerSession::new(config, house, now);
        debug!(peer = %guard.entry.peer, "a stock peer has connected");
        Self::with_session(stream, guard, settled, session)
    }

    pub(super) fn with_session(
        stream: Stream,
        guard: ConnectionGuard,
        settled: Arc<Settled>,
        session: ServerSession,
    ) -> Box<Self> {
        let now = guard.endpoint.clock.now();
        Box::new(Self {
            mailbox: OpenMailbox::new(guard.entry.mailbox()),
            guard,
            settled,
            session,
            serving: None,
            call: None,
            events: FuturesUnordered::new(),
            packets: 0,
            stream,
            out: Out::default(),
            timer: None,
            #[cfg(unix)]
            frozen: None,
            now,
            end: None,
            is_aborted: false,
        })
    }

    pub(super) async fn run(mut self: Box<Self>) {
        let Some(reason) = poll_fn(|cx| self.poll(cx)).await else {
            // U2: the socket is another process's, and is not shut down.
            return debug!(peer = %self.guard.entry.peer, "goes on in another process");
        };
        self.record_end(&reason);
        let is_heard = !self.is_aborted && reason != CloseReason::Lost;
        let Self { guard, mut stream, out, serving, call, events, .. } = *self;
        // Handlers are not kept waiting for a client that reads slowly.
        drop((serving, call, events));
        if is_heard {
            close(&mut stream, out, guard.endpoint.limits.max_linger_time).await;
        }
        drop(guard);
    }

    /// How it ends. `None`: it goes on in another process.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<CloseReason>> {
        self.mailbox.register(cx.waker());
        self.now = self.guard.endpoint.clock.now();
        let ended = self.poll_turns(cx);
        if let Some(scratch) = self.session.release() {
            // A thread that is about to end needs none.
            SCRATCH.try_with(|spare| spare.set(Some(scratch))).ok();
        }
        ended
    }

    fn poll_turns(&mut self, cx: &mut Context<'_>) -> Poll<Option<CloseReason>> {
        for _turn in 0..MAX_TURNS {
            self.do_outputs(cx);
            if let Some(reason) = self.end {
                return Poll::Ready(Some(reason));
            }
            match self.poll_input(cx) {
                Poll::Ready(Some(input)) => self.tell(input),
                Poll::Ready(None) => {}
                Poll::Pending => {
                    // All that was there to be done is done: now is the time to go, if any is.
                    #[cfg(unix)]
                    if let Some(input) = self.settle() {
                        self.tell(input);
                        continue;
                    }
                    return if self.is_gone() { Poll::Ready(None) } else { Poll::Pending };
                }
            }
        }
        // Others want their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Waits for one thing. `None`: it does not concern the session.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Option<Input>> {
        let is_given = self.is_given();
        let has_room = !is_given && self.out.bytes < self.settled.config.max_unread_bytes;
        if self.mailbox.has_mail()
            && let Some(command) = self.mailbox.take(has_room)
        {
            return Poll::Ready(self.obey(command));
        }
        if is_given {
            // U2: the rest of this is another process's to do, until it is known that it is not.
            return Poll::Pending;
        }
        if let Some((number, call)) = &mut self.call
            && let Poll::Ready(outcome) = call.as_mut().poll(cx)
        {
            let number = *number;
            self.call = None;
            return Poll::Ready(Some(self.answered(number, outcome)));
        }
        if !self.events.is_empty()
            && let Poll::Ready(Some(outcome)) = self.events.poll_next_unpin(cx)
        {
            self.event_ended(&outcome);
            return Poll::Ready(None);
        }
        if let Poll::Ready(written) = self.out.poll_write(&mut self.stream, cx) {
            return Poll::Ready(Some(written.map_or(Input::Lost, Input::Written)));
        }
        if self.is_reading()
            && let Poll::Ready(read) = self.poll_read(cx)
        {
            return Poll::Ready(Some(read));
        }
        self.poll_time(cx).map(|()| Some(Input::Tick))
    }

    /// Whether handlers run, or owners have not answered.
    #[cfg(unix)]
    pub(super) fn has_work(&self) -> bool {
        let owned = self.serving.as_ref().map_or(0, Serving::pending_events);
        self.call.is_some() || !self.events.is_empty() || owned > 0
    }

    #[cfg(not(unix))]
    const fn is_given(&self) -> bool {
        false
    }

    #[cfg(not(unix))]
    const fn is_gone(&self) -> bool {
        false
    }

    #[cfg(unix)]
    pub(super) const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// U2: bytes that were handed out and not written.
    #[cfg(unix)]
    pub(super) fn unsent(&self) -> Bytes {
        leaving::joined(&self.out.packets).freeze()
    }

    /// U2: those of the predecessor, which may be half of a packet.
    #[cfg(unix)]
    pub(super) fn put_unsent(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.out.push(bytes, true);
        }
    }

    /// Q4, L1: while a client is not read from, what it sends waits in the socket.
    fn is_reading(&self) -> bool {
        let owned = self.serving.as_ref().map_or(0, Serving::pending_events);
        let running = self.events.len() + owned;
        self.session.is_reading() && running < self.guard.endpoint.limits.max_event_handlers
    }

    /// An idle connection has no buffer.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        // What is wrong with the stream, the read says.
        ready!(self.stream.poll_read_ready(cx)).ok();
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        Poll::Ready(match ready!(pin!(self.stream.read_buf(&mut buffer)).poll(cx)) {
            Ok(0) => Input::EndOfStream,
            Ok(_) => {
                if let Some(scratch) = SCRATCH.try_with(Cell::take).ok().flatten() {
                    self.session.attach(scratch);
                }
                Input::Received(buffer)
            }
            Err(_) => Input::Lost,
        })
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wanted) = self.session.poll_timeout() else { return Poll::Pending };
        // A timer that is set too early wakes the task once in vain; to move it for each packet
        // would cost more.
        if self.timer.as_ref().is_none_or(|(armed, _)| wanted < *armed) {
            let at = self.guard.endpoint.clock.instant(wanted);
            match &mut self.timer {
                Some((armed, timer)) => {
                    timer.as_mut().reset(at);
                    *armed = wanted;
                }
                None => self.timer = Some((wanted, Box::pin(sleep_until(at)))),
            }
        }
        let Some((_, timer)) = &mut self.timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(cx));
        self.timer = None;
        self.now = self.guard.endpoint.clock.now();
        Poll::Ready(())
    }

    pub(super) fn tell(&mut self, input: Input) {
        self.session.handle(input, self.now);
    }

    /// Does what the session says until that is nothing.
    fn do_outputs(&mut self, cx: &mut Context<'_>) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit { bytes, is_apart } => self.out.push(bytes, is_apart),
                Output::Start { service, argument } => {
                    let input = self.start(&service, argument);
                    self.tell(input);
                }
                Output::Restart { service, argument } => {
                    let input = self.restart(&service, &argument);
                    self.tell(input);
                }
                Output::Request(request) => {
                    if let Some(input) = self.request(request, cx) {
                        self.tell(input);
                    }
                }
                Output::Event { service, body, .. } => self.event(&service, body),
                Output::Notice(notice) => self.count(&notice),
                Output::Close { reason, is_call_cut } => {
                    if is_call_cut && matches!(reason, CloseReason::Shutdown) {
                        self.guard.endpoint.totals.calls_cut.add(1);
                    }
                    self.end = Some(reason);
                }
                _ => debug_assert!(false, "an output that this shell does not know"),
            }
        }
        let running = usize::from(self.call.is_some());
        self.guard.entry.running.store(running, Ordering::Relaxed);
    }

    /// Does what others want of the connection.
    fn obey(&mut self, command: Command) -> Option<Input> {
        match command {
            // Of all else nothing concerns a stock peer: it cannot be told to go elsewhere, and is
            // waited for.
            Command::Tell(to, input) if to == self.guard.entry.key => {
                if let server::Input::Close { within, .. } = *input {
                    return Some(Input::Close { within });
                }
                None
            }
            Command::Cut(to) if to == self.guard.entry.key => {
                self.is_aborted = true;
                Some(Input::Lost)
            }
            Command::Send(event) => {
                self.guard.entry.messages.events_out.add(1);
                answer::event(&event.body).map(Input::EventOut)
            }
            Command::Owned(input) => self.hear_owner(*input),
            #[cfg(unix)]
            Command::Freeze(giving) => self.freeze(giving),
            #[cfg(unix)]
            Command::Thaw => self.thaw(),
            #[cfg(unix)]
            Command::Leave(within) => self.leave(within),
            // Nobody can take over where sockets cannot be given.
            #[cfg(not(unix))]
            Command::Freeze(_) | Command::Thaw | Command::Leave(_) => None,
            Command::Tell(..) | Command::Cut(_) | Command::Attach(_) | Command::EndSession => None,
        }
    }

    /// Counts what people want to see, and says it.
    fn count(&self, notice: &Notice) {
        let (totals, peer) = (&self.guard.endpoint.totals, &self.guard.entry.peer);
        match notice {
            Notice::Started { service, state } => {
                let (service, state) = (service.to_latin1(), state.to_latin1());
                debug!(%peer, service, state, "a session began");
            }
            Notice::ClientBroke(broken) => {
                totals.classic_client_broke.add(1);
                debug!(%peer, %broken, "the client broke the contract");
            }
            Notice::ServerBroke(broken) => {
                totals.classic_server_broke.add(1);
                warn!(%peer, %broken, "the service broke its contract");
            }
            Notice::EventDropped(fault) => {
                totals.classic_events_dropped.add(1);
                // That they are not sent was decided by whoever set the server up.
                if matches!(fault, EventFault::Never) {
                    debug!(%peer, %fault, "an event was not sent");
                } else {
                    warn!(%peer, %fault, "an event was not sent");
                }
            }
            Notice::EventIgnored(fault) => {
                totals.classic_events_ignored.add(1);
                debug!(%peer, %fault, "an event was not taken");
            }
            Notice::UnknownState { state } => {
                let state = state.to_latin1();
                warn!(%peer, state, "the service is in a state that its contract does not have");
            }
            other => debug!(%peer, notice = ?other, "classic session"),
        }
    }

    fn record_end(&self, reason: &CloseReason) {
        let totals = &self.guard.endpoint.totals;
        if matches!(reason, CloseReason::BadSyntax(_)) {
            totals.bad_syntax.add(1);
        } else if matches!(reason, CloseReason::Lost) {
            totals.lost.add(1);
        } else if matches!(
            reason,
            CloseReason::PacketTime | CloseReason::IdleTime | CloseReason::SlowReader
        ) {
            totals.too_slow.add(1);
        }
        debug!(peer = %self.guard.entry.peer, %reason, "closed");
    }
}

/// Writes what is left, and waits for the client's end: a socket that is closed with unread bytes
/// may take away what its client has not read.
async fn close(stream: &mut Stream, out: Out, within: Duration) {
    let farewell = async {
        for packet in out.packets {
            stream.write_all(&packet.bytes).await?;
        }
        stream.shutdown().await?;
        let (mut forgotten, mut buffer) = (0, BytesMut::with_capacity(READ_BYTES));
        while forgotten < MAX_FORGOTTEN {
            buffer.clear();
            match stream.read_buf(&mut buffer).await? {
                0 => break,
                count => forgotten += count,
            }
        }
        Ok::<_, std::io::Error>(())
    };
    // Whether the client closes in time makes no difference.
    let _is_closed = timeout(within, farewell).await.is_ok();
}
