//! What a server says about the rows of its services: written by the server and read by the
//! operator's tools, both here.

use serde::Serialize;
use ubf_codec::{Term, TermRef, ubf};
use ubf_state::{ShardVersions, WriteVersion};

use super::reports::{list, number, optional, read_list, text, text_or_undefined, tuple};

/// The state versions of a service's rows (T6, T8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VersionsReport {
    /// In which rows are written.
    pub write: u32,
    /// No row is older.
    pub lowest: u32,
    /// No row is newer.
    pub highest: u32,
}

/// The rows of a service, by table and state version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RowsReport {
    /// The service.
    pub service: String,
    /// The state versions of its rows.
    pub versions: VersionsReport,
    /// The oldest and the newest one that the server knows.
    pub known: (u32, u32),
    /// How many rows there are.
    pub tables: Vec<TableReport>,
}

/// Rows of a table in a state version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableReport {
    /// The table; `mine` is what a service keeps for sessions.
    pub table: String,
    /// The state version; 0 is what cannot be read.
    pub version: u32,
    /// How many.
    pub rows: u64,
}

/// How far the rows of a service have been rewritten (T8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationReport {
    /// The service.
    pub service: String,
    /// The state versions of its rows.
    pub versions: VersionsReport,
    /// Rows that were looked at.
    pub seen: u64,
    /// Rows that were rewritten.
    pub rewritten: u64,
    /// Why it does not go on.
    pub failed: Option<String>,
}

impl MigrationReport {
    /// Whether every row is in the write version.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.versions.lowest == self.versions.highest
    }
}

/// A service whose write version was raised, or lowered (T6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FinalizedReport {
    /// The service.
    pub service: String,
    /// The state versions of its rows from here on.
    pub versions: VersionsReport,
}

/// A backup that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// Of which service.
    pub service: String,
    /// Rows, entries of indexes and timers.
    pub rows: u64,
    /// Of their keys and values.
    pub bytes: u64,
}

impl From<ShardVersions> for VersionsReport {
    fn from(versions: ShardVersions) -> Self {
        let WriteVersion { write, lowest, highest } = versions.state;
        Self { write, lowest, highest }
    }
}

impl VersionsReport {
    fn to_term(self) -> Term {
        ubf!({(self.write), (self.lowest), (self.highest)})
    }

    fn read(term: TermRef<'_>) -> Option<Self> {
        let [write, lowest, highest] = tuple(term)?;
        Some(Self { write: small(write)?, lowest: small(lowest)?, highest: small(highest)? })
    }
}

impl RowsReport {
    /// `{Service,{Write,Lowest,Highest},{Oldest,Newest},[{Table,Version,Rows}]}`.
    pub(super) fn to_term(&self) -> Term {
        let table =
            |table: &TableReport| ubf!({(table.table.as_str()), (table.version), (table.rows)});
        let (oldest, newest) = self.known;
        ubf!({
            (self.service.as_str()), (self.versions.to_term()), {(oldest), (newest)},
            (list(&self.tables, table))
        })
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let [service, versions, known, tables] = tuple(term)?;
        let [oldest, newest] = tuple(known)?;
        let table = |term| {
            let [table, version, rows] = tuple(term)?;
            Some(TableReport { table: text(table)?, version: small(version)?, rows: number(rows)? })
        };
        Some(Self {
            service: text(service)?,
            versions: VersionsReport::read(versions)?,
            known: (small(oldest)?, small(newest)?),
            tables: read_list(tables, table)?,
        })
    }
}

impl MigrationReport {
    /// `{Service,{Write,Lowest,Highest},Seen,Rewritten,Failed}`.
    pub(super) fn to_term(&self) -> Term {
        let failed = text_or_undefined(self.failed.as_deref());
        ubf!({
            (self.service.as_str()), (self.versions.to_term()), (self.seen), (self.rewritten),
            (failed)
        })
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let [service, versions, seen, rewritten, failed] = tuple(term)?;
        Some(Self {
            service: text(service)?,
            versions: VersionsReport::read(versions)?,
            seen: number(seen)?,
            rewritten: number(rewritten)?,
            failed: optional(failed, text)?,
        })
    }
}

impl FinalizedReport {
    /// `{Service,{Write,Lowest,Highest}}`.
    pub(super) fn to_term(&self) -> Term {
        ubf!({(self.service.as_str()), (self.versions.to_term())})
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let [service, versions] = tuple(term)?;
        Some(Self { service: text(service)?, versions: VersionsReport::read(versions)? })
    }
}

impl BackupReport {
    /// `{backed_up,Service,Rows,Bytes}`.
    pub(super) fn to_term(&self) -> Term {
        ubf!({backed_up, (self.service.as_str()), (self.rows), (self.bytes)})
    }

    pub(super) fn read(term: TermRef<'_>) -> Option<Self> {
        let [_, service, rows, bytes] = tuple(term)?;
        Some(Self { service: text(service)?, rows: number(rows)?, bytes: number(bytes)? })
    }
}

fn small(term: TermRef<'_>) -> Option<u32> {
    number(term)?.try_into().ok()
}
