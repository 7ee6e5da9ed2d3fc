//! The server's end of a dialogue, as the machines of `ubf_proto` do it: an endpoint, its
//! connections, its sessions.
#![allow(clippy::wildcard_enum_match_arm, reason = "what no dialogue has is told by its name")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{NextIp, Term};
use ubf_proto::endpoint::{
    self, Admission, ConnectionKey, Cordon, Endpoint, Opening, Resumption, SessionKey,
};
use ubf_proto::server::{self, CloseReason, Notice, ServerSession, SessionAnswer, SessionRequest};
use ubf_proto::{CrashRule, DrainPlan, Offer, Origin, Service, Time, Versions};

use super::version;
use crate::dialogue::{Act, Beginning, Told};

/// Where a client is, if the dialogue does not say.
const HERE: &str = "192.0.2.1";

#[derive(Debug)]
pub(super) struct Server {
    endpoint: Endpoint,
    service: Service,
    max_kept_in_all: u64,
    now: u64,
    /// The machine of each connection: one that was granted a session outlives its connections.
    connections: BTreeMap<u64, usize>,
    /// `None`: its connection went over to another machine.
    machines: Vec<Option<Machine>>,
    /// When the next drain is told of. A server draws this time (R3); a dialogue names it.
    notice_at: Time,
    /// Nobody reads.
    is_stalled: bool,
    acts: Vec<Act>,
}

#[derive(Debug)]
struct Machine {
    session: ServerSession,
    /// The connection that it has, or had last.
    connection: u64,
    /// `None` if it was turned away.
    connection_key: Option<ConnectionKey>,
    key: Option<SessionKey>,
    /// The messages that were handed out, by their numbers: the packet, and the version.
    messages: BTreeMap<u64, (u64, ubf_codec::Version)>,
    /// Bytes that its client does not read.
    unwritten: usize,
}

impl Server {
    pub(super) fn begin(beginning: &Beginning) -> Result<(Self, Vec<Act>), String> {
        let config = config(beginning)?;
        let max_kept_in_all = config.sessions.max_kept_in_all;
        let service = beginning.text("service")?.as_deref().map_or(Service::DEFAULT, Service::from);
        let mut rule = CrashRule::default();
        rule.times.jitter_percent = 0;
        let offer = Offer::new().with_crash_rule(rule);
        let offer = offer.with_service(service.clone(), Versions::of(beginning.versions()?));
        let offer = match beginning.text("pinned")? {
            Some(state) => offer.with_pinned(&service, state.as_str()),
            None => offer,
        };
        let mut end = Self {
            endpoint: Endpoint::new(config, offer, 1),
            service,
            max_kept_in_all,
            now: 0,
            connections: BTreeMap::new(),
            machines: Vec::new(),
            notice_at: Time::ZERO,
            is_stalled: false,
            acts: Vec::new(),
        };
        end.connect(0, None)?;
        let acts = std::mem::take(&mut end.acts);
        Ok((end, acts))
    }

    pub(super) fn told(&mut self, told: &Told) -> Result<Vec<Act>, String> {
        match told {
            Told::At { at_ms } => self.sleep(*at_ms)?,
            Told::Connected { connection, peer, .. } => {
                self.connect(*connection, peer.as_deref())?;
            }
            Told::Received { connection, bytes } => {
                let bytes = BytesMut::from(bytes.as_slice());
                self.tell_connection(*connection, server::Input::Received(bytes))?;
            }
            Told::Lost { connection } => self.tell_connection(*connection, server::Input::Lost)?,
            Told::Stalled { is_stalled } => self.stall(*is_stalled)?,
            Told::Reply { number, body } => self.reply(*number, body)?,
            Told::Fail { number } => self.fail(*number)?,
            Told::Refuse { number, why } => self.refuse(*number, why)?,
            Told::Notify { version: number, body } => {
                let (version, body) = (version(*number)?, Bytes::from(body.clone()));
                self.tell(self.only_session(), server::Input::EventOut { version, body })?;
            }
            Told::CrashFrom { address, version: number } => {
                self.crash_from(address, version(*number)?)?;
            }
            Told::Withdraw { version: number } => {
                let (service, version) = (self.service.clone(), version(*number)?);
                self.tell_endpoint(endpoint::Input::Withdraw(service, version))?;
            }
            Told::Restore { version: number } => {
                let (service, version) = (self.service.clone(), version(*number)?);
                self.tell_endpoint(endpoint::Input::Restore(service, version))?;
            }
            Told::NextIp { addresses } => {
                self.tell_all(&server::Input::NextIp(addresses.parse().ok()))?;
            }
            Told::Drain { addresses, until_ms, notice_at_ms } => {
                self.notice_at = Time::from_millis(*notice_at_ms);
                let grace = Duration::from_millis(until_ms.saturating_sub(self.now));
                let plan = DrainPlan::new(addresses.parse().ok(), grace, Duration::from_secs(10));
                self.tell_endpoint(endpoint::Input::Drain(plan))?;
            }
            Told::Cordon { addresses } => {
                let cordon = Cordon::new(addresses.parse::<NextIp>().ok());
                self.tell_endpoint(endpoint::Input::Cordon(cordon))?;
            }
            Told::Uncordon => self.tell_endpoint(endpoint::Input::Uncordon)?,
            Told::Undrain => self.tell_endpoint(endpoint::Input::Undrain)?,
            Told::Shutdown { why, within_ms } => {
                let (why, within) = (Term::atom(why.as_str()), Duration::from_millis(*within_ms));
                self.tell_all(&server::Input::Close { why, within })?;
            }
            Told::Unreachable { .. }
            | Told::Call { .. }
            | Told::Event { .. }
            | Told::Cancel { .. }
            | Told::Close
            | Told::Paused { .. }
            | Told::Rendered { .. }
            | Told::Crash { .. }
            | Told::Quarantine { .. } => return Err(format!("`{told}` is for clients")),
        }
        Ok(std::mem::take(&mut self.acts))
    }

