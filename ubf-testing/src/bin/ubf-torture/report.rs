//! What came of a run.

use std::fmt;
use std::time::Duration;

use super::checker::Verdict;
use super::counts::{CHANGES, Counts, KILLS};

#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) time: Duration,
    pub(crate) faults: u64,
    pub(crate) counts: Counts,
    pub(crate) verdict: Verdict,
    pub(crate) folder: String,
    /// All that is broken, in words.
    pub(crate) breaks: Vec<String>,
}

impl Report {
    pub(crate) fn json(&self) -> serde_json::Value {
        let counts: serde_json::Map<String, serde_json::Value> =
            self.counts.iter().map(|(what, count)| (what.to_owned(), count.into())).collect();
        let Verdict { appends, reads, not_run, in_doubt, lost, twice, .. } = &self.verdict;
        serde_json::json!({
            "seed": self.seed,
            "seconds": self.time.as_secs_f64(),
            "faults": self.faults,
            "kills": self.counts.of(KILLS),
            "changes": self.counts.of(CHANGES),
            "counts": counts,
            "appends": appends,
            "reads": reads,
            "lost": lost,
            "twice": twice,
            "indeterminate": in_doubt,
            "not_run": not_run,
            "folder": self.folder,
            "breaks": self.breaks,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { appends, reads, not_run, in_doubt, lost, twice, .. } = &self.verdict;
        let (kills, changes) = (self.counts.of(KILLS), self.counts.of(CHANGES));
        writeln!(
            f,
            "seed {}, {:.0} s, {} faults",
            self.seed,
            self.time.as_secs_f64(),
            self.faults
        )?;
        writeln!(f, "{kills} kills and {changes} planned changes survived")?;
        writeln!(f, "{appends} appends and {reads} reads: lost {lost}, executed twice {twice},")?;
        writeln!(f, "indeterminate {in_doubt}, not executed {not_run}")?;
        for (what, count) in self.counts.iter() {
            writeln!(f, "{count:>8} {what}")?;
        }
        writeln!(f, "history and logs: {}", self.folder)?;
        for what in &self.breaks {
            writeln!(f, "broken: {what}")?;
        }
        Ok(())
    }
}
