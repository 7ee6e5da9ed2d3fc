//! The switch itself: where it listens, whom it takes, and how it ends.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use ubf_codec::{Address, NextIp};
use ubf_net::tls::{ClientTls, ServerTls};
use ubf_net::{Listener, Peer, Stream, Target, TcpOptions};
use ubf_proto::{Origin, Service, Versions};

use crate::config::SwitchLimits;
use crate::connection::{self, pass};
use crate::counters::{Counts, count};
use crate::fleet::{Fleet, Health};
use crate::passage::{Words, closing};
use crate::probe;
use crate::pump::say_last;
use crate::raw::{self, Group};
use crate::shared::{Course, Shared};

/// Clients that are turned away with a word at a time. Beyond it they get none (L3.7).
const MOST_FAREWELLS: usize = 256;

/// How long nothing is accepted when the system has no descriptors left.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// What a switch is made of.
///
/// ```no_run
/// use ubf_switch::Switch;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let switch = Switch::builder()
///     .listen("0.0.0.0:4000")
///     .node("10.0.0.1:4000".parse()?)
///     .node("10.0.0.2:4000".parse()?)
///     .bind()
///     .await?;
/// println!("{:?}", switch.addresses());
/// let report = switch.run().await;
/// assert_eq!(report.counts.cut, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is bound"]
pub struct SwitchBuilder {
    listen: Vec<String>,
    raw: Vec<(String, Vec<Target>)>,
    nodes: Vec<Target>,
    services: Vec<Service>,
    limits: SwitchLimits,
    tls: Option<ServerTls>,
    node_tls: Option<ClientTls>,
    advertised: Option<Address>,
    peers: Option<NextIp>,
    passes_next_ip: bool,
}

impl SwitchBuilder {
    /// Takes clients of versioned UBF at this address, as `127.0.0.1:4000`, or on a Unix socket:
    /// `unix:/run/switch.sock`.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen.push(address.into());
        self
    }

    /// A node behind it. `ubfs://HOST:PORT` is spoken to with TLS, for which
    /// [`node_tls`](Self::node_tls) is needed.
    pub fn node(mut self, target: Target) -> Self {
        self.nodes.push(target);
        self
    }

    /// Passes whatever comes at this address to these nodes as it is: stock peers, or TLS that the
    /// nodes end. Nothing of it is read, so NextIP passes too, and a client comes to the node that
    /// its address is led to.
    pub fn pass_through(
        mut self,
        address: impl Into<String>,
        nodes: impl IntoIterator<Item = Target>,
    ) -> Self {
        self.raw.push((address.into(), nodes.into_iter().collect()));
        self
    }

    /// Asks nodes for this service from the start. Others are asked for when a client first names
    /// them.
    pub fn service(mut self, service: impl Into<Service>) -> Self {
        self.services.push(service.into());
        self
    }

    /// Its limits.
    pub fn limits(mut self, limits: SwitchLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Ends the clients' TLS here. Nodes then see the switch, and not who its clients are.
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How nodes are spoken to whose targets want TLS.
    pub fn node_tls(mut self, tls: ClientTls) -> Self {
        self.node_tls = Some(tls);
        self
    }

    /// The address by which clients know the switch, where it is not the one that they come to:
    /// behind a translator of addresses, or by a name. It stands in place of the nodes' addresses.
    pub fn advertise(mut self, address: Address) -> Self {
        self.advertised = Some(address);
        self
    }

    /// Other switches, where clients go when this one is lost (R4).
    pub fn peers(mut self, peers: NextIp) -> Self {
        self.peers = Some(peers);
        self
    }

    /// Passes the NextIP and the peers of nodes on as they are, to clients that can reach nodes.
    /// They leave the switch then. By default clients learn no address of a node.
    pub fn pass_next_ip(mut self, passes: bool) -> Self {
        self.passes_next_ip = passes;
        self
    }

    /// Listens. Clients are served when it [runs](Switch::run).
    ///
    /// # Errors
    /// If there is no node, or an address cannot be listened on.
    pub async fn bind(self) -> Result<Switch, BindError> {
        let Self { listen, raw, nodes, services, limits, tls, node_tls, .. } = self;
        let is_tls = |target: &Target| matches!(target, Target::Tls(_));
        if nodes.is_empty() && (!listen.is_empty() || raw.iter().all(|(_, to)| to.is_empty())) {
            return Err(BindError::NoNodes);
        }
        let all = nodes.iter().chain(raw.iter().flat_map(|(_, nodes)| nodes));
        if let Some(target) = all.into_iter().find(|target| is_tls(target) && node_tls.is_none()) {
            return Err(BindError::NodeTls { target: target.clone() });
        }
        let mut doors = Vec::new();
        for address in listen {
            let listener = open(&address).await?;
            doors.push(Door { listener, group: None, tls: tls.clone() });
        }
        for (address, nodes) in raw {
            let listener = open(&address).await?;
            doors.push(Door { listener, group: Some(Arc::new(Group::new(nodes))), tls: None });
        }
        let shared = Shared::new(
            limits,
            Fleet::new(nodes),
            services,
            node_tls,
            self.advertised,
            self.peers,
            self.passes_next_ip,
        );
        Ok(Switch { shared: Arc::new(shared), doors })
    }
}

