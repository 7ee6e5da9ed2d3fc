//! What nodes have counted: for the gates, changed ones against the others at the same time.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::thread;
use std::time::Duration;

use ubf_agent_core::Hash;
use ubf_fleet::Sample;

use super::plan::{Fleet, NodePlace};
use super::steps::{Trouble, agent, control};

/// How long a look at a node may take.
const LOOK_TIME: Duration = Duration::from_secs(5);
/// The most bytes of `/metrics` that are read (L1). Chosen: ten times what a large server has.
const MAX_METRICS_BYTES: u64 = 4 << 20;
/// Nodes that are looked at together.
const TOGETHER: usize = 16;

/// What a node has counted since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pid: Option<u32>,
    runs: Option<Hash>,
    calls: u64,
    failed: u64,
    crashes: u64,
    losses: u64,
    /// Processes that died, as its agent has counted them.
    deaths: u64,
    times: Times,
}

/// How many calls took no longer than which time, in microseconds, shortest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Times(Vec<(u64, u64)>);

/// All nodes of a fleet, in their order; `Err`: one cannot be looked at.
pub(crate) fn look_at_all(fleet: &Fleet) -> Vec<Result<Look, String>> {
    let look = |node: &NodePlace| look(fleet, node).map_err(|trouble| trouble.to_string());
    let mut all = Vec::new();
    for some in fleet.nodes.chunks(TOGETHER) {
        thread::scope(|scope| {
            let looks: Vec<_> = some.iter().map(|node| scope.spawn(move || look(node))).collect();
            let ended = || Err("the thread that looks has ended".to_owned());
            all.extend(looks.into_iter().map(|look| look.join().unwrap_or_else(|_| ended())));
        });
    }
    all
}

fn look(fleet: &Fleet, node: &NodePlace) -> Result<Look, Trouble> {
    let status = agent(fleet, node, LOOK_TIME)?.status()?;
    let mut look =
        Look { pid: status.pid, runs: status.current, deaths: status.deaths, ..Look::default() };
    if let Some(place) = &node.control {
        let report = control(fleet, place, LOOK_TIME)?.status()?;
        let count = |names: &[&str]| {
            names.iter().filter_map(|name| report.counters.get(*name)).sum::<u64>()
        };
        look.calls = count(&["requests"]);
        look.failed = count(&["failed_by_handler", "refused_by_handler", "timed_out"])
            + count(&["calls_cut", "answers_lost"]);
        look.crashes = count(&["failed", "connections_crashed"]);
        look.losses = count(&["rows_lost_fields"]);
    }
    if let Some(address) = &node.metrics {
        let text = metrics(address, fleet.token.as_deref());
        look.times = Times::read(&text.map_err(|error| format!("{address}: {error}"))?);
        // Those that were answered, and not those that were begun.
        look.calls = look.times.all();
    }
    Ok(look)
}

/// What was counted of a node between two looks.
pub(crate) fn between(before: Option<&Look>, after: &Look) -> Sample {
    let same = before.filter(|before| before.pid == after.pid);
    let since =
        |count: fn(&Look) -> u64| count(after).saturating_sub(same.map(count).unwrap_or_default());
    let mut sample = Sample::default();
    sample.nodes = 1;
    sample.calls = since(|look| look.calls);
    sample.failed = since(|look| look.failed);
    sample.losses = since(|look| look.losses);
    // The agent goes on counting where a node begins anew.
    let deaths = after.deaths.saturating_sub(before.map_or(after.deaths, |before| before.deaths));
    sample.crashes = since(|look| look.crashes) + deaths;
    sample.p99_us = after.times.p99_since(same.map(|before| &before.times));
    sample
}

/// Of the nodes before `until`, which are changed, and of the others. What is noteworthy is said.
pub(crate) fn compare(
    fleet: &Fleet,
    until: usize,
    before: &[Result<Look, String>],
    after: &[Result<Look, String>],
) -> (Sample, Sample, Vec<String>) {
    let (mut changed, mut others) = (Sample::default(), Sample::default());
    let mut remarks = Vec::new();
    for (number, (node, after)) in fleet.nodes.iter().zip(after).enumerate() {
        let before = before.get(number).and_then(|before| before.as_ref().ok());
        let is_changed = number < until;
        let sample = match after {
            Ok(look) if is_changed && look.runs != Some(fleet.manifest.hash) => {
                remarks.push(format!("{}: its agent went back to the release before", node.name));
                let mut sample = between(before, look);
                sample.crashes = sample.crashes.max(1);
                sample
            }
            Ok(look) => between(before, look),
            Err(why) if is_changed => {
                remarks.push(format!("{}: {why}", node.name));
                let mut sample = Sample::default();
                (sample.nodes, sample.crashes) = (1, 1);
                sample
            }
            // It says nothing about the release.
            Err(why) => {
                remarks.push(format!("{}, which is not changed: {why}", node.name));
                continue;
            }
        };
        let sum = if is_changed { &mut changed } else { &mut others };
        *sum = Sample::and(sum, &sample);
    }
    (changed, others, remarks)
}