    fn reply(&mut self, number: u64, body: &[u8]) -> Result<(), String> {
        let (place, packet, _) = self.message(number)?;
        let body = Bytes::copy_from_slice(body);
        self.tell(place, server::Input::Reply { packet, body })
    }

    fn fail(&mut self, number: u64) -> Result<(), String> {
        let (place, packet, version) = self.message(number)?;
        // N6: the crash counts before its client hears of it.
        if let Some(connection) = self.machine(place).and_then(|it| it.connection_key) {
            self.crashed(connection, version)?;
        }
        self.tell(place, server::Input::Failed { packet, why: Term::atom("crash") })
    }

    fn refuse(&mut self, number: u64, why: &str) -> Result<(), String> {
        let (place, packet, _) = self.message(number)?;
        self.tell(place, server::Input::Refused { packet, why: Term::atom(why) })
    }

    fn crash_from(&mut self, address: &str, version: ubf_codec::Version) -> Result<(), String> {
        let Admission::Serve { connection, .. } = self.admit(address)? else {
            return Err(format!("a connection from {address} is turned away"));
        };
        self.crashed(connection, version)?;
        self.tell_endpoint(endpoint::Input::Closed(connection))
    }

    fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn machine(&mut self, place: usize) -> Option<&mut Machine> {
        self.machines.get_mut(place)?.as_mut()
    }

    fn admit(&mut self, address: &str) -> Result<Admission, String> {
        let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is no IP"))?;
        Ok(self.endpoint.admit(Origin::of(address), self.time()))
    }

    fn connect(&mut self, number: u64, peer: Option<&str>) -> Result<(), String> {
        let now = self.time();
        let (connection_key, session) = match self.admit(peer.unwrap_or(HERE))? {
            Admission::Serve { connection, start } => (Some(connection), start.session(now)),
            Admission::TurnAway { why, start } => (None, start.farewell(why, now)),
        };
        let place = self.machines.len();
        self.connections.insert(number, place);
        self.machines.push(Some(Machine {
            session,
            connection: number,
            connection_key,
            key: None,
            messages: BTreeMap::new(),
            unwritten: 0,
        }));
        self.drive(place)
    }

    /// The one machine that has a session; before there is any, that of the first connection.
    fn only_session(&self) -> usize {
        let has_session =
            |machine: &Option<Machine>| machine.as_ref().is_some_and(|it| it.key.is_some());
        self.machines.iter().position(has_session).unwrap_or_default()
    }

    /// Where a message is executed, its packet and its version.
    fn message(&self, number: u64) -> Result<(usize, u64, ubf_codec::Version), String> {
        let found = self.machines.iter().enumerate().find_map(|(place, machine)| {
            let (packet, version) = *machine.as_ref()?.messages.get(&number)?;
            Some((place, packet, version))
        });
        found.ok_or_else(|| format!("message {number} was not handed out"))
    }

    fn crashed(
        &mut self,
        connection: ConnectionKey,
        version: ubf_codec::Version,
    ) -> Result<(), String> {
        let service = self.service.clone();
        self.tell_endpoint(endpoint::Input::Crashed { connection, service, version })
    }

