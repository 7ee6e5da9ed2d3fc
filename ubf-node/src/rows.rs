//! Services whose rows and sessions survive the process: in which store, and who keeps them.

use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tracing::{error, info, warn};
use ubf_codec::{NextIp, Version, Versioned as _};
use ubf_server::{
    ContractRules, OwnerInput, OwnerLink, ServerBuilder, ServerHandle, Service, SessionLimits,
    SessionOwner, Versions,
};
use ubf_service::backup::{self, BackupSize};
use ubf_service::copy::{self, CopySize};
use ubf_service::server::{
    CallWatch, Keeper, KeeperConfig, KeeperError, Migration, OrderError, OwnedSession, RowCount,
    Suspended, turn_away,
};
use ubf_service::{Known, StatefulService};
use ubf_state::handoff::{HandoffRecord, Standing};
use ubf_state::{Epoch, ShardId, ShardVersions};
use ubf_store::{Redb, Store, StoreError};

use crate::journal::Journal;
use crate::options::{PerService, ServiceName, Wrong, connection, word};
use crate::services::{KvRows, Ledger};

/// The services whose rows are kept in stores.
#[derive(Clone, Default)]
pub(crate) struct Kept(Vec<Arc<dyn KeptService>>);

/// A service whose rows are kept in a store, whatever they are.
///
/// Its functions are those of its [`Keeper`].
pub(crate) trait KeptService: Send + Sync {
    fn service(&self) -> ServiceName;
    /// The names under which it is served.
    fn names(&self) -> &[Service];
    fn add(&self, builder: ServerBuilder) -> ServerBuilder;
    /// The versions of the contract that are spoken.
    fn spoken(&self) -> Versions;
    /// T6: withdraws the versions of the contract that the rows cannot hold yet, and those that are
    /// not to be spoken; and restores those that the rows can hold by now.
    fn offer(&self, server: &ServerHandle);
    /// What this program knows, and what the rows are in.
    fn versions(&self) -> (Known, Option<ShardVersions>);
    fn session_counts(&self) -> (usize, usize);
    fn sessions(&self, after: u64, at_most: usize) -> Ordered<'_, Vec<OwnedSession>>;
    fn count_rows(&self) -> Ordered<'_, Vec<RowCount>>;
    fn back_up(&self, path: PathBuf) -> Ordered<'_, BackupSize>;
    fn finalize(&self) -> Ordered<'_, ShardVersions>;
    fn migrate(&self) -> Ordered<'_, Migration>;
    /// T6: the way back. Versions of the contract that rows cannot hold then are withdrawn first.
    fn lower<'k>(&'k self, server: &'k ServerHandle) -> Ordered<'k, ShardVersions>;
    fn ended(&self) -> Pin<Box<dyn Future<Output = KeeperError> + Send + '_>>;
    fn close(&self) -> Result<(), KeeperError>;
    /// U2: opens the store again, which was closed for another process, and claims the rows.
    fn own_again(&self) -> Result<(), Unkept>;
    /// U5: whose the rows were when their store was opened.
    fn standing(&self) -> Standing;
    /// Whether they are owned here.
    fn is_here(&self) -> bool;
    /// Waits until they are not.
    fn is_away(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn is_shared(&self) -> bool;
    fn shard(&self) -> ShardId;
    /// Under which they are owned. `None`: they are not.
    fn epoch(&self) -> Option<Epoch>;
    fn size(&self) -> Ordered<'_, CopySize>;
    fn suspend(&self) -> Ordered<'_, Suspended>;
    fn go_on(&self);
    fn give(&self, moved: HandoffRecord) -> Ordered<'_, ()>;
    /// U5: the rows are served there: everybody is told. It waits for the store.
    fn leave(&self, next_ip: &NextIp) -> Result<(), KeeperError>;
    /// U5: the rows are a copy whose fate is not known: clients hear `'not_now'`.
    fn hold(&self);
    /// U5: the rows are not here, but perhaps there.
    fn stand_by(&self, next_ip: Option<NextIp>);
    /// Opens the store of rows that are not owned here. It waits for the store.
    fn open_store(&self) -> Result<Box<dyn Store>, Unkept>;
    /// U5: owns the rows of a store, and serves them. It waits for the store.
    fn serve(&self, store: Box<dyn Store>) -> Result<(), Unkept>;
}

/// What comes of an order to a keeper.
pub(crate) type Ordered<'k, T> = Pin<Box<dyn Future<Output = Result<T, OrderError>> + Send + 'k>>;

struct KeptOf<S: StatefulService> {
    service: ServiceName,
    names: Vec<Service>,
    current: Arc<Current<S>>,
    open: Opener<S>,
    standing: Standing,
    /// The versions of the contract that are to be spoken, as far as the rows can hold them.
    wanted: Versions,
    /// Those that were withdrawn here, since the rows cannot hold them.
    withheld: Mutex<Versions>,
}

/// Who has the rows at the moment.
enum Place<S: StatefulService> {
    /// They are owned here. A keeper that was closed answers nobody any more, and the next one may
    /// come (U2).
    Here(Arc<Keeper<S>>),
    /// They are not, but perhaps there. `None`: they may be here later (U5).
    Away(Option<NextIp>),
}

impl<S: StatefulService> Clone for Place<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Here(keeper) => Self::Here(Arc::clone(keeper)),
            Self::Away(next_ip) => Self::Away(next_ip.clone()),
        }
    }
}

