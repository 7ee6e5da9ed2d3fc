//! Backups: the rows of a service as a file, and a new store made of one (feature `server`).
//!
//! ```text
//! {'ubf_backup'1"kv"}$                  the format, and whose rows they are
//! {Key,Value}$                          a row as it is stored, both as binaries; in the order of keys
//! {'end'Count,Digest}$                  how many rows, and their SHA-256
//! ```
//!
//! A backup has the rows, indexes and timers of a service, and in which versions they are. It has
//! no sessions, and nothing of tables [of sessions](ubf_state::Table::of_sessions): a client that goes on with one of before would take for executed what the rows do
//! not know of. So it is told that its session is unknown, and that its calls are in doubt, as they
//! are.
//!
//! The digest is of each row's key and value, and before each of them its length in four bytes.

use std::error::Error;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use ubf_codec::{DecodeError, Document, Encoder, StreamDecoder, Term, TermRef, View};
use ubf_state::{
    AnyTable, Batch, Epoch, Order, Scan, ShardId, ShardRecord, Space, Writes, owner_of,
};
use ubf_store::{Snapshot, Store};

/// The format of a backup.
const FORMAT: u64 = 1;
/// Rows that are read at once. Chosen: each may have a mebibyte.
const ROWS_AT_ONCE: usize = 64;
/// The bytes after which a batch is committed.
const BATCH_BYTES: usize = 4 << 20;

/// What is in a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupSize {
    /// Rows, entries of indexes and timers.
    pub rows: u64,
    /// Of their keys and values.
    pub bytes: u64,
}

impl BackupSize {
    const fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows += 1;
        self.bytes += (key.len() + value.len()) as u64;
    }
}

/// A backup cannot be written or read, or there is no place for it.
#[derive(Debug)]
pub struct BackupError {
    what: String,
    is_about_store: bool,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl BackupError {
    fn plain(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_about_store: false, cause: None }
    }

    fn new(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: what.into(), is_about_store: false, cause: Some(cause.into()) }
    }

    fn of_store(self) -> Self {
        Self { is_about_store: true, ..self }
    }

    /// Whether something is wrong with the store, and not with the file.
    #[must_use]
    pub const fn is_about_the_store(&self) -> bool {
        self.is_about_store
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for BackupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Writes rows to a new file, which nobody else may read, and which is there as a whole or not at
/// all. `goes_on` is asked from time to time.
///
/// # Errors
/// The file is there, or cannot be written; the rows cannot be read; `goes_on` says no.
pub fn write_file(
    snapshot: &mut dyn Snapshot,
    name: &str,
    tables: &[&dyn AnyTable],
    path: &Path,
    goes_on: impl Fn() -> bool,
) -> Result<BackupSize, BackupError> {
    if path.try_exists().unwrap_or(true) {
        return Err(BackupError::plain("the file is there already"));
    }
    let partial = partial(path);
    let failed = |error| BackupError::new("the file cannot be written", error);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&partial).map_err(failed)?;
    let mut to = BufWriter::new(file);
    let written = write(snapshot, name, tables, &mut to, goes_on).and_then(|size| {
        let file = to.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&partial, path).map_err(failed)?;
        sync_folder(path).map_err(failed)?;
        Ok(size)
    });
    // It has another name by now, or is of no use.
    let _is_gone = std::fs::remove_file(&partial).is_ok();
    written
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

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

/// Writes rows as a backup.
///
/// # Errors
/// They cannot be read or written; `goes_on` says no.
pub fn write(
    snapshot: &mut dyn Snapshot,
    name: &str,
    tables: &[&dyn AnyTable],
    to: &mut dyn Write,
    goes_on: impl Fn() -> bool,
) -> Result<BackupSize, BackupError> {
    let mut put = |term: &Term| {
        let mut packet = Encoder::new().encode(term);
        packet.push(b'\n');
        to.write_all(&packet).map_err(|error| BackupError::new("the file cannot be written", error))
    };
    put(&Term::tuple([Term::atom("ubf_backup"), Term::from(FORMAT), Term::from(name.to_owned())]))?;
    let (mut size, mut digest) = (BackupSize::default(), Sha256::new());
    let left_out: Vec<&str> =
        tables.iter().filter(|table| table.is_of_sessions()).map(|table| table.name()).collect();
    let is_left_out = |key: &[u8]| {
        !left_out.is_empty() && owner_of(key).is_some_and(|table| left_out.contains(&&*table))
    };
    let record = ShardRecord::key();
    let spans = [
        (record.clone(), [&record[..], &[0]].concat().into()),
        (Space::Rows.key().into(), Space::Sessions.key().into()),
        (Space::Timers.key().into(), Space::TimerKeys.end().into()),
    ];
    for (mut from, end) in spans {
        loop {
            if !goes_on() {
                return Err(BackupError::plain("it was given up, since the server ends"));
            }
            let (limit, order) = (ROWS_AT_ONCE, Order::Upwards);
            let page = snapshot.scan(&Scan { from, to: Bytes::clone(&end), limit, order });
            let page = page.map_err(|error| BackupError::new("the rows cannot be read", error))?;
            for (key, value) in page.iter().filter(|(key, _)| !is_left_out(key)) {
                size.add(key, value);
                count(&mut digest, key, value);
                put(&Term::tuple([Term::binary(key.clone()), Term::binary(value.clone())]))?;
            }
            match page.last() {
                Some((last, _)) if page.len() == limit => from = [last, &[0][..]].concat().into(),
                Some(_) | None => break,
            }
        }
    }
    let digest = Bytes::copy_from_slice(&digest.finalize());
    put(&Term::tuple([Term::atom("end"), Term::from(size.rows), Term::binary(digest)]))?;
    Ok(size)
}

