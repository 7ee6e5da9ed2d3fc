//! What a server says about itself, as the operator's contract has it: written by the server and
//! read by the operator's tools, both here.

use std::collections::BTreeMap;

use serde::Serialize;
use ubf_codec::{Term, TermRef, Text, View, ubf};

/// A server at one moment. `None` is what does not apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatusReport {
    /// `serving`, `draining`, `closing` or `stopped`.
    pub phase: String,
    /// Until the phase changes by itself.
    pub time_left_ms: Option<u64>,
    /// Where replies send the clients.
    pub next_ip: Option<String>,
    /// Whether clients can connect.
    pub listening: bool,
    /// R9: whether `next_ip` is there because of the load.
    pub overloaded: bool,
    /// Connections, in all.
    pub connections: u64,
    /// Those of them that have agreed on a version.
    pub connections_by_version: Vec<VersionCount>,
    /// Most common first.
    pub connections_by_agent: Vec<AgentCount>,
    /// S6: sessions, with and without a connection. Version 1 does not have it.
    pub sessions: Option<SessionCountReport>,
    /// Requests whose handlers run.
    pub calls: u64,
    /// The versions of each service.
    pub services: Vec<ServiceReport>,
    /// N6: what crashes have withdrawn. Version 1 does not have it.
    pub quarantines: Vec<QuarantineReport>,
    /// That no further connection is admitted. Version 1 does not have it.
    pub cordon: Option<CordonReport>,
    /// R9: the load marks.
    pub load_marks: Option<LoadMarksReport>,
    /// R4: where clients go when the server is lost.
    pub peers: Option<String>,
    /// What was counted since the start.
    pub counters: BTreeMap<String, u64>,
    /// The process.
    pub pid: u64,
    /// Since the start.
    pub uptime_ms: u64,
    /// Name and version of the software.
    pub agent: Option<String>,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// By which addresses clients know it besides.
    pub advertised: Option<String>,
    /// The journal, if there is one. Version 1 does not have it.
    pub journal: Option<WriterReport>,
    /// The log. Version 1 does not have it.
    pub log: Option<WriterReport>,
    /// TLS, if the server speaks it. Version 1 does not have it.
    pub tls: Option<TlsReport>,
    /// The audit log, if there is one. Version 1 does not have it.
    pub audit: Option<WriterReport>,
    /// The policy, if there is one. Version 1 does not have it.
    pub policy: Option<PolicyReport>,
}

/// Who may do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyReport {
    /// Whether what is in its file cannot be used: what was in it before is.
    pub failing: bool,
}

/// The certificate of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TlsReport {
    /// Whether what is in its files cannot be used, so that the one from before is; or what is used
    /// is over.
    pub failing: bool,
}

/// Connections that use a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VersionCount {
    /// `None` is the default service.
    pub service: Option<String>,
    /// The version.
    pub version: u32,
    /// How many.
    pub connections: u64,
}

/// Connections of clients that say they are this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AgentCount {
    /// Name and version of the client's software.
    pub agent: String,
    /// How many.
    pub connections: u64,
}

/// The versions of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServiceReport {
    /// `None` is the default service.
    pub service: Option<String>,
    /// Those that clients may use.
    pub spoken: Vec<u32>,
    /// Those that an operator or crashes have withdrawn.
    pub withdrawn: Vec<u32>,
}

/// A version that crashes have withdrawn (N6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QuarantineReport {
    /// `None` is the default service.
    pub service: Option<String>,
    /// The version.
    pub version: u32,
    /// For whom. `None`: for all.
    pub peer: Option<String>,
    /// Until it is offered again.
    pub left_ms: u64,
}

/// R9: above `high` clients are sent to `next_ip`, until below `low`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LoadMarksReport {
    /// `connections` or `calls`; in version 1 `sessions` or `calls`.
    pub unit: String,
    /// The low-water mark.
    pub low: u64,
    /// The high-water mark.
    pub high: u64,
    /// Where clients are sent.
    pub next_ip: String,
}

/// How many sessions there are (S6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionCountReport {
    /// Those that are not over.
    pub present: u64,
    /// Those of them that have no connection.
    pub parked: u64,
}

/// New connections are turned away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CordonReport {
    /// Where new clients are sent. `None`: to the peers.
    pub next_ip: Option<String>,
}

/// What is written beside the main work: log or journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WriterReport {
    /// Whether the last line or record could not be written.
    pub failing: bool,
    /// Lines or records that are missing since the start.
    pub missing: u64,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConnectionReport {
    /// Its number at this server.
    pub number: u64,
    /// Who is at the other end.
    pub peer: String,
    /// `None` is the default service, or that nothing was agreed on.
    pub service: Option<String>,
    /// What was agreed on.
    pub version: Option<u32>,
    /// Name and version of the client's software.
    pub agent: Option<String>,
    /// Requests whose handlers run.
    pub calls: u64,
    /// Since it was accepted.
    pub age_ms: u64,
}

