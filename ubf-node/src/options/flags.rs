//! The command line.
//!
//! Values are taken as texts: what is wrong with them is said together with what is wrong in the
//! file and in the environment.
//!
//! None of these types makes a group of arguments: a program of somebody else's may have a type of
//! the same name among its own options.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::Unit;
use super::classic::{FlavourName, When};
use super::help::examples;
use super::problem::Origin;
use super::reader::Given;
use super::value::Raw;
use super::words::{Named, Words};
use crate::contracts::ContractMode;
use crate::log::LogForm;
use crate::rows::Adopts;
use crate::services::ABOUT;

/// A server of Joe Armstrong's UBF with versions, fallback and NextIP.
///
/// Clients and this server agree on the highest version that both speak. Each packet says its
/// version, and each reply says where the next message goes: so clients can be moved to another
/// server between two messages.
#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
#[command(after_long_help = examples("ubf-server"))]
pub struct Options {
    /// A TOML file with these settings. Variables of the environment (`UBF_SERVE_LISTEN`) and flags
    /// win.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Take the place of the server whose control socket --control names: its listeners, and its
    /// clients' sessions. Without one there, serve as usual.
    #[arg(long)]
    take_over: bool,

    /// Show each setting and where it comes from, say all that is wrong, and end: 0 if nothing is,
    /// 2 if something is.
    #[arg(long)]
    pub(super) check_config: bool,

    /// Where to listen; several with commas, or the flag again. `unix:PATH` is a Unix socket for
    /// clients of this user, `fd:NAME` what a supervisor has opened under this name (`LISTEN_FDS`),
    /// and `fd:*` all of that. [default: 127.0.0.1:4000; with --classic none]
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<OsString>,

    /// The address by which clients know this server. It is left out of the peers.
    #[arg(long, value_name = "ADDRESS")]
    advertise: Option<OsString>,

    /// What to serve; several with commas, or the flag again. Clients that name no service get the
    /// first. Without --data, kv keeps all in memory: it is gone when the server ends, also when a
    /// successor takes over. [default: echo; with --script or --gateway none]
    #[arg(long, value_name = "NAME", value_parser = Named::new(&ABOUT))]
    service: Vec<OsString>,

    /// The versions to speak, as "1-5,9,10,14"; for one service as "kv=1-3,echo=1". A service
    /// speaks those of them that it has. [default: 1-3]
    #[arg(long, value_name = "LIST")]
    versions: Option<OsString>,

    /// Where clients go when this server drains or is lost, best first, with commas.
    #[arg(long, value_name = "ADDRESSES")]
    peers: Vec<OsString>,

    /// Let a successor listen on the same addresses before this server leaves them
    /// (`SO_REUSEPORT`).
    ///
    /// Both processes need it. Then, drain this one to its own address: it stops to listen at
    /// once, its clients connect again and find the successor, and calls in progress are
    /// finished here. What services keep in memory is not handed over.
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    reuse_port: Option<OsString>,

    /// A Unix socket for the operator, to be used with `ubf admin`. Nobody but this user can open
    /// it.
    #[arg(long, value_name = "PATH")]
    control: Option<OsString>,

    /// Where operators come by a network, with `ubf admin --control ubfs://HOST:PORT`: mutual TLS,
    /// with the certificate of --tls-cert. --policy says who of them may see, and who steer;
    /// without it all may see. What names files of this machine is for --control alone.
    #[arg(long, value_name = "ADDRESS")]
    control_listen: Option<OsString>,

    /// The authorities of operators, and of other nodes: each has to show a certificate of one of
    /// them.
    #[arg(long, value_name = "FILE")]
    control_client_ca: Option<OsString>,

    /// The address by which other nodes find --control-listen, to ask what became of rows that they
    /// were given. [default: that of --control-listen, unless it stands for several]
    #[arg(long, value_name = "ADDRESS")]
    control_advertise: Option<OsString>,

    /// The authorities of other nodes' certificates, for rows that are handed off to
    /// `ubfs://HOST:PORT`, or come from there. This node shows the certificate of --tls-cert.
    /// [default: those of --control-client-ca]
    #[arg(long, value_name = "FILE")]
    node_ca: Option<OsString>,

    /// A file to which a line of JSON is appended for each thing that an operator does or tries:
    /// who, when, from where, what, and what came of it. Its mode is 0600.
    #[arg(long, value_name = "FILE")]
    audit: Option<OsString>,

