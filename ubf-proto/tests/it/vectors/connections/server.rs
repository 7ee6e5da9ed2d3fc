//! The server's end of a vector.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::Term;
use ubf_proto::server::{self, CloseReason, Notice, ServerSession};
use ubf_proto::{CrashRule, Offer, Origin, QuarantineTimes, Random, Service, Time, Versions};

use crate::vectors::script::{Dialogue, Side, Step};
use crate::vectors::seen::Seen;
use crate::vectors::{text, version};

pub(crate) fn run(name: &str, dialogue: &Dialogue) {
    if dialogue.side == Some(Side::Client) {
        return;
    }
    let mut end = Server::new(dialogue);
    for (index, step) in dialogue.step.iter().enumerate() {
        end.step(step, name, index);
    }
    end.seen.expect_nothing(name, dialogue.step.len());
}

/// Where the client of a vector is.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

struct Server {
    session: ServerSession,
    service: Service,
    offer: Offer,
    random: Random,
    now: u64,
    is_stalled: bool,
    unwritten: usize,
    /// The versions of the requests that were handed out, by their numbers.
    requests: Vec<(u64, ubf_codec::Version)>,
    seen: Seen,
}

impl Server {
    fn new(dialogue: &Dialogue) -> Self {
        let settings = &dialogue.server;
        let mut config = server::Config::default();
        config.agent = settings.agent.as_deref().map(Into::into);
        config.peers = settings.peers.iter().map(|peer| peer.parse().unwrap()).collect();
        config.max_pending = settings.max_pending.unwrap_or(config.max_pending);
        config.max_unread_bytes = settings.max_unread_bytes.unwrap_or(config.max_unread_bytes);
        let service = dialogue.service.as_deref().map_or(Service::DEFAULT, Service::from);
        let versions = Versions::of(dialogue.server_versions.iter().copied());
        let times = QuarantineTimes { jitter_percent: 0, ..QuarantineTimes::default() };
        let mut rule = CrashRule::default();
        rule.times = times;
        let offer = Offer::new().with_crash_rule(rule).with_service(service.clone(), versions);
        let offer = match &settings.pinned {
            Some(state) => offer.with_pinned(&service, state.as_str()),
            None => offer,
        };
        let session = ServerSession::new(Arc::new(config), Arc::new(offer.clone()), Time::ZERO);
        Self {
            session,
            service,
            offer,
            random: Random::new(1),
            now: 0,
            is_stalled: false,
            unwritten: 0,
            requests: Vec::new(),
            seen: Seen::default(),
        }
    }

    fn step(&mut self, step: &Step, name: &str, index: usize) {
        let input = match step {
            Step::Server { .. }
            | Step::Request { .. }
            | Step::EventIn { .. }
            | Step::Closed { .. } => {
                return self.seen.expect(step, name, index);
            }
            Step::Notice { notice } => return self.seen.expect_notice(notice, name, index),
            // What happens at the client.
            Step::Dial { .. }
            | Step::Connected { .. }
            | Step::Unreachable { .. }
            | Step::Hangup { .. }
            | Step::Call { .. }
            | Step::Event { .. }
            | Step::Cancel { .. }
            | Step::Paused { .. }
            | Step::Close { .. }
            | Step::Crash { .. }
            | Step::Quarantine { .. }
            | Step::Render { .. }
            | Step::Done { .. }
            | Step::Failed { .. }
            | Step::EventOut { .. } => return,
            Step::At { at_ms } => {
                self.seen.expect_nothing(name, index);
                return self.sleep(*at_ms);
            }
            Step::Stalled { stalled } => {
                self.is_stalled = *stalled;
                return self.write();
            }
            // What the server has sent may still be on its way: the order is checked, each way for
            // itself.
            Step::Client { client, .. } => {
                server::Input::Received(BytesMut::from(client.as_bytes()))
            }
            Step::Lost { .. } => server::Input::Lost,
            Step::Reply { reply, body } => {
                server::Input::Reply { packet: *reply, body: Bytes::from(body.clone()) }
            }
            Step::Fail { fail } => {
                self.count_crash(*fail);
                server::Input::Failed { packet: *fail, why: Term::atom("crash") }
            }
            Step::Refuse { refuse, why } => {
                server::Input::Refused { packet: *refuse, why: Term::atom(why.as_str()) }
            }
            Step::CrashFrom { crash_from, version: number } => {
                return self.crashed(version(*number), crash_from.parse().unwrap());
            }
            Step::Notify { notify, body } => server::Input::EventOut {
                version: version(*notify),
                body: Bytes::from(body.clone()),
            },
            Step::Withdraw { withdraw } => {
                assert!(
                    self.offer.withdraw(&self.service, version(*withdraw)),
                    "{name}: step {index}"
                );
                server::Input::Offer(Arc::new(self.offer.clone()))
            }
            Step::Restore { restore } => {
                assert!(
                    self.offer.restore(&self.service, version(*restore)),
                    "{name}: step {index}"
                );
                server::Input::Offer(Arc::new(self.offer.clone()))
            }
            Step::NextIp { next_ip } => server::Input::NextIp(next_ip.parse().ok()),
            Step::Drain { drain, until_ms, notice_at_ms } => server::Input::Drain {
                next_ip: drain.parse().ok(),
                until: Time::from_millis(*until_ms),
                notice_at: Time::from_millis(*notice_at_ms),
            },
            Step::Undrain { .. } => server::Input::Undrain,
            Step::Shutdown { shutdown, within_ms } => server::Input::Close {
                why: Term::atom(shutdown.as_str()),
                within: Duration::from_millis(*within_ms),
            },
        };
        self.tell(input);
    }

