//! Where handles and the driver meet: what handles want goes one way, outcomes of calls go the
//! other.
//!
//! ```text
//! handles ──Command──> [ commands ] ──all at once──> driver
//! callers <──Outcome── [  calls   ] <──all at once──
//! ```
//!
//! A call is in the table from when it is handed over until its caller has the outcome, and its key
//! is the call's number. One lock guards both ways: a caller takes it twice for a call, the driver
//! twice for a batch of them. Nobody's code runs while it is held.
//!
//! L1: replies that no caller has taken have a limit. The table counts their memory, and the driver
//! reads nothing more while they fill it.

use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use slab::Slab;
use tokio::sync::Semaphore;
use ubf_codec::Version;
use ubf_proto::client::{CallError, CallId};

use crate::command::Command;
use crate::reply::Reply;
use crate::sync::{AtomicBool, AtomicU32, Mutex, MutexGuard, Ordering};

/// How a call ended.
pub(crate) type Outcome = Result<Answer, CallError>;

/// How a call ended well.
#[derive(Debug)]
pub(crate) enum Answer {
    Reply(Reply),
    /// The server has taken an event that was written in this version.
    Taken(Version),
}

/// Room for more calls than this is not kept when all have ended. Chosen: some 16 KiB.
const KEPT_CALLS: usize = 128;
/// So many replies that wait for their callers may hold on to the blocks that they came in, which
/// they share; others are copied. Chosen: callers take most replies before so many wait.
const MAX_SHARING_REPLIES: usize = 128;
/// L1: calls that open a connection. Chosen: more than a program makes before it does anything.
pub(crate) const MAX_OPENING_CALLS: usize = 64;

pub(crate) struct CallTable {
    /// L1: one for each call that may be open. The driver gives them back.
    pub(crate) permits: Semaphore,
    /// L1: the same for calls that open a connection: all others may wait for them.
    pub(crate) opening_permits: Semaphore,
    /// The version in force, 0 if there is none.
    version: AtomicU32,
    /// L1: bytes of replies that no caller has taken, at and above which nothing more is read.
    max_reply_bytes: usize,
    /// Replies have reached that: changed under the lock, and looked at before it is taken.
    is_full: AtomicBool,
    /// The driver waits, and nothing was handed in since: looked at before the lock is taken.
    is_quiet: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In the order in which they were handed in.
    commands: Vec<Command>,
    calls: Slab<Entry>,
    /// Memory of the replies that have ended calls and were not taken.
    reply_bytes: usize,
    /// How many there are.
    replies: usize,
    /// The driver, while it waits for a command.
    driver: Option<Waker>,
    is_closed: bool,
    has_handles: bool,
}

/// A call.
enum Entry {
    /// It has not ended.
    Open(Waiter),
    Ended(Outcome),
}

/// Who waits for the outcome of a call.
pub(crate) enum Waiter {
    Nobody,
    /// `None` if it is not known yet whom to wake.
    Caller(Option<Waker>),
}

