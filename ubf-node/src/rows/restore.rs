//! A backup becomes the rows of a store that no server has open.

use std::fmt;
use std::path::Path;

use ubf_service::backup::{self, BackupSize};

use super::known::has_rows;
use super::opening::shard;
use super::place::{StorePlace, open_store};
use super::unkept::Causes;
use crate::options::{ServiceName, word};

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
