//! A server: its listeners, and the task that takes it through its phases.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};
use ubf_codec::{Address, Text};
use ubf_net::{Listener, Network, Peer, TcpOptions};
use ubf_proto::endpoint::{Input, is_unspecified};
use ubf_proto::server::Config;
use ubf_proto::{CrashRule, Offer, Phase, Service, Versions};

use crate::admission::{AdmissionRule, Rule};
use crate::bind_error::BindError;
use crate::contain::discard;
use crate::counters::Counts;
use crate::endpoint::{Code, Own, SharedEndpoint};
use crate::front::{Front, Greet};
use crate::handle::{Fault, Report, ServerHandle};
use crate::handler::Handler;
use crate::log::{error, info, millis, warn};
use crate::owner::SessionOwner;
use crate::settings::{ServerLimits, SessionLimits};
use crate::spares::{self, Spares};
use crate::takeover::Doors;
use crate::versions::HandlerError;
use crate::welcome::welcome;

/// The waits after a connection could not be accepted, because descriptors are used up for example:
/// doubled up to the longest.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const MAX_ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How long connections may take to end when they are told to end at once: only a handler that
/// blocks its thread takes any time.
const ABORT_TIME: Duration = Duration::from_secs(1);
/// How long calls in progress may take when a fault ends the server. Chosen: clients wait meanwhile
/// for a server that serves nobody.
const FAULT_HARD_STOP: Duration = Duration::from_secs(10);

/// A server that listens. [`run`](Self::run) serves.
#[derive(Debug)]
pub struct Server {
    endpoint: Arc<SharedEndpoint>,
    /// Each with the name that it was given.
    listeners: Vec<(String, Listener)>,
    addresses: Vec<SocketAddr>,
    #[cfg(feature = "classic")]
    classic: Option<BoundClassic>,
    spare_descriptors: usize,
    front: Front,
}

/// What is open for stock peers.
#[cfg(feature = "classic")]
#[derive(Debug)]
struct BoundClassic {
    /// Each with the name that it was given.
    listeners: Vec<(String, Listener)>,
    settled: Arc<crate::classic::Settled>,
}

impl Server {
    /// Says what to serve, where, and within which limits.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The network addresses that it listens on, in the order in which they were given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The network addresses on which it listens for stock peers, in the order in which they were
    /// given.
    #[cfg(feature = "classic")]
    #[must_use]
    pub fn classic_addresses(&self) -> Vec<SocketAddr> {
        let listeners = self.classic.iter().flat_map(|classic| &classic.listeners);
        listeners.filter_map(|(_, listener)| listener.address().ok().flatten()).collect()
    }

    /// A hold on the server, to look at it and to stop it.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(Arc::clone(&self.endpoint))
    }

    /// Serves a connection that the program has made: see
    /// [`ServerHandle::serve_stream`](crate::ServerHandle::serve_stream).
    pub fn serve_stream<S>(&self, stream: S, peer: Peer) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.handle().serve_stream(stream, peer)
    }

    /// Serves until the server is drained, shut down or stopped by its handle. A server that is
    /// dropped before stops at once.
    ///
    /// It ends by itself when a task that it cannot be without ends unexpectedly: then it shuts
    /// down, and the report names the [`Fault`].
    pub async fn run(self) -> Report {
        let Self { endpoint, listeners, addresses, spare_descriptors, front, .. } = self;
        #[cfg(feature = "classic")]
        let acceptors = match self.classic {
            Some(classic) => classic.start(listeners, &endpoint, spare_descriptors, front),
            None => Acceptors::start(listeners, &endpoint, spare_descriptors, front),
        };
        #[cfg(not(feature = "classic"))]
        let acceptors = Acceptors::start(listeners, &endpoint, spare_descriptors, front);
        info!(?addresses, "serving");
        run(endpoint, acceptors).await
    }

    /// [Runs](Self::run) until `signal` comes, whatever it says, and then
    /// [shuts down](ServerHandle::shut_down): calls in progress have until the hard stop. To send
    /// clients elsewhere first, [drain](ServerHandle::drain) with a handle instead.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ubf_server::{Call, Handlers, Reply, Server, Service};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let handlers = Handlers::new().on(1, |_: Call<()>| async { Reply::ok(1) });
    /// let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, handlers);
    /// // In a program: tokio::signal::ctrl_c().
    /// let signal = async {};
    /// let report = server.bind().await?.run_until(signal, Duration::from_secs(10)).await;
    /// assert!(report.is_clean());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_until<T>(
        self,
        signal: impl Future<Output = T>,
        hard_stop: Duration,
    ) -> Report {
        let handle = self.handle();
        let mut running = pin!(self.run());
        tokio::select! {
            report = &mut running => return report,
            _ = signal => handle.shut_down(hard_stop),
        }
        running.await
    }
}

