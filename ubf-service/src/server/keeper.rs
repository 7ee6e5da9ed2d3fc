//! What a program has of a keeper.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use ubf_codec::{Document, NextIp, Version, Versioned as _};
use ubf_proto::endpoint::SessionLimits;
use ubf_proto::server::SessionAnswer;
use ubf_proto::session::NoSession;
use ubf_proto::{Service, Versions};
use ubf_server::{ContractRules, OwnerInput, OwnerLink, SessionOwner};
use ubf_state::handoff::HandoffRecord;
use ubf_state::{Epoch, Known, ShardId, ShardVersions, Tx, UnseenEvents};
use ubf_store::{Store, StoreThread};

use super::checks::check_events;
use super::failure::KeeperError;
use super::orders::{Migration, Order, OrderError, OwnedSession, Reading, RowCount};
use super::parting::{Part, Suspended};
use super::prepare::Todo;
use super::rows::Rows;
use super::work::{Event, Work};
use super::worker::Worker;
use crate::backup::BackupSize;
use crate::copy::CopySize;
use crate::host::{Host, known, shard_config};
use crate::service::StatefulService;

/// Somebody who is told of calls: a journal.
pub trait CallWatch: Send + Sync + fmt::Debug {
    /// A request, or an event, is about to be run for the first time here. It was not if it breaks
    /// its contract, or is refused before. One that is lost with its batch, or with the process, is
    /// told of again when its client has sent it again.
    fn begins(&self, service: &Service, version: Version, body: &Document<Bytes>, is_event: bool);
}

/// How a keeper works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeeperConfig {
    /// Which sessions are granted (S1, S6).
    pub sessions: SessionLimits,
    /// The shard of the service in its store. Default 1.
    pub shard: ShardId,
    /// The state version in which the rows of a new store are written. By default the newest: a new
    /// store has no owner that knows an older one alone (T6).
    pub first_version: Option<u32>,
    /// The oldest and the newest state version that it is to know: those of its service by default,
    /// and never more than them. With fewer it is as an earlier release, or as a later one: tests
    /// and demonstrations of fleets in which releases are mixed want that.
    pub state_versions: Option<(u32, u32)>,
    /// How long [`prepare`](StatefulService::prepare) may take. Default 60 s, as a handler.
    pub max_prepare_time: Duration,
    /// The most bytes of events that are kept for a session (S6). Default 1 MiB.
    pub max_kept_event_bytes: usize,
    /// The most bytes of events that go to the next owner (U5), of all sessions. Default 8 MiB.
    pub max_unseen_event_bytes: usize,
    /// U5: the events that the owner before had kept for clients. None by default.
    pub unseen: Vec<UnseenEvents>,
    /// What clients and the service say is held against these contracts (C4). A reply that is not
    /// allowed is answered `serverBrokeContract`, and an event of the service that is not allowed in
    /// the state of its receiver is let go; what the call wrote stays.
    pub contracts: Option<ContractRules>,
    /// Who is told of each call before it begins. None by default.
    pub watch: Option<Arc<dyn CallWatch>>,
    /// U6: where clients find this owner, a NextIP, if other nodes may own the rows when it is lost:
    /// it says in the store that it lives. None by default.
    pub beats: Option<String>,
    /// The seed of [`Tx::random`](ubf_state::Tx::random). By default it is the time of day.
    pub seed: Option<u64>,
}

impl KeeperConfig {
    /// What a keeper with these settings knows of the rows of a service.
    #[must_use]
    pub fn known<S: StatefulService>(&self) -> Known {
        let mut known = known::<S>();
        if let Some((oldest, newest)) = self.state_versions {
            known.newest = newest.clamp(known.oldest, known.newest);
            known.oldest = oldest.clamp(known.oldest, known.newest);
        }
        known
    }
}

impl Default for KeeperConfig {
    fn default() -> Self {
        Self {
            sessions: SessionLimits::default(),
            shard: ShardId(1),
            first_version: None,
            state_versions: None,
            max_prepare_time: Duration::from_secs(60),
            max_kept_event_bytes: 1 << 20,
            max_unseen_event_bytes: 8 << 20,
            unseen: Vec::new(),
            contracts: None,
            watch: None,
            beats: None,
            seed: None,
        }
    }
}