    /// What comes on a connection that is closed, nobody reads.
    fn tell_connection(&mut self, number: u64, input: server::Input) -> Result<(), String> {
        match self.connections.get(&number) {
            Some(&place) => self.tell(place, input),
            None => Ok(()),
        }
    }

    fn tell_all(&mut self, input: &server::Input) -> Result<(), String> {
        (0..self.machines.len()).try_for_each(|place| self.tell(place, input.clone()))
    }

    fn tell(&mut self, place: usize, input: server::Input) -> Result<(), String> {
        let now = self.time();
        match self.machine(place) {
            Some(machine) => {
                machine.session.handle(input, now);
                self.drive(place)
            }
            None => Ok(()),
        }
    }

    fn tell_endpoint(&mut self, input: endpoint::Input) -> Result<(), String> {
        let shown = format!("{input:?}");
        if !self.endpoint.handle(input, self.time()) {
            return Err(format!("the endpoint does not accept {shown}"));
        }
        self.drive_endpoint()
    }

    fn drive_endpoint(&mut self) -> Result<(), String> {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                endpoint::Output::Tell(key, input) => {
                    let is_it = |machine: &Option<Machine>| {
                        machine.as_ref().is_some_and(|it| it.connection_key == Some(key))
                    };
                    if let Some(place) = self.machines.iter().position(is_it) {
                        let input = self.at_the_named_time(input);
                        self.tell(place, input)?;
                    }
                }
                endpoint::Output::EndSession(key) => {
                    let place = self.place_of(key)?;
                    self.tell(place, server::Input::EndSession)?;
                }
                endpoint::Output::StopListening
                | endpoint::Output::Notice(_)
                | endpoint::Output::CountCalls => {}
                other => return Err(format!("no dialogue has {other:?}")),
            }
        }
        Ok(())
    }

    fn at_the_named_time(&self, input: server::Input) -> server::Input {
        match input {
            server::Input::Drain { next_ip, until, .. } => {
                server::Input::Drain { next_ip, until, notice_at: self.notice_at }
            }
            other => other,
        }
    }

    fn place_of(&self, key: SessionKey) -> Result<usize, String> {
        let is_it =
            |machine: &Option<Machine>| machine.as_ref().is_some_and(|it| it.key == Some(key));
        let place = self.machines.iter().position(is_it);
        place.ok_or_else(|| "the endpoint names a session that is not there".to_owned())
    }

    /// Time passes: whoever wants to be woken is, one after the other.
    fn sleep(&mut self, until: u64) -> Result<(), String> {
        while let Some(at) = self.next_timeout().filter(|at| *at <= until) {
            let (before, acts) = (self.now, self.acts.len());
            self.now = self.now.max(at);
            self.tick()?;
            if before == self.now && self.acts.len() == acts {
                break;
            }
        }
        self.now = until;
        self.tick()
    }

    fn next_timeout(&self) -> Option<u64> {
        let machines = self.machines.iter().flatten();
        let timeouts = machines.filter_map(|machine| machine.session.poll_timeout());
        timeouts.chain(self.endpoint.poll_timeout()).map(Time::as_millis).min()
    }

    fn tick(&mut self) -> Result<(), String> {
        self.tell_all(&server::Input::Tick)?;
        self.tell_endpoint(endpoint::Input::Tick)
    }

    fn stall(&mut self, is_stalled: bool) -> Result<(), String> {
        self.is_stalled = is_stalled;
        if is_stalled {
            return Ok(());
        }
        (0..self.machines.len()).try_for_each(|place| {
            let unwritten = self.machine(place).map(|it| std::mem::take(&mut it.unwritten));
            match unwritten.filter(|count| *count > 0) {
                Some(count) => self.tell(place, server::Input::Written(count)),
                None => Ok(()),
            }
        })
    }

    fn drive(&mut self, place: usize) -> Result<(), String> {
        while let Some(machine) = self.machine(place) {
            let Some(output) = machine.session.poll_output() else { break };
            self.act(place, output)?;
        }
        self.rest(place);
        self.count_kept();
        self.drive_endpoint()
    }

    /// S6: a session in which nothing goes on is data, and goes on as if it had not been.
    fn rest(&mut self, place: usize) {
        if let Some(Some(machine)) = self.machines.get_mut(place)
            && let Some(key) = machine.key
            && let Some(resting) = machine.session.rest()
        {
            machine.session = self.endpoint.wake_session(key, resting);
        }
    }

    fn act(&mut self, place: usize, output: server::Output) -> Result<(), String> {
        let (now, is_stalled) = (self.time(), self.is_stalled);
        let Some(machine) = self.machine(place) else { return Ok(()) };
        let connection = machine.connection;
        let act = match output {
            server::Output::Transmit { packet, .. } => {
                if is_stalled {
                    machine.unwritten += packet.len();
                } else {
                    machine.session.handle(server::Input::Written(packet.len()), now);
                }
                Act::Send { bytes: packet.to_bytes().to_vec(), connection }
            }
            server::Output::Request(message) => {
                let number = machine.hand_out(&message);
                let (trace, deadline) =
                    message.context.map_or((None, None), |told| (told.trace, told.deadline));
                Act::Request {
                    number,
                    version: message.version.get(),
                    trace: trace.map(|trace| trace.to_string()),
                    deadline_ms: deadline
                        .map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
                }
            }
            server::Output::Event(message) => {
                let number = machine.hand_out(&message);
                Act::EventIn { number, version: message.version.get() }
            }
            server::Output::Session(request) => return self.answer_about_session(place, request),
            server::Output::SessionOver { .. } => {
                if let Some(key) = machine.key.take() {
                    self.endpoint.handle(endpoint::Input::SessionOver(key), now);
                }
                return Ok(());
            }
            server::Output::Close { reason, calls_cut } => {
                self.closed(place);
                Act::Closed { connection, why: reason_word(reason)?.to_owned(), cut: calls_cut }
            }
            server::Output::Notice(notice) => match word(&notice)? {
                Some(word) => Act::Notice { word: word.to_owned() },
                None => return Ok(()),
            },
            // S4: the contract's state follows it, and dialogues have no contract.
            server::Output::Seen { .. } => return Ok(()),
            other => return Err(format!("no dialogue has {other:?}")),
        };
        self.acts.push(act);
        Ok(())
    }

    fn closed(&mut self, place: usize) {
        let now = self.time();
        let Some(machine) = self.machine(place) else { return };
        machine.unwritten = 0;
        let (connection, key) = (machine.connection, machine.connection_key);
        let parked = machine.key.filter(|_| machine.session.is_parked());
        self.connections.remove(&connection);
        let Some(key) = key else { return };
        if let Some(session) = parked {
            self.endpoint.handle(endpoint::Input::Parked { session, connection: key }, now);
        }
        self.endpoint.handle(endpoint::Input::Closed(key), now);
    }

    /// S1, S4: what the endpoint says to a connection that wants a session.
    fn answer_about_session(
        &mut self,
        place: usize,
        request: SessionRequest,
    ) -> Result<(), String> {
        let now = self.time();
        let connection = self.machine(place).and_then(|it| it.connection_key);
        let connection =
            connection.ok_or("a connection that was turned away asks for a session")?;
        let answer = match request {
            SessionRequest::Open { service, wish, max_packet } => {
                match self.endpoint.open_session(connection, service, &wish, max_packet, now) {
                    Opening::Granted { session, grant } => {
                        if let Some(machine) = self.machine(place) {
                            machine.key = Some(session);
                        }
                        SessionAnswer::Granted(grant)
                    }
                    Opening::NotGranted => SessionAnswer::NotGranted,
                    Opening::Exists => SessionAnswer::Exists,
                }
            }
            SessionRequest::Resume { service, resume } => {
                match self.endpoint.resume_session(connection, &service, &resume, now) {
                    Resumption::HandOver(key) => return self.hand_over(place, key),
                    Resumption::Overtaken => SessionAnswer::Overtaken,
                    Resumption::NoSession(why) => SessionAnswer::NoSession(why),
                }
            }
        };
        self.tell(place, server::Input::Session(answer))
    }

    fn hand_over(&mut self, place: usize, key: SessionKey) -> Result<(), String> {
        let to = self.place_of(key)?;
        if self.machine(to).is_some_and(|it| !it.session.is_parked()) {
            self.tell(to, server::Input::Overtaken)?;
        }
        let now = self.time();
        let from = self.machines.get_mut(place).and_then(Option::take);
        let Some(from) = from else { return Ok(()) };
        let (connection, connection_key) = (from.connection, from.connection_key);
        let resuming =
            from.session.into_resuming().ok_or("a connection is handed over that did not ask")?;
        if let Some(session) = self.machine(to) {
            session.session.resume(resuming, now);
            session.connection = connection;
            session.connection_key = connection_key;
            self.connections.insert(connection, to);
        }
        self.drive(to)
    }

    /// S6: whether the sessions keep as much as they may.
    fn count_kept(&mut self) {
        let kept: usize = self.machines.iter().flatten().map(|it| it.session.kept_bytes()).sum();
        let is_crowded = kept as u64 >= self.max_kept_in_all;
        let now = self.time();
        self.endpoint.handle(endpoint::Input::Crowded(is_crowded), now);
        for machine in self.machines.iter_mut().flatten() {
            machine.session.handle(server::Input::Crowded(is_crowded), now);
        }
    }
}

