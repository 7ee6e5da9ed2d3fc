//! Answers in the order of the client's packets, in whatever order they are ready (P5).

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::ops::{Deref, DerefMut};

use ubf_codec::{Mode, Term, Version};

use super::answer::{Answer, Content};
use super::output::PacketKind;
use crate::versions::Versions;

/// Room for more packets than this is not handed on. Chosen: a batch.
const KEPT_SLOTS: usize = 128;

/// A packet that will be answered.
#[derive(Debug)]
struct Slot {
    packet: u64,
    /// S2: of a message; 0 of another packet.
    number: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// S3: it is a message that was taken, and its handler is not begun. An event may yet be
    /// refused, so it has a place as well.
    Taken {
        version: Version,
        /// Of the message.
        bytes: usize,
    },
    /// Its handler runs.
    Running {
        version: Version,
        /// Of the request, which its handler holds.
        bytes: usize,
    },
    /// T3: it is an event, of which its owner has not said that it is taken.
    Event {
        /// Of the event, which its owner holds.
        bytes: usize,
    },
    /// Its answer waits for those before it.
    Ready { mode: Mode, content: Content, kind: PacketKind },
}

/// Packets that are not answered yet, by ascending numbers.
#[derive(Debug, Default)]
pub(super) struct Pending {
    slots: VecDeque<Slot>,
    running: usize,
    /// Messages that have no answer yet.
    messages: usize,
    /// Of messages that have no answer yet.
    request_bytes: usize,
    /// Of answers that wait.
    answer_bytes: usize,
}

/// The place of what is pending. It takes no memory while an idle session has let go of it.
#[derive(Debug, Default)]
pub(super) struct PendingPlace(Option<Box<Pending>>);

static NOTHING: Pending = Pending::new();

impl PendingPlace {
    /// Takes over the memory of another one, of which nothing is pending, if it has none.
    pub(super) fn attach(&mut self, spare: Self) {
        if self.0.is_none() {
            *self = spare;
        }
    }

    /// Lets go of the memory while nothing is pending.
    pub(super) fn release(&mut self) -> Self {
        let mut spare = self.0.take_if(|pending| pending.slots.is_empty());
        if let Some(pending) = &mut spare {
            pending.slots.shrink_to(KEPT_SLOTS);
        }
        Self(spare)
    }
}

impl Deref for PendingPlace {
    type Target = Pending;