/// A service with state, the owner of its rows and sessions: see the [module](super).
///
/// Give it to a server with [`owned_service`](ubf_server::ServerBuilder::owned_service). When the
/// server has ended, [`close`](Self::close) it. If it [ends](Self::ended) by itself, the program is
/// to end: nothing more is answered from there on.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use ubf_server::{Server, Service};
/// use ubf_service::server::{Keeper, KeeperConfig};
/// use ubf_store::Memory;
/// # use serde::{Deserialize, Serialize};
/// # use ubf_codec::Versioned;
/// # use ubf_service::{Caller, Do, Row, StatefulService, Table, Tx, tables};
/// # #[derive(Clone, PartialEq, Serialize, Deserialize)]
/// # struct Visits { count: u64 }
/// # impl Row for Visits { const VERSION: u32 = 1; type Before = (); }
/// # static VISITS: Table<String, Visits> = Table::new("visits");
/// # #[derive(Versioned, Serialize, Deserialize)]
/// # #[version(1, Self)]
/// # #[serde(rename = "visit")]
/// # struct Visit { page: String }
/// # #[derive(Versioned, Serialize, Deserialize)]
/// # #[version(1, Self)]
/// # struct Count(u64);
/// # struct Counter;
/// # impl StatefulService for Counter {
/// #     type Request = Visit;
/// #     type Reply = Count;
/// #     type Timer = ();
/// #     const STATE: (u32, u32) = (1, 1);
/// #     tables!(VISITS);
/// #     fn apply(&self, _: &Caller<'_>, Visit { page }: Visit, tx: &mut Tx<'_>) -> Do<Count> {
/// #         let count = tx.get(&VISITS, &page)?.map_or(0, |visits| visits.count) + 1;
/// #         tx.put(&VISITS, &page, &Visits { count })?;
/// #         Ok(Count(count))
/// #     }
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keeper = Keeper::start(Counter, Box::new(Memory::new()), KeeperConfig::default())?;
/// let owner = Arc::clone(&keeper);
/// let server = Server::builder().listen("127.0.0.1:0").owned_service(Service::DEFAULT, owner);
/// // In a program: a signal, or `keeper.ended()`.
/// let report = server.bind().await?.run_until(async {}, Duration::from_secs(10)).await;
/// assert!(report.is_clean());
/// keeper.close()?;
/// # Ok(())
/// # }
/// ```
pub struct Keeper<S: StatefulService> {
    service: Arc<S>,
    known: Known,
    events: Sender<Event<S::Request>>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Result<(), KeeperError>>>>,
}

/// What the thread tells everybody.
#[derive(Debug)]
pub(super) struct Shared {
    ended: watch::Sender<Option<KeeperError>>,
    versions: watch::Sender<Option<ShardVersions>>,
    /// Where messages are prepared: that of the connections.
    runtime: OnceLock<Handle>,
    /// How many there are, and how many of them have no connection.
    sessions: [AtomicUsize; 2],
    /// Under which the rows are owned.
    epoch: AtomicU64,
    /// Fields that steps down have lost (T7).
    losses: AtomicU64,
    /// What was kept for clients when the keeper was closed.
    unseen: Mutex<Vec<UnseenEvents>>,
}

impl Shared {
    pub(super) fn set_sessions(&self, present: usize, parked: usize) {
        for (count, now) in self.sessions.iter().zip([present, parked]) {
            count.store(now, Ordering::Relaxed);
        }
    }

    pub(super) fn set_epoch(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Relaxed);
    }

    pub(super) fn set_losses(&self, losses: u64) {
        self.losses.store(losses, Ordering::Relaxed);
    }

    pub(super) fn set_unseen(&self, unseen: Vec<UnseenEvents>) {
        *self.unseen.lock().unwrap_or_else(PoisonError::into_inner) = unseen;
    }

    pub(super) fn runtime(&self) -> Option<&Handle> {
        self.runtime.get()
    }

    /// This is called where connections are served.
    fn set_runtime(&self) {
        if self.runtime.get().is_none()
            && let Ok(runtime) = Handle::try_current()
        {
            self.runtime.get_or_init(|| runtime);
        }
    }

    pub(super) fn end(&self, error: KeeperError) {
        self.ended.send_replace(Some(error));
    }

    pub(super) fn set_versions(&self, versions: ShardVersions) {
        self.versions.send_replace(Some(versions));
    }
}