async fn open(address: &str) -> Result<Listener, BindError> {
    let listening = async {
        #[cfg(unix)]
        if let Some(path) = address.strip_prefix("unix:") {
            return Listener::unix(path.as_ref());
        }
        Listener::tcp(address, TcpOptions::default()).await
    };
    listening.await.map_err(|error| BindError::Listen { address: address.to_owned(), error })
}

/// Why a switch does not begin.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// It has nothing to switch to.
    NoNodes,
    /// A node is to be spoken to with TLS, and it is not said whose certificates are trusted.
    NodeTls {
        /// The node.
        target: Target,
    },
    /// An address cannot be listened on.
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        error: io::Error,
    },
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNodes => f.write_str("there is no node to lead clients to"),
            Self::NodeTls { target } => {
                write!(f, "{target}: nobody says whose certificates are trusted")
            }
            Self::Listen { address, error } => write!(f, "cannot listen on {address}: {error}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoNodes | Self::NodeTls { .. } => None,
            Self::Listen { error, .. } => Some(error),
        }
    }
}

/// A place where clients come in.
#[derive(Debug)]
struct Door {
    listener: Listener,
    /// Nodes that the bytes pass to as they are.
    group: Option<Arc<Group>>,
    tls: Option<ServerTls>,
}

/// A switch that listens.
#[derive(Debug)]
pub struct Switch {
    shared: Arc<Shared>,
    doors: Vec<Door>,
}

/// A hold on a switch that runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SwitchHandle {
    shared: Arc<Shared>,
}

/// What a switch has done, when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SwitchReport {
    /// What it has counted.
    pub counts: Counts,
}

/// How a switch is to end (R8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwitchDrain {
    /// Where clients go: another switch. `None`: each is told `closing` at once, and comes again
    /// wherever its user said.
    pub next_ip: Option<NextIp>,
    /// How long clients may take to move there.
    pub grace: Duration,
    /// How long answers that are due may take after that.
    pub hard_stop: Duration,
}

/// How a node is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStatus {
    /// Where it is.
    pub target: Target,
    /// How it is.
    pub health: Health,
    /// Clients that are joined to it.
    pub connections: usize,
    /// What it offers.
    pub services: Vec<(Service, Versions)>,
}

impl Switch {
    /// A switch that is not made yet.
    pub fn builder() -> SwitchBuilder {
        SwitchBuilder::default()
    }

    /// Where it listens, in the order of the builder: versioned addresses, and then those whose
    /// bytes pass as they are. Unix sockets are left out.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |door: &Door| door.listener.address().ok().flatten();
        self.doors.iter().filter_map(address).collect()
    }

    /// A hold on it.
    #[must_use]
    pub fn handle(&self) -> SwitchHandle {
        SwitchHandle { shared: Arc::clone(&self.shared) }
    }

    /// Serves until it is [drained](SwitchHandle::drain).
    pub async fn run(self) -> SwitchReport {
        let Self { shared, doors } = self;
        let mut probes = JoinSet::new();
        for node in shared.fleet().ids() {
            probes.spawn(probe::watch(Arc::clone(&shared), node));
        }
        let farewells = Arc::new(Semaphore::new(MOST_FAREWELLS));
        let numbers = Arc::new(AtomicU64::new(0));
        let mut accepting = JoinSet::new();
        for door in doors {
            let taking =
                take(Arc::clone(&shared), door, Arc::clone(&farewells), Arc::clone(&numbers));
            accepting.spawn(taking);
        }
        while let Some(ended) = accepting.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "nobody is taken at an address any more");
            }
        }
        SwitchReport { counts: shared.counters.counts() }
    }
}

/// Takes clients at one door, until the switch ends and the last of them is gone.
async fn take(shared: Arc<Shared>, door: Door, farewells: Arc<Semaphore>, numbers: Arc<AtomicU64>) {
    let Door { listener, group, tls } = door;
    let bound = listener.address().ok().flatten();
    let mut course = shared.course.subscribe();
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let id = numbers.fetch_add(1, Ordering::Relaxed) + 1;
                    let client = Client { stream, peer, id, group: group.clone(), tls: tls.clone() };
                    clients.spawn(client.serve(Arc::clone(&shared), bound, Arc::clone(&farewells)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    sleep(ACCEPT_WAIT).await;
                }
            },
            Some(ended) = clients.join_next() => log_crash(&ended),
            () = until_ending(&mut course) => break,
        }
    }
    // Whoever has connected and was not taken comes again elsewhere: nothing was read of it.
    drop(listener.close());
    loop {
        tokio::select! {
            ended = clients.join_next() => match ended {
                Some(ended) => log_crash(&ended),
                None => break,
            },
            () = until_stopped(&mut course) => {
                // Each of them sees it, too: this bounds what they still say.
                let rest = async { while clients.join_next().await.is_some() {} };
                let _all_are_gone = timeout(Duration::from_secs(1), rest).await;
                break;
            }
        }
    }
}

fn log_crash(ended: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection has crashed");
    }
}

