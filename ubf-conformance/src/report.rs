//! What came of every check, and whether that is good enough.

use std::cmp::Ordering;
use std::fmt;

use crate::capability::Capability;

/// What came of all checks.
#[derive(Debug, Clone)]
pub struct Report {
    /// The name of what was examined.
    pub name: String,
    /// One for each vector.
    pub checks: Vec<Check>,
}

/// What came of one vector.
#[derive(Debug, Clone)]
pub struct Check {
    /// The rule that its first requirement is a part of: `W4`.
    pub rule: String,
    /// `W4.2/3`: the third check of the requirement W4.2.
    pub number: String,
    /// Its file and its name, and the end that is run if there are two.
    pub title: String,
    /// What came of it.
    pub verdict: Verdict,
    /// What was asked for together, and is not supported. The rest of the check may have been made.
    pub unsupported: Vec<Vec<Capability>>,
}

/// What came of it, before it has a number.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) unsupported: Vec<Vec<Capability>>,
}

/// The end of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has answered, and rightly.
    Passed,
    /// It has answered wrongly; each problem is a sentence.
    Failed(Vec<String>),
    /// It has not answered in time.
    Hung(String),
    /// It has ended, or it cannot be spoken to any longer.
    Crashed(String),
    /// It supports nothing of what was asked.
    Unsupported,
}

impl Verdict {
    /// The word of reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Hung(_) => "hung",
            Self::Crashed(_) => "crashed",
            Self::Unsupported => "unsupported",
        }
    }

    /// Whether something is wrong.
    pub fn is_bad(&self) -> bool {
        !self.problems().is_empty()
    }

    /// What is wrong, in sentences.
    pub fn problems(&self) -> &[String] {
        match self {
            Self::Passed | Self::Unsupported => &[],
            Self::Failed(problems) => problems,
            Self::Hung(problem) | Self::Crashed(problem) => std::slice::from_ref(problem),
        }
    }
}

/// How many checks have ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answered rightly.
    pub passed: usize,
    /// Answered wrongly.
    pub failed: usize,
    /// Not answered in time.
    pub hung: usize,
    /// Ended instead of an answer.
    pub crashed: usize,
    /// Not supported at all.
    pub unsupported: usize,
}

impl Counts {
    fn of<'a>(checks: impl Iterator<Item = &'a Check>) -> Self {
        let mut counts = Self::default();
        for check in checks {
            let count = match check.verdict {
                Verdict::Passed => &mut counts.passed,
                Verdict::Failed(_) => &mut counts.failed,
                Verdict::Hung(_) => &mut counts.hung,
                Verdict::Crashed(_) => &mut counts.crashed,
                Verdict::Unsupported => &mut counts.unsupported,
            };
            *count += 1;
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, hung, crashed, unsupported } = self;
        write!(f, "{passed:>4} passed {failed:>4} failed {hung:>4} hung {crashed:>4} crashed ")?;
        write!(f, "{unsupported:>4} unsupported")
    }
}

impl Report {
    /// How many checks have ended in which way.
    pub fn counts(&self) -> Counts {
        Counts::of(self.checks.iter())
    }

    /// The checks in which something that is required was not supported: all that was asked for
    /// together is in the list.
    pub fn missing(&self, required: &[Capability]) -> Vec<&Check> {
        let is_required =
            |needs: &Vec<Capability>| needs.iter().all(|need| required.contains(need));
        self.checks.iter().filter(|check| check.unsupported.iter().any(is_required)).collect()
    }

    /// Whether something was answered, nothing wrongly, and all that is required is supported.
    pub fn passed(&self, required: &[Capability]) -> bool {
        self.counts().passed > 0
            && !self.checks.iter().any(|check| check.verdict.is_bad())
            && self.missing(required).is_empty()
    }

    /// The rules that have checks, in the order of the book.
    pub fn rules(&self) -> Vec<&str> {
        let mut rules: Vec<&str> = self.checks.iter().map(|check| check.rule.as_str()).collect();
        rules.sort_by(|one, two| in_order(one, two));
        rules.dedup();
        rules
    }
}

/// `W2` before `W10`, and `S3.2` before `S3.14`.
fn in_order(one: &str, two: &str) -> Ordering {
    let key = |rule: &str| {
        let (letter, numbers) = rule.split_at_checked(1).unwrap_or((rule, ""));
        let numbers: Vec<u32> = numbers.split('.').filter_map(|it| it.parse().ok()).collect();
        (letter.to_owned(), numbers)
    };
    key(one).cmp(&key(two))
}

impl fmt::Display for Report {
    /// A line for each rule, and below it a paragraph for each check that went wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in self.rules() {
            let of_rule = || self.checks.iter().filter(|check| check.rule == rule);
            writeln!(f, "{rule:<6} {}", Counts::of(of_rule()))?;
            for check in of_rule().filter(|check| check.verdict.is_bad()) {
                writeln!(f, "       {} {}: {}", check.number, check.title, check.verdict.word())?;
                for problem in check.verdict.problems() {
                    writeln!(f, "          {problem}")?;
                }
            }
        }
        write!(f, "all    {}  of {}", self.counts(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdicts: &[Verdict], unsupported: &[Vec<Capability>]) -> Report {
        let check = |verdict: &Verdict| Check {
            rule: "W4".to_owned(),
            number: "W4.1/1".to_owned(),
            title: "x".to_owned(),
            verdict: verdict.clone(),
            unsupported: unsupported.to_vec(),
        };
        Report { name: "it".to_owned(), checks: verdicts.iter().map(check).collect() }
    }

    #[test]
    fn a_report_passes_if_something_was_answered_and_nothing_wrongly() {
        let bad = Verdict::Failed(vec!["x".to_owned()]);
        let gone = [Verdict::Hung("x".to_owned()), Verdict::Crashed("x".to_owned()), bad];
        assert!(report(&[Verdict::Passed, Verdict::Unsupported], &[]).passed(&[]));
        assert!(!report(&[Verdict::Unsupported], &[]).passed(&[]));
        assert!(!report(&[], &[]).passed(&[]));
        for verdict in gone {
            assert!(!report(&[Verdict::Passed, verdict.clone()], &[]).passed(&[]), "{verdict:?}");
        }
    }

    #[test]
    fn what_is_asked_for_together_is_missing_if_all_of_it_is_required() {
        let report = report(&[Verdict::Passed], &[vec![Capability::Decode, Capability::Classic]]);
        assert!(report.passed(&[Capability::Decode]));
        assert!(report.passed(&[Capability::Classic]));
        assert!(!report.passed(&[Capability::Decode, Capability::Classic]));
    }

    #[test]
    fn rules_are_in_the_order_of_the_book() {
        let mut rules = ["W10", "S3.14", "W2", "S3.2", "L1"];
        rules.sort_by(|one, two| in_order(one, two));
        assert_eq!(rules, ["L1", "S3.2", "S3.14", "W2", "W10"]);
    }
}
