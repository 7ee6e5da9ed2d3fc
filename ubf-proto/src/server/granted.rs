//! What a session is beside its calls: numbers, kept answers and events, messages that wait (S2 to
//! S6).

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;
use ubf_codec::{Mode, Version};

use super::answer::Content;
use super::output::Message;
use crate::mutant::{Mutant, is_on};
use crate::session::kept::Kept;
use crate::session::{Copies, Grant, Level};
use crate::time::Time;

/// A crowded server keeps so many bytes of answers for a session, and no more (S6). Chosen: as many
/// as a client leaves unacknowledged, so that all go on.
const CROWDED_KEPT: usize = 64 << 10;

/// A session that was granted.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) grant: Grant,
    /// S2: the number of the last message that was taken.
    pub(super) received: u64,
    pub(super) kept: Kept<Leaving>,
    /// Of the answers that are kept.
    copies: Copies,
    /// S3: messages that were taken, and whose handlers are not begun; and whether each is an
    /// event.
    waiting: VecDeque<(Box<Message>, bool)>,
    /// S8: the version of the message that was begun last.
    last_version: Option<Version>,
    /// S6: the time that a session is kept without a connection runs from here.
    pub(super) rests_since: Time,
    /// S6: the server keeps as much as it may.
    pub(super) is_crowded: bool,
    pub(super) life: Life,
}

/// Whether a session is still of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It has a connection, or may have one again.
    Alive,
    /// S5.7: its connection was overtaken, and the next one is handed to it: it rests at no time.
    BetweenConnections,
    /// Its time is over, and the shell was told. A resume that was on its way saves it.
    Expired,
}

/// An answer or an event that is kept.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    pub(super) mode: Mode,
    pub(super) content: Content,
}

impl Granted {
    pub(super) fn new(grant: Grant, now: Time) -> Self {
        Self {
            grant,
            received: 0,
            kept: Kept::default(),
            copies: Copies::default(),
            waiting: VecDeque::new(),
            last_version: None,
            rests_since: now,
            is_crowded: false,
            life: Life::Alive,
        }
    }

    /// Whether its owner keeps it in a store: then nothing of it outlives the connection here.
    pub(super) fn is_owned(&self) -> bool {
        self.grant.level >= Level::Durable
    }

    /// S3: the same answer, to be kept.
    pub(super) fn copy(&mut self, content: &Content) -> Content {
        match content {
            Content::Body(body) => Content::Body(self.copies.copy(body, self.kept.answer_bytes())),
            Content::NotDone(not_done) => Content::NotDone(not_done.clone()),
        }
    }

    /// S3: a copy of a small body, to be kept.
    pub(super) fn copy_of(&mut self, body: &[u8]) -> Bytes {
        self.copies.copy_of(body, self.kept.answer_bytes())
    }

    /// Lets go of memory that nothing is in.
    pub(super) fn release(&mut self) {
        self.kept.release();
        if self.kept.answers() == 0 {
            self.copies.release();
        }
    }

    /// S2: a message was taken. Its number.
    pub(super) fn take_message(&mut self) -> u64 {
        self.received = self.received.saturating_add(1);
        // S3: whoever sends it has the answer before the window.
        let seen = self.received.saturating_sub(self.grant.window);
        if seen > 0 {
            self.kept.acknowledge_answers(seen);
        }
        self.received
    }

    /// S3, S8: whether a handler may begin, while so many run and so many bytes of answers wait for
    /// their turn.
    pub(super) fn may_begin(&self, version: Version, running: usize, ready_bytes: usize) -> bool {
        let kept = self.kept.answer_bytes().saturating_add(ready_bytes);
        let granted = usize::try_from(self.grant.kept).unwrap_or(usize::MAX);
        let max = if self.is_crowded { granted.min(CROWDED_KEPT) } else { granted };
        // An owner runs one message after the other, whichever versions they have.
        let is_of_one_version =
            self.is_owned() || running == 0 || self.last_version.is_none_or(|last| last == version);
        kept < max && is_of_one_version
    }

    pub(super) const fn begins(&mut self, version: Version) {
        self.last_version = Some(version);
    }

    /// U2: the number of the last message that was begun or answered: what waits is not.
    pub(super) fn begun(&self) -> u64 {
        let first = self.waiting.front().and_then(|(message, _)| message.number);
        first.map_or(self.received, |first| first.saturating_sub(1))
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// S3: a message waits until its handler may begin.
    pub(super) fn wait(&mut self, message: Box<Message>, is_event: bool) {
        self.waiting.push_back((message, is_event));
    }

    /// S3: the next message whose handler begins now, and whether it is an event.
    pub(super) fn begin_waiting(
        &mut self,
        running: usize,
        ready_bytes: usize,
    ) -> Option<(Box<Message>, bool)> {
        let (message, _) = self.waiting.front()?;
        let version = message.version;
        if !self.may_begin(version, running, ready_bytes) {
            return None;
        }
        self.begins(version);
        self.waiting.pop_front()
    }

    /// What is not begun never will be: it is refused where its answer is due.
    pub(super) fn give_up_waiting(&mut self) {
        self.waiting.clear();
    }

    /// S6: nothing runs and nobody is connected from here on.
    pub(super) fn rests(&mut self, now: Time) {
        if !is_on(Mutant::KeptFromOpening) {
            self.rests_since = now;
        }
    }

    /// S6: when nobody needs it any longer, if no connection comes.
    pub(super) fn expires_at(&self) -> Time {
        self.rests_since + self.grant.keep
    }
}