async fn until_ending(course: &mut watch::Receiver<Course>) {
    let _seen = course.wait_for(|course| *course != Course::Serving).await;
}

async fn until_stopped(course: &mut watch::Receiver<Course>) {
    let _seen = course.wait_for(|course| *course == Course::Stopped).await;
}

/// One that has just connected.
struct Client {
    stream: Stream,
    peer: Peer,
    id: u64,
    group: Option<Arc<Group>>,
    tls: Option<ServerTls>,
}

/// Gives a place back, however the connection ends.
struct Place<'a>(&'a Shared, Origin);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.admission().release(self.1);
    }
}

impl Client {
    async fn serve(
        self,
        shared: Arc<Shared>,
        bound: Option<SocketAddr>,
        farewells: Arc<Semaphore>,
    ) {
        let Self { stream, peer, id, group, tls } = self;
        let ip = peer.address().map(|address| address.ip());
        let origin = ip.map_or(Origin::Local, Origin::of);
        let admitted = shared.admission().admit(origin);
        if let Err(why) = admitted {
            count(&shared.counters.turned_away);
            tracing::debug!(%peer, why, "turned away");
            // TLS has no words before its handshake, and stock peers have none at all.
            if group.is_none()
                && tls.is_none()
                && let Ok(_one) = farewells.try_acquire()
            {
                say_last(stream, closing(why, shared.peers.clone(), 0)).await;
            }
            return;
        }
        let _place = Place(&shared, origin);
        count(&shared.counters.accepted);
        tracing::debug!(%peer, connection = id, "accepted");
        if let Some(group) = group {
            return serve_raw(&shared, id, &group, stream, ip).await;
        }
        let own = own_address(&shared, &stream, bound);
        let stream = match tls {
            None => stream,
            Some(tls) => {
                let within = shared.limits.max_negotiation_time;
                match timeout(within, tls.accept(stream)).await {
                    Ok(Ok((stream, _identity))) => stream,
                    Ok(Err(_)) | Err(_) => {
                        count(&shared.counters.handshakes_failed);
                        return;
                    }
                }
            }
        };
        let words = Words {
            own: own.and_then(|own| NextIp::new(vec![own])),
            peers: shared.peers.clone(),
            passes_next_ip: shared.passes_next_ip,
        };
        connection::serve(Arc::clone(&shared), id, stream, Arc::new(words)).await;
    }
}

/// The address of the switch, as a client knows it.
fn own_address(shared: &Shared, stream: &Stream, bound: Option<SocketAddr>) -> Option<Address> {
    if let Some(advertised) = &shared.advertised {
        return Some(advertised.clone());
    }
    let local = stream.local_address().or(bound)?;
    // R7.15: nobody can be reached there.
    let ip = local.ip().to_canonical();
    if ip.is_unspecified() {
        None
    } else {
        SocketAddr::new(ip, local.port()).to_string().parse().ok()
    }
}

async fn serve_raw(
    shared: &Arc<Shared>,
    id: u64,
    group: &Arc<Group>,
    stream: Stream,
    ip: Option<IpAddr>,
) {
    let course = shared.course.subscribe();
    match raw::join(shared, group, stream, ip).await {
        Some((node, pump)) => {
            count(&shared.counters.joined);
            pass(shared, id, node, pump, course).await;
        }
        None => count(&shared.counters.without_node),
    }
}

impl SwitchHandle {
    /// Ends the switch: no client is taken any more, and those that are there are led elsewhere or
    /// told what was executed. Comes back when [`Switch::run`] may: when all are gone, or cut.
    pub async fn drain(&self, drain: SwitchDrain) {
        let SwitchDrain { next_ip, grace, hard_stop } = drain;
        if let Some(next_ip) = next_ip {
            let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
            self.shared.course.send_replace(Course::Draining { next_ip, grace_ms });
            let _are_gone = timeout(grace, self.until_empty()).await;
        }
        self.shared.course.send_replace(Course::Closing);
        let _are_gone = timeout(hard_stop, self.until_empty()).await;
        self.shared.course.send_replace(Course::Stopped);
    }

    async fn until_empty(&self) {
        /// Chosen: nobody notices, and nothing has to tell.
        const LOOK_EVERY: Duration = Duration::from_millis(10);

        while self.shared.admission().count() > 0 {
            sleep(LOOK_EVERY).await;
        }
    }

    /// What it has counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counters.counts()
    }

    /// Whether it takes clients: its end has not begun.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        *self.shared.course.borrow() == Course::Serving
    }

    /// Clients that are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.admission().count()
    }

    /// Sessions whose nodes are remembered.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shared.homes().len()
    }

    /// How each node is.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeStatus> {
        let fleet = self.shared.fleet();
        let services = fleet.services();
        let status = |id| {
            let spoken =
                services.iter().map(|service| (service.clone(), fleet.spoken(id, service)));
            Some(NodeStatus {
                target: fleet.target(id)?.clone(),
                health: fleet.health(id),
                connections: fleet.connections(id),
                services: spoken.filter(|(_, versions)| !versions.is_empty()).collect(),
            })
        };
        fleet.ids().filter_map(status).collect()
    }
}
