//! Memory that drivers need only while they run: each thread has it once.

use std::cell::Cell;
use std::task::Waker;

use ubf_proto::Outbound;
use ubf_proto::client::{CallId, Scratch};

use crate::call_table::Outcome;
use crate::command::Command;

/// Room for more than this is not kept: it is that of an unusual batch. Chosen: four usual ones.
const MAX_KEPT: usize = 256;

/// What a driver works in. While none runs, it is empty, and only memory.
#[derive(Default)]
pub(crate) struct Room {
    /// Empty but while commands are taken in.
    pub(crate) commands: Vec<Command>,
    /// Outcomes that are told when the status shows them.
    pub(crate) ended: Vec<(CallId, Outcome)>,
    /// Empty but while they are told.
    pub(crate) wakers: Vec<Waker>,
    /// Of the session, while no call is open.
    pub(crate) scratch: Scratch,
    /// Of the connection in use, likewise.
    pub(crate) unsent: Outbound,
}

thread_local! {
    static ROOM: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

impl Room {
    /// That of this thread.
    pub(crate) fn take() -> Box<Self> {
        ROOM.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    /// Leaves it for the next driver.
    pub(crate) fn give_back(mut self: Box<Self>) {
        keep(&mut self.commands);
        keep(&mut self.ended);
        keep(&mut self.wakers);
        // A thread that is about to end needs none.
        ROOM.try_with(|room| room.set(Some(self))).ok();
    }
}

fn keep<T>(room: &mut Vec<T>) {
    debug_assert!(room.is_empty(), "a driver tells all before it waits");
    if room.capacity() > MAX_KEPT {
        *room = Vec::new();
    }
}
