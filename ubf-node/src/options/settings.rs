//! What the server is to do, complete and checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use toml::Value;
use ubf_client::Target;
use ubf_client::tls::ClientTls;
use ubf_codec::{Address, NextIp, Text};
use ubf_net::Network;
use ubf_net::tls::ServerFiles;
use ubf_proto::units;
use ubf_server::{Config, LoadPlan, LoadUnit, ServerLimits, SessionLimits};

use super::classic::ClassicPlan;
use super::problem::Wrong;
use super::reader::Reader;
use super::value::{Raw, address, any, count, flag, path, size, some, time, word};
use super::versions::{PerService, ServiceVersions};
use crate::admin_http::{AdminHttpPlan, TokenFile};
use crate::certificates::Certificates;
use crate::contracts::{self, ContractMode, ContractPlan};
use crate::gateway::GatewayPlan;
use crate::log::{LogForm, filter};
use crate::policy::Policy;
use crate::rows::{Causes, StorePlace, StorePlan, state_versions};
use crate::script::{self, Script};

/// Where versioned clients are served when nobody says it.
const DEFAULT_LISTEN: &str = "127.0.0.1:4000";

/// The services of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServiceName {
    /// Answers each request with itself, in any version.
    Echo,
    /// Keeps values by key, in versions 1, 2 and 3.
    Kv,
    /// Groups of people who write to each other, in versions 1 and 2.
    Irc,
    /// Keeps accounts, and moves money between them, in versions 1, 2 and 3; it wants --data or
    /// --store.
    Ledger,
}

impl ServiceName {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Kv => "kv",
            Self::Irc => "irc",
            Self::Ledger => "ledger",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Unit {
    /// Clients that are connected.
    #[value(alias = "sessions")]
    Connections,
    /// Calls in progress.
    Calls,
}

/// What the server is to do.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Vec<String>,
    pub(crate) services: Vec<ServiceName>,
    pub(crate) scripts: Vec<Arc<Script>>,
    pub(crate) gateways: Vec<GatewayPlan>,
    pub(crate) classic: ClassicPlan,
    pub(crate) versions: ServiceVersions,
    pub(crate) advertise: Option<Address>,
    pub(crate) reuse_port: bool,
    pub(crate) control: Option<PathBuf>,
    pub(crate) control_listen: Option<ControlPlan>,
    pub(crate) audit: Option<PathBuf>,
    pub(crate) policy: Option<Policy>,
    pub(crate) proxy_from: Vec<Network>,
    pub(crate) admin_http: Option<AdminHttpPlan>,
    pub(crate) tls: Option<Certificates>,
    pub(crate) load: Option<LoadPlan>,
    pub(crate) waits: Waits,
    pub(crate) config: Config,
    pub(crate) limits: ServerLimits,
    pub(crate) sessions: SessionLimits,
    /// Where the rows of services are kept. `None`: in memory.
    pub(crate) store: Option<StorePlan>,
    pub(crate) contracts: ContractPlan,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) log: LogForm,
    pub(crate) log_filter: String,
}

/// Where operators come by a network.
#[derive(Debug)]
pub(crate) struct ControlPlan {
    pub(crate) address: String,
    /// Mutual, with the authorities of operators and of other nodes.
    pub(crate) certificates: Certificates,
    /// U5: where other nodes find it, if that is said.
    pub(crate) advertise: Option<Address>,
    /// U5: the authorities of other nodes' certificates.
    pub(crate) node_authorities: PathBuf,
}

/// How long a drain takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) grace: Duration,
    pub(crate) hard_stop: Duration,
}

impl Settings {
    /// What this server is called in logs.
    pub(crate) fn node(&self) -> String {
        let mut listens = self.listen.iter().chain(&self.classic.listen);
        let listens = || listens.next().cloned().unwrap_or_default();
        self.advertise.as_ref().map_or_else(listens, ToString::to_string)
    }

    /// Where clients find this server, as far as it is known before it listens.
    pub(crate) fn known_address(&self) -> Option<String> {
        let listens = self.listen.iter().filter_map(|listen| listen.parse::<Address>().ok());
        let mut known = self.advertise.iter().cloned().chain(listens);
        known.find(crate::control::is_a_goal).map(|address| address.to_string())
    }

