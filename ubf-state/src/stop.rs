//! Why a call goes no further (T2).

use alloc::string::String;
use core::error::Error;
use core::fmt;

use crate::base::Missing;
use crate::form::RowError;
use crate::key::KeyError;

/// What functions of a service yield: a value, or the reason to stop, which is passed on by `?`.
pub type Do<T> = Result<T, Stop>;

/// Why a call goes no further. What it wrote is taken back.
///
/// A service passes it on and does not look into it: the reason may be that a row is not in memory,
/// and then the call is run again when it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop(Reason);

/// The reason of a [`Stop`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Something is not in memory; the call is run again when it is.
    Missing(Missing),
    /// A limit is exceeded; its name is that of a field of [`TxLimits`](crate::TxLimits).
    Limit(&'static str),
    /// The service refuses the call by a rule of its own.
    Refused(String),
    /// The call is for clients that have a session, and has none: `refused 'no_session'`.
    NoSession,
    /// A row of this table cannot be read or written (T7): `refused 'state'`.
    Row {
        /// The table's name.
        table: &'static str,
        /// What is wrong.
        error: RowError,
    },
    /// A stored key is not one of this table.
    Key {
        /// The table's name.
        table: &'static str,
        /// What is wrong.
        error: KeyError,
    },
    /// An index is read before all rows are in it.
    IndexNotReady(&'static str),
    /// The code has crashed (T9). The text is what it said.
    Crashed(String),
    /// A step between two forms of a row of this table has crashed (T7): a fault of the row.
    StepCrashed(&'static str),
}

impl Stop {
    /// The call is refused by a rule of the service.
    pub fn refused(why: impl Into<String>) -> Self {
        Self(Reason::Refused(why.into()))
    }

    /// The service's code has crashed. Made by whoever catches crashes.
    pub fn crashed(what: impl Into<String>) -> Self {
        Self(Reason::Crashed(what.into()))
    }

    pub(crate) const fn limit(name: &'static str) -> Self {
        Self(Reason::Limit(name))
    }

    /// The reason.
    #[must_use]
    pub const fn reason(&self) -> &Reason {
        &self.0
    }

    /// The reason, taken out.
    #[must_use]
    pub fn into_reason(self) -> Reason {
        self.0
    }
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self(Reason::Missing(missing))
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self(reason)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Missing(_) => f.write_str("a row is not in memory yet"),
            Reason::Limit(name) => write!(f, "the call is above the limit {name}"),
            Reason::Refused(why) => write!(f, "refused: {why}"),
            Reason::NoSession => f.write_str("the call has no session"),
            Reason::Row { table, .. } => write!(f, "a row of table {table} cannot be used"),
            Reason::Key { table, .. } => write!(f, "a key in table {table} cannot be read"),
            Reason::IndexNotReady(name) => {
                write!(f, "index {name} does not hold all rows yet: older ones are being rewritten")
            }
            Reason::Crashed(what) => write!(f, "the service's code has crashed: {what}"),
            Reason::StepCrashed(table) => {
                write!(f, "a step between state versions of table {table} has crashed")
            }
        }
    }
}

impl Error for Stop {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Row { error, .. } => Some(error),
            Reason::Key { error, .. } => Some(error),
            Reason::Missing(_)
            | Reason::Limit(_)
            | Reason::Refused(_)
            | Reason::NoSession
            | Reason::IndexNotReady(_)
            | Reason::Crashed(_)
            | Reason::StepCrashed(_) => None,
        }
    }
}
