//! The command line of `ubf dashboard`.

use std::path::PathBuf;

use clap::Args;
use ubf_node::dashboard::NodeAddress;

/// Show several servers on one page, in a browser on this machine.
///
/// The servers are asked at the addresses of their --admin-http. The page shows what the page of
/// each shows: calls and how long they take, versions against servers, connections and sessions,
/// drains and upgrades, and the logs as they go on. It goes on until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/dashboard.txt"))]
pub(crate) struct Dashboard {
    /// Where servers answer by HTTP, up to 32: HOST:PORT, or https://HOST:PORT
    #[arg(required = true, value_name = "ADDRESS", value_delimiter = ',', num_args = 1..)]
    pub(crate) addresses: Vec<NodeAddress>,

    /// Where the page is, on this machine alone. Port 0 is any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9400")]
    pub(crate) listen: String,

    /// A file whose first line is the servers' --admin-token; or as many as there are servers
    ///
    /// It is used to look. Who acts types it into the page.
    #[arg(long, value_name = "FILE")]
    pub(crate) token: Vec<PathBuf>,

    /// For https addresses: trust the authorities whose certificates are in this file, as PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// For https addresses: show this certificate, as PEM, to servers that want to see one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// The key of --cert
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
}