    fn deref(&self) -> &Pending {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for PendingPlace {
    fn deref_mut(&mut self) -> &mut Pending {
        self.0.get_or_insert_default()
    }
}

impl Pending {
    const fn new() -> Self {
        Self { slots: VecDeque::new(), running: 0, messages: 0, request_bytes: 0, answer_bytes: 0 }
    }

    pub(super) fn push_running(
        &mut self,
        packet: u64,
        number: u64,
        version: Version,
        bytes: usize,
    ) {
        self.push(packet, number, State::Running { version, bytes });
        self.running += 1;
        self.messages += 1;
        self.request_bytes += bytes;
    }

    /// S3: a message whose handler is not begun.
    pub(super) fn push_taken(&mut self, packet: u64, number: u64, version: Version, bytes: usize) {
        self.push(packet, number, State::Taken { version, bytes });
        self.messages += 1;
        self.request_bytes += bytes;
    }

    /// T3: an event behind which nothing leaves before its owner has it.
    pub(super) fn push_event(&mut self, packet: u64, number: u64, bytes: usize) {
        self.push(packet, number, State::Event { bytes });
        self.messages += 1;
        self.request_bytes += bytes;
    }

    /// T3: the owner has an event. Mostly, it is the first thing that is pending.
    pub(super) fn take_event(&mut self, packet: u64) {
        let place = self.slots.partition_point(|slot| slot.packet < packet);
        let Some(slot) = self.slots.get(place).filter(|slot| slot.packet == packet) else { return };
        if let State::Event { bytes } = slot.state {
            self.slots.remove(place);
            self.messages -= 1;
            self.request_bytes -= bytes;
        }
    }

    pub(super) fn push_ready(&mut self, packet: u64, number: u64, mode: Mode, content: Content) {
        self.answer_bytes += content.bytes();
        let kind = PacketKind::Control;
        self.push(packet, number, State::Ready { mode, content, kind });
    }

    fn push(&mut self, packet: u64, number: u64, state: State) {
        debug_assert!(self.slots.back().is_none_or(|last| last.packet < packet), "out of order");
        self.slots.push_back(Slot { packet, number, state });
    }

    fn find(&mut self, packet: u64) -> Option<&mut Slot> {
        let place = self.slots.partition_point(|slot| slot.packet < packet);
        self.slots.get_mut(place).filter(|slot| slot.packet == packet)
    }

    /// S3: the number of the first message whose answer is not out.
    pub(super) fn first_message(&self) -> Option<u64> {
        self.slots.iter().map(|slot| slot.number).find(|&number| number > 0)
    }

    /// S3: the handler of a message that was taken begins.
    pub(super) fn begin(&mut self, packet: u64) {
        let Some(slot) = self.find(packet) else { return };
        if let State::Taken { version, bytes } = slot.state {
            slot.state = State::Running { version, bytes };
            self.running += 1;
        }
    }

    /// S3: an event that was taken is given out, and nothing will be said of it. T3: an owner says
    /// when it has it.
    pub(super) fn begin_event(&mut self, packet: u64, is_owned: bool) {
        let Some(slot) = self.find(packet) else { return };
        let State::Taken { bytes, .. } = slot.state else { return };
        slot.state = State::Event { bytes };
        if !is_owned {
            self.take_event(packet);
        }
    }

    /// What was taken and is not begun never will be: it is refused in its place.
    pub(super) fn refuse_taken(&mut self, why: &str, versions: &Versions) {
        for slot in &mut self.slots {
            let State::Taken { bytes, .. } = slot.state else { continue };
            let content = Content::refused(Term::atom(why), versions.clone());
            self.request_bytes -= bytes;
            self.answer_bytes += content.bytes();
            self.messages -= 1;
            let (mode, kind) = (Mode::Negotiation, PacketKind::Control);
            slot.state = State::Ready { mode, content, kind };
        }
    }

    /// Completes a running packet. Answers that nobody waits for are dropped: the shell may be
    /// late.
    pub(super) fn complete(&mut self, packet: u64, content: Content) {
        let Some(slot) = self.find(packet) else { return };
        if let State::Running { version, bytes } = slot.state {
            let mode = match content {
                Content::Body(_) => version.into(),
                Content::NotDone(_) => Mode::Negotiation,
            };
            let answer_bytes = content.bytes();
            slot.state = State::Ready { mode, content, kind: PacketKind::Reply };
            self.request_bytes -= bytes;
            self.answer_bytes += answer_bytes;
            self.running -= 1;
            self.messages -= 1;
        }
    }

    /// If this packet is running and no other one is pending, its message's number and its
    /// version.
    pub(super) fn only_running(&self, packet: u64) -> Option<(u64, Version)> {
        let slot = self.slots.front().filter(|slot| slot.packet == packet)?;
        let State::Running { version, .. } = slot.state else { return None };
        (self.slots.len() == 1).then_some((slot.number, version))
    }

    /// The only packet that is pending, which is running, is answered and out.
    pub(super) fn answer_only(&mut self) {
        debug_assert!(self.slots.len() == 1 && self.running == 1 && self.messages == 1);
        self.slots.pop_front();
        self.request_bytes = 0;
        self.running = 0;
        self.messages = 0;
    }

    /// R8: gives up all that run: each is answered, and so are those that were not begun (S10). How
    /// many ran.
    pub(super) fn cut(&mut self, versions: &Versions) -> usize {
        self.refuse_taken("shutdown", versions);
        let mut event_bytes = 0;
        self.slots.retain(|slot| {
            if let State::Event { bytes } = slot.state {
                event_bytes += bytes;
            }
            !matches!(slot.state, State::Event { .. })
        });
        self.request_bytes -= event_bytes;
        for slot in &mut self.slots {
            let (content, kind, bytes) = match slot.state {
                State::Running { bytes, .. } => {
                    let why = Term::atom("cut");
                    (Content::failed(why, versions.clone()), PacketKind::Cut, bytes)
                }
                State::Taken { .. } | State::Event { .. } | State::Ready { .. } => continue,
            };
            self.request_bytes -= bytes;
            self.answer_bytes += content.bytes();
            slot.state = State::Ready { mode: Mode::Negotiation, content, kind };
        }
        self.messages = 0;
        core::mem::take(&mut self.running)
    }

    /// Requests whose handlers were begun, and whose answers are not out.
    pub(super) fn begun(&self) -> usize {
        let is_begun = |slot: &&Slot| match &slot.state {
            State::Running { .. } => true,
            State::Taken { .. } | State::Event { .. } => false,
            State::Ready { kind, .. } => *kind == PacketKind::Reply,
        };
        self.slots.iter().filter(is_begun).count()
    }

    /// The version of a request whose handler runs.
    pub(super) fn version_of_running(&mut self, packet: u64) -> Option<Version> {
        match self.find(packet)?.state {
            State::Running { version, .. } => Some(version),
            State::Taken { .. } | State::Event { .. } | State::Ready { .. } => None,
        }
    }

    /// The answer whose turn it is, if it is ready.
    pub(super) fn pop_ready(&mut self) -> Option<Answer> {
        if !matches!(self.slots.front()?.state, State::Ready { .. }) {
            return None;
        }
        let Slot { packet, number, state } = self.slots.pop_front()?;
        match state {
            State::Ready { mode, content, kind } => {
                self.answer_bytes -= content.bytes();
                Some(Answer { packet, number, mode, content, kind })
            }
            State::Taken { .. } | State::Running { .. } | State::Event { .. } => None,
        }
    }

    /// U2: the answers to messages that are ready, up to the first one that is not.
    pub(super) fn ready_messages(&self) -> impl Iterator<Item = (u64, Mode, &Content)> {
        let ready = self.slots.iter().map_while(|slot| match &slot.state {
            State::Ready { mode, content, .. } => Some((slot.number, *mode, content)),
            State::Taken { .. } | State::Running { .. } | State::Event { .. } => None,
        });
        ready.filter(|&(number, ..)| number > 0)
    }

    /// S6: the connection is gone. Only messages of a session are still answered.
    pub(super) fn retain_messages(&mut self) {
        let mut answer_bytes = self.answer_bytes;
        self.slots.retain(|slot| {
            if slot.number == 0
                && let State::Ready { content, .. } = &slot.state
            {
                answer_bytes -= content.bytes();
            }
            slot.number > 0
        });
        self.answer_bytes = answer_bytes;
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Messages that have no answer yet.
    pub(super) const fn messages(&self) -> usize {
        self.messages
    }

    /// Of the requests that have no answer yet.
    pub(super) const fn request_bytes(&self) -> usize {
        self.request_bytes
    }

    /// Of the answers that wait for those before them.
    pub(super) const fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    /// Of the requests that run, and of the answers that wait.
    pub(super) const fn bytes(&self) -> usize {
        self.request_bytes + self.answer_bytes
    }

    pub(super) const fn running(&self) -> usize {
        self.running
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.running = 0;
        self.messages = 0;
        self.request_bytes = 0;
        self.answer_bytes = 0;
    }
}
