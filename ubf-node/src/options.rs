//! What can be set: on the command line, or in a TOML file with the same words.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use ubf_codec::{Address, NextIp, Text};
use ubf_server::{Config, LoadPlan, LoadUnit, ServerLimits, Versions};

use crate::contracts::{ContractMode, ContractPlan};
use crate::control::is_a_goal;
use crate::log::LogForm;

const EXAMPLES: &str = "\
Examples:
  Serve echo in versions 1 to 3 on port 4000:
    PROGRAM --listen 127.0.0.1:4000 --versions 1-3

  A store, and echo beside it, on two addresses; clients go to b when this server drains or is lost:
    PROGRAM --listen 0.0.0.0:4000 --listen '[::]:4000' --service kv --service echo \\
        --advertise a.example:4000 --peers a.example:4000,b.example:4000

  The same from a file, but for the port:
    PROGRAM --config server.toml --listen 127.0.0.1:4001

      # server.toml: the words are those of the flags
      listen = [\"0.0.0.0:4000\", \"[::]:4000\"]
      advertise = \"a.example:4000\"
      peers = \"a.example:4000,b.example:4000\"
      service = [\"kv\", \"echo\"]
      versions = \"1-5,9,10,14\"
      grace-ms = 30000

  Under an operator's control:
    PROGRAM --listen 127.0.0.1:4000 --control /run/ubf.socket &
    ubf admin --control /run/ubf.socket status

Signals:
  SIGTERM, SIGQUIT  drain: clients are sent to --peers for --grace-ms, then calls
           in progress have --hard-stop-ms. Without peers there is no grace: nobody
           could take the clients over. The second one stops now, as SIGINT does.
  SIGHUP   opens the journal again, and reads the file of --config again: peers,
           load marks, grace, hard stop and log filter are taken from it.

Exit status:
  0  stopped; each call that was begun was answered
  1  could not start
  2  the command line or the file is wrong
  3  stopped, and a call was cut
  4  stopped by itself, because of a fault in this program";

/// What the end of the help says, for a program of this name.
#[must_use]
pub fn examples(program: &str) -> String {
    EXAMPLES.replace("PROGRAM", program)
}

/// A server of Joe Armstrong's UBF with versions, fallback and NextIP.
///
/// Clients and this server agree on the highest version that both speak. Each packet says its
/// version, and each reply says where the next message goes: so clients can be moved to another
/// server between two messages.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[command(after_long_help = examples("ubf-server"))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// A TOML file with these options. Flags win.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,

    /// Read flags and file, say what is wrong with them, and end: 0 if nothing is, 2 if something
    /// is.
    #[arg(long)]
    #[serde(skip)]
    check_config: bool,

    /// Where to listen; may be given several times. `unix:PATH` is a Unix socket for clients of
    /// this user. [default: 127.0.0.1:4000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,

    /// The address by which clients know this server. It is left out of the peers.
    #[arg(long, value_name = "ADDRESS")]
    advertise: Option<String>,

    /// What to serve; may be given several times. Clients that name no service get the first. kv
    /// keeps all in memory: it is gone when the server ends, also when a successor takes over.
    /// [default: echo]
    #[arg(long, value_name = "NAME")]
    service: Vec<ServiceName>,

    /// The versions to speak, as "1-5,9,10,14". A service speaks those of them that it has.
    /// [default: 1-3]
    #[arg(long, value_name = "LIST")]
    versions: Option<String>,

    /// Where clients go when this server drains or is lost, best first, with commas.
    #[arg(long, value_name = "ADDRESSES")]
    peers: Option<String>,

    /// How long clients may take to move in a drain. [default: 30000]
    #[arg(long, value_name = "MS")]
    grace_ms: Option<u64>,

    /// How long calls in progress may take after that. [default: 10000]
    #[arg(long, value_name = "MS")]
    hard_stop_ms: Option<u64>,

    /// Let a successor listen on the same addresses before this server leaves them
    /// (`SO_REUSEPORT`).
    ///
    /// Both processes need it. Then, drain this one to its own address: it stops to listen at
    /// once, its clients connect again and find the successor, and calls in progress are
    /// finished here. What kv and irc keep is not handed over.
    #[arg(long)]
    reuse_port: bool,

    /// A Unix socket for the operator, to be used with `ubf admin`. Nobody but this user can open
    /// it.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,

    /// Above this load, replies send clients to --peers.
    #[arg(long, value_name = "COUNT")]
    load_high: Option<u64>,

    /// Until the load is below this one. [default: four fifths of --load-high]
    #[arg(long, value_name = "COUNT")]
    load_low: Option<u64>,

    /// What the load is counted in. [default: sessions]
    #[arg(long, value_name = "UNIT")]
    load_unit: Option<Unit>,

    /// Connections at a time. [default: 10000]
    #[arg(long, value_name = "COUNT")]
    max_connections: Option<usize>,

    /// Connections at a time from one IP address. [default: 1000]
    #[arg(long, value_name = "COUNT")]
    max_connections_per_address: Option<usize>,

    /// For the handler of a call: beyond it, the call is answered `failed`. [default: 60000]
    #[arg(long, value_name = "MS")]
    max_call_ms: Option<u64>,

    /// Bytes of a packet. [default: 16777216]
    #[arg(long, value_name = "BYTES")]
    max_packet_bytes: Option<u32>,

    /// For the first packet of a connection to come whole: beyond it, the connection is closed.
    /// [default: 5000]
    #[arg(long, value_name = "MS")]
    max_negotiation_time_ms: Option<u64>,

    /// From the first byte of a packet to its end: beyond it, the connection is closed. [default:
    /// 30000]
    #[arg(long, value_name = "MS")]
    max_packet_time_ms: Option<u64>,

    /// Without traffic, while no answer is due: beyond it, the connection is closed. [default:
    /// 120000]
    #[arg(long, value_name = "MS")]
    max_idle_time_ms: Option<u64>,

    /// For a client to read on, while there is something for it: beyond it, the connection is
    /// closed. [default: 30000]
    #[arg(long, value_name = "MS")]
    max_write_time_ms: Option<u64>,

    /// Packets of a connection whose answers are not sent: beyond it, nothing more of it is read.
    /// [default: 1024]
    #[arg(long, value_name = "COUNT")]
    max_pending: Option<usize>,

    /// Bytes of these packets. One passes, however large it is. [default: 33554432]
    #[arg(long, value_name = "BYTES")]
    max_pending_bytes: Option<usize>,

    /// Bytes that a client may leave unread: beyond it, nothing more of it is read. [default:
    /// 1048576]
    #[arg(long, value_name = "BYTES")]
    max_unread_bytes: Option<usize>,

    /// A contract in UBF(B) that a service is to keep, as `kv=FILE`, or `kv/2=FILE` for its version
    /// 2; may be given several times. Other services and versions have the contracts that this
    /// program comes with.
    #[arg(long, value_name = "NAME=FILE")]
    contract: Vec<String>,

    /// What becomes of messages that break a contract. [default: enforce with --contract, else
    /// off]
    #[arg(long, value_name = "MODE")]
    contract_mode: Option<ContractMode>,

    /// A file to which a record is appended of each call, before it is executed.
    ///
    /// A record is an UBF(A) packet on a line of its own, which `ubf decode` reads:
    /// {executed,Service,Version,Request}, and for an event {event,Service,Version,Event}.
    /// Service is ? if the client named none. A call that was answered is in the file, even if
    /// this process was killed right after.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,

    /// How logs look. They go to stderr. [default: text]
    #[arg(long, value_name = "FORM")]
    log: Option<LogForm>,

    /// What is logged: error, warn, info, debug, trace, or a filter like `ubf_server=debug`.
    /// [default: info]
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
}

/// The services of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ServiceName {
    /// Answers each request with itself, in any version.
    Echo,
    /// Keeps values by key, in versions 1, 2 and 3.
    Kv,
    /// Groups of people who write to each other, in versions 1 and 2.
    Irc,
}

