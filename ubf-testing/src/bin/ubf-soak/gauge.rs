//! What the process holds: tasks, descriptors, memory.

use std::fs;

use serde::Serialize;
use tokio::runtime::Handle;

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
        Ok(Self { second, tasks, descriptors: descriptors()?, memory_kib: memory_kib()? })
    }
}

fn descriptors() -> Result<usize, String> {
    let open = fs::read_dir("/proc/self/fd").map_err(|error| format!("/proc/self/fd: {error}"))?;
    Ok(open.count())
}

fn memory_kib() -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|error| format!("/proc/self/status: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.ok_or_else(|| "/proc/self/status says no VmRSS".into())
}

/// The middle one of the memories: a peak of a moment is no leak.
pub(crate) fn median_memory(gauges: &[Gauge]) -> u64 {
    let mut memories: Vec<u64> = gauges.iter().map(|gauge| gauge.memory_kib).collect();
    memories.sort_unstable();
    memories.get(memories.len() / 2).copied().unwrap_or_default()
}
