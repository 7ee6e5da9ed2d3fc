//! A gateway: stock clients outside, versioned servers inside.
//!
//! ```text
//! stock client ──one connection, for ever──> gateway ──a session, moved as servers come and go──> versioned servers
//! ```
//!
//! Each connection outside has a client of its own inside, whose session outlives drains and
//! upgrades: the state of UBF(C) that a server keeps for it goes on where it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::AbortHandle;
use tracing::{debug, warn};
use ubf_client::{Builder, CallError, ConnectError, SessionPlan, Target};
use ubf_codec::{Term, Text, Version};
use ubf_contract::Contract;
use ubf_server::{Call, Client, Failure, Handler, Reply, Service, Versions};

/// For the servers inside to say which version and contract they have, when the gateway starts.
/// Chosen: a server that is being restarted is there again.
const FIRST_CONTACT_TIME: Duration = Duration::from_secs(10);
/// To say goodbye after that.
const CLOSE_TIME: Duration = Duration::from_millis(500);
/// Versions that are offered inside when nobody has said one: as `ubf call` does.
const OFFERED: std::ops::RangeInclusive<u32> = 1..=20;

/// What `--gateway NAME=ADDRESSES` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GatewayPlan {
    pub(crate) name: String,
    pub(crate) addresses: Vec<Target>,
}

impl GatewayPlan {
    /// As it was given.
    pub(crate) fn to_text(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        format!("{}={}", self.name, addresses.join(","))
    }

    fn client(&self, versions: &Versions) -> Builder {
        self.addresses
            .iter()
            .fold(ubf_client::Client::builder(), |builder, target| {
                builder.address(target.to_string())
            })
            .service(Service::named(self.name.clone()))
            .versions(versions.iter().map(Version::get))
            .session(SessionPlan::wanted())
            .agent(concat!("ubf-gateway/", env!("CARGO_PKG_VERSION")))
    }
}

/// A service whose work is done by servers inside.
#[derive(Debug)]
pub(crate) struct Gateway {
    plan: GatewayPlan,
    version: Version,
    call_time: Duration,
    /// What the servers inside have told. `None`: they have none.
    contract: Option<Arc<Contract>>,
}

impl Gateway {
    /// Asks the servers inside for their version, if none is given, and for their contract.
    pub(crate) async fn open(
        plan: GatewayPlan,
        version: Option<Version>,
        call_time: Duration,
    ) -> Result<Self, ConnectError> {
        let versions =
            version.map_or_else(|| Versions::of(OFFERED), |own| [own].into_iter().collect());
        let asking = plan.client(&versions).connect_within(FIRST_CONTACT_TIME);
        let client = asking.call_time(FIRST_CONTACT_TIME).connect().await?;
        let agreed = client.status().borrow().version;
        let told = client.call(Term::atom("contract")).await;
        client.close(CLOSE_TIME).await;
        let version = match (&told, version.or(agreed)) {
            (Ok(reply), None) => reply.version(),
            (_, version) => version.unwrap_or(Version::MIN),
        };
        let contract = told.ok().and_then(|reply| Contract::from_term(reply.response()).ok());
        if contract.is_none() {
            let service = &plan.name;
            warn!(service, "the servers inside tell no contract: nothing is checked for them");
        }
        Ok(Self { plan, version, call_time, contract: contract.map(Arc::new) })
    }

    /// The version that is spoken inside.
    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn contract(&self) -> Option<Arc<Contract>> {
        self.contract.clone()
    }
}

/// A client outside, inside.
#[derive(Debug)]
pub(crate) struct Inside {
    /// `None`: it could not be made, which its log says.
    client: Option<ubf_client::Client>,
    events: Option<AbortHandle>,
    /// The state in which the session of a stock client began.
    first_state: Option<Text>,
    /// U2: whether the state in the last reply is that one.
    is_as_begun: AtomicBool,
}

impl Drop for Inside {
    fn drop(&mut self) {
        // The client ends with its handles, of which this is the last.
        if let Some(events) = &self.events {
            events.abort();
        }
    }
}

impl Handler for Gateway {
    type State = Inside;

    fn versions(&self) -> Versions {
        [self.version].into_iter().collect()
    }

    fn connect(&self, outside: &Client) -> Inside {
        let builder = self.plan.client(&self.versions()).call_time(self.call_time).keep_events();
        let first_state = outside.started().map(|started| started.state.clone());
        let inside = |client, events| Inside {
            client,
            events,
            first_state,
            is_as_begun: AtomicBool::new(true),
        };
        let client = match builder.start() {
            Ok(client) => client,
            Err(error) => {
                warn!(%error, "no client for a stock peer");
                return inside(None, None);
            }
        };
        let outside = outside.events();
        let events = client.events().map(|mut events| {
            let passing = async move {
                while let Some(event) = events.next_event().await {
                    let sent = outside.send(event.version(), event.event().to_term()).await;
                    if sent.is_err() {
                        break;
                    }
                }
            };
            tokio::spawn(passing).abort_handle()
        });
        inside(Some(client), events)
    }

    /// U2: a session inside ends with this process. What a new one lacks, the state says (T11): one
    /// that is where it began has nothing to lose.
    fn export_state(&self, inside: &Inside) -> Option<Bytes> {
        inside.is_as_begun.load(Ordering::Relaxed).then(Bytes::new)
    }

    fn import_state(&self, outside: &Client, _: Bytes) -> Option<Inside> {
        Some(self.connect(outside))
    }

    async fn request(&self, call: Call<Inside>) -> Result<Reply, Failure> {
        let Some(client) = &call.state().client else {
            return Err(Failure::refused(Term::atom("gateway")));
        };
        match client.call(call.term().to_term()).await {
            Ok(reply) => {
                let inside = call.state();
                let state = reply.state().and_then(|state| state.as_atom());
                let is_as_begun = state
                    .zip(inside.first_state.as_ref())
                    .is_some_and(|(state, first)| state == *first.as_bytes());
                inside.is_as_begun.store(is_as_begun, Ordering::Relaxed);
                Ok(Reply::encoded(reply.into_body().into_source()))
            }
            Err(error) => Err(failed(&self.plan.name, &error)),
        }
    }

    async fn event(&self, event: Call<Inside>) {
        let Some(client) = &event.state().client else { return };
        if let Err(error) = client.cast(event.term().to_term()).await {
            debug!(service = self.plan.name, %error, "an event was not passed on");
        }
    }
}

/// What the servers inside did not answer.
fn failed(service: &str, error: &CallError) -> Failure {
    warn!(service, %error, "the servers inside have not answered");
    let why = Term::atom("gateway");
    if error.may_have_run() { Failure::failed(why) } else { Failure::refused(why) }
}
