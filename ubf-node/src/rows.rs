//! Services whose rows and sessions survive the process: in which store, and who keeps them.

#[cfg(feature = "faults")]
mod faulty;
mod metered;
mod opening;
mod others;
mod place;
mod restore;
mod unkept;
mod unseen;

use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::sync::watch;
use tracing::{error, warn};
use ubf_codec::{NextIp, Version, Versioned as _};
use ubf_server::{
    OwnerInput, OwnerLink, ServerBuilder, ServerHandle, Service, SessionOwner, Versions,
};
use ubf_service::backup::BackupSize;
use ubf_service::copy::CopySize;
use ubf_service::server::{
    Keeper, KeeperError, Migration, OrderError, OwnedSession, RowCount, Suspended, turn_away,
};
use ubf_service::{Known, StatefulService};
use ubf_state::handoff::{HandoffRecord, Standing};
use ubf_state::{Epoch, ShardId, ShardVersions, UnseenEvents};
use ubf_store::{Announced, Store};

pub(crate) use self::metered::StoreSight;
use self::opening::Opener;
pub(crate) use self::opening::{Adopts, Opening, open};
use self::place::open_store;
pub(crate) use self::place::{StorePlace, StorePlan, connection};
pub use self::restore::RestoreError;
pub(crate) use self::restore::restore_rows;
pub(crate) use self::unkept::{Causes, Unkept};
pub(crate) use self::unseen::{in_packets, read_unseen, unseen_term};

/// The services whose rows are kept in stores.
#[derive(Clone, Default)]
pub(crate) struct Kept(Vec<Arc<dyn KeptService>>);

/// A service whose rows are kept in a store, whatever they are.
///
/// Its functions are those of its [`Keeper`].
pub(crate) trait KeptService: Send + Sync {
    fn service(&self) -> &'static str;
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
    /// How the store does.
    fn store(&self) -> StoreSight;
    fn losses(&self) -> u64;
    fn sessions(&self, after: u64, at_most: usize) -> Ordered<'_, Vec<OwnedSession>>;
    fn count_rows(&self) -> Ordered<'_, Vec<RowCount>>;
    fn back_up(&self, path: PathBuf) -> Ordered<'_, BackupSize>;
    /// T6: raises the write version, if all nodes that may own the rows know the next one. `own` is
    /// the name of this one.
    fn finalize<'k>(&'k self, own: &'k str) -> Ordered<'k, ShardVersions>;
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
    /// U5: owns the rows of a store, and serves them; the owner before had kept these events for
    /// clients. It waits for the store.
    fn serve(&self, store: Box<dyn Store>, unseen: Vec<UnseenEvents>) -> Result<(), Unkept>;
    /// U2: the events that were kept for clients when the rows were let go of.
    fn unseen(&self) -> Vec<UnseenEvents>;
}

/// What comes of an order to a keeper.
pub(crate) type Ordered<'k, T> = Pin<Box<dyn Future<Output = Result<T, OrderError>> + Send + 'k>>;

struct KeptOf<S: StatefulService> {
    service: &'static str,
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

    fn elsewhere(&self) -> Option<NextIp> {
        match &*self.place.borrow() {
            Place::Here(_) => None,
            Place::Away(next_ip) => next_ip.clone(),
        }
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

    /// The other nodes that may own the rows, by what they have said of themselves.
    async fn others(&self, own: &str) -> Result<Vec<Announced>, OrderError> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        let (plan, service, shard) = (self.open.plan.place.clone(), self.service, self.shard());
        let read = tokio::task::spawn_blocking(move || others::read(&plan, service, shard)).await;
        let mut others = contained(read).map_err(OrderError::Store)?;
        others.retain(|node| node.node != own && node.age <= others::LIVES_FOR);
        Ok(others)
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
                let service = self.service;
                warn!(service, %version, "not offered: the rows are of an older state version");
                *withheld = withheld.iter().chain([version]).collect();
            }
            change(version, ServerHandle::withdraw);
        }
    }
}

impl<S: StatefulService> KeptService for KeptOf<S> {
    fn service(&self) -> &'static str {
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

    fn store(&self) -> StoreSight {
        self.open.health.look()
    }

    fn losses(&self) -> u64 {
        self.keeper().map(|keeper| keeper.losses()).unwrap_or_default()
    }

    fn sessions(&self, after: u64, at_most: usize) -> Ordered<'_, Vec<OwnedSession>> {
        self.order(move |keeper| async move { keeper.sessions(after, at_most).await })
    }

    fn count_rows(&self) -> Ordered<'_, Vec<RowCount>> {
        self.order(|keeper| async move { keeper.count_rows().await })
    }

    fn back_up(&self, path: PathBuf) -> Ordered<'_, BackupSize> {
        self.order(|keeper| async move { keeper.back_up(self.service, path).await })
    }

    fn finalize<'k>(&'k self, own: &'k str) -> Ordered<'k, ShardVersions> {
        self.order(move |keeper| async move {
            let others = self.others(own).await?;
            if let Some(versions) = keeper.row_versions()
                && let Some(behind) = others::behind(&others, versions.state.write + 1)
            {
                return Err(behind);
            }
            let others: Vec<Known> = others.into_iter().map(|node| node.known).collect();
            keeper.finalize(&others).await
        })
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
                        let service = self.service;
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
            let (place, _) = self.open.open(Adopts::No, self.unseen())?;
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
        self.open.config.shard
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

    fn serve(&self, store: Box<dyn Store>, unseen: Vec<UnseenEvents>) -> Result<(), Unkept> {
        let keeper = self.open.start(self.service, store, unseen)?;
        self.current.place.send_replace(Place::Here(keeper));
        Ok(())
    }

    fn unseen(&self) -> Vec<UnseenEvents> {
        self.keeper().map(|keeper| keeper.unseen()).unwrap_or_default()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|kept| kept.service())).finish()
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