    /// Reads all settings. What is wrong is with the reader, and the default is in its place here.
    pub(super) fn read(reader: &mut Reader) -> Self {
        let scripts = reader.take_if_any(
            "script",
            |raw| {
                let paths = raw.parts()?;
                let texts = paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>();
                script::read_all(&paths).map(|scripts| (texts, scripts))
            },
            |(texts, _)| list(texts.iter()),
        );
        let (_, scripts) = scripts.unwrap_or_default();
        let gateways = reader.take("gateway", Vec::new(), gateways, |all| {
            list(all.iter().map(GatewayPlan::to_text))
        });
        let classic = ClassicPlan::read(reader);
        // The usual is shown first, and tables behind what has none.
        let shown_behind = std::mem::take(&mut reader.shown);
        let nowhere =
            || if classic.listen.is_empty() { vec![DEFAULT_LISTEN.to_owned()] } else { Vec::new() };
        let listen = reader.take("listen", nowhere(), addresses, |all| list(all.iter()));
        let advertise = reader.take_if_any("advertise", |raw| address(raw.text()?), shown);
        let has_others = !scripts.is_empty() || !gateways.is_empty();
        let by_default = if has_others { Vec::new() } else { vec![ServiceName::Echo] };
        let services = reader.take("service", by_default, services, |all| {
            list(all.iter().map(|service| service.as_str()))
        });
        let names = names(&services, &scripts, &gateways);
        let versions =
            reader.take("versions", ServiceVersions::default(), ServiceVersions::read, |all| {
                shown(all)
            });
        for service in versions.named().filter(|service| !services.contains(service)) {
            let wrong = Wrong::new(format!("{} is not served", service.as_str()));
            reader.problems.add(reader.place("versions"), wrong);
        }
        let peers = reader.take("peers", Vec::new(), peers, |all| list(all.iter()));
        // A server is not its own peer.
        let peers: Vec<_> =
            peers.into_iter().filter(|peer| Some(peer) != advertise.as_ref()).collect();
        let reuse_port = reader.take("reuse-port", false, flag, |flag| Value::Boolean(*flag));
        let control = reader.take_if_any("control", path, |path| shown(&path.display()));
        let control_address = reader.take_if_any("control-listen", host_and_port, shown);
        let control_authorities =
            reader.take_if_any("control-client-ca", path, |path| shown(&path.display()));
        let nodes = NodeSettings {
            advertise: reader.take_if_any("control-advertise", |raw| address(raw.text()?), shown),
            authorities: reader.take_if_any("node-ca", path, |path| shown(&path.display())),
        };
        let audit = reader.take_if_any("audit", path, |path| shown(&path.display()));
        let policy = policy(reader, &names);
        let proxy_from = reader.take("proxy-from", Vec::new(), networks, |all| list(all.iter()));
        let http = HttpWishes::take(reader);
        let journal = reader.take_if_any("journal", path, |path| shown(&path.display()));
        let store = store(reader, &services);
        let contracts = contracts(reader, &names);
        reader.shown.extend(shown_behind);
        check_places(reader, &listen, &classic);
        check_names(reader, &names, &classic);
        let tls = tls(reader);
        let tls_of_others = tls.as_ref().map(Option::as_ref).map_err(|wrong| *wrong);
        let control_listen =
            control_plan(reader, tls_of_others, control_address, control_authorities, nodes);
        let admin_http = http.plan(reader, tls_of_others);
        let tls = tls.unwrap_or_default();
        let waits = Waits {
            grace: take_time(reader, "drain.grace", Duration::from_secs(30)),
            hard_stop: take_time(reader, "drain.hard-stop", Duration::from_secs(10)),
        };
        let load = load(reader, NextIp::new(peers.clone()));
        let form = reader.take("log.form", LogForm::default(), |raw| word(raw.text()?), shown_word);
        let log_filter = reader.take("log.filter", "info".to_owned(), read_filter, shown);
        let mut config = Config::default();
        config.agent = Some(Text::from_static(concat!("ubf-server/", env!("CARGO_PKG_VERSION"))));
        config.peers = peers;
        let limits = limits(reader, &mut config);
        let sessions = sessions(reader);
        Self {
            listen,
            services,
            scripts: scripts.into_iter().map(Arc::new).collect(),
            gateways,
            classic,
            versions,
            advertise,
            reuse_port,
            control,
            control_listen,
            audit,
            policy,
            proxy_from,
            admin_http,
            tls,
            load,
            waits,
            config,
            limits,
            sessions,
            store,
            contracts,
            journal,
            log: form,
            log_filter,
        }
    }
}

