//! A load: clients that make calls, a server's answers, and how long they took. Knows nothing about
//! how it is shown.
//!
//! ```text
//! Plan ──> Load::start ──> [ clients × callers ] ──> Load::snapshot, as often as one likes ──> Load::finish ──> Summary
//! ```

mod caller;
mod outcome;
mod pace;
mod requests;
mod tally;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use ubf_client::{
    Client, ConnectError, Notice, RedirectPolicy, Service, State, Statistics, Versions,
};
use ubf_codec::{Address, Version};

use self::caller::{Common, LoadClient};
pub(crate) use self::outcome::{Counts, Outcome};
use self::pace::Pace;
pub(crate) use self::requests::Requests;
use self::tally::Tally;
pub(crate) use self::tally::{Latency, Results};

/// Clients that connect at the same time. Chosen: below what the queue of a listening socket holds.
const MAX_CONNECTING: usize = 64;
/// For clients to say goodbye.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// What a load is.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where clients start, in this order.
    pub(crate) addresses: Vec<Address>,
    /// Whether client N starts at the Nth address, and not all at the first.
    pub(crate) spreads: bool,
    pub(crate) service: Service,
    pub(crate) versions: Versions,
    pub(crate) policy: RedirectPolicy,
    pub(crate) requests: Requests,
    /// Clients, with a connection each.
    pub(crate) connections: usize,
    /// Calls in flight on each.
    pub(crate) depth: usize,
    /// Calls a second, of all clients together. `None`: each caller makes a call when the one
    /// before has ended.
    pub(crate) rate: Option<f64>,
    /// What is measured comes after this.
    pub(crate) warm_up: Duration,
    /// For how long is measured. `None`: until something else ends it.
    pub(crate) duration: Option<Duration>,
    /// How many calls are measured.
    pub(crate) calls: Option<u64>,
    /// For one call.
    pub(crate) call_time: Duration,
    /// Whether calls may be executed twice.
    pub(crate) is_idempotent: bool,
    /// Whether each response must be the request.
    pub(crate) expects_echo: bool,
    /// Whether the outcome of each call is kept, a byte each.
    pub(crate) keeps_journal: bool,
    /// Makes what is random in the clients depend on this number.
    pub(crate) seed: Option<u64>,
    /// Where the clients' notices go, with the client's number. Those for which there is no room
    /// are left out.
    pub(crate) notices: Option<mpsc::Sender<(u64, Notice)>>,
}

/// A load that runs. When it is dropped, it ends.
pub(crate) struct Load {
    clients: Vec<Arc<LoadClient>>,
    callers: JoinSet<()>,
    common: Arc<Common>,
    /// All that was measured and taken out of the tally.
    total: Results,
    last_snapshot: Instant,
    /// When the last call had ended.
    ended_at: Option<Instant>,
}

/// One client, as it is at a moment.
#[derive(Clone, Debug)]
pub(crate) struct ClientView {
    /// Counted from 1: the client's number in its requests.
    #[allow(dead_code, reason = "the engine says more than each of its users shows")]
    pub(crate) number: u64,
    #[allow(dead_code, reason = "the engine says more than each of its users shows")]
    pub(crate) state: State,
    pub(crate) version: Option<Version>,
    pub(crate) address: Option<Address>,
    /// Since it was made, the warm-up included.
    pub(crate) statistics: Statistics,
}

/// A load, as it is at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// For how long has been measured.
    pub(crate) measured: Duration,
    /// Results since the one before, and how long ago that was. They can be added up.
    pub(crate) recent: Results,
    pub(crate) recent_time: Duration,
    /// Calls since the beginning.
    pub(crate) counts: Counts,
    /// Calls that are due by the rate and that nobody was free to make.
    pub(crate) behind: u64,
    pub(crate) clients: Vec<ClientView>,
}

/// What a load came to.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// For how long was measured, the calls that were open at the end included.
    pub(crate) measured: Duration,
    pub(crate) results: Results,
    /// Calls that were due by the rate and never made.
    pub(crate) behind: u64,
    pub(crate) clients: Vec<ClientView>,
    /// How each call of each client ended, in the order of the clients; the first is call 1. Empty
    /// unless it was to be kept.
    #[allow(dead_code, reason = "the engine says more than each of its users shows")]
    pub(crate) journals: Vec<Vec<Outcome>>,
}

impl Load {
    /// Connects all clients, then lets them call.
    ///
    /// # Errors
    /// Of the first client that cannot connect.
    pub(crate) async fn start(plan: Plan) -> Result<Self, ConnectError> {
        let connected = connect_all(&plan).await?;
        let common = Arc::new(Common {
            pace: Pace::begin(plan.rate, plan.warm_up, plan.duration, plan.calls),
            tally: Tally::new(plan.connections),
            requests: plan.requests,
            call_time: plan.call_time,
            is_idempotent: plan.is_idempotent,
            expects_echo: plan.expects_echo,
            keeps_journal: plan.keeps_journal,
            broken: RwLock::new(Versions::new()),
        });
        let clients: Vec<_> = connected
            .into_iter()
            .map(|(number, client)| Arc::new(LoadClient::new(number, client, Arc::clone(&common))))
            .collect();
        let mut callers = JoinSet::new();
        for client in &clients {
            for _ in 0..plan.depth {
                let client = Arc::clone(client);
                callers.spawn(async move { client.run_caller().await });
            }
        }
        Ok(Self {
            clients,
            callers,
            common,
            total: Results::new(),
            last_snapshot: Instant::now(),
            ended_at: None,
        })
    }

