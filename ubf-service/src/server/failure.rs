//! Why a keeper does not begin, or ends by itself.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use ubf_state::shard::End;
use ubf_store::{ClaimError, StoreError};

/// A keeper cannot begin, or has ended by itself: from there on nothing more is answered, since
/// nothing more is durable. The program is to end.
#[derive(Clone, Debug)]
pub struct KeeperError {
    what: What,
    /// Shared, since everybody who waits for the end is told.
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The store cannot be read or written.
    Store(&'static str),
    Ended(End),
    /// A fault of this program.
    Fault(&'static str),
}

impl KeeperError {
    pub(super) const fn plain(what: &'static str) -> Self {
        Self { what: What::Store(what), cause: None }
    }

    pub(super) const fn fault(what: &'static str) -> Self {
        Self { what: What::Fault(what), cause: None }
    }

    pub(super) fn store(
        what: &'static str,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { what: What::Store(what), cause: Some(Arc::from(cause.into())) }
    }

    pub(super) fn ended(end: End, cause: Option<Box<dyn Error + Send + Sync>>) -> Self {
        // T5: an owner whose batch was let go claims again, and another process may be faster.
        let claim = cause.as_deref().and_then(|cause| cause.downcast_ref());
        if let (End::NotClaimed, Some(ClaimError::Taken { epoch })) = (end, claim) {
            return Self { what: What::Ended(End::Fenced(*epoch)), cause: None };
        }
        Self { what: What::Ended(end), cause: cause.map(Arc::from) }
    }

    /// Whether another process owns the rows from here on: nothing is wrong with the store.
    #[must_use]
    pub const fn is_fenced(&self) -> bool {
        matches!(self.what, What::Ended(End::Fenced(_)))
    }
}

/// An error and what it comes from, in one line: a database says little in the first of them.
pub(super) fn causes(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(": ");
        said.push_str(&error.to_string());
        cause = error.source();
    }
    said
}

impl From<StoreError> for KeeperError {
    fn from(error: StoreError) -> Self {
        Self::store("the store cannot be used", error)
    }
}

impl fmt::Display for KeeperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Store(what) | What::Fault(what) => f.write_str(what),
            What::Ended(End::CannotOwn(why)) => {
                write!(f, "the rows of the store cannot be owned by this program: {why}")
            }
            What::Ended(End::Fenced(epoch)) => {
                write!(f, "another process has claimed the rows of the store ({epoch})")
            }
            What::Ended(End::NotClaimed) => f.write_str("the store could not be claimed"),
            What::Ended(End::Broken | _) => {
                f.write_str("the store cannot make anything durable any more")
            }
        }
    }
}

impl Error for KeeperError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
