//! `ubf contract diff`: does one contract serve the clients of the other?

use std::io;

use serde_json::{Value, json};
use ubf_contract::Contract;
use ubf_contract::compare::{Comparison, Direction, Finding, Report, Severity, Verdict};

use super::source::Source;
use super::told;
use crate::args::contract::{DiffContracts, DiffForm, Want};
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::status::Status;

/// The two contracts and their texts.
struct Pair {
    old: (Source, Contract),
    new: (Source, Contract),
}

pub(crate) fn run(args: &DiffContracts, output: &mut Output) -> io::Result<Status> {
    let old = told::contract(&args.old, &args.source, &args.server, output)?;
    let new = told::contract(&args.new, &args.source, &args.server, output)?;
    let pair = match (old, new) {
        (Ok(old), Ok(new)) => Pair { old, new },
        (Err(status), _) | (_, Err(status)) => return Ok(status),
    };
    let report = Comparison::new(&pair.old.1, &pair.new.1)
        .with_strings(args.strings.strings())
        .with_same_results(args.same_results)
        .with_hidden_states(args.hidden_states)
        .with_entry_states(args.entry.iter().map(|name| name.as_str().into()))
        .run();
    match if args.json { DiffForm::Json } else { args.format } {
        DiffForm::Text => text(&pair, &report, output)?,
        DiffForm::Json => output.line(as_json(&pair, &report))?,
        DiffForm::Github => github(&pair, &report, output)?,
        DiffForm::Sarif => output.line(sarif(&pair, &report))?,
    }
    let holds = |verdict| verdict == Verdict::Serves;
    let holds = match args.want {
        Want::Backward => holds(report.backward),
        Want::Forward => holds(report.forward),
        Want::Both => holds(report.backward) && holds(report.forward),
    };
    Ok(if holds { Status::Good } else { Status::WrongInput })
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Serves => "yes",
        Verdict::Breaks => "no",
        Verdict::NotShown => "not shown",
    }
}

impl Pair {
    /// The file and the line of the rule that is to blame: of the server's contract if there is
    /// one.
    fn place(&self, finding: &Finding) -> (&str, ubf_contract::Position) {
        let (own, span) = match (finding.new, finding.old) {
            (Some(span), _) => (&self.new, span),
            (None, Some(span)) => (&self.old, span),
            (None, None) => (&self.new, self.new.1.name().span),
        };
        (&own.0.name, own.1.position(span.start))
    }
}

fn text(pair: &Pair, report: &Report, output: &mut Output) -> io::Result<()> {
    let Palette { strong, error, faint, good, .. } = output.palette();
    for finding in &report.findings {
        let (file, at) = pair.place(finding);
        let severity = finding.change.severity();
        let style = if severity == Severity::Warning { faint } else { error };
        output.line(format_args!(
            "{strong}{file}:{at}{strong:#}: {style}{severity}{style:#}: {finding}"
        ))?;
        output.line(format_args!("  {faint}instead: {}{faint:#}", finding.change.advice()))?;
    }
    let verdict = |verdict| if verdict == Verdict::Serves { good } else { error };
    let (backward, forward) = (verdict(report.backward), verdict(report.forward));
    output.line(format_args!(
        "old clients, new servers: {backward}{}{backward:#}",
        word(report.backward)
    ))?;
    output.line(format_args!(
        "new clients, old servers: {forward}{}{forward:#}",
        word(report.forward)
    ))?;
    output.line(format_args!("upgrade: {}", report.upgrade()))
}

fn findings(pair: &Pair, report: &Report) -> Vec<Value> {
    let text = |text: &Option<ubf_codec::Text>| text.as_ref().map(ubf_codec::Text::to_latin1);
    let term = |term: &Option<ubf_codec::Term>| term.as_ref().map(ToString::to_string);
    report
        .findings
        .iter()
        .map(|finding| {
            let (file, at) = pair.place(finding);
            let direction = match finding.direction {
                Direction::Backward => "backward",
                Direction::Forward => "forward",
            };
            json!({
                "direction": direction,
                "change": finding.change.id(),
                "severity": finding.change.severity().to_string(),
                "shown": finding.is_shown,
                "state": text(&finding.state),
                "next": text(&finding.next),
                "request": term(&finding.request),
                "message": term(&finding.message),
                "text": finding.to_string(),
                "instead": finding.change.advice(),
                "file": file,
                "line": at.line,
                "column": at.column,
            })
        })
        .collect()
}

fn as_json(pair: &Pair, report: &Report) -> Value {
    json!({
        "backward": word(report.backward),
        "forward": word(report.forward),
        "upgrade": report.upgrade().to_string(),
        "findings": findings(pair, report),
    })
}

fn github(pair: &Pair, report: &Report, output: &mut Output) -> io::Result<()> {
    for finding in &report.findings {
        let (file, at) = pair.place(finding);
        let severity = finding.change.severity();
        let level = if severity == Severity::Warning { "warning" } else { "error" };
        // Line ends and percent signs have a meaning there.
        let message = finding.to_string().replace('%', "%25").replace('\n', "%0A");
        output.line(format_args!(
            "::{level} file={file},line={},col={}::{message}",
            at.line, at.column
        ))?;
    }
    Ok(())
}

fn sarif(pair: &Pair, report: &Report) -> Value {
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let (file, at) = pair.place(finding);
            let severity = finding.change.severity();
            json!({
                "ruleId": finding.change.id(),
                "level": if severity == Severity::Warning { "warning" } else { "error" },
                "message": { "text": finding.to_string() },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": file },
                    "region": { "startLine": at.line, "startColumn": at.column },
                }}],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "ubf contract diff", "version": env!("CARGO_PKG_VERSION") } },
            "results": results,
        }],
    })
}