/// A session that outlives its connections (S1). Version 1 does not have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionReport {
    /// Its number at this server.
    pub number: u64,
    /// A short hash of its name, which is a secret (S9).
    pub name: String,
    /// `None` is the default service.
    pub service: Option<String>,
    /// Who is at the other end, or was last.
    pub peer: String,
    /// The number of the connection that it has, or had last.
    pub connection: u64,
    /// Since it was opened.
    pub age_ms: u64,
    /// Whether it has no connection.
    pub parked: bool,
    /// How often it went on with another connection.
    pub resumes: u64,
    /// Bytes of answers and events that are kept, to within 16 KiB.
    pub kept: u64,
}

/// The names of what version 2 calls connections.
struct Names {
    connections: &'static str,
    by_version: &'static str,
    by_agent: &'static str,
}

impl Names {
    const fn of(version: u32) -> Self {
        match version {
            1 => Self {
                connections: "sessions",
                by_version: "sessions_by_version",
                by_agent: "sessions_by_agent",
            },
            _ => Self {
                connections: "connections",
                by_version: "connections_by_version",
                by_agent: "connections_by_agent",
            },
        }
    }
}

impl StatusReport {
    /// `{status,[{Name,Value}]}`. Readers skip names that they do not know, so that it can grow.
    #[must_use]
    pub fn to_term(&self, version: u32) -> Term {
        let names = Names::of(version);
        let mut pairs = vec![
            ("phase", Term::atom(self.phase.clone())),
            ("time_left_ms", or_undefined(self.time_left_ms)),
            ("next_ip", text_or_undefined(self.next_ip.as_deref())),
            ("listening", self.listening.into()),
            ("overloaded", self.overloaded.into()),
            (names.connections, self.connections.into()),
            (names.by_version, list(&self.connections_by_version, VersionCount::to_term)),
            (names.by_agent, list(&self.connections_by_agent, AgentCount::to_term)),
            ("calls", self.calls.into()),
            ("services", list(&self.services, ServiceReport::to_term)),
            (
                "load_marks",
                self.load_marks.as_ref().map_or(Term::Undefined, LoadMarksReport::to_term),
            ),
            ("peers", text_or_undefined(self.peers.as_deref())),
            (
                "counters",
                Term::list(
                    self.counters
                        .iter()
                        .map(|(name, &count)| ubf!({(Term::atom(name.clone())), (count)})),
                ),
            ),
            ("pid", self.pid.into()),
            ("uptime_ms", self.uptime_ms.into()),
            ("agent", text_or_undefined(self.agent.as_deref())),
            ("addresses", Term::list(self.addresses.iter().map(|text| Term::from(text.clone())))),
            ("advertised", text_or_undefined(self.advertised.as_deref())),
        ];
        if version >= 2 {
            let cordon = self.cordon.as_ref();
            pairs.push(("cordon", cordon.map_or(Term::Undefined, CordonReport::to_term)));
            pairs.push(("quarantines", list(&self.quarantines, QuarantineReport::to_term)));
            let sessions = self.sessions.map_or(Term::Undefined, SessionCountReport::to_term);
            pairs.push(("sessions", sessions));
            pairs.push(("journal", self.journal.map_or(Term::Undefined, WriterReport::to_term)));
            pairs.push(("log", self.log.map_or(Term::Undefined, WriterReport::to_term)));
            pairs.push(("tls", self.tls.map_or(Term::Undefined, TlsReport::to_term)));
            pairs.push(("audit", self.audit.map_or(Term::Undefined, WriterReport::to_term)));
            pairs.push(("policy", self.policy.map_or(Term::Undefined, PolicyReport::to_term)));
        }
        let pairs = pairs.into_iter().map(|(name, value)| ubf!({(atom(name)), (value)}));
        ubf!({status, (Term::list(pairs))})
    }

