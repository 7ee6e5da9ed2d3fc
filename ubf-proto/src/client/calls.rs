//! Calls that wait to be sent.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;
use ubf_codec::Version;

use super::input::CallId;
use super::output::ConnectionId;
use crate::control::TraceParent;
use crate::time::Time;

/// A call that has not ended.
#[derive(Clone, Debug)]
pub(super) struct OpenCall {
    pub(super) id: CallId,
    /// The order in which calls were handed in; those that open a connection come first.
    pub(super) sequence: u64,
    /// The connection that it opens.
    pub(super) opens: Option<ConnectionId>,
    pub(super) is_event: bool,
    pub(super) is_idempotent: bool,
    pub(super) deadline: Time,
    pub(super) rendering: Rendering,
    /// Whether the body is the same in all versions.
    pub(super) is_constant: bool,
    /// N15: the caller's span.
    pub(super) trace: Option<Box<TraceParent>>,
    pub(super) refusals: u32,
    /// R4: connections that were lost while it was in flight there.
    pub(super) losses: u32,
}

impl OpenCall {
    /// Whether a server may have executed it on a connection that was lost.
    pub(super) const fn may_have_run(&self) -> bool {
        self.losses > 0
    }
}

/// N8: what there is of a call's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rendering {
    Needed,
    Asked(Version),
    Ready(Version, Bytes),
}

/// Calls that wait to be sent, in the order in which they were handed in.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    calls: VecDeque<OpenCall>,
}

impl Waiting {
    /// Puts a call into its place: at the end, or, if it was sent before, in front.
    pub(super) fn insert(&mut self, call: OpenCall) {
        let is_last = self.calls.back().is_none_or(|last| last.sequence < call.sequence);
        if is_last {
            self.calls.push_back(call);
        } else {
            let place = self.calls.partition_point(|other| other.sequence < call.sequence);
            self.calls.insert(place, call);
        }
    }

    pub(super) fn first(&mut self) -> Option<&mut OpenCall> {
        self.calls.front_mut()
    }

    pub(super) fn pop(&mut self) -> Option<OpenCall> {
        self.calls.pop_front()
    }

    pub(super) fn find(&mut self, id: CallId) -> Option<&mut OpenCall> {
        // Mostly it is the first: it is the only one that a body is asked for.
        self.calls.iter_mut().find(|call| call.id == id)
    }

    pub(super) fn remove(&mut self, id: CallId) -> Option<OpenCall> {
        let place = self.calls.iter().position(|call| call.id == id)?;
        self.calls.remove(place)
    }

    /// Takes out a call whose time is over.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<OpenCall> {
        let place = self.calls.iter().position(|call| call.deadline <= now)?;
        self.calls.remove(place)
    }

    pub(super) fn earliest_deadline(&self) -> Option<Time> {
        self.calls.iter().map(|call| call.deadline).min()
    }

    /// Its memory.
    pub(super) const fn room(&mut self) -> &mut VecDeque<OpenCall> {
        &mut self.calls
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}