impl<S: StatefulService> Keeper<S> {
    /// Claims the rows of a service in a store, and begins. It waits for the store: in an
    /// asynchronous program it belongs before the runtime, or into a thread of its own.
    ///
    /// # Errors
    /// The store cannot be read or written; what is in it is not known to this program; the system
    /// has no room for another thread.
    pub fn start(
        service: S,
        store: Box<dyn Store>,
        mut config: KeeperConfig,
    ) -> Result<Arc<Self>, KeeperError> {
        let service = Arc::new(service);
        let (events, received) = channel();
        let shared = Arc::new(Shared {
            ended: watch::Sender::new(None),
            versions: watch::Sender::new(None),
            runtime: OnceLock::new(),
            sessions: Default::default(),
            epoch: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            unseen: Mutex::default(),
        });
        let (starting, started) = channel();
        let rows = Rows::new(store.base(config.shard));
        let known = config.known::<S>();
        let mut shard = shard_config::<S>(known);
        shard.is_shared = store.is_shared();
        shard.max_kept_event_bytes = config.max_kept_event_bytes;
        let first = config.first_version.unwrap_or(known.newest);
        shard.first_version = first.clamp(known.oldest, known.newest);
        let seed = config.seed.unwrap_or_else(|| super::worker::wall_clock().as_millis());
        let mut host = Host::with_config(Arc::clone(&service), config.shard, shard, seed);
        host.shard_mut().expect_events(std::mem::take(&mut config.unseen));
        if let Some(contracts) = config.contracts.clone() {
            host = host.and_then(Arc::new(move |service: &S, tx: &mut Tx<'_>| {
                check_events(service, &contracts, tx)
            }));
        }
        let told = events.clone();
        // A keeper that has ended is told nothing any more.
        let store = StoreThread::start(store, move |what| {
            told.send(Event::Told(what)).ok();
        })?;
        let ways = (Arc::clone(&shared), events.clone());
        let worker = Worker::new(host, rows, store, config, ways, starting);
        let ended = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("ubf-keeper".into()).spawn(move || {
            let run = AssertUnwindSafe(|| worker.run(&received));
            catch_unwind(run).unwrap_or_else(|_| {
                let error = KeeperError::fault("the keeper's own code has panicked");
                ended.end(error.clone());
                Err(error)
            })
        });
        let thread = thread
            .map_err(|error| KeeperError::store("the keeper's thread cannot be started", error))?;
        let thread = Mutex::new(Some(thread));
        let gone = || KeeperError::fault("the keeper's own code has panicked");
        started.recv().map_err(|_| gone())??;
        Ok(Arc::new(Self { service, known, events, shared, thread }))
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &S {
        &self.service
    }

    /// The state versions that it knows.
    #[must_use]
    pub const fn known(&self) -> Known {
        self.known
    }

    /// The versions of the contract that can be offered by now (T6): the rows can hold what they
    /// can say. The others are to be [withdrawn](ubf_server::ServerHandle::withdraw).
    #[must_use]
    pub fn offered(&self) -> Versions {
        let versions = *self.shared.versions.borrow();
        let is_held = |version: &Version| {
            versions.is_some_and(|versions| versions.may_offer(S::needs(*version)))
        };
        S::Request::VERSIONS.iter().copied().filter(is_held).collect()
    }

    /// Counts the rows by table and state version, as they are at the moment.
    ///
    /// # Errors
    /// They cannot be read now; see [`OrderError`].
    pub async fn count_rows(&self) -> Result<Vec<RowCount>, OrderError> {
        self.order(|answer| Order::Read(Reading::Count(answer))).await?
    }

