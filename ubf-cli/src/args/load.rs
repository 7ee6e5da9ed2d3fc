//! Arguments of `ubf load`.

use std::time::Duration;

use clap::{ArgGroup, Args};
use ubf_client::Target;

use super::classic::ClassicArgs;
use super::connect::ConnectArgs;
use super::units::{bytes_u32, duration, some_time};

/// Make many calls, and say how long they took.
///
/// Clients connect to a server, and each keeps a number of calls in flight. Without --rate a call
/// is made as soon as another one has been answered: that shows what a server can do. With --rate
/// calls are made on a schedule that waits for nobody, and latency counts from the moment when a
/// call was due: that shows what users feel, also while a server stands still. Clients fall
/// back, follow servers that move them, and fail over to the other addresses, as all clients do.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/load.txt"))]
#[command(group = ArgGroup::new("what").args(["size", "request"]))]
pub(crate) struct Load {
    /// Addresses, as host:port or `unix:/path`; commas may stand between them. The first that works
    /// is used, the others if it is lost
    #[arg(value_name = "ADDRESS", required = true, value_delimiter = ',')]
    pub(crate) addresses: Vec<Target>,

    /// Let client N start at the Nth address, and not all at the first
    #[arg(long)]
    pub(crate) spread: bool,

    /// Clients, with a connection each
    #[arg(short, long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) connections: u32,

    /// Calls in flight on each connection
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) depth: u32,

    /// Calls a second of all clients together, on a schedule
    #[arg(long, value_name = "CALLS/S", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// For how long to measure, as in 5m [default: 10s, if no --calls]
    #[arg(short, long, value_name = "TIME", value_parser = some_time)]
    pub(crate) duration: Option<Duration>,

    /// How many calls to measure, whatever the time
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) calls: Option<u64>,

    /// Make calls for so long before anything is measured
    #[arg(
        long,
        value_name = "TIME",
        value_parser = duration,
        default_value = "0s",
        hide_short_help = true
    )]
    pub(crate) warm_up: Duration,

    /// The request's bytes with its `$`: a string so long
    #[arg(long, value_name = "BYTES", default_value = "100", value_parser = size)]
    pub(crate) size: u32,

    /// The request, in Erlang's notation
    #[arg(long, value_name = "TERM", allow_hyphen_values = true)]
    pub(crate) request: Option<String>,

    /// Each response must be the request, as that of an echo service is
    #[arg(long, hide_short_help = true)]
    pub(crate) check: bool,

    /// For one call
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "30s")]
    pub(crate) timeout: Duration,

    /// Calls may run twice: they are sent again when a connection is lost
    #[arg(long)]
    pub(crate) idempotent: bool,

    /// Break each connection after about so long, in mid-packet, as in 5s
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) cut: Option<Duration>,

    /// Make calls without sessions: those that are open when a connection breaks are lost
    #[arg(long, hide_short_help = true)]
    pub(crate) no_session: bool,

    /// Say on stderr how it is going, also if that is no terminal
    #[arg(long, hide_short_help = true)]
    pub(crate) progress: bool,

    /// Write the report as one JSON document. Latencies are in microseconds
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,

    #[command(flatten)]
    pub(crate) classic: ClassicArgs,
}

/// The bytes of a packet.
fn size(text: &str) -> Result<u32, String> {
    match bytes_u32(text)? {
        size @ 3..=16_777_216 => Ok(size),
        _ => Err("a packet has 3 bytes to 16MiB".to_owned()),
    }
}

/// A number of calls a second.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=10_000_000.0).contains(&rate) => Ok(rate),
        Ok(_) => Err("0.001 to 10000000 calls a second".to_owned()),
        Err(_) => Err("a number of calls a second is wanted, as in 5000 or 0.5".to_owned()),
    }
}
