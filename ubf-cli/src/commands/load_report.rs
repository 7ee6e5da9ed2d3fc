//! What a load came to, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::iter;
use std::time::Duration;

use serde::Serialize;
use ubf_client::Statistics;

use crate::ui::palette::Palette;
use crate::ui::units::{count, rate, time};
use ubf_load::load::{ClientView, Latency, Outcome, Plan, Snapshot, Summary};

/// One line that says how it is going.
pub(crate) fn progress(snapshot: &Snapshot) -> String {
    if snapshot.measured == Duration::ZERO {
        return "warming up".to_owned();
    }
    let recent = snapshot.recent.latency();
    let answered = snapshot.recent.counts.of(Outcome::Answered);
    let mut line = format!(
        "{:>5.0} s  {:>9} calls/s  p50 {:>7}  p99 {:>7}  versions {}  at {}",
        snapshot.measured.as_secs_f64(),
        rate(answered as f64 / snapshot.recent_time.as_secs_f64().max(1e-9)),
        latency(recent.p50),
        latency(recent.p99),
        tally(&in_use(&snapshot.clients, |client| client
            .version
            .map(|version| version.to_string()))),
        tally(&in_use(&snapshot.clients, |client| client
            .address
            .as_ref()
            .map(ToString::to_string))),
    );
    // Writing to a string cannot fail.
    if snapshot.behind > 0 {
        let _ = write!(line, "  behind {}", count(snapshot.behind));
    }
    if snapshot.counts.bad() > 0 {
        let _ = write!(line, "  errors {}", count(snapshot.counts.bad()));
    }
    line
}

/// A latency; `-` if there is none, since nothing was answered.
fn latency(value: Duration) -> String {
    if value == Duration::ZERO { "-".to_owned() } else { time(value) }
}

/// How many clients have what.
fn in_use(
    clients: &[ClientView],
    what: impl Fn(&ClientView) -> Option<String>,
) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for client in clients {
        *found.entry(what(client).unwrap_or_else(|| "none".to_owned())).or_default() += 1;
    }
    found
}

/// `10 (3), 3 (1)`; the number is left out if there is only one of them.
fn tally(found: &BTreeMap<String, u64>) -> String {
    if let (1, Some(only)) = (found.len(), found.keys().next()) {
        return only.clone();
    }
    let parts: Vec<String> =
        found.iter().map(|(what, clients)| format!("{what} ({clients})")).collect();
    parts.join(", ")
}

fn sum(clients: &[ClientView], counter: impl Fn(&Statistics) -> u64) -> u64 {
    clients.iter().map(|client| counter(&client.statistics)).sum()
}

fn calls_per_second(summary: &Summary) -> f64 {
    summary.results.counts.of(Outcome::Answered) as f64 / summary.measured.as_secs_f64().max(1e-9)
}

/// The report for people.
pub(crate) struct LoadReport<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) summary: &'a Summary,
    pub(crate) palette: Palette,
}

impl fmt::Display for LoadReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, summary, palette: Palette { strong, error, good, .. } } = self;
        let Summary { results, clients, .. } = summary;
        let counts = &results.counts;
        writeln!(
            f,
            "clients    {} with {} in flight each, at {}",
            count(plan.connections as u64),
            count(plan.depth as u64),
            tally(&in_use(clients, |client| client.address.as_ref().map(ToString::to_string)))
        )?;
        writeln!(f, "calls      {} in {}", count(counts.ended()), time(summary.measured))?;
        writeln!(f, "           {strong}{} a second{strong:#}", rate(calls_per_second(summary)))?;
        if let Some(wanted) = plan.rate {
            let due = count(summary.behind);
            writeln!(
                f,
                "           {} a second were due; at the end {due} were late and not made",
                rate(wanted)
            )?;
        }
        let Latency { mean, p50, p90, p99, p999, max, .. } = results.latency();
        let latencies = [
            ("p50", p50),
            ("p90", p90),
            ("p99", p99),
            ("p99.9", p999),
            ("max", max),
            ("mean", mean),
        ];
        for (label, (name, value)) in ["latency"].into_iter().chain(iter::repeat("")).zip(latencies)
        {
            writeln!(f, "{label:<10} {name:<5} {:>9}", latency(value))?;
        }
        let versions: Vec<String> = results
            .versions
            .iter()
            .map(|(version, calls)| format!("{} in version {version}", count(*calls)))
            .collect();
        writeln!(
            f,
            "answered   {}",
            // Stock servers have no versions.
            if versions.is_empty() {
                count(counts.of(Outcome::Answered))
            } else {
                versions.join(", ")
            }
        )?;
        let bad = counts.bad() - counts.indeterminate();
        let style = |number: u64| if number == 0 { good } else { error };
        writeln!(f, "errors     {0}{1}{0:#}", style(bad), count(bad))?;
        kinds(
            f,
            counts.iter().filter(|(outcome, _)| outcome.is_bad() && !outcome.is_indeterminate()),
        )?;
        let unknown = counts.indeterminate();
        writeln!(f, "unknown    {0}{1}{0:#}", style(unknown), count(unknown))?;
        kinds(f, counts.iter().filter(|(outcome, _)| outcome.is_indeterminate()))?;
        writeln!(
            f,
            "sessions   fallbacks {}, moves {}, refused and sent again {}, connections lost {}",
            count(sum(clients, |statistics| statistics.fallbacks)),
            count(sum(clients, |statistics| statistics.moves)),
            count(sum(clients, |statistics| statistics.refused)),
            count(sum(clients, |statistics| statistics.losses)),
        )?;
        writeln!(
            f,
            "           cut {}, resumed {}, messages repeated {}, unknown {}",
            count(summary.cuts),
            count(sum(clients, |statistics| statistics.resumes)),
            count(sum(clients, |statistics| statistics.repeats)),
            count(sum(clients, |statistics| statistics.unknown)),
        )
    }
}

