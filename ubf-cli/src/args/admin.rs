//! The command line of `ubf admin`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use ubf_codec::{NextIp, Version};
use ubf_node::control::Which;
use ubf_server::{LoadUnit, Service};

use crate::admin::ControlPlace;
use crate::args::units::{duration, some_time};

/// Look at servers and steer them, by their control sockets.
///
/// The socket is the file that a server was given with --control, and the option has the same name
/// here; without it the environment variable `UBF_CONTROL` says which. What changes a server is
/// answered with its status after the change; several servers are answered as a table. Addresses
/// are HOST:PORT; several, best first, have commas between them. Times are as 500ms, 30s, 5m.
#[derive(Debug, Args)]
#[command(
    after_long_help = include_str!("../help/admin.txt"),
    subcommand_value_name = "COMMAND",
    disable_help_subcommand = true
)]
pub(crate) struct AdminArgs {
    /// A server's control socket, or ubfs://HOST:PORT
    ///
    /// The address is that of its --control-listen. Several have commas between them, or the option
    /// again.
    #[arg(
        short,
        long,
        global = true,
        value_name = "PATH",
        value_delimiter = ',',
        env = "UBF_CONTROL"
    )]
    pub(crate) control: Vec<ControlPlace>,

    /// Trust the authorities in this file, as PEM, for servers of ubfs://; without it, those of the
    /// system
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) ca: Option<PathBuf>,

    /// Show this certificate, as PEM, to servers of ubfs://
    #[arg(long, global = true, value_name = "FILE", requires = "key", hide_short_help = true)]
    pub(crate) cert: Option<PathBuf>,

    /// The key of --cert
    #[arg(long, global = true, value_name = "FILE", requires = "cert", hide_short_help = true)]
    pub(crate) key: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,

    /// Show the answer as one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Give up when the server is silent for so long
    #[arg(long, global = true, value_name = "TIME", value_parser = time, default_value = "5s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the state of the server
    Status(StatusArgs),
    /// Show how many clients use which version, and each connection with its number
    Connections(PageArgs),
    /// Show each session, which outlives its connections, with its number
    ///
    /// A session without a connection is parked: the server keeps it, and the answers in it, until
    /// its client comes back, or for as long as they have agreed on. What a client knows a session
    /// by is a secret; the name here is a short hash of it.
    Sessions(PageArgs),
    /// Close one connection
    ///
    /// It executes no further call, and those in progress are finished. The client is free to
    /// connect again.
    Kick(Kick),
    /// Send the client of one connection elsewhere
    ///
    /// Its next reply carries the new address; if it is silent, it is told at once. Who is still
    /// there after the grace is closed.
    Move(Move),
    /// Send all clients elsewhere, then end
    ///
    /// Replies carry the new address, and silent clients are told. The server ends when no client
    /// is left or the grace is over. Its own address is legal: it leaves it to a successor that
    /// listens there, too (--reuse-port).
    Drain(Drain),
    /// Go on serving: the drain is off
    Undrain,
    /// Admit no further client; those that are connected stay
    ///
    /// Who connects is turned away, and told where to go instead, but for clients that come back to
    /// a session. Nothing else changes, until uncordon; a drain takes those that are connected
    /// away.
    Cordon(Cordon),
    /// Admit clients again
    Uncordon,
    /// Withdraw a version: clients that use it negotiate another one
    Withdraw(VersionArgs),
    /// Offer a version again, whoever withdrew it
    Restore(VersionArgs),
    /// Send clients elsewhere while the load is high; without --high, no longer
    Load(Load),
    /// Say where clients go when the server is lost; without addresses, nowhere
    Peers(Peers),
    /// Say what is logged from here on
    LogLevel(LogLevel),
    /// Count the rows of services that keep them in a store, by table and state version
    ///
    /// Rows are written in one state version. After finalizing some are left in the one before,
    /// until they are written next, or migrated.
    Rows(RowsArgs),
    /// Write rows in the next state version from here on
    ///
    /// Programs that do not know that version cannot use the store any more, and there is no way
    /// back without losing what the version before cannot hold. In a database that several nodes
    /// share, each of them must know it. What clients can say only in that version is offered.
    Finalize(Finalize),
    /// Write rows in the state version before from here on: the way back
    ///
    /// What clients can say only in the present one is withdrawn, and what rows of the version
    /// before cannot hold is lost. When all rows are migrated, too, an older program can use the
    /// store.
    Lower(Finalize),
    /// Rewrite rows of an older state version, beside the calls, and wait for the end
    Migrate(Migrate),
    /// Hand the rows of services, and the sessions with them, off to another node
    ///
    /// The other node has the same service and a store of its own without rows, and was started
    /// with --standby. Clients wait while the rows are on their way, and are sent to it; no call is
    /// lost or runs twice. If anything fails before the commit point, this server goes on. At most
    /// 64 MiB of rows go.
    HandOff(HandOff),
    /// Copy the rows of a service to a file, and make a new store of one
    Store(StoreArgs),
    /// Execute no further call, finish those in progress, and end
    Shutdown(Shutdown),
}

