//! Where the rows of services are kept, and in which state versions.

use std::sync::Arc;

use toml::Value;

use super::problem::Wrong;
use super::reader::Reader;
use super::shown::shown;
use super::value::{flag, path};
use super::versions::PerService;
use crate::catalogue::{Catalogue, Offering};
use crate::rows::{StorePlace, StorePlan, connection};

/// Rows are kept where they survive, if that is said.
pub(super) fn store(
    reader: &mut Reader,
    services: &[Arc<Offering>],
    catalogue: &Catalogue,
) -> Option<StorePlan> {
    let folder = reader.take_if_any("data", path, |path| shown(&path.display()));
    let database = reader.take_if_any("store", |raw| connection(raw.text()?), StorePlace::to_value);
    let first_versions = reader.take_if_any(
        "state-version",
        |raw| PerService::read(raw, catalogue, one_version),
        shown,
    );
    let known_versions = reader.take_if_any(
        "knows",
        |raw| PerService::read(raw, catalogue, some_versions),
        |all| shown(&all.in_words(|(oldest, newest)| format!("{oldest}-{newest}"))),
    );
    let key = if folder.is_some() { "data" } else { "store" };
    if folder.is_some() && database.is_some() {
        reader.wrong("store", "rows are kept in one place", "--data DIR, or --store postgres://…");
    }
    let place = folder.map(StorePlace::Folder).or(database);
    let with_rows = || {
        let all = services.iter();
        all.filter_map(|service| Some((service.name, service.rows.as_ref()?.state)))
    };
    if place.is_some() && with_rows().next().is_none() {
        reader.wrong(key, "no service that is served has rows", "--service names what is");
    }
    let homeless = services.iter().find(|service| place.is_none() && service.wants_a_store());
    if let Some(service) = homeless {
        let text = format!("{} keeps its rows in a store, and none is named", service.name);
        reader.wrong("service", &text, "--data DIR, or --store postgres://…");
    }
    if place.is_none() && first_versions.is_some() {
        reader.wrong("state-version", "no rows are kept", "--data DIR");
    }
    let (first_versions, known_versions) =
        (first_versions.unwrap_or_default(), known_versions.unwrap_or_default());
    for (service, (oldest, newest)) in with_rows() {
        let has = |version: &u32| (oldest..=newest).contains(version);
        let all = format!("{service}, which has {oldest} to {newest}");
        if first_versions.of(service).is_some_and(|version| !has(&version)) {
            let text = format!("not a state version of {all}");
            reader.wrong("state-version", &text, "--state-version NAME=VERSION,… is for each");
        }
        if known_versions.of(service).is_some_and(|(oldest, newest)| !has(&oldest) || !has(&newest))
        {
            let text = format!("not state versions of {all}");
            reader.wrong("knows", &text, "--knows NAME=FIRST-LAST,… is for each");
        }
    }
    let is_served = |name: &&str| services.iter().any(|service| service.name == *name);
    for service in first_versions.named().filter(|name| !is_served(name)) {
        let text = format!("{service} is not served");
        reader.wrong("state-version", &text, "--service names what is");
    }
    let stands_by = reader.take("standby", false, flag, |flag| Value::Boolean(*flag));
    if stands_by && place.is_none() {
        reader.wrong("standby", "no rows are kept", "--data DIR");
    }
    place.map(|place| StorePlan { place, first_versions, known_versions, stands_by })
}

fn one_version(text: &str) -> Result<u32, Wrong> {
    let version = text.parse().ok().filter(|version| *version > 0);
    version.ok_or_else(|| Wrong::new(format!("{text}: a state version is wanted: 34")))
}

/// `34`, or `32-34`.
fn some_versions(text: &str) -> Result<(u32, u32), Wrong> {
    let (oldest, newest) = text.split_once('-').unwrap_or((text, text));
    let versions = (one_version(oldest)?, one_version(newest)?);
    if versions.0 > versions.1 {
        return Err(Wrong::new(format!("{text}: the older state version comes first: 32-34")));
    }
    Ok(versions)
}