    /// Writes a [backup](crate::backup) of the rows, as they are at the moment, to a new file. The
    /// name is that of the service, and is asked for when the backup is restored.
    ///
    /// # Errors
    /// There is none; see [`OrderError`].
    pub async fn back_up(&self, name: &str, path: PathBuf) -> Result<BackupSize, OrderError> {
        let name = name.to_owned();
        self.order(|answer| {
            Order::Read(Reading::Backup { name, tables: S::tables(), path, answer })
        })
        .await?
    }

    /// Raises the write version by one (T6): from there on no program may own the rows that does
    /// not know it. Answered when that is stored. `others` are what other nodes know that may own
    /// them.
    ///
    /// # Errors
    /// The version stays; see [`OrderError`].
    pub async fn finalize(&self, others: &[Known]) -> Result<ShardVersions, OrderError> {
        let nodes = others.iter().copied().chain([self.known]).collect();
        self.order(|answer| Order::Finalize(nodes, answer)).await?
    }

    /// Lowers the write version by one: the way back, with the losses that the steps down declare
    /// (T7). The versions of the contract that need more must have been
    /// [withdrawn](ubf_server::ServerHandle::withdraw). When all rows are [rewritten](Self::migrate)
    /// an older program may own them. Answered when that is stored.
    ///
    /// # Errors
    /// The version stays; see [`OrderError`].
    pub async fn lower(&self) -> Result<ShardVersions, OrderError> {
        self.order(Order::Lower).await?
    }

    /// Rewrites rows of another state version beside the calls (T8), and tells how far that has
    /// come. It goes on by itself, however often it is asked.
    ///
    /// # Errors
    /// The keeper has ended.
    pub async fn migrate(&self) -> Result<Migration, OrderError> {
        self.order(Order::Migrate).await
    }

    /// The sessions whose numbers are above `after`, at most so many.
    ///
    /// # Errors
    /// The keeper has ended.
    pub async fn sessions(
        &self,
        after: u64,
        at_most: usize,
    ) -> Result<Vec<OwnedSession>, OrderError> {
        self.order(|answer| Order::Sessions { after, at_most, answer }).await
    }