struct Current<S: StatefulService> {
    place: watch::Sender<Place<S>>,
    /// What this program knows of the service.
    known: Known,
}

impl<S: StatefulService> SessionOwner for Current<S> {
    fn versions(&self) -> Versions {
        let is_known = |version: &Version| S::needs(*version) <= self.known.newest;
        S::Request::VERSIONS.iter().copied().filter(is_known).collect()
    }

    fn take(&self, from: &Arc<OwnerLink>, input: OwnerInput) {
        // Whoever replaces the keeper waits until this is told.
        match &*self.place.borrow() {
            Place::Here(keeper) => keeper.take(from, input),
            Place::Away(next_ip) => turn_away(from, &input, next_ip.as_ref()),
        }
    }
}

impl<S: StatefulService> KeptOf<S> {
    fn keeper(&self) -> Option<Arc<Keeper<S>>> {
        match &*self.current.place.borrow() {
            Place::Here(keeper) => Some(Arc::clone(keeper)),
            Place::Away(_) => None,
        }
    }

    /// An order to the keeper, if the rows are owned here.
    fn order<'k, T, F>(&'k self, order: impl FnOnce(Arc<Keeper<S>>) -> F) -> Ordered<'k, T>
    where
        T: Send + 'k,
        F: Future<Output = Result<T, OrderError>> + Send + 'k,
    {
        match self.keeper() {
            Some(keeper) => Box::pin(order(keeper)),
            None => Box::pin(std::future::ready(Err(OrderError::NotNow))),
        }
    }

    /// Offers those of these versions that are wanted, and withdraws the others.
    fn offer_only(&self, server: &ServerHandle, held: &Versions) {
        let mut withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        let change = |version, change: fn(&ServerHandle, &Service, Version) -> bool| {
            for name in &self.names {
                // `false` if an operator was faster.
                let _is_changed = change(server, name, version);
            }
        };
        for version in self.current.versions().iter() {
            let (is_held, is_wanted) = (held.contains(version), self.wanted.contains(version));
            if is_held && is_wanted {
                if withheld.contains(version) {
                    *withheld = withheld.iter().filter(|&one| one != version).collect();
                    change(version, ServerHandle::restore);
                }
                continue;
            }
            if is_wanted {
                let service = self.service.as_str();
                warn!(service, %version, "not offered: the rows are of an older state version");
                *withheld = withheld.iter().chain([version]).collect();
            }
            change(version, ServerHandle::withdraw);
        }
    }
}

impl<S: StatefulService> KeptService for KeptOf<S> {
    fn service(&self) -> ServiceName {
        self.service
    }

    fn names(&self) -> &[Service] {
        &self.names
    }

    fn add(&self, builder: ServerBuilder) -> ServerBuilder {
        let owned = |builder: ServerBuilder, name: &Service| {
            let owner: Arc<Current<S>> = Arc::clone(&self.current);
            builder.owned_service(name.clone(), owner)
        };
        self.names.iter().fold(builder, owned)
    }

    fn spoken(&self) -> Versions {
        let offered = self.keeper().map_or_else(|| self.current.versions(), |it| it.offered());
        offered.iter().filter(|version| self.wanted.contains(*version)).collect()
    }

    fn offer(&self, server: &ServerHandle) {
        // What rows that are elsewhere can hold is known there.
        let all = || self.current.versions();
        let offered = self.keeper().map_or_else(all, |keeper| keeper.offered());
        self.offer_only(server, &offered);
    }

