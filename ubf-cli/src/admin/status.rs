//! What a server says about itself.

use std::collections::BTreeMap;

use serde::Serialize;
use ubf_codec::{TermRef, View};

/// A server's state at one moment. `None` is what does not apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Status {
    pub(crate) phase: String,
    pub(crate) time_left_ms: Option<u64>,
    pub(crate) next_ip: Option<String>,
    pub(crate) listening: bool,
    pub(crate) overloaded: bool,
    pub(crate) connections: u64,
    pub(crate) connections_by_version: Vec<ServiceVersion>,
    /// Most common first.
    pub(crate) connections_by_agent: Vec<AgentConnections>,
    pub(crate) calls: u64,
    pub(crate) services: Vec<ServiceStatus>,
    pub(crate) load_marks: Option<LoadMarks>,
    pub(crate) peers: Option<String>,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) pid: u64,
    pub(crate) uptime_ms: u64,
    pub(crate) agent: Option<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) advertised: Option<String>,
}

/// Connections, in all and by what they have agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Connections {
    pub(crate) connections: u64,
    pub(crate) by_version: Vec<ServiceVersion>,
}

/// The connections that use a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceVersion {
    /// `None` is the default service.
    pub(crate) service: Option<String>,
    pub(crate) version: u32,
    pub(crate) connections: u64,
}

/// The connections of clients that say they are this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AgentConnections {
    pub(crate) agent: String,
    pub(crate) connections: u64,
}

/// The versions of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceStatus {
    /// `None` is the default service.
    pub(crate) service: Option<String>,
    pub(crate) spoken: Vec<u32>,
    pub(crate) withdrawn: Vec<u32>,
}

/// R9: above `high` clients are sent to `next_ip`, until below `low`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LoadMarks {
    pub(crate) unit: String,
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) next_ip: String,
}

impl Status {
    /// `{status,[{Name,Value}]}`.
    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let [_, pairs] = tuple(term)?;
        let pairs: Vec<[TermRef<'_>; 2]> = list(pairs, tuple)?;
        let value =
            |name| pairs.iter().find_map(|[known, value]| known.is_atom(name).then_some(*value));
        Some(Self {
            phase: text(value("phase")?)?,
            time_left_ms: optional(value("time_left_ms")?, number)?,
            next_ip: optional(value("next_ip")?, text)?,
            listening: value("listening")?.is_atom("true"),
            overloaded: value("overloaded")?.is_atom("true"),
            connections: number(value("sessions")?)?,
            connections_by_version: list(value("sessions_by_version")?, ServiceVersion::read)?,
            // A server that does not count them says nothing of them.
            connections_by_agent: value("sessions_by_agent")
                .map_or(Some(Vec::new()), |agents| list(agents, AgentConnections::read))?,
            calls: number(value("calls")?)?,
            services: list(value("services")?, ServiceStatus::read)?,
            load_marks: optional(value("load_marks")?, LoadMarks::read)?,
            peers: optional(value("peers")?, text)?,
            counters: list(value("counters")?, |pair| {
                let [name, count] = tuple(pair)?;
                Some((text(name)?, number(count)?))
            })?
            .into_iter()
            .collect(),
            pid: number(value("pid")?)?,
            uptime_ms: number(value("uptime_ms")?)?,
            agent: optional(value("agent")?, text)?,
            addresses: list(value("addresses")?, text)?,
            advertised: optional(value("advertised")?, text)?,
        })
    }
}

impl Connections {
    /// `{sessions,Count,[{Service,Version,Count}]}`.
    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let [_, connections, by_version] = tuple(term)?;
        Some(Self {
            connections: number(connections)?,
            by_version: list(by_version, ServiceVersion::read)?,
        })
    }
}

impl ServiceVersion {
    fn read(term: TermRef<'_>) -> Option<Self> {
        let [service, version, connections] = tuple(term)?;
        let version = number(version)?.try_into().ok()?;
        Some(Self { service: optional(service, text)?, version, connections: number(connections)? })
    }
}

impl AgentConnections {
    fn read(term: TermRef<'_>) -> Option<Self> {
        let [agent, connections] = tuple(term)?;
        Some(Self { agent: text(agent)?, connections: number(connections)? })
    }
}

impl ServiceStatus {
    fn read(term: TermRef<'_>) -> Option<Self> {
        let [service, spoken, withdrawn] = tuple(term)?;
        let versions = |versions| list(versions, |version| number(version)?.try_into().ok());
        Some(Self {
            service: optional(service, text)?,
            spoken: versions(spoken)?,
            withdrawn: versions(withdrawn)?,
        })
    }
}

impl LoadMarks {
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

fn tuple<const N: usize>(term: TermRef<'_>) -> Option<[TermRef<'_>; N]> {
    if let View::Tuple(parts) = term.view() { parts.to_array() } else { None }
}

fn list<'a, T>(term: TermRef<'a>, read: impl Fn(TermRef<'a>) -> Option<T>) -> Option<Vec<T>> {
    if let View::List(items) = term.view() { items.into_iter().map(read).collect() } else { None }
}

fn text(term: TermRef<'_>) -> Option<String> {
    if let View::Atom(text) | View::String(text) = term.view() {
        Some(text.to_latin1())
    } else {
        None
    }
}

fn number(term: TermRef<'_>) -> Option<u64> {
    term.as_i64()?.try_into().ok()
}

fn optional<'a, T>(
    term: TermRef<'a>,
    read: impl Fn(TermRef<'a>) -> Option<T>,
) -> Option<Option<T>> {
    if matches!(term.view(), View::Undefined) { Some(None) } else { read(term).map(Some) }
}