/// Somebody has to be able to come.
fn check_places(reader: &mut Reader, listen: &[String], classic: &ClassicPlan) {
    if listen.is_empty() && classic.listen.is_empty() {
        let hint = "--listen 127.0.0.1:4000";
        wrong(reader, "listen", "an address is wanted: HOST:PORT", hint);
    }
    if listen.is_empty() && classic.shared.is_some() {
        let hint = "--classic-shared is about the addresses of --listen";
        wrong(reader, "classic.shared", "there is no address to share", hint);
    }
}

/// The names of all services, with the key that says them.
fn names(
    services: &[ServiceName],
    scripts: &[Script],
    gateways: &[GatewayPlan],
) -> Vec<(&'static str, String)> {
    let services = services.iter().map(|name| ("service", name.as_str().to_owned()));
    let scripts = scripts.iter().map(|script| ("script", script.name.to_latin1()));
    let gateways = gateways.iter().map(|gateway| ("gateway", gateway.name.clone()));
    services.chain(scripts).chain(gateways).collect()
}

/// Each service is there once, and whoever names one means one that is there.
fn check_names(reader: &mut Reader, all: &[(&'static str, String)], classic: &ClassicPlan) {
    let names: Vec<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
    for (index, (key, name)) in all.iter().enumerate() {
        if names.iter().take(index).any(|before| before == name) {
            let text = format!("{name} is served twice");
            reader.problems.add(reader.place(key), Wrong::new(text));
        }
    }
    if names.is_empty() {
        reader.problems.add(reader.place("service"), Wrong::new("a service is wanted"));
    }
    for (key, name) in classic.names() {
        if !names.contains(&name) {
            reader.problems.add(reader.place(key), Wrong::one_of(name, &names));
        }
    }
}

/// What was said of where people look by HTTP.
struct HttpWishes {
    address: Option<String>,
    token: Option<PathBuf>,
    has_tls: bool,
    authorities: Option<PathBuf>,
}

impl HttpWishes {
    fn take(reader: &mut Reader) -> Self {
        let shown_path = |path: &PathBuf| shown(&path.display());
        Self {
            address: reader.take_if_any("admin-http", host_and_port, shown),
            token: reader.take_if_any("admin-token", path, shown_path),
            has_tls: reader.take("admin-http-tls", false, flag, |flag| Value::Boolean(*flag)),
            authorities: reader.take_if_any("admin-http-client-ca", path, shown_path),
        }
    }

    /// Whoever can reach an address of the network is to have a token, or a certificate.
    fn plan(self, reader: &mut Reader, tls: TlsOfOthers<'_>) -> Option<AdminHttpPlan> {
        let Self { address, token: file, has_tls, authorities } = self;
        let token = file.as_deref().map(TokenFile::open).transpose().unwrap_or_else(|wrong| {
            reader.problems.add(reader.place("admin-token"), wrong);
            None
        });
        let has_authorities = authorities.is_some();
        let given = [
            ("admin-token", file.is_some()),
            ("admin-http-tls", has_tls),
            ("admin-http-client-ca", has_authorities),
        ];
        for (key, _) in given.into_iter().filter(|(_, is_given)| address.is_none() && *is_given) {
            wrong(reader, key, "nobody can look", "--admin-http 127.0.0.1:9464");
        }
        let address = address?;
        let certificates = match (tls, has_tls) {
            (Ok(Some(tls)), true) => {
                open_for(reader, tls, authorities, ("admin-http-client-ca", "admin-http"))
            }
            (Err(AlreadySaid), true) => None,
            (Ok(None), true) => {
                let hint = "--tls-cert FILE --tls-key FILE";
                wrong(reader, "admin-http-tls", "there is no certificate", hint);
                None
            }
            (_, false) => {
                if has_authorities {
                    let hint = "--admin-http-tls";
                    wrong(reader, "admin-http-client-ca", "certificates without TLS", hint);
                }
                None
            }
        };
        if file.is_none() && !has_authorities && !is_loopback(&address) {
            let hint = "--admin-token FILE, or an address of this machine alone: 127.0.0.1:9464";
            wrong(reader, "admin-http", "others could look there without a token", hint);
        }
        Some(AdminHttpPlan { address, token, certificates })
    }
}

/// What is wrong with the server's certificate is among the problems.
#[derive(Clone, Copy, Debug)]
struct AlreadySaid;

/// The server's certificate, for those who are to see the same one.
type TlsOfOthers<'t> = Result<Option<&'t Certificates>, AlreadySaid>;

/// The server's certificate for others than its clients, with authorities of their own.
fn open_for(
    reader: &mut Reader,
    tls: &Certificates,
    authorities: Option<PathBuf>,
    (key, shown_to): (&'static str, &'static str),
) -> Option<Certificates> {
    let mut files = tls.tls().files().clone();
    files.client_authorities = authorities;
    let certificates = Certificates::open(files, shown_to).inspect_err(|error| {
        reader.problems.add(reader.place(key), Wrong::new(Causes(error).to_string()));
    });
    certificates.ok()
}

/// A certificate has a key, and both are read here: what is wrong with them is wrong with a
/// setting.
fn tls(reader: &mut Reader) -> Result<Option<Certificates>, AlreadySaid> {
    let mut file = |key| reader.take_if_any(key, path, |path| shown(&path.display()));
    let (certificate, key, authorities) =
        (file("tls.cert"), file("tls.key"), file("tls.client-ca"));
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            wrong(reader, "tls.cert", "a certificate without its key", "--tls-key FILE");
            return Err(AlreadySaid);
        }
        (None, Some(_)) => {
            wrong(reader, "tls.key", "a key without its certificate", "--tls-cert FILE");
            return Err(AlreadySaid);
        }
        (None, None) => {
            if authorities.is_some() {
                let hint = "--tls-cert FILE --tls-key FILE";
                wrong(reader, "tls.client-ca", "authorities of clients without TLS", hint);
            }
            return Ok(None);
        }
    };
    let mut files = ServerFiles::new(certificate, key);
    files.client_authorities = authorities;
    Certificates::open(files, "clients").map(Some).map_err(|error| {
        let place = reader.place("tls.cert");
        reader.problems.add(place, Wrong::new(Causes(&error).to_string()));
        AlreadySaid
    })
}