    fn versions(&self) -> (Known, Option<ShardVersions>) {
        (self.current.known, self.keeper().and_then(|keeper| keeper.row_versions()))
    }

    fn session_counts(&self) -> (usize, usize) {
        self.keeper().map(|keeper| keeper.session_counts()).unwrap_or_default()
    }

    fn sessions(&self, after: u64, at_most: usize) -> Ordered<'_, Vec<OwnedSession>> {
        self.order(move |keeper| async move { keeper.sessions(after, at_most).await })
    }

    fn count_rows(&self) -> Ordered<'_, Vec<RowCount>> {
        self.order(|keeper| async move { keeper.count_rows().await })
    }

    fn back_up(&self, path: PathBuf) -> Ordered<'_, BackupSize> {
        self.order(|keeper| async move { keeper.back_up(self.service.as_str(), path).await })
    }

    fn finalize(&self) -> Ordered<'_, ShardVersions> {
        self.order(|keeper| async move { keeper.finalize(&[]).await })
    }

    fn migrate(&self) -> Ordered<'_, Migration> {
        self.order(|keeper| async move { keeper.migrate().await })
    }

    fn lower<'k>(&'k self, server: &'k ServerHandle) -> Ordered<'k, ShardVersions> {
        self.order(move |keeper| async move {
            if let Some(versions) = keeper.row_versions() {
                let target = versions.state.write.saturating_sub(1);
                let offered = keeper.offered();
                let held = offered.iter().filter(|version| S::needs(*version) <= target).collect();
                self.offer_only(server, &held);
            }
            let lowered = keeper.lower().await;
            if lowered.is_err() {
                self.offer(server);
            }
            lowered
        })
    }

    fn ended(&self) -> Pin<Box<dyn Future<Output = KeeperError> + Send + '_>> {
        let mut places = self.current.place.subscribe();
        Box::pin(async move {
            loop {
                let place = places.borrow_and_update().clone();
                let ended = async {
                    match place {
                        Place::Here(keeper) => keeper.ended().await,
                        Place::Away(_) => std::future::pending().await,
                    }
                };
                tokio::select! {
                    // U6: another node has claimed the rows, and this one watches it from here on.
                    error = ended => {
                        if !(error.is_fenced() && self.is_shared()) {
                            return error;
                        }
                        let service = self.service.as_str();
                        warn!(service, %error, "the rows are another node's from here on");
                        self.current.place.send_replace(Place::Away(None));
                    }
                    // The sender is here.
                    _ = places.changed() => {}
                }
            }
        })
    }

    fn close(&self) -> Result<(), KeeperError> {
        self.keeper().map_or(Ok(()), |keeper| keeper.close())
    }

    fn own_again(&self) -> Result<(), Unkept> {
        if self.is_here() {
            let (place, _) = self.open.open(Adopts::No)?;
            self.current.place.send_replace(place);
        }
        Ok(())
    }

    fn standing(&self) -> Standing {
        self.standing.clone()
    }

    fn is_here(&self) -> bool {
        self.keeper().is_some()
    }

    fn is_away(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut places = self.current.place.subscribe();
        Box::pin(async move {
            // The sender is here.
            let _place = places.wait_for(|place| matches!(place, Place::Away(_))).await.is_ok();
        })
    }

    fn is_shared(&self) -> bool {
        self.open.plan.place.is_shared()
    }

    fn shard(&self) -> ShardId {
        shard(self.service)
    }

    fn epoch(&self) -> Option<Epoch> {
        self.keeper().map(|keeper| keeper.epoch())
    }

    fn size(&self) -> Ordered<'_, CopySize> {
        self.order(|keeper| async move { keeper.size().await })
    }

    fn suspend(&self) -> Ordered<'_, Suspended> {
        self.order(|keeper| async move { keeper.suspend().await })
    }

    fn go_on(&self) {
        if let Some(keeper) = self.keeper() {
            keeper.go_on();
        }
    }

    fn give(&self, moved: HandoffRecord) -> Ordered<'_, ()> {
        self.order(|keeper| async move { keeper.give(moved).await })
    }

    fn leave(&self, next_ip: &NextIp) -> Result<(), KeeperError> {
        match self.current.place.send_replace(Place::Away(Some(next_ip.clone()))) {
            Place::Here(keeper) => keeper.leave(next_ip.clone()),
            Place::Away(_) => Ok(()),
        }
    }

    fn hold(&self) {
        self.stand_by(None);
    }

    fn stand_by(&self, next_ip: Option<NextIp>) {
        if !self.is_here() {
            self.current.place.send_replace(Place::Away(next_ip));
        }
    }

    fn open_store(&self) -> Result<Box<dyn Store>, Unkept> {
        open_store(&self.open.plan.place, self.service).map(|(_, store)| store)
    }

    fn serve(&self, store: Box<dyn Store>) -> Result<(), Unkept> {
        let keeper = self.open.start(self.service.as_str(), store)?;
        self.current.place.send_replace(Place::Here(keeper));
        Ok(())
    }
}

