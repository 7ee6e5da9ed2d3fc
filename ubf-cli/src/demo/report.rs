//! What a demo came to, for people and for programs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::check::Verdict;
use crate::ui::palette::Palette;
use crate::ui::text::counted;
use crate::ui::units::{count, rate};
use ubf_load::load::{Outcome, Results};

/// A demo that was played to its end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ended {
    kept_all_promises: bool,
    #[serde(flatten)]
    verdict: Verdict,
    refused_and_sent_again: u64,
    clients: u64,
    seed: Option<u64>,
    took_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
    longest_pause_ms: f64,
    phases: Vec<PhaseReport>,
    /// Where the journals are.
    kept: Option<PathBuf>,
}

/// What is known beside the verdict.
pub(super) struct Totals {
    pub(super) clients: u64,
    pub(super) seed: Option<u64>,
    pub(super) took: Duration,
    pub(super) refused: u64,
}

/// What clients told of themselves in a phase.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) moved: u64,
    pub(super) lost: u64,
    pub(super) refused: u64,
}

/// What a phase came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PhaseReport {
    name: &'static str,
    took_ms: f64,
    answered: u64,
    calls_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// The longest time that a client waited for a reply, calls that ended without one included.
    longest_pause_ms: f64,
    moved: u64,
    lost_connections: u64,
    refused: u64,
}

impl PhaseReport {
    pub(super) fn new(name: &'static str, took: Duration, results: &Results, told: Told) -> Self {
        let answered = results.counts.of(Outcome::Answered);
        let latency = results.latency();
        Self {
            name,
            took_ms: millis(took),
            answered,
            calls_per_second: (answered as f64 / took.as_secs_f64().max(1e-3)).round(),
            p50_ms: millis(latency.p50),
            p99_ms: millis(latency.p99),
            longest_pause_ms: millis(results.longest_pause),
            moved: told.moved,
            lost_connections: told.lost,
            refused: told.refused,
        }
    }
}

impl Ended {
    pub(super) fn new(
        verdict: Verdict,
        totals: &Totals,
        results: &Results,
        phases: Vec<PhaseReport>,
        kept: Option<PathBuf>,
    ) -> Self {
        let latency = results.latency();
        Self {
            kept_all_promises: verdict.is_good(),
            verdict,
            refused_and_sent_again: totals.refused,
            clients: totals.clients,
            seed: totals.seed,
            took_ms: millis(totals.took),
            p50_ms: millis(latency.p50),
            p99_ms: millis(latency.p99),
            longest_pause_ms: millis(results.longest_pause),
            phases,
            kept,
        }
    }

    pub(crate) const fn is_good(&self) -> bool {
        self.kept_all_promises
    }
}

/// To a thousandth.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The report for people.
pub(crate) struct DemoReport<'a> {
    pub(crate) ended: &'a Ended,
    pub(crate) palette: Palette,
}

impl fmt::Display for DemoReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ended, palette: Palette { strong, good, error, faint, .. } } = self;
        let verdict = &ended.verdict;
        writeln!(
            f,
            "{strong}phase              seconds   calls/s   p50 ms   p99 ms  longest pause ms{strong:#}"
        )?;
        // The last phase has no calls.
        for phase in ended.phases.iter().filter(|phase| phase.answered > 0) {
            let PhaseReport {
                name,
                took_ms,
                calls_per_second,
                p50_ms,
                p99_ms,
                longest_pause_ms,
                ..
            } = phase;
            let (seconds, calls) = (took_ms / 1e3, rate(*calls_per_second));
            writeln!(
                f,
                "{name:<16} {seconds:>9.1} {calls:>9} {p50_ms:>8.2} {p99_ms:>8.2} {longest_pause_ms:>17.1}"
            )?;
        }
        writeln!(f, "\ncalls sent              {strong}{:>9}{strong:#}", count(verdict.sent))?;
        writeln!(f, "answered                {strong}{:>9}{strong:#}", count(verdict.answered))?;
        writeln!(f, "refused and sent again  {:>9}", count(ended.refused_and_sent_again))?;
        writeln!(
            f,
            "indeterminate           {strong}{:>9}{strong:#}",
            count(verdict.indeterminate)
        )?;
        writeln!(f, "lost                    {strong}{:>9}{strong:#}", count(verdict.lost))?;
        writeln!(
            f,
            "executed twice          {strong}{:>9}{strong:#}\n",
            count(verdict.executed_twice)
        )?;
        for promise in &verdict.promises {
            let (sign, style) = if promise.kept { ("✓", good) } else { ("✗", error) };
            writeln!(
                f,
                "{style}{sign}{style:#} {} {faint}({}){faint:#}",
                words(promise.name),
                promise.saw
            )?;
        }
        if let Some(kept) = &ended.kept {
            writeln!(f, "\njournals and logs are in {}", kept.display())?;
        }
        let broken = verdict.promises.iter().filter(|promise| !promise.kept).count();
        if broken > 0 {
            writeln!(f, "\n{error}{} broken{error:#}", counted(broken as u64, "promise"))?;
        }
        Ok(())
    }
}

/// A promise as a sentence.
fn words(name: &'static str) -> &'static str {
    match name {
        "lost" => "no call was lost",
        "executed_twice" => "no call was executed twice",
        "none_indeterminate" => "of no call it is not known whether it ran",
        "planned_work_fails_no_call" => "in phases 1 to 4, which were planned, no call failed",
        "nothing_else_executed" => "nothing ran that clients were told had not",
        "agreed_on_10" => "clients and servers agreed on version 10",
        "fell_back_to_3" => "after the crash of 10 they agreed on 3",
        "money_is_kept" => "money was neither made nor lost, and every transfer was made once",
        "cuts_lose_no_call" => "every connection broke, and every session went on",
        "upgraded_in_place" => "a new release took over in place, and the old one can come back",
        "rolled_back_by_itself" => "a bad release crashed, and the one before took its place again",
        "handed_off" => "rows and sessions went to another node under load, and clients followed",
        "survives_kills" => "the server was killed, and the next one knew what was answered",
        "finalized" => "rows went on to the next state version under load",
        "servers_end_cleanly" => "servers told to go cut no call",
        other => other,
    }
}
