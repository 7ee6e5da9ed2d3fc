//! Arguments of `ubf rollout`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::args::units::{duration, some_time};
use crate::rollout::plan::{DraftNode, WayWord};

/// Bring a signed release to all nodes of a fleet, and back if it is bad.
///
/// The first nodes are the canary: they are changed and watched, against those that are not changed
/// at the same time. What is worse than the gates of the plan allow is taken back by itself, and a
/// rollout that was taken back equals none. Each node has an agent (`ubf agent`). Until `finalize`
/// rows are written as the release before reads them, so that the way back is only code. The
/// controller may be killed at any moment: `run` goes on.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/rollout.txt"), subcommand_value_name = "COMMAND")]
pub(crate) struct RolloutArgs {
    #[command(subcommand)]
    pub(crate) command: RolloutCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Write a plan, or check one that is there, and say what it would do
    Plan(Box<PlanArgs>),
    /// Do what a plan says, or go on with it
    Run(RunArgs),
    /// Show how far a rollout has come
    Status(StatusArgs),
    /// Take no further step
    Pause(Which),
    /// Go on after a pause
    Resume(Which),
    /// Take all back: each node runs what it ran before
    Abort(AbortArgs),
    /// Let all nodes write their rows in the newest form, for good
    Finalize(FinalizeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The file of the plan. How far its rollout has come is kept in a folder beside it, which is
    /// called as the file is, with the ending `.rollout`
    pub(crate) plan: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) which: Which,

    /// Write a plan for this signed manifest. The file may not be there
    #[arg(long, value_name = "FILE", requires_all = ["binary", "keys", "nodes"])]
    pub(crate) release: Option<PathBuf>,

    /// The binary of the release
    #[arg(long, value_name = "FILE", requires = "release")]
    pub(crate) binary: Option<PathBuf>,

    /// A public key that is trusted. May be given several times
    #[arg(long = "key", value_name = "FILE", requires = "release")]
    pub(crate) keys: Vec<PathBuf>,

    /// A node, in the order in which they are changed: NAME=AGENT, and with commas
    /// control=PLACE, metrics=HOST:PORT, address=ADDRESS
    ///
    /// The agent and the control are a socket of this machine, or ubfs://HOST:PORT; metrics is the
    /// node's --admin-http, for the gate on times; at the address clients are served, where the
    /// node tells its contract. May be given several times.
    #[arg(long = "node", value_name = "NODE", requires = "release")]
    pub(crate) nodes: Vec<DraftNode>,

    /// How many nodes are the canary
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "release")]
    pub(crate) canary: usize,

    /// How many nodes each other wave has. [default: a quarter of all]
    #[arg(long, value_name = "COUNT", requires = "release")]
    pub(crate) wave: Option<usize>,

    /// For how long a wave is watched before the next one
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(crate) soak: Duration,

    /// How a node is changed
    #[arg(long, value_enum, default_value = "in-place")]
    pub(crate) way: WayWord,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) which: Which,

    /// Go on even if another controller of this machine seems to be at work: it stores nothing more
    #[arg(long)]
    pub(crate) take_over: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) which: Which,

    /// Show it each time that it has changed, until it is over; looked at every half second, or as
    /// often as said here
    #[arg(long, value_name = "TIME", value_parser = some_time, num_args = 0..=1, require_equals = true, default_missing_value = "500ms")]
    pub(crate) watch: Option<Duration>,

    /// Show it as one JSON document, a line each time
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AbortArgs {
    #[command(flatten)]
    pub(crate) which: Which,

    /// Why, for those who look at it later
    #[arg(long, value_name = "TEXT", default_value = "an operator wants it")]
    pub(crate) why: String,
}

#[derive(Debug, Args)]
pub(crate) struct FinalizeArgs {
    #[command(flatten)]
    pub(crate) which: Which,

    /// It is meant; nobody is asked
    #[arg(long)]
    pub(crate) yes: bool,
}
