//! The command line of `ubf attack`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::classic::ClassicArgs;
use super::connect::TlsArgs;
use super::units::{bytes_u64, some_time};

/// Try to break a server on this machine, and say what became of it.
///
/// Slow bytes, packets without end, bombs, floods, malformed negotiations, connections that are
/// left, broken or not read: each attack has a verdict. Sizes and times are bounded. With TLS all of
/// it goes over TLS, and TLS itself is attacked, too.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/attack.txt"))]
// The arguments for stock servers exclude one that this command does not have.
#[command(group = ArgGroup::new("versions"))]
pub(crate) struct Options {
    /// The server, as in 127.0.0.1:4000 or `ubfs://localhost:4000`
    #[arg(required_unless_present = "list")]
    pub(crate) address: Option<String>,

    /// Show the attacks that there are with the other arguments, and attack nobody
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
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "40s")]
    pub(crate) max_wait: Duration,

    /// How long a call beside an attack may take
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "1s")]
    pub(crate) max_latency: Duration,

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

    #[command(flatten)]
    pub(crate) tls: TlsArgs,

    /// With TLS: try this certificate too, which the server must refuse. May be given several times
    #[arg(
        long,
        num_args = 2,
        value_names = ["CERT", "KEY"],
        hide_short_help = true
    )]
    pub(crate) wrong_cert: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) classic: ClassicArgs,
}
