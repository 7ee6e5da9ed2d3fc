//! The task that owns the session and its sockets.
//!
//! ```text
//! handles ──commands──> ┌────────┐ ──Input──> ┌───────────────┐
//! sockets ──bytes─────> │ Driver │            │ ClientSession │    nothing is decided here
//! clock ────ticks─────> └────────┘ <─Output── └───────────────┘
//! ```

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::{debug, warn};
use ubf_codec::Version;
use ubf_proto::client::{
    Call, CallError, CallId, Config, ConnectionId, Done, Input, Leaving, NamedBy, Notice, Output,
};
use ubf_proto::session::SessionId;
use ubf_proto::{ClientSession, Time};

use crate::attempt::{Attempt, Connector};
use crate::call_table::{Answer, CallTable, unknown};
use crate::calls::Calls;
use crate::command::{Command, Submission, crash};
#[cfg(feature = "contract")]
use crate::contract::Contracts;
use crate::events::{EventSink, Start};
use crate::handle::Client;
use crate::link::Link;
use crate::opening::{Opening, OpeningHook, OpeningTask};
use crate::remembered;
use crate::reply::{Connection, Event, Reply};
use crate::request::{Kind, Rendering, Request, render};
use crate::room::Room;
use crate::settings;
use crate::showing::{Showing, Viewers};
use crate::stand_in::StandIns;
use crate::wire::Direction;

/// Inputs before what there is to write is written, though more could be taken in. Chosen: batches
/// grow no further than this.
const MAX_INPUTS_BEFORE_WRITE: u32 = 64;
/// Memory of replies before their callers are told, likewise. Chosen: small beside what they may
/// take (L1), and hundreds of usual ones.
const MAX_REPLY_BYTES_BEFORE_WRITE: usize = 256 * 1024;
/// The longest time to sleep. Chosen: any; it keeps far moments within what a clock can express.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 3600);

/// A call that has not ended.
struct OpenCall {
    /// It opens a connection.
    is_opening: bool,
    /// `None` if the session has a body for all versions.
    request: Option<Box<dyn Request>>,
    kind: Kind,
    is_awaited: bool,
}

/// What connects a driver to its handles.
pub(crate) struct Ends {
    pub(crate) table: Arc<CallTable>,
    pub(crate) events: EventSink,
    /// Makes connections instead of the library.
    pub(crate) connector: Option<Connector>,
    /// What some of the program's addresses stand for.
    pub(crate) stand_ins: StandIns,
    /// Whether an address is the same server for all clients of this process (N3): nobody but the
    /// library dials it.
    pub(crate) has_common_addresses: bool,
    /// Opens connections, and makes the client that it is given.
    pub(crate) opener: Option<(OpeningHook, OpeningClients)>,
    /// What messages are held against.
    #[cfg(feature = "contract")]
    pub(crate) contracts: Option<Arc<Contracts>>,
}

/// Makes the client whose calls open a connection.
pub(crate) type OpeningClients = Box<dyn Fn(ConnectionId) -> Client + Send>;

pub(crate) struct Driver {
    session: ClientSession,
    showing: Showing,
    start: Instant,
    /// Looked up once each time that this runs: to ask for each thing that came in would cost more
    /// than to tell of it.
    now: Time,
    ends: Ends,
    close_time: Duration,
    commands_are_open: bool,
    /// When the calls that are still open are given up.
    close_at: Option<Time>,
    /// At most two that the session knows, and those that are about to be gone.
    links: Vec<Link>,
    calls: Calls<OpenCall>,
    /// The connection that is being opened.
    opening: Option<OpeningTask>,
    /// `None` while this waits.
    room: Option<Box<Room>>,
    /// Memory of the replies that have ended calls, until that is told.
    ended_bytes: usize,
    /// So many calls that have ended opened a connection.
    ended_opening: usize,
    timer: Pin<Box<Sleep>>,
    /// When the timer wakes us. It may be earlier than is needed.
    armed: Option<Time>,
    inputs_since_write: u32,
    /// Calls taken in since then, and those of the time before.
    calls_since_write: u32,
    last_batch: u32,
    has_stepped_back: bool,
    is_commands_turn: bool,
    /// L1: nothing is read, since callers have not taken their replies.
    is_paused: bool,
    is_finished: bool,
}

