//! Rows in a file of one process (feature `redb`).

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use redb::backends::FileBackend;
use redb::{
    Builder, Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, StorageBackend,
    TableDefinition, WriteTransaction,
};
use ubf_state::{Base, Batch, Epoch, Missing, NotCommitted, Order, Page, Scan, ShardId};

use crate::store::{ClaimError, CommitError, Snapshot, Store, StoreError};

/// The epoch of each shard.
const EPOCHS: TableDefinition<'_, u32, u64> = TableDefinition::new("epochs");
/// The rows of all shards: four bytes of the shard, big-endian, then the key.
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// About the file itself.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");

/// The format of the tables in the file.
const FORMAT: u64 = 1;

/// The bytes of memory that the file's pages may take by default. Chosen: rows that are in use fit,
/// and a small machine is not filled.
const CACHE_BYTES: usize = 64 << 20;

/// A store in one file, on [redb](https://www.redb.org).
///
/// A commit is durable when it is told: the file is synchronised twice, so that after a crash it is
/// open at once, however large it is. Beside the file stands a lock file of its own, since locks of
/// the file's format differ between its releases.
///
/// After an error of the disk nothing more is committed ([`NotCommitted::Broken`]): what the system
/// has in memory of a file is not to be trusted then. The process ends and opens the file again.
///
/// ```
/// use ubf_state::{Epoch, ShardId};
/// use ubf_store::{Redb, Store as _};
///
/// # let dir = std::env::temp_dir().join(format!("ubf-store-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// let mut store = Redb::open(dir.join("state.redb"))?;
/// assert_eq!(store.claim(ShardId(1), Epoch(0))?, Epoch(1));
/// Box::new(store).close()?;
///
/// let mut store = Redb::open(dir.join("state.redb"))?;
/// assert_eq!(store.epoch(ShardId(1))?, Epoch(1));
/// # drop(store);
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Redb {
    database: Arc<Database>,
    is_broken: bool,
    /// Held until the store is dropped; a store over a backend of tests has none.
    _lock: Option<File>,
    #[cfg(test)]
    pub(crate) has_no_sync: bool,
}