    /// How many fields steps down have lost since the keeper began (T7): while rows are written in
    /// an older state version, each write may lose what that one cannot hold.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.shared.losses.load(Ordering::Relaxed)
    }

    /// How many sessions there are, and how many of them have no connection.
    #[must_use]
    pub fn session_counts(&self) -> (usize, usize) {
        let [present, parked] = &self.shared.sessions;
        (present.load(Ordering::Relaxed), parked.load(Ordering::Relaxed))
    }

    /// The versions of the rows. `None`: they are not owned yet.
    #[must_use]
    pub fn row_versions(&self) -> Option<ShardVersions> {
        *self.shared.versions.borrow()
    }

    /// U5: runs no call any more, commits what was taken, and shows all rows. What comes meanwhile
    /// waits, until the shard [goes on](Self::go_on) or is [given away](Self::give).
    ///
    /// # Errors
    /// It is not suspended; see [`OrderError`].
    pub async fn suspend(&self) -> Result<Suspended, OrderError> {
        self.ask_to_part(Part::Suspend).await
    }

    /// U5: runs calls again, those that have waited first. It is too late for a shard that was given
    /// away.
    pub fn go_on(&self) {
        // A keeper that has ended goes on with nothing.
        self.events.send(Event::Order(Order::Part(Part::GoOn))).ok();
    }

    /// U5: the commit point. Gives the rows of a suspended shard away, durably: whatever happens,
    /// they are never owned here again by themselves. Who waits here still waits, for
    /// [`leave`](Self::leave).
    ///
    /// # Errors
    /// Nothing has happened; or, if that is not certain, [`OrderError::Unknown`], and the keeper
    /// [ends](Self::ended).
    pub async fn give(&self, moved: HandoffRecord) -> Result<(), OrderError> {
        self.ask_to_part(|answer| Part::Give(Box::new(moved), answer)).await
    }

    /// How much there is to be handed off, as it is at the moment.
    ///
    /// # Errors
    /// They cannot be read now; see [`OrderError`].
    pub async fn size(&self) -> Result<CopySize, OrderError> {
        self.order(|answer| Order::Read(Reading::Size(answer))).await?
    }

    /// U5: tells everybody who waits here where the rows are, and closes the store. It waits for
    /// the store. Nothing that comes later may reach this keeper.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn leave(&self, next_ip: NextIp) -> Result<(), KeeperError> {
        self.events.send(Event::Order(Order::Part(Part::Leave(next_ip)))).ok();
        self.close()
    }

    /// The epoch of the last claim of the rows (T5).
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.shared.epoch.load(Ordering::Relaxed))
    }

    /// U2: the events that were kept for clients when the keeper was [closed](Self::close), for the
    /// next owner of the rows: see [`KeeperConfig::unseen`]. Empty before.
    #[must_use]
    pub fn unseen(&self) -> Vec<UnseenEvents> {
        self.shared.unseen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask_to_part<T>(
        &self,
        part: impl FnOnce(oneshot::Sender<Result<T, OrderError>>) -> Part,
    ) -> Result<T, OrderError> {
        let (answer, answered) = oneshot::channel();
        let order = Order::Part(part(answer));
        self.events.send(Event::Order(order)).map_err(|_| OrderError::NotNow)?;
        answered.await.unwrap_or(Err(OrderError::Unknown))
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, OrderError> {
        let (answer, answered) = oneshot::channel();
        self.events.send(Event::Order(order(answer))).map_err(|_| OrderError::NotNow)?;
        answered.await.map_err(|_| OrderError::NotNow)
    }

    /// Waits until the keeper has ended by itself, and tells why.
    pub async fn ended(&self) -> KeeperError {
        let mut ended = self.shared.ended.subscribe();
        let ended = ended.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        ended.unwrap_or(KeeperError::fault("the keeper's own code has panicked"))
    }

    /// Commits what was taken, closes the store, and ends. It waits for the store; the server must
    /// have ended before.
    ///
    /// # Errors
    /// What the keeper has ended with, or why the store cannot be closed. Nothing that was answered
    /// is lost.
    pub fn close(&self) -> Result<(), KeeperError> {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // One that has ended by itself hears nothing.
        self.events.send(Event::Close).ok();
        let gone = || Err(KeeperError::fault("the keeper's own code has panicked"));
        thread.map_or(Ok(()), |thread| thread.join().unwrap_or_else(|_| gone()))
    }
}

impl<S: StatefulService> SessionOwner for Keeper<S> {
    /// All that the service has in the state versions that are known, offered or not.
    fn versions(&self) -> Versions {
        let is_known = |version: &Version| S::needs(*version) <= self.known.newest;
        S::Request::VERSIONS.iter().copied().filter(is_known).collect()
    }

    fn take(&self, from: &Arc<OwnerLink>, input: OwnerInput) {
        let work = match input {
            OwnerInput::Message { message, is_event } => {
                self.shared.set_runtime();
                Work::Message(Todo::new(&*self.service, message, is_event))
            }
            other @ (OwnerInput::Open { .. }
            | OwnerInput::Resume(_)
            | OwnerInput::Seen { .. }
            | OwnerInput::End
            | OwnerInput::Closed
            | _) => Work::Other(other),
        };
        if let Err(unsent) = self.events.send(Event::Input(Arc::clone(from), work))
            && let Event::Input(link, work) = unsent.0
        {
            match work {
                Work::Other(OwnerInput::Resume(_)) => {
                    link.session(SessionAnswer::NoSession(NoSession::NotNow));
                }
                Work::Other(OwnerInput::Closed) => {}
                // T3: nothing is answered that is not durable.
                Work::Message(_) | Work::Other(_) => link.cut(),
            }
        }
    }
}

/// One that nobody has closed commits what was taken, too, as long as the process lives.
impl<S: StatefulService> Drop for Keeper<S> {
    fn drop(&mut self) {
        self.events.send(Event::Close).ok();
    }
}

impl<S: StatefulService> fmt::Debug for Keeper<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("shared", &self.shared).finish_non_exhaustive()
    }
}
