//! What connections say, done on the shard in the order in which it came.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::runtime::Handle;
use tracing::{error, warn};
use ubf_codec::{Term, Text, Version, Versioned as _, View, ubf};
use ubf_proto::server::{Message, SessionAnswer, StoredAnswer};
use ubf_proto::session::{Level, NoSession, Resume, SessionId, Wish};
use ubf_server::{OwnerInput, OwnerLink, Reply, Verdict};
use ubf_state::shard::{NotRun, Ran, To};
use ubf_state::{Do, Reason, Session, SessionKey, Stop, Tx};

use super::keeper::{CallWatch, KeeperConfig};
use super::key::key_of;
use super::links::place;
use super::parked::Client;
use super::prepare::{self, Asked, Todo};
use super::work::{Event, Work};
use super::worker::{Worker, wall_clock};
use crate::host::contained;
use crate::service::{Caller, StatefulService};

impl<S: StatefulService> Worker<S> {
    /// Something has come on a connection: it is to be run, or waits behind a message that is being
    /// prepared.
    pub(super) fn arrived(&mut self, link: Arc<OwnerLink>, mut work: Work<S::Request>) {
        if let Work::Message(todo) = &mut work
            && matches!(todo.request, Asked::Waits)
        {
            todo.request = self.begin_preparing(&link, &todo.message);
        }
        if matches!(work, Work::Other(OwnerInput::Closed)) {
            self.lanes.remove(&link);
        } else if work.is_waiting() || self.lanes.has(&link) {
            return self.lanes.push(&link, work);
        }
        self.queue.push_back((link, work));
    }

    fn begin_preparing(&mut self, link: &Arc<OwnerLink>, message: &Message) -> Asked<S::Request> {
        let Some(runtime) = self.shared.runtime() else {
            return Asked::Crashed("`prepare` waits, and there is no runtime".into());
        };
        let (at, ticket, events) = (place(link), self.next_ticket, self.events.clone());
        self.next_ticket += 1;
        let tell = move |asked| {
            // A keeper that has ended runs nothing.
            events.send(Event::Prepared { at, ticket, asked }).ok();
        };
        let (service, at_most) = (self.host.service_arc(), self.config.max_prepare_time);
        Asked::Prepared(prepare::begin(runtime, service, message, ticket, at_most, tell))
    }

    /// A row was missing when the message was run: it is prepared again. Whether it has to wait for
    /// that.
    pub(super) fn prepare_again(
        &mut self,
        link: &Arc<OwnerLink>,
        work: &mut Work<S::Request>,
    ) -> bool {
        let Work::Message(todo) = work else { return false };
        if !matches!(todo.request, Asked::Spent) {
            return false;
        }
        let asked = {
            let _in_runtime = self.shared.runtime().map(Handle::enter);
            prepare::ask(&**self.host.service_arc(), &todo.message)
        };
        let is_waiting = matches!(asked, Asked::Waits);
        todo.request = if is_waiting { self.begin_preparing(link, &todo.message) } else { asked };
        todo.request.is_waiting()
    }

    /// A message waits, and with it all that has come on its connection since.
    pub(super) fn set_aside(&mut self, link: &Arc<OwnerLink>, work: Work<S::Request>) {
        self.lanes.push(link, work);
        for (from, work) in std::mem::take(&mut self.queue) {
            if Arc::ptr_eq(&from, link) {
                self.arrived(from, work);
            } else {
                self.queue.push_back((from, work));
            }
        }
    }