/// Why rows cannot be kept, from the outside in.
#[derive(Debug)]
pub(crate) struct Unkept {
    place: String,
    error: Box<dyn std::error::Error + Send + Sync>,
}

impl Unkept {
    fn opening(place: &str, error: StoreError) -> Self {
        Self { place: place.into(), error: Box::new(KeeperError::from(error)) }
    }
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, Causes(&*self.error))
    }
}

impl std::error::Error for Unkept {}

/// An error and what it comes from, on a line.
pub(crate) struct Causes<'e>(pub(crate) &'e (dyn std::error::Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(cause) = error.source() {
            write!(f, ": {cause}")?;
            error = cause;
        }
        Ok(())
    }
}

/// What a service with rows is opened with.
pub(crate) struct Opening {
    pub(crate) plan: StorePlan,
    /// U5: whether rows are owned that a hand-off has left in doubt.
    pub(crate) adopts: Adopts,
    /// U6: where clients find this node, for other nodes of its store.
    pub(crate) beats: Option<String>,
    pub(crate) sessions: SessionLimits,
    pub(crate) max_kept_event_bytes: usize,
    /// The names under which it is served.
    pub(crate) names: Vec<Service>,
    pub(crate) wanted: Versions,
    pub(crate) contracts: ContractRules,
    pub(crate) journal: Option<Journal>,
}

/// Opens the store of a service and claims its rows. It waits for the store.
pub(crate) fn open_rows(
    service: ServiceName,
    opening: Opening,
) -> Result<Arc<dyn KeptService>, Unkept> {
    match service {
        ServiceName::Kv => open(service, KvRows::default, opening),
        ServiceName::Ledger => open(service, Ledger::default, opening),
        ServiceName::Echo | ServiceName::Irc => {
            let error = KeeperError::from(StoreError::plain("the service has no rows"));
            Err(Unkept { place: service.as_str().into(), error: Box::new(error) })
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|kept| kept.service().as_str())).finish()
    }
}

