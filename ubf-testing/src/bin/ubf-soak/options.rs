//! The command line.

use std::time::Duration;

use clap::Parser;

use super::sabotage::Sabotage;

/// Soaks UBF clients and servers in valid traffic, faults, drains and restarts, and shows that
/// nothing is lost, repeated or leaked.
///
/// The exit status is 0 if all was well, 1 if something broke, 2 if there was no run.
#[derive(Clone, Debug, Parser)]
#[command(name = "ubf-soak")]
pub(crate) struct Options {
    /// How long, in minutes. It ends sooner when something breaks.
    #[arg(long, default_value_t = 60.0, value_parser = minutes)]
    minutes: f64,
    /// The most calls: then it ends, too.
    #[arg(long, default_value_t = 1_000_000_000)]
    pub(crate) max_calls: u64,
    /// What all choices depend on. Default: the time of day.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Clients at a time.
    #[arg(long, default_value_t = 24)]
    pub(crate) clients: usize,
    /// Strangers at a time, who send what no client would.
    #[arg(long, default_value_t = 6)]
    pub(crate) strangers: usize,
    /// How many per cent more memory is taken for the same, beside 16 MiB.
    #[arg(long, default_value_t = 20)]
    pub(crate) margin_percent: u64,
    /// Does something wrong, to see that the run finds it.
    #[arg(long)]
    pub(crate) sabotage: Option<Sabotage>,
    /// Prints the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.05..=10_000.0).contains(&minutes) => Ok(minutes),
        _ => Err("not between 0.05 and 10000".into()),
    }
}
