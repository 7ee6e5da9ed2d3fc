//! Tables and their indexes, as a service declares them.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use crate::form::Row;
use crate::key::Key;
use crate::stored::MAX_NAME_BYTES;

/// A table: rows of one kind in the order of their keys. It is declared once, as a `static`.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use ubf_state::{Index, Row, Table};
/// # #[derive(Clone, PartialEq, Serialize, Deserialize)]
/// # struct Job { due_ms: u64, is_taken: bool }
/// # impl Row for Job { const VERSION: u32 = 1; type Before = (); }
///
/// static FREE: Index<u64, Job, u64> = Index::new("free", 1, |_, job| (!job.is_taken).then_some(job.due_ms));
/// static JOBS: Table<u64, Job> = Table::new("jobs").indexed_by(&[&FREE]);
/// ```
pub struct Table<K: 'static, R: 'static> {
    name: &'static str,
    indexes: &'static [&'static dyn AnyIndex<K, R>],
    is_of_sessions: bool,
}

impl<K: Key, R: Row> Table<K, R> {
    /// The table of this name.
    ///
    /// # Panics
    /// The name is empty or longer than [`MAX_NAME_BYTES`]; in a `static` that is an error of the
    /// compiler.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES, "a name of 1 to 64 bytes");
        Self { name, indexes: &[], is_of_sessions: false }
    }

    /// The table with these indexes, which the library keeps in the same transactions.
    #[must_use]
    pub const fn indexed_by(mut self, indexes: &'static [&'static dyn AnyIndex<K, R>]) -> Self {
        self.indexes = indexes;
        self
    }

    /// The table, whose rows are about sessions: who is there, and where. A backup has no sessions,
    /// so it has none of these rows either: nobody would ever take them away.
    #[must_use]
    pub const fn of_sessions(mut self) -> Self {
        self.is_of_sessions = true;
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) const fn is_of_sessions(&self) -> bool {
        self.is_of_sessions
    }

    pub(crate) const fn indexes(&self) -> &'static [&'static dyn AnyIndex<K, R>] {
        self.indexes
    }
}

impl<K, R> fmt::Debug for Table<K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A second key of the rows of a table.
///
/// An index comes with a form of its rows: nodes that know older forms alone do not keep it. So it
/// names the state version of that form; its entries are written from that write version on, and it
/// is read when no older row is left ([`Tx::by`](crate::Tx::by)).
pub struct Index<K: 'static, R: 'static, I> {
    name: &'static str,
    since: u32,
    of: fn(&K, &R) -> Option<I>,
    key: PhantomData<fn() -> I>,
}

impl<K: Key, R: Row, I: Key> Index<K, R, I> {
    /// The index of this name, which came in the state version `since`. `of` says where in the
    /// index a row stands; `None` is nowhere.
    ///
    /// # Panics
    /// The name is empty or longer than [`MAX_NAME_BYTES`], or `since` is 0 or above the version
    /// of the row's newest form; in a `static` that is an error of the compiler.
    #[must_use]
    pub const fn new(name: &'static str, since: u32, of: fn(&K, &R) -> Option<I>) -> Self {
        assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES, "a name of 1 to 64 bytes");
        assert!(since > 0 && since <= R::VERSION, "an index comes with a form of its rows");
        Self { name, since, of, key: PhantomData }
    }
}

impl<K, R, I> fmt::Debug for Index<K, R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An index, whatever its key is. Implemented by [`Index`] alone.
pub trait AnyIndex<K, R>: Sync + private::Sealed {
    #[doc(hidden)]
    fn name(&self) -> &'static str;
    #[doc(hidden)]
    fn since(&self) -> u32;
    #[doc(hidden)]
    fn key_of(&self, key: &K, row: &R) -> Option<Vec<u8>>;
}

mod private {
    pub trait Sealed {}
    impl<K, R, I> Sealed for super::Index<K, R, I> {}
}

impl<K: Key, R: Row, I: Key> AnyIndex<K, R> for Index<K, R, I> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn since(&self) -> u32 {
        self.since
    }

    fn key_of(&self, key: &K, row: &R) -> Option<Vec<u8>> {
        (self.of)(key, row).map(|key| key.to_bytes())
    }
}