impl Kept {
    pub(crate) fn push(&mut self, kept: Arc<dyn KeptService>) {
        self.0.push(kept);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn KeptService>> {
        self.0.iter()
    }

    /// Waits until rows cannot be kept any more. Then the server is to stop.
    pub(crate) async fn failed(&self) -> KeeperError {
        let mut ends: Vec<_> = self.0.iter().map(|kept| kept.ended()).collect();
        let error = poll_fn(|cx| {
            let ended = ends.iter_mut().find_map(|end| match end.as_mut().poll(cx) {
                Poll::Ready(error) => Some(error),
                Poll::Pending => None,
            });
            ended.map_or(Poll::Pending, Poll::Ready)
        });
        let error = error.await;
        error!(error = %Causes(&error), "the rows cannot be kept any more: nothing is answered");
        error
    }

    /// U2: commits what was taken, and closes the stores, so that another process can own the rows.
    /// Connections that use them are cut: their clients go on where the rows are.
    pub(crate) async fn release(&self) -> Result<(), KeeperError> {
        let kept = self.clone();
        contained(tokio::task::spawn_blocking(move || kept.close()).await)
    }

    /// U2: owns the rows again.
    pub(crate) async fn own_again(&self) -> Result<(), Unkept> {
        let kept = self.clone();
        let owned = move || kept.iter().try_for_each(|kept| kept.own_again());
        contained(tokio::task::spawn_blocking(owned).await)
    }

    /// Commits what was taken, and closes the stores. It waits for them.
    pub(crate) fn close(&self) -> Result<(), KeeperError> {
        let closed: Vec<_> = self.0.iter().map(|kept| kept.close()).collect();
        closed.into_iter().collect()
    }
}

/// What came of a thread. A panic of the store's code is one of this task.
pub(crate) fn contained<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    match ended {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn open<S: StatefulService>(
    service: ServiceName,
    stateful: fn() -> S,
    opening: Opening,
) -> Result<Arc<dyn KeptService>, Unkept> {
    let Opening { plan, adopts, sessions, names, wanted, contracts, journal, .. } = opening;
    let (max_kept_event_bytes, beats) = (opening.max_kept_event_bytes, opening.beats);
    let watch = journal.map(|journal| Arc::new(journal) as Arc<dyn CallWatch>);
    let mut config = KeeperConfig::default();
    config.shard = shard(service);
    config.sessions = sessions;
    config.max_kept_event_bytes = max_kept_event_bytes;
    config.first_version = plan.first_versions.of(service);
    config.state_versions = plan.known_versions.of(service);
    config.contracts = Some(contracts);
    config.watch = watch;
    config.beats = beats.filter(|_| plan.place.is_shared());
    let open = Opener { service, stateful, plan, config };
    let (place, standing) = open.open(adopts)?;
    let known = open.config.known::<S>();
    let current = Arc::new(Current { place: watch::Sender::new(place), known });
    let withheld = Mutex::default();
    Ok(Arc::new(KeptOf { service, names, current, open, standing, wanted, withheld }))
}

/// How the rows of a service are opened.
struct Opener<S> {
    service: ServiceName,
    stateful: fn() -> S,
    plan: StorePlan,
    config: KeeperConfig,
}

/// Whether rows are owned here that a hand-off has left to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adopts {
    Yes,
    No,
}

impl<S: StatefulService> Opener<S> {
    /// Opens the store, and owns its rows if they are this node's.
    fn open(&self, adopts: Adopts) -> Result<(Place<S>, Standing), Unkept> {
        let (place, mut store) = open_store(&self.plan.place, self.service)?;
        let failed = |error| Unkept::opening(&place, error);
        let mut standing = copy::standing(&mut *store, self.config.shard).map_err(failed)?;
        if adopts == Adopts::Yes {
            standing = self.adopt(&mut *store, standing).map_err(failed)?;
        }
        let service = self.service.as_str();
        match &standing {
            Standing::Own => {}
            Standing::Empty if !self.plan.stands_by || self.plan.place.is_shared() => {}
            Standing::Empty => info!(service, "standing by: rows are handed to this node"),
            Standing::Unfinished => warn!(service, "standing by: a copy did not come to its end"),
            Standing::Prepared(record) => {
                warn!(service, from = record.node, "a copy is in doubt: clients wait");
            }
            Standing::Moved(record) => {
                warn!(service, to = record.node, "the rows were handed off: clients wait");
            }
        }
        let is_own = matches!(standing, Standing::Own)
            || matches!(standing, Standing::Empty) && !self.plan.stands_by;
        // U6: whoever owns rows that other nodes have, too, is watched before.
        let watches = self.plan.stands_by && self.plan.place.is_shared();
        if is_own && !watches {
            return Ok((Place::Here(self.start(&place, store)?), standing));
        }
        store.close().map_err(failed)?;
        Ok((Place::Away(None), standing))
    }

    /// U5: an operator says that the other node is lost for good.
    fn adopt(&self, store: &mut dyn Store, standing: Standing) -> Result<Standing, StoreError> {
        let (Standing::Prepared(record) | Standing::Moved(record)) = &standing else {
            return Ok(standing);
        };
        let service = self.service.as_str();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age_s = now.as_secs().saturating_sub(record.since.as_millis() / 1_000);
        let is_copy = matches!(standing, Standing::Prepared(_));
        warn!(
            service,
            age_s,
            is_copy,
            other = record.node,
            "rows are adopted: what the other node has done since is lost"
        );
        copy::own(store, self.config.shard)?;
        Ok(Standing::Own)
    }

