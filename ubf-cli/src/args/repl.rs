//! Arguments of `ubf repl`.

use std::time::Duration;

use clap::Args;
use ubf_client::Target;

use super::classic::ClassicArgs;
use super::connect::ConnectArgs;
use super::units::some_time;

/// Talk to a server, line by line.
///
/// A line is a request in Erlang's notation, or a command that begins with a colon. A request goes
/// on over several lines until its brackets are closed. The prompt shows the version in force and
/// the state that the server was in after the last reply; events are shown as they come. If stdin
/// is no terminal, what is there is carried out line by line, as a script.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/repl.txt"))]
pub(crate) struct Repl {
    /// Addresses, as host:port or `unix:/path`, tried in this order; commas may stand between them
    #[arg(value_name = "ADDRESS", required = true, value_delimiter = ',')]
    pub(crate) addresses: Vec<Target>,

    /// How long a call may take
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "10s")]
    pub(crate) timeout: Duration,

    /// Show every packet of the wire from the start, as `:trace on` does
    #[arg(long)]
    pub(crate) trace: bool,

    /// Neither read nor write the history of lines, `$XDG_STATE_HOME/ubf/history`
    #[arg(long)]
    pub(crate) no_history: bool,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,

    #[command(flatten)]
    pub(crate) classic: ClassicArgs,
}
