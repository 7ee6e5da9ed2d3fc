//! A load: clients that make calls, a server's answers, and how long they took.
//!
//! ```text
//! Plan ──> Load::start ──> [ clients × callers ] ──> Load::snapshot, as often as one likes ──> Load::finish ──> Summary
//! ```
//!
//! A load runs on tokio. With a rate it has a thread of its own, which ends with it.

mod caller;
mod cut;
mod outcome;
mod pace;
mod plan;
mod requests;
mod snapshot;
mod stock;
mod tally;
#[cfg(test)]
mod tests;

pub use self::outcome::{Counts, Outcome};
pub use self::plan::Plan;
pub use self::requests::Requests;
pub use self::snapshot::{ClientView, Snapshot, Summary};
pub use self::stock::{StartError, StockPlan};
pub use self::tally::{Latency, Results};

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use ubf_client::Versions;
use ubf_codec::Version;

use self::caller::{Common, Either, LoadClient};
use self::cut::Scissors;
use self::pace::Pace;
use self::tally::Tally;

/// Clients that connect at the same time. Chosen: below what the queue of a listening socket holds.
const MAX_CONNECTING: usize = 64;
/// For clients to say goodbye.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// A load that runs. When it is dropped, it ends.
pub struct Load {
    clients: Vec<Arc<LoadClient>>,
    callers: JoinSet<()>,
    common: Arc<Common>,
    scissors: Arc<Scissors>,
    /// All that was measured and taken out of the tally.
    total: Results,
    last_snapshot: Instant,
    /// When the last call had ended.
    ended_at: Option<Instant>,
}

impl Load {
    /// Connects all clients, then lets them call.
    ///
    /// # Errors
    /// Of the first client that cannot connect.
    pub async fn start(plan: Plan) -> Result<Self, StartError> {
        let scissors = Scissors::new(plan.cut);
        let connected = connect_all(&plan, &scissors).await?;
        let common = Arc::new(Common {
            pace: Pace::begin(plan.rate, plan.warm_up, plan.duration, plan.calls),
            tally: Tally::new(plan.connections),
            requests: plan.requests,
            call_time: plan.call_time,
            is_idempotent: plan.is_idempotent,
            expects_echo: plan.expects_echo,
            keeps_journal: plan.keeps_journal,
            keeps_numbers: plan.keeps_numbers,
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
            scissors,
            total: Results::new(),
            last_snapshot: Instant::now(),
            ended_at: None,
        })
    }

    /// From this moment the code of all clients for a version crashes.
    pub fn crash(&self, version: Version) {
        self.common.broken.write().unwrap_or_else(PoisonError::into_inner).insert(version);
    }

    /// From this moment it works again. The version stays in quarantine for as long as it is there
    /// for.
    pub fn mend(&self, version: Version) {
        self.common.broken.write().unwrap_or_else(PoisonError::into_inner).remove(version);
    }

    /// Breaks all connections, each in the midst of its next packet if one comes soon.
    pub fn cut(&self) {
        self.scissors.cut_all();
    }

    /// What was measured since the last snapshot, and where the clients are.
    pub fn snapshot(&mut self) -> Snapshot {
        let recent = self.common.tally.take();
        self.total.add_all(&recent);
        let moment = Instant::now();
        let recent_time = moment - std::mem::replace(&mut self.last_snapshot, moment);
        Snapshot {
            measured: self.common.pace.measured_until(moment),
            recent_time,
            recent,
            counts: self.counts(),
            cuts: self.scissors.cuts(),
            behind: self.common.pace.behind(),
            clients: self.views(),
        }
    }

    /// Waits until all calls of the plan have been made and have ended. Nothing is lost if the
    /// future is dropped.
    pub async fn ended(&mut self) {
        while self.callers.join_next().await.is_some() {}
        self.ended_at.get_or_insert_with(Instant::now);
    }

    /// Begins no more calls.
    pub fn stop(&self) {
        self.common.pace.stop();
    }

    /// Begins no more calls, and cuts those that have not ended in this time.
    pub async fn finish(mut self, patience: Duration) -> Summary {
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
            closing.spawn(async move {
                match client {
                    Either::Versioned(client) => client.close(CLOSE_TIME).await,
                    Either::Stock(client) => client.close(CLOSE_TIME).await,
                }
            });
        }
        drop(timeout(2 * CLOSE_TIME, closing.join_all()).await);
        Summary {
            measured,
            results: self.total.clone(),
            behind,
            cuts: self.scissors.cuts(),
            clients,
            journals: self.clients.iter().map(|client| client.take_journal()).collect(),
            numbers: self.clients.iter().map(|client| client.take_numbers()).collect(),
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

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load")
            .field("clients", &self.clients.len())
            .field("callers", &self.callers.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Load {
    /// The pacer's thread ends, and with the callers the clients.
    fn drop(&mut self) {
        self.stop();
    }
}

/// The clients with their numbers, from 1 and in order.
async fn connect_all(
    plan: &Plan,
    scissors: &Arc<Scissors>,
) -> Result<Vec<(u64, Either)>, StartError> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTING));
    let mut connecting = JoinSet::new();
    for (number, _) in (1..).zip(0..plan.connections) {
        let (places, builder) = (Arc::clone(&places), plan.builder(number, scissors));
        let stock = plan.stock.clone();
        connecting.spawn(async move {
            let place = places.acquire().await;
            let connected = match stock {
                None => builder.connect().await.map(Either::Versioned).map_err(StartError::from),
                Some(stock) => stock.connect(builder).await.map(Either::Stock),
            };
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
