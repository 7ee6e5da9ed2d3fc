//! What people want of a keeper: to look at rows and sessions, to rewrite rows, to finalize, a
//! backup. It is done beside the calls.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use ubf_proto::Service;
use ubf_server::Peer;
use ubf_state::{
    AnyTable, CannotFinalize, CannotLower, Known, Order as Direction, Scan, SessionKey,
    ShardVersions, Space, table_of, version_of,
};
use ubf_store::{Snapshot, StoreError};

use super::parting::Part;
use crate::backup::{self, BackupError, BackupSize};
use crate::copy::{self, CopySize};

/// Rows that are looked at at once. Chosen: each may have a mebibyte.
const ROWS_AT_ONCE: usize = 64;

/// An order to a keeper, and where its answer goes.
#[derive(Debug)]
pub(super) enum Order {
    Read(Reading),
    Migrate(oneshot::Sender<Migration>),
    Finalize(Vec<Known>, Answer<ShardVersions>),
    Lower(Answer<ShardVersions>),
    Sessions { after: u64, at_most: usize, answer: oneshot::Sender<Vec<OwnedSession>> },
    Part(Part),
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, OrderError>>;

/// What all rows are read for.
#[derive(Debug)]
pub(super) enum Reading {
    Count(Answer<Vec<RowCount>>),
    Backup {
        name: String,
        tables: &'static [&'static dyn AnyTable],
        path: PathBuf,
        answer: Answer<BackupSize>,
    },
    Size(Answer<CopySize>),
}

/// Rows of a table in a state version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowCount {
    /// The table; `mine` is the state of the service in sessions.
    pub table: String,
    /// The state version; 0 is what cannot be read.
    pub version: u32,
    /// How many.
    pub rows: u64,
}

/// How far rows have been rewritten in the write version (T8).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The versions of the rows.
    pub versions: ShardVersions,
    /// Rows that were looked at.
    pub seen: u64,
    /// Rows that were rewritten.
    pub rewritten: u64,
    /// Why it does not go on: a row that cannot be rewritten.
    pub failed: Option<String>,
}

impl Migration {
    /// Whether every row is in the write version.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.versions.state.is_swept()
    }
}

/// A session of a service with rows (S6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedSession {
    /// Its number at this keeper, which no other one of it has.
    pub number: u64,
    /// Under which it stands in the store.
    pub key: SessionKey,
    /// A short hash of its Id. `None`: it is of an earlier process, and nobody has come back.
    pub name: Option<String>,
    /// The name under which its client uses the service; likewise.
    pub service: Option<Service>,
    /// Who has gone on with it last; likewise.
    pub peer: Option<Peer>,
    /// The number of the connection that it has, or had last; likewise.
    pub connection: Option<u64>,
    /// Since it was opened, or since the keeper began.
    pub age: Duration,
    /// Whether it has no connection.
    pub is_parked: bool,
    /// How often it went on with another connection.
    pub resumes: u64,
    /// Bytes of answers and events that are kept; of a session that nobody has come back to, none
    /// is in memory.
    pub kept_bytes: usize,
}

/// An order was not carried out.
#[derive(Debug)]
#[non_exhaustive]
pub enum OrderError {
    /// The keeper has ended, or does not own the rows at the moment.
    NotNow,
    /// All rows are being read already, for another order.
    Busy,
    /// The write version is not raised (T6).
    CannotFinalize(CannotFinalize),
    /// The write version is not raised: another node that may own the rows is behind (T6).
    NodeBehind {
        /// The node: where clients find it.
        node: String,
        /// What it knows.
        known: Known,
        /// The version that it would have to know.
        version: u32,
    },
    /// The write version is not lowered (T6).
    CannotLower(CannotLower),
    /// The rows cannot be read.
    Store(StoreError),
    /// There is no backup.
    Backup(BackupError),
    /// The keeper has ended, and what has become of the order only its store tells.
    Unknown,
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNow => f.write_str("the rows are not owned at the moment"),
            Self::Busy => f.write_str("the rows are being read already, for somebody else"),
            Self::CannotFinalize(why) => why.fmt(f),
            Self::NodeBehind { node, known: Known { oldest, newest, .. }, version } => write!(
                f,
                "the node {node} may own the rows, and knows state version {oldest} to {newest} and \
                 not {version}: upgrade it first, or end it"
            ),
            Self::CannotLower(why) => why.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Backup(error) => error.fmt(f),
            Self::Unknown => f.write_str("what became of it is not known"),
        }
    }
}

impl Error for OrderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotNow | Self::Busy | Self::NodeBehind { .. } | Self::Unknown => None,
            Self::CannotFinalize(why) => why.source(),
            Self::CannotLower(why) => why.source(),
            Self::Store(error) => error.source(),
            Self::Backup(error) => error.source(),
        }
    }
}

/// Orders that are being carried out.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// It waits for the rows.
    reading: Option<Reading>,
    /// It reads them. One thread at a time.
    reader: Option<JoinHandle<()>>,
    /// It has not come to its end. It says so before it answers: whoever has the answer may give
    /// the next order at once, and the thread itself ends a moment later.
    is_read: Arc<AtomicBool>,
    /// The keeper ends, and its reader is to do so, too.
    is_ending: Arc<AtomicBool>,
    /// T8: rows are being rewritten.
    pub(super) is_migrating: bool,
    /// Why they are not any more.
    pub(super) failed: Option<String>,
    /// Who waits until a write version is stored.
    finalizing: BTreeMap<u64, (ShardVersions, Answer<ShardVersions>)>,
    last_mark: u64,
}

