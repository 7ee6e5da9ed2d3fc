//! The file of a journal: whole records, or none.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::tail;

/// A file at whose end bytes are written. A disk that is full may take some of them.
pub(super) trait Disk: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    fn len(&self) -> io::Result<u64>;
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Disk for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(self, bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|file| file.len())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Writes records to the end of a file, each whole or not at all.
#[derive(Debug)]
pub(super) struct RecordFile<D> {
    disk: D,
    /// Bytes of a record that was cut short and could not be taken back yet.
    torn: u64,
}

impl RecordFile<File> {
    pub(super) fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.disk.metadata()
    }

    pub(super) fn unlock(&self) -> io::Result<()> {
        self.disk.unlock()
    }

    pub(super) fn lock_again(&self) -> io::Result<()> {
        self.disk.try_lock().map_err(io::Error::from)
    }
}

impl<D: Disk> RecordFile<D> {
    pub(super) const fn new(disk: D) -> Self {
        Self { disk, torn: 0 }
    }

    /// # Errors
    /// If the record is not in the file. No part of it is, or the next record takes it away first.
    pub(super) fn append(&mut self, record: &[u8]) -> io::Result<()> {
        self.take_back()?;
        let mut written = 0;
        while let Some(rest) = record.get(written..).filter(|rest| !rest.is_empty()) {
            match self.disk.write(rest) {
                Ok(count) if count > 0 => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                failed => {
                    self.torn = written as u64;
                    // If it cannot be taken back yet, the next record tries again.
                    let _is_taken_back = self.take_back().is_ok();
                    return Err(failed.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into()));
                }
            }
        }
        Ok(())
    }

    fn take_back(&mut self) -> io::Result<()> {
        if self.torn > 0 {
            // The end is asked for: somebody else may have emptied the file.
            let end = self.disk.len()?;
            self.disk.cut(end.saturating_sub(self.torn))?;
            self.torn = 0;
        }
        Ok(())
    }
}

/// Opens a journal, or makes it; for nobody but its owner to read, since requests are in it. What a
/// process that was killed has left torn is moved to a file of its own; its length is the second
/// value.
pub(super) fn open(path: &Path) -> io::Result<(RecordFile<File>, u64)> {
    let mut options = OpenOptions::new();
    options.append(true).read(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    if !file.metadata()?.is_file() {
        // A pipe that nobody reads would stop every call.
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another server writes this journal",
            ));
        }
        // A file system without locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let end = tail::whole_end(&mut file)?;
    let torn = file.metadata()?.len().saturating_sub(end);
    if torn > 0 {
        set_aside(&mut file, end, path)?;
        file.set_len(end)?;
    }
    if end > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok((RecordFile::new(file), torn))
}

fn set_aside(file: &mut File, end: u64, path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut name = path.as_os_str().to_owned();
    name.push(".torn");
    let mut torn = options.open(name)?;
    file.seek(SeekFrom::Start(end))?;
    io::copy(&mut file.take(u64::MAX), &mut torn)?;
    torn.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of so many bytes.
    struct Small {
        bytes: Vec<u8>,
        room: usize,
        can_cut: bool,
    }

    impl Disk for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room - self.bytes.len());
            self.bytes.extend_from_slice(&bytes[..count]);
            if count > 0 { Ok(count) } else { Err(io::ErrorKind::StorageFull.into()) }
        }

        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }

        fn cut(&mut self, len: u64) -> io::Result<()> {
            if !self.can_cut {
                return Err(io::ErrorKind::Other.into());
            }
            self.bytes.truncate(usize::try_from(len).unwrap());
            Ok(())
        }
    }

    #[test]
    fn a_record_that_a_full_disk_cuts_short_is_taken_back_at_once_or_before_the_next() {
        for can_cut in [true, false] {
            let mut file = RecordFile::new(Small { bytes: Vec::new(), room: 10, can_cut });
            file.append(b"{1}$\n").unwrap();
            let error = file.append(b"{12345}$\n").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            let left: &[u8] = if can_cut { b"{1}$\n" } else { b"{1}$\n{1234" };
            assert_eq!(file.disk.bytes, left);
            file.disk.room = 100;
            assert_eq!(file.append(b"{2}$\n").is_ok(), can_cut);
            file.disk.can_cut = true;
            file.append(b"{3}$\n").unwrap();
            let all: &[u8] = if can_cut { b"{1}$\n{2}$\n{3}$\n" } else { b"{1}$\n{3}$\n" };
            assert_eq!(file.disk.bytes, all);
        }
    }
}
