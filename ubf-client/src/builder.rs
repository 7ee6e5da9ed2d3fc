//! From settings to a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use ubf_codec::{Address, Limits, Text, Version};
#[cfg(feature = "contract")]
use ubf_contract::{Contract, Enforcement};
use ubf_net::{DialError, Peer, Stream, Target, TargetError};
use ubf_proto::client::{Config, Notice, SessionPlan};
use ubf_proto::{BackoffTimes, RedirectPolicy, Service, TraceParent, Versions};

use crate::attempt::{Attempt, Connector, connector};
use crate::connect_error::ConnectError;
#[cfg(feature = "contract")]
use crate::contract::ContractSettings;
use crate::handle::{Client, Tracer};
use crate::opening::{Opening, OpeningHook};
use crate::showing::{NoticeHook, WireHook};
use crate::stand_in::StandIns;
use crate::wire::Traffic;

/// Settings of a client. [`Client::builder`] makes one.
///
/// An address and a version are needed; all else has a default.
///
/// | setting | default |
/// |---|---|
/// | [`address`](Self::address), [`addresses`](Self::addresses) | none: at least one is needed |
/// | [`versions`](Self::versions) | none: at least one is needed |
/// | [`service`](Self::service) | the server's default service |
/// | [`floor`](Self::floor) | none: any version that both have |
/// | [`agent`](Self::agent) | none: the server is not told |
/// | [`redirect_policy`](Self::redirect_policy) | the strictest |
/// | [`call_time`](Self::call_time) | 30 s |
/// | [`connect_time`](Self::connect_time) | 5 s |
/// | [`connect_within`](Self::connect_within) | no limit over all addresses |
/// | [`connector`](Self::connector) | TCP, and Unix sockets |
/// | [`close_time`](Self::close_time) | 5 s |
/// | [`backoff`](Self::backoff) | 100 ms, doubling to 10 s, shortened or lengthened at random |
/// | [`limits`](Self::limits) | those of the codec: packets of 16 MiB |
/// | [`max_pending`](Self::max_pending) | 4096 calls |
/// | [`max_in_flight`](Self::max_in_flight) | 1024 packets |
/// | [`max_events`](Self::max_events) | 1024 events |
/// | [`max_event_bytes`](Self::max_event_bytes) | 16 MiB of memory |
/// | [`keep_events`](Self::keep_events) | events are kept when they have been asked for |
/// | [`max_reply_bytes`](Self::max_reply_bytes) | 64 MiB of memory |
/// | [`on_session`](Self::on_session) | none: calls go out at once |
/// | [`trace`](Self::trace) | none: servers are told nothing of spans and deadlines |
/// | [`on_notice`](Self::on_notice) | none: notices go to `tracing` alone |
/// | `tls` (feature `tls`) | none: bytes go as they are |
/// | `contract` (feature `contract`) | none: nothing is checked |
/// | [`session`](Self::session) | [`SessionPlan::wanted`] |
/// | [`seed`](Self::seed) | another one for each client |
/// | [`configure`](Self::configure) | [`Config`] names the defaults of all that it reaches: optimism, grease, quarantine, hops, pings, … |
///
/// ```
/// use std::time::Duration;
/// use ubf_client::{Client, RedirectPolicy};
/// use ubf_codec::Version;
///
/// let builder = Client::builder()
///     .address("a.example:4000")
///     .address("b.example:4000")
///     .service("kv")
///     .versions([1, 2, 3])
///     .floor(Version::new(2).expect("2 is a version"))
///     .agent("till/7.1")
///     .call_time(Duration::from_secs(2))
///     .max_in_flight(64)
///     .redirect_policy(RedirectPolicy::default())
///     .on_notice(|notice| println!("{notice:?}"));
/// # drop(builder);
/// ```
#[must_use]
pub struct Builder {
    pub(crate) config: Config,
    pub(crate) bad_address: Option<(String, TargetError)>,
    pub(crate) stand_ins: StandIns,
    pub(crate) connector: Option<Connector>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<ubf_net::tls::ClientTls>,
    pub(crate) first_agreement_time: Option<Duration>,
    pub(crate) seed: Option<u64>,
    pub(crate) max_events: usize,
    pub(crate) max_event_bytes: usize,
    pub(crate) keeps_events: bool,
    pub(crate) max_reply_bytes: usize,
    pub(crate) close_time: Duration,
    pub(crate) opening_hook: Option<OpeningHook>,
    pub(crate) notice_hook: Option<NoticeHook>,
    pub(crate) wire_hook: Option<WireHook>,
    pub(crate) tracer: Option<Tracer>,
    #[cfg(feature = "contract")]
    pub(crate) contracts: ContractSettings,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            config: Config::new(Vec::new(), Versions::new()),
            bad_address: None,
            stand_ins: StandIns::default(),
            connector: None,
            #[cfg(feature = "tls")]
            tls: None,
            first_agreement_time: None,
            seed: None,
            max_events: 1024,
            max_event_bytes: 16 << 20,
            keeps_events: false,
            max_reply_bytes: 64 << 20,
            close_time: Duration::from_secs(5),
            opening_hook: None,
            notice_hook: None,
            wire_hook: None,
            tracer: None,
            #[cfg(feature = "contract")]
            contracts: ContractSettings::default(),
        }
    }

    /// One more address to start from: `192.0.2.7:4000`, `[2001:db8::1]:4000`, `b.example:4000`,
    /// or on Unix systems `unix:/run/kv.sock`. They are tried in the order in which they are given.
    /// Default: none, and at least one is needed.
    ///
    /// `ubfs://b.example:4000` is spoken to with TLS, and so is each other address of the client
    /// then: R7 knows no way back from TLS. What makes TLS is what `tls` (feature `tls`) was given,
    /// or the authorities of the system (feature `system-roots`).
    ///
    /// Status and notices show a Unix socket by a name in `.invalid`, here
    /// `unix-run-kv-sock-0.invalid:1`: no server can mean it.
    pub fn address(mut self, address: impl AsRef<str>) -> Self {
        match address.as_ref().parse::<Target>() {
            Ok(target) => {
                self.config.tls |= matches!(target, Target::Tls(_));
                self.config.addresses.extend(self.stand_ins.address(target));
            }
            Err(error) => {
                self.bad_address.get_or_insert((address.as_ref().to_owned(), error));
            }
        }
        self
    }

    /// More addresses to start from, behind those that are there.
    pub fn addresses<A: Into<Address>>(mut self, addresses: impl IntoIterator<Item = A>) -> Self {
        self.config.addresses.extend(addresses.into_iter().map(Into::into));
        self
    }

    /// Whom to talk to. Default: the server's default service.
    pub fn service(mut self, service: impl Into<Service>) -> Self {
        self.config.service = service.into();
        self
    }

    /// The versions of the contract that this program has. What is no version (0, and above
    /// 2,147,483,647) is left out. Default: none, and at least one is needed.
    pub fn versions(mut self, versions: impl IntoIterator<Item = u32>) -> Self {
        self.config.versions = Versions::of(versions);
        self
    }

    /// N9: the lowest version that is accepted. Default: none, any version that both have is.
    pub fn floor(mut self, floor: Version) -> Self {
        self.config.floor = Some(floor);
        self
    }

    /// N12: name and version of the software, for the server's operator: `till/7.1`. Default: none.
    pub fn agent(mut self, agent: impl Into<Text>) -> Self {
        self.config.agent = Some(agent.into());
        self
    }

    /// R7: which redirections are followed. Default: the strictest, [`RedirectPolicy::default`].
    /// What is refused is a notice, and the client stays where it is.
    pub fn redirect_policy(mut self, policy: RedirectPolicy) -> Self {
        self.config.policy = policy;
        self
    }

    /// L2: how long a call may take, if it says nothing else. Default 30 s.
    pub fn call_time(mut self, time: Duration) -> Self {
        self.config.call_time = time;
        self
    }

    /// L2: how long it may take to make a connection. Default 5 s.
    pub fn connect_time(mut self, time: Duration) -> Self {
        self.config.max_connect_time = time;
        self
    }

    /// L2: how long [`connect`](Self::connect) may take in all, over all addresses. Default: no
    /// limit of its own, so that each address may take [`connect_time`](Self::connect_time) and the
    /// time for an agreement. [`start`](Self::start) waits for nothing.
    pub fn connect_within(mut self, time: Duration) -> Self {
        self.first_agreement_time = Some(time);
        self
    }

    /// Makes the connections: TLS, a tunnel, one's own streams. Default: TCP and Unix sockets.
    ///
    /// The function is told where to with an [`Attempt`], and gives a stream and who is at its
    /// other end, which judges redirections (R7). [`Attempt::dial`] makes the connection that the
    /// library would make. The client drops the future when its time is over; if it panics, the
    /// connection was not made.
    ///
    /// ```
    /// use ubf_client::{Client, Peer, Stream};
    ///
    /// let (ours, theirs) = tokio::io::duplex(4096);
    /// let ours = std::sync::Mutex::new(Some(ours));
    /// let builder = Client::builder().address("in.memory:1").versions([1]).connector(move |_to| {
    ///     let stream = ours.lock().unwrap().take();
    ///     async move {
    ///         let stream = stream.ok_or_else(|| std::io::Error::other("there is only one"))?;
    ///         Ok((Stream::own(stream), Peer::Own))
    ///     }
    /// });
    /// # drop((builder, theirs));
    /// ```
    ///
    /// With TLS, it is mostly `let (tcp, peer) = to.dial().await?;
    /// Ok((Stream::own(tls.connect(name, tcp).await?), peer))`. [`configure`](Self::configure) sets
    /// `Config::tls` if nothing else will do.
    pub fn connector<F>(mut self, connect: impl Fn(Attempt) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(Stream, Peer), DialError>> + Send + 'static,
    {
        self.connector = Some(connector(connect));
        self
    }

    /// Speaks TLS with every server, whoever has named it: none is spoken to otherwise, and each
    /// has to show a certificate for the name of the last server that the program named (R7).
    /// Default: no TLS. With a [`connector`](Self::connector), that makes the streams below.
    ///
    /// ```no_run
    /// use ubf_client::Client;
    /// use ubf_client::tls::ClientTls;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = ClientTls::trusting("ca.pem")?.showing("till-7.pem", "till-7.key")?;
    /// let client = Client::builder().address("a.example:4000").versions([1]).tls(tls);
    /// let client = client.connect().await?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls(mut self, tls: ubf_net::tls::ClientTls) -> Self {
        self.config.tls = true;
        self.tls = Some(tls);
        self
    }

    /// L2: how long calls may take to end when the last handle is dropped; [`Client::close`] has a
    /// time of its own. Default 5 s.
    pub fn close_time(mut self, time: Duration) -> Self {
        self.close_time = time;
        self
    }

    /// R4: waits between rounds over all addresses. Default: 100 ms, doubling to 10 s.
    pub fn backoff(mut self, times: BackoffTimes) -> Self {
        self.config.backoff = times;
        self
    }

    /// L1: limits of one packet from the server, which is told of the bytes (N12). Default:
    /// [`Limits::default`], 16 MiB. A server that sends a larger one is left.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// L1: calls that have not ended, at least 1. Who makes one more waits for a place. Default
    /// 4096.
    pub fn max_pending(mut self, count: usize) -> Self {
        self.config.max_pending = count.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// L1: the depth of the pipeline: calls that were sent and have no answer, at least 1. Others
    /// wait. Default 1024.
    pub fn max_in_flight(mut self, count: usize) -> Self {
        self.config.max_in_flight = count.max(1);
        self
    }

    /// L1: events from the server that wait to be read, at least 1: see [`Events`](crate::Events).
    /// Default 1024.
    pub fn max_events(mut self, count: usize) -> Self {
        self.max_events = count;
        self
    }

    /// L1: memory of events that wait to be read, in bytes. One event is always kept. Default 16
    /// MiB. A small integer takes 2 bytes on the wire, and 16 here
    /// ([`Document::memory_bytes`](ubf_codec::Document::memory_bytes)).
    pub fn max_event_bytes(mut self, bytes: usize) -> Self {
        self.max_event_bytes = bytes;
        self
    }

    /// Keeps events from the first connection on. Default: from when the program asks for them
    /// ([`Client::events`]), so that a client whose events nobody reads keeps none.
    ///
    /// For a program that asks for them after it has connected, and whose server sends some before.
    pub fn keep_events(mut self) -> Self {
        self.keeps_events = true;
        self
    }

    /// L1: memory of replies that have come and that their callers have not taken, in bytes.
    /// Default 64 MiB. While there are so many, the client reads nothing more, whatever else it
    /// waits for; a reply that is read already is not lost.
    ///
    /// A caller takes its reply when its [`Call`](crate::Call) is polled, and lets go of it when
    /// the call is dropped. **A call that was polled and is neither polled again nor dropped holds
    /// its reply:** enough of them hold up all others, which then end at their deadlines. Spawned
    /// calls, and those that are awaited together, are always polled.
    pub fn max_reply_bytes(mut self, bytes: usize) -> Self {
        self.max_reply_bytes = bytes.max(1);
        self
    }

    /// What the program does first on each new connection: log in, subscribe. Default: nothing.
    ///
    /// The function runs when a server has agreed on a version on a connection for the first time,
    /// in a task of its own. The calls that it makes with the [`Opening`] go out on this connection
    /// before all others; those wait until it has ended well. Then they follow, in their order,
    /// those that a loss had cut short included.
    ///
    /// - If it fails, panics, or takes longer than [`call_time`](Self::call_time), the connection
    ///   is given up, and the client goes on as after a loss: to the next address, after a pause.
    ///   What waits is not lost.
    /// - If the connection is lost first, the function is dropped where it is, and its calls end.
    ///   They are made nowhere else: the next connection has its own.
    /// - With it, no call precedes the agreement (N3), so that a new connection costs a round trip
    ///   more.
    /// - [`connect`](Self::connect) does not wait for it: calls do.
    ///
    /// ```no_run
    /// use ubf_client::Client;
    /// use ubf_codec::ubf;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::builder()
    ///     .address("a.example:4000")
    ///     .versions([1])
    ///     .on_session(|opening| async move {
    ///         opening.call(ubf!({log_in, "till-7"})).await?;
    ///         opening.call(ubf!({subscribe, "prices"})).await?;
    ///         Ok(())
    ///     })
    ///     .connect()
    ///     .await?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_session<F>(mut self, open: impl Fn(Opening) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        self.opening_hook =
            Some(Box::new(move |opening| -> std::pin::Pin<Box<_>> { Box::pin(open(opening)) }));
        self
    }

    /// A function that is shown each notice, in order, as it comes. It should not block: the client
    /// waits for it. If it panics, that is a line in the log. Default: none.
    pub fn on_notice(mut self, hook: impl Fn(&Notice) + Send + 'static) -> Self {
        self.notice_hook = Some(Box::new(hook));
        self
    }

    /// N15: tells servers that read it in which span each call is made, and how long its caller
    /// still waits: the function tells the span of the moment, if there is one. It is called by
    /// whoever makes the call. Default: nothing is told, and nothing is paid.
    ///
    /// ```
    /// use ubf_client::{Client, TraceParent};
    ///
    /// // In a program: of the span that tracing, or OpenTelemetry, has here.
    /// let span = || TraceParent::new(0x4bf92f3577b34da6a3ce929d0e0e4736, 0xf067aa0ba902b7, true);
    /// let builder = Client::builder().address("a.example:4000").versions([1]).trace(span);
    /// # drop(builder);
    /// ```
    pub fn trace(mut self, span: impl Fn() -> Option<TraceParent> + Send + Sync + 'static) -> Self {
        self.config.context = true;
        self.tracer = Some(Arc::new(span));
        self
    }

    /// A function that is shown all bytes that come in and go out: to look at, as a tool or a test
    /// wants to. It should not block: the client waits for it.
    pub fn on_wire(mut self, hook: impl Fn(Traffic<'_>) + Send + 'static) -> Self {
        self.wire_hook = Some(Box::new(hook));
        self
    }

    /// C4: the contract of these versions: what this program and its server say is held against it.
    /// What is no version is left out. Default: none, and a version without one is not checked.
    ///
    /// A request or an event that the contract does not allow is not sent: it ends with
    /// [`CallError::Inexpressible`](crate::CallError::Inexpressible), and the log says where it
    /// does not fit. Instead of a reply that the contract does not allow comes
    /// `{'serverBrokeContract', {Request, Reply}, Types}`, which is what the server should have
    /// said, and the state is taken to be what it was. An event that it does not allow is dropped.
    /// [`Client::contract_counts`] counts all of them.
    ///
    /// The state of a session is the one that the last reply named. While calls are in progress it
    /// is about to change, and after a loss it is not known: then a message may go that some state
    /// allows.
    ///
    /// ```
    /// use ubf_client::{Client, Enforcement};
    /// use ubf_contract::Reader;
    ///
    /// let contract = Reader::new().read(
    ///     "+NAME(\"lamp\"). +VSN(\"1\"). +TYPES on() :: {on, 1..9}; ok() :: ok.
    ///      +STATE start on() => ok() & start.",
    /// )?;
    /// let builder = Client::builder()
    ///     .address("a.example:4000")
    ///     .versions([1, 2])
    ///     .contract([1], contract)
    ///     .enforcement(Enforcement::Log);
    /// # drop(builder);
    /// # Ok::<(), ubf_contract::ReadError>(())
    /// ```
    #[cfg(feature = "contract")]
    #[cfg_attr(docsrs, doc(cfg(feature = "contract")))]
    pub fn contract(
        mut self,
        versions: impl IntoIterator<Item = u32>,
        contract: impl Into<Arc<Contract>>,
    ) -> Self {
        self.contracts.add(versions, contract.into());
        self
    }

    /// What becomes of messages that a [`contract`](Self::contract) does not allow. Default:
    /// [`Enforcement::Enforce`].
    #[cfg(feature = "contract")]
    #[cfg_attr(docsrs, doc(cfg(feature = "contract")))]
    pub fn enforcement(mut self, enforcement: Enforcement) -> Self {
        self.contracts.enforcement = enforcement;
        self
    }

    /// Whether calls are to survive the connections that they are made on, in a session (S1).
    /// Default: [`SessionPlan::wanted`]: they are where the server grants a session.
    ///
    /// In a session a lost connection ends no call: another one goes on where it ended, and every
    /// call ends once, with the reply of its one execution. *Calls wait for their turn then:* those
    /// made after the loss are sent when those before it are answered, so that a slow one holds
    /// them back.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ubf_client::{Client, Level, SessionPlan};
    ///
    /// let wanted = Client::builder().session(SessionPlan::wanted());
    /// let demanded = Client::builder()
    ///     .session(SessionPlan::demanded(Level::Memory).with_keep(Duration::from_secs(300)));
    /// # drop((wanted, demanded));
    /// ```
    pub fn session(mut self, plan: SessionPlan) -> Self {
        self.config.session = plan;
        self
    }

    /// Makes it the builder of a client of stock servers, which know no versions. Addresses,
    /// connector, times, limits of packets, calls and events are taken over; all that is about
    /// versions, sessions and redirections is not used.
    ///
    /// ```
    /// use ubf_client::Client;
    /// use ubf_client::classic::Flavour;
    ///
    /// let builder = Client::builder().address("old.example:4001").classic(Flavour::Erl2);
    /// # drop(builder);
    /// ```
    #[cfg(feature = "classic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "classic")))]
    pub fn classic(self, flavour: ubf_proto::classic::Flavour) -> crate::classic::ClassicBuilder {
        let mut config = crate::classic::Config::default();
        config.limits = self.config.limits;
        config.max_calls = self.config.max_pending.max(1);
        config.max_in_flight = self.config.max_in_flight.max(1);
        let addresses = self.config.addresses.iter();
        #[cfg(feature = "tls")]
        let connector = match self.tls {
            Some(tls) => Some(crate::attempt::over_tls(tls, self.connector)),
            None => self.connector,
        };
        #[cfg(not(feature = "tls"))]
        let connector = self.connector;
        crate::classic::ClassicBuilder {
            is_tls: self.config.tls,
            targets: addresses.map(|address| self.stand_ins.target(address)).collect(),
            bad_address: self.bad_address,
            connector,
            connect_time: self.config.max_connect_time,
            call_time: self.config.call_time,
            max_events: self.max_events,
            max_event_bytes: self.max_event_bytes,
            keeps_events: self.keeps_events,
            wire_hook: self.wire_hook,
            config,
        }
        .flavour(flavour)
    }

    /// Makes all that is random depend on this number. Default: another one for each client.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets what has no function of its own here.
    ///
    /// ```
    /// let builder = ubf_client::Client::builder().configure(|config| config.grease = false);
    /// ```
    pub fn configure(mut self, set: impl FnOnce(&mut Config)) -> Self {
        set(&mut self.config);
        self
    }

    /// Connects, and waits until a server has agreed on a version.
    ///
    /// Later losses are the client's business: it goes on trying for as long as it lives.
    ///
    /// # Errors
    /// If the settings are of no use, if none of the addresses works, each tried once, or if there
    /// is no agreement in [time](Self::connect_within).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let (first_outcome, outcome) = oneshot::channel();
        let within = self.first_agreement_time;
        let client = self.begin(Some(first_outcome))?;
        let outcome = match within {
            Some(within) => timeout(within, outcome).await.map_err(|_elapsed| {
                let last_loss = client.status().borrow().last_loss.clone();
                ConnectError::Timeout { within, last_loss }
            })?,
            None => outcome.await,
        };
        match outcome {
            Ok(Ok(())) => Ok(client),
            Ok(Err(losses)) => Err(ConnectError::Unreachable { losses }),
            // The driver never gives up before it has told.
            Err(_gone) => Err(ConnectError::Unreachable { losses: Vec::new() }),
        }
    }

    /// Begins to connect, and waits for nothing: calls wait until a server has agreed on a version,
    /// and end at their deadlines.
    ///
    /// Where an earlier client of this process has agreed with the same server, first calls do not
    /// wait: they follow the question for a version at once (N3), if they are
    /// [`idempotent`](crate::Call::idempotent) or no [`session`](Self::session) is wished for. One
    /// that the server does not speak any more has not run, and is sent again in another version.
    /// A client with a [`connector`](Self::connector) of its own is no part of this, and
    /// `Config::optimistic_start` switches it off.
    ///
    /// # Errors
    /// If the settings are of no use.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> Result<Client, ConnectError> {
        self.begin(None)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("max_events", &self.max_events)
            .field("max_event_bytes", &self.max_event_bytes)
            .field("max_reply_bytes", &self.max_reply_bytes)
            .finish_non_exhaustive()
    }
}