/// What is said of other nodes.
struct NodeSettings {
    advertise: Option<Address>,
    authorities: Option<PathBuf>,
}

/// Operators, and nodes, that come by a network come by mutual TLS.
fn control_plan(
    reader: &mut Reader,
    tls: TlsOfOthers<'_>,
    address: Option<String>,
    authorities: Option<PathBuf>,
    nodes: NodeSettings,
) -> Option<ControlPlan> {
    let about_nodes = [
        ("control-advertise", nodes.advertise.is_some()),
        ("node-ca", nodes.authorities.is_some()),
    ];
    for (key, _) in about_nodes.into_iter().filter(|(_, is_said)| *is_said && address.is_none()) {
        wrong(reader, key, "no node comes by a network", "--control-listen ADDRESS");
    }
    let (address, authorities) = match (address, authorities) {
        (Some(address), Some(authorities)) => (address, authorities),
        (Some(_), None) => {
            let hint = "--control-client-ca FILE says whose certificates operators have";
            wrong(reader, "control-listen", "anybody could look there", hint);
            return None;
        }
        (None, Some(_)) => {
            let hint = "--control-listen ADDRESS";
            wrong(reader, "control-client-ca", "operators do not come by a network", hint);
            return None;
        }
        (None, None) => return None,
    };
    let Some(tls) = tls.ok()? else {
        let hint = "--tls-cert FILE --tls-key FILE";
        wrong(reader, "control-listen", "operators would come without TLS", hint);
        return None;
    };
    let certificates =
        open_for(reader, tls, Some(authorities.clone()), ("control-client-ca", "operators"));
    let node_authorities = nodes.authorities.unwrap_or(authorities);
    if let Err(error) = ClientTls::trusting(&node_authorities) {
        let place = reader.place("node-ca");
        reader.problems.add(place, Wrong::new(Causes(&error).to_string()));
    }
    Some(ControlPlan {
        address,
        certificates: certificates?,
        advertise: nodes.advertise,
        node_authorities,
    })
}

