//! What connections say, done on the shard in the order in which it came.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use tracing::{error, warn};
use ubf_codec::{Term, Text, Version, Versioned as _};
use ubf_proto::server::{Message, SessionAnswer, StoredAnswer};
use ubf_proto::session::{Level, NoSession, Resume, Wish};
use ubf_server::{OwnerInput, OwnerLink, Reply};
use ubf_state::shard::{NotRun, Ran, To};
use ubf_state::{Do, Reason, Session, SessionKey, Stop, Tx};

use super::key::key_of;
use super::worker::{Worker, wall_clock};
use crate::host::contained;
use crate::service::{Caller, StatefulService};

impl<S: StatefulService> Worker<S> {
    /// Does what a connection wants.
    ///
    /// # Errors
    /// Nothing has changed: it waits for the store, or cannot be done.
    pub(super) fn run_input(
        &mut self,
        link: &Arc<OwnerLink>,
        input: &OwnerInput,
    ) -> Result<(), NotRun> {
        match input {
            OwnerInput::Open { wish, max_packet } => self.open(link, wish, *max_packet),
            OwnerInput::Resume(resume) => self.resume(link, resume),
            OwnerInput::Message { message, is_event } => self.message(link, message, *is_event),
            OwnerInput::Seen { done, events: _ } => {
                if let Some(key) = self.links.session_of(link) {
                    self.host.shard_mut().seen(key, *done);
                }
                Ok(())
            }
            OwnerInput::End => {
                self.end(link);
                Ok(())
            }
            OwnerInput::Closed => {
                self.closed(link);
                Ok(())
            }
            other => {
                error!(?other, "an input that this keeper does not know");
                link.cut();
                Ok(())
            }
        }
    }

    /// S1: opens a session, if there is room.
    fn open(&mut self, link: &Arc<OwnerLink>, wish: &Wish, max_packet: u64) -> Result<(), NotRun> {
        let limits = &self.config.sessions;
        let grant = limits.grant(wish, max_packet, Level::Durable);
        let Some(grant) = grant.filter(|_| !self.is_crowded && self.makes_room(link)) else {
            link.session(SessionAnswer::NotGranted);
            return Ok(());
        };
        let key = key_of(&wish.id);
        match self.host.shard_mut().open_session(&self.rows, key, grant) {
            Ok(()) => {
                self.sessions.attach(key, grant.keep, link.origin());
                self.links.attach(key, link);
                Ok(())
            }
            Err(NotRun::SessionExists) => {
                link.session(SessionAnswer::Exists);
                Ok(())
            }
            Err(why) => Err(why),
        }
    }

    /// S6: whether there is room for a session of this client. One of the same address may have to
    /// make room: never one that keeps an answer.
    fn makes_room(&mut self, link: &OwnerLink) -> bool {
        let (limits, origin) = (&self.config.sessions, link.origin());
        let has_room = self.sessions.len() < limits.max_sessions
            && self.sessions.of_origin(origin) < limits.max_sessions_per_address;
        if has_room {
            return true;
        }
        let keeps_nothing = |key: &SessionKey| {
            let session = self.host.shard().session(*key);
            session.is_some_and(|session| session.kept().next().is_none())
        };
        match self.sessions.parked_of(origin).into_iter().find(keeps_nothing) {
            Some(key) => {
                self.sessions.end_now(key, Instant::now());
                true
            }
            None => false,
        }
    }