    /// Reads what [`to_term`](Self::to_term) writes, in the same version. `None`: something is
    /// missing that is to be in it.
    #[must_use]
    pub fn read(version: u32, term: TermRef<'_>) -> Option<Self> {
        let names = Names::of(version);
        let [head, pairs] = tuple(term)?;
        if !head.is_atom("status") {
            return None;
        }
        let pairs: Vec<[TermRef<'_>; 2]> = read_list(pairs, tuple)?;
        let value =
            |name| pairs.iter().find_map(|[known, value]| known.is_atom(name).then_some(*value));
        Some(Self {
            phase: text(value("phase")?)?,
            time_left_ms: optional(value("time_left_ms")?, number)?,
            next_ip: optional(value("next_ip")?, text)?,
            listening: value("listening")?.is_atom("true"),
            overloaded: value("overloaded")?.is_atom("true"),
            connections: number(value(names.connections)?)?,
            connections_by_version: read_list(value(names.by_version)?, VersionCount::read)?,
            // A server that does not count them says nothing of them.
            connections_by_agent: value(names.by_agent)
                .map_or(Some(Vec::new()), |agents| read_list(agents, AgentCount::read))?,
            calls: number(value("calls")?)?,
            services: read_list(value("services")?, ServiceReport::read)?,
            load_marks: optional(value("load_marks")?, LoadMarksReport::read)?,
            peers: optional(value("peers")?, text)?,
            counters: read_list(value("counters")?, |pair| {
                let [name, count] = tuple(pair)?;
                Some((text(name)?, number(count)?))
            })?
            .into_iter()
            .collect(),
            pid: number(value("pid")?)?,
            uptime_ms: number(value("uptime_ms")?)?,
            agent: optional(value("agent")?, text)?,
            addresses: read_list(value("addresses")?, text)?,
            advertised: optional(value("advertised")?, text)?,
            // In version 1 this is the name of the connections.
            sessions: match (version, value("sessions")) {
                (2.., Some(counts)) => optional(counts, SessionCountReport::read)?,
                (_, _) => None,
            },
            cordon: value("cordon").map_or(Some(None), |it| optional(it, CordonReport::read))?,
            quarantines: value("quarantines")
                .map_or(Some(Vec::new()), |all| read_list(all, QuarantineReport::read))?,
            journal: value("journal").map_or(Some(None), |it| optional(it, WriterReport::read))?,
            log: value("log").map_or(Some(None), |it| optional(it, WriterReport::read))?,
            tls: value("tls").map_or(Some(None), |it| optional(it, TlsReport::read))?,
            audit: value("audit").map_or(Some(None), |it| optional(it, WriterReport::read))?,
            policy: value("policy").map_or(Some(None), |it| optional(it, PolicyReport::read))?,
        })
    }
}

impl VersionCount {
    pub(super) fn to_term(&self) -> Term {
        let service = text_or_undefined(self.service.as_deref());
        ubf!({(service), (self.version), (self.connections)})
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let [service, version, connections] = tuple(term)?;
        let version = number(version)?.try_into().ok()?;
        Some(Self { service: optional(service, text)?, version, connections: number(connections)? })
    }
}

impl AgentCount {
    fn to_term(&self) -> Term {
        ubf!({(self.agent.as_str()), (self.connections)})
    }

    fn read(term: TermRef<'_>) -> Option<Self> {
        let [agent, connections] = tuple(term)?;
        Some(Self { agent: text(agent)?, connections: number(connections)? })
    }
}

impl ServiceReport {
    fn to_term(&self) -> Term {
        let versions = |versions: &[u32]| Term::list(versions.iter().map(|&one| Term::from(one)));
        let service = text_or_undefined(self.service.as_deref());
        ubf!({(service), (versions(&self.spoken)), (versions(&self.withdrawn))})
    }

    fn read(term: TermRef<'_>) -> Option<Self> {
        let [service, spoken, withdrawn] = tuple(term)?;
        let versions = |versions| read_list(versions, |version| number(version)?.try_into().ok());
        Some(Self {
            service: optional(service, text)?,
            spoken: versions(spoken)?,
            withdrawn: versions(withdrawn)?,
        })
    }
}

impl QuarantineReport {
    fn to_term(&self) -> Term {
        let service = text_or_undefined(self.service.as_deref());
        ubf!({(service), (self.version), (text_or_undefined(self.peer.as_deref())), (self.left_ms)})
    }

    fn read(term: TermRef<'_>) -> Option<Self> {
        let [service, version, peer, left] = tuple(term)?;
        Some(Self {
            service: optional(service, text)?,
            version: number(version)?.try_into().ok()?,
            peer: optional(peer, text)?,
            left_ms: number(left)?,
        })
    }
}

impl LoadMarksReport {
    fn to_term(&self) -> Term {
        ubf!({(Term::atom(self.unit.clone())), (self.low), (self.high), (self.next_ip.as_str())})
    }

    fn read(term: TermRef<'_>) -> Option<Self> {
        let [unit, low, high, next_ip] = tuple(term)?;
        Some(Self {
            unit: text(unit)?,
            low: number(low)?,
            high: number(high)?,
            next_ip: text(next_ip)?,
        })
    }
}

impl CordonReport {
    /// A tuple, so that a cordon without addresses is not `?`.
    fn to_term(&self) -> Term {
        ubf!({ (text_or_undefined(self.next_ip.as_deref())) })
    }