    /// Does what a connection wants.
    ///
    /// # Errors
    /// Nothing has changed: it waits for the store, or cannot be done.
    pub(super) fn run_work(
        &mut self,
        link: &Arc<OwnerLink>,
        work: &mut Work<S::Request>,
    ) -> Result<(), NotRun> {
        match work {
            Work::Message(todo) => self.message(link, todo),
            Work::Other(OwnerInput::Open { wish, max_packet }) => {
                self.open(link, wish, *max_packet)
            }
            Work::Other(OwnerInput::Resume(resume)) => self.resume(link, resume),
            Work::Other(OwnerInput::Adopt { id, turn, received }) => {
                self.adopt(link, id, (*turn, *received))
            }
            Work::Other(OwnerInput::Seen { done, events }) => {
                if let Some(key) = self.links.session_of(link) {
                    self.host.shard_mut().seen(key, *done, *events);
                }
                Ok(())
            }
            Work::Other(OwnerInput::End) => {
                self.end(link);
                Ok(())
            }
            Work::Other(OwnerInput::Closed) => {
                self.closed(link);
                Ok(())
            }
            Work::Other(other) => {
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
        let key = key_of(&wish.id, link.peer().identity());
        match self.host.shard_mut().open_session(&self.rows, key, grant) {
            Ok(()) => {
                let client = client(link, &wish.id);
                self.sessions.attach(key, grant.keep, link.origin(), client);
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
        let key = key_of(&resume.id, link.peer().identity());
        let Resume { done, events, turn, .. } = *resume;
        let resumed = if self.sessions.is_over(key, Instant::now()) {
            Err(NotRun::UnknownSession)
        } else {
            self.host.shard_mut().resume(&self.rows, key, done, events, turn)
        };
        match resumed {
            Ok(()) => {
                if let Some(session) = self.host.shard().session(key) {
                    let client = client(link, &resume.id);
                    self.sessions.attach(key, session.grant().keep, link.origin(), client);
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

    /// U2: goes on with a session on the connection that it has had in another process. Nothing is
    /// stored, and its client is told nothing.
    fn adopt(
        &mut self,
        link: &Arc<OwnerLink>,
        id: &SessionId,
        expected: (u64, u64),
    ) -> Result<(), NotRun> {
        let key = key_of(id, link.peer().identity());
        let found = if self.sessions.is_over(key, Instant::now()) {
            Err(NotRun::UnknownSession)
        } else {
            self.host.shard_mut().find_session(&self.rows, key)
        };
        match found {
            Ok(()) | Err(NotRun::UnknownSession) => {}
            Err(why) => return Err(why),
        }
        let session = self.host.shard().session(key);
        let session = session.filter(|it| (it.turn(), it.received()) == expected);
        let Some(keep) = session.map(|session| session.grant().keep) else {
            // The client has gone on elsewhere, or does so now.
            link.cut();
            return Ok(());
        };
        if self.links.session_of(link) != Some(key) {
            self.sessions.attach(key, keep, link.origin(), client(link, id));
            self.links.attach(key, link);
        }
        link.crowded(self.is_crowded);
        Ok(())
    }

    fn message(
        &mut self,
        link: &Arc<OwnerLink>,
        todo: &mut Todo<S::Request>,
    ) -> Result<(), NotRun> {
        let packet = todo.message.packet;
        let Some(number) = todo.message.number else {
            let call = self.links.next_call();
            self.run_message(link, To::Connection(call), todo)?;
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
        self.run_message(link, To::Session(key), todo)?;
        if !todo.is_event
            && let Some(attached) = self.links.attached(key)
        {
            attached.running.push_back((number, packet));
        }
        Ok(())
    }

    fn run_message(
        &mut self,
        link: &OwnerLink,
        to: To,
        todo: &mut Todo<S::Request>,
    ) -> Result<(), NotRun> {
        let version = todo.message.version;
        let versions = self.host.shard().record().versions;
        // T6: the version was withdrawn while it waited, and the rows lowered. An event has no
        // answer that could say so.
        let is_late = !todo.is_event && !versions.may_offer(S::needs(version));
        let why = match &todo.message.refused {
            Some(why) => Some(Term::clone(why)),
            None => is_late.then(|| ubf!({version, (version.get())})),
        };
        if let Some(why) = why {
            // N4: it takes its number, and nothing else.
            let refused = StoredAnswer::Refused(why).to_bytes();
            let (again, shard) = (refused.clone(), self.host.shard_mut());
            return shard.run(&self.rows, to, wall_clock(), |_| Ok(refused), |_| again).map(drop);
        }
        if todo.is_event { self.event(link, to, todo) } else { self.call(link, to, todo) }
    }

    /// Runs an event of a client.
    fn event(
        &mut self,
        link: &OwnerLink,
        to: To,
        todo: &mut Todo<S::Request>,
    ) -> Result<(), NotRun> {
        let Todo { message, has_begun, .. } = todo;
        let message = &*message;
        let caller = caller(to, message.version);
        let (service, after) = (Arc::clone(self.host.service_arc()), self.host.after());
        let KeeperConfig { contracts, watch, .. } = &self.config;
        let run = |tx: &mut Tx<'_>| {
            let View::Tuple(event) = message.body.root().view() else { return Ok(()) };
            let Some(event) = event.get(1) else { return Ok(()) };
            contained(|| {
                if let Some(contracts) = contracts
                    && !contracts.event(caller.version, &service.state_name(&caller, tx)?, event)
                {
                    return Ok(());
                }
                begins(watch.as_ref(), message, true, has_begun);
                service.event(&caller, event, tx)?;
                after.run(&service, tx)
            })
        };
        let shard = self.host.shard_mut();
        let ran = shard.run_event(&self.rows, to, wall_clock(), run)?;
        // T3: what says that it was taken waits for its commit.
        shard.hold(to, message.packet);
        if let Ran::TakenBack(why) = ran {
            self.taken_back(link, message, &why);
        }
        Ok(())
    }

    /// Runs a request.
    fn call(
        &mut self,
        link: &OwnerLink,
        to: To,
        todo: &mut Todo<S::Request>,
    ) -> Result<(), NotRun> {
        let Todo { message, request, has_begun, .. } = todo;
        let (message, version) = (&*message, message.version);
        let caller = caller(to, version);
        let max_kept = match to {
            To::Session(key) => {
                self.host.shard().session(key).map_or(u64::MAX, |session| session.grant().kept)
            }
            To::Connection(_) => u64::MAX,
        };
        let (service, after) = (Arc::clone(self.host.service_arc()), self.host.after());
        let KeeperConfig { contracts, watch, .. } = &self.config;
        // Of the session before the call, for a refusal: the call is taken back then.
        let state = RefCell::new(Text::from_static("start"));
        let run = |tx: &mut Tx<'_>| {
            contained(|| {
                let before = service.state_name(&caller, tx)?;
                *state.borrow_mut() = before.clone();
                let root = message.body.root();
                let verdict = contracts.as_ref().map_or(Verdict::Run(None), |contracts| {
                    contracts.request(version, &before, root)
                });
                let accepted = match verdict {
                    Verdict::Answer(reply) => return Ok(stored(reply, version, max_kept)),
                    Verdict::Run(accepted) => accepted,
                };
                begins(watch.as_ref(), message, false, has_begun);
                let request = std::mem::replace(request, Asked::Spent);
                let answered = answer(&*service, &caller, message, request, &before, tx)?;
                after.run(&service, tx)?;
                Ok(match answered {
                    Answered::Reply(reply) => {
                        let reply = match contracts {
                            Some(contracts) => {
                                contracts.reply(version, root, accepted.as_ref(), reply)
                            }
                            None => reply,
                        };
                        stored(reply, version, max_kept)
                    }
                    Answered::Failed(why) => StoredAnswer::Failed(Term::atom(why)).to_bytes(),
                })
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
            // The caller's own doing.
            Reason::Refused(_) | Reason::NoSession => {}
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

/// Whom a session is for, for people.
fn client(link: &OwnerLink, id: &SessionId) -> Client {
    Client {
        name: id.to_string(),
        service: link.service().clone(),
        peer: link.peer().clone(),
        connection: link.connection(),
    }
}

/// Who sends a message.
const fn caller(to: To, version: Version) -> Caller<'static> {
    match to {
        To::Session(key) => Caller::new(version).in_session(key),
        To::Connection(_) => Caller::new(version),
    }
}

/// Tells whoever watches that a message begins, once.
fn begins(
    watch: Option<&Arc<dyn CallWatch>>,
    message: &Message,
    is_event: bool,
    has_begun: &mut bool,
) {
    if !std::mem::replace(has_begun, true)
        && let Some(watch) = watch
    {
        watch.begins(&message.service, message.version, &message.body, is_event);
    }
}

/// What has come of a request.
enum Answered {
    Reply(Reply),
    /// It may have been executed, for this reason.
    Failed(&'static str),
}

/// One call.
fn answer<S: StatefulService>(
    service: &S,
    caller: &Caller<'_>,
    message: &Message,
    request: Asked<S::Request>,
    state: &Text,
    tx: &mut Tx<'_>,
) -> Do<Answered> {
    let version = caller.version;
    Ok(match request {
        Asked::Ready(request) => {
            let reply = service.apply(caller, request, tx)?;
            // A reply that has no form in the caller's version is a fault of the service.
            let response =
                reply.to_term(version).map_err(|error| Stop::crashed(error.to_string()))?;
            if response.is_atom("event_out") {
                // P3: its client would take it for an event.
                return Ok(Answered::Failed("reply_is_an_event"));
            }
            Answered::Reply(Reply::new(response, service.state_name(caller, tx)?))
        }
        Asked::Broken(expected) => {
            let root = message.body.root();
            Answered::Reply(Reply::broken_contract(root, &[&expected], state.clone()))
        }
        Asked::Crashed(text) => return Err(Stop::crashed(text)),
        // What it has asked of others may have been done.
        Asked::Late => Answered::Failed("call_time"),
        Asked::Nothing | Asked::Spent | Asked::Waits | Asked::Prepared(_) => {
            return Err(Stop::crashed("a message was run that was not prepared"));
        }
    })
}

/// A reply as it is stored.
fn stored(reply: Reply, version: Version, max_kept: u64) -> Bytes {
    let body = reply.into_body();
    let stored = if body.len() as u64 > max_kept {
        // S3.15: it could not be sent again.
        StoredAnswer::Failed(Term::atom("reply_not_kept"))
    } else {
        StoredAnswer::Reply { version, body }
    };
    stored.to_bytes()
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
        Reason::NoSession => refused("no_session"),
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
