//! What people and programs are shown of a client: its status, notices, bytes, and how the first
//! connection went.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, warn};
use ubf_net::DialError;
use ubf_proto::client::{ConnectionId, LossReason, Notice, State};
use ubf_proto::{ClientSession, Time};

use crate::call_table::CallTable;
use crate::notices;
use crate::status::{Loss, SessionStatus, Status};
use crate::wire::{Direction, Traffic};

/// A function of the program that is shown each notice.
pub(crate) type NoticeHook = Box<dyn Fn(&Notice) + Send>;

/// A function of the program that is shown all bytes.
pub(crate) type WireHook = Box<dyn Fn(Traffic<'_>) + Send>;

/// The losses before the first agreement, if there was none.
pub(crate) type FirstOutcome = Result<(), Vec<Loss>>;

/// Whom to show what.
pub(crate) struct Viewers {
    pub(crate) status: watch::Sender<Status>,
    pub(crate) notice_hook: Option<NoticeHook>,
    pub(crate) wire_hook: Option<WireHook>,
    pub(crate) first_outcome: Option<oneshot::Sender<FirstOutcome>>,
}

pub(crate) struct Showing {
    viewers: Viewers,
    start: Instant,
    /// What the status is about to show: the last connection that ended.
    last_loss: Option<Box<Loss>>,
    events: u64,
    events_missed: u64,
    /// Losses before the first agreement: at most one for each address in a round.
    first_losses: Vec<Loss>,
    /// Why the last connection was not made, or has ended, until the session has told of its loss.
    dial_failure: Option<DialError>,
    has_notices: bool,
    has_events: bool,
}

impl Showing {
    pub(crate) fn new(viewers: Viewers, start: Instant) -> Self {
        Self {
            viewers,
            start,
            last_loss: None,
            events: 0,
            events_missed: 0,
            first_losses: Vec::new(),
            dial_failure: None,
            has_notices: false,
            has_events: false,
        }
    }

    /// A connection was not made, or TLS has ended it: the session is about to say so.
    pub(crate) fn dial_failed(&mut self, failure: DialError) {
        self.dial_failure = Some(failure);
    }

    /// An event has come.
    pub(crate) const fn event(&mut self, is_kept: bool) {
        let counter = if is_kept { &mut self.events } else { &mut self.events_missed };
        *counter += 1;
        self.has_events = true;
    }

    pub(crate) fn notice(&mut self, notice: &Notice, now: Time) {
        self.has_notices = true;
        notices::trace(notice, now);
        if let Notice::Agreed { .. } = notice {
            self.first_losses = Vec::new();
            self.tell_first_outcome(Ok(()));
        } else if let Notice::Lost { address, reason, .. } = notice {
            let is_dial = matches!(reason, LossReason::ConnectFailed { .. } | LossReason::Closed);
            let cause = self.dial_failure.take().filter(|_| is_dial);
            let loss = Loss { address: address.clone(), reason: reason.clone(), cause };
            if self.viewers.first_outcome.is_some() {
                self.first_losses.push(loss.clone());
            }
            self.last_loss = Some(Box::new(loss));
        }
        if let Some(hook) = &self.viewers.notice_hook
            && catch_unwind(AssertUnwindSafe(|| hook(notice))).is_err()
        {
            warn!("the program's function for notices crashed");
        }
    }

    fn tell_first_outcome(&mut self, outcome: FirstOutcome) {
        if let Some(first) = self.viewers.first_outcome.take()
            && first.send(outcome).is_err()
        {
            debug!("nobody waits for the first agreement");
        }
    }

    pub(crate) const fn has_wire_hook(&self) -> bool {
        self.viewers.wire_hook.is_some()
    }

    pub(crate) fn wire(
        &self,
        ConnectionId(connection): ConnectionId,
        direction: Direction,
        bytes: &[u8],
    ) {
        if let Some(hook) = &self.viewers.wire_hook
            && catch_unwind(AssertUnwindSafe(|| hook(Traffic { connection, direction, bytes })))
                .is_err()
        {
            warn!("the program's code for the wire crashed");
        }
    }

    /// Shows what has become of the session. `has_ended`: calls have.
    pub(crate) fn update(
        &mut self,
        session: &ClientSession,
        has_ended: bool,
        table: &Arc<CallTable>,
    ) {
        let state = session.state();
        if state == State::BackingOff && self.viewers.first_outcome.is_some() {
            let losses = std::mem::take(&mut self.first_losses);
            self.tell_first_outcome(Err(losses));
        }
        let (is_changed, is_counted) = {
            let shown = self.viewers.status.borrow();
            let is_changed = self.has_notices
                || shown.is_paused == session.is_reading()
                || (shown.state, shown.version, shown.hops)
                    != (state, session.version(), session.hops())
                || shown.address.as_ref() != session.address();
            (is_changed, shown.statistics != session.statistics() || self.has_events)
        };
        // What came in is mostly no news but for the session.
        if !is_changed && !is_counted && !has_ended {
            return;
        }
        self.has_events = false;
        if is_changed {
            self.has_notices = false;
            table.set_version(session.version());
        }
        let (start, last_loss) = (self.start, self.last_loss.take());
        self.viewers.status.send_if_modified(|shown| {
            if is_changed {
                look_at(session, start, shown);
            }
            if let Some(loss) = last_loss {
                shown.last_loss = Some(loss);
            }
            shown.statistics = session.statistics();
            shown.events = self.events;
            shown.events_missed = self.events_missed;
            is_changed
        });
    }
}

/// Puts into a status what has become of a session that was begun at `start`.
fn look_at(session: &ClientSession, start: Instant, status: &mut Status) {
    status.state = session.state();
    status.version = session.version();
    status.address = session.address().cloned();
    status.hops = session.hops();
    status.is_paused = !session.is_reading();
    let start = start.into_std();
    let moment = |until: Time| start.checked_add(until.since(Time::ZERO));
    status.session = session.session().map(|session| SessionStatus {
        ordinal: session.ordinal,
        id: session.id,
        level: session.level,
        parked_since: session.parked_since.and_then(moment),
    });
    status.quarantine = session
        .quarantine()
        .filter_map(|(version, until)| Some((version, moment(until)?)))
        .collect();
}