    /// Who may connect, use which service, see and steer: a TOML file with patterns of
    /// certificates' names, and networks. It is read again at SIGHUP: a bad one is refused, and
    /// the one from before stays.
    #[arg(long, value_name = "FILE")]
    policy: Option<OsString>,

    /// Networks of balancers that say who their clients are, by the PROXY protocol, version 2, on
    /// each connection; several with commas, or the flag again.
    #[arg(long, value_name = "NETWORKS")]
    proxy_from: Vec<OsString>,

    /// Where monitors and people look by HTTP: a page, /metrics, /livez, /readyz, /status.json,
    /// /events. Only this machine may ask there, or who has the token; who has it can steer, too.
    #[arg(long, value_name = "ADDRESS")]
    admin_http: Option<OsString>,

    /// A file whose first line is a secret of 16 to 256 characters: who looks by HTTP has to show
    /// it (`Authorization: Bearer …`, or as a password), but for /livez and /readyz.
    #[arg(long, value_name = "FILE")]
    admin_token: Option<OsString>,

    /// Those who look by HTTP do so by HTTPS, with the certificate of --tls-cert.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    admin_http_tls: Option<OsString>,

    /// The authorities of those who look by HTTPS: each has to show a certificate of one of them.
    /// Without --admin-token all of these may look, and nobody steer.
    #[arg(long, value_name = "FILE")]
    admin_http_client_ca: Option<OsString>,

    /// Keep the rows of services that have some, and the sessions of their clients, in files of this
    /// folder: they survive this process, also when it is killed. Clients get sessions of level durable:
    /// their calls are answered, once, by the next process with the same folder.
    ///
    /// A reply leaves when what it tells of is on the disk. One process at a time has the folder.
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    data: Option<OsString>,

    /// Keep them in a database: `postgres://USER@HOST/NAME`. The connection is not encrypted.
    #[arg(long, value_name = "URL")]
    store: Option<OsString>,

    /// The state version in which a new store is written, and with it what can be said; for one
    /// service as "ledger=34,kv=1". kv has 1, and 2 for revisions; ledger has 32, 33 for limits, 34
    /// for moves and 35 for memos. [default: the newest]
    #[arg(long, value_name = "LIST")]
    state_version: Option<OsString>,

    /// The state versions that this program is to know, as "32-34", or "ledger=32-34": so it is as
    /// an earlier release, for demonstrations and tests of fleets with mixed releases.
    #[arg(long, value_name = "LIST", hide = true)]
    knows: Option<OsString>,

    /// Begin no rows in an empty --data: wait until another node hands them off. With --store:
    /// claim the rows only if no other node owns them, and watch it until then. Clients are sent
    /// on.
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    standby: Option<OsString>,

    /// Own rows that a hand-off has left in doubt, or that were handed off: the other node is lost
    /// for good. What it has done since then is lost, and two nodes have the rows if it is not.
    #[arg(long)]
    adopt: bool,

    /// A file with services that are played by its rules; may be given several times. The end of
    /// this help shows one.
    #[arg(long, value_name = "FILE")]
    script: Vec<OsString>,

    /// A service whose work versioned servers do, at addresses with commas between them, best
    /// first; may be given several times. Each connection has a session of its own there, which
    /// goes on while they are drained or upgraded.
    #[arg(long, value_name = "NAME=ADDRESSES")]
    gateway: Vec<OsString>,

    /// A contract in UBF(B) that a service is to keep, as `kv=FILE`, or `kv/2=FILE` for its version
    /// 2; may be given several times. Other services and versions have the contracts that this
    /// program comes with.
    #[arg(long, value_name = "NAME=FILE")]
    contract: Vec<OsString>,

    /// What becomes of messages that break a contract. [default: enforce with --contract, else
    /// off]
    #[arg(long, value_name = "MODE", value_parser = Words::<ContractMode>::new())]
    contract_mode: Option<OsString>,

    /// A file to which a record is appended of each call, before it is executed.
    ///
    /// A record is an UBF(A) packet on a line of its own, which `ubf decode` reads:
    /// {executed,Service,Version,Request}, and for an event {event,Service,Version,Event}.
    /// Service is ? if the client named none. A call that was answered is in the file, even if
    /// this process was killed right after.
    #[arg(long, value_name = "FILE")]
    journal: Option<OsString>,