impl Redb {
    /// Opens a file, or makes a new one.
    ///
    /// # Errors
    /// It is open in another process; it cannot be read or written; it is no such file, or damaged,
    /// or in a format that this program does not know.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, CACHE_BYTES)
    }

    /// Opens a file, or makes a new one, with so many bytes of memory for its pages.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, cache_bytes: usize) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let lock = lock(&lock_path(path))?;
        let file = file(path)?;
        Self::start(Some(lock), || {
            Builder::new().set_cache_size(cache_bytes).create_with_backend(FileBackend::new(file)?)
        })
    }

    /// A store over something that behaves like a file, for tests of what a disk can do.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests alone have such files"))]
    pub(crate) fn over(backend: impl StorageBackend) -> Result<Self, StoreError> {
        Self::start(None, || {
            Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend)
        })
    }

    fn start(
        lock: Option<File>,
        open: impl FnOnce() -> Result<Database, redb::DatabaseError>,
    ) -> Result<Self, StoreError> {
        // A damaged file can make the library panic; its state is dropped with the unwinding.
        let database = catch_unwind(AssertUnwindSafe(open))
            .map_err(|_| StoreError::plain("the file is damaged"))?
            .map_err(|error| StoreError::new("the file cannot be opened", error))?;
        let store = Self {
            database: Arc::new(database),
            is_broken: false,
            _lock: lock,
            #[cfg(test)]
            has_no_sync: false,
        };
        store.check_format()?;
        Ok(store)
    }

    /// Writes the tables of a new file; looks at the format of another one.
    fn check_format(&self) -> Result<(), StoreError> {
        let failed = |error: redb::Error| StoreError::new("the file cannot be opened", error);
        let check = || -> Result<u64, redb::Error> {
            let transaction = self.begin()?;
            let format = {
                let mut about = transaction.open_table(ABOUT)?;
                let format = about.get("format")?.map(|format| format.value());
                match format {
                    Some(format) => return Ok(format),
                    None => about.insert("format", FORMAT)?,
                };
                transaction.open_table(EPOCHS)?;
                transaction.open_table(ROWS)?;
                FORMAT
            };
            transaction.commit()?;
            Ok(format)
        };
        match check().map_err(failed)? {
            FORMAT => Ok(()),
            _ => Err(StoreError::plain("the file has a format that is not known here")),
        }
    }

    fn begin(&self) -> Result<WriteTransaction, redb::Error> {
        let mut transaction = self.database.begin_write()?;
        // The allocator's state goes along with each commit: a file of any size is open at once.
        transaction.set_quick_repair(true);
        #[cfg(test)]
        if self.has_no_sync {
            transaction.set_durability(redb::Durability::None).map_err(redb::Error::from)?;
        }
        Ok(transaction)
    }

    fn try_claim(&self, shard: ShardId, seen: Epoch) -> Result<Result<Epoch, Epoch>, redb::Error> {
        let transaction = self.begin()?;
        {
            let mut epochs = transaction.open_table(EPOCHS)?;
            let epoch = Epoch(epochs.get(shard.0)?.map_or(0, |epoch| epoch.value()));
            if epoch != seen {
                return Ok(Err(epoch));
            }
            epochs.insert(shard.0, seen.next().0)?;
        }
        transaction.commit()?;
        Ok(Ok(seen.next()))
    }

    fn try_commit(&self, batch: &Batch) -> Result<Result<(), Epoch>, redb::Error> {
        let transaction = self.begin()?;
        {
            let epochs = transaction.open_table(EPOCHS)?;
            let epoch = Epoch(epochs.get(batch.shard.0)?.map_or(0, |epoch| epoch.value()));
            if epoch != batch.epoch || epoch == Epoch(0) {
                return Ok(Err(epoch));
            }
            let mut rows = transaction.open_table(ROWS)?;
            let mut stored = batch.shard.0.to_be_bytes().to_vec();
            for (key, value) in &batch.writes {
                stored.truncate(4);
                stored.extend_from_slice(key);
                match value {
                    Some(value) => rows.insert(&stored[..], &value[..])?,
                    None => rows.remove(&stored[..])?,
                };
            }
        }
        transaction.commit()?;
        Ok(Ok(()))
    }
}

impl Store for Redb {
    fn is_shared(&self) -> bool {
        false
    }

    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        let read = || -> Result<u64, redb::Error> {
            let epochs = self.database.begin_read()?.open_table(EPOCHS)?;
            Ok(epochs.get(shard.0)?.map_or(0, |epoch| epoch.value()))
        };
        read().map(Epoch).map_err(|error| StoreError::new("the epoch cannot be read", error))
    }

    fn claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Epoch, ClaimError> {
        match self.try_claim(shard, seen) {
            Ok(Ok(epoch)) => Ok(epoch),
            Ok(Err(epoch)) => Err(ClaimError::Taken { epoch }),
            Err(error) => {
                self.is_broken = true;
                let what = "the claim cannot be written";
                Err(ClaimError::Failed(StoreError::new(what, error)))
            }
        }
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        if self.is_broken {
            let why = StoreError::plain("an earlier write has failed");
            return Err(CommitError::new(NotCommitted::Broken, why));
        }
        match self.try_commit(batch) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(epoch)) => Err(CommitError::fenced(epoch)),
            Err(error @ redb::Error::ValueTooLarge(_)) => {
                Err(CommitError::new(NotCommitted::Refused, error))
            }
            Err(error) => {
                self.is_broken = true;
                Err(CommitError::new(NotCommitted::Broken, error))
            }
        }
    }

    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        get(&self.database, shard, key)
            .map_err(|error| StoreError::new("a row cannot be read", error))
    }

    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError> {
        page(&self.database, shard, scan)
            .map_err(|error| StoreError::new("rows cannot be read", error))
    }

    fn base(&self, shard: ShardId) -> Option<Box<dyn Base + Send>> {
        Some(Box::new(RedbBase { database: Arc::clone(&self.database), shard }))
    }

    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn Snapshot>, StoreError> {
        let read = || -> Result<RowsTable, redb::Error> {
            Ok(self.database.begin_read()?.open_table(ROWS)?)
        };
        let rows = read().map_err(|error| StoreError::new("rows cannot be read", error))?;
        Ok(Box::new(RedbSnapshot { rows, shard }))
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let Self { database, .. } = *self;
        let Ok(database) = Arc::try_unwrap(database) else {
            return Err(StoreError::plain("the file is still being read"));
        };
        database.close().map_err(|error| StoreError::new("the file cannot be closed", error))
    }
}

