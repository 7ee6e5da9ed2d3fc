//! What the server is to do, complete and checked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use toml::Value;
use ubf_client::Target;
use ubf_codec::{Address, NextIp};
use ubf_net::Network;
use ubf_server::{Config, LoadPlan, ServerLimits, SessionLimits};

use super::bounds::{Waits, limits, load, sessions, take_time};
use super::classic::ClassicPlan;
use super::keeping::store;
use super::problem::Wrong;
use super::reader::Reader;
use super::shown::{list, shown, shown_word};
use super::trust::{
    ControlPlan, HttpWishes, NodeSettings, control_plan, host_and_port, networks, policy, tls,
};
use super::value::{Raw, address, flag, path, word};
use super::versions::ServiceVersions;
use crate::admin_http::AdminHttpPlan;
use crate::catalogue::{Catalogue, Offering};
use crate::certificates::Certificates;
use crate::contracts::{self, ContractMode, ContractPlan};
use crate::gateway::GatewayPlan;
use crate::log::{LogForm, filter};
use crate::policy::Policy;
use crate::rows::StorePlan;
use crate::script::{self, Script};

/// Where versioned clients are served when nobody says it.
const DEFAULT_LISTEN: &str = "127.0.0.1:4000";

/// What the server is to do.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Vec<String>,
    pub(crate) services: Vec<Arc<Offering>>,
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
    pub(super) fn read(reader: &mut Reader, catalogue: &Catalogue) -> Self {
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
        let by_default = if has_others { Vec::new() } else { catalogue.services_unasked() };
        let services = reader.take(
            "service",
            by_default,
            |raw| services(raw, catalogue),
            |all| list(all.iter().map(|service| service.name)),
        );
        let names = names(&services, &scripts, &gateways);
        let versions = versions(reader, catalogue);
        let is_served = |name: &&str| services.iter().any(|service| service.name == *name);
        for service in versions.named().filter(|name| !is_served(name)) {
            let wrong = Wrong::new(format!("{service} is not served"));
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
        let store = store(reader, &services, catalogue);
        let contracts = contracts(reader, &names, catalogue);
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
        config.agent = Some(catalogue.agent());
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
        reader.wrong("listen", "an address is wanted: HOST:PORT", hint);
    }
    if listen.is_empty() && classic.shared.is_some() {
        let hint = "--classic-shared is about the addresses of --listen";
        reader.wrong("classic.shared", "there is no address to share", hint);
    }
}

/// The names of all services, with the key that says them.
fn names(
    services: &[Arc<Offering>],
    scripts: &[Script],
    gateways: &[GatewayPlan],
) -> Vec<(&'static str, String)> {
    let services = services.iter().map(|name| ("service", name.name.to_owned()));
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

/// Of services that are served, and of those that this program has.
fn contracts(reader: &mut Reader, names: &[(&str, String)], catalogue: &Catalogue) -> ContractPlan {
    let own = catalogue.names();
    let mut known: Vec<String> = own.iter().map(|&name| name.to_owned()).collect();
    let others = names.iter().map(|(_, name)| name);
    known.extend(others.filter(|name| !own.contains(&name.as_str())).cloned());
    let read = |raw: &Raw| contracts::read_all(raw, &known);
    let given = reader.take("contract", Vec::new(), read, |all| {
        list(all.iter().map(|given| given.text.as_str()))
    });
    let default = if given.is_empty() { ContractMode::Off } else { ContractMode::Enforce };
    let mode = reader.take("contract-mode", default, |raw| word(raw.text()?), shown_word);
    ContractPlan::new(given, mode, catalogue.contracts())
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

/// The versions to speak. Nodes that speak all that they have say nothing of it.
fn versions(reader: &mut Reader, catalogue: &Catalogue) -> ServiceVersions {
    let by_default = ServiceVersions::for_all(catalogue.unasked().versions.clone());
    let read = |raw: &Raw| ServiceVersions::read(raw, catalogue);
    if catalogue.unasked().versions.is_some() {
        return reader.take("versions", by_default, read, shown);
    }
    reader.take_if_any("versions", read, shown).unwrap_or(by_default)
}

/// Each once, in their order.
fn services(raw: &Raw, catalogue: &Catalogue) -> Result<Vec<Arc<Offering>>, Wrong> {
    let mut services: Vec<Arc<Offering>> = Vec::new();
    for text in raw.texts()? {
        let service = catalogue.named(text)?;
        if !services.iter().any(|before| before.name == service.name) {
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