impl ServiceName {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Kv => "kv",
            Self::Irc => "irc",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Unit {
    /// Connections.
    #[default]
    Sessions,
    /// Calls in progress.
    Calls,
}

/// What the server is to do, complete and checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Vec<String>,
    pub(crate) services: Vec<ServiceName>,
    pub(crate) versions: Versions,
    pub(crate) advertise: Option<Address>,
    pub(crate) reuse_port: bool,
    pub(crate) control: Option<PathBuf>,
    pub(crate) load: Option<LoadPlan>,
    pub(crate) waits: Waits,
    pub(crate) config: Config,
    pub(crate) limits: ServerLimits,
    pub(crate) contracts: ContractPlan,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) log: LogForm,
    pub(crate) log_filter: String,
}

impl Settings {
    /// What this server is called in logs.
    pub(crate) fn node(&self) -> String {
        let listens = || self.listen.first().cloned().unwrap_or_default();
        self.advertise.as_ref().map_or_else(listens, ToString::to_string)
    }
}

/// How long a drain takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) grace: Duration,
    pub(crate) hard_stop: Duration,
}

/// What is wrong with an option: one line, and perhaps a hint.
#[derive(Debug)]
pub(crate) struct OptionError {
    text: String,
    hint: Option<&'static str>,
}

