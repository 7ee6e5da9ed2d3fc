//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::faults::Fault;

/// Kills, stops, cuts and upgrades five servers of a ledger while clients call them, and shows that
/// nothing is lost, runs twice or stays in doubt.
///
/// The history that clients saw is held against the rows, and written to DIR/history.edn, where Elle
/// reads it (`elle-cli --model list-append`). DIR has the logs of all servers, too.
///
/// The exit status is 0 if all was well, 1 if something is broken, 2 if there was no run. Ctrl-C
/// ends a run early: what there is by then is checked.
#[derive(Clone, Debug, Parser)]
#[command(name = "ubf-torture")]
pub(crate) struct Options {
    /// How long, in minutes. It ends sooner when something breaks.
    #[arg(long, default_value_t = 5.0, value_parser = minutes)]
    minutes: f64,
    /// What the faults depend on, and their order. Default: the time of day.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Where rows are kept. `postgres` starts a database of its own.
    #[arg(long, default_value = "redb")]
    pub(crate) store: Engine,
    /// A folder for logs, files and the history. Default: one in the system's folder for such.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Takes a rule away, and does what shows that it is missing: the exit status is to be 1.
    #[arg(long)]
    pub(crate) mutant: Option<Mutant>,
    /// Does only these things, in turn; several with commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Fault>,
    /// How long each of the 24 callers waits between two calls, in milliseconds. With 10 a run of ten
    /// minutes has rows that a hand-off copies within a second.
    #[arg(long, default_value_t = 10, value_name = "MS")]
    pub(crate) pause: u64,
    /// The most faults: then it ends, too.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) max_faults: u64,
    /// Prints the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    Redb,
    Postgres,
}

/// A rule that servers do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mutant {
    /// T3: answers leave before their commit.
    ReplyBeforeCommit,
    /// T3: one answer in 50 does.
    ReplyBeforeCommitOnceIn50,
    /// T3: the rows of sessions are not written with what their calls write.
    SessionOutside,
    /// T5: a commit checks the epoch and does not lock it. It wants PostgreSQL.
    FenceWithoutLock,
    /// S5: a resume wins whatever its turn is.
    NoTurn,
    /// T7: a step down changes more than it says.
    DownLies,
    /// T6: a state version is written that nodes do not know.
    FinalizesTooEarly,
    /// U2: the successor serves when it is ready, and the predecessor ends.
    ReadyCommits,
    /// U2: what lost descriptors is taken for whole.
    TruncatedIsWhole,
}

impl Mutant {
    /// As the servers know it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ReplyBeforeCommit => "reply-before-commit",
            Self::ReplyBeforeCommitOnceIn50 => "reply-before-commit-once-in-50",
            Self::SessionOutside => "session-outside",
            Self::FenceWithoutLock => "fence-without-lock",
            Self::NoTurn => "no-turn",
            Self::DownLies => "down-lies",
            Self::FinalizesTooEarly => "finalizes-too-early",
            Self::ReadyCommits => "ready-commits",
            Self::TruncatedIsWhole => "truncated-is-whole",
        }
    }

    /// What shows that it is missing.
    const fn faults(self) -> &'static [Fault] {
        match self {
            Self::ReplyBeforeCommit | Self::ReplyBeforeCommitOnceIn50 => &[Fault::KillUncommitted],
            Self::SessionOutside => &[Fault::KillCommitted],
            // What has been overwritten is seen by whoever reads the rows again.
            Self::FenceWithoutLock => &[Fault::FenceRace, Fault::KillAnywhere],
            Self::NoTurn => &[Fault::LateTurn],
            Self::DownLies => &[Fault::Cut],
            Self::FinalizesTooEarly => &[Fault::StateVersionTooHigh],
            Self::ReadyCommits => &[Fault::UpgradeKilledReady],
            Self::TruncatedIsWhole => &[Fault::UpgradeTruncated],
        }
    }
}

impl Options {
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.store == Engine::Postgres
    }

    /// Some of its servers have disks of their own, where that can be had.
    pub(crate) fn wants_disks(&self) -> bool {
        !self.is_shared() && self.faults().contains(&Fault::NoSpace)
    }

    /// How long the load may stand still: longer than the longest fault, and what a loaded machine
    /// needs beside it. What shows that a rule is missing takes less, unless it is a race in which
    /// all of them wait.
    pub(crate) const fn patience(&self) -> Duration {
        Duration::from_secs(match self.mutant {
            None | Some(Mutant::FenceWithoutLock) => 100,
            Some(_) => 15,
        })
    }

    /// What is done to the servers. Such that are named are done in turn.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        match self.mutant {
            _ if !self.only.is_empty() => self.only.clone(),
            Some(mutant) => mutant.faults().to_vec(),
            None => Fault::of(self.is_shared()),
        }
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.01..=10_000.0).contains(&minutes) => Ok(minutes),
        _ => Err("not between 0.01 and 10000".into()),
    }
}
