//! The client's end of a vector.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::Term;
use ubf_proto::client::{self, Call, CallError, CallId, ConnectionId, Notice, SessionPlan};
use ubf_proto::session::{Level, SessionId};
use ubf_proto::{ClientSession, Service, Time, Versions};

use super::script::{ClientSettings, Dialogue, Side, Step};
use super::seen::Seen;
use super::{text, version};

/// `wishes`: clients wish for sessions, if the vector says nothing else.
pub(crate) fn run(name: &str, dialogue: &Dialogue, wishes: bool) {
    if dialogue.side == Some(Side::Server) {
        return;
    }
    let mut end = Client::new(dialogue, wishes);
    for (index, step) in dialogue.step.iter().enumerate() {
        end.step(step, name, index);
    }
    end.seen.expect_nothing(name, dialogue.step.len());
}

struct Client {
    session: ClientSession,
    now: u64,
    /// Whether dials are steps.
    has_dials: bool,
    /// The names of calls: a call's number is its place.
    calls: Vec<String>,
    /// S1: the names that it draws, the next one last.
    ids: Vec<SessionId>,
    seen: Seen,
}

/// S1: how many sessions a vector may open.
const IDS: [[u8; SessionId::BYTES]; 2] = [*b"fedcba9876543210", *b"0123456789abcdef"];

impl Client {
    fn new(dialogue: &Dialogue, wishes: bool) -> Self {
        let has_dials = !dialogue.addresses.is_empty();
        let default = ["192.0.2.1:4000".to_owned()];
        let addresses = if has_dials { dialogue.addresses.as_slice() } else { &default };
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let mut config =
            client::Config::new(addresses, Versions::of(dialogue.client_versions.iter().copied()));
        let settings = &dialogue.client;
        config.grease = false;
        config.session = if wishes { session_plan(settings) } else { SessionPlan::off() };
        config.quarantine.jitter_percent = 0;
        config.failover_spread = Duration::ZERO;
        config.service = dialogue.service.as_deref().map_or(Service::DEFAULT, Service::from);
        config.remembered = dialogue.remembered.map(version);
        config.floor = settings.floor.map(version);
        config.refuse_downgrade = settings.refuse_downgrade;
        config.tls = settings.tls;
        config.policy.pinned = settings.pinned;
        config.max_pending = settings.max_pending.unwrap_or(config.max_pending);
        config.max_in_flight = settings.max_in_flight.unwrap_or(config.max_in_flight);
        config.limits.max_depth = settings.max_depth.unwrap_or(config.limits.max_depth);
        let max_packet = settings.max_packet.unwrap_or(config.limits.max_packet_bytes);
        config.limits.max_packet_bytes = max_packet;
        let session = ClientSession::new(config, 1, Time::ZERO);
        let ids = IDS.map(SessionId::from_bytes).into();
        let (calls, seen) = (Vec::new(), Seen::default());
        let mut end = Self { session, now: 0, has_dials, calls, ids, seen };
        end.drive();
        if !has_dials {
            end.tell(client::Input::Connected {
                connection: ConnectionId(0),
                peer: None,
                tls: false,
            });
        }
        end
    }

