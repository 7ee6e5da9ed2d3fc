//! How a connection gets a session: by opening one, or by going on with the last one (S1, S4, S7).

use alloc::boxed::Box;
use alloc::vec::Vec;

use ubf_codec::Version;

use super::connection::{Attachment, Awaited, Connection, Purpose, Sent};
use super::held::{Held, Place};
use super::loss::LossReason;
use super::notice::Notice;
use super::output::{ConnectionId, InSession, Output};
use super::violation::Violation;
use super::{ClientSession, Slot};
use crate::control::Options;
use crate::mutant::{Mutant, is_on};
use crate::session::{Grant, NoSession, Outgoing, Resumed, SessionId, SessionOption, Wish};

/// What a server's answer to `negotiate` makes of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attached {
    /// Messages may follow, in this session or in none.
    Settled(Option<InSession>),
    /// S1: the next packet wishes for a session.
    AskAgain,
    /// The connection is of no use.
    Lost,
}

impl ClientSession {
    /// S1: asks for the name of a session to come, once for each.
    pub(super) fn need_session_id(&mut self) -> bool {
        let is_needed = !self.config.session.is_off() && self.stock.is_none();
        // A client that closes has none, unless calls are still to be made.
        let is_over = self.is_closing && self.open_calls == 0;
        if !is_needed || self.is_stock_ordered || is_over {
            return false;
        }
        self.is_stock_ordered = true;
        self.outputs.push_back(Output::NeedSessionId);
        true
    }

    /// The shell has made a name.
    pub(super) fn stock(&mut self, id: SessionId) {
        // Whatever was not asked for is not needed.
        if core::mem::take(&mut self.is_stock_ordered) {
            self.stock = Some(id);
        }
    }

    /// Whether a connection may negotiate, as far as sessions are concerned.
    pub(super) fn may_negotiate(&self, slot: Slot) -> bool {
        let Some(link) = self.peek(slot) else { return false };
        // S4: until all that the server has taken is answered, it is sent nothing but a `ping`.
        if link.is_catching_up() {
            return false;
        }
        // S11: after the session was asked for elsewhere, nothing is said here.
        if slot == Slot::Current && self.is_frozen() {
            return false;
        }
        match link.attachment {
            // S11: what is due on the old connection is read before anything is asked for.
            Attachment::Open if slot == Slot::Next && link.purpose == Purpose::Use => {
                let has_name = self.held.is_some()
                    || self.stock.is_some()
                    || self.config.session.demanded_level().is_none();
                has_name && (!self.is_move_of_session() || self.owes_nothing())
            }
            Attachment::Open
            | Attachment::Wished { .. }
            | Attachment::Resuming
            | Attachment::Unknown
            | Attachment::Attached
            | Attachment::Plain => true,
        }
    }

    /// S11: whether nothing is due on the connection in use.
    pub(super) fn owes_nothing(&self) -> bool {
        self.current.as_ref().is_none_or(|current| current.in_flight.is_empty())
    }

    /// S11: whether the connection in use has a session, and another one is made to take its place.
    pub(super) fn is_move_of_session(&self) -> bool {
        let is_move = self.next.as_ref().is_some_and(|next| next.purpose == Purpose::Use);
        let has_session =
            |held: &Held| self.current.as_ref().is_some_and(|link| held.is_attached_to(link.id));
        is_move && self.held.as_deref().is_some_and(has_session)
    }

    /// S11: whether the session was asked for on another connection: until that is decided, nothing
    /// is sent here, and nothing is read.
    pub(super) fn is_frozen(&self) -> bool {
        let is_asked = |next: &Connection| !matches!(next.attachment, Attachment::Open);
        self.is_move_of_session() && self.next.as_deref().is_some_and(is_asked)
    }

    /// S1, S4: what the next `negotiate` of this connection asks for, if anything.
    pub(super) fn session_option(&mut self, slot: Slot) -> Option<SessionOption> {
        let is_asking = self.is_asking(slot);
        let may_wish = !self.config.session.is_off();
        let plan = self.config.session;
        let held = &mut self.held;
        let link = match slot {
            Slot::Current => &mut self.current,
            Slot::Next => &mut self.next,
        };
        let link = link.as_mut()?;
        match link.attachment {
            // L2: whoever only asks has no session.
            Attachment::Open if is_asking => {
                link.attachment = Attachment::Plain;
                None
            }
            Attachment::Open if held.is_some() => {
                link.attachment = Attachment::Resuming;
                held.as_mut().map(|held| SessionOption::Resume(held.next_resume()))
            }
            Attachment::Open | Attachment::Unknown => {
                let id = self.stock.take_if(|_| may_wish);
                let Some(id) = id else {
                    link.attachment = Attachment::Plain;
                    return None;
                };
                let wish = plan.wish(id);
                let outgoing = Outgoing::new(wish.window, wish.bytes);
                link.attachment = Attachment::Wished { wish, outgoing };
                Some(SessionOption::Open(wish))
            }
            Attachment::Wished { .. }
            | Attachment::Resuming
            | Attachment::Attached
            | Attachment::Plain => None,
        }
    }

