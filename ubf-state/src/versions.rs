//! Which state versions a shard is written in, and who may own it (T6, T8).

use core::error::Error;
use core::fmt;

use crate::mutant::{self, Mutant};

/// What a program can read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Known {
    /// The oldest state version of the service that it knows.
    pub oldest: u32,
    /// The newest one.
    pub newest: u32,
    /// The newest format of the library's own rows that it knows. It knows all older ones.
    pub format: u32,
}

impl Known {
    const fn state(&self, version: u32) -> bool {
        self.oldest <= version && version <= self.newest
    }
}

/// The version in which rows are written, and those in which rows may stand.
///
/// `lowest <= write <= highest`; one of the ends is the write version, and they are neighbours at
/// most (T8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WriteVersion {
    /// What is written.
    pub write: u32,
    /// No row is older.
    pub lowest: u32,
    /// No row is newer.
    pub highest: u32,
}

impl WriteVersion {
    /// All rows are of this version.
    #[must_use]
    pub const fn only(version: u32) -> Self {
        Self { write: version, lowest: version, highest: version }
    }

    /// Whether all rows are of the write version.
    #[must_use]
    pub const fn is_swept(&self) -> bool {
        self.lowest == self.highest
    }

    const fn moved_to(self, write: u32) -> Self {
        let lowest = if write < self.lowest { write } else { self.lowest };
        let highest = if write > self.highest { write } else { self.highest };
        Self { write, lowest, highest }
    }
}

/// The versions of a shard: of its service's rows, and of the library's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShardVersions {
    /// The state versions of the service's rows.
    pub state: WriteVersion,
    /// The formats of the library's rows: sessions, answers, timers.
    pub format: WriteVersion,
}

impl ShardVersions {
    /// The versions of a shard that has no rows yet: what every possible owner can read.
    #[must_use]
    pub const fn first(state: u32, format: u32) -> Self {
        Self { state: WriteVersion::only(state), format: WriteVersion::only(format) }
    }

    /// Whether a program may own the shard: it knows the write version, and that of every row, the
    /// library's own included (T6).
    ///
    /// # Errors
    /// What it does not know.
    pub fn may_be_owned_by(&self, known: &Known) -> Result<(), CannotOwn> {
        if mutant::is_on(Mutant::ClaimsBlindly) {
            return Ok(());
        }
        let state = [self.state.write, self.state.lowest, self.state.highest];
        if let Some(&version) = state.iter().find(|version| !known.state(**version)) {
            return Err(CannotOwn::State { version, known: (known.oldest, known.newest) });
        }
        if self.format.highest > known.format {
            return Err(CannotOwn::Format { format: self.format.highest, known: known.format });
        }
        Ok(())
    }

    /// The format in which the library writes its own rows. `newest` is what the program knows.
    #[must_use]
    pub fn library_format(&self, newest: u32) -> u32 {
        if mutant::is_on(Mutant::NewestFormat) { newest } else { self.format.write }
    }

    /// Whether a contract may be offered whose words need this state version (T6).
    #[must_use]
    pub const fn may_offer(&self, needs: u32) -> bool {
        self.state.write >= needs
    }

    /// Raises the write version by one: what an operator calls *finalizing*. The library's own
    /// format follows, up to what all of the nodes know.
    ///
    /// # Errors
    /// Why not. Nothing has changed then.
    pub fn finalize(&self, nodes: &[Known]) -> Result<Self, CannotFinalize> {
        let version = self.state.write + 1;
        if !self.state.is_swept() {
            return Err(CannotFinalize::RowsLeft { lowest: self.state.lowest });
        }
        let knows = |node: &&Known| !node.state(version);
        if !mutant::is_on(Mutant::FinalizesTooEarly)
            && let Some(node) = nodes.iter().find(knows)
        {
            return Err(CannotFinalize::NotKnown { version, newest: node.newest });
        }
        let format = nodes.iter().map(|node| node.format).min().unwrap_or(self.format.write);
        let format = self.format.moved_to(format.max(self.format.write));
        Ok(Self { state: self.state.moved_to(version), format })
    }

    /// Lowers the write version by one: the way back. `needed` is the highest state version that an
    /// offered contract needs; such contracts are withdrawn first. Older programs may own the shard
    /// when all rows have been rewritten ([`swept`](Self::swept)).
    ///
    /// # Errors
    /// Why not. Nothing has changed then.
    pub fn lower(
        &self,
        owner: &Known,
        format: u32,
        needed: Option<u32>,
    ) -> Result<Self, CannotLower> {
        let version = self.state.write.saturating_sub(1);
        if !owner.state(version) {
            return Err(CannotLower::NotKnown { version, oldest: owner.oldest });
        }
        if !self.state.is_swept() {
            return Err(CannotLower::RowsLeft { lowest: self.state.lowest });
        }
        if let Some(needs) = needed.filter(|&needs| needs > version)
            && !mutant::is_on(Mutant::LowersUnderAnOffer)
        {
            return Err(CannotLower::Offered { needs });
        }
        let format = self.format.moved_to(format.clamp(1, self.format.write));
        Ok(Self { state: self.state.moved_to(version), format })
    }

