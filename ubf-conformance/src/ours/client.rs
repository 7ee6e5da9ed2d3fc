//! The client's end of a dialogue, as the machine of `ubf_proto` does it.
#![allow(clippy::wildcard_enum_match_arm, reason = "what no dialogue has is told by its name")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::Term;
use ubf_proto::client::{self, Call, CallError, CallId, ConnectionId, Notice, SessionPlan};
use ubf_proto::session::{Level, SessionId};
use ubf_proto::{ClientSession, Service, Time, Versions};

use super::version;
use crate::dialogue::{Act, Beginning, Body, Told};
use crate::outcome::Side;

#[derive(Debug)]
pub(super) struct Client {
    session: ClientSession,
    now: u64,
    /// Whether dials are acts.
    has_dials: bool,
    /// The names of calls: a call's number is its place.
    calls: Vec<String>,
    /// S1: the Ids that it draws.
    ids: std::vec::IntoIter<SessionId>,
    /// Nobody reads: so many bytes are not written on each connection.
    unwritten: Option<BTreeMap<u64, usize>>,
    acts: Vec<Act>,
}

impl Client {
    pub(super) fn begin(beginning: &Beginning) -> Result<(Self, Vec<Act>), String> {
        let (config, has_dials) = config(beginning)?;
        let seed = beginning.number("grease")?.map_or(Ok(1), seed_of_grease)?;
        let ids: Vec<SessionId> =
            beginning.list("ids").map(session_id).collect::<Result<_, _>>()?;
        let mut end = Self {
            session: ClientSession::new(config, seed, Time::ZERO),
            now: 0,
            has_dials,
            calls: Vec::new(),
            ids: ids.into_iter(),
            unwritten: None,
            acts: Vec::new(),
        };
        end.drive()?;
        if !has_dials {
            let connection = ConnectionId(0);
            end.tell(client::Input::Connected { connection, peer: None, tls: false })?;
        }
        let acts = std::mem::take(&mut end.acts);
        Ok((end, acts))
    }

    pub(super) fn told(&mut self, told: &Told) -> Result<Vec<Act>, String> {
        if let Told::At { at_ms } = told {
            self.sleep(*at_ms)?;
        } else if let Told::Stalled { is_stalled } = told {
            self.stall(*is_stalled)?;
        } else {
            let input = self.input(told)?;
            self.tell(input)?;
        }
        Ok(std::mem::take(&mut self.acts))
    }

    fn input(&mut self, told: &Told) -> Result<client::Input, String> {
        Ok(match told {
            Told::Received { connection, bytes } => client::Input::Received {
                connection: ConnectionId(*connection),
                bytes: BytesMut::from(bytes.as_slice()),
            },
            Told::Connected { connection, peer, tls } => {
                let parsed = |peer: &String| peer.parse().map_err(|_| format!("`{peer}`: no IP"));
                let peer = peer.as_ref().map(parsed).transpose()?;
                client::Input::Connected { connection: ConnectionId(*connection), peer, tls: *tls }
            }
            Told::Unreachable { connection } => {
                client::Input::ConnectFailed { connection: ConnectionId(*connection), cause: None }
            }
            Told::Lost { connection } => {
                client::Input::Closed { connection: ConnectionId(*connection) }
            }
            Told::Call { name, is_idempotent, time_ms, trace } => {
                let (is_idempotent, time) = (*is_idempotent, time_ms.map(Duration::from_millis));
                let parsed =
                    |trace: &String| trace.parse().map_err(|error| format!("`{trace}`: {error}"));
                let trace = trace.as_ref().map(parsed).transpose()?.map(Box::new);
                let call = Call::request(self.id(name));
                client::Input::Call(Call { is_idempotent, time, trace, ..call })
            }
            Told::Event { name } => client::Input::Call(Call::event(self.id(name))),
            Told::Cancel { name } => client::Input::Cancel { call: self.id(name) },
            Told::Close => client::Input::Close,
            Told::Paused { is_paused } => client::Input::Reading { is_reading: !is_paused },
            Told::Rendered { name, version: number, body } => {
                let (call, version) = (self.id(name), version(*number)?);
                match body {
                    Body::Bytes(body) => {
                        client::Input::Rendered { call, version, body: Bytes::from(body.clone()) }
                    }
                    Body::Crashes => client::Input::Crashed {
                        version,
                        call: Some(call),
                        why: Term::atom("crash"),
                    },
                    Body::Inexpressible => client::Input::Inexpressible { call, version },
                }
            }
            Told::Crash { version: number } => client::Input::Crashed {
                version: version(*number)?,
                call: None,
                why: Term::atom("crash"),
            },
            Told::Quarantine { version: number, until_ms } => client::Input::Quarantined {
                version: version(*number)?,
                until: Time::from_millis(*until_ms),
            },
            Told::At { .. }
            | Told::Stalled { .. }
            | Told::Reply { .. }
            | Told::Fail { .. }
            | Told::Refuse { .. }
            | Told::CrashFrom { .. }
            | Told::Notify { .. }
            | Told::Withdraw { .. }
            | Told::Restore { .. }
            | Told::NextIp { .. }
            | Told::Drain { .. }
            | Told::Undrain
            | Told::Cordon { .. }
            | Told::Uncordon
            | Told::Shutdown { .. } => return Err(format!("`{told}` is for servers")),
        })
    }