    #[command(flatten)]
    classic: Classic,

    #[command(flatten)]
    tls: Tls,

    #[command(flatten)]
    drain: Drain,

    #[command(flatten)]
    load: Load,

    #[command(flatten)]
    log: Log,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    sessions: Sessions,
}

/// Peers of the time before versions: Erlang's, Java's and JavaScript's clients.
#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "Stock peers")]
struct Classic {
    /// Where to listen for stock peers, which know no versions; several with commas, or the flag
    /// again. They get the same services, and are greeted at once.
    #[arg(long, value_name = "ADDRESS")]
    classic: Vec<OsString>,

    /// Serve stock peers on the addresses of --listen, too: a client that begins with a digit is
    /// versioned; one that says nothing for so long, or begins otherwise, is a stock peer.
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "300ms"
    )]
    classic_shared: Option<OsString>,

    /// The versions of the services that stock peers have, as "kv=2,echo=1". [default: the highest
    /// of each]
    #[arg(long, value_name = "LIST")]
    classic_versions: Vec<OsString>,

    /// Begin all their sessions in this service, without a meta level (`startplugin`).
    #[arg(long, value_name = "NAME")]
    classic_start: Option<OsString>,

    /// The implementation that stock peers find. [default: erl2]
    #[arg(long, value_name = "NAME", value_parser = Words::<FlavourName>::new())]
    classic_flavour: Option<OsString>,

    /// When stock peers are sent events. [default: when-quiet]
    #[arg(long, value_name = "WHEN", value_parser = Words::<When>::new())]
    classic_events: Option<OsString>,

    /// Whether they are greeted. Most wait for it. [default: true]
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    classic_hello: Option<OsString>,

    /// Leave the state out of replies (`simplerpc`).
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    classic_simplerpc: Option<OsString>,
}

/// What keeps connections from those on their path. The files are PEM.
#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "TLS")]
struct Tls {
    /// Speak TLS on all addresses but Unix sockets, and show this certificate; those that lead from
    /// it to its authority stand behind it. It is read again at SIGHUP, and when it changes: a bad
    /// one is refused, and the one from before stays.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<OsString>,

    /// The key of --tls-cert.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<OsString>,

    /// Clients have to show a certificate of these authorities. They are counted by its name, and
    /// their sessions belong to it.
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<OsString>,
}

#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "Drain")]
struct Drain {
    /// How long clients may take to move in a drain. [default: 30s]
    #[arg(long, value_name = "TIME")]
    grace: Option<OsString>,

    /// How long calls in progress may take after that. [default: 10s]
    #[arg(long, value_name = "TIME")]
    hard_stop: Option<OsString>,
}

#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "Load")]
struct Load {
    /// Above this load, replies send clients to --peers.
    #[arg(long, value_name = "COUNT")]
    load_high: Option<OsString>,

    /// Until the load is below this one. [default: four fifths of --load-high]
    #[arg(long, value_name = "COUNT")]
    load_low: Option<OsString>,

    /// What the load is counted in. [default: connections]
    #[arg(long, value_name = "UNIT", value_parser = Words::<Unit>::new())]
    load_unit: Option<OsString>,
}

#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "Log")]
struct Log {
    /// How logs look. They go to stderr. [default: text]
    #[arg(long, value_name = "FORM", value_parser = Words::<LogForm>::new())]
    log: Option<OsString>,

    /// What is logged: error, warn, info, debug, trace, or a filter like `ubf_server=debug`.
    /// [default: info]
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<OsString>,
}

#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "Limits")]
struct Limits {
    /// Connections at a time. [default: 10000]
    #[arg(long, value_name = "COUNT")]
    max_connections: Option<OsString>,

    /// Connections at a time from one IP address. [default: 1000]
    #[arg(long, value_name = "COUNT")]
    max_connections_per_address: Option<OsString>,

    /// For the handler of a call: beyond it, the call is answered `failed`. [default: 1m]
    #[arg(long, value_name = "TIME")]
    max_call_time: Option<OsString>,

    /// Of a packet. [default: 16MiB]
    #[arg(long, value_name = "BYTES")]
    max_packet_bytes: Option<OsString>,