/// Runs a server to its end, whether it is told to end or a fault ends it.
async fn run(endpoint: Arc<SharedEndpoint>, mut acceptors: Acceptors) -> Report {
    let stop_when_dropped = StopWhenDropped(Arc::clone(&endpoint));
    let mut fault = None;
    while let Err(found) = watched(serve(&endpoint, &mut acceptors)).await {
        error!(fault = %found, "the server shuts down");
        if fault.is_some() {
            // What was to end the server in good order is broken itself.
            endpoint.stop();
            break;
        }
        fault = Some(found);
        endpoint.shut_down(FAULT_HARD_STOP);
    }
    let left = watched(async { Ok(leave(&endpoint, &mut acceptors).await) }).await;
    let counts = left.unwrap_or_else(|found| {
        fault.get_or_insert(found);
        endpoint.counts()
    });
    drop(stop_when_dropped);
    Report { counts, fault }
}

/// A part of the server's own task: if it panics, that is a fault like others.
async fn watched<T>(part: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    AssertUnwindSafe(part).catch_unwind().await.unwrap_or_else(|payload| {
        discard(payload);
        Err(Fault::Run)
    })
}

/// Takes the server through its phases until it has stopped.
async fn serve(endpoint: &SharedEndpoint, acceptors: &mut Acceptors) -> Result<(), Fault> {
    loop {
        let (phase, _) = endpoint.advance();
        if endpoint.must_stop_listening() {
            acceptors.close().await;
            endpoint.handle(Input::StoppedListening);
        }
        if phase == Phase::Stopped {
            return Ok(());
        }
        let deadline = endpoint.deadline().map(|deadline| endpoint.clock.instant(deadline));
        tokio::select! {
            () = endpoint.wake.notified() => {}
            () = async { sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)).await }, if deadline.is_some() => {}
            () = acceptors.end_unexpectedly() => return Err(Fault::Acceptor),
        }
    }
}

/// Waits for the connections of a server that has stopped.
async fn leave(endpoint: &SharedEndpoint, acceptors: &mut Acceptors) -> Counts {
    acceptors.close().await;
    let left = async {
        while endpoint.advance().1 > 0 {
            endpoint.wake.notified().await;
        }
    };
    if timeout(ABORT_TIME, left).await.is_ok() {
        return endpoint.counts();
    }
    let calls_left = endpoint.calls_left();
    warn!(calls_left, "handlers that block their threads are left behind");
    let mut counts = endpoint.counts();
    counts.calls_cut += calls_left;
    counts
}