impl Driver {
    /// It is large, and made where it stays.
    pub(crate) fn new(
        mut config: Config,
        seed: u64,
        close_time: Duration,
        ends: Ends,
        viewers: Viewers,
    ) -> Box<Self> {
        let start = Instant::now();
        config.opens_connections = ends.opener.is_some();
        let mut session = ClientSession::new(settings::shared(config), seed, Time::ZERO);
        if ends.has_common_addresses {
            remembered::tell(&mut session, &ends.stand_ins);
        }
        Box::new(Self {
            showing: Showing::new(viewers, start),
            start,
            now: Time::ZERO,
            ends,
            close_time,
            commands_are_open: true,
            close_at: None,
            links: Vec::new(),
            calls: Calls::new(),
            opening: None,
            room: None,
            ended_bytes: 0,
            ended_opening: 0,
            timer: Box::pin(sleep_until(start + MAX_SLEEP)),
            armed: None,
            inputs_since_write: 0,
            calls_since_write: 0,
            last_batch: 0,
            has_stepped_back: false,
            is_commands_turn: false,
            is_paused: false,
            is_finished: false,
            session,
        })
    }

    /// Runs until the session has ended and its last bytes are written.
    pub(crate) fn run(mut self: Box<Self>) -> impl Future<Output = ()> + Send {
        poll_fn(move |cx| self.poll(cx))
    }

    fn look_at_clock(&mut self) {
        let millis = self.start.elapsed().as_millis();
        self.now = Time::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut room = Room::take();
        self.session.attach_scratch(&mut room.scratch);
        let link = self.links.first_mut();
        if let Some(unsent) = link.and_then(Link::idle_unsent) {
            std::mem::swap(unsent, &mut room.unsent);
        }
        self.room = Some(room);
        let polled = self.go_on(cx);
        let mut room = self.room.take().unwrap_or_default();
        if self.session.open_calls() == 0 {
            self.session.release_scratch(&mut room.scratch);
            let link = self.links.first_mut();
            if let Some(unsent) = link.and_then(Link::idle_unsent) {
                room.unsent = std::mem::take(unsent);
            }
        }
        room.give_back();
        polled
    }

    /// What it works in. There is always one while it runs.
    fn room(&mut self) -> &mut Room {
        self.room.get_or_insert_default()
    }

