//! The command line of `ubf attack`.

use clap::Args;

use crate::args::units::bytes_u64;

/// Try to break a server on this machine, and say what became of it.
///
/// Slow bytes, packets without end, bombs, floods, malformed negotiations, connections that are
/// left, broken or not read: each attack has a verdict. Sizes and times are bounded.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/attack.txt"))]
pub(crate) struct Options {
    /// The server, as in 127.0.0.1:4000
    #[arg(required_unless_present = "list")]
    pub(crate) address: Option<String>,

    /// Show the attacks, and attack nobody
    #[arg(long)]
    pub(crate) list: bool,

    /// Run this attack. May be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,

    /// The service to attack; by default that of clients that name none
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,

    /// Watch this process: its memory and descriptors, from /proc
    #[arg(long)]
    pub(crate) pid: Option<u32>,

    /// Show each verdict as one JSON document
    #[arg(long)]
    pub(crate) json: bool,

    /// How long the server may take to end a connection
    #[arg(long, value_name = "SECONDS", default_value_t = 40.0, value_parser = seconds)]
    pub(crate) max_wait: f64,

    /// How long a call beside an attack may take
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub(crate) max_latency_ms: u64,

    /// By how much the process may grow in an attack
    #[arg(long, value_name = "BYTES", value_parser = bytes_u64, default_value = "256MiB")]
    pub(crate) max_growth: u64,

    /// Connections in a crowd
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(crate) connections: usize,

    /// Bytes of a packet without end, at most
    #[arg(long, value_name = "BYTES", value_parser = bytes_u64, default_value = "64MiB", hide_short_help = true)]
    pub(crate) max_bytes: u64,

    /// Packets in a pipeline
    #[arg(long, value_name = "COUNT", default_value_t = 20_000, hide_short_help = true)]
    pub(crate) packets: usize,

    /// Attack a server on another machine
    #[arg(long)]
    pub(crate) this_server_is_mine: bool,
}

/// More than nothing, and less than a day.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is wanted".to_owned())?;
    if (0.01..86_400.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("0.01 to 86400 seconds are possible".to_owned())
    }
}