/// It is read here: what is wrong with it is wrong with a setting.
fn policy(reader: &mut Reader, names: &[(&str, String)]) -> Option<Policy> {
    let file = reader.take_if_any("policy", path, |path| shown(&path.display()))?;
    let services = names.iter().map(|(_, name)| name.clone()).collect();
    match Policy::open(file, services) {
        Ok(policy) => Some(policy),
        Err(problems) => {
            for problem in problems {
                reader.problems.add(reader.place("policy"), Wrong::new(problem));
            }
            None
        }
    }
}

fn networks(raw: &Raw) -> Result<Vec<Network>, Wrong> {
    let network = |text: &str| {
        text.parse().map_err(|error| {
            Wrong::new(format!("{text}: {error}")).hint("--proxy-from 10.0.0.0/8,192.0.2.7")
        })
    };
    raw.texts()?.into_iter().map(network).collect()
}

fn host_and_port(raw: &Raw) -> Result<String, Wrong> {
    let text = raw.text()?;
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && is_port(port) => Ok(text.to_owned()),
        Some(_) | None => Err(Wrong::new(format!("{text}: an address is wanted: HOST:PORT"))),
    }
}

/// Whether nobody else can reach it. Other names than this one are not trusted.
fn is_loopback(address: &str) -> bool {
    address.parse::<SocketAddr>().map_or_else(
        |_| address.rsplit_once(':').is_some_and(|(host, _)| host == "localhost"),
        |address| address.ip().is_loopback(),
    )
}

/// Rows are kept where they survive, if that is said.
fn store(reader: &mut Reader, services: &[ServiceName]) -> Option<StorePlan> {
    let folder = reader.take_if_any("data", path, |path| shown(&path.display()));
    let database = reader.take_if_any("store", |raw| connection(raw.text()?), StorePlace::to_value);
    let first_versions =
        reader.take_if_any("state-version", |raw| PerService::read(raw, one_version), shown);
    let known_versions = reader.take_if_any(
        "knows",
        |raw| PerService::read(raw, some_versions),
        |all| shown(&all.in_words(|(oldest, newest)| format!("{oldest}-{newest}"))),
    );
    let key = if folder.is_some() { "data" } else { "store" };
    if folder.is_some() && database.is_some() {
        wrong(reader, "store", "rows are kept in one place", "--data DIR, or --store postgres://…");
    }
    let place = folder.map(StorePlace::Folder).or(database);
    let with_rows =
        || services.iter().filter_map(|&service| Some((service, state_versions(service)?)));
    if place.is_some() && with_rows().next().is_none() {
        wrong(reader, key, "no service that is served has rows", "--service kv");
    }
    if place.is_none() && services.contains(&ServiceName::Ledger) {
        let hint = "--data DIR, or --store postgres://…";
        wrong(reader, "service", "ledger keeps its accounts in a store, and none is named", hint);
    }
    if place.is_none() && first_versions.is_some() {
        wrong(reader, "state-version", "no rows are kept", "--data DIR");
    }
    let (first_versions, known_versions) =
        (first_versions.unwrap_or_default(), known_versions.unwrap_or_default());
    for (service, (oldest, newest)) in with_rows() {
        let has = |version: &u32| (oldest..=newest).contains(version);
        let name = service.as_str();
        let all = format!("{name}, which has {oldest} to {newest}");
        if first_versions.of(service).is_some_and(|version| !has(&version)) {
            let text = format!("not a state version of {all}");
            wrong(reader, "state-version", &text, "--state-version ledger=34,kv=1 is for each");
        }
        if known_versions.of(service).is_some_and(|(oldest, newest)| !has(&oldest) || !has(&newest))
        {
            let text = format!("not state versions of {all}");
            wrong(reader, "knows", &text, "--knows ledger=32-34,kv=1 is for each");
        }
    }
    for service in first_versions.named().filter(|service| !services.contains(service)) {
        let text = format!("{} is not served", service.as_str());
        wrong(reader, "state-version", &text, "--service names what is");
    }
    let stands_by = reader.take("standby", false, flag, |flag| Value::Boolean(*flag));
    if stands_by && place.is_none() {
        wrong(reader, "standby", "no rows are kept", "--data DIR");
    }
    place.map(|place| StorePlan { place, first_versions, known_versions, stands_by })
}

fn one_version(text: &str) -> Result<u32, Wrong> {
    let version = text.parse().ok().filter(|version| *version > 0);
    version.ok_or_else(|| Wrong::new(format!("{text}: a state version is wanted: 34")))
}