    /// Goes on until there is nothing to do but to wait. What is shown and what is armed is seen to
    /// once for all that came in.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.look_at_clock();
        loop {
            while let Some(output) = self.session.poll_output() {
                self.obey(output);
            }
            self.links.retain(|link| !link.is_gone());
            // To take in all that there is before anything is written makes the batches large; to
            // go on with it for ever would be too much.
            let is_full = self.inputs_since_write >= MAX_INPUTS_BEFORE_WRITE
                || self.ended_bytes >= MAX_REPLY_BYTES_BEFORE_WRITE;
            if !is_full && self.take_in(cx) {
                self.inputs_since_write += 1;
                continue;
            }
            self.publish();
            if self.is_finished && self.links.is_empty() {
                return Poll::Ready(());
            }
            // A scheduler runs a task that was woken as soon as it can: after the first of many
            // callers, and each would have a write of its own. So this task goes to the
            // end of the queue once, behind those who are about to call, if there were several of
            // late.
            let is_in_company =
                self.calls_since_write > 0 && self.calls_since_write.max(self.last_batch) > 1;
            if is_in_company && !is_full && !self.has_stepped_back {
                self.has_stepped_back = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // What cannot be written does not keep us from reading.
            let has_written = self.write(cx);
            if is_full {
                continue;
            }
            // Whatever comes in wakes us. Behind a write there is more to do only if something had
            // waited for room.
            if has_written && let Some(output) = self.session.poll_output() {
                self.obey(output);
                continue;
            }
            // Whoever took a reply before the table knew our waker has woken nobody.
            let can_read_again = self.is_paused && !self.ends.table.is_full();
            if !can_read_again && !self.has_time_come(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Tells the session one thing that came from outside. `false` if there is none; the next one
    /// will wake us.
    fn take_in(&mut self, cx: &mut Context<'_>) -> bool {
        // Whoever was heard goes to the end: a server that talks without a pause does not silence
        // the others.
        self.is_commands_turn = !self.is_commands_turn;
        let is_first = self.is_commands_turn;
        (is_first && self.take_commands(cx))
            || self.read(cx)
            || (!is_first && self.take_commands(cx))
    }

    fn take_commands(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.commands_are_open || self.ends.table.is_quiet() {
            return false;
        }
        // Callers of other threads may go on for ever; others want their turn.
        let Poll::Ready(turn) = coop::poll_proceed(cx) else { return false };
        let mut commands = std::mem::take(&mut self.room().commands);
        let Poll::Ready(are_open) = self.ends.table.poll_commands(cx, &mut commands) else {
            self.room().commands = commands;
            return false;
        };
        turn.made_progress();
        let now = self.now;
        if !are_open {
            // All handles are gone.
            self.commands_are_open = false;
            self.close(self.close_time, now);
        }
        for command in commands.drain(..) {
            self.feed_command(command, now);
        }
        self.room().commands = commands;
        self.give_up_calls(now);
        true
    }

    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_paused != self.ends.table.is_full() {
            self.is_paused = !self.is_paused;
            debug!(is_paused = self.is_paused, "replies that nobody takes (max_reply_bytes)");
            self.feed(Input::Reading { is_reading: !self.is_paused });
            return true;
        }
        for index in 0..self.links.len() {
            let Some(link) = self.links.get_mut(index) else { break };
            if self.is_paused && link.is_open() {
                continue;
            }
            let input = link.poll_read(&mut self.session, cx);
            if link.is_gone() && input.is_pending() {
                return true;
            }
            if let Poll::Ready(input) = input {
                if let Some(failure) = link.failure.take() {
                    self.showing.dial_failed(failure);
                }
                if self.links.len() > 1 {
                    self.links.rotate_left(index + 1);
                }
                if let Input::Received { connection, bytes } = &input {
                    self.showing.wire(*connection, Direction::FromServer, bytes);
                }
                self.feed(input);
                return true;
            }
        }
        false
    }

    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        self.inputs_since_write = 0;
        self.has_stepped_back = false;
        if self.calls_since_write > 0 {
            self.last_batch = std::mem::take(&mut self.calls_since_write);
        }
        let mut has_written = false;
        for index in 0..self.links.len() {
            // It ends, since nothing is added meanwhile.
            while let Some(Poll::Ready(input)) =
                self.links.get_mut(index).map(|link| link.poll_write(cx))
            {
                self.feed(input);
                has_written = true;
            }
        }
        has_written
    }

    fn has_time_come(&mut self, cx: &mut Context<'_>) -> bool {
        let wanted = self.session.poll_timeout().into_iter().chain(self.close_at).min();
        // A timer that is set too early wakes us once in vain. To move it at each input would cost
        // more.
        if let Some(wanted) = wanted
            && self.armed.is_none_or(|armed| wanted < armed)
        {
            let wait = wanted.since(Time::ZERO).min(self.now.since(Time::ZERO) + MAX_SLEEP);
            self.timer.as_mut().reset(self.start + wait);
            self.armed = Some(wanted);
        } else if self.armed.is_none_or(|armed| self.now < armed) {
            // No timer is needed, or the armed one already holds this task's waker.
            return false;
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.armed = None;
        // It may have rung since this began.
        self.look_at_clock();
        self.feed(Input::Tick);
        true
    }

    fn feed(&mut self, input: Input) {
        let now = self.now;
        self.session.handle(input, now);
        self.give_up_calls(now);
    }

    /// Ends the calls that are open when the time to close is over.
    fn give_up_calls(&mut self, now: Time) {
        if self.close_at.is_some_and(|at| now >= at) {
            self.close_at = None;
            for call in self.calls.ids() {
                self.session.handle(Input::Cancel { call }, now);
            }
        }
    }

    fn feed_command(&mut self, command: Command, now: Time) {
        let input = match command {
            Command::Call(Submission { call, request, is_awaited }) => {
                let kind = if call.is_event { Kind::Event } else { Kind::Request };
                self.calls_since_write += 1;
                let is_opening = call.opens.is_some();
                self.calls.insert(call.id, OpenCall { is_opening, request, kind, is_awaited });
                match self.send_at_once(call, now) {
                    Ok(()) => return,
                    Err(call) => Input::Call(call),
                }
            }
            Command::Cancel(call) => Input::Cancel { call },
            Command::Crashed { version, why } => Input::Crashed { version, call: None, why },
            Command::Quarantined { version, time } => {
                Input::Quarantined { version, until: now + time }
            }
            Command::Opened { connection, is_good } => {
                self.opening =
                    self.opening.take().filter(|opening| opening.connection != connection);
                if is_good { Input::Opened { connection } } else { Input::NotOpened { connection } }
            }
            Command::Close { within } => return self.close(within, now),
        };
        self.session.handle(input, now);
    }

    /// Sends a call about which there is nothing to decide.
    fn send_at_once(&mut self, call: Call, now: Time) -> Result<(), Call> {
        let Leaving { connection, head, body } = self.session.send_at_once(call, now)?;
        if self.showing.has_wire_hook() {
            self.showing.wire(connection, Direction::ToServer, &[&head, body].concat());
        }
        if let Some(link) = self.links.iter_mut().find(|link| link.id == connection) {
            link.push_copy(&head, body);
        }
        Ok(())
    }

    fn close(&mut self, within: Duration, now: Time) {
        let at = now + within;
        self.close_at = Some(self.close_at.map_or(at, |earlier| earlier.min(at)));
        self.session.handle(Input::Close, now);
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Connect { connection, address, named_by, within, tls } => {
                let target = match named_by {
                    NamedBy::Program => self.ends.stand_ins.target(&address),
                    NamedBy::Peers { .. } | NamedBy::NextIp { .. } => address.clone().into(),
                };
                let named_by =
                    named_by.server().map(|server| (self.session.config().policy, server));
                let is_tls = tls.is_some();
                let attempt = Attempt::new(target, tls, named_by, within);
                let connecting = attempt.begin(self.ends.connector.as_ref());
                // Mostly, there is one.
                self.links.reserve_exact(1);
                self.links.push(Link::new(connection, address, connecting, is_tls));
            }
            Output::Transmit { connection, packet } => {
                if self.showing.has_wire_hook() {
                    self.showing.wire(connection, Direction::ToServer, &packet.to_bytes());
                }
                if let Some(link) = self.link_mut(connection) {
                    link.push(packet);
                }
            }
            Output::Close { connection } => {
                if let Some(link) = self.link_mut(connection) {
                    link.leave();
                }
            }
            Output::NeedSessionId => self.name_session(),
            Output::Render { call, version } => self.render(call, version),
            Output::Ended { call, outcome } => self.end(call, outcome),
            Output::EventOut { connection, version, body } => {
                let connection = self.connection(connection);
                let event = connection.map(|connection| Event { version, body, connection });
                #[cfg(feature = "contract")]
                let event = match &self.ends.contracts {
                    Some(contracts) => event.filter(|event| contracts.takes_event(event)),
                    None => event,
                };
                let is_kept = event.is_some_and(|event| self.ends.events.push(event));
                self.showing.event(is_kept);
            }
            Output::Notice(notice) => self.note(&notice),
            Output::Finished => {
                self.is_finished = true;
                // What is still on its way to us was not executed.
                self.ends.table.close();
            }
            _ => debug_assert!(false, "an output that this shell does not know"),
        }
    }

    fn link_mut(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.id == connection)
    }

