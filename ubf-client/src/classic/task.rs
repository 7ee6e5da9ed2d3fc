//! The task of a classic client: it moves bytes and keeps time for a session, and decides nothing.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tracing::{debug, warn};
use ubf_net::Stream;
use ubf_proto::Time;
use ubf_proto::classic::Hello;
use ubf_proto::classic::client::{
    Call, CallId, ClientSession, Config, EndReason, Input, Notice, Output,
};

use super::client::{ClassicStatus, Command, Waiting};
use super::events::EventSink;
use crate::showing::WireHook;
use crate::wire::{Direction, Traffic};

/// Bytes of a read buffer. Chosen: stock servers send one reply at a time.
const READ_BYTES: usize = 4096;
/// For the last bytes of a connection that is given up. Chosen: they are few, and nobody waits.
const LEAVE_TIME: Duration = Duration::from_secs(1);
/// Things that are done before others have their turn (L1). Chosen: some tens of calls.
const MAX_TURNS: u32 = 128;

/// The server's hello, if it said one; or why there is no session.
pub(super) type Ready = Result<Option<Hello>, EndReason>;

pub(super) struct Task {
    session: ClientSession,
    stream: Stream,
    /// Packets that are to be written, each in a write of its own (Q4).
    out: VecDeque<Bytes>,
    commands: mpsc::UnboundedReceiver<Command>,
    are_commands_open: bool,
    waiting: HashMap<CallId, Waiting>,
    next_id: u64,
    events: EventSink,
    status: watch::Sender<ClassicStatus>,
    ready: Option<oneshot::Sender<Ready>>,
    wire_hook: Option<WireHook>,
    start: Instant,
    now: Time,
    timer: Option<(Time, Pin<Box<Sleep>>)>,
    close_at: Option<Time>,
    end: Option<EndReason>,
}

impl Task {
    pub(super) fn new(
        stream: Stream,
        config: Arc<Config>,
        commands: mpsc::UnboundedReceiver<Command>,
        events: EventSink,
        status: watch::Sender<ClassicStatus>,
        ready: oneshot::Sender<Ready>,
        wire_hook: Option<WireHook>,
    ) -> Box<Self> {
        Box::new(Self {
            session: ClientSession::new(config, Time::ZERO),
            stream,
            out: VecDeque::new(),
            commands,
            are_commands_open: true,
            waiting: HashMap::new(),
            next_id: 0,
            events,
            status,
            ready: Some(ready),
            wire_hook,
            start: Instant::now(),
            now: Time::ZERO,
            timer: None,
            close_at: None,
            end: None,
        })
    }

