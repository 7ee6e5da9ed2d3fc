//! A service with rows is opened: its store, and whose the rows in it are.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tracing::{info, warn};
use ubf_server::{ContractRules, Service, SessionLimits, Versions};
use ubf_service::StatefulService;
use ubf_service::copy;
use ubf_service::server::{CallWatch, Keeper, KeeperConfig};
use ubf_state::handoff::Standing;
use ubf_state::{ShardId, UnseenEvents};
use ubf_store::{Store, StoreError};

use super::metered::{Metered, StoreHealth};
use super::place::{StorePlan, open_store};
use super::unkept::Unkept;
use super::{Current, KeptOf, KeptService, Place};
use crate::journal::Journal;

/// What a service with rows is opened with.
pub(crate) struct Opening {
    pub(crate) service: &'static str,
    pub(crate) shard: ShardId,
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
    /// U2: the events that the process before had kept for clients.
    pub(crate) unseen: Vec<UnseenEvents>,
}

/// Opens the store of a service and claims its rows. It waits for the store.
pub(crate) fn open<S: StatefulService>(
    stateful: Arc<dyn Fn() -> S + Send + Sync>,
    opening: Opening,
) -> Result<Arc<dyn KeptService>, Unkept> {
    let Opening { service, shard, plan, adopts, sessions, names, contracts, journal, .. } = opening;
    let (max_kept_event_bytes, beats) = (opening.max_kept_event_bytes, opening.beats);
    let (wanted, unseen) = (opening.wanted, opening.unseen);
    let watch = journal.map(|journal| Arc::new(journal) as Arc<dyn CallWatch>);
    let mut config = KeeperConfig::default();
    config.shard = shard;
    config.sessions = sessions;
    config.max_kept_event_bytes = max_kept_event_bytes;
    config.first_version = plan.first_versions.of(service);
    config.state_versions = plan.known_versions.of(service);
    config.contracts = Some(contracts);
    config.watch = watch;
    config.beats = beats.filter(|_| plan.place.is_shared());
    let open = Opener { service, stateful, plan, config, health: Arc::default() };
    let (place, standing) = open.open(adopts, unseen)?;
    let known = open.config.known::<S>();
    let current = Arc::new(Current { place: watch::Sender::new(place), known });
    let withheld = Mutex::default();
    Ok(Arc::new(KeptOf { service, names, current, open, standing, wanted, withheld }))
}

/// How the rows of a service are opened.
pub(super) struct Opener<S> {
    service: &'static str,
    stateful: Arc<dyn Fn() -> S + Send + Sync>,
    pub(super) plan: StorePlan,
    pub(super) config: KeeperConfig,
    /// Of the store, whoever has opened it.
    pub(super) health: Arc<StoreHealth>,
}

/// Whether rows are owned here that a hand-off has left to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adopts {
    Yes,
    No,
}

impl<S: StatefulService> Opener<S> {
    /// Opens the store, and owns its rows if they are this node's.
    pub(super) fn open(
        &self,
        adopts: Adopts,
        unseen: Vec<UnseenEvents>,
    ) -> Result<(Place<S>, Standing), Unkept> {
        let (place, mut store) = open_store(&self.plan.place, self.service)?;
        let failed = |error| Unkept::opening(&place, error);
        let mut standing = copy::standing(&mut *store, self.config.shard).map_err(failed)?;
        if adopts == Adopts::Yes {
            standing = self.adopt(&mut *store, standing).map_err(failed)?;
        }
        let service = self.service;
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
            return Ok((Place::Here(self.start(&place, store, unseen)?), standing));
        }
        store.close().map_err(failed)?;
        Ok((Place::Away(None), standing))
    }

    /// U5: an operator says that the other node is lost for good.
    fn adopt(&self, store: &mut dyn Store, standing: Standing) -> Result<Standing, StoreError> {
        let (Standing::Prepared(record) | Standing::Moved(record)) = &standing else {
            return Ok(standing);
        };
        let service = self.service;
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
    pub(super) fn start(
        &self,
        place: &str,
        store: Box<dyn Store>,
        unseen: Vec<UnseenEvents>,
    ) -> Result<Arc<Keeper<S>>, Unkept> {
        let store = Box::new(Metered::new(store, Arc::clone(&self.health)));
        let mut config = self.config.clone();
        config.unseen = unseen;
        Keeper::start((self.stateful)(), store, config)
            .map_err(|error| Unkept { place: place.to_owned(), error: error.into() })
    }
}
