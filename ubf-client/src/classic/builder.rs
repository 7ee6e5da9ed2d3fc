//! From settings to a client of a stock server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tracing::{Instrument as _, info_span};
use ubf_contract::{Checker, Contract, SessionChecker, Strings};
use ubf_net::{DialError, Target, TargetError};
use ubf_proto::classic::Flavour;
use ubf_proto::classic::client::{Config, EndReason, HelloMode, Level};

use super::client::{ClassicClient, ClassicStatus, Shared};
use super::events;
use super::task::Task;
use crate::attempt::{Attempt, Connector};
use crate::showing::WireHook;

/// Settings of a client of a stock server. [`Builder::classic`](crate::Builder::classic) makes one
/// of those that are the same for both kinds: addresses, connector, times of calls and connections,
/// limits of packets, calls and events.
///
/// | setting | default |
/// |---|---|
/// | [`hello`](Self::hello) | the server speaks first, within 5 s |
/// | [`without_meta_level`](Self::without_meta_level) | sessions begin on the meta level |
/// | [`simple_rpc`](Self::simple_rpc) | replies name the next state |
/// | [`pipelining`](Self::pipelining) | one request at a time |
/// | [`contract`](Self::contract) | none: the server is trusted |
/// | [`configure`](Self::configure) | [`Config`] names the defaults of all that it reaches |
#[must_use]
pub struct ClassicBuilder {
    pub(crate) targets: Vec<Target>,
    /// R7: no connection is anything but TLS.
    pub(crate) is_tls: bool,
    pub(crate) bad_address: Option<(String, TargetError)>,
    pub(crate) connector: Option<Connector>,
    pub(crate) connect_time: Duration,
    pub(crate) call_time: Duration,
    pub(crate) max_events: usize,
    pub(crate) max_event_bytes: usize,
    pub(crate) keeps_events: bool,
    pub(crate) wire_hook: Option<WireHook>,
    pub(crate) config: Config,
}

impl ClassicBuilder {
    /// Q3: which implementation the server is.
    pub(crate) fn flavour(mut self, flavour: Flavour) -> Self {
        self.config.flavour = flavour;
        self
    }

    /// Q2: whether the server speaks first. Servers of ubf 2.x do so only where they are told to,
    /// all others always.
    pub fn hello(mut self, hello: HelloMode) -> Self {
        self.config.hello = hello;
        self
    }

    /// Q6: sessions begin in the server's only service (`startplugin`).
    pub fn without_meta_level(mut self) -> Self {
        self.config.level = Level::Service;
        self
    }

    /// Q5: replies do not name the next state (`simplerpc`).
    pub fn simple_rpc(mut self) -> Self {
        self.config.simple_rpc = true;
        self
    }

    /// Q4: requests are sent before the reply to the last one is there. Servers of the flavours
    /// erl116 and joe take them; erl2 breaks.
    pub fn pipelining(mut self) -> Self {
        self.config.is_pipelining = true;
        self
    }

    /// Q13: the contract of the service. What it does not allow is not sent, and replies are held
    /// against it. Strings are tuples in it, as stock peers have them.
    pub fn contract(mut self, contract: impl Into<Arc<Contract>>) -> Self {
        self.config.contract = Some(checker(contract.into()));
        self
    }

    /// Sets what has no function of its own here.
    pub fn configure(mut self, set: impl FnOnce(&mut Config)) -> Self {
        set(&mut self.config);
        self
    }

    /// Connects to the first address that works, and waits for the server's hello.
    ///
    /// # Errors
    /// If the settings are of no use, or if no address works.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(self) -> Result<ClassicClient, ClassicConnectError> {
        if let Some((address, error)) = self.bad_address {
            return Err(ClassicConnectError::BadAddress { address, error });
        }
        if self.targets.is_empty() {
            return Err(ClassicConnectError::NoAddress);
        }
        let mut failures = Vec::new();
        let mut wire_hook = self.wire_hook;
        let config = Arc::new(self.config);
        for target in self.targets {
            let name = if let Target::Network(address) | Target::Tls(address) = &target {
                Some(address.host.clone())
            } else {
                None
            };
            let name = name.filter(|_| self.is_tls);
            if self.is_tls && name.is_none() {
                let text = "TLS is spoken over the network, and this is a Unix socket";
                let error = DialError::other(std::io::Error::other(text));
                failures.push((target, Refusal::Dial(error)));
                continue;
            }
            let attempt = Attempt::new(target.clone(), name, None, self.connect_time);
            let stream = match attempt.begin(self.connector.as_ref()).await {
                Ok((stream, _peer)) => stream,
                Err(error) => {
                    failures.push((target, Refusal::Dial(error)));
                    continue;
                }
            };
            let (ready_sender, ready) = oneshot::channel();
            let (commands, received) = mpsc::unbounded_channel();
            let status = ClassicStatus::new(config.level, target.clone());
            let (status_sender, status) = watch::channel(status);
            let (sink, events) =
                events::channel(self.max_events, self.max_event_bytes, self.keeps_events);
            let task = Task::new(
                stream,
                Arc::clone(&config),
                received,
                sink,
                status_sender,
                ready_sender,
                wire_hook.take(),
            );
            let span = info_span!("ubf_classic_client", %target);
            // The task ends with the last handle, or with the connection: nobody has to hold it.
            let task = tokio::spawn(task.run().instrument(span));
            match ready.await {
                Ok(Ok(_hello)) => {
                    let permits = config.max_calls.clamp(1, Semaphore::MAX_PERMITS);
                    return Ok(ClassicClient::new(Shared {
                        commands,
                        permits: Arc::new(Semaphore::new(permits)),
                        status,
                        events: std::sync::Mutex::new(Some(events)),
                        call_time: self.call_time,
                    }));
                }
                Ok(Err(why)) => failures.push((target, Refusal::Session(why))),
                Err(_gone) => failures.push((target, Refusal::Session(EndReason::Lost))),
            }
            // It gives back the program's function when it has ended.
            wire_hook = task.await.ok().flatten();
        }
        Err(ClassicConnectError::Unreachable { failures })
    }
}

/// A contract as stock peers mean it.
pub(super) fn checker(contract: Arc<Contract>) -> Arc<SessionChecker> {
    Arc::new(SessionChecker::new(Checker::with_strings(contract, Strings::AsTuples)))
}

impl fmt::Debug for ClassicBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassicBuilder")
            .field("targets", &self.targets)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Why there is no client of a stock server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClassicConnectError {
    /// No address was given.
    NoAddress,
    /// This is not an address.
    BadAddress {
        /// What was given.
        address: String,
        /// What is wrong with it.
        error: TargetError,
    },
    /// No address works.
    Unreachable {
        /// What happened at each, in their order.
        failures: Vec<(Target, Refusal)>,
    },
}

/// Why an address does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no connection.
    Dial(DialError),
    /// There is one, and no session.
    Session(EndReason),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(error) => write!(f, "cannot connect: {error}"),
            Self::Session(why) => why.fmt(f),
        }
    }
}

impl fmt::Display for ClassicConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("no address to connect to"),
            Self::BadAddress { address, error } => {
                write!(f, "'{}': {error}", address.escape_default())
            }
            Self::Unreachable { failures } => {
                f.write_str("no server can be used")?;
                for (index, (target, why)) in failures.iter().enumerate() {
                    f.write_str(if index == 0 { ": " } else { "; " })?;
                    write!(f, "{target}: {why}")?;
                }
                Ok(())
            }
        }
    }
}

// `Display` shows what went wrong, with all causes: several have no one cause.
impl std::error::Error for ClassicConnectError {}