impl OptionError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    pub(crate) fn with_hint(text: impl Into<String>, hint: &'static str) -> Self {
        Self { text: text.into(), hint: Some(hint) }
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.hint.map_or(Ok(()), |hint| write!(f, "\n\nhint: {hint}"))
    }
}

impl Options {
    /// Whether a file says something of it.
    pub(crate) const fn has_file(&self) -> bool {
        self.config.is_some()
    }

    /// Whether nothing is to be served.
    pub(crate) const fn only_checks(&self) -> bool {
        self.check_config
    }

    /// These options, with those of the file where there is none, and the defaults.
    pub(crate) fn settings(mut self) -> Result<Settings, OptionError> {
        if let Some(path) = self.config.take() {
            self = self.or(Self::read(&path)?);
        }
        let peers = self.peers.as_deref().map(addresses).transpose()?.unwrap_or_default();
        let own = self.advertise.as_deref().map(address).transpose()?;
        let peers: Vec<_> = peers.into_iter().filter(|peer| Some(peer) != own.as_ref()).collect();
        let mut config = Config::default();
        config.agent = Some(Text::from_static(concat!("ubf-server/", env!("CARGO_PKG_VERSION"))));
        config.peers.clone_from(&peers);
        if let Some(max) = self.max_packet_bytes {
            config.limits.max_packet_bytes = max;
        }
        let wait = |ms: Option<u64>, default| ms.map_or(default, Duration::from_millis);
        config.max_negotiation_time =
            wait(self.max_negotiation_time_ms, config.max_negotiation_time);
        config.max_packet_time = wait(self.max_packet_time_ms, config.max_packet_time);
        config.max_idle_time = wait(self.max_idle_time_ms, config.max_idle_time);
        config.max_write_time = wait(self.max_write_time_ms, config.max_write_time);
        config.max_pending = at_least_one("--max-pending", self.max_pending, config.max_pending)?;
        config.max_pending_bytes =
            at_least_one("--max-pending-bytes", self.max_pending_bytes, config.max_pending_bytes)?;
        config.max_unread_bytes =
            at_least_one("--max-unread-bytes", self.max_unread_bytes, config.max_unread_bytes)?;
        let mut limits = ServerLimits::default();
        limits.max_connections =
            at_least_one("--max-connections", self.max_connections, limits.max_connections)?;
        limits.max_connections_per_address = at_least_one(
            "--max-connections-per-address",
            self.max_connections_per_address,
            limits.max_connections_per_address,
        )?;
        limits.max_call_time = self.max_call_ms.map_or(limits.max_call_time, Duration::from_millis);
        let mut services = Vec::new();
        for service in self.service {
            if !services.contains(&service) {
                services.push(service);
            }
        }
        if services.is_empty() {
            services.push(ServiceName::Echo);
        }
        if self.listen.is_empty() {
            self.listen.push("127.0.0.1:4000".into());
        }
        Ok(Settings {
            listen: self.listen,
            services,
            versions: versions(self.versions.as_deref().unwrap_or("1-3"))?,
            load: load(self.load_unit, self.load_low, self.load_high, NextIp::new(peers))?,
            advertise: own,
            reuse_port: self.reuse_port,
            control: self.control,
            waits: Waits {
                grace: Duration::from_millis(self.grace_ms.unwrap_or(30_000)),
                hard_stop: Duration::from_millis(self.hard_stop_ms.unwrap_or(10_000)),
            },
            config,
            limits,
            contracts: ContractPlan::new(&self.contract, self.contract_mode)?,
            journal: self.journal,
            log: self.log.unwrap_or_default(),
            log_filter: self.log_filter.unwrap_or_else(|| "info".into()),
        })
    }