    /// S1, S4: takes in what an answer to `negotiate` says about sessions.
    pub(super) fn attach(&mut self, slot: Slot, options: &Options) -> Attached {
        let Some(link) = self.slot(slot) else { return Attached::Lost };
        let connection = link.id;
        match (&mut link.attachment, options.session) {
            (Attachment::Wished { wish, outgoing }, option) => {
                let (wish, outgoing) = (*wish, *outgoing);
                match option {
                    Some(SessionOption::Granted(grant)) => {
                        self.granted(slot, connection, (wish, outgoing), grant)
                    }
                    Some(_) | None => self.go_on_without(slot, connection),
                }
            }
            (Attachment::Resuming, Some(SessionOption::Resumed(resumed))) => {
                self.resumed(slot, connection, resumed)
            }
            (Attachment::Resuming, option) => {
                let why = match option {
                    Some(SessionOption::NoSession(why)) => Some(why),
                    Some(_) | None => None,
                };
                self.not_resumed(slot, connection, why)
            }
            // What was not asked for says nothing.
            (Attachment::Attached, _) => {
                Attached::Settled(self.held.as_ref().map(|held| held.told(false)))
            }
            (Attachment::Open | Attachment::Unknown | Attachment::Plain, _) => {
                Attached::Settled(None)
            }
        }
    }

    /// S4: takes in what an answer says about a session that was asked for, although there is no
    /// version for new messages. `false`: the connection is of no use.
    pub(super) fn attach_without_version(&mut self, slot: Slot, options: &Options) -> bool {
        let is_resuming =
            self.peek(slot).is_some_and(|link| matches!(link.attachment, Attachment::Resuming));
        if !is_resuming {
            return true;
        }
        match self.attach(slot, options) {
            Attached::Settled(Some(_)) => {
                // S11: the session is here, and nothing of the old connection counts.
                if slot == Slot::Next
                    && let Some(old) = self.current.take()
                {
                    self.outputs.push_back(Output::Close { connection: old.id });
                }
                true
            }
            Attached::Settled(None) | Attached::AskAgain => true,
            Attached::Lost => false,
        }
    }

    /// S1: the server grants no session. Whatever was sent counts as sent in none.
    fn go_on_without(&mut self, slot: Slot, connection: ConnectionId) -> Attached {
        if let Some(demanded) = self.config.session.demanded_level() {
            self.lost(connection, LossReason::SessionNotGranted { demanded, granted: None });
            return Attached::Lost;
        }
        // S11: nothing was due in the old one.
        self.leave_session();
        let Some(link) = self.slot(slot) else { return Attached::Lost };
        link.attachment = Attachment::Plain;
        for sent in &mut link.in_flight {
            sent.number = 0;
        }
        Attached::Settled(None)
    }

    /// S1: the server grants a session.
    fn granted(
        &mut self,
        slot: Slot,
        connection: ConnectionId,
        asked: (Wish, Outgoing),
        grant: Grant,
    ) -> Attached {
        let (wish, mut outgoing) = asked;
        if grant.window > wish.window || grant.bytes > wish.bytes || grant.keep > wish.keep {
            self.violated(connection, Violation::WrongGrant);
            return Attached::Lost;
        }
        if let Some(demanded) = self.config.session.demanded_level()
            && grant.level < demanded
        {
            let granted = Some(grant.level);
            self.end_session_on(connection, 0, 0);
            self.lost(connection, LossReason::SessionNotGranted { demanded, granted });
            return Attached::Lost;
        }
        // S11: nothing was due in the old one.
        self.leave_session();
        self.statistics.sessions += 1;
        let ordinal = self.statistics.sessions;
        outgoing.limit(grant.window, grant.bytes);
        let Some(link) = self.slot(slot) else { return Attached::Lost };
        link.attachment = Attachment::Attached;
        let (owner, address) = (link.candidate(), link.address.clone());
        let held = Held::new(ordinal, wish.id, grant, owner, outgoing, connection);
        let told = held.told(false);
        self.held = Some(Box::new(held));
        let (id, level) = (wish.id, grant.level);
        self.notice(Notice::NewSession { connection, ordinal, id, level, address });
        Attached::Settled(Some(told))
    }

