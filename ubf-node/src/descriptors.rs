//! Descriptors of this process: each connection takes one.

use tracing::{info, warn};

/// Descriptors that are no connections: log, journal, listeners, the runtime's, the operator's.
/// Chosen: what these are at most, and 64 connections that are being turned away.
const OTHERS: u64 = 128;

/// Raises the soft limit to what the system allows, and says so if that is too little.
#[cfg(unix)]
pub(crate) fn raise_limit(max_connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let needed = (max_connections as u64).saturating_add(OTHERS);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if is_enough(current) {
        return;
    }
    // No more than is needed: some systems allow a billion.
    let raised = maximum.map_or(needed, |maximum| maximum.min(needed));
    let limit = Rlimit { current: Some(raised), maximum };
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) if is_enough(Some(raised)) => info!(descriptors = raised, "limit raised"),
        Ok(()) => warn!(
            descriptors = raised,
            needed,
            "too few descriptors for --max-connections: raise the hard limit (ulimit -Hn), or lower it"
        ),
        Err(error) => warn!(%error, needed, "the limit of descriptors cannot be raised"),
    }
}

#[cfg(not(unix))]
pub(crate) const fn raise_limit(_: usize) {}