struct StopWhenDropped(Arc<SharedEndpoint>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(feature = "classic")]
impl BoundClassic {
    /// Starts all listeners: `listeners` are those of versioned clients, which stock peers may
    /// share.
    fn start(
        self,
        listeners: Vec<(String, Listener)>,
        endpoint: &Arc<SharedEndpoint>,
        spares: usize,
        front: Front,
    ) -> Acceptors {
        let Self { listeners: own, settled } = self;
        let Some(within) = settled.shared_within else {
            let mut acceptors = Acceptors::start(listeners, endpoint, spares, front);
            acceptors.add_classic(own, endpoint, spares, &settled);
            return acceptors;
        };
        let mut acceptors = Acceptors::start(Vec::new(), endpoint, spares, front);
        for (name, listener) in listeners {
            let settled = Arc::clone(&settled);
            let greet = move |stream, peer, endpoint: &_| {
                crate::classic::welcome_either(stream, peer, endpoint, &settled, within);
            };
            acceptors.add(name, listener, endpoint, spares, Box::new(greet));
        }
        acceptors.add_classic(own, endpoint, spares, &settled);
        acceptors
    }
}

/// The tasks that accept connections, one for each listener.
struct Acceptors {
    tasks: JoinSet<()>,
    front: Front,
    /// They end when it is dropped.
    stop: Option<watch::Sender<()>>,
    stopped: watch::Receiver<()>,
}

impl Acceptors {
    fn start(
        listeners: Vec<(String, Listener)>,
        endpoint: &Arc<SharedEndpoint>,
        spares: usize,
        front: Front,
    ) -> Self {
        let (stop, stopped) = watch::channel(());
        let mut acceptors = Self { tasks: JoinSet::new(), front, stop: Some(stop), stopped };
        for (name, listener) in listeners {
            acceptors.add(name, listener, endpoint, spares, Box::new(welcome));
        }
        acceptors
    }

    #[cfg(feature = "classic")]
    fn add_classic(
        &mut self,
        listeners: Vec<(String, Listener)>,
        endpoint: &Arc<SharedEndpoint>,
        spares: usize,
        settled: &Arc<crate::classic::Settled>,
    ) {
        for (name, listener) in listeners {
            let settled = Arc::clone(settled);
            let greet = move |stream, peer, endpoint: &_| {
                crate::classic::welcome(stream, peer, endpoint, &settled);
            };
            self.add(name, listener, endpoint, spares, Box::new(greet));
        }
    }

    fn add(
        &mut self,
        name: String,
        listener: Listener,
        endpoint: &Arc<SharedEndpoint>,
        spares: usize,
        greet: Greet,
    ) {
        let greet = self.front.before(greet, &listener);
        let (stopped, spares) = (self.stopped.clone(), Spares::new(spares));
        let listener = endpoint.keep_listener(name, listener);
        self.tasks.spawn(accept(listener, Arc::clone(endpoint), stopped, spares, greet));
    }

    /// Waits until one of them ends though it was not told to. For ever, if there is none or they
    /// were told to.
    async fn end_unexpectedly(&mut self) {
        if self.stop.is_none() || self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until nobody can connect any longer, and all who have are welcome.
    async fn close(&mut self) {
        drop(self.stop.take());
        while self.tasks.join_next().await.is_some() {}
    }
}

/// A listener that takes connections, counted.
struct OpenDoor<'e>(&'e SharedEndpoint);

impl<'e> OpenDoor<'e> {
    fn new(endpoint: &'e SharedEndpoint) -> Self {
        endpoint.open_doors.send_modify(|count| *count += 1);
        Self(endpoint)
    }
}

impl Drop for OpenDoor<'_> {
    fn drop(&mut self) {
        self.0.open_doors.send_modify(|count| *count -= 1);
    }
}