    fn id(&mut self, name: &str) -> CallId {
        let place = self.calls.iter().position(|known| known == name).unwrap_or_else(|| {
            self.calls.push(name.to_owned());
            self.calls.len() - 1
        });
        CallId(place as u64)
    }

    fn name(&self, call: CallId) -> Result<String, String> {
        let place = usize::try_from(call.0).ok();
        let name = place.and_then(|place| self.calls.get(place)).cloned();
        name.ok_or_else(|| format!("call {} was never made", call.0))
    }

    /// Time passes: the session is woken whenever it wants to be.
    fn sleep(&mut self, until: u64) -> Result<(), String> {
        while let Some(at) = self.session.poll_timeout().filter(|at| at.as_millis() <= until) {
            let (before, acts) = (self.now, self.acts.len());
            self.now = self.now.max(at.as_millis());
            self.tell(client::Input::Tick)?;
            if self.now == until && before == until && self.acts.len() == acts {
                break;
            }
        }
        self.now = until;
        self.tell(client::Input::Tick)
    }

    /// L2: its servers read nothing, or take all that was not written.
    fn stall(&mut self, is_stalled: bool) -> Result<(), String> {
        let unwritten = self.unwritten.take().unwrap_or_default();
        if is_stalled {
            self.unwritten = Some(unwritten);
            return Ok(());
        }
        unwritten.into_iter().try_for_each(|(connection, count)| {
            self.tell(client::Input::Written { connection: ConnectionId(connection), count })
        })
    }

    fn tell(&mut self, input: client::Input) -> Result<(), String> {
        self.session.handle(input, Time::from_millis(self.now));
        self.drive()
    }

    fn drive(&mut self) -> Result<(), String> {
        while let Some(output) = self.session.poll_output() {
            if let Some(act) = self.act(output)? {
                self.acts.push(act);
            }
        }
        Ok(())
    }

    fn act(&mut self, output: client::Output) -> Result<Option<Act>, String> {
        let now = Time::from_millis(self.now);
        Ok(Some(match output {
            client::Output::Connect { .. } if !self.has_dials => return Ok(None),
            client::Output::Connect { connection, address, tls, .. } => Act::Dial {
                address: address.to_string(),
                connection: connection.0,
                tls: tls.map(|name| name.to_string()),
            },
            client::Output::Transmit { connection, packet } => {
                let (bytes, count) = (packet.to_bytes(), packet.len());
                match &mut self.unwritten {
                    Some(unwritten) => *unwritten.entry(connection.0).or_default() += count,
                    None => self.session.handle(client::Input::Written { connection, count }, now),
                }
                Act::Send { bytes: bytes.to_vec(), connection: connection.0 }
            }
            client::Output::Close { connection } => Act::Hangup { connection: connection.0 },
            client::Output::Render { call, version } => {
                Act::Render { name: self.name(call)?, version: version.get() }
            }
            client::Output::Ended {
                call,
                outcome: Ok(client::Done::Reply { version, body, .. }),
            } => {
                let body = body.source().to_vec();
                Act::Done { name: self.name(call)?, version: version.get(), body }
            }
            client::Output::Ended { call, outcome: Ok(client::Done::Taken { version }) } => {
                Act::Done { name: self.name(call)?, version: version.get(), body: Vec::new() }
            }
            client::Output::Ended { call, outcome: Err(error) } => {
                Act::Failed { name: self.name(call)?, why: why(&error)?.to_owned() }
            }
            client::Output::EventOut { version, body, .. } => {
                Act::EventOut { version: version.get(), body: body.source().to_vec() }
            }
            client::Output::Finished => return Ok(None),
            client::Output::NeedSessionId => {
                // It asks for one that it may never need, too.
                if let Some(id) = self.ids.next() {
                    self.session.handle(client::Input::SessionId(id), now);
                }
                return Ok(None);
            }
            client::Output::Notice(notice) => Act::Notice { word: word(&notice)?.to_owned() },
            other => return Err(format!("no dialogue has {other:?}")),
        }))
    }
}