impl Machine {
    /// A message is named by its number in the session; without one, by its packet.
    fn hand_out(&mut self, message: &server::Message) -> u64 {
        let number = message.number.unwrap_or(message.packet);
        self.messages.insert(number, (message.packet, message.version));
        number
    }
}

fn config(beginning: &Beginning) -> Result<endpoint::Config, String> {
    let mut config = endpoint::Config::default();
    let of = &mut config.session;
    of.agent = beginning.text("agent")?.map(|agent| agent.as_str().into());
    for peer in beginning.list("peers") {
        of.peers.push(peer.parse().map_err(|error| format!("`{peer}`: {error}"))?);
    }
    of.max_pending = beginning.number("max_pending")?.unwrap_or(of.max_pending);
    of.max_pending_bytes = beginning.number("max_pending_bytes")?.unwrap_or(of.max_pending_bytes);
    of.max_unread_bytes = beginning.number("max_unread_bytes")?.unwrap_or(of.max_unread_bytes);
    let max_packet = beginning.number("max_packet")?;
    of.limits.max_packet_bytes = max_packet.unwrap_or(of.limits.max_packet_bytes);
    let max_idle = beginning.number("max_idle_ms")?.map(Duration::from_millis);
    of.max_idle_time = max_idle.unwrap_or(of.max_idle_time);
    let kept_events = beginning.number("max_kept_event_bytes")?;
    of.max_kept_event_bytes = kept_events.unwrap_or(of.max_kept_event_bytes);
    config.max_connections = beginning.number("max_connections")?.unwrap_or(config.max_connections);
    let of = &mut config.sessions;
    of.max_sessions = beginning.number("max_sessions")?.unwrap_or(of.max_sessions);
    let of_address = beginning.number("max_sessions_per_address")?;
    of.max_sessions_per_address = of_address.unwrap_or(of.max_sessions_per_address);
    of.max_window = beginning.number("max_window")?.unwrap_or(of.max_window);
    of.max_bytes = beginning.number("max_bytes")?.unwrap_or(of.max_bytes);
    of.max_kept = beginning.number("max_kept")?.unwrap_or(of.max_kept);
    of.max_kept_in_all = beginning.number("max_kept_in_all")?.unwrap_or(of.max_kept_in_all);
    of.max_keep = beginning.number("max_keep_ms")?.map_or(of.max_keep, Duration::from_millis);
    Ok(config)
}