    /// N6: what a server does beside its sessions.
    fn count_crash(&mut self, packet: u64) {
        let version =
            self.requests.iter().find(|(number, _)| *number == packet).expect("a request").1;
        self.crashed(version, HERE);
    }

    fn crashed(&mut self, version: ubf_codec::Version, peer: IpAddr) {
        let (now, random) = (Time::from_millis(self.now), &mut self.random);
        let peer = Origin::of(peer);
        if self.offer.handler_crashed(&self.service, version, peer, now, random).is_some() {
            let own = self.offer.for_peer(Origin::of(HERE), now);
            let offer = own.unwrap_or_else(|| self.offer.for_all(now));
            self.tell(server::Input::Offer(Arc::new(offer)));
        }
    }

    fn sleep(&mut self, until: u64) {
        while let Some(at) = self.session.poll_timeout().filter(|at| at.as_millis() <= until) {
            let is_again = at.as_millis() <= self.now && self.now > 0;
            let steps = self.seen.len();
            self.now = self.now.max(at.as_millis());
            self.tell(server::Input::Tick);
            if is_again && self.seen.len() == steps {
                break;
            }
        }
        self.now = until;
        self.tell(server::Input::Tick);
    }

    fn tell(&mut self, input: server::Input) {
        self.session.handle(input, Time::from_millis(self.now));
        self.drive();
        self.write();
    }

    fn write(&mut self) {
        while !self.is_stalled && self.unwritten > 0 {
            let count = std::mem::take(&mut self.unwritten);
            self.session.handle(server::Input::Written(count), Time::from_millis(self.now));
            self.drive();
        }
    }

    fn drive(&mut self) {
        while let Some(output) = self.session.poll_output() {
            let step = match output {
                server::Output::Transmit { packet, .. } => {
                    self.unwritten += packet.len();
                    Step::Server { server: text(&packet.to_bytes()), connection: 0 }
                }
                server::Output::Request(message) => {
                    self.requests.push((message.packet, message.version));
                    Step::Request { request: message.packet, version: message.version.get() }
                }
                server::Output::Event(message) => {
                    Step::EventIn { event_in: message.packet, version: message.version.get() }
                }
                server::Output::Close { reason, calls_cut } => Step::Closed {
                    closed: reason_word(reason).to_owned(),
                    cut: calls_cut,
                    connection: 0,
                },
                server::Output::Notice(notice) => {
                    self.seen.notices.push_back(word(&notice).to_owned());
                    continue;
                }
                other => panic!("not known here: {other:?}"),
            };
            self.seen.push(step);
        }
    }
}

pub(crate) fn word(notice: &Notice) -> &'static str {
    match notice {
        Notice::Agreed { .. } => "agreed",
        Notice::NoCommonVersion { .. } => "no-common-version",
        Notice::Refused { .. } => "refused",
        Notice::ReplyIsAnEvent { .. } => "reply-is-an-event",
        Notice::EventTooLarge { .. } => "event-too-large",
        Notice::MovedSent => "moved-sent",
        Notice::ReportedError { .. } => "reported-error",
        other => panic!("not known here: {other:?}"),
    }
}

pub(crate) fn reason_word(reason: CloseReason) -> &'static str {
    match reason {
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
        other => panic!("not known here: {other:?}"),
    }
}