impl CallTable {
    pub(crate) fn new(max_pending: usize, max_reply_bytes: usize) -> Self {
        // Many clients never have more than one call: an idle one has no room for others.
        let (commands, calls) = (Vec::with_capacity(1), Slab::with_capacity(1));
        let state = State { commands, calls, has_handles: true, ..State::default() };
        Self {
            permits: Semaphore::new(max_pending),
            opening_permits: Semaphore::new(MAX_OPENING_CALLS),
            version: AtomicU32::new(0),
            max_reply_bytes,
            is_full: AtomicBool::new(false),
            is_quiet: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// The version in force, if there is one. It may be out of date: then the driver asks again.
    pub(crate) fn version(&self) -> Option<Version> {
        Version::new(self.version.load(Ordering::Relaxed))
    }

    pub(crate) fn set_version(&self, version: Option<Version>) {
        self.version.store(version.map_or(0, Version::get), Ordering::Relaxed);
    }

    /// Hands a call to the driver. It gets a number that no other open call has.
    pub(crate) fn submit(
        &self,
        waiter: Waiter,
        command: impl FnOnce(CallId) -> Command,
    ) -> Result<CallId, CallError> {
        let mut state = self.state();
        if state.is_closed {
            return Err(CallError::Closed);
        }
        let call = CallId(state.calls.insert(Entry::Open(waiter)) as u64);
        state.commands.push(command(call));
        self.wake_driver(state);
        Ok(call)
    }

    /// Tells the driver something. One that is gone has nothing to be told.
    pub(crate) fn tell(&self, command: Command) {
        let mut state = self.state();
        if !state.is_closed {
            state.commands.push(command);
            self.wake_driver(state);
        }
    }

    /// The outcome of a call that somebody waits for, which is the last that is heard of it.
    pub(crate) fn poll_outcome(&self, call: CallId, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.state();
        match state.entry(call) {
            Some(Entry::Open(Waiter::Caller(Some(known)))) if known.will_wake(cx.waker()) => {
                Poll::Pending
            }
            Some(Entry::Open(waiter)) => {
                let before = std::mem::replace(waiter, Waiter::Caller(Some(cx.waker().clone())));
                drop(state);
                drop(before);
                Poll::Pending
            }
            Some(Entry::Ended(_)) => {
                let ended = state.remove(call);
                self.has_taken(state);
                match ended {
                    Some(Entry::Ended(outcome)) => Poll::Ready(outcome),
                    Some(Entry::Open(_)) | None => Poll::Ready(Err(unknown())),
                }
            }
            None => {
                debug_assert!(false, "a call's outcome is asked for by the one who handed it in");
                Poll::Ready(Err(unknown()))
            }
        }
    }

    /// Says that nobody waits for a call any longer.
    pub(crate) fn forget(&self, call: CallId) {
        let mut state = self.state();
        let before = match state.entry(call) {
            Some(Entry::Open(waiter)) => {
                let before = Some(Entry::Open(std::mem::replace(waiter, Waiter::Nobody)));
                // When the driver is gone, there is nobody to be told.
                if !state.is_closed {
                    state.commands.push(Command::Cancel(call));
                }
                self.wake_driver(state);
                before
            }
            Some(Entry::Ended(_)) => {
                let before = state.remove(call);
                self.has_taken(state);
                before
            }
            None => {
                debug_assert!(false, "a call is forgotten once, and by the one who handed it in");
                None
            }
        };
        drop(before);
    }

    /// The last handle is gone.
    pub(crate) fn leave(&self) {
        let mut state = self.state();
        state.has_handles = false;
        self.wake_driver(state);
    }

    /// Takes all commands, which are put into `commands`, which is empty. `false` if there will be
    /// no more. The next one wakes the driver.
    pub(crate) fn poll_commands(
        &self,
        cx: &mut Context<'_>,
        commands: &mut Vec<Command>,
    ) -> Poll<bool> {
        let mut state = self.state();
        let has_commands = !state.commands.is_empty();
        if !has_commands && !state.has_handles {
            return Poll::Ready(false);
        }
        if state.commands.len() > 1 {
            // Both have room for a batch, and keep it.
            std::mem::swap(&mut state.commands, commands);
        } else if let Some(command) = state.commands.pop() {
            commands.push(command);
        } else if state.commands.capacity() > 1 && state.calls.is_empty() {
            // There is no batch, and will be none for a while.
            state.commands = Vec::with_capacity(1);
        }
        let before = state.driver.replace(cx.waker().clone());
        // The end is told when it is asked for again.
        self.is_quiet.store(state.has_handles, Ordering::Release);
        drop(state);
        drop(before);
        if has_commands { Poll::Ready(true) } else { Poll::Pending }
    }

    /// L1: whether the replies that no caller has taken have reached their limit. The driver waits
    /// then: it is woken when they are fewer.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Acquire)
    }

    /// A call was taken out, and its reply with it.
    fn has_taken(&self, state: MutexGuard<'_, State>) {
        let is_full = state.reply_bytes >= self.max_reply_bytes;
        if is_full || !self.is_full.load(Ordering::Relaxed) {
            return;
        }
        self.is_full.store(false, Ordering::Release);
        self.wake_driver(state);
    }

    /// Whether no call is in it.
    #[cfg(all(test, ubf_loom))]
    pub(crate) fn is_empty(&self) -> bool {
        self.state().calls.is_empty()
    }

    /// Whether there is no command, and the next one wakes the driver.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Acquire)
    }

    /// Tells callers the outcomes of their calls, and gives the permits back: so many of them are
    /// those of calls that opened a connection. `wakers` is empty, and stays so: it is room.
    pub(crate) fn publish(
        &self,
        ended: &mut Vec<(CallId, Outcome)>,
        opening: usize,
        wakers: &mut Vec<Waker>,
    ) {
        debug_assert!(opening <= ended.len(), "they are among those that have ended");
        let ordinary = ended.len().saturating_sub(opening);
        let mut state = self.state();
        for (call, outcome) in ended.drain(..) {
            state.end(call, outcome, wakers);
        }
        if state.reply_bytes >= self.max_reply_bytes {
            self.is_full.store(true, Ordering::Release);
        }
        drop(state);
        self.permits.add_permits(ordinary);
        if opening > 0 {
            self.opening_permits.add_permits(opening);
        }
        for waker in wakers.drain(..) {
            waker.wake();
        }
    }

