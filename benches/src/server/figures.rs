//! What was measured of servers.

use benches::measure::percentile;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::beside::Beside;
use super::first::FirstCalls;
use super::idle::Handles;
use super::instructions::Instructions;
use super::peer::Kind;
use super::sessions;

/// How a server is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// One connection, so many calls in flight.
    InFlight(usize),
    /// So many connections, a call at a time each.
    Connections(usize),
    /// [`ACTIVE`] connections among idle ones.
    AmongIdle,
    /// One connection with [`DEPTH`] calls in flight, the server having two threads, and both ends
    /// the processors that they are given.
    TwoWorkers,
    /// One connection, so many calls in flight, with bodies of so many bytes.
    Bodies { bytes: usize, depth: usize },
}

/// Calls in flight in the tables.
pub(crate) const DEPTH: usize = 64;
/// Connections that call, in the tables.
pub(crate) const ACTIVE: usize = 64;

impl Scenario {
    /// Those of the large tables, in their order.
    pub(crate) const TABLES: [Self; 7] = [
        Self::InFlight(1),
        Self::InFlight(DEPTH),
        Self::InFlight(256),
        Self::InFlight(1_024),
        Self::Connections(ACTIVE),
        Self::AmongIdle,
        Self::TwoWorkers,
    ];

    /// Connections, and calls in flight on each.
    pub(super) const fn shape(self) -> (usize, usize) {
        match self {
            Self::InFlight(depth) | Self::Bodies { depth, .. } => (1, depth),
            Self::Connections(count) => (count, 1),
            Self::AmongIdle => (ACTIVE, 1),
            Self::TwoWorkers => (1, DEPTH),
        }
    }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InFlight(1) => f.write_str("1 connection, 1 call at a time"),
            Self::InFlight(depth) => write!(f, "1 connection, {depth} calls in flight"),
            Self::Connections(count) => write!(f, "{count} connections, 1 call at a time each"),
            Self::AmongIdle => write!(f, "{ACTIVE} connections among idle ones"),
            Self::TwoWorkers => {
                write!(f, "1 connection, {DEPTH} calls in flight, servers of two threads, unpinned")
            }
            Self::Bodies { bytes, depth } => {
                write!(f, "bodies of {bytes} bytes, {depth} in flight")
            }
        }
    }
}

/// One server in one round of a scenario.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Round {
    pub(crate) calls_a_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) server_cpu_us: f64,
}

/// One server in one scenario: the medians of its rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) kind: Kind,
    pub(crate) scenario: Scenario,
    pub(crate) calls_a_second: f64,
    pub(crate) p50_us: f64,
    /// Of all calls.
    pub(crate) p99_us: f64,
    pub(crate) server_cpu_us: f64,
    /// In the order in which they were; servers of one scenario have theirs one after the other.
    pub(crate) rounds: Vec<Round>,
}

impl Figure {
    pub(super) fn new(
        kind: Kind,
        scenario: Scenario,
        rounds: Vec<Round>,
        nanoseconds: &Histogram<u64>,
    ) -> Self {
        let median = |of: fn(&Round) -> f64| median(rounds.iter().map(of));
        Self {
            kind,
            scenario,
            calls_a_second: median(|round| round.calls_a_second),
            p50_us: microseconds(nanoseconds, 0.5),
            p99_us: microseconds(nanoseconds, 0.99),
            server_cpu_us: median(|round| round.server_cpu_us),
            rounds,
        }
    }
}

/// The latency that this part of the calls does not exceed.
#[expect(clippy::cast_precision_loss, reason = "no call takes 2^52 ns")]
pub(super) fn microseconds(nanoseconds: &Histogram<u64>, quantile: f64) -> f64 {
    nanoseconds.value_at_quantile(quantile) as f64 / 1e3
}

/// The value in the middle.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(&mut values.into_iter().collect::<Vec<_>>(), 50)
}

/// The median of the ratios of each round.
pub(super) fn ratio_of(rounds: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    median(rounds.into_iter().map(|(one, other)| one / other))
}