impl Desk {
    /// Whether all rows are to be shown for an order. Another one waits for nobody.
    pub(super) fn wants(&mut self, reading: Reading) -> bool {
        if self.reading.is_some() || self.is_read.load(Ordering::Acquire) {
            reading.fail(OrderError::Busy);
            return false;
        }
        self.reading = Some(reading);
        true
    }

    /// Whether an order waits for the rows.
    pub(super) const fn is_waiting(&self) -> bool {
        self.reading.is_some()
    }

    /// The rows that an order has waited for.
    pub(super) fn shown(&mut self, snapshot: Result<Box<dyn Snapshot>, StoreError>) {
        let Some(reading) = self.reading.take() else { return };
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => return reading.fail(OrderError::Store(error)),
        };
        let is_ending = Arc::clone(&self.is_ending);
        self.is_read.store(true, Ordering::Release);
        let turn = Turn(Arc::clone(&self.is_read));
        let reader = std::thread::Builder::new().name("ubf-reader".into());
        // Without a thread the order is dropped, and whoever gave it is told that it was.
        self.reader = reader.spawn(move || reading.run(snapshot, turn, &is_ending)).ok();
    }

    /// Somebody waits until these versions are stored. The mark by which that is told.
    pub(super) fn finalize(
        &mut self,
        versions: ShardVersions,
        answer: Answer<ShardVersions>,
    ) -> u64 {
        self.last_mark += 1;
        self.finalizing.insert(self.last_mark, (versions, answer));
        self.last_mark
    }

    /// What was marked is stored.
    pub(super) fn stored(&mut self, mark: u64) {
        if let Some((versions, answer)) = self.finalizing.remove(&mark) {
            // Whoever has stopped to wait has its reasons.
            answer.send(Ok(versions)).ok();
        }
    }

    /// T4: what was not stored never will be.
    pub(super) fn let_go(&mut self) {
        for (_, (_, answer)) in std::mem::take(&mut self.finalizing) {
            answer.send(Err(OrderError::NotNow)).ok();
        }
    }

    /// The store is about to be closed. It waits for the reader, which gives up.
    pub(super) fn end(self) {
        self.is_ending.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader {
            // A reader that has panicked has dropped its answer.
            reader.join().ok();
        }
    }
}

impl Reading {
    pub(super) fn fail(self, error: OrderError) {
        // Whoever has stopped to wait has its reasons.
        match self {
            Self::Count(answer) => answer.send(Err(error)).ok(),
            Self::Backup { answer, .. } => answer.send(Err(error)).ok(),
            Self::Size(answer) => answer.send(Err(error)).ok(),
        };
    }

    fn run(self, mut snapshot: Box<dyn Snapshot>, turn: Turn, is_ending: &AtomicBool) {
        let goes_on = || !is_ending.load(Ordering::Relaxed);
        match self {
            Self::Count(answer) => {
                let counted = count(&mut *snapshot, goes_on);
                drop((snapshot, turn));
                answer.send(counted).ok();
            }
            Self::Backup { name, tables, path, answer } => {
                let written = backup::write_file(&mut *snapshot, &name, tables, &path, goes_on);
                drop((snapshot, turn));
                answer.send(written.map_err(OrderError::Backup)).ok();
            }
            Self::Size(answer) => {
                let mut size = CopySize::default();
                let read = copy::read(&mut *snapshot, |page| {
                    page.iter().for_each(|(key, value)| size.add(key, value));
                    goes_on()
                });
                drop((snapshot, turn));
                answer.send(read.map(|()| size).map_err(OrderError::Store)).ok();
            }
        }
    }
}

/// The right to read all rows; also a reader that panics gives it back.
#[derive(Debug)]
struct Turn(Arc<AtomicBool>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Counts rows by table and state version.
fn count(
    snapshot: &mut dyn Snapshot,
    goes_on: impl Fn() -> bool,
) -> Result<Vec<RowCount>, OrderError> {
    let mut counts = BTreeMap::<(String, u32), u64>::new();
    for space in [Space::Rows, Space::Mine] {
        let (mut from, to): (Bytes, Bytes) = (space.key().into(), space.end().into());
        loop {
            if !goes_on() {
                return Err(OrderError::NotNow);
            }
            let (limit, order) = (ROWS_AT_ONCE, Direction::Upwards);
            let page = snapshot
                .scan(&Scan { from, to: to.clone(), limit, order })
                .map_err(OrderError::Store)?;
            for (key, value) in &page {
                let table = table_of(key).unwrap_or_else(|| "mine".to_owned());
                let version = version_of(value).unwrap_or(0);
                *counts.entry((table, version)).or_default() += 1;
            }
            match page.last() {
                Some((last, _)) if page.len() == limit => from = [last, &[0][..]].concat().into(),
                Some(_) | None => break,
            }
        }
    }
    let count = |((table, version), rows)| RowCount { table, version, rows };
    Ok(counts.into_iter().map(count).collect())
}
