//! What there is to see of a server at one moment, for programs and for the page.

use serde::Serialize;
use ubf_server::CallTimes;

use super::process::Process;
use crate::control::{HandoffReport, StatusReport, TakeoverReport, VersionsReport};
use crate::rows::{KeptService, StoreSight};

/// All of it, as `/status.json` has it: the status of the operator's contract, and what a page
/// wants besides.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    /// What this server is called.
    pub(crate) node: String,
    /// The file of its control socket.
    pub(crate) control: Option<String>,
    #[serde(flatten)]
    pub(crate) status: StatusReport,
    /// The upper bounds of `call_times`.
    pub(crate) call_bounds_us: Vec<u64>,
    pub(crate) call_times: Vec<Times>,
    /// In the last minute.
    pub(crate) worst_pause_us: u64,
    pub(crate) process: Process,
    pub(crate) takeover: Option<TakeoverReport>,
    /// U5: the last one of each service that had one.
    pub(crate) hand_offs: Vec<HandoffReport>,
    pub(crate) rows: Vec<Rows>,
}

/// The rows of a service, and the store that they are in.
#[derive(Debug, Serialize)]
pub(crate) struct Rows {
    pub(crate) service: String,
    /// Whether they are owned here.
    pub(crate) here: bool,
    #[serde(flatten)]
    pub(crate) store: StoreSight,
    /// The state versions of the rows, if they are owned here (T6).
    pub(crate) versions: Option<VersionsReport>,
}

impl From<&dyn KeptService> for Rows {
    fn from(kept: &dyn KeptService) -> Self {
        Self {
            service: kept.service().to_owned(),
            here: kept.is_here(),
            store: kept.store(),
            versions: kept.versions().1.map(VersionsReport::from),
        }
    }
}

/// How long the calls of a service took in one version.
#[derive(Debug, Serialize)]
pub(crate) struct Times {
    service: Option<String>,
    version: u32,
    counts: Vec<u64>,
    sum_us: u64,
}

impl From<&CallTimes> for Times {
    fn from(times: &CallTimes) -> Self {
        Self {
            service: times.service.name().map(ubf_codec::Text::to_latin1),
            version: times.version.get(),
            counts: times.counts.clone(),
            sum_us: u64::try_from(times.sum.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// The upper bounds of all times, shortest first.
pub(crate) fn bounds_us() -> Vec<u64> {
    let micros = |bound: std::time::Duration| u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
    CallTimes::bounds().map(micros).collect()
}

/// What others call a server: what it is known as, or where it listens.
pub(crate) fn name_of(status: &StatusReport, node: &str) -> String {
    let first = |texts: &str| texts.split(',').next().map(str::to_owned);
    let known = status.advertised.as_deref().and_then(first);
    known.or_else(|| status.addresses.first().cloned()).unwrap_or_else(|| node.to_owned())
}
