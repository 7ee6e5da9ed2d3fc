//! The owners of services that a connection uses (T3): they are told what comes, and answer by
//! mail.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;
use ubf_codec::Version;
use ubf_proto::Service;
use ubf_proto::server::{Input, Notice, SessionAnswer, SessionRequest};
use ubf_proto::session::SessionId;

use super::Connection;
use crate::call_times::{self, ServiceTimes};
use crate::owner::{OwnerInput, OwnerLink, SessionOwner};

/// The owner of a service that this connection has used. It is told of the end, however that comes.
pub(super) struct Owned {
    service: Service,
    owner: Arc<dyn SessionOwner>,
    link: Arc<OwnerLink>,
    session: OwnedSession,
    /// `None`: times are not counted.
    times: Option<Box<OwnedTimes>>,
}

/// The times of requests that an owner has. As many as may be pending: they are answered in order.
struct OwnedTimes {
    times: Arc<ServiceTimes>,
    begun: VecDeque<(u64, Version, Instant)>,
}

impl OwnedTimes {
    fn answered(&mut self, answered: u64) {
        while let Some((packet, version, began)) = self.begun.front().copied()
            && packet <= answered
        {
            self.begun.pop_front();
            if packet == answered {
                self.times.add_one(version, began.elapsed());
            }
        }
    }
}

/// Whether the connection has a session of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OwnedSession {
    None,
    /// It has asked for one, in this attempt.
    Asked(SessionId, u64),
    Attached(SessionId, u64),
}

impl Owned {
    pub(super) fn tell(&self, input: OwnerInput) {
        self.owner.take(&self.link, input);
    }

    /// The session that it has asked for.
    fn asked(&mut self) -> Option<(&mut Self, SessionId, u64)> {
        match self.session {
            OwnedSession::Asked(id, turn) => Some((self, id, turn)),
            OwnedSession::None | OwnedSession::Attached(..) => None,
        }
    }

    const fn attached(&self) -> Option<(SessionId, u64)> {
        match self.session {
            OwnedSession::Attached(id, turn) => Some((id, turn)),
            OwnedSession::None | OwnedSession::Asked(..) => None,
        }
    }

    /// A request is about to be told.
    pub(super) fn begin(&mut self, packet: u64, version: Version) {
        if let (Some(times), Some(began)) = (&mut self.times, call_times::turn_began()) {
            times.begun.push_back((packet, version, began));
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.tell(OwnerInput::Closed);
    }
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owned").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Connection {
    /// The owner of a service, if it has one.
    pub(super) fn owner(&mut self, name: &Service) -> Option<&mut Owned> {
        let place = self.owned.iter().position(|known| known.service == *name).or_else(|| {
            let owner = self.endpoint.owner(name)?;
            let link = OwnerLink::new(
                self.entry.key,
                self.entry.peer.clone(),
                name.clone(),
                Arc::clone(self.mailbox.shared()),
                Arc::clone(&self.endpoint),
            );
            let (service, link) = (name.clone(), Arc::new(link));
            let times = self.endpoint.call_times.as_ref().and_then(|times| times.of(name));
            let times = times.map(|times| Box::new(OwnedTimes { times, begun: VecDeque::new() }));
            self.owned.push(Owned { service, owner, link, session: OwnedSession::None, times });
            Some(self.owned.len() - 1)
        });
        self.owned.get_mut(place?)
    }

    /// S1, S4: asks the owner of the service about a session. The request comes back if there is
    /// none.
    pub(super) fn ask_owner(&mut self, request: SessionRequest) -> Result<(), SessionRequest> {
        let (SessionRequest::Open { service, .. } | SessionRequest::Resume { service, .. }) =
            &request;
        let Some(owned) = self.owner(&service.clone()) else { return Err(request) };
        owned.session = match &request {
            SessionRequest::Open { wish, .. } => OwnedSession::Asked(wish.id, 1),
            SessionRequest::Resume { resume, .. } => OwnedSession::Asked(resume.id, resume.turn),
        };
        owned.tell(match request {
            SessionRequest::Open { wish, max_packet, .. } => OwnerInput::Open { wish, max_packet },
            SessionRequest::Resume { resume, .. } => OwnerInput::Resume(resume),
        });
        Ok(())
    }

    /// R4: whoever has no version in common with a service that is owned elsewhere is told where,
    /// with the answer that is about to leave.
    pub(super) fn send_on(&mut self, notice: &Notice) {
        if let Notice::NoCommonVersion { service, .. } = notice
            && let Some(owner) = self.endpoint.owner(service)
            && let Some(next_ip) = owner.elsewhere()
        {
            self.session.handle(Input::NextIp(Some(next_ip)), self.now);
        }
    }

    /// What an owner says goes to the session as it is.
    pub(super) fn hear_owner(&mut self, input: Input) -> Input {
        if let Input::Session(answer) = &input
            && let Some((owned, id, turn)) = self.owned.iter_mut().find_map(Owned::asked)
        {
            owned.session = match answer {
                SessionAnswer::Granted(_) | SessionAnswer::Restored(_) => {
                    OwnedSession::Attached(id, turn)
                }
                SessionAnswer::NotGranted
                | SessionAnswer::Exists
                | SessionAnswer::NoSession(_)
                | SessionAnswer::Overtaken => OwnedSession::None,
            };
        }
        if let Input::Reply { packet, .. }
        | Input::Refused { packet, .. }
        | Input::Failed { packet, .. } = &input
        {
            let times = self.owned.iter_mut().filter_map(|owned| owned.times.as_mut());
            times.for_each(|times| times.answered(*packet));
        }
        input
    }

    /// S3: the client has seen something, or ends its session.
    pub(super) fn tell_owner(&mut self, input: OwnerInput) {
        if let Some(owned) = self.owned.iter_mut().find(|owned| owned.attached().is_some()) {
            if matches!(input, OwnerInput::End) {
                owned.session = OwnedSession::None;
            }
            owned.tell(input);
        }
    }

    /// Whether its owner goes on with the session when the connection is gone.
    pub(super) fn has_owned_session(&self) -> bool {
        self.owned.iter().any(|owned| owned.attached().is_some())
    }

    /// U2: the session of an owner, and the attempt by which the connection has it.
    #[cfg(unix)]
    pub(super) fn owned_session(&self) -> Option<(SessionId, u64)> {
        self.owned.iter().find_map(Owned::attached)
    }

    /// U2: the connection has had this session of an owner in another process. `false`: the service
    /// has no owner here.
    #[cfg(unix)]
    pub(super) fn attach_owned(&mut self, service: &Service, id: SessionId, turn: u64) -> bool {
        let owned = self.owner(service);
        let is_owned = owned.is_some();
        if let Some(owned) = owned {
            owned.session = OwnedSession::Attached(id, turn);
        }
        is_owned
    }

    /// U2: another one keeps the sessions from here on, and goes on with that of this connection.
    pub(super) fn adopt_by_owners(&self) {
        let received = self.session.received();
        for owned in &self.owned {
            if let Some((id, turn)) = owned.attached() {
                owned.tell(OwnerInput::Adopt { id, turn, received });
            }
        }
    }
}