/// `34`, or `32-34`.
fn some_versions(text: &str) -> Result<(u32, u32), Wrong> {
    let (oldest, newest) = text.split_once('-').unwrap_or((text, text));
    let versions = (one_version(oldest)?, one_version(newest)?);
    if versions.0 > versions.1 {
        return Err(Wrong::new(format!("{text}: the older state version comes first: 32-34")));
    }
    Ok(versions)
}

/// Where the database is. What is wrong with the rest is said when it is opened.
pub(crate) fn connection(text: &str) -> Result<StorePlace, Wrong> {
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err(Wrong::new("no database that is known").hint("--store postgres://HOST/NAME"));
    }
    #[cfg(feature = "postgres")]
    return Ok(StorePlace::Postgres(text.to_owned()));
    #[cfg(not(feature = "postgres"))]
    Err(Wrong::new("this program was built without PostgreSQL")
        .hint("build it with the feature `postgres`, or keep rows in files: --data DIR"))
}

/// Of services that are served, and of those that this program has.
fn contracts(reader: &mut Reader, names: &[(&str, String)]) -> ContractPlan {
    let own = ServiceName::value_variants().iter().map(|service| service.as_str().to_owned());
    let mut known: Vec<String> = own.collect();
    let others = names.iter().map(|(_, name)| name);
    known.extend(others.filter(|name| word::<ServiceName>(name).is_err()).cloned());
    let read = |raw: &Raw| contracts::read_all(raw, &known);
    let given = reader.take("contract", Vec::new(), read, |all| {
        list(all.iter().map(|given| given.text.as_str()))
    });
    let default = if given.is_empty() { ContractMode::Off } else { ContractMode::Enforce };
    let mode = reader.take("contract-mode", default, |raw| word(raw.text()?), shown_word);
    ContractPlan::new(given, mode)
}

/// The limits of the server, and those of each connection, which go into its configuration.
fn limits(reader: &mut Reader, config: &mut Config) -> ServerLimits {
    let mut limits = ServerLimits::default();
    let take_count = |reader: &mut Reader, key, default: &mut usize| {
        *default = reader.take(key, *default, some(count), |count| number(*count as u64));
    };
    let take_size = |reader: &mut Reader, key, default: &mut usize| {
        *default =
            reader.take(key, *default, some(size), |bytes| shown(&units::size(*bytes as u64)));
    };
    take_count(reader, "limits.max-connections", &mut limits.max_connections);
    take_count(
        reader,
        "limits.max-connections-per-address",
        &mut limits.max_connections_per_address,
    );
    limits.max_call_time = take_time(reader, "limits.max-call-time", limits.max_call_time);
    let max_packet_bytes = config.limits.max_packet_bytes;
    config.limits.max_packet_bytes =
        reader.take("limits.max-packet-bytes", max_packet_bytes, some(size), |bytes| {
            shown(&units::size((*bytes).into()))
        });
    for (key, time) in [
        ("limits.max-negotiation-time", &mut config.max_negotiation_time),
        ("limits.max-packet-time", &mut config.max_packet_time),
        ("limits.max-idle-time", &mut config.max_idle_time),
        ("limits.max-write-time", &mut config.max_write_time),
    ] {
        *time = take_time(reader, key, *time);
    }
    take_count(reader, "limits.max-pending", &mut config.max_pending);
    take_size(reader, "limits.max-pending-bytes", &mut config.max_pending_bytes);
    take_size(reader, "limits.max-unread-bytes", &mut config.max_unread_bytes);
    limits
}

/// S1, S6: without room for sessions, none are granted.
fn sessions(reader: &mut Reader) -> SessionLimits {
    let mut limits = SessionLimits::default();
    let counts = [
        ("sessions.max-sessions", &mut limits.max_sessions),
        ("sessions.max-sessions-per-address", &mut limits.max_sessions_per_address),
    ];
    for (key, most) in counts {
        *most = reader.take(key, *most, any, |count| number(*count as u64));
    }
    limits.max_window =
        reader.take("sessions.max-window", limits.max_window, some(count), |&most| number(most));
    let sizes = [
        ("sessions.max-bytes", &mut limits.max_bytes),
        ("sessions.max-kept", &mut limits.max_kept),
        ("sessions.max-kept-in-all", &mut limits.max_kept_in_all),
    ];
    for (key, most) in sizes {
        *most = reader.take(key, *most, some(size), |bytes| shown(&units::size(*bytes)));
    }
    limits.max_keep = take_time(reader, "sessions.max-keep", limits.max_keep);
    limits
}

