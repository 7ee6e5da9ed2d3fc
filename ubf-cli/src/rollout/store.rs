//! Where a rollout is kept: a folder beside its plan.
//!
//! | file | what is in it |
//! |---|---|
//! | `record` | how far it has come, under the epoch of the controller that wrote it last |
//! | `lock` | held while a file is read and written: comparing epochs and writing is one step |
//! | `controller` | held by the controller that is at work; the number of its process |
//! | `wishes` | what operators want, a line each, until the controller has taken it |

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ubf_fleet::{Record, Steering};

/// The most bytes of a record (L1): ten thousand nodes with long names, and what they ran.
const MAX_RECORD_BYTES: u64 = 16 << 20;
/// The most bytes of wishes that nobody has taken.
const MAX_WISH_BYTES: u64 = 64 << 10;
/// Whoever only looks whether there is a controller holds it up for a moment.
const LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_millis(10);

/// The folder of a rollout.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

/// Held by the controller that is at work, until it ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lead {
    _file: File,
}

impl Store {
    /// That of a plan: `fleet.toml` has `fleet.rollout`.
    pub(crate) fn of(plan: &Path) -> Self {
        Self { folder: plan.with_extension("rollout") }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How far it has come. `None`: it has not begun.
    pub(crate) fn load(&self) -> io::Result<Option<Record>> {
        let bytes = match File::open(self.folder.join("record")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => read(&opened?, MAX_RECORD_BYTES)?,
        };
        Record::read(&bytes).map(Some).map_err(io::Error::other)
    }

    /// Stores a record, if nobody has stored one with a higher epoch, and if `claims`, nobody one
    /// with the same. `false`: somebody has, and it is theirs.
    pub(crate) fn store(&self, record: &Record, claims: bool) -> io::Result<bool> {
        let _held = self.lock()?;
        let present = self.load()?.map_or(0, |present| present.epoch);
        let is_free = if claims { present < record.epoch } else { present == record.epoch };
        if !is_free {
            return Ok(false);
        }
        let bytes = record.to_bytes().map_err(io::Error::other)?;
        let fresh = self.folder.join("record.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(fresh, self.folder.join("record"))?;
        File::open(&self.folder)?.sync_all()?;
        Ok(true)
    }

    /// Whether a controller with this epoch has not been overtaken.
    pub(crate) fn is_held_by(&self, epoch: u64) -> bool {
        matches!(self.load(), Ok(Some(record)) if record.epoch == epoch)
    }

    /// Becomes the controller of this machine. `Err` in the result: another process is it.
    pub(crate) fn lead(&self) -> io::Result<Result<Lead, Option<u32>>> {
        fs::create_dir_all(&self.folder)?;
        let mut file = self.open("controller")?;
        let mut looks = 0;
        while let Err(error) = file.try_lock() {
            match error {
                TryLockError::Error(error) => return Err(error),
                TryLockError::WouldBlock if looks == LOOKS => return Ok(Err(number(&file))),
                TryLockError::WouldBlock => looks += 1,
            }
            thread::sleep(LOOK);
        }
        file.set_len(0)?;
        write!(file, "{}", std::process::id())?;
        Ok(Ok(Lead { _file: file }))
    }

    /// The process that is at work, if one is.
    pub(crate) fn leader(&self) -> Option<u32> {
        let file = File::open(self.folder.join("controller")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => number(&file),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }

    /// Leaves what an operator wants to the controller that is at work, or to the next one.
    pub(crate) fn wish(&self, wish: &Steering) -> io::Result<()> {
        let _held = self.lock()?;
        let mut file = self.open("wishes")?;
        if file.seek(SeekFrom::End(0))? > MAX_WISH_BYTES {
            return Err(io::Error::other("too many wishes wait for a controller"));
        }
        match wish {
            Steering::Pause => writeln!(file, "pause"),
            Steering::Resume => writeln!(file, "resume"),
            Steering::Abort(why) => writeln!(file, "abort {}", why.replace(['\n', '\r'], " ")),
            Steering::Finalize => writeln!(file, "finalize"),
        }
    }

    /// Whether nothing that operators want is left.
    pub(crate) fn is_heard(&self) -> bool {
        fs::metadata(self.folder.join("wishes")).is_ok_and(|file| file.len() == 0)
    }

    /// Takes what operators want.
    pub(crate) fn wishes(&self) -> io::Result<Vec<Steering>> {
        let path = self.folder.join("wishes");
        if !fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
            return Ok(Vec::new());
        }
        let _held = self.lock()?;
        let file = self.open("wishes")?;
        let text = read(&file, MAX_WISH_BYTES * 2)?;
        file.set_len(0)?;
        let wish = |line: &str| match line.split_once(' ').unwrap_or((line, "")) {
            ("pause", _) => Some(Steering::Pause),
            ("resume", _) => Some(Steering::Resume),
            ("abort", why) => Some(Steering::Abort(why.to_owned())),
            ("finalize", _) => Some(Steering::Finalize),
            _ => None,
        };
        Ok(String::from_utf8_lossy(&text).lines().filter_map(wish).collect())
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(self.folder.join(name))
    }

    fn lock(&self) -> io::Result<File> {
        let file = self.open("lock")?;
        file.lock()?;
        Ok(file)
    }
}

fn number(file: &File) -> Option<u32> {
    String::from_utf8(read(file, 16).ok()?).ok()?.trim().parse().ok()
}

fn read(file: &File, at_most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(at_most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > at_most {
        return Err(io::Error::other("the file is larger than any that was written here"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use ubf_agent_core::Hash;
    use ubf_fleet::Plan;

    use super::*;

    struct Folder(Store);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("ubf-rollout-{}-{name}.toml", std::process::id());
            let store = Store::of(&std::env::temp_dir().join(name));
            fs::create_dir_all(&store.folder).unwrap();
            Self(store)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0.folder).ok();
        }
    }

    fn record(epoch: u64) -> Record {
        let mut record = Record::new(Plan::new(Hash::of(b"35"), vec!["a".to_owned()]).unwrap());
        record.epoch = epoch;
        record
    }

    #[test]
    fn who_was_overtaken_stores_nothing_and_of_two_who_claim_one_does() {
        let folder = Folder::new("epochs");
        let store = &folder.0;
        assert_eq!(store.load().unwrap(), None);
        assert!(store.store(&record(1), true).unwrap());
        assert!(store.is_held_by(1));
        assert!(store.store(&record(1), false).unwrap());
        // Two have read epoch 1, and both claim the next one.
        assert!(store.store(&record(2), true).unwrap());
        assert!(!store.store(&record(2), true).unwrap());
        assert!(!store.store(&record(1), false).unwrap());
        assert!(store.store(&record(2), false).unwrap());
        assert!(store.is_held_by(2) && !store.is_held_by(1));
        assert_eq!(store.load().unwrap(), Some(record(2)));
    }

    #[test]
    fn one_process_leads_and_wishes_are_taken_once() {
        let folder = Folder::new("leads");
        let store = &folder.0;
        assert_eq!(store.leader(), None);
        let lead = store.lead().unwrap().unwrap();
        let own = Some(std::process::id());
        assert_eq!((store.lead().unwrap().unwrap_err(), store.leader()), (own, own));
        drop(lead);
        assert_eq!(store.leader(), None);
        let all = [
            Steering::Pause,
            Steering::Abort("it is\nslow".to_owned()),
            Steering::Resume,
            Steering::Finalize,
        ];
        all.iter().for_each(|wish| store.wish(wish).unwrap());
        let taken = store.wishes().unwrap();
        assert_eq!(taken[1], Steering::Abort("it is slow".to_owned()));
        assert_eq!((taken.len(), &taken[2], &taken[3]), (4, &all[2], &all[3]));
        assert_eq!(store.wishes().unwrap(), []);
    }

    #[test]
    fn what_is_no_record_is_an_error_and_not_a_rollout_that_begins_anew() {
        let folder = Folder::new("torn");
        fs::write(folder.0.folder.join("record"), "{1 2").unwrap();
        assert!(folder.0.load().unwrap_err().to_string().contains("no record of a rollout"));
        assert!(folder.0.store(&record(9), true).is_err());
    }
}