    /// S4: goes on with a session; who had it before is told (S5).
    fn resume(&mut self, link: &Arc<OwnerLink>, resume: &Resume) -> Result<(), NotRun> {
        let key = key_of(&resume.id);
        let Resume { done, turn, .. } = *resume;
        let resumed = if self.sessions.is_over(key, Instant::now()) {
            Err(NotRun::UnknownSession)
        } else {
            self.host.shard_mut().resume(&self.rows, key, done, turn)
        };
        match resumed {
            Ok(()) => {
                if let Some(session) = self.host.shard().session(key) {
                    self.sessions.attach(key, session.grant().keep, link.origin());
                }
                if let Some(before) = self.links.attach(key, link) {
                    before.overtaken();
                }
                Ok(())
            }
            Err(NotRun::UnknownSession) => {
                link.session(SessionAnswer::NoSession(NoSession::Unknown));
                Ok(())
            }
            Err(NotRun::Overtaken { .. }) => {
                link.session(SessionAnswer::Overtaken);
                Ok(())
            }
            Err(why) => Err(why),
        }
    }

    fn message(
        &mut self,
        link: &Arc<OwnerLink>,
        message: &Message,
        is_event: bool,
    ) -> Result<(), NotRun> {
        let packet = message.packet;
        let Some(number) = message.number else {
            let call = self.links.next_call();
            self.run_message(link, To::Connection(call), message, is_event)?;
            self.links.call(link, packet);
            return Ok(());
        };
        let Some(key) = self.links.session_of(link) else {
            // S5.6: another connection has the session, and the client sends this again there.
            return Ok(());
        };
        let received = self.host.shard().session(key).map_or(0, Session::received);
        if received.saturating_add(1) != number {
            error!(?key, received, number, "a message has not the number that is next");
            link.cut();
            return Ok(());
        }
        self.run_message(link, To::Session(key), message, is_event)?;
        if !is_event && let Some(attached) = self.links.attached(key) {
            attached.running.push_back((number, packet));
        }
        Ok(())
    }

    fn run_message(
        &mut self,
        link: &OwnerLink,
        to: To,
        message: &Message,
        is_event: bool,
    ) -> Result<(), NotRun> {
        let (now, shard) = (wall_clock(), self.host.shard_mut());
        if let Some(why) = &message.refused {
            // N4: it takes its number, and nothing else.
            let refused = StoredAnswer::Refused(Term::clone(why)).to_bytes();
            let again = refused.clone();
            return shard.run(&self.rows, to, now, |_| Ok(refused), |_| again).map(drop);
        }
        if is_event {
            // Its number is what is taken: a service with state has no events of clients.
            shard.run_event(&self.rows, to, now, |_| Ok(()))?;
            // T3: what says that it was taken waits for its commit.
            shard.hold(to, message.packet);
            return Ok(());
        }
        self.call(link, to, message)
    }

    /// Runs a request.
    fn call(&mut self, link: &OwnerLink, to: To, message: &Message) -> Result<(), NotRun> {
        let version = message.version;
        let caller = match to {
            To::Session(key) => Caller::new(version).in_session(key),
            To::Connection(_) => Caller::new(version),
        };
        let max_kept = match to {
            To::Session(key) => {
                self.host.shard().session(key).map_or(u64::MAX, |session| session.grant().kept)
            }
            To::Connection(_) => u64::MAX,
        };
        let service = Arc::clone(self.host.service_arc());
        // Of the session before the call, for a refusal: the call is taken back then.
        let state = RefCell::new(Text::from_static("start"));
        let run = |tx: &mut Tx<'_>| {
            contained(|| {
                let before = service.state_name(&caller, tx)?;
                *state.borrow_mut() = before.clone();
                answer(&*service, &caller, message, &before, max_kept, tx)
            })
        };
        // The closure that refuses cannot borrow what the one before it writes.
        let mut reason = None;
        let refuse = |why: &Reason| {
            reason = Some(why.clone());
            refusal(why, version, state.take())
        };
        let ran = self.host.shard_mut().run(&self.rows, to, wall_clock(), run, refuse)?;
        if let (Ran::TakenBack(_), Some(why)) = (&ran, reason) {
            self.taken_back(link, message, &why);
        }
        Ok(())
    }

    /// Tells people of a call that was taken back for another reason than a rule of the service.
    fn taken_back(&self, link: &OwnerLink, message: &Message, why: &Reason) {
        let (service, version) = (&message.service, message.version);
        match why {
            Reason::Refused(_) => {}
            Reason::Crashed(text) => {
                // T9: it has not run, and the version is counted (N6).
                warn!(%service, %version, %text, "refused: the service panicked");
                link.crashed(version);
            }
            Reason::Missing(_)
            | Reason::Limit(_)
            | Reason::Row { .. }
            | Reason::Key { .. }
            | Reason::IndexNotReady(_)
            | Reason::StepCrashed(_)
            | _ => warn!(%service, %version, ?why, "refused: the call was taken back"),
        }
    }

    /// S3: the client has ended its session. It ends when all that was taken is answered.
    fn end(&mut self, link: &Arc<OwnerLink>) {
        let Some(key) = self.links.session_of(link) else { return };
        if let Some(attached) = self.links.attached(key) {
            attached.is_ending = true;
        }
        self.end_if_answered(key);
    }

    pub(super) fn end_if_answered(&mut self, key: SessionKey) {
        let is_over = self
            .links
            .attached(key)
            .is_some_and(|attached| attached.is_ending && attached.running.is_empty());
        if is_over {
            self.links.detach(key);
            self.sessions.end_now(key, Instant::now());
        }
    }

    /// S6: a connection is gone.
    fn closed(&mut self, link: &Arc<OwnerLink>) {
        let Some(key) = self.links.session_of(link) else { return };
        let is_ending = self.links.detach(key).is_some_and(|attached| attached.is_ending);
        if is_ending {
            self.sessions.end_now(key, Instant::now());
        } else {
            self.sessions.park(key, Instant::now());
        }
    }
}

