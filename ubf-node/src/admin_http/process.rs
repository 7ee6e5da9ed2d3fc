//! What the system says of this process.

/// The process at one moment. `None`: the system does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub(crate) struct Process {
    pub(crate) open_descriptors: Option<u64>,
    pub(crate) max_descriptors: Option<u64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) cpu_seconds: Option<f64>,
}

#[cfg(target_os = "linux")]
impl Process {
    pub(crate) fn look() -> Self {
        use rustix::process::{Resource, getrlimit};

        let status = std::fs::read_to_string("/proc/self/status").ok();
        let stat = std::fs::read_to_string("/proc/self/stat").ok();
        Self {
            open_descriptors: open_descriptors(),
            max_descriptors: getrlimit(Resource::Nofile).current,
            resident_bytes: status.as_deref().and_then(resident_bytes),
            cpu_seconds: stat.as_deref().and_then(cpu_seconds),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Process {
    pub(crate) fn look() -> Self {
        Self::default()
    }
}

/// Since Linux 6.2 the folder's size is their number; before, it is 0.
#[cfg(target_os = "linux")]
fn open_descriptors() -> Option<u64> {
    let folder = std::path::Path::new("/proc/self/fd");
    match folder.metadata().ok()?.len() {
        0 => folder.read_dir().ok().map(|entries| entries.count() as u64),
        count => Some(count),
    }
}

/// The line `VmRSS: 1234 kB`.
#[cfg(target_os = "linux")]
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes << 10)
}

/// Fields 14 and 15, in ticks of 10 ms. The name before them may hold anything, in parentheses.
#[cfg(target_os = "linux")]
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((f64::from(ticks()?) + f64::from(ticks()?)) / 100.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_process() {
        let process = Process::look();
        assert!(process.open_descriptors.is_some_and(|count| count >= 3), "{process:?}");
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1 << 20), "{process:?}");
        assert!(process.cpu_seconds.is_some(), "{process:?}");
    }

    #[test]
    fn a_process_may_have_any_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    1234 kB\n"), Some(1234 << 10));
        assert_eq!((cpu_seconds("7 (x"), resident_bytes("VmRSS: many")), (None, None));
    }
}
