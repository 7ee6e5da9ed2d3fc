//! What checking a term may cost.

use core::fmt;

/// The most that checking one term may cost (C2).
///
/// Alternatives that overlap can make a type that takes time exponential in the depth of a term.
/// Existing contracts have none like that; these limits hold where a stranger writes the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckLimits {
    /// Looks at a part of the term. Default 4,194,304; most terms take one to three for each of
    /// their parts.
    pub max_steps: u64,
    /// Tuples, lists and alternatives that may be open at once. Default 4,096; only beyond 10 of
    /// them memory is taken, about 100 bytes for each.
    pub max_depth: u32,
}

impl Default for CheckLimits {
    fn default() -> Self {
        Self::new()
    }
}

impl CheckLimits {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self { max_steps: 4 << 20, max_depth: 4096 }
    }

    /// The same with another [`max_steps`](Self::max_steps).
    #[must_use]
    pub const fn with_max_steps(mut self, max_steps: u64) -> Self {
        self.max_steps = max_steps;
        self
    }

    /// The same with another [`max_depth`](Self::max_depth).
    #[must_use]
    pub const fn with_max_depth(mut self, max_depth: u32) -> Self {
        self.max_depth = max_depth;
        self
    }
}

/// Which limit was exceeded, and its value: whether the term fits is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exceeded {
    /// [`CheckLimits::max_steps`].
    Steps(u64),
    /// [`CheckLimits::max_depth`].
    Depth(u32),
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(max) => write!(f, "checking takes more than {max} steps (max_steps)"),
            Self::Depth(max) => write!(f, "more than {max} parts are open at once (max_depth)"),
        }
    }
}

impl core::error::Error for Exceeded {}