    /// All rows have been rewritten in the write version.
    #[must_use]
    pub const fn swept(&self) -> Self {
        Self::first(self.state.write, self.format.write)
    }
}

/// Why a program may not own a shard (T6). It does not claim, and redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CannotOwn {
    /// Rows are, or are written, in a state version that it does not know.
    State {
        /// The state version.
        version: u32,
        /// What it knows: from the first one to the second.
        known: (u32, u32),
    },
    /// The library's own rows are in a format that it does not know.
    Format {
        /// The format.
        format: u32,
        /// The newest one that it knows.
        known: u32,
    },
}

impl fmt::Display for CannotOwn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State { version, known: (oldest, newest) } => write!(
                f,
                "the shard has state version {version}, and this program knows {oldest} to {newest}"
            ),
            Self::Format { format, known } => write!(
                f,
                "the shard has rows of the library in format {format}, and this program knows 1 to {known}"
            ),
        }
    }
}

impl Error for CannotOwn {}

/// Why the write version is not raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CannotFinalize {
    /// A node that may claim the shard does not know the next version.
    NotKnown {
        /// The next version.
        version: u32,
        /// The newest one that the node knows.
        newest: u32,
    },
    /// Rows of an older version are left, and rows may be of two versions at most (T8).
    RowsLeft {
        /// The oldest version that rows may have.
        lowest: u32,
    },
}

impl fmt::Display for CannotFinalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKnown { version, newest } => write!(
                f,
                "a node that may own the shard knows state version {newest} at most, not {version}"
            ),
            Self::RowsLeft { lowest } => {
                write!(f, "rows of state version {lowest} are left: rewrite them first")
            }
        }
    }
}

impl Error for CannotFinalize {}

/// Why the write version is not lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CannotLower {
    /// The owner does not know the version before.
    NotKnown {
        /// The version before.
        version: u32,
        /// The oldest one that the owner knows.
        oldest: u32,
    },
    /// Rows of another version are left.
    RowsLeft {
        /// The oldest version that rows may have.
        lowest: u32,
    },
    /// A contract is offered whose words need the present version: withdraw it first.
    Offered {
        /// What it needs.
        needs: u32,
    },
}

impl fmt::Display for CannotLower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKnown { version, oldest } => {
                write!(f, "the owner knows state version {oldest} and later ones, not {version}")
            }
            Self::RowsLeft { lowest } => {
                write!(f, "rows of state version {lowest} are left: rewrite them first")
            }
            Self::Offered { needs } => {
                write!(f, "a contract is offered that needs state version {needs}")
            }
        }
    }
}

impl Error for CannotLower {}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Known = Known { oldest: 34, newest: 34, format: 1 };
    const NEW: Known = Known { oldest: 34, newest: 35, format: 2 };

    #[test]
    fn t6_finalizing_waits_for_every_node_that_may_claim() {
        let first = ShardVersions::first(34, 1);
        let refused = CannotFinalize::NotKnown { version: 35, newest: 34 };
        assert_eq!(first.finalize(&[NEW, OLD]), Err(refused));
        let raised = first.finalize(&[NEW, NEW]).unwrap();
        assert_eq!(raised.state, WriteVersion { write: 35, lowest: 34, highest: 35 });
        assert_eq!(raised.format, WriteVersion { write: 2, lowest: 1, highest: 2 });
        assert_eq!(raised.may_be_owned_by(&NEW), Ok(()));
        let known = (34, 34);
        assert_eq!(raised.may_be_owned_by(&OLD), Err(CannotOwn::State { version: 35, known }));
        assert_eq!(raised.finalize(&[NEW]), Err(CannotFinalize::RowsLeft { lowest: 34 }));
        assert_eq!(raised.swept(), ShardVersions::first(35, 2));
    }

    #[test]
    fn t6_the_way_back_withdraws_lowers_and_sweeps() {
        let high = ShardVersions::first(35, 2);
        assert_eq!(high.lower(&NEW, 1, Some(35)), Err(CannotLower::Offered { needs: 35 }));
        let newer = Known { oldest: 35, ..NEW };
        let unknown = CannotLower::NotKnown { version: 34, oldest: 35 };
        assert_eq!(high.lower(&newer, 1, None), Err(unknown));
        let lowered = high.lower(&NEW, 1, Some(34)).unwrap();
        assert!(!lowered.may_offer(35) && lowered.may_be_owned_by(&OLD).is_err());
        assert_eq!(lowered.swept().may_be_owned_by(&OLD), Ok(()));
    }

    #[test]
    fn t6_the_library_follows_with_its_own_rows() {
        let versions =
            ShardVersions { format: WriteVersion::only(2), ..ShardVersions::first(34, 1) };
        assert_eq!(versions.may_be_owned_by(&OLD), Err(CannotOwn::Format { format: 2, known: 1 }));
    }
}
