//! What a server will be, and how its listeners are opened.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;

use ubf_codec::{Address, Text};
use ubf_net::{Listener, Network, TcpOptions};
use ubf_proto::endpoint::is_unspecified;
use ubf_proto::server::Config;
use ubf_proto::{CrashRule, Offer, Service, Versions};

#[cfg(feature = "classic")]
use crate::acceptors::BoundClassic;
use crate::admission::{AdmissionRule, Rule};
use crate::bind_error::BindError;
use crate::endpoint::{Code, Own, SharedEndpoint};
use crate::front::Front;
use crate::handler::Handler;
use crate::owner::SessionOwner;
use crate::server::Server;
use crate::settings::{ServerLimits, SessionLimits};
use crate::versions::HandlerError;

/// What a server will be. [`bind`](Self::bind) makes it.
#[derive(Default)]
pub struct ServerBuilder {
    addresses: Vec<String>,
    listeners: Vec<std::net::TcpListener>,
    #[cfg(unix)]
    paths: Vec<PathBuf>,
    /// U1: those of another process.
    #[cfg(unix)]
    inherited: Vec<(String, std::os::fd::OwnedFd)>,
    listens_nowhere: bool,
    shares_port: bool,
    own: Vec<Address>,
    services: BTreeMap<Service, Code>,
    /// T3: the services that have an owner.
    owned: Vec<Service>,
    service_twice: Option<Service>,
    offer: Vec<(Service, Result<Versions, HandlerError>)>,
    /// T11: the first states of the services that are pinned.
    pinned: Vec<(Service, Text)>,
    config: Config,
    limits: ServerLimits,
    sessions: SessionLimits,
    crash_rule: CrashRule,
    seed: Option<u64>,
    spare_descriptors: usize,
    times_calls: bool,
    rule: Rule,
    proxies: Vec<Network>,
    #[cfg(feature = "tls")]
    tls: Option<ubf_net::tls::ServerTls>,
    #[cfg(feature = "classic")]
    classic: Option<crate::classic::Classic>,
}

impl Server {
    /// Says what to serve, where, and within which limits.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }
}

