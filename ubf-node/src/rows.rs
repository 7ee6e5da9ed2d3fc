//! Services whose rows and sessions survive the process: in which store, and who keeps them.

use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::sync::watch;
use tracing::{error, warn};
use ubf_codec::{Version, Versioned as _};
use ubf_server::{
    ContractRules, OwnerInput, OwnerLink, ServerBuilder, ServerHandle, Service, SessionLimits,
    SessionOwner, Versions,
};
use ubf_service::backup::{self, BackupSize};
use ubf_service::server::{
    CallWatch, Keeper, KeeperConfig, KeeperError, Migration, OrderError, OwnedSession, RowCount,
};
use ubf_service::{Known, StatefulService};
use ubf_state::{ShardId, ShardVersions};
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
}

/// What comes of an order to a keeper.
pub(crate) type Ordered<'k, T> = Pin<Box<dyn Future<Output = Result<T, OrderError>> + Send + 'k>>;

struct KeptOf<S: StatefulService> {
    service: ServiceName,
    names: Vec<Service>,
    current: Arc<Current<S>>,
    open: Box<dyn Fn() -> Result<Arc<Keeper<S>>, Unkept> + Send + Sync>,
    /// The versions of the contract that are to be spoken, as far as the rows can hold them.
    wanted: Versions,
    /// Those that were withdrawn here, since the rows cannot hold them.
    withheld: Mutex<Versions>,
}

/// The keeper of the moment. One that was closed answers nobody any more, and the next one may come
/// (U2).
struct Current<S: StatefulService>(watch::Sender<Arc<Keeper<S>>>);

impl<S: StatefulService> SessionOwner for Current<S> {
    fn versions(&self) -> Versions {
        self.0.borrow().versions()
    }

    fn take(&self, from: &Arc<OwnerLink>, input: OwnerInput) {
        self.0.borrow().take(from, input);
    }
}

impl<S: StatefulService> KeptOf<S> {
    fn keeper(&self) -> Arc<Keeper<S>> {
        Arc::clone(&self.current.0.borrow())
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
        for version in self.keeper().versions().iter() {
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
        let offered = self.keeper().offered();
        offered.iter().filter(|version| self.wanted.contains(*version)).collect()
    }

    fn offer(&self, server: &ServerHandle) {
        self.offer_only(server, &self.keeper().offered());
    }

    fn versions(&self) -> (Known, Option<ShardVersions>) {
        let keeper = self.keeper();
        (keeper.known(), keeper.row_versions())
    }

    fn session_counts(&self) -> (usize, usize) {
        self.keeper().session_counts()
    }

    fn sessions(&self, after: u64, at_most: usize) -> Ordered<'_, Vec<OwnedSession>> {
        let keeper = self.keeper();
        Box::pin(async move { keeper.sessions(after, at_most).await })
    }

    fn count_rows(&self) -> Ordered<'_, Vec<RowCount>> {
        let keeper = self.keeper();
        Box::pin(async move { keeper.count_rows().await })
    }

    fn back_up(&self, path: PathBuf) -> Ordered<'_, BackupSize> {
        let keeper = self.keeper();
        Box::pin(async move { keeper.back_up(self.service.as_str(), path).await })
    }

    fn finalize(&self) -> Ordered<'_, ShardVersions> {
        let keeper = self.keeper();
        Box::pin(async move { keeper.finalize(&[]).await })
    }

    fn migrate(&self) -> Ordered<'_, Migration> {
        let keeper = self.keeper();
        Box::pin(async move { keeper.migrate().await })
    }

    fn lower<'k>(&'k self, server: &'k ServerHandle) -> Ordered<'k, ShardVersions> {
        let keeper = self.keeper();
        Box::pin(async move {
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
        let mut keepers = self.current.0.subscribe();
        Box::pin(async move {
            loop {
                let keeper = Arc::clone(&keepers.borrow_and_update());
                tokio::select! {
                    error = keeper.ended() => return error,
                    // The sender is here.
                    _ = keepers.changed() => {}
                }
            }
        })
    }

    fn close(&self) -> Result<(), KeeperError> {
        self.keeper().close()
    }

    fn own_again(&self) -> Result<(), Unkept> {
        self.current.0.send_replace((self.open)()?);
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
fn contained<T>(ended: Result<T, tokio::task::JoinError>) -> T {
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
    let Opening { plan, sessions, max_kept_event_bytes, names, wanted, contracts, journal } =
        opening;
    let watch = journal.map(|journal| Arc::new(journal) as Arc<dyn CallWatch>);
    let open = move || {
        let (place, store) = open_store(&plan.place, service)?;
        let mut config = KeeperConfig::default();
        config.shard = shard(service);
        config.sessions = sessions.clone();
        config.max_kept_event_bytes = max_kept_event_bytes;
        config.first_version = plan.first_versions.of(service);
        config.state_versions = plan.known_versions.of(service);
        config.contracts = Some(contracts.clone());
        config.watch.clone_from(&watch);
        Keeper::start(stateful(), store, config)
            .map_err(|error| Unkept { place: place.clone(), error: error.into() })
    };
    let current = Arc::new(Current(watch::Sender::new(open()?)));
    let (open, withheld) = (Box::new(open), Mutex::default());
    Ok(Arc::new(KeptOf { service, names, current, open, wanted, withheld }))
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
