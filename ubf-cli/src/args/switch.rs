//! The command line of `ubf switch`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ubf_client::Target;
use ubf_codec::{Address, NextIp};

use super::units::{duration, some_time};

/// One fixed address in front of many servers.
///
/// Clients talk to it as to a server, and learn no address of the nodes behind it. It reads headers
/// and negotiations, and no other body: it offers the versions that all nodes have together, leads
/// each client to a node with the highest that the two have in common, follows the nodes' drains,
/// and finds the node that has a session. A node that does not answer is passed over.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/switch.txt"))]
pub(crate) struct Switch {
    /// Where clients come; several with commas, or the flag again. `unix:PATH` is a Unix socket
    /// [default: 127.0.0.1:4000; with --raw-listen none]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) listen: Vec<String>,

    /// A node behind it, as HOST:PORT, `ubfs://HOST:PORT` or `unix:PATH`; several with commas, or
    /// the flag again
    #[arg(
        long,
        value_name = "ADDRESS",
        value_delimiter = ',',
        required_unless_present = "raw_node"
    )]
    pub(crate) node: Vec<Target>,

    /// Ask nodes for this service from the start; others when a client first names them
    #[arg(long, value_name = "NAME", value_delimiter = ',', hide_short_help = true)]
    pub(crate) service: Vec<String>,

    /// Where bytes come that are passed to --raw-node as they are: stock peers, or TLS that the
    /// nodes end
    #[arg(long, value_name = "ADDRESS", requires = "raw_node")]
    pub(crate) raw_listen: Option<String>,

    /// A node for what comes to --raw-listen; several with commas, or the flag again. A client
    /// comes to the node that its address leads to
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', requires = "raw_listen")]
    pub(crate) raw_node: Vec<Target>,

    /// The address by which clients know this switch, if it is not the one that they come to
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) advertise: Option<Address>,

    /// Other switches: where clients go when this one is lost, best first, with commas
    #[arg(long, value_name = "ADDRESSES")]
    pub(crate) peers: Option<NextIp>,

    /// Pass the NextIP and the peers of nodes on, to clients that can reach nodes: they leave the
    /// switch then
    #[arg(long)]
    pub(crate) pass_next_ip: bool,

    /// Where clients go when the switch drains. Without it each is told `closing`
    #[arg(long, value_name = "ADDRESSES")]
    pub(crate) next_ip: Option<NextIp>,

    /// How long clients may take to move in a drain
    #[arg(
        long,
        value_name = "TIME",
        value_parser = duration,
        default_value = "30s",
        hide_short_help = true
    )]
    pub(crate) grace: Duration,

    /// How long answers that are due may take after that
    #[arg(
        long,
        value_name = "TIME",
        value_parser = duration,
        default_value = "10s",
        hide_short_help = true
    )]
    pub(crate) hard_stop: Duration,

    /// End the clients' TLS here, and show this certificate, as PEM. It is read again at SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of --tls-cert
    #[arg(long, value_name = "FILE", requires = "tls_cert", hide_short_help = true)]
    pub(crate) tls_key: Option<PathBuf>,

    /// Clients have to show a certificate of these authorities
    #[arg(long, value_name = "FILE", requires = "tls_cert", hide_short_help = true)]
    pub(crate) tls_client_ca: Option<PathBuf>,

    /// The authorities of the nodes' certificates, for `ubfs://` nodes [default: the system's]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) node_ca: Option<PathBuf>,

    /// Show this certificate, as PEM, to nodes that want to see one
    #[arg(long, value_name = "FILE", requires = "node_key", hide_short_help = true)]
    pub(crate) node_cert: Option<PathBuf>,

    /// The key of --node-cert
    #[arg(long, value_name = "FILE", requires = "node_cert", hide_short_help = true)]
    pub(crate) node_key: Option<PathBuf>,

    /// Where monitors look by HTTP: /metrics, /livez, /readyz. Only this machine may ask
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<String>,

    #[command(flatten)]
    pub(crate) limits: SwitchLimitArgs,

    /// Log one JSON object a line. Logs go to stderr
    #[arg(long, hide_short_help = true)]
    pub(crate) log_json: bool,

    /// What is logged: error, warn, info, debug, trace, or a filter like `ubf_switch=debug`
    #[arg(long, value_name = "FILTER", default_value = "info", hide_short_help = true)]
    pub(crate) log_filter: String,
}

/// What clients and nodes are allowed.
#[derive(Debug, Args)]
pub(crate) struct SwitchLimitArgs {
    /// Connections of clients at a time
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, hide_short_help = true)]
    pub(crate) max_connections: usize,

    /// Connections at a time from one IP address
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, hide_short_help = true)]
    pub(crate) max_connections_per_address: usize,

    /// Sessions whose nodes are remembered; for others all nodes are asked
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, hide_short_help = true)]
    pub(crate) max_sessions: usize,

    /// For the first packet of a client to come whole
    #[arg(
        long,
        value_name = "TIME",
        value_parser = some_time,
        default_value = "5s",
        hide_short_help = true
    )]
    pub(crate) max_negotiation_time: Duration,

    /// For a later packet of version 0; nodes keep the time of others
    #[arg(
        long,
        value_name = "TIME",
        value_parser = some_time,
        default_value = "30s",
        hide_short_help = true
    )]
    pub(crate) max_packet_time: Duration,

    /// Without traffic. It should be more than that of the nodes
    #[arg(
        long,
        value_name = "TIME",
        value_parser = some_time,
        default_value = "10m",
        hide_short_help = true
    )]
    pub(crate) max_idle_time: Duration,

    /// For a client to read on, while there is something for it
    #[arg(
        long,
        value_name = "TIME",
        value_parser = some_time,
        default_value = "30s",
        hide_short_help = true
    )]
    pub(crate) max_write_time: Duration,

    /// To connect to a node
    #[arg(
        long,
        value_name = "TIME",
        value_parser = some_time,
        default_value = "1s",
        hide_short_help = true
    )]
    pub(crate) max_connect_time: Duration,

    /// For a node's answer to a negotiation
    #[arg(
        long,
        value_name = "TIME",
        value_parser = some_time,
        default_value = "4s",
        hide_short_help = true
    )]
    pub(crate) max_answer_time: Duration,

    /// How often nodes are asked what they offer
    #[arg(
        long,
        value_name = "TIME",
        value_parser = some_time,
        default_value = "1s",
        hide_short_help = true
    )]
    pub(crate) probe_every: Duration,
}