    /// S9: the name of a session is a secret that nobody can guess.
    fn name_session(&mut self) {
        let mut bytes = [0; SessionId::BYTES];
        match getrandom::fill(&mut bytes) {
            Ok(()) => {
                let id = SessionId::from_bytes(bytes);
                self.session.handle(Input::SessionId(id), self.now);
            }
            Err(error) => {
                warn!(%error, "no session, since the system has no randomness for its name");
            }
        }
    }

    /// N8: the caller's code may crash (N6).
    fn render(&mut self, call: CallId, version: Version) {
        let now = self.now;
        let open =
            self.calls.get(call).and_then(|open| Some((open.request.as_deref()?, open.kind)));
        let rendering =
            open.map_or(Rendering::Unsupported, |(request, kind)| render(request, kind, version));
        self.session.handle(
            match rendering {
                Rendering::Body(body) => Input::Rendered { call, version, body },
                Rendering::Unsupported => Input::Inexpressible { call, version },
                Rendering::Crashed => Input::Crashed { version, call: Some(call), why: crash() },
            },
            now,
        );
    }

    fn end(&mut self, call: CallId, outcome: Result<Done, CallError>) {
        let Some(OpenCall { is_opening, request, is_awaited, .. }) = self.calls.remove(call) else {
            debug_assert!(false, "the session ends each call once");
            return;
        };
        let outcome = outcome.and_then(|done| match done {
            Done::Reply { connection, version, body, session } => {
                let connection = self.connection(connection).ok_or_else(unknown)?;
                self.ended_bytes += body.memory_bytes();
                Ok(Answer::Reply(Reply { version, body, connection, session }))
            }
            Done::Taken { version } => Ok(Answer::Taken(version)),
        });
        #[cfg(feature = "contract")]
        let outcome = match &self.ends.contracts {
            Some(contracts) => contracts.outcome(request.as_deref(), outcome),
            None => outcome,
        };
        // What the caller's code does when it is dropped is its own, too.
        if request.is_some() && catch_unwind(AssertUnwindSafe(|| drop(request))).is_err() {
            warn!("a request crashed when it was dropped");
        }
        if !is_awaited && let Err(error) = &outcome {
            warn!(%error, "event lost");
        }
        self.room().ended.push((call, outcome));
        self.ended_opening += usize::from(is_opening);
    }

