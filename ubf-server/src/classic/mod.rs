//! Stock peers: Erlang's, Java's and JavaScript's clients, which know no versions. The same
//! services serve them, on listeners of their own (feature `classic`).

mod answer;
mod connection;
#[cfg(unix)]
mod leaving;
mod owned;
mod shared;
mod work;

use std::collections::BTreeMap;
use std::fmt;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use ubf_codec::{Term, Text, Version};
use ubf_contract::{Checker, Contract, SessionChecker, SessionState, Strings};
use ubf_proto::classic::server::{House, HouseService};
use ubf_proto::{Service, Versions};

pub use ubf_proto::classic::server::{AfterStop, BrokenReply, Config, EventTiming};
pub use ubf_proto::classic::{Flavour, Hello, Tags, Writing};

pub(crate) use self::connection::welcome;
#[cfg(unix)]
pub(crate) use self::leaving::adopt;
#[cfg(unix)]
pub use self::leaving::{AdoptedConnection, PassedConnection};
pub(crate) use self::shared::welcome_either;

/// Connections on a shared address of which nobody knows the kind, at a time. Chosen: a herd of
/// clients waits, and a flood takes no more descriptors than that.
const MAX_UNDECIDED: usize = 1_024;

/// What a server says to stock peers, and where.
///
/// ```no_run
/// use ubf_codec::ubf;
/// use ubf_server::{Call, Classic, ClassicService, Handlers, Reply, Server, Service};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let shop = Handlers::new().on([1, 2], |_: Call<()>| async { Reply::ok(ubf!({price, 480})) });
/// let classic = Classic::new().listen("127.0.0.1:4001").service(ClassicService::new("shop", 2));
/// let server = Server::builder()
///     .listen("127.0.0.1:4000")
///     .service(Service::named("shop"), shop)
///     .classic(classic)
///     .bind()
///     .await?;
/// server.run().await;
/// # Ok(())
/// # }
/// ```
///
/// # Limits
/// Those of [`Config`], and of the server: its connections are admitted together with all others.
/// One that is not is closed without a word, since a stock peer would take it for a reply.
#[derive(Debug, Default)]
pub struct Classic {
    pub(crate) addresses: Vec<String>,
    #[cfg(unix)]
    pub(crate) paths: Vec<PathBuf>,
    config: Config,
    services: Vec<ClassicService>,
    is_entered: bool,
    shared_within: Option<Duration>,
}

impl Classic {
    /// With the settings that suit Erlang's and Java's clients, and no services.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens here for stock peers: `"127.0.0.1:4001"`; port 0 is any that is free.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// Listens on a Unix socket of this name, too, as
    /// [`ServerBuilder::listen_unix`](crate::ServerBuilder::listen_unix) does.
    #[cfg(unix)]
    #[must_use]
    pub fn listen_unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Serves stock peers on the addresses of versioned clients, too (Q15). A client that speaks
    /// first with a digit is versioned; one that says nothing for so long (300 ms is usual), or
    /// begins otherwise, is a stock peer, and gets the hello then.
    ///
    /// Each versioned connection costs a copy of its first bytes and a box.
    #[must_use]
    pub const fn share_addresses(mut self, within: Duration) -> Self {
        self.shared_within = Some(within);
        self
    }

    /// Sets flavour, hello, when events leave, and limits.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Serves one more service. They are told to clients in this order.
    #[must_use]
    pub fn service(mut self, service: ClassicService) -> Self {
        self.services.push(service);
        self
    }

    /// Begins all sessions in the first service: there is no meta level, as with `startplugin` of
    /// stock servers.
    #[must_use]
    pub const fn without_meta_level(mut self) -> Self {
        self.is_entered = true;
        self
    }

    /// What is wrong with it: the first service that the server does not offer in this version.
    pub(crate) fn missing(
        &self,
        offered: impl Fn(&Service) -> Option<Versions>,
    ) -> Option<(Service, Version)> {
        let is_missing = |own: &&ClassicService| {
            offered(&own.service).is_none_or(|versions| !versions.contains(own.version))
        };
        let missing = self.services.iter().find(is_missing)?;
        Some((missing.service.clone(), missing.version))
    }

    pub(crate) fn settle(self) -> Settled {
        let houses = self.services.iter().map(ClassicService::in_house);
        let house = match houses.clone().next() {
            Some(first) if self.is_entered => House::of_one(first),
            Some(_) | None => houses.fold(House::new(self.config.flavour), House::with_service),
        };
        let services = self.services.into_iter().map(|service| (service.name.clone(), service));
        Settled {
            config: Arc::new(self.config),
            house: Arc::new(house),
            services: services.collect(),
            shared_within: self.shared_within,
            undecided: Arc::new(Semaphore::new(MAX_UNDECIDED)),
        }
    }
}

