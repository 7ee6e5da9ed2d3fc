//! `ubf contract check`: is it a contract, and if not, all the reasons.

use std::io;

use serde::Serialize;
use ubf_contract::{Contract, Diagnostic, ReadError};

use super::source::{self, Source};
use crate::args::contract::CheckContract;
use crate::packets::input;
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::status::Status;
use crate::ui::text::counted;

pub(crate) fn run(args: &CheckContract, output: &mut Output) -> io::Result<Status> {
    let mut worst = Status::Good;
    for path in input::named(&args.files) {
        let source = match source::open(&path, output)? {
            Ok(source) => source,
            Err(status) => {
                worst = worst.max(status);
                continue;
            }
        };
        let read = source.read(&args.source);
        if args.json {
            output.line(json(&source, &read))?;
        } else {
            show(&source, &read, output)?;
        }
        worst = worst.max(if read.is_ok() { Status::Good } else { Status::WrongInput });
    }
    Ok(worst)
}

fn show(
    source: &Source,
    read: &Result<Contract, ReadError>,
    output: &mut Output,
) -> io::Result<()> {
    match read {
        Ok(contract) => {
            for warning in contract.warnings() {
                source.warn(warning, output);
            }
            let Palette { good, .. } = output.palette();
            let states = counted(contract.states().len() as u64, "state");
            let types = counted(contract.types().len() as u64, "type");
            output.line(format_args!("{}: {good}good{good:#}, {states}, {types}", source.name))
        }
        Err(error) => source.report_all(error, output),
    }
}

/// The result for programs.
fn json(source: &Source, read: &Result<Contract, ReadError>) -> String {
    #[derive(Serialize)]
    struct Verdict<'a> {
        file: &'a str,
        good: bool,
        name: Option<String>,
        errors: Vec<Told>,
        warnings: Vec<Told>,
    }
    #[derive(Serialize)]
    struct Told {
        code: &'static str,
        message: String,
        line: u32,
        column: u32,
        end_line: u32,
        end_column: u32,
        expected: Option<String>,
    }
    let told = |diagnostic: &Diagnostic| Told {
        code: diagnostic.problem.code(),
        message: diagnostic.to_string(),
        line: diagnostic.start.line,
        column: diagnostic.start.column,
        end_line: diagnostic.end.line,
        end_column: diagnostic.end.column,
        expected: diagnostic.expected().map(str::to_owned),
    };
    let verdict = Verdict {
        file: &source.name,
        good: read.is_ok(),
        name: read.as_ref().ok().map(|contract| contract.name().text.to_latin1()),
        errors: read
            .as_ref()
            .err()
            .map(|error| error.diagnostics().map(told).collect())
            .unwrap_or_default(),
        warnings: read
            .as_ref()
            .map(|contract| contract.warnings().iter().map(told).collect())
            .unwrap_or_default(),
    };
    // Strings and numbers alone: this cannot fail.
    serde_json::to_string(&verdict).unwrap_or_default()
}
