//! What others want of a connection: commands of the endpoint, and events for the client.
//!
//! Each connection has its own, so that no two of them meet at a lock. An idle one holds no memory
//! but its own few words, which is why this is not a channel.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::ops::Deref;
use std::sync::{OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, TryAcquireError};
use ubf_codec::Version;
use ubf_proto::endpoint::ConnectionKey;
use ubf_proto::server::Input;

use crate::connection::{Attach, Giving};
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};

/// An event for the client, encoded.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) version: Version,
    pub(crate) body: Bytes,
}

/// What a connection is to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// The session is told something that concerns this connection.
    Tell(ConnectionKey, Box<Input>),
    /// The client is sent an event.
    Send(Event),
    /// This connection ends at once.
    Cut(ConnectionKey),
    /// S4: the session goes on with a connection.
    Attach(Box<Attach>),
    /// S6: the session is given up.
    EndSession,
    /// T3: what the owner of a service says.
    Owned(Box<Input>),
    /// U2: the session is to go to another process, as soon as nothing runs.
    Freeze(Giving),
    /// U2: it stays after all.
    Thaw,
    /// U2: the other process serves. What stays may take so long.
    Leave(Duration),
}

/// Why an event was not put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent<E> {
    /// The connection is gone.
    Closed,
    /// There is no room.
    Full,
    /// There is no event after all.
    Unmade(E),
}