/// The same, ready to serve.
#[derive(Debug)]
pub(crate) struct Settled {
    config: Arc<Config>,
    house: Arc<House>,
    services: BTreeMap<Text, ClassicService>,
    pub(crate) shared_within: Option<Duration>,
    /// A permit for each connection of which nobody knows the kind.
    undecided: Arc<Semaphore>,
}

impl Settled {
    /// The house as a peer sees it that may not use these services.
    fn house_without<'s>(&self, barred: impl Iterator<Item = &'s Service>) -> Arc<House> {
        let barred: Vec<&Service> = barred.collect();
        if barred.is_empty() {
            return Arc::clone(&self.house);
        }
        let own = self.services.iter().filter(|(_, own)| barred.contains(&&own.service));
        Arc::new(own.fold(House::clone(&self.house), |house, (name, _)| house.without(name)))
    }
}

/// A service as stock peers see it: which one of the server it is, and in which version.
#[derive(Clone)]
pub struct ClassicService {
    name: Text,
    service: Service,
    version: Version,
    contract: Option<Arc<SessionChecker>>,
    first_state: Option<Text>,
    start: Option<Arc<Start>>,
    restart: Option<Arc<Restart>>,
}

/// What decides whether a session begins.
type Start = dyn Fn(&Term) -> Result<(Term, Text), Term> + Send + Sync;

/// What restarts a service.
type Restart = dyn Fn(&Term) -> Result<(), Term> + Send + Sync;

/// How the session of a stock client began (Q6): handlers see it in
/// [`Client::started`](crate::Client::started).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Started {
    /// The argument of the start: any term. The empty list, where sessions begin without a start.
    pub argument: Term,
    /// The state in which the session began.
    pub state: Text,
    /// Whether the session holds both sides to a contract.
    pub(crate) is_checked: bool,
}

impl ClassicService {
    /// The service of this name, in this version of its contract.
    ///
    /// # Panics
    /// If the version is 0.
    #[must_use]
    pub fn new(name: &str, version: u32) -> Self {
        Self::of(name, Service::named(name), version)
    }

    /// A service of this server under another name, [`Service::DEFAULT`] for example.
    ///
    /// # Panics
    /// If the version is 0.
    #[must_use]
    pub fn of(name: impl Into<Text>, service: Service, version: u32) -> Self {
        let version = Version::new(version).expect("a contract's version is 1 or more");
        Self {
            name: name.into(),
            service,
            version,
            contract: None,
            first_state: None,
            start: None,
            restart: None,
        }
    }

    /// Holds both sides to this contract, and tells it to clients that ask. Strings are tuples in
    /// it, as stock peers have them (C2.5).
    #[must_use]
    pub fn with_contract(mut self, contract: impl Into<Arc<Contract>>) -> Self {
        let checker = Checker::with_strings(contract, Strings::AsTuples);
        self.contract = Some(Arc::new(SessionChecker::new(checker)));
        self
    }

    /// The state in which sessions begin. Otherwise it is the first of the contract, `none` if that
    /// has none, and `start` without a contract.
    #[must_use]
    pub fn with_first_state(mut self, state: impl Into<Text>) -> Self {
        self.first_state = Some(state.into());
        self
    }

    /// Decides about each start: what the client gets and the state in which its session begins, or
    /// why there is none. Otherwise each is answered `ok`.
    #[must_use]
    pub fn with_start(
        mut self,
        start: impl Fn(&Term) -> Result<(Term, Text), Term> + Send + Sync + 'static,
    ) -> Self {
        self.start = Some(Arc::new(start));
        self
    }

    /// Restarts the service when a client asks for it, or says why not. Otherwise each such request
    /// is answered `{'error','notRestartable'}`.
    #[must_use]
    pub fn with_restart(
        mut self,
        restart: impl Fn(&Term) -> Result<(), Term> + Send + Sync + 'static,
    ) -> Self {
        self.restart = Some(Arc::new(restart));
        self
    }

    fn started(&self, argument: Term, state: Text) -> Started {
        Started { argument, state, is_checked: self.contract.is_some() }
    }

    fn is_stateless(&self) -> bool {
        let contract = self.contract.as_ref();
        contract.is_some_and(|contract| contract.entry() == SessionState::Stateless)
    }

    fn first_state(&self) -> Text {
        let of_contract = || {
            let contract = self.contract.as_ref()?;
            contract.name(contract.entry())
        };
        let others = || if self.is_stateless() { "none" } else { "start" };
        self.first_state.clone().or_else(of_contract).unwrap_or_else(|| others().into())
    }

    fn in_house(&self) -> HouseService {
        let service = HouseService::new(self.name.clone()).with_first_state(self.first_state());
        match &self.contract {
            Some(contract) => service.with_contract(Arc::clone(contract)),
            None => service,
        }
    }
}

impl fmt::Debug for ClassicService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassicService")
            .field("name", &self.name)
            .field("service", &self.service)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