/// One server apart from calls.
#[derive(Debug, Serialize)]
pub(crate) struct Connections {
    pub(crate) kind: Kind,
    /// Of the server, for each idle connection.
    pub(crate) bytes_idle: Option<f64>,
    /// The medians of the rounds.
    pub(crate) first_calls_us: Vec<f64>,
}

impl Connections {
    pub(super) const fn new(kind: Kind) -> Self {
        Self { kind, bytes_idle: None, first_calls_us: Vec::new() }
    }
}

/// All that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) rounds: usize,
    pub(crate) idle: usize,
    /// Whether client and server have had a processor each.
    pub(crate) is_pinned: bool,
    pub(crate) figures: Vec<Figure>,
    pub(crate) connections: Vec<Connections>,
    pub(crate) redirect_us: Option<f64>,
    pub(crate) sessions: Option<sessions::Figures>,
    pub(crate) beside: Vec<Beside>,
    pub(crate) first_calls: Vec<FirstCalls>,
    pub(crate) instructions: Vec<Instructions>,
    pub(crate) handles: Option<Handles>,
}

impl Figures {
    pub(crate) fn get(&self, kind: Kind, scenario: Scenario) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.kind == kind && figure.scenario == scenario)
    }

    /// The median of the ratios, round by round.
    fn beside(
        &self,
        (kind, beside): (Kind, Kind),
        scenario: Scenario,
        of: fn(&Round) -> f64,
    ) -> Option<f64> {
        let (one, other) = (self.get(kind, scenario)?, self.get(beside, scenario)?);
        let rounds = one.rounds.iter().zip(&other.rounds);
        Some(ratio_of(rounds.map(|(one, other)| (of(one), of(other)))))
    }

    /// Calls a second for one of another server.
    pub(crate) fn speed(&self, kind: Kind, scenario: Scenario, beside: Kind) -> Option<f64> {
        self.beside((kind, beside), scenario, |round| round.calls_a_second)
    }

    /// The median latency for one of another server.
    pub(crate) fn latency(&self, kind: Kind, scenario: Scenario, beside: Kind) -> Option<f64> {
        self.beside((kind, beside), scenario, |round| round.p50_us)
    }

    /// Server CPU time of a call in a session for one of a call without.
    pub(crate) fn cpu_in_session(&self, scenario: Scenario) -> Option<f64> {
        self.beside((Kind::InSession, Kind::Ubf), scenario, |round| round.server_cpu_us)
    }

    /// Microseconds from connecting to the first reply.
    pub(crate) fn first_call(&self, kind: Kind) -> Option<f64> {
        let rounds = &self.connections(kind)?.first_calls_us;
        (!rounds.is_empty()).then(|| median(rounds.iter().copied()))
    }

    /// The same for one of another server, round by round.
    pub(crate) fn first_call_beside(&self, kind: Kind, beside: Kind) -> Option<f64> {
        let rounds = |kind| Some(self.connections(kind)?.first_calls_us.iter().copied());
        let mut rounds = rounds(kind)?.zip(rounds(beside)?).peekable();
        rounds.peek()?;
        Some(ratio_of(rounds))
    }

    pub(crate) fn connections(&self, kind: Kind) -> Option<&Connections> {
        self.connections.iter().find(|connections| connections.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn servers_are_compared_round_by_round() {
        let figure = |kind, speeds: [f64; 3]| {
            let round = |calls_a_second| Round { calls_a_second, p50_us: 1.0, server_cpu_us: 1.0 };
            let nanoseconds = Histogram::new(3).unwrap();
            Figure::new(kind, Scenario::TwoWorkers, speeds.map(round).into(), &nanoseconds)
        };
        let figures = Figures {
            // In the third round the machine did something else, too.
            figures: vec![
                figure(Kind::Ubf, [50.0, 60.0, 5.0]),
                figure(Kind::Bare, [100.0, 100.0, 10.0]),
            ],
            ..Figures::default()
        };
        let speed = |beside| figures.speed(Kind::Ubf, Scenario::TwoWorkers, beside);
        assert_eq!(speed(Kind::Bare), Some(0.5));
        assert_eq!(speed(Kind::Tonic), None);
    }
}