    /// No further call is taken.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.opening_permits.close();
        self.state().is_closed = true;
    }

    /// The driver is gone. Nobody waits for what will not come: calls that it had taken may have
    /// run, those that it had not did not.
    pub(crate) fn abandon(&self) {
        self.close();
        let mut wakers = Vec::new();
        let mut state = self.state();
        let commands = std::mem::take(&mut state.commands);
        for command in &commands {
            if let Command::Call(submission) = command {
                state.end(submission.call.id, Err(CallError::Closed), &mut wakers);
            }
        }
        let open = state.calls.iter().filter(|(_, entry)| matches!(entry, Entry::Open(_)));
        let open: Vec<usize> = open.map(|(key, _)| key).collect();
        for key in open {
            state.end(CallId(key as u64), Err(unknown()), &mut wakers);
        }
        drop(state);
        drop(commands);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Wakes the driver if it waits for a command, the lock being given back before.
    fn wake_driver(&self, mut state: MutexGuard<'_, State>) {
        let driver = state.driver.take();
        self.is_quiet.store(false, Ordering::Release);
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn entry(&mut self, CallId(number): CallId) -> Option<&mut Entry> {
        self.calls.get_mut(usize::try_from(number).ok()?)
    }

    /// Takes a call out of the table.
    fn remove(&mut self, CallId(number): CallId) -> Option<Entry> {
        let entry = self.calls.try_remove(usize::try_from(number).ok()?);
        if let Some(Entry::Ended(Ok(Answer::Reply(reply)))) = &entry {
            self.reply_bytes -= size(reply);
            self.replies -= 1;
        }
        if self.calls.is_empty() && self.calls.capacity() > KEPT_CALLS {
            self.calls = Slab::new();
        }
        entry
    }

    /// Puts an outcome where its caller finds it.
    fn end(&mut self, call: CallId, mut outcome: Outcome, wakers: &mut Vec<Waker>) {
        let is_behind = self.replies >= MAX_SHARING_REPLIES;
        let mut reply_bytes = None;
        match self.entry(call) {
            Some(Entry::Open(Waiter::Nobody)) => drop(self.remove(call)),
            Some(entry @ Entry::Open(Waiter::Caller(_))) => {
                if let Ok(Answer::Reply(reply)) = &mut outcome {
                    if is_behind {
                        reply.compact();
                    }
                    reply_bytes = Some(size(reply));
                }
                if let Entry::Open(Waiter::Caller(Some(waker))) =
                    std::mem::replace(entry, Entry::Ended(outcome))
                {
                    wakers.push(waker);
                }
            }
            Some(Entry::Ended(_)) | None => debug_assert!(false, "a call ends once"),
        }
        if let Some(bytes) = reply_bytes {
            self.reply_bytes += bytes;
            self.replies += 1;
        }
    }
}

/// The memory that a reply takes while it waits for its caller.
fn size(reply: &Reply) -> usize {
    size_of::<Entry>() + reply.body.memory_bytes()
}

/// What is said of a call that nothing is known of.
pub(crate) const fn unknown() -> CallError {
    CallError::Indeterminate { loss: None }
}

#[cfg(all(test, not(ubf_loom)))]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use bytes::BytesMut;
    use ubf_codec::StreamDecoder;
    use ubf_proto::client::Call;

    use super::*;
    use crate::command::Submission;
    use crate::reply::Connection;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Count {
        fn waker() -> (Arc<Self>, Waker) {
            let count = Arc::new(Self::default());
            (Arc::clone(&count), count.into())
        }

        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn submit(table: &CallTable, waiter: Waiter) -> Result<CallId, CallError> {
        let command = |id| {
            Command::Call(Submission { call: Call::request(id), request: None, is_awaited: true })
        };
        table.submit(waiter, command)
    }

    fn taken(table: &CallTable, cx: &mut Context<'_>) -> Poll<Vec<String>> {
        let mut commands = Vec::new();
        table.poll_commands(cx, &mut commands).map(|are_open| {
            let names = commands.iter().map(|command| match command {
                Command::Call(submission) => format!("call {}", submission.call.id.0),
                Command::Cancel(call) => format!("cancel {}", call.0),
                Command::Crashed { .. }
                | Command::Quarantined { .. }
                | Command::Opened { .. }
                | Command::Close { .. } => "other".to_owned(),
            });
            names.chain((!are_open).then(|| "end".to_owned())).collect()
        })
    }

    fn publish(table: &CallTable, call: CallId, error: CallError) {
        table.publish(&mut vec![(call, Err(error))], 0, &mut Vec::new());
    }

    #[test]
    fn a_batch_of_calls_wakes_the_driver_once_and_each_outcome_its_caller_once() {
        let table = CallTable::new(9, usize::MAX);
        let (driver, waker) = Count::waker();
        let cx = &mut Context::from_waker(&waker);
        assert_eq!(taken(&table, cx), Poll::Pending);
        let callers: Vec<_> = (0..3).map(|_| Count::waker()).collect();
        for (id, (_, waker)) in (0..).zip(&callers) {
            assert_eq!(submit(&table, Waiter::Caller(Some(waker.clone()))), Ok(CallId(id)));
        }
        assert_eq!(driver.count(), 1);
        assert!(!table.is_quiet());
        assert_eq!(
            taken(&table, cx),
            Poll::Ready(vec!["call 0".into(), "call 1".into(), "call 2".into()])
        );
        assert!(table.is_quiet() && taken(&table, cx).is_pending());
        publish(&table, CallId(1), unknown());
        assert_eq!(callers.iter().map(|(count, _)| count.count()).collect::<Vec<_>>(), [0, 1, 0]);
        assert!(matches!(
            table.poll_outcome(CallId(1), cx),
            Poll::Ready(Err(CallError::Indeterminate { .. }))
        ));
        assert!(table.poll_outcome(CallId(0), cx).is_pending());
        // The place is free, and the next call has it.
        assert_eq!(submit(&table, Waiter::Nobody), Ok(CallId(1)));
        assert_eq!(table.permits.available_permits(), 10);
    }

    #[test]
    fn the_last_who_asked_is_woken() {
        let table = CallTable::new(9, usize::MAX);
        let ((first, one), (last, other)) = (Count::waker(), Count::waker());
        let call = submit(&table, Waiter::Caller(Some(one))).unwrap();
        assert!(table.poll_outcome(call, &mut Context::from_waker(&other)).is_pending());
        publish(&table, call, CallError::Closed);
        assert_eq!((first.count(), last.count()), (0, 1));
    }

    #[test]
    fn a_place_is_not_given_away_before_the_driver_has_ended_the_call() {
        let table = CallTable::new(9, usize::MAX);
        let cx = &mut Context::from_waker(Waker::noop());
        let call = submit(&table, Waiter::Caller(None)).unwrap();
        table.forget(call);
        assert_eq!(taken(&table, cx), Poll::Ready(vec!["call 0".into(), "cancel 0".into()]));
        assert_eq!(submit(&table, Waiter::Nobody), Ok(CallId(1)));
        publish(&table, call, CallError::Closed);
        assert_eq!(submit(&table, Waiter::Nobody), Ok(call));
        // Who forgets a call that has ended cancels nothing.
        let ended = submit(&table, Waiter::Caller(None)).unwrap();
        publish(&table, ended, CallError::Closed);
        table.forget(ended);
        assert_eq!(
            taken(&table, cx),
            Poll::Ready(vec!["call 1".into(), "call 0".into(), "call 2".into()])
        );
    }

    #[test]
    fn when_the_driver_is_gone_only_calls_that_it_had_taken_may_have_run() {
        let table = CallTable::new(9, usize::MAX);
        let (caller, waker) = Count::waker();
        let cx = &mut Context::from_waker(&waker);
        let taken_call = submit(&table, Waiter::Caller(Some(waker.clone()))).unwrap();
        assert!(taken(&table, &mut Context::from_waker(Waker::noop())).is_ready());
        let other = submit(&table, Waiter::Caller(Some(waker.clone()))).unwrap();
        table.abandon();
        assert_eq!(caller.count(), 2);
        assert!(matches!(
            table.poll_outcome(taken_call, cx),
            Poll::Ready(Err(CallError::Indeterminate { .. }))
        ));
        assert!(matches!(table.poll_outcome(other, cx), Poll::Ready(Err(CallError::Closed))));
        assert_eq!(submit(&table, Waiter::Nobody), Err(CallError::Closed));
        assert!(table.permits.try_acquire().is_err());
    }

    /// A reply of so many small integers.
    fn reply(count: usize) -> Reply {
        let bytes = ["{", &"1 ".repeat(count), "}$"].concat();
        let body = StreamDecoder::new().decode(&mut bytes.as_str().into()).unwrap().unwrap();
        let connection = Connection { number: 1, address: "[::1]:4000".parse().unwrap() };
        Reply { version: Version::MIN, body, connection: Arc::new(connection), session: None }
    }

    #[test]
    fn l1_replies_that_nobody_takes_fill_the_table_until_one_is_taken_or_let_go_of() {
        let table = CallTable::new(9, 2 * size(&reply(10)));
        let (driver, waker) = Count::waker();
        let cx = &mut Context::from_waker(&waker);
        let calls: Vec<_> = (0..3).map(|_| submit(&table, Waiter::Caller(None)).unwrap()).collect();
        assert!(taken(&table, cx).is_ready());
        let end = |call| {
            let ended = (call, Ok(Answer::Reply(reply(10))));
            table.publish(&mut vec![ended], 0, &mut Vec::new());
            table.is_full()
        };
        assert_eq!([end(calls[0]), end(calls[1]), end(calls[2])], [false, true, true]);
        let none = &mut Context::from_waker(Waker::noop());
        assert!(table.poll_outcome(calls[1], none).is_ready());
        assert!(table.is_full() && driver.count() == 0);
        table.forget(calls[0]);
        assert!(!table.is_full() && driver.count() == 1);
        assert!(table.poll_outcome(calls[2], none).is_ready());
        assert_eq!(table.state().reply_bytes, 0);
        // Nobody waits for this one, and it is not kept.
        let cast = submit(&table, Waiter::Nobody).unwrap();
        table.publish(&mut vec![(cast, Ok(Answer::Reply(reply(99))))], 0, &mut Vec::new());
        assert_eq!((table.state().reply_bytes, table.is_full()), (0, false));
    }

    #[test]
    fn l1_replies_that_wait_in_great_number_keep_no_block_that_they_came_in() {
        let table = CallTable::new(9, usize::MAX);
        let mut block = BytesMut::with_capacity(1 << 20);
        let connection = reply(0).connection;
        for place in 0..2 * MAX_SHARING_REPLIES {
            let mut own = BytesMut::from("1$");
            let is_late = place >= MAX_SHARING_REPLIES;
            if is_late {
                block.extend_from_slice(b"1$");
            }
            let bytes = if is_late { &mut block } else { &mut own };
            let body = StreamDecoder::new().decode(bytes).unwrap().unwrap();
            let connection = Arc::clone(&connection);
            let reply = Reply { version: Version::MIN, body, connection, session: None };
            let call = submit(&table, Waiter::Caller(None)).unwrap();
            table.publish(&mut vec![(call, Ok(Answer::Reply(reply)))], 0, &mut Vec::new());
        }
        assert!(block.try_reclaim(1 << 20));
    }

    #[test]
    fn the_driver_is_told_when_the_last_handle_is_gone_behind_what_was_handed_in() {
        let table = CallTable::new(9, usize::MAX);
        let (driver, waker) = Count::waker();
        let cx = &mut Context::from_waker(&waker);
        assert!(taken(&table, cx).is_pending());
        submit(&table, Waiter::Nobody).unwrap();
        table.leave();
        assert_eq!(driver.count(), 1);
        assert_eq!(taken(&table, cx), Poll::Ready(vec!["call 0".into()]));
        assert_eq!(taken(&table, cx), Poll::Ready(vec!["end".into()]));
    }

    #[test]
    fn room_for_many_calls_is_not_kept() {
        let table = CallTable::new(9, usize::MAX);
        let cx = &mut Context::from_waker(Waker::noop());
        let calls: Vec<_> =
            (0..1000).map(|_| submit(&table, Waiter::Caller(None)).unwrap()).collect();
        for call in calls {
            publish(&table, call, CallError::Closed);
            assert!(table.poll_outcome(call, cx).is_ready());
        }
        assert_eq!(table.state().calls.capacity(), 0);
        assert_eq!(submit(&table, Waiter::Nobody), Ok(CallId(0)));
    }

    #[test]
    fn a_call_that_is_handed_in_while_the_driver_goes_is_refused_or_ends() {
        for _ in 0..500 {
            let table = CallTable::new(9, usize::MAX);
            let taken: Vec<CallId> = std::thread::scope(|scope| {
                let callers: Vec<_> = (0..2)
                    .map(|_| scope.spawn(|| submit(&table, Waiter::Caller(None)).ok()))
                    .collect();
                table.abandon();
                callers.into_iter().filter_map(|caller| caller.join().unwrap()).collect()
            });
            for call in taken {
                let outcome = table.poll_outcome(call, &mut Context::from_waker(Waker::noop()));
                assert!(matches!(outcome, Poll::Ready(Err(CallError::Closed))), "{outcome:?}");
            }
        }
    }
}
