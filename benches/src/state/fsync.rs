//! What a disk does for somebody who synchronises it once for each thing that is written.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use benches::Error;

/// Appends as many bytes as a small row has, and waits until they are on the disk, again and again:
/// how often a second.
pub(super) fn a_second(folder: &Path, time: Duration) -> Result<f64, Error> {
    let path = folder.join("fsync");
    let mut file = File::create(&path)?;
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < time {
        file.write_all(&[b'x'; 100])?;
        file.sync_data()?;
        count += 1;
    }
    let a_second = f64::from(count) / start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(a_second)
}
