//! Contracts: what a text says, which terms a type takes, what a session allows, and what breaks
//! between two of them.
//!
//! Each question is a line, and so is its answer: terms are in postfix, texts in hexadecimal.

mod question;
mod vectors;

pub use self::question::{Question, Way};
pub use self::vectors::{ContractVector, Expected, load};

use crate::capability::Capability;
use crate::implementation::{Implementation, Refusal};
use crate::report::{Finding, Verdict};

/// What an implementation makes of one vector.
pub(crate) fn examine(implementation: &dyn Implementation, vector: &ContractVector) -> Finding {
    let mut problems = Vec::new();
    let mut verdict = None;
    for (question, expected) in &vector.questions {
        match implementation.contract(question) {
            Ok(answer) if expected.is(&answer) => {}
            Ok(answer) => problems.push(format!("got `{answer}`, expected `{expected}`")),
            Err(Refusal::Unsupported) => verdict = Some(Verdict::Unsupported),
            Err(Refusal::Failed(problem)) => problems.push(problem),
            Err(Refusal::Hung(problem)) => verdict = Some(Verdict::Hung(problem)),
            Err(Refusal::Crashed(problem)) => verdict = Some(Verdict::Crashed(problem)),
        }
        // What hangs, is gone or does not do this is asked nothing more about this vector.
        if verdict.is_some() {
            break;
        }
    }
    let verdict = match verdict {
        Some(verdict) if problems.is_empty() => verdict,
        _ if problems.is_empty() => Verdict::Passed,
        _ => Verdict::Failed(problems),
    };
    let is_unsupported = verdict == Verdict::Unsupported;
    let unsupported = if is_unsupported { vec![vec![Capability::Contracts]] } else { Vec::new() };
    Finding { verdict, unsupported }
}