/// One call: its answer, as it is stored.
fn answer<S: StatefulService>(
    service: &S,
    caller: &Caller<'_>,
    message: &Message,
    state: &Text,
    max_kept: u64,
    tx: &mut Tx<'_>,
) -> Do<Bytes> {
    let version = caller.version;
    let reply = match S::Request::from_term(version, message.body.root()) {
        Ok(request) => {
            let Some(request) = at_once(service.prepare(request)) else {
                return Err(Stop::crashed("`prepare` waits, which this keeper does not know"));
            };
            let reply = service.apply(caller, request, tx)?;
            // A reply that has no form in the caller's version is a fault of the service.
            let response =
                reply.to_term(version).map_err(|error| Stop::crashed(error.to_string()))?;
            if response.is_atom("event_out") {
                // P3: its client would take it for an event.
                return Ok(StoredAnswer::Failed(Term::atom("reply_is_an_event")).to_bytes());
            }
            Reply::new(response, service.state_name(caller, tx)?)
        }
        Err(error) => {
            let expected = error.to_string();
            Reply::broken_contract(message.body.root(), &[&expected], state.clone())
        }
    };
    let body = reply.into_body();
    let stored = if body.len() as u64 > max_kept {
        // S3.15: it could not be sent again.
        StoredAnswer::Failed(Term::atom("reply_not_kept"))
    } else {
        StoredAnswer::Reply { version, body }
    };
    Ok(stored.to_bytes())
}

/// The answer to a call that was taken back, as it is stored.
fn refusal(reason: &Reason, version: Version, state: Text) -> Bytes {
    let refused = |why| StoredAnswer::Refused(Term::atom(why));
    let stored = match reason {
        Reason::Refused(why) => {
            let error = Term::tuple([Term::atom("error"), Term::string(why.as_str())]);
            StoredAnswer::Reply { version, body: Reply::new(error, state).into_body() }
        }
        Reason::Limit(_) => refused("limit"),
        Reason::Crashed(_) => refused("crash"),
        // It is of the library and grows; what is not named here is a fault of the state (T7).
        Reason::Missing(_)
        | Reason::Row { .. }
        | Reason::Key { .. }
        | Reason::IndexNotReady(_)
        | Reason::StepCrashed(_)
        | _ => refused("state"),
    };
    stored.to_bytes()
}

/// What a future yields that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