    /// From this moment the code of all clients for a version crashes.
    #[allow(dead_code, reason = "the engine does more than each of its users wants")]
    pub(crate) fn crash(&self, version: Version) {
        self.common.broken.write().unwrap_or_else(PoisonError::into_inner).insert(version);
    }

    /// From this moment it works again. The version stays in quarantine for as long as it is there
    /// for.
    #[allow(dead_code, reason = "the engine does more than each of its users wants")]
    pub(crate) fn mend(&self, version: Version) {
        self.common.broken.write().unwrap_or_else(PoisonError::into_inner).remove(version);
    }

    /// How it is going.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let recent = self.common.tally.take();
        self.total.add_all(&recent);
        let moment = Instant::now();
        let recent_time = moment - std::mem::replace(&mut self.last_snapshot, moment);
        Snapshot {
            measured: self.common.pace.measured_until(moment),
            recent_time,
            recent,
            counts: self.counts(),
            behind: self.common.pace.behind(),
            clients: self.views(),
        }
    }

    /// Waits until all calls of the plan have been made and have ended. Nothing is lost if the
    /// future is dropped.
    pub(crate) async fn ended(&mut self) {
        while self.callers.join_next().await.is_some() {}
        self.ended_at.get_or_insert_with(Instant::now);
    }

    /// Begins no more calls.
    pub(crate) fn stop(&self) {
        self.common.pace.stop();
    }

    /// Begins no more calls, and cuts those that have not ended in this time.
    pub(crate) async fn finish(mut self, patience: Duration) -> Summary {
        self.stop();
        let behind = self.common.pace.behind();
        if timeout(patience, self.ended()).await.is_err() {
            self.callers.shutdown().await;
        }
        let measured = self.common.pace.measured_until(self.ended_at.unwrap_or_else(Instant::now));
        self.total.add_all(&self.common.tally.take());
        let clients = self.views();
        let mut closing = JoinSet::new();
        for client in &self.clients {
            let client = client.client.clone();
            closing.spawn(async move { client.close(CLOSE_TIME).await });
        }
        drop(timeout(2 * CLOSE_TIME, closing.join_all()).await);
        Summary {
            measured,
            results: self.total.clone(),
            behind,
            clients,
            journals: self.clients.iter().map(|client| client.take_journal()).collect(),
        }
    }

    fn counts(&self) -> Counts {
        let mut counts = self.total.counts;
        counts.add_many(Outcome::Open, self.common.pace.begun().saturating_sub(counts.ended()));
        counts
    }

    fn views(&self) -> Vec<ClientView> {
        self.clients.iter().map(|client| client.view()).collect()
    }
}

impl Drop for Load {
    /// The pacer's thread ends, and with the callers the clients.
    fn drop(&mut self) {
        self.stop();
    }
}

/// The clients with their numbers, from 1 and in order.
async fn connect_all(plan: &Plan) -> Result<Vec<(u64, Client)>, ConnectError> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTING));
    let mut connecting = JoinSet::new();
    for (number, index) in (1..).zip(0..plan.connections) {
        let (places, builder) = (Arc::clone(&places), builder(plan, index, number));
        connecting.spawn(async move {
            let place = places.acquire().await;
            let connected = builder.connect().await;
            drop(place);
            connected.map(|client| (number, client))
        });
    }
    let mut clients = Vec::with_capacity(plan.connections);
    while let Some(joined) = connecting.join_next().await {
        // A task that was neither aborted nor panicked is joined.
        let Ok(connected) = joined else { continue };
        clients.push(connected?);
    }
    clients.sort_unstable_by_key(|(number, _)| *number);
    Ok(clients)
}

fn builder(plan: &Plan, index: usize, number: u64) -> ubf_client::Builder {
    let mut addresses = plan.addresses.clone();
    if plan.spreads && !addresses.is_empty() {
        let first = index % addresses.len();
        addresses.rotate_left(first);
    }
    let mut builder = Client::builder();
    if let Some(seed) = plan.seed {
        builder = builder.seed(seed.wrapping_add(number));
    }
    if let Some(notices) = plan.notices.clone() {
        builder = builder.on_notice(move |notice| drop(notices.try_send((number, notice.clone()))));
    }
    builder
        .addresses(addresses)
        .service(plan.service.clone())
        .versions(plan.versions.iter().map(Version::get))
        .redirect_policy(plan.policy)
        .agent(concat!("ubf-load/", env!("CARGO_PKG_VERSION")))
        .call_time(plan.call_time)
        .max_pending(plan.depth)
        .max_in_flight(plan.depth)
}
