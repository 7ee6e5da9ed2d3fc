//! A backup becomes the rows of a store that no server has open.

use std::fmt;
use std::path::Path;

use ubf_service::backup::{self, BackupSize};
use ubf_state::ShardId;

use super::place::{StorePlace, open_store};
use super::unkept::Causes;

/// Puts the rows of a backup into a store that has none of them.
pub(crate) fn restore_rows(
    service: &str,
    shard: ShardId,
    place: &str,
    file: &Path,
) -> Result<BackupSize, RestoreError> {
    let failed = RestoreError::new;
    let place = StorePlace::read(place).map_err(|wrong| failed(wrong.into_text()))?;
    let (place, mut store) =
        open_store(&place, service).map_err(|error| failed(error.to_string()))?;
    let restored = backup::restore_file(&mut *store, shard, service, file);
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

impl RestoreError {
    pub(crate) const fn new(what: String) -> Self {
        Self(what)
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RestoreError {}