fn kinds(f: &mut fmt::Formatter<'_>, kinds: impl Iterator<Item = (Outcome, u64)>) -> fmt::Result {
    for (outcome, number) in kinds.filter(|(_, number)| *number > 0) {
        writeln!(f, "           {:>8} {}", count(number), outcome.words())?;
    }
    Ok(())
}

/// The report for programs.
#[derive(Debug, Serialize)]
pub(crate) struct LoadJson {
    connections: usize,
    depth: usize,
    rate: Option<f64>,
    seconds: f64,
    calls: u64,
    answered: u64,
    calls_per_second: f64,
    behind: u64,
    latency_us: LatencyJson,
    errors: u64,
    indeterminate: u64,
    by_kind: BTreeMap<&'static str, u64>,
    versions: BTreeMap<u32, u64>,
    clients_by_version: BTreeMap<String, u64>,
    clients_by_address: BTreeMap<String, u64>,
    fallbacks: u64,
    moves: u64,
    refused_and_sent_again: u64,
    losses: u64,
    cuts: u64,
    sessions: u64,
    resumes: u64,
    repeats: u64,
    sessions_unknown: u64,
}

#[derive(Debug, Serialize)]
struct LatencyJson {
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p999: f64,
    max: f64,
}

impl LoadJson {
    pub(crate) fn new(plan: &Plan, summary: &Summary) -> Self {
        let Summary { results, clients, .. } = summary;
        let Latency { mean, p50, p90, p99, p999, max, .. } = results.latency();
        let [mean, p50, p90, p99, p999, max] =
            [mean, p50, p90, p99, p999, max].map(|time| (time.as_secs_f64() * 1e7).round() / 10.0);
        let counts = &results.counts;
        Self {
            connections: plan.connections,
            depth: plan.depth,
            rate: plan.rate,
            seconds: (summary.measured.as_secs_f64() * 1e6).round() / 1e6,
            calls: counts.ended(),
            answered: counts.of(Outcome::Answered),
            calls_per_second: (calls_per_second(summary) * 10.0).round() / 10.0,
            behind: summary.behind,
            latency_us: LatencyJson { mean, p50, p90, p99, p999, max },
            errors: counts.bad() - counts.indeterminate(),
            indeterminate: counts.indeterminate(),
            by_kind: counts
                .iter()
                .filter(|(_, number)| *number > 0)
                .map(|(kind, number)| (kind.name(), number))
                .collect(),
            versions: results
                .versions
                .iter()
                .map(|(version, calls)| (version.get(), *calls))
                .collect(),
            clients_by_version: in_use(clients, |client| {
                client.version.map(|version| version.to_string())
            }),
            clients_by_address: in_use(clients, |client| {
                client.address.as_ref().map(ToString::to_string)
            }),
            fallbacks: sum(clients, |statistics| statistics.fallbacks),
            moves: sum(clients, |statistics| statistics.moves),
            refused_and_sent_again: sum(clients, |statistics| statistics.refused),
            losses: sum(clients, |statistics| statistics.losses),
            cuts: summary.cuts,
            sessions: sum(clients, |statistics| statistics.sessions),
            resumes: sum(clients, |statistics| statistics.resumes),
            repeats: sum(clients, |statistics| statistics.repeats),
            sessions_unknown: sum(clients, |statistics| statistics.unknown),
        }
    }
}

impl fmt::Display for LoadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}