    /// Owns the rows of a store.
    fn start(&self, place: &str, store: Box<dyn Store>) -> Result<Arc<Keeper<S>>, Unkept> {
        Keeper::start((self.stateful)(), store, self.config.clone())
            .map_err(|error| Unkept { place: place.to_owned(), error: error.into() })
    }
}

/// The shard of a service: in a database all of them are in the same tables.
const fn shard(service: ServiceName) -> ShardId {
    match service {
        ServiceName::Kv => ShardId(1),
        ServiceName::Irc => ShardId(3),
        ServiceName::Ledger => ShardId(4),
        // It has no rows.
        ServiceName::Echo => ShardId(0),
    }
}

/// Opens the store of a service; and its name for people, which holds no secret.
fn open_store(
    place: &StorePlace,
    service: ServiceName,
) -> Result<(String, Box<dyn Store>), Unkept> {
    match place {
        StorePlace::Folder(folder) => {
            let file = folder.join(format!("{}.redb", service.as_str()));
            let place = file.display().to_string();
            std::fs::create_dir_all(folder)
                .map_err(|error| StoreError::new("the folder cannot be made", error))
                .and_then(|()| Redb::open(&file))
                .map(|store| (place.clone(), Box::new(store) as Box<dyn Store>))
                .map_err(|error| Unkept::opening(&place, error))
        }
        #[cfg(feature = "postgres")]
        StorePlace::Postgres(connection) => {
            let place = "--store".to_owned();
            ubf_store::Postgres::open(connection)
                .map(|store| (place.clone(), Box::new(store) as Box<dyn Store>))
                .map_err(|error| Unkept::opening(&place, error))
        }
    }
}

/// Puts the rows of a [backup] of a service into a store that has none of it: a folder for
/// `--data`, or a database for `--store` if it begins with `postgres://`. No server may have it
/// open.
///
/// # Errors
/// There is no such service, the backup is none or not whole, or the store cannot be used.
pub fn restore(service: &str, place: &str, file: &Path) -> Result<BackupSize, RestoreError> {
    let failed = |what: String| RestoreError(what);
    let service: ServiceName = word(service)
        .ok()
        .filter(|&service| has_rows(service))
        .ok_or_else(|| failed(format!("there is no service {service} with rows")))?;
    let place = StorePlace::read(place).map_err(|wrong| failed(wrong.into_text()))?;
    let (place, mut store) =
        open_store(&place, service).map_err(|error| failed(error.to_string()))?;
    let restored = backup::restore_file(&mut *store, shard(service), service.as_str(), file);
    let closed = store.close();
    let size = restored.map_err(|error| {
        let whose =
            if error.is_about_the_store() { place.clone() } else { file.display().to_string() };
        failed(format!("{whose}: {}", Causes(&error)))
    })?;
    closed.map_err(|error| failed(format!("{place}: {}", Causes(&error))))?;
    Ok(size)
}

/// A backup was not restored, and why.
#[derive(Clone, Debug)]
pub struct RestoreError(String);

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RestoreError {}

/// The versions of the contract that a service with rows has.
pub(crate) fn known_versions(service: ServiceName) -> Versions {
    fn all<S: StatefulService>() -> Versions {
        S::Request::VERSIONS.iter().copied().collect()
    }
    match service {
        ServiceName::Kv => all::<KvRows>(),
        ServiceName::Ledger => all::<Ledger>(),
        ServiceName::Echo | ServiceName::Irc => Versions::new(),
    }
}

/// Whether rows of a service can be kept in a store.
pub(crate) const fn has_rows(service: ServiceName) -> bool {
    state_versions(service).is_some()
}

/// The oldest and the newest state version of a service whose rows can be kept in a store.
pub(crate) const fn state_versions(service: ServiceName) -> Option<(u32, u32)> {
    match service {
        ServiceName::Kv => Some(KvRows::STATE),
        ServiceName::Ledger => Some(Ledger::STATE),
        ServiceName::Echo | ServiceName::Irc => None,
    }
}

/// In which store rows are kept, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StorePlan {
    pub(crate) place: StorePlace,
    /// The state versions in which new stores are written.
    pub(crate) first_versions: PerService<u32>,
    /// The state versions that this program is to know, if it is to know fewer than it does.
    pub(crate) known_versions: PerService<(u32, u32)>,
    /// U5: a store without rows waits for those of another node.
    pub(crate) stands_by: bool,
}

/// Where rows are kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StorePlace {
    /// In files of this folder.
    Folder(PathBuf),
    /// In a database.
    #[cfg(feature = "postgres")]
    Postgres(String),
}

impl StorePlace {
    /// Reads `postgres://…`, or a folder.
    fn read(text: &str) -> Result<Self, Wrong> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return connection(text);
        }
        Ok(Self::Folder(text.into()))
    }

    /// Whether other nodes may have it, too.
    pub(crate) const fn is_shared(&self) -> bool {
        match self {
            Self::Folder(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }

    /// As it is written in settings.
    pub(crate) fn to_value(&self) -> toml::Value {
        toml::Value::String(match self {
            Self::Folder(folder) => folder.display().to_string(),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.clone(),
        })
    }
}

impl fmt::Debug for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            // A connection string may hold a password.
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}
