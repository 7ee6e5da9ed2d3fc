//! The sweeper: rows of another version are rewritten a few at a time, beside the calls (T8).

use core::fmt;

use bytes::Bytes;

use crate::base::{Order, Scan, successor};
use crate::form::Row;
use crate::key::Key;
use crate::stop::{Do, Reason};
use crate::stored::{self, Space, after_prefix};
use crate::table::Table;
use crate::tx::Tx;

/// A table, whatever its rows are: what the sweeper goes through. Implemented by [`Table`] and by
/// [`MineTable`].
pub trait AnyTable: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Whether its rows are about sessions, which no backup has.
    #[doc(hidden)]
    fn is_of_sessions(&self) -> bool {
        false
    }

    /// What the stored keys of its rows begin with.
    #[doc(hidden)]
    fn prefix(&self) -> Bytes;

    /// Rewrites a row in the write version, unless it is in the right form. Tells whether it did.
    #[doc(hidden)]
    fn rewrite(&self, tx: &mut Tx<'_>, stored: &[u8], value: &[u8]) -> Do<bool>;
}

impl fmt::Debug for dyn AnyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyTable").field(&self.name()).finish()
    }
}

impl<K: Key, R: Row> AnyTable for Table<K, R> {
    fn name(&self) -> &'static str {
        Self::name(self)
    }

    fn is_of_sessions(&self) -> bool {
        Self::is_of_sessions(self)
    }

    fn prefix(&self) -> Bytes {
        stored::row_key(self.name(), &[]).into()
    }

    fn rewrite(&self, tx: &mut Tx<'_>, stored: &[u8], value: &[u8]) -> Do<bool> {
        let table = self.name();
        if is_in_form::<R>(tx, table, value)? {
            return Ok(false);
        }
        let Some(before) = tx.read_at::<R>(table, stored)? else { return Ok(false) };
        let key = K::from_bytes(stored.get(self.prefix().len()..).unwrap_or_default())
            .map_err(|error| Reason::Key { table, error })?;
        tx.reindex(self, &key, Some(&before), Some(&before.0))?;
        tx.write_at(table, stored, &before.0)?;
        Ok(true)
    }
}

/// The rows of [`Tx::mine`], which are of this kind, as a table for the sweeper.
pub struct MineTable<R>(core::marker::PhantomData<fn() -> R>);

impl<R> MineTable<R> {
    /// The table.
    #[must_use]
    pub const fn new() -> Self {
        Self(core::marker::PhantomData)
    }
}

impl<R> Default for MineTable<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> fmt::Debug for MineTable<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MineTable")
    }
}

impl<R: Row> AnyTable for MineTable<R> {
    fn name(&self) -> &'static str {
        "mine"
    }

    fn prefix(&self) -> Bytes {
        Space::Mine.key().into()
    }

    fn rewrite(&self, tx: &mut Tx<'_>, stored: &[u8], value: &[u8]) -> Do<bool> {
        if is_in_form::<R>(tx, self.name(), value)? {
            return Ok(false);
        }
        let Some((row, _)) = tx.read_at::<R>(self.name(), stored)? else { return Ok(false) };
        tx.write_at(self.name(), stored, &row)?;
        Ok(true)
    }
}

fn is_in_form<R: Row>(tx: &Tx<'_>, table: &'static str, value: &[u8]) -> Do<bool> {
    let version = stored::version_of(value).map_err(|error| Reason::Row { table, error })?;
    Ok(R::version_at(tx.write_version()) == Some(version))
}

/// How far a sweep has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Progress {
    /// Rows that were looked at.
    pub seen: u64,
    /// Rows that were rewritten.
    pub rewritten: u64,
}

/// Where a sweep is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// In a table, by its place in the list; the rows before this key have been looked at.
    At { table: usize, from: Bytes },
    /// Every row has been looked at.
    Done,
}

/// One sweep through all tables of a shard. The shell runs [`step`](Self::step) from time to time,
/// each time in a transaction of its own, until it says that nothing is left; then it tells the
/// shard [`Swept`](crate::shard::Input::Swept).
///
/// When the write version changes, the sweep is of no use any more: the next one begins with a new
/// sweeper.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sweeper {
    write_version: u32,
    place: Place,
    progress: Progress,
}

/// What a step of a sweep has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swept {
    /// More rows are left. This is the sweeper after the step, if the step is not taken back.
    More(Sweeper),
    /// All rows are in the write version.
    All(Progress),
    /// The write version has changed since the sweep began.
    Outdated,
}

impl Sweeper {
    /// A sweep that begins, of rows to be written in this version.
    #[must_use]
    pub const fn new(write_version: u32) -> Self {
        let place = Place::At { table: 0, from: Bytes::new() };
        Self { write_version, place, progress: Progress { seen: 0, rewritten: 0 } }
    }

    /// How far it has come.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// Looks at the next rows, at most so many. `tables` are all tables of the service, in the same
    /// order each time.
    ///
    /// # Errors
    /// [`Stop`](crate::Stop): a row cannot be read, or is not in memory. The step is taken back.
    pub fn step(&self, tx: &mut Tx<'_>, tables: &[&dyn AnyTable], rows: usize) -> Do<Swept> {
        if tx.write_version() != self.write_version {
            return Ok(Swept::Outdated);
        }
        let mut next = self.clone();
        let mut room = rows.max(1);
        while let Place::At { table, from } = next.place.clone() {
            let Some(&current) = tables.get(table) else {
                next.place = Place::Done;
                break;
            };
            let prefix = current.prefix();
            let scan = Scan {
                from: from.max(prefix.clone()),
                to: after_prefix(&prefix).into(),
                limit: room,
                order: Order::Upwards,
            };
            let page = tx.page(scan)?;
            for (stored, value) in &page {
                next.progress.seen += 1;
                next.progress.rewritten += u64::from(current.rewrite(tx, stored, value)?);
            }
            room -= page.len();
            next.place = match page.last() {
                Some((last, _)) if room == 0 => Place::At { table, from: successor(last) },
                _ => Place::At { table: table + 1, from: Bytes::new() },
            };
            if room == 0 {
                break;
            }
        }
        Ok(match next.place {
            Place::Done => Swept::All(next.progress),
            Place::At { .. } => Swept::More(next),
        })
    }
}