/// R9: load marks without a place to send clients to are a mistake.
fn load(reader: &mut Reader, next_ip: Option<NextIp>) -> Option<LoadPlan> {
    let read_unit = |raw: &Raw| word::<Unit>(raw.text()?);
    let Some(high) = reader.take_if_any("load.high", count, |mark| number(*mark)) else {
        let low = reader.take_if_any("load.low", count, |mark| number(*mark));
        let unit = reader.take_if_any("load.unit", read_unit, shown_word);
        let given = low.map(|_| "load.low").or_else(|| unit.map(|_| "load.unit"));
        if let Some(key) = given {
            let hint = "--load-high says when clients are sent away";
            wrong(reader, key, "load marks without the high one", hint);
        }
        return None;
    };
    let low = reader.take("load.low", high / 5 * 4, count, |mark| number(*mark));
    let unit = match reader.take("load.unit", Unit::Connections, read_unit, shown_word) {
        Unit::Connections => LoadUnit::Sessions,
        Unit::Calls => LoadUnit::Calls,
    };
    if low > high {
        let hint = "clients are sent away above --load-high, until below --load-low";
        wrong(reader, "load.low", "the low load mark is above the high one", hint);
    }
    if next_ip.is_none() {
        let hint = "clients are sent to other servers: --peers b:4000";
        wrong(reader, "load.high", "load marks without peers", hint);
    }
    next_ip.map(|next_ip| LoadPlan::new(unit, low, high, next_ip))
}

/// A value that can be read, and does not fit to others.
fn wrong(reader: &mut Reader, key: &'static str, text: &str, hint: &'static str) {
    let place = reader.place(key);
    reader.problems.add(place, Wrong::new(text).hint(hint));
}

fn take_time(reader: &mut Reader, key: &'static str, default: Duration) -> Duration {
    reader.take(key, default, time, |time| shown(&units::time(*time)))
}

fn addresses(raw: &Raw) -> Result<Vec<String>, Wrong> {
    Ok(raw.texts()?.into_iter().map(str::to_owned).collect())
}

/// `kv=a.example:4000,b.example:4000`.
fn gateways(raw: &Raw) -> Result<Vec<GatewayPlan>, Wrong> {
    let read = |text: &str| {
        let bad = |what: String| {
            Wrong::new(format!("{text}: {what}")).hint("--gateway kv=a.example:4000,b.example:4000")
        };
        let (name, addresses) =
            text.split_once('=').ok_or_else(|| bad("NAME=ADDRESSES is wanted".to_owned()))?;
        let target = |text: &str| {
            text.trim().parse::<Target>().map_err(|error| bad(format!("{text}: {error}")))
        };
        let addresses = addresses.split(',').map(target).collect::<Result<_, _>>()?;
        Ok(GatewayPlan { name: name.trim().to_owned(), addresses })
    };
    raw.parts()?.into_iter().map(read).collect()
}

/// Each once, in their order.
fn services(raw: &Raw) -> Result<Vec<ServiceName>, Wrong> {
    let mut services = Vec::new();
    for text in raw.texts()? {
        let service = word(text)?;
        if !services.contains(&service) {
            services.push(service);
        }
    }
    Ok(services)
}

fn peers(raw: &Raw) -> Result<Vec<Address>, Wrong> {
    raw.texts()?.into_iter().map(address).collect()
}

fn read_filter(raw: &Raw) -> Result<String, Wrong> {
    // Commas stand between the parts of a filter: of a list, too.
    let text = raw.texts()?.join(",");
    filter(&text).map_err(Wrong::new)?;
    Ok(text)
}

fn shown(value: &(impl ToString + ?Sized)) -> Value {
    Value::String(value.to_string())
}

pub(super) fn shown_word<T: ValueEnum>(value: &T) -> Value {
    shown(&value.to_possible_value().map(|word| word.get_name().to_owned()).unwrap_or_default())
}

fn number(number: u64) -> Value {
    i64::try_from(number).map_or_else(|_| shown(&number), Value::Integer)
}

fn list(values: impl Iterator<Item = impl ToString>) -> Value {
    Value::Array(values.map(|value| shown(&value)).collect())
}
