//! What was measured of servers.

use serde::Serialize;

use super::peer::Kind;
use super::sessions;

/// How a server is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    Sequential,
    InFlight,
    Connections,
    AmongIdle,
}

impl Scenario {
    pub(crate) const ALL: [Self; 4] =
        [Self::Sequential, Self::InFlight, Self::Connections, Self::AmongIdle];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sequential => "1 connection, 1 call at a time",
            Self::InFlight => "1 connection, 64 calls in flight",
            Self::Connections => "64 connections, 1 call at a time each",
            Self::AmongIdle => "64 connections among idle ones",
        }
    }
}

/// One server in one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) kind: Kind,
    pub(crate) scenario: Scenario,
    pub(crate) calls_a_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) server_cpu_us: f64,
}

/// One server apart from calls.
#[derive(Debug, Serialize)]
pub(crate) struct Connections {
    pub(crate) kind: Kind,
    pub(crate) bytes_idle: f64,
    pub(crate) first_call_us: f64,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) rounds: usize,
    pub(crate) idle: usize,
    pub(crate) figures: Vec<Figure>,
    pub(crate) connections: Vec<Connections>,
    pub(crate) redirect_us: f64,
    pub(crate) sessions: sessions::Figures,
}

impl Figures {
    pub(crate) fn get(&self, kind: Kind, scenario: Scenario) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.kind == kind && figure.scenario == scenario)
    }

    /// Calls a second for one of another server.
    pub(crate) fn speed(&self, kind: Kind, scenario: Scenario, beside: Kind) -> Option<f64> {
        Some(self.get(kind, scenario)?.calls_a_second / self.get(beside, scenario)?.calls_a_second)
    }

    /// Server CPU time of a call in a session for one of a call without.
    pub(crate) fn cpu_in_session(&self, scenario: Scenario) -> Option<f64> {
        let cpu = |kind| Some(self.get(kind, scenario)?.server_cpu_us);
        Some(cpu(Kind::InSession)? / cpu(Kind::Ubf)?)
    }

    pub(crate) fn connections(&self, kind: Kind) -> Option<&Connections> {
        self.connections.iter().find(|connections| connections.kind == kind)
    }

    /// How many times as long as with the bare server it takes from connecting to the first reply.
    pub(crate) fn first_call(&self, kind: Kind) -> Option<f64> {
        Some(self.connections(kind)?.first_call_us / self.connections(Kind::Bare)?.first_call_us)
    }
}