    /// S4: the session goes on here.
    fn resumed(&mut self, slot: Slot, connection: ConnectionId, resumed: Resumed) -> Attached {
        let Resumed { received, events_lost } = resumed;
        let now = self.now;
        let Some(held) = self.held.as_mut() else { return self.not_asked(connection) };
        if !held.outgoing.may_have_received(received) {
            return self.not_asked(connection);
        }
        let (since, messages) =
            match core::mem::replace(&mut held.place, Place::Attached(connection)) {
                Place::Parked { since, messages, .. } => (since, messages),
                // S11: nothing was due on the old connection.
                Place::Attached(_) => (now, [].into()),
            };
        let taken = if is_on(Mutant::RepeatsTooEarly) {
            received.saturating_sub(1)
        } else {
            received + u64::from(is_on(Mutant::RepeatsTooLate))
        };
        let is_received = |sent: &Sent| sent.number <= taken;
        let (kept, unsent): (Vec<Sent>, Vec<Sent>) = messages.into_iter().partition(is_received);
        for sent in &unsent {
            held.outgoing.unsend(sent.body_len);
        }
        held.outgoing.resumed(received);
        held.unseen.told();
        held.unseen.missed(events_lost.unwrap_or(0));
        let (ordinal, parked, told) = (held.ordinal, now.since(since), held.told(true));
        let Some(link) = self.slot(slot) else { return Attached::Lost };
        link.attachment = Attachment::Attached;
        link.is_held = false;
        link.due_since = now;
        let kept_count = kept.len();
        link.take_over(kept.into_iter());
        let (owner, address) = (link.candidate(), link.address.clone());
        if let Some(held) = &mut self.held {
            held.owner = owner;
            held.shut_since = None;
            held.has_owner_left = false;
        }
        let repeats = self.send_again(unsent);
        self.statistics.resumes += 1;
        self.statistics.parked += parked;
        self.notice(Notice::Resumed {
            connection,
            ordinal,
            address,
            kept: kept_count,
            repeats,
            parked,
        });
        if events_lost != Some(0) {
            self.notice(Notice::EventsMissed { ordinal, count: events_lost });
        }
        Attached::Settled(Some(told))
    }

    /// S4: what the server has not taken counts as never sent; unless its caller has given it up.
    fn send_again(&mut self, messages: Vec<Sent>) -> usize {
        let mut repeats = 0;
        for sent in messages {
            if let Awaited::Reply { call, .. } = sent.awaited {
                self.waiting.insert(call);
                repeats += 1;
            }
        }
        self.statistics.repeats += repeats as u64;
        repeats
    }

    fn not_asked(&mut self, connection: ConnectionId) -> Attached {
        self.violated(connection, Violation::WrongResume);
        Attached::Lost
    }

    /// S4, S7: the session does not go on here. Perhaps it is gone.
    fn not_resumed(
        &mut self,
        slot: Slot,
        connection: ConnectionId,
        why: Option<NoSession>,
    ) -> Attached {
        let Some(held) = &self.held else { return self.go_on_without(slot, connection) };
        let address = self.peek(slot).map(|link| &link.address);
        let is_owner = address == Some(&held.owner.address);
        // S7: nobody but the owner knows that it is gone. If no call depends on it, the word of any
        // server will do.
        let is_final = match why {
            Some(NoSession::Unknown) | None => {
                is_owner || !held.is_in_doubt() || held.is_gone_with_owner(self.now)
            }
            Some(NoSession::NotNow | NoSession::Elsewhere) => false,
        };
        if !is_final {
            self.lost(connection, LossReason::NoSession { why });
            return Attached::Lost;
        }
        // S11: as long as the old connection lives, so does its session.
        if self.current.is_none() {
            self.give_up_session();
        }
        if why.is_none() {
            return self.go_on_without(slot, connection);
        }
        if let Some(link) = self.slot(slot) {
            link.attachment = Attachment::Unknown;
        }
        Attached::AskAgain
    }

    /// S1, S2: takes a number for a message whose body has so many bytes. `None`: there is no room
    /// for it.
    pub(super) fn number(&mut self, slot: Slot, len: u64) -> Option<u64> {
        let Some(outgoing) = self.outgoing(slot) else { return Some(0) };
        outgoing.has_room(len).then(|| outgoing.send(len))
    }

    /// The messages of the session that the connection in this slot has, if it has one.
    pub(super) fn outgoing(&mut self, slot: Slot) -> Option<&mut Outgoing> {
        let link = match slot {
            Slot::Current => &mut self.current,
            Slot::Next => &mut self.next,
        };
        match &mut link.as_mut()?.attachment {
            Attachment::Wished { outgoing, .. } => Some(outgoing),
            Attachment::Attached => self.held.as_mut().map(|held| &mut held.outgoing),
            Attachment::Open | Attachment::Resuming | Attachment::Unknown | Attachment::Plain => {
                None
            }
        }
    }

    /// S8: whether an answer that was kept, or an event of a session, is in a version that this
    /// program does not use for now.
    pub(super) fn is_unreadable(&self, slot: Slot, version: Version) -> bool {
        let Some(link) = self.peek(slot) else { return false };
        matches!(link.attachment, Attachment::Attached)
            && link.in_force != Some(version)
            && self.quarantine.holds(version, self.now)
    }
}
