//! The suite: every vector and every dialogue, run over an implementation.
//!
//! A check is numbered by the first requirement that it cites: `W4.2/3` is the third one of W4.2, and
//! stands in the report with those of W4.

use std::collections::BTreeMap;

use crate::capability::{self, Capability};
use crate::classic::{self, ClassicDialogue};
use crate::contracts::{self, ContractVector};
use crate::dialogue::{self, Dialogue, Folder, Machine, Strictness, play};
use crate::examine::examine;
use crate::files::Files;
use crate::implementation::{Implementation, Refusal};
use crate::outcome::Side;
use crate::report::{Check, Finding, Report, Verdict};
use crate::selection::{Selection, is_of_rule};
use crate::vectors::{self, Vector};

/// Vectors and dialogues.
#[derive(Debug, Clone)]
pub struct Suite {
    vectors: Vec<Vector>,
    contracts: Vec<ContractVector>,
    dialogues: Vec<Dialogue>,
    classic: Vec<ClassicDialogue>,
}

impl Suite {
    /// All that is in these files.
    ///
    /// # Errors
    ///
    /// A file is not as the book says; the sentence names it.
    pub fn load(files: &Files) -> Result<Self, String> {
        let vectors = vectors::load(files)?;
        let contracts = contracts::load(files)?;
        let mut dialogues = Vec::new();
        for folder in Folder::ALL {
            dialogues.extend(dialogue::load(files, folder)?);
        }
        let classic = classic::load(files)?;
        Ok(Self { vectors, contracts, dialogues, classic })
    }

    /// Only what cites one of these rules; `S3` is all of `S3.1` and so on.
    ///
    /// # Errors
    ///
    /// Nothing cites one of them.
    pub fn only(self, rules: &[String]) -> Result<Self, String> {
        self.select(&Selection { only: rules.to_vec(), ..Selection::default() })
    }

    /// What each vector cites.
    fn cited(&self) -> impl Iterator<Item = &Vec<String>> + Clone {
        let all = self.vectors.iter().map(|it| &it.rules);
        let all = all.chain(self.contracts.iter().map(|it| &it.rules));
        let all = all.chain(self.dialogues.iter().map(|it| &it.rules));
        all.chain(self.classic.iter().map(|it| &it.rules))
    }

    /// What is named in the selection, and shown by no vector, though others of its rule are: the
    /// book's chapter "Requirements without a vector" says why.
    #[must_use]
    pub fn unshown<'a>(&'a self, selection: &'a Selection) -> Vec<&'a str> {
        selection.uncited(&self.cited()).collect()
    }

    /// Only what is wanted.
    ///
    /// # Errors
    ///
    /// Nothing cites one of the rules, nor another requirement of its rule.
    pub fn select(mut self, selection: &Selection) -> Result<Self, String> {
        let uncited = self.unshown(selection);
        let unknown = uncited.into_iter().find(|rule| !is_of_rule(self.cited(), rule));
        if let Some(rule) = unknown {
            return Err(format!("no vector cites `{rule}`"));
        }
        self.vectors.retain(|it| selection.wants(&it.rules));
        self.contracts.retain(|it| selection.wants(&it.rules));
        self.dialogues.retain(|it| selection.wants(&it.rules));
        self.classic.retain(|it| selection.wants(&it.rules));
        Ok(self)
    }

    /// Asks an implementation about every vector, and plays every dialogue with its machine.
    pub fn run(
        &self,
        implementation: &dyn Implementation,
        machine: &mut dyn Machine,
        with_notices: bool,
    ) -> Report {
        let mut checks = Checks::default();
        for vector in &self.vectors {
            let title = format!("{} ({})", vector.name, vector.file);
            checks.add(&vector.rules, title, examine(implementation, vector));
        }
        for vector in &self.contracts {
            let title = format!("{} ({})", vector.name, vector.file);
            checks.add(&vector.rules, title, contracts::examine(implementation, vector));
        }
        let strictness = Strictness { with_notices, in_one_order: false };
        for dialogue in &self.dialogues {
            for side in Side::ALL.into_iter().filter(|side| dialogue.is_for(*side)) {
                let title = format!("{} ({}, {})", dialogue.name, dialogue.file, side.word());
                let needs = capability::of_dialogue(dialogue.folder, side);
                let finding = found(play(machine, dialogue, side, strictness), needs);
                checks.add(&dialogue.rules, title, finding);
            }
        }
        for dialogue in &self.classic {
            let title = format!("{} ({})", dialogue.name, dialogue.file);
            let needs = vec![Capability::ClassicSessions(dialogue.side)];
            let finding = found(classic::play(machine, dialogue), needs);
            checks.add(&dialogue.rules, title, finding);
        }
        Report { name: implementation.name(), checks: checks.checks }
    }
}

/// Asks an implementation about vectors alone.
pub fn run(implementation: &dyn Implementation, vectors: &[Vector]) -> Report {
    let mut checks = Checks::default();
    for vector in vectors {
        let title = format!("{} ({})", vector.name, vector.file);
        checks.add(&vector.rules, title, examine(implementation, vector));
    }
    Report { name: implementation.name(), checks: checks.checks }
}

fn found(played: Result<(), Refusal>, needs: Vec<Capability>) -> Finding {
    let verdict = match played {
        Ok(()) => Verdict::Passed,
        Err(Refusal::Unsupported) => Verdict::Unsupported,
        Err(Refusal::Failed(problem)) => Verdict::Failed(vec![problem]),
        Err(Refusal::Hung(problem)) => Verdict::Hung(problem),
        Err(Refusal::Crashed(problem)) => Verdict::Crashed(problem),
    };
    let unsupported = if verdict == Verdict::Unsupported { vec![needs] } else { Vec::new() };
    Finding { verdict, unsupported }
}

/// Counts the checks of each requirement.
#[derive(Default)]
struct Checks {
    counts: BTreeMap<String, u32>,
    checks: Vec<Check>,
}

impl Checks {
    fn add(&mut self, rules: &[String], title: String, finding: Finding) {
        let requirement = rules.first().cloned().unwrap_or_default();
        let rule = requirement.split('.').next().unwrap_or_default().to_owned();
        let count = self.counts.entry(requirement.clone()).or_default();
        *count += 1;
        let number = format!("{requirement}/{count}");
        let Finding { verdict, unsupported } = finding;
        self.checks.push(Check { rule, number, title, verdict, unsupported });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cites_a_rule_is_left() {
        let suite = Suite::load(&Files::built_in()).unwrap();
        let of_rule = suite.clone().only(&["S3".to_owned(), "W4".to_owned()]).unwrap();
        assert!(
            of_rule.vectors.iter().all(|it| it.rules.iter().any(|rule| rule.starts_with("W4.")))
        );
        assert!(!of_rule.vectors.is_empty() && !of_rule.dialogues.is_empty());
        assert!(of_rule.dialogues.len() < suite.dialogues.len());
        assert_eq!(suite.only(&["S33".to_owned()]).err().as_deref(), Some("no vector cites `S33`"));
    }

    #[test]
    fn a_requirement_without_a_vector_is_named_and_stops_nothing() {
        let suite = Suite::load(&Files::built_in()).unwrap();
        let only = ["L1.22", "L1.23"].map(str::to_owned).to_vec();
        let selection = Selection { only, ..Selection::default() };
        assert_eq!(suite.unshown(&selection), ["L1.23"]);
        let left = suite.select(&selection).unwrap();
        assert!(!left.dialogues.is_empty());
        assert!(left.dialogues.iter().all(|it| it.rules.contains(&"L1.22".to_owned())));
    }
}