    /// For the first packet of a connection to come whole: beyond it, the connection is closed.
    /// [default: 5s]
    #[arg(long, value_name = "TIME")]
    max_negotiation_time: Option<OsString>,

    /// From the first byte of a packet to its end: beyond it, the connection is closed. [default:
    /// 30s]
    #[arg(long, value_name = "TIME")]
    max_packet_time: Option<OsString>,

    /// Without traffic, while no answer is due: beyond it, the connection is closed. [default: 2m]
    #[arg(long, value_name = "TIME")]
    max_idle_time: Option<OsString>,

    /// For a client to read on, while there is something for it: beyond it, the connection is
    /// closed. [default: 30s]
    #[arg(long, value_name = "TIME")]
    max_write_time: Option<OsString>,

    /// Packets of a connection whose answers are not sent: beyond it, nothing more of it is read.
    /// [default: 1024]
    #[arg(long, value_name = "COUNT")]
    max_pending: Option<OsString>,

    /// Of these packets together. One passes, however large it is. [default: 32MiB]
    #[arg(long, value_name = "BYTES")]
    max_pending_bytes: Option<OsString>,

    /// What a client may leave unread: beyond it, nothing more of it is read. [default: 1MiB]
    #[arg(long, value_name = "BYTES")]
    max_unread_bytes: Option<OsString>,
}

/// What outlives connections: what a client was granted stays granted.
#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "Sessions")]
struct Sessions {
    /// Sessions at a time, with and without a connection; 0 grants none. [default: 20000]
    #[arg(long, value_name = "COUNT")]
    max_sessions: Option<OsString>,

    /// Sessions at a time from one IP address: beyond it, one without a connection makes room.
    /// [default: 2000]
    #[arg(long, value_name = "COUNT")]
    max_sessions_per_address: Option<OsString>,

    /// Messages of one session without an answer. [default: 4096]
    #[arg(long, value_name = "COUNT")]
    max_window: Option<OsString>,

    /// Of these messages together. [default: 16MiB]
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<OsString>,

    /// Of answers that are kept for one session: beyond it, none of its calls begins. Clients that
    /// take larger packets get no session. [default: 16MiB]
    #[arg(long, value_name = "BYTES")]
    max_kept: Option<OsString>,

    /// Of answers and events that are kept for all sessions: beyond it, none is granted, and each
    /// keeps little. [default: 1GiB]
    #[arg(long, value_name = "BYTES")]
    max_kept_in_all: Option<OsString>,

    /// How long a session is kept without a connection. [default: 10m]
    #[arg(long, value_name = "TIME")]
    max_keep: Option<OsString>,
}

impl Options {
    /// U2: whether it takes the place of another server.
    pub(crate) const fn takes_over(&self) -> bool {
        self.take_over
    }

    /// U5: whether rows are owned that a hand-off has left in doubt.
    pub(crate) const fn adopts(&self) -> Adopts {
        if self.adopt { Adopts::Yes } else { Adopts::No }
    }

    /// Whether nothing is to be served.
    pub(crate) const fn only_checks(&self) -> bool {
        self.check_config
    }

