//! Services whose rows and sessions survive the process: in which store, and who keeps them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{error, warn};
use ubf_server::{ServerBuilder, ServerHandle, Service, SessionLimits};
use ubf_service::server::{Keeper, KeeperConfig, KeeperError};
use ubf_store::{Redb, Store, StoreError};

use crate::options::ServiceName;
use crate::services::KvRows;

/// The keeper of a service, and the names under which it is served.
#[derive(Debug)]
pub(crate) struct Kept {
    keeper: Arc<Keeper<KvRows>>,
    names: Vec<Service>,
}

/// Why rows cannot be kept, from the outside in.
#[derive(Debug)]
pub(crate) struct Unkept {
    place: String,
    error: KeeperError,
}

impl Unkept {
    fn opening(place: &str, error: StoreError) -> Self {
        Self { place: place.into(), error: error.into() }
    }
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, Causes(&self.error))
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

impl Kept {
    /// Opens the store of `kv` and claims its rows. It waits for the store.
    pub(crate) fn open(
        plan: &StorePlan,
        sessions: SessionLimits,
        max_kept_event_bytes: usize,
        names: Vec<Service>,
    ) -> Result<Self, Unkept> {
        let (place, store) = open_store(plan)?;
        let mut config = KeeperConfig::default();
        config.sessions = sessions;
        config.max_kept_event_bytes = max_kept_event_bytes;
        config.first_version = plan.state_version;
        let keeper = Keeper::start(KvRows::default(), store, config)
            .map_err(|error| Unkept { place: place.clone(), error })?;
        Ok(Self { keeper, names })
    }

    pub(crate) fn add(&self, builder: ServerBuilder) -> ServerBuilder {
        let owned = |builder: ServerBuilder, name: &Service| {
            let keeper: Arc<Keeper<KvRows>> = Arc::clone(&self.keeper);
            builder.owned_service(name.clone(), keeper)
        };
        self.names.iter().fold(builder, owned)
    }

    /// The versions of the contract that are spoken, if these are wanted.
    pub(crate) fn spoken(&self, wanted: &ubf_server::Versions) -> ubf_server::Versions {
        self.keeper.offered().iter().filter(|version| wanted.contains(*version)).collect()
    }

    /// T6: withdraws the versions of the contract that the rows cannot hold yet, and those that are
    /// not to be spoken.
    pub(crate) fn offer(&self, server: &ServerHandle, wanted: &ubf_server::Versions) {
        use ubf_server::SessionOwner as _;

        let offered = self.keeper.offered();
        for version in self.keeper.versions().iter() {
            if offered.contains(version) && wanted.contains(version) {
                continue;
            }
            if wanted.contains(version) {
                warn!(service = "kv", %version, "not offered: the rows are of an older state version");
            }
            for name in &self.names {
                let is_known = server.withdraw(name, version);
                debug_assert!(is_known, "the keeper has told which versions it has");
            }
        }
    }

    /// Waits until the rows cannot be kept any more. Then the server is to stop.
    pub(crate) async fn failed(&self) -> KeeperError {
        let error = self.keeper.ended().await;
        error!(error = %Causes(&error), "the rows cannot be kept any more: nothing is answered");
        error
    }

    /// Commits what was taken, and closes the store. It waits for the store.
    pub(crate) fn close(self) -> Result<(), KeeperError> {
        self.keeper.close()
    }
}

/// Opens the store of a plan; and its name for people, which holds no secret.
fn open_store(plan: &StorePlan) -> Result<(String, Box<dyn Store>), Unkept> {
    match &plan.place {
        StorePlace::Folder(folder) => {
            let file = folder.join(format!("{}.redb", ServiceName::Kv.as_str()));
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

/// In which store rows are kept, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StorePlan {
    pub(crate) place: StorePlace,
    /// The state version in which a new store is written.
    pub(crate) state_version: Option<u32>,
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