impl ServerBuilder {
    /// Listens here, too: `"127.0.0.1:4000"`; port 0 is any that is free.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// Takes connections from this listener, too, which somebody else has opened.
    #[must_use]
    pub fn listener(mut self, listener: std::net::TcpListener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Listens on a Unix socket of this name, too: no network, and nobody but the user that runs
    /// the server.
    ///
    /// Its file has mode 0600. The file of a server that is dead is replaced; one of a server that
    /// lives is an error, and so is any other file. It is removed when the server stops to
    /// listen.
    #[cfg(unix)]
    #[must_use]
    pub fn listen_unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// U1: takes connections from a listener of another process, too, which has the same name
    /// there: its address, or `unix:PATH`.
    #[cfg(unix)]
    #[must_use]
    pub fn inherit(mut self, name: impl Into<String>, descriptor: std::os::fd::OwnedFd) -> Self {
        self.inherited.push((name.into(), descriptor));
        self
    }

    /// Listens nowhere: all connections come by
    /// [`serve_stream`](crate::ServerHandle::serve_stream). Without this, a server that listens
    /// nowhere is an error, since it is a mistake as a rule.
    #[must_use]
    pub const fn listen_nowhere(mut self) -> Self {
        self.listens_nowhere = true;
        self
    }

    /// Lets another process of this user listen on the same addresses at the same time
    /// (`SO_REUSEPORT`), so that a successor can be there before this server leaves. Both have
    /// to say so. It concerns [`listen`](Self::listen), on systems that have it.
    #[must_use]
    pub const fn reuse_port(mut self, shares_port: bool) -> Self {
        self.shares_port = shares_port;
        self
    }

    /// An address by which clients know this server, beside those that it listens on: a drain that
    /// names it is one to a successor in place (R5), and it is no
    /// [peer](crate::ServerHandle::set_peers).
    #[must_use]
    pub fn advertise(mut self, address: Address) -> Self {
        self.own.push(address);
        self
    }

    /// Serves one more service, in the versions of its handler. [`Service::DEFAULT`] is the one of
    /// clients that name none.
    #[must_use]
    pub fn service(self, name: impl Into<Service>, handler: impl Handler) -> Self {
        self.shared_service(name, Arc::new(handler))
    }

    /// The same for a handler that others hold, too, or that is served under two names.
    #[must_use]
    pub fn shared_service(mut self, name: impl Into<Service>, handler: Arc<impl Handler>) -> Self {
        let name = name.into();
        let offered = handler.check().map(|()| handler.versions());
        self.offer.push((name.clone(), offered));
        self.pinned.extend(handler.pinned_outside().map(|state| (name.clone(), state)));
        if self.services.insert(name.clone(), Code::Handler(handler)).is_some() {
            self.service_twice.get_or_insert(name);
        }
        self
    }

    /// T3: serves one more service whose sessions are kept by `owner`, at level `'durable'`. It may
    /// be served under several names.
    #[must_use]
    pub fn owned_service(mut self, name: impl Into<Service>, owner: Arc<dyn SessionOwner>) -> Self {
        let name = name.into();
        self.offer.push((name.clone(), Ok(owner.versions())));
        self.owned.push(name.clone());
        if self.services.insert(name.clone(), Code::Owner(owner)).is_some() {
            self.service_twice.get_or_insert(name);
        }
        self
    }

    /// Serves stock peers, too, which know no versions: the same services, on listeners of their
    /// own.
    #[cfg(feature = "classic")]
    #[must_use]
    pub fn classic(mut self, classic: crate::classic::Classic) -> Self {
        self.classic = Some(classic);
        self
    }

    /// Speaks TLS on all listeners but Unix sockets, those for stock peers included. If it wants
    /// clients to show certificates, each has an [`Identity`](crate::Identity) from there on: it is
    /// counted by it instead of by its address, its sessions belong to it (S9), and services see it
    /// in [`Call::peer`](crate::Call::peer).
    ///
    /// ```no_run
    /// use ubf_net::tls::{ServerFiles, ServerTls};
    /// use ubf_server::{Call, Handlers, Reply, Server, Service};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let files = ServerFiles::new("server.pem", "server.key").with_client_authorities("ca.pem");
    /// let tls = ServerTls::from_files(files)?;
    /// let handlers = Handlers::new().on(1, |call: Call<()>| async move {
    ///     Reply::ok(call.peer().identity().map_or("nobody", |who| who.name()))
    /// });
    /// let server = Server::builder().listen("0.0.0.0:4000").tls(tls.clone());
    /// let server = server.service(Service::DEFAULT, handlers).bind().await?;
    /// // When the files have changed: tls.reload()?
    /// server.run().await;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(mut self, tls: ubf_net::tls::ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Asks this rule who may connect, and who may use which service; by default everybody may do
    /// everything. See [`AdmissionRule`], with an example.
    ///
    /// It is asked when a connection begins. When its answers have changed,
    /// [`admit_anew`](crate::ServerHandle::admit_anew) asks about those that are there.
    #[must_use]
    pub fn admission(mut self, rule: impl AdmissionRule) -> Self {
        self.rule = Rule(Some(Box::new(rule)));
        self
    }

    /// Takes the word of balancers in these networks for who their clients are: each connection
    /// from there begins with a header of the PROXY protocol, version 2, before TLS. Its client is
    /// the peer from there on: in limits, rules, logs and for services.
    ///
    /// A balancer that says nothing is not served, and whoever else sends a header has sent wrong
    /// bytes. A header has to come within
    /// [`max_handshake_time`](ServerLimits::max_handshake_time).
    #[must_use]
    pub fn proxies(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.proxies.extend(networks);
        self
    }

    /// Sets what concerns each session: the limits of packets, waits, queues; peers and agent.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the limits of one packet, which are a part of [`config`](Self::config).
    #[must_use]
    pub const fn packet_limits(mut self, limits: ubf_codec::Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Sets the limits that concern no single session.
    #[must_use]
    pub const fn limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// S1, S6: says which sessions are granted. By default clients that ask for one get it; with
    /// [`max_sessions`](SessionLimits::max_sessions) 0, none does.
    #[must_use]
    pub fn sessions(mut self, sessions: SessionLimits) -> Self {
        self.sessions = sessions;
        self
    }

    /// N6: says when crashes withdraw a version.
    #[must_use]
    pub const fn crash_rule(mut self, rule: CrashRule) -> Self {
        self.crash_rule = rule;
        self
    }

    /// Sets the seed of the randomness in the times of quarantines. By default it is the time of
    /// day.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Counts how long calls take, by service and version: see
    /// [`call_times`](crate::ServerHandle::call_times). It costs two looks at the clock for each
    /// batch of calls that come together. By default nobody counts.
    #[must_use]
    pub const fn time_calls(mut self, times_calls: bool) -> Self {
        self.times_calls = times_calls;
        self
    }

    /// Keeps so many descriptors back for each listener: connections that come when the process has
    /// no descriptor left are then taken nevertheless, about as many at a time. By default none.
    ///
    /// It is for a server beside another one in the same process, as for operators who are to look
    /// at a server that is out of descriptors.
    #[must_use]
    pub const fn spare_descriptors(mut self, count: usize) -> Self {
        self.spare_descriptors = count;
        self
    }

    /// Opens the listeners. Connections wait in them until the server [runs](Server::run).
    ///
    /// # Errors
    /// If there is nothing to serve or nowhere to listen, if a service was given twice, and if a
    /// handler is not as it should be: see [`HandlerError`].
    pub async fn bind(mut self) -> Result<Server, BindError> {
        let offer = self.take_offer()?;
        let named = self.own.iter().chain(&self.config.peers);
        if let Some(address) = named.into_iter().find(|address| is_unspecified(address)) {
            return Err(BindError::Unspecified(address.clone()));
        }
        if self.services.is_empty() {
            return Err(BindError::NoService);
        }
        #[cfg(feature = "classic")]
        let classic = self.bind_classic(&offer).await?;
        #[cfg(feature = "classic")]
        let listens_for_stock =
            classic.as_ref().is_some_and(|classic| !classic.listeners.is_empty());
        #[cfg(not(feature = "classic"))]
        let listens_for_stock = false;
        let listeners = self.open_listeners().await?;
        if listeners.is_empty() && !listens_for_stock && !self.listens_nowhere {
            return Err(BindError::NoListener);
        }
        let addresses = listeners.iter().filter_map(|(_, listener)| listener.address().transpose());
        let addresses = addresses.collect::<io::Result<Vec<_>>>();
        let addresses =
            addresses.map_err(|error| BindError::Listen { address: "?".into(), error })?;
        let own = Own { addresses: addresses.clone(), advertised: self.own };
        let endpoint = SharedEndpoint::new(
            self.config,
            self.limits,
            &self.sessions,
            self.services,
            own,
            offer,
            self.seed.unwrap_or_else(time_of_day),
        );
        let endpoint = if self.times_calls { endpoint.time_calls() } else { endpoint };
        let endpoint = endpoint.with_rule(self.rule);
        #[cfg(feature = "classic")]
        if let Some(classic) = &classic {
            endpoint.classic.get_or_init(|| Arc::clone(&classic.settled));
        }
        Ok(Server {
            endpoint: Arc::new(endpoint),
            listeners,
            addresses,
            #[cfg(feature = "classic")]
            classic,
            spare_descriptors: self.spare_descriptors,
            #[cfg(feature = "tls")]
            front: Front::new(self.proxies, self.tls),
            #[cfg(not(feature = "tls"))]
            front: Front::new(self.proxies),
        })
    }

    /// Takes what is offered, if each service is as it should be.
    fn take_offer(&mut self) -> Result<Offer, BindError> {
        let mut offer = Offer::new().with_crash_rule(self.crash_rule);
        if let Some(service) = self.service_twice.take() {
            return Err(BindError::ServiceTwice(service));
        }
        for (service, versions) in std::mem::take(&mut self.offer) {
            let versions = match versions {
                Ok(versions) => versions,
                Err(error) => return Err(BindError::Handler { service, error }),
            };
            if versions.is_empty() {
                return Err(BindError::NoVersion(service));
            }
            offer = offer.with_service(service, versions);
        }
        for (service, first_state) in std::mem::take(&mut self.pinned) {
            offer = offer.with_pinned(&service, first_state);
        }
        for service in &self.owned {
            offer = offer.with_owner(service);
        }
        Ok(offer)
    }

    /// Opens the listeners of versioned clients, each with its name.
    async fn open_listeners(&mut self) -> Result<Vec<(String, Listener)>, BindError> {
        let mut listeners = Vec::new();
        #[cfg(unix)]
        for (name, descriptor) in std::mem::take(&mut self.inherited) {
            let listener = open_inherited(&name, &name, descriptor)?;
            listeners.push((name, listener));
        }
        for address in &self.addresses {
            let options = TcpOptions::default()
                .shares_port(self.shares_port)
                .v6_only(has_v4_beside(address, &self.addresses));
            match Listener::tcp(address, options).await {
                Ok(listener) => listeners.push((address.clone(), listener)),
                Err(error) => return Err(BindError::Listen { address: address.clone(), error }),
            }
        }
        for listener in std::mem::take(&mut self.listeners) {
            let address =
                listener.local_addr().map_or_else(|_| "?".into(), |address| address.to_string());
            match Listener::from_std(listener) {
                Ok(listener) => listeners.push((address, listener)),
                Err(error) => return Err(BindError::Listen { address, error }),
            }
        }
        #[cfg(unix)]
        for path in std::mem::take(&mut self.paths) {
            let address = path.display().to_string();
            match Listener::unix(&path) {
                Ok(listener) => listeners.push((format!("unix:{address}"), listener)),
                Err(error) => return Err(BindError::Listen { address, error }),
            }
        }
        Ok(listeners)
    }

    /// Opens the listeners for stock peers, if there are to be any.
    #[cfg(feature = "classic")]
    async fn bind_classic(&mut self, offer: &Offer) -> Result<Option<BoundClassic>, BindError> {
        let Some(classic) = self.classic.take() else { return Ok(None) };
        #[cfg(unix)]
        let given = take_classic(&mut self.inherited)?;
        #[cfg(not(unix))]
        let given = Vec::new();
        bind_classic(classic, &self.services, offer, self.shares_port, given).await.map(Some)
    }
}

fn time_of_day() -> u64 {
    let since_1970 =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::from(since_1970.subsec_nanos()) ^ since_1970.as_secs()
}

/// U1: a listener of another process; what it is, its address says.
#[cfg(unix)]
fn open_inherited(
    name: &str,
    address: &str,
    descriptor: std::os::fd::OwnedFd,
) -> Result<Listener, BindError> {
    let opened = match address.strip_prefix("unix:") {
        Some(path) => Listener::inherit_unix(descriptor, path.as_ref()),
        None => Listener::inherit_tcp(descriptor),
    };
    opened.map_err(|error| BindError::Listen { address: name.into(), error })
}

/// What the names of listeners for stock peers begin with.
#[cfg(feature = "classic")]
const CLASSIC: &str = "classic:";

/// U1: those of the listeners of another process that are for stock peers.
#[cfg(all(unix, feature = "classic"))]
fn take_classic(
    inherited: &mut Vec<(String, std::os::fd::OwnedFd)>,
) -> Result<Vec<(String, Listener)>, BindError> {
    let taken = inherited.extract_if(.., |(name, _)| name.starts_with(CLASSIC));
    let open = |(name, descriptor): (String, std::os::fd::OwnedFd)| {
        let address = name.strip_prefix(CLASSIC).unwrap_or(&name);
        Ok((name.clone(), open_inherited(&name, address, descriptor)?))
    };
    taken.map(open).collect()
}

/// Opens the listeners for stock peers.
#[cfg(feature = "classic")]
async fn bind_classic(
    mut classic: crate::classic::Classic,
    services: &BTreeMap<Service, Code>,
    offer: &Offer,
    shares_port: bool,
    mut given: Vec<(String, Listener)>,
) -> Result<BoundClassic, BindError> {
    let offered = |service: &Service| {
        services.get(service).map(|_code| offer.spoken(service, ubf_proto::Time::ZERO))
    };
    if let Some((service, version)) = classic.missing(offered) {
        return Err(BindError::NoSuchVersion { service, version });
    }
    let addresses = std::mem::take(&mut classic.addresses);
    #[cfg(unix)]
    let paths = std::mem::take(&mut classic.paths);
    let settled = Arc::new(classic.settle());
    let mut listeners = Vec::new();
    for address in addresses {
        let name = format!("{CLASSIC}{address}");
        if given.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let options = TcpOptions::default().shares_port(shares_port);
        match Listener::tcp(&address, options).await {
            Ok(listener) => listeners.push((name, listener)),
            Err(error) => return Err(BindError::Listen { address, error }),
        }
    }
    #[cfg(unix)]
    for path in paths {
        let address = path.display().to_string();
        let name = format!("{CLASSIC}unix:{address}");
        if given.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let opened = Listener::unix(&path);
        let opened = opened.map_err(|error| BindError::Listen { address, error })?;
        listeners.push((name, opened));
    }
    listeners.append(&mut given);
    Ok(BoundClassic { listeners, settled })
}

/// Whether an IPv6 address is to leave IPv4 alone, since an IPv4 address of the same port is
/// listened on as well: `0.0.0.0:4000` and `[::]:4000`.
fn has_v4_beside(address: &str, all: &[String]) -> bool {
    let Ok(SocketAddr::V6(v6)) = address.parse() else { return false };
    let beside = |other: &String| {
        other
            .parse::<SocketAddr>()
            .is_ok_and(|other| other.is_ipv4() && other.port() == v6.port() && other.port() != 0)
    };
    all.iter().any(beside)
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("addresses", &self.addresses)
            .field("services", &self.services.keys())
            .field("config", &self.config)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