    fn read(term: TermRef<'_>) -> Option<Self> {
        let [next_ip] = tuple(term)?;
        Some(Self { next_ip: optional(next_ip, text)? })
    }
}

impl SessionCountReport {
    fn to_term(self) -> Term {
        ubf!({(self.present), (self.parked)})
    }

    fn read(term: TermRef<'_>) -> Option<Self> {
        let [present, parked] = tuple(term)?;
        Some(Self { present: number(present)?, parked: number(parked)? })
    }
}

impl WriterReport {
    fn to_term(self) -> Term {
        ubf!({(self.failing), (self.missing)})
    }

    fn read(term: TermRef<'_>) -> Option<Self> {
        let [failing, missing] = tuple(term)?;
        Some(Self { failing: failing.is_atom("true"), missing: number(missing)? })
    }
}

impl TlsReport {
    /// A tuple, so that it can grow.
    fn to_term(self) -> Term {
        ubf!({ (self.failing) })
    }

    fn read(term: TermRef<'_>) -> Option<Self> {
        let [failing] = tuple(term)?;
        Some(Self { failing: failing.is_atom("true") })
    }
}

impl PolicyReport {
    /// A tuple, so that it can grow.
    fn to_term(self) -> Term {
        ubf!({ (self.failing) })
    }

    fn read(term: TermRef<'_>) -> Option<Self> {
        let [failing] = tuple(term)?;
        Some(Self { failing: failing.is_atom("true") })
    }
}

impl ConnectionReport {
    /// `{Number,Peer,Service,Version,Agent,Calls,AgeMs}`.
    pub(super) fn to_term(&self) -> Term {
        let service = text_or_undefined(self.service.as_deref());
        let version = or_undefined(self.version.map(u64::from));
        let agent = text_or_undefined(self.agent.as_deref());
        ubf!({
            (self.number), (self.peer.as_str()), (service), (version), (agent), (self.calls),
            (self.age_ms)
        })
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let [number_, peer, service, version, agent, calls, age] = tuple(term)?;
        Some(Self {
            number: number(number_)?,
            peer: text(peer)?,
            service: optional(service, text)?,
            version: optional(version, |version| number(version)?.try_into().ok())?,
            agent: optional(agent, text)?,
            calls: number(calls)?,
            age_ms: number(age)?,
        })
    }
}

impl SessionReport {
    /// `{Number,Name,Service,Peer,Connection,AgeMs,Parked,Resumes,Kept}`.
    pub(super) fn to_term(&self) -> Term {
        let service = text_or_undefined(self.service.as_deref());
        ubf!({
            (self.number), (self.name.as_str()), (service), (self.peer.as_str()),
            (self.connection), (self.age_ms), (self.parked), (self.resumes), (self.kept)
        })
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let [number_, name, service, peer, connection, age, parked, resumes, kept] = tuple(term)?;
        Some(Self {
            number: number(number_)?,
            name: text(name)?,
            service: optional(service, text)?,
            peer: text(peer)?,
            connection: number(connection)?,
            age_ms: number(age)?,
            parked: parked.is_atom("true"),
            resumes: number(resumes)?,
            kept: number(kept)?,
        })
    }
}

pub(super) fn list<T>(items: &[T], to_term: impl Fn(&T) -> Term) -> Term {
    Term::list(items.iter().map(to_term))
}

pub(super) fn read_list<'a, T>(
    term: TermRef<'a>,
    read: impl Fn(TermRef<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    if let View::List(items) = term.view() { items.into_iter().map(read).collect() } else { None }
}

pub(super) fn atom(name: &'static str) -> Term {
    Term::Atom(Text::from_static(name))
}

fn or_undefined(number: Option<u64>) -> Term {
    number.map_or(Term::Undefined, Term::from)
}

pub(super) fn text_or_undefined(text: Option<&str>) -> Term {
    text.map_or(Term::Undefined, Term::from)
}

pub(super) fn tuple<const N: usize>(term: TermRef<'_>) -> Option<[TermRef<'_>; N]> {
    if let View::Tuple(parts) = term.view() { parts.to_array() } else { None }
}

/// `?` is what is not said.
pub(super) fn optional<'a, T>(
    term: TermRef<'a>,
    read: impl Fn(TermRef<'a>) -> Option<T>,
) -> Option<Option<T>> {
    if matches!(term.view(), View::Undefined) { Some(None) } else { read(term).map(Some) }
}

pub(super) fn text(term: TermRef<'_>) -> Option<String> {
    if let View::Atom(text) | View::String(text) = term.view() {
        Some(text.to_latin1())
    } else {
        None
    }
}

pub(super) fn number(term: TermRef<'_>) -> Option<u64> {
    term.as_i64()?.try_into().ok()
}