async fn accept(
    listener: Arc<Listener>,
    endpoint: Arc<SharedEndpoint>,
    mut stopped: watch::Receiver<()>,
    mut spares: Spares,
    greet: Greet,
) {
    let mut pause = ACCEPT_PAUSE;
    let mut were_used_up = false;
    let mut doors = endpoint.doors.subscribe();
    let mut door = Some(OpenDoor::new(&endpoint));
    loop {
        if *doors.borrow_and_update() == Doors::Left {
            door = None;
            tokio::select! {
                _ = stopped.changed() => break,
                // The sender is the endpoint's.
                _ = doors.changed() => continue,
            }
        }
        door.get_or_insert_with(|| OpenDoor::new(&endpoint));
        let accepted = async {
            if were_used_up {
                spares::are_free_again()?;
            }
            listener.accept().await
        };
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            _ = doors.changed() => continue,
            accepted = accepted => accepted,
            // Soon, so that no other listener takes what was given.
            () = sleep(ACCEPT_PAUSE), if spares.is_short() => {
                spares.refill();
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = ACCEPT_PAUSE;
                were_used_up = false;
                greet(stream, peer, &endpoint);
            }
            // That connection is gone, the next one is not.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            // There may be no descriptor left but these.
            Err(_) if spares.give() => {}
            Err(error) => {
                were_used_up = !spares.are_kept();
                warn!(%error, pause_ms = millis(pause), "cannot accept");
                tokio::select! {
                    _ = stopped.changed() => break,
                    () = sleep(pause) => {}
                }
                pause = (pause * 2).min(MAX_ACCEPT_PAUSE);
            }
        }
    }
    drop((spares, door));
    let Some(listener) = endpoint.forget_listener(listener) else { return };
    if *doors.borrow() == Doors::Left {
        return listener.leave();
    }
    for (stream, peer) in listener.close() {
        greet(stream, peer, &endpoint);
    }
}

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

    /// Listens nowhere: all connections come by [`ServerHandle::serve_stream`]. Without this, a
    /// server that listens nowhere is an error, since it is a mistake as a rule.
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
    /// [peer](ServerHandle::set_peers).
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
    /// [`ServerHandle::admit_anew`] asks about those that are there.
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
    /// [`ServerHandle::call_times`]. It costs two looks at the clock for each batch of calls that
    /// come together. By default nobody counts.
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
    #[cfg_attr(
        not(all(unix, feature = "classic")),
        expect(unused_mut, reason = "listeners for stock peers are taken out of it")
    )]
    pub async fn bind(mut self) -> Result<Server, BindError> {
        let mut offer = Offer::new().with_crash_rule(self.crash_rule);
        if let Some(service) = self.service_twice {
            return Err(BindError::ServiceTwice(service));
        }
        for (service, versions) in self.offer {
            let versions = match versions {
                Ok(versions) => versions,
                Err(error) => return Err(BindError::Handler { service, error }),
            };
            if versions.is_empty() {
                return Err(BindError::NoVersion(service));
            }
            offer = offer.with_service(service, versions);
        }
        for (service, first_state) in self.pinned {
            offer = offer.with_pinned(&service, first_state);
        }
        for service in &self.owned {
            offer = offer.with_owner(service);
        }
        let named = self.own.iter().chain(&self.config.peers);
        if let Some(address) = named.into_iter().find(|address| is_unspecified(address)) {
            return Err(BindError::Unspecified(address.clone()));
        }
        if self.services.is_empty() {
            return Err(BindError::NoService);
        }
        #[cfg(feature = "classic")]
        let classic = match self.classic {
            Some(classic) => {
                #[cfg(unix)]
                let given = take_classic(&mut self.inherited)?;
                #[cfg(not(unix))]
                let given = Vec::new();
                let shares_port = self.shares_port;
                Some(bind_classic(classic, &self.services, &offer, shares_port, given).await?)
            }
            None => None,
        };
        #[cfg(feature = "classic")]
        let listens_for_stock =
            classic.as_ref().is_some_and(|classic| !classic.listeners.is_empty());
        #[cfg(not(feature = "classic"))]
        let listens_for_stock = false;
        let mut listeners = Vec::new();
        let mut names = Vec::new();
        #[cfg(unix)]
        for (name, descriptor) in self.inherited {
            listeners.push(open_inherited(&name, &name, descriptor)?);
            names.push(name);
        }
        for address in &self.addresses {
            let options = TcpOptions::default()
                .shares_port(self.shares_port)
                .v6_only(has_v4_beside(address, &self.addresses));
            match Listener::tcp(address, options).await {
                Ok(listener) => listeners.push(listener),
                Err(error) => return Err(BindError::Listen { address: address.clone(), error }),
            }
            names.push(address.clone());
        }
        for listener in self.listeners {
            let address =
                listener.local_addr().map_or_else(|_| "?".into(), |address| address.to_string());
            let opened = Listener::from_std(listener);
            names.push(address.clone());
            listeners.push(opened.map_err(|error| BindError::Listen { address, error })?);
        }
        #[cfg(unix)]
        for path in self.paths {
            let opened = Listener::unix(&path);
            names.push(format!("unix:{}", path.display()));
            listeners.push(opened.map_err(|error| BindError::Listen {
                address: path.display().to_string(),
                error,
            })?);
        }
        if listeners.is_empty() && !listens_for_stock && !self.listens_nowhere {
            return Err(BindError::NoListener);
        }
        let addresses = listeners.iter().filter_map(|listener| listener.address().transpose());
        let addresses = addresses.collect::<io::Result<Vec<_>>>();
        let addresses =
            addresses.map_err(|error| BindError::Listen { address: "?".into(), error })?;
        let own = Own { addresses: addresses.clone(), advertised: self.own };
        let time_of_day = || {
            let since_1970 = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            u64::from(since_1970.subsec_nanos()) ^ since_1970.as_secs()
        };
        let seed = self.seed.unwrap_or_else(time_of_day);
        let endpoint = SharedEndpoint::new(
            self.config,
            self.limits,
            &self.sessions,
            self.services,
            own,
            offer,
            seed,
        );
        let endpoint = if self.times_calls { endpoint.time_calls() } else { endpoint };
        let endpoint = endpoint.with_rule(self.rule);
        #[cfg(feature = "classic")]
        if let Some(classic) = &classic {
            endpoint.classic.get_or_init(|| Arc::clone(&classic.settled));
        }
        let spare_descriptors = self.spare_descriptors;
        Ok(Server {
            endpoint: Arc::new(endpoint),
            listeners: names.into_iter().zip(listeners).collect(),
            addresses,
            #[cfg(feature = "classic")]
            classic,
            spare_descriptors,
            #[cfg(feature = "tls")]
            front: Front::new(self.proxies, self.tls),
            #[cfg(not(feature = "tls"))]
            front: Front::new(self.proxies),
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::Handlers;
    use crate::reply::Reply;

    async fn idle_server() -> (Arc<SharedEndpoint>, Acceptors) {
        let handlers = Handlers::new().on(1, |_| async { Reply::ok(1) });
        let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, handlers);
        let Server { endpoint, listeners, .. } = server.bind().await.unwrap();
        let acceptors = Acceptors::start(listeners, &endpoint, 0, Front::default());
        (endpoint, acceptors)
    }

    #[tokio::test]
    async fn an_acceptor_that_ends_shuts_the_server_down_and_the_report_names_it() {
        for is_panic in [false, true] {
            let (endpoint, mut acceptors) = idle_server().await;
            acceptors.tasks.spawn(async move { assert!(!is_panic, "as a test wants it") });
            let report = run(Arc::clone(&endpoint), acceptors).await;
            assert_eq!(report.fault, Some(Fault::Acceptor));
            assert!(!report.is_clean());
            assert_eq!(endpoint.advance().0, Phase::Stopped);
        }
    }

    #[tokio::test]
    async fn acceptors_that_are_told_to_end_are_no_fault() {
        let (endpoint, acceptors) = idle_server().await;
        endpoint.shut_down(Duration::ZERO);
        assert!(run(endpoint, acceptors).await.is_clean());
    }

    #[tokio::test]
    async fn a_panic_of_the_servers_own_task_is_a_fault_and_no_panic_of_the_program() {
        let panics = async { panic!("as a test wants it") };
        assert_eq!(watched::<()>(panics).await, Err(Fault::Run));
        assert_eq!(watched(async { Ok(1) }).await, Ok(1));
    }
}