    /// What was said on the command line, by key.
    pub(super) fn given(&self) -> Vec<(String, Given)> {
        let one = |text: &Option<OsString>| text.clone().map(Raw::from);
        let some = |texts: &Vec<OsString>| {
            let list = || Raw::List(texts.iter().cloned().map(Raw::from).collect());
            (!texts.is_empty()).then(list)
        };
        let Self { classic, drain, load, log, limits, sessions, tls, .. } = self;
        let flags: [(&str, &'static str, Option<Raw>); 64] = [
            ("listen", "--listen", some(&self.listen)),
            ("advertise", "--advertise", one(&self.advertise)),
            ("service", "--service", some(&self.service)),
            ("versions", "--versions", one(&self.versions)),
            ("peers", "--peers", some(&self.peers)),
            ("reuse-port", "--reuse-port", one(&self.reuse_port)),
            ("control", "--control", one(&self.control)),
            ("control-listen", "--control-listen", one(&self.control_listen)),
            ("control-client-ca", "--control-client-ca", one(&self.control_client_ca)),
            ("control-advertise", "--control-advertise", one(&self.control_advertise)),
            ("node-ca", "--node-ca", one(&self.node_ca)),
            ("audit", "--audit", one(&self.audit)),
            ("policy", "--policy", one(&self.policy)),
            ("proxy-from", "--proxy-from", some(&self.proxy_from)),
            ("admin-http", "--admin-http", one(&self.admin_http)),
            ("admin-token", "--admin-token", one(&self.admin_token)),
            ("admin-http-tls", "--admin-http-tls", one(&self.admin_http_tls)),
            ("admin-http-client-ca", "--admin-http-client-ca", one(&self.admin_http_client_ca)),
            ("data", "--data", one(&self.data)),
            ("store", "--store", one(&self.store)),
            ("state-version", "--state-version", one(&self.state_version)),
            ("knows", "--knows", one(&self.knows)),
            ("standby", "--standby", one(&self.standby)),
            ("journal", "--journal", one(&self.journal)),
            ("script", "--script", some(&self.script)),
            ("gateway", "--gateway", some(&self.gateway)),
            ("classic.listen", "--classic", some(&classic.classic)),
            ("classic.shared", "--classic-shared", one(&classic.classic_shared)),
            ("classic.versions", "--classic-versions", some(&classic.classic_versions)),
            ("classic.start", "--classic-start", one(&classic.classic_start)),
            ("classic.flavour", "--classic-flavour", one(&classic.classic_flavour)),
            ("classic.events", "--classic-events", one(&classic.classic_events)),
            ("classic.hello", "--classic-hello", one(&classic.classic_hello)),
            ("classic.simplerpc", "--classic-simplerpc", one(&classic.classic_simplerpc)),
            ("contract", "--contract", some(&self.contract)),
            ("contract-mode", "--contract-mode", one(&self.contract_mode)),
            ("tls.cert", "--tls-cert", one(&tls.tls_cert)),
            ("tls.key", "--tls-key", one(&tls.tls_key)),
            ("tls.client-ca", "--tls-client-ca", one(&tls.tls_client_ca)),
            ("drain.grace", "--grace", one(&drain.grace)),
            ("drain.hard-stop", "--hard-stop", one(&drain.hard_stop)),
            ("load.high", "--load-high", one(&load.load_high)),
            ("load.low", "--load-low", one(&load.load_low)),
            ("load.unit", "--load-unit", one(&load.load_unit)),
            ("log.form", "--log", one(&log.log)),
            ("log.filter", "--log-filter", one(&log.log_filter)),
            ("limits.max-connections", "--max-connections", one(&limits.max_connections)),
            (
                "limits.max-connections-per-address",
                "--max-connections-per-address",
                one(&limits.max_connections_per_address),
            ),
            ("limits.max-call-time", "--max-call-time", one(&limits.max_call_time)),
            ("limits.max-packet-bytes", "--max-packet-bytes", one(&limits.max_packet_bytes)),
            (
                "limits.max-negotiation-time",
                "--max-negotiation-time",
                one(&limits.max_negotiation_time),
            ),
            ("limits.max-packet-time", "--max-packet-time", one(&limits.max_packet_time)),
            ("limits.max-idle-time", "--max-idle-time", one(&limits.max_idle_time)),
            ("limits.max-write-time", "--max-write-time", one(&limits.max_write_time)),
            ("limits.max-pending", "--max-pending", one(&limits.max_pending)),
            ("limits.max-pending-bytes", "--max-pending-bytes", one(&limits.max_pending_bytes)),
            ("limits.max-unread-bytes", "--max-unread-bytes", one(&limits.max_unread_bytes)),
            ("sessions.max-sessions", "--max-sessions", one(&sessions.max_sessions)),
            (
                "sessions.max-sessions-per-address",
                "--max-sessions-per-address",
                one(&sessions.max_sessions_per_address),
            ),
            ("sessions.max-window", "--max-window", one(&sessions.max_window)),
            ("sessions.max-bytes", "--max-bytes", one(&sessions.max_bytes)),
            ("sessions.max-kept", "--max-kept", one(&sessions.max_kept)),
            ("sessions.max-kept-in-all", "--max-kept-in-all", one(&sessions.max_kept_in_all)),
            ("sessions.max-keep", "--max-keep", one(&sessions.max_keep)),
        ];
        let given = |(key, flag, raw): (&str, _, Option<Raw>)| {
            Some((key.to_owned(), Given { raw: raw?, origin: Origin::Flag(flag) }))
        };
        flags.into_iter().filter_map(given).collect()
    }
}