    fn step(&mut self, step: &Step, name: &str, index: usize) {
        let input = match step {
            Step::Client { .. }
            | Step::Dial { .. }
            | Step::Hangup { .. }
            | Step::Done { .. }
            | Step::Failed { .. }
            | Step::EventOut { .. } => return self.seen.expect(step, name, index),
            Step::Notice { notice } => return self.seen.expect_notice(notice, name, index),
            Step::Render { render, version: number, body, crashes, inexpressible } => {
                self.seen.expect(&question(render, *number), name, index);
                let (call, version) = (self.id(render), version(*number));
                if *crashes {
                    client::Input::Crashed { version, call: Some(call), why: Term::atom("crash") }
                } else if *inexpressible {
                    client::Input::Inexpressible { call, version }
                } else {
                    client::Input::Rendered { call, version, body: Bytes::from(body.clone()) }
                }
            }
            // What happens at the server.
            Step::Request { .. }
            | Step::EventIn { .. }
            | Step::Reply { .. }
            | Step::Fail { .. }
            | Step::Refuse { .. }
            | Step::CrashFrom { .. }
            | Step::Notify { .. }
            | Step::Withdraw { .. }
            | Step::Restore { .. }
            | Step::NextIp { .. }
            | Step::Drain { .. }
            | Step::Undrain { .. }
            | Step::Shutdown { .. }
            | Step::Closed { .. }
            | Step::Stalled { .. } => return,
            Step::At { at_ms } => {
                self.seen.expect_nothing(name, index);
                return self.sleep(*at_ms);
            }
            Step::Server { server, connection } => {
                let bytes = BytesMut::from(server.as_bytes());
                client::Input::Received { connection: ConnectionId(*connection), bytes }
            }
            Step::Connected { connected, peer, tls } => {
                let peer = peer.as_ref().map(|peer| peer.parse().unwrap());
                client::Input::Connected { connection: ConnectionId(*connected), peer, tls: *tls }
            }
            Step::Unreachable { unreachable } => {
                client::Input::ConnectFailed { connection: ConnectionId(*unreachable), cause: None }
            }
            Step::Lost { lost } => client::Input::Closed { connection: ConnectionId(*lost) },
            Step::Call { call, idempotent } => {
                let call = Call { is_idempotent: *idempotent, ..Call::request(self.id(call)) };
                client::Input::Call(call)
            }
            Step::Event { event } => client::Input::Call(Call::event(self.id(event))),
            Step::Cancel { cancel } => client::Input::Cancel { call: self.id(cancel) },
            Step::Close { .. } => client::Input::Close,
            Step::Paused { paused } => client::Input::Reading { is_reading: !*paused },
            Step::Crash { crash } => client::Input::Crashed {
                version: version(*crash),
                call: None,
                why: Term::atom("crash"),
            },
            Step::Quarantine { quarantine, until_ms } => client::Input::Quarantined {
                version: version(*quarantine),
                until: Time::from_millis(*until_ms),
            },
        };
        if !matches!(step, Step::Render { .. }) {
            self.seen.expect_nothing(name, index);
        }
        self.tell(input);
    }

    fn id(&mut self, name: &str) -> CallId {
        let place = self.calls.iter().position(|known| known == name).unwrap_or_else(|| {
            self.calls.push(name.to_owned());
            self.calls.len() - 1
        });
        CallId(place as u64)
    }

    fn name(&self, call: CallId) -> String {
        self.calls[call.0 as usize].clone()
    }

    /// Time passes: the session is woken whenever it wants to be.
    fn sleep(&mut self, until: u64) {
        while let Some(at) = self.session.poll_timeout().filter(|at| at.as_millis() <= until) {
            let (before, steps) = (self.now, self.seen.len());
            self.now = self.now.max(at.as_millis());
            self.tell(client::Input::Tick);
            if self.now == until && before == until && self.seen.len() == steps {
                break;
            }
        }
        self.now = until;
        self.tell(client::Input::Tick);
    }

    fn tell(&mut self, input: client::Input) {
        self.session.handle(input, Time::from_millis(self.now));
        self.drive();
    }