    /// Runs until the session has ended and its last bytes are written. Gives back the function
    /// that is shown all bytes.
    pub(super) async fn run(mut self: Box<Self>) -> Option<WireHook> {
        let reason = poll_fn(|cx| self.poll(cx)).await;
        debug!(%reason, "ended");
        let Self { stream, out, status, wire_hook, commands, events, ready, .. } = *self;
        drop(events);
        // Calls that were made meanwhile end, since nobody is there to take them.
        drop(commands);
        if let Some(ready) = ready {
            // Whoever waited may be gone.
            let _is_told = ready.send(Err(reason.clone())).is_ok();
        }
        status.send_modify(|status| status.ended = Some(reason));
        leave(stream, out).await;
        wire_hook
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        self.now = Time::ZERO + self.start.elapsed();
        for _turn in 0..MAX_TURNS {
            self.do_outputs();
            if let Some(reason) = self.end.take() {
                return Poll::Ready(reason);
            }
            let input = match self.poll_input(cx) {
                Poll::Ready(input) => input,
                Poll::Pending => return Poll::Pending,
            };
            if let Some(input) = input {
                self.session.handle(input, self.now);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Waits for one thing. `None`: it does not concern the session.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Option<Input>> {
        if let Some(at) = self.close_at
            && (self.session.calls() == 0 || self.now >= at)
        {
            self.close_at = None;
            return Poll::Ready(Some(Input::Close));
        }
        if let Some(packet) = self.out.front_mut()
            && let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(cx, packet)
        {
            let Ok(count @ 1..) = written else { return Poll::Ready(Some(Input::Lost)) };
            packet.advance(count.min(packet.len()));
            if packet.is_empty() {
                self.out.pop_front();
            }
            return Poll::Ready(Some(Input::Written(count)));
        }
        if let Poll::Ready(read) = self.poll_read(cx) {
            return Poll::Ready(Some(read));
        }
        if self.are_commands_open
            && let Poll::Ready(command) = self.commands.poll_recv(cx)
        {
            return Poll::Ready(self.obey(command));
        }
        self.poll_time(cx).map(|()| Some(Input::Tick))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        // What is wrong with the stream, the read says.
        ready!(self.stream.poll_read_ready(cx)).ok();
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        Poll::Ready(match ready!(pin!(self.stream.read_buf(&mut buffer)).poll(cx)) {
            Ok(0) => Input::EndOfStream,
            Ok(_) => {
                self.show(Direction::FromServer, &buffer);
                Input::Received(buffer)
            }
            Err(_) => Input::Lost,
        })
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let wanted = self.session.poll_timeout().into_iter().chain(self.close_at).min();
        let Some(wanted) = wanted else { return Poll::Pending };
        // A timer that is set too early wakes the task once in vain; to move it for each packet
        // would cost more.
        if self.timer.as_ref().is_none_or(|(armed, _)| wanted < *armed) {
            let at = self.start + wanted.since(Time::ZERO).min(Duration::from_secs(86_400));
            self.timer = Some((wanted, Box::pin(sleep_until(at))));
        }
        let Some((_, timer)) = &mut self.timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(cx));
        self.timer = None;
        self.now = Time::ZERO + self.start.elapsed();
        Poll::Ready(())
    }

    fn obey(&mut self, command: Option<Command>) -> Option<Input> {
        match command {
            Some(Command::Call { kind, deadline, waiting }) => {
                let id = CallId(self.next_id);
                self.next_id += 1;
                self.waiting.insert(id, waiting);
                let deadline = Time::ZERO + deadline.saturating_duration_since(self.start);
                Some(Input::Call(Call { id, kind, deadline: Some(deadline) }))
            }
            Some(Command::Contract(contract)) => Some(Input::Contract(contract)),
            Some(Command::Close { by }) => {
                self.close_at = Some(Time::ZERO + by.saturating_duration_since(self.start));
                None
            }
            // All handles are gone, and with them all who wait.
            None => {
                self.are_commands_open = false;
                Some(Input::Close)
            }
        }
    }

    /// Does what the session says until that is nothing.
    fn do_outputs(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(bytes) => {
                    self.show(Direction::ToServer, &bytes);
                    self.out.push_back(bytes);
                }
                Output::Ready(hello) => self.greeted(hello),
                Output::Ended { id, outcome } => {
                    self.show_state();
                    if let Some(waiting) = self.waiting.remove(&id) {
                        // Whoever made the call may have let go of it.
                        let _is_told = waiting.answer.send(outcome).is_ok();
                    }
                }
                Output::Event(event) => {
                    if !self.events.push(event) {
                        self.status.send_if_modified(|status| {
                            status.events_missed += 1;
                            false
                        });
                    }
                }
                Output::Notice(Notice::LateHello(_)) => debug!("the server said hello late"),
                Output::Notice(Notice::EventBroke(broken)) => {
                    warn!(%broken, "the contract does not allow an event of the server");
                    self.status.send_modify(|status| status.events_not_allowed += 1);
                }
                Output::Close(reason) => self.end = Some(reason),
                Output::Notice(_) | _ => debug!("an output that is not known here"),
            }
        }
    }

    fn greeted(&mut self, hello: Option<Hello>) {
        self.status.send_modify(|status| status.hello.clone_from(&hello));
        if let Some(ready) = self.ready.take() {
            // Whoever waited may be gone: then the handle is, too.
            let _is_told = ready.send(Ok(hello)).is_ok();
        }
    }

    /// Before the caller is told, so that it sees what it was told.
    fn show_state(&self) {
        let (state, level) = (self.session.state(), self.session.level());
        self.status.send_if_modified(|status| {
            let is_changed = status.state.as_ref() != state || status.level != level;
            if is_changed {
                status.state = state.cloned();
                status.level = level;
            }
            is_changed
        });
    }

    fn show(&mut self, direction: Direction, bytes: &[u8]) {
        let Some(hook) = &self.wire_hook else { return };
        let shown = AssertUnwindSafe(|| hook(Traffic { connection: 0, direction, bytes }));
        if catch_unwind(shown).is_err() {
            warn!("what is shown the bytes has crashed, and is shown no more");
            self.wire_hook = None;
        }
    }
}

/// Writes what is left, then waits for the server to close its side, too: a socket that is closed
/// with bytes unread takes our last words with it.
async fn leave(mut stream: Stream, out: VecDeque<Bytes>) {
    let leaving = async {
        for packet in out {
            stream.write_all(&packet).await?;
        }
        stream.shutdown().await?;
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        while stream.read_buf(&mut buffer).await? > 0 {
            buffer.clear();
        }
        Ok::<_, std::io::Error>(())
    };
    // Whether the server closes in time makes no difference.
    let _is_closed = timeout(LEAVE_TIME, leaving).await.is_ok();
}
