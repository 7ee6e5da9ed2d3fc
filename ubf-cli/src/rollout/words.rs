//! A rollout in words, and as JSON.

use serde::Serialize;
use ubf_fleet::{Plan, Record, Sample, Stage};

use crate::ui::units::{count, time};
use std::time::Duration;

/// A rollout as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    pub(crate) release: &'a str,
    stage: &'static str,
    /// Why it goes back, or went.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    paused: bool,
    over: bool,
    epoch: u64,
    /// The process of the controller on this machine that is at work.
    controller: Option<u32>,
    nodes: Vec<ShownNode<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownNode<'a> {
    name: &'a str,
    state: &'static str,
    /// The hash of what it ran before.
    before: Option<&'a str>,
}

impl<'a> Shown<'a> {
    pub(crate) fn of(record: &'a Record, controller: Option<u32>) -> Self {
        let nodes = record.plan.nodes.iter().enumerate();
        let nodes = nodes.map(|(number, name)| ShownNode {
            name,
            state: state(&record.stage, number),
            before: record.before.get(number).map(String::as_str),
        });
        let why = match &record.stage {
            Stage::RollingBack { why, .. } | Stage::RolledBack { why } => Some(why.as_str()),
            Stage::Planned
            | Stage::Preflight { .. }
            | Stage::Changing { .. }
            | Stage::Soaking { .. }
            | Stage::CodeComplete
            | Stage::Finalizing { .. }
            | Stage::Done => None,
        };
        Self {
            release: &record.plan.release,
            stage: word(&record.stage),
            why,
            paused: record.is_paused,
            over: record.is_over(),
            epoch: record.epoch,
            controller,
            nodes: nodes.collect(),
        }
    }

    /// As lines for people.
    pub(crate) fn text(&self) -> String {
        let paused = if self.paused { ", paused" } else { "" };
        let mut text = format!("{}{paused}: release {}\n", self.stage, short(self.release));
        if let Some(why) = self.why {
            text.push_str(&format!("  because {why}\n"));
        }
        let width = self.nodes.iter().map(|node| node.name.chars().count()).max().unwrap_or(0);
        for ShownNode { name, state, before } in &self.nodes {
            let before = before.map(|before| format!("  before: {}", short(before)));
            let before = before.unwrap_or_default();
            text.push_str(&format!("  {name:width$}  {state}{before}\n"));
        }
        match self.controller {
            Some(process) => text.push_str(&format!("process {process} is at work\n")),
            None if self.over => {}
            None => text.push_str("no controller of this machine is at work\n"),
        }
        text
    }
}

/// The first digits of a hash tell one release from another.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

const fn word(stage: &Stage) -> &'static str {
    match stage {
        Stage::Planned => "planned",
        Stage::Preflight { .. } => "preflight",
        Stage::Changing { .. } => "changing",
        Stage::Soaking { .. } => "soaking",
        Stage::CodeComplete => "code complete",
        Stage::Finalizing { .. } => "finalizing",
        Stage::Done => "done",
        Stage::RollingBack { .. } => "rolling back",
        Stage::RolledBack { .. } => "rolled back",
    }
}

/// What has become of a node.
fn state(stage: &Stage, number: usize) -> &'static str {
    let by = |node: usize, [before, at, behind]: [&'static str; 3]| match number.cmp(&node) {
        std::cmp::Ordering::Less => before,
        std::cmp::Ordering::Equal => at,
        std::cmp::Ordering::Greater => behind,
    };
    match stage {
        Stage::Planned => "untouched",
        &Stage::Preflight { node } => by(node, ["prepared", "is being prepared", "untouched"]),
        &Stage::Changing { node } => by(node, ["changed", "is being changed", "prepared"]),
        &Stage::Soaking { until } => by(until, ["changed", "prepared", "prepared"]),
        Stage::CodeComplete => "changed",
        &Stage::Finalizing { node } => by(node, ["finalized", "is being finalized", "changed"]),
        Stage::Done => "finalized",
        Stage::RollingBack { left, .. } if left.contains(&number) => "to be taken back",
        Stage::RollingBack { .. } | Stage::RolledBack { .. } => "as before",
    }
}

/// What begins with a stage, as a line; `None`: nothing that is to be said.
pub(crate) fn begins(record: &Record) -> Option<String> {
    let Plan { nodes, soak_ms, .. } = &record.plan;
    let all = nodes.len();
    let name = |node: usize| nodes.get(node).map(String::as_str).unwrap_or_default();
    Some(match &record.stage {
        Stage::Planned => return None,
        &Stage::Preflight { node } => {
            format!("preflight    {} of {all}  {}", node + 1, name(node))
        }
        &Stage::Changing { node } => format!("changing     {} of {all}  {}", node + 1, name(node)),
        Stage::Soaking { until } => {
            format!("soaking      {until} of {all}  {}", time(Duration::from_millis(*soak_ms)))
        }
        Stage::CodeComplete => format!("code complete: {all} of {all} run the release"),
        &Stage::Finalizing { node } => {
            format!("finalizing   {} of {all}  {}", node + 1, name(node))
        }
        Stage::Done => "done: rows are written in the newest form".to_owned(),
        Stage::RollingBack { left, why } => match left.first() {
            Some(&node) if left.len() == all => {
                format!("rolling back, because {why}\ntaking back  {}", name(node))
            }
            Some(&node) => format!("taking back  {}", name(node)),
            None => return None,
        },
        Stage::RolledBack { why } => format!("rolled back, as if it had not been: {why}"),
    })
}

/// What the gates were told.
pub(crate) fn sample(who: &str, sample: &Sample) -> String {
    let Sample { nodes, calls, failed, crashes, losses, p99_us, .. } = sample;
    let p99 = match p99_us {
        0 => "not known".to_owned(),
        micros => time(Duration::from_micros(*micros)),
    };
    format!(
        "  {who:9} {nodes} nodes, {} calls, {failed} failed, {crashes} crashes, {losses} losses, \
         p99 {p99}",
        count(*calls)
    )
}

#[cfg(test)]
mod tests {
    use ubf_agent_core::Hash;

    use super::*;

    fn record(stage: Stage) -> Record {
        let nodes = ["a", "b", "c"].map(str::to_owned).into();
        let mut record = Record::new(Plan::new(Hash::of(b"35"), nodes).unwrap());
        record.stage = stage;
        record
    }

    #[test]
    fn each_node_has_a_state_of_its_own() {
        let states = |stage| {
            let record = record(stage);
            let shown = Shown::of(&record, None);
            shown.nodes.iter().map(|node| node.state).collect::<Vec<_>>().join(", ")
        };
        let changing = states(Stage::Changing { node: 1 });
        assert_eq!(changing, "changed, is being changed, prepared");
        assert_eq!(states(Stage::Soaking { until: 2 }), "changed, changed, prepared");
        let back = Stage::RollingBack { left: vec![2, 0], why: "it is slow".into() };
        assert_eq!(states(back), "to be taken back, as before, to be taken back");
    }

    #[test]
    fn a_rollout_is_shown_with_its_reason_and_whether_somebody_is_at_work() {
        let record = record(Stage::RolledBack { why: "p99 is 9 us".into() });
        let text = Shown::of(&record, None).text();
        assert!(text.starts_with("rolled back: release "), "{text}");
        assert!(text.contains("\n  because p99 is 9 us\n  a  as before\n"), "{text}");
        let json = serde_json::to_value(Shown::of(&record, Some(7))).unwrap();
        assert_eq!((&json["over"], &json["controller"]), (&true.into(), &7.into()));
    }
}
