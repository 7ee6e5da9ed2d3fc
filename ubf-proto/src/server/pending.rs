//! Answers in the order of the client's packets, in whatever order they are ready (P5).

use alloc::collections::VecDeque;

use bytes::Bytes;
use ubf_codec::{Mode, Version};

use super::output::PacketKind;

/// Room for more packets than this is not handed on. Chosen: a batch.
const KEPT_SLOTS: usize = 128;

/// A packet that will be answered.
#[derive(Debug)]
struct Slot {
    packet: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its handler runs.
    Running {
        version: Version,
        /// Of the request, which its handler holds.
        bytes: usize,
    },
    /// Its answer waits for those before it.
    Ready(Answer),
}

/// An answer that is ready.
#[derive(Debug)]
pub(super) struct Answer {
    /// The number of the packet that it answers.
    pub(super) packet: u64,
    pub(super) mode: Mode,
    pub(super) body: Bytes,
    pub(super) kind: PacketKind,
}

/// Packets that are not answered yet, by ascending numbers.
#[derive(Debug, Default)]
pub(super) struct Pending {
    slots: VecDeque<Slot>,
    running: usize,
    /// Of the requests that run, and of the answers that wait.
    bytes: usize,
}

impl Pending {
    pub(super) fn push_running(&mut self, packet: u64, version: Version, bytes: usize) {
        self.slots.push_back(Slot { packet, state: State::Running { version, bytes } });
        self.running += 1;
        self.bytes += bytes;
    }

    pub(super) fn push_ready(&mut self, packet: u64, mode: Mode, body: Bytes) {
        self.bytes += body.len();
        let answer = Answer { packet, mode, body, kind: PacketKind::Control };
        self.slots.push_back(Slot { packet, state: State::Ready(answer) });
    }

    /// Completes a running packet with an answer in its own version, or in another mode. Answers
    /// that nobody waits for are dropped: the shell may be late.
    pub(super) fn complete(&mut self, packet: u64, mode: Option<Mode>, body: Bytes) {
        let place = self.slots.partition_point(|slot| slot.packet < packet);
        let Some(slot) = self.slots.get_mut(place).filter(|slot| slot.packet == packet) else {
            return;
        };
        if let State::Running { version, bytes } = slot.state {
            self.bytes = self.bytes - bytes + body.len();
            let mode = mode.unwrap_or(version.into());
            slot.state = State::Ready(Answer { packet, mode, body, kind: PacketKind::Reply });
            self.running -= 1;
        }
    }

    /// R8: gives up all that run: each is answered with the body for its number. How many there
    /// were.
    pub(super) fn cut(&mut self, body: impl Fn(u64) -> Bytes) -> usize {
        for slot in &mut self.slots {
            if let State::Running { bytes, .. } = slot.state {
                let packet = slot.packet;
                let (mode, kind, body) = (Mode::Negotiation, PacketKind::Cut, body(packet));
                self.bytes = self.bytes - bytes + body.len();
                slot.state = State::Ready(Answer { packet, mode, body, kind });
            }
        }
        core::mem::take(&mut self.running)
    }

    /// Requests whose handlers were begun, and whose answers are not out.
    pub(super) fn begun(&self) -> usize {
        let is_begun = |slot: &&Slot| match &slot.state {
            State::Running { .. } => true,
            State::Ready(answer) => answer.kind == PacketKind::Reply,
        };
        self.slots.iter().filter(is_begun).count()
    }

    /// The version of a request whose handler runs.
    pub(super) fn version_of_running(&self, packet: u64) -> Option<Version> {
        let place = self.slots.partition_point(|slot| slot.packet < packet);
        match self.slots.get(place).filter(|slot| slot.packet == packet)?.state {
            State::Running { version, .. } => Some(version),
            State::Ready(_) => None,
        }
    }

    /// The answer whose turn it is, if it is ready.
    pub(super) fn pop_ready(&mut self) -> Option<Answer> {
        if !matches!(self.slots.front()?.state, State::Ready(_)) {
            return None;
        }
        match self.slots.pop_front()?.state {
            State::Ready(answer) => {
                self.bytes -= answer.body.len();
                Some(answer)
            }
            State::Running { .. } => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes over the scratch of another one, of which nothing is pending, if it has none.
    pub(super) fn use_scratch(&mut self, mut scratch: Self) {
        if self.slots.capacity() == 0 {
            self.slots = core::mem::take(&mut scratch.slots);
        }
    }

    /// Takes the scratch away while nothing is pending.
    pub(super) fn take_scratch(&mut self) -> Self {
        let mut scratch = Self::default();
        if self.slots.is_empty() {
            scratch.slots = core::mem::take(&mut self.slots);
            scratch.slots.shrink_to(KEPT_SLOTS);
        }
        scratch
    }

    pub(super) const fn running(&self) -> usize {
        self.running
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.running = 0;
        self.bytes = 0;
    }
}