    /// The connection of this number, which something came on.
    fn connection(&self, connection: ConnectionId) -> Option<Arc<Connection>> {
        let link = self.links.iter().find(|link| link.id == connection);
        debug_assert!(link.is_some(), "a link stays until all that came on it is told");
        link.map(|link| Arc::clone(&link.connection))
    }

    fn note(&mut self, notice: &Notice) {
        #[cfg(feature = "contract")]
        if let Some(contracts) = &self.ends.contracts {
            contracts.note(notice);
        }
        if self.ends.has_common_addresses {
            remembered::learn(notice, &self.session, &self.ends.stand_ins);
        }
        self.tell_start(notice);
        if let Notice::Agreed { connection, is_first: true, version, session, .. } = notice
            && session.is_none_or(|session| !session.is_resumed)
        {
            self.open(*connection, *version);
        }
        self.showing.notice(notice, self.now);
        // Its calls go nowhere any longer.
        if let Some(opening) = &self.opening
            && !self.links.iter().any(|link| link.id == opening.connection && link.is_open())
        {
            self.opening = None;
        }
    }

    /// Tells whoever reads events, and whoever checks them, where they come from here on.
    fn tell_start(&self, notice: &Notice) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "other notices begin nothing")]
        let (start, id) = match notice {
            Notice::NewSession { connection, ordinal, .. } => {
                (Start::NewSession(*ordinal), *connection)
            }
            Notice::Resumed { connection, ordinal, .. } => (Start::Resumed(*ordinal), *connection),
            Notice::Agreed { connection, is_first: true, session: None, .. } => {
                (Start::Connection, *connection)
            }
            Notice::EventsMissed { count, .. } => return self.ends.events.gone(*count),
            _ => return,
        };
        let Some(connection) = self.connection(id) else { return };
        #[cfg(feature = "contract")]
        if let Some(contracts) = &self.ends.contracts {
            contracts.connected(&connection);
        }
        self.ends.events.connected(start, connection);
    }

    /// The program makes its own calls first where nothing is known of it (S1).
    fn open(&mut self, id: ConnectionId, version: Version) {
        let Some(connection) = self.connection(id) else { return };
        if let Some((hook, clients)) = &self.ends.opener {
            let opening = Opening::new(clients(id), connection, version);
            let table = Arc::clone(&self.ends.table);
            let within = self.session.config().call_time;
            self.opening = Some(OpeningTask::spawn(hook, opening, id, table, within));
        }
    }

    /// Shows what has become of the session, then tells the callers: whoever has a reply finds it
    /// counted.
    fn publish(&mut self) {
        let Some(Room { ended, wakers, .. }) = self.room.as_deref_mut() else { return };
        self.showing.update(&self.session, !ended.is_empty(), &self.ends.table);
        if !ended.is_empty() {
            self.ended_bytes = 0;
            let opening = std::mem::take(&mut self.ended_opening);
            self.ends.table.publish(ended, opening, wakers);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.ends.table.abandon();
    }
}