#[derive(Debug, Args)]
pub(crate) struct RowsArgs {
    /// The service. By default each one that has rows
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

impl RowsArgs {
    pub(crate) fn which(&self) -> Which {
        which(self.service.as_deref())
    }
}

#[derive(Debug, Args)]
pub(crate) struct HandOff {
    /// Where nodes speak to the other one: its control socket on this machine, or ubfs://HOST:PORT
    ///
    /// The address is that of its --control-listen. The server dials with its own certificate, and
    /// the policies of both name the other one: `node` in `[control]`.
    #[arg(long, value_name = "PLACE", required_unless_present = "show")]
    pub(crate) to: Option<ControlPlace>,

    #[command(flatten)]
    pub(crate) rows: RowsArgs,

    /// How long clients may wait until it is decided. Beyond it, this server goes on. By default 2s
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) within: Option<Duration>,

    /// Show how far the last one of each service is, and begin none
    #[arg(long, conflicts_with_all = ["to", "service", "within"])]
    pub(crate) show: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Finalize {
    #[command(flatten)]
    pub(crate) rows: RowsArgs,

    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) rows: RowsArgs,

    /// Do not wait for the end: say how far it is. It goes on
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Write the rows of a service, as they are at one moment, to a new file
    ///
    /// Calls go on meanwhile. Sessions of clients are not in it. The server writes the file, which
    /// only its user may read.
    Backup(Backup),
    /// Make a new store of a backup, while no server has it
    ///
    /// The file is read to its end before anything is written. Sessions are not restored: a client
    /// of one is told that it is unknown, and its calls in flight are in doubt.
    Restore(Restore),
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file, which is not there yet
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) rows: RowsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A backup
    pub(crate) file: PathBuf,

    /// The folder in which the service has no rows yet: that of --data of ubf serve
    #[arg(long, value_name = "DIR", required_unless_present = "store", conflicts_with = "store")]
    pub(crate) data: Option<String>,

    /// The database in which it has none: postgres://…
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,

    /// The service
    #[arg(long, value_name = "NAME", default_value = "kv")]
    pub(crate) service: String,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Show it again and again, every two seconds or as often as said here, until Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = some_time, num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    pub(crate) watch: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// Show those whose numbers are above this one
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) after: u64,

    /// Show so many at most, up to 500
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=500))]
    pub(crate) limit: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Kick {
    /// The connection, as in the list of connections
    pub(crate) number: u64,

    /// How long calls in progress may take. By default what the server was started with
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) hard_stop: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Move {
    /// The connection, as in the list of connections
    pub(crate) number: u64,

    /// Where its client is sent. By default to the server's peers
    #[arg(value_name = "NEXTIP")]
    pub(crate) address: Option<NextIp>,

    /// How long the client may take to go, before its connection is closed. By default what the
    /// server was started with
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) grace: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct LogLevel {
    /// error, warn, info, debug, trace or off, or what --log-filter of ubf serve takes
    pub(crate) filter: String,
}

