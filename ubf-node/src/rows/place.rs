//! In which store rows are.

use std::fmt;
use std::path::PathBuf;

use ubf_store::{Redb, Store, StoreError};

use super::unkept::Unkept;
use crate::options::{PerService, Wrong};

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
    pub(super) fn read(text: &str) -> Result<Self, Wrong> {
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

/// Where the database is. What is wrong with the rest is said when it is opened.
pub(crate) fn connection(text: &str) -> Result<StorePlace, Wrong> {
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err(Wrong::new("no database that is known").hint("--store postgres://HOST/NAME"));
    }
    #[cfg(feature = "postgres")]
    return Ok(StorePlace::Postgres(text.to_owned()));
    #[cfg(not(feature = "postgres"))]
    Err(Wrong::new("this program was built without PostgreSQL")
        .hint("build it with the feature `postgres`, or keep rows in files: --data DIR"))
}

#[cfg(not(feature = "faults"))]
fn faulty(store: impl Store + 'static) -> Box<dyn Store> {
    Box::new(store)
}

/// A store whose process may end at each commit.
#[cfg(feature = "faults")]
fn faulty(store: impl Store + 'static) -> Box<dyn Store> {
    Box::new(super::faulty::Faulty::new(store))
}

#[cfg(all(feature = "postgres", not(feature = "faults")))]
const fn without_lock(store: ubf_store::Postgres) -> ubf_store::Postgres {
    store
}

/// T5: without the lock of its fence, if this process is to have none.
#[cfg(all(feature = "postgres", feature = "faults"))]
fn without_lock(mut store: ubf_store::Postgres) -> ubf_store::Postgres {
    if crate::fault::is_taken_away("fence-without-lock") {
        store.without_lock();
    }
    store
}

/// Opens the store of a service; and its name for people, which holds no secret.
pub(super) fn open_store(
    place: &StorePlace,
    service: &str,
) -> Result<(String, Box<dyn Store>), Unkept> {
    match place {
        StorePlace::Folder(folder) => {
            let file = folder.join(format!("{service}.redb"));
            let place = file.display().to_string();
            std::fs::create_dir_all(folder)
                .map_err(|error| StoreError::new("the folder cannot be made", error))
                .and_then(|()| Redb::open(&file))
                .map(|store| (place.clone(), faulty(store)))
                .map_err(|error| Unkept::opening(&place, error))
        }
        #[cfg(feature = "postgres")]
        StorePlace::Postgres(connection) => {
            let place = "--store".to_owned();
            ubf_store::Postgres::open(connection)
                .map(without_lock)
                .map(|store| (place.clone(), faulty(store)))
                .map_err(|error| Unkept::opening(&place, error))
        }
    }
}