/// What is set, and whether dials are acts.
fn config(beginning: &Beginning) -> Result<(client::Config, bool), String> {
    let mut addresses = Vec::new();
    for address in beginning.list("addresses") {
        addresses.push(address.parse().map_err(|error| format!("`{address}`: {error}"))?);
    }
    let has_dials = !addresses.is_empty();
    if !has_dials {
        addresses.push("192.0.2.1:4000".parse().map_err(|error| format!("{error}"))?);
    }
    let mut config = client::Config::new(addresses, Versions::of(beginning.versions()?));
    config.grease = beginning.word("grease").is_some();
    config.session = session_plan(beginning)?;
    config.quarantine.jitter_percent = 0;
    config.failover_spread = Duration::ZERO;
    config.service = beginning.text("service")?.as_deref().map_or(Service::DEFAULT, Service::from);
    config.remembered = beginning.number("remembered")?.map(version).transpose()?;
    config.floor = beginning.number("floor")?.map(version).transpose()?;
    config.refuse_downgrade = beginning.is("refuse_downgrade");
    config.tls = beginning.is("tls");
    config.policy.pinned = beginning.is("pinned");
    config.context = beginning.is("context");
    config.max_pending = beginning.number("max_pending")?.unwrap_or(config.max_pending);
    config.max_in_flight = beginning.number("max_in_flight")?.unwrap_or(config.max_in_flight);
    let max_unsent = beginning.number("max_unsent_bytes")?;
    config.max_unsent_bytes = max_unsent.unwrap_or(config.max_unsent_bytes);
    let limits = &mut config.limits;
    limits.max_depth = beginning.number("max_depth")?.unwrap_or(limits.max_depth);
    limits.max_packet_bytes = beginning.number("max_packet")?.unwrap_or(limits.max_packet_bytes);
    Ok((config, has_dials))
}

/// N9: a client draws its grease. A dialogue names it, so that this looks for a seed that draws it:
/// one of 1024 does.
fn seed_of_grease(grease: u32) -> Result<u64, String> {
    let beginning = Beginning::new(Side::Client, &[1]);
    let offers = |seed: &u64| -> Result<bool, String> {
        let (mut config, _) = config(&beginning)?;
        config.grease = true;
        let mut session = ClientSession::new(config, *seed, Time::ZERO);
        while session.poll_output().is_some() {}
        let connection = ConnectionId(0);
        session.handle(client::Input::Connected { connection, peer: None, tls: false }, Time::ZERO);
        let outputs = std::iter::from_fn(|| session.poll_output());
        let sent = outputs.filter_map(|output| match output {
            client::Output::Transmit { packet, .. } => Some(packet.to_bytes()),
            _ => None,
        });
        let text = format!("&{grease}&");
        Ok(sent.into_iter().any(|packet| String::from_utf8_lossy(&packet).contains(&text)))
    };
    for seed in 0..100_000 {
        if offers(&seed)? {
            return Ok(seed);
        }
    }
    Err(format!("`grease={grease}` is none of the highest 1024 versions"))
}

/// S1: what the client of a dialogue wishes for.
fn session_plan(beginning: &Beginning) -> Result<SessionPlan, String> {
    if beginning.word("session").is_none() {
        return Ok(SessionPlan::off());
    }
    let plan = match beginning.word("demand") {
        None => SessionPlan::wanted(),
        Some("memory") => SessionPlan::demanded(Level::Memory),
        Some("durable") => SessionPlan::demanded(Level::Durable),
        Some(other) => return Err(format!("there is no level `{other}`")),
    };
    let plan = beginning.number("window")?.map_or(plan, |window| plan.with_window(window));
    let plan = beginning.number("bytes")?.map_or(plan, |bytes| plan.with_bytes(bytes));
    let keep_ms = beginning.number("keep_ms")?;
    Ok(keep_ms.map_or(plan, |keep| plan.with_keep(Duration::from_millis(keep))))
}

fn session_id(item: &str) -> Result<SessionId, String> {
    let bytes = hex::decode(item).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(SessionId::from_bytes).ok_or_else(|| format!("`{item}` is no Id"))
}

fn why(error: &CallError) -> Result<&'static str, String> {
    Ok(match error {
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
        other => return Err(format!("no dialogue has {other:?}")),
    })
}

fn word(notice: &Notice) -> Result<&'static str, String> {
    Ok(match notice {
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
        other => return Err(format!("no dialogue has {other:?}")),
    })
}
