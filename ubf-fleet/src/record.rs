//! How far a rollout has come: what is stored before each step.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::gates::Sample;
use crate::plan::Plan;

/// Where a rollout is. Nodes are told by their numbers in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Nothing has been done.
    Planned,
    /// The release is sent to this node, and what it runs is written down.
    Preflight {
        /// The number.
        node: usize,
    },
    /// This node is changed, and those before it are.
    Changing {
        /// The number.
        node: usize,
    },
    /// All nodes before this one are changed, and are watched.
    Soaking {
        /// The number.
        until: usize,
    },
    /// All nodes run the release, and rows are written as the one before reads them.
    CodeComplete,
    /// Rows of this node, and of those behind it, are to be written in the newest form. From here
    /// on there is no way back.
    Finalizing {
        /// The number.
        node: usize,
    },
    /// It is over.
    Done,
    /// These nodes are to run what they ran before, the first of them next.
    RollingBack {
        /// The numbers.
        left: Vec<usize>,
        /// Why, for people.
        why: String,
    },
    /// It is over, and as if it had not been.
    RolledBack {
        /// Why, for people.
        why: String,
    },
}

/// A rollout, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who may store it: each controller that begins has the next one.
    pub epoch: u64,
    /// What is to be done.
    pub plan: Plan,
    /// How far it has come.
    pub stage: Stage,
    /// Whether it waits for an operator.
    pub is_paused: bool,
    /// What each node ran before: hashes, in the order of the plan, as far as is known.
    pub before: Vec<String>,
    /// What was counted of all nodes before the first change.
    pub baseline: Sample,
}

/// A record that cannot be read.
#[derive(Debug)]
pub struct RecordError(ubf_codec::serde::Error);

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is no record of a rollout: {}", self.0)
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Record {
    /// A rollout that has not begun.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let (before, baseline) = (Vec::new(), Sample::default());
        Self { epoch: 0, plan, stage: Stage::Planned, is_paused: false, before, baseline }
    }

    /// Whether nothing more is to be done.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::RolledBack { .. })
    }

    /// As a packet of UBF(A).
    ///
    /// # Errors
    /// None is known: every record can be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        ubf_codec::serde::to_vec(self).map_err(RecordError)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    /// If it is something else.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        ubf_codec::serde::from_slice(bytes).map_err(RecordError)
    }
}