#[derive(Debug, Args)]
pub(crate) struct Drain {
    /// Where clients are sent. By default to the server's peers
    pub(crate) address: Option<NextIp>,

    /// Stay when the clients are gone, until undrain or shutdown
    #[arg(long)]
    pub(crate) stay: bool,

    /// Wait for the end of the drain, or for as long as said here: until the server has ended, with
    /// --stay until no client is left. If a call was cut, the exit status is 1
    #[arg(long, value_name = "TIME", value_parser = time, num_args = 0..=1, require_equals = true, default_missing_value = "720h")]
    pub(crate) wait: Option<Duration>,

    /// How long clients may take to move. By default what the server was started with
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) grace: Option<Duration>,

    /// How long calls in progress may take after that. By default what the server was started with
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) hard_stop: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Cordon {
    /// Where new clients are sent. By default to the server's peers of the moment
    #[arg(value_name = "NEXTIP")]
    pub(crate) address: Option<NextIp>,
}

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// The version
    #[arg(value_parser = version)]
    pub(crate) version: Version,

    /// The service. By default each one that has this version; ? is the one of clients that name
    /// none
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

impl VersionArgs {
    pub(crate) fn which(&self) -> Which {
        which(self.service.as_deref())
    }
}

fn which(service: Option<&str>) -> Which {
    match service {
        None => Which::All,
        Some("?") => Which::One(Service::DEFAULT),
        Some(name) => Which::One(Service::named(name)),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Where clients are sent. By default to the server's peers
    #[arg(requires = "high")]
    pub(crate) address: Option<NextIp>,

    /// Above this load clients are sent away
    #[arg(long, value_name = "COUNT")]
    pub(crate) high: Option<u64>,

    /// Until the load is below this one. By default four fifths of --high
    #[arg(long, value_name = "COUNT", requires = "high")]
    low: Option<u64>,

    /// What the load is counted in
    #[arg(long, default_value = "connections")]
    pub(crate) unit: Unit,
}

impl Load {
    pub(crate) fn low(&self, high: u64) -> u64 {
        self.low.unwrap_or(high / 5 * 4)
    }

    /// What is wrong, before a server is asked (R9).
    pub(crate) fn check(&self) -> Result<(), String> {
        match (self.low, self.high) {
            (Some(low), Some(high)) if low > high => {
                Err(format!("the low mark, {low}, is above the high one, {high}"))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Unit {
    /// Clients that are connected
    #[value(alias = "sessions")]
    Connections,
    /// Calls in progress
    Calls,
}

impl Unit {
    pub(crate) const fn unit(self) -> LoadUnit {
        match self {
            Self::Connections => LoadUnit::Sessions,
            Self::Calls => LoadUnit::Calls,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Peers {
    /// The addresses, best first, with commas. The server's own is left out
    pub(crate) addresses: Option<NextIp>,
}

#[derive(Debug, Args)]
pub(crate) struct Shutdown {
    /// How long calls in progress may take. By default what the server was started with
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) hard_stop: Option<Duration>,
}

fn version(text: &str) -> Result<Version, &'static str> {
    text.parse().ok().and_then(Version::new).ok_or("a version is 1 to 2147483647")
}

/// A time of at most 30 days, which is the most that servers take.
fn time(text: &str) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(30 * 86_400);
    let time = duration(text)?;
    if time <= MOST { Ok(time) } else { Err("30 days are the longest time".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_an_end() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        assert_eq!(time("720h"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(time("5"), Ok(Duration::from_secs(5)));
        for text in ["", "s", "-1s", "721h", "99999999999999999999s"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