    fn read(path: &Path) -> Result<Self, OptionError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            OptionError::new(format!("cannot read {}: {error}", path.display()))
        })?;
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text.get(..span.start).unwrap_or_default().lines().count().max(1)
            });
            let message = error.message().lines().next().unwrap_or_default();
            OptionError::new(format!("{}, line {line}: {message}", path.display()))
        })
    }

    fn or(self, other: Self) -> Self {
        let or = |ours: Vec<String>, theirs| if ours.is_empty() { theirs } else { ours };
        Self {
            config: None,
            check_config: self.check_config,
            listen: or(self.listen, other.listen),
            advertise: self.advertise.or(other.advertise),
            service: if self.service.is_empty() { other.service } else { self.service },
            versions: self.versions.or(other.versions),
            peers: self.peers.or(other.peers),
            reuse_port: self.reuse_port || other.reuse_port,
            control: self.control.or(other.control),
            load_high: self.load_high.or(other.load_high),
            load_low: self.load_low.or(other.load_low),
            load_unit: self.load_unit.or(other.load_unit),
            grace_ms: self.grace_ms.or(other.grace_ms),
            hard_stop_ms: self.hard_stop_ms.or(other.hard_stop_ms),
            max_connections: self.max_connections.or(other.max_connections),
            max_connections_per_address: self
                .max_connections_per_address
                .or(other.max_connections_per_address),
            max_call_ms: self.max_call_ms.or(other.max_call_ms),
            max_packet_bytes: self.max_packet_bytes.or(other.max_packet_bytes),
            max_negotiation_time_ms: self.max_negotiation_time_ms.or(other.max_negotiation_time_ms),
            max_packet_time_ms: self.max_packet_time_ms.or(other.max_packet_time_ms),
            max_idle_time_ms: self.max_idle_time_ms.or(other.max_idle_time_ms),
            max_write_time_ms: self.max_write_time_ms.or(other.max_write_time_ms),
            max_pending: self.max_pending.or(other.max_pending),
            max_pending_bytes: self.max_pending_bytes.or(other.max_pending_bytes),
            max_unread_bytes: self.max_unread_bytes.or(other.max_unread_bytes),
            contract: or(self.contract, other.contract),
            contract_mode: self.contract_mode.or(other.contract_mode),
            journal: self.journal.or(other.journal),
            log: self.log.or(other.log),
            log_filter: self.log_filter.or(other.log_filter),
        }
    }
}

/// A server with room for nothing would never read.
fn at_least_one(flag: &str, limit: Option<usize>, default: usize) -> Result<usize, OptionError> {
    match limit {
        Some(0) => Err(OptionError::new(format!("{flag} is 0: nothing would ever be read"))),
        limit => Ok(limit.unwrap_or(default)),
    }
}

/// R9: load marks without a place to send clients to are a mistake.
fn load(
    unit: Option<Unit>,
    low: Option<u64>,
    high: Option<u64>,
    next_ip: Option<NextIp>,
) -> Result<Option<LoadPlan>, OptionError> {
    let wrong = |text, hint| Err(OptionError { text: String::from(text), hint: Some(hint) });
    let (high, next_ip) = match (high, next_ip) {
        (Some(high), Some(next_ip)) => (high, next_ip),
        (Some(_), None) => {
            return wrong(
                "load marks without peers",
                "clients are sent to other servers: --peers b:4000",
            );
        }
        (None, _) if low.is_some() || unit.is_some() => {
            return wrong(
                "load marks without the high one",
                "--load-high says when clients are sent away",
            );
        }
        (None, _) => return Ok(None),
    };
    let low = low.unwrap_or(high / 5 * 4);
    if low > high {
        return wrong(
            "the low load mark is above the high one",
            "clients are sent away above --load-high, until below --load-low",
        );
    }
    let unit = match unit.unwrap_or_default() {
        Unit::Sessions => LoadUnit::Sessions,
        Unit::Calls => LoadUnit::Calls,
    };
    Ok(Some(LoadPlan::new(unit, low, high, next_ip)))
}

fn address(text: &str) -> Result<Address, OptionError> {
    let address = text.trim().parse();
    let address = address.map_err(|error| OptionError::new(format!("{text}: {error}")))?;
    if !is_a_goal(&address) {
        return Err(OptionError {
            text: format!("{text}: not an address that a client can go to"),
            hint: Some("it stands for all addresses of a machine: name one of them"),
        });
    }
    Ok(address)
}

fn addresses(text: &str) -> Result<Vec<Address>, OptionError> {
    text.split(',').filter(|part| !part.trim().is_empty()).map(address).collect()
}