fn stored(shard: ShardId, key: &[u8]) -> Vec<u8> {
    [&shard.0.to_be_bytes()[..], key].concat()
}

fn get(database: &Database, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, redb::Error> {
    let rows = database.begin_read()?.open_table(ROWS)?;
    let value = rows.get(&stored(shard, key)[..])?;
    Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
}

fn page(database: &Database, shard: ShardId, scan: &Scan) -> Result<Page, redb::Error> {
    page_of(&database.begin_read()?.open_table(ROWS)?, shard, scan)
}

fn page_of(rows: &RowsTable, shard: ShardId, scan: &Scan) -> Result<Page, redb::Error> {
    let (from, to) = (stored(shard, &scan.from), stored(shard, &scan.to));
    if from >= to {
        return Ok(Page::new());
    }
    let range = rows.range::<&[u8]>(&from[..]..&to[..])?;
    let range: Box<dyn Iterator<Item = _>> = match scan.order {
        Order::Upwards => Box::new(range),
        Order::Downwards => Box::new(range.rev()),
    };
    let mut page = Page::new();
    for row in range.take(scan.limit) {
        let (key, value) = row?;
        let key = key.value().get(4..).unwrap_or_default();
        page.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value.value())));
    }
    Ok(page)
}

/// The rows of all shards in a transaction.
type RowsTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

struct RedbSnapshot {
    rows: RowsTable,
    shard: ShardId,
}

impl fmt::Debug for RedbSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbSnapshot").field("shard", &self.shard).finish_non_exhaustive()
    }
}

impl Snapshot for RedbSnapshot {
    fn scan(&mut self, scan: &Scan) -> Result<Page, StoreError> {
        page_of(&self.rows, self.shard, scan)
            .map_err(|error| StoreError::new("rows cannot be read", error))
    }
}

struct RedbBase {
    database: Arc<Database>,
    shard: ShardId,
}

/// What cannot be read is told as missing: whoever loads it then gets the error.
impl Base for RedbBase {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Missing> {
        let missing = |_| Missing::Key(Bytes::copy_from_slice(key));
        get(&self.database, self.shard, key).map_err(missing)
    }

    fn scan(&self, scan: &Scan) -> Result<Page, Missing> {
        page(&self.database, self.shard, scan).map_err(|_| Missing::Range(scan.clone()))
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Opens the file, or makes one that nobody else on the machine may read: it holds what clients
/// say.
fn file(path: &Path) -> Result<File, StoreError> {
    let failed = |error| StoreError::new("the file cannot be opened", error);
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(failed)?;
    if is_new {
        sync_folder(path).map_err(failed)?;
    }
    Ok(file)
}

/// T10: a new file is found after a power failure when its folder was written, too.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Other systems have no such thing for folders.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Locks a file until it is dropped, and writes this process's number into it, for people.
fn lock(path: &Path) -> Result<File, StoreError> {
    let failed = |error| StoreError::new("the lock file cannot be written", error);
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // The number is for people: without it the error says enough.
            let _shown_if_it_can_be_read = (&mut file).take(20).read_to_string(&mut owner);
            let what = "the store is open in another process";
            return Err(StoreError::new(what, format!("process {}", owner.trim())));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(file)
}
