//! Events on their way to the client (Q8).

use alloc::collections::VecDeque;

use bytes::Bytes;
use ubf_codec::Term;

use super::config::{Config, EventTiming};
use super::output::EventFault;
use crate::time::Time;

/// Events that wait until they may leave.
#[derive(Debug, Default)]
pub(super) struct Events {
    held: VecDeque<Held>,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Held {
    /// The event, to be held against the contract when it leaves.
    pub(super) event: Term,
    pub(super) packet: Bytes,
}

impl Events {
    /// Keeps an event until it may leave.
    pub(super) fn hold(
        &mut self,
        event: Term,
        packet: Bytes,
        config: &Config,
    ) -> Result<(), EventFault> {
        if config.events == EventTiming::Never {
            return Err(EventFault::Never);
        }
        let has_room = self.held.len() < config.max_held_events
            && self.bytes.saturating_add(packet.len()) <= config.max_held_event_bytes;
        if !has_room {
            return Err(EventFault::Full);
        }
        self.bytes += packet.len();
        self.held.push_back(Held { event, packet });
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.bytes -= held.packet.len();
        Some(held)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.iter()
    }

    /// From when on the next one may leave, if no call is in progress; `last` is when the last
    /// packet came or went.
    pub(super) fn due(&self, last: Time, timing: EventTiming) -> Time {
        if self.held.is_empty() {
            return Time::NEVER;
        }
        match timing {
            EventTiming::AtOnce => Time::ZERO,
            EventTiming::WhenQuiet(quiet) => last + quiet,
            EventTiming::Never => Time::NEVER,
        }
    }
}