/// Versions and ranges of them, with commas.
fn versions(text: &str) -> Result<Versions, OptionError> {
    let bad = || OptionError {
        text: format!("{text}: not a list of versions"),
        hint: Some("versions are 1 to 2147483647, at most 1024 of them: --versions 1-5,9,10,14"),
    };
    let mut versions = Versions::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.trim().parse().map_err(|_| bad())?;
        let last: u32 = last.trim().parse().map_err(|_| bad())?;
        if first > last || (last - first) as usize >= Versions::MAX_LEN {
            return Err(bad());
        }
        for number in first..=last {
            let version = ubf_codec::Version::new(number).ok_or_else(bad)?;
            if !versions.insert(version) && !versions.contains(version) {
                return Err(bad());
            }
        }
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn versions_are_numbers_and_ranges() {
        assert_eq!(versions("1-5,9, 10,14,9").unwrap().to_string(), "1-5,9,10,14");
        for text in ["", "0", "1-", "-1", "5-1", "1-4000000000", "1-1025", "2147483648", "one"] {
            assert!(versions(text).is_err(), "{text}");
        }
        assert_eq!(versions("1-1024").unwrap().len(), 1024);
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_defaults() {
        let file: Options =
            toml::from_str("listen = ['a:1']\nversions = '7'\nservice = ['kv']\ngrace-ms = 5")
                .unwrap();
        let flags =
            Program::parse_from(["ubf-server", "--listen", "b:2", "--versions", "9"]).options;
        let settings = flags.or(file).settings().unwrap();
        assert_eq!(
            (settings.listen, settings.versions.to_string()),
            (vec!["b:2".into()], "9".into())
        );
        assert_eq!(
            (settings.services, settings.waits.grace.as_millis()),
            (vec![ServiceName::Kv], 5)
        );
        assert_eq!(settings.waits.hard_stop.as_secs(), 10);
    }

    #[test]
    fn waits_and_queues_are_set_by_flags_and_by_the_file() {
        let file = "max-negotiation-time-ms = 1\nmax-packet-time-ms = 2\nmax-idle-time-ms = 3\nmax-pending = 7";
        let file: Options = toml::from_str(file).unwrap();
        let flags = [
            "ubf-server",
            "--max-idle-time-ms=4",
            "--max-write-time-ms=5",
            "--max-pending-bytes=8",
        ];
        let config = Program::parse_from(flags).options.or(file).settings().unwrap().config;
        let waits = [
            config.max_negotiation_time,
            config.max_packet_time,
            config.max_idle_time,
            config.max_write_time,
        ];
        assert_eq!(waits.map(|wait| wait.as_millis()), [1, 2, 4, 5]);
        assert_eq!(
            (config.max_pending, config.max_pending_bytes, config.max_unread_bytes),
            (7, 8, 1 << 20)
        );
        for flag in ["--max-pending=0", "--max-pending-bytes=0", "--max-unread-bytes=0"] {
            assert!(
                Program::parse_from(["ubf-server", flag]).options.settings().is_err(),
                "{flag}"
            );
        }
    }

    #[test]
    fn a_word_that_is_not_known_is_an_error() {
        assert!(toml::from_str::<Options>("listn = ['a:1']").is_err());
    }

    #[test]
    fn a_server_is_not_its_own_peer() {
        let flags = ["ubf-server", "--advertise", "a:1", "--peers", "a:1,b:2"];
        let settings = Program::parse_from(flags).options.settings().unwrap();
        assert_eq!(settings.config.peers, ["b:2".parse().unwrap()]);
    }

    #[test]
    fn load_marks_are_complete_or_an_error() {
        let settings = |flags: &[&str]| {
            Program::parse_from([&["ubf-server"], flags].concat()).options.settings()
        };
        let plan = settings(&["--load-high", "100", "--peers", "b:2"]).unwrap().load.unwrap();
        assert_eq!((plan.unit, plan.low, plan.high), (LoadUnit::Sessions, 80, 100));
        let plan = settings(&[
            "--load-high",
            "9",
            "--load-low",
            "9",
            "--load-unit",
            "calls",
            "--peers",
            "b:2",
        ]);
        assert_eq!(plan.unwrap().load.unwrap().unit, LoadUnit::Calls);
        assert!(settings(&["--load-high", "9"]).is_err());
        assert!(settings(&["--load-low", "9", "--peers", "b:2"]).is_err());
        assert!(settings(&["--load-high", "9", "--load-low", "10", "--peers", "b:2"]).is_err());
    }
}
