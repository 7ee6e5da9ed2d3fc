//! Arguments of `ubf demo`.

use std::path::PathBuf;

use clap::Args;

/// Watch servers be drained, upgraded and killed under load, and no call be lost.
///
/// Starts server processes on this machine and many clients in this one, and takes them through
/// phases: they agree on a version; the clients' code for it crashes; a server is drained; load is
/// shared. Then a ledger, whose clients move money between accounts: every connection is cut; a new
/// release takes over in place; a bad one crashes and is rolled back by itself; rows and sessions
/// are handed off to another node; that is killed; its rows go on to the next state version. In the end what the clients were told is
/// compared with the servers' journals, and with the accounts and transfers of the ledger.
#[derive(Debug, Args)]
#[command(after_long_help = include_str!("../help/demo.txt"))]
pub(crate) struct Demo {
    /// The same phases in some seconds, and with less load, as tests want it
    #[arg(long)]
    pub(crate) fast: bool,

    /// Write the report as one JSON document. Times are in milliseconds
    #[arg(long)]
    pub(crate) json: bool,

    /// Clients, with a connection each. [default: 100; with --fast, 20]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(4..=400))]
    pub(crate) clients: Option<u16>,

    /// Calls a second of all clients together, at least one for each. [default: 20 for each
    /// client]
    #[arg(long, value_name = "CALLS/S", value_parser = clap::value_parser!(u32).range(4..=100_000))]
    pub(crate) rate: Option<u32>,

    /// Makes what is random in the clients depend on this number
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Keep the servers' journals and logs here: a folder that is empty, or that is not there
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
}