fn count(digest: &mut Sha256, key: &[u8], value: &[u8]) {
    for bytes in [key, value] {
        digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        digest.update(bytes);
    }
}

/// Puts the rows of a backup into a store that has none. The file is read to its end before
/// anything is written. Nobody may own the rows before all of them are there.
///
/// # Errors
/// The file is no backup of this service, or not whole; the store has rows already, or cannot be
/// written. If it was being written then, it cannot be used, and says so.
pub fn restore_file(
    store: &mut dyn Store,
    shard: ShardId,
    name: &str,
    path: &Path,
) -> Result<BackupSize, BackupError> {
    let failed = |error| BackupError::new("the file cannot be read", error);
    let mut file = File::open(path).map_err(failed)?;
    read(BufReader::new(&file), name, |_, _| Ok(()))?;
    file.rewind().map_err(failed)?;
    restore(store, shard, name, BufReader::new(&file))
}

fn restore(
    store: &mut dyn Store,
    shard: ShardId,
    name: &str,
    from: impl Read,
) -> Result<BackupSize, BackupError> {
    let failed = |error| BackupError::new("the store cannot be read", error).of_store();
    let whole = Scan {
        from: Bytes::new(),
        to: Bytes::from_static(&[0xFF]),
        limit: 1,
        order: Order::Upwards,
    };
    let is_new = store.epoch(shard).map_err(failed)? == Epoch(0)
        && store.scan(shard, &whole).map_err(failed)?.is_empty();
    if !is_new {
        let used = BackupError::plain("the store is in use already: a backup wants a new one");
        return Err(used.of_store());
    }
    let epoch = store
        .claim(shard, Epoch(0))
        .map_err(|error| BackupError::new("the store cannot be written", error).of_store())?;
    let mut number = 0;
    let mut commit = |writes: Writes| {
        number += 1;
        let batch = Batch { shard, epoch, number, writes };
        store
            .commit(&batch)
            .map_err(|error| BackupError::new("the store cannot be written", error).of_store())
    };
    let mut writes = Writes::default();
    // Whoever finds this claims nothing.
    writes.set(ShardRecord::key(), Some(ShardRecord::restoring()));
    let mut record = None;
    let size = read(from, name, |key, value| {
        if key == ShardRecord::key() {
            record = Some(value);
            return Ok(());
        }
        writes.set(key, Some(value));
        if writes.bytes() >= BATCH_BYTES { commit(std::mem::take(&mut writes)) } else { Ok(()) }
    })?;
    commit(writes)?;
    let mut writes = Writes::default();
    // A store that never had a batch has no record.
    writes.set(ShardRecord::key(), record);
    commit(writes)?;
    Ok(size)
}

/// Reads a backup, and shows each row of it. The end must be as it says.
fn read(
    mut from: impl Read,
    name: &str,
    mut row: impl FnMut(Bytes, Bytes) -> Result<(), BackupError>,
) -> Result<BackupSize, BackupError> {
    let mut packets = Packets::default();
    let cut = || BackupError::plain("the file is not whole: its end is missing");
    let head = packets.next(&mut from)?.ok_or_else(cut)?;
    check_head(head.root(), name)?;
    let (mut size, mut digest) = (BackupSize::default(), Sha256::new());
    loop {
        let packet = packets.next(&mut from)?.ok_or_else(cut)?;
        let broken = || BackupError::plain("the file is damaged: a packet of it is no row");
        let View::Tuple(tuple) = packet.root().view() else { return Err(broken()) };
        if let Some([key, value]) = tuple.to_array()
            && let (Some(key), Some(value)) = (key.as_bytes(), value.as_bytes())
        {
            size.add(key, value);
            count(&mut digest, key, value);
            row(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value))?;
            continue;
        }
        let Some([end, rows, told]) = tuple.to_array() else { return Err(broken()) };
        let is_whole = end.is_atom("end")
            && rows.as_u64() == Some(size.rows)
            && told.as_bytes() == Some(&digest.finalize()[..]);
        return if is_whole {
            Ok(size)
        } else {
            Err(BackupError::plain("the file is damaged: its rows are not those that were written"))
        };
    }
}

fn check_head(head: TermRef<'_>, name: &str) -> Result<(), BackupError> {
    let none = || BackupError::plain("the file is no backup");
    let View::Tuple(tuple) = head.view() else { return Err(none()) };
    let Some([word, format, whose]) = tuple.to_array() else { return Err(none()) };
    if !word.is_atom("ubf_backup") {
        return Err(none());
    }
    if format.as_u64() != Some(FORMAT) {
        let what = format!("the backup has format {format}, and this program knows {FORMAT}");
        return Err(BackupError::plain(what));
    }
    let is_of = |name: &[u8]| matches!(whose.view(), View::String(text) if text.to_bytes() == name);
    if !is_of(name.as_bytes()) {
        let what = format!("the backup is of {whose}, and not of {name}");
        return Err(BackupError::plain(what));
    }
    Ok(())
}

/// The packets of a file.
#[derive(Default)]
struct Packets {
    decoder: StreamDecoder,
    buffer: BytesMut,
}

impl Packets {
    fn next(&mut self, from: &mut impl Read) -> Result<Option<Document<Bytes>>, BackupError> {
        let broken =
            |error: DecodeError| BackupError::new("the file is damaged: it is no UBF", error);
        let mut piece = [0; 16 << 10];
        loop {
            if let Some(packet) = self.decoder.decode(&mut self.buffer).map_err(broken)? {
                return Ok(Some(packet));
            }
            let count = match from.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| BackupError::new("the file cannot be read", error))?,
            };
            if count == 0 {
                return Ok(None);
            }
            self.buffer.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
    }
}
