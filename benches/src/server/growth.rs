//! How servers stand beside their peers while something grows: calls in flight, connections, bodies.

use super::figures::{ACTIVE, DEPTH, Figures, Scenario};
use super::peer::Kind;

/// One body of a megabyte at a time.
pub(crate) const MIB: Scenario = Scenario::Bodies { bytes: 1 << 20, depth: 1 };
/// Several bodies in flight.
pub(crate) const HUNDRED_KB_AT_16: Scenario = Scenario::Bodies { bytes: 100_000, depth: 16 };
/// The largest body.
pub(crate) const LARGEST: Scenario = Scenario::Bodies { bytes: 64 << 20, depth: 1 };

/// Of about a hundred bytes.
pub(crate) const CALLS: [Scenario; 10] = [
    Scenario::InFlight(1),
    Scenario::InFlight(4),
    Scenario::InFlight(16),
    Scenario::InFlight(DEPTH),
    Scenario::InFlight(256),
    Scenario::InFlight(1_024),
    Scenario::Connections(16),
    Scenario::Connections(ACTIVE),
    Scenario::Connections(256),
    Scenario::Connections(1_024),
];

/// Typed, one at a time.
pub(crate) const BODIES: [Scenario; 7] = [
    Scenario::Bodies { bytes: 100, depth: 1 },
    Scenario::Bodies { bytes: 1_000, depth: 1 },
    Scenario::Bodies { bytes: 10_000, depth: 1 },
    Scenario::Bodies { bytes: 100_000, depth: 1 },
    MIB,
    Scenario::Bodies { bytes: 10 << 20, depth: 1 },
    LARGEST,
];

/// One row: how often a second, ours and the peer's, and ours for one of the peer's.
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    pub(crate) ratio: f64,
}

/// The rows that were measured, of ours beside this peer.
pub(crate) fn rows(figures: &Figures, scenarios: &[Scenario], of: Kind, peer: Kind) -> Vec<Row> {
    let row = |&scenario: &Scenario| {
        Some(Row {
            scenario,
            ours: figures.get(of, scenario)?.calls_a_second,
            peer: figures.get(peer, scenario)?.calls_a_second,
            ratio: figures.speed(of, scenario, peer)?,
        })
    };
    scenarios.iter().filter_map(row).collect()
}
