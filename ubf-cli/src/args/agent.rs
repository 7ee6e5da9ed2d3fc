//! `ubf agent`.

use std::ffi::OsString;

use clap::Args;

/// Start a node, start it again when it dies, and put signed releases in its place.
///
/// The program `ubf-agent` is the same. It never changes, and its contract is frozen: the chapter
/// "The agent" of the specification has it. It runs only releases that were signed by a key that it
/// was given, and goes on until it is killed: the node does not notice that, and the next agent of
/// the same folder finds it again.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/agent.txt"))]
pub(crate) struct Agent {
    /// Options of the agent, and those of the node behind `--`
    ///
    /// --folder FOLDER and --key FILE have to be there; without them the agent says what others
    /// there are.
    #[arg(
        value_name = "OPTIONS",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        num_args = 0..
    )]
    pub(crate) arguments: Vec<OsString>,
}
