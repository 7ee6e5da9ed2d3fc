//! The report for machines: JSON, and the XML of `JUnit`.

use std::fmt::Write;

use serde_json::{Value, json};
use ubf_conformance::capability::Capability;
use ubf_conformance::report::{Report, Verdict};

/// All of the report in JSON.
pub(crate) fn json(report: &Report, required: &[Capability]) -> Value {
    let words = |needs: &[Capability]| needs.iter().map(|it| it.word()).collect::<Vec<_>>();
    let checks: Vec<Value> = report
        .checks
        .iter()
        .map(|check| {
            json!({
                "rule": check.rule,
                "number": check.number,
                "title": check.title,
                "verdict": check.verdict.word(),
                "problems": check.verdict.problems(),
                "unsupported": check.unsupported.iter().map(|it| words(it)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let counts = report.counts();
    json!({
        "implementation": report.name,
        "passed": report.passed(required),
        "required": words(required),
        "missing": report.missing(required).iter().map(|check| &check.number).collect::<Vec<_>>(),
        "counts": {
            "passed": counts.passed,
            "failed": counts.failed,
            "hung": counts.hung,
            "crashed": counts.crashed,
            "unsupported": counts.unsupported,
        },
        "checks": checks,
    })
}

/// The report as `JUnit` writes it: a test case a check, its class the rule. What hung or crashed
/// is an error, what is not supported is skipped, or failed if it is required.
pub(crate) fn junit(report: &Report, required: &[Capability]) -> String {
    let counts = report.counts();
    let missing: Vec<&str> =
        report.missing(required).iter().map(|check| check.number.as_str()).collect();
    let unsupported = |check: &ubf_conformance::report::Check| {
        check.verdict == Verdict::Unsupported && !missing.contains(&check.number.as_str())
    };
    let skipped = report.checks.iter().filter(|check| unsupported(check)).count();
    let is_lost = |check: &&ubf_conformance::report::Check| {
        !check.verdict.is_bad() && missing.contains(&check.number.as_str())
    };
    let failures = counts.failed + report.checks.iter().filter(is_lost).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let suite = format!(
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{}\" \
         skipped=\"{skipped}\">\n",
        escaped(&report.name),
        report.checks.len(),
        counts.hung + counts.crashed,
    );
    xml.push_str(&suite);
    for check in &report.checks {
        let text = escaped(&check.verdict.problems().join("\n"));
        let result = match &check.verdict {
            Verdict::Failed(_) => format!("<failure>{text}</failure>"),
            Verdict::Hung(_) => format!("<error type=\"hung\">{text}</error>"),
            Verdict::Crashed(_) => format!("<error type=\"crashed\">{text}</error>"),
            Verdict::Passed | Verdict::Unsupported if is_lost(&check) => {
                "<failure>required, and unsupported</failure>".to_owned()
            }
            Verdict::Unsupported => "<skipped/>".to_owned(),
            Verdict::Passed => String::new(),
        };
        let (rule, name) = (escaped(&check.rule), format!("{} {}", check.number, check.title));
        // Writing to a string cannot fail.
        let _ = writeln!(
            xml,
            "<testcase classname=\"{rule}\" name=\"{}\">{result}</testcase>",
            escaped(&name)
        );
    }
    xml.push_str("</testsuite>\n");
    xml
}

/// Text in XML. Control characters, which XML cannot have, become `?`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            character if character.is_control() => out.push('?'),
            character => out.push(character),
        }
    }
    out
}
