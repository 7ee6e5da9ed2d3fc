//! What the process holds: tasks, descriptors, memory.

use serde::Serialize;
use tokio::runtime::Handle;
use ubf_load::process::Look;

/// The process at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Gauge {
    pub(crate) second: u64,
    pub(crate) tasks: usize,
    pub(crate) descriptors: usize,
    pub(crate) memory_kib: u64,
}

impl Gauge {
    /// Within the runtime that is looked at.
    pub(crate) fn read(second: u64) -> Result<Self, String> {
        let tasks = Handle::current().metrics().num_alive_tasks();
        let look = Look::own().map_err(|error| format!("cannot look at this process: {error}"))?;
        Ok(Self { second, tasks, descriptors: look.descriptors, memory_kib: look.rss_bytes >> 10 })
    }
}

/// The middle one of the memories: a peak of a moment is no leak.
pub(crate) fn median_memory(gauges: &[Gauge]) -> u64 {
    let mut memories: Vec<u64> = gauges.iter().map(|gauge| gauge.memory_kib).collect();
    memories.sort_unstable();
    memories.get(memories.len() / 2).copied().unwrap_or_default()
}