impl Times {
    /// The histogram `ubf_call_seconds`, of all services and versions together.
    fn read(text: &str) -> Self {
        let mut times: Vec<(u64, u64)> = Vec::new();
        for line in text.lines() {
            let Some(line) = line.strip_prefix("ubf_call_seconds_bucket{") else { continue };
            let Some((labels, rest)) = line.split_once('}') else { continue };
            let bound = labels.split(',').find_map(|label| label.strip_prefix("le=\""));
            let bound = bound.map(|bound| bound.trim_end_matches('"'));
            let count = rest.split_whitespace().next().and_then(|count| count.parse().ok());
            let (Some(bound), Some(count)) = (bound.and_then(micros), count) else { continue };
            match times.iter_mut().find(|(present, _)| *present == bound) {
                Some((_, sum)) => *sum += count,
                None => times.push((bound, count)),
            }
        }
        times.sort_unstable();
        Self(times)
    }

    fn all(&self) -> u64 {
        self.0.last().map_or(0, |(_, count)| *count)
    }

    /// The bound that 99 of 100 calls did not pass, of those that came since.
    fn p99_since(&self, before: Option<&Self>) -> u64 {
        let since = |&(bound, count): &(u64, u64)| {
            let known = before.and_then(|before| before.0.iter().find(|one| one.0 == bound));
            (bound, count.saturating_sub(known.map_or(0, |(_, count)| *count)))
        };
        let times: Vec<(u64, u64)> = self.0.iter().map(since).collect();
        let all = times.last().map_or(0, |(_, count)| *count);
        let wanted = (all * 99).div_ceil(100);
        let found = times.iter().position(|(_, count)| all > 0 && *count >= wanted);
        match found.and_then(|place| times.get(place)) {
            // Longer than the longest that is known.
            Some((u64::MAX, _)) => times.iter().rev().nth(1).map_or(0, |(bound, _)| bound * 2),
            Some((bound, _)) => *bound,
            None => 0,
        }
    }
}

/// A bound in seconds.
fn micros(text: &str) -> Option<u64> {
    if text == "+Inf" {
        return Some(u64::MAX);
    }
    let time = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    u64::try_from(time.as_micros()).ok()
}

/// What a node answers to `/metrics`: one request by HTTP 1.0, whose answer ends with the
/// connection and comes in one piece.
fn metrics(address: &str, token: Option<&str>) -> std::io::Result<String> {
    let other = |why: &str| std::io::Error::other(why.to_owned());
    let place = address.to_socket_addrs()?.next().ok_or_else(|| other("no such address"))?;
    let mut stream = TcpStream::connect_timeout(&place, LOOK_TIME)?;
    stream.set_read_timeout(Some(LOOK_TIME))?;
    stream.set_write_timeout(Some(LOOK_TIME))?;
    let shown = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let shown = shown.unwrap_or_default();
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n{shown}\r\n")?;
    let mut text = String::new();
    stream.take(MAX_METRICS_BYTES).read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| other("no answer of HTTP"))?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status == "200" {
        Ok(body.to_owned())
    } else {
        Err(other(&format!("/metrics is answered {status}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# TYPE ubf_call_seconds histogram
ubf_call_seconds_bucket{service=\"ledger\",version=\"2\",le=\"0.001\"} 90
ubf_call_seconds_bucket{service=\"ledger\",version=\"2\",le=\"0.25\"} 99 # {connection=\"7\"} 0.2 1
ubf_call_seconds_bucket{service=\"ledger\",version=\"2\",le=\"+Inf\"} 100
ubf_call_seconds_bucket{service=\"ledger\",version=\"1\",le=\"0.001\"} 100
ubf_call_seconds_bucket{service=\"ledger\",version=\"1\",le=\"0.25\"} 100
ubf_call_seconds_bucket{service=\"ledger\",version=\"1\",le=\"+Inf\"} 100
ubf_call_seconds_count{service=\"ledger\",version=\"1\"} 100
";

    #[test]
    fn the_times_of_all_versions_are_one_histogram() {
        let times = Times::read(TEXT);
        assert_eq!(times.0, [(1_000, 190), (250_000, 199), (u64::MAX, 200)]);
        assert_eq!((times.all(), times.p99_since(None)), (200, 250_000));
        assert_eq!(Times::default().p99_since(None), 0);
        assert_eq!(times.p99_since(Some(&times)), 0);
        // All that came since took longer than the longest bound.
        let before = Times(vec![(1_000, 190), (250_000, 199), (u64::MAX, 199)]);
        assert_eq!(times.p99_since(Some(&before)), 500_000);
    }

    #[test]
    fn a_node_that_began_anew_has_counted_from_zero_and_its_agent_has_not() {
        let look = |pid, calls, deaths| Look { pid: Some(pid), calls, deaths, ..Look::default() };
        let counts = |before: &Look, after: &Look| {
            let sample = between(Some(before), after);
            (sample.calls, sample.crashes)
        };
        assert_eq!(counts(&look(1, 100, 2), &look(1, 150, 2)), (50, 0));
        assert_eq!(counts(&look(1, 100, 2), &look(2, 30, 3)), (30, 1));
        // What an agent counted before anybody looked is not this release's.
        assert_eq!(between(None, &look(2, 30, 3)).crashes, 0);
    }
}