impl Command {
    /// Whether the other one, which comes later, says all that matters of this one. What a session
    /// is told by an endpoint sets something.
    pub(crate) fn is_replaced_by(&self, later: &Self) -> bool {
        match (self, later) {
            // Of several times in which to close the strictest counts.
            (Self::Tell(..), Self::Tell(_, later)) if matches!(**later, Input::Close { .. }) => {
                false
            }
            (Self::Tell(to, input), Self::Tell(later_to, later)) => {
                to == later_to && discriminant(&**input) == discriminant(&**later)
            }
            (Self::Cut(to), Self::Cut(later)) => to == later,
            (Self::EndSession, Self::EndSession)
            | (Self::Freeze(_), Self::Freeze(_))
            | (Self::Thaw, Self::Thaw)
            | (Self::Leave(_), Self::Leave(_)) => true,
            // Each of these has a connection, of which there are only so many.
            (Self::Attach(_), _) => false,
            (Self::Tell(..) | Self::Send(_) | Self::Cut(_) | Self::EndSession, _)
            | (Self::Owned(_) | Self::Freeze(_) | Self::Thaw | Self::Leave(_), _) => false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    /// Whether there may be mail: looked at before the lock is taken.
    has_mail: AtomicBool,
    /// Whether there is somebody to be woken, likewise.
    is_registered: AtomicBool,
    is_closed: AtomicBool,
    max_events: u32,
    state: Mutex<State>,
    /// Made when somebody first sends an event or waits for the end: most connections have neither.
    waits: OnceLock<Box<Waits>>,
    /// Which of the connection's services the client speaks to, counted from 1, and in which
    /// version: the upper and the lower half.
    spoken: AtomicU64,
}

/// Those who wait for something of a connection.
#[derive(Debug)]
struct Waits {
    /// A permit for each event that may be put in. Closed with the connection.
    room: Semaphore,
    /// Has no permits, and is closed with the connection: who waits for its end waits here.
    end: Semaphore,
}

/// The mailbox of a task: closed when the task lets go of it, however it ends.
#[derive(Debug)]
pub(crate) struct OpenMailbox {
    mailbox: std::sync::Arc<Mailbox>,
    /// A session that rests has it, and no task.
    is_left_open: bool,
}

impl OpenMailbox {
    pub(crate) const fn new(mailbox: std::sync::Arc<Mailbox>) -> Self {
        Self { mailbox, is_left_open: false }
    }

    pub(crate) const fn shared(&self) -> &std::sync::Arc<Mailbox> {
        &self.mailbox
    }

    /// Lets go of it without an end.
    pub(crate) fn leave_open(mut self) {
        self.is_left_open = true;
    }
}

impl Deref for OpenMailbox {
    type Target = Mailbox;

    fn deref(&self) -> &Mailbox {
        &self.mailbox
    }
}

impl Drop for OpenMailbox {
    fn drop(&mut self) {
        if !self.is_left_open {
            self.mailbox.close();
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// `None` while there are none.
    mail: Option<Box<Mail>>,
    /// The connection's task, if nobody has woken it since it was registered.
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct Mail {
    commands: VecDeque<Command>,
    /// What owners of services say: at most one thing for each message that is pending, and what
    /// comes of sessions.
    owned: VecDeque<Box<Input>>,
    events: VecDeque<Event>,
}

impl Mailbox {
    /// A mailbox for at most so many events at a time.
    pub(crate) fn new(max_events: usize) -> Self {
        Self {
            has_mail: AtomicBool::new(false),
            is_registered: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            max_events: u32::try_from(max_events).unwrap_or(u32::MAX),
            state: Mutex::new(State::default()),
            waits: OnceLock::new(),
            spoken: AtomicU64::new(0),
        }
    }

    /// The client speaks to the service at this place, in this version. `None`: to one that is not
    /// open on this connection.
    pub(crate) fn set_spoken(&self, place: Option<usize>, version: Version) {
        let place = place.and_then(|place| u32::try_from(place + 1).ok()).unwrap_or(0);
        let spoken = u64::from(place) << 32 | u64::from(version.get());
        // Each handler is told by itself in which version its call is: nothing hangs on this order.
        self.spoken.store(spoken, Ordering::Relaxed);
    }

    /// The version in which the client speaks to the service at this place. `None` if it speaks to
    /// another one, or the connection is gone.
    pub(crate) fn spoken(&self, place: usize) -> Option<Version> {
        let spoken = self.spoken.load(Ordering::Relaxed);
        let is_here = spoken >> 32 == place as u64 + 1 && !self.is_closed();
        u32::try_from(spoken & u64::from(u32::MAX)).ok().filter(|_| is_here).and_then(Version::new)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// `None`: the connection is gone.
    fn waits(&self) -> Option<&Waits> {
        if let Some(waits) = self.waits.get() {
            return Some(waits);
        }
        // Under the lock: whoever closes the mailbox finds it, or it is not made.
        let _state = self.state();
        if self.is_closed() {
            return None;
        }
        let max_events = usize::try_from(self.max_events).unwrap_or(usize::MAX);
        Some(self.waits.get_or_init(|| {
            let room = Semaphore::new(max_events.min(Semaphore::MAX_PERMITS));
            Box::new(Waits { room, end: Semaphore::new(0) })
        }))
    }

    /// Waits until the connection is gone.
    pub(crate) async fn closed(&self) {
        if let Some(waits) = self.waits() {
            // It is an error that is awaited: there are no permits.
            drop(waits.end.acquire().await);
        }
    }

    /// Puts a command behind the others. Of each kind the last one holds, so an older one is
    /// dropped: a connection whose task is held up gathers no more of them than there are kinds
    /// (L1).
    pub(crate) fn command(&self, command: Command) {
        self.put(|mail| {
            mail.commands.retain(|known| !known.is_replaced_by(&command));
            mail.commands.push_back(command);
        });
    }

    /// T3: the owner of a service says something. It keeps its order, and nothing replaces it.
    pub(crate) fn owned(&self, input: Input) {
        self.put(|mail| mail.owned.push_back(Box::new(input)));
    }

    /// Waits for room, and then asks for the event.
    pub(crate) async fn send<E>(
        &self,
        event: impl FnOnce() -> Result<Event, E>,
    ) -> Result<(), Unsent<E>> {
        let waits = self.waits().ok_or(Unsent::Closed)?;
        let permit = waits.room.acquire().await.map_err(|_| Unsent::Closed)?;
        let event = event().map_err(Unsent::Unmade)?;
        permit.forget();
        self.put(|mail| mail.events.push_back(event));
        Ok(())
    }

    /// Asks for the event if there is room now.
    pub(crate) fn try_send<E>(
        &self,
        event: impl FnOnce() -> Result<Event, E>,
    ) -> Result<(), Unsent<E>> {
        let waits = self.waits().ok_or(Unsent::Closed)?;
        let permit = waits.room.try_acquire().map_err(|error| match error {
            TryAcquireError::Closed => Unsent::Closed,
            TryAcquireError::NoPermits => Unsent::Full,
        })?;
        let event = event().map_err(Unsent::Unmade)?;
        permit.forget();
        self.put(|mail| mail.events.push_back(event));
        Ok(())
    }

    fn put(&self, put: impl FnOnce(&mut Mail)) {
        let mut state = self.state();
        put(state.mail.get_or_insert_default());
        let waker = state.waker.take();
        self.is_registered.store(false, Ordering::Release);
        self.has_mail.store(true, Ordering::Release);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The connection's task, which has one waker, is woken by mail from here on. To be called
    /// before one looks for mail.
    pub(crate) fn register(&self, waker: &Waker) {
        if !self.is_registered.load(Ordering::Acquire) {
            let mut state = self.state();
            state.waker = Some(waker.clone());
            self.is_registered.store(true, Ordering::Release);
        }
    }

    /// S6: the session goes on in another task, which registers anew, or lies down.
    pub(crate) fn unregister(&self) {
        let mut state = self.state();
        state.waker = None;
        self.is_registered.store(false, Ordering::Release);
    }

    /// Whether it is worth it to look for mail.
    pub(crate) fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Acquire)
    }

    /// The next command; when there is none and there is room for events on the way out, the next
    /// event.
    pub(crate) fn take(&self, with_events: bool) -> Option<Command> {
        let mut state = self.state();
        let mail = state.mail.get_or_insert_default();
        if let Some(command) = mail.commands.pop_front() {
            return Some(command);
        }
        if let Some(input) = mail.owned.pop_front() {
            return Some(Command::Owned(input));
        }
        let event = if with_events { mail.events.pop_front() } else { None };
        if event.is_none() {
            // Under the lock, so that no mail is overlooked. Events that are held back are asked
            // for again by the connection.
            let has_mail = !mail.events.is_empty();
            self.has_mail.store(has_mail, Ordering::Release);
            if !has_mail {
                state.mail = None;
            }
            return None;
        }
        drop(state);
        if let Some(waits) = self.waits.get() {
            waits.room.add_permits(1);
        }
        event.map(Command::Send)
    }

    /// S4: whether a connection waits to be taken over.
    pub(crate) fn has_attach(&self) -> bool {
        let state = self.state();
        let mut commands = state.mail.iter().flat_map(|mail| &mail.commands);
        commands.any(|command| matches!(command, Command::Attach(_)))
    }

    /// The connection is gone: who waits for room is told.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        self.is_closed.store(true, Ordering::Release);
        let mail = std::mem::take(&mut *state);
        drop(state);
        if let Some(waits) = self.waits.get() {
            waits.room.close();
            waits.end.close();
        }
        drop(mail);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(ubf_loom)))]
#[allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]
mod tests {
    use std::sync::Arc;

    use ubf_proto::endpoint::{self, Admission, Endpoint, Origin};
    use ubf_proto::{Offer, Time, Versions};

    use super::*;
    use std::convert::Infallible;

    fn event() -> Result<Event, Infallible> {
        Ok(Event { version: Version::MIN, body: Bytes::from_static(b"{'event_out'1}$") })
    }

    fn key() -> ConnectionKey {
        let config = endpoint::Config::default();
        let mut endpoint = Endpoint::new(config, Offer::from(Versions::of([1])), 1);
        match endpoint.admit(Origin::Local, Time::ZERO) {
            Admission::Serve { connection, .. } => connection,
            Admission::TurnAway { why, .. } => panic!("{why}"),
        }
    }

    #[test]
    fn orders_overtake_events_and_events_can_be_held_back() {
        let mailbox = Mailbox::new(4);
        assert_eq!(mailbox.try_send(event), Ok(()));
        mailbox.command(Command::Cut(key()));
        assert!(matches!(mailbox.take(false), Some(Command::Cut(_))));
        assert!(mailbox.take(false).is_none());
        assert!(mailbox.has_mail());
        assert!(matches!(mailbox.take(true), Some(Command::Send(_))));
        assert!(mailbox.take(true).is_none());
        assert!(!mailbox.has_mail());
    }

    #[test]
    fn l1_of_each_kind_of_command_the_last_is_kept_in_its_place() {
        let mailbox = Mailbox::new(1);
        let tell = |input| mailbox.command(Command::Tell(key(), Box::new(input)));
        for _ in 0..1_000 {
            tell(Input::NextIp(None));
            tell(Input::Undrain);
            tell(Input::NextIp("b:4000".parse().ok()));
        }
        mailbox.command(Command::Cut(key()));
        mailbox.command(Command::Cut(key()));
        let mut kept = Vec::new();
        while let Some(command) = mailbox.take(true) {
            kept.push(format!("{command:?}"));
        }
        assert_eq!(kept.len(), 3, "{kept:?}");
        assert!(kept[0].contains("Undrain") && kept[1].contains("4000"), "{kept:?}");
    }

    #[test]
    fn there_is_room_for_so_many_events_and_no_more() {
        let mailbox = Mailbox::new(1);
        assert_eq!([mailbox.try_send(event), mailbox.try_send(event)], [Ok(()), Err(Unsent::Full)]);
        assert!(mailbox.take(true).is_some());
        assert_eq!(mailbox.try_send(event), Ok(()));
    }

    #[test]
    fn each_announcement_wakes_who_was_registered_before_it() {
        let (sender, woken) = std::sync::mpsc::channel();
        let waker = futures_util::task::waker(Arc::new(Bell(sender)));
        let mailbox = Mailbox::new(4);
        for _ in 0..3 {
            mailbox.register(&waker);
            mailbox.register(&waker);
            assert!(woken.try_recv().is_err());
            mailbox.command(Command::Cut(key()));
            assert!(woken.try_recv().is_ok());
            assert!(mailbox.take(true).is_some());
        }
    }

    struct Bell(std::sync::mpsc::Sender<()>);

    impl futures_util::task::ArcWake for Bell {
        fn wake_by_ref(bell: &Arc<Self>) {
            bell.0.send(()).unwrap();
        }
    }

    #[tokio::test]
    async fn who_waits_for_room_is_told_that_the_connection_is_gone() {
        let mailbox = Mailbox::new(0);
        let (sent, (), ()) =
            tokio::join!(mailbox.send(event), mailbox.closed(), async { mailbox.close() });
        assert_eq!(sent, Err(Unsent::Closed));
        assert_eq!(mailbox.try_send(event), Err(Unsent::Closed));
        mailbox.closed().await;
    }

    #[test]
    fn an_event_that_is_not_made_takes_no_room() {
        let mailbox = Mailbox::new(1);
        assert_eq!(mailbox.try_send(|| Err("unspeakable")), Err(Unsent::Unmade("unspeakable")));
        assert!(mailbox.try_send(event).is_ok());
    }

    #[test]
    fn a_version_is_spoken_to_one_service_at_a_time() {
        let mailbox = Mailbox::new(1);
        let [one, two] = [1, 2].map(|number| Version::new(number).unwrap());
        assert_eq!(mailbox.spoken(0), None);
        mailbox.set_spoken(Some(0), two);
        assert_eq!([mailbox.spoken(0), mailbox.spoken(1)], [Some(two), None]);
        mailbox.set_spoken(Some(1), one);
        assert_eq!([mailbox.spoken(0), mailbox.spoken(1)], [None, Some(one)]);
        mailbox.set_spoken(None, two);
        assert_eq!([mailbox.spoken(0), mailbox.spoken(1)], [None, None]);
        mailbox.set_spoken(Some(0), Version::MAX);
        assert_eq!(mailbox.spoken(0), Some(Version::MAX));
        mailbox.close();
        assert_eq!(mailbox.spoken(0), None);
    }
}