/// The word of a notice; those about sessions have none.
fn word(notice: &Notice) -> Result<Option<&'static str>, String> {
    Ok(Some(match notice {
        Notice::Agreed { .. } => "agreed",
        Notice::NoCommonVersion { .. } => "no-common-version",
        Notice::Refused { .. } => "refused",
        Notice::ReplyIsAnEvent { .. } => "reply-is-an-event",
        Notice::EventTooLarge { .. } => "event-too-large",
        Notice::MovedSent => "moved-sent",
        Notice::ReportedError { .. } => "reported-error",
        Notice::SessionOpened { .. } | Notice::SessionResumed { .. } => return Ok(None),
        other => return Err(format!("no dialogue has {other:?}")),
    }))
}

fn reason_word(reason: CloseReason) -> Result<&'static str, String> {
    Ok(match reason {
        CloseReason::ByClient => "by-client",
        CloseReason::Lost => "lost",
        CloseReason::Shutdown => "shutdown",
        CloseReason::BadSyntax(_) => "bad-syntax",
        CloseReason::BadControl => "bad-control",
        CloseReason::ReportedError => "reported-error",
        CloseReason::NegotiationTime => "negotiation-time",
        CloseReason::PacketTime => "packet-time",
        CloseReason::IdleTime => "idle-time",
        CloseReason::SlowReader => "slow-reader",
        CloseReason::SessionExists => "session-exists",
        CloseReason::Overtaken => "overtaken",
        CloseReason::Cordoned => "cordoned",
        other => return Err(format!("no dialogue has {other:?}")),
    })
}
