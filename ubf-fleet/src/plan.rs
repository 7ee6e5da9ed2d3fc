//! What a rollout is to do.

use std::fmt;

use serde::{Deserialize, Serialize};
use ubf_agent_core::Hash;

use crate::gates::Gates;

/// The most nodes of a rollout (L1). Chosen: the record of more is no longer small.
const MAX_NODES: usize = 10_000;

/// How each node is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// The new release takes over from the old one, on the same machine (U2).
    #[default]
    InPlace,
    /// The node is stopped, which sends its clients elsewhere, and started again.
    Restart,
}

/// Which nodes get which release, in which order and how fast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The release that they get: the hash of its binary, in hexadecimal digits.
    pub release: String,
    /// The nodes, by any names, in the order in which they are changed.
    pub nodes: Vec<String>,
    /// How many of them are the first wave, by which the release shows itself.
    pub canary: usize,
    /// How many each other wave has.
    pub wave: usize,
    /// For how long a wave is watched before the next one, in milliseconds.
    pub soak_ms: u64,
    /// What stops it.
    pub gates: Gates,
    /// How each node is changed.
    pub way: Way,
}

/// Why a plan is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// It has no nodes, or more than ten thousand.
    Nodes(usize),
    /// A node stands in it twice.
    Twice(String),
    /// A wave has no nodes.
    Empty,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes(count) => {
                write!(f, "a rollout has 1 to {MAX_NODES} nodes, and not {count}")
            }
            Self::Twice(node) => write!(f, "the node {node} is there twice"),
            Self::Empty => f.write_str("the canary and each wave have at least one node"),
        }
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// A plan of one node after the other, each watched for ten seconds.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(release: Hash, nodes: Vec<String>) -> Result<Self, PlanError> {
        let (release, gates, way) = (release.to_string(), Gates::default(), Way::default());
        Self { release, nodes, canary: 1, wave: 1, soak_ms: 10_000, gates, way }.checked()
    }

    /// The same, if it can be done.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn checked(self) -> Result<Self, PlanError> {
        if !(1..=MAX_NODES).contains(&self.nodes.len()) {
            return Err(PlanError::Nodes(self.nodes.len()));
        }
        let mut names: Vec<&String> = self.nodes.iter().collect();
        names.sort_unstable();
        let twice = names.windows(2).find_map(|pair| match pair {
            [one, other] if one == other => Some((*one).clone()),
            _ => None,
        });
        match twice {
            Some(node) => Err(PlanError::Twice(node)),
            None if self.canary == 0 || self.wave == 0 => Err(PlanError::Empty),
            None => Ok(self),
        }
    }

    /// Behind which node a wave ends, by the number of a node in it.
    pub(crate) fn end_of_wave(&self, node: usize) -> usize {
        let end = match node.checked_sub(self.canary) {
            None => self.canary,
            Some(behind) => self.canary + (behind / self.wave + 1) * self.wave,
        };
        end.min(self.nodes.len())
    }
}
