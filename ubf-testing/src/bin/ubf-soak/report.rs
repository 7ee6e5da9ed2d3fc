//! What the run has shown, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::gauge::{Gauge, median_memory};
use super::world::Tally;

/// The memory that a run may take more at its end, beside the margin: less than that says nothing.
const SLACK_KIB: u64 = 16 << 10;
/// Points of the curve that are reported.
const POINTS: usize = 20;
/// Of so many connections that broke, one was that of a session that went on.
const ENOUGH_CUTS: u64 = 40;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) tally: Tally,
    pub(crate) server_tally: Tally,
    /// Before anything was there, and after all had left.
    pub(crate) before: Gauge,
    pub(crate) after: Gauge,
    /// Medians of the first and of the last tenth of the run.
    pub(crate) warm_kib: u64,
    pub(crate) last_kib: u64,
    pub(crate) max_kib: u64,
    pub(crate) curve: Vec<Gauge>,
    pub(crate) broken: Vec<String>,
}

impl Report {
    /// Takes what was measured, and judges it.
    pub(crate) fn new(
        seed: u64,
        (before, gauges, after): (Gauge, &[Gauge], Gauge),
        (tally, server_tally): (Tally, Tally),
        (mut broken, present): (Vec<String>, &[String]),
        margin_percent: u64,
    ) -> Self {
        let cuts: u64 = tally
            .iter()
            .filter(|(what, _)| what.starts_with("cuts: "))
            .map(|(_, count)| count)
            .sum();
        let resumes = server_tally.get("sessions_resumed").copied().unwrap_or_default();
        // Where calls end badly, that is the news.
        if broken.is_empty() && cuts >= ENOUGH_CUTS && resumes == 0 {
            broken.push(format!("{cuts} connections were cut, and no session went on"));
        }
        let tenth = (gauges.len() / 10).max(1);
        let warm_kib = median_memory(gauges.get(..tenth).unwrap_or_default());
        let last_kib =
            median_memory(gauges.get(gauges.len().saturating_sub(tenth)..).unwrap_or_default());
        let max_kib = gauges.iter().map(|gauge| gauge.memory_kib).max().unwrap_or_default();
        let bound = warm_kib * (100 + margin_percent) / 100 + SLACK_KIB;
        if last_kib > bound {
            broken.push(format!(
                "{last_kib} KiB of memory are taken at the end, {warm_kib} after the warm-up: {bound} are allowed"
            ));
        }
        if after.tasks != before.tasks {
            broken.push(format!(
                "{} tasks are left, {} were there at the start [{}]",
                after.tasks,
                before.tasks,
                present.join(", ")
            ));
        }
        if after.descriptors != before.descriptors {
            broken.push(format!(
                "{} descriptors are open, {} were at the start",
                after.descriptors, before.descriptors
            ));
        }
        let step = gauges.len().div_ceil(POINTS).max(1);
        let curve = gauges.iter().step_by(step).copied().collect();
        let seconds = gauges.last().map(|gauge| gauge.second).unwrap_or_default();
        Self {
            seed,
            seconds,
            tally,
            server_tally,
            before,
            after,
            warm_kib,
            last_kib,
            max_kib,
            curve,
            broken,
        }
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_else(|error| error.to_string())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, seconds, before, after, warm_kib, last_kib, max_kib, .. } = self;
        writeln!(f, "seed {seed}, {seconds} s")?;
        for (what, count) in &self.tally {
            writeln!(f, "{count:>12}  {what}")?;
        }
        for (what, count) in &self.server_tally {
            writeln!(f, "{count:>12}  at servers: {what}")?;
        }
        writeln!(f, "tasks         {} before, {} after", before.tasks, after.tasks)?;
        writeln!(f, "descriptors   {} before, {} after", before.descriptors, after.descriptors)?;
        writeln!(
            f,
            "memory        {warm_kib} KiB in the first tenth, {last_kib} in the last, {max_kib} at most, {} after",
            after.memory_kib
        )?;
        write!(f, "curve         ")?;
        for gauge in &self.curve {
            write!(f, "{}s:{} ", gauge.second, gauge.memory_kib)?;
        }
        writeln!(f)?;
        for what in &self.broken {
            writeln!(f, "BROKEN        {what}")?;
        }
        match self.broken.len() {
            0 => write!(f, "all is well"),
            count => write!(f, "{count} broken; again with --seed {seed}"),
        }
    }
}