    fn drive(&mut self) {
        while let Some(output) = self.session.poll_output() {
            let step = match output {
                client::Output::Connect { .. } if !self.has_dials => continue,
                client::Output::Connect { connection, address, tls, .. } => Step::Dial {
                    dial: address.to_string(),
                    connection: connection.0,
                    tls: tls.map(|name| name.to_string()),
                },
                client::Output::Transmit { connection, packet } => {
                    let (bytes, count) = (packet.to_bytes(), packet.len());
                    let input = client::Input::Written { connection, count };
                    self.session.handle(input, Time::from_millis(self.now));
                    Step::Client { client: text(&bytes), connection: connection.0 }
                }
                client::Output::Close { connection } => Step::Hangup { hangup: connection.0 },
                client::Output::Render { call, version } => {
                    question(&self.name(call), version.get())
                }
                client::Output::Ended {
                    call,
                    outcome: Ok(client::Done::Reply { version, body, .. }),
                } => Step::Done {
                    done: self.name(call),
                    version: version.get(),
                    body: text(body.source()),
                },
                client::Output::Ended { call, outcome: Ok(client::Done::Taken { version }) } => {
                    Step::Done {
                        done: self.name(call),
                        version: version.get(),
                        body: String::new(),
                    }
                }
                client::Output::Ended { call, outcome: Err(error) } => {
                    Step::Failed { failed: self.name(call), why: why(&error).to_owned() }
                }
                client::Output::EventOut { version, body, .. } => {
                    Step::EventOut { event_out: text(body.source()), version: version.get() }
                }
                client::Output::Finished => continue,
                client::Output::NeedSessionId => {
                    // It asks for one that it may never need, too.
                    if let Some(id) = self.ids.pop() {
                        let input = client::Input::SessionId(id);
                        self.session.handle(input, Time::from_millis(self.now));
                    }
                    continue;
                }
                client::Output::Notice(notice) => {
                    self.seen.notices.push_back(word(&notice).to_owned());
                    continue;
                }
                other => panic!("no vector has {other:?}"),
            };
            self.seen.push(step);
        }
    }
}

fn question(render: &str, version: u32) -> Step {
    let body = String::new();
    Step::Render { render: render.to_owned(), version, body, crashes: false, inexpressible: false }
}

fn why(error: &CallError) -> &'static str {
    match error {
        CallError::Overloaded { .. } => "overloaded",
        CallError::Deadline { may_have_run: true, .. } => "late",
        CallError::Deadline { may_have_run: false, .. } => "not-sent",
        CallError::Cancelled { .. } => "cancelled",
        CallError::Indeterminate { .. } => "indeterminate",
        CallError::Inexpressible { .. } => "inexpressible",
        CallError::Crashed { .. } => "crashed",
        CallError::Failed { .. } => "failed",
        CallError::Refused { .. } => "refused",
        CallError::TooLarge { .. } | CallError::Unacceptable { .. } => "too-large",
        CallError::Rejected { .. } => "rejected",
        CallError::NoCommonVersion { .. } => "no-common-version",
        CallError::Closed => "closed",
        CallError::Unreadable { .. } => "unreadable",
        other => panic!("no vector has {other:?}"),
    }
}

fn word(notice: &Notice) -> &'static str {
    match notice {
        Notice::Agreed { .. } => "agreed",
        Notice::FellBack { .. } => "fell-back",
        Notice::QuarantineOpened { .. } => "quarantine-opened",
        Notice::QuarantineClosed { .. } => "quarantine-closed",
        Notice::QuarantineForced { .. } => "quarantine-forced",
        Notice::Refused { .. } => "refused",
        Notice::RedirectAnnounced { .. } => "redirect-announced",
        Notice::RedirectRefused { .. } => "redirect-refused",
        Notice::RedirectFailed { .. } => "redirect-failed",
        Notice::Moved { .. } => "moved",
        Notice::Lost { .. } => "lost",
        Notice::Downgraded { .. } => "downgraded",
        Notice::NewSession { .. } => "new-session",
        Notice::Resumed { .. } => "resumed",
        Notice::SessionLost { .. } => "session-lost",
        Notice::EventsMissed { .. } => "events-missed",
        other => panic!("no vector has {other:?}"),
    }
}

/// S1: what the client of a vector wishes for.
fn session_plan(settings: &ClientSettings) -> SessionPlan {
    let Some(wish) = &settings.session else { return SessionPlan::wanted() };
    let plan = match wish.demand.as_deref() {
        None => SessionPlan::wanted(),
        Some("memory") => SessionPlan::demanded(Level::Memory),
        Some("durable") => SessionPlan::demanded(Level::Durable),
        Some(other) => panic!("there is no level {other}"),
    };
    let plan = wish.window.map_or(plan, |window| plan.with_window(window));
    let plan = wish.bytes.map_or(plan, |bytes| plan.with_bytes(bytes));
    wish.keep_ms.map_or(plan, |keep| plan.with_keep(Duration::from_millis(keep)))
}
